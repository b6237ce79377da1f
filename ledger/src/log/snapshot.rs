//! What a log derives from its records, saved: an opening reads the records behind it, and not those before.
//!
//! A snapshot is of a checkpoint's size. It has the tree's right edge, statuses (where their pages are), definitions, counts, and
//! which files the index has. It is derived, and vouches for nothing: an opening takes it only if it leads to the signed
//! checkpoint (root, last record, status root), and reads all records if it doesn't. What no root covers, definitions and counts,
//! is as good as its checksum, as it is in memory.
//!
//! Records before it are not read by the opening, so each is checked where it is used: `held.rs`.
//!
//! Durability: the files that it counts on (tree, offsets, index, pages of the statuses) are synced before it is written, and
//! stay as they are until another takes its place: files of the index are only added, pages written elsewhere. It is written
//! beside the one before, synced and renamed. A crash on the way leaves the one before.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bounded};
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::disk::{Disk, DiskFile};
use crate::header::{HEADER_LEN, Kind, check_header, header};
use crate::id::TypeCode;
use crate::merkle::CompactRange;
use crate::names::LogName;
use crate::record::{Entry, RecordHash};
use crate::status_map::StatusMap;

use super::definitions::SavedDefinitions;
use super::head::Head;
use super::index_files::{index_files, index_name};
use super::link::Tip;
use super::reading::{Log, Unread};
use super::scan::Start;
use super::segment::{Segment, file_name};
use super::statuses::Statuses;

const NAME: &str = "snapshot";
/// What is being written.
const NEW: &str = "snapshot.new";
const SUM_LEN: usize = 32;
/// Most bytes of a snapshot beside the statuses.
const MAX_BODY: usize = 256 << 20;

/// What a snapshot holds beside the statuses.
#[derive(Serialize, Deserialize)]
struct Body {
    segment_records: u64,
    size: u64,
    head: RecordHash,
    time_ms: u64,
    height: u64,
    key_epoch: u32,
    range: Bounded<Hash, 64>,
    /// Where the last record ends in its segment's file.
    end: u64,
    definitions: SavedDefinitions,
    issued: Vec<(TypeCode, u64)>,
    /// Position and time of the first entry that this version can't read.
    unread: Option<(u64, u64)>,
    /// First position of each file of the index, the one behind its last, and its checksum.
    index: Vec<(u64, u64, Hash)>,
}

/// What there is of snapshots while a log is open. Locked before the appender where both are.
#[derive(Default)]
pub(super) struct Snapshots {
    /// Size of the last one.
    size: u64,
    /// Records in files that were synced for it.
    synced: u64,
    /// Records in full segments whose files rest.
    resting: u64,
    /// Where the part that grows began when parts before it could not be merged.
    not_merged: Option<u64>,
    /// Whether another copy of the log is open, or is about to be: its files are no longer this one's.
    is_closed: bool,
    /// Why no more are saved: a sync was refused, and the next one would report what was lost then as durable.
    refused: Option<String>,
}

impl Log {
    /// Merges files of the index of which there are too many of a size, and saves a snapshot if enough records came since the
    /// last; where damage was found it removes the snapshot. Appends continue meanwhile; to be called now and then, by one thread.
    ///
    /// # Errors
    /// Those of the medium, and damage found on the way. Nothing is lost by it: the log is as it was.
    pub fn maintain(&self) -> io::Result<()> {
        let mut snapshots = self.snapshots.lock();
        if snapshots.is_closed {
            return Ok(());
        }
        if self.is_damaged() {
            return self.forget(&mut snapshots);
        }
        if self.refused.get().is_some() {
            return Ok(());
        }
        // Not tried again before there is something new to merge: it would begin at the beginning.
        let growing = self.index.first_growing();
        if snapshots.not_merged != Some(growing)
            && let Err(error) = self.merge_index()
        {
            self.saw(&error);
            snapshots.not_merged = Some(growing);
            return Err(error);
        }
        self.rest_full(&mut snapshots)?;
        match self.size().saturating_sub(snapshots.size) >= self.index_unit() {
            true => self.save(&mut snapshots),
            false => Ok(()),
        }
    }

