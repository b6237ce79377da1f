//! A part of an index that no longer grows: a file of three sorted runs.
//!
//! A run is read with a search that starts where a uniformly distributed key should stand. Memory keeps a checksum of each
//! block of a run, and each read is held against it: a byte that the medium changed after the file was written would
//! otherwise read as the absence of what is there, and what follows from that as the fault of the log's department.
//!
//! File: header (64) · index key (32) · records (u64) · three counts (u64) · length of the trailer (u64) · checksum of all that
//! and the trailer (32) · runs of fingerprint (u64), place in the part (u32), each sorted · trailer: checksums of the blocks
//! (u64), run by run, then filters. All integers little-endian. Opening a file reads what stands before and behind the runs, so it
//! takes as long as there are blocks, not entries. The key stands in the file so that fsck can check every entry without a key of
//! the peer; a part made under another key is of no use.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::crypto::hash::{Hash, Purpose, hash, hash_parts};
use crate::crypto::keys::{IndexKey, Secret};
use crate::disk::DiskFile;
use crate::header::{HEADER_LEN, Kind, check_header, header};
use crate::names::LogName;

use super::filter::{Filters, FiltersMade};
use super::key::Filed;

const ENTRY_LEN: usize = 12;
const KEY_LEN: usize = 32;
const SUM_LEN: usize = 32;
/// Where the checksum stands: after header, key, number of records, counts and length of the trailer.
const SUM_AT: usize = HEADER_LEN as usize + KEY_LEN + 5 * 8;
pub(super) const RUNS_AT: u64 = (SUM_AT + SUM_LEN) as u64;

/// Entries of a block: what is read at a time.
pub(super) const BLOCK: usize = 512;

/// Bytes that are written at a time.
const WRITE: usize = 1 << 20;

/// Fingerprint and place.
pub(super) type RunEntry = (u64, u32);

/// A part of an index, in its file.
pub(crate) struct SealedIndex {
    file: Arc<dyn DiskFile>,
    from: u64,
    records: u64,
    /// The checksum that its file names: what stands in the file follows from it.
    sum: Hash,
    counts: [u64; 3],
    /// Of each block of each run.
    checksums: [Vec<u64>; 3],
    /// Of the runs by certificate and by subject, most of whose keys stand in few parts.
    filters: [Filters; 2],
    /// Whether its file is durable.
    is_synced: AtomicBool,
}

impl SealedIndex {
    /// Writes the part of so many records from a position on: the entries of each run in their order, as many as `counts` says.
    ///
    /// Nothing is synced. A crash may leave the file torn; no snapshot lists it before it is synced.
    pub(super) fn write<I>(
        file: Box<dyn DiskFile>,
        key: &IndexKey,
        log: &LogName,
        records: Range<u64>,
        counts: [u64; 3],
        entries: impl Fn(usize) -> io::Result<I>,
    ) -> io::Result<SealedIndex>
    where
        I: Iterator<Item = io::Result<RunEntry>>,
    {
        file.set_len(0)?;
        let mut at = RUNS_AT;
        let mut checksums = [const { Vec::new() }; 3];
        let mut filters = [const { None }; 2];
        let mut waiting = Vec::with_capacity(WRITE + BLOCK * ENTRY_LEN);
        for run in 0..3 {
            let mut made = FiltersMade::of(counts[run]);
            let mut block = Vec::with_capacity(BLOCK * ENTRY_LEN);
            let mut written = 0;
            for entry in entries(run)? {
                let (fingerprint, place) = entry?;
                block.extend_from_slice(&fingerprint.to_le_bytes());
                block.extend_from_slice(&place.to_le_bytes());
                if run < 2 {
                    made.add(fingerprint);
                }
                written += 1;
                if block.len() == BLOCK * ENTRY_LEN || written == counts[run] {
                    checksums[run].push(block_checksum(&block));
                    waiting.append(&mut block);
                }
                if waiting.len() >= WRITE {
                    file.write_at(&waiting, at)?;
                    at += waiting.len() as u64;
                    waiting.clear();
                }
            }
            if written != counts[run] {
                return Err(damaged());
            }
            if let Some(filters) = filters.get_mut(run) {
                *filters = Some(made.end());
            }
        }
        let filters = filters.map(Option::unwrap_or_default);
        let mut trailer = Vec::new();
        for sum in checksums.iter().flatten() {
            trailer.extend_from_slice(&sum.to_le_bytes());
        }
        for filters in &filters {
            filters.encode(&mut trailer);
        }
        let mut front = header(Kind::Index, log, records.start).to_vec();
        front.extend_from_slice(key.expose());
        let count = records.end - records.start;
        for number in [count]
            .into_iter()
            .chain(counts)
            .chain([trailer.len() as u64])
        {
            front.extend_from_slice(&number.to_le_bytes());
        }
        let sum = checksum(&front, &trailer);
        front.extend_from_slice(sum.as_bytes());
        waiting.extend_from_slice(&trailer);
        file.write_at(&waiting, at)?;
        file.write_at(&front, 0)?;
        Ok(SealedIndex {
            file: Arc::from(file),
            from: records.start,
            records: count,
            sum,
            counts,
            checksums,
            filters,
            is_synced: AtomicBool::new(false),
        })
    }

