//! What a long log costs those who ask: look-ups, cases and appends at a department with many certificates, and in the same run at
//! one with a hundredth of them.
//!
//! Both logs are on disk as their own nodes would have written them, bodies and index parts with their merges included; only the
//! API was not asked for each certificate. Each holder has as many certificates in one as in the other, far apart. Questions go
//! to both nodes in turn, so that what else the machine does falls on both, about the same certificates in each round: the page
//! cache is warm.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::draft::Draft;
use certmesh_api::{
    AcceptRequest, FindRequest, Holder, MatterRequest, RequirementView, SubMatterView, Verdict,
};
use certmesh_ledger::bodies::SealedBody;
use certmesh_ledger::log::Log;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::Entry;
use certmesh_text::faults;
use serde_json::{Value, json};

use super::{Bench, fill};
use crate::client::Client;
use crate::fill::{BATCH, Filler, Keeper, broken, place};
use crate::patience::{Deadline, interrupted};
use crate::sample::Sample;
use crate::stats::{Times, grouped, per_second, round};
use crate::testnet::Testnet;
use crate::{Error, departments};

const DEFAULT_RECORDS: u64 = 1_000_000;
/// How many times as long the long log is.
const TIMES: u64 = 100;
/// Certificates of each holder.
const HELD: u64 = 8;
/// Bytes that a certificate takes on disk, with what its index is merged into before the parts go: for the announcement.
const BYTES: u64 = 900;
/// Records after which files are seen to, as a node does each second.
const UPKEEP: u64 = 1 << 16;
/// Certificates that are asked for, spread over all of them.
const ASKED_FOR: u64 = 2_000;
/// Rounds that are counted; one more before them warms up caches.
const ROUNDS: u64 = 8;
/// Questions of a round: verdicts are the cheapest.
const VERDICTS: u64 = 500;
const OTHERS: u64 = 100;
/// Certificates issued in all rounds.
const ISSUED: u64 = (ROUNDS + 1) * OTHERS;
/// Code of the matter asked for.
const MATTER: &str = "BENCH";

/// What is measured, as it is named to people and to programs; and the figure.
const MEASURED: [(&str, &str); 5] = [
    ("verdict by identifier", "verdict"),
    ("certificates of a holder", "find"),
    ("case of two demands", "case"),
    ("certificate issued", "append"),
    ("look-up in the log, without the API", "look_up"),
];

pub(super) fn run(bench: &Bench) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    let few = records / TIMES;
    let room = available(bench.dir.path())?;
    let needed = needed(records, room)?;
    bench.screen.line(format!(
        "growth: at a log of {} certificates against one of {}; on disk {} of the {} that are free",
        grouped(records),
        grouped(few),
        gigabytes(needed),
        gigabytes(room)
    ));
    let mut short = Grown::fill(bench, "short", few)?;
    let filling = short.filled.mul_f64(records as f64 / few as f64);
    bench.screen.line(format!(
        "  filling the long log takes about {}",
        minutes(filling)
    ));
    let mut long = Grown::fill(bench, "long", records)?;
    for grown in [&mut short, &mut long] {
        grown.start()?;
    }
    let mut times: [[Times; 2]; MEASURED.len()] = Default::default();
    for turn in 0..=ROUNDS {
        for side in [turn % 2, (turn + 1) % 2] {
            let at = side as usize;
            let found = [&mut short, &mut long][at].ask()?;
            if turn > 0 {
                for (all, found) in times.iter_mut().zip(found) {
                    all[at].append(found);
                }
            }
        }
    }
    let sizes = [short.stop()?, long.stop()?];
    let logs = [short.log()?, long.log()?];
    for turn in 0..=ROUNDS {
        for (at, (grown, log)) in [&short, &long].into_iter().zip(&logs).enumerate() {
            let found = grown.look_up(log)?;
            if turn > 0 {
                times[MEASURED.len() - 1][at].append(found);
            }
        }
    }
    Ok(figures(bench, &short, &long, sizes, &times))
}

