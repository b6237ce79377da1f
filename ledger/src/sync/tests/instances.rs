//! A second run of a department's peer: who sees it, which of the two continues, and what one lying member can do.

use std::collections::BTreeSet;

use crate::catalogue::Catalogue;
use crate::codec::Bounded;
use crate::disk::MemoryDisk;
use crate::governance::engine::Known;
use crate::id::DepartmentCode;
use crate::log::{VerifiedCheckpoint, Writer};
use crate::names::LogId;
use crate::sync::{
    Command, ConnectionId, Event, Head, Heads, Instance, OwnLog, Request, RequestId, Response,
    Standing, Sync,
};

use super::adversary::Conduct;
use super::network::{Faults, full};
use super::peer::{code, entries, key, members, place};
use super::scenarios::{converged, converged_but, issue};
use super::with_seeds;
use super::world::{World, settings};

/// The state machine of peer 0 of five, connected to the others, and the questions about heads that it waits for.
struct Alone {
    sync: Sync,
    catalogue: Catalogue,
    now_ms: u64,
    asked: Vec<(DepartmentCode, RequestId)>,
}

impl Alone {
    fn new() -> Alone {
        let opened = Catalogue::open(place(&MemoryDisk::new()), members(5), code(0));
        let catalogue = opened.unwrap().catalogue;
        let members = catalogue.members().clone();
        let sync = Sync::new(
            LogId::first(code(0)),
            OwnLog::New,
            Instance(7),
            members,
            settings(),
        );
        let mut alone = Alone {
            sync,
            catalogue,
            now_ms: 0,
            asked: Vec::new(),
        };
        for n in 1..5 {
            alone.handle(Event::Connected(code(n)));
        }
        alone
    }

    /// Returns what it does but for its questions about heads.
    fn handle(&mut self, event: Event) -> Vec<Command> {
        let mut commands = self.sync.handle(event, self.now_ms, &self.catalogue);
        commands.retain(|command| match command {
            Command::Request {
                to,
                request,
                body: Request::Heads { instance },
            } => {
                assert_eq!(*instance, Instance(7));
                self.asked.push((*to, *request));
                false
            }
            _ => true,
        });
        commands
    }

    fn is_asked(&self, n: usize) -> bool {
        self.asked.iter().any(|(to, _)| *to == code(n))
    }

    fn passes(&mut self, ms: u64) {
        self.now_ms += ms;
        self.handle(Event::Tick);
        // Some are given up by then, and asked again.
        let waiting = &self.sync.waiting;
        self.asked
            .retain(|(_, request)| waiting.contains_key(request));
    }

    /// What it does once a peer answers the question about its heads, which is asked now and then.
    fn answers(&mut self, n: usize, answer: Response) -> Vec<Command> {
        if !self.is_asked(n) {
            self.passes(settings().heads_every_ms);
        }
        let at = self.asked.iter().position(|(to, _)| *to == code(n));
        let (from, request) = self.asked.remove(at.expect("it is asked"));
        let mut commands = self.handle(Event::Answered {
            from,
            connection: Some(ConnectionId(n as u64)),
            request,
            answer: Ok(Box::new(answer)),
        });
        commands.retain(|command| !matches!(command, Command::Heard { .. }));
        commands
    }

    fn is_first_at(&mut self, n: usize) -> Vec<Command> {
        self.answers(n, Response::Heads(Heads::default()))
    }

    fn has_a_rival_at(&mut self, n: usize) -> Vec<Command> {
        let rival = true;
        self.answers(
            n,
            Response::Heads(Heads {
                rival,
                governance: Known::default(),
                ..Heads::default()
            }),
        )
    }

    fn is_later_at(&mut self, n: usize) -> Vec<Command> {
        self.answers(n, Response::OtherInstance)
    }
}

fn reported(by: &[usize]) -> String {
    let reported_by: BTreeSet<DepartmentCode> = by.iter().map(|n| code(*n)).collect();
    format!("{:?}", Command::OtherInstance { reported_by })
}

fn elsewhere(reported_by: usize) -> String {
    format!("{:?}", Command::OwnLogElsewhere { reported_by })
}

