//! Fields retrieved from their issuer: a request, a durable receipt, an answer, a durable acknowledgement and copy.

use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::{FetchRequest, MatterRequest, RequirementView, SharingClass, SubMatterView};
use serde_json::{Value, json};

use super::{Bench, limits, link, together};
use crate::client::Client;
use crate::patience::Deadline;
use crate::sample::Sample;
use crate::stats::{Times, grouped, per_second, round};
use crate::{Error, departments};

const DEFAULT_RECORDS: u64 = 2_000;
/// Not counted: the first ones warm up connections and caches.
const WARM_UP: u64 = 50;
/// Connections that ask at the same time, when it is the rate that is measured.
const CONNECTIONS: u64 = 8;
/// About what a request and its answer take on the way between peers.
const REQUEST_BYTES: usize = 330;
const ANSWER_BYTES: usize = 420;
/// About what is written for a receipt.
const RAW_BYTES: usize = 300;
const MATTER: &str = "BENCH";

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    bench.screen.line(format!(
        "fetch: two fields of {} certificates, each from its issuer's peer, then again by {CONNECTIONS} at a time",
        grouped(records)
    ));
    let before = link::round_trip_times(REQUEST_BYTES, ANSWER_BYTES, 1_000)?;
    let disk = limits::write_and_sync(bench.dir.path(), RAW_BYTES, 500)?;
    let net = bench.running(2)?;
    let sample = Sample::new(0, "B")?;
    let rows = (0..records + WARM_UP).map(|number| {
        let mut row = sample.row(number);
        row.sharing = Some(SharingClass::Unconditional.into());
        let mut line = serde_json::to_vec(&row).expect("a row is plain JSON");
        line.push(b'\n');
        line
    });
    let rows: Vec<Vec<u8>> = rows.collect();
    let issuer = net.client(0)?;
    issuer.issue_many(rows, &mut |_| {})?;
    let client = net.client(1)?;
    client.define_matter(&matter()?)?;
    let patience = Deadline::seconds(120 + records / 1_000);
    for (from, at, of) in [(&issuer, &client, 0), (&client, &issuer, 1)] {
        arrived(from, at, net.member(of).code().as_str(), patience)?;
    }
    let mut times = Times::default();
    for number in 0..records + WARM_UP {
        let begun = Instant::now();
        fetch(&client, &sample, number)?;
        if number >= WARM_UP {
            times.add(begun.elapsed());
        }
    }
    let start = Instant::now();
    let together = ask_together(&client, &sample, records)?;
    let took = start.elapsed();
    drop(net);
    // Before and after: the machine's mood changes.
    let mut raw = link::round_trip_times(REQUEST_BYTES, ANSWER_BYTES, 1_000)?;
    raw.append(before);
    tell(bench, records, &times, (&together, took), (&raw, &disk))
}

/// Waits until a department's log is as long at one node as at its own.
fn arrived(own: &Client, at: &Client, log: &str, patience: Deadline) -> Result<(), Error> {
    let size = own.log(log)?.size;
    while at.log(log)?.size < size {
        patience.check(|| format!("{size} records of {log} to arrive"))?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn matter() -> Result<MatterRequest, Error> {
    let requires = (0..departments::types(0).len()).map(|place| {
        Ok(RequirementView {
            types: vec![departments::type_code(0, place)?.to_string()],
            fields: vec!["ZZBH".to_owned(), "ZZMC".to_owned()],
        })
    });
    Ok(MatterRequest {
        code: MATTER.to_owned(),
        name: "measured".to_owned(),
        sub: vec![SubMatterView {
            code: "0".to_owned(),
            name: "measured".to_owned(),
            requires: requires.collect::<Result<Vec<_>, Error>>()?,
        }],
    })
}

fn fetch(client: &Client, sample: &Sample, number: u64) -> Result<(), Error> {
    let fetched = client.fetch(&FetchRequest {
        certificate: sample.id(number).to_string(),
        matter: MATTER.to_owned(),
        purpose: "measured".to_owned(),
        fields: Vec::new(),
        attachments: false,
        keep_days: None,
    })?;
    match fetched.fields.len() {
        2 => Ok(()),
        other => Err(Error::Broken(format!("{other} fields came, not 2"))),
    }
}

fn ask_together(client: &Client, sample: &Sample, records: u64) -> Result<Times, Error> {
    let ask = |connection: u64| {
        let mut times = Times::default();
        for number in (connection..records).step_by(CONNECTIONS as usize) {
            let begun = Instant::now();
            fetch(client, sample, number)?;
            times.add(begun.elapsed());
        }
        Ok::<Times, Error>(times)
    };
    together(CONNECTIONS, ask)
}

fn tell(
    bench: &Bench,
    records: u64,
    times: &Times,
    (together, took): (&Times, Duration),
    (raw, disk): (&Times, &Times),
) -> Result<Value, Error> {
    let rate = per_second(together.len() as u64, took);
    let ratio = round(times.p50_ms() / raw.p50_ms(), 2);
    // What no implementation that records before it answers can do without: a round trip, and a sync on each side.
    let floor = raw.p50_ms() + 2.0 * disk.p50_ms();
    let of_floor = round(times.p50_ms() / floor, 2);
    let ms = |time: f64| format!("{time} ms");
    bench.row("request to checked answer, p50", ms(times.p50_ms()));
    bench.row("request to checked answer, p99", ms(times.p99_ms()));
    bench.row(&format!("{CONNECTIONS} at a time"), format!("{rate} / s"));
    bench.row("limit: bare round trip, p50", ms(raw.p50_ms()));
    bench.row("limit: raw write and fsync, p50", ms(disk.p50_ms()));
    bench.row(
        "ratio of p50 to the round trip (aim 3 or less)",
        ratio.to_string(),
    );
    bench.row(
        "ratio of p50 to round trip and two fsyncs",
        of_floor.to_string(),
    );
    Ok(json!({
        "records": records,
        "p50_ms": times.p50_ms(),
        "p99_ms": times.p99_ms(),
        "connections": CONNECTIONS,
        "fetches_per_second": rate,
        "together_p50_ms": together.p50_ms(),
        "together_p99_ms": together.p99_ms(),
        "raw_round_trip_p50_ms": raw.p50_ms(),
        "raw_round_trip_p99_ms": raw.p99_ms(),
        "raw_fsync_p50_ms": disk.p50_ms(),
        "ratio_p50": ratio,
        "ratio_p50_with_fsyncs": of_floor,
    }))
}
