//! The files of a log's index: when parts of it are written, and when they are merged.
//!
//! They are derived: a write that fails keeps nobody from appending. The part that could not be written continues to grow in
//! memory, and is tried again when as many records more have come.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use crate::disk::Disk;

use super::reading::Log;

const SUFFIX: &str = ".index";

/// The name of the file of a part.
pub(super) fn index_name(records: &Range<u64>) -> String {
    format!("{:012}-{:012}{SUFFIX}", records.start, records.end)
}

/// The records in the name of a part's file.
pub(super) fn index_records(name: &str) -> Option<Range<u64>> {
    let (start, end) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let records = start.parse().ok()?..end.parse().ok()?;
    (records.start < records.end && index_name(&records) == name).then_some(records)
}

/// The parts that have a file in a directory, by their names, in order.
pub(super) fn index_files(disk: &dyn Disk, dir: &std::path::Path) -> io::Result<Vec<Range<u64>>> {
    let names = disk.list(dir)?;
    let mut found: Vec<_> = names.iter().filter_map(|it| index_records(it)).collect();
    found.sort_unstable_by_key(|records| (records.start, records.end));
    Ok(found)
}

impl Log {
    /// Most records of a part of the index that was not merged.
    pub(super) fn index_unit(&self) -> u64 {
        (self.segment_records / 4).max(4)
    }

    /// How many records the part that grows takes before it is written to a file.
    pub(super) fn index_room(&self, size: u64) -> u64 {
        let unit = self.index_unit();
        unit - (size - self.index.first_growing()) % unit
    }

    /// Writes the part of the index that grows to a file if it is full. All of its records, up to `size`, have been entered.
    pub(super) fn seal_full_index(&self, size: u64) {
        let grown = size - self.index.first_growing();
        if grown > 0 && grown.is_multiple_of(self.index_unit()) {
            // Tried again when as many have come once more: until then memory has it.
            let _ = self.seal_index(size);
        }
    }

    /// Writes the part of the index that grows to a file, if there is anything in it.
    pub(super) fn seal_index(&self, size: u64) -> io::Result<()> {
        let records = self.index.first_growing()..size;
        if records.is_empty() {
            return Ok(());
        }
        let file = self.ahead.open_derived(&self.index_path(&records))?;
        self.index.seal(file, &self.name, size)
    }

    /// Merges parts of the index as long as enough of them are of one size, and until it is to be given up. The files that they
    /// had stay; one that was not completed goes.
    pub(super) fn merge_index(&self) -> io::Result<()> {
        while let Some(records) = self.index.due(self.index_unit()) {
            let path = self.index_path(&records);
            let file = self.ahead.open_derived(&path)?;
            let merged = self
                .index
                .merge(file, &self.name, records, &self.merges_no_more);
            if !matches!(merged, Ok(true)) {
                // Should it stay, the next snapshot or opening removes it: none names it.
                let _ = self.disk.remove(&path);
            }
            if !merged? {
                break;
            }
        }
        Ok(())
    }

    /// Gives up what is being merged, and merges nothing any more: whoever closes the log does not wait for it, which takes the
    /// longer the longer the log is.
    pub(crate) fn stop_merging(&self) {
        self.merges_no_more.store(true, Ordering::Release);
    }

    pub(super) fn index_path(&self, records: &Range<u64>) -> PathBuf {
        self.dir.join(index_name(records))
    }
}