/// The commands, in a form that can be compared.
fn said(commands: &[Command]) -> Vec<String> {
    commands
        .iter()
        .map(|command| format!("{command:?}"))
        .collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_run_is_first_until_its_last_connection_has_closed() {
    let (first, second, third) = (Instance(30), Instance(20), Instance(10));
    let mut alone = Alone::new();
    let heard = |alone: &mut Alone, connection, instance| {
        let connection = ConnectionId(connection);
        alone.sync.heard_instance(code(1), connection, instance)
    };
    let closes = |alone: &mut Alone, connection| {
        let (peer, connection) = (code(1), ConnectionId(connection));
        alone.handle(Event::Closed { peer, connection });
    };
    // Two connections between the same two processes are one run's.
    assert_eq!(heard(&mut alone, 1, first), Standing::Only);
    assert_eq!(heard(&mut alone, 2, first), Standing::Only);
    assert_eq!(heard(&mut alone, 3, second), Standing::Later);
    assert_eq!(heard(&mut alone, 4, third), Standing::Later);
    assert_eq!(heard(&mut alone, 2, first), Standing::First);
    // It stays first over a connection that is younger than the second's.
    assert_eq!(heard(&mut alone, 5, first), Standing::First);
    closes(&mut alone, 1);
    closes(&mut alone, 2);
    assert_eq!(heard(&mut alone, 5, first), Standing::First);
    assert_eq!(heard(&mut alone, 3, second), Standing::Later);
    closes(&mut alone, 5);
    assert_eq!(heard(&mut alone, 3, second), Standing::First);
    // Back again, it is the last.
    assert_eq!(heard(&mut alone, 6, first), Standing::Later);
    closes(&mut alone, 3);
    assert_eq!(heard(&mut alone, 6, first), Standing::Later);
    assert_eq!(heard(&mut alone, 4, third), Standing::First);
    // Of another department's runs nothing is said.
    let other = alone.sync.heard_instance(code(2), ConnectionId(9), first);
    assert_eq!(other, Standing::Only);
    alone.handle(Event::Disconnected(code(1)));
    alone.handle(Event::Connected(code(1)));
    assert_eq!(heard(&mut alone, 7, second), Standing::Only);
}

#[test]
fn a_connection_stays_with_the_run_it_named_first_whatever_it_names_later() {
    let mut alone = Alone::new();
    for instance in 0..1_000 {
        let connection = ConnectionId(instance % 2);
        let standing = alone
            .sync
            .heard_instance(code(1), connection, Instance(instance));
        assert_eq!(standing == Standing::Later, instance % 2 == 1);
    }
    assert_eq!(alone.sync.instances.runs(&code(1)), 2);
}

#[test]
fn heads_of_a_later_run_confirm_nothing_and_those_of_the_first_do() {
    let mut alone = Alone::new();
    let log = alone.catalogue.log(&LogId::first(code(1))).unwrap();
    let appended = Writer::new(log, key(1)).append(0, entries(code(1), 0, 2, 0));
    let (_, checkpoint): (_, VerifiedCheckpoint) = appended.unwrap();
    let mut confirmed = |connection, instance| {
        alone.passes(settings().heads_every_ms);
        let at = alone.asked.iter().position(|(to, _)| *to == code(1));
        let (from, request) = alone.asked.remove(at.unwrap());
        let head = Head {
            checkpoint: checkpoint.signed().clone(),
            cosignature: None,
        };
        let heads = Heads {
            heads: Bounded::first([head]),
            instance: Instance(instance),
            ..Heads::default()
        };
        let commands = alone.handle(Event::Answered {
            from,
            connection: Some(ConnectionId(connection)),
            request,
            answer: Ok(Box::new(Response::Heads(heads))),
        });
        let of_log = commands.iter().find_map(|command| match command {
            Command::Heard { confirmed, .. } => Some(confirmed.len()),
            _ => None,
        });
        let own = alone.sync.confirmed_by().contains(&code(1));
        alone.sync.confirmed_by.clear();
        (of_log.unwrap(), own)
    };
    assert_eq!(confirmed(1, 1), (1, true));
    assert_eq!(confirmed(2, 2), (0, false));
    assert_eq!(confirmed(1, 1), (1, true));
}

#[test]
fn a_member_that_saw_another_run_first_takes_its_word_back_and_is_asked_again_a_second_later() {
    let mut alone = Alone::new();
    alone.is_first_at(1);
    assert!(alone.sync.confirmed_by().contains(&code(1)));
    assert_eq!(said(&alone.is_later_at(1)), [reported(&[1])]);
    assert!(alone.sync.confirmed_by().is_empty());
    alone.passes(settings().heads_after_ms - 1);
    assert!(!alone.is_asked(1));
    alone.passes(1);
    assert!(alone.is_asked(1));
    assert_eq!(said(&alone.is_first_at(1)), [reported(&[])]);
    assert!(alone.sync.confirmed_by().contains(&code(1)));
    // Without a connection that is open still, it is unknown whose word it is.
    alone.passes(settings().heads_every_ms);
    alone.sync.confirmed_by.clear();
    let at = alone.asked.iter().position(|(to, _)| *to == code(2));
    let (from, request) = alone.asked.remove(at.unwrap());
    alone.handle(Event::Answered {
        from,
        connection: None,
        request,
        answer: Ok(Box::new(Response::Heads(Heads::default()))),
    });
    assert!(alone.sync.confirmed_by().is_empty());
}

#[test]
fn a_later_run_is_confirmed_once_enough_members_say_again_what_they_hold_and_by_no_operator() {
    let mut alone = Alone::new();
    for n in 1..=2 {
        assert_eq!(said(&alone.is_first_at(n)), NOTHING);
    }
    let commands = alone.is_first_at(3);
    assert!(matches!(commands[..], [Command::OwnLogConfirmed]));
    for n in 1..=2 {
        let all: Vec<usize> = (1..=n).collect();
        assert_eq!(said(&alone.is_later_at(n)), [reported(&all)]);
    }
    assert!(alone.sync.confirmed, "two of four stop nobody");
    let expected = [reported(&[1, 2, 3]), elsewhere(3)];
    assert_eq!(said(&alone.is_later_at(3)), expected);
    assert!(!alone.sync.confirmed);
    assert_eq!(said(&alone.handle(Event::OwnLogVouched)), NOTHING);
    assert_eq!(said(&alone.is_later_at(1)), NOTHING, "reported once");
    // One that has not seen the other run keeps confirming: until the end of it that counts for nothing.
    assert_eq!(said(&alone.is_first_at(4)), NOTHING);
    // The other one stops.
    alone.asked.clear();
    alone.passes(settings().request_timeout_ms);
    let expected = [reported(&[2, 3]), "OwnLogUnconfirmed".to_owned()];
    assert_eq!(said(&alone.is_first_at(1)), expected);
    assert!((2..5).all(|n| alone.is_asked(n)), "at once");
    assert_eq!(said(&alone.is_first_at(2)), [reported(&[3])]);
    let commands = alone.is_first_at(4);
    assert!(matches!(commands[..], [Command::OwnLogConfirmed]));
}

#[test]
fn what_an_operator_vouched_for_before_another_run_was_seen_counts_no_more() {
    let mut alone = Alone::new();
    let commands = alone.handle(Event::OwnLogVouched);
    assert!(matches!(commands[..], [Command::OwnLogConfirmed]));
    for n in 1..=3 {
        alone.is_later_at(n);
    }
    assert!(!alone.sync.confirmed);
    alone.is_first_at(1);
    assert!(!alone.sync.confirmed, "the other run may have appended");
    let commands = alone.handle(Event::OwnLogVouched);
    assert!(matches!(commands[..], [Command::OwnLogConfirmed]));
}

#[test]
fn a_rival_is_reported_when_it_comes_and_goes_and_stops_nobody() {
    let mut alone = Alone::new();
    for n in 1..=4 {
        alone.is_first_at(n);
    }
    for n in 1..=4 {
        let all: Vec<usize> = (1..=n).collect();
        assert_eq!(said(&alone.has_a_rival_at(n)), [reported(&all)]);
        assert_eq!(said(&alone.has_a_rival_at(n)), NOTHING);
    }
    assert!(alone.sync.confirmed);
    assert_eq!(said(&alone.is_first_at(1)), [reported(&[2, 3, 4])]);
    // Who is not connected does not say so any more.
    let commands = alone.handle(Event::Disconnected(code(2)));
    assert_eq!(said(&commands), [reported(&[3, 4])]);
}

fn confirmed(world: &World, n: usize) -> bool {
    let running = world.peers[n].running.as_ref();
    running.is_some_and(|running| running.confirmed)
}

/// Whether a peer reports another run of itself.
fn reports(world: &World, n: usize) -> bool {
    let running = world.peers[n].running.as_ref();
    running.is_some_and(|running| !running.other_instance_reported_by.is_empty())
}

fn own_size(world: &World, n: usize) -> u64 {
    let own = world.peers[n].own();
    world.peers[n].log(&own).map_or(0, |log| log.size())
}

/// A peer has hold of its log and no other run is reported by it.
fn alone_again(world: &World, n: usize) -> Result<(), String> {
    if reports(world, n) || !confirmed(world, n) {
        return Err(format!("{n} does not have its log for itself"));
    }
    converged(world)
}

/// Both runs report each other, and only the first continues. The later one hears of heads by gossip alone, so it need
/// not hold all.
fn first_and_later(world: &World, first: usize, later: usize) -> Result<(), String> {
    for n in [first, later] {
        if !reports(world, n) {
            return Err(format!("{n} does not report the other run"));
        }
    }
    if !confirmed(world, first) || confirmed(world, later) {
        return Err("the wrong one is confirmed".into());
    }
    converged_but(world, Some(later))
}

#[test]
fn a_copy_beside_a_peer_is_seen_by_both_and_appends_only_when_the_peer_is_gone() {
    for faults in [Faults::NONE, Faults::BAD] {
        with_seeds("a_copy_beside_a_peer", 4, |seed| {
            let mut world = World::new(seed, 6, faults);
            world.connect_all(&full(6));
            issue(&mut world, [0, 1], 4, 8_000);
            world.run_for(12_000);
            let copy = world.start_copy(0);
            issue(&mut world, [0, 1], 3, 3_000);
            world.run_for(5_000);
            // More than half of the others, after the first; and then all.
            for n in 1..5 {
                world.connect(copy, n);
            }
            // Appends of both are wanted from the first moment: each asserts that all that was signed is on its disk.
            issue(&mut world, [0, copy], 6, 10_000);
            world.run_for(15_000);
            world.connect(copy, 5);
            world.run_for(5_000);
            world.run_until(120_000, |world| first_and_later(world, 0, copy));
            let size = own_size(&world, 0);
            world.crash(0);
            world.run_until(120_000, |world| match own_size(world, copy) > size {
                true => alone_again(world, copy),
                false => Err("the copy has appended nothing".into()),
            });
            // The one that was first comes back, and is the later one now.
            world.start(0);
            for n in 1..6 {
                world.connect(0, n);
            }
            issue(&mut world, [0, copy], 2, 3_000);
            world.run_for(5_000);
            world.run_until(120_000, |world| first_and_later(world, copy, 0));
        });
    }
}

#[test]
fn two_runs_that_are_first_with_half_of_the_members_each_both_wait_until_one_is_gone() {
    with_seeds("two_runs_that_are_first", 3, |seed| {
        let mut world = World::new(seed, 5, Faults::BAD);
        world.connect_all(&full(5));
        issue(&mut world, [0], 3, 3_000);
        world.run_for(5_000);
        world.run_until(60_000, converged);
        world.crash(0);
        let copy = world.start_copy(0);
        world.start(0);
        issue(&mut world, [0, copy], 3, 3_000);
        world.connect_all(&[(0, 1), (0, 2), (copy, 3), (copy, 4)]);
        let heard = |world: &World, n: usize| {
            let running = world.peers[n].running.as_ref();
            running.is_some_and(|running| running.sync.instances.runs(&code(0)) == 1)
        };
        world.run_until(60_000, |world| match (1..5).all(|n| heard(world, n)) {
            true => Ok(()),
            false => Err("a member has heard neither".into()),
        });
        world.connect_all(&[(0, 3), (0, 4), (copy, 1), (copy, 2)]);
        world.run_for(30_000);
        for n in [0, copy] {
            assert!(reports(&world, n) && !confirmed(&world, n));
        }
        world.crash(copy);
        world.run_until(60_000, |world| alone_again(world, 0));
    });
}

#[test]
fn a_peer_that_returns_before_anyone_noticed_that_it_was_gone_waits_until_they_do() {
    with_seeds("a_peer_that_returns_before", 3, |seed| {
        let mut world = World::new(seed, 5, Faults::BAD);
        world.connect_all(&full(5));
        issue(&mut world, [0], 3, 3_000);
        world.run_for(5_000);
        world.run_until(60_000, converged);
        // Its connections stay open at the others, as after a power cut.
        let again = world.start_copy(0);
        world.peers[0].running = None;
        for n in 1..5 {
            world.connect(again, n);
        }
        issue(&mut world, [again], 2, 1_000);
        let size = own_size(&world, again);
        world.run_for(40_000);
        assert!(reports(&world, again) && own_size(&world, again) == size);
        for n in 1..5 {
            world.cut(0, n);
        }
        world.run_until(120_000, |world| match own_size(world, again) > size {
            true => alone_again(world, again),
            false => Err("it has appended nothing".into()),
        });
    });
}

#[test]
fn a_member_that_makes_up_another_run_stops_nobody_and_is_reported() {
    with_seeds("a_member_that_makes_up", 3, |seed| {
        let mut world = World::new(seed, 5, Faults::BAD);
        world.misbehave(1, Conduct::SeesOthers);
        world.connect_all(&full(5));
        issue(&mut world, [0, 2, 3], 3, 5_000);
        world.run_for(20_000);
        let confirmed_all_the_same = |world: &World| {
            for n in [0, 2, 3] {
                if !reports(world, n) || !confirmed(world, n) || own_size(world, n) == 0 {
                    return Err(format!("{n} reports nothing, or appends nothing"));
                }
            }
            converged(world)
        };
        world.run_until(60_000, confirmed_all_the_same);
        // Nor does it after a restart.
        world.crash(0);
        world.start(0);
        world.connect_all(&full(5));
        issue(&mut world, [0], 2, 1_000);
        world.run_for(20_000);
        world.run_until(60_000, confirmed_all_the_same);
    });
}
