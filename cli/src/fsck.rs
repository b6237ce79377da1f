//! `certmesh fsck`: every byte of every log in a data directory, verified again, and what stands beside the own log.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use certmesh_ledger::bodies::{BodiesReport, BodyFault, check_bodies};
use certmesh_ledger::crypto::keys::{FieldKey, IndexKey, Secret, SecretFile};
use certmesh_ledger::crypto::secret_files;
use certmesh_ledger::governance::{Store, StoreError};
use certmesh_ledger::id::Date;
use certmesh_ledger::log::{
    EvidenceError, Fault, ForkEvidence, FsckReport, HeaderError, LogReport, MAX_EVIDENCE_FILE,
    Place, SEGMENT_RECORDS, fsck,
};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::names::named;
use crate::network::read_genesis;
use crate::read_only_disk::ReadOnlyDisk;
use crate::screen::{Screen, Tone, cell, counted, grouped, number, printable, toned};
use crate::{Error, Outcome};

/// Verify every byte in a data directory or a backup of one again, without a node
///
/// Checks every record, hash, signature and checkpoint against the members' keys, and every file that is derived from
/// them. With the department's field key it opens the fields, copies and attachments that the department keeps and compares
/// each with what its record commits to; without the key it says what it could not open. Nothing is changed, and a copy of
/// a data directory, or of its bodies/ alone, is checked as well as one that a node uses. Each fault is reported with its
/// department, its record and the rule that does not hold. Exit code 0: everything is whole; 1: faults or forks were found; 3:
/// none were, and not all of the bodies could be checked. A damaged copy of a log is set aside and fetched again from the
/// other members when the node starts. Evidence that a department signed two histories is reported as well: such a log is
/// frozen until the members decide.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Fsck {
    /// Data directory of a node, or a copy of one
    #[arg(long, value_name = "DIR", required_unless_present = "bodies")]
    data: Option<PathBuf>,
    /// Directory of the fields that the department keeps, such as a backup of it [default: bodies in the data directory]
    #[arg(long, value_name = "DIR")]
    bodies: Option<PathBuf>,
    /// The department's field key [default: keys/field.key beside the data directory]
    #[arg(long, value_name = "FILE")]
    field_key: Option<PathBuf>,
    /// Genesis file of the network [default: network.toml in the data directory or beside it]
    #[arg(long, value_name = "GENESIS")]
    network: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  certmesh fsck --data transport/data
  certmesh fsck --data transport/data --network network.toml --json
  certmesh fsck --data transport/data --bodies backup/bodies --field-key transport/keys/field.key

Exit code: 0 if everything holds, 1 if faults or a fork were found, 2 if the directory could not be read.";

pub(crate) fn run(args: &Fsck, screen: &mut Screen) -> Result<Outcome, Error> {
    let (data, bodies) = directories(args)?;
    let genesis = read_genesis(&find_genesis(args, &data)?)?;
    let members = Membership::from_genesis(&genesis);
    must_be_of(&data, &members)?;
    take_decisions(&data, &members)?;
    let key = field_key(args, &data)?;
    let _lock = keep_still(&data, screen);
    let place = Place {
        disk: Arc::new(ReadOnlyDisk),
        data: data.clone(),
        segment_records: SEGMENT_RECORDS,
        // Each index names the key it was made under, and is checked by that.
        index_key: IndexKey::from_transport_seed(&[0; 32]),
    };
    let bar = spinner(screen);
    let report = fsck(&place, &members, |records| {
        bar.set_message(grouped(records));
    });
    let report = report.map_err(|error| Error::read(&data, error))?;
    let kept = if bodies.is_dir() {
        let key = key.as_ref();
        check_bodies(&place, &bodies, &members, key, today(), |records| {
            bar.set_message(format!("{} with their bodies", grouped(records)));
        })
        .map_err(|error| Error::read(&bodies, error))?
    } else {
        without_bodies(&data)
    };
    bar.finish_and_clear();
    let checked = Checked {
        forks: forks(&data, &members)?,
        logs: report,
        kept,
    };
    if screen.json() {
        screen.print_json(&as_json(&checked, &members))?;
    } else {
        present(&checked, &members, screen)?;
    }
    Ok(checked.outcome())
}

/// Takes in what the node keeps of governance: whose logs there are, with which keys, follows from that.
fn take_decisions(data: &Path, members: &Membership) -> Result<(), Error> {
    let dir = data.join("governance");
    Store::read(&ReadOnlyDisk, &dir, members).map_err(|error| match error {
        StoreError::Io(error) => Error::read(&dir, error),
        error => Error::malformed(&dir, "this network's decisions", error.to_string()),
    })
}

/// All that was found.
struct Checked {
    logs: FsckReport,
    kept: BodiesReport,
    forks: Vec<Fork>,
}

impl Checked {
    fn faults(&self) -> u64 {
        self.logs.faults().count() as u64 + self.kept.fault_count
    }

