//! What this node states to hold of the log of a department that lost records of its own.
//!
//! A department uses such statements when it likes, until the own change that they are for is final. What this node cosigned
//! meanwhile would end up beyond the place where the log goes on, and what enough governors have witnessed has to keep its
//! verdict. So from its first statement for a change on this node cosigns nothing larger than it held then, until a change of that
//! number is final. This is durable before a statement leaves.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use certmesh_ledger::catalogue::Holding;
use certmesh_ledger::governance::engine::Seat;
use certmesh_ledger::governance::{Held, History};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::ReadError;
use certmesh_ledger::names::LogId;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Peer;

const FORMAT: &str = "certmesh-stated-1";

const HEADER: &str = "# Kept by the node: how much of logs it stated to hold, to departments that lost records. Not to be edited or removed:\n\
                      # it keeps the node from cosigning what would be cut off.\n";

/// The first statement to a department for one own change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    log: String,
    number: u64,
    size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    #[serde(default)]
    stated: Vec<Statement>,
}

/// What this node stated, one log a department at most.
pub(crate) struct Stated {
    path: PathBuf,
    /// Locked for as long as it takes to look something up.
    kept: Mutex<BTreeMap<DepartmentCode, (LogId, u64, u64)>>,
    /// Locked while the file is written.
    writing: Mutex<()>,
}

