//! From the answer at one peer to `valid` at all.

use std::time::{Duration, Instant};

use certmesh_api::Verdict;
use serde_json::{Value, json};

use super::Bench;
use crate::Error;
use crate::client::Client;
use crate::patience::Deadline;
use crate::sample::Sample;
use crate::stats::{Times, grouped};

const PEERS: usize = 16;
const DEFAULT_RECORDS: u64 = 200;
/// Time a certificate has to be everywhere.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    bench.screen.line(format!(
        "propagate: {} certificates, one after the other, at {PEERS} peers in turn",
        grouped(records)
    ));
    let net = bench.running(PEERS)?;
    let clients = net.clients()?;
    let samples: Result<Vec<Sample>, _> = (0..PEERS).map(|index| Sample::new(index, "B")).collect();
    let samples = samples?;
    let bar = bench.screen.progress(records, "issuing");
    let (mut first, mut all) = (Times::default(), Times::default());
    for number in 0..records {
        let issuer = number as usize % PEERS;
        let row = samples[issuer].row(number);
        let id = clients[issuer].1.issue(&row)?.id;
        let times = everywhere(&clients, issuer, &id)?;
        first.add(times.0);
        all.add(times.1);
        bar.inc(1);
    }
    bar.finish_and_clear();
    bench.row(
        "valid at the first other peer, p50",
        format!("{} ms", first.p50_ms()),
    );
    bench.row(
        &format!("valid at all {PEERS}, p50"),
        format!("{} ms", all.p50_ms()),
    );
    bench.row(
        &format!("valid at all {PEERS}, p99"),
        format!("{} ms", all.p99_ms()),
    );
    bench.row(
        &format!("valid at all {PEERS}, at most"),
        format!("{} ms", all.max_ms()),
    );
    Ok(json!({
        "peers": PEERS,
        "records": records,
        "p50_ms": all.p50_ms(),
        "p99_ms": all.p99_ms(),
        "max_ms": all.max_ms(),
        "first_p50_ms": first.p50_ms(),
    }))
}

/// Times from now until the first and the last of the other peers says `valid`.
fn everywhere(
    clients: &[(usize, Client)],
    issuer: usize,
    id: &str,
) -> Result<(Duration, Duration), Error> {
    let start = Instant::now();
    let deadline = Deadline::after(PATIENCE);
    let mut missing: Vec<&(usize, Client)> = clients
        .iter()
        .filter(|(index, _)| *index != issuer)
        .collect();
    let (mut first, mut last) = (None, Duration::ZERO);
    while !missing.is_empty() {
        let mut still = Vec::new();
        for peer in missing {
            if peer.1.verification(id)?.verdict == Verdict::Valid {
                last = start.elapsed();
                first.get_or_insert(last);
            } else {
                still.push(peer);
            }
        }
        missing = still;
        deadline.check(|| {
            format!(
                "{id} to be valid everywhere; {} peers do not have it",
                missing.len()
            )
        })?;
    }
    Ok((first.unwrap_or_default(), last))
}
