//! How much room a directory's file system has, and what the data directory takes of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::Metrics;

/// Between two looks at the room there is.
const EVERY: Duration = Duration::from_secs(15);
/// Between two looks at every file, in looks at the room.
const FILES_EVERY: u32 = 20;
/// What the data directory holds; its parts are what the metric names.
const PARTS: [&str; 6] = ["logs", "bodies", "heads", "evidence", "set-aside", "state"];

/// Shows the metrics how full the disk is, now and from time to time, until dropped.
pub(crate) async fn keep_measuring(data_dir: std::path::PathBuf, metrics: Arc<Metrics>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for look in 0_u32.. {
        tick.tick().await;
        let (dir, metrics) = (data_dir.clone(), Arc::clone(&metrics));
        let files = look % FILES_EVERY == 0;
        let measured = tokio::task::spawn_blocking(move || measure(&dir, files, &metrics)).await;
        if let Ok(Err(error)) = measured {
            tracing::warn!(%error, "the disk of the data directory could not be measured");
        }
    }
}

fn measure(data_dir: &Path, files: bool, metrics: &Metrics) -> io::Result<()> {
    let space = of(data_dir)?;
    metrics.set_disk(space.available, space.total);
    if files {
        for part in PARTS {
            metrics.set_data_used(part, used_below(&data_dir.join(part))?);
        }
    }
    Ok(())
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// What this process may still write; less than what is free where some is kept for the superuser.
    pub(crate) available: u64,
    /// Everything.
    pub(crate) total: u64,
}

/// The room on the file system that holds `path`.
///
/// # Errors
/// What the system says.
pub(crate) fn of(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Space {
        available: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

/// Bytes of all files below `dir`, by their lengths. A file that disappears meanwhile is not counted.
///
/// # Errors
/// What the system says of directories that are there.
pub(crate) fn used_below(dir: &Path) -> io::Result<u64> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match std::fs::read_dir(dir) {
        Err(error) if gone(&error) => return Ok(0),
        entries => entries?,
    };
    let mut used = 0;
    for entry in entries {
        let entry = entry?;
        used += match entry.metadata() {
            Ok(found) if found.is_dir() => used_below(&entry.path())?,
            Ok(found) => found.len(),
            Err(error) if gone(&error) => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_counts_all_files_below_and_what_is_not_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/c"), "123").unwrap();
        std::fs::write(dir.path().join("d"), "45").unwrap();
        assert_eq!(used_below(dir.path()).unwrap(), 5);
        assert_eq!(used_below(&dir.path().join("none")).unwrap(), 0);
        let space = of(dir.path()).unwrap();
        assert!(0 < space.available && space.available <= space.total);
    }
}
