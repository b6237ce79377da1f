//! Opening a log: what is on disk is checked against the head file, what was never acknowledged is cut off, what can
//! be derived is rebuilt, and a log that cannot be trusted is set aside whole.
//!
//! In this order: what the redo journal holds goes to its places (`redo/`); the head that counts is made durable (`head.rs`); a
//! snapshot is taken, if there is one that is of use (`snapshot.rs`); the records behind it that the head vouches for, or all of
//! them, are read and what is derived from them repaired (`rebuild.rs`); what stands beyond is removed; readers see the log. A crash anywhere leaves a
//! directory that the next opening comes to the same end with: what is repaired is derived, what is removed was vouched for by
//! nobody, and what is set aside is moved and not changed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::disk::{Disk, MemoryDisk, too_many_files};
use crate::header::{HEADER_LEN, HeaderError};
use crate::index::Index;
use crate::membership::Membership;
use crate::merkle::{Blake3Tree, CompactRange};
use crate::names::LogName;
use crate::status_map::StatusMap;

use super::ahead::Ahead;
use super::append::{Appender, Pending};
use super::head::{Found, Head, HeadFile, Vouched};
use super::link::Tip;
use super::reading::{Log, View, is_damage};
use super::rebuild::{Halt, rebuild};
use super::scan::Start;
use super::segment::{file_name, firsts};
use super::set_aside::{Damage, keep_head, set_aside, set_aside_with_head};
use super::statuses::Statuses;
use super::tree_file::TreeFile;
use super::{CheckpointError, Place, redo, snapshot};

/// Why a log could not be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The medium failed.
    #[error("log {log}: {error}")]
    Io {
        /// Which log.
        log: crate::names::LogId,
        /// What the medium said.
        error: io::Error,
    },
    /// A file was written by a later version. Nothing was changed.
    #[error("{file}: {error}")]
    Later {
        /// Which file, from the data directory.
        file: String,
        /// Its format.
        error: HeaderError,
    },
    /// The head file holds a checkpoint that its department did not sign.
    #[error("log {log}: the head file under heads/ is not this network's: {error}")]
    Head {
        /// Which log.
        log: crate::names::LogId,
        /// What is wrong.
        error: CheckpointError,
    },
}

impl OpenError {
    /// Whether what stands in the way may pass by itself, or with an operator's help, and says nothing against the files.
    fn may_pass(&self) -> bool {
        use io::ErrorKind;
        let error = match self {
            OpenError::Io { error, .. } => error,
            OpenError::Later { .. } => return true,
            OpenError::Head { .. } => return false,
        };
        matches!(
            error.kind(),
            ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::FileTooLarge
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::PermissionDenied
                | ErrorKind::OutOfMemory
                | ErrorKind::ResourceBusy
        ) || too_many_files(error)
    }
}

/// What an opening begins with.
#[derive(Clone, Copy, PartialEq)]
enum Begin {
    /// What was saved, if there is anything.
    Snapshot,
    /// The first record.
    Records,
}

/// What opening a log found and did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Records on disk.
    pub records: u64,
    /// Of those, how many were taken from a snapshot and not read; each is checked when it is asked for.
    pub from: u64,
    /// Bytes beyond them that no head vouched for, cut off.
    pub cut_off: u64,
    /// Derived files that were rebuilt: tree nodes, offsets, indexes.
    pub repaired: u32,
    /// The log was set aside: where, and why.
    pub set_aside: Option<(PathBuf, Damage)>,
    /// Why the stored page that stopped the log proves nothing, so that the log continues.
    pub unproved_stop: Option<String>,
    /// There was no readable head file: how many records there should be is unknown.
    pub head_lost: bool,
    /// It could be neither opened nor set aside: it is empty, and takes nothing until it is opened again.
    pub closed: Option<String>,
}

impl Log {
    /// Opens a log, creating it if it does not exist.
    ///
    /// # Errors
    /// [`OpenError`] when the medium fails, a later version wrote one of the files, or the head file is another
    /// network's. Damaged records are not an error: the log is set aside and begins empty, to be fetched from peers; its head
    /// file still holds what they must agree with.
    pub fn open(
        place: &Place,
        name: LogName,
        members: &Membership,
    ) -> Result<(Log, Opening), OpenError> {
        begin(place, &[name])?;
        let opened = Log::open_in(place, name, members)?;
        end(place, &[name])?;
        Ok(opened)
    }

