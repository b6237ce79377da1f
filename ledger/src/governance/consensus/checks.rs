//! Which messages may come to the library's driver.

use crate::governance::block::{Block, Stage, Vote};
use crate::governance::chain::BlockId;
use crate::governance::kinds::Signed;

use super::driving::ballot;
use super::message::{Again, Offer};
use super::{Consensus, MAX_AHEAD_MS, Moment, OFFERS_A_ROUND, ROUNDS_AHEAD};

/// Rounds that any message may be of: the library counts on from there.
const MAX_ROUND: u32 = u32::MAX / 2;

impl Consensus {
    /// Whether an offer's block holds; `None` of an offer that is to be passed over.
    pub(super) fn look_at(&self, offer: &Offer, at: Moment) -> Option<bool> {
        let by = offer.signed.by;
        let in_turn = by == self.seats.proposer(self.height(), offer.round) && by != self.by;
        let valid_round = offer.valid_round();
        let earlier = valid_round.is_none_or(|valid| valid < offer.round);
        let near = offer.round <= self.round().saturating_add(ROUNDS_AHEAD);
        if offer.block.height != self.height() || !in_turn || !earlier || !near {
            return None;
        }
        let network = self.state.network();
        let id = offer.block.id(network);
        let seen = self.offers.get(&offer.round);
        let before = seen.and_then(|seen| seen.get(&(id, valid_round)).copied());
        let are_enough = seen.is_some_and(|seen| seen.len() >= OFFERS_A_ROUND);
        if before == Some(true) || before.is_none() && are_enough {
            return None;
        }
        let key = self.state.governor(&by)?.operating_key()?;
        let again = offer.again.as_ref();
        if !offer.is_signed(network, id, key)
            || !again.is_none_or(|again| self.is_enough(again, id))
        {
            return None;
        }
        // One that doesn't hold yet may later: its time may be ahead of this node's clock.
        let holds = self.holds(&offer.block, at);
        (before != Some(holds)).then_some(holds)
    }

    /// Whether this node would vote for a block.
    pub(super) fn holds(&self, block: &Block, at: Moment) -> bool {
        let latest = at.clock_ms.saturating_add(MAX_AHEAD_MS);
        let network = self.state.network();
        let recovery = block.recovery().map(|recovery| recovery.id(network));
        block.time_ms <= latest.max(self.state.time_ms())
            // Other departments make a recovery final than any other block.
            && recovery == self.recovery_id()
            && self.state.apply(block).is_ok()
    }

    /// Whether a vote, or another of the same governor, round and stage, is known.
    pub(super) fn has(&self, vote: &Vote, signed: &Signed, near: bool) -> bool {
        let ballot = ballot(vote, signed);
        let votes = self.driver.votes();
        match near {
            true => votes.has_vote(&ballot) || votes.conflicting_vote(&ballot).is_some(),
            false => self.ahead.has(vote, signed),
        }
    }

    /// Whether enough prevoted for a block.
    fn is_enough(&self, again: &Again, block: BlockId) -> bool {
        let vote = Vote {
            height: self.height(),
            round: again.round,
            stage: Stage::Prevote,
            block: Some(block),
        };
        let votes = &again.prevotes;
        votes.len() >= self.needed && votes.iter().all(|signed| self.is_vote(&vote, signed))
    }

    /// Whether it is a vote of one who has one.
    pub(super) fn is_vote(&self, vote: &Vote, signed: &Signed) -> bool {
        let network = self.state.network();
        let governor = self.state.governor(&signed.by);
        let voter = governor.filter(|governor| self.seats.has(&governor.code));
        let key = voter.and_then(|voter| voter.operating_key());
        let recovery = self.recovery_id();
        vote.round <= MAX_ROUND
            && key.is_some_and(|key| vote.is_signed(network, recovery, signed, key))
    }
}
