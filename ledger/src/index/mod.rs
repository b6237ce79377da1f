//! Which records of a log are about what: the positions of those that concern a certificate, a subject, a type, a retrieval.
//!
//! Records are filed under keys; a key is asked for, and the answer is positions. This module knows no log: it is given
//! entries and files, and gives positions back. The questions themselves, which read the records at those positions, are in
//! [`lookup`](crate::lookup).
//!
//! - `key.rs`: what can be asked for, and the fingerprints that stand for it
//! - `filing.rs`: which keys each kind of entry is filed under
//! - `tail.rs`: the part that still grows, in memory
//! - `sealed.rs`, `filter.rs`: a part that doesn't, in its file
//! - `Index`, here: the parts of a log's index, each about the records behind those of the one before. As many as are of one size
//!   are merged into one (`merge.rs`), so that a question asks few parts however long the log is
//! - `check.rs`: whether a file is what records give, for fsck
//!
//! **To add an index**: give `Key` a constructor whose first byte no other has, in the run of keys that as many records share
//! (`Certificate` for those of few, `Subject` for those of a person, `Type` for those of very many); file the entries that it
//! is for under it in `Filing::add`; put the question into `lookup.rs`, where the records at the positions are read and
//! compared with what was asked. A question to all logs is a method of [`catalogue`](crate::catalogue). A key is exact: a range
//! is asked as several keys, and positions come in the log's order.
//!
//! It changes what index files hold, so change the text that
//! [`IndexKey::from_transport_seed`](crate::crypto::keys::IndexKey::from_transport_seed) derives the key from: an index made
//! under another key is made again at the next opening, while one made under the same key is taken to be complete; until the
//! peer has opened a log again, fsck finds its old indexes incomplete. Add the key to the table of *Index* and to the derivation
//! of the index key in `ledger/SPEC.md`, section 14, and to the golden vectors (`tests/golden/keys.rs`); if issues are filed
//! under it, change the memory of what is not in index files yet in `docs/limits.md`.

mod check;
mod filing;
mod filter;
mod key;
mod merge;
mod sealed;
mod tail;

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::crypto::hash::Hash;
use crate::crypto::keys::IndexKey;
use crate::disk::DiskFile;
use crate::names::LogName;

pub(crate) use check::IndexCheck;
pub(crate) use filing::Filing;
pub(crate) use key::Key;
pub use key::ReceiptKind;
pub(crate) use sealed::SealedIndex;

use key::Filed;
use tail::TailIndex;

/// The index of a log: parts in files, and one that grows in memory.
pub(crate) struct Index {
    /// The secret that fingerprints are made under.
    key: IndexKey,
    parts: RwLock<Parts>,
}

struct Parts {
    /// In order, without a gap.
    sealed: Vec<Arc<SealedIndex>>,
    /// First position of the part that grows.
    first: u64,
    tail: TailIndex,
}

/// One of the parts.
enum Part<'p> {
    Sealed(&'p SealedIndex),
    Tail(&'p TailIndex),
}

impl Part<'_> {
    fn first(&self, of: Filed, from: u32, limit: usize) -> io::Result<Vec<u32>> {
        match self {
            Part::Sealed(index) => index.first(of, from, limit),
            Part::Tail(tail) => Ok(tail.first(of, from, limit)),
        }
    }

    fn latest(&self, of: Filed, below: u32, limit: usize) -> io::Result<Vec<u32>> {
        match self {
            Part::Sealed(index) => index.latest(of, below, limit),
            Part::Tail(tail) => Ok(tail.latest(of, below, limit)),
        }
    }
}

impl Index {
    /// That of an empty log.
    pub(crate) fn new(key: IndexKey) -> Index {
        let parts = Parts {
            sealed: Vec::new(),
            first: 0,
            tail: TailIndex::default(),
        };
        Index {
            key,
            parts: RwLock::new(parts),
        }
    }

    /// The secret that fingerprints are made under.
    pub(crate) fn key(&self) -> &IndexKey {
        &self.key
    }

    /// First position of the part that grows: places that are entered count from there.
    pub(crate) fn first_growing(&self) -> u64 {
        self.parts.read().first
    }

    /// Enters records of the part that grows.
    pub(crate) fn enter(&self, filings: &[Filing]) {
        // Only tables in memory change under this lock, which everyone who asks waits for: fingerprints were made before.
        let tail = &mut self.parts.write().tail;
        for filing in filings {
            tail.take(filing);
        }
    }

