//! What each action does.

use crate::codec::Ascending;
use crate::crypto::catalogue_keys::MAX_CATALOGUE_KEYS;
use crate::genesis::{MAX_DEPARTMENTS, MAX_GOVERNORS, Role};
use crate::id::DepartmentCode;
use crate::names::LogId;

use super::super::action::{
    Action, Admit, ChangeRoles, Cut, CutReason, Govern, Position, RaiseVersion, Remove,
    ReplaceCatalogueKey, ReplaceIdentity, ReplacePolicy, Resume, Suspend,
};
use super::super::fault::{ActionFault, PositionFault};
use super::super::member::{
    Ended, GenerationEnd, GenerationEnded, Marker, Member, Quota, Standing, Trail,
};
use super::super::own::EndReason;
use super::super::state::{State, UsedKey};
use super::super::way::MAX_SUCCESSORS;

type Done = Result<(), ActionFault>;

impl State {
    pub(super) fn act(&mut self, action: &Action) -> Done {
        match action {
            Action::Admit(admit) => self.admit(admit),
            Action::Suspend(suspend) => self.suspend(suspend),
            Action::Resume(resume) => self.resume(resume),
            Action::Remove(remove) => self.remove(remove),
            Action::ChangeRoles(change) => self.change_roles(change),
            Action::Govern(govern) => self.let_govern(govern),
            Action::Cut(cut) => self.cut(cut),
            Action::ReplaceIdentity(replace) => self.replace_identity(replace),
            Action::ReplaceCatalogueKey(replace) => self.replace_catalogue_key(replace),
            Action::ReplacePolicy(replace) => self.replace_policy(replace),
            Action::RaiseVersion(raise) => self.raise_version(raise),
            Action::Unreadable(unreadable) => Err(ActionFault::Unreadable(unreadable.kind)),
        }
    }

    fn admit(&mut self, admit: &Admit) -> Done {
        let newcomer = &admit.introduction.newcomer;
        let code = newcomer.code;
        if self.member(&code).is_some() {
            return Err(ActionFault::Member(code));
        }
        // Its certificates are its successor's for good: of each there is one at any time who changes its status.
        if let Some(successor) = self.successor(&code) {
            return Err(ActionFault::Succeeded {
                department: code,
                successor,
            });
        }
        if self.members().count() >= MAX_DEPARTMENTS {
            return Err(ActionFault::TooMany(MAX_DEPARTMENTS));
        }
        let blank = |name: &str| name.trim().is_empty();
        let name_zh = newcomer.name_zh.as_ref();
        if blank(newcomer.name.as_str()) || name_zh.is_some_and(|name| blank(name.as_str())) {
            return Err(ActionFault::NoName(code));
        }
        if !admit.introduction.is_proved(self.network) {
            return Err(ActionFault::NotPossessed(code));
        }
        let role = Role::Define(code);
        if self
            .members()
            .any(|member| member.roles.find(&role).is_some())
        {
            return Err(ActionFault::Role(role));
        }
        self.check_roles(&code, &admit.roles)?;
        if !self.use_keys(UsedKey::all(code, &newcomer.keys)) {
            return Err(ActionFault::KeyUsed(code));
        }
        // Who was a member before goes on with its epochs, generations and numbers: what it signed then stays what it was.
        let height = self.height;
        let trail = self.trail_mut(&code);
        trail.add_epoch(newcomer.keys.operating, height);
        let (epoch, generation) = (count(&trail.epochs) - 1, count(&trail.generations));
        let before = self.members.get(&code);
        let changes = before.map_or(0, |before| before.changes);
        let member = Member {
            code,
            name: newcomer.name.clone(),
            name_zh: newcomer.name_zh.clone(),
            standing: Standing::Present,
            governs: false,
            roles: admit.roles.clone(),
            keys: newcomer.keys.clone(),
            epoch,
            first_epoch: epoch,
            generation,
            changes,
            quota: Quota::default(),
        };
        self.members.insert(code, member.into());
        match admit.governs {
            true => self.set_governs(&code),
            false => Ok(()),
        }
    }

    fn suspend(&mut self, suspend: &Suspend) -> Done {
        let code = suspend.position.log.department;
        let member = self.acted_on(&code)?;
        if !member.is_active() {
            return Err(ActionFault::Overtaken("that it is not suspended"));
        }
        self.check_position(&suspend.position)?;
        self.mark(suspend.position, true);
        let since = self.height;
        let position = suspend.position;
        self.member_mut(&code).standing = Standing::Suspended { since, position };
        Ok(())
    }

    fn resume(&mut self, resume: &Resume) -> Done {
        let member = self.acted_on(&resume.department)?;
        let position = match member.standing {
            Standing::Suspended { since, position } if since == resume.since => position,
            _ => return Err(ActionFault::Overtaken("a suspension")),
        };
        // The log may have been cut meanwhile, which settled where it goes on.
        let position = match position.log == member.log() {
            true => position,
            false => self.beginning_of(member.log()),
        };
        // Of what stands in the log beyond nobody could ever prove what counts.
        let (why, first) = (
            GenerationEnd::Suspended,
            member.epoch.max(member.first_epoch),
        );
        self.begin_generation(&position, why, EndReason::Rotated, first);
        self.member_mut(&resume.department).standing = Standing::Present;
        Ok(())
    }

