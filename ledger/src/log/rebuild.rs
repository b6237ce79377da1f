//! What opening a log makes of its files: what is derived from the records is compared with them and repaired, what no head
//! vouches for is cut off, and the first thing that is wrong with the records ends it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::crypto::hash::Hash;
use crate::disk::Disk;
use crate::header::{HEADER_LEN, HeaderError};
use crate::index::Filing;

use super::append::Appender;
use super::checkpoint::Agreement;
use super::head::Vouched;
use super::index_files::index_files;
use super::link::{BrokenRule, Tip};
use super::open::Opening;
use super::reading::Log;
use super::scan::{Batch, Begun, Damaged, Ended, Files, Resume, Scanned, Start, Visitor, scan};
use super::segment::{Segment, file_name, firsts};
use super::set_aside::Damage;
use super::statuses::changed;

/// Entries that wait for the index of their segment, so that its lock is not taken for each record.
const AT_ONCE: usize = 1 << 15;

/// Why a log's files don't make a log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// Fills a log with what its files hold, as far as its head vouches for it: all of it, or what stands behind a snapshot that was
/// put into it.
pub(super) fn rebuild(
    log: &Log,
    vouched: &Vouched,
    start: Option<Start>,
    opening: &mut Opening,
) -> Result<(), Halt> {
    let files = Files {
        disk: &*log.disk,
        dir: &log.dir,
        log: &log.lineage,
        beginning: log.beginning.as_ref(),
        segment_records: log.segment_records,
    };
    if start.is_none() {
        // Made again from the records: nothing else would show that what one holds is theirs.
        for records in index_files(&*log.disk, &log.dir)? {
            log.disk.remove(&log.index_path(&records))?;
        }
    }
    let start = start.unwrap_or_else(Start::first);
    let mut rebuild = Rebuild {
        log,
        vouched,
        opening,
        appender: log.appender.lock(),
        segment: start.segment.clone(),
        offsets_repaired: false,
        tree_repaired: false,
        filing: Filing::default(),
    };
    let scanned = scan(&files, &vouched.head, start, &mut rebuild)?;
    Ok(rebuild.finish(scanned)?)
}

struct Rebuild<'r> {
    log: &'r Log,
    vouched: &'r Vouched,
    opening: &'r mut Opening,
    appender: MutexGuard<'r, Appender>,
    /// The segment whose records are being read.
    segment: Option<Arc<Segment>>,
    /// Whether its offsets had to be written again.
    offsets_repaired: bool,
    tree_repaired: bool,
    /// Records not yet in the index of the segment.
    filing: Filing,
}

