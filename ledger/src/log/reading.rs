//! A log as everyone but its appender sees it: what is committed under the last accepted checkpoint.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::codec::{Blob, Bounded};
use crate::crypto::hash::Hash;
use crate::id::{CertificateId, DepartmentCode, TypeCode};
use crate::index::{Index, Key};
use crate::merkle::right_range;
use crate::record::{Entry, Frame, Frames, Record, RecordError, SignedRecord};

use super::ahead::Ahead;
use super::append::Appender;
use super::definitions::Definitions;
use super::page::{MAX_PAGE, Page};
use super::redo::Redo;
use super::segment::Segment;
use super::snapshot::Snapshots;
use super::statuses::{self, StatusEntry, Statuses};
use super::tree_file::TreeFile;
use super::{Checkpoint, ForkEvidence, VerifiedCheckpoint};
use crate::disk::Disk;
use crate::governance::GenerationEnded;
use crate::membership::Membership;
use crate::names::{Lineage, LogName};

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The medium failed.
    #[error("log {log}: {error}")]
    Io {
        /// Which log.
        log: crate::names::LogId,
        /// What the medium said.
        error: io::Error,
    },
    /// The bytes on disk are not those the checkpoint covers.
    #[error(
        "log {log}: record {seq} on disk is damaged; restart the peer to have it fetched again"
    )]
    Damaged {
        /// Which log.
        log: crate::names::LogId,
        /// Which record.
        seq: u64,
    },
    /// No record there.
    #[error("log {log} has {size} records, none at position {seq}")]
    Beyond {
        /// Which log.
        log: crate::names::LogId,
        /// Which record was asked for.
        seq: u64,
        /// Records committed.
        size: u64,
    },
    /// The log has no checkpoint yet.
    #[error("log {0} is empty")]
    Empty(crate::names::LogId),
    /// An entry of a later version makes what is asked for uncertain.
    #[error(
        "record {seq} of log {log} is of a later version of certmesh, which this peer can't read; upgrade the peer"
    )]
    LaterVersion {
        /// Which log.
        log: crate::names::LogId,
        /// The first such record.
        seq: u64,
    },
    /// What is asked for depends on decisions of the members that were not known here when the log was opened.
    #[error(
        "what log {log} says depends on the members' decisions up to governance height {height}, which have to arrive here first"
    )]
    Decisions {
        /// Which log.
        log: crate::names::LogId,
        /// Up to where they have to be known.
        height: u64,
    },
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        match error {
            ReadError::Io { error, .. } => error,
            other => io::Error::other(other),
        }
    }
}

/// The first record of a log of which it can't be known here what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its position.
    pub seq: u64,
    /// Its time, ms since 1970 UTC.
    pub time_ms: u64,
    /// The governance height that has to be known for it; `None` if its entry is one that this version can't read.
    pub behind: Option<u64>,
}

/// Why a log stopped.
#[derive(Clone, Debug)]
pub enum Stopped {
    /// Its department signed two records for one position, or two checkpoints of one size.
    Forked(Arc<ForkEvidence>),
    /// Its department signed records or a checkpoint that break a rule of the log.
    Broken(super::BrokenRule),
}

impl Stopped {
    /// Records before the fork or the broken rule: those nobody disputes.
    pub fn undisputed(&self) -> u64 {
        match self {
            Stopped::Forked(evidence) => evidence.position(),
            Stopped::Broken(rule) => rule.position(),
        }
    }
}

/// Types whose certificates are counted, of each log.
pub(super) const MAX_COUNTED: usize = 4096;

/// Candidates for one record that are read at a time. All but the first share its fingerprint by chance.
const ALIKE: usize = 4;

/// What readers see.
pub(super) struct View {
    /// What the generation began with, once all of it is here.
    pub(super) kept: Option<Kept>,
    pub(super) checkpoint: Option<VerifiedCheckpoint>,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) definitions: Arc<Definitions>,
    pub(super) issued: BTreeMap<TypeCode, u64>,
    pub(super) unread: Option<Unread>,
    pub(super) stopped: Option<Stopped>,
}

impl View {
    pub(super) fn size(&self) -> u64 {
        self.covered().map_or(0, |covered| covered.size)
    }

    fn last_ms(&self) -> Option<u64> {
        self.covered().map(|covered| covered.time_ms)
    }

    fn covered(&self) -> Option<&Checkpoint> {
        let kept = || self.kept.as_ref().map(|kept| &kept.covered);
        self.checkpoint.as_deref().or_else(kept)
    }

