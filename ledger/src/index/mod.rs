//! Which records of a log are about what: the positions of those that concern a certificate, a subject, a type, a retrieval.
//!
//! Records are filed under keys; a key is asked for, and the answer is positions. This module knows no log: it is given
//! entries and files, and gives positions back. The questions themselves, which read the records at those positions, are in
//! [`lookup`](crate::lookup).
//!
//! - `key.rs`: what can be asked for, and the fingerprints that stand for it
//! - `filing.rs`: which keys each kind of entry is filed under
//! - `tail.rs`: the index of the segment that still grows, in memory
//! - `sealed.rs`: the index of a full segment, in its file
//! - `Index`, here: those of all segments of a log
//!
//! **To add an index**: give `Key` a constructor whose first byte no other has, in the run of keys that as many records share
//! (`Certificate` for those of few, `Subject` for those of a person, `Type` for those of very many); file the entries that it
//! is for under it in `Filing::add`; put the question into `lookup.rs`, where the records at the positions are read and
//! compared with what was asked. A question to all logs is a method of [`catalogue`](crate::catalogue). A key is exact: a range
//! is asked as several keys, and positions come in the log's order. (Changes of status are filed under their certificate alone.)
//!
//! It changes what index files hold, so change the text that
//! [`IndexKey::from_transport_seed`](crate::crypto::keys::IndexKey::from_transport_seed) derives the key from: an index made
//! under another key is made again at the next opening, while one made under the same key is taken to be complete; until the
//! peer has opened a log again, fsck finds its old indexes incomplete. Add the key to the table of *Index* and to the derivation
//! of the index key in `ledger/SPEC.md`, section 14, and to the golden vectors (`tests/golden/keys.rs`); if issues are filed
//! under it, change the memory of unsealed segments in `docs/limits.md`.

mod filing;
mod key;
mod sealed;
mod tail;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::crypto::keys::IndexKey;
use crate::disk::DiskFile;
use crate::names::LogName;

pub(crate) use filing::Filing;
pub(crate) use key::Key;
pub use key::ReceiptKind;
pub(crate) use sealed::key_in;

use key::Filed;
use sealed::{SealedIndex, file_of};
use tail::TailIndex;

/// The indexes of a log: of its full segments in files, of the one that grows in memory.
pub(crate) struct Index {
    /// The secret that fingerprints are made under.
    key: IndexKey,
    parts: RwLock<Parts>,
}

struct Parts {
    /// Those of full segments, each with its segment's first position, in order.
    sealed: Vec<(u64, Arc<SealedIndex>)>,
    /// First position of the segment that grows.
    first: u64,
    tail: TailIndex,
}

impl Parts {
    /// The number of the segment that a position is in.
    fn number_of(&self, seq: u64) -> usize {
        match seq >= self.first {
            true => self.sealed.len(),
            false => {
                let after = self.sealed.partition_point(|(first, _)| *first <= seq);
                after.saturating_sub(1)
            }
        }
    }
}

/// The index of one segment.
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

    /// Enters records of the segment that grows.
    pub(crate) fn enter(&self, filings: &[Filing]) {
        // Only tables in memory change under this lock, which everyone who asks waits for: fingerprints were made before.
        let tail = &mut self.parts.write().tail;
        for filing in filings {
            tail.take(filing);
        }
    }

    /// Writes the index of the segment that grows, which is full, into its file, and asks that from here on. The next segment
    /// begins at `next`.
    ///
    /// Nothing is synced. A crash may leave the file torn or absent: then its checksum fails, and the next opening makes it
    /// again from the records.
    pub(crate) fn seal(&self, file: Box<dyn DiskFile>, log: &LogName, next: u64) -> io::Result<()> {
        let (first, bytes) = {
            let parts = self.parts.read();
            let bytes = file_of(&parts.tail, &self.key, log, parts.first);
            (parts.first, bytes)
        };
        file.set_len(0)?;
        file.write_at(&bytes, 0)?;
        let sealed = SealedIndex::open(file, log, first, &self.key)?
            .ok_or_else(|| io::Error::other("the index just written reads differently"))?;
        self.put(sealed, next);
        Ok(())
    }

    /// Takes the file of the next full segment's index as it is, if it is whole and made under this index's key; returns
    /// whether it is.
    pub(crate) fn adopt(
        &self,
        file: Box<dyn DiskFile>,
        log: &LogName,
        next: u64,
    ) -> io::Result<bool> {
        let first = self.parts.read().first;
        let found = SealedIndex::open(file, log, first, &self.key)?;
        Ok(found.map(|sealed| self.put(sealed, next)).is_some())
    }

    /// Puts the index of a full segment in the place of the one in memory: both at once, so that whoever asks meanwhile finds
    /// each record in one of them.
    fn put(&self, sealed: SealedIndex, next: u64) {
        let parts = &mut *self.parts.write();
        parts.sealed.push((parts.first, Arc::new(sealed)));
        parts.first = next;
        parts.tail = TailIndex::default();
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
        let mut number = self.parts.read().number_of(from);
        let mut found = Vec::new();
        while found.len() < limit {
            let wanted = limit - found.len();
            let more = self.ask(number, |first, part| {
                if first >= until {
                    return Ok(None);
                }
                let place = u32::try_from(from.saturating_sub(first)).unwrap_or(u32::MAX);
                let mut places = Vec::new();
                for key in &keys {
                    places.extend(part.first(*key, place, wanted)?);
                }
                places.sort_unstable();
                places.dedup();
                let positions = places.into_iter().map(|place| first + u64::from(place));
                let before = positions.take_while(|seq| *seq < until).take(wanted);
                found.extend(before);
                Ok(Some(()))
            })?;
            if more.flatten().is_none() {
                break;
            }
            number += 1;
        }
        Ok(found)
    }

    /// Positions filed under a key before one position, newest first: the latest `limit`.
    pub(crate) fn latest(&self, key: &Key, below: u64, limit: usize) -> io::Result<Vec<u64>> {
        let of = key.under(&self.key);
        let newest = self.parts.read().sealed.len();
        let mut found = Vec::new();
        for number in (0..=newest).rev() {
            if found.len() == limit {
                break;
            }
            let wanted = limit - found.len();
            self.ask(number, |first, part| {
                let below = u32::try_from(below.saturating_sub(first)).unwrap_or(u32::MAX);
                let places = part.latest(of, below, wanted)?.into_iter();
                found.extend(places.map(|place| first + u64::from(place)));
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Asks the index of one segment, by its number; `None` beyond the last.
    fn ask<T>(
        &self,
        number: usize,
        question: impl FnOnce(u64, Part<'_>) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let parts = self.parts.read();
        if let Some((first, sealed)) = parts.sealed.get(number) {
            let (first, sealed) = (*first, Arc::clone(sealed));
            // A file is asked without the lock: whoever appends must not wait for the disk.
            drop(parts);
            return question(first, Part::Sealed(&sealed)).map(Some);
        }
        match number == parts.sealed.len() {
            true => question(parts.first, Part::Tail(&parts.tail)).map(Some),
            false => Ok(None),
        }
    }
}

/// Whether a file is the index of the segment that begins at `first` and whose records were filed so under a key, byte for
/// byte.
pub(crate) fn is_index_of(
    file: &dyn DiskFile,
    filing: &Filing,
    key: &IndexKey,
    log: &LogName,
    first: u64,
) -> io::Result<bool> {
    let mut tail = TailIndex::default();
    tail.take(filing);
    let expected = file_of(&tail, key, log, first);
    if file.len()? != expected.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; expected.len()];
    file.read_exact_at(&mut found, 0)?;
    Ok(found == expected)
}
