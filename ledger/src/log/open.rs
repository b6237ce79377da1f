//! Opening a log: everything on disk is checked against the head file, what was never acknowledged is cut off, what can
//! be derived is rebuilt, and a log that cannot be trusted is set aside whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::crypto::keys::IndexKey;
use crate::membership::Membership;
use crate::merkle::{Blake3Tree, CompactRange, root_from};
use crate::record::RecordHash;
use crate::status_map::StatusMap;

use super::ahead::Ahead;
use super::append::{Appender, Pending, write_index};
use super::head::{Found, Head, HeadFile, Progress};
use super::header::{HEADER_LEN, HeaderError, later_format};
use super::index::{Filing, SealedIndex, TailIndex};
use super::page::{Link, follows, link};
use super::reading::{Log, View};
use super::salvage::keep_head;
use super::segment::{Segment, file_name};
use super::statuses::{Statuses, changed};
use super::tree_file::TreeFile;
use super::{BrokenRule, CheckpointError, VerifiedCheckpoint};
use crate::disk::MemoryDisk;
use crate::disk::{Disk, too_many_files};
use crate::names::LogName;

/// Records in a sealed segment.
pub const SEGMENT_RECORDS: u64 = 1 << 18;

/// Where and how a log is kept.
#[derive(Clone)]
pub struct Place {
    /// The file layer.
    pub disk: Arc<dyn Disk>,
    /// The peer's data directory.
    pub data: PathBuf,
    /// Records in a sealed segment: [`SEGMENT_RECORDS`] but for tests.
    pub segment_records: u64,
    /// The secret of its indexes. Those made under another are made again.
    pub index_key: IndexKey,
}

impl Place {
    pub(crate) fn log_dir(&self, log: &LogName) -> PathBuf {
        self.data.join("logs").join(log.id.to_string())
    }

    pub(crate) fn head_path(&self, log: &LogName) -> PathBuf {
        self.data.join("heads").join(log.id.to_string())
    }

    pub(crate) fn evidence_path(&self, log: &LogName) -> PathBuf {
        self.data.join("evidence").join(format!("{}.fork", log.id))
    }

    pub(crate) fn broken_path(&self, log: &LogName) -> PathBuf {
        self.data
            .join("evidence")
            .join(format!("{}.broken", log.id))
    }

    /// The files of a log that a later version wrote, named from the data directory, each with its format.
    pub(crate) fn later_files(&self, log: &LogName) -> io::Result<Vec<(String, u32)>> {
        let dir = self.log_dir(log);
        let files = self.disk.list(&dir)?.into_iter();
        let files = files.map(|file| dir.join(file));
        let mut later = Vec::new();
        let beside = [
            self.head_path(log),
            self.evidence_path(log),
            self.broken_path(log),
        ];
        for path in files.chain(beside) {
            if let Some(format) = later_format(&*self.disk, &path)? {
                let name = path.strip_prefix(&self.data).unwrap_or(&path);
                later.push((name.display().to_string(), format));
            }
        }
        Ok(later)
    }
}

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

/// What is wrong with a log's records on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Fewer records than the head file vouches for.
    #[error("the head file vouches for {expected} records, {found} are readable")]
    Short {
        /// Records on disk.
        found: u64,
        /// Records there should be.
        expected: u64,
    },
    /// The head file is missing or unreadable, so nobody vouches for the records.
    #[error("the head file is missing or unreadable")]
    HeadLost,
    /// A record breaks a rule.
    #[error("{0}")]
    Rule(BrokenRule),
    /// The files can't be read.
    #[error("it can't be opened: {0}")]
    Unreadable(String),
    /// The records are not those the checkpoint covers.
    #[error("the first {size} records are not those of the checkpoint")]
    Root {
        /// Size of the checkpoint.
        size: u64,
    },
    /// A records file's header is wrong.
    #[error("segment {first}: {error}")]
    Header {
        /// First position of the segment.
        first: u64,
        /// What is wrong.
        error: HeaderError,
    },
}