    /// Takes note of whether derived files could be made durable. What was refused keeps nobody from opening a log, nor from
    /// appending; but no snapshot may count on it.
    pub(super) fn rested(&self, done: io::Result<()>) {
        if let Err(error) = done {
            let refused = &mut self.snapshots.lock().refused;
            refused.get_or_insert_with(|| error.to_string());
        }
    }

    /// Has the files of segments rest that have become full, also of those that no checkpoint covers yet.
    fn rest_full(&self, snapshots: &mut Snapshots) -> io::Result<()> {
        if let Some(reason) = &snapshots.refused {
            return Err(io::Error::other(reason.clone()));
        }
        let segments = self.view.read().segments.clone();
        let from = segments.partition_point(|segment| segment.first < snapshots.resting);
        for segment in &segments[from..] {
            let end = segment.first + self.segment_records;
            if end > self.held() {
                break;
            }
            if let Err(error) = segment.rest() {
                snapshots.refused = Some(error.to_string());
                return Err(error);
            }
            snapshots.resting = end;
        }
        Ok(())
    }

    /// Records under the accepted checkpoint that came after the last snapshot. Memory holds their index.
    pub fn unsaved(&self) -> u64 {
        self.size().saturating_sub(self.snapshots.lock().size)
    }

    /// Saves a snapshot unless nothing has changed since the last: when a node stops, so that the next start reads nothing.
    /// Nothing is saved on the way to a checkpoint; and where damage was found the snapshot there is goes, so that the next start
    /// reads everything.
    ///
    /// # Errors
    /// As for [`Log::maintain`].
    pub fn save_snapshot(&self) -> io::Result<()> {
        let mut snapshots = self.snapshots.lock();
        if snapshots.is_closed {
            return Ok(());
        }
        if self.is_damaged() {
            return self.forget(&mut snapshots);
        }
        match self.size() > snapshots.size {
            true => self.save(&mut snapshots),
            false => Ok(()),
        }
    }

