//! Issuing in bulk, and how long the certificates take to every peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Details;
use super::stage::{Stage, details};
use crate::Error;
use crate::client::{Client, ClientError};
use crate::network::now_ms;
use crate::patience::{Deadline, interrupted};
use crate::screen::spoken;
use crate::stats::{Times, grouped, ms, per_second};

/// How often a peer is asked how far its copy is.
const LOOK: Duration = Duration::from_millis(10);
/// The other departments issue one certificate for this many of the first.
const OTHERS_SHARE: u64 = 20;
/// Refused rows that are shown one by one.
const TOLD: usize = 5;

/// A moment, in ms since 1970 UTC, and a number of records: made by then, or seen in a copy.
type Sighting = (u64, u64);

type Watcher = JoinHandle<Result<Vec<Sighting>, Error>>;

/// Replication of the first department's log, watched from the first certificate on.
pub(super) struct Replication {
    /// Records the log has in the end; `u64::MAX` while it grows.
    target: Arc<AtomicU64>,
    watchers: Vec<(usize, Watcher)>,
    /// When the record of each certificate was made, and its position.
    made: Vec<Sighting>,
}

impl Replication {
    fn watch(stage: &Stage, deadline: Deadline) -> Result<Replication, Error> {
        let target = Arc::new(AtomicU64::new(u64::MAX));
        let log = stage.net.member(0).code().to_string();
        let watch = |(index, client): (usize, Client)| {
            let (target, log) = (Arc::clone(&target), log.clone());
            (
                index,
                thread::spawn(move || follow(&client, &log, &target, deadline)),
            )
        };
        let watchers = stage
            .net
            .clients()?
            .into_iter()
            .filter(|(index, _)| *index != 0)
            .map(watch)
            .collect();
        Ok(Replication {
            target,
            watchers,
            made: Vec::new(),
        })
    }
}

/// Notes how a copy grows until it has all records.
fn follow(
    client: &Client,
    log: &str,
    target: &AtomicU64,
    deadline: Deadline,
) -> Result<Vec<Sighting>, Error> {
    let mut seen: Vec<Sighting> = Vec::new();
    loop {
        let size = client.log(log)?.size;
        if seen.last().is_none_or(|(_, before)| *before < size) {
            seen.push((now_ms(), size));
        }
        if size >= target.load(Ordering::Acquire) {
            return Ok(seen);
        }
        deadline.check(|| format!("a copy of the log to be whole; it has {size} records"))?;
        thread::sleep(LOOK);
    }
}

/// The first department issues many, the others some, all at the same time.
pub(super) fn issue(stage: &mut Stage) -> Result<Details, Error> {
    // The watching belongs to the next step, which has its own time.
    let mut replication = Replication::watch(stage, Deadline::after(stage.deadline.left() * 2))?;
    let rows: Box<dyn Iterator<Item = Vec<u8>> + Send> = match stage.input.take() {
        Some(lines) => Box::new(lines.into_iter()),
        None => {
            let sample = stage.sample(0, "D1")?;
            Box::new((0..stage.records).map(move |number| sample.line(number)))
        }
    };
    let others: Vec<(usize, Client)> = stage
        .net
        .clients()?
        .into_iter()
        .filter(|(index, _)| *index != 0)
        .collect();
    let share = (stage.records / OTHERS_SHARE).max(10);
    let client = stage.net.client(0)?;
    let (first, rest) = thread::scope(|scope| {
        let this = &*stage;
        let issue_some = |index: usize| this.issue(index, "D1", share).map(|ids| (index, ids));
        let threads: Vec<_> = others
            .iter()
            .map(|(index, _)| scope.spawn(move || issue_some(*index)))
            .collect();
        let first = bulk(&client, rows, stage, &mut replication.made);
        let rest: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().expect("issuing threads do not panic"))
            .collect();
        (first, rest)
    });
    let Bulk { ids, refused, took } = first?;
    stage
        .deadline
        .check(|| "certificates to be issued".to_owned())?;
    replication.target.store(
        client.log(stage.net.member(0).code().as_str())?.size,
        Ordering::Release,
    );
    stage.replication = Some(replication);
    let (count, issuer) = (ids.len() as u64, stage.name(0));
    if count == 0 {
        let code = stage.net.member(0).code();
        return Err(Error::Broken(format!(
            "no row could be issued; their identifiers have to name {code}"
        )));
    }
    let rate = per_second(count, took);
    stage.say(format!(
        "{issuer} issued {} certificates in {}: {rate} a second, each signed and on disk",
        grouped(count),
        spoken(took)
    ));
    stage.issued.extend(ids.into_iter().map(|id| (0, id)));
    let mut by_others = 0;
    for issued in rest {
        let (index, ids) = issued?;
        by_others += ids.len() as u64;
        stage.issued.extend(ids.into_iter().map(|id| (index, id)));
    }
    stage.say(format!(
        "meanwhile the {} others issued {}",
        others.len(),
        grouped(by_others)
    ));
    Ok(details(json!({
        "issued": count,
        "refused": refused,
        "issued_by_others": by_others,
        "per_second": rate,
    })))
}