/// Why the pass over a log's segments ended early.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// What opening a log found and did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Records on disk and verified.
    pub records: u64,
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
    /// network's. Damaged records are not an error: the log
    /// is set aside and begins empty, to be fetched from peers; its head file still holds what they must agree with.
    pub fn open(
        place: &Place,
        name: LogName,
        members: &Membership,
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
        for path in [&dir, &place.data.join("heads")] {
            place.disk.create_dir_all(path).map_err(io)?;
        }
        let (head_file, Found { head, lost }) =
            HeadFile::open(&*place.disk, &head_path, &name).map_err(io)?;
        for path in [
            &place.data,
            &place.data.join("logs"),
            &place.data.join("heads"),
        ] {
            place.disk.sync_dir(path).map_err(io)?;
        }
        let kept = (!lost).then(|| head.clone());
        let vouched =
            Vouched::from_head(head, &name, members).map_err(|error| OpenError::Head {
                log: name.id,
                error,
            })?;
        let log = Log::empty(place, name, dir.clone(), head_file, &vouched).map_err(io)?;
        let mut opening = Opening {
            head_lost: lost,
            ..Opening::default()
        };
        let scanned = if lost && has_records(place, &dir).map_err(io)? {
            Err(Halt::Damage(Damage::HeadLost))
        } else {
            Scan::new(&log, &mut opening).run(&vouched)
        };
        match scanned {
            Ok(()) => {
                opening.records = log.held();
                opening.unproved_stop = log.judge_again(members).map_err(io)?;
                Ok((log, opening))
            }
            Err(Halt::Io(error)) => Err(io(error)),
            Err(Halt::Damage(damage)) => {
                let head_file = log.appender.into_inner().head_file;
                keep_head(&*place.disk, &dir, &name, kept.as_ref()).map_err(io)?;
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
                    let (log, opening) = Log::open(place, name, members).ok()?;
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
        let accepted = vouched.accepted.as_ref();
        head_file.write(&Head {
            accepted: accepted.map(|checkpoint| checkpoint.signed().clone()),
            progress: None,
            restoring: true,
        })?;
        let log = Log::empty(place, name, dir, head_file, vouched)?;
        Ok((log, aside))
    }

    fn empty(
        place: &Place,
        name: LogName,
        dir: PathBuf,
        head_file: HeadFile,
        vouched: &Vouched,
    ) -> io::Result<Log> {
        let tree = TreeFile::open(&*place.disk, &dir.join("tree"), &name)?;
        let statuses = new_statuses(&*place.disk, &dir.join("statuses"));
        let appender = Appender {
            size: 0,
            head: RecordHash::NONE,
            time_ms: 0,
            range: CompactRange::empty(),
            segment: None,
            end: HEADER_LEN,
            pending: Pending::default(),
            head_file,
            floor: vouched.accepted.clone(),
        };
        let view = View {
            checkpoint: None,
            segments: Vec::new(),
            tail: TailIndex::default(),
            definitions: Arc::default(),
            issued: BTreeMap::new(),
            unread: None,
            stopped: None,
        };
        let ahead = Arc::new(Ahead::new(Arc::clone(&place.disk)));
        let broken = place.broken_path(&name);
        Ok(Log {
            name,
            disk: Arc::clone(&ahead) as Arc<dyn Disk>,
            ahead,
            dir,
            aside: place.data.join("set-aside"),
            broken,
            segment_records: place.segment_records,
            index_key: place.index_key.clone(),
            tree,
            view: RwLock::new(view),
            statuses: Mutex::new(statuses),
            appender: Mutex::new(appender),
            held: AtomicU64::new(0),
            tip: RwLock::new((0, CompactRange::<Blake3Tree>::empty().root())),
            floor: AtomicU64::new(
                vouched
                    .accepted
                    .as_ref()
                    .map_or(0, |accepted| accepted.size),
            ),
            refused: OnceLock::new(),
        })
    }
}

/// The file of the statuses is written from nothing; without one they are kept in memory. Whoever reads the one before, with
/// the log as it was open before, continues to read that.
fn new_statuses(disk: &dyn Disk, path: &Path) -> Statuses {
    let _ = disk.remove(path);
    let map = disk.open(path, true).and_then(StatusMap::new);
    Statuses::new(map.unwrap_or_else(|_| StatusMap::in_memory()))
}

/// What the head file vouches for, its signatures checked.
struct Vouched {
    accepted: Option<VerifiedCheckpoint>,
    progress: Option<(VerifiedCheckpoint, Progress)>,
    /// Records that must be there.
    size: u64,
}

impl Vouched {
    fn from_head(
        head: Head,
        name: &LogName,
        members: &Membership,
    ) -> Result<Vouched, CheckpointError> {
        let size = head.vouched();
        let targets = head.progress.iter().map(|progress| &progress.target);
        for signed in head.accepted.iter().chain(targets) {
            if signed.checkpoint.log != name.id {
                return Err(CheckpointError::OtherLog(signed.checkpoint.log));
            }
        }
        let accepted = head
            .accepted
            .map(|checkpoint| checkpoint.verify(members))
            .transpose()?;
        let progress = match head.progress {
            Some(progress) => Some((progress.target.clone().verify(members)?, progress)),
            None => None,
        };
        Ok(Vouched {
            accepted,
            progress,
            size,
        })
    }
}

fn has_records(place: &Place, dir: &Path) -> io::Result<bool> {
    for name in place.disk.list(dir)? {
        if super::segment::first_of(&name).is_some()
            && place.disk.open(&dir.join(&name), false)?.len()? > HEADER_LEN
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn set_aside(place: &Place, dir: &Path, name: &LogName) -> io::Result<PathBuf> {
    let parent = place.data.join("set-aside");
    place.disk.create_dir_all(&parent)?;
    let taken = place.disk.list(&parent)?;
    let free = (1..)
        .map(|n| format!("{}-{n}", name.id))
        .find(|free| !taken.contains(free));
    let aside = parent.join(free.unwrap_or_default());
    place.disk.rename(dir, &aside)?;
    place.disk.sync_dir(&parent)?;
    place.disk.sync_dir(&place.data.join("logs"))?;
    place.disk.sync_dir(&place.data)?;
    Ok(aside)
}

/// The same with its head file, which stands beside it afterwards.
fn set_aside_with_head(place: &Place, dir: &Path, name: &LogName) -> io::Result<PathBuf> {
    place.disk.create_dir_all(dir)?;
    let aside = set_aside(place, dir, name)?;
    match place
        .disk
        .rename(&place.head_path(name), &aside.join("head"))
    {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    place.disk.sync_dir(&aside)?;
    place.disk.sync_dir(&place.data.join("heads"))?;
    Ok(aside)
}

/// Entries that wait for the index of their segment, so that its lock is not taken for each record.
const AT_ONCE: usize = 1 << 15;

/// One pass over all segments.
struct Scan<'l> {
    log: &'l Log,
    opening: &'l mut Opening,
    /// Tree nodes not yet compared with their file, and where they begin.
    nodes: Vec<crate::crypto::hash::Hash>,
    nodes_from: u64,
    /// Ends of a segment's frames not yet compared with their file, and where they begin.
    ends: Vec<u64>,
    ends_from: u64,
    /// Whether the segment's offsets had to be written again.
    offsets_repaired: bool,
    /// Records not yet in the index of the segment.
    filing: Filing,
}

impl<'l> Scan<'l> {
    fn new(log: &'l Log, opening: &'l mut Opening) -> Self {
        Scan {
            log,
            opening,
            nodes: Vec::new(),
            nodes_from: 0,
            ends: Vec::new(),
            ends_from: 0,
            offsets_repaired: false,
            filing: Filing::default(),
        }
    }

    fn run(mut self, vouched: &Vouched) -> Result<(), Halt> {
        let log = self.log;
        let until = vouched.size;
        let mut appender = log.appender.lock();
        while appender.size < until {
            let first = appender.size;
            let segment = Arc::new(Segment::open(&*log.disk, &log.dir, &log.name, first)?);
            let header = segment.check(&log.name)?;
            header.map_err(|error| Damage::Header { first, error })?;
            log.view.write().segments.push(Arc::clone(&segment));
            self.segment(&mut appender, &segment, vouched)?;
            if appender.size < until && appender.size < first + log.segment_records {
                let (found, expected) = (appender.size, until);
                return Err(Damage::Short { found, expected }.into());
            }
        }
        self.repair_nodes(appender.size)?;
        if let Some((target, progress)) = &vouched.progress {
            let root = root_from(&appender.range, &progress.right, target.size);
            if !root.is_ok_and(|root| root == target.root) {
                let size = progress.size;
                return Err(Damage::Root { size }.into());
            }
        }
        self.cut_off(&mut appender)?;
        appender.show_held(log);
        Ok(())
    }

    fn segment(
        &mut self,
        appender: &mut Appender,
        segment: &Arc<Segment>,
        vouched: &Vouched,
    ) -> Result<(), Halt> {
        let log = self.log;
        let until = vouched.size.min(segment.first + log.segment_records);
        let mut frames = segment.frames();
        (self.ends, self.ends_from) = (vec![HEADER_LEN], 0);
        self.offsets_repaired = false;
        appender.end = HEADER_LEN;
        // The index of a segment that must be full holds all its records before they have been read.
        let full = until == segment.first + log.segment_records;
        let indexed = full && self.use_index(segment)?;
        while appender.size < until {
            let seq = appender.size;
            let Some(frame) = frames.next()? else { break };
            let link = link(&log.name, &frame, seq).map_err(Damage::Rule)?;
            follows(&link, appender.head, appender.time_ms).map_err(Damage::Rule)?;
            appender.end = frames.position();
            self.ends.push(appender.end);
            let entry = &link.record.entry;
            if !indexed {
                let place = (seq - segment.first) as u32;
                self.filing.add(&log.index_key, &log.name, entry, place);
            }
            let looked_up = !changed(entry).is_empty();
            if looked_up || self.filing.len() >= AT_ONCE {
                self.file();
            }
            if looked_up {
                // With files that may be damaged up to here.
                self.repair_nodes(appender.size)?;
                self.repair_offsets(segment)?;
            }
            self.take(appender, &link, vouched)?;
        }
        self.file();
        self.repair_offsets(segment)?;
        self.opening.repaired += u32::from(self.offsets_repaired);
        if appender.size == segment.first + log.segment_records {
            self.opening.cut_off += segment.truncate(log.segment_records, appender.end)?;
            if !indexed {
                self.opening.repaired += 1;
                let index = write_index(log, segment.first, &log.view.read().tail)?;
                let mut view = log.view.write();
                let _ = segment.index.set(index);
                view.tail.clear();
            }
            appender.segment = None;
        } else {
            appender.segment = Some(Arc::clone(segment));
        }
        Ok(())
    }

    /// Adds a record to what is derived; at the accepted checkpoint, compares and publishes.
    fn take(
        &mut self,
        appender: &mut Appender,
        link: &Link,
        vouched: &Vouched,
    ) -> Result<(), Halt> {
        let log = self.log;
        let nodes = &mut self.nodes;
        appender
            .range
            .push(link.leaf, &mut |_, _, node| nodes.push(node));
        appender.note(log, link)?;
        appender.size += 1;
        appender.head = link.hash;
        appender.time_ms = link.record.time_ms;
        if self.nodes.len() >= 1 << 16 {
            self.repair_nodes(appender.size)?;
        }
        let Some(accepted) = vouched
            .accepted
            .as_ref()
            .filter(|accepted| accepted.size == appender.size)
        else {
            return Ok(());
        };
        let status_root = log.statuses.lock().map().root()?;
        let records = (appender.range.root(), appender.head) == (accepted.root, accepted.head);
        // Only a later version knows what its entry changed.
        let statuses = status_root == accepted.status_root || appender.unread(log).is_some();
        if !records || !statuses {
            let size = accepted.size;
            return Err(Damage::Root { size }.into());
        }
        appender.publish(log, accepted.clone());
        Ok(())
    }

    fn repair_offsets(&mut self, segment: &Segment) -> io::Result<()> {
        if let Some(more) = self.ends.len().checked_sub(1) {
            if segment.read_offsets(self.ends_from, more as u64)? != self.ends {
                segment.write_offsets(self.ends_from, &self.ends)?;
                self.offsets_repaired = true;
            }
            self.ends_from += self.ends.len() as u64;
            self.ends.clear();
        }
        Ok(())
    }

    fn repair_nodes(&mut self, size: u64) -> io::Result<()> {
        if !self.nodes.is_empty() && self.log.tree.repair(self.nodes_from, &self.nodes)? {
            self.opening.repaired += 1;
        }
        self.nodes.clear();
        self.nodes_from = size;
        Ok(())
    }

    /// Takes the index file of a full segment, if there is a whole one made under this peer's key.
    fn use_index(&self, segment: &Segment) -> io::Result<bool> {
        let log = self.log;
        let path = log.dir.join(file_name(segment.first, "index"));
        let file = log.disk.open(&path, true)?;
        let found = SealedIndex::open(file, &log.name, segment.first, &log.index_key)?;
        Ok(found.is_some_and(|index| segment.index.set(index).is_ok()))
    }

    fn file(&mut self) {
        if self.filing.len() > 0 {
            let filing = std::mem::take(&mut self.filing);
            self.log.view.write().tail.take(&filing);
        }
    }

    /// Removes what stands beyond the last vouched record: it never left the process.
    fn cut_off(&mut self, appender: &mut Appender) -> io::Result<()> {
        let log = self.log;
        let mut removed = false;
        for name in log.disk.list(&log.dir)? {
            let Some(first) = super::segment::first_of(&name) else {
                continue;
            };
            let kept = log
                .view
                .read()
                .segments
                .iter()
                .any(|segment| segment.first == first);
            if !kept {
                let path = log.dir.join(&name);
                self.opening.cut_off += log
                    .disk
                    .open(&path, false)?
                    .len()?
                    .saturating_sub(HEADER_LEN);
                for suffix in ["records", "offsets", "index"] {
                    let path = log.dir.join(file_name(first, suffix));
                    match log.disk.remove(&path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => removed = true,
                    }
                }
            }
        }
        if let Some(segment) = &appender.segment {
            // One that was sealed before its records were cut off would pass for the next ones' index.
            let index = log.dir.join(file_name(segment.first, "index"));
            match log.disk.remove(&index) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                found => removed |= found.is_ok(),
            }
        }
        if removed {
            log.disk.sync_dir(&log.dir)?;
        }
        if let Some(segment) = &appender.segment {
            self.opening.cut_off +=
                segment.truncate(appender.size - segment.first, appender.end)?;
        }
        log.tree.truncate(appender.size)
    }
}