    /// The checkpoint by which others can be shown what readers see.
    pub(super) fn signed(&self) -> Option<&VerifiedCheckpoint> {
        let kept = || self.kept.as_ref().and_then(|kept| kept.signed.as_ref());
        self.checkpoint.as_ref().or_else(kept)
    }
}

/// Records that are here of those that a generation began with: all of them.
#[derive(Clone)]
pub(super) struct Kept {
    /// What a checkpoint over just these would say.
    pub(super) covered: Checkpoint,
    /// One over just these that was signed in the generation before, where one is at hand.
    pub(super) signed: Option<VerifiedCheckpoint>,
}

/// A log on disk. Many may read; one at a time appends.
pub struct Log {
    pub(super) name: LogName,
    pub(super) lineage: Lineage,
    /// What it begins with.
    pub(super) beginning: Option<GenerationEnded>,
    /// Who belonged when: whether a change of another department's certificate has an effect.
    pub(super) members: Membership,
    pub(super) disk: Arc<dyn Disk>,
    /// The same, to open files of it before an append.
    pub(super) ahead: Arc<Ahead>,
    pub(super) dir: PathBuf,
    /// Where copies of it are set aside.
    pub(super) aside: PathBuf,
    /// Where the page is kept that stopped it for a broken rule.
    pub(super) broken: PathBuf,
    pub(super) segment_records: u64,
    /// Which of its records are about what, committed or not.
    pub(super) index: Index,
    pub(super) tree: TreeFile,
    /// Its redo journal, and where that is; open once anything was appended.
    pub(super) redo_path: PathBuf,
    pub(super) redo: Mutex<Option<Arc<Redo>>>,
    pub(super) view: RwLock<View>,
    /// Ahead of the checkpoint, but shown up to it. Locked before the view where both are.
    pub(super) statuses: Mutex<Statuses>,
    pub(super) appender: Mutex<Appender>,
    /// Records written: what the appender has, for those who must not wait for it.
    pub(super) held: AtomicU64,
    /// The same, and the root over them: what is read from the tree file is held against it.
    pub(super) tip: RwLock<(u64, Hash)>,
    /// Size of the last checkpoint accepted, also when its records are gone.
    pub(super) floor: AtomicU64,
    /// The first refusal of a disk write.
    pub(super) refused: OnceLock<String>,
    pub(super) snapshots: Mutex<Snapshots>,
    /// Whether parts of the index are merged no more, since the log closes.
    pub(super) merges_no_more: AtomicBool,
    /// Something that was read since the opening is not what it was: the next opening has to read everything.
    pub(super) is_damaged: AtomicBool,
    /// Records before it were not read by the opening, nor since.
    pub(super) unread_below: AtomicU64,
    /// Roots of the blocks among these that were found to be under the root in memory.
    pub(super) proved: RwLock<HashMap<u64, Hash>>,
}

impl Log {
    /// Which log.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    /// Which, and of which generation each of its records is.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Whether a record of it can change what it changes as far as that is another department's certificate.
    pub(super) fn inherits(&self, record: &Record) -> bool {
        // Of most records nobody needs to look at governance.
        statuses::inherited(&record.entry).is_none()
            || statuses::inherits(&self.members.history(), &self.name.id.department, record)
    }

    /// A record of it, if it can't be known here what that changes.
    pub(super) fn unreadable(&self, record: &Record) -> Option<Unread> {
        statuses::unread(record, || self.members.history().height())
    }

    /// Records under the accepted checkpoint; before the first of a generation, those that this began with.
    pub fn size(&self) -> u64 {
        self.view.read().size()
    }

    /// The same once no append is under way.
    pub(crate) fn settled(&self) -> u64 {
        let _none = self.appender.lock();
        self.size()
    }

    /// The accepted checkpoint.
    pub fn checkpoint(&self) -> Option<VerifiedCheckpoint> {
        self.view.read().checkpoint.clone()
    }

    /// What the accepted checkpoint says; before the first of a generation, what one would over what this began with, which
    /// nobody need have signed.
    pub fn covered(&self) -> Option<Checkpoint> {
        self.view.read().covered().cloned()
    }

    /// The accepted checkpoint; before the first of a generation, one of the generation before over just what this began with,
    /// if one is held.
    pub fn provable(&self) -> Option<VerifiedCheckpoint> {
        self.view.read().signed().cloned()
    }

    /// Time of the last of the records that [`Log::size`] counts, ms since 1970 UTC.
    pub fn last_ms(&self) -> Option<u64> {
        self.view.read().last_ms()
    }

