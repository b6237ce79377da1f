//! The whole chain, and what was so at any height of it.
//!
//! A record, a cosignature, a connection: each is judged by governance as of some height, and any peer that holds the chain
//! up to there has to come to the same. A history keeps for each department and for the common rules one version a change;
//! what a block didn't touch is shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::crypto::keys::{CatalogueCommitment, PublicKey};
use crate::genesis::{Genesis, Policy, Role};
use crate::id::{DepartmentCode, TypeCode};
use crate::names::{Lineage, LogId, LogName, NetworkId};

use super::action::Position;
use super::block::FinalBlock;
use super::chain::BlockId;
use super::fault::BlockError;
use super::member::{GenerationEnded, Marker, Member, Trail};
use super::own::{EndReason, EpochEnd};
use super::state::State;

/// Versions of one thing, each from a height on.
type Versions<T> = Vec<(u64, Arc<T>)>;

/// The members with the role to define types, by the authority whose types these are.
type Definers = BTreeMap<DepartmentCode, DepartmentCode>;

fn definers(state: &State) -> Definers {
    let mut definers = Definers::new();
    for member in state.members() {
        for role in &*member.roles {
            if let Role::Define(authority) = *role {
                definers.insert(authority, member.code);
            }
        }
    }
    definers
}

/// The rules that all departments have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The format version in force.
    pub version: u32,
    /// The policy in force.
    pub policy: Policy,
    /// What a key has to fit to be the network's catalogue key in force.
    pub catalogue_key: CatalogueCommitment,
}

impl Rules {
    fn of(state: &State) -> Rules {
        Rules {
            version: state.version(),
            policy: state.policy().clone(),
            catalogue_key: state.catalogue_key(),
        }
    }
}

/// What a block changed, for those who have to act on it: close connections, judge logs again, show something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Departments that are otherwise than before, or whose records are judged otherwise.
    pub departments: BTreeSet<DepartmentCode>,
    /// Whether the common rules changed.
    pub rules: bool,
}

/// A chain of final blocks, verified from its genesis.
#[derive(Clone, Debug)]
pub struct History {
    state: State,
    /// What each height's block is called; at 0, the genesis.
    heads: Vec<BlockId>,
    /// When each height's block was made, ms; at 0, the genesis. It never goes back.
    times: Vec<u64>,
    members: BTreeMap<DepartmentCode, Versions<Member>>,
    /// Who has the role to define the types of which authority: asked too often to look through all members for it.
    definers: Versions<Definers>,
    rules: Versions<Rules>,
    /// How many members are active after the last block: asked at every announcement, and it changes with blocks only.
    active: usize,
}

fn count_active(state: &State) -> usize {
    let active = state.members().filter(|member| member.is_active());
    active.count()
}

impl History {
    /// The history of a network without a block.
    pub fn begin(genesis: &Genesis) -> History {
        let state = State::of_genesis(genesis);
        let first = |(code, member): (&DepartmentCode, &Arc<Member>)| {
            (*code, vec![(0, Arc::clone(member))])
        };
        History {
            heads: vec![state.head()],
            times: vec![state.time_ms()],
            members: state.members.iter().map(first).collect(),
            definers: vec![(0, Arc::new(definers(&state)))],
            rules: vec![(0, Arc::new(Rules::of(&state)))],
            active: count_active(&state),
            state,
        }
    }

    /// Adds the next block.
    ///
    /// # Errors
    /// [`BlockError`] if it isn't final, doesn't hold, or is not the next one; then nothing changed.
    pub fn extend(&mut self, block: &FinalBlock) -> Result<Changes, BlockError> {
        Ok(self.advance(self.state.accept(block)?))
    }

