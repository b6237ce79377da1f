//! Members that do not play by the rules, among honest ones.

use rand::RngExt;

use crate::log::{ForkEvidence, Stopped};

use super::adversary::{Conduct, second_log};
use super::network::{Faults, full};
use super::scenarios::{converged, issue};
use super::with_seeds;
use super::world::{self, World};

/// Twelve honest peers in a ring, and three misbehaving members that are everyone's neighbours. With the ring alone
/// honest peers reach each other, and nobody hears more than half of the members without the three.
fn among_honest(seed: u64, conduct: fn() -> Conduct) -> World {
    let mut world = World::new(seed, 15, Faults::BAD);
    for bad in 12..15 {
        world.misbehave(bad, conduct());
    }
    for honest in 0..12 {
        world.connect(honest, (honest + 1) % 12);
        for bad in 12..15 {
            world.connect(honest, bad);
        }
    }
    for issuer in [0, 4, 8] {
        world.vouch(issuer);
    }
    issue(&mut world, [0, 4, 8], 6, 20_000);
    world
}

fn converges_all_the_same(test: &str, conduct: fn() -> Conduct) {
    with_seeds(test, 2, |seed| {
        let mut world = among_honest(seed, conduct);
        world.run_for(20_000);
        world.run_until(180_000, converged);
    });
}

#[test]
fn members_that_send_garbage_are_survived() {
    converges_all_the_same("members_that_send_garbage", || Conduct::Garbage);
}

#[test]
fn members_that_flip_bits_are_survived_and_nobody_else_is_blamed() {
    converges_all_the_same("members_that_flip_bits", || Conduct::Mangles);
}

#[test]
fn members_that_send_other_pages_than_were_asked_for_are_survived() {
    converges_all_the_same("members_that_send_other_pages", || Conduct::WrongPages);
}

#[test]
fn members_that_show_stale_heads_hold_nobody_up() {
    converges_all_the_same("members_that_show_stale_heads", || Conduct::Stale(None));
}

#[test]
fn members_that_deny_what_they_hold_hold_nobody_up() {
    converges_all_the_same("members_that_deny", || Conduct::Denies);
}

#[test]
fn members_that_answer_no_page_hold_nobody_up() {
    converges_all_the_same("members_that_answer_no_page", || Conduct::Silent);
}

#[test]
fn members_that_sign_heads_over_records_there_are_not_hold_nobody_up() {
    converges_all_the_same("members_that_sign_heads", || Conduct::Inflates);
}

#[test]
fn a_department_that_answers_no_page_of_its_own_log_is_gone_around() {
    with_seeds("a_department_that_answers_no_page", 3, |seed| {
        let mut world = World::new(seed, 4, Faults::NONE);
        world.connect_all(&full(3));
        issue(&mut world, [0], 20, 10_000);
        world.run_for(20_000);
        world.misbehave(0, Conduct::Silent);
        world.connect(3, 0);
        world.connect(3, 1);
        let took_ms = world.run_until(60_000, |world| {
            let own = world.peers[0].own();
            let size = world.peers[3].log(&own).map_or(0, |log| log.size());
            if size == world.truth.size(&own) {
                Ok(())
            } else {
                Err(format!("{size} records"))
            }
        });
        assert!(
            took_ms <= 2 * world.settings.request_timeout_ms,
            "it took {took_ms} ms"
        );
    });
}

/// Every honest peer froze the log where its branches part, with evidence that verifies.
fn frozen_at_the_fork(world: &World, forker: usize) {
    let id = world.peers[forker].own();
    let position = world.truth.fork_position(&id);
    for peer in world.peers.iter().filter(|peer| peer.conduct.honest()) {
        let stopped = peer.log(&id).and_then(|log| log.stopped());
        let Some(Stopped::Forked(evidence)) = stopped else {
            panic!("{} has not frozen the log: {stopped:?}", peer.code);
        };
        assert_eq!(evidence.position(), position, "{evidence:?}");
        assert!(matches!(*evidence, ForkEvidence::Records { .. }));
        evidence.verify(&world.members).unwrap();
    }
}

