//! Peers that go down and come back, with their disk or with an old copy of it.

use std::path::Path;

use rand::RngExt;

use crate::disk::Failure;
use crate::log::TakenBack;
use crate::sync::Event;

use super::adversary::Conduct;
use super::network::{Faults, full};
use super::scenarios::{converged, issue};
use super::with_seeds;
use super::world::World;

fn confirmed(world: &World, n: usize) -> bool {
    world.peers[n]
        .running
        .as_ref()
        .is_some_and(|running| running.confirmed)
}

fn own_size(world: &World, n: usize) -> u64 {
    let own = world.peers[n].own();
    world.peers[n].log(&own).map_or(0, |log| log.size())
}

#[test]
fn a_peer_restored_from_an_old_backup_gets_its_own_log_back_before_it_appends() {
    with_seeds("a_peer_restored_from_an_old_backup", 5, |seed| {
        let mut world = World::new(seed, 9, Faults::BAD);
        world.connect_all(&full(9));
        issue(&mut world, [0, 3], 4, 8_000);
        world.run_for(12_000);
        let backup = world.peers[0].disk.crash(|| true);
        issue(&mut world, [0, 3], 8, 15_000);
        world.run_for(20_000);
        world.run_until(60_000, converged);
        world.crash(0);
        world.peers[0].disk = backup;
        world.start(0);
        let lacking = world.truth.size(&world.peers[0].own()) - own_size(&world, 0);
        assert!(lacking > 0);
        // Appends are wanted from the first moment: each asserts that nothing signed before is missing.
        issue(&mut world, [0, 3], 4, 5_000);
        world.connect_all(&full(9));
        world.run_for(20_000);
        world.run_until(120_000, converged);
        assert!(confirmed(&world, 0));
    });
}

#[test]
fn what_one_peer_showed_of_the_own_log_counts_when_it_is_gone_and_all_others_know_less() {
    with_seeds("what_one_peer_showed", 3, |seed| {
        let mut world = World::new(seed, 6, Faults::NONE);
        world.connect_all(&full(6));
        issue(&mut world, [0], 3, 3_000);
        world.run_for(5_000);
        world.run_until(30_000, converged);
        let backup = world.peers[0].disk.crash(|| true);
        for n in 2..6 {
            world.cut(0, n);
            world.cut(1, n);
        }
        issue(&mut world, [0], 3, 3_000);
        world.run_for(10_000);
        world.crash(0);
        world.peers[0].disk = backup;
        world.start(0);
        // Peer 1 reports what it holds and is gone before it has sent any of it.
        world.misbehave(1, Conduct::Silent);
        world.connect(0, 1);
        world.run_for(1_000);
        world.cut(0, 1);
        for n in 2..6 {
            world.connect(0, n);
        }
        issue(&mut world, [0], 1, 3_000);
        world.run_for(30_000);
        assert!(!confirmed(&world, 0), "the next record would fork the log");
        world.vouch(0);
        world.run_for(1_000);
        assert!(
            !confirmed(&world, 0),
            "whoever vouches for it cannot know better"
        );
        world.peers[1].conduct = Conduct::Honest;
        world.connect(0, 1);
        world.run_for(10_000);
        world.run_until(30_000, converged);
        assert!(confirmed(&world, 0));
    });
}

#[test]
fn an_own_log_of_which_more_turns_up_after_it_was_confirmed_takes_no_more_records() {
    with_seeds("an_own_log_of_which_more_turns_up", 3, |seed| {
        let mut world = World::new(seed, 6, Faults::NONE);
        world.connect_all(&full(6));
        issue(&mut world, [0], 3, 3_000);
        world.run_for(5_000);
        world.run_until(30_000, converged);
        let backup = world.peers[0].disk.crash(|| true);
        for n in 2..6 {
            world.cut(0, n);
            world.cut(1, n);
        }
        issue(&mut world, [0], 3, 3_000);
        world.run_for(10_000);
        world.crash(0);
        world.peers[0].disk = backup;
        world.start(0);
        for n in 2..6 {
            world.connect(0, n);
        }
        world.run_for(5_000);
        assert!(confirmed(&world, 0), "a majority knows nothing of more");
        world.connect(0, 1);
        world.run_for(200);
        issue(&mut world, [0], 3, 3_000);
        world.run_for(10_000);
        world.run_until(30_000, converged);
        assert!(confirmed(&world, 0));
    });
}

#[test]
fn a_damaged_own_log_gets_what_others_hold_and_the_rest_from_what_was_set_aside_before_it_appends()
{
    with_seeds("a_damaged_own_log", 3, |seed| {
        let mut world = World::new(seed, 6, Faults::BAD);
        world.connect_all(&full(6));
        issue(&mut world, [0], 3, 3_000);
        world.run_for(5_000);
        world.run_until(60_000, converged);
        let reached = own_size(&world, 0);
        for n in 1..6 {
            world.cut(0, n);
        }
        issue(&mut world, [0], 3, 3_000);
        world.run_for(5_000);
        let whole = own_size(&world, 0);
        assert!(whole > reached);
        world.crash(0);
        let records = format!("/data/logs/{}/{:012}.records", world.peers[0].own(), 0);
        let flip = |bytes: &mut Vec<u8>| bytes[200] ^= 1;
        world.peers[0]
            .disk
            .corrupt(Path::new(&records), flip)
            .unwrap();
        world.peers[0].damaged = true;
        world.start(0);
        // Appends are wanted from the first moment: each asserts that nothing signed before is missing.
        issue(&mut world, [0], 2, 5_000);
        world.connect_all(&full(6));
        world.run_for(60_000);
        let own = world.peers[0].own();
        assert_eq!(world.peers[0].log(&own).unwrap().held(), reached);
        assert!(
            !confirmed(&world, 0),
            "the rest is only in what was set aside"
        );
        let running = world.peers[0].running.as_mut().unwrap();
        // Twelve times it compared heads with five members, and asked them for what they can't have.
        assert!(
            running.sync.next_request < 12 * 5 * 4,
            "{}",
            running.sync.next_request
        );
        let Ok(TakenBack::Records { checkpoint, .. }) = running.writer.take_back() else {
            panic!("records are taken back");
        };
        assert_eq!(checkpoint.size, whole);
        world.handle(0, Event::Appended(*checkpoint));
        assert!(confirmed(&world, 0));
        world.run_for(20_000);
        world.run_until(60_000, converged);
        assert!(own_size(&world, 0) > whole, "it goes on");
    });
}

#[test]
fn peers_whose_disks_fail_mid_write_come_back_and_catch_up() {
    with_seeds("peers_whose_disks_fail", 4, |seed| {
        let mut world = World::new(seed, 10, Faults::BAD);
        world.connect_all(&full(10));
        issue(&mut world, [0, 1, 2], 12, 60_000);
        for _ in 0..8 {
            world.run_for(4_000);
            let n = world.rng.random_range(0..10);
            let at = world.peers[n].disk.operations() + world.rng.random_range(1..25);
            let how = [Failure::Die, Failure::Tear, Failure::Refuse];
            let how = how[world.rng.random_range(0..how.len())];
            world.peers[n].disk.fail_at(at, how);
            world.peers[n].dying = true;
            let more_ms = world.rng.random_range(100..3_000);
            world.run_for(more_ms);
            world.crash(n);
            let down_ms = world.rng.random_range(0..8_000);
            world.run_for(down_ms);
            world.start(n);
            world.connect_all(&full(10));
        }
        world.run_for(10_000);
        world.run_until(120_000, converged);
    });
}
