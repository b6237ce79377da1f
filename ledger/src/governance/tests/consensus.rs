//! One governor's part in the decision on a block.

use super::world::{World, code};
use crate::codec::{Ascending, Bounded};
use crate::governance::consensus::*;
use crate::governance::*;

fn at(world: &World, running_ms: u64) -> Moment {
    Moment {
        running_ms,
        clock_ms: world.time_ms,
    }
}

fn taking_part(world: &World, n: usize) -> Consensus {
    Consensus::new(&world.state, code(n), world.own(n).now().clone()).unwrap()
}

fn pending(items: Vec<Item>) -> Event {
    Event::Pending(Bounded::new(items).unwrap())
}

fn votes(commands: &[Command]) -> Vec<Vote> {
    let vote = |command: &Command| match command {
        Command::Send(Message::Vote(vote, _)) => Some(*vote),
        _ => None,
    };
    commands.iter().filter_map(vote).collect()
}

fn offers(commands: &[Command]) -> Vec<Offer> {
    let offer = |command: &Command| match command {
        Command::Send(Message::Offer(offer)) => Some(offer.clone()),
        _ => None,
    };
    commands.iter().filter_map(offer).collect()
}

fn kept(commands: &[Command]) -> Vec<Entry> {
    let entries = |command: &Command| match command {
        Command::Keep(entries) => Some(entries.clone()),
        _ => None,
    };
    commands.iter().filter_map(entries).flatten().collect()
}

/// The governor whose turn it is in a round of the first height.
fn in_turn(governors: usize, round: usize) -> usize {
    (1 + round) % governors
}

fn voted(world: &World, by: usize, round: u32, stage: Stage, block: Option<BlockId>) -> Event {
    let vote = Vote {
        height: world.state.height() + 1,
        round,
        stage,
        block,
    };
    let signed = vote.sign(world.network(), code(by), world.own(by).now());
    Event::Message(Message::Vote(vote, signed))
}

fn offered(world: &World, by: usize, round: u32, block: &Block) -> Event {
    let (block, key) = (block.clone(), world.own(by).now());
    let offer = Offer::sign(world.network(), block, round, None, code(by), key);
    Event::Message(Message::Offer(offer))
}

#[test]
fn one_governor_alone_decides_at_once_and_keeps_its_votes_first() {
    let mut world = World::new(1, 1);
    let item: Item = world.rotation(1).0.into();
    let mut alone = taking_part(&world, 0);
    let commands = alone.handle(pending(vec![item]), at(&world, 0));
    assert!(matches!(commands.first(), Some(Command::Keep(_))));
    let Some(Command::Final(last)) = commands.last() else {
        panic!("{commands:?}")
    };
    assert!(world.state.accept(last).is_ok());
    assert_eq!(kept(&commands).len(), 4, "begun, own block, two votes");
    let more = alone.handle(Event::Tick, at(&world, 99_999));
    assert_eq!(more, []);
}

#[test]
fn nothing_happens_while_nothing_is_pending() {
    let world = World::new(4, 1);
    for n in 0..4 {
        let mut node = taking_part(&world, n);
        assert_eq!(node.handle(Event::Tick, at(&world, 0)), []);
        assert_eq!(node.handle(pending(vec![]), at(&world, 0)), []);
        // Nor because one governor, who may lie, votes for something.
        let liar = (n + 1) % 4;
        let vote = voted(&world, liar, 0, Stage::Prevote, None);
        assert_eq!(node.handle(vote, at(&world, 0)), []);
    }
}

#[test]
fn who_does_not_govern_or_has_another_key_takes_no_part() {
    let world = World::new(4, 1);
    let none = |n: usize, key| Consensus::new(&world.state, code(n), key).is_none();
    assert!(none(4, world.own(4).now().clone()));
    assert!(none(0, world.own(1).now().clone()));
    assert!(none(0, world.own(0).identity.clone()));
}