    /// A directory of bodies that was not checked completely is not known to be whole; one that is not there is not
    /// asked about.
    fn outcome(&self) -> Outcome {
        let partly = self.kept.log.is_some() && !self.kept.unchecked.is_empty();
        match () {
            () if self.faults() > 0 || !self.forks.is_empty() => Outcome::No,
            () if partly => Outcome::Unknown,
            () => Outcome::Yes,
        }
    }
}

/// The data directory, and that of the bodies.
fn directories(args: &Fsck) -> Result<(PathBuf, PathBuf), Error> {
    let bodies = args.bodies.clone();
    let data = match (&args.data, &bodies) {
        (Some(data), _) => data.clone(),
        // A copy of a whole data directory has the logs beside it.
        (None, Some(bodies)) => bodies.join(".."),
        (None, None) => return Err(Error::Usage("give --data or --bodies")),
    };
    std::fs::read_dir(&data).map_err(|error| Error::read(&data, error))?;
    if let Some(bodies) = &bodies {
        std::fs::read_dir(bodies).map_err(|error| Error::read(bodies, error))?;
    }
    let any = ["logs", "heads", "bodies"].map(|part| data.join(part).is_dir());
    if bodies.is_none() && !any.contains(&true) {
        return Err(Error::NoDataDirectory(data));
    }
    // By one name, however it was given: what the redo journal holds is for this directory and for no copy of it.
    let within = data.join("bodies");
    let same = |other: &PathBuf| match (other.canonicalize(), within.canonicalize()) {
        (Ok(other), Ok(within)) => other == within,
        _ => false,
    };
    let bodies = bodies.filter(|bodies| !same(bodies)).unwrap_or(within);
    Ok((data, bodies))
}

/// The field key, where there is one.
fn field_key(args: &Fsck, data: &Path) -> Result<Option<FieldKey>, Error> {
    let beside = data.join("..").join("keys").join("field.key");
    let path = match &args.field_key {
        Some(path) => path,
        None if beside.is_file() => &beside,
        None => return Ok(None),
    };
    let malformed = |detail: String| Error::Malformed {
        path: path.clone(),
        expected: "a department's field key",
        detail,
    };
    let text = secret_files::read(path).map_err(|error| malformed(error.to_string()))?;
    let bytes = SecretFile::Field.read(text.expose());
    let bytes = bytes.map_err(|error| malformed(error.to_string()))?;
    Ok(Some(FieldKey(Secret::from_bytes(*bytes))))
}

fn today() -> Date {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Date::in_china(u64::try_from(ms).unwrap_or(u64::MAX))
}

/// A node makes bodies/ at its first start, and leaves the genesis beside it; a log that was only copied has neither.
fn without_bodies(data: &Path) -> BodiesReport {
    let mut report = BodiesReport::default();
    match data.join("network.toml").is_file() {
        true => {
            report.fault_count = 1;
            report.faults.push(BodyFault {
                file: "bodies".to_owned(),
                record: None,
                rule: "a node ran here, and the directory of its department's fields is missing"
                    .to_owned(),
            });
        }
        false => report.unchecked.push(
            "there is no bodies/ here, so nothing is known of the fields that a department keeps"
                .to_owned(),
        ),
    }
    report
}

fn find_genesis(args: &Fsck, data: &Path) -> Result<PathBuf, Error> {
    if let Some(path) = &args.network {
        return Ok(path.clone());
    }
    let inside = data.join("network.toml");
    let beside = data.join("..").join("network.toml");
    [inside, beside]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Error::NoGenesis(data.to_owned()))
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

/// The evidence of forks that a node keeps: a fork is not damage, and every byte of the log may be whole.
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
            .and_then(|file| {
                file.take(MAX_EVIDENCE_FILE as u64 + 1)
                    .read_to_end(&mut bytes)
            })
            .map_err(|error| Error::read(&path, error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let evidence = read_evidence(&bytes, &name, members);
        forks.push(Fork {
            file: format!("evidence/{name}"),
            evidence,
        });
    }
    forks.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(forks)
}