/// Bytes that a measurement of so many certificates takes, if there is room for it.
fn needed(records: u64, room: u64) -> Result<u64, Error> {
    let few = records / TIMES;
    if few < HELD {
        return Err(Error::TooFew {
            found: records,
            least: HELD * TIMES,
        });
    }
    match (records + few) * BYTES {
        needed if needed <= room => Ok(needed),
        needed => Err(Error::NoRoom {
            needed,
            room,
            fits: room / BYTES * TIMES / (TIMES + 1),
        }),
    }
}

/// Shows the figures, and gives them for programs.
fn figures(
    bench: &Bench,
    short: &Grown,
    long: &Grown,
    bytes: [u64; 2],
    times: &[[Times; 2]; MEASURED.len()],
) -> Value {
    let each = bytes[1] / long.records;
    let rate = per_second(long.records, long.filled);
    bench.row("written, with bodies", format!("{rate} / s"));
    bench.row("bytes of a certificate", grouped(each));
    let ready = [short, long].map(|grown| round(grown.ready.as_secs_f64(), 2));
    bench.row(
        "started to ready",
        format!("{} s → {} s", ready[0], ready[1]),
    );
    let mut document = json!({
        "records": long.records,
        "records_short": short.records,
        "page_cache": "warm",
        "filled": "written to the data directories of the stopped nodes, not issued over the API",
        "filled_per_second": rate,
        "bytes_per_record": each,
        "ready_seconds": ready[1],
        "ready_seconds_short": ready[0],
    });
    let mut most: f64 = 0.0;
    for ((what, name), [short, long]) in MEASURED.into_iter().zip(times) {
        let p50 = [short, long].map(Times::p50_ms);
        let seconds = [short, long].map(|times| times.percentile(50).as_secs_f64());
        let ratio = round(seconds[1] / seconds[0].max(1e-9), 2);
        most = most.max(ratio);
        bench.row(
            &format!("{what}, p50"),
            format!("{} ms → {} ms, × {ratio}", p50[0], p50[1]),
        );
        for (key, value) in [
            ("p50_ms", p50[1]),
            ("p50_ms_short", p50[0]),
            ("p99_ms", long.p99_ms()),
            ("p99_ms_short", short.p99_ms()),
            ("ratio", ratio),
        ] {
            document[format!("{name}_{key}")] = json!(value);
        }
    }
    bench.row("largest ratio (aim 1.3 or less)", most.to_string());
    document["ratio"] = json!(most);
    document
}

/// A department with so many certificates.
struct Grown {
    net: Testnet,
    records: u64,
    sample: Sample,
    /// What is issued while it is measured.
    more: Sample,
    issued: u64,
    /// How long it took to write its files, and to be ready over them.
    filled: Duration,
    ready: Duration,
}

impl Grown {
    /// Writes the files; no node runs over them.
    fn fill(bench: &Bench, dir: &str, records: u64) -> Result<Grown, Error> {
        let mut net = bench.network_in(dir, 1)?;
        // A first start makes the data directory.
        net.start(0, Deadline::seconds(60))?;
        net.stop(0)?;
        // Odd, so that everyone's certificates are of both types.
        let people = (records / HELD) | 1;
        let sample = Sample::new(0, "B")?.among(0..people);
        let begun = Instant::now();
        fill_log(bench, &net, &sample, records)?;
        // As if its node had written them.
        let mark = net.member(0).mark();
        mark.write_ran().map_err(Error::file(mark.path()))?;
        Ok(Grown {
            net,
            records,
            sample,
            // Others, so that those who are asked for hold no more in one round than in the one before.
            more: Sample::new(0, "C")?.among(people..people + ISSUED),
            issued: 0,
            filled: begun.elapsed(),
            ready: Duration::ZERO,
        })
    }