    /// The same between [`begin`] and [`end`], which do once for many logs what would take a wait for the medium in each.
    pub(crate) fn open_in(
        place: &Place,
        name: LogName,
        members: &Membership,
    ) -> Result<(Log, Opening), OpenError> {
        Log::open_from(place, name, members, Begin::Snapshot)
    }

    /// The same, reading and checking every record, whatever was saved.
    ///
    /// # Errors
    /// As for [`Log::open`].
    pub fn open_checked(
        place: &Place,
        name: LogName,
        members: &Membership,
    ) -> Result<(Log, Opening), OpenError> {
        begin(place, &[name])?;
        let opened = Log::open_from(place, name, members, Begin::Records)?;
        end(place, &[name])?;
        Ok(opened)
    }

    fn open_from(
        place: &Place,
        name: LogName,
        members: &Membership,
        begin: Begin,
    ) -> Result<(Log, Opening), OpenError> {
        let io = |error| OpenError::Io {
            log: name.id,
            error,
        };
        // Before anything is created or written: what a later version wrote is neither damage nor out of date.
        if let Some((file, format)) = place.later_files(&name).map_err(io)?.into_iter().next() {
            let error = HeaderError::Later(format);
            return Err(OpenError::Later { file, error });
        }
        let dir = place.log_dir(&name);
        let head_path = place.head_path(&name);
        // Before any of the files that it is about is read.
        redo::replay(place, &name).map_err(io)?;
        let (head_file, Found { head, lost }) =
            HeadFile::open(&*place.disk, &head_path, &name).map_err(io)?;
        let vouched = head
            .verify(&name, members)
            .map_err(|error| OpenError::Head {
                log: name.id,
                error,
            })?;
        // What was derived here once made a page break a rule: it is judged again by the records, not by what was derived then.
        let begin = match place.disk.open(&place.broken_path(&name), false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => begin,
            _ => Begin::Records,
        };
        let (log, saved) = match begin {
            Begin::Snapshot if !lost => {
                Log::resume(place, name, &dir, head_file, &vouched).map_err(io)?
            }
            _ => {
                snapshot::forget(&*place.disk, &dir).map_err(io)?;
                let log = Log::empty(place, name, dir.clone(), head_file, &vouched);
                (log.map_err(io)?, None)
            }
        };
        let mut opening = Opening {
            head_lost: lost,
            from: saved.as_ref().map_or(0, |start| start.tip.size),
            ..Opening::default()
        };
        let resumed = saved.is_some();
        let rebuilt = if lost && has_records(&*place.disk, &dir).map_err(io)? {
            // Not cut off as if nobody had vouched for them: a department may have acknowledged them.
            Err(Halt::Damage(Damage::HeadLost))
        } else {
            rebuild(&log, &vouched, saved, &mut opening)
        };
        let is_damage = match &rebuilt {
            Err(Halt::Damage(_)) => true,
            // Or a record below the snapshot, which was looked up and is not what the root covers.
            Err(Halt::Io(error)) => is_damage(error) || log.is_damaged(),
            Ok(()) => false,
        };
        if resumed && is_damage {
            // Whether records are damaged, or only what was saved, shows when all of them have been read.
            return Log::open_from(place, name, members, Begin::Records);
        }
        match rebuilt {
            Ok(()) => {
                opening.records = log.held();
                opening.unproved_stop = log.judge_again(members).map_err(io)?;
                Ok((log, opening))
            }
            Err(Halt::Io(error)) => Err(io(error)),
            Err(Halt::Damage(damage)) => {
                let head_file = log.appender.into_inner().head_file;
                // Into the directory before it is moved, so that a copy never stands aside without what it was vouched for.
                let head = (!lost).then_some(&vouched.head);
                keep_head(&*place.disk, &dir, &name, head).map_err(io)?;
                let (log, aside) =
                    Log::begin_empty(place, name, dir, head_file, &vouched).map_err(io)?;
                let opening = Opening {
                    set_aside: Some((aside, damage)),
                    head_lost: lost,
                    ..Opening::default()
                };
                Ok((log, opening))
            }
        }
    }