    /// The greatest governance height that anything names which readers see.
    pub(crate) fn height(&self) -> u64 {
        self.view
            .read()
            .covered()
            .map_or(0, |covered| covered.height)
    }

    /// Records that readers see, and the time of the last, of one moment.
    pub(crate) fn newest(&self) -> (u64, Option<u64>) {
        let view = self.view.read();
        (view.size(), view.last_ms())
    }

    /// Records verified and on disk; more than [`Log::size`] on the way to a later checkpoint.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// Records under a checkpoint accepted before, or that its generation began with, that are not here: they have to come
    /// from other members before anything is appended.
    pub fn missing(&self) -> u64 {
        self.floor
            .load(Ordering::Acquire)
            .saturating_sub(self.size())
    }

    /// Whether its department signed anything in its generation, here or lost since.
    pub fn is_begun(&self) -> bool {
        self.appender.lock().floor.is_some()
    }

    /// Why the log stopped, if it did.
    pub fn stopped(&self) -> Option<Stopped> {
        self.view.read().stopped.clone()
    }

    /// Stops the log for good: nothing more is appended. What stopped it first stands, except for proof of a fork,
    /// which others can check, in place of a broken rule, which they have to see for themselves.
    pub fn stop(&self, stopped: Stopped) {
        let held = &mut self.view.write().stopped;
        match (&*held, &stopped) {
            (None, _) | (Some(Stopped::Broken(_)), Stopped::Forked(_)) => *held = Some(stopped),
            (Some(_), _) => {}
        }
    }

    /// The first record under the accepted checkpoint whose entry this version can't read. From it on any status may be
    /// another than this version derives.
    pub fn unread(&self) -> Option<Unread> {
        self.view.read().unread
    }

    /// Why nothing can be appended: a disk write that was refused.
    pub fn refused_write(&self) -> Option<String> {
        self.refused.get().cloned()
    }

    /// Takes nothing more from here on, as after a write that was refused, and writes none of its files; waits for what is
    /// under way.
    pub(crate) fn close(&self, reason: &str) {
        self.leave_files();
        let _appender = self.appender.lock();
        let _ = self.refused.set(reason.to_owned());
        self.leave_redo(reason);
    }

    /// What this log defines: types, matters, grants.
    pub fn definitions(&self) -> Arc<Definitions> {
        Arc::clone(&self.view.read().definitions)
    }

    /// Certificates issued, by type: of the first 4,096 types, which is more than an honest log
    /// issues.
    pub fn issued(&self) -> BTreeMap<TypeCode, u64> {
        self.view.read().issued.clone()
    }

    /// Whether it may have issued a certificate of a type.
    pub fn may_have_issued(&self, code: &TypeCode) -> bool {
        let issued = &self.view.read().issued;
        issued.contains_key(code) || issued.len() >= MAX_COUNTED
    }

