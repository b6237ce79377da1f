//! Sidecar indexes: which records of a segment concern a certificate, a subject, a type.
//!
//! Keys are 64-bit fingerprints of keyed hashes, so a hit is a candidate: whoever asks reads the record and looks. The
//! unsealed segment's index is three hash tables in memory; a sealed segment's is a file of three sorted runs, read
//! with a search that starts where a uniformly distributed key should stand.
//!
//! File: header (64) · three counts (u64) · checksum of all runs (32) · runs of fingerprint (u64), place in the segment
//! (u32), each sorted. All integers little-endian.

use std::io;
use std::num::NonZeroU32;

use hashbrown::HashTable;
use smallvec::{SmallVec, smallvec};

use crate::hash::{Hash, Purpose, hash_parts};
use crate::id::{CertificateId, TypeCode};
use crate::record::{BlindedSubject, CaseTag, Entry, RetrievalHash, SubjectTag};

use super::LogName;
use super::disk::DiskFile;
use super::header::{HEADER_LEN, Kind, check_header, header};

const ENTRY_LEN: usize = 12;
const RUNS_AT: u64 = HEADER_LEN + 3 * 8 + 32;

/// What an index is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Certificate(u64),
    Subject(u64),
    Type(u64),
}

impl Key {
    pub(crate) fn certificate(id: &CertificateId) -> Key {
        Key::Certificate(hash_parts(Purpose::Index, &[b"c", id.as_str().as_bytes()]).fingerprint())
    }

    pub(crate) fn subject(tag: &SubjectTag) -> Key {
        // A tag is a hash already.
        Key::Subject(tag.0.fingerprint())
    }

    pub(crate) fn type_code(code: &TypeCode) -> Key {
        Key::Type(hash_parts(Purpose::Index, &[b"t", code.to_string().as_bytes()]).fingerprint())
    }

    pub(crate) fn retrieval(name: &RetrievalHash) -> Key {
        Key::Certificate(hash_parts(Purpose::Index, &[b"r", name.0.as_bytes()]).fingerprint())
    }

    pub(crate) fn case(tag: &CaseTag) -> Key {
        Key::Certificate(hash_parts(Purpose::Index, &[b"a", tag.0.as_bytes()]).fingerprint())
    }

    pub(crate) fn blinded(subject: &BlindedSubject) -> Key {
        Key::Subject(subject.0.fingerprint())
    }

    pub(crate) fn receipts(kind: ReceiptKind) -> Key {
        Key::Type(hash_parts(Purpose::Index, &[b"k", &[kind as u8]]).fingerprint())
    }

