//! The index of a segment that is full: a file of three sorted runs.
//!
//! A run is read with a search that starts where a uniformly distributed key should stand. Memory keeps a checksum of each
//! block of a run, and each read is held against it: a byte that the medium changed after the file was opened would
//! otherwise read as the absence of what is there, and what follows from that as the fault of the log's department.
//!
//! File: header (64) · index key (32) · three counts (u64) · checksum of all (32) · runs of fingerprint (u64), place in the
//! segment (u32), each sorted. All integers little-endian. The key stands in the file so that fsck can check every entry
//! without a key of the peer; an index made under another key is made again.

use std::io;
use std::ops::Range;

use xorf::{BinaryFuse8, Filter};

use crate::crypto::hash::{Hash, Purpose, hash, hash_parts};
use crate::crypto::keys::{IndexKey, Secret};
use crate::disk::DiskFile;
use crate::header::{HEADER_LEN, Kind, check_header, header};
use crate::names::LogName;

use super::key::{Filed, Run};
use super::tail::TailIndex;

const ENTRY_LEN: usize = 12;
const KEY_LEN: usize = 32;
const SUM_LEN: usize = 32;
/// Where the checksum stands: after header, key and counts.
const SUM_AT: usize = HEADER_LEN as usize + KEY_LEN + 3 * 8;
pub(super) const RUNS_AT: u64 = (SUM_AT + SUM_LEN) as u64;

/// The bytes of an index file: what a segment's index has in memory, whose fingerprints were made under a key.
pub(super) fn file_of(tail: &TailIndex, key: &IndexKey, log: &LogName, first: u64) -> Vec<u8> {
    let mut bytes = header(Kind::Index, log, first).to_vec();
    bytes.extend_from_slice(key.expose());
    let mut runs = Vec::new();
    for run in tail.sorted() {
        bytes.extend_from_slice(&(run.len() as u64).to_le_bytes());
        for (fingerprint, place) in run {
            runs.extend_from_slice(&fingerprint.to_le_bytes());
            runs.extend_from_slice(&place.to_le_bytes());
        }
    }
    let sum = checksum(&bytes, &runs);
    bytes.extend_from_slice(sum.as_bytes());
    bytes.extend_from_slice(&runs);
    bytes
}

fn checksum(front: &[u8], runs: &[u8]) -> Hash {
    hash_parts(Purpose::File, &[front, runs])
}

/// Index of a sealed segment, in its file.
pub(super) struct SealedIndex {
    file: Box<dyn DiskFile>,
    counts: [u64; 3],
    /// Of each block of each run: some 16 KB for a segment of 2^18 certificates.
    checksums: [Vec<u64>; 3],
    /// Of the run by certificate, most of whose keys stand in one segment of many; `None` when it could not be made, which
    /// costs nothing but reads.
    certificates: Option<BinaryFuse8>,
}

impl SealedIndex {
    /// Opens and checks an index file; `None` when it is missing, damaged, another's, or made under another key, and must be
    /// made again.
    pub(super) fn open(
        file: Box<dyn DiskFile>,
        log: &LogName,
        first: u64,
        key: &IndexKey,
    ) -> io::Result<Option<SealedIndex>> {
        let mut bytes = vec![
            0;
            usize::try_from(file.len()?)
                .unwrap_or(usize::MAX)
                .min(64 << 20)
        ];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        let Some((front, rest)) = bytes.split_at_checked(SUM_AT) else {
            return Ok(None);
        };
        let Some((sum, runs)) = rest.split_first_chunk::<SUM_LEN>() else {
            return Ok(None);
        };
        let (top, rest) = front.split_at(HEADER_LEN as usize);
        let (made_under, numbers) = rest.split_at(KEY_LEN);
        if check_header(top, Kind::Index, log, first).is_err() || made_under != key.expose() {
            return Ok(None);
        }
        let mut counts = [0; 3];
        for (count, bytes) in counts.iter_mut().zip(numbers.chunks_exact(8)) {
            *count = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        let whole = counts
            .iter()
            .try_fold(0u64, |sum, count| sum.checked_add(*count));
        let fits = whole.and_then(|n| n.checked_mul(ENTRY_LEN as u64)) == Some(runs.len() as u64);
        if !fits || checksum(front, runs).as_bytes() != sum {
            return Ok(None);
        }
        let mut rest = runs;
        let checksums = counts.map(|count| {
            let (run, after) = rest.split_at(count as usize * ENTRY_LEN);
            rest = after;
            run.chunks(BLOCK * ENTRY_LEN).map(block_checksum).collect()
        });
        Ok(Some(SealedIndex {
            file,
            counts,
            checksums,
            certificates: filter(&runs[..counts[Run::Certificate as usize] as usize * ENTRY_LEN]),
        }))
    }

    /// Whether a key may stand here: nearly always right, and without a read.
    pub(super) fn may_have(&self, of: Filed) -> bool {
        match &self.certificates {
            Some(filter) if of.run == Run::Certificate => filter.contains(&of.fingerprint),
            _ => true,
        }
    }

    /// The first places of a key, in order, from one on; only as many are read as are wanted.
    pub(super) fn first(&self, of: Filed, from: u32, limit: usize) -> io::Result<Vec<u32>> {
        if !self.may_have(of) {
            return Ok(Vec::new());
        }
        let wanted = of.fingerprint;
        let mut run = Reader::new(self, of.run);
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
        let mut run = Reader::new(self, of.run);
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
}

/// A filter of the fingerprints of a run, which is sorted.
fn filter(run: &[u8]) -> Option<BinaryFuse8> {
    let (entries, _) = run.as_chunks();
    let mut fingerprints: Vec<u64> = entries.iter().map(|entry| split(entry).0).collect();
    fingerprints.dedup();
    BinaryFuse8::try_from(fingerprints).ok()
}

/// The key that an index file names; `None` when it is too short to name one.
pub(crate) fn key_in(file: &dyn DiskFile) -> io::Result<Option<IndexKey>> {
    let mut key = [0; KEY_LEN];
    let read = file.read_at(&mut key, HEADER_LEN)?;
    Ok((read == KEY_LEN).then(|| IndexKey(Secret::from_bytes(key))))
}

/// Entries of a block: what is read at a time.
const BLOCK: usize = 512;

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
    fn new(index: &'i SealedIndex, run: Run) -> Reader<'i> {
        let run = run as usize;
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
