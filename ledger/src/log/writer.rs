//! Appending to this department's own log.

use std::io;
use std::sync::Arc;

use rayon::prelude::*;

use crate::codec;
use crate::crypto::keys::Signature;
use crate::disk::too_many_files;
use crate::names::LogId;
use crate::operating::{InForce, NoKey, OperatingKeys};
use crate::record::{Entry, MAX_RECORD, Record, RecordHash, leaf_hash, record_hash};

use super::append::{AppendError, Appender};
use super::link::{Link, Tip};
use super::reading::{Log, Stopped, Unread};
use super::{Change, Checkpoint, VerifiedCheckpoint};

/// Why entries were not appended. None of them was, except for [`WriteError::Append`]: then all of them are in the log
/// after the restart, or none.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A disk write was refused, now or earlier.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A file that the append needs can't be opened. The log is as it was; the next append tries again.
    #[error(
        "nothing was appended: a file of the log can't be opened ({0}); try again, and if it lasts allow this peer more open \
         files (`ulimit -n`, or LimitNOFILE= of its service)"
    )]
    OutOfFiles(io::Error),
    /// The log has stopped.
    #[error("the log has stopped at record {}: nothing can be appended", .0.undisputed())]
    Stopped(Stopped),
    /// Records under a checkpoint signed before are missing.
    #[error("{missing} records of this log are still to come back from other members")]
    Restoring {
        /// How many.
        missing: u64,
    },
    /// An entry of a later version is in the log: what it changed is not known here, so no checkpoint can be signed.
    #[error(
        "record {0} of this log is of a later version of certmesh; run that version again, since this one doesn't know what \
         the record changed"
    )]
    LaterVersion(u64),
    /// An entry that would not read back as what it says: appended, it would leave everything in the log unknown.
    #[error("an entry of kind {0} can't be read back; this is a fault of the program")]
    Unreadable(u32),
    /// Nothing can be signed for the department.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// The log's generation has ended: what is appended to it counts for nothing.
    #[error("log {0} has ended; the department goes on in the next generation of it")]
    Ended(LogId),
    /// The log was written by more of governance than is known here.
    #[error(
        "the log's last record names governance height {named}, and decisions are known here up to {known}: the rest has to \
         come from other members first"
    )]
    Behind {
        /// Known here.
        known: u64,
        /// Named by the last record.
        named: u64,
    },
    /// There is nothing to append.
    #[error("there is nothing to append")]
    NoEntries,
    /// An entry is larger than a record may be.
    #[error("the entry takes {found} bytes, more than the {MAX_RECORD} allowed")]
    TooLarge {
        /// Bytes of the record.
        found: usize,
    },
}

/// Links and their frames.
type Built = (Vec<Link>, Vec<u8>);

/// One appended record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its position.
    pub seq: u64,
    /// Its hash.
    pub hash: RecordHash,
    /// Its time, ms since 1970 UTC.
    pub time_ms: u64,
}

/// The one who appends to a log. Made once per log; the lock on the data directory keeps other processes out.
pub struct Writer {
    pub(super) log: Arc<Log>,
    pub(super) keys: OperatingKeys,
}

/// Why nothing is written behind a record of which it can't be known here what it changes.
fn unreadable(log: &Log, unread: Unread) -> WriteError {
    match unread.behind {
        Some(named) => WriteError::Behind {
            named,
            known: log.members.history().height(),
        },
        None => WriteError::LaterVersion(unread.seq),
    }
}

impl Writer {
    /// A writer of this department's own log. Only once other members have confirmed that the log on disk is whole may
    /// it be used.
    pub fn new(log: Arc<Log>, keys: impl Into<OperatingKeys>) -> Writer {
        let keys = keys.into();
        Writer { log, keys }
    }

    /// The log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Appends entries, at least one, in order, under one new checkpoint; all durable when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; then none of the entries is in the log. After [`WriteError::Append`] the restart finds all of them or
    /// none: a refused write may be on the medium, and whoever asks again finds out.
    pub fn append(
        &mut self,
        now_ms: u64,
        entries: Vec<Entry>,
    ) -> Result<(Vec<Appended>, VerifiedCheckpoint), WriteError> {
        self.append_with(now_ms, entries, |_| Ok(Vec::new()))
    }

