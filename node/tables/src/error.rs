//! What can go wrong with a table, its map or its rejects file; never with a single row.

use std::io;
use std::path::{Path, PathBuf};

/// Why a table can't be read, mapped or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A text file in another encoding.
    #[error("{} is not UTF-8 (GBK or GB18030?)", .0.display())]
    NotUtf8(PathBuf),
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that would be overwritten.
    #[error("{} already exists and is left unchanged", .0.display())]
    Exists(PathBuf),
    /// A file that is not what it should be.
    #[error("{} is not {expected}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be, with its article.
        expected: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A file that somebody changes while it is read.
    #[error("{} is not a file that stays unchanged: it was changed while it was read", .0.display())]
    Changed(PathBuf),
    /// Several faults, all found at once.
    #[error("{}", listed(what, faults))]
    Faults {
        /// What cannot be done.
        what: &'static str,
        /// Each fault, on a line of its own.
        faults: Vec<String>,
    },
    /// A spreadsheet that doesn't come from a file.
    #[error("an XLSX is read from a file, not from a pipe")]
    Pipe,
    /// The operating system provided no randomness.
    #[error("the operating system provides no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl Error {
    /// [`Error::Read`] of a file.
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// [`Error::Write`] of a file.
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    /// [`Error::Malformed`] of a file.
    pub(super) fn malformed(
        path: &Path,
        expected: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            expected,
            detail: detail.into(),
        }
    }
}

fn listed(what: &str, faults: &[String]) -> String {
    let mut text = what.to_owned();
    for fault in faults {
        text.push_str("\n  - ");
        text.push_str(&fault.replace('\n', "\n    "));
    }
    text
}
