//! Recoveries, agreed on by the nodes that are left.

use super::engines::Engines;
use super::recovery::{policy, recovery, signed};
use super::world::{World, code};
use crate::codec::{Ascending, Bounded};
use crate::governance::consensus::{self, Consensus, Message, Moment};
use crate::governance::engine::Seat;
use crate::governance::*;

/// A recovery that ends the governing of some, with all the signatures that it needs.
fn wanted(world: &World, ends: &[usize], by: &[usize]) -> Item {
    signed(world, recovery(world, ends), &[0, 1], by)
}

fn seven() -> Engines {
    Engines::of(World::with_policy(7, 1, policy(1)))
}

#[test]
fn with_more_governors_gone_than_may_be_those_who_are_left_recover_and_decide_on() {
    let mut net = Engines::of(World::with_policy(6, 1, policy(1)));
    for n in 3..6 {
        net.kill(n);
    }
    let (change, _) = net.world.rotation(6);
    net.submit(6, &change.into()).unwrap();
    net.run(120_000);
    net.assert_all_at(0);
    // Handed to a node that doesn't govern: it passes it on.
    let item = wanted(&net.world, &[3, 4, 5], &[0, 1, 2]);
    net.submit(6, &item).unwrap();
    net.run(60_000);
    // The change that waited follows at once.
    net.assert_all_at(2);
    assert!(net.engine(0).pool().recovery().is_none());
    net.world.state = net.engine(0).history().state().clone();
    let admit = net.world.admit(7, true);
    net.propose_and_approve(&[admit], &[0, 1, 2]);
    net.run(60_000);
    net.assert_all_at(3);
    // Those who come back learn of it, and vote no more.
    for n in 3..6 {
        net.start(n);
    }
    net.run(20_000);
    net.assert_all_at(3);
    assert_eq!(net.engine(4).seat(), Seat::None);
}

#[test]
fn nodes_killed_while_they_vote_on_a_recovery_stand_by_what_they_voted() {
    for after in (0..=120).step_by(20) {
        for victim in 0..3 {
            let mut net = Engines::of(World::with_policy(6, 0, policy(1)));
            for n in 3..6 {
                net.kill(n);
            }
            let (change, _) = net.world.rotation(0);
            net.submit(0, &change.into()).unwrap();
            net.run(7_000);
            let item = wanted(&net.world, &[3, 4, 5], &[0, 1, 2]);
            for n in 0..3 {
                net.submit(n, &item).unwrap();
            }
            net.run(after);
            net.kill(victim);
            net.run(500);
            net.start(victim);
            net.run(60_000);
            net.assert_all_at(2);
        }
    }
}

#[test]
fn when_one_more_is_gone_another_recovery_takes_the_place_of_the_first() {
    let mut net = seven();
    for n in 3..7 {
        net.kill(n);
    }
    // Of the five that it would leave, four would have to vote.
    let first = wanted(&net.world, &[5, 6], &[0, 1, 2]);
    net.submit(0, &first).unwrap();
    net.run(60_000);
    net.assert_all_at(0);
    let second = wanted(&net.world, &[3, 4, 5, 6], &[0, 1, 2]);
    net.submit(1, &second).unwrap();
    net.run(60_000);
    net.assert_all_at(1);
    assert_eq!(net.engine(7).history().state().governors().count(), 3);
}

#[test]
fn a_recovery_that_does_not_hold_waits_nowhere() {
    let mut net = seven();
    let mut refused = |item: &Item| net.submit(0, item).unwrap_err();
    let world = World::with_policy(7, 1, policy(1));
    let few = signed(&world, recovery(&world, &[5, 6]), &[1], &[0, 1, 2]);
    let fault = Fault::RecoveryKeys { found: 1, need: 2 };
    assert_eq!(refused(&few), Refused::Fault(fault));
    let elsewhere = Recovery {
        height: 2,
        ..recovery(&world, &[5, 6])
    };
    let elsewhere = signed(&world, elsewhere, &[0, 1], &[0, 1, 2]);
    let fault = Refused::Fault(Fault::RecoveryPlace);
    assert_eq!(refused(&elsewhere), fault);
}

#[test]
fn few_recoveries_wait_those_that_end_the_governing_of_most() {
    let world = World::with_policy(7, 1, policy(1));
    let mut pool = Pool::default();
    let mut add = |ends: &[usize]| {
        let item = wanted(&world, ends, &[0, 1, 2]);
        pool.add(&item, &world.state, world.time_ms)
    };
    for end in 3..7 {
        assert_eq!(add(&[end]), Ok(true));
        assert_eq!(add(&[end]), Ok(false));
    }
    assert_eq!(add(&[5, 6]), Ok(true));
    let again: Vec<_> = (3..7).map(|end| add(&[end])).collect();
    let refused = again.iter().filter(|one| **one == Err(Refused::Recoveries));
    assert_eq!(refused.count(), 1);
    assert_eq!(pool.recovery().unwrap().recovery.ends.len(), 2);
    assert_eq!(pool.items().count(), 4);
    // None of them beside anything else.
    assert!(pool.next(&world.state, world.time_ms).is_empty());
}

fn moment(world: &World) -> Moment {
    Moment {
        running_ms: 0,
        clock_ms: world.time_ms,
    }
}

fn begun(world: &World) -> Consensus {
    Consensus::new(&world.state, code(0), world.own(0).now().clone()).unwrap()
}

