//! What a governor proposes, the others approve, and the chain records once enough have.

use serde::{Deserialize, Serialize};

use crate::codec::{Ascending, Bounded, Text};
use crate::crypto::hash::Purpose;
use crate::crypto::keys::Signature;
use crate::crypto::signer::Signer;
use crate::genesis::MAX_GOVERNORS;
use crate::id::DepartmentCode;
use crate::names::NetworkId;

use super::action::Action;
use super::chain::ProposalId;
use super::kinds::Signed;

/// Most actions of a proposal.
pub const MAX_ACTIONS: usize = 16;

/// What a governor proposes: all of its actions take effect, in order, or none does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Who proposes.
    pub proposer: DepartmentCode,
    /// The sitting it is for. In another one other members, keys or rules may decide, and approvals given before say nothing
    /// about that.
    pub sitting: u64,
    /// The latest time of a block that decides it, ms since 1970 UTC.
    pub lapses_ms: u64,
    /// Makes two proposals of the same thing two proposals.
    pub nonce: u64,
    /// Why, for people.
    pub reason: Text<512>,
    /// What would change.
    pub actions: Bounded<Action, MAX_ACTIONS>,
}

impl Proposal {
    /// Whether it raises the version.
    pub fn raises(&self) -> bool {
        let raises = |action: &Action| matches!(action, Action::RaiseVersion(_));
        self.actions.iter().any(raises)
    }

    /// Its hash: what its proposer signs.
    pub fn id(&self, network: NetworkId) -> ProposalId {
        ProposalId(network.message(Purpose::Proposal, self))
    }
}

/// A proposal with its proposer's signature and the approvals so far; as an item of a block, with enough of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is proposed.
    pub proposal: Proposal,
    /// By the proposer's identity key. It counts as the proposer's approval.
    pub signature: Signature,
    /// Approvals of other governors, by their identity keys.
    pub approvals: Ascending<Signed, MAX_GOVERNORS>,
}

impl Decision {
    /// Proposes: no other governor has approved yet.
    pub fn propose<K: Signer>(
        network: NetworkId,
        proposal: Proposal,
        identity: &K,
    ) -> K::Made<Decision> {
        let message = proposal.id(network).0;
        identity.sign_into(&message, |signature| Decision {
            signature,
            proposal,
            approvals: Ascending::default(),
        })
    }
}

/// Approves a proposal.
pub fn approve<K: Signer>(
    network: NetworkId,
    proposal: ProposalId,
    by: DepartmentCode,
    identity: &K,
) -> K::Made<Signed> {
    network.sign(Purpose::Approval, &proposal, by, identity)
}

/// A proposer's word that its proposal is not to be decided. It stands in the chain: a peer that keeps the proposal back
/// could otherwise have it decided later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The proposal. Nobody checks that there is one: of another's, or of none, the withdrawal means nothing.
    pub proposal: ProposalId,
    /// Its sitting.
    pub sitting: u64,
    /// By the proposer's identity key.
    pub signed: Signed,
}

impl Withdrawal {
    /// Withdraws a proposal.
    pub fn sign<K: Signer>(
        network: NetworkId,
        proposal: ProposalId,
        sitting: u64,
        by: DepartmentCode,
        identity: &K,
    ) -> K::Made<Withdrawal> {
        let content = (proposal, sitting);
        let withdraws = |signed| Withdrawal {
            proposal,
            sitting,
            signed,
        };
        network.sign_into(Purpose::Withdrawal, &content, by, identity, withdraws)
    }
}