    /// Whether something that was read since the opening was damaged.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Acquire)
    }

    /// Leaves the log's files to whoever opens it next; waits for what is being saved. What is being merged is given up.
    pub(super) fn leave_files(&self) {
        self.stop_merging();
        self.snapshots.lock().is_closed = true;
    }

    /// Whether the entry at a position is one that this version can't read.
    fn is_unread(&self, seq: u64) -> bool {
        let held = self.held_record(seq);
        held.is_ok_and(|held| matches!(held.record().entry, Entry::Unknown(_)))
    }

    /// Removes the snapshot: the next opening reads everything, and repairs what can be repaired.
    fn forget(&self, snapshots: &mut Snapshots) -> io::Result<()> {
        snapshots.size = 0;
        forget(&*self.disk, &self.dir)
    }

    fn save(&self, snapshots: &mut Snapshots) -> io::Result<()> {
        if let Some(reason) = &snapshots.refused {
            return Err(io::Error::other(reason.clone()));
        }
        let appender = self.appender.lock();
        let tip = appender.tip;
        if self.refused.get().is_some() || self.size() != tip.size || tip.size == 0 {
            return Ok(());
        }
        self.seal_index(tip.size)?;
        let Some(statuses) = self.statuses.lock().map().save()? else {
            // Not tried again: each time would write a part of the index, of a few records.
            let reason =
                "the file of statuses was refused: they are in memory until the next start";
            snapshots.refused = Some(reason.to_owned());
            return Err(io::Error::other(reason));
        };
        let index = self.index.sealed();
        let (body, segments) = {
            let view = self.view.read();
            let index = index.iter().map(|part| {
                let records = part.records();
                (records.start, records.end, part.sum())
            });
            let body = Body {
                segment_records: self.segment_records,
                size: tip.size,
                head: tip.head,
                time_ms: tip.time_ms,
                height: tip.height,
                key_epoch: tip.key_epoch,
                range: Bounded::first(appender.range.nodes().iter().copied()),
                end: appender.end,
                definitions: view.definitions.save(),
                issued: view.issued.iter().map(|(code, n)| (*code, *n)).collect(),
                unread: view.unread.map(|unread| (unread.seq, unread.time_ms)),
                index: index.collect(),
            };
            (body, view.segments.clone())
        };
        // From here on appends go on: what they change stands behind what is saved, or in other places.
        drop(appender);
        let synced = snapshots.synced;
        let done = || {
            for part in &index {
                part.sync()?;
            }
            for segment in segments {
                if segment.first + self.segment_records > synced {
                    segment.offsets.sync()?;
                }
            }
            self.tree.sync()?;
            let saved = statuses.sync()?;
            self.disk.sync_dir(&self.dir)?;
            self.write_snapshot(&body, saved)
        };
        if let Err(error) = done() {
            snapshots.refused = Some(error.to_string());
            return Err(error);
        }
        snapshots.size = tip.size;
        snapshots.synced = tip.size;
        self.statuses.lock().map().saved(&statuses);
        // Parts that were merged; no snapshot names them any more.
        for records in index_files(&*self.disk, &self.dir)? {
            let kept = |it: &(u64, u64, Hash)| (it.0, it.1) == (records.start, records.end);
            if records.end <= tip.size && !body.index.iter().any(kept) {
                self.disk.remove(&self.index_path(&records))?;
            }
        }
        Ok(())
    }

    fn write_snapshot(&self, body: &Body, statuses: &[u8]) -> io::Result<()> {
        let body = codec::encode(body);
        let len = (body.len() as u64).to_le_bytes();
        let front = header(Kind::Snapshot, &self.name, 0);
        let sum = hash_parts(Purpose::File, &[&front, &len, &body, statuses]);
        let bytes = [&front[..], sum.as_bytes(), &len, &body, statuses].concat();
        let (new, path) = (self.dir.join(NEW), self.dir.join(NAME));
        let file = self.disk.open(&new, true)?;
        file.set_len(0)?;
        file.write_at(&bytes, 0)?;
        file.sync()?;
        drop(file);
        self.disk.rename(&new, &path)?;
        self.disk.sync_dir(&self.dir)
    }
}

