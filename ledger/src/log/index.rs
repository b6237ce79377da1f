//! Sidecar indexes: which records of a segment concern a certificate, a subject, a type.
//!
//! Keys are 64-bit fingerprints, so a hit is a candidate: whoever asks reads the record and looks. Fingerprints are made
//! under a secret of the peer. Departments choose what stands in their records, and could otherwise choose thousands of
//! identifiers or subjects whose fingerprints are those of somebody else's: everyone who asked for that would read them all.
//! For the same reason the record that issues a certificate has a key of its own, apart from what else a department writes
//! about it, and a subject's certificates of one type have one apart from the subject's others: each question finds what it
//! asks for under one exact key.
//!
//! The unsealed segment's index is three hash tables in memory; a sealed segment's is a file of three sorted runs, read
//! with a search that starts where a uniformly distributed key should stand. Memory keeps a checksum of each block of a run,
//! and each read is held against it: a byte that the medium changed after the file was opened would otherwise read as the
//! absence of what is there, and what follows from that as the fault of the log's department.
//!
//! File: header (64) · index key (32) · three counts (u64) · checksum of all (32) · runs of fingerprint (u64), place in the
//! segment (u32), each sorted. All integers little-endian. The key stands in the file so that fsck can check every entry
//! without a key of the peer; an index made under another key is made again.

use std::io;
use std::num::NonZeroU32;
use std::ops::Range;

use hashbrown::{HashTable, hash_table};
use smallvec::SmallVec;
use xorf::{BinaryFuse8, Filter};

use crate::crypto::hash::{Hash, Purpose, hash, hash_parts};
use crate::crypto::keys::{IndexKey, Secret};
use crate::id::{CertificateId, TypeCode};
use crate::record::{BlindedSubject, CaseTag, Entry, RetrievalHash, SubjectTag};

use super::header::{HEADER_LEN, Kind, check_header, header};
use crate::disk::DiskFile;
use crate::names::LogName;

const ENTRY_LEN: usize = 12;
const KEY_LEN: usize = 32;
const SUM_LEN: usize = 32;
/// Where the checksum stands: after header, key and counts.
const SUM_AT: usize = HEADER_LEN as usize + KEY_LEN + 3 * 8;
const RUNS_AT: u64 = (SUM_AT + SUM_LEN) as u64;

/// The runs of an index: many records share a key of a type, few one of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Certificate,
    Subject,
    Type,
}

/// What a record is filed under: a run, and what the record is about. The first byte gives the kind, and at most the
/// last part varies in length, so no two keys read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    run: Run,
    of: SmallVec<[u8; 96]>,
}

/// A key's fingerprint under a peer's [`IndexKey`], and its run: what an index is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filed {
    run: Run,
    fingerprint: u64,
}

impl Key {
    fn new(run: Run, parts: &[&[u8]]) -> Key {
        let mut of = SmallVec::new();
        for part in parts {
            of.extend_from_slice(part);
        }
        Key { run, of }
    }

    /// As a peer with this key files it.
    pub(crate) fn under(&self, key: &IndexKey) -> Filed {
        Filed {
            run: self.run,
            fingerprint: key.fingerprint(&self.of),
        }
    }

    /// Changes of a certificate, and issues that name it as predecessor.
    pub(crate) fn certificate(id: &CertificateId) -> Key {
        Key::new(Run::Certificate, &[b"c", id.as_str().as_bytes()])
    }

    /// The record that issues a certificate; the first of them counts.
    pub(crate) fn issue(id: &CertificateId) -> Key {
        Key::new(Run::Certificate, &[b"i", id.as_str().as_bytes()])
    }

    /// The erasure of a certificate's fields.
    pub(crate) fn erasure(id: &CertificateId) -> Key {
        Key::new(Run::Certificate, &[b"e", id.as_str().as_bytes()])
    }

    /// Certificates about a subject.
    pub(crate) fn subject(tag: &SubjectTag) -> Key {
        Key::new(Run::Subject, &[b"s", tag.0.as_bytes()])
    }

    /// Certificates about a subject, of one type.
    pub(crate) fn of_subject(tag: &SubjectTag, code: &TypeCode) -> Key {
        let code = code.to_string();
        Key::new(Run::Subject, &[b"o", tag.0.as_bytes(), code.as_bytes()])
    }

    pub(crate) fn type_code(code: &TypeCode) -> Key {
        Key::new(Run::Type, &[b"t", code.to_string().as_bytes()])
    }