struct Bulk {
    ids: Vec<String>,
    refused: u64,
    took: Duration,
}

fn bulk(
    client: &Client,
    rows: impl Iterator<Item = Vec<u8>>,
    stage: &Stage,
    made: &mut Vec<Sighting>,
) -> Result<Bulk, ClientError> {
    let bar = stage.screen.progress(rows.size_hint().0 as u64, "issuing");
    let rows = rows.take_while(|_| !interrupted());
    let (mut ids, mut refused) = (Vec::new(), 0);
    let start = Instant::now();
    client.issue_many(rows, &mut |row| {
        bar.inc(1);
        match (row.appended, row.error) {
            (Some(appended), _) => {
                made.push((appended.position.time_ms, appended.position.seq));
                ids.push(appended.id);
            }
            (None, error) => {
                refused += 1;
                if refused as usize <= TOLD {
                    let why = error
                        .map_or_else(|| "no reason given".to_owned(), |problem| problem.detail);
                    bar.suspend(|| stage.say(format!("row {} was refused: {why}", row.row)));
                }
            }
        }
    })?;
    let took = start.elapsed();
    bar.finish_and_clear();
    if refused as usize > TOLD {
        stage.say(format!("{refused} rows were refused in all"));
    }
    Ok(Bulk { ids, refused, took })
}

/// Waits until every peer holds everything, and shows how long each certificate took.
pub(super) fn replicate(stage: &mut Stage) -> Result<Details, Error> {
    let Some(replication) = stage.replication.take() else {
        return Err(Error::Broken(
            "nothing was issued that could be replicated".to_owned(),
        ));
    };
    let mut times = vec![Duration::ZERO; replication.made.len()];
    for (index, watcher) in replication.watchers {
        let seen = watcher.join().expect("watching threads do not panic")?;
        let own = arrivals(&replication.made, &seen);
        stage.say(format!(
            "{} had the last one {} after its record was made",
            stage.name(index),
            spoken(own.last().copied().unwrap_or_default())
        ));
        for (slowest, time) in times.iter_mut().zip(own) {
            *slowest = time.max(*slowest);
        }
    }
    let times: Times = times.into_iter().collect();
    let records = stage.wait_converged()?;
    stage.say(format!(
        "from the making of a record until every peer has it: p50 {}, p99 {}; all hold the same {} records",
        spoken(times.percentile(50)),
        spoken(times.percentile(99)),
        grouped(records)
    ));
    Ok(details(json!({
        "certificates": times.len(),
        "p50_ms": times.p50_ms(),
        "p99_ms": times.p99_ms(),
        "max_ms": ms(times.percentile(100)),
        "records": records,
    })))
}

/// For each record, the time from when it was made until a copy was seen to have it.
fn arrivals(made: &[Sighting], seen: &[Sighting]) -> Vec<Duration> {
    let arrival = |(at_ms, seq): &Sighting| {
        let first = seen.partition_point(|(_, size)| size <= seq);
        let later_ms = seen
            .get(first)
            .map_or(0, |(moment_ms, _)| moment_ms.saturating_sub(*at_ms));
        Duration::from_millis(later_ms)
    };
    made.iter().map(arrival).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_arrived_when_the_copy_is_longer_than_its_position() {
        let seen = [(100, 1), (110, 3), (130, 4)];
        let made = [(102, 1), (104, 2), (105, 3), (140, 3)];
        let times: Vec<u128> = arrivals(&made, &seen)
            .iter()
            .map(Duration::as_millis)
            .collect();
        assert_eq!(times, [8, 6, 25, 0]);
    }
}