    /// Opens the part of some records; `None` when its file is missing, damaged, another's, or made under another key, and must
    /// be made again. Its runs are not read.
    pub(super) fn open(
        file: Box<dyn DiskFile>,
        log: &LogName,
        records: Range<u64>,
        key: &IndexKey,
    ) -> io::Result<Option<SealedIndex>> {
        let found = SealedIndex::read(file, log, records)?;
        Ok(found
            .and_then(|(made_under, index)| (made_under.expose() == key.expose()).then_some(index)))
    }

    /// The same under whatever key it was made, with that key.
    pub(super) fn read(
        file: Box<dyn DiskFile>,
        log: &LogName,
        records: Range<u64>,
    ) -> io::Result<Option<(IndexKey, SealedIndex)>> {
        let mut front = [0; RUNS_AT as usize];
        if file.read_at(&mut front, 0)? < front.len() {
            return Ok(None);
        }
        let (front, sum) = front.split_at(SUM_AT);
        let (top, rest) = front.split_at(HEADER_LEN as usize);
        let (made_under, numbers) = rest.split_at(KEY_LEN);
        if check_header(top, Kind::Index, log, records.start).is_err() {
            return Ok(None);
        }
        let (numbers, _) = numbers.as_chunks();
        let [count, certificates, subjects, types, trailer_len] =
            [0, 1, 2, 3, 4].map(|n| u64::from_le_bytes(numbers[n]));
        let counts = [certificates, subjects, types];
        let entries = counts.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
        let runs_len = entries.and_then(|n| n.checked_mul(ENTRY_LEN as u64));
        let trailer_at = runs_len.and_then(|len| len.checked_add(RUNS_AT));
        let end = trailer_at.and_then(|at| at.checked_add(trailer_len));
        let (Some(trailer_at), Some(end)) = (trailer_at, end) else {
            return Ok(None);
        };
        if count != records.end - records.start || end != file.len()? {
            return Ok(None);
        }
        let mut trailer = vec![0; trailer_len as usize];
        if file.read_at(&mut trailer, trailer_at)? < trailer.len()
            || checksum(front, &trailer).as_bytes() != sum
        {
            return Ok(None);
        }
        let mut rest = &*trailer;
        let mut checksums = [const { Vec::new() }; 3];
        for (run, count) in counts.iter().enumerate() {
            let len = count.div_ceil(BLOCK as u64) as usize * 8;
            let Some((sums, after)) = rest.split_at_checked(len) else {
                return Ok(None);
            };
            let (sums, _) = sums.as_chunks();
            checksums[run] = sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect();
            rest = after;
        }
        let mut filters = [const { None }; 2];
        for (run, filters) in filters.iter_mut().enumerate() {
            *filters = Filters::decode(&mut rest, counts[run]);
        }
        let [Some(certificates), Some(subjects)] = filters else {
            return Ok(None);
        };
        let key: [u8; KEY_LEN] = made_under.try_into().expect("as long as a key");
        let sum: [u8; SUM_LEN] = sum.try_into().expect("as long as a checksum");
        let index = SealedIndex {
            file: Arc::from(file),
            from: records.start,
            records: count,
            sum: Hash::from_bytes(sum),
            counts,
            checksums,
            filters: [certificates, subjects],
            is_synced: AtomicBool::new(false),
        };
        Ok(Some((IndexKey(Secret::from_bytes(key)), index)))
    }

    /// Which records it is about.
    pub(crate) fn records(&self) -> Range<u64> {
        self.from..self.from + self.records
    }

    /// The checksum that its file names.
    pub(crate) fn sum(&self) -> Hash {
        self.sum
    }

    /// Takes note that its file is durable, which therefore need not stay open.
    pub(super) fn note_durable(&self) -> io::Result<()> {
        self.is_synced.store(true, Ordering::Release);
        self.file.rest()
    }

