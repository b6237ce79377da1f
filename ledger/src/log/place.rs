//! Where a log's files are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::crypto::keys::IndexKey;
use crate::disk::Disk;
use crate::header::later_format;
use crate::names::LogName;

/// Records in a sealed segment.
pub const SEGMENT_RECORDS: u64 = 1 << 18;

/// Where and how a log is kept.
#[derive(Clone)]
pub struct Place {
    /// The file layer.
    pub disk: Arc<dyn Disk>,
    /// The peer's data directory.
    pub data: PathBuf,
    /// Records in a sealed segment: [`SEGMENT_RECORDS`] but for tests.
    pub segment_records: u64,
    /// The secret of its indexes. Those made under another are made again.
    pub index_key: IndexKey,
}

impl Place {
    pub(crate) fn log_dir(&self, log: &LogName) -> PathBuf {
        self.data.join("logs").join(log.id.to_string())
    }

    pub(crate) fn head_path(&self, log: &LogName) -> PathBuf {
        self.data.join("heads").join(log.id.to_string())
    }

    pub(crate) fn evidence_path(&self, log: &LogName) -> PathBuf {
        self.data.join("evidence").join(format!("{}.fork", log.id))
    }

    pub(crate) fn broken_path(&self, log: &LogName) -> PathBuf {
        self.data
            .join("evidence")
            .join(format!("{}.broken", log.id))
    }

    pub(crate) fn redo_path(&self, log: &LogName) -> PathBuf {
        self.data.join("redo").join(log.id.to_string())
    }

    /// Whether a log was ever opened here.
    pub(crate) fn has_log(&self, log: &LogName) -> io::Result<bool> {
        let heads = self.disk.list(&self.data.join("heads"))?;
        Ok(heads.contains(&log.id.to_string()))
    }

    /// The files of a log that a later version wrote, named from the data directory, each with its format.
    pub(crate) fn later_files(&self, log: &LogName) -> io::Result<Vec<(String, u32)>> {
        let dir = self.log_dir(log);
        let files = self.disk.list(&dir)?.into_iter();
        let files = files.map(|file| dir.join(file));
        let mut later = Vec::new();
        let beside = [
            self.head_path(log),
            self.redo_path(log),
            self.evidence_path(log),
            self.broken_path(log),
        ];
        for path in files.chain(beside) {
            if let Some(format) = later_format(&*self.disk, &path)? {
                let name = path.strip_prefix(&self.data).unwrap_or(&path);
                later.push((name.display().to_string(), format));
            }
        }
        Ok(later)
    }
}