impl Stated {
    /// Reads what earlier runs stated.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` for a file that is not what a node wrote: without what it said this node
    /// might cosign what its statements cut off.
    pub(crate) fn open(path: PathBuf) -> io::Result<Stated> {
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let kept = match text.is_empty() {
            true => BTreeMap::new(),
            false => read(&text).map_err(|what| {
                let what = format!(
                    "not what this version of the node writes ({what}): put the file back from a backup, or upgrade the node"
                );
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?,
        };
        Ok(Stated {
            path,
            kept: Mutex::new(kept),
            writing: Mutex::new(()),
        })
    }

    /// Where the statements are kept.
    pub(crate) fn place(governance_dir: &Path) -> PathBuf {
        governance_dir.join("stated.toml")
    }

    /// How many records of a log may be cosigned at most; `None` where no statement binds.
    pub(crate) fn bound(&self, log: &LogId, history: &History) -> Option<u64> {
        let kept = self.kept.lock();
        let (stated, number, size) = kept.get(&log.department)?;
        (stated == log && is_open(history, log, *number)).then_some(*size)
    }

    /// Binds this node durably to cosigning no more of a log than it holds now, or stated before for the same change.
    fn bind(
        &self,
        log: &LogId,
        number: u64,
        history: &History,
        held: impl FnOnce() -> u64,
    ) -> io::Result<()> {
        let _one_at_a_time = self.writing.lock();
        let text = {
            let mut kept = self.kept.lock();
            // Looked up under the lock: what is cosigned after this is held against it.
            let before = kept.get(&log.department).copied();
            let before = before.filter(|(stated, of, _)| stated == log && *of == number);
            let size = before.map_or_else(held, |(_, _, size)| size);
            kept.insert(log.department, (*log, number, size));
            kept.retain(|_, (log, number, _)| is_open(history, log, *number));
            write(&kept)
        };
        // Also if it stands there already: the write before may have failed.
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    }
}

/// Whether a department may still use a statement for its own change of a number.
fn is_open(history: &History, log: &LogId, number: u64) -> bool {
    let member = history.state().member(&log.department);
    member.is_some_and(|member| member.changes < number)
}

fn read(text: &str) -> Result<BTreeMap<DepartmentCode, (LogId, u64, u64)>, String> {
    let content: Content = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if content.format != FORMAT {
        return Err(format!("format `{}`", content.format));
    }
    let one = |stated: Statement| {
        let log: LogId = stated.log.parse().map_err(|error| format!("{error}"))?;
        Ok((log.department, (log, stated.number, stated.size)))
    };
    content.stated.into_iter().map(one).collect()
}

fn write(kept: &BTreeMap<DepartmentCode, (LogId, u64, u64)>) -> String {
    let one = |(log, number, size): &(LogId, u64, u64)| Statement {
        log: log.to_string(),
        number: *number,
        size: *size,
    };
    let content = Content {
        format: FORMAT.to_owned(),
        stated: kept.values().map(one).collect(),
    };
    let text = toml::to_string(&content).expect("names and numbers are TOML");
    format!("{HEADER}{text}")
}

impl Peer {
    /// This department's statement of what is held here of the asker's present log, for the asker's next own change; `None`
    /// where it can't be given.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn state_held(
        &self,
        asker: &DepartmentCode,
        log: &LogId,
        number: u64,
    ) -> Result<Option<Held>, ReadError> {
        let members = self.catalogue.members();
        let history = members.history();
        let state = history.state();
        let asks = state.member(asker).filter(|asker| asker.is_active());
        let is_next = asks.is_some_and(|asker| asker.changes.checked_add(1) == Some(number));
        let is_present = asks.is_some_and(|asker| asker.log() == *log);
        let governs = state.governor(&self.department).is_some() && *asker != self.department;
        if !governs || !is_present || !is_next {
            return Ok(None);
        }
        // A node that lost its disk may have cosigned more than it knows.
        let forgot = self.governance.read().seat == Seat::Barred;
        let Some(signs) = self.keys.in_force().ok().filter(|_| !forgot) else {
            return Ok(None);
        };
        if self.catalogue.holding(log)? == Holding::Disputed {
            return Ok(None);
        }
        let size = || {
            let log = self.catalogue.log(log);
            log.map_or(0, |log| log.size())
        };
        if let Err(error) = self.stated.bind(log, number, &history, size) {
            tracing::warn!(
                path = %self.stated.path.display(),
                %error,
                "what is held of a log could not be written down, so it is not stated"
            );
            return Ok(None);
        }
        // Read after that: it may have grown, and then it says so.
        let checkpoint = match self.catalogue.holding(log)? {
            Holding::Nothing => None,
            Holding::UpTo(checkpoint) => Some(checkpoint.signed().clone()),
            Holding::Disputed => return Ok(None),
        };
        let size = checkpoint.as_ref().map(|signed| signed.checkpoint.size);
        tracing::info!(%log, size, number, "stated what is held here of a log, to its department after a loss");
        let network = members.network();
        let held = Held::sign(
            network,
            *log,
            number,
            checkpoint,
            self.department,
            &signs.key,
        );
        Ok(Some(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::testing::{OWN, change_transport, members};

    #[test]
    fn a_statement_binds_by_its_first_size_over_a_restart_until_its_change_is_final() {
        let dir = tempfile::tempdir().unwrap();
        let path = Stated::place(dir.path());
        let members = members();
        let log = LogId::first(OWN.parse().unwrap());
        let other = LogId {
            generation: 1,
            ..log
        };
        let history = members.history();
        let stated = Stated::open(path.clone()).unwrap();
        assert_eq!(stated.bound(&log, &history), None);
        stated.bind(&log, 1, &history, || 5).unwrap();
        // An earlier statement stays of use to the department, whatever came since.
        stated.bind(&log, 1, &history, || 9).unwrap();
        let again = Stated::open(path.clone()).unwrap();
        for stated in [&stated, &again] {
            assert_eq!(stated.bound(&log, &history), Some(5));
            assert_eq!(stated.bound(&other, &history), None);
        }
        change_transport(&members, &[8; 32]);
        let history = members.history();
        assert_eq!(again.bound(&log, &history), None);
        again.bind(&log, 2, &history, || 9).unwrap();
        assert_eq!(again.bound(&log, &history), Some(9));
    }

    #[test]
    fn a_file_that_no_node_wrote_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = Stated::place(dir.path());
        let good =
            format!("format = \"{FORMAT}\"\n[[stated]]\nlog = \"{OWN}\"\nnumber = 1\nsize = 5\n");
        fs::write(&path, &good).unwrap();
        assert!(Stated::open(path.clone()).is_ok());
        for (part, wrong) in [
            ("stated-1", "stated-2"),
            (OWN, "11430000006122244X"),
            ("number", "nonsense"),
            ("size = 5", "size = -5"),
        ] {
            fs::write(&path, good.replace(part, wrong)).unwrap();
            let error = Stated::open(path.clone()).err().map(|error| error.kind());
            assert_eq!(error, Some(io::ErrorKind::InvalidData), "{wrong}");
        }
    }
}
