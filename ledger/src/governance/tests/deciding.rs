//! When a proposal is decided, and when it is not any more.

use super::world::{World, code};
use crate::codec::{Ascending, NotAscending};
use crate::genesis::{Policy, Share, Terms};
use crate::governance::*;

fn govern(n: usize, governs: bool) -> Action {
    let department = code(n);
    Govern {
        department,
        governs,
    }
    .into()
}

#[test]
fn a_proposal_is_decided_by_more_than_two_thirds_and_no_fewer() {
    for (governors, needed) in [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 3),
        (5, 4),
        (6, 5),
        (7, 5),
        (10, 7),
    ] {
        let mut world = World::new(governors, 1);
        let proposed = world.propose(0, &[world.clone().suspend(governors, 0)]);
        for approving in 1..=governors {
            let others: Vec<usize> = (1..approving).collect();
            let decision = world.approved_by(&proposed, &others);
            let holds = world.holds(&decision.into());
            assert_eq!(holds, approving >= needed, "{approving} of {governors}");
        }
    }
}

#[test]
fn what_nodes_sign_decides_nothing() {
    let mut world = World::new(4, 1);
    let proposed = world.propose(0, &[world.clone().suspend(4, 0)]);
    let id = proposed.proposal.id(world.network());
    // Each node's operating key in the place of the department's identity key.
    let by_nodes = (1..4).map(|n| approve(world.network(), id, code(n), world.own(n).now()));
    let stolen = Decision {
        approvals: Ascending::new(by_nodes.collect()).unwrap(),
        ..proposed.clone()
    };
    assert_eq!(world.fault(&stolen.into()), Fault::Signature(code(1)));
    let proposal = proposed.proposal.clone();
    let stolen = Decision::propose(world.network(), proposal, world.own(0).now());
    let stolen = world.approved_by(&stolen, &[1, 2, 3]);
    assert_eq!(world.fault(&stolen.into()), Fault::Signature(code(0)));
}

#[test]
fn an_approval_is_of_one_proposal_in_one_network_by_one_department() {
    let mut world = World::new(4, 1);
    let (one, other) = (
        world.propose(0, &[world.clone().suspend(4, 0)]),
        world.propose(0, &[world.clone().suspend(4, 1)]),
    );
    let of_other = world.approved_by(&other, &[1, 2, 3]);
    let moved = Decision {
        approvals: of_other.approvals,
        ..one.clone()
    };
    assert_eq!(world.fault(&moved.into()), Fault::Signature(code(1)));
    // Another network with the same departments and keys.
    let elsewhere = World::with_policy(
        4,
        1,
        Policy::new(Terms {
            fresh_ms: 60_000,
            ..Policy::usual().into()
        })
        .unwrap(),
    );
    let decision = world.approved_by(&one, &[1, 2, 3]);
    assert!(world.holds(&decision.clone().into()));
    assert_eq!(elsewhere.fault(&decision.into()), Fault::Signature(code(0)));
    // One department's signature under another's name.
    let as_other = Signed {
        by: code(2),
        ..world.approval(&one, 1)
    };
    let approvals = vec![world.approval(&one, 1), as_other, world.approval(&one, 3)];
    let doubled = Decision {
        approvals: Ascending::new(approvals).unwrap(),
        ..one
    };
    assert_eq!(world.fault(&doubled.into()), Fault::Signature(code(2)));
}

#[test]
fn nobody_approves_twice_and_the_proposer_s_signature_is_its_approval() {
    let mut world = World::new(4, 1);
    let proposed = world.propose(0, &[world.clone().suspend(4, 0)]);
    let approval = world.approval(&proposed, 1);
    assert_eq!(
        Ascending::<Signed, 64>::new(vec![approval, approval]),
        Err(NotAscending::Twice)
    );
    let twice = world.approved_by(&proposed, &[0, 1]);
    assert_eq!(world.fault(&twice.into()), Fault::ProposerTwice);
}

#[test]
fn who_does_not_govern_neither_proposes_nor_approves_nor_counts() {
    let mut world = World::new(4, 1);
    let suspend = world.clone().suspend(3, 0);
    let by_other = world.propose(4, std::slice::from_ref(&suspend));
    let by_other = world.approved_by(&by_other, &[0, 1, 2, 3]);
    assert_eq!(world.fault(&by_other.into()), Fault::NotAGovernor(code(4)));
    let proposed = world.propose(0, std::slice::from_ref(&suspend));
    let with_other = world.approved_by(&proposed, &[1, 2, 4]);
    assert_eq!(
        world.fault(&with_other.into()),
        Fault::NotAGovernor(code(4))
    );
    world.decide(&[suspend]).unwrap();
    // Of the three that are left, three are more than two thirds; the suspended one adds nothing.
    let proposed = world.propose(0, &[govern(4, true)]);
    let with_suspended = world.approved_by(&proposed, &[1, 3]);
    assert_eq!(
        world.fault(&with_suspended.into()),
        Fault::NotAGovernor(code(3))
    );
    assert!(world.holds(&world.approved_by(&proposed, &[1, 2]).into()));
}

