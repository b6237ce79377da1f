//! The end of a log where records are added.
//!
//! Order of durability: frames are written, then made durable, then the checkpoint is, and only then readers see anything.
//! A department's own appends do both with one sync, [`Appender::commit_through`] the redo journal (`redo/`); whoever adds
//! pages or takes records back calls [`Appender::sync`], then [`Appender::commit`]. A crash before the commit leaves records
//! that the next opening cuts off; they never left the process. After any refused write the appender accepts nothing more.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use crate::codec::Bounded;
use crate::crypto::hash::Hash;
use crate::id::{CertificateId, TypeCode};
use crate::merkle::CompactRange;
use crate::record::Entry;

use super::definitions::PendingDefinitions;
use super::head::{Head, HeadFile, KeptHead, Progress};
use super::link::{Link, Tip};
use super::page::Grown;
use super::reading::{Kept, Log, MAX_COUNTED, Unread, View};
use super::redo::{Change, Redo, Unsynced};
use super::segment::Segment;
use super::{Checkpoint, VerifiedCheckpoint};
use crate::header::HEADER_LEN;
use crate::index::Filing;
use crate::names::LogId;

/// Why an append failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The medium refused; the log is read-only from here on. What was being appended then is in the log after the restart or
    /// it is not, whole either way: the write that failed may be on the medium.
    #[error(
        "log {log} is read-only: a disk write was refused ({reason}); free or repair the disk, then restart the peer: only \
         then it shows whether what was being written is in the log"
    )]
    ReadOnly {
        /// Which log.
        log: LogId,
        /// What the medium said.
        reason: String,
    },
}

/// What records on the way to a checkpoint will change in the view.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) definitions: PendingDefinitions,
    pub(super) issued: BTreeMap<TypeCode, u64>,
    /// How many of those types no record before issued.
    pub(super) new_types: usize,
    /// The first entry that this version can't read.
    pub(super) unread: Option<Unread>,
}

/// Records that one thread files.
const TOGETHER: usize = 1024;

pub(super) struct Appender {
    /// The end of what is written.
    pub(super) tip: Tip,
    pub(super) range: CompactRange,
    pub(super) segment: Option<Arc<Segment>>,
    /// Where the next frame goes in the current segment.
    pub(super) end: u64,
    /// Up to where the last segment is durable.
    pub(super) durable: u64,
    /// A segment that was full before the commit of its last records.
    pub(super) sealed: Option<Arc<Segment>>,
    pub(super) pending: Pending,
    pub(super) head_file: HeadFile,
    /// What any later content must agree with: the last checkpoint accepted, also when its records are gone.
    pub(super) floor: Option<VerifiedCheckpoint>,
}

impl Appender {
    pub(super) fn size(&self) -> u64 {
        self.tip.size
    }

    /// Whether records under a checkpoint accepted before are still missing.
    pub(super) fn restoring(&self, log: &Log) -> bool {
        self.floor
            .as_ref()
            .is_some_and(|floor| log.size() < floor.size)
    }