    /// Current status of a certificate of this log; `None` is plainly valid, or never issued.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn status(&self, id: &CertificateId) -> Result<Option<StatusEntry>, ReadError> {
        self.statuses.lock().get(id).map_err(|e| self.io(e))
    }

    /// What its department says of a certificate that it inherited from another, if it changed that.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inherited_status(
        &self,
        department: &DepartmentCode,
        id: &CertificateId,
    ) -> Result<Option<StatusEntry>, ReadError> {
        let statuses = self.statuses.lock();
        statuses.inherited(department, id).map_err(|e| self.io(e))
    }

    /// Reads a committed record and checks it against the tree.
    ///
    /// # Errors
    /// [`ReadError`]; a record that is not the one the checkpoint covers is never given.
    pub fn record(&self, seq: u64) -> Result<SignedRecord, ReadError> {
        let (segment, size) = {
            let view = self.view.read();
            (segment_of(&view.segments, seq), view.size())
        };
        match segment {
            Some(segment) if seq < size => self.read_record(&segment, seq),
            _ => Err(ReadError::Beyond {
                log: self.name.id,
                seq,
                size,
            }),
        }
    }

    /// Reads a record that is held, committed or not.
    pub(super) fn held_record(&self, seq: u64) -> Result<SignedRecord, ReadError> {
        let segment = segment_of(&self.view.read().segments, seq);
        let segment = segment.ok_or_else(|| self.damaged(seq))?;
        self.read_record(&segment, seq)
    }

    pub(super) fn read_record(
        &self,
        segment: &Segment,
        seq: u64,
    ) -> Result<SignedRecord, ReadError> {
        let damaged = || self.damaged(seq);
        let offsets = segment
            .offsets
            .read(seq - segment.first, 1)
            .map_err(|e| self.io(e))?;
        let [start, end] = offsets[..] else {
            return Err(damaged());
        };
        let bytes = segment.read_frames(start, end).map_err(|_| damaged())?;
        let (frame, _) = Frame::read(&bytes).map_err(|_| damaged())?;
        let record = SignedRecord::decode(&self.lineage.at(seq), &frame)
            .map_err(|_: RecordError| damaged())?;
        match record.record().seq == seq && self.is_leaf(seq, record.leaf())? {
            true => Ok(record),
            false => Err(damaged()),
        }
    }

    /// Positions of committed records filed under any of some keys, in order: the first `limit` from a position on. Each is a
    /// candidate, to be read and compared with what was asked for.
    pub(crate) fn positions(
        &self,
        keys: &[Key],
        from: u64,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let found = self.index.first(keys, from, self.size(), limit);
        found.map_err(|e| self.io(e))
    }

    /// The same of the latest `limit`, newest first. Records that no checkpoint covers yet don't count, however many they are.
    pub(crate) fn latest_positions(&self, key: &Key, limit: usize) -> Result<Vec<u64>, ReadError> {
        let found = self.index.latest(key, self.size(), limit);
        found.map_err(|e| self.io(e))
    }

    /// Whether one of the records before a position issues a certificate. Records that are held count, under a checkpoint
    /// or not yet: it decides whether a change has an effect, which must not depend on where checkpoints fall.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn issued_before(&self, id: &CertificateId, seq: u64) -> Result<bool, ReadError> {
        let keys = [Key::issue(id)];
        let mut from = 0;
        loop {
            let found = self.index.first(&keys, from, seq, ALIKE);
            let positions = found.map_err(|e| self.io(e))?;
            for position in &positions {
                if self.held_record(*position)?.record().entry.issues(id) {
                    return Ok(true);
                }
            }
            match positions.last() {
                Some(last) if positions.len() == ALIKE => from = last + 1,
                _ => return Ok(false),
            }
        }
    }

    /// A page from a position on, up to `max_bytes` of frames (at most 1 MiB), under the accepted checkpoint.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Beyond`] for a position past the end (the end itself gives an empty page).
    pub fn page(&self, from: u64, max_bytes: usize) -> Result<Page, ReadError> {
        let (checkpoint, segment) = {
            let view = self.view.read();
            let checkpoint = view
                .checkpoint
                .clone()
                .ok_or(ReadError::Empty(self.name.id))?;
            let segment = if from < checkpoint.size {
                segment_of(&view.segments, from)
            } else {
                None
            };
            (checkpoint, segment)
        };
        let size = checkpoint.size;
        if from > size {
            return Err(ReadError::Beyond {
                log: self.name.id,
                seq: from,
                size,
            });
        }
        let (frames, count) = match segment {
            Some(segment) => self.frames_for_page(&segment, from, size, max_bytes.min(MAX_PAGE))?,
            None => (Vec::new(), 0),
        };
        self.check_unread(from, &frames)?;
        // Held against the root in memory: a node that the medium changed would be this peer's fault to whoever gets the page.
        let left = self.range_at(from)?;
        let right = right_range(&self.tree, from + count, size).map_err(|e| self.tree_error(e))?;
        Ok(Page {
            checkpoint: checkpoint.signed().clone(),
            from,
            left: Bounded::first(left.nodes().iter().copied()),
            right: Bounded::first(right),
            frames: Blob::new(frames).expect("cut to the bound"),
        })
    }

    /// Hands over the entries of committed records, in order, as they are on disk: they were checked when the log was opened
    /// or written, and are checked again only if the opening did not read them.
    pub(crate) fn entries(
        &self,
        range: std::ops::Range<u64>,
        mut take: impl FnMut(u64, Entry),
    ) -> Result<(), ReadError> {
        let (segments, size) = {
            let view = self.view.read();
            (view.segments.clone(), view.size())
        };
        let (mut at, until) = (range.start, range.end.min(size));
        while at < until {
            let damaged = || self.damaged(at);
            let segment = segment_of(&segments, at).ok_or_else(damaged)?;
            let (frames, count) = self.frames_for_page(&segment, at, until, MAX_PAGE)?;
            if count == 0 {
                return Err(damaged());
            }
            self.check_unread(at, &frames)?;
            for (seq, frame) in (at..).zip(Frames::new(&frames)) {
                let record = frame
                    .ok()
                    .and_then(|frame| Record::decode(frame.record).ok());
                let record = record.filter(|record| record.seq == seq);
                take(seq, record.ok_or_else(damaged)?.entry);
            }
            at += count;
        }
        Ok(())
    }

    /// Entries of committed records from a position on, at least one and as many as have up to `max_bytes` of frames, and how many
    /// bytes these have; `None` behind the last. They are as good as those of [`Log::entries`].
    pub(crate) fn some_entries(
        &self,
        from: u64,
        max_bytes: usize,
    ) -> Result<Option<(Vec<Entry>, usize)>, ReadError> {
        let Some((frames, count)) = self.frames_from(from, max_bytes)? else {
            return Ok(None);
        };
        let mut entries = Vec::with_capacity(count as usize);
        self.check_unread(from, &frames)?;
        for (seq, frame) in (from..).zip(Frames::new(&frames)) {
            let record = frame.ok().and_then(|it| Record::decode(it.record).ok());
            let record = record.filter(|record| record.seq == seq);
            entries.push(record.ok_or_else(|| self.damaged(seq))?.entry);
        }
        Ok(Some((entries, frames.len())))
    }

    fn frames_for_page(
        &self,
        segment: &Segment,
        from: u64,
        size: u64,
        max_bytes: usize,
    ) -> Result<(Vec<u8>, u64), ReadError> {
        // A record takes at least some 150 bytes, so a page never holds more than 2^13 of them.
        let most = (size - from)
            .min(self.segment_records - (from - segment.first))
            .min(1 << 13);
        let offsets = segment
            .frame_offsets(from - segment.first, most)
            .map_err(|e| self.io(e))?;
        let start = offsets[0];
        let fits = offsets[1..]
            .iter()
            .take_while(|end| *end - start <= max_bytes as u64)
            .count();
        if fits == 0 {
            return Ok((Vec::new(), 0));
        }
        let bytes = segment
            .read_frames(start, offsets[fits])
            .map_err(|e| self.io(e))?;
        let frames: Vec<bool> = Frames::new(&bytes).map(|frame| frame.is_ok()).collect();
        let whole = frames.iter().take_while(|whole| **whole).count();
        if (whole, frames.len()) != (fits, fits) {
            return Err(self.damaged(from + whole.min(fits) as u64));
        }
        Ok((bytes, fits as u64))
    }

    /// Frames of committed records from a position on, at least one and up to `max_bytes`, and how many; `None` behind the last.
    pub(super) fn frames_from(
        &self,
        from: u64,
        max_bytes: usize,
    ) -> Result<Option<(Vec<u8>, u64)>, ReadError> {
        let (segment, size) = {
            let view = self.view.read();
            (segment_of(&view.segments, from), view.size())
        };
        match segment.filter(|_| from < size) {
            None => Ok(None),
            Some(segment) => match self.frames_for_page(&segment, from, size, max_bytes)? {
                (_, 0) => Err(self.damaged(from)),
                frames => Ok(Some(frames)),
            },
        }
    }

    /// The same of records before a position.
    pub(super) fn frames_before(
        &self,
        from: u64,
        until: u64,
        max_bytes: usize,
    ) -> Result<Option<(Vec<u8>, u64)>, ReadError> {
        let segment = segment_of(&self.view.read().segments, from);
        let Some(segment) = segment.filter(|_| from < until) else {
            return Ok(None);
        };
        let (frames, count) = self.frames_for_page(&segment, from, until, max_bytes)?;
        self.check_unread(from, &frames)?;
        Ok(Some((frames, count)))
    }

    /// What was read of a record is not what is covered.
    pub(super) fn damaged(&self, seq: u64) -> ReadError {
        self.is_damaged.store(true, Ordering::Release);
        let log = self.name.id;
        ReadError::Damaged { log, seq }
    }

    /// Takes note of what the medium said: whether a file hasn't what it should have.
    pub(super) fn saw(&self, error: &io::Error) {
        if is_damage(error) {
            self.is_damaged.store(true, Ordering::Release);
        }
    }

    pub(super) fn io(&self, error: io::Error) -> ReadError {
        self.saw(&error);
        ReadError::Io {
            log: self.name.id,
            error,
        }
    }

    /// Leaf of a record that is held.
    pub(super) fn leaf(&self, seq: u64) -> io::Result<Hash> {
        self.tree.leaf(seq)
    }
}

/// Whether an error says that a file hasn't what it should have.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

fn segment_of(segments: &[Arc<Segment>], seq: u64) -> Option<Arc<Segment>> {
    let after = segments.partition_point(|segment| segment.first <= seq);
    after.checked_sub(1).map(|i| Arc::clone(&segments[i]))
}
