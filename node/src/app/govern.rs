//! Governance: what is known of it here, and what this department wants decided.

use std::sync::Arc;

use certmesh_ledger::governance::{Action, Item, TrustFile};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{PeerService, Refusal, Service};
use crate::peer::governance::NotTaken;

pub(crate) use crate::peer::governance::Shown;

/// Governing the network.
pub(crate) trait Govern {
    /// What is known of it here.
    fn governance(&self) -> Shown;

    /// Genesis and chain, as a trust file.
    fn trust_file(&self) -> Vec<u8>;

    /// Has something decided, if enough members want it. It is durable here and on its way to them once this is done.
    fn propose(&self, item: Item) -> BoxFuture<'static, Result<Shown, Refusal>>;
}

impl Govern for PeerService {
    fn governance(&self) -> Shown {
        self.peer.governance.read().clone()
    }

    fn trust_file(&self) -> Vec<u8> {
        let blocks = Arc::clone(&self.peer.governance.read().blocks);
        TrustFile::write(self.members().genesis(), &blocks)
    }

    fn propose(&self, item: Item) -> BoxFuture<'static, Result<Shown, Refusal>> {
        if !is_carried_out(&item) {
            let why = "this version of certmesh decides who governs, the policy and identity keys, and would not act upon the rest";
            let refusal = Refusal::NotDecidable {
                why: why.to_owned(),
            };
            return async { Err(refusal) }.boxed();
        }
        let (governing, peer) = (self.governing.clone(), Arc::clone(&self.peer));
        async move {
            governing.submit(item).await.map_err(|error| match error {
                NotTaken::Refused(refused) => Refusal::NotDecidable {
                    why: refused.to_string(),
                },
                NotTaken::Unavailable => Refusal::Overloaded { retry_after_s: 1 },
            })?;
            Ok(peer.governance.read().clone())
        }
        .boxed()
    }
}

/// Whether nodes of this version act upon all of it once it is final. Records, connections and logs are still held against the
/// genesis alone: a decision about those would be one in name.
fn is_carried_out(item: &Item) -> bool {
    let acted_upon = |action: &Action| {
        matches!(
            action,
            Action::Govern(_) | Action::ReplacePolicy(_) | Action::ReplaceIdentity(_)
        )
    };
    match item {
        Item::Decision(decision) => decision.proposal.actions.iter().all(acted_upon),
        Item::Withdrawal(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::codec::{Bounded, Text};
    use certmesh_ledger::crypto::keys::SigningKey;
    use certmesh_ledger::governance::{Decision, Govern, Position, Proposal, Suspend};
    use certmesh_ledger::id::DepartmentCode;
    use certmesh_ledger::names::{LogId, NetworkId};

    use super::*;

    #[test]
    fn what_no_node_would_act_upon_is_not_taken_up() {
        let department: DepartmentCode = "11430000006122244L".parse().unwrap();
        let govern = Govern {
            department,
            governs: false,
        };
        let suspend = Suspend {
            position: Position::beginning(LogId::first(department)),
        };
        let decision = |actions: &[Action]| {
            let proposal = Proposal {
                proposer: department,
                sitting: 0,
                lapses_ms: u64::MAX,
                nonce: 0,
                reason: Text::new("a test").unwrap(),
                actions: Bounded::new(actions.to_vec()).unwrap(),
            };
            let network = NetworkId(Default::default());
            Item::from(Decision::propose(
                network,
                proposal,
                &SigningKey::from_seed(&[1; 32]),
            ))
        };
        assert!(is_carried_out(&decision(&[govern.clone().into()])));
        assert!(!is_carried_out(&decision(&[suspend.clone().into()])));
        assert!(!is_carried_out(&decision(&[govern.into(), suspend.into()])));
    }
}