    /// Goes on to the state that follows its last one.
    pub(crate) fn advance(&mut self, next: State) -> Changes {
        let height = next.height();
        let mut changes = Changes::default();
        for (code, member) in &next.members {
            if self.state.members.get(code) != Some(member) {
                let versions = self.members.entry(*code).or_default();
                versions.push((height, Arc::clone(member)));
                changes.departments.insert(*code);
            }
        }
        for (code, trail) in &next.trails {
            if self.state.trails.get(code) != Some(trail) {
                changes.departments.insert(*code);
            }
        }
        if !changes.departments.is_empty() {
            self.active = count_active(&next);
            let definers = definers(&next);
            if self
                .definers
                .last()
                .is_none_or(|(_, now)| **now != definers)
            {
                self.definers.push((height, Arc::new(definers)));
            }
        }
        let rules = Rules::of(&next);
        if *self.rules_now() != rules {
            self.rules.push((height, Arc::new(rules)));
            changes.rules = true;
        }
        self.heads.push(next.head());
        self.times.push(next.time_ms());
        self.state = next;
        changes
    }

    /// What is so after the last block.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How many members are active, that is, belong and aren't suspended, after the last block.
    pub fn active_members(&self) -> usize {
        self.active
    }

    /// The chain that it is of.
    pub fn chain(&self) -> NetworkId {
        self.state.network()
    }

    /// Its last height.
    pub fn height(&self) -> u64 {
        self.state.height()
    }

    /// Whether this program can judge what names a height: it is known here, and of a version that this program knows.
    pub fn is_readable(&self, height: u64) -> bool {
        height <= self.readable_height()
    }

    /// The last height of a version that this program knows: what is written here names that at most.
    pub fn readable_height(&self) -> u64 {
        // Nothing is folded beyond a raise that this program does not know, so all heights but the last are readable.
        match self.state.is_readable() {
            true => self.height(),
            false => self.height().saturating_sub(1),
        }
    }

    /// What the block of a height is called; `None` of one that isn't known here.
    pub fn head_at(&self, height: u64) -> Option<BlockId> {
        self.heads.get(usize::try_from(height).ok()?).copied()
    }

    /// When the block of a height was made, ms since 1970 UTC; `None` of one that isn't known here.
    pub fn time_at(&self, height: u64) -> Option<u64> {
        self.times.get(usize::try_from(height).ok()?).copied()
    }

    /// The last height whose block was made before a time; 0 if none was.
    pub fn height_before(&self, time_ms: u64) -> u64 {
        let made = self.times.partition_point(|made| *made < time_ms);
        made.saturating_sub(1) as u64
    }

    /// The common rules as of a height; `None` of one that isn't known here.
    pub fn rules_at(&self, height: u64) -> Option<&Rules> {
        self.known(height)?;
        as_of(&self.rules, height)
    }

    /// A department as of a height, also one that was removed by then; `None` if it had not been admitted, or of a height
    /// that isn't known here.
    pub fn department_at(&self, code: &DepartmentCode, height: u64) -> Option<&Member> {
        self.known(height)?;
        as_of(self.members.get(code)?, height)
    }

    /// A department that belonged as of a height, suspended or not.
    pub fn member_at(&self, code: &DepartmentCode, height: u64) -> Option<&Member> {
        let department = self.department_at(code, height);
        department.filter(|member| member.belongs())
    }

    /// Those that belonged as of a height.
    pub fn members_at(&self, height: u64) -> impl Iterator<Item = &Member> {
        let codes = self.members.keys();
        codes.filter_map(move |code| self.member_at(code, height))
    }

    /// Every department that belongs or ever did, as it is by now.
    pub fn departments(&self) -> impl Iterator<Item = &Member> {
        self.members
            .values()
            .filter_map(|versions| versions.last())
            .map(|(_, member)| &**member)
    }

    /// Those that decided as of a height.
    pub fn governors_at(&self, height: u64) -> impl Iterator<Item = &Member> {
        self.members_at(height)
            .filter(|member| member.is_governor())
    }

    /// Whether a department had a role as of a height, and was not suspended. What stands from a position on that a later
    /// decision names is judged by that: [`History::judge`].
    pub fn had_role(&self, code: &DepartmentCode, role: Role, height: u64) -> bool {
        let member = self.member_at(code, height);
        member.is_some_and(|member| member.is_active() && member.roles.find(&role).is_some())
    }

