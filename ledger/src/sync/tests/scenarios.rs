//! Honest peers over links good and bad.

use rand::RngExt;

use crate::log::Stopped;

use super::network::{Faults, full, sparse};
use super::with_seeds;
use super::world::World;

/// Every honest peer that runs holds what honest departments signed, and has stopped the logs that forked.
pub(super) fn converged(world: &World) -> Result<(), String> {
    converged_but(world, None)
}

/// The same of all peers but one.
pub(super) fn converged_but(world: &World, but: Option<usize>) -> Result<(), String> {
    let others = world.peers.iter().enumerate();
    let others = others.filter(|(n, _)| Some(*n) != but);
    for peer in others.map(|(_, peer)| peer) {
        if !peer.conduct.honest() {
            continue;
        }
        for id in world.truth.logs() {
            let Some(log) = peer.log(id) else { continue };
            if world.truth.forked(id) {
                if !matches!(log.stopped(), Some(Stopped::Forked(_))) {
                    return Err(format!("{} has not frozen {id}", peer.code));
                }
            } else if log.size() != world.truth.size(id) {
                let (size, held, truth) = (log.size(), log.held(), world.truth.size(id));
                let code = peer.code;
                return Err(format!(
                    "{code} accepted {size} (held {held}) of {truth} records of {id}"
                ));
            }
        }
    }
    Ok(())
}

/// Has each of some peers append several batches within a time.
pub(super) fn issue(
    world: &mut World,
    issuers: impl IntoIterator<Item = usize>,
    batches: u64,
    within_ms: u64,
) {
    for issuer in issuers {
        for _ in 0..batches {
            let delay_ms = world.rng.random_range(0..within_ms);
            let certificates = world.rng.random_range(1..12);
            world.append_in(delay_ms, issuer, certificates);
        }
    }
}

#[test]
fn two_hundred_peers_converge_over_links_that_lose_delay_double_and_reorder() {
    with_seeds("two_hundred_peers", 1, |seed| {
        let mut world = World::new(seed, 200, Faults::BAD);
        let links = sparse(200, 6, &mut world.rng);
        world.connect_all(&links);
        let issuers = [3, 50, 99, 140, 198];
        for issuer in issuers {
            // With six neighbours nobody hears more than half of the members.
            world.vouch(issuer);
        }
        issue(&mut world, issuers, 4, 20_000);
        world.run_for(20_000);
        world.run_until(60_000, converged);
        assert!(
            world.peers.iter().all(|peer| peer.kept > 0),
            "signatures of witnesses spread"
        );
    });
}

#[test]
fn a_peer_that_joins_late_gets_everything_page_by_page() {
    with_seeds("a_peer_that_joins_late", 2, |seed| {
        let mut world = World::new(seed, 5, Faults::NONE);
        world.connect_all(&full(4));
        issue(&mut world, 0..4, 30, 20_000);
        world.run_for(25_000);
        world.network.faults = Faults::BAD;
        world.connect(4, 0);
        world.connect(4, 1);
        world.run_until(120_000, converged);
    });
}

#[test]
fn both_sides_of_a_partition_go_on_and_meet_when_it_heals() {
    with_seeds("both_sides_of_a_partition", 3, |seed| {
        let mut world = World::new(seed, 24, Faults::BAD);
        world.connect_all(&full(24));
        issue(&mut world, [1, 13], 2, 10_000);
        world.run_for(15_000);
        world.run_until(60_000, converged);
        for (a, b) in world.network.all() {
            if a < 12 && b >= 12 {
                world.cut(a, b);
            }
        }
        issue(&mut world, [1, 2, 13, 14], 5, 20_000);
        world.run_for(30_000);
        assert!(
            converged(&world).is_err(),
            "neither side has the other's records"
        );
        for _ in 0..8 {
            let (a, b) = (
                world.rng.random_range(0..12),
                world.rng.random_range(12..24),
            );
            world.connect(a, b);
        }
        world.run_until(60_000, converged);
    });
}

#[test]
fn records_received_on_the_way_to_a_checkpoint_that_is_lost_are_accepted_under_an_earlier_one() {
    with_seeds("records_received_on_the_way", 3, |seed| {
        let mut world = World::new(seed, 4, Faults::NONE);
        world.connect_all(&full(4));
        issue(&mut world, [0], 3, 1_000);
        world.run_for(5_000);
        world.run_until(20_000, converged);
        world.cut(0, 1);
        world.cut(0, 2);
        world.cut(0, 3);
        // Peer 1 gets some of the records that follow, from nobody who stays.
        world.append_in(0, 0, 60);
        world.append_in(10, 0, 60);
        world.run_for(20);
        world.connect(0, 1);
        let id = world.peers[0].own();
        let before = world.peers[1].log(&id).map_or(0, |log| log.size());
        while world.peers[1]
            .log(&id)
            .is_some_and(|log| log.held() == before)
        {
            world.run_for(1);
        }
        world.cut(0, 1);
        world.run_for(30_000);
        world.connect(0, 2);
        world.run_until(60_000, converged);
    });
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let fingerprint = |seed| {
        let mut world = World::new(seed, 12, Faults::BAD);
        world.connect_all(&full(12));
        issue(&mut world, [0, 5, 7], 4, 10_000);
        world.run_for(8_000);
        world.crash(5);
        world.run_for(2_000);
        world.start(5);
        world.connect_all(&full(12));
        world.run_for(20_000);
        std::hash::Hasher::finish(&world.history)
    };
    with_seeds("the_same_seed", 1, |seed| {
        assert_eq!(fingerprint(seed), fingerprint(seed));
        assert_ne!(fingerprint(seed), fingerprint(seed + 1));
    });
}