#[test]
fn a_proposal_is_decided_once_though_it_would_hold_again() {
    let mut world = World::new(4, 1);
    let suspend = world.clone().suspend(4, 0);
    let decision = world.decision(&[suspend]);
    world.make(vec![decision.clone().into()]).unwrap();
    assert_eq!(world.fault(&decision.clone().into()), Fault::Closed);
    let since = world.member(4).suspended_since().unwrap();
    let resume = Resume {
        department: code(4),
        since,
    };
    let resumed = world.decision(&[resume.into()]);
    world.make(vec![resumed.into()]).unwrap();
    assert!(world.member(4).is_active());
    // All that it names is so again, in the same sitting; with other approvals as well.
    assert_eq!(world.fault(&decision.clone().into()), Fault::Closed);
    let fewer = world.approved_by(&decision, &[1, 2]);
    assert_eq!(world.fault(&fewer.into()), Fault::Closed);
}

#[test]
fn a_sitting_ends_with_who_decides_by_which_keys_and_rules_and_takes_its_proposals_with_it() {
    let world = World::new(5, 1);
    let suspend_other = world.clone().suspend(5, 0);
    let after = world.clone().fresh_key();
    let before = world.own(5).identity.public();
    let identity = ReplaceIdentity::sign(world.network(), code(5), before, &after);
    let policy = ReplacePolicy {
        before: world.state.policy().clone(),
        after: Policy::new(Terms {
            fresh_ms: 70_000,
            ..Policy::usual().into()
        })
        .unwrap(),
    };
    for (action, ends) in [
        (govern(4, false), true),
        (govern(5, true), true),
        (world.clone().suspend(4, 0), true),
        (identity.into(), true),
        (policy.into(), true),
        (RaiseVersion { after: 2 }.into(), true),
        (suspend_other.clone(), false),
        (world.clone().admit(6, false), false),
    ] {
        let mut world = world.clone();
        let give = ChangeRoles {
            department: code(0),
            give: Ascending::new(vec![crate::genesis::Role::Define(code(50))]).unwrap(),
            take: Ascending::default(),
            position: None,
        };
        let pending = world.decision(&[give.into()]);
        assert!(world.holds(&pending.clone().into()));
        let decision = world.decision(std::slice::from_ref(&action));
        world.make(vec![decision.into()]).unwrap();
        let holds = world.holds(&pending.clone().into());
        assert_eq!(holds, !ends, "{action:?}");
        if ends {
            let (found, now) = (0, 1);
            assert_eq!(world.fault(&pending.into()), Fault::Sitting { found, now });
        }
    }
}

#[test]
fn a_proposal_lapses_by_the_time_of_blocks() {
    let mut world = World::new(4, 1);
    let decision = world.decision(&[world.clone().suspend(4, 0)]);
    world.time_ms = decision.proposal.lapses_ms;
    assert!(world.holds(&decision.clone().into()));
    world.time_ms += 1;
    let fault = world.fault(&decision.into());
    assert!(matches!(fault, Fault::Lapsed { .. }), "{fault}");
}

#[test]
fn a_withdrawn_proposal_is_never_decided_and_only_its_proposer_withdraws_it() {
    let mut world = World::new(4, 1);
    let decision = world.decision(&[world.clone().suspend(4, 0)]);
    let id = decision.proposal.id(world.network());
    let sitting = world.state.sitting();
    let withdrawal = |by: usize, key| Withdrawal::sign(world.network(), id, sitting, code(by), key);
    let own = withdrawal(0, &world.own(0).identity);
    let others = withdrawal(1, &world.own(1).identity);
    let by_node = withdrawal(0, world.own(0).now());
    let by_stranger = withdrawal(4, &world.own(4).identity);
    assert_eq!(world.fault(&by_node.into()), Fault::Signature(code(0)));
    assert_eq!(
        world.fault(&by_stranger.into()),
        Fault::NotAGovernor(code(4))
    );
    world.make(vec![others.into()]).unwrap();
    assert!(world.holds(&decision.clone().into()));
    world.make(vec![own.clone().into()]).unwrap();
    assert_eq!(world.fault(&decision.into()), Fault::Closed);
    assert_eq!(world.fault(&own.into()), Fault::Closed);
}

#[test]
fn no_governor_makes_the_chain_longer_by_itself_without_bound() {
    let mut world = World::new(4, 1);
    let withdrawal = |world: &World, n: u64| {
        let id = ProposalId(super::world::root(n));
        let sitting = world.state.sitting();
        Withdrawal::sign(
            world.network(),
            id,
            sitting,
            code(1),
            &world.own(1).identity,
        )
    };
    for n in 0..16 {
        world.make(vec![withdrawal(&world, n).into()]).unwrap();
    }
    let more = withdrawal(&world, 16);
    assert_eq!(world.fault(&more.into()), Fault::Withdrawals(code(1)));
    // In the next sitting it can again, and what it signed for this one is void there.
    let old = withdrawal(&world, 17);
    world.decide(&[govern(4, true)]).unwrap();
    assert!(world.holds(&withdrawal(&world, 18).into()));
    let fault = world.fault(&old.into());
    assert!(matches!(fault, Fault::Sitting { .. }), "{fault}");
}