    /// Whether a department has or had a role.
    pub fn ever_had_role(&self, code: &DepartmentCode, role: Role) -> bool {
        let versions = self.members.get(code);
        let mut versions = versions.into_iter().flatten();
        versions.any(|(_, member)| member.roles.find(&role).is_some())
    }

    /// All that ever defined a type.
    pub fn definers_ever(&self, code: &TypeCode) -> BTreeSet<DepartmentCode> {
        let authority = code.authority();
        let with_role = self.definers.iter();
        let with_role = with_role.filter_map(|(_, definers)| definers.get(&authority).copied());
        let itself = self.members.contains_key(&authority).then_some(authority);
        with_role.chain(itself).collect()
    }

    /// The first epoch of a present member whose end is not known, though a later one is in force.
    pub fn open_epoch(&self, code: &DepartmentCode) -> Option<u32> {
        let member = self
            .state
            .member(code)
            .filter(|member| member.is_active())?;
        let open = u32::try_from(self.trail(code)?.first_open_epoch()).ok()?;
        (open < member.epoch).then_some(open)
    }

    /// Whether an epoch has ended just there, as rotated.
    pub fn ended_by_rotation(&self, end: &EpochEnd) -> bool {
        let trail = self.trail(&end.position.log.department);
        let known = trail.and_then(|trail| trail.epoch(end.epoch)?.ended);
        known.is_some_and(|known| known.position == end.position && known.why == EndReason::Rotated)
    }

    /// Whether a department had a role whenever it belonged.
    pub fn always_had_role(&self, code: &DepartmentCode, role: Role) -> bool {
        let versions = self.members.get(code).map_or(&[][..], Vec::as_slice);
        let mut versions = versions.iter();
        versions.len() > 0 && versions.all(|(_, member)| member.roles.find(&role).is_some())
    }

    /// Where some of a log's records begin to count for nothing, or may, as changes of its certificates, if that is below a size:
    /// since a decision suspended its department, or took the role to issue. Also of what it goes on with of earlier generations.
    pub fn marked_below(&self, log: LogId, size: u64) -> Option<u64> {
        let (code, trail) = (&log.department, self.trail(&log.department)?);
        let may_void = |marker: &&Marker| {
            let then = self.department_at(code, marker.height);
            let issues = |then: &Member| self.issues_as_ever(then, marker.height);
            marker.suspends || !then.is_some_and(issues)
        };
        let markers = trail.markers.iter();
        let markers = markers.filter(|marker| marker_is_in(trail, marker, log));
        let markers = markers.filter(may_void).map(|marker| marker.position.size);
        // What it may do is judged at the height that a record names as well, and nothing marks from where on a generation was
        // written without the role.
        let ends = trail.generations.iter().take(log.generation as usize);
        let until = trail.generations.iter().take(log.generation as usize);
        let until = until.skip(1).map(|end| end.size).chain([size]);
        let without = ends.zip(until).filter(|(begun, until)| {
            begun.size < *until && !self.begins_as_ever(code, begun.height)
        });
        let without = without.map(|(begun, _)| begun.size);
        markers.chain(without).min().filter(|first| *first < size)
    }

    /// Whether a department that writes again from a height on has the role to issue then, unless it never had it.
    fn begins_as_ever(&self, code: &DepartmentCode, height: u64) -> bool {
        let versions = self.members.get(code).map_or(&[][..], Vec::as_slice);
        let after = versions.partition_point(|(since, _)| *since <= height);
        let since = versions.iter().skip(after.saturating_sub(1));
        // As of the heights before that nobody takes anything of it.
        let mut writes = since.filter(|(_, member)| member.is_active());
        let first = writes.next();
        first.is_none_or(|(since, member)| self.issues_as_ever(member, *since))
    }

    /// Whether a department has the role to issue as of a height, unless it never had it before.
    fn issues_as_ever(&self, then: &Member, height: u64) -> bool {
        let issues = |member: &Member| member.roles.find(&Role::Issue).is_some();
        let before = self.members.get(&then.code).into_iter().flatten();
        let mut before = before.take_while(|(since, _)| *since < height);
        issues(then) || !before.any(|(_, member)| issues(member))
    }

