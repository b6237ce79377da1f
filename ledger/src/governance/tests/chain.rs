//! What makes a block the next one, and final.

use super::world::{World, code};
use crate::codec::{Ascending, Bounded, encode};
use crate::governance::*;

fn votes(world: &World, block: &Block, by: &[usize]) -> FinalBlock {
    let by: Vec<_> = by.iter().map(|by| code(*by)).collect();
    world.certified_by(block.clone(), &by)
}

fn certificate_fault(world: &World, block: &FinalBlock) -> CertificateFault {
    match world.state.accept(block) {
        Err(BlockError::Certificate { fault, .. }) => fault,
        other => panic!("not refused for its certificate: {other:?}"),
    }
}

#[test]
fn a_block_follows_the_one_before_in_height_hash_and_time_and_says_something() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    let (change, _) = world.rotation(4);
    let good = world.block(vec![change.into()]);
    let genesis = BlockId::genesis(world.network());
    let time = world.state.time_ms();
    for (block, expected) in [
        (
            Block {
                height: 1,
                ..good.clone()
            },
            BlockError::Height {
                found: 1,
                expected: 2,
            },
        ),
        (
            Block {
                height: u64::MAX,
                ..good.clone()
            },
            BlockError::Height {
                found: u64::MAX,
                expected: 2,
            },
        ),
        (
            Block {
                before: genesis,
                ..good.clone()
            },
            BlockError::Before {
                height: 2,
                found: genesis,
                expected: world.state.head(),
            },
        ),
        (
            Block {
                time_ms: time - 1,
                ..good.clone()
            },
            BlockError::Time {
                height: 2,
                found: time - 1,
                least: time,
            },
        ),
        (
            Block {
                items: Bounded::default(),
                ..good.clone()
            },
            BlockError::Empty(2),
        ),
    ] {
        assert_eq!(world.state.apply(&block), Err(expected));
    }
    let same_time = Block {
        time_ms: time,
        ..good
    };
    assert!(world.state.apply(&same_time).is_ok());
}

#[test]
fn a_block_has_a_size_that_it_does_not_exceed() {
    let mut world = World::new(4, 1);
    let long = crate::codec::Text::new("x".repeat(128)).unwrap();
    let proposals = (0..64).map(|_| {
        let actions: Vec<Action> = (0..16)
            .map(|n| {
                let Action::Admit(mut admit) = world.admit(100 + n, false) else {
                    unreachable!()
                };
                admit.introduction.newcomer.name = long.clone();
                admit.into()
            })
            .collect();
        Item::from(world.decision(&actions))
    });
    let items = proposals.collect();
    let block = world.block(items);
    let found = encode(&block).len();
    let refused = BlockError::TooLong {
        height: 1,
        found,
        limit: MAX_BLOCK,
    };
    assert_eq!(world.state.apply(&block), Err(refused));
    assert!(Block::decode(&encode(&block)).is_err());
}

#[test]
fn a_block_is_final_by_the_votes_of_enough_who_governed_before_it() {
    for (governors, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (7, 5)] {
        let mut world = World::new(governors, 1);
        let (change, _) = world.rotation(0);
        let block = world.block(vec![change.into()]);
        for voting in 0..=governors {
            let by: Vec<usize> = (0..voting).collect();
            let accepted = world.state.accept(&votes(&world, &block, &by)).is_ok();
            assert_eq!(accepted, voting >= needed, "{voting} of {governors}");
        }
    }
}

