//! Reading back what set-aside copies of a log still hold.
//!
//! A copy is only read. Nothing in it is trusted but what verifies: every record taken from it must follow the one before
//! it by hash, position and time and carry the department's signature. Neither its offsets file nor the records before
//! the first one wanted need be whole.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::codec;
use crate::crypto::keys::{PublicKey, Signature};
use crate::record::{Frame, RecordError, RecordHash};

use super::head::{Head, HeadFile};
use super::header::{HEADER_LEN, HeaderError, Kind, check_header};
use super::page::{BrokenRule, Link, follows, link};
use super::segment::{FrameReader, file_name, first_of};
use crate::disk::{Disk, DiskFile};
use crate::names::{LogId, LogName};

/// Records whose signatures are checked together.
const BATCH: usize = 1024;

/// Name of the head file that is kept in a set-aside copy.
const KEPT_HEAD: &str = "head";

/// The end of a log: what the next record must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) size: u64,
    pub(super) head: RecordHash,
    pub(super) time_ms: u64,
}

/// Why a copy gives no further record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All that was asked for was read.
    Reached,
    /// It has no whole record that follows.
    Absent,
    /// It ends, or a record is cut off or its length damaged.
    CutOff,
    /// The record breaks a rule: some of its bytes were changed.
    Damaged(BrokenRule),
    /// The medium failed.
    Unreadable(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Reached => f.write_str("everything asked for was read"),
            End::Absent => f.write_str("no copy has a whole record that continues the log there"),
            End::CutOff => {
                f.write_str("the copy ends there, or the record is cut off or its length damaged")
            }
            End::Damaged(rule) => rule.fmt(f),
            End::Unreadable(error) => f.write_str(error),
        }
    }
}

/// Takes records and their frames.
type Take<'t, E> = dyn FnMut(&[Link], &[u8]) -> Result<(), E> + 't;

/// A records file: its first position, the file, and a place in it.
type Found = (u64, Box<dyn DiskFile>, u64);

/// The log that copies are read for.
pub(super) struct Source<'s> {
    pub(super) disk: &'s dyn Disk,
    pub(super) log: &'s LogName,
    /// The key that the department signs records with.
    pub(super) key: PublicKey,
}

/// A copy of a log that was set aside.
pub(super) struct Copy {
    /// Name of its directory.
    pub(super) name: String,
    dir: PathBuf,
    /// First positions of its segments, in order.
    firsts: Vec<u64>,
    /// Records that may be taken from it. What stands behind those that its head file vouched for was never acknowledged;
    /// without a head file nobody knows how much was.
    limit: u64,
}

/// Sets down in a log's directory, before it is set aside, how much of it was vouched for; nothing when that is lost.
pub(super) fn keep_head(
    disk: &dyn Disk,
    dir: &Path,
    log: &LogName,
    head: Option<&Head>,
) -> io::Result<()> {
    let path = dir.join(KEPT_HEAD);
    let Some(head) = head else {
        return match disk.remove(&path) {
            // One is there only if an earlier opening went down before it had set the log aside.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let (mut file, _) = HeadFile::open(disk, &path, log)?;
    file.write(head)?;
    disk.sync_dir(dir)
}

impl Copy {
    /// Every copy of a log below the directory `aside`, the one set aside last first.
    pub(super) fn all(disk: &dyn Disk, aside: &Path, log: &LogName) -> io::Result<Vec<Copy>> {
        let names = disk.list(aside)?.into_iter();
        let mut numbered: Vec<(u64, String)> = names
            .filter_map(|name| Some((number_of(&name, &log.id)?, name)))
            .collect();
        numbered.sort_unstable_by(|a, b| b.cmp(a));
        let open = |(_, name): (u64, String)| {
            let dir = aside.join(&name);
            let files = disk.list(&dir)?;
            let mut firsts: Vec<u64> = files.iter().filter_map(|file| first_of(file)).collect();
            firsts.sort_unstable();
            let head = HeadFile::read(disk, &dir.join(KEPT_HEAD), log);
            let limit = head.ok().and_then(|head| head.known());
            Ok(Copy {
                name,
                dir,
                firsts,
                limit: limit.unwrap_or(u64::MAX),
            })
        };
        numbered.into_iter().map(open).collect()
    }

    /// Reads the records that follow `tip`, before position `until`, and hands them over in batches with their frames.
    /// Returns the end of what was handed over, and why it ends there.
    pub(super) fn read<E>(
        &self,
        source: &Source<'_>,
        tip: Tip,
        until: u64,
        take: &mut Take<'_, E>,
    ) -> Result<(Tip, End), E> {
        let (asked, until) = (until, until.min(self.limit));
        if tip.size >= until {
            return Ok((tip, End::Absent));
        }
        let mut batch = Batch::new(source, tip);
        let end = match self.find(source, &tip) {
            Ok(Some((mut first, mut file, mut at))) => loop {
                let mut frames = FrameReader::new(&*file, at);
                let end = batch.read(&mut frames, until, take)?;
                // A segment ends where the next one begins.
                let next = batch.tip.size;
                if end == End::Reached && until < asked {
                    break End::Absent;
                }
                if end != End::CutOff || next <= first || !self.firsts.contains(&next) {
                    break end;
                }
                match self.open(source, next) {
                    Ok(Some(opened)) => (first, file, at) = (next, opened, HEADER_LEN),
                    Ok(None) => break End::Absent,
                    Err(error) => break End::Unreadable(error.to_string()),
                }
            },
            Ok(None) => End::Absent,
            Err(error) => End::Unreadable(error.to_string()),
        };
        // Of what was read last, signatures are still to be checked: a bad one comes before any other end.
        let bad = batch.hand_over(take)?;
        Ok((batch.checked, bad.unwrap_or(end)))
    }

    /// A records file of this copy; `None` when it is of a later version or another log. A header that is damaged does not
    /// matter: the records identify themselves.
    fn open(&self, source: &Source<'_>, first: u64) -> io::Result<Option<Box<dyn DiskFile>>> {
        let path = self.dir.join(file_name(first, "records"));
        let file = source.disk.open(&path, false)?;
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        Ok(
            match check_header(&found[..read], Kind::Records, source.log, first) {
                Ok(()) | Err(HeaderError::Damaged) => Some(file),
                Err(HeaderError::Later(_) | HeaderError::Other) => None,
            },
        )
    }

    /// Finds the record that follows `tip` by what it begins with: its position and the hash of the record before it.
    /// Gives the first position of its segment, the file and the place in it.
    fn find(&self, source: &Source<'_>, tip: &Tip) -> io::Result<Option<Found>> {
        const CHUNK: usize = 4 << 20;
        let after = self.firsts.partition_point(|first| *first <= tip.size);
        let Some(first) = after.checked_sub(1).map(|at| self.firsts[at]) else {
            return Ok(None);
        };
        let Some(file) = self.open(source, first)? else {
            return Ok(None);
        };
        let wanted = codec::encode(&(tip.size, tip.head));
        // Before it stands the record's length.
        let mut from = HEADER_LEN + 4;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read_at(&mut chunk, from)?;
            let places = chunk[..read].windows(wanted.len()).enumerate();
            for (place, _) in places.filter(|(_, bytes)| *bytes == wanted) {
                let at = from + place as u64 - 4;
                // The same bytes may stand within another record.
                let follows = matches!(
                    FrameReader::new(&*file, at)
                        .next()?
                        .map(|frame| read_link(source, &frame, tip)),
                    Some(Ok(_))
                );
                if follows {
                    return Ok(Some((first, file, at)));
                }
            }
            if read < CHUNK {
                return Ok(None);
            }
            from += (CHUNK - (wanted.len() - 1)) as u64;
        }
    }
}

/// The number in the name of a copy's directory.
fn number_of(name: &str, log: &LogId) -> Option<u64> {
    let digits = name.strip_prefix(&log.to_string())?.strip_prefix('-')?;
    digits.parse().ok()
}

fn read_link(source: &Source<'_>, frame: &Frame<'_>, tip: &Tip) -> Result<Link, BrokenRule> {
    let link = link(source.log, frame, tip.size)?;
    follows(&link, tip.head, tip.time_ms)?;
    Ok(link)
}

/// Records read whose signatures are still to be checked.
struct Batch<'b> {
    source: &'b Source<'b>,
    links: Vec<Link>,
    signatures: Vec<Signature>,
    frames: Vec<u8>,
    /// The end of what was read, and of what was handed over.
    tip: Tip,
    checked: Tip,
}

