//! How much peers say to each other, at rest and while a department issues: the rules that `docs/scale.md` rests on.
//!
//! Whole networks show that both sides of each comparison are counted; a peer by itself, whose neighbours are made up, shows how
//! what it asks for grows with the network, up to a thousand members. Gossip belongs to another layer and is not measured here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::catalogue::Catalogue;
use crate::codec::Bounded;
use crate::disk::MemoryDisk;
use crate::id::DepartmentCode;
use crate::log::{Cosignature, VerifiedCheckpoint, Writer};
use crate::names::LogId;
use crate::sync::{
    Command, ConnectionId, Event, Head, Heads, Instance, OwnLog, Request, Response, Settings, Sync,
};

use super::network::{Faults, full};
use super::peer::{EPOCH_MS, Sent, code, entries, key, members, place};
use super::scenarios::converged;
use super::with_seeds;
use super::world::World;

/// Comparisons of heads in a turn, and after a change, as docs/scale.md states them.
const IN_TURN: u64 = 64;
const AFTER_CHANGE: usize = 8;

/// Between two ticks, as a driver has them, ms.
const TICK_MS: u64 = 250;

/// The state machine of peer 0, connected to all others, who hold what it holds.
struct Lone {
    sync: Sync,
    catalogue: Catalogue,
    settings: Settings,
    now_ms: u64,
    numbers: BTreeMap<DepartmentCode, usize>,
    /// Of whom it asked for heads, since this was last cleared.
    compared: Vec<usize>,
    /// Bytes of their answers.
    bytes: u64,
}

impl Lone {
    /// In a network of so many members, of whom so many have begun their logs.
    fn new(peers: usize, logs: usize) -> Lone {
        let opened = Catalogue::open(place(&MemoryDisk::new()), members(peers), code(0));
        let catalogue = opened.unwrap().catalogue;
        for n in 0..logs {
            append(&catalogue, n);
        }
        let settings = Settings::default();
        let sync = Sync::new(
            LogId::first(code(0)),
            OwnLog::Kept,
            Instance(u64::MAX),
            catalogue.members().clone(),
            settings,
        );
        let mut lone = Lone {
            sync,
            catalogue,
            settings,
            now_ms: 0,
            numbers: (0..peers).map(|n| (code(n), n)).collect(),
            compared: Vec::new(),
            bytes: 0,
        };
        for n in 1..peers {
            lone.happens(Event::Connected(code(n)));
        }
        assert_eq!(lone.compared.len(), peers - 1, "whoever connects is asked");
        // Until those that were asked together take turns.
        lone.turns(2);
        lone
    }

    /// An event, and all that follows: whoever is asked answers.
    fn happens(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let commands = self.sync.handle(event, self.now_ms, &self.catalogue);
            for command in commands {
                let Command::Request { to, request, body } = command else {
                    continue;
                };
                assert!(matches!(body, Request::Heads { .. }), "nothing is lacking");
                let n = self.numbers[&to];
                let answer = Response::Heads(self.heads_of(n));
                self.compared.push(n);
                self.bytes += answer.encode().len() as u64;
                events.push_back(Event::Answered {
                    from: to,
                    connection: Some(ConnectionId(n as u64)),
                    request,
                    answer: Ok(Box::new(answer)),
                });
            }
        }
    }

    fn heads_of(&self, n: usize) -> Heads {
        let members = self.catalogue.members();
        let checkpoints = self.catalogue.logs().filter_map(|log| log.checkpoint());
        let heads = checkpoints.map(|held| Head {
            cosignature: (held.log.department != code(n))
                .then(|| Cosignature::sign(members, &held, code(n), EPOCH_MS, &key(n).into())),
            checkpoint: held.signed().clone(),
        });
        Heads {
            heads: Bounded::first(heads),
            instance: Instance(u64::MAX),
            time_ms: EPOCH_MS,
            ..Heads::default()
        }
    }

    /// So many times as long as from one comparison to the next.
    fn turns(&mut self, turns: u64) {
        self.compared.clear();
        self.bytes = 0;
        for _ in 0..turns * self.settings.heads_every_ms / TICK_MS {
            self.now_ms += TICK_MS;
            self.happens(Event::Tick);
        }
    }

    /// Its own department issues a certificate.
    fn issues(&mut self) {
        let appended = append(&self.catalogue, 0);
        self.happens(Event::Appended(appended));
    }
}