    /// The receipts of a kind for one retrieval: a log's first is found without those of the other kind.
    pub(crate) fn retrieval(kind: ReceiptKind, name: &RetrievalHash) -> Key {
        Key::new(Run::Certificate, &[b"r", &[kind as u8], name.0.as_bytes()])
    }

    pub(crate) fn case(tag: &CaseTag) -> Key {
        Key::new(Run::Certificate, &[b"a", tag.0.as_bytes()])
    }

    pub(crate) fn blinded(subject: &BlindedSubject) -> Key {
        Key::new(Run::Subject, &[b"b", subject.0.as_bytes()])
    }

    pub(crate) fn receipts(kind: ReceiptKind) -> Key {
        Key::new(Run::Type, &[b"k", &[kind as u8]])
    }
}

/// The kinds of receipts, each found together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReceiptKind {
    /// What an issuer decided.
    Decided = 7,
    /// What an asker received.
    Acknowledged = 8,
    /// Cases accepted.
    Accepted = 9,
    /// Looks at an access log.
    Looked = 10,
}

/// Records on the way into the index of a segment: fingerprint and place, by run.
#[derive(Default)]
pub(crate) struct Filing([Vec<(u64, u32)>; 3]);

impl Filing {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Files the record at a place under each of its keys; a certificate also under what it replaces, so that the history
    /// of that shows its successor.
    pub(crate) fn add(&mut self, key: &IndexKey, log: &LogName, entry: &Entry, place: u32) {
        let mut file = |of: Key| {
            let Filed { run, fingerprint } = of.under(key);
            self.0[run as usize].push((fingerprint, place));
        };
        match entry {
            Entry::CertificateIssued(issued) => {
                let code = issued.id.type_code();
                file(Key::issue(&issued.id));
                for predecessor in issued.predecessors() {
                    file(Key::certificate(predecessor));
                }
                file(Key::subject(&issued.subject));
                file(Key::of_subject(&issued.subject, &code));
                file(Key::type_code(&code));
            }
            Entry::StatusChanged(changed) => file(Key::certificate(&changed.id)),
            Entry::CertificateErased(erased) => file(Key::erasure(&erased.id)),
            Entry::TypeDefined(_)
            | Entry::MatterDefined(_)
            | Entry::GrantMade(_)
            | Entry::GrantWithdrawn(_)
            | Entry::Unknown(_) => {}
            Entry::RetrievalDecided(decided) => {
                let name = decided.asked.name(log.network);
                file(Key::retrieval(ReceiptKind::Decided, &name));
                file(Key::blinded(&decided.asked.subject));
                file(Key::receipts(ReceiptKind::Decided));
            }
            Entry::RetrievalAcknowledged(acknowledged) => {
                let name = acknowledged.asked.name(log.network);
                file(Key::retrieval(ReceiptKind::Acknowledged, &name));
                file(Key::blinded(&acknowledged.asked.subject));
                file(Key::receipts(ReceiptKind::Acknowledged));
            }
            Entry::CaseAccepted(accepted) => {
                file(Key::case(&accepted.case));
                file(Key::receipts(ReceiptKind::Accepted));
            }
            Entry::AccessLogRead(read) => {
                file(Key::blinded(&read.subject));
                file(Key::receipts(ReceiptKind::Looked));
            }
        }
    }
}

/// Index of a segment that still grows.
#[derive(Default)]
pub(crate) struct TailIndex {
    runs: [GrowingRun; 3],
}

/// Places by fingerprint. Many records may share one (a segment is often of a single type), so the entries of each are
/// chained: adding one costs the same however many there are.
#[derive(Default)]
struct GrowingRun {
    chains: HashTable<Chain>,
    entries: Vec<GrowingEntry>,
}

/// The entries of one fingerprint. Fingerprints are keyed hashes, so a table files them under themselves.
#[derive(Clone, Copy)]
struct Chain {
    fingerprint: u64,
    oldest: u32,
    latest: u32,
}

struct GrowingEntry {
    place: u32,
    /// The entries before and after it in its chain, counted from one.
    before: Option<NonZeroU32>,
    after: Option<NonZeroU32>,
}

impl GrowingRun {
    fn add(&mut self, fingerprint: u64, place: u32) {
        let entry = self.entries.len() as u32;
        let chain = self.chains.entry(
            fingerprint,
            |chain| chain.fingerprint == fingerprint,
            |chain| chain.fingerprint,
        );
        let before = match chain {
            hash_table::Entry::Occupied(mut chain) => {
                let latest = std::mem::replace(&mut chain.get_mut().latest, entry);
                self.entries[latest as usize].after = NonZeroU32::new(entry + 1);
                NonZeroU32::new(latest + 1)
            }
            hash_table::Entry::Vacant(free) => {
                free.insert(Chain {
                    fingerprint,
                    oldest: entry,
                    latest: entry,
                });
                None
            }
        };
        self.entries.push(GrowingEntry {
            place,
            before,
            after: None,
        });
    }