    /// Makes its file durable, unless it is known to be.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if !self.is_synced.load(Ordering::Acquire) {
            self.file.sync()?;
            self.note_durable()?;
        }
        Ok(())
    }

    /// Entries of each run.
    pub(super) fn counts(&self) -> [u64; 3] {
        self.counts
    }

    /// Whether a key may stand here: nearly always right, and without a read.
    pub(super) fn may_have(&self, of: Filed) -> bool {
        let filters = self.filters.get(of.run as usize);
        filters.is_none_or(|filters| filters.may_have(of.fingerprint))
    }

    /// The first places of a key, in order, from one on; only as many are read as are wanted.
    pub(super) fn first(&self, of: Filed, from: u32, limit: usize) -> io::Result<Vec<u32>> {
        if !self.may_have(of) {
            return Ok(Vec::new());
        }
        let wanted = of.fingerprint;
        let mut run = Reader::new(self, of.run as usize);
        let mut at = run.lower_bound((wanted, from))?;
        let mut places = Vec::new();
        while at < run.count && places.len() < limit {
            let (fingerprint, place) = run.entry(at)?;
            if fingerprint != wanted {
                break;
            }
            places.push(place);
            at += 1;
        }
        Ok(places)
    }

    /// The latest places of a key below one, newest first.
    pub(super) fn latest(&self, of: Filed, below: u32, limit: usize) -> io::Result<Vec<u32>> {
        if !self.may_have(of) {
            return Ok(Vec::new());
        }
        let wanted = of.fingerprint;
        let mut run = Reader::new(self, of.run as usize);
        let mut at = run.lower_bound((wanted, below))?;
        let mut places = Vec::new();
        while at > 0 && places.len() < limit {
            let (fingerprint, place) = run.entry(at - 1)?;
            if fingerprint != wanted {
                break;
            }
            places.push(place);
            at -= 1;
        }
        Ok(places)
    }

    /// All entries of a run in their order, each block held against its checksum.
    pub(super) fn entries(&self, run: usize) -> impl Iterator<Item = io::Result<RunEntry>> {
        let mut reader = Reader::new(self, run);
        (0..reader.count).map(move |at| reader.entry(at))
    }
}

fn checksum(front: &[u8], trailer: &[u8]) -> Hash {
    hash_parts(Purpose::File, &[front, trailer])
}

fn block_checksum(block: &[u8]) -> u64 {
    hash(Purpose::File, block).fingerprint()
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "an index file is damaged; restart the peer to have it made again from the records",
    )
}

/// Reads a run of a sealed index, keeping the block at hand that it read last: what is looked for mostly stands in the one
/// block that finding its place takes.
struct Reader<'i> {
    file: &'i dyn DiskFile,
    /// Where the run begins in the file.
    start: u64,
    /// Entries of the run.
    count: u64,
    checksums: &'i [u64],
    block: [[u8; ENTRY_LEN]; BLOCK],
    /// The entries at hand.
    at_hand: Range<u64>,
}

impl<'i> Reader<'i> {
    fn new(index: &'i SealedIndex, run: usize) -> Reader<'i> {
        let before: u64 = index.counts[..run].iter().sum();
        Reader {
            file: &*index.file,
            start: RUNS_AT + before * ENTRY_LEN as u64,
            count: index.counts[run],
            checksums: &index.checksums[run],
            block: [[0; ENTRY_LEN]; BLOCK],
            at_hand: 0..0,
        }
    }

    /// Has the block at hand that an entry of the run stands in.
    fn read(&mut self, at: u64) -> io::Result<()> {
        if self.at_hand.contains(&at) {
            return Ok(());
        }
        let number = at / BLOCK as u64;
        let first = number * BLOCK as u64;
        let len = (self.count - first).min(BLOCK as u64);
        let block = self.block[..len as usize].as_flattened_mut();
        self.at_hand = 0..0;
        let place = self.start + first * ENTRY_LEN as u64;
        self.file.read_exact_at(block, place)?;
        if self.checksums.get(number as usize) != Some(&block_checksum(block)) {
            return Err(damaged());
        }
        self.at_hand = first..first + len;
        Ok(())
    }

    fn entry(&mut self, at: u64) -> io::Result<(u64, u32)> {
        self.read(at)?;
        Ok(split(&self.block[(at - self.at_hand.start) as usize]))
    }

    /// First entry not below this one. Fingerprints are uniform, so it stands near its proportion of the run: in the block
    /// there, or one of its neighbours. Where many entries share one and move the others, the steps double until the entry is
    /// passed, and what is left is halved.
    fn lower_bound(&mut self, wanted: (u64, u32)) -> io::Result<u64> {
        let (mut low, mut high, mut step) = (0, self.count, BLOCK as u64);
        let mut at = ((u128::from(wanted.0) * u128::from(self.count)) >> 64) as u64;
        while low < high {
            self.read(at)?;
            let Range { start, end } = self.at_hand;
            let entries = &self.block[..(end - start) as usize];
            let below = entries.partition_point(|entry| split(entry) < wanted) as u64;
            if below > 0 {
                low = low.max(start + below);
            }
            if start + below < end {
                high = high.min(start + below);
            }
            at = match (low > 0, high < self.count) {
                (true, true) => low + (high - low) / 2,
                (true, false) => (low + step - BLOCK as u64).min(high - 1),
                (false, _) => high.saturating_sub(step),
            };
            step *= 2;
        }
        Ok(low)
    }
}

fn split(entry: &[u8; ENTRY_LEN]) -> (u64, u32) {
    let [a, b, c, d, e, f, g, h, place @ ..] = *entry;
    (
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u32::from_le_bytes(place),
    )
}
