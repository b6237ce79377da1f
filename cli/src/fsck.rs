//! `certmesh fsck`: every byte of every log in a data directory, verified again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use certmesh_ledger::log::{Fault, FsckReport, LogReport, Place, SEGMENT_RECORDS, fsck};
use certmesh_ledger::membership::{Department, Membership};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::names::named;
use crate::network::read_genesis;
use crate::read_only_disk::ReadOnlyDisk;
use crate::screen::{Screen, Tone, cell, grouped, number, printable, toned};
use crate::{Error, Outcome};

/// Verify every byte of every log in a data directory again, without a node
///
/// Checks every record, hash, signature and checkpoint against the members' keys, and every file that is derived from
/// them. Nothing is changed. Each fault is told with its department, its record and the rule that does not hold. A
/// damaged copy of another department's log is fetched again from the other members when the node starts.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Fsck {
    /// Data directory of a node
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Genesis file of the network [default: network.toml in the data directory or beside it]
    #[arg(long, value_name = "GENESIS")]
    network: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  certmesh fsck --data transport/data
  certmesh fsck --data transport/data --network network.toml --json

Exit code: 0 if everything holds, 1 if faults were found, 2 if the directory could not be read.";

pub(crate) fn run(args: &Fsck, screen: &mut Screen) -> Result<Outcome, Error> {
    std::fs::read_dir(&args.data).map_err(|error| Error::read(&args.data, error))?;
    if !args.data.join("logs").is_dir() && !args.data.join("heads").is_dir() {
        return Err(Error::NoDataDirectory(args.data.clone()));
    }
    let genesis = read_genesis(&find_genesis(args)?)?;
    let members = Membership::from_genesis(&genesis);
    let _lock = keep_still(&args.data, screen);
    let place = Place {
        disk: Arc::new(ReadOnlyDisk),
        data: args.data.clone(),
        segment_records: SEGMENT_RECORDS,
    };
    let bar = spinner(screen);
    let report = fsck(&place, &members, |records| {
        bar.set_message(grouped(records));
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| Error::read(&args.data, error))?;
    if screen.json() {
        screen.print_json(&as_json(&report, &members))?;
    } else {
        tell(&report, &members, screen)?;
    }
    Ok(if report.faults().next().is_none() {
        Outcome::Yes
    } else {
        Outcome::No
    })
}

fn find_genesis(args: &Fsck) -> Result<PathBuf, Error> {
    if let Some(path) = &args.network {
        return Ok(path.clone());
    }
    let inside = args.data.join("network.toml");
    let beside = args.data.join("..").join("network.toml");
    [inside, beside]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Error::NoGenesis(args.data.clone()))
}

/// Keeps a node from starting on the directory meanwhile. One that runs already does no harm: logs only grow, and what
/// is checked is what the heads vouch for at the beginning.
fn keep_still(data: &Path, screen: &mut Screen) -> Option<File> {
    let lock = File::open(data.join("LOCK")).ok()?;
    if lock.try_lock_shared().is_err() {
        screen.note(
            "note: a node is using this directory; what it writes meanwhile is not looked at",
        );
    }
    Some(lock)
}

fn spinner(screen: &Screen) -> ProgressBar {
    let target = if screen.shows_progress() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    // The template is a constant; should it ever be refused, the plain spinner serves.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} records checked, {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn name_of<'m>(log: &LogReport, members: &'m Membership) -> Option<&'m str> {
    members
        .member(&log.log.department)
        .map(Department::display_name)
}

fn as_json(report: &FsckReport, members: &Membership) -> serde_json::Value {
    let fault = |fault: &Fault| {
        serde_json::json!({
            "department": fault.log.department,
            "generation": fault.log.generation,
            "record": fault.record,
            "file": fault.file,
            "rule": fault.rule,
            "derived": fault.derived,
        })
    };
    let log = |log: &LogReport| {
        serde_json::json!({
            "department": log.log.department,
            "name": name_of(log, members),
            "generation": log.log.generation,
            "records": log.records,
            "checkpoint": log.checkpoint,
            "faults": log.faults.iter().map(fault).collect::<Vec<_>>(),
        })
    };
    serde_json::json!({
        "ok": report.faults().next().is_none(),
        "network": members.network().to_string(),
        "records": report.logs.iter().map(|log| log.records).sum::<u64>(),
        "logs": report.logs.iter().map(log).collect::<Vec<_>>(),
    })
}

fn tell(report: &FsckReport, members: &Membership, screen: &mut Screen) -> Result<(), Error> {
    let records = grouped(report.logs.iter().map(|log| log.records).sum());
    let logs = report.logs.len();
    let faults = report.faults().count();
    if faults == 0 {
        let whole = screen.paint(Tone::Good, "WHOLE");
        screen.line(format!(
            "{whole}  every byte of {records} records in {logs} logs is as it was signed"
        ))?;
    } else {
        let found = screen.paint(Tone::Bad, "FAULTS FOUND");
        screen.line(format!(
            "{found}  {} in {logs} logs of {records} readable records",
            grouped(faults as u64)
        ))?;
    }
    for log in report.logs.iter().filter(|log| !log.faults.is_empty()) {
        let department = named(&log.log.to_string(), name_of(log, members));
        for fault in &log.faults {
            let record = fault
                .record
                .map(|record| format!("record {}: ", grouped(record)))
                .unwrap_or_default();
            let mends = if fault.derived {
                " (made anew from the records at the node's next start)"
            } else {
                ""
            };
            screen.line(format!(
                "- {department}, {record}{}{mends}",
                printable(&fault.rule)
            ))?;
            screen.line(format!("  in {}", printable(&fault.file)))?;
        }
    }
    if logs == 0 {
        return Ok(());
    }
    screen.line("")?;
    let rows = report
        .logs
        .iter()
        .map(|log| {
            let faults = log.faults.len().to_string();
            vec![
                cell(log.log.to_string()),
                cell(name_of(log, members).unwrap_or("not a member")),
                number(log.records),
                log.checkpoint.map_or_else(|| cell("none"), number),
                toned(
                    if log.faults.is_empty() {
                        Tone::Good
                    } else {
                        Tone::Bad
                    },
                    faults,
                ),
            ]
        })
        .collect();
    screen.table(
        &["LOG", "NAME", "RECORDS", "CHECKPOINT", "FAULTS"],
        &[0, 2, 3, 4],
        rows,
    )
}