    /// Starts its node, which takes cases from then on.
    fn start(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let patience = Deadline::seconds(120 + self.records / 20_000);
        self.net.start(0, patience)?;
        self.net.wait_ready(patience)?;
        self.ready = begun.elapsed();
        let client = self.net.client(0)?;
        let requires = (0..departments::types(0).len()).map(|place| {
            Ok(RequirementView {
                types: vec![departments::type_code(0, place)?.to_string()],
                fields: Vec::new(),
            })
        });
        client.define_matter(&MatterRequest {
            code: MATTER.to_owned(),
            name: "measured".to_owned(),
            sub: vec![SubMatterView {
                code: "0".to_owned(),
                name: "measured".to_owned(),
                requires: requires.collect::<Result<_, Error>>()?,
            }],
        })?;
        Ok(())
    }

    /// One of the certificates that are asked for.
    fn number(&self, turn: u64) -> u64 {
        // A stride that meets all of them in no order a cache would like.
        let asked_for = ASKED_FOR.min(self.records);
        (turn * 7_919 % asked_for) * self.records / asked_for
    }

    /// Asks for everything that can be asked over the API, in the order of `MEASURED`.
    fn ask(&mut self) -> Result<[Times; MEASURED.len() - 1], Error> {
        let client = self.net.client(0)?;
        let verdicts = timed(VERDICTS, &|at| {
            let id = self.sample.id(self.number(at)).to_string();
            match client.verification(&id)?.verdict == Verdict::Valid {
                true => Ok(()),
                false => Err(Error::Broken(format!("{id} is in force and not valid"))),
            }
        })?;
        let finds = timed(OTHERS, &|at| self.find(&client, self.number(at)))?;
        let cases = timed(OTHERS, &|at| {
            let accepted = client.accept(&AcceptRequest {
                matter: MATTER.to_owned(),
                subject: self.holder(self.number(at))?,
                on: None,
                collect: None,
            })?;
            match accepted.held {
                2 => Ok(()),
                held => Err(Error::Broken(format!("{held} of two demands are held"))),
            }
        })?;
        let lines: Vec<Vec<u8>> = (0..OTHERS)
            .map(|at| self.more.line(self.issued + at))
            .collect();
        self.issued += OTHERS;
        let appends = timed(OTHERS, &|at| {
            client.issue_line(&lines[at as usize])?;
            Ok(())
        })?;
        Ok([verdicts, finds, cases, appends])
    }

    fn holder(&self, number: u64) -> Result<Holder, Error> {
        let holder = self.sample.row(number).holder;
        holder.ok_or_else(|| Error::Broken("a made-up row has no holder".to_owned()))
    }

    fn find(&self, client: &Client, number: u64) -> Result<(), Error> {
        let found = client.find(&FindRequest {
            holder: Some(self.holder(number)?),
            purpose: Some("a benchmark".to_owned()),
            ..FindRequest::default()
        })?;
        let id = self.sample.id(number).to_string();
        match found.certificates.iter().any(|found| found.id == id) {
            true => Ok(()),
            false => Err(Error::Broken(format!("{id} is not found by its holder"))),
        }
    }

    /// Stops its node; gives the bytes of its data.
    fn stop(&mut self) -> Result<u64, Error> {
        self.net.stop_all()?;
        bytes_in(&self.net.member(0).data())
    }

    fn log(&self) -> Result<Log, Error> {
        open(&self.net)
    }

    /// Looks certificates up in the log itself.
    fn look_up(&self, log: &Log) -> Result<Times, Error> {
        timed(VERDICTS, &|at| {
            let id = self.sample.id(self.number(at));
            let found = log.issue_of(&id).map_err(|error| broken(&error))?;
            log.status(&id).map_err(|error| broken(&error))?;
            match found {
                Some(_) => Ok(()),
                None => Err(Error::Broken(format!("{id} is not in the log"))),
            }
        })
    }
}

/// Does something for so many turns, the same in each round.
fn timed(turns: u64, what: &dyn Fn(u64) -> Result<(), Error>) -> Result<Times, Error> {
    let mut times = Times::default();
    for turn in 0..turns {
        let begun = Instant::now();
        what(turn)?;
        times.add(begun.elapsed());
    }
    match interrupted() {
        true => Err(Error::Interrupted),
        false => Ok(times),
    }
}

