//! Bulk issuance through the API.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Bench, limits};
use crate::Error;
use crate::sample::Sample;
use crate::stats::{grouped, per_second, round};
use crate::testnet::Testnet;

const DEFAULT_RECORDS: u64 = 200_000;
/// Streams of rows at the same time.
const STREAMS: u64 = 4;

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    bench.screen.line(format!(
        "issue: {} certificates in {STREAMS} streams at a network of one department",
        grouped(records)
    ));
    let raw = limits::signatures_per_second();
    let net = bench.running(1)?;
    let (records, took) = measure(bench, &net, records)?;
    let rate = per_second(records, took);
    let ratio = round(rate / raw, 3);
    bench.row("certificates issued, durable", format!("{rate} / s"));
    bench.row(
        "limit: raw Ed25519 signatures, one core",
        format!("{raw} / s"),
    );
    bench.row("ratio (aim 0.5 or more)", ratio.to_string());
    Ok(json!({
        "records": records,
        "seconds": round(took.as_secs_f64(), 3),
        "per_second": rate,
        "raw_sign_per_second_per_core": raw,
        "ratio": ratio,
    }))
}

/// Issues so many certificates, a whole number for each stream; returns how many, and the time it took.
pub(super) fn measure(
    bench: &Bench,
    net: &Testnet,
    records: u64,
) -> Result<(u64, Duration), Error> {
    let records = records / STREAMS * STREAMS;
    let client = net.client(0)?;
    // Made before the clock runs: it is the node that is measured.
    let sample = Sample::new(0, "B")?;
    let share = records / STREAMS;
    let rows = |stream: u64| {
        (stream * share..(stream + 1) * share)
            .map(|n| sample.line(n))
            .collect::<Vec<_>>()
    };
    let streams: Vec<Vec<Vec<u8>>> = (0..STREAMS).map(rows).collect();
    let bar = bench.screen.progress(records, "issuing");
    let refused = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        let send = |rows: Vec<Vec<u8>>| {
            client.issue_many(rows, &mut |row| {
                bar.inc(1);
                refused.fetch_add(u64::from(!row.ok), Ordering::Relaxed);
            })
        };
        let threads: Vec<_> = streams
            .into_iter()
            .map(|rows| scope.spawn(move || send(rows)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("issuing threads do not panic"))
    })?;
    let took = start.elapsed();
    bar.finish_and_clear();
    let held = client.log(net.member(0).code().as_str())?.certificates;
    let refused = refused.into_inner();
    if refused > 0 || held != records {
        return Err(Error::Broken(format!(
            "{refused} rows were refused, {held} of {records} are in the log"
        )));
    }
    Ok((records, took))
}