/// A department issues a certificate.
fn append(catalogue: &Catalogue, n: usize) -> VerifiedCheckpoint {
    let log = catalogue.log(&LogId::first(code(n))).unwrap();
    let size = log.size();
    let mut writer = Writer::new(log, key(n));
    let (_, checkpoint) = writer
        .append(EPOCH_MS, entries(code(n), size, 1, 0))
        .unwrap();
    checkpoint
}

#[test]
fn a_peer_at_rest_compares_heads_with_64_others_a_turn_in_a_network_of_a_thousand_and_with_each_in_the_end()
 {
    for peers in [10, 50, 65, 66, 100, 1_000] {
        let mut lone = Lone::new(peers, 1);
        let others = peers as u64 - 1;
        let turns = others.div_ceil(IN_TURN) + 1;
        lone.turns(turns);
        let most = turns * IN_TURN.min(others);
        let compared = lone.compared.len() as u64;
        // The pace is kept in whole milliseconds and looked at a few times a second.
        let near = most - turns..=most + turns;
        assert!(near.contains(&compared), "{compared} in {peers} peers");
        let different: BTreeSet<usize> = lone.compared.iter().copied().collect();
        assert_eq!(different.len() as u64, others, "each has its turn");
    }
}

#[test]
fn what_a_peer_at_rest_hears_grows_in_step_with_the_number_of_logs() {
    let [one, two, eight] = [1, 2, 8].map(|logs| {
        let mut lone = Lone::new(100, logs);
        lone.turns(4);
        lone.bytes / lone.compared.len() as u64
    });
    let each = two - one;
    // What docs/scale.md reckons with, for a log of a million records.
    assert!((310..=320).contains(&each), "{each} bytes a head");
    assert!(
        (eight - one).abs_diff(7 * each) <= 7,
        "{one}, {two}, {eight}"
    );
}

#[test]
fn what_is_issued_makes_a_peer_compare_heads_with_a_few_more_however_many_there_are() {
    for peers in [20, 100, 1_000] {
        let mut lone = Lone::new(peers, 1);
        lone.compared.clear();
        let turns = 2;
        for _ in 0..5 * turns {
            lone.issues();
            // Long enough for heads to be compared after it.
            for _ in 0..8 {
                lone.now_ms += TICK_MS;
                lone.happens(Event::Tick);
            }
        }
        let compared = lone.compared.len();
        let few = 5 * turns * AFTER_CHANGE;
        let most = turns * (IN_TURN as usize).min(peers - 1) + few + turns;
        assert!((few..=most).contains(&compared), "{compared} in {peers}");
    }
}

/// What each peer sends in a time.
fn sent_in(world: &mut World, ms: u64) -> Vec<Sent> {
    for peer in &mut world.peers {
        peer.sent = Sent::default();
    }
    world.run_for(ms);
    world.peers.iter().map(|peer| peer.sent).collect()
}

#[test]
fn each_peer_of_a_network_at_rest_answers_as_much_as_it_asks_and_gossips_nothing() {
    with_seeds("each_peer_of_a_network_at_rest", 1, |seed| {
        let peers = 12;
        let mut world = World::new(seed, peers, Faults::NONE);
        world.connect_all(&full(peers));
        for issuer in 0..3 {
            world.append_in(2_000, issuer, 1);
        }
        world.run_for(10_000);
        world.run_until(60_000, converged);
        let every_ms = world.settings.heads_every_ms;
        world.run_for(every_ms);
        let turns = 4;
        let others = peers as u64 - 1;
        for sent in sent_in(&mut world, turns * every_ms) {
            let near = (turns - 1) * others..=(turns + 1) * others;
            assert!(near.contains(&sent.requests), "{sent:?}");
            assert!(near.contains(&sent.answers), "{sent:?}");
            assert_eq!(sent.announcements, 0);
        }
        // What one issues comes by gossip: nobody asks for a page.
        world.append_in(100, 0, 1);
        let all = sent_in(&mut world, every_ms);
        assert_eq!(converged(&world), Ok(()));
        for sent in all {
            assert!(sent.announcements > 0);
            let heads = Request::Heads {
                instance: Instance(1),
            };
            let all_heads = sent.requests * heads.encode().len() as u64;
            assert_eq!(sent.request_bytes, all_heads, "{sent:?}");
        }
    });
}