/// The own log of a network's one department.
fn open(net: &Testnet) -> Result<Log, Error> {
    let (genesis, member) = (net.network().genesis(), net.member(0));
    let name = LogName {
        network: genesis.network_id(),
        id: LogId::first(member.code()),
    };
    let opened = Log::open(&place(member)?, name, &Membership::from_genesis(genesis));
    Ok(opened.map_err(|error| broken(&error))?.0)
}

/// Writes certificates and their bodies, and sees to the files meanwhile, as a node does.
fn fill_log(bench: &Bench, net: &Testnet, sample: &Sample, records: u64) -> Result<(), Error> {
    let member = net.member(0);
    let log = Arc::new(open(net)?);
    let keeper = Keeper::new(member)?;
    let bodies = keeper.bodies(&log, member)?;
    let mut filler = Filler::new(Arc::clone(&log), member)?;
    filler.append(fill::types(member.index)?)?;
    let mut definitions = BTreeMap::new();
    for place in 0..departments::types(member.index).len() {
        let code = departments::type_code(member.index, place)?;
        definitions.insert(code, filler.own_definition(&code)?);
    }
    let make = |number| -> Result<(Entry, SealedBody), Error> {
        let draft = Draft::check(sample.row(number), &member.code());
        let draft = draft.map_err(|list| Error::Broken(faults(&list)))?;
        keeper.issue(&draft, &definitions[&draft.id.type_code()])
    };
    let bar = bench.screen.progress(records, "filling the log");
    // Made by one thread while another writes what it made before.
    let (send, made) = sync_channel(2);
    thread::scope(|scope| {
        scope.spawn(move || {
            for first in (0..records).step_by(BATCH) {
                let numbers = first..records.min(first + BATCH as u64);
                let batch: Result<(Vec<Entry>, Vec<SealedBody>), Error> =
                    numbers.map(make).collect();
                // Nobody takes it when writing failed.
                if send.send(batch).is_err() {
                    return;
                }
            }
        });
        let mut seen_to = log.size();
        for batch in made {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let (entries, sealed) = batch?;
            let count = entries.len() as u64;
            filler.append_kept(entries, &bodies, sealed)?;
            bar.inc(count);
            if log.size() - seen_to >= UPKEEP {
                log.maintain().map_err(|error| broken(&error))?;
                seen_to = log.size();
            }
        }
        Ok(())
    })?;
    log.maintain().map_err(|error| broken(&error))?;
    log.save_snapshot().map_err(|error| broken(&error))?;
    bar.finish_and_clear();
    Ok(())
}

/// What may still be written to a directory's file system, in bytes.
fn available(dir: &Path) -> Result<u64, Error> {
    let found = rustix::fs::statvfs(dir).map_err(|error| Error::file(dir)(error.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes of all files below a directory.
fn bytes_in(dir: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).map_err(Error::file(dir))? {
        let path = entry.map_err(Error::file(dir))?.path();
        let found = std::fs::symlink_metadata(&path).map_err(Error::file(&path))?;
        bytes += match found.is_dir() {
            true => bytes_in(&path)?,
            false => found.len(),
        };
    }
    Ok(bytes)
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{} s", seconds + 1),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_the_disk_is_refused_with_what_does() {
        for room in [1_000_000_u64, 33_000_000_000, 1_000_000_000_000] {
            let most = match needed(1 << 40, room) {
                Err(Error::NoRoom { fits, .. }) => fits,
                other => panic!("{other:?}"),
            };
            assert!(needed(most, room).is_ok_and(|needed| needed <= room));
            assert!(needed(most + most / 50 + 2, room).is_err());
        }
    }

    #[test]
    fn a_log_whose_hundredth_is_no_log_is_refused() {
        assert!(matches!(
            needed(799, u64::MAX),
            Err(Error::TooFew { found: 799, least }) if needed(least, u64::MAX).is_ok()
        ));
    }
}
