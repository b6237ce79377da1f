//! Governance: what is known of it here, and what this department wants decided.

use std::sync::Arc;

use certmesh_ledger::governance::{Action, Item, TrustFile};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{PeerService, Refusal, Service};
use crate::peer::Peer;
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
            let why = "nodes of this version would not act upon it: neither upon logs that are cut, another catalogue key, a later \
                       format, a log that goes on after a loss, a department that is admitted a second time, nor upon a successor of \
                       one that is removed";
            let refusal = Refusal::NotDecidable {
                why: why.to_owned(),
            };
            return async { Err(refusal) }.boxed();
        }
        if let Err(why) = is_ready(&item, &self.peer) {
            return async { Err(Refusal::NotDecidable { why }) }.boxed();
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

/// Whether this node could go on once an own change of its department is final.
///
/// # Errors
/// What it lacks.
fn is_ready(item: &Item, peer: &Peer) -> Result<(), String> {
    let Item::OwnChange(change) = item else {
        return Ok(());
    };
    if change.change.department != peer.department {
        return Ok(());
    }
    let lacks = peer.key_files.lacks(&change.change);
    match lacks.map_err(|error| error.to_string())? {
        None => Ok(()),
        Some(place) => Err(format!(
            "this node does not hold the new key: it has to be in {} before it comes into force",
            place.display()
        )),
    }
}

/// Whether nodes of this version act upon all of it once it is final: any other decision would be one in name.
fn is_carried_out(item: &Item) -> bool {
    let acted_upon = |action: &Action| match action {
        Action::Govern(_)
        | Action::ReplacePolicy(_)
        | Action::ReplaceIdentity(_)
        | Action::Suspend(_)
        | Action::Resume(_)
        | Action::ChangeRoles(_)
        | Action::Admit(_)
        | Action::Cut(_) => true,
        // Nobody changes statuses in another's place yet.
        Action::Remove(remove) => remove.successor.is_none(),
        Action::ReplaceCatalogueKey(_) | Action::RaiseVersion(_) | Action::Unreadable(_) => false,
    };
    match item {
        Item::Decision(decision) => decision.proposal.actions.iter().all(acted_upon),
        Item::Withdrawal(_) => true,
        // After a loss the log goes on in the next generation, and nodes keep the first.
        Item::OwnChange(change) => change.change.lost.is_none(),
        Item::EpochEnded(_) | Item::Recovery(_) => true,
        Item::Unreadable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::codec::{Bounded, Text};
    use certmesh_ledger::crypto::keys::SigningKey;
    use certmesh_ledger::governance::{
        Cut, CutReason, Decision, Position, Proposal, RaiseVersion, Remove,
    };
    use certmesh_ledger::id::DepartmentCode;
    use certmesh_ledger::names::LogId;

    use super::*;
    use crate::peer::testing::{OWN, admit, decide, members, remove, suspend};

    #[test]
    fn what_no_node_would_act_upon_is_not_taken_up() {
        const OTHER: &str = "11100000000013338W";
        let members = members();
        let [department, other]: [DepartmentCode; 2] =
            [OWN, OTHER].map(|code| code.parse().unwrap());
        let position = Position::beginning(LogId::first(other));
        let is_taken = |actions: &[Action]| {
            let proposal = Proposal {
                proposer: department,
                sitting: 0,
                lapses_ms: u64::MAX,
                nonce: 0,
                reason: Text::new("a test").unwrap(),
                actions: Bounded::new(actions.to_vec()).unwrap(),
            };
            let key = SigningKey::from_seed(&[1; 32]);
            let item = Decision::propose(members.network(), proposal, &key).into();
            is_carried_out(&item)
        };
        let newcomer = admit(&members, OTHER);
        assert!(is_taken(std::slice::from_ref(&newcomer)));
        decide(&members, std::slice::from_ref(&newcomer));
        let suspend = suspend(OTHER);
        assert!(is_taken(std::slice::from_ref(&suspend)));
        decide(&members, std::slice::from_ref(&suspend));
        let removal = remove(&members, OTHER);
        assert!(is_taken(std::slice::from_ref(&removal)));
        let succeeded = Remove {
            position,
            since: 2,
            successor: Some(department),
        };
        assert!(!is_taken(&[succeeded.into()]));
        let cut: Action = Cut {
            position,
            why: CutReason::Lost,
            first_epoch: 0,
        }
        .into();
        assert!(is_taken(std::slice::from_ref(&cut)));
        assert!(is_taken(&[removal.clone(), cut]));
        let raise: Action = RaiseVersion { after: 2 }.into();
        assert!(!is_taken(std::slice::from_ref(&raise)));
        assert!(!is_taken(&[removal.clone(), raise]));
        // A second admission.
        decide(&members, &[removal]);
        assert!(is_taken(&[newcomer]));
    }
}
