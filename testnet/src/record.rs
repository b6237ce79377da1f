//! `network.json`: what others need to know of a running network; and the lock that shows whether it is running.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::network::replace;
use crate::testnet::{Testnet, read_file};

/// A running network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Network identifier.
    pub network: String,
    /// The genesis file.
    pub genesis: PathBuf,
    /// Process that runs the links and the nodes.
    pub supervisor_pid: u32,
    /// Its departments.
    pub departments: Vec<RecordedDepartment>,
}

/// A department of a running network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedDepartment {
    /// Department code.
    pub code: String,
    /// English name.
    pub name: String,
    /// Chinese name.
    pub name_zh: String,
    /// Where its node's API is.
    pub api: String,
    /// File with an administrator's token.
    pub token_file: PathBuf,
    /// Its node's data directory.
    pub data_dir: PathBuf,
    /// Its node's process.
    pub pid: u32,
    /// Its node's configuration.
    pub config: PathBuf,
}

impl Record {
    /// Where the record of the network in a directory is.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("network.json")
    }

    /// Describes a network whose nodes all serve.
    ///
    /// # Errors
    /// [`Error::Stopped`] for one that does not.
    pub fn of(testnet: &Testnet) -> Result<Record, Error> {
        let department = |(index, member): (usize, &crate::network::Member)| {
            let file = testnet
                .node_file(index)
                .ok_or_else(|| Error::Stopped(member.name().to_owned()))?;
            Ok(RecordedDepartment {
                code: member.code().to_string(),
                name: member.name().to_owned(),
                name_zh: member.department.display_name().to_owned(),
                api: file.api.clone(),
                token_file: member.token_file(),
                data_dir: member.data(),
                pid: file.pid,
                config: member.config(),
            })
        };
        let departments: Result<Vec<_>, Error> = testnet
            .members()
            .iter()
            .enumerate()
            .map(department)
            .collect();
        Ok(Record {
            network: testnet.network().genesis().network_id().to_string(),
            genesis: testnet.network().dir().join("network.toml"),
            supervisor_pid: std::process::id(),
            departments: departments?,
        })
    }

    /// Reads the record; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Malformed`].
    pub fn read(dir: &Path) -> Result<Option<Record>, Error> {
        let path = Record::path(dir);
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_slice(&read_file(&path)?)
            .map(Some)
            .map_err(|error| Error::malformed(&path, &error))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).expect("texts and numbers are always JSON");
        replace(&Record::path(dir), format!("{text}\n").as_bytes())
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn remove(dir: &Path) -> Result<(), Error> {
        let path = Record::path(dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file(&path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Held by the one process that runs the network in a directory; given back when that process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// Takes the lock; `None` when another process holds it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn take(dir: &Path) -> Result<Option<Lock>, Error> {
        fs::create_dir_all(dir).map_err(Error::file(dir))?;
        let path = dir.join("supervisor.lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::file(&path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_the_lock_of_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert!(lock.is_some());
        assert!(Lock::take(dir.path()).unwrap().is_none());
        drop(lock);
        assert!(Lock::take(dir.path()).unwrap().is_some());
    }

    #[test]
    fn the_record_round_trips_and_is_gone_when_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
        let record = Record {
            network: "n".into(),
            genesis: "g".into(),
            supervisor_pid: 7,
            departments: Vec::new(),
        };
        record.write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), Some(record));
        Record::remove(dir.path()).unwrap();
        Record::remove(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }
}
