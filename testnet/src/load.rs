//! `load`: a steady stream of certificates into a running network.
//!
//! The rate is kept whatever the answers take (an open loop): the time of a request counts from when it was due, so a
//! node that falls behind shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::Verdict;
use clap::Args;
use serde_json::json;

use crate::client::{Client, ClientError};
use crate::network::now_ms;
use crate::record::{Record, RecordedDepartment};
use crate::sample::Sample;
use crate::screen::Screen;
use crate::stats::{Times, grouped, per_second};
use crate::testnet::define_types;
use crate::{Error, departments};

/// Requests under way at a time, at most.
const WORKERS: usize = 64;
/// One certificate in this many is verified at another department.
const VERIFIED: u64 = 10;
/// Certificates waiting to be verified, at most; beyond that they are not.
const WAITING: usize = 1_000;
/// Time a certificate has to be seen elsewhere.
const VISIBLE: Duration = Duration::from_secs(30);

/// Issue certificates at a steady rate into a running network, and verify some of them elsewhere
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Directory of the network
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Certificates a second, all departments together
    #[arg(long, value_name = "R", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub rate: u64,
    /// For this long
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Issue at this department only
    #[arg(long, value_name = "CODE")]
    pub department: Option<String>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// A department that issues, or verifies.
struct Desk {
    client: Client,
    sample: Sample,
}

#[derive(Default)]
struct Tally {
    issued: u64,
    verified: u64,
    issue: Times,
    visible: Times,
    errors: BTreeMap<String, u64>,
}

impl Tally {
    fn error(&mut self, error: &ClientError) {
        let name = error.problem().unwrap_or("no answer").to_owned();
        *self.errors.entry(name).or_default() += 1;
    }
}

/// Runs the load.
///
/// # Errors
/// [`Error::NotRunning`], [`Error::NoDepartment`], [`Error::Silent`], or when types cannot be defined. Refused certificates are counted,
/// not errors.
pub fn load(args: &LoadArgs) -> Result<(), Error> {
    let screen = Screen::new(args.json);
    let record = Record::read(&args.dir)?.ok_or_else(|| Error::NotRunning(args.dir.clone()))?;
    let desks = desks(&record)?;
    let issuing: Vec<usize> = match &args.department {
        None => (0..desks.len()).collect(),
        Some(code) => {
            let place = record
                .departments
                .iter()
                .position(|department| department.code == *code);
            vec![place.ok_or_else(|| Error::NoDepartment(code.clone()))?]
        }
    };
    for (index, desk) in desks.iter().enumerate() {
        let department = &record.departments[index];
        let silent = || Error::Silent {
            department: department.name_zh.clone(),
            api: department.api.clone(),
            dir: args.dir.clone(),
        };
        if !issuing.contains(&index) {
            if desk.client.status().is_err() {
                screen.line(format!("note: {}", silent()));
            }
            continue;
        }
        define_types(&desk.client, index).map_err(|error| match error {
            Error::Client(error) if error.is_broken_connection() => silent(),
            error => error,
        })?;
    }
    let what = if issuing.len() == 1 {
        "one department"
    } else {
        "all departments"
    };
    screen.line(format!(
        "{} certificates a second at {what} for {} s …",
        grouped(args.rate),
        args.seconds
    ));
    let (tally, took) = run(args, &desks, &issuing, screen);
    report(args, &tally, took, screen);
    Ok(())
}

fn desks(record: &Record) -> Result<Vec<Desk>, Error> {
    // Serials of two runs never meet: each run has its moment in them.
    let run = format!("L{}", base36(now_ms()));
    let desk = |(index, department): (usize, &RecordedDepartment)| {
        let client = Client::with_token_file(&department.api, &department.token_file)?;
        if departments::code(index)?.as_str() != department.code {
            return Err(Error::NoDepartment(department.code.clone()));
        }
        Ok(Desk {
            client,
            sample: Sample::new(index, &run)?,
        })
    };
    record.departments.iter().enumerate().map(desk).collect()
}

/// What issuing and verifying threads share.
struct Run<'a> {
    desks: &'a [Desk],
    issuing: &'a [usize],
    rate: u64,
    total: u64,
    start: Instant,
    next: AtomicU64,
    tally: Mutex<Tally>,
}

/// A certificate to be verified elsewhere: its identifier, its issuer's place, when it was acknowledged.
type ToVerify = (String, usize, Instant);