    /// Writes the part that grows into its file, and asks that from here on. The next part begins at `next`.
    ///
    /// Nothing is synced. After a failure the part continues to grow in memory.
    pub(crate) fn seal(&self, file: Box<dyn DiskFile>, log: &LogName, next: u64) -> io::Result<()> {
        let (first, runs) = {
            let parts = self.parts.read();
            (parts.first, parts.tail.sorted())
        };
        let counts = runs.each_ref().map(|run| run.len() as u64);
        let entries = |run: usize| Ok(runs[run].iter().copied().map(Ok));
        let sealed = SealedIndex::write(file, &self.key, log, first..next, counts, entries)?;
        self.put(sealed);
        Ok(())
    }

    /// Takes a file as the next part, if it is the one that has a checksum, made under this index's key; returns whether it is.
    /// The runs in it are not read.
    pub(crate) fn adopt(
        &self,
        file: Box<dyn DiskFile>,
        log: &LogName,
        records: Range<u64>,
        sum: Hash,
    ) -> io::Result<bool> {
        if records.start != self.first_growing() {
            return Ok(false);
        }
        let found = SealedIndex::open(file, log, records, &self.key)?;
        let found = found.filter(|sealed| sealed.sum() == sum);
        let Some(sealed) = found else {
            return Ok(false);
        };
        // Whoever has the checksum has it from a snapshot.
        sealed.note_durable()?;
        self.put(sealed);
        Ok(true)
    }

    /// Puts a part in the place of the one in memory: both at once, so that whoever asks meanwhile finds each record in one of
    /// them.
    fn put(&self, sealed: SealedIndex) {
        let parts = &mut *self.parts.write();
        parts.first = sealed.records().end;
        parts.sealed.push(Arc::new(sealed));
        parts.tail = TailIndex::default();
    }

    /// The parts in files, in order.
    pub(crate) fn sealed(&self) -> Vec<Arc<SealedIndex>> {
        self.parts.read().sealed.clone()
    }

    /// Positions filed under any of some keys, in order: the first `limit` from one position on and before another.
    pub(crate) fn first(
        &self,
        keys: &[Key],
        from: u64,
        until: u64,
        limit: usize,
    ) -> io::Result<Vec<u64>> {
        let keys: SmallVec<[Filed; 3]> = keys.iter().map(|key| key.under(&self.key)).collect();
        let mut at = from;
        let mut found = Vec::new();
        while at < until && found.len() < limit {
            let wanted = limit - found.len();
            at = self.ask(at, |records, part| {
                let place = u32::try_from(at - records.start).unwrap_or(u32::MAX);
                let mut places = Vec::new();
                for key in &keys {
                    places.extend(part.first(*key, place, wanted)?);
                }
                places.sort_unstable();
                places.dedup();
                let positions = places.into_iter().map(|it| records.start + u64::from(it));
                let before = positions.take_while(|seq| *seq < until).take(wanted);
                found.extend(before);
                Ok(records.end)
            })?;
        }
        Ok(found)
    }

    /// Positions filed under a key before one position, newest first: the latest `limit`.
    pub(crate) fn latest(&self, key: &Key, below: u64, limit: usize) -> io::Result<Vec<u64>> {
        let of = key.under(&self.key);
        let mut at = below;
        let mut found = Vec::new();
        while at > 0 && found.len() < limit {
            let wanted = limit - found.len();
            at = self.ask(at - 1, |records, part| {
                let below = u32::try_from(at - records.start).unwrap_or(u32::MAX);
                let places = part.latest(of, below, wanted)?.into_iter();
                found.extend(places.map(|place| records.start + u64::from(place)));
                Ok(records.start)
            })?;
        }
        Ok(found)
    }

    /// Asks the part that a position is in. The one that grows is about all records from its first on.
    fn ask<T>(
        &self,
        seq: u64,
        mut question: impl FnMut(Range<u64>, Part<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let parts = self.parts.read();
            if seq >= parts.first {
                return question(parts.first..u64::MAX, Part::Tail(&parts.tail));
            }
            let number = parts.sealed.partition_point(|it| it.records().end <= seq);
            let sealed = Arc::clone(&parts.sealed[number]);
            // A file is asked without the lock: whoever appends must not wait for the disk.
            drop(parts);
            match question(sealed.records(), Part::Sealed(&sealed)) {
                // Merged and removed meanwhile: what was filed there is in another.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.has(&sealed) => {}
                answer => return answer,
            }
        }
    }

    fn has(&self, part: &Arc<SealedIndex>) -> bool {
        let parts = self.parts.read();
        parts.sealed.iter().any(|it| Arc::ptr_eq(it, part))
    }
}