#[test]
fn a_block_that_does_not_hold_or_is_dated_ahead_gets_no_vote() {
    let mut world = World::new(4, 1);
    let item: Item = world.rotation(4).0.into();
    let good = world.block(vec![item.clone()]);
    let ahead = MAX_AHEAD_MS + 1 + world.time_ms;
    let chosen = in_turn(4, 0);
    for (block, gets_it) in [
        (good.clone(), true),
        (
            Block {
                time_ms: ahead,
                ..good.clone()
            },
            false,
        ),
        (
            Block {
                time_ms: ahead - 1,
                ..good.clone()
            },
            true,
        ),
        (
            Block {
                before: BlockId(super::world::root(1)),
                ..good.clone()
            },
            false,
        ),
        (
            Block {
                items: Bounded::default(),
                ..good.clone()
            },
            false,
        ),
    ] {
        let mut node = taking_part(&world, 0);
        // Something is pending here as well, so that the node takes part.
        let begun = node.handle(pending(vec![item.clone()]), at(&world, 0));
        assert_eq!(votes(&begun), []);
        let commands = node.handle(offered(&world, chosen, 0, &block), at(&world, 0));
        let id = block.id(world.network());
        let vote = votes(&commands).pop().expect("a vote");
        assert_eq!(vote.block, gets_it.then_some(id), "{block:?}");
    }
}

#[test]
fn only_whose_turn_it_is_offers_and_a_vote_counts_by_its_signature() {
    let mut world = World::new(4, 1);
    let item: Item = world.rotation(4).0.into();
    let block = world.block(vec![item.clone()]);
    let mut node = taking_part(&world, 0);
    node.handle(pending(vec![item]), at(&world, 0));
    let out_of_turn = in_turn(4, 1);
    let commands = node.handle(offered(&world, out_of_turn, 0, &block), at(&world, 0));
    assert_eq!(votes(&commands), []);
    // Signed by another, under the name of the one whose turn it is.
    let Event::Message(Message::Offer(mut forged)) = offered(&world, 3, 0, &block) else {
        unreachable!()
    };
    forged.signed.by = code(in_turn(4, 0));
    let forged = Event::Message(Message::Offer(forged));
    assert_eq!(votes(&node.handle(forged, at(&world, 0))), []);
    let commands = node.handle(offered(&world, in_turn(4, 0), 0, &block), at(&world, 0));
    let id = Some(block.id(world.network()));
    assert_eq!(votes(&commands).len(), 1);
    // Two prevotes beside the own one are enough; a forged one and a second one by the same are not.
    let forged = |event: Event, by: usize| match event {
        Event::Message(Message::Vote(vote, signed)) => {
            let signed = Signed {
                by: code(by),
                ..signed
            };
            Event::Message(Message::Vote(vote, signed))
        }
        other => other,
    };
    let one = voted(&world, 1, 0, Stage::Prevote, id);
    for event in [one.clone(), one.clone(), forged(one, 2)] {
        assert_eq!(votes(&node.handle(event, at(&world, 0))), []);
    }
    let commands = node.handle(voted(&world, 2, 0, Stage::Prevote, id), at(&world, 0));
    let precommit = votes(&commands).pop().unwrap();
    assert_eq!((precommit.stage, precommit.block), (Stage::Precommit, id));
}

#[test]
fn a_restarted_node_says_again_what_it_said_and_nothing_else() {
    let mut world = World::new(4, 1);
    let (one, other): (Item, Item) = (world.rotation(4).0.into(), world.rotation(4).0.into());
    let block = world.block(vec![one.clone()]);
    let chosen = in_turn(4, 0);
    let mut node = taking_part(&world, 0);
    let mut commands = node.handle(offered(&world, chosen, 0, &block), at(&world, 0));
    let id = Some(block.id(world.network()));
    for by in [1, 2] {
        commands.extend(node.handle(voted(&world, by, 0, Stage::Prevote, id), at(&world, 0)));
    }
    let before = votes(&commands);
    assert_eq!(before.len(), 2, "a prevote and a precommit");

    let mut again = taking_part(&world, 0);
    let said = again.resume(&kept(&commands), at(&world, 0));
    assert_eq!(votes(&said), before);
    // Offered another block in that round it has voted already; in a later one it is locked on the first.
    let rival = world.block(vec![other]);
    let second = again.handle(offered(&world, chosen, 0, &rival), at(&world, 0));
    assert_eq!(votes(&second), []);
    for by in [1, 2, 3] {
        again.handle(voted(&world, by, 1, Stage::Prevote, None), at(&world, 0));
    }
    let later = again.handle(offered(&world, in_turn(4, 1), 1, &rival), at(&world, 0));
    let in_round_one: Vec<Vote> = votes(&later)
        .into_iter()
        .filter(|vote| vote.round == 1)
        .collect();
    assert!(in_round_one.iter().all(|vote| vote.block.is_none()));
    assert!(!in_round_one.is_empty());

    // Without what it kept it would have voted for the other one: that is what keeping is for.
    let mut forgetful = taking_part(&world, 0);
    let commands = forgetful.handle(offered(&world, chosen, 0, &rival), at(&world, 0));
    assert_eq!(votes(&commands)[0].block, Some(rival.id(world.network())));
}

