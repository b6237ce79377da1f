//! What governance decides, in words.

use certmesh_api::coded;
use certmesh_ledger::genesis::{Policy, RecoveryKeys, Share};
use certmesh_ledger::governance::{
    Action, CutReason, EndReason, Item, OwnChange, Proposal, Recovery,
};
use certmesh_ledger::id::DepartmentCode;

use crate::{all_of, say};

coded! {
    /// One thing that a proposal would change, or that a department changes by itself.
    enum Act: "act" {
        "admit" Admit { department: String, code: DepartmentCode, roles: String, identity: String },
        "admit-governing" AdmitGoverning { department: String, code: DepartmentCode, roles: String, identity: String },
        "suspend" Suspend { department: String, size: u64, root: String },
        "resume" Resume { department: String },
        "remove" Remove { department: String, size: u64, root: String },
        "remove-to" RemoveTo { department: String, size: u64, root: String, successor: String },
        "give" Give { department: String, roles: String },
        "take" Take { department: String, roles: String },
        "govern" Govern { department: String },
        "govern-no-more" GovernNoMore { department: String },
        "cut-compromised" CutCompromised { log: String, size: u64, root: String, epoch: u32 },
        "cut-forked" CutForked { log: String, size: u64, root: String, epoch: u32 },
        "cut-lost" CutLost { log: String, size: u64, root: String, epoch: u32 },
        "identity" Identity { department: String, after: String },
        "catalogue-key" CatalogueKey { after: String },
        "policy" Policy { policy: String },
        "version" Version { after: u32 },
        "unreadable" Unreadable { kind: u32 },
        "operating" Operating { department: String, key: String },
        "transport" Transport { department: String, key: String },
        "sealing" Sealing { department: String },
        "lost" Lost { log: String, size: u64, root: String, by: String },
        "ended-rotated" EndedRotated { department: String, epoch: u32, size: u64 },
        "ended-stolen" EndedStolen { department: String, epoch: u32, size: u64 },
        "withdrawal" Withdrawal { department: String, proposal: String },
        "recovery" Recovery { departments: String },
        "terms" Terms {
            decide: String, witness: String, least: u8, pending: u8, changes: u8, fresh_s: u64, recovery: String,
        },
        "no-recovery" NoRecovery,
        "recovery-keys" RecoveryKeys { need: u8, keys: usize },
    }
}

/// Finds departments' names.
pub type NameOf<'n> = &'n dyn Fn(&DepartmentCode) -> String;

/// What an action would change.
pub fn action(action: &Action, name: NameOf<'_>) -> Vec<String> {
    let one = match action {
        Action::Admit(admit) => {
            let newcomer = &admit.introduction.newcomer;
            let department = newcomer.name.to_string();
            let (code, roles) = (newcomer.code, roles(&admit.roles));
            let identity = newcomer.keys.identity.to_string();
            match admit.governs {
                true => Act::AdmitGoverning {
                    department,
                    code,
                    roles,
                    identity,
                },
                false => Act::Admit {
                    department,
                    code,
                    roles,
                    identity,
                },
            }
        }
        Action::Suspend(suspend) => Act::Suspend {
            department: name(&suspend.position.log.department),
            size: suspend.position.size,
            root: suspend.position.root.to_string(),
        },
        Action::Resume(resume) => Act::Resume {
            department: name(&resume.department),
        },
        Action::Remove(remove) => {
            let department = name(&remove.position.log.department);
            let (size, root) = (remove.position.size, remove.position.root.to_string());
            match &remove.successor {
                Some(successor) => Act::RemoveTo {
                    department,
                    size,
                    root,
                    successor: name(successor),
                },
                None => Act::Remove {
                    department,
                    size,
                    root,
                },
            }
        }
        Action::ChangeRoles(change) => {
            let department = name(&change.department);
            let give = (!change.give.is_empty()).then(|| Act::Give {
                department: department.clone(),
                roles: roles(&change.give),
            });
            let take = (!change.take.is_empty()).then(|| Act::Take {
                department: department.clone(),
                roles: roles(&change.take),
            });
            return give.iter().chain(&take).map(say).collect();
        }
        Action::Govern(govern) => {
            let department = name(&govern.department);
            match govern.governs {
                true => Act::Govern { department },
                false => Act::GovernNoMore { department },
            }
        }
        Action::Cut(cut) => {
            let log = name(&cut.position.log.department);
            let (size, root) = (cut.position.size, cut.position.root.to_string());
            let epoch = cut.first_epoch;
            match cut.why {
                CutReason::Compromised => Act::CutCompromised {
                    log,
                    size,
                    root,
                    epoch,
                },
                CutReason::Forked => Act::CutForked {
                    log,
                    size,
                    root,
                    epoch,
                },
                CutReason::Lost => Act::CutLost {
                    log,
                    size,
                    root,
                    epoch,
                },
            }
        }
        Action::ReplaceIdentity(replace) => Act::Identity {
            department: name(&replace.department),
            after: replace.after.to_string(),
        },
        Action::ReplaceCatalogueKey(replace) => Act::CatalogueKey {
            after: replace.after.to_string(),
        },
        Action::ReplacePolicy(replace) => Act::Policy {
            policy: policy(&replace.after),
        },
        Action::RaiseVersion(raise) => Act::Version { after: raise.after },
        Action::Unreadable(_) => Act::Unreadable {
            kind: action.kind(),
        },
    };
    vec![say(&one)]
}

