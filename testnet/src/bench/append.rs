//! One certificate at a time, each on disk before the next; then eight callers at once.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Bench, limits, together};
use crate::Error;
use crate::sample::Sample;
use crate::stats::{Times, grouped, ms, per_second, round};

const DEFAULT_RECORDS: u64 = 3_000;
/// Not counted: the first ones warm up connection and caches.
const WARM_UP: u64 = 100;
/// Connections that issue at the same time, when it is the rate that is measured.
const CONNECTIONS: u64 = 8;
/// Bytes of a raw write: about those of a record.
const RAW_BYTES: usize = 300;

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    bench.screen.line(format!(
        "append: {} certificates, one after the other, on one kept-alive connection, then as many on {CONNECTIONS} at a time",
        grouped(records)
    ));
    let before = limits::write_and_sync(bench.dir.path(), RAW_BYTES, records)?;
    let net = bench.running(1)?;
    let client = net.client(0)?;
    let sample = Sample::new(0, "B")?;
    let lines: Vec<Vec<u8>> = (0..records + WARM_UP)
        .map(|number| sample.line(number))
        .collect();
    let mut times = Times::default();
    for (number, line) in (0..).zip(&lines) {
        let start = Instant::now();
        client.issue_line(line)?;
        if number >= WARM_UP {
            times.add(start.elapsed());
        }
    }
    let more = Sample::new(0, "C")?;
    let lines: Vec<Vec<u8>> = (0..records).map(|number| more.line(number)).collect();
    let start = Instant::now();
    together(CONNECTIONS, |connection| {
        let mut times = Times::default();
        for line in lines
            .iter()
            .skip(connection as usize)
            .step_by(CONNECTIONS as usize)
        {
            let begun = Instant::now();
            client.issue_line(line)?;
            times.add(begun.elapsed());
        }
        Ok(times)
    })?;
    let eight = per_second(records, start.elapsed());
    drop(net);
    // Before and after: the medium's mood changes.
    let mut raw = limits::write_and_sync(bench.dir.path(), RAW_BYTES, records)?;
    raw.append(before);
    let ratio = round(times.p50_ms() / raw.p50_ms(), 2);
    bench.row("request to answer, p50", format!("{} ms", times.p50_ms()));
    bench.row("request to answer, p99", format!("{} ms", times.p99_ms()));
    bench.row(
        "limit: raw write and fsync, p50",
        format!("{} ms", raw.p50_ms()),
    );
    bench.row(
        "limit: raw write and fsync, p99",
        format!("{} ms", raw.p99_ms()),
    );
    bench.row("ratio of p50 (aim 4 or less)", ratio.to_string());
    bench.row("certificates/s on 8 connections", grouped(eight as u64));
    Ok(json!({
        "records": records,
        "p50_ms": times.p50_ms(),
        "p99_ms": times.p99_ms(),
        "max_ms": ms(times.percentile(100)),
        "raw_p50_ms": raw.p50_ms(),
        "raw_p99_ms": raw.p99_ms(),
        "ratio_p50": ratio,
        "eight_per_second": eight,
    }))
}