#[test]
fn a_vote_is_of_one_round_of_one_stage_for_one_block_and_by_a_present_key() {
    let mut world = World::new(4, 1);
    let (change, _) = world.rotation(4);
    let block = world.block(vec![change.clone().into()]);
    let good = votes(&world, &block, &[0, 1, 2]);
    assert!(world.state.accept(&good).is_ok());
    let bad = CertificateFault::BadVote(code(0));
    let other_round = Certificate {
        round: 1,
        ..good.certificate.clone()
    };
    let other_round = FinalBlock {
        certificate: other_round,
        ..good.clone()
    };
    assert_eq!(certificate_fault(&world, &other_round), bad);
    let other_time = Block {
        time_ms: block.time_ms + 1,
        ..block.clone()
    };
    let other_block = FinalBlock {
        block: other_time,
        ..good.clone()
    };
    assert_eq!(certificate_fault(&world, &other_block), bad);
    let id = block.id(world.network());
    for vote in [
        Vote {
            height: 1,
            round: 0,
            stage: Stage::Prevote,
            block: Some(id),
        },
        Vote {
            height: 1,
            round: 0,
            stage: Stage::Precommit,
            block: None,
        },
        Vote {
            height: 2,
            round: 0,
            stage: Stage::Precommit,
            block: Some(id),
        },
    ] {
        let of = |n: usize| vote.sign(world.network(), code(n), world.own(n).now());
        let votes = Ascending::new(vec![of(0), of(1), of(2)]).unwrap();
        let certificate = Certificate { round: 0, votes };
        let wrong = FinalBlock {
            block: block.clone(),
            certificate,
        };
        assert_eq!(certificate_fault(&world, &wrong), bad);
    }
    // A member that doesn't govern.
    let fault = CertificateFault::NoVoter(code(4));
    assert_eq!(
        certificate_fault(&world, &votes(&world, &block, &[0, 1, 2, 4])),
        fault
    );
    // A key that was replaced, as its thief would.
    world.rotate(0);
    let (change, _) = world.rotation(4);
    let block = world.block(vec![change.into()]);
    let good = votes(&world, &block, &[0, 1, 2]);
    assert!(world.state.accept(&good).is_ok());
    let by_old = Vote {
        height: 2,
        round: 0,
        stage: Stage::Precommit,
        block: Some(block.id(world.network())),
    };
    let by_old = by_old.sign(world.network(), code(0), &world.own(0).operating[0]);
    let others = good.certificate.votes[1..].iter().copied();
    let by_old = Certificate {
        round: 0,
        votes: Ascending::new(others.chain([by_old]).collect()).unwrap(),
    };
    let by_old = FinalBlock {
        certificate: by_old,
        ..good
    };
    assert_eq!(certificate_fault(&world, &by_old), bad);
}

#[test]
fn votes_of_all_nodes_do_not_replace_one_identity_signature() {
    // Every operating key of the network in one hand: it makes blocks, and nothing in them counts.
    let mut world = World::new(4, 1);
    let actions = [world.suspend(4, 0)];
    let proposal = world.proposal(0, &actions);
    let by_node = Decision::propose(world.network(), proposal, world.own(0).now());
    let block = world.certified(vec![by_node.into()]);
    let fault = world.state.accept(&block);
    assert!(matches!(fault, Err(BlockError::Item { .. })), "{fault:?}");
}

#[test]
fn who_is_admitted_votes_from_the_next_block_on_and_who_is_suspended_no_longer() {
    let mut world = World::new(4, 0);
    let (admit, suspend) = (world.admit(7, true), world.suspend(3, 0));
    let decision = world.decision(&[admit, suspend]);
    let block = world.block(vec![decision.into()]);
    // Judged by who governed before it.
    assert!(
        world
            .state
            .accept(&votes(&world, &block, &[0, 1, 3]))
            .is_ok()
    );
    world.make(block.items.to_vec()).unwrap();
    let (change, _) = world.rotation(0);
    let block = world.block(vec![change.into()]);
    let fault = CertificateFault::NoVoter(code(3));
    assert_eq!(
        certificate_fault(&world, &votes(&world, &block, &[0, 1, 2, 3])),
        fault
    );
    assert!(
        world
            .state
            .accept(&votes(&world, &block, &[0, 1, 7]))
            .is_ok()
    );
}

#[test]
fn a_program_folds_nothing_beyond_a_version_that_it_does_not_know_and_says_so() {
    let mut world = World::new(4, 1);
    let pending = world.rotation(4).0;
    world.decide(&[RaiseVersion { after: 2 }.into()]).unwrap();
    assert_eq!(world.state.version(), 2);
    let block = world.certified(vec![pending.into()]);
    let later = BlockError::LaterVersion {
        version: 2,
        known: 1,
        after: 1,
    };
    assert_eq!(world.state.accept(&block), Err(later.clone()));
    assert_eq!(world.state.apply(&block.block), Err(later.clone()));
    assert!(later.to_string().contains("upgrade"), "{later}");
    // Nor does it call wrong what only a later one can judge.
    let garbage = Block {
        height: 99,
        ..block.block
    };
    assert_eq!(world.state.apply(&garbage), Err(later));
}