    /// Opens a copy of another department's log that [`Log::open`] fails on. Where only the disk has no room or the process
    /// no right, the copy stays as it is, and the log is closed: empty, and taking nothing, until it is opened again. Otherwise
    /// what is there is set aside together with its head file, and the log begins empty.
    ///
    /// # Errors
    /// None at present; a closed log needs no disk.
    pub(crate) fn open_after_failure(
        place: &Place,
        name: LogName,
        members: &Membership,
        error: &OpenError,
    ) -> Result<(Log, Opening), OpenError> {
        let dir = place.log_dir(&name);
        let opened = match error.may_pass() {
            true => None,
            false => set_aside_with_head(place, &dir, &name)
                .ok()
                .and_then(|aside| {
                    let (log, opening) = Log::open_checked(place, name, members).ok()?;
                    let damage = Damage::Unreadable(error.to_string());
                    let opening = Opening {
                        set_aside: Some((aside, damage)),
                        ..opening
                    };
                    Some((log, opening))
                }),
        };
        if let Some(opened) = opened {
            return Ok(opened);
        }
        let nowhere = Place {
            disk: Arc::new(MemoryDisk::new()),
            ..place.clone()
        };
        let (log, _) = Log::open(&nowhere, name, members)?;
        let reason = error.to_string();
        // So that it takes nothing: what it took would be gone with the memory.
        let _ = log.refused.set(reason.clone());
        let opening = Opening {
            closed: Some(reason),
            ..Opening::default()
        };
        Ok((log, opening))
    }

    /// Sets what is there aside; its head file still states what has to come back.
    fn begin_empty(
        place: &Place,
        name: LogName,
        dir: PathBuf,
        mut head_file: HeadFile,
        vouched: &Vouched,
    ) -> io::Result<(Log, PathBuf)> {
        let aside = set_aside(place, &dir, &name)?;
        place.disk.create_dir_all(&dir)?;
        place.disk.sync_dir(&place.data.join("logs"))?;
        // A crash before this leaves a head that vouches for records which are gone: the next opening finds too few, sets the
        // empty directory aside too, and comes here again.
        let accepted = vouched.accepted.as_ref();
        head_file.write(&Head {
            accepted: accepted.map(|checkpoint| checkpoint.signed().clone()),
            progress: None,
            restoring: true,
            kept: None,
        })?;
        let log = Log::empty(place, name, dir, head_file, vouched)?;
        Ok((log, aside))
    }

    /// A log with what was saved of it, and where the records behind that begin; an empty one if nothing was that is of use.
    fn resume(
        place: &Place,
        name: LogName,
        dir: &Path,
        head_file: HeadFile,
        vouched: &Vouched,
    ) -> io::Result<(Log, Option<Start>)> {
        // Before the file of the statuses is emptied.
        let segment_records = place.segment_records;
        let loaded = snapshot::load(&*place.disk, dir, &name, segment_records, &vouched.head);
        let Some(loaded) = loaded else {
            snapshot::forget(&*place.disk, dir)?;
            let log = Log::empty(place, name, dir.to_owned(), head_file, vouched)?;
            return Ok((log, None));
        };
        let placeholder = Statuses::new(StatusMap::in_memory());
        let log = Log::with_statuses(place, name, dir.to_owned(), head_file, vouched, placeholder)?;
        match loaded.put(&log) {
            Ok(Some(start)) => return Ok((log, Some(start))),
            Err(error) if too_many_files(&error) => return Err(error),
            // A file that can't be read may be one that is made again.
            Ok(None) | Err(_) => {}
        }
        snapshot::forget(&*place.disk, dir)?;
        let head_file = log.appender.into_inner().head_file;
        let log = Log::empty(place, name, dir.to_owned(), head_file, vouched)?;
        Ok((log, None))
    }

    fn empty(
        place: &Place,
        name: LogName,
        dir: PathBuf,
        head_file: HeadFile,
        vouched: &Vouched,
    ) -> io::Result<Log> {
        let statuses = new_statuses(&*place.disk, &dir.join("statuses"));
        Log::with_statuses(place, name, dir, head_file, vouched, statuses)
    }

