//! What peers know to be the newest: copies that lag, stall or are cut off, and clocks that jump.

use std::collections::BTreeMap;

use rand::RngExt;

use crate::clocks::{Clocks, MAX_OFF_MS, come_to};
use crate::id::CertificateId;
use crate::names::LogId;
use crate::record::{Entry, Status};

use super::adversary::Conduct;
use super::network::{Faults, full};
use super::peer;
use super::scenarios::{converged, issue};
use super::with_seeds;
use super::world::World;

/// A change of status that is to be known everywhere.
pub(super) struct Change {
    log: LogId,
    id: CertificateId,
    seq: u64,
    at_ms: u64,
}

/// What honest issuers did to their certificates' statuses, and since when peers could have known of it.
#[derive(Default)]
pub(super) struct Watch {
    changes: Vec<Change>,
    /// Since when a peer is connected, without a break, to an honest one that knows of a change.
    exposed: BTreeMap<(usize, usize), u64>,
}

/// The longest a peer may take a status for current after it was changed: until it counts as behind, and until heads were
/// compared in spite of a few messages lost.
const BOUND_MS: u64 = 30_000 + 40_000;

impl World {
    /// Notes what an honest peer has just appended.
    pub(super) fn note_changes(&mut self, n: usize, from: u64) {
        let Some(watch) = &mut self.watch else { return };
        let Some(log) = self.peers[n].log(&self.peers[n].own()) else {
            return;
        };
        for seq in from..log.size() {
            let record = log.record(seq).unwrap();
            if let Entry::StatusChanged(changed) = &record.record().entry
                && log
                    .status(&changed.id)
                    .unwrap()
                    .is_some_and(|entry| entry.status != Status::Valid)
            {
                watch.changes.push(Change {
                    log: log.name().id,
                    id: changed.id.clone(),
                    seq,
                    at_ms: self.now_ms,
                });
            }
        }
    }

    /// No honest peer takes a certificate for valid whose status was changed longer ago than the bounds allow, while it is
    /// connected to an honest one that knows.
    pub(super) fn check_freshness(&mut self, n: usize) {
        let Some(mut watch) = self.watch.take() else {
            return;
        };
        let neighbours = self.network.neighbours(n);
        for (at, change) in watch.changes.iter().enumerate() {
            let knows = |m: &usize| {
                let peer = &self.peers[*m];
                peer.conduct.honest()
                    && peer
                        .log(&change.log)
                        .is_some_and(|log| log.size() > change.seq)
            };
            if !neighbours.iter().any(knows) {
                watch.exposed.remove(&(n, at));
                continue;
            }
            let since = *watch.exposed.entry((n, at)).or_insert(self.now_ms);
            let peer = &self.peers[n];
            let Some(running) = peer.running.as_ref().filter(|_| peer.conduct.honest()) else {
                continue;
            };
            let Some(log) = running.catalogue.log(&change.log) else {
                continue;
            };
            // One that has not heard of the certificate says nothing of it.
            let plain = log.size() > 0
                && log.size() <= change.seq
                && log.status(&change.id).unwrap().is_none();
            if !plain || log.issue_of(&change.id).unwrap().is_none() {
                continue;
            }
            let current = running.catalogue.freshness(&change.log, self.now_ms);
            assert!(
                current.is_err() || self.now_ms - since <= BOUND_MS,
                "{} takes {} for valid {} ms after that was changed",
                peer.code,
                change.id,
                self.now_ms - change.at_ms
            );
        }
        self.watch = Some(watch);
    }
}

fn watched(seed: u64, peers: usize, faults: Faults) -> World {
    let mut world = World::new(seed, peers, faults);
    world.watch = Some(Watch::default());
    world
}

#[test]
fn a_copy_that_stands_still_is_not_taken_for_current_and_goes_on_when_the_disk_lets_it() {
    with_seeds("a_copy_that_stands_still", 3, |seed| {
        let mut world = watched(seed, 6, Faults::BAD);
        world.connect_all(&full(6));
        issue(&mut world, [0, 1], 4, 8_000);
        world.run_for(15_000);
        world.run_until(30_000, converged);
        world.peers[5].disk.set_full(true);
        issue(&mut world, [0, 1], 8, 10_000);
        world.run_for(90_000);
        let current = |world: &World, n: usize| {
            let running = world.peers[n].running.as_ref().unwrap();
            let own = world.peers[0].own();
            running.catalogue.freshness(&own, world.now_ms).is_ok()
        };
        assert!(!current(&world, 5), "it is behind for long");
        assert!((1..5).all(|n| current(&world, n)));
        world.peers[5].disk.set_full(false);
        world.run_for(5_000);
        world.run_until(60_000, converged);
        world.run_for(10_000);
        assert!((1..6).all(|n| current(&world, n)));
    });
}

#[test]
fn whoever_withholds_the_news_keeps_nobody_from_knowing_that_there_is_more() {
    with_seeds("whoever_withholds_the_news", 3, |seed| {
        let mut world = watched(seed, 7, Faults::BAD);
        world.connect_all(&full(7));
        for (n, conduct) in [
            (3, Conduct::Stale(None)),
            (4, Conduct::Silent),
            (5, Conduct::Slow),
            (6, Conduct::Drips),
        ] {
            world.misbehave(n, conduct);
        }
        issue(&mut world, [0, 1], 30, 120_000);
        world.run_for(140_000);
        world.run_until(60_000, converged);
    });
}

