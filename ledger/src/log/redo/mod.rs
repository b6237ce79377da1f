//! The redo journal of a log that is appended to: what a commit must make durable goes out as one write and one sync.
//!
//! A commit changes several files: records, bodies and their keys, the head. Each of them synced by itself costs a wait for
//! the medium, one after the other. So all the bytes of a commit, and the places where they belong, are written here as one
//! *entry* and synced; from then on the commit stands. Where they belong they are written as well, the head only after that,
//! and left to the system to bring to the medium. When the journal is full those files are synced, and it begins again at its
//! start. An opening writes the entries that it finds to their places once more: the same bytes, in the same order.
//!
//! The file keeps its length and is overwritten in place, so that a sync brings content to the medium and nothing about the
//! file (`format.rs`).
//!
//! Three rules keep acknowledged bytes, and keep a replay from undoing anything:
//! - Whoever writes to one of these files past the journal, the head of a log that is being restored or a body's key that is
//!   destroyed, does it in [`Redo::past`]: the journal is empty before, and no commit comes between.
//! - Whoever syncs one of these files does it under the journal's lock. A sync that fails may have dropped bytes that only the
//!   journal has, and the next one would report success: from then on the journal is neither written, cleared nor settled,
//!   and the next opening replays it.
//! - An entry's head is written to its place before anything else is done with the journal: [`Redo::commit`] holds its lock that
//!   long.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rayon::prelude::*;

use super::Place;
use super::segment::file_name;
use crate::disk::{Disk, DiskFile};
use crate::names::LogName;
use format::{BLOCK, MAX_LEN, PLACE_LEN, SUM, begin};

mod format;
mod replay;

pub(crate) use replay::as_replayed;
pub(super) use replay::replay;

/// One part in so many of the journal is the most that an entry takes; what is larger is synced where it belongs.
const PARTS: u64 = 4;

/// A file that a commit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// The records of the segment that begins at a position.
    Records(u64),
    /// Encrypted bodies.
    Bodies,
    /// The slots of their keys.
    BodyKeys,
    /// The head file.
    Head,
}

impl Target {
    fn path(self, place: &Place, log: &LogName) -> PathBuf {
        match self {
            Target::Records(first) => place.log_dir(log).join(file_name(first, "records")),
            Target::Bodies => place.data.join("bodies").join("bodies"),
            Target::BodyKeys => place.data.join("bodies").join("keys"),
            Target::Head => place.head_path(log),
        }
    }
}

/// Bytes for a place in a file, to be made durable together with the records that they belong to.
#[must_use = "nothing is written until a commit takes it"]
pub struct Change {
    pub(crate) target: Target,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Change {
    /// Writes it to its place; not durable yet.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn write(&self) -> io::Result<()> {
        self.file.write_at(&self.bytes, self.at)
    }
}

/// Frames that were written to their segment and not synced, maybe none: then only where they would be.
pub(super) struct Unsynced<'s> {
    /// First position of the segment.
    pub(super) first: u64,
    pub(super) file: &'s Arc<dyn DiskFile>,
    /// Where they begin in the file.
    pub(super) at: u64,
    pub(super) bytes: &'s [u8],
}

impl Unsynced<'_> {
    /// The frames, for an entry that has room for them.
    fn all(&self) -> Change {
        self.change(self.at, self.bytes)
    }

    /// No bytes, where the frames end: up to there they have to be in their place already.
    fn end(&self) -> Change {
        self.change(self.at + self.bytes.len() as u64, &[])
    }

    fn change(&self, at: u64, bytes: &[u8]) -> Change {
        Change {
            target: Target::Records(self.first),
            file: Arc::clone(self.file),
            at,
            bytes: bytes.to_vec(),
        }
    }
}

/// The journal of a log, empty at first: an opening has replayed it.
pub(crate) struct Redo {
    file: Box<dyn DiskFile>,
    len: u64,
    /// `Err` after a refused write: nothing is retried.
    state: Mutex<Result<State, String>>,
}

struct State {
    /// Where the next entry goes.
    at: u64,
    /// Checksum of the entry written last.
    last: [u8; SUM],
    /// End of what may hold anything but zeros.
    used: u64,
    /// Files with changes that the journal alone makes durable.
    lazy: BTreeMap<Target, Arc<dyn DiskFile>>,
}

/// Bytes of the journal beside segments of so many records: 8 MiB, and less only where tests have small segments.
fn len_beside(segment_records: u64) -> u64 {
    (segment_records * 32)
        .clamp(6 * BLOCK, MAX_LEN)
        .next_multiple_of(BLOCK)
}

