//! Whole networks in one thread, from a seed: real state machines on real logs and catalogues, on disks in memory, under
//! a virtual clock. Nothing else decides what happens, so a seed that fails fails again.
//!
//! - `network`: the links, and what they do to messages
//! - `peer`: an honest peer: what a driver does, without sockets and threads
//! - `adversary`: members that do not play by the rules
//! - `world`: clock and queue of events
//! - `events`: what becomes of each
//! - `truth`: what honest departments signed, and what must hold of every honest peer after every event
//! - `scenarios`, `adversaries`, `recovery`, `mixed`: the tests
//! - `fresh`: what peers take for the newest, and what clocks do to it
//! - `instances`: a second run of a department's peer
//! - `traffic`: how many messages and bytes peers send, and how that grows with the network
//! - `heads`: tests of one state machine by itself, of what it makes of the heads it hears
//! - `announcements`: the same, of what is announced to it
//! - `changes`: the same, of members that join, are suspended, resumed and removed
//! - `stalled`: the same, of pages that come late, slowly or not at all
//!
//! `CERTMESH_SIM_SEEDS=500` tries more seeds than the few of a normal run; `CERTMESH_SIM_SEED=7` replays one.

mod adversaries;
mod adversary;
mod announcements;
mod changes;
mod events;
mod fresh;
mod heads;
mod instances;
mod mixed;
mod network;
mod peer;
mod recovery;
mod scenarios;
mod stalled;
mod traffic;
mod truth;
mod world;

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number of seeds, or a seed"))
}

/// Runs a scenario with several seeds, from 1 on; says how to replay one that fails.
#[expect(clippy::print_stderr, reason = "a failing seed is to be seen")]
fn with_seeds(test: &str, usual: u64, scenario: impl Fn(u64) + Send + Sync) {
    let seeds: RangeInclusive<u64> = match number("CERTMESH_SIM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("CERTMESH_SIM_SEEDS").unwrap_or(usual),
    };
    // Logs are opened and records signed in parallel; one thread makes even the order of that the same each time.
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    alone.install(|| {
        for seed in seeds {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
                eprintln!(
                    "seed {seed} failed; replay it with\n  \
                     CERTMESH_SIM_SEED={seed} cargo test -p certmesh-ledger --lib {test}"
                );
                resume_unwind(panic);
            }
        }
    });
}