#[test]
fn a_fork_freezes_its_log_everywhere_at_one_record_and_no_other_log() {
    with_seeds("a_fork_freezes_its_log", 4, |seed| {
        let mut world = World::new(seed, 40, Faults::BAD);
        let links = super::network::sparse(40, 5, &mut world.rng);
        world.connect_all(&links);
        // Somebody gets each branch.
        world.connect_all(&[(7, 11), (7, 30)]);
        for issuer in [0, 7, 20] {
            world.vouch(issuer);
        }
        issue(&mut world, [0, 7, 20], 3, 8_000);
        world.run_for(10_000);
        world.run_until(60_000, converged);
        let second = second_log(&world.peers[7], &world.members);
        world.misbehave(7, Conduct::Forks(second));
        issue(&mut world, [0, 7, 20], 3, 10_000);
        world.run_for(10_000);
        world.run_until(120_000, converged);
        frozen_at_the_fork(&world, 7);
        // Evidence outlives the power.
        for n in (0..40).filter(|n| *n != 7) {
            world.crash(n);
            world.start(n);
        }
        frozen_at_the_fork(&world, 7);
    });
}

#[test]
fn a_fork_deep_in_a_long_log_is_found_by_whoever_holds_the_other_branch() {
    with_seeds("a_fork_deep_in_a_long_log", 3, |seed| {
        let mut world = World::new(seed, 7, Faults::NONE);
        world.connect_all(&full(7));
        world.run_for(2_000);
        let before = world.rng.random_range(3..7);
        for _ in 0..before {
            world.append_in(0, 0, 100);
        }
        world.run_for(20_000);
        assert_eq!(converged(&world), Ok(()));
        // Peers of even number get one branch, of odd number the other, and none hears of the other's.
        for (a, b) in world.network.all() {
            if a > 0 && (a % 2 != b % 2) {
                world.cut(a, b);
            }
        }
        world.run_for(500);
        let second = second_log(&world.peers[0], &world.members);
        world.misbehave(0, Conduct::Forks(second));
        let after = world.rng.random_range(2..6);
        for _ in 0..after {
            world.append_in(0, 0, 90);
        }
        world.run_for(30_000);
        let own = world.peers[0].own();
        for n in 1..7 {
            let log = world.peers[n].log(&own).unwrap();
            assert!(log.stopped().is_none(), "nobody can know");
            assert_eq!(log.size(), world.truth.size(&own));
        }
        world.crash(0);
        world.connect(1, 2);
        world.connect(3, 4);
        world.connect(5, 6);
        world.run_until(60_000, converged);
        frozen_at_the_fork(&world, 0);
    });
}

/// Whether some peers have accepted all of every log.
fn hold_all(world: &World, peers: std::ops::Range<usize>) -> Result<(), String> {
    for peer in &world.peers[peers] {
        for id in world.truth.logs() {
            let size = peer.log(id).map_or(0, |log| log.size());
            if size < world.truth.size(id) {
                return Err(format!("{} accepted {size} records of {id}", peer.code));
            }
        }
    }
    Ok(())
}

/// How long a fresh peer takes to get all logs, ms, when one other member is honest, and so many hold as much but answer as
/// they like.
fn catching_up_among(seed: u64, bad: usize, conducts: &[fn() -> Conduct]) -> u64 {
    let (honest, fresh) = (bad, bad + 1);
    let mut world = World::new(seed, bad + 2, Faults::NONE);
    world.connect_all(&full(bad + 1));
    for issuer in 0..4 {
        world.vouch(issuer);
    }
    issue(&mut world, 0..4, 12, 5_000);
    world.run_for(8_000);
    world.run_until(30_000, |world| hold_all(world, 0..fresh));
    for n in 0..bad {
        world.misbehave(n, conducts[n % conducts.len()]());
        world.connect(fresh, n);
    }
    world.connect(fresh, honest);
    let begun_ms = world.now_ms;
    while let Err(lacking) = hold_all(&world, fresh..fresh + 1) {
        assert!(world.now_ms - begun_ms < 120_000, "{lacking}");
        world.run_for(100);
    }
    world.now_ms - begun_ms
}

#[test]
fn what_one_member_holds_arrives_soon_however_many_others_are_slow_drip_or_are_silent() {
    with_seeds("what_one_member_holds", 2, |seed| {
        let conducts: [fn() -> Conduct; 3] =
            [|| Conduct::Slow, || Conduct::Drips, || Conduct::Silent];
        for bad in [4, 24] {
            for some in [&conducts[..1], &conducts[1..2], &conducts[2..], &conducts] {
                let took_ms = catching_up_among(seed, bad, some);
                let most_ms = 7 * world::settings().hedge_after_ms;
                assert!(
                    took_ms <= most_ms,
                    "among {bad} others it took {took_ms} ms"
                );
            }
        }
    });
}
