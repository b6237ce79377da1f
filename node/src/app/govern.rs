//! Governance: what is known of it here, and what this department wants decided.

use std::sync::Arc;

use certmesh_api::NotStated;
use certmesh_ledger::codec::Ascending;
use certmesh_ledger::governance::{Action, Held, Item, Position, State, TrustFile};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::names::LogId;
use certmesh_ledger::sync::{Request, Response};
use certmesh_text::governance::short;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{PeerService, Refusal, Service};
use crate::peer::Peer;
use crate::peer::catalogue_keys::fetching::{self, Obtained};
use crate::peer::ending::NotEnded;
use crate::peer::governance::NotTaken;
use crate::peer::governors::{Governors, Silent};

pub(crate) use crate::peer::governance::Shown;

/// Governing the network.
pub(crate) trait Govern {
    /// What is known of it here.
    fn governance(&self) -> Shown;

    /// Genesis and chain, as a trust file.
    fn trust_file(&self) -> Vec<u8>;

    /// Has something decided, if enough members want it. It is durable here and on its way to them once this is done.
    fn propose(&self, item: Item) -> BoxFuture<'static, Result<Shown, Refusal>>;

    /// Asks the other governors what they hold of this department's log, of which records were lost here. What they state is
    /// for the department's next own change.
    fn ask_what_is_held(&self) -> BoxFuture<'static, Result<HeldByOthers, Refusal>>;

    /// Says of an epoch of this department's operating keys that has ended, by default the one before the present one, that its key
    /// was in other hands.
    fn end_as_stolen(&self, epoch: Option<u32>) -> BoxFuture<'static, Result<Shown, Refusal>>;
}

/// What other governors state to hold of this department's log.
#[derive(Clone, Debug)]
pub(crate) struct HeldByOthers {
    /// The log.
    pub(crate) log: LogId,
    /// The own change that it is stated for.
    pub(crate) number: u64,
    /// Each statement, and how many records it is of.
    pub(crate) stated: Vec<(Held, u64)>,
    /// Who has not stated anything.
    pub(crate) missing: Vec<(DepartmentCode, NotStated)>,
    /// How many the policy asks for.
    pub(crate) needed: usize,
    /// Where the log would go on, if that is enough.
    pub(crate) goes_on: Result<Position, String>,
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
            let why = "this node does not know what it would bring, such as a later version of the format: upgrade the nodes first";
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
            let got = get_catalogue_keys(&item, &peer).await;
            got.map_err(|why| Refusal::NotDecidable { why })?;
            governing.submit(item).await.map_err(not_taken)?;
            Ok(peer.governance.read().clone())
        }
        .boxed()
    }

    fn ask_what_is_held(&self) -> BoxFuture<'static, Result<HeldByOthers, Refusal>> {
        if self.peer.own.is_confirmed() {
            // Governors that have stated something cosign nothing newer: not without need.
            let why = "nothing of this department's log is lost: it is confirmed. To change keys, leave --lost out";
            let refusal = Refusal::NotDecidable {
                why: why.to_owned(),
            };
            return async { Err(refusal) }.boxed();
        }
        ask_what_is_held(self.ending.governors.clone()).boxed()
    }

    fn end_as_stolen(&self, epoch: Option<u32>) -> BoxFuture<'static, Result<Shown, Refusal>> {
        let (ending, peer) = (self.ending.clone(), Arc::clone(&self.peer));
        async move {
            let ended = ending.end_as_stolen(epoch).await;
            ended.map_err(|why| not_ended(why, &peer))?;
            Ok(peer.governance.read().clone())
        }
        .boxed()
    }
}

fn not_ended(why: NotEnded, peer: &Peer) -> Refusal {
    let why = match why {
        NotEnded::InForce { present } => format!(
            "the operating key of epoch {present} is in force, and there is none after it: replace it first (`certmesh govern rotate`)"
        ),
        NotEnded::Open { epoch } => format!(
            "where epoch {epoch} ended by its rotation is not final yet: the node has it witnessed within seconds, so try again"
        ),
        NotEnded::NoKey(why) => why.to_string(),
        NotEnded::Witnesses { found } => {
            let history = peer.catalogue.members().history();
            let needed = witnesses_needed(history.state(), &peer.department);
            format!(
                "{found} of the other governors' nodes have witnessed it, {needed} are needed: try again once more of them are connected"
            )
        }
        NotEnded::NotTaken(why) => return not_taken(why),
    };
    Refusal::NotDecidable { why }
}

fn not_taken(why: NotTaken) -> Refusal {
    match why {
        NotTaken::Refused(refused) => Refusal::NotDecidable {
            why: refused.to_string(),
        },
        NotTaken::Unavailable => Refusal::Overloaded { retry_after_s: 1 },
    }
}