    /// Runs a step that writes; a failure makes the log read-only for good.
    fn step<T>(
        &mut self,
        log: &Log,
        step: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> Result<T, AppendError> {
        let read_only = |reason: &String| AppendError::ReadOnly {
            log: log.name.id,
            reason: reason.clone(),
        };
        if let Some(reason) = log.refused.get() {
            return Err(read_only(reason));
        }
        // Never tried again: after a sync that failed the system may drop what it could not write and report the next sync as
        // done.
        step(self).map_err(|error| {
            log.saw(&error);
            let reason = log.refused.get_or_init(|| error.to_string());
            log.leave_redo(reason);
            read_only(reason)
        })
    }

    /// Refuses once the log is read-only.
    pub(super) fn writable(&mut self, log: &Log) -> Result<(), AppendError> {
        self.step(log, |_| Ok(()))
    }

    /// Makes the log read-only: what was written since the last commit can't stand. The next opening cuts it off.
    pub(super) fn give_up(&mut self, log: &Log, reason: &'static str) -> AppendError {
        self.refuse(log, io::Error::other(reason))
    }

    /// Makes the log read-only because of what the medium said.
    pub(super) fn refuse(&mut self, log: &Log, error: io::Error) -> AppendError {
        let refused = self.step(log, |_| Err::<(), _>(error));
        refused.expect_err("the step fails")
    }

    /// Writes frames; not durable yet. `grown` is the tree with all the links, where it is known already.
    pub(super) fn append(
        &mut self,
        log: &Log,
        links: &[Link],
        frames: &[u8],
        grown: Option<&Grown>,
    ) -> Result<(), AppendError> {
        self.step(log, |appender| {
            let all = links.len();
            let (mut links, mut frames) = (links, frames);
            while !links.is_empty() {
                let segment = appender.current_segment(log)?;
                let size = appender.tip.size;
                let room = segment.first + log.segment_records - size;
                let room = room.min(log.index_room(size)) as usize;
                let (now, later) = links.split_at(room.min(links.len()));
                let bytes = now.iter().map(|link| link.frame_len as usize).sum();
                let (now_frames, later_frames) = frames.split_at(bytes);
                let grown = grown.filter(|_| now.len() == all);
                appender.append_within(log, &segment, now, now_frames, grown)?;
                log.seal_full_index(appender.tip.size);
                if appender.tip.size == segment.first + log.segment_records {
                    appender.seal(log, &segment)?;
                }
                (links, frames) = (later, later_frames);
            }
            Ok(())
        })
    }

    fn current_segment(&mut self, log: &Log) -> io::Result<Arc<Segment>> {
        if let Some(segment) = &self.segment {
            return Ok(Arc::clone(segment));
        }
        let segment = Arc::new(Segment::open(
            &*log.disk,
            &log.dir,
            &log.name,
            self.tip.size,
        )?);
        segment.truncate(0, HEADER_LEN)?;
        // The file, with its header, and its name have to be durable before a head vouches for what is in it: syncing the file
        // alone keeps no name, and a commit through the journal writes only frames again.
        segment.sync()?;
        log.disk.sync_dir(&log.dir)?;
        self.end = HEADER_LEN;
        self.durable = HEADER_LEN;
        self.segment = Some(Arc::clone(&segment));
        log.view.write().segments.push(Arc::clone(&segment));
        Ok(segment)
    }

    fn append_within(
        &mut self,
        log: &Log,
        segment: &Segment,
        links: &[Link],
        frames: &[u8],
        grown: Option<&Grown>,
    ) -> io::Result<()> {
        let place = self.tip.size - segment.first;
        let mut end = self.end;
        let mut ends = Vec::with_capacity(links.len());
        for link in links {
            end += u64::from(link.frame_len);
            ends.push(end);
        }
        // Frames and everything derived from them, none of it synced. A crash here leaves any part of it; no head vouches for
        // it, so the next opening cuts it off.
        segment.write(place, self.end, frames, &ends)?;
        match grown {
            Some(grown) => {
                log.tree.write(self.tip.size, &grown.nodes)?;
                self.range.clone_from(&grown.range);
            }
            None => {
                let mut nodes = Vec::with_capacity(2 * links.len());
                for link in links {
                    self.range
                        .push(link.leaf, &mut |_, _, node| nodes.push(node));
                }
                log.tree.write(self.tip.size, &nodes)?;
            }
        }
        let first = log.index.first_growing();
        let file = |links: &[Link]| {
            let mut filing = Filing::default();
            for link in links {
                let place = (link.record.seq - first) as u32;
                filing.add(log.index.key(), &log.name, &link.record, place);
            }
            filing
        };
        // Waking other threads takes longer than a few records do.
        let filings: Vec<Filing> = match links.len() {
            0..=TOGETHER => vec![file(links)],
            _ => links.par_chunks(TOGETHER).map(file).collect(),
        };
        // Entered before they are noted: a later record's change looks up whether one of these issued the certificate.
        log.index.enter(&filings);
        for link in links {
            self.note(log, link)?;
        }
        if let Some(last) = links.last() {
            self.tip = Tip::after(last);
        }
        self.show_held(log);
        self.end = end;
        Ok(())
    }

    /// Says how much is written, to those who must not wait for the appender.
    pub(super) fn show_held(&self, log: &Log) {
        *log.tip.write() = (self.tip.size, self.range.root());
        log.held.store(self.tip.size, Ordering::Release);
    }

    /// Remembers what a record will change once its checkpoint is committed. The record has to be in the files and in the
    /// index of its segment.
    pub(super) fn note(&mut self, log: &Log, link: &Link) -> io::Result<()> {
        match &link.record.entry {
            Entry::CertificateIssued(issued) => self.count(log, issued.id.type_code()),
            _ => self.pending.unread = self.pending.unread.or_else(|| log.unreadable(&link.record)),
        }
        let issued = |id: &CertificateId| Ok(log.issued_before(id, link.record.seq)?);
        let definitions = &mut self.pending.definitions;
        let may = definitions.take(|| log.definitions(), link) && log.inherits(&link.record);
        log.statuses.lock().take(link, may, issued)
    }

    fn count(&mut self, log: &Log, code: TypeCode) {
        let pending = &mut self.pending;
        if !pending.issued.contains_key(&code) {
            let view = log.view.read();
            if !view.issued.contains_key(&code) {
                if view.issued.len() + pending.new_types >= MAX_COUNTED {
                    return;
                }
                pending.new_types += 1;
            }
        }
        *pending.issued.entry(code).or_default() += 1;
    }

    fn seal(&mut self, log: &Log, segment: &Arc<Segment>) -> io::Result<()> {
        // The appender forgets this segment below, and a commit syncs only the one it has.
        log.sync(segment)?;
        self.durable = self.end;
        self.sealed = self.segment.take();
        Ok(())
    }

    /// Makes every frame written so far durable.
    pub(super) fn sync(&mut self, log: &Log) -> Result<(), AppendError> {
        self.step(log, |appender| {
            if let Some(segment) = &appender.segment {
                log.sync(segment)?;
            }
            appender.durable = appender.end;
            Ok(())
        })
    }

    /// Asks for what is kept with the records written.
    pub(super) fn kept(
        &mut self,
        log: &Log,
        kept: impl FnOnce() -> io::Result<Vec<Change>>,
    ) -> Result<Vec<Change>, AppendError> {
        self.step(log, |_| kept())
    }

    /// Remembers durably how far the log has come towards a checkpoint.
    pub(super) fn progress(
        &mut self,
        log: &Log,
        target: &VerifiedCheckpoint,
        right: Bounded<Hash, 64>,
    ) -> Result<(), AppendError> {
        self.step(log, |appender| {
            let progress = Progress {
                target: target.signed().clone(),
                size: appender.tip.size,
                right,
            };
            let accepted = appender.floor.as_ref().map(|floor| floor.signed().clone());
            let restoring = appender.restoring(log);
            appender.write_head(
                log,
                &Head {
                    accepted,
                    progress: Some(progress),
                    restoring,
                    kept: None,
                },
            )
        })
    }

    /// Writes a head past the journal, which must not hold an older one then.
    fn write_head(&mut self, log: &Log, head: &Head) -> io::Result<()> {
        log.past_redo(|| self.head_file.write(head))
    }

    /// The first record, written or committed, of which it can't be known here what it changes. From it on the statuses that this
    /// version derives need not be the department's.
    pub(super) fn unread(&self, log: &Log) -> Option<Unread> {
        log.unread().or(self.pending.unread)
    }

    /// The root of the statuses with all records written.
    pub(super) fn status_root(&mut self, log: &Log) -> Result<Hash, AppendError> {
        self.step(log, |_| log.statuses.lock().map().root())
    }

    /// Makes a checkpoint of all records durable, then shows it to readers.
    pub(super) fn commit(
        &mut self,
        log: &Log,
        checkpoint: VerifiedCheckpoint,
    ) -> Result<(), AppendError> {
        debug_assert_eq!(
            checkpoint.size, self.tip.size,
            "a checkpoint covers what is written"
        );
        self.step(log, |appender| {
            appender.write_head(log, &head_over(&checkpoint))
        })?;
        // Durable from here on, and only now seen by anybody. Before the head was synced a crash takes all of it back; a head
        // that was refused may be on the medium, which the next opening finds out.
        self.publish(log, checkpoint);
        Ok(())
    }

    /// Makes the records appended last, what is kept with them and a checkpoint of them durable with one sync, then shows it to
    /// readers. `frames` ends with all that are not durable yet.
    pub(super) fn commit_through(
        &mut self,
        log: &Log,
        checkpoint: VerifiedCheckpoint,
        frames: &[u8],
        kept: Vec<Change>,
    ) -> Result<(), AppendError> {
        self.step(log, |appender| {
            let segment = appender.segment.as_ref().or(appender.sealed.as_ref());
            let segment = segment.ok_or_else(|| io::Error::other("nothing was appended"))?;
            let unsynced = (appender.end - appender.durable) as usize;
            let frames = Unsynced {
                first: segment.first,
                file: &segment.records,
                at: appender.durable,
                bytes: &frames[frames.len().saturating_sub(unsynced)..],
            };
            let head = appender.head_file.next(&head_over(&checkpoint));
            // Before it is synced there a crash takes all of it back; refused, it may be on the medium whole.
            log.redo()?.commit(&frames, kept, head)?;
            appender.durable = appender.end;
            appender.sealed = None;
            Ok(())
        })?;
        self.publish(log, checkpoint);
        Ok(())
    }

    /// Says durably that all the records that the generation begins with are here, which is all that is written, then shows
    /// them to readers. `signed` is a checkpoint of the generation before over just these.
    pub(super) fn begin(
        &mut self,
        log: &Log,
        signed: Option<VerifiedCheckpoint>,
    ) -> Result<(), AppendError> {
        self.step(log, |appender| {
            let accepted = appender.floor.as_ref().map(|floor| floor.signed().clone());
            let head = Head {
                restoring: accepted.is_some(),
                accepted,
                progress: None,
                kept: Some(KeptHead {
                    size: appender.tip.size,
                    signed: signed.as_ref().map(|signed| signed.signed().clone()),
                }),
            };
            appender.write_head(log, &head)
        })?;
        // After a loss, readers see nothing before all that was accepted is back.
        if self.floor.is_some() {
            return Ok(());
        }
        let (tip, root) = (self.tip, self.range.root());
        self.step(log, |appender| {
            appender.publish_kept(log, (&tip, root), signed)
        })
    }

    /// Shows readers what the generation begins with: all that is written, up to this end.
    pub(super) fn publish_kept(
        &mut self,
        log: &Log,
        (tip, root): (&Tip, Hash),
        signed: Option<VerifiedCheckpoint>,
    ) -> io::Result<()> {
        let covered = Checkpoint {
            log: log.name.id,
            size: tip.size,
            root,
            head: tip.head,
            status_root: log.statuses.lock().map().root()?,
            time_ms: tip.time_ms,
            height: tip.height,
            key_epoch: tip.key_epoch,
        };
        self.show(log, tip.size, |view| {
            view.kept = Some(Kept { covered, signed });
        });
        Ok(())
    }

    pub(super) fn publish(&mut self, log: &Log, checkpoint: VerifiedCheckpoint) {
        self.floor = Some(checkpoint.clone());
        log.floor.store(checkpoint.size, Ordering::Release);
        let size = checkpoint.size;
        self.show(log, size, |view| view.checkpoint = Some(checkpoint));
    }

    fn show(&mut self, log: &Log, size: u64, by: impl FnOnce(&mut View)) {
        let pending = std::mem::take(&mut self.pending);
        // Both at once for whoever holds either: a proof never runs ahead of its checkpoint.
        let mut statuses = log.statuses.lock();
        statuses.map().commit(size);
        let mut view = log.view.write();
        for (code, count) in pending.issued {
            *view.issued.entry(code).or_default() += count;
        }
        if let Some(definitions) = pending.definitions.into_changed() {
            view.definitions = definitions;
        }
        view.unread = view.unread.or(pending.unread);
        by(&mut view);
    }
}

fn head_over(checkpoint: &VerifiedCheckpoint) -> Head {
    Head {
        accepted: Some(checkpoint.signed().clone()),
        progress: None,
        restoring: false,
        kept: None,
    }
}

impl Log {
    /// Its redo journal, opened or made the first time. Only the department's own log has one.
    pub(crate) fn redo(&self) -> io::Result<Arc<Redo>> {
        let mut open = self.redo.lock();
        if let Some(redo) = &*open {
            return Ok(Arc::clone(redo));
        }
        // Another copy of the log may be open by now, and the journal its own.
        if let Some(reason) = self.refused.get() {
            return Err(io::Error::other(reason.clone()));
        }
        let (path, records) = (&self.redo_path, self.segment_records);
        let redo = Arc::new(Redo::open(&*self.disk, path, &self.name, records)?);
        *open = Some(Arc::clone(&redo));
        Ok(redo)
    }

    fn open_redo(&self) -> Option<Arc<Redo>> {
        self.redo.lock().clone()
    }

    /// Does something to a file that the redo journal may be about, past it: nothing is in the journal then, and no commit
    /// comes between.
    pub(super) fn past_redo<T>(&self, done: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.open_redo() {
            Some(redo) => redo.past(done),
            None => done(),
        }
    }

    /// Leaves nothing in the redo journal: all of it is durable where it belongs. When a node stops, so that whoever copies or
    /// looks at its files finds all of it in its place.
    ///
    /// # Errors
    /// Those of the medium, now or earlier; the next opening replays the journal then.
    pub fn clear_redo(&self) -> io::Result<()> {
        self.past_redo(|| Ok(()))
    }

    /// Syncs a segment.
    fn sync(&self, segment: &Segment) -> io::Result<()> {
        match self.open_redo() {
            Some(redo) => redo.sync(|| segment.sync()),
            None => segment.sync(),
        }
    }

    /// After a refused write: leaves the journal to the next opening.
    pub(super) fn leave_redo(&self, reason: &str) {
        if let Some(redo) = self.open_redo() {
            redo.give_up(reason);
        }
    }
}