/// The evidence in a file, or why the file holds none.
fn read_evidence(bytes: &[u8], file: &str, members: &Membership) -> Result<ForkEvidence, String> {
    let id: LogId = file
        .trim_end_matches(".fork")
        .parse()
        .map_err(|_| "its name is not a log's".to_owned())?;
    let log = LogName {
        network: members.network(),
        id,
    };
    let evidence = ForkEvidence::from_file(bytes, &log).map_err(|error| match error {
        EvidenceError::Header(error @ HeaderError::Later(_)) => error.to_string(),
        _ => "its bytes are damaged, or it is another log's".to_owned(),
    })?;
    match evidence.verify(members) {
        Ok(()) => Ok(evidence),
        Err(error) => Err(error.to_string()),
    }
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

fn name_of(log: &LogReport, members: &Membership) -> Option<String> {
    members.name_of(&log.log.department)
}

fn as_json(checked: &Checked, members: &Membership) -> serde_json::Value {
    let (report, kept) = (&checked.logs, &checked.kept);
    let body_fault = |fault: &BodyFault| {
        serde_json::json!({
            "record": fault.record,
            "file": fault.file,
            "rule": fault.rule,
        })
    };
    let fault = |fault: &Fault| {
        serde_json::json!({
            "department": fault.log.department,
            "generation": fault.log.generation,
            "record": fault.record,
            "file": fault.file,
            "rule": fault.rule,
            "derived": fault.derived,
            "later": fault.later,
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
        "ok": checked.outcome() == Outcome::Yes,
        "network": members.network().to_string(),
        "records": report.logs.iter().map(|log| log.records).sum::<u64>(),
        "logs": report.logs.iter().map(log).collect::<Vec<_>>(),
        "forks": checked.forks.iter().map(fork).collect::<Vec<_>>(),
        "bodies": {
            "department": kept.log.map(|log| log.department),
            "kept": kept.kept,
            "opened": kept.opened,
            "attachments": kept.attachments,
            "erased": kept.erased,
            "over": kept.over,
            "fault_count": kept.fault_count,
            "faults": kept.faults.iter().map(body_fault).collect::<Vec<_>>(),
            "unchecked": kept.unchecked,
        },
    })
}

fn present(checked: &Checked, members: &Membership, screen: &mut Screen) -> Result<(), Error> {
    let (report, forks) = (&checked.logs, &checked.forks);
    let records = report.logs.iter().map(|log| log.records).sum();
    let logs = counted(report.logs.len() as u64, "log");
    let faults = checked.faults();
    if faults > 0 {
        let found = screen.paint(Tone::Bad, "FAULTS FOUND");
        screen.line(format!(
            "{found}  {} in {logs} of {}",
            grouped(faults),
            counted(records, "readable record")
        ))?;
    } else if !forks.is_empty() {
        let found = screen.paint(Tone::Bad, "FORK FOUND");
        screen.line(format!(
            "{found}  the bytes of {} in {logs} are as they were signed",
            counted(records, "record")
        ))?;
    } else if checked.outcome() == Outcome::Unknown {
        let partly = screen.paint(Tone::Doubt, "NOT ALL CHECKED");
        screen.line(format!(
            "{partly}  nothing wrong was found in {} of {logs}, nor in as much of bodies/ as could be looked at",
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
    tell_kept(&checked.kept, members, screen)?;
    table(report, members, screen)
}

/// What the department keeps beside its log, and what is wrong with it.
fn tell_kept(kept: &BodiesReport, members: &Membership, screen: &mut Screen) -> Result<(), Error> {
    for fault in &kept.faults {
        let record = fault.record.map(grouped);
        let record = record.map_or_else(String::new, |record| format!("record {record}: "));
        screen.line(format!("- {record}{}", printable(&fault.rule)))?;
        screen.line(format!("  in {}", printable(&fault.file)))?;
    }
    let more = kept.fault_count - kept.faults.len() as u64;
    if more > 0 {
        screen.line(format!("- and {} more like these", grouped(more)))?;
    }
    if kept.fault_count > 0 {
        screen.line(
            "Nobody else has what a department keeps in bodies/: put it back from a backup made after the last of these \
             records, which `certmesh fsck --bodies` checks beforehand. Verification works without it.",
        )?;
    }
    if let Some(log) = &kept.log {
        let name = members.name_of(&log.department);
        screen.line(format!(
            "{} keeps fields, copies and cases of {}: {} opened and as committed to, {}; {} erased, {} past their last day",
            named(&log.to_string(), name.as_deref()),
            counted(kept.kept, "record"),
            grouped(kept.opened),
            counted(kept.attachments, "attachment"),
            grouped(kept.erased),
            grouped(kept.over),
        ))?;
    }
    for what in &kept.unchecked {
        screen.line(format!("Not checked: {}.", printable(what)))?;
    }
    Ok(())
}

fn tell_forks(forks: &[Fork], members: &Membership, screen: &mut Screen) -> Result<(), Error> {
    for fork in forks {
        match &fork.evidence {
            Ok(evidence) => {
                let log = evidence.log();
                let name = members.name_of(&log.department);
                screen.line(format!(
                    "- {} signed two histories from record {} on",
                    named(&log.to_string(), name.as_deref()),
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
        let department = named(&log.log.to_string(), name_of(log, members).as_deref());
        for fault in &log.faults {
            let record = fault
                .record
                .map(|record| format!("record {}: ", grouped(record)))
                .unwrap_or_default();
            let mends = if fault.derived {
                " (rebuilt from the records at the node's next start)"
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
    if report.faults().any(|fault| !fault.derived && !fault.later) {
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
        Some((before, _)) => format!("{before}the bytes are damaged: they are not a record"),
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
                cell(name_of(log, members).unwrap_or_else(|| "not a member".to_owned())),
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
    fn a_rule_is_reported_once_and_without_a_decoder_s_words() {
        for (rule, expected) in [
            (
                "record 40: record: malformed: OtherString(\"x\")",
                "the bytes are damaged: they are not a record",
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