#[test]
fn a_peer_that_is_cut_off_stops_taking_anything_for_current() {
    with_seeds("a_peer_that_is_cut_off", 2, |seed| {
        let mut world = watched(seed, 4, Faults::NONE);
        world.connect_all(&full(4));
        issue(&mut world, [0, 1], 4, 4_000);
        world.run_for(8_000);
        world.run_until(20_000, converged);
        for other in [0, 1, 2] {
            world.cut(3, other);
        }
        issue(&mut world, [0], 3, 4_000);
        let fresh = |world: &World| {
            let running = world.peers[3].running.as_ref().unwrap();
            running
                .catalogue
                .freshness(&world.peers[0].own(), world.now_ms)
        };
        world.run_for(590_000);
        assert!(fresh(&world).is_ok(), "for ten minutes");
        world.run_for(30_000);
        assert!(fresh(&world).is_err());
        world.connect(3, 2);
        world.run_for(20_000);
        assert!(fresh(&world).is_ok());
        // A restart forgets what was confirmed.
        world.crash(3);
        world.start(3);
        assert!(fresh(&world).is_err());
        world.connect(3, 2);
        world.run_for(20_000);
        assert!(fresh(&world).is_ok());
    });
}

#[test]
fn a_lost_disk_waits_for_the_one_member_that_has_the_newest_records() {
    with_seeds("a_lost_disk_waits", 3, |seed| {
        let mut world = World::new(seed, 4, Faults::NONE);
        world.connect_all(&full(4));
        issue(&mut world, [0], 3, 3_000);
        world.run_for(5_000);
        world.run_until(30_000, converged);
        // Only peer 1 hears of what follows.
        for n in 2..4 {
            world.cut(0, n);
            world.cut(1, n);
        }
        issue(&mut world, [0], 3, 3_000);
        world.run_for(10_000);
        world.crash(0);
        world.crash(1);
        world.peers[0].disk = crate::disk::MemoryDisk::new();
        world.peers[0].lost = true;
        world.start(0);
        for n in 2..4 {
            world.connect(0, n);
        }
        // Each append asserts that nothing signed before is missing.
        issue(&mut world, [0], 2, 3_000);
        world.run_for(60_000);
        let confirmed = |world: &World| world.peers[0].running.as_ref().unwrap().confirmed;
        assert!(!confirmed(&world), "the newest may be with the third");
        world.start(1);
        world.connect(0, 1);
        world.run_for(10_000);
        world.run_until(60_000, converged);
        assert!(confirmed(&world));
    });
}

#[test]
fn clocks_that_jump_date_no_record_ahead_while_most_of_them_are_right() {
    with_seeds("clocks_that_jump", 4, |seed| {
        let mut world = World::new(seed, 7, Faults::BAD);
        world.connect_all(&full(7));
        issue(&mut world, 0..4, 2, 5_000);
        world.run_for(10_000);
        for _ in 0..12 {
            // At most three of seven are wrong.
            let wrong = world.rng.random_range(0..3);
            let off_ms = [-86_400_000, -700_000, 700_000, 315_576_000_000];
            let off_ms = off_ms[world.rng.random_range(0..off_ms.len())];
            world.peers[wrong].clock_off_ms = off_ms;
            issue(&mut world, 0..4, 2, 4_000);
            world.run_for(6_000);
            if world.rng.random_bool(0.5) {
                world.peers[wrong].clock_off_ms = 0;
            }
        }
        for n in 0..7 {
            world.peers[n].clock_off_ms = 0;
        }
        world.run_for(20_000);
        world.run_until(60_000, converged);
        for n in 0..4 {
            let log = world.peers[0].log(&world.peers[n].own()).unwrap();
            let newest = log.checkpoint().unwrap().time_ms;
            assert!(newest <= peer::EPOCH_MS + world.now_ms + MAX_OFF_MS);
        }
    });
}

impl World {
    /// The wall clock of a peer.
    pub(super) fn wall_ms(&self, n: usize) -> u64 {
        (peer::EPOCH_MS + self.now_ms).saturating_add_signed(self.peers[n].clock_off_ms)
    }

    /// Whether a peer's clock may date a record.
    pub(super) fn clock_is_trusted(&self, n: usize) -> bool {
        let peer = &self.peers[n];
        let Some(running) = &peer.running else {
            return false;
        };
        let members = running.clocks.iter();
        let connected = members.filter(|(m, _)| self.network.connection(n, **m).is_some());
        let members_ms = connected.map(|(_, (said_ms, at_ms))| said_ms + (self.now_ms - at_ms));
        let others = running
            .catalogue
            .logs()
            .filter(|log| log.name().id != peer.own());
        let clocks = Clocks {
            own_ms: self.wall_ms(n),
            members_ms: members_ms.collect(),
            last_ms: running.writer.log().last_ms(),
            come_to_ms: come_to(others.filter_map(|log| log.last_ms()).collect()),
        };
        clocks.fault().is_none()
    }
}