/// How many governors other than a department the policy asks for.
fn witnesses_needed(state: &State, own: &DepartmentCode) -> usize {
    let others = state.governors().filter(|other| other.code != *own).count();
    let share = state.policy().witness;
    (0..others)
        .find(|count| share.is_reached_by(*count, others))
        .unwrap_or(others)
}

async fn ask_what_is_held(governors: Governors) -> Result<HeldByOthers, Refusal> {
    let own = governors.peer.department;
    let members = governors.peer.catalogue.members();
    let not_a_member = || Refusal::NotDecidable {
        why: format!("{own} is not a member"),
    };
    let member = members.member(&own).ok_or_else(not_a_member)?;
    let (log, number) = (member.log(), member.changes.saturating_add(1));
    let answers = governors.ask(&Request::LogHeld { log, number }).await;
    // What was decided meanwhile counts: whoever asks next is held against that.
    let history = members.history();
    let state = history.state();
    let (mut stated, mut missing) = (Vec::new(), Vec::new());
    for (by, answer) in answers {
        let why = match answer {
            Ok(Response::LogHeld(held)) => match state.stated(&own, &held) {
                Ok(size) if held.signed.by == by => {
                    stated.push((*held, size));
                    continue;
                }
                _ => NotStated::Invalid,
            },
            Ok(Response::NotHeld) => NotStated::CannotSay,
            Ok(_) => NotStated::Invalid,
            Err(Silent::NotConnected) => NotStated::NotConnected,
            Err(Silent::NoAnswer) => NotStated::NoAnswer,
        };
        missing.push((by, why));
    }
    let held = Ascending::first(stated.iter().map(|(held, _)| held.clone()));
    Ok(HeldByOthers {
        log,
        number,
        stated,
        missing,
        needed: witnesses_needed(state, &own),
        goes_on: state
            .after_loss(&own, &held)
            .map_err(|fault| fault.to_string()),
    })
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

/// Gets the catalogue keys that a decision would bring into force, from the member that proposes it where this node is another's.
/// Whoever approves through a node has them then: were the proposer's node alone to have one, nobody could be looked up again
/// once that is gone, or keeps it to itself. Blocks are not held against it: approvals that are gathered elsewhere bring a key
/// into force whoever has it.
///
/// # Errors
/// Which key is missing on this node.
async fn get_catalogue_keys(item: &Item, peer: &Arc<Peer>) -> Result<(), String> {
    let Item::Decision(decision) = item else {
        return Ok(());
    };
    for action in decision.proposal.actions.iter() {
        let Action::ReplaceCatalogueKey(replace) = action else {
            continue;
        };
        let proposer = decision.proposal.proposer;
        match fetching::obtain(peer, replace.after, proposer).await {
            Ok(Obtained::Held) => {}
            Ok(Obtained::NotSent(asked)) => {
                let name = |member: &DepartmentCode| peer.catalogue.members().name_of(member);
                let asked = asked
                    .iter()
                    .map(|member| name(member).unwrap_or_else(|| member.to_string()));
                let key = short(&replace.after.to_string());
                return Err(not_sent(&key, &asked.collect::<Vec<_>>()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Why a decision is not taken up whose key no member sent, of those that were asked.
fn not_sent(key: &str, asked: &[String]) -> String {
    let asked = match asked {
        [] => "no member is connected that could be asked for it".to_owned(),
        asked => format!("none that was asked has sent it: {}", asked.join(", ")),
    };
    format!(
        "this node does not hold the catalogue key that would come into force ({key}…), and {asked}; try again once the node of the \
         department that proposes it is connected"
    )
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
        | Action::ReplaceCatalogueKey(_)
        | Action::Remove(_)
        | Action::Cut(_) => true,
        Action::RaiseVersion(raise) => raise.is_known(),
        Action::Unreadable(_) => false,
    };
    match item {
        Item::Decision(decision) => decision.proposal.actions.iter().all(acted_upon),
        Item::Withdrawal(_) => true,
        Item::OwnChange(_) | Item::EpochEnded(_) | Item::Recovery(_) => true,
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
    fn who_was_asked_for_a_key_that_nobody_sent_is_named() {
        let said = not_sent("0123", &["Transport".to_owned(), "Health".to_owned()]);
        assert!(said.contains("(0123…)"), "{said}");
        assert!(
            said.contains("asked has sent it: Transport, Health;"),
            "{said}"
        );
        let said = not_sent("0123", &[]);
        assert!(said.contains("no member is connected"), "{said}");
    }

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
        assert!(is_taken(&[succeeded.into()]));
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
