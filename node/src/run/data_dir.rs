//! The data directory: whose it is, and the files in it that belong to no log.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use certmesh_ledger::genesis::Genesis;
use certmesh_ledger::names::NetworkId;
use libp2p::Multiaddr;

use super::error::{RunError, at};
use super::now_ms;

/// A data directory that is this process's until this is dropped.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the data directory for this process and this network.
    pub(crate) fn claim(path: &Path, genesis: &Genesis) -> Result<DataDir, RunError> {
        // Only the peer's own user: logs are for members, not for whoever has an account on the machine.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(at(path))?;
        let claimed = DataDir {
            path: path.to_owned(),
            _lock: lock(path)?,
        };
        belongs_to(path, genesis)?;
        Ok(claimed)
    }

    /// Shows other programs on this machine where the peer can be reached.
    pub(crate) fn announce_process(
        &self,
        api: &str,
        addresses: &[Multiaddr],
    ) -> Result<(), RunError> {
        let listen: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let json = serde_json::json!({
            "pid": std::process::id(),
            "api": api,
            "listen": listen,
            "started_ms": now_ms(),
        });
        replace(&self.node_file(), format!("{json:#}\n").as_bytes())
    }

    /// Takes the announcement back. Should it stay behind, it names a process that is gone.
    pub(crate) fn withdraw_process(&self) {
        let _ = std::fs::remove_file(self.node_file());
    }

    fn node_file(&self) -> PathBuf {
        self.path.join("node.json")
    }
}

fn lock(dir: &Path) -> Result<File, RunError> {
    let path = dir.join("LOCK");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(at(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(RunError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(at(&path)(error)),
    }
}

/// Checks that a directory, if there is one, is of this network.
pub(crate) fn check(dir: &Path, genesis: &Genesis) -> Result<(), RunError> {
    network_of(dir, genesis).map(drop)
}

/// Checks that the directory is of this network; a new one becomes so.
fn belongs_to(dir: &Path, genesis: &Genesis) -> Result<(), RunError> {
    match network_of(dir, genesis)? {
        Some(_) => Ok(()),
        None => replace(&network_file(dir), genesis.to_toml().as_bytes()),
    }
}

fn network_file(dir: &Path) -> PathBuf {
    dir.join("network.toml")
}

/// The network the directory is of, which must be this one; `None` for a new directory.
fn network_of(dir: &Path, genesis: &Genesis) -> Result<Option<NetworkId>, RunError> {
    let path = network_file(dir);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(&path)(error)),
    };
    let found = Genesis::from_toml(&text)
        .map_err(|faults| RunError::Genesis {
            path: path.clone(),
            faults,
        })?
        .network_id();
    if found == genesis.network_id() {
        return Ok(Some(found));
    }
    Err(RunError::OtherNetwork {
        path,
        found: found.to_string(),
        expected: genesis.network_id().to_string(),
    })
}

/// Writes a file so that a reader sees all of it or none.
fn replace(path: &Path, content: &[u8]) -> Result<(), RunError> {
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(at(path))
}
