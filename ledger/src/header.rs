//! The 64 bytes that every file of a log begins with, and every file that is kept beside one.
//!
//! Magic, version and checksum stand at the same places in every version, so that any version can recognise a file of a
//! later one from a damaged one: it refuses the one and may repair or set aside the other.

use std::io;
use std::path::Path;

use crate::crypto::hash::{Purpose, hash};

use crate::disk::{Disk, DiskFile};
use crate::names::LogName;

/// Bytes of a header.
pub(crate) const HEADER_LEN: u64 = 64;
const MAGIC: &[u8; 8] = b"CERTMESH";
const VERSION: u32 = 1;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Records,
    Offsets,
    Index,
    Tree,
    Head,
    Redo,
    Snapshot,
    BodyKeys,
    Bodies,
    Attachment,
    Looks,
    Fork,
    Broken,
    Blocks,
    Votes,
    Pending,
}

impl Kind {
    const fn tag(self) -> &'static [u8; 4] {
        match self {
            Kind::Records => b"RECS",
            Kind::Offsets => b"OFFS",
            Kind::Index => b"INDX",
            Kind::Tree => b"TREE",
            Kind::Head => b"HEAD",
            Kind::Redo => b"REDO",
            Kind::Snapshot => b"SNAP",
            Kind::BodyKeys => b"BKEY",
            Kind::Bodies => b"BODY",
            Kind::Attachment => b"ATTC",
            Kind::Looks => b"LOOK",
            Kind::Fork => b"FORK",
            Kind::Broken => b"BROK",
            Kind::Blocks => b"GOVB",
            Kind::Votes => b"GOVV",
            Kind::Pending => b"GOVP",
        }
    }
}

/// Why a file is not the one expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a certmesh file, or its header is damaged.
    #[error("the header is damaged, or this is not a certmesh file")]
    Damaged,
    /// Written by a later version.
    #[error(
        "written by a later version of certmesh (file format {0}, this version reads {VERSION}): upgrade certmesh"
    )]
    Later(u32),
    /// A file of another log, network or place.
    #[error("the file belongs to another log, network or position")]
    Other,
}

/// magic (8) · kind (4) · version (u32) · hash of the log's name (32) · first seq (u64) · checksum of all that (8).
pub(crate) fn header(kind: Kind, log: &LogName, first: u64) -> [u8; HEADER_LEN as usize] {
    header_of(kind, &log.prefix(), first)
}

/// The same for a file that belongs to no log, but to what has this name.
pub(crate) fn header_of(kind: Kind, name: &[u8], first: u64) -> [u8; HEADER_LEN as usize] {
    let mut bytes = [0; HEADER_LEN as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(kind.tag());
    bytes[12..16].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..48].copy_from_slice(hash(Purpose::File, name).as_bytes());
    bytes[48..56].copy_from_slice(&first.to_le_bytes());
    let sum = hash(Purpose::File, &bytes[..56]);
    bytes[56..].copy_from_slice(&sum.as_bytes()[..8]);
    bytes
}

/// Checks a header against what it should be.
pub(crate) fn check_header(
    bytes: &[u8],
    kind: Kind,
    log: &LogName,
    first: u64,
) -> Result<(), HeaderError> {
    check_header_of(bytes, &header(kind, log, first))
}

/// Checks bytes against the header that they should be.
pub(crate) fn check_header_of(
    bytes: &[u8],
    expected: &[u8; HEADER_LEN as usize],
) -> Result<(), HeaderError> {
    if bytes == expected {
        return Ok(());
    }
    verified(bytes)?;
    Err(HeaderError::Other)
}

/// Checks that bytes are a header of this version, whatever file it belongs to.
fn verified(bytes: &[u8]) -> Result<(), HeaderError> {
    if bytes.len() < HEADER_LEN as usize || &bytes[..8] != MAGIC {
        return Err(HeaderError::Damaged);
    }
    if hash(Purpose::File, &bytes[..56]).as_bytes()[..8] != bytes[56..64] {
        return Err(HeaderError::Damaged);
    }
    match u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]) {
        VERSION => Ok(()),
        later if later > VERSION => Err(HeaderError::Later(later)),
        _ => Err(HeaderError::Damaged),
    }
}

/// The format of a file that a later version wrote; `None` for one of this version, one that is damaged and one that is
/// absent.
pub(crate) fn later_format(disk: &dyn Disk, path: &Path) -> io::Result<Option<u32>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) => return no_file(error),
    };
    let mut found = [0; HEADER_LEN as usize];
    let read = match file.read_at(&mut found, 0) {
        Ok(read) => read,
        Err(error) => return no_file(error),
    };
    Ok(match verified(&found[..read]) {
        Err(HeaderError::Later(format)) => Some(format),
        _ => None,
    })
}

/// Opens a file to read and checks its header; `None` if there is no file, or why it is not the one expected.
pub(crate) fn look(
    disk: &dyn Disk,
    path: &Path,
    kind: Kind,
    log: &LogName,
    first: u64,
) -> io::Result<Result<Option<Box<dyn DiskFile>>, HeaderError>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) => return no_file(error).map(Ok),
    };
    let mut found = [0; HEADER_LEN as usize];
    let read = file.read_at(&mut found, 0)?;
    Ok(check_header(&found[..read], kind, log, first).map(|()| Some(file)))
}

/// Nothing, where a directory stands or nothing at all.
fn no_file<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => Ok(None),
        _ => Err(error),
    }
}
