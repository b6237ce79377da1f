//! Whether the file of a part holds what the records give, without having all of that in memory.

use std::io;
use std::ops::Range;

use crate::crypto::hash::{Purpose, hash};
use crate::crypto::keys::IndexKey;
use crate::disk::DiskFile;
use crate::names::LogName;
use crate::record::Record;

use super::filing::Filing;
use super::key::{Filed, Run};
use super::sealed::{RunEntry, SealedIndex};

const RUNS: [Run; 3] = [Run::Certificate, Run::Subject, Run::Type];

/// What a file has to hold, as it is found record by record: how many entries, and the sum of their hashes. Damage that leaves
/// both the same is as unlikely as one that leaves a hash of 64 bits the same.
pub(crate) struct IndexCheck {
    part: SealedIndex,
    /// The key that the file names.
    key: IndexKey,
    expected: [Tally; 3],
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Tally {
    count: u64,
    sum: u64,
}

impl Tally {
    fn add(&mut self, (fingerprint, place): RunEntry) {
        let mut entry = [0; 12];
        entry[..8].copy_from_slice(&fingerprint.to_le_bytes());
        entry[8..].copy_from_slice(&place.to_le_bytes());
        self.count += 1;
        self.sum = self
            .sum
            .wrapping_add(hash(Purpose::File, &entry).fingerprint());
    }
}

impl IndexCheck {
    /// Begins the check of a file; `None` if it is not the one of these records, or damaged before or behind its runs.
    pub(crate) fn new(
        file: Box<dyn DiskFile>,
        log: &LogName,
        records: Range<u64>,
    ) -> io::Result<Option<IndexCheck>> {
        let found = SealedIndex::read(file, log, records)?;
        Ok(found.map(|(key, part)| IndexCheck {
            part,
            key,
            expected: [Tally::default(); 3],
        }))
    }

    /// Adds a record, if the part is about it.
    pub(crate) fn take(&mut self, log: &LogName, record: &Record) {
        let seq = record.seq;
        let records = self.part.records();
        if !records.contains(&seq) {
            return;
        }
        let mut filing = Filing::default();
        filing.add(&self.key, log, record, (seq - records.start) as u32);
        for (expected, entries) in self.expected.iter_mut().zip(&filing.0) {
            for entry in entries {
                expected.add(*entry);
            }
        }
    }

    /// Whether the file holds what was added, sorted, and its filters rule out none of it.
    ///
    /// # Errors
    /// Those of the medium, and bytes that are not those of a block's checksum.
    pub(crate) fn holds(&self) -> io::Result<bool> {
        for (run, expected) in RUNS.into_iter().zip(self.expected) {
            let mut found = Tally::default();
            let mut before = None;
            for entry in self.part.entries(run as usize) {
                let entry = entry?;
                let fingerprint = entry.0;
                let of = Filed { run, fingerprint };
                if before > Some(entry) || !self.part.may_have(of) {
                    return Ok(false);
                }
                before = Some(entry);
                found.add(entry);
            }
            if found != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