    fn run(self) -> (usize, u64) {
        match self {
            Key::Certificate(fingerprint) => (0, fingerprint),
            Key::Subject(fingerprint) => (1, fingerprint),
            Key::Type(fingerprint) => (2, fingerprint),
        }
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

/// The keys of one record: few have more than four, and those of many records are on their way at once.
pub(crate) type Keys = SmallVec<[Key; 4]>;

/// The keys under which a record is found: a certificate's record also under what it replaces, so that their histories
/// show the successor.
pub(crate) fn keys(entry: &Entry) -> Keys {
    match entry {
        Entry::CertificateIssued(issued) => {
            let predecessors = issued.predecessors();
            let mut keys = Keys::with_capacity(3 + predecessors.len());
            keys.push(Key::certificate(&issued.id));
            keys.extend(predecessors.iter().map(Key::certificate));
            keys.push(Key::subject(&issued.subject));
            keys.push(Key::type_code(&issued.id.type_code()));
            keys
        }
        Entry::StatusChanged(changed) => smallvec![Key::certificate(&changed.id)],
        Entry::CertificateErased(erased) => smallvec![Key::certificate(&erased.id)],
        Entry::TypeDefined(_)
        | Entry::MatterDefined(_)
        | Entry::GrantMade(_)
        | Entry::GrantWithdrawn(_) => Keys::new(),
        Entry::RetrievalDecided(decided) => {
            let mut keys = smallvec![
                Key::retrieval(&decided.retrieval),
                Key::receipts(ReceiptKind::Decided),
            ];
            keys.extend(decided.subject.as_ref().map(Key::blinded));
            keys
        }
        Entry::RetrievalAcknowledged(acknowledged) => smallvec![
            Key::retrieval(&acknowledged.retrieval),
            Key::blinded(&acknowledged.subject),
            Key::receipts(ReceiptKind::Acknowledged),
        ],
        Entry::CaseAccepted(accepted) => smallvec![
            Key::case(&accepted.case),
            Key::receipts(ReceiptKind::Accepted),
        ],
        Entry::AccessLogRead(read) => smallvec![
            Key::blinded(&read.subject),
            Key::receipts(ReceiptKind::Looked),
        ],
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
    /// Fingerprint and its latest entry.
    latest: HashTable<(u64, u32)>,
    /// Place, and the entry before it with the same fingerprint.
    entries: Vec<(u32, Option<NonZeroU32>)>,
}

impl GrowingRun {
    fn add(&mut self, fingerprint: u64, place: u32) {
        let entry = self.entries.len() as u32;
        match self
            .latest
            .find_mut(fingerprint, |(found, _)| *found == fingerprint)
        {
            Some((_, latest)) => {
                self.entries.push((place, NonZeroU32::new(*latest + 1)));
                *latest = entry;
            }
            None => {
                self.entries.push((place, None));
                self.latest
                    .insert_unique(fingerprint, (fingerprint, entry), |(found, _)| *found);
            }
        }
    }

    /// Places from an entry backwards.
    fn chain(&self, latest: u32) -> impl Iterator<Item = u32> {
        let mut next = Some(latest);
        std::iter::from_fn(move || {
            let (place, before) = *self.entries.get(next? as usize)?;
            next = before.map(|before| before.get() - 1);
            Some(place)
        })
    }

    fn find(&self, fingerprint: u64, out: &mut Vec<u32>) {
        let found = self
            .latest
            .find(fingerprint, |(found, _)| *found == fingerprint);
        if let Some((_, latest)) = found {
            out.extend(self.chain(*latest));
        }
    }

    fn sorted(&self) -> Vec<(u64, u32)> {
        let each = |(fingerprint, latest): &(u64, u32)| {
            let fingerprint = *fingerprint;
            self.chain(*latest).map(move |place| (fingerprint, place))
        };
        let mut entries: Vec<(u64, u32)> = self.latest.iter().flat_map(each).collect();
        entries.sort_unstable();
        entries
    }
}

impl TailIndex {
    pub(crate) fn add(&mut self, keys: &[Key], place: u32) {
        for key in keys {
            let (run, fingerprint) = key.run();
            self.runs[run].add(fingerprint, place);
        }
    }

    pub(crate) fn find(&self, key: Key, out: &mut Vec<u32>) {
        let (run, fingerprint) = key.run();
        self.runs[run].find(fingerprint, out);
    }

    /// The index file's bytes.
    pub(crate) fn seal(&self, log: &LogName, first: u64) -> Vec<u8> {
        let mut runs = Vec::new();
        for run in &self.runs {
            for (fingerprint, place) in run.sorted() {
                runs.extend_from_slice(&fingerprint.to_le_bytes());
                runs.extend_from_slice(&place.to_le_bytes());
            }
        }
        let mut bytes = header(Kind::Index, log, first).to_vec();
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
}

impl SealedIndex {
    /// Opens and checks an index file; `None` when it is missing, damaged or another's, and must be made anew.
    pub(crate) fn open(
        file: Box<dyn DiskFile>,
        log: &LogName,
        first: u64,
    ) -> io::Result<Option<SealedIndex>> {
        let mut bytes = vec![
            0;
            usize::try_from(file.len()?)
                .unwrap_or(usize::MAX)
                .min(64 << 20)
        ];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        let Some((front, rest)) = bytes.split_at_checked(RUNS_AT as usize - 32) else {
            return Ok(None);
        };
        let Some((sum, runs)) = rest.split_first_chunk::<32>() else {
            return Ok(None);
        };
        if check_header(&front[..HEADER_LEN as usize], Kind::Index, log, first).is_err() {
            return Ok(None);
        }
        let mut counts = [0; 3];
        for (count, bytes) in counts
            .iter_mut()
            .zip(front[HEADER_LEN as usize..].chunks_exact(8))
        {
            *count = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        let whole = counts
            .iter()
            .try_fold(0u64, |sum, count| sum.checked_add(*count));
        let fits = whole.and_then(|n| n.checked_mul(ENTRY_LEN as u64)) == Some(runs.len() as u64);
        if !fits || checksum(front, runs).as_bytes() != sum {
            return Ok(None);
        }
        Ok(Some(SealedIndex { file, counts }))
    }

    pub(crate) fn find(&self, key: Key, out: &mut Vec<u32>) -> io::Result<()> {
        let (run, fingerprint) = key.run();
        let count = self.counts[run];
        let start = RUNS_AT + self.counts[..run].iter().sum::<u64>() * ENTRY_LEN as u64;
        let mut at = self.lower_bound(start, count, fingerprint)?;
        let mut block = [0; 64 * ENTRY_LEN];
        while at < count {
            let entries = self.read(&mut block, start, at, count)?;
            for entry in entries.chunks_exact(ENTRY_LEN) {
                let (found, place) = split(entry);
                if found != fingerprint {
                    return Ok(());
                }
                out.push(place);
            }
            at += 64;
        }
        Ok(())
    }

    fn read<'b>(
        &self,
        block: &'b mut [u8],
        start: u64,
        at: u64,
        count: u64,
    ) -> io::Result<&'b [u8]> {
        let wanted = (block.len() / ENTRY_LEN).min((count - at) as usize) * ENTRY_LEN;
        self.file
            .read_exact_at(&mut block[..wanted], start + at * ENTRY_LEN as u64)?;
        Ok(&block[..wanted])
    }

    /// First entry not below the fingerprint. Fingerprints are uniform, so it stands near its proportion of the run:
    /// one block read there nearly always has it; otherwise the search halves what is left.
    fn lower_bound(&self, start: u64, count: u64, fingerprint: u64) -> io::Result<u64> {
        const BLOCK: u64 = 256;
        let mut block = [0; BLOCK as usize * ENTRY_LEN];
        let (mut low, mut high) = (0, count);
        let guess = ((u128::from(fingerprint) * u128::from(count)) >> 64) as u64;
        let mut at = guess.saturating_sub(BLOCK / 2);
        while low < high {
            let entries = self.read(&mut block, start, at, count)?;
            let read = (entries.len() / ENTRY_LEN) as u64;
            let below = entries
                .chunks_exact(ENTRY_LEN)
                .take_while(|entry| split(entry).0 < fingerprint)
                .count() as u64;
            if below == 0 {
                high = high.min(at);
            } else {
                low = low.max(at + below);
                if below < read {
                    high = high.min(at + below);
                }
            }
            if low < high {
                at = (low + (high - low) / 2).saturating_sub(BLOCK / 2).max(low);
            }
        }
        Ok(low)
    }
}

fn split(entry: &[u8]) -> (u64, u32) {
    let (fingerprint, place) = entry
        .split_first_chunk::<8>()
        .expect("entries are twelve bytes");
    (
        u64::from_le_bytes(*fingerprint),
        u32::from_le_bytes(place.try_into().expect("entries are twelve bytes")),
    )
}
