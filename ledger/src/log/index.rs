//! Sidecar indexes: which records of a segment concern a certificate, a subject, a type.
//!
//! Keys are 64-bit fingerprints of keyed hashes, so a hit is a candidate: whoever asks reads the record and looks. A
//! certificate is filed under its subject in the upper 40 bits and its type in the lower 24, so that one entry serves those
//! who ask for all of a subject's certificates and those who ask for the ones of a type. The
//! unsealed segment's index is three hash tables in memory; a sealed segment's is a file of three sorted runs, read
//! with a search that starts where a uniformly distributed key should stand.
//!
//! File: header (64) · three counts (u64) · checksum of all runs (32) · runs of fingerprint (u64), place in the segment
//! (u32), each sorted. All integers little-endian.

use std::io;
use std::num::NonZeroU32;
use std::ops::Range;

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

/// The bits of a subject's key that tell the type.
const TYPE_BITS: u32 = 24;
/// For each run, the lower bits of its keys that a question may leave open.
const OPEN_BITS: [u32; 3] = [0, TYPE_BITS, 0];

/// What a record is filed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Certificate(u64),
    Subject(u64),
    Type(u64),
}

/// What an index is asked for: keys of one run, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    run: usize,
    first: u64,
    last: u64,
}

impl From<Key> for Query {
    fn from(key: Key) -> Query {
        let (run, fingerprint) = key.run();
        Query {
            run,
            first: fingerprint,
            last: fingerprint,
        }
    }
}

impl Query {
    /// Every certificate about a subject.
    pub(crate) fn subject(tag: &SubjectTag) -> Query {
        let open = (1 << TYPE_BITS) - 1;
        Query {
            run: 1,
            first: tag.0.fingerprint() & !open,
            last: tag.0.fingerprint() | open,
        }
    }
}

impl Key {
    pub(crate) fn certificate(id: &CertificateId) -> Key {
        Key::Certificate(hash_parts(Purpose::Index, &[b"c", id.as_str().as_bytes()]).fingerprint())
    }

    /// Certificates about a subject, of the type with this key.
    pub(crate) fn of_subject(tag: &SubjectTag, type_code: Key) -> Key {
        let (_, of_type) = type_code.run();
        let types = (1 << TYPE_BITS) - 1;
        // A tag is a hash already.
        Key::Subject(tag.0.fingerprint() & !types | of_type & types)
    }

    pub(crate) fn type_code(code: &TypeCode) -> Key {
        Key::Type(hash_parts(Purpose::Index, &[b"t", code.to_string().as_bytes()]).fingerprint())
    }