fn run(args: &LoadArgs, desks: &[Desk], issuing: &[usize], screen: Screen) -> (Tally, Duration) {
    let total = args.rate * args.seconds;
    let run = Run {
        desks,
        issuing,
        rate: args.rate,
        total,
        start: Instant::now(),
        next: AtomicU64::new(0),
        tally: Mutex::new(Tally::default()),
    };
    let (sender, receiver) = sync_channel(WAITING);
    let receiver = Mutex::new(receiver);
    let bar = screen.progress(total, "issuing");
    let took = thread::scope(|scope| {
        let verifiers = if desks.len() > 1 { 4 } else { 0 };
        for _ in 0..verifiers {
            scope.spawn(|| run.verify(&receiver));
        }
        let issuers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let sender = sender.clone();
                scope.spawn(|| run.issue(sender, &bar))
            })
            .collect();
        for issuer in issuers {
            issuer.join().expect("issuing threads do not panic");
        }
        drop(sender);
        run.start.elapsed()
    });
    bar.finish_and_clear();
    (
        run.tally
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        took,
    )
}

impl Run<'_> {
    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "verifying ends when the last sender is dropped"
    )]
    fn issue(&self, verify: SyncSender<ToVerify>, bar: &indicatif::ProgressBar) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.total {
                return;
            }
            let due = self.start + Duration::from_secs_f64(number as f64 / self.rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let place = self.issuing[number as usize % self.issuing.len()];
            let desk = &self.desks[place];
            let answer = desk.client.issue(&desk.sample.row(number));
            let now = Instant::now();
            bar.inc(1);
            match answer {
                Ok(appended) => {
                    let mut tally = self.tally();
                    tally.issued += 1;
                    tally.issue.add(now - due);
                    drop(tally);
                    if number.is_multiple_of(VERIFIED) {
                        match verify.try_send((appended.id, place, now)) {
                            // Verifying is behind: this one is let go.
                            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                            }
                        }
                    }
                }
                Err(error) => self.tally().error(&error),
            }
        }
    }

    fn verify(&self, certificates: &Mutex<Receiver<ToVerify>>) {
        loop {
            let next = certificates
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv();
            let Ok((id, issuer, acknowledged)) = next else {
                return;
            };
            let elsewhere = &self.desks[(issuer + 1) % self.desks.len()].client;
            match visible(elsewhere, &id, acknowledged) {
                Ok(true) => {
                    let mut tally = self.tally();
                    tally.verified += 1;
                    tally.visible.add(acknowledged.elapsed());
                }
                Ok(false) => {
                    *self
                        .tally()
                        .errors
                        .entry("not seen elsewhere".to_owned())
                        .or_default() += 1;
                }
                Err(error) => self.tally().error(&error),
            }
        }
    }
}

fn visible(elsewhere: &Client, id: &str, acknowledged: Instant) -> Result<bool, ClientError> {
    loop {
        if elsewhere.verification(id)?.verdict == Verdict::Valid {
            return Ok(true);
        }
        if acknowledged.elapsed() > VISIBLE {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn report(args: &LoadArgs, tally: &Tally, took: Duration, screen: Screen) {
    let errors: u64 = tally.errors.values().sum();
    screen.line(format!(
        "issued     {}, {} a second; time to the answer p50 {} ms, p99 {} ms",
        grouped(tally.issued),
        per_second(tally.issued, took),
        tally.issue.p50_ms(),
        tally.issue.p99_ms()
    ));
    screen.line(format!(
        "verified   {} at another department; valid there after p50 {} ms, p99 {} ms",
        grouped(tally.verified),
        tally.visible.p50_ms(),
        tally.visible.p99_ms()
    ));
    screen.line(format!("errors     {}", grouped(errors)));
    for (name, count) in &tally.errors {
        screen.line(format!("           {count} × {name}"));
    }
    screen.document(&json!({
        "rate": args.rate,
        "seconds": took.as_secs_f64(),
        "issued": tally.issued,
        "issued_per_second": per_second(tally.issued, took),
        "issue_p50_ms": tally.issue.p50_ms(),
        "issue_p99_ms": tally.issue.p99_ms(),
        "verified": tally.verified,
        "visible_p50_ms": tally.visible.p50_ms(),
        "visible_p99_ms": tally.visible.p99_ms(),
        "errors": errors,
        "errors_by_kind": tally.errors,
    }));
}

/// A number in `0-9 A-Z`.
pub(crate) fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(
            char::from_digit((number % 36) as u32, 36)
                .unwrap_or('0')
                .to_ascii_uppercase(),
        );
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_base_36_are_what_the_standard_library_reads() {
        for number in [0, 35, 36, 1_790_000_000_000, u64::MAX] {
            assert_eq!(u64::from_str_radix(&base36(number), 36), Ok(number));
        }
    }
}