/// What a proposal would change, line by line.
pub fn proposal(proposal: &Proposal, name: NameOf<'_>) -> Vec<String> {
    let actions = proposal.actions.iter();
    actions.flat_map(|one| action(one, name)).collect()
}

/// What an item of a block changes, line by line.
pub fn item(item: &Item, name: NameOf<'_>) -> Vec<String> {
    match item {
        Item::Decision(decision) => proposal(&decision.proposal, name),
        Item::Withdrawal(withdrawal) => vec![say(&Act::Withdrawal {
            department: name(&withdrawal.signed.by),
            proposal: short(&withdrawal.proposal.to_string()),
        })],
        Item::OwnChange(change) => own_change(&change.change, name),
        Item::EpochEnded(ended) => {
            let department = name(&ended.end.position.log.department);
            let (epoch, size) = (ended.end.epoch, ended.end.position.size);
            vec![say(&match ended.end.why {
                EndReason::Rotated => Act::EndedRotated {
                    department,
                    epoch,
                    size,
                },
                EndReason::Stolen => Act::EndedStolen {
                    department,
                    epoch,
                    size,
                },
            })]
        }
        Item::Recovery(signed) => recovery(&signed.recovery, name),
        Item::Unreadable(_) => vec![say(&Act::Unreadable { kind: item.kind() })],
    }
}

/// What a recovery would change.
pub fn recovery(recovery: &Recovery, name: NameOf<'_>) -> Vec<String> {
    let ends: Vec<String> = recovery.ends.iter().map(name).collect();
    vec![say(&Act::Recovery {
        departments: all_of(&ends),
    })]
}

/// What a department changes by itself.
pub fn own_change(change: &OwnChange, name: NameOf<'_>) -> Vec<String> {
    let department = || name(&change.department);
    let operating = change.operating.as_ref().map(|key| Act::Operating {
        department: department(),
        key: key.to_string(),
    });
    let transport = change.transport.as_ref().map(|key| Act::Transport {
        department: department(),
        key: key.to_string(),
    });
    let sealing = change.sealing.as_ref().map(|_| Act::Sealing {
        department: department(),
    });
    let lost = change.lost.as_ref().map(|lost| {
        let by: Vec<String> = lost.held.iter().map(|held| name(&held.signed.by)).collect();
        Act::Lost {
            log: department(),
            size: lost.position.size,
            root: lost.position.root.to_string(),
            by: all_of(&by),
        }
    });
    let all = [operating, transport, sealing, lost];
    all.iter().flatten().map(say).collect()
}

/// The terms of a policy.
pub fn policy(policy: &Policy) -> String {
    let share = |share: Share| format!("{}/{}", share.of, share.parts);
    let recovery = match &policy.recovery {
        Some(RecoveryKeys { keys, need }) => say(&Act::RecoveryKeys {
            need: *need,
            keys: keys.len(),
        }),
        None => say(&Act::NoRecovery),
    };
    say(&Act::Terms {
        decide: share(policy.decide),
        witness: share(policy.witness),
        least: policy.least_governors,
        pending: policy.pending_proposals,
        changes: policy.own_changes_a_day,
        fresh_s: policy.fresh_ms / 1_000,
        recovery,
    })
}

/// The beginning of a hash: enough to tell a few apart, and to be typed.
pub fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn roles<T: ToString>(roles: &[T]) -> String {
    let words: Vec<String> = roles.iter().map(ToString::to_string).collect();
    all_of(&words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::mismatches;

    #[test]
    fn each_act_has_a_text_with_its_arguments_and_each_text_an_act() {
        assert_eq!(mismatches::<Act>(), Vec::<String>::new());
    }
}
