//! Verdicts over the API, and proofs without a node.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::Verdict;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::verify::Bundle;
use serde_json::{Value, json};

use super::{Bench, limits};
use crate::Error;
use crate::client::Client;
use crate::patience::Deadline;
use crate::sample::Sample;
use crate::stats::{grouped, per_second, round};

const DEFAULT_RECORDS: u64 = 20_000;
/// Connections that ask at the same time.
const CONNECTIONS: u64 = 4;
/// How long is asked.
const ASKED: Duration = Duration::from_secs(5);
/// Proofs checked offline, again and again.
const PROOFS: u64 = 1_000;
const CHECKED: Duration = Duration::from_secs(3);

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    bench.screen.line(format!(
        "verify: among {} certificates, at a department that did not issue them",
        grouped(records)
    ));
    let raw = limits::verifications_per_second();
    let net = bench.running(2)?;
    let sample = Sample::new(0, "B")?;
    let mut refused = 0;
    net.client(0)?
        .issue_many((0..records).map(|number| sample.line(number)), &mut |row| {
            refused += u64::from(!row.ok);
        })?;
    if refused > 0 {
        return Err(Error::Broken(format!("{refused} rows were refused")));
    }
    let client = net.client(1)?;
    let newest = sample.id(records - 1).to_string();
    Deadline::seconds(60).wait(
        || "the certificates to be replicated".to_owned(),
        || Ok((client.verification(&newest)?.verdict == Verdict::Valid).then_some(())),
    )?;
    let online = ask(&client, &sample, records)?;
    let (offline, bytes) = check(
        &client,
        &sample,
        records,
        &Membership::from_genesis(net.network().genesis()),
    )?;
    let ratio = round(offline / raw, 3);
    bench.row(
        &format!("verdicts over the API, {CONNECTIONS} connections"),
        format!("{online} / s"),
    );
    bench.row(
        "proofs verified offline, one core",
        format!("{offline} / s"),
    );
    bench.row("bytes of a proof", grouped(bytes));
    bench.row(
        "limit: raw strict Ed25519 verifications, one core",
        format!("{raw} / s"),
    );
    bench.row("ratio of proofs to raw verifications", ratio.to_string());
    Ok(json!({
        "records": records,
        "verdicts_per_second": online,
        "connections": CONNECTIONS,
        "bundles_per_second_per_core": offline,
        "bundle_bytes": bytes,
        "raw_verify_per_second_per_core": raw,
        "ratio": ratio,
    }))
}

/// Verdicts a second over the API.
fn ask(client: &Client, sample: &Sample, records: u64) -> Result<f64, Error> {
    let (asked, wrong) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    thread::scope(|scope| {
        let ask = |connection: u64| {
            let mut number = connection;
            while start.elapsed() < ASKED {
                // A stride that meets all certificates in no order a cache would like.
                number = (number + 7_919 * CONNECTIONS) % records;
                if client.verification(&sample.id(number).to_string())?.verdict != Verdict::Valid {
                    wrong.store(true, Ordering::Relaxed);
                }
                asked.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Error>(())
        };
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|connection| scope.spawn(move || ask(connection)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("asking threads do not panic"))
    })?;
    if wrong.into_inner() {
        return Err(Error::Broken(
            "a certificate in force was not valid".to_owned(),
        ));
    }
    Ok(per_second(asked.into_inner(), start.elapsed()))
}

/// Proofs a second that one core reads and verifies; and bytes of one.
fn check(
    client: &Client,
    sample: &Sample,
    records: u64,
    members: &Membership,
) -> Result<(f64, u64), Error> {
    let count = PROOFS.min(records);
    let proofs: Result<Vec<Vec<u8>>, Error> = (0..count)
        .map(|turn| Ok(client.proof(sample.id(turn * records / count).as_str())?))
        .collect();
    let proofs = proofs?;
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < CHECKED {
        for proof in &proofs {
            let broken = |error: certmesh_ledger::verify::BundleError| {
                Error::Broken(format!("a proof does not hold: {error}"))
            };
            Bundle::from_bytes(proof)
                .and_then(|bundle| bundle.verify(members))
                .map_err(broken)?;
        }
        done += count;
    }
    let rate = per_second(done, start.elapsed());
    Ok((
        rate,
        proofs.iter().map(|proof| proof.len() as u64).sum::<u64>() / count,
    ))
}
