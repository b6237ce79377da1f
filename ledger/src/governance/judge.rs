//! Which rule judges which record.
//!
//! A record names the governance height that it was written by, and key, role and version are judged there. Left at that,
//! whoever has an old key could write as of an old height for ever. So what ends something also names where in the log:
//! from a position on the later state judges, whatever a record claims, and an ended key authorises nothing.

use std::collections::BTreeSet;

use crate::crypto::hash::Hash;
use crate::crypto::keys::PublicKey;
use crate::genesis::Role;
use crate::id::DepartmentCode;
use crate::names::Claim;

use super::history::{History, Rules};
use super::member::{GenerationEnd, Member};
use super::own::EndReason;

/// How something that a department signed in its log is to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement<'h> {
    /// By these.
    By(Judge<'h>),
    /// Under a height or generation that isn't known here, or of a version that this program doesn't know. It may be right: its
    /// sender has to show the governance that explains it, and until then nothing of it is kept.
    Early,
    /// It counts for nothing.
    Nothing(Why),
}

/// What something that counts is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judge<'h> {
    /// The key that has to have signed it.
    pub key: &'h PublicKey,
    /// The department as of the height that it names, and as of each later one that judges from its position on. What it
    /// may do it must have been allowed as of all of them: a role given back later, or a suspension that ended, makes
    /// nothing right that was dated back.
    members: Vec<&'h Member>,
    /// The common rules as of the height that it names: the format version is that.
    pub rules: &'h Rules,
    /// Sizes and roots that the log has to lead to for it to count: the ends of its epoch and generation, and where later
    /// decisions begin to judge its log. What is dated back before one of them has to be what the members saw then.
    pub leads_to: Vec<(u64, Hash)>,
    /// Its epoch is one whose key was stolen: it counts only under a checkpoint that living epochs witnessed.
    pub needs_witnesses: bool,
}

impl Judge<'_> {
    /// Whether the department had a role for it.
    pub fn has_role(&self, role: Role) -> bool {
        let has = |member: &&Member| member.roles.find(&role).is_some();
        self.members.iter().all(has)
    }
}

/// Why something that a department signed counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The department didn't belong as of that height.
    #[error("{0} was not a member then")]
    NotAMember(DepartmentCode),
    /// It belonged, suspended.
    #[error("{0} was suspended")]
    Suspended(DepartmentCode),
    /// The generation wasn't that of the department's log as of that height.
    #[error("the department's log was of another generation then")]
    Generation,
    /// Beyond where its generation ended.
    #[error("void: the members, or the department, ended the log before it")]
    Void(GenerationEnd),
    /// The epoch wasn't in force as of that height.
    #[error("its key was not in force then")]
    NotInForce,
    /// Beyond where its epoch ended.
    #[error("its key ended before it")]
    Ended(EndReason),
}

impl Why {
    /// Whether everybody who knows the height that was named sees it, whatever was decided since.
    pub fn is_plain(&self) -> bool {
        matches!(self, Why::NotAMember(_) | Why::Generation | Why::NotInForce)
    }
}

