//! Setting a log aside that cannot be trusted: its directory is moved whole, and nothing in it is changed.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::header::HeaderError;
use crate::names::LogName;

use super::head::{Head, HeadFile};
use super::{BrokenRule, Place};

/// What is wrong with a log's records on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Fewer records than the head file vouches for.
    #[error("the head file vouches for {expected} records, {found} are readable")]
    Short {
        /// Records on disk.
        found: u64,
        /// Records there should be.
        expected: u64,
    },
    /// The head file is missing or unreadable, so nobody vouches for the records.
    #[error("the head file is missing or unreadable")]
    HeadLost,
    /// A record breaks a rule.
    #[error("{0}")]
    Rule(BrokenRule),
    /// The files can't be read.
    #[error("it can't be opened: {0}")]
    Unreadable(String),
    /// The records are not those the checkpoint covers.
    #[error("the first {size} records are not those of the checkpoint")]
    Root {
        /// Size of the checkpoint.
        size: u64,
    },
    /// A records file's header is wrong.
    #[error("segment {first}: {error}")]
    Header {
        /// First position of the segment.
        first: u64,
        /// What is wrong.
        error: HeaderError,
    },
}

/// Name of the head file that is kept in a set-aside copy.
pub(super) const KEPT_HEAD: &str = "head";

/// Sets down in a log's directory, before it is set aside, how much of it was vouched for; nothing when that is lost.
pub(super) fn keep_head(
    disk: &dyn Disk,
    dir: &Path,
    log: &LogName,
    head: Option<&Head>,
) -> io::Result<()> {
    let path = dir.join(KEPT_HEAD);
    let Some(head) = head else {
        return match disk.remove(&path) {
            // One is there only if an earlier opening went down before it had set the log aside.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let (mut file, _) = HeadFile::open(disk, &path, log)?;
    file.write(head)?;
    disk.sync_dir(dir)
}

/// Moves a log's directory to one of its own among those set aside; returns which.
pub(super) fn set_aside(place: &Place, dir: &Path, name: &LogName) -> io::Result<PathBuf> {
    let parent = place.data.join("set-aside");
    place.disk.create_dir_all(&parent)?;
    let taken = place.disk.list(&parent)?;
    let free = (1..)
        .map(|n| format!("{}-{n}", name.id))
        .find(|free| !taken.contains(free));
    let aside = parent.join(free.unwrap_or_default());
    place.disk.rename(dir, &aside)?;
    // Where it went before where it was: a crash between the two leaves a name for the files in one of them at least.
    place.disk.sync_dir(&parent)?;
    place.disk.sync_dir(&place.data.join("logs"))?;
    place.disk.sync_dir(&place.data)?;
    Ok(aside)
}

/// The same with its head file, which stands beside it afterwards.
pub(super) fn set_aside_with_head(
    place: &Place,
    dir: &Path,
    name: &LogName,
) -> io::Result<PathBuf> {
    place.disk.create_dir_all(dir)?;
    let aside = set_aside(place, dir, name)?;
    // After the log: a crash between the two leaves a head without its log, which the next opening takes for what it is, a loss.
    // A redo journal goes along: one that can't be read would stop every opening.
    for (from, to) in [
        (place.head_path(name), KEPT_HEAD),
        (place.redo_path(name), "redo"),
    ] {
        match place.disk.rename(&from, &aside.join(to)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
            Ok(()) => {
                // Where it went first, as above.
                place.disk.sync_dir(&aside)?;
                place.disk.sync_dir(from.parent().unwrap_or(&from))?;
            }
        }
    }
    Ok(aside)
}