    fn chain(&self, fingerprint: u64) -> Option<&Chain> {
        self.chains
            .find(fingerprint, |chain| chain.fingerprint == fingerprint)
    }

    /// The places of a chain, from one entry on.
    fn walk(
        &self,
        from: Option<u32>,
        next: impl Fn(&GrowingEntry) -> Option<NonZeroU32>,
    ) -> impl Iterator<Item = u32> {
        let mut at = from;
        std::iter::from_fn(move || {
            let entry = self.entries.get(at? as usize)?;
            at = next(entry).map(|next| next.get() - 1);
            Some(entry.place)
        })
    }

    fn first(&self, fingerprint: u64, from: u32, limit: usize) -> Vec<u32> {
        let oldest = self.chain(fingerprint).map(|chain| chain.oldest);
        let found = self.walk(oldest, |entry| entry.after);
        found.filter(|place| *place >= from).take(limit).collect()
    }

    fn latest(&self, fingerprint: u64, below: u32, limit: usize) -> Vec<u32> {
        let latest = self.chain(fingerprint).map(|chain| chain.latest);
        let found = self.walk(latest, |entry| entry.before);
        found.filter(|place| *place < below).take(limit).collect()
    }

    fn sorted(&self) -> Vec<(u64, u32)> {
        let mut entries = Vec::with_capacity(self.entries.len());
        for chain in &self.chains {
            let places = self.walk(Some(chain.oldest), |entry| entry.after);
            entries.extend(places.map(|place| (chain.fingerprint, place)));
        }
        entries.sort_unstable();
        entries
    }
}

impl TailIndex {
    /// Forgets all entries: the next segment begins.
    pub(crate) fn clear(&mut self) {
        self.runs = Default::default();
    }

    /// Takes in records, one run after the other: the table of one fits a cache that those of all three don't.
    pub(crate) fn take(&mut self, filing: &Filing) {
        for (run, entries) in self.runs.iter_mut().zip(&filing.0) {
            for (fingerprint, place) in entries {
                run.add(*fingerprint, *place);
            }
        }
    }

    /// The first places of a key, in order, from one on.
    pub(crate) fn first(&self, of: Filed, from: u32, limit: usize) -> Vec<u32> {
        self.runs[of.run as usize].first(of.fingerprint, from, limit)
    }

    /// The latest places of a key below one, newest first.
    pub(crate) fn latest(&self, of: Filed, below: u32, limit: usize) -> Vec<u32> {
        self.runs[of.run as usize].latest(of.fingerprint, below, limit)
    }

    /// The bytes of an index file whose fingerprints were made under a key.
    pub(crate) fn seal(&self, key: &IndexKey, log: &LogName, first: u64) -> Vec<u8> {
        let mut runs = Vec::new();
        for run in &self.runs {
            for (fingerprint, place) in run.sorted() {
                runs.extend_from_slice(&fingerprint.to_le_bytes());
                runs.extend_from_slice(&place.to_le_bytes());
            }
        }
        let mut bytes = header(Kind::Index, log, first).to_vec();
        bytes.extend_from_slice(key.expose());
        for run in &self.runs {
            bytes.extend_from_slice(&(run.entries.len() as u64).to_le_bytes());
        }
        let sum = checksum(&bytes, &runs);
        bytes.extend_from_slice(sum.as_bytes());
        bytes.extend_from_slice(&runs);
        bytes
    }
}

fn checksum(front: &[u8], runs: &[u8]) -> Hash {
    hash_parts(Purpose::File, &[front, runs])
}

/// Index of a sealed segment, in its file.
pub(crate) struct SealedIndex {
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
    pub(crate) fn open(
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
    fn may_have(&self, of: Filed) -> bool {
        match &self.certificates {
            Some(filter) if of.run == Run::Certificate => filter.contains(&of.fingerprint),
            _ => true,
        }
    }

    /// The first places of a key, in order, from one on; only as many are read as are wanted.
    pub(crate) fn first(&self, of: Filed, from: u32, limit: usize) -> io::Result<Vec<u32>> {
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
    pub(crate) fn latest(&self, of: Filed, below: u32, limit: usize) -> io::Result<Vec<u32>> {
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

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
