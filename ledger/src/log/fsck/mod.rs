//! Re-verifies every byte of every log without changing any.
//!
//! Opening a log trusts record signatures that a checkpoint covers; this checks each of them as well, and compares the
//! derived files with what the records say. Where the stored tree leads to the signed root, its leaves show exactly
//! which record differs; otherwise the chain and the signatures do.

mod check;

use std::fmt;
use std::io;

use crate::membership::Membership;
use crate::names::{LogId, LogName};

use super::Place;
use super::redo::as_replayed;
use check::Check;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose log.
    pub log: LogId,
    /// File it was found in, below the data directory.
    pub file: String,
    /// Position of the record at fault, where one is.
    pub record: Option<u64>,
    /// The rule that does not hold.
    pub rule: String,
    /// Whether the file can be derived again from the records: then restarting the peer repairs it.
    pub derived: bool,
    /// Whether a later version wrote the file: this one can say nothing about the log.
    pub later: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "department {}, ", self.log)?;
        if let Some(record) = self.record {
            write!(f, "record {record}, ")?;
        }
        write!(f, "{}: {}", self.file, self.rule)
    }
}

/// What one log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// Whose log.
    pub log: LogId,
    /// Records checked.
    pub records: u64,
    /// Size of the accepted checkpoint.
    pub checkpoint: Option<u64>,
    /// Everything wrong, at most 1,000.
    pub faults: Vec<Fault>,
}

/// What a data directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// One report a log.
    pub logs: Vec<LogReport>,
}

impl FsckReport {
    /// Every fault of every log.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.logs.iter().flat_map(|log| &log.faults)
    }
}

/// Checks every log in a data directory; `progress` is called with the records checked so far.
///
/// # Errors
/// Those of the medium. Faults in content are in the report.
pub fn fsck(
    place: &Place,
    members: &Membership,
    mut progress: impl FnMut(u64),
) -> io::Result<FsckReport> {
    let mut report = FsckReport::default();
    let mut ids: Vec<LogId> = Vec::new();
    // A head without a log is a log that is lost.
    for dir in ["logs", "heads"] {
        let names = place.disk.list(&place.data.join(dir))?;
        ids.extend(names.iter().filter_map(|name| name.parse::<LogId>().ok()));
    }
    ids.sort_unstable();
    ids.dedup();
    let mut before = 0;
    for id in ids {
        let name = LogName {
            network: members.network(),
            id,
        };
        // What a crash left in the redo journal counts: an opening brings it to its place.
        let (place, unreadable) = match as_replayed(place, &name) {
            Ok(place) => (place, None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                (place.clone(), Some(error))
            }
            Err(error) => return Err(error),
        };
        let mut checked = Check::run(&place, name, members, &mut |records| {
            progress(before + records);
        })?;
        if let Some(error) = unreadable.filter(|_| !checked.faults.iter().any(|it| it.later)) {
            checked.faults.push(Fault {
                log: id,
                file: format!("redo/{id}"),
                record: None,
                rule: error.to_string(),
                derived: false,
                later: false,
            });
        }
        before += checked.records;
        report.logs.push(checked);
    }
    Ok(report)
}