    fn with_statuses(
        place: &Place,
        name: LogName,
        dir: PathBuf,
        head_file: HeadFile,
        vouched: &Vouched,
        statuses: Statuses,
    ) -> io::Result<Log> {
        let tree = TreeFile::open(&*place.disk, &dir.join("tree"), &name)?;
        let appender = Appender {
            tip: Tip::NONE,
            range: CompactRange::empty(),
            segment: None,
            end: HEADER_LEN,
            durable: HEADER_LEN,
            sealed: None,
            pending: Pending::default(),
            head_file,
            floor: vouched.accepted.clone(),
        };
        let view = View {
            kept: None,
            checkpoint: None,
            segments: Vec::new(),
            definitions: Arc::default(),
            issued: BTreeMap::new(),
            unread: None,
            stopped: None,
        };
        let ahead = Arc::new(Ahead::new(Arc::clone(&place.disk)));
        let broken = place.broken_path(&name);
        let (lineage, beginning) = &vouched.lineage;
        let known = vouched.accepted.as_ref().map_or(0, |it| it.size);
        let kept = beginning.map_or(0, |ended| ended.size);
        Ok(Log {
            name,
            lineage: lineage.clone(),
            beginning: *beginning,
            members: vouched.members.clone(),
            disk: Arc::clone(&ahead) as Arc<dyn Disk>,
            ahead,
            dir,
            aside: place.data.join("set-aside"),
            broken,
            segment_records: place.segment_records,
            index: Index::new(place.index_key.clone()),
            tree,
            redo_path: place.redo_path(&name),
            redo: Mutex::default(),
            view: RwLock::new(view),
            statuses: Mutex::new(statuses),
            appender: Mutex::new(appender),
            held: AtomicU64::new(0),
            tip: RwLock::new((0, CompactRange::<Blake3Tree>::empty().root())),
            floor: AtomicU64::new(known.max(kept)),
            refused: OnceLock::new(),
            snapshots: Mutex::default(),
            merges_no_more: AtomicBool::new(false),
            is_damaged: AtomicBool::new(false),
            unread_below: AtomicU64::new(0),
            proved: RwLock::default(),
        })
    }
}

/// Makes the directories of logs that are to be opened, and has them outlive a crash before anything in them counts: a head that
/// is found again without its log reads as a loss.
///
/// # Errors
/// Those of the medium, as of the first log.
pub(crate) fn begin(place: &Place, names: &[LogName]) -> Result<(), OpenError> {
    of_first(names, || {
        for name in names {
            // One that can't be made keeps nobody from opening the others: its log can't be opened.
            let _ = place.disk.create_dir_all(&place.log_dir(name));
        }
        place.disk.create_dir_all(&place.data.join("heads"))?;
        place.disk.sync_dir(&place.data)?;
        place.disk.sync_dir(&place.data.join("logs"))
    })
}

/// Has the names of head files outlive a crash, before anyone sees their logs.
///
/// # Errors
/// Those of the medium, as of the first log.
pub(crate) fn end(place: &Place, names: &[LogName]) -> Result<(), OpenError> {
    of_first(names, || place.disk.sync_dir(&place.data.join("heads")))
}

fn of_first(names: &[LogName], done: impl FnOnce() -> io::Result<()>) -> Result<(), OpenError> {
    match names.first() {
        Some(first) => done().map_err(|error| OpenError::Io {
            log: first.id,
            error,
        }),
        None => Ok(()),
    }
}

/// The file of the statuses is written from nothing; without one they are kept in memory. Whoever reads the one before, with
/// the log as it was open before, continues to read that.
fn new_statuses(disk: &dyn Disk, path: &Path) -> Statuses {
    let _ = disk.remove(path);
    let map = disk.open(path, true).and_then(StatusMap::new);
    Statuses::new(map.unwrap_or_else(|_| StatusMap::in_memory()))
}

fn has_records(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    for first in firsts(disk, dir)? {
        let records = disk.open(&dir.join(file_name(first, "records")), false)?;
        if records.len()? > HEADER_LEN {
            return Ok(true);
        }
    }
    Ok(false)
}