/// Removes the snapshot in a log's directory, if there is one; that is durable when this returns.
pub(super) fn forget(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    match disk.remove(&dir.join(NAME)) {
        Ok(()) => disk.sync_dir(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A snapshot that was read, with the statuses that it leads to.
pub(super) struct Loaded {
    body: Body,
    statuses: Statuses,
}

/// Reads a log's snapshot, if the head can be reached from it; `None` where that is not so, or there is no snapshot.
pub(super) fn load(
    disk: &dyn Disk,
    dir: &Path,
    log: &LogName,
    segment_records: u64,
    head: &Head,
) -> Option<Loaded> {
    let accepted = head.accepted.as_ref().filter(|_| !head.restoring)?;
    let file = disk.open(&dir.join(NAME), false).ok()?;
    let (body, statuses) = read(&*file, log)?;
    if body.segment_records != segment_records
        || body.size == 0
        || body.size > accepted.checkpoint.size
        || body.size > head.vouched()
    {
        return None;
    }
    let pages = disk.open(&dir.join("statuses"), false).ok()?;
    let map = StatusMap::open(pages, &statuses, body.size).ok()?;
    let statuses = Statuses::new(map);
    Some(Loaded { body, statuses })
}

fn read(file: &dyn DiskFile, log: &LogName) -> Option<(Body, Vec<u8>)> {
    let len = usize::try_from(file.len().ok()?).ok()?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (front, rest) = bytes.split_at_checked(HEADER_LEN as usize)?;
    let (sum, rest) = rest.split_first_chunk::<SUM_LEN>()?;
    let (body_len, rest) = rest.split_first_chunk::<8>()?;
    check_header(front, Kind::Snapshot, log, 0).ok()?;
    if hash_parts(Purpose::File, &[front, body_len, rest]).as_bytes() != sum {
        return None;
    }
    let body_len = usize::try_from(u64::from_le_bytes(*body_len)).ok()?;
    let (body, statuses) = rest.split_at_checked(body_len)?;
    let body = codec::decode_large::<_, MAX_BODY>(body).ok()?;
    Some((body, statuses.to_vec()))
}

impl Loaded {
    /// Puts what was saved into a log that is empty, and says where the records behind it begin; `None` if the files that it
    /// counts on are not those, and the log is of no use any more.
    pub(super) fn put(self, log: &Log) -> io::Result<Option<Start>> {
        let Loaded { body, statuses } = self;
        let Ok(range) = CompactRange::from_parts(body.size, body.range.into_vec()) else {
            return Ok(None);
        };
        for (start, end, sum) in &body.index {
            let path = log.dir.join(index_name(&(*start..*end)));
            let file = match log.disk.open(&path, false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            if !log.index.adopt(file, &log.name, *start..*end, *sum)? {
                return Ok(None);
            }
        }
        if log.index.first_growing() != body.size {
            return Ok(None);
        }
        // Left from before a crash, or from after the snapshot.
        for records in index_files(&*log.disk, &log.dir)? {
            let listed = |it: &(u64, u64, Hash)| (it.0, it.1) == (records.start, records.end);
            if !body.index.iter().any(listed) {
                log.disk.remove(&log.index_path(&records))?;
            }
        }
        let mut segments = Vec::new();
        for first in (0..body.size).step_by(log.segment_records as usize) {
            let path = log.dir.join(file_name(first, "records"));
            let records: Arc<dyn DiskFile> = match log.disk.open(&path, false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => Arc::from(file?),
            };
            let mut found = [0; HEADER_LEN as usize];
            let read = records.read_at(&mut found, 0)?;
            if check_header(&found[..read], Kind::Records, &log.name, first).is_err() {
                return Ok(None);
            }
            let segment = Segment::of(records, &*log.disk, &log.dir, &log.name, first)?;
            // Cut off, it has lost records that no one would miss before they are asked for.
            let count = log.segment_records.min(body.size - first);
            let end = segment.offsets.read(count, 0)?.first().copied();
            let last = first + count == body.size;
            let whole = match end {
                Some(end) if last => end == body.end && segment.records.len()? >= end,
                Some(end) => segment.records.len()? == end,
                None => false,
            };
            if !whole {
                return Ok(None);
            }
            if count == log.segment_records {
                segment.rest()?;
            }
            segments.push(Arc::new(segment));
        }
        let growing = segments.last().filter(|segment| {
            // A full one is closed.
            segment.first + log.segment_records > body.size
        });
        let start = Start {
            tip: Tip {
                size: body.size,
                head: body.head,
                time_ms: body.time_ms,
                height: body.height,
                key_epoch: body.key_epoch,
            },
            range,
            end: body.end,
            segment: growing.cloned(),
        };
        *log.statuses.lock() = statuses;
        // What stands behind looks up what is before.
        *log.tip.write() = (body.size, start.range.root());
        let mut view = log.view.write();
        view.segments = segments;
        view.definitions = Arc::new(body.definitions.restore());
        view.issued = body.issued.into_iter().collect::<BTreeMap<_, _>>();
        view.unread = body.unread.map(|(seq, time_ms)| Unread {
            seq,
            time_ms,
            behind: None,
        });
        drop(view);
        log.unread_below.store(body.size, Ordering::Release);
        *log.snapshots.lock() = Snapshots {
            size: body.size,
            synced: body.size,
            ..Snapshots::default()
        };
        // What could not be read when it was saved may be by now: it has to be taken in then.
        if let Some((seq, _)) = body.unread
            && !log.is_unread(seq)
        {
            return Ok(None);
        }
        Ok(Some(start))
    }
}