impl Visitor for Rebuild<'_> {
    type Halt = Halt;

    fn segment(&mut self, begun: &Begun) -> Result<(), Halt> {
        let (log, first) = (self.log, begun.first);
        let records = Arc::clone(&begun.records);
        let segment = Segment::of(records, &*log.disk, &log.dir, &log.name, first)?;
        let segment = Arc::new(segment);
        // Before its records: what they change is looked up in it.
        log.view.write().segments.push(Arc::clone(&segment));
        self.segment = Some(segment);
        self.offsets_repaired = false;
        Ok(())
    }

    fn bad_header(&mut self, first: u64, error: HeaderError) -> Result<(), Halt> {
        Err(Damage::Header { first, error }.into())
    }

    fn unlinked(&mut self, _first: u64, rule: BrokenRule) -> Result<(), Halt> {
        Err(Damage::Rule(rule).into())
    }

    fn records(&mut self, batch: &Batch<'_>) -> Result<(), Halt> {
        let log = self.log;
        // First the files by which a record is found: whether a change has an effect is looked up among the records before
        // it, and until here offsets and tree may be of anybody's making.
        if let Some(segment) = &self.segment {
            self.offsets_repaired |= segment.offsets.repair(batch.place(), batch.ends)?;
        }
        self.tree_repaired |= log.tree.repair(batch.from(), batch.nodes)?;
        for link in batch.links {
            let (seq, entry) = (link.record.seq, &link.record.entry);
            let place = (seq - log.index.first_growing()) as u32;
            let record = &link.record;
            self.filing.add(log.index.key(), &log.name, record, place);
            let full = log.index_room(seq) == 1;
            if full || !changed(entry).is_empty() || self.filing.len() >= AT_ONCE {
                self.enter();
            }
            if full {
                log.seal_full_index(seq + 1);
                // None is merged before all are read: those of a long log would take as many descriptors.
                if let Some(part) = log.index.sealed().last() {
                    log.rested(part.sync());
                }
            }
            self.appender.note(log, link)?;
        }
        Ok(())
    }

    fn damaged(&mut self, _first: u64, seq: u64, _at: u64, why: Damaged) -> Result<Resume, Halt> {
        let damage = match why {
            Damaged::CutOff => Damage::Short {
                found: seq,
                expected: self.vouched.head.vouched(),
            },
            Damaged::Rule(rule) => Damage::Rule(rule),
            Damaged::Leaf => Damage::Root { size: seq + 1 },
        };
        Err(damage.into())
    }

    fn status_root(&mut self) -> io::Result<Option<crate::crypto::hash::Hash>> {
        match self.appender.unread(self.log) {
            Some(_) => Ok(None),
            None => self.log.statuses.lock().map().root().map(Some),
        }
    }

    fn kept(&mut self, found: (&Tip, Hash), agrees: bool) -> Result<(), Halt> {
        if !agrees {
            return Err(Damage::Root { size: found.0.size }.into());
        }
        // Where a checkpoint was accepted, what came after is seen with it, or not before all of that is back.
        if self.vouched.accepted.is_none() {
            let signed = self.vouched.kept.clone();
            self.appender.publish_kept(self.log, found, signed)?;
        }
        Ok(())
    }

    fn accepted(&mut self, size: u64, found: &Agreement) -> Result<(), Halt> {
        if !found.is_whole() {
            return Err(Damage::Root { size }.into());
        }
        if let Some(accepted) = &self.vouched.accepted {
            self.appender.publish(self.log, accepted.clone());
        }
        Ok(())
    }

    fn segment_end(&mut self, ended: &Ended) -> Result<(), Halt> {
        self.enter();
        self.opening.repaired += u32::from(self.offsets_repaired);
        if ended.full
            && let Some(segment) = self.segment.take()
        {
            let records = self.log.segment_records;
            self.opening.cut_off += segment.truncate(records, ended.end)?;
            self.log.rested(segment.rest());
        }
        Ok(())
    }

    fn short(&mut self, found: u64, expected: u64) -> Result<(), Halt> {
        Err(Damage::Short { found, expected }.into())
    }

    fn unproved_progress(&mut self, size: u64) -> Result<(), Halt> {
        Err(Damage::Root { size }.into())
    }
}

impl Rebuild<'_> {
    fn enter(&mut self) {
        if self.filing.len() > 0 {
            let filing = std::mem::take(&mut self.filing);
            self.log.index.enter(&[filing]);
        }
    }

    /// Puts the appender at the end of what was read, and removes what stands beyond.
    fn finish(mut self, scanned: Scanned) -> io::Result<()> {
        self.opening.repaired += u32::from(self.tree_repaired);
        let appender = &mut *self.appender;
        appender.tip = scanned.tip;
        appender.range = scanned.range;
        appender.end = scanned.end;
        appender.durable = scanned.end;
        appender.segment = self.segment.take();
        self.opening.cut_off += cut_off(self.log, appender)?;
        appender.show_held(self.log);
        Ok(())
    }
}

/// Removes what stands beyond the last vouched record: no checkpoint over it was made durable, so it never left the process.
/// Returns how many bytes of records went.
///
/// A crash on the way leaves some of it, and the next opening removes that: the head still vouches for no more.
fn cut_off(log: &Log, appender: &Appender) -> io::Result<u64> {
    let kept = |first: &u64| {
        let segments = &log.view.read().segments;
        segments.iter().any(|segment| segment.first == *first)
    };
    let mut beyond = firsts(&*log.disk, &log.dir)?;
    beyond.retain(|first| !kept(first));
    let file = |first, suffix| log.dir.join(file_name(first, suffix));
    let mut bytes = 0;
    let mut removed = false;
    for first in &beyond {
        let records = log.disk.open(&file(*first, "records"), false)?;
        bytes += records.len()?.saturating_sub(HEADER_LEN);
        removed |= remove(&*log.disk, &file(*first, "offsets"))?;
    }
    if removed {
        // Before the records, by which an opening finds the others.
        log.disk.sync_dir(&log.dir)?;
    }
    for first in &beyond {
        remove(&*log.disk, &file(*first, "records"))?;
    }
    if !beyond.is_empty() {
        log.disk.sync_dir(&log.dir)?;
    }
    if let Some(segment) = &appender.segment {
        bytes += segment.truncate(appender.tip.size - segment.first, appender.end)?;
    }
    log.tree.truncate(appender.tip.size)?;
    Ok(bytes)
}

/// Removes a file; returns whether there was one.
fn remove(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    match disk.remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
