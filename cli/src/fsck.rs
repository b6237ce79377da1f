//! `certmesh fsck`: every byte of every log in a data directory, verified again.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use certmesh_ledger::keys::IndexKey;
use certmesh_ledger::log::{
    Fault, ForkEvidence, FsckReport, LogReport, MAX_EVIDENCE, Place, SEGMENT_RECORDS, fsck,
};
use certmesh_ledger::membership::{Department, Membership};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::names::named;
use crate::network::read_genesis;
use crate::read_only_disk::ReadOnlyDisk;
use crate::screen::{Screen, Tone, cell, counted, grouped, number, printable, toned};
use crate::{Error, Outcome};

/// Verify every byte of every log in a data directory again, without a node
///
/// Checks every record, hash, signature and checkpoint against the members' keys, and every file that is derived from
/// them. Nothing is changed. Each fault is told with its department, its record and the rule that does not hold. A
/// damaged copy of a log is set aside and fetched again from the other members when the node starts. Evidence that a
/// department signed two histories is told as well: such a log is frozen until the members decide.
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

Exit code: 0 if everything holds, 1 if faults or a fork were found, 2 if the directory could not be read.";

pub(crate) fn run(args: &Fsck, screen: &mut Screen) -> Result<Outcome, Error> {
    std::fs::read_dir(&args.data).map_err(|error| Error::read(&args.data, error))?;
    if !args.data.join("logs").is_dir() && !args.data.join("heads").is_dir() {
        return Err(Error::NoDataDirectory(args.data.clone()));
    }
    let genesis = read_genesis(&find_genesis(args)?)?;
    let members = Membership::from_genesis(&genesis);
    must_be_of(&args.data, &members)?;
    let _lock = keep_still(&args.data, screen);
    let place = Place {
        disk: Arc::new(ReadOnlyDisk),
        data: args.data.clone(),
        segment_records: SEGMENT_RECORDS,
        // Each index names the key it was made under, and is checked by that.
        index_key: IndexKey::from_transport_seed(&[0; 32]),
    };
    let bar = spinner(screen);
    let report = fsck(&place, &members, |records| {
        bar.set_message(grouped(records));
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| Error::read(&args.data, error))?;
    let forks = forks(&args.data, &members)?;
    if screen.json() {
        screen.print_json(&as_json(&report, &forks, &members))?;
    } else {
        tell(&report, &forks, &members, screen)?;
    }
    Ok(if report.faults().next().is_none() && forks.is_empty() {
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

/// A node that ran on the directory left the genesis in it: by another network's keys every record would be at fault.
fn must_be_of(data: &Path, members: &Membership) -> Result<(), Error> {
    let path = data.join("network.toml");
    if !path.is_file() {
        return Ok(());
    }
    let (found, given) = (read_genesis(&path)?.network_id(), members.network());
    if found == given {
        return Ok(());
    }
    Err(Error::OtherNetwork {
        found: found.to_string(),
        given: given.to_string(),
    })
}

/// A file under evidence/.
struct Fork {
    file: String,
    /// What it proves, or why it proves nothing.
    evidence: Result<ForkEvidence, String>,
}

/// The evidence of forks that a node keeps: a fork is no damage, and every byte of the log may be whole.
fn forks(data: &Path, members: &Membership) -> Result<Vec<Fork>, Error> {
    let dir = data.join("evidence");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::read(&dir, error)),
    };
    let mut forks = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::read(&dir, error))?.path();
        if path.extension().is_none_or(|extension| extension != "fork") {
            continue;
        }
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(MAX_EVIDENCE as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| Error::read(&path, error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let evidence = ForkEvidence::decode(&bytes)
            .map_err(|_| "its bytes are damaged".to_owned())
            .and_then(|evidence| match evidence.verify(members) {
                Ok(_) => Ok(evidence),
                Err(error) => Err(error.to_string()),
            });
        forks.push(Fork {
            file: format!("evidence/{name}"),
            evidence,
        });
    }
    forks.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(forks)
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

fn as_json(report: &FsckReport, forks: &[Fork], members: &Membership) -> serde_json::Value {
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
    let fork = |fork: &Fork| {
        let evidence = fork.evidence.as_ref();
        serde_json::json!({
            "department": evidence.map(|evidence| evidence.log().department).ok(),
            "generation": evidence.map(|evidence| evidence.log().generation).ok(),
            "record": evidence.map(ForkEvidence::position).ok(),
            "file": fork.file,
            "unproved": evidence.err(),
        })
    };
    serde_json::json!({
        "ok": report.faults().next().is_none() && forks.is_empty(),
        "network": members.network().to_string(),
        "records": report.logs.iter().map(|log| log.records).sum::<u64>(),
        "logs": report.logs.iter().map(log).collect::<Vec<_>>(),
        "forks": forks.iter().map(fork).collect::<Vec<_>>(),
    })
}

fn tell(
    report: &FsckReport,
    forks: &[Fork],
    members: &Membership,
    screen: &mut Screen,
) -> Result<(), Error> {
    let records = report.logs.iter().map(|log| log.records).sum();
    let logs = counted(report.logs.len() as u64, "log");
    let faults = report.faults().count();
    if faults > 0 {
        let found = screen.paint(Tone::Bad, "FAULTS FOUND");
        screen.line(format!(
            "{found}  {} in {logs} of {}",
            grouped(faults as u64),
            counted(records, "readable record")
        ))?;
    } else if !forks.is_empty() {
        let found = screen.paint(Tone::Bad, "FORK FOUND");
        screen.line(format!(
            "{found}  the bytes of {} in {logs} are as they were signed",
            counted(records, "record")
        ))?;
    } else {
        let whole = screen.paint(Tone::Good, "WHOLE");
        screen.line(format!(
            "{whole}  every byte of {} in {logs} is as it was signed",
            counted(records, "record")
        ))?;
    }
    tell_forks(forks, members, screen)?;
    tell_faults(report, members, screen)?;
    table(report, members, screen)
}

fn tell_forks(forks: &[Fork], members: &Membership, screen: &mut Screen) -> Result<(), Error> {
    for fork in forks {
        match &fork.evidence {
            Ok(evidence) => {
                let log = evidence.log();
                let name = members
                    .member(&log.department)
                    .map(Department::display_name);
                screen.line(format!(
                    "- {} signed two histories from record {} on",
                    named(&log.to_string(), name),
                    grouped(evidence.position())
                ))?;
            }
            Err(why) => screen.line(format!("- a file proves no fork: {}", printable(why)))?,
        }
        screen.line(format!("  in {}", printable(&fork.file)))?;
    }
    if forks.iter().any(|fork| fork.evidence.is_ok()) {
        screen.line(
            "A forked log is frozen at every member: keep the evidence, and let the members decide how the department begins \
             afresh.",
        )?;
    }
    Ok(())
}

fn tell_faults(
    report: &FsckReport,
    members: &Membership,
    screen: &mut Screen,
) -> Result<(), Error> {
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
                printable(&in_words(&fault.rule))
            ))?;
            screen.line(format!("  in {}", printable(&fault.file)))?;
        }
    }
    if report.faults().any(|fault| !fault.derived) {
        screen.line(
            "Start the node on this directory: it sets damaged files aside and fetches the records again from the other \
             members. Keep a copy of the directory until `certmesh fsck` finds it whole.",
        )?;
    }
    Ok(())
}

/// The rule without the record's number, which stands before it, and without a decoder's own words.
fn in_words(rule: &str) -> String {
    let mut rule = rule;
    while let Some((first, rest)) = rule.split_once(": ") {
        let number = first.strip_prefix("record").map(str::trim);
        if number.is_none_or(|number| !number.bytes().all(|byte| byte.is_ascii_digit())) {
            break;
        }
        rule = rest;
    }
    match rule.split_once("malformed: ") {
        Some((before, _)) => format!("{before}the bytes are damaged: they are no record"),
        None => rule.to_owned(),
    }
}

fn table(report: &FsckReport, members: &Membership, screen: &mut Screen) -> Result<(), Error> {
    if report.logs.is_empty() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_told_once_and_without_a_decoder_s_words() {
        for (rule, expected) in [
            (
                "record 40: record: malformed: OtherString(\"x\")",
                "the bytes are damaged: they are no record",
            ),
            (
                "record: the signature does not verify",
                "the signature does not verify",
            ),
            ("cut off within a frame", "cut off within a frame"),
            ("record one: x", "record one: x"),
        ] {
            assert_eq!(in_words(rule), expected);
        }
    }
}
