//! Where a log goes on after its department lost records.

use crate::codec::Ascending;
use crate::crypto::hash::Hash;
use crate::crypto::keys::PublicKey;
use crate::genesis::MAX_GOVERNORS;
use crate::id::DepartmentCode;
use crate::merkle::{Blake3Tree, CompactRange};

use super::super::action::Position;
use super::super::fault::{Fault, PositionFault};
use super::super::member::{Epoch, Member};
use super::super::own::{Held, Lost};
use super::super::state::State;

/// How much of a log is left.
#[derive(Clone, Copy)]
struct Most {
    size: u64,
    root: Hash,
    /// Who states it; `None` of what the generation began with.
    by: Option<DepartmentCode>,
}

impl State {
    /// Whether a department may go on at a position: enough of the others have said what they hold, and this is the most.
    pub(super) fn check_lost(
        &self,
        member: &Member,
        number: u64,
        lost: &Lost,
    ) -> Result<(), Fault> {
        // Where the log of a suspended member ends is for the others to decide; by ending generations it could outdate every
        // proposal to remove it.
        if !member.is_active() {
            return Err(Fault::Suspended(member.code));
        }
        let position = &lost.position;
        if position.log != member.log() {
            return Err(PositionFault::Log(position.log).into());
        }
        let most = self.most_held(member, number, &lost.held)?;
        if let Some(by) = most.by.filter(|_| most.size > position.size) {
            return Err(Fault::HoldsMore(by));
        }
        self.check_witnessed(&member.code, lost.held.len())?;
        match (most.size, most.root) == (position.size, position.root) {
            true => Ok(()),
            false => Err(Fault::NobodyHolds),
        }
    }

    /// Where a department's log would go on if its next own change ended a loss with these statements.
    ///
    /// # Errors
    /// [`Fault`] why it could not.
    pub fn after_loss(
        &self,
        code: &DepartmentCode,
        held: &Ascending<Held, MAX_GOVERNORS>,
    ) -> Result<Position, Fault> {
        let member = self.member(code).ok_or(Fault::NotAMember(*code))?;
        let most = self.most_held(member, member.changes.saturating_add(1), held)?;
        let position = Position {
            log: member.log(),
            size: most.size,
            root: most.root,
        };
        let lost = Lost {
            position,
            held: held.clone(),
        };
        self.check_lost(member, member.changes.saturating_add(1), &lost)?;
        Ok(position)
    }

    /// What a governor states for a department's next own change to hold of its log: how many records, none where it holds
    /// nothing.
    ///
    /// # Errors
    /// [`Fault`]: it is no statement for that.
    pub fn stated(&self, code: &DepartmentCode, held: &Held) -> Result<u64, Fault> {
        let member = self.member(code).ok_or(Fault::NotAMember(*code))?;
        let stated = self.checked_held(member, member.changes.saturating_add(1), held)?;
        Ok(stated.map_or(0, |(size, _)| size))
    }

    /// The most that is left of a log: what its generation began with, or the largest checkpoint that somebody states to hold.
    fn most_held(
        &self,
        member: &Member,
        number: u64,
        held: &Ascending<Held, MAX_GOVERNORS>,
    ) -> Result<Most, Fault> {
        let trail = self.trail(&member.code);
        let begun = trail.and_then(|trail| trail.generations.last());
        let mut most = Most {
            size: begun.map_or(0, |end| end.size),
            root: begun.map_or_else(
                || CompactRange::<Blake3Tree>::empty().root(),
                |end| end.root,
            ),
            by: None,
        };
        let mut stated = Vec::with_capacity(held.len());
        for held in held.iter() {
            if let Some((size, root)) = self.checked_held(member, number, held)? {
                let by = Some(held.signed.by);
                stated.push(Most { size, root, by });
            }
        }
        for one in &stated {
            if one.size > most.size {
                most = *one;
            }
        }
        // Of two checkpoints of one size with different roots none is the log's: then the members decide.
        let other = |one: &&Most| one.size == most.size && one.root != most.root;
        match stated.iter().find(other).and_then(|one| one.by) {
            Some(by) => Err(Fault::HoldsMore(by)),
            None => Ok(most),
        }
    }

    /// Size and root of what a governor states to hold, once it is shown that it does, for this change, and that the log's
    /// department signed it.
    fn checked_held(
        &self,
        member: &Member,
        number: u64,
        held: &Held,
    ) -> Result<Option<(u64, Hash)>, Fault> {
        let log = member.log();
        let signs = |key: &PublicKey| held.is_signed(self.network, log, number, key);
        self.check_witness(&member.code, held.signed.by, signs)?;
        self.largest_held(member, held)
    }

    /// Size and root of what a member states to hold of a department's log, once it is shown that the department signed it.
    fn largest_held(&self, of: &Member, held: &Held) -> Result<Option<(u64, Hash)>, Fault> {
        let Some(signed) = &held.checkpoint else {
            return Ok(None);
        };
        let checkpoint = &signed.checkpoint;
        let trail = self.trail(&of.code);
        let epoch = trail.and_then(|trail| trail.epoch(checkpoint.key_epoch));
        let message = checkpoint.hash(self.network);
        // By a key that had ended there whoever has it can sign anything.
        let counts = |epoch: &Epoch| {
            let ended = epoch.ended.map(|end| end.position);
            let covers = |end: Position| {
                let ends_later = end.log.generation > checkpoint.log.generation;
                let same = end.log == checkpoint.log;
                let within = checkpoint.size < end.size;
                let at = (checkpoint.size, checkpoint.root) == (end.size, end.root);
                ends_later || same && (within || at)
            };
            let next = checkpoint.key_epoch.checked_add(1);
            let next = next.and_then(|next| trail?.epoch(next));
            epoch.since <= checkpoint.height
                && next.is_none_or(|next| checkpoint.height < next.since)
                && ended.is_none_or(covers)
        };
        let verifies = checkpoint.log == of.log()
            && checkpoint.size > 0
            && epoch.is_some_and(|epoch| {
                counts(epoch) && epoch.key.verify(&message, &signed.signature).is_ok()
            });
        match verifies {
            true => Ok(Some((checkpoint.size, checkpoint.root))),
            false => Err(Fault::Checkpoint(held.signed.by)),
        }
    }
}
