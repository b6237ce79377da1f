//! Agreeing on a recovery: those who go on governing do, among themselves.
//!
//! Another block of the same height may be under way among all who govern, or may even be final at a node that is gone. So a
//! node that gave a block its precommit votes for no recovery of that height, and one that votes for a recovery gives no other
//! block its precommit: of [`recovery_quorum`](crate::governance::recovery_quorum) that did, one is among any that could have made
//! another block final. A node may turn to another recovery, which ends the governing of more: of those who were to go on, some
//! may turn out to be gone as well.

use super::context::Seats;
use super::message::Entry;
use super::votes::Ahead;
use super::{Consensus, Moment, driver, thresholds};
use crate::codec::Bounded;
use crate::governance::block::{Item, SignedRecovery, Stage};
use crate::governance::chain::{BlockId, RecoveryId};

/// A recovery that this node turned to.
#[derive(Debug)]
pub(super) struct Turned {
    id: RecoveryId,
    ends: usize,
}

impl Consensus {
    /// The recovery that is agreed on; none if it is another block.
    pub fn recovery_id(&self) -> Option<RecoveryId> {
        self.recovery.as_ref().map(|turned| turned.id)
    }

    /// The block that this node gave its precommit: all others may have made it final.
    pub fn bound_to(&self) -> Option<BlockId> {
        let mut cast = self.cast.values();
        cast.find_map(|vote| vote.block.filter(|_| vote.stage == Stage::Precommit))
    }

    pub(super) fn on_recovery(&mut self, signed: SignedRecovery, at: Moment) {
        let goes_on = signed.recovery.ends.find(&self.by).is_none();
        if !goes_on || !self.is_preferred(&signed) || self.bound_to().is_some() {
            return;
        }
        let item = Item::from(signed.clone());
        if self.state.at(at.clock_ms).with(&item).is_err() {
            return;
        }
        self.follow(Entry::Turned(signed), at);
        self.go_on(at);
    }

    /// Whether a recovery is to be voted for rather than what is agreed on now.
    fn is_preferred(&self, signed: &SignedRecovery) -> bool {
        let id = signed.recovery.id(self.state.network());
        let found = self.recovery.as_ref();
        found.is_none_or(|turned| (turned.ends, turned.id) < (signed.recovery.ends.len(), id))
    }

    /// Begins the agreement on a recovery; that before it is over for this node.
    pub(super) fn turn_to(&mut self, signed: SignedRecovery) {
        let recovery = &signed.recovery;
        let (voters, needed) = self.state.voters(Some(recovery));
        let seats = Seats::of(&voters);
        let params = thresholds(seats.len(), needed);
        self.driver = driver(&self.state, &seats, self.by, params);
        self.ahead = Ahead::new(params.honest.min_expected(seats.len() as u64));
        (self.seats, self.needed) = (seats, needed);
        self.recovery = Some(Turned {
            id: recovery.id(self.state.network()),
            ends: recovery.ends.len(),
        });
        self.begun = false;
        self.turn = None;
        self.cast.clear();
        self.said.clear();
        self.offers.clear();
        self.waits.clear();
        self.pending = Bounded::first([signed.into()]);
    }
}
