//! A fresh peer catches up with a long log.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use certmesh_api::FindRequest;
use serde_json::{Value, json};

use super::{Bench, fill, link};
use crate::Error;
use crate::client::Client;
use crate::patience::Deadline;
use crate::process::peak_memory_mb;
use crate::sample::Sample;
use crate::stats::{grouped, per_second, round};
use crate::testnet::Testnet;

const DEFAULT_RECORDS: u64 = 1_000_000;
/// Pages of the raw link's measurement, 1 MiB each.
const RAW_PAGES: u64 = 2_000;
/// Certificates looked up at the end.
const LOOKED_UP: u64 = 200;

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    bench.screen.line(format!(
        "sync: a fresh peer catches up on {} records",
        grouped(records)
    ));
    let raw = link::measure(RAW_PAGES)?.mb_per_second();
    let patience = patience(records);
    let (mut net, sample) = fill::network(bench, records, patience)?;
    let begun = Instant::now();
    net.start(0, patience)?;
    let reopened = begun.elapsed();
    let caught_up = catch_up(&mut net, &sample, records, patience)?;
    let bytes = bytes_of_records(
        &net.member(1)
            .data()
            .join("logs")
            .join(net.member(0).code().as_str()),
    )?;
    let (took, peak) = caught_up;
    let (rate, megabytes) = (
        per_second(records, took),
        round(bytes as f64 / 1e6 / took.as_secs_f64(), 1),
    );
    let ratio = round(megabytes / raw, 3);
    bench.row(
        "records, verified, on disk, answering",
        format!("{rate} / s"),
    );
    bench.row(
        &format!("the same, {} bytes a record", bytes / records.max(1)),
        format!("{megabytes} MB/s"),
    );
    bench.row("limit: raw link", format!("{} MB/s", round(raw, 1)));
    bench.row("ratio (aim 0.25 or more)", ratio.to_string());
    bench.row(
        "peak memory of the fresh peer (aim under 400)",
        format!("{peak} MB"),
    );
    bench.row(
        "the other peer opened its log in",
        format!("{} s", round(reopened.as_secs_f64(), 2)),
    );
    Ok(json!({
        "records": records,
        "seconds": round(took.as_secs_f64(), 3),
        "records_per_second": rate,
        "mb_per_second": megabytes,
        "raw_link_mb_per_second": round(raw, 1),
        "ratio": ratio,
        "peak_rss_mb": peak,
        "bytes_per_record": bytes / records.max(1),
        "reopen_seconds": round(reopened.as_secs_f64(), 3),
        "filled": "written to the data directory of the stopped node, not issued over the API",
    }))
}

/// Long enough for a log of this many records to be opened, sent and stored.
pub(super) fn patience(records: u64) -> Deadline {
    Deadline::seconds(120 + records / 2_000)
}

/// Starts the second peer and waits until it has everything and answers. Gives the time from its start, and its peak
/// memory in MB.
pub(super) fn catch_up(
    net: &mut Testnet,
    sample: &Sample,
    records: u64,
    patience: Deadline,
) -> Result<(Duration, f64), Error> {
    let log = net.member(0).code().to_string();
    let start = Instant::now();
    net.start(1, patience)?;
    let client = net.client(1)?;
    let mut size = 0;
    while size < records {
        net.check(1)?;
        let view = client.log(&log)?;
        size = view.certificates.min(view.size);
        patience.check(|| format!("the fresh peer to have {records} records; it has {size}"))?;
        std::thread::sleep(Duration::from_millis(10));
    }
    look_up(&client, sample, records)?;
    let took = start.elapsed();
    let pid = net.node_file(1).map_or(0, |file| file.pid);
    Ok((took, peak_memory_mb(pid)?))
}

/// Looks certificates up by identifier and by holder.
fn look_up(client: &Client, sample: &Sample, records: u64) -> Result<(), Error> {
    for turn in 0..LOOKED_UP.min(records) {
        // From one end to the other, the very last included.
        let number = (records - 1) - turn * (records - 1) / LOOKED_UP;
        let id = sample.id(number).to_string();
        client.certificate(&id)?;
        if turn % 10 == 0 {
            let what = FindRequest {
                holder: sample.row(number).holder,
                purpose: Some("a benchmark".to_owned()),
                limit: Some(1_000),
                ..FindRequest::default()
            };
            if !client
                .find(&what)?
                .certificates
                .iter()
                .any(|found| found.id == id)
            {
                return Err(Error::Broken(format!("{id} is not found by its holder")));
            }
        }
    }
    Ok(())
}

fn bytes_of_records(dir: &Path) -> Result<u64, Error> {
    let entries = fs::read_dir(dir).map_err(Error::file(dir))?.flatten();
    let files = entries.filter(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|suffix| suffix == "records")
    });
    Ok(files
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum())
}