#[test]
fn of_a_proposal_all_actions_take_effect_or_none() {
    let mut world = World::new(4, 1);
    let before = world.state.to_bytes();
    let actions = [
        world.clone().suspend(4, 0),
        govern(3, false),
        govern(3, false),
    ];
    let decision = world.decision(&actions);
    let fault = Fault::Action {
        at: 2,
        fault: ActionFault::Overtaken("whether it governs"),
    };
    assert_eq!(world.fault(&decision.clone().into()), fault);
    let refused = world.make(vec![decision.into()]);
    let expected = BlockError::Item {
        height: 1,
        at: 0,
        fault,
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(world.state.to_bytes(), before);
    let empty = world.decision(&[]);
    assert_eq!(world.fault(&empty.into()), Fault::NoAction);
}

#[test]
fn an_action_or_item_of_a_later_version_keeps_the_rest_of_it_from_taking_effect() {
    let mut world = World::new(4, 1);
    let later = Action::read(11, b"what only a later version reads");
    let decision = world.decision(&[world.clone().suspend(4, 0), later.clone()]);
    assert_eq!(
        world.fault(&decision.clone().into()),
        Fault::Action {
            at: 1,
            fault: ActionFault::Unreadable(11)
        }
    );
    // It is read, hashed and passed on all the same.
    let block = world.block(vec![decision.into(), Item::read(5, b"")]);
    let bytes = crate::codec::encode(&block);
    assert_eq!(Block::decode(&bytes).unwrap(), block);
    // A kind that is known, with content that is not its own.
    let malformed = Action::read(2, &[later.content(), vec![0]].concat());
    assert_eq!(malformed.kind(), 2);
    assert_eq!(world.refused(malformed), ActionFault::Unreadable(2));
    assert_eq!(world.fault(&Item::read(5, b"x")), Fault::Unreadable(5));
}

#[test]
fn no_decision_leaves_fewer_governors_than_the_policy_asks_for() {
    let policy = Policy::new(Terms {
        least_governors: 3,
        ..Policy::usual().into()
    });
    let mut world = World::with_policy(4, 1, policy.unwrap());
    let decision = world.decision(&[govern(3, false), govern(2, false)]);
    let fault = Fault::TooFewGovernors { left: 2, least: 3 };
    assert_eq!(world.fault(&decision.into()), fault);
    let swapped = world.decision(&[govern(3, false), govern(2, false), govern(4, true)]);
    assert!(world.holds(&swapped.into()));
    // Nor does one that suspends them all, where the policy asks for one.
    let mut world = World::new(2, 1);
    let all = [world.clone().suspend(0, 0), world.clone().suspend(1, 0)];
    let decision = world.decision(&all);
    let fault = Fault::TooFewGovernors { left: 0, least: 1 };
    assert_eq!(world.fault(&decision.into()), fault);
}

#[test]
fn items_of_one_block_are_judged_one_after_the_other() {
    let mut world = World::new(4, 1);
    let (one, other) = (
        world.decision(&[govern(3, false)]),
        world.decision(&[world.clone().suspend(4, 0)]),
    );
    let expected = BlockError::Item {
        height: 1,
        at: 1,
        fault: Fault::Sitting { found: 0, now: 1 },
    };
    let both = vec![one.clone().into(), other.clone().into()];
    assert_eq!(world.make(both), Err(expected));
    world.make(vec![other.into(), one.into()]).unwrap();
    assert_eq!(world.state.sitting(), 1);
}

#[test]
fn a_version_takes_more_than_two_thirds_whatever_the_policy_says_and_nobody_who_does_not_know_it() {
    let half = Policy::new(Terms {
        decide: Share { of: 1, parts: 2 },
        ..Policy::usual().into()
    });
    let mut world = World::with_policy(6, 0, half.unwrap());
    let raise = world.propose(0, &[RaiseVersion { after: 2 }.into()]);
    let other = world.propose(0, &[govern(5, false)]);
    let needed = |decision: &Decision| world.state.approvals_needed(&decision.proposal);
    assert_eq!((needed(&raise), needed(&other)), (5, 4));
    let by =
        |decision: &Decision, approvers: &[usize]| world.approved_by(decision, approvers).into();
    assert!(world.holds(&by(&other, &[1, 2, 3])));
    let fault = Fault::Approvals {
        found: 4,
        governors: 6,
        of: 2,
        parts: 3,
    };
    assert_eq!(world.fault(&by(&raise, &[1, 2, 3])), fault);
    // The block holds at every peer, also at those that do not know the version: only their people can't be asked to want it.
    assert!(world.holds(&by(&raise, &[1, 2, 3, 4])));
    let (version, known) = (2, FORMAT_VERSION);
    assert_eq!(
        world.state.after(&raise.proposal, world.time_ms),
        Err(Fault::LaterVersion { version, known })
    );
    assert!(world.state.after(&other.proposal, world.time_ms).is_ok());
}