    /// What a present log began with.
    fn beginning_of(&self, log: LogId) -> Position {
        let trail = self.trail(&log.department);
        match trail.and_then(|trail| trail.generations.last()) {
            None => Position::beginning(log),
            Some(kept) => Position {
                log,
                size: kept.size,
                root: kept.root,
            },
        }
    }

    fn remove(&mut self, remove: &Remove) -> Done {
        let code = remove.position.log.department;
        let member = self.acted_on(&code)?;
        if member.suspended_since() != Some(remove.since) {
            return Err(ActionFault::Overtaken("a suspension"));
        }
        if remove.since >= self.height {
            return Err(ActionFault::TooSoon(code));
        }
        self.check_position(&remove.position)?;
        if let Some(successor) = remove.successor
            && (successor == code || self.member(&successor).is_none())
        {
            return Err(ActionFault::Successor(successor));
        }
        if remove.successor.is_some() && self.longest_way_to(&code) >= MAX_SUCCESSORS {
            return Err(ActionFault::TooManySuccessors(code));
        }
        self.mark(remove.position, true);
        let all = u32::MAX;
        self.end_generation(
            &remove.position,
            GenerationEnd::Removed,
            EndReason::Rotated,
            all,
        );
        let since = self.height;
        let member = self.member_mut(&code);
        member.standing = Standing::Removed {
            since,
            successor: remove.successor,
        };
        member.governs = false;
        member.roles = Ascending::default();
        Ok(())
    }

    fn change_roles(&mut self, change: &ChangeRoles) -> Done {
        let code = change.department;
        let member = self.acted_on(&code)?;
        if change.give.is_empty() && change.take.is_empty() {
            return Err(ActionFault::Roles);
        }
        let has = |role: &&Role| member.roles.find(role).is_some();
        if change.give.iter().any(|role| has(&role)) || !change.take.iter().all(|role| has(&role)) {
            return Err(ActionFault::Overtaken("roles"));
        }
        let takes = |role: &Role| change.take.find(role).is_some();
        let left = member.roles.iter().filter(|role| !takes(role));
        let roles: Vec<Role> = left.chain(change.give.iter()).copied().collect();
        let roles =
            Ascending::new(roles).map_err(|_| ActionFault::TooMany(crate::genesis::MAX_ROLES))?;
        self.check_roles(&code, &change.give)?;
        match &change.position {
            Some(position) if !change.take.is_empty() && position.log.department == code => {
                self.check_position(position)?;
                self.mark(*position, false);
            }
            None if change.take.is_empty() => {}
            _ => return Err(ActionFault::NoPosition),
        }
        self.member_mut(&code).roles = roles;
        Ok(())
    }

    fn let_govern(&mut self, govern: &Govern) -> Done {
        let member = self.acted_on(&govern.department)?;
        match (member.governs, govern.governs) {
            (false, true) => self.set_governs(&govern.department),
            (true, false) => {
                self.member_mut(&govern.department).governs = false;
                Ok(())
            }
            _ => Err(ActionFault::Overtaken("whether it governs")),
        }
    }

    fn cut(&mut self, cut: &Cut) -> Done {
        let code = cut.position.log.department;
        let member = self.acted_on(&code)?;
        let (living, present) = (member.first_epoch, member.epoch);
        if !(living..=present.saturating_add(1)).contains(&cut.first_epoch) {
            return Err(ActionFault::FirstEpoch {
                found: cut.first_epoch,
                living,
                next: present.saturating_add(1),
            });
        }
        // What it wrote beyond is void, and would stay in its log for good.
        if let Standing::Suspended { position, .. } = member.standing
            && position.log == cut.position.log
            && position.size < cut.position.size
        {
            return Err(ActionFault::BeyondSuspension(position.size));
        }
        self.check_position(&cut.position)?;
        let why = match cut.why {
            CutReason::Compromised => EndReason::Stolen,
            CutReason::Forked | CutReason::Lost => EndReason::Rotated,
        };
        let cut_for = GenerationEnd::Cut(cut.why);
        self.begin_generation(&cut.position, cut_for, why, cut.first_epoch);
        Ok(())
    }

    fn replace_identity(&mut self, replace: &ReplaceIdentity) -> Done {
        let code = replace.department;
        let member = self.acted_on(&code)?;
        if member.keys.identity != replace.before {
            return Err(ActionFault::Overtaken("an identity key"));
        }
        if !replace.is_proved(self.network) {
            return Err(ActionFault::NotPossessed(code));
        }
        if !self.use_keys([UsedKey::signs(&replace.after)]) {
            return Err(ActionFault::KeyUsed(code));
        }
        let member = self.member_mut(&code);
        member.keys.identity = replace.after;
        // Whoever had the old key may have used up the day's changes; the department has to change its keys now.
        member.quota = Quota::default();
        Ok(())
    }

