//! Cases accepted from a replica, its issuer down.

use std::time::{Duration, Instant};

use certmesh_api::{AcceptRequest, MatterRequest, RequirementView, SubMatterView};
use serde_json::{Value, json};

use super::{Bench, fill, sync, together};
use crate::client::Client;
use crate::sample::Sample;
use crate::stats::{Times, grouped, per_second, round};
use crate::testnet::define_types;
use crate::{Error, departments};

const DEFAULT_RECORDS: u64 = 1_000_000;
/// Connections that ask at the same time.
const CONNECTIONS: u64 = 4;
/// How long is asked.
const ASKED: Duration = Duration::from_secs(5);
/// Code of the matter asked for.
const MATTER: &str = "BENCH";

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    bench.screen.line(format!(
        "accept: cases at a department that holds a replica of {} certificates, their issuer's peer stopped",
        grouped(records)
    ));
    let patience = sync::patience(records);
    let (mut net, sample) = fill::network(bench, records, patience)?;
    net.start(0, patience)?;
    sync::catch_up(&mut net, &sample, records, patience)?;
    net.wait_ready(patience)?;
    let client = net.client(1)?;
    define_types(&client, 1)?;
    let requires = (0..departments::types(0).len())
        .map(|place| {
            Ok(RequirementView {
                types: vec![departments::type_code(0, place)?.to_string()],
                fields: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let demands = requires.len();
    client.define_matter(&MatterRequest {
        code: MATTER.to_owned(),
        name: "measured".to_owned(),
        sub: vec![SubMatterView {
            code: "0".to_owned(),
            name: "measured".to_owned(),
            requires,
        }],
    })?;
    net.stop(0)?;
    let (times, took) = ask(&client, &sample, records)?;
    let rate = per_second(times.len() as u64, took);
    bench.row(
        &format!("cases of {demands} demands, {CONNECTIONS} connections"),
        format!("{rate} / s"),
    );
    bench.row("question to answer, p50", format!("{} ms", times.p50_ms()));
    bench.row("question to answer, p99", format!("{} ms", times.p99_ms()));
    Ok(json!({
        "records": records,
        "demands": demands,
        "cases_per_second": rate,
        "connections": CONNECTIONS,
        "p50_ms": times.p50_ms(),
        "p99_ms": times.p99_ms(),
        "seconds": round(took.as_secs_f64(), 3),
    }))
}

/// Asks for the subjects of certificates all over the log; each holds at least one of what is required.
fn ask(client: &Client, sample: &Sample, records: u64) -> Result<(Times, Duration), Error> {
    let start = Instant::now();
    let ask = |connection: u64| {
        let mut times = Times::default();
        let mut number = connection;
        while start.elapsed() < ASKED {
            // A stride that meets all certificates in no order a cache would like.
            number = (number + 7_919 * CONNECTIONS) % records;
            let Some(subject) = sample.row(number).holder else {
                return Err(Error::Broken("a made-up row has no holder".to_owned()));
            };
            let begun = Instant::now();
            let accepted = client.accept(&AcceptRequest {
                matter: MATTER.to_owned(),
                subject,
                on: None,
                collect: None,
            })?;
            times.add(begun.elapsed());
            if accepted.held == 0 {
                return Err(Error::Broken(
                    "what a subject holds was not found".to_owned(),
                ));
            }
        }
        Ok(times)
    };
    let all = together(CONNECTIONS, ask)?;
    Ok((all, start.elapsed()))
}
