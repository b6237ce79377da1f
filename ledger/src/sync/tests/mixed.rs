//! Everything at once, as chance has it.

use rand::RngExt;

use super::adversary::{Conduct, second_log};
use super::network::{Faults, full, sparse};
use super::scenarios::{converged, issue};
use super::with_seeds;
use super::world::World;

/// Peers with these numbers stay honest, and connected in a ring when the trouble is over.
const HONEST: usize = 8;

fn some_conduct(world: &mut World) -> Conduct {
    match world.rng.random_range(0..10) {
        0 => Conduct::Garbage,
        1 => Conduct::Mangles,
        2 => Conduct::WrongPages,
        3 => Conduct::Stale(None),
        4 => Conduct::Denies,
        5 => Conduct::Silent,
        6 => Conduct::Inflates,
        7 => Conduct::Slow,
        8 => Conduct::Drips,
        _ => Conduct::Honest,
    }
}

/// One thing that goes wrong, or is repaired.
fn trouble(world: &mut World) {
    let all = world.peers.len();
    let (a, b) = (
        world.rng.random_range(0..all),
        world.rng.random_range(0..all),
    );
    match world.rng.random_range(0..10) {
        0..4 => world.cut(a, b),
        4..7 => world.connect(a, b),
        7 => {
            let side = world.rng.random_range(1..all);
            for (a, b) in world.network.all() {
                if (a < side) != (b < side) {
                    world.cut(a, b);
                }
            }
        }
        8 if world.peers[a].running.is_some() && world.peers[a].conduct.honest() => world.crash(a),
        9 if world.peers[a].running.is_none() => world.start(a),
        _ => {
            let links = sparse(all, 4, &mut world.rng);
            world.connect_all(&links);
        }
    }
}

#[test]
fn whatever_goes_wrong_honest_peers_converge_when_it_is_over() {
    with_seeds("whatever_goes_wrong", 20, |seed| {
        let mut world = World::new(seed, HONEST + seed as usize % 6, Faults::BAD);
        let all = world.peers.len();
        world.connect_all(&full(all));
        issue(&mut world, [0, 1, HONEST - 1], 2, 5_000);
        world.run_for(10_000);
        for n in HONEST..all {
            let conduct = some_conduct(&mut world);
            world.misbehave(n, conduct);
        }
        if all > HONEST && world.rng.random_bool(0.5) {
            let second = second_log(&world.peers[all - 1], &world.members);
            world.misbehave(all - 1, Conduct::Forks(second));
            issue(&mut world, [all - 1], 3, 30_000);
        }
        issue(&mut world, 0..3, 6, 40_000);
        for _ in 0..25 {
            let pause_ms = world.rng.random_range(200..3_000);
            world.run_for(pause_ms);
            trouble(&mut world);
        }
        for n in (0..all)
            .filter(|n| world.peers[*n].running.is_none())
            .collect::<Vec<_>>()
        {
            world.start(n);
        }
        world.connect_all(&full(all));
        world.run_for(30_000);
        world.run_until(180_000, converged);
    });
}
