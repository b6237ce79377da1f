//! What waits for a block: proposals that gather approvals, own changes, ends of epochs, withdrawals, recoveries.
//!
//! Whoever may put something here has room of its own, and can't take another's: a department that floods the others with what
//! is rightly signed fills that and no more, and what is decided about it waits elsewhere. Nothing here is durable: it comes
//! again from whoever wants it.

use std::collections::BTreeMap;

use crate::codec::{self, Ascending, Bounded};
use crate::id::DepartmentCode;

use super::block::{Item, MAX_BLOCK, MAX_ITEM, MAX_ITEMS, SignedRecovery};
use super::chain::{ProposalId, RecoveryId};
use super::fault::Fault;
use super::own::{EpochEnded, SignedChange};
use super::proposal::{Decision, Withdrawal};
use super::state::State;

/// Room in a block beside its items.
const AROUND_ITEMS: usize = 128;

/// Most bytes of a proposal: with the signatures of 64 governors, each some 90 bytes, it is an item still.
const MAX_PROPOSAL: usize = MAX_ITEM - 8_192;

/// Most recoveries that wait: those that end the governing of most. Whoever can sign one can sign many.
const MAX_RECOVERIES: usize = 4;

/// Why something doesn't wait for a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not hold, and would not with more approvals.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Its proposer has as many pending as the policy allows.
    #[error(
        "{proposer} has {limit} proposals pending, as many as the policy allows; it can withdraw one"
    )]
    Proposals {
        /// Whose.
        proposer: DepartmentCode,
        /// How many.
        limit: usize,
    },
    /// The department has one of its kind pending.
    #[error("{0} has another one pending; once that is final, the next can follow")]
    Pending(DepartmentCode),
    /// A proposal that would not fit into a block with all approvals.
    #[error("the proposal takes {found} bytes; with room for all approvals {limit} are the most")]
    TooLong {
        /// As encoded.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// As many recoveries wait as may.
    #[error(
        "{MAX_RECOVERIES} recoveries wait that end the governing of as many or more; agree on one of them"
    )]
    Recoveries,
}

/// What waits for a block.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    proposals: BTreeMap<DepartmentCode, BTreeMap<ProposalId, Decision>>,
    withdrawals: BTreeMap<DepartmentCode, Withdrawal>,
    own_changes: BTreeMap<DepartmentCode, SignedChange>,
    ends: BTreeMap<DepartmentCode, EpochEnded>,
    /// By how many it ends the governing of: the last one is voted on.
    recoveries: BTreeMap<(usize, RecoveryId), SignedRecovery>,
    /// How often any of it changed.
    changes: u64,
}

