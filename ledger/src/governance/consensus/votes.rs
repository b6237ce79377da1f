//! Votes of rounds that this node is not near yet.
//!
//! A governor may name any round. Were all of them counted, one liar could fill the memory; so of each governor and stage the
//! latest vote alone is remembered, and counted once enough are in one round.

use std::collections::{BTreeMap, BTreeSet};

use crate::governance::block::{Stage, Vote};
use crate::governance::kinds::Signed;
use crate::id::DepartmentCode;

#[derive(Debug)]
pub(super) struct Ahead {
    votes: BTreeMap<(DepartmentCode, Stage), (Vote, Signed)>,
    /// So many governors that one of them is honest.
    enough: u64,
    /// Of a round that enough are in, given out one by one.
    following: Vec<(Vote, Signed)>,
}

impl Ahead {
    pub(super) fn new(enough: u64) -> Ahead {
        Ahead {
            votes: BTreeMap::new(),
            enough,
            following: Vec::new(),
        }
    }

    /// Whether nothing would be learned from a vote.
    pub(super) fn has(&self, vote: &Vote, signed: &Signed) -> bool {
        let known = self.votes.get(&(signed.by, vote.stage));
        known.is_some_and(|(known, _)| known.round >= vote.round)
    }

    pub(super) fn remember(&mut self, vote: Vote, signed: Signed) {
        self.votes.insert((signed.by, vote.stage), (vote, signed));
    }

    /// Whether enough governors are in one round, or in any.
    pub(super) fn are_enough(&self, round: Option<u32>) -> bool {
        let of =
            |(_, (vote, _)): &(&_, &(Vote, Signed))| round.is_none_or(|round| vote.round == round);
        let voters = self.votes.iter().filter(of).map(|((by, _), _)| *by);
        voters.collect::<BTreeSet<_>>().len() as u64 >= self.enough
    }

    /// Takes out a vote that can be counted now: of a round up to this one, or of one that enough are in.
    pub(super) fn take(&mut self, near: u32) -> Option<(Vote, Signed)> {
        if self.following.is_empty() {
            let rounds: BTreeSet<u32> = self.votes.values().map(|(vote, _)| vote.round).collect();
            let mut counted = rounds.into_iter().rev();
            let round = counted.find(|round| *round <= near || self.are_enough(Some(*round)))?;
            let ready = |vote: &Vote| vote.round == round;
            let found = self.votes.values().filter(|(vote, _)| ready(vote));
            self.following = found.copied().collect();
            self.votes.retain(|_, (vote, _)| !ready(vote));
        }
        self.following.pop()
    }
}
