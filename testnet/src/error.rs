//! What can go wrong with a test network.

use std::io;
use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::keys::KeyError;
use certmesh_ledger::genesis::GenesisFaults;
use certmesh_ledger::id::IdError;

use crate::client::ClientError;

/// Why a test network could not be made, started, stopped or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read, written or made.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Something of the system other than files: sockets, threads, randomness.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// A number of departments no test network can have.
    #[error("{found} departments: a test network has 1 to {max}")]
    Departments {
        /// How many were asked for.
        found: usize,
        /// Most there can be.
        max: usize,
    },
    /// The directory holds a network of another size.
    #[error("{} holds a network of {found} departments; leave out --departments, or take another directory", dir.display())]
    OtherSize {
        /// The directory.
        dir: PathBuf,
        /// Departments in it.
        found: usize,
    },
    /// The directory holds something else.
    #[error("{} is not empty and holds no network; take another directory", .0.display())]
    NotEmpty(PathBuf),
    /// A data set is to be written where something is.
    #[error("{} is not empty; a data set needs a directory of its own", .0.display())]
    NotNew(PathBuf),
    /// A scale no data set can have.
    #[error("scale {0}: a data set has 0.0001 to 1 times the 7.512 million certificates")]
    Scale(f64),
    /// The directory holds no data set.
    #[error(
        "{} holds no data set: it has no {missing}; `certmesh-testnet dataset wuhan --out DIR` writes one",
        dir.display()
    )]
    NoDataSet {
        /// The directory.
        dir: PathBuf,
        /// What a data set has and it has not.
        missing: &'static str,
    },
    /// The directory holds no network.
    #[error("{} holds no network; `certmesh-testnet up --dir` makes one", .0.display())]
    NoNetwork(PathBuf),
    /// A demonstration begins with a network of its own.
    #[error(
        "{} holds a network already; `certmesh-testnet up --dir` starts it, and a demonstration needs another directory",
        .0.display()
    )]
    HoldsNetwork(PathBuf),
    /// The network in the directory is running.
    #[error("the network in {} is running; `certmesh-testnet down --dir` stops it", .0.display())]
    Running(PathBuf),
    /// The network in the directory is not running.
    #[error("the network in {} is not running; `certmesh-testnet up --dir` starts it", .0.display())]
    NotRunning(PathBuf),
    /// A node of a running network does not answer.
    #[error(
        "the peer of {department} does not answer at {api}; `certmesh-testnet down --dir {dir}`, then \
         `certmesh-testnet up --dir {dir}`, start it again",
        dir = dir.display()
    )]
    Silent {
        /// Whose.
        department: String,
        /// Where it was asked.
        api: String,
        /// Directory of the network.
        dir: PathBuf,
    },
    /// No such department in the network.
    #[error("no department {0} in this network")]
    NoDepartment(String),
    /// A file of the network cannot be understood.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A line of a file cannot be understood.
    #[error("{}:{line}: {detail}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// Faults of the genesis.
    #[error("the network cannot be founded: {0}")]
    Genesis(#[from] GenesisFaults),
    /// A code of the made-up departments.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A key file of the network.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A node process could not be started.
    #[error("`{command}` cannot be started: {error}")]
    Spawn {
        /// The command.
        command: String,
        /// What the system said.
        error: io::Error,
    },
    /// A node process ended by itself.
    #[error("the peer of {department} ended by itself ({status}); its log ends:\n{tail}")]
    Ended {
        /// Whose.
        department: String,
        /// How it ended.
        status: String,
        /// Last lines of its log.
        tail: String,
    },
    /// The peer has no process now.
    #[error("the peer of {0} is stopped")]
    Stopped(String),
    /// Something did not happen in time.
    #[error("waited {seconds} s in vain: {what}")]
    Deadline {
        /// What was waited for, and how far it came.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// SIGINT or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// A node refused or could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What should hold does not.
    #[error("{0}")]
    Broken(String),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |error| Error::File { path, error }
    }

    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::System { what, error }
    }

    pub(crate) fn malformed(path: &Path, detail: &dyn std::fmt::Display) -> Error {
        Error::Malformed {
            path: path.to_owned(),
            detail: detail.to_string(),
        }
    }

    pub(crate) fn line(path: &Path, line: usize, detail: &str) -> Error {
        Error::Line {
            path: path.to_owned(),
            line,
            detail: detail.to_owned(),
        }
    }
}