impl Pool {
    /// Takes something that came. True if it, or an approval that came with it, is new here, and so worth passing on.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn add(&mut self, item: &Item, state: &State, clock_ms: u64) -> Result<bool, Refused> {
        let is_new = self.add_to(item, &state.at(clock_ms))?;
        self.changes += u64::from(is_new);
        Ok(is_new)
    }

    fn add_to(&mut self, item: &Item, next: &State) -> Result<bool, Refused> {
        match item {
            Item::Decision(decision) => self.add_proposal(decision, next),
            Item::Withdrawal(withdrawal) => {
                let by = withdrawal.signed.by;
                add_one(&mut self.withdrawals, by, withdrawal, item, next)
            }
            Item::OwnChange(change) => {
                let by = change.change.department;
                add_one(&mut self.own_changes, by, change, item, next)
            }
            Item::EpochEnded(ended) => {
                let by = ended.end.position.log.department;
                add_one(&mut self.ends, by, ended, item, next)
            }
            Item::Recovery(signed) => self.add_recovery(signed, item, next),
            Item::Unreadable(unreadable) => Err(Fault::Unreadable(unreadable.kind).into()),
        }
    }

    fn add_recovery(
        &mut self,
        signed: &SignedRecovery,
        item: &Item,
        next: &State,
    ) -> Result<bool, Refused> {
        let id = signed.recovery.id(next.network());
        let place = (signed.recovery.ends.len(), id);
        // The same with other signatures is no other recovery.
        if self.recoveries.contains_key(&place) {
            return Ok(false);
        }
        next.with(item)?;
        if self.recoveries.len() >= MAX_RECOVERIES {
            let first = self.recoveries.first_entry();
            match first.filter(|first| *first.key() < place) {
                Some(first) => drop(first.remove()),
                None => return Err(Refused::Recoveries),
            }
        }
        self.recoveries.insert(place, signed.clone());
        Ok(true)
    }

    fn add_proposal(&mut self, decision: &Decision, next: &State) -> Result<bool, Refused> {
        let (found, limit) = (codec::encode(&decision.proposal).len(), MAX_PROPOSAL);
        if found > limit {
            return Err(Refused::TooLong { found, limit });
        }
        next.check_proposed(decision)?;
        let proposer = decision.proposal.proposer;
        let id = decision.proposal.id(next.network());
        let pending = self.proposals.entry(proposer).or_default();
        let limit = usize::from(next.policy().pending_proposals);
        if !pending.contains_key(&id) && pending.len() >= limit {
            return Err(Refused::Proposals { proposer, limit });
        }
        let known = pending.get(&id);
        let mut approvals = known.map_or_else(Vec::new, |known| known.approvals.to_vec());
        let before = approvals.len();
        for approval in decision.approvals.iter() {
            let is_new = !approvals.iter().any(|known| known.by == approval.by);
            // A wrong one keeps no right one from counting.
            if is_new && approval.by != proposer && next.check_approval(id, approval).is_ok() {
                approvals.push(*approval);
            }
        }
        let is_new = known.is_none() || approvals.len() > before;
        // Governors other than the proposer, each once: never more than there is room for.
        let approvals = Ascending::new(approvals).unwrap_or_default();
        let decision = Decision {
            approvals,
            ..decision.clone()
        };
        pending.insert(id, decision);
        Ok(is_new)
    }

    /// Forgets what can't hold any more, such as all proposals of a sitting that ended.
    pub fn settle(&mut self, state: &State, clock_ms: u64) {
        let next = state.at(clock_ms);
        let before = self.len();
        for pending in self.proposals.values_mut() {
            pending.retain(|_, decision| next.check_proposed(decision).is_ok());
        }
        self.proposals.retain(|_, pending| !pending.is_empty());
        let holds = |item: Item| next.with(&item).is_ok();
        self.withdrawals.retain(|_, one| holds(one.clone().into()));
        self.own_changes.retain(|_, one| holds(one.clone().into()));
        self.ends.retain(|_, one| holds(one.clone().into()));
        self.recoveries.retain(|_, one| holds(one.clone().into()));
        self.changes += u64::from(self.len() != before);
    }

    /// The recovery to vote on.
    pub fn recovery(&self) -> Option<&SignedRecovery> {
        self.recoveries.values().next_back()
    }

    /// Proposals that wait for approvals, or for their block.
    pub fn proposals(&self) -> impl Iterator<Item = (ProposalId, &Decision)> {
        let pending = self.proposals.values().flatten();
        pending.map(|(id, decision)| (*id, decision))
    }

    /// How often what waits has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn len(&self) -> usize {
        let proposals: usize = self.proposals.values().map(BTreeMap::len).sum();
        let by_one = self.withdrawals.len() + self.own_changes.len() + self.ends.len();
        proposals + by_one + self.recoveries.len()
    }

    /// Everything that waits. What the members decide comes before what a department does by itself, which can so not outdate
    /// it.
    pub fn items(&self) -> impl Iterator<Item = Item> {
        let proposals = self
            .proposals()
            .map(|(_, decision)| decision.clone().into());
        let withdrawals = self.withdrawals.values().cloned().map(Item::from);
        let ends = self.ends.values().cloned().map(Item::from);
        let changes = self.own_changes.values().cloned().map(Item::from);
        let recoveries = self.recoveries.values().cloned().map(Item::from);
        let others = withdrawals.chain(proposals).chain(ends).chain(changes);
        recoveries.chain(others)
    }

    /// What the next block could be made of, unless it is made for a recovery: items that hold, one after the other. What the
    /// members decided comes first, so that nothing a department does by itself outdates it.
    pub fn next(&self, state: &State, clock_ms: u64) -> Bounded<Item, MAX_ITEMS> {
        let mut next = state.at(clock_ms);
        let (mut items, mut room) = (Vec::new(), MAX_BLOCK - AROUND_ITEMS);
        for item in self.items() {
            let alone = item.stands_alone();
            if matches!(item, Item::Recovery(_)) || alone && !items.is_empty() {
                continue;
            }
            let size = codec::encode(&item).len();
            if items.len() == MAX_ITEMS || size > room {
                continue;
            }
            if let Ok(after) = next.with(&item) {
                next = after;
                room -= size;
                items.push(item);
                if alone {
                    break;
                }
            }
        }
        Bounded::first(items)
    }
}

/// Takes the only one of its kind that a department may have pending; the one before stays as long as it holds.
fn add_one<T: Clone + PartialEq + Into<Item>>(
    pending: &mut BTreeMap<DepartmentCode, T>,
    by: DepartmentCode,
    one: &T,
    item: &Item,
    next: &State,
) -> Result<bool, Refused> {
    let before = pending.get(&by);
    if before == Some(one) {
        return Ok(false);
    }
    next.with(item)?;
    if before.is_some_and(|before| next.with(&before.clone().into()).is_ok()) {
        return Err(Refused::Pending(by));
    }
    pending.insert(by, one.clone());
    Ok(true)
}
