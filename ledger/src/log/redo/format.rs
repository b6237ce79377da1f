//! The bytes of a redo journal: a header block; entries, each beginning at a block of 4 KiB: length u32 ‖ checksum of the entry
//! before it (32) ‖ changes ‖ checksum of all that (32). A change: file u8 ‖ first position u64 ‖ place u64 ‖ length u32 ‖ bytes.
//! The first entry that can't be read, or names another before it, ends the list: what stands behind is of an earlier round.

use std::io;

use super::{Change, Target};
use crate::crypto::hash::{Purpose, hash};
use crate::disk::DiskFile;
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header, header};
use crate::names::LogName;

pub(super) const BLOCK: u64 = 4096;
pub(super) const SUM: usize = 32;
/// Bytes of an entry before its changes.
const BEFORE: usize = 4 + SUM;
/// Bytes of a change before its content.
pub(super) const PLACE_LEN: usize = 1 + 8 + 8 + 4;
/// Longer ones are no journals.
const MAX_FILE: u64 = 64 << 20;

impl Target {
    fn parts(self) -> (u8, u64) {
        match self {
            Target::Records(first) => (0, first),
            Target::Bodies => (1, 0),
            Target::BodyKeys => (2, 0),
            Target::Head => (3, 0),
        }
    }

    fn of_parts(kind: u8, first: u64) -> Option<Target> {
        match (kind, first) {
            (0, first) => Some(Target::Records(first)),
            (1, 0) => Some(Target::Bodies),
            (2, 0) => Some(Target::BodyKeys),
            (3, 0) => Some(Target::Head),
            _ => None,
        }
    }
}

/// An entry behind the one with this checksum, in whole blocks, and its own checksum. Whole blocks: a torn write hits no entry
/// that was acknowledged, and the system need not read a block to write it.
pub(super) fn entry(before: &[u8; SUM], changes: &[Change]) -> (Vec<u8>, [u8; SUM]) {
    let mut entry = vec![0; 4];
    entry.extend_from_slice(before);
    for change in changes {
        let (kind, first) = change.target.parts();
        entry.push(kind);
        entry.extend_from_slice(&first.to_le_bytes());
        entry.extend_from_slice(&change.at.to_le_bytes());
        entry.extend_from_slice(&(change.bytes.len() as u32).to_le_bytes());
        entry.extend_from_slice(&change.bytes);
    }
    let len = (entry.len() - BEFORE) as u32;
    entry[..4].copy_from_slice(&len.to_le_bytes());
    let sum = *hash(Purpose::File, &entry).as_bytes();
    entry.extend_from_slice(&sum);
    entry.resize(entry.len().next_multiple_of(BLOCK as usize), 0);
    (entry, sum)
}

/// Writes a header and zeros behind it.
pub(super) fn begin(file: &dyn DiskFile, log: &LogName, len: u64) -> io::Result<()> {
    let mut bytes = vec![0; len as usize];
    bytes[..HEADER_LEN as usize].copy_from_slice(&header(Kind::Redo, log, 0));
    file.write_at(&bytes, 0)?;
    file.sync()
}

/// A change as an entry has it.
pub(super) struct Redone {
    pub(super) target: Target,
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
}

/// What a journal holds.
pub(super) struct Found {
    /// The changes of its entries, in order.
    pub(super) changes: Vec<Redone>,
    /// End of what is not zeros.
    pub(super) used: u64,
    pub(super) header_whole: bool,
}

pub(super) fn read(file: &dyn DiskFile, log: &LogName) -> io::Result<Found> {
    let invalid = |error: HeaderError| io::Error::new(io::ErrorKind::InvalidData, error);
    let len = file.len()?;
    if len > MAX_FILE {
        return Err(invalid(HeaderError::Damaged));
    }
    let mut bytes = vec![0; len as usize];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    let head = &bytes[..bytes.len().min(HEADER_LEN as usize)];
    let header_whole = match check_header(head, Kind::Redo, log, 0) {
        Ok(()) => true,
        // Each entry has a checksum of its own.
        Err(HeaderError::Damaged) => false,
        Err(error) => return Err(invalid(error)),
    };
    let used = bytes.iter().rposition(|byte| *byte != 0);
    let used = used.map_or(BLOCK, |last| (last as u64 + 1).next_multiple_of(BLOCK));
    let mut changes = Vec::new();
    let mut at = BLOCK as usize;
    let mut last = None;
    while let Some(entry) = bytes.get(at..).and_then(parse)
        && last.is_none_or(|last| last == entry.before)
    {
        changes.extend(entry.changes);
        last = Some(entry.sum);
        at += entry.len.next_multiple_of(BLOCK as usize);
    }
    Ok(Found {
        changes,
        used,
        header_whole,
    })
}

/// An entry that was read.
struct Entry {
    changes: Vec<Redone>,
    /// Checksum of the one before it.
    before: [u8; SUM],
    /// Its own.
    sum: [u8; SUM],
    len: usize,
}

/// The entry that bytes begin with; `None` if none is there.
fn parse(bytes: &[u8]) -> Option<Entry> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (before, rest) = rest.split_first_chunk::<SUM>()?;
    let (mut rest, behind) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let covered = BEFORE + rest.len();
    let sum = behind.first_chunk::<SUM>()?;
    if hash(Purpose::File, &bytes[..covered]).as_bytes() != sum {
        return None;
    }
    let mut changes = Vec::new();
    while let Some((kind, more)) = rest.split_first() {
        let (first, more) = more.split_first_chunk::<8>()?;
        let (at, more) = more.split_first_chunk::<8>()?;
        let (len, more) = more.split_first_chunk::<4>()?;
        let (content, more) = more.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        changes.push(Redone {
            target: Target::of_parts(*kind, u64::from_le_bytes(*first))?,
            at: u64::from_le_bytes(*at),
            bytes: content.to_vec(),
        });
        rest = more;
    }
    Some(Entry {
        changes,
        before: *before,
        sum: *sum,
        len: covered + SUM,
    })
}