    fn replace_catalogue_key(&mut self, replace: &ReplaceCatalogueKey) -> Done {
        if self.catalogue_key() != replace.before {
            return Err(ActionFault::Overtaken("a catalogue key"));
        }
        // Whoever had it then has it still: to go back to one is no rotation.
        let known = &self.catalogue_keys;
        if known.iter().any(|(_, known)| *known == replace.after) {
            return Err(ActionFault::CatalogueKeyUsed);
        }
        if known.last().is_some_and(|(since, _)| *since == self.height) {
            return Err(ActionFault::CatalogueKeyTwice);
        }
        if known.len() >= MAX_CATALOGUE_KEYS {
            return Err(ActionFault::TooManyCatalogueKeys(MAX_CATALOGUE_KEYS));
        }
        self.catalogue_keys.push((self.height, replace.after));
        Ok(())
    }

    fn replace_policy(&mut self, replace: &ReplacePolicy) -> Done {
        if self.policy != replace.before {
            return Err(ActionFault::Overtaken("a policy"));
        }
        let known: Vec<UsedKey> = self.policy.recovery_keys().map(UsedKey::signs).collect();
        let keys = replace.after.recovery_keys().map(UsedKey::signs);
        let fresh: Vec<UsedKey> = keys.filter(|key| !known.contains(key)).collect();
        if !self.use_keys(fresh) {
            return Err(ActionFault::RecoveryKeyUsed);
        }
        self.policy = replace.after.clone();
        Ok(())
    }

    fn raise_version(&mut self, raise: &RaiseVersion) -> Done {
        if self.version.checked_add(1) != Some(raise.after) {
            return Err(ActionFault::Overtaken("a version"));
        }
        self.version = raise.after;
        Ok(())
    }

    /// The member that an action is about.
    fn acted_on(&self, code: &DepartmentCode) -> Result<&Member, ActionFault> {
        self.member(code).ok_or(ActionFault::NotAMember(*code))
    }

    /// Who defines a type must follow from the members alone: see the same rule for a genesis.
    fn check_roles(&self, code: &DepartmentCode, roles: &[Role]) -> Done {
        for role in roles {
            let Role::Define(authority) = role else {
                continue;
            };
            let taken = |member: &Member| {
                member.code == *authority
                    || member.code != *code && member.roles.find(role).is_some()
            };
            if authority == code || self.members().any(taken) {
                return Err(ActionFault::Role(*role));
            }
        }
        Ok(())
    }

    fn set_governs(&mut self, code: &DepartmentCode) -> Done {
        // Suspended ones count here: once they are resumed there must be room for them.
        if self.members().filter(|member| member.governs).count() >= MAX_GOVERNORS {
            return Err(ActionFault::TooMany(MAX_GOVERNORS));
        }
        self.member_mut(code).governs = true;
        Ok(())
    }

    /// Checks that a position is one of a member's present log. That the root is right is for those who approve.
    pub(super) fn check_position(&self, position: &Position) -> Result<(), PositionFault> {
        let code = position.log.department;
        let present = self.members.get(&code).map(|member| member.log());
        if present != Some(position.log) {
            return Err(PositionFault::Log(position.log));
        }
        let kept = self.trail(&code).map_or(0, Trail::kept);
        match position.size >= kept {
            true => Ok(()),
            false => Err(PositionFault::Kept {
                found: position.size,
                kept,
            }),
        }
    }

    fn mark(&mut self, position: Position, suspends: bool) {
        let height = self.height;
        let marker = Marker {
            height,
            position,
            suspends,
        };
        self.trail_mut(&position.log.department)
            .markers
            .push(marker);
    }

    /// Ends the present generation of a log that goes on in the next one.
    pub(super) fn begin_generation(
        &mut self,
        position: &Position,
        why: GenerationEnd,
        epochs: EndReason,
        first_epoch: u32,
    ) {
        self.end_generation(position, why, epochs, first_epoch);
        let code = position.log.department;
        let generation = self
            .trail(&code)
            .map_or(0, |trail| count(&trail.generations));
        let member = self.member_mut(&code);
        member.generation = generation;
        member.first_epoch = first_epoch;
    }

    fn end_generation(
        &mut self,
        position: &Position,
        why: GenerationEnd,
        epochs: EndReason,
        before_epoch: u32,
    ) {
        let height = self.height;
        let trail = self.trail_mut(&position.log.department);
        trail.generations.push(GenerationEnded {
            height,
            size: position.size,
            root: position.root,
            why,
        });
        let end = Ended {
            height,
            position: *position,
            why: epochs,
        };
        trail.end_epochs(before_epoch, end);
    }
}

/// How many there are. Each took a block, so there are never more than a u32 counts.
fn count<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
