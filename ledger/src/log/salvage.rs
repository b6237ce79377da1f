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
use crate::disk::{Disk, DiskFile};
use crate::governance::Why;
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header};
use crate::names::{Lineage, LogId, LogName};
use crate::operating::OperatingKeys;
use crate::record::Frame;

use super::head::HeadFile;
use super::link::{BrokenRule, Link, Tip, follows, link, verify};
use super::scan::{BATCH, Damaged, Read, read};
use super::segment::{FrameReader, file_name, firsts};
use super::set_aside::KEPT_HEAD;

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
    pub(super) log: &'s Lineage,
    /// The keys that the department signs records with.
    pub(super) keys: &'s OperatingKeys,
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
            let firsts = firsts(disk, &dir)?;
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
        let mut reached = tip;
        let end = match self.find(source, &tip) {
            Ok(Some((mut first, mut file, mut at))) => loop {
                let mut frames = FrameReader::new(&*file, at);
                let end = read_on(source, &mut frames, &mut reached, until, take)?;
                if end == End::Reached && until < asked {
                    break End::Absent;
                }
                // A segment ends where the next one begins.
                let next = reached.size;
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
        Ok((reached, end))
    }

    /// A records file of this copy; `None` when it is of a later version or another log. A header that is damaged does not
    /// matter: the records identify themselves.
    fn open(&self, source: &Source<'_>, first: u64) -> io::Result<Option<Box<dyn DiskFile>>> {
        let path = self.dir.join(file_name(first, "records"));
        let file = source.disk.open(&path, false)?;
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        Ok(
            match check_header(&found[..read], Kind::Records, source.log.name(), first) {
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
                // The same bytes may stand within another record: whoever wrote it could otherwise have a salvage begin there.
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
    let link = link(&source.log.at(tip.size), frame, tip.size)?;
    follows(&link, tip)?;
    Ok(link)
}

/// Reads on to the end of a file, and hands the records over as far as each carries its department's signature.
fn read_on<E>(
    source: &Source<'_>,
    frames: &mut FrameReader<'_>,
    reached: &mut Tip,
    until: u64,
    take: &mut Take<'_, E>,
) -> Result<End, E> {
    while reached.size < until {
        let (from, most) = (reached.size, (until - reached.size).min(BATCH as u64));
        let mut tip = *reached;
        let accept = |link: &Link| {
            let followed = follows(link, &tip).map_err(Damaged::Rule);
            tip = Tip::after(link);
            Ok::<_, io::Error>(followed)
        };
        let read = match read(frames, source.log, from, most as usize, accept) {
            Ok(read) => read,
            Err(error) => return Ok(End::Unreadable(error.to_string())),
        };
        let bad = first_unsigned(source, &read);
        let count = bad.as_ref().map_or(read.links.len(), |(at, _)| *at);
        let whole = &read.links[..count];
        let bytes: usize = whole.iter().map(|link| link.frame_len as usize).sum();
        if let Some(last) = whole.last() {
            *reached = Tip::after(last);
            take(whole, &read.bytes[..bytes])?;
        }
        // A bad signature comes before whatever is wrong behind it.
        match (bad, read.end) {
            (Some((_, rule)), _) | (None, Some(Damaged::Rule(rule))) => {
                return Ok(End::Damaged(rule));
            }
            (None, Some(Damaged::CutOff | Damaged::Leaf)) => return Ok(End::CutOff),
            (None, None) => {}
        }
    }
    Ok(End::Reached)
}

/// The first of some records that its department did not sign, by its place among them. Here no checkpoint vouches for them.
fn first_unsigned(source: &Source<'_>, read: &Read<'_>) -> Option<(usize, BrokenRule)> {
    let signed = read.links.par_iter().zip(&read.frames).enumerate();
    signed.find_map_first(|(at, (link, frame))| {
        let seq = link.record.seq;
        let Some(key) = source.keys.public(link.record.key_epoch) else {
            let why = Why::NotInForce;
            return Some((at, BrokenRule::Claim { seq, why }));
        };
        let error = verify(&link.hash, frame.signature, &key).err()?;
        Some((at, BrokenRule::Record { seq, error }))
    })
}
