//! Killing the issuer while it issues.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use certmesh_api::Appended;
use serde_json::json;

use super::Details;
use super::stage::{Stage, details};
use crate::Error;
use crate::client::{Client, ClientError};
use crate::sample::Sample;
use crate::screen::spoken;
use crate::stats::{grouped, ms};

/// Streams of rows at the same time.
const STREAMS: u64 = 2;
/// Rows of one request, so that there are acknowledged ones and unanswered ones when the end comes.
const REQUEST_ROWS: u64 = 4_000;

/// Kills the first department's peer in the middle of a bulk issue, restarts it and looks for every acknowledged row.
pub(super) fn crash(stage: &mut Stage) -> Result<Details, Error> {
    let enough = (stage.records / 4).clamp(500, 20_000) as usize;
    let acknowledged = issue_until_killed(stage, enough)?;
    stage.say(format!(
        "{} is killed (SIGKILL) after {} acknowledged certificates, more on their way",
        stage.name(0),
        grouped(acknowledged.len() as u64)
    ));
    let begun = Instant::now();
    stage.net.start(0, stage.deadline)?;
    stage.net.wait_ready(stage.deadline)?;
    let back = begun.elapsed();
    let client = stage.net.client(0)?;
    for appended in &acknowledged {
        let found = client.certificate(&appended.id)?;
        if (found.position.seq, &found.position.record)
            != (appended.position.seq, &appended.position.record)
        {
            return Err(Error::Broken(format!(
                "{} was acknowledged as another record than is there",
                appended.id
            )));
        }
    }
    stage.say(format!(
        "restarted, ready after {}: every acknowledged certificate is there, at its position",
        spoken(back)
    ));
    let last = acknowledged
        .iter()
        .map(|appended| appended.position.seq)
        .max()
        .unwrap_or_default();
    let unanswered = client
        .log(stage.net.member(0).code().as_str())?
        .size
        .saturating_sub(last + 1);
    let records = stage.wait_converged()?;
    stage.say(format!(
        "all peers hold the same {} records; no log has forked",
        grouped(records)
    ));
    Ok(details(json!({
        "acknowledged": acknowledged.len(),
        "found": acknowledged.len(),
        "issued_without_answer": unanswered,
        "ready_after_ms": ms(back),
        "records": records,
    })))
}

/// Issues without end until `enough` rows are acknowledged, then kills the peer. Gives what was acknowledged.
fn issue_until_killed(stage: &mut Stage, enough: usize) -> Result<Vec<Appended>, Error> {
    let client = stage.net.client(0)?;
    let samples: Result<Vec<Sample>, Error> = (0..STREAMS)
        .map(|stream| stage.sample(0, &format!("D9{stream}")))
        .collect();
    let acknowledged = Mutex::new(Vec::new());
    let count = || {
        acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    };
    let (waited, ends) = thread::scope(|scope| {
        let streams: Vec<_> = samples
            .iter()
            .flatten()
            .map(|sample| scope.spawn(|| stream(&client, sample, &acknowledged)))
            .collect();
        let deadline = stage.deadline;
        let waited =
            deadline.wait(
                || format!("{enough} rows to be acknowledged; {} are", count()),
                || {
                    Ok((count() >= enough
                        || streams.iter().any(thread::ScopedJoinHandle::is_finished))
                    .then_some(()))
                },
            );
        stage.net.kill(0);
        let ends: Vec<_> = streams
            .into_iter()
            .map(|stream| stream.join().expect("issuing threads do not panic"))
            .collect();
        (waited, ends)
    });
    samples?;
    waited?;
    for end in ends {
        // Only the crash may end a stream.
        if !end.is_broken_connection() {
            return Err(end.into());
        }
    }
    let acknowledged = acknowledged
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if acknowledged.len() < enough {
        return Err(Error::Broken(format!(
            "bulk issue ended by itself after {} rows",
            acknowledged.len()
        )));
    }
    Ok(acknowledged)
}

/// Sends requests of some rows each until one fails; returns that failure.
fn stream(client: &Client, sample: &Sample, acknowledged: &Mutex<Vec<Appended>>) -> ClientError {
    let mut first = 0;
    loop {
        let rows = (first..first + REQUEST_ROWS).map(|number| sample.line(number));
        let outcome = client.issue_many(rows, &mut |row| {
            let mut acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
            acknowledged.extend(row.appended);
        });
        if let Err(error) = outcome {
            return error;
        }
        first += REQUEST_ROWS;
    }
}