    /// The receipts of a kind for one retrieval: a log's first is found without those of the other kind.
    pub(crate) fn retrieval(kind: ReceiptKind, name: &RetrievalHash) -> Key {
        let parts: [&[u8]; 3] = [b"r", &[kind as u8], name.0.as_bytes()];
        Key::Certificate(hash_parts(Purpose::Index, &parts).fingerprint())
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
pub(crate) fn keys(log: &LogName, entry: &Entry) -> Keys {
    match entry {
        Entry::CertificateIssued(issued) => {
            let predecessors = issued.predecessors();
            let mut keys = Keys::with_capacity(3 + predecessors.len());
            keys.push(Key::certificate(&issued.id));
            keys.extend(predecessors.iter().map(Key::certificate));
            let type_code = Key::type_code(&issued.id.type_code());
            keys.push(Key::of_subject(&issued.subject, type_code));
            keys.push(type_code);
            keys
        }
        Entry::StatusChanged(changed) => smallvec![Key::certificate(&changed.id)],
        Entry::CertificateErased(erased) => smallvec![Key::certificate(&erased.id)],
        Entry::TypeDefined(_)
        | Entry::MatterDefined(_)
        | Entry::GrantMade(_)
        | Entry::GrantWithdrawn(_)
        | Entry::Unknown(_) => Keys::new(),
        Entry::RetrievalDecided(decided) => smallvec![
            Key::retrieval(ReceiptKind::Decided, &decided.asked.name(log.network)),
            Key::blinded(&decided.asked.subject),
            Key::receipts(ReceiptKind::Decided),
        ],
        Entry::RetrievalAcknowledged(acknowledged) => smallvec![
            Key::retrieval(
                ReceiptKind::Acknowledged,
                &acknowledged.asked.name(log.network)
            ),
            Key::blinded(&acknowledged.asked.subject),
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
pub(crate) struct TailIndex {
    runs: [GrowingRun; 3],
}

impl Default for TailIndex {
    fn default() -> TailIndex {
        TailIndex {
            runs: OPEN_BITS.map(GrowingRun::new),
        }
    }
}

/// Places by fingerprint. Many records may share one (a segment is often of a single type), so the entries of each are
/// chained: adding one costs the same however many there are.
struct GrowingRun {
    /// Lower bits of a fingerprint that its chain leaves open.
    open_bits: u32,
    /// The chain of each fingerprint's upper bits.
    chains: HashTable<Chain>,
    entries: Vec<GrowingEntry>,
}

#[derive(Clone, Copy)]
struct Chain {
    upper: u64,
    oldest: u32,
    latest: u32,
}

impl Chain {
    /// What the table files it under. A table takes the place from a hash's lower bits and tells its neighbours apart by
    /// the upper ones, so both must vary whatever was left open.
    fn hash(upper: u64) -> u64 {
        upper ^ upper << TYPE_BITS
    }
}

struct GrowingEntry {
    fingerprint: u64,
    place: u32,
    /// The entries before and after it in its chain, counted from one.
    before: Option<NonZeroU32>,
    after: Option<NonZeroU32>,
}

impl GrowingRun {
    fn new(open_bits: u32) -> GrowingRun {
        GrowingRun {
            open_bits,
            chains: HashTable::new(),
            entries: Vec::new(),
        }
    }

    fn add(&mut self, fingerprint: u64, place: u32) {
        let upper = fingerprint >> self.open_bits;
        let entry = self.entries.len() as u32;
        let mut before = None;
        match self
            .chains
            .find_mut(Chain::hash(upper), |chain| chain.upper == upper)
        {
            Some(chain) => {
                let latest = std::mem::replace(&mut chain.latest, entry);
                before = NonZeroU32::new(latest + 1);
                self.entries[latest as usize].after = NonZeroU32::new(entry + 1);
            }
            None => {
                let chain = Chain {
                    upper,
                    oldest: entry,
                    latest: entry,
                };
                self.chains
                    .insert_unique(Chain::hash(upper), chain, |chain| Chain::hash(chain.upper));
            }
        }
        self.entries.push(GrowingEntry {
            fingerprint,
            place,
            before,
            after: None,
        });
    }

    /// The chain that holds what is asked for, among others.
    fn chain(&self, query: Query) -> Option<Chain> {
        let upper = query.first >> self.open_bits;
        let found = self
            .chains
            .find(Chain::hash(upper), |chain| chain.upper == upper);
        found.copied()
    }

    /// What is wanted of a chain, from one entry on: places.
    fn walk(
        &self,
        from: u32,
        query: Query,
        next: impl Fn(&GrowingEntry) -> Option<NonZeroU32>,
    ) -> impl Iterator<Item = u32> {
        let mut at = Some(from);
        let entries = std::iter::from_fn(move || {
            let entry = self.entries.get(at? as usize)?;
            at = next(entry).map(|next| next.get() - 1);
            Some(entry)
        });
        entries
            .filter(move |entry| (query.first..=query.last).contains(&entry.fingerprint))
            .map(|entry| entry.place)
    }

    fn sorted(&self) -> Vec<(u64, u32)> {
        let each = |entry: &GrowingEntry| (entry.fingerprint, entry.place);
        let mut entries: Vec<(u64, u32)> = self.entries.iter().map(each).collect();
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

    /// The first places of what is asked for, in order, from one on.
    pub(crate) fn first(&self, query: Query, from: u32, limit: usize) -> Vec<u32> {
        let run = &self.runs[query.run];
        let Some(chain) = run.chain(query) else {
            return Vec::new();
        };
        let found = run.walk(chain.oldest, query, |entry| entry.after);
        found.filter(|place| *place >= from).take(limit).collect()
    }

    /// The latest places, newest first.
    pub(crate) fn latest(&self, query: Query, limit: usize) -> Vec<u32> {
        let run = &self.runs[query.run];
        let Some(chain) = run.chain(query) else {
            return Vec::new();
        };
        let found = run.walk(chain.latest, query, |entry| entry.before);
        found.take(limit).collect()
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

    /// The first places of what is asked for, in order, from one on. Of one key they stand in order, and no more is read
    /// than is wanted, however many there are.
    pub(crate) fn first(&self, query: Query, from: u32, limit: usize) -> io::Result<Vec<u32>> {
        let exact = query.first == query.last;
        let begin = if exact { from } else { 0 };
        let mut run = Reader::new(self, query.run);
        let mut at = run.lower_bound((query.first, begin))?;
        let mut places = Vec::new();
        while at < run.count && !(exact && places.len() == limit) {
            let (fingerprint, place) = run.entry(at, at)?;
            if fingerprint > query.last {
                break;
            }
            if place >= from {
                places.push(place);
            }
            at += 1;
        }
        places.sort_unstable();
        places.truncate(limit);
        Ok(places)
    }

    /// The latest places of one key, newest first.
    pub(crate) fn latest(&self, query: Query, limit: usize) -> io::Result<Vec<u32>> {
        let mut run = Reader::new(self, query.run);
        let mut at = match query.last.checked_add(1) {
            Some(next) => run.lower_bound((next, 0))?,
            None => run.count,
        };
        let mut places = Vec::new();
        while at > 0 && places.len() < limit {
            let (fingerprint, place) = run.entry(at - 1, at.saturating_sub(BLOCK as u64))?;
            if fingerprint < query.first {
                break;
            }
            places.push(place);
            at -= 1;
        }
        Ok(places)
    }
}

/// Entries read at a time.
const BLOCK: usize = 512;

/// Reads a run of a sealed index, keeping the block at hand that it read last: what is looked for nearly always stands in
/// the one block that finding its place takes.
struct Reader<'i> {
    file: &'i dyn DiskFile,
    /// Where the run begins in the file.
    start: u64,
    /// Entries of the run.
    count: u64,
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
            block: [[0; ENTRY_LEN]; BLOCK],
            at_hand: 0..0,
        }
    }

    /// Reads the block that begins at an entry.
    fn read(&mut self, at: u64) -> io::Result<&[[u8; ENTRY_LEN]]> {
        let len = (self.count - at).min(BLOCK as u64);
        let block = &mut self.block[..len as usize];
        self.at_hand = 0..0;
        let place = self.start + at * ENTRY_LEN as u64;
        self.file.read_exact_at(block.as_flattened_mut(), place)?;
        self.at_hand = at..at + len;
        Ok(block)
    }

    /// An entry, from the block that begins at another if it isn't at hand.
    fn entry(&mut self, at: u64, block: u64) -> io::Result<(u64, u32)> {
        if !self.at_hand.contains(&at) {
            self.read(block)?;
        }
        Ok(split(&self.block[(at - self.at_hand.start) as usize]))
    }

    /// First entry not below this one. Fingerprints are uniform, so it stands near its proportion of the run: in the block
    /// read there, or one of its neighbours. For those that an issuer chose otherwise the steps double until the entry is
    /// passed, and what is left is halved.
    fn lower_bound(&mut self, wanted: (u64, u32)) -> io::Result<u64> {
        let (mut low, mut high, mut step) = (0, self.count, BLOCK as u64);
        let guess = ((u128::from(wanted.0) * u128::from(self.count)) >> 64) as u64;
        let mut at = guess.saturating_sub(BLOCK as u64 / 2);
        while low < high {
            let entries = self.read(at)?;
            let read = entries.len() as u64;
            let below = entries.partition_point(|entry| split(entry) < wanted) as u64;
            if below > 0 {
                low = low.max(at + below);
            }
            if below < read {
                high = high.min(at + below);
            }
            at = match (low > 0, high < self.count) {
                (true, true) => (low + (high - low) / 2)
                    .saturating_sub(BLOCK as u64 / 2)
                    .max(low),
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