#[test]
fn what_was_cast_stands_though_the_program_would_vote_otherwise_now() {
    let mut world = World::new(4, 1);
    let item: Item = world.rotation(4).0.into();
    let block = world.block(vec![item.clone()]);
    let nil = Vote {
        height: 1,
        round: 0,
        stage: Stage::Prevote,
        block: None,
    };
    let signed = nil.sign(world.network(), code(0), world.own(0).now());
    // It voted for none; by what is kept this version would vote for the block.
    let Event::Message(Message::Offer(offer)) = offered(&world, in_turn(4, 0), 0, &block) else {
        unreachable!()
    };
    let kept = vec![
        Entry::Begun,
        Entry::Offered(offer, true),
        Entry::Voted(nil, signed),
    ];
    let mut node = taking_part(&world, 0);
    let said = node.resume(&kept, at(&world, 0));
    assert!(votes(&said).iter().all(|vote| vote.block.is_none()));
}

#[test]
fn it_is_offered_when_something_comes_up_while_it_is_this_node_s_turn() {
    let mut world = World::new(4, 1);
    let item: Item = world.rotation(4).0.into();
    let chosen = in_turn(4, 0);
    let mut node = taking_part(&world, chosen);
    let others: Vec<usize> = (0..4).filter(|n| *n != chosen).collect();
    // Others are at it already, more than could lie.
    for by in &others[..2] {
        node.handle(voted(&world, *by, 0, Stage::Prevote, None), at(&world, 0));
    }
    let commands = node.handle(pending(vec![item]), at(&world, 10));
    assert_eq!(offers(&commands).len(), 1);
    assert_eq!(votes(&commands).len(), 1);
}

#[test]
fn a_node_that_is_behind_goes_where_enough_are_and_a_liar_leads_it_nowhere() {
    let mut world = World::new(4, 1);
    let item: Item = world.rotation(4).0.into();
    let mut node = taking_part(&world, 0);
    node.handle(pending(vec![item]), at(&world, 0));
    let far = 1_000_000;
    for round in [far + 1, u32::MAX / 2, u32::MAX] {
        let vote = voted(&world, 3, round, Stage::Prevote, None);
        node.handle(vote, at(&world, 0));
    }
    for by in [1, 2] {
        node.handle(voted(&world, by, far, Stage::Prevote, None), at(&world, 0));
    }
    // Over with waiting for an offer of that round, it votes in it.
    let mut heard = Vec::new();
    for tick in 1..200 {
        heard.extend(votes(&node.handle(Event::Tick, at(&world, tick * 1000))));
    }
    assert!(heard.iter().any(|vote| vote.round == far), "{heard:?}");
    assert!(heard.iter().all(|vote| vote.round <= far));
}

#[test]
fn a_recovery_is_not_made_final_by_those_whom_it_is_about() {
    let world = World::new(4, 1);
    let recovery = Recovery {
        height: 1,
        before: world.state.head(),
        ends: Ascending::new(vec![code(3)]).unwrap(),
    };
    let item = SignedRecovery {
        recovery,
        keys: Ascending::default(),
        governors: Ascending::default(),
    };
    let mut node = taking_part(&world, in_turn(4, 0));
    let commands = node.handle(pending(vec![item.into()]), at(&world, 0));
    assert_eq!(commands, []);
}