impl<'b> Batch<'b> {
    fn new(source: &'b Source<'b>, tip: Tip) -> Batch<'b> {
        Batch {
            source,
            links: Vec::new(),
            signatures: Vec::new(),
            frames: Vec::new(),
            tip,
            checked: tip,
        }
    }

    /// Reads on to the end of a file.
    fn read<E>(
        &mut self,
        frames: &mut FrameReader<'_>,
        until: u64,
        take: &mut Take<'_, E>,
    ) -> Result<End, E> {
        while self.tip.size < until {
            match frames.next() {
                Ok(Some(frame)) => {
                    if let Err(rule) = self.add(&frame) {
                        return Ok(End::Damaged(rule));
                    }
                }
                Ok(None) => return Ok(End::CutOff),
                Err(error) => return Ok(End::Unreadable(error.to_string())),
            }
            if self.links.len() == BATCH
                && let Some(end) = self.hand_over(take)?
            {
                return Ok(end);
            }
        }
        Ok(End::Reached)
    }

    fn add(&mut self, frame: &Frame<'_>) -> Result<(), BrokenRule> {
        let seq = self.tip.size;
        let link = read_link(self.source, frame, &self.tip)?;
        let signature = Signature::from_bytes(frame.signature);
        let signature = signature.map_err(|error| broken(seq, error.into()))?;
        self.tip = tip_after(&link);
        self.signatures.push(signature);
        self.links.push(link);
        frame.write(&mut self.frames);
        Ok(())
    }

    /// Hands over the records read, up to the first whose signature does not verify; returns that one's fault.
    fn hand_over<E>(&mut self, take: &mut Take<'_, E>) -> Result<Option<End>, E> {
        let key = self.source.key;
        let signed = self.links.par_iter().zip(&self.signatures);
        let bad = signed
            .enumerate()
            .find_map_first(|(at, (link, signature))| {
                let error = key.verify(&link.hash.0, signature).err()?;
                Some((at, broken(link.record.seq, error.into())))
            });
        let count = bad.as_ref().map_or(self.links.len(), |(at, _)| *at);
        let whole = &self.links[..count];
        let bytes = whole.iter().map(|link| link.frame_len as usize).sum();
        if let Some(last) = whole.last() {
            self.checked = tip_after(last);
            take(whole, &self.frames[..bytes])?;
        }
        self.links.clear();
        self.signatures.clear();
        self.frames.clear();
        if bad.is_some() {
            self.tip = self.checked;
        }
        Ok(bad.map(|(_, rule)| End::Damaged(rule)))
    }
}

fn broken(seq: u64, error: RecordError) -> BrokenRule {
    BrokenRule::Record { seq, error }
}

fn tip_after(link: &Link) -> Tip {
    Tip {
        size: link.record.seq + 1,
        head: link.hash,
        time_ms: link.record.time_ms,
    }
}