impl History {
    /// How something in a log is to be judged, with all that is known now.
    pub fn judge(&self, claim: &Claim) -> Judgement<'_> {
        match self.judge_known(claim) {
            Some(Ok(judge)) => Judgement::By(judge),
            Some(Err(why)) => Judgement::Nothing(why),
            None => Judgement::Early,
        }
    }

    /// `None` for what isn't known here.
    fn judge_known(&self, claim: &Claim) -> Option<Result<Judge<'_>, Why>> {
        // By which rules a later version judges, this program can't know: to it that is as early as an unknown height.
        if !self.is_readable(claim.height) {
            return None;
        }
        let rules = self.rules_at(claim.height)?;
        Some(self.judged(claim, rules))
    }

    /// Whether whoever wrote something could claim this as of the height that it names. Nothing that is decided later changes
    /// the answer, so it is the same at every peer that knows the height.
    ///
    /// # Errors
    /// [`Why`] not.
    pub fn as_written(&self, claim: &Claim) -> Result<(), Why> {
        let then = self.then(claim)?;
        let in_force = then.epoch == claim.epoch && then.operating_key().is_some();
        match (in_force, then.is_active()) {
            (true, true) => Ok(()),
            (true, false) => Err(Why::Suspended(then.code)),
            (false, _) => Err(Why::NotInForce),
        }
    }

    /// The department as of the height that is named, with the log of that generation.
    fn then(&self, claim: &Claim) -> Result<&Member, Why> {
        let code = claim.log.department;
        let then = self.member_at(&code, claim.height);
        let then = then.ok_or(Why::NotAMember(code))?;
        // A later generation than at the height it names: whoever knew of that one knew of a later height as well.
        match then.generation == claim.log.generation {
            true => Ok(then),
            false => Err(Why::Generation),
        }
    }

    fn judged<'h>(&'h self, claim: &Claim, rules: &'h Rules) -> Result<Judge<'h>, Why> {
        let Claim {
            log, seq, height, ..
        } = *claim;
        let code = log.department;
        let absent = Why::NotAMember(code);
        let then = self.then(claim)?;
        let trail = self.trail(&code).ok_or(absent)?;
        let generation_end = trail.generation_end(log.generation);
        if let Some(end) = generation_end.filter(|end| seq >= end.size) {
            return Err(Why::Void(end.why));
        }
        let epoch = trail.epoch(claim.epoch);
        let in_force = then.epoch == claim.epoch && then.operating_key().is_some();
        let epoch = epoch.filter(|_| in_force).ok_or(Why::NotInForce)?;
        if let Some(end) = &epoch.ended {
            let ended_in = end.position.log.generation;
            if log.generation > ended_in || log.generation == ended_in && seq >= end.position.size {
                return Err(Why::Ended(end.why));
            }
        }
        let later = trail.markers.iter().filter(|marker| {
            marker.height > height && marker.position.log == log && marker.position.size <= seq
        });
        // One that took a role takes nothing else, also if the department was suspended then: that has a marker of its own.
        let mut members = vec![then];
        for marker in later {
            match self.member_at(&code, marker.height) {
                Some(member) if !marker.suspends => members.push(member),
                _ => return Err(Why::Suspended(code)),
            }
        }
        if !then.is_active() {
            return Err(Why::Suspended(code));
        }
        // Whatever key and height it claims: epochs and heights never go back along a log, so nothing else stands below them.
        let epoch_ends = trail.epochs.iter().filter_map(|epoch| epoch.ended);
        let epoch_ends = epoch_ends.map(|end| end.position);
        let markers = trail.markers.iter().map(|marker| marker.position);
        let settled = epoch_ends.chain(markers);
        // An end beyond where the generation did is one of records that were cut off.
        let settled = settled.filter(|position| position.log == log && trail.keeps(position));
        let settled = settled.map(|position| (position.size, position.root));
        let generation_end = generation_end.map(|end| (end.size, end.root));
        let mut leads_to: Vec<(u64, Hash)> = settled
            .chain(generation_end)
            .filter(|(size, _)| *size > seq)
            .collect();
        leads_to.sort_unstable();
        leads_to.dedup();
        Ok(Judge {
            key: &epoch.key,
            members,
            rules,
            leads_to,
            needs_witnesses: stolen(epoch.ended.map(|end| end.why)),
        })
    }

    /// The key that a department's word outside its own log, such as a cosignature, has to be signed with, and whether that
    /// key was stolen since. `None` if it had none as of that height, or of a height that isn't known here.
    pub fn word_of(
        &self,
        code: &DepartmentCode,
        epoch: u32,
        height: u64,
    ) -> Option<(&PublicKey, Option<EndReason>)> {
        let member = self.member_at(code, height)?;
        let in_force = member.is_active() && member.epoch == epoch;
        member.operating_key().filter(|_| in_force)?;
        let epoch = self.trail(code)?.epoch(epoch)?;
        Some((&epoch.key, epoch.ended.map(|end| end.why)))
    }

    /// Whether so many of the present governors other than a department are among these as the policy asks of witnesses.
    pub fn is_witnessed(
        &self,
        of: &DepartmentCode,
        by: impl IntoIterator<Item = DepartmentCode>,
    ) -> bool {
        let state = self.state();
        let counts = |code: &DepartmentCode| code != of && state.governor(code).is_some();
        let by: BTreeSet<DepartmentCode> = by.into_iter().filter(counts).collect();
        let others = state.governors().filter(|other| other.code != *of);
        let share = state.policy().witness;
        share.is_reached_by(by.len(), others.count())
    }

    /// The key of a department's word that another recorded at a time, as of a height: the one in force then. The word may be a
    /// little older than the record of it: one that was replaced shortly before counts as well.
    pub fn recorded_word_of(
        &self,
        code: &DepartmentCode,
        epoch: u32,
        (height, time_ms): (u64, u64),
    ) -> Option<&PublicKey> {
        let member = self.member_at(code, height)?;
        let known = self.trail(code)?.epoch(epoch)?;
        let replaced_ms = self.replaced_ms(code, epoch);
        let is_new = |replaced_ms: u64| time_ms <= replaced_ms.saturating_add(WORD_LAG_MS);
        let stolen = stolen(known.ended.map(|end| end.why));
        let counts = member.epoch == epoch
            || known.since <= height && !stolen && replaced_ms.is_some_and(is_new);
        (counts && member.is_active()).then_some(&known.key)
    }

    /// When an epoch was replaced by the next one; `None` of the present one.
    pub(crate) fn replaced_ms(&self, code: &DepartmentCode, epoch: u32) -> Option<u64> {
        let next = self.trail(code)?.epoch(epoch.checked_add(1)?)?;
        self.time_at(next.since)
    }
}

/// How much older than the record of it a department's word may be, ms, and how far clocks may be apart.
pub(crate) const WORD_LAG_MS: u64 = 10 * 60 * 1000;

fn stolen(why: Option<EndReason>) -> bool {
    why == Some(EndReason::Stolen)
}