    /// The same, with what has to be durable once the entries are, which the closure gives for the position of the first
    /// entry; when it fails, the log becomes read-only.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn append_with(
        &mut self,
        now_ms: u64,
        entries: Vec<Entry>,
        kept: impl FnOnce(u64) -> io::Result<Vec<Change>>,
    ) -> Result<(Vec<Appended>, VerifiedCheckpoint), WriteError> {
        if entries.is_empty() {
            return Err(WriteError::NoEntries);
        }
        let log = Arc::clone(&self.log);
        let mut appender = log.appender.lock();
        if let Some(stopped) = log.stopped() {
            return Err(WriteError::Stopped(stopped));
        }
        // What a refused write left behind is not coming back.
        appender.writable(&log)?;
        // Held but not under a checkpoint yet: more of this log is being fetched back from other members.
        let on_the_way = appender.size() - log.size();
        let missing = log.missing().max(on_the_way);
        if missing > 0 {
            return Err(WriteError::Restoring { missing });
        }
        if let Some(unread) = appender.unread(&log) {
            return Err(unreadable(&log, unread));
        }
        let signs = self.signs(&appender)?;
        let time_ms = appender.tip.time_ms.max(now_ms);
        let (links, frames) = self.build(&appender.tip, &signs, time_ms, entries)?;
        let first = appender.size();
        // Before the first byte: from here on nothing is opened, so that only the disk can refuse.
        log.open_ahead(&appender, links.len() as u64)
            .map_err(WriteError::OutOfFiles)?;
        match log.redo() {
            Err(error) if too_many_files(&error) => return Err(WriteError::OutOfFiles(error)),
            // Never tried again, as any refused write.
            Err(error) => return Err(appender.refuse(&log, error).into()),
            Ok(_) => {}
        }
        appender.append(&log, &links, &frames, None)?;
        let kept = appender.kept(&log, || kept(first))?;
        let checkpoint = self.sign(&mut appender, &signs)?;
        // Records, bodies and checkpoint all at once: a checkpoint that vouched for what a crash took would be a signed
        // statement about records that nobody has, and the next of that size a fork.
        appender.commit_through(&log, checkpoint.clone(), &frames, kept)?;
        let appended = |link: &Link| Appended {
            seq: link.record.seq,
            hash: link.hash,
            time_ms: link.record.time_ms,
        };
        Ok((links.iter().map(appended).collect(), checkpoint))
    }

    /// Signs what the generation begins with, before anything is appended: a proof needs a signature in it. `None` where there
    /// is nothing to sign, or something was signed.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn sign_beginning(&mut self) -> Result<Option<VerifiedCheckpoint>, WriteError> {
        let log = Arc::clone(&self.log);
        let mut appender = log.appender.lock();
        if let Some(stopped) = log.stopped() {
            return Err(WriteError::Stopped(stopped));
        }
        appender.writable(&log)?;
        let kept = log.lineage.kept();
        if appender.floor.is_some() || kept == 0 || log.size() < kept {
            return Ok(None);
        }
        if let Some(unread) = appender.unread(&log) {
            return Err(unreadable(&log, unread));
        }
        let signs = self.signs(&appender)?;
        let checkpoint = self.sign(&mut appender, &signs)?;
        appender.commit(&log, checkpoint.clone())?;
        Ok(Some(checkpoint))
    }

    /// The key in force. Heights and epochs never decrease along a log.
    pub(super) fn signs(&self, appender: &Appender) -> Result<InForce, WriteError> {
        let signs = self.keys.in_force()?;
        let log = self.log.name.id;
        if signs.generation != log.generation {
            return Err(WriteError::Ended(log));
        }
        let (known, named) = (signs.height, appender.tip.height);
        match known < named || signs.epoch < appender.tip.key_epoch {
            true => Err(WriteError::Behind { known, named }),
            false => Ok(signs),
        }
    }

    /// Signs a checkpoint over everything written. Nobody sees it before it is committed.
    pub(super) fn sign(
        &self,
        appender: &mut Appender,
        signs: &InForce,
    ) -> Result<VerifiedCheckpoint, AppendError> {
        let log = &self.log;
        let checkpoint = Checkpoint {
            log: log.name.id,
            size: appender.size(),
            root: appender.range.root(),
            head: appender.tip.head,
            status_root: appender.status_root(log)?,
            time_ms: appender.tip.time_ms,
            height: signs.height,
            key_epoch: signs.epoch,
        };
        Ok(VerifiedCheckpoint::sign(
            log.name.network,
            checkpoint,
            &signs.key,
        ))
    }

    /// Links and signs the entries: the chain of hashes in order, the signatures in parallel.
    fn build(
        &self,
        tip: &Tip,
        signs: &InForce,
        time_ms: u64,
        entries: Vec<Entry>,
    ) -> Result<Built, WriteError> {
        let mut prev = tip.head;
        let mut links: Vec<(Record, RecordHash, Vec<u8>)> = Vec::with_capacity(entries.len());
        for (entry, seq) in entries.into_iter().zip(tip.size..) {
            let record = Record {
                seq,
                prev,
                time_ms,
                height: signs.height,
                key_epoch: signs.epoch,
                entry,
            };
            let bytes = codec::encode(&record);
            if bytes.len() > MAX_RECORD {
                return Err(WriteError::TooLarge { found: bytes.len() });
            }
            let hash = record_hash(&self.log.lineage.at(seq), &bytes);
            prev = hash;
            links.push((record, hash, bytes));
        }
        // What does not read back as what was meant would stand in the log as unknown for good, and leave every certificate of
        // it unknown.
        let sign =
            |(record, hash, bytes): &(Record, RecordHash, Vec<u8>)| match Record::decode(bytes)
                .is_ok_and(|read| read == *record)
            {
                true => Ok(signs.key.sign(&hash.0)),
                false => Err(WriteError::Unreadable(record.entry.kind())),
            };
        // Waking other threads takes longer than a few signatures do.
        let signatures: Result<Vec<Signature>, WriteError> = match links.len() {
            0..8 => links.iter().map(sign).collect(),
            _ => links.par_iter().with_min_len(8).map(sign).collect(),
        };
        let mut frames = Vec::new();
        let link =
            |((record, hash, bytes), signature): ((Record, RecordHash, Vec<u8>), Signature)| {
                let signature = signature.to_bytes();
                let start = frames.len();
                frames.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                frames.extend_from_slice(&bytes);
                frames.extend_from_slice(&signature);
                Link {
                    record,
                    hash,
                    leaf: leaf_hash(&hash, &signature),
                    frame_len: (frames.len() - start) as u32,
                }
            };
        let links = links.into_iter().zip(signatures?).map(link).collect();
        Ok((links, frames))
    }
}