impl Redo {
    /// Opens the journal of a log, which was replayed, or makes it.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        log: &LogName,
        segment_records: u64,
    ) -> io::Result<Redo> {
        let len = len_beside(segment_records);
        let dir = path.parent().unwrap_or(path);
        disk.create_dir_all(dir)?;
        let file = disk.open(path, true)?;
        if file.len()? < len {
            begin(&*file, log, len)?;
        }
        // Its name and its directory's, before a commit counts on finding it again.
        disk.sync_dir(dir)?;
        disk.sync_dir(dir.parent().unwrap_or(dir))?;
        Ok(Redo {
            file,
            len,
            state: Mutex::new(Ok(State {
                at: BLOCK,
                last: [0; SUM],
                used: BLOCK,
                lazy: BTreeMap::new(),
            })),
        })
    }

    fn step<T>(&self, step: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut guard = self.state.lock();
        let state = guard.as_mut();
        let state = state.map_err(|reason| io::Error::other(reason.clone()))?;
        let done = step(state);
        if let Err(error) = &done {
            *guard = Err(error.to_string());
        }
        done
    }

    /// Makes frames that are in their segment, what is kept with them and the head over them durable, all or nothing, and
    /// writes them to their places.
    ///
    /// After a failure the next opening finds all of it or nothing.
    pub(super) fn commit(
        &self,
        frames: &Unsynced<'_>,
        kept: Vec<Change>,
        head: Change,
    ) -> io::Result<()> {
        self.step(|state| {
            let len = |bytes: &[u8]| (PLACE_LEN + bytes.len()) as u64;
            let others = kept.iter().chain([&head]);
            let size = len(frames.bytes) + others.map(|it| len(&it.bytes)).sum::<u64>();
            let fits = size <= (self.len - BLOCK) / PARTS;
            // As the frames already: a disk without room refuses here, and not once the commit stands and every opening has to
            // write it. Nothing points to what is written until the head does.
            for change in &kept {
                change.write()?;
            }
            let mut changes = Vec::with_capacity(kept.len() + 2);
            if fits {
                changes.push(frames.all());
                changes.extend(kept);
            } else {
                // Before the head speaks of them.
                sync_in_place(frames, kept)?;
                changes.push(frames.end());
            }
            changes.push(head);
            self.write(state, &changes)?;
            // The commit stands. Still under the lock, so that a clearing syncs the head that this writes.
            if let Some(head) = changes.last() {
                head.write()?;
            }
            let files = changes
                .into_iter()
                .map(|change| (change.target, change.file));
            state.lazy.extend(files);
            Ok(())
        })
    }

    /// Writes an entry and makes it durable.
    fn write(&self, state: &mut State, changes: &[Change]) -> io::Result<()> {
        let (entry, sum) = format::entry(&state.last, changes);
        if state.at + entry.len() as u64 > self.len {
            settle(state)?;
            state.at = BLOCK;
        }
        self.file.write_at(&entry, state.at)?;
        self.file.sync()?;
        state.at += entry.len() as u64;
        state.used = state.used.max(state.at);
        state.last = sum;
        Ok(())
    }

    /// Makes durable where it belongs what the journal alone made durable, and overwrites the journal with zeros: nothing of
    /// it is replayed, or can be read, after this. Then does what has to be done past it, before any commit.
    pub(crate) fn past<T>(&self, done: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.step(|state| {
            if state.used > BLOCK {
                settle(state)?;
                let zeros = vec![0; (state.used - BLOCK) as usize];
                self.file.write_at(&zeros, BLOCK)?;
                self.file.sync()?;
                state.at = BLOCK;
                state.used = BLOCK;
            }
            done()
        })
    }

    /// Syncs a file that entries may be about.
    pub(super) fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.step(|_| sync())
    }

    /// Leaves the journal as it is from here on, for the next opening to replay.
    pub(super) fn give_up(&self, reason: &str) {
        let mut state = self.state.lock();
        if state.is_ok() {
            *state = Err(reason.to_owned());
        }
    }
}

/// Makes what is too large for an entry durable where it belongs.
fn sync_in_place(frames: &Unsynced<'_>, kept: Vec<Change>) -> io::Result<()> {
    let mut files: BTreeMap<Target, Arc<dyn DiskFile>> = BTreeMap::new();
    files.insert(Target::Records(frames.first), Arc::clone(frames.file));
    for change in kept {
        files.insert(change.target, change.file);
    }
    let files: Vec<_> = files.into_values().collect();
    files.par_iter().try_for_each(|file| file.sync())
}

/// Makes all changes durable where they belong.
fn settle(state: &mut State) -> io::Result<()> {
    for file in state.lazy.values() {
        file.sync()?;
    }
    state.lazy.clear();
    Ok(())
}