fn prevote(world: &World, by: usize, block: BlockId) -> consensus::Event {
    let vote = Vote {
        height: 1,
        round: 0,
        stage: Stage::Prevote,
        block: Some(block),
    };
    let signed = vote.sign(world.network(), code(by), world.own(by).now());
    consensus::Event::Message(Message::Vote(vote, signed))
}

fn kept(commands: &[consensus::Command]) -> Vec<consensus::Entry> {
    let entries = |command: &consensus::Command| match command {
        consensus::Command::Keep(entries) => entries.clone(),
        _ => Vec::new(),
    };
    commands.iter().flat_map(entries).collect()
}

fn said(commands: &[consensus::Command]) -> Vec<Message> {
    let message = |command: &consensus::Command| match command {
        consensus::Command::Send(message) => Some(message.clone()),
        _ => None,
    };
    commands.iter().filter_map(message).collect()
}

/// Offers a block of the first height to a node of six, which prevotes for it.
fn offered(world: &mut World, node: &mut Consensus) -> (BlockId, Vec<consensus::Command>) {
    let item: Item = world.rotation(6).0.into();
    let block = world.block(vec![item.clone()]);
    let id = block.id(world.network());
    let at = moment(world);
    let mut commands = node.handle(consensus::Event::Pending(Bounded::first([item])), at);
    let key = world.own(1).now().clone();
    let offer = consensus::Offer::sign(world.network(), block, 0, None, code(1), &key);
    commands.extend(node.handle(consensus::Event::Message(Message::Offer(offer)), at));
    (id, commands)
}

fn recovers(world: &World) -> consensus::Event {
    let Item::Recovery(signed) = wanted(world, &[3, 4, 5], &[0, 1, 2]) else {
        unreachable!()
    };
    consensus::Event::Recovery(Box::new(signed))
}

#[test]
fn a_node_that_gave_a_block_its_precommit_votes_for_no_recovery_beside_it() {
    let mut world = World::with_policy(6, 1, policy(1));
    let mut node = begun(&world);
    let (id, mut commands) = offered(&mut world, &mut node);
    let at = moment(&world);
    for by in 1..5 {
        commands.extend(node.handle(prevote(&world, by, id), at));
    }
    assert_eq!(node.bound_to(), Some(id));
    assert_eq!(said(&node.handle(recovers(&world), at)), []);
    assert_eq!(node.recovery_id(), None);
    // Nor after a restart.
    let mut again = begun(&world);
    again.resume(&kept(&commands), at);
    assert_eq!(again.bound_to(), Some(id));
    assert_eq!(said(&again.handle(recovers(&world), at)), []);
    assert_eq!(again.recovery_id(), None);
}

#[test]
fn a_node_that_votes_for_a_recovery_gives_no_other_block_its_precommit() {
    let mut world = World::with_policy(6, 1, policy(1));
    let mut node = begun(&world);
    let (id, mut commands) = offered(&mut world, &mut node);
    let at = moment(&world);
    // A prevote alone binds it to nothing.
    assert_eq!(said(&commands).len(), 1);
    let turned = node.handle(recovers(&world), at);
    let recovery = node.recovery_id();
    assert!(recovery.is_some());
    commands.extend(turned);
    // It isn't its turn in the new agreement; what it turned to is durable with what it says first.
    let late = Moment {
        running_ms: 60_000,
        ..at
    };
    commands.extend(node.handle(consensus::Event::Tick, late));
    let votes = said(&commands).split_off(1);
    let is_of_recovery = |message: &Message| matches!(message, Message::RecoveryVote(of, ..) if Some(*of) == recovery);
    assert!(
        !votes.is_empty() && votes.iter().all(is_of_recovery),
        "{votes:?}"
    );
    let mut again = begun(&world);
    again.resume(&kept(&commands), at);
    assert_eq!(again.recovery_id(), recovery);
    for mut node in [node, again] {
        for by in 1..5 {
            assert_eq!(said(&node.handle(prevote(&world, by, id), late)), []);
        }
        assert_eq!(node.bound_to(), None);
    }
}

#[test]
fn a_vote_of_one_agreement_is_none_of_another() {
    let world = World::with_policy(6, 1, policy(1));
    let (network, key) = (world.network(), world.own(1).now());
    let recovery = recovery(&world, &[3, 4, 5]).id(network);
    let vote = Vote {
        height: 1,
        round: 0,
        stage: Stage::Precommit,
        block: None,
    };
    let plain = vote.sign(network, code(1), key);
    let among = vote.sign_among(network, Some(recovery), code(1), key);
    let is_authentic = |message: Message| message.is_authentic(&world.state);
    assert!(is_authentic(Message::Vote(vote, plain)));
    assert!(is_authentic(Message::RecoveryVote(recovery, vote, among)));
    assert!(!is_authentic(Message::Vote(vote, among)));
    assert!(!is_authentic(Message::RecoveryVote(recovery, vote, plain)));
    let other = recovery_of_fewer(&world);
    assert!(!is_authentic(Message::RecoveryVote(other, vote, among)));
}

fn recovery_of_fewer(world: &World) -> RecoveryId {
    let fewer = Recovery {
        ends: Ascending::new(vec![code(5)]).unwrap(),
        ..recovery(world, &[])
    };
    fewer.id(world.network())
}
