//! Parts that are merged, so that a log has few of them.
//!
//! A part is of level 0 as it is written, and of a higher one the more records it is about: each level takes four times as many.
//! As soon as four neighbours are of one level they are merged. So a log has at most three of each level when all is done, an
//! entry is written again once a level, and the levels grow with the logarithm of the log.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::DiskFile;
use crate::names::LogName;

use super::Index;
use super::sealed::{BLOCK, RunEntry, SealedIndex};

/// Parts of one level that are merged.
const TOGETHER: usize = 4;

/// The level of a part of so many records, where `unit` is the most that one of level 0 has.
fn level(records: u64, unit: u64) -> u32 {
    let mut level = 0;
    let mut most = unit;
    while records > most {
        most = most.saturating_mul(TOGETHER as u64);
        level += 1;
    }
    level
}

impl Index {
    /// The records of the parts that are to be merged next: the oldest of one level that are enough, so that none of that level
    /// is left before the part they become. `unit` is the most records of a part that was not merged.
    pub(crate) fn due(&self, unit: u64) -> Option<Range<u64>> {
        let parts = self.parts.read();
        let due = parts.sealed.windows(TOGETHER).find(|parts| {
            let [first, .., last] = parts else {
                return false;
            };
            let levels = parts.iter().map(|part| {
                let records = part.records();
                level(records.end - records.start, unit)
            });
            let fits = last.records().end - first.records().start <= u64::from(u32::MAX);
            fits && levels.clone().min() == levels.max()
        });
        due.map(|parts| parts[0].records().start..parts[TOGETHER - 1].records().end)
    }

    /// Merges the parts of some records into one file, and asks that from here on. Nothing is synced, and the files of the parts
    /// stay. Returns whether it came to its end: it is given up between two blocks once `is_given_up` is set, and then the file
    /// is of no use and the parts are asked as before.
    ///
    /// # Errors
    /// Those of the medium, and damage to one of the parts; then these are asked as before.
    pub(crate) fn merge(
        &self,
        file: Box<dyn DiskFile>,
        log: &LogName,
        records: Range<u64>,
        is_given_up: &AtomicBool,
    ) -> io::Result<bool> {
        let within = |part: &&Arc<SealedIndex>| {
            let part = part.records();
            records.start <= part.start && part.end <= records.end
        };
        let merged: Vec<Arc<SealedIndex>> = {
            let parts = self.parts.read();
            parts.sealed.iter().filter(within).cloned().collect()
        };
        let mut counts = [0; 3];
        for part in &merged {
            for (count, more) in counts.iter_mut().zip(part.counts()) {
                *count += more;
            }
        }
        let from = records.start;
        let entries = |run| {
            let merged = (0..).zip(Merged::new(&merged, from, run));
            Ok(merged.map(|(at, entry)| match at % BLOCK {
                0 if is_given_up.load(Ordering::Acquire) => Err(given_up()),
                _ => entry,
            }))
        };
        let one = match SealedIndex::write(file, &self.key, log, records.clone(), counts, entries) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            one => one?,
        };
        let sealed = &mut self.parts.write().sealed;
        let at = sealed.partition_point(|part| part.records().start < from);
        sealed.splice(at..at + merged.len(), [Arc::new(one)]);
        Ok(true)
    }
}

/// What ends the writing of a part from within. The medium never says it: a file's reads and writes are repeated then.
fn given_up() -> io::Error {
    io::ErrorKind::Interrupted.into()
}

/// The entries of a run of several parts, in their order.
struct Merged<'m> {
    sources: Vec<Source<'m>>,
}

struct Source<'m> {
    entries: Box<dyn Iterator<Item = io::Result<RunEntry>> + 'm>,
    next: Option<io::Result<RunEntry>>,
}

impl<'m> Merged<'m> {
    fn new(parts: &'m [Arc<SealedIndex>], from: u64, run: usize) -> Merged<'m> {
        let sources = parts.iter().map(|part| {
            // Places count from the first record of the part.
            let shift = (part.records().start - from) as u32;
            let shifted =
                move |entry: io::Result<RunEntry>| entry.map(|(key, place)| (key, place + shift));
            let mut entries = Box::new(part.entries(run).map(shifted));
            let next = entries.next();
            Source { entries, next }
        });
        Merged {
            sources: sources.collect(),
        }
    }
}

impl Iterator for Merged<'_> {
    type Item = io::Result<RunEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        // An error before every entry.
        let key = |source: &Source<'_>| match &source.next {
            Some(Ok(entry)) => Some(Some(*entry)),
            Some(Err(_)) => Some(None),
            None => None,
        };
        let with_next = self.sources.iter_mut().filter(|it| it.next.is_some());
        let source = with_next.min_by_key(|source| key(source))?;
        std::mem::replace(&mut source.next, source.entries.next())
    }
}