    /// The positions that later decisions on a department name in a log, and in what it goes on with of earlier generations: where
    /// these are of other records it is another log than what the members saw.
    pub fn marks_in(&self, log: LogId) -> impl Iterator<Item = Position> {
        let trail = self.trail(&log.department);
        trail.into_iter().flat_map(move |trail| {
            let markers = trail.markers.iter();
            let markers = markers.filter(move |marker| marker_is_in(trail, marker, log));
            markers.map(|marker| marker.position)
        })
    }

    /// Whether nothing ended in a department's log, and no later decision judges a part of it.
    pub fn is_unbroken(&self, code: &DepartmentCode) -> bool {
        self.trail(code).is_none_or(|trail| {
            let mut epochs = trail.epochs.iter();
            trail.generations.is_empty()
                && trail.markers.is_empty()
                && epochs.all(|epoch| epoch.ended.is_none())
        })
    }

    /// The member that defined a type as of a height: its authority, if that belonged, else the one with the role for it.
    pub fn definer_at(&self, code: &TypeCode, height: u64) -> Option<DepartmentCode> {
        self.known(height)?;
        let authority = code.authority();
        match self.member_at(&authority, height) {
            Some(_) => Some(authority),
            None => as_of(&self.definers, height)?.get(&authority).copied(),
        }
    }

    /// The key of an epoch, whether it is in force or not.
    pub fn key(&self, code: &DepartmentCode, epoch: u32) -> Option<&PublicKey> {
        Some(&self.trail(code)?.epoch(epoch)?.key)
    }

    /// What a department's records are judged by besides what it was.
    pub fn trail(&self, code: &DepartmentCode) -> Option<&Trail> {
        self.state.trail(code)
    }

    /// A log, with the sizes at which the generations before it ended, as far as they are known here.
    pub fn lineage(&self, log: LogId) -> Lineage {
        let network = self.chain();
        self.lineage_of(LogName { network, id: log })
    }

    /// The same of a log by its name.
    pub(crate) fn lineage_of(&self, name: LogName) -> Lineage {
        let trail = self.trail(&name.id.department);
        let ended = trail.into_iter().flat_map(|trail| &trail.generations);
        Lineage::new(name, ended.map(|end| end.size))
    }

    /// What a log begins with: where the generation before it ended. `None` if it begins with nothing, as a first generation
    /// does, or isn't known here.
    pub fn beginning(&self, log: LogId) -> Option<&GenerationEnded> {
        let before = log.generation.checked_sub(1)?;
        let ended = self.trail(&log.department)?.generation_end(before)?;
        (ended.size > 0).then_some(ended)
    }

    /// The log that a department writes, or last wrote: of one that was removed, what is left of its log.
    pub fn present_log(&self, code: &DepartmentCode) -> LogId {
        let trail = self.trail(code);
        let ended = trail.map_or(0, |trail| trail.generations.len());
        LogId {
            department: *code,
            generation: u32::try_from(ended).unwrap_or(u32::MAX),
        }
    }

    fn known(&self, height: u64) -> Option<()> {
        (height <= self.height()).then_some(())
    }

    fn rules_now(&self) -> &Rules {
        let (_, rules) = self
            .rules
            .last()
            .expect("there are some from the beginning");
        rules
    }
}

/// Whether a marker is in a log, or in what it goes on with of an earlier generation, and not just where that ended.
fn marker_is_in(trail: &Trail, marker: &Marker, log: LogId) -> bool {
    let (generation, size) = (marker.position.log.generation, marker.position.size);
    match generation == log.generation {
        true => true,
        false if generation > log.generation => false,
        false => trail
            .generation_end(generation)
            .is_some_and(|end| size < end.size),
    }
}

/// The version in force at a height.
fn as_of<T>(versions: &Versions<T>, height: u64) -> Option<&T> {
    let after = versions.partition_point(|(since, _)| *since <= height);
    Some(&*versions[after.checked_sub(1)?].1)
}
