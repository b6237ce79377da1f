//! Segment files: frames of up to 2^18 records and where each begins.
//!
//! `<first seq>.records`: header, frames. `<first seq>.offsets`: header, then for each record the position in the
//! records file where its frame begins, and one more where the last ends (u64, little-endian). The offsets can be
//! rebuilt from the records.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use crate::record::{Frame, MAX_RECORD};

use super::header::{HEADER_LEN, Kind, check_header, header};
use super::index::SealedIndex;
use crate::disk::{Disk, DiskFile};
use crate::names::LogName;

/// Most bytes of a frame.
const MAX_FRAME: usize = 4 + MAX_RECORD + crate::crypto::keys::SIGNATURE_LEN;

/// The name of a file of the segment that begins at `first`.
pub(crate) fn file_name(first: u64, suffix: &str) -> String {
    format!("{first:012}.{suffix}")
}

/// The `first` in the name of a records file.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    name.strip_suffix(".records")?.parse().ok()
}

pub(crate) struct Segment {
    pub(crate) first: u64,
    records: Box<dyn DiskFile>,
    offsets: Box<dyn DiskFile>,
    /// Set when the segment is sealed.
    pub(crate) index: OnceLock<SealedIndex>,
}

impl Segment {
    /// Opens the files of a segment, creating what is absent. A file too short for a header is a new one.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        log: &LogName,
        first: u64,
    ) -> io::Result<Segment> {
        let records = disk.open(&dir.join(file_name(first, "records")), true)?;
        if records.len()? < HEADER_LEN {
            records.set_len(0)?;
            records.write_at(&header(Kind::Records, log, first), 0)?;
        }
        let offsets = disk.open(&dir.join(file_name(first, "offsets")), true)?;
        let mut found = [0; HEADER_LEN as usize];
        let read = offsets.read_at(&mut found, 0)?;
        if read < found.len() || check_header(&found, Kind::Offsets, log, first).is_err() {
            offsets.set_len(0)?;
            offsets.write_at(&header(Kind::Offsets, log, first), 0)?;
            offsets.write_at(&HEADER_LEN.to_le_bytes(), HEADER_LEN)?;
        }
        Ok(Segment {
            first,
            records,
            offsets,
            index: OnceLock::new(),
        })
    }

    /// Makes the records durable. The offsets need not be: they are checked and repaired at opening.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.records.sync()
    }

    /// Writes frames at a place; `ends` are the positions where each of them ends.
    pub(crate) fn write(
        &self,
        place: u64,
        start: u64,
        frames: &[u8],
        ends: &[u64],
    ) -> io::Result<()> {
        self.records.write_at(frames, start)?;
        self.write_offsets(place + 1, ends)
    }

    /// Writes offsets from the `at`-th on.
    pub(crate) fn write_offsets(&self, at: u64, offsets: &[u64]) -> io::Result<()> {
        let bytes: Vec<u8> = offsets
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect();
        self.offsets.write_at(&bytes, HEADER_LEN + 8 * at)
    }

    /// Cuts the segment off after `count` records whose frames end at `end`; returns the bytes that went.
    pub(crate) fn truncate(&self, count: u64, end: u64) -> io::Result<u64> {
        let beyond = self.records.len()?.saturating_sub(end);
        if beyond > 0 {
            self.records.set_len(end)?;
            self.records.sync()?;
        }
        self.offsets.set_len(HEADER_LEN + 8 * (count + 1))?;
        Ok(beyond)
    }

    /// Positions where the frames of `count` records from `place` begin, and where the last ends.
    pub(crate) fn read_offsets(&self, place: u64, count: u64) -> io::Result<Vec<u64>> {
        let mut bytes = vec![0; (count as usize + 1) * 8];
        let read = self.offsets.read_at(&mut bytes, HEADER_LEN + 8 * place)?;
        bytes.truncate(read);
        let number = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        Ok(bytes.chunks_exact(8).map(number).collect())
    }

    /// The same of records that are there. Offsets that frames can't have are an error: the medium changed them.
    pub(crate) fn frame_offsets(&self, place: u64, count: u64) -> io::Result<Vec<u64>> {
        let offsets = self.read_offsets(place, count)?;
        let fit = |pair: &[u64]| {
            let len = pair[1].checked_sub(pair[0]);
            len.is_some_and(|len| (1..=MAX_FRAME as u64).contains(&len))
        };
        match offsets.len() as u64 == count + 1 && offsets.windows(2).all(fit) {
            true => Ok(offsets),
            false => Err(invalid(
                "a file of offsets is damaged; restart the peer to have it made again from the records",
            )),
        }
    }

    /// The bytes of the frames from one position to another.
    pub(crate) fn read_frames(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let len = end
            .checked_sub(start)
            .ok_or_else(|| invalid("offsets out of order"))?;
        if len > 64 << 20 {
            return Err(invalid("offsets too far apart"));
        }
        let mut bytes = vec![0; len as usize];
        self.records.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }

    /// Reads the segment from its beginning, frame by frame.
    pub(crate) fn frames(&self) -> FrameReader<'_> {
        FrameReader::new(&*self.records, HEADER_LEN)
    }

    /// Checks the records file's header.
    pub(crate) fn check(&self, log: &LogName) -> io::Result<Result<(), super::HeaderError>> {
        let mut found = [0; HEADER_LEN as usize];
        self.records.read_exact_at(&mut found, 0)?;
        Ok(check_header(&found, Kind::Records, log, self.first))
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Reads frames in order through a buffer.
pub(crate) struct FrameReader<'f> {
    file: &'f dyn DiskFile,
    at: usize,
    read: u64,
    buffer: Vec<u8>,
    done: bool,
}

impl<'f> FrameReader<'f> {
    /// Reads a records file from a place on.
    pub(crate) fn new(file: &'f dyn DiskFile, place: u64) -> FrameReader<'f> {
        FrameReader {
            file,
            at: 0,
            read: place,
            buffer: Vec::new(),
            done: false,
        }
    }

    /// Position in the file after the frames given so far.
    pub(crate) fn position(&self) -> u64 {
        self.read - (self.buffer.len() - self.at) as u64
    }

    /// The next frame; `None` at the end of the file, within a torn frame or at invalid bytes.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        const CHUNK: usize = 4 << 20;
        if !self.done && self.buffer.len() - self.at < MAX_FRAME {
            self.buffer.drain(..self.at);
            self.at = 0;
            let kept = self.buffer.len();
            self.buffer.resize(kept + CHUNK, 0);
            let read = self.file.read_at(&mut self.buffer[kept..], self.read)?;
            self.buffer.truncate(kept + read);
            self.read += read as u64;
            self.done = read < CHUNK;
        }
        match Frame::read(&self.buffer[self.at..]) {
            Ok((frame, len)) => {
                self.at += len;
                Ok(Some(frame))
            }
            Err(_) => Ok(None),
        }
    }
}
