//! Segment files: frames of up to 2^18 records and where each begins.
//!
//! `<first seq>.records`: header, frames. `<first seq>.offsets`: header, then for each record the position in the
//! records file where its frame begins, and one more where the last ends (u64, little-endian). The offsets can be
//! rebuilt from the records.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::record::{Frame, MAX_RECORD};

use crate::disk::{Disk, DiskFile};
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header, header, look};
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

/// First positions of the segments in a directory, in order, by the names of their records files.
pub(crate) fn firsts(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let names = disk.list(dir)?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| first_of(name)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// The files of a segment.
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(super) records: Arc<dyn DiskFile>,
    pub(crate) offsets: Offsets,
}

impl Segment {
    /// Opens the files of a segment to append to it, creating what is absent. A file too short for a header is a new one.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        log: &LogName,
        first: u64,
    ) -> io::Result<Segment> {
        let records = disk.open(&dir.join(file_name(first, "records")), true)?;
        // Nothing of such a file was ever vouched for: its header is synced before any head that covers its records.
        if records.len()? < HEADER_LEN {
            records.set_len(0)?;
            records.write_at(&header(Kind::Records, log, first), 0)?;
        }
        Segment::of(Arc::from(records), disk, dir, log, first)
    }

    /// The segment whose records file is open already. Its offsets begin again if they are absent or not this segment's.
    pub(crate) fn of(
        records: Arc<dyn DiskFile>,
        disk: &dyn Disk,
        dir: &Path,
        log: &LogName,
        first: u64,
    ) -> io::Result<Segment> {
        Ok(Segment {
            first,
            records,
            offsets: Offsets::open(disk, dir, log, first)?,
        })
    }

    /// Makes the records durable. The offsets need not be: they are checked and repaired at opening.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.records.sync()
    }

    /// Makes both files durable, and need not keep them open: for a segment that is full.
    pub(super) fn rest(&self) -> io::Result<()> {
        self.records.rest()?;
        self.offsets.0.rest()
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
        self.offsets.write(place + 1, ends)
    }

    /// Cuts the segment off after `count` records whose frames end at `end`; returns the bytes that went.
    pub(crate) fn truncate(&self, count: u64, end: u64) -> io::Result<u64> {
        let beyond = self.records.len()?.saturating_sub(end);
        if beyond > 0 {
            self.records.set_len(end)?;
            // Durable before anything is appended: what came back in a crash would stand where the next record belongs.
            self.records.sync()?;
        }
        self.offsets.0.set_len(HEADER_LEN + 8 * (count + 1))?;
        Ok(beyond)
    }

    /// Where the frames of `count` records that are there begin, from `place` on, and where the last ends. Offsets that frames
    /// can't have are an error: the medium changed them.
    pub(crate) fn frame_offsets(&self, place: u64, count: u64) -> io::Result<Vec<u64>> {
        let offsets = self.offsets.read(place, count)?;
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
}

/// Where the frames of a segment begin, and where the last ends.
pub(crate) struct Offsets(Box<dyn DiskFile>);

impl Offsets {
    /// Opens the file to write; it begins again if it is absent, or its header is not this segment's.
    fn open(disk: &dyn Disk, dir: &Path, log: &LogName, first: u64) -> io::Result<Offsets> {
        let file = disk.open(&dir.join(file_name(first, "offsets")), true)?;
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        if check_header(&found[..read], Kind::Offsets, log, first).is_err() {
            file.set_len(0)?;
            file.write_at(&header(Kind::Offsets, log, first), 0)?;
            file.write_at(&HEADER_LEN.to_le_bytes(), HEADER_LEN)?;
        }
        Ok(Offsets(file))
    }

    /// Makes the file durable, for a snapshot.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    /// Opens the file to read; `None` if it does not exist, or why it is not this segment's.
    pub(crate) fn look(
        disk: &dyn Disk,
        dir: &Path,
        log: &LogName,
        first: u64,
    ) -> io::Result<Result<Option<Offsets>, HeaderError>> {
        let path = dir.join(file_name(first, "offsets"));
        let found = look(disk, &path, Kind::Offsets, log, first)?;
        Ok(found.map(|file| file.map(Offsets)))
    }

    /// Positions where the frames of `count` records from `place` begin, and where the last ends; fewer where the file ends.
    pub(crate) fn read(&self, place: u64, count: u64) -> io::Result<Vec<u64>> {
        let mut bytes = vec![0; (count as usize + 1) * 8];
        let read = self.0.read_at(&mut bytes, HEADER_LEN + 8 * place)?;
        bytes.truncate(read);
        let number = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        Ok(bytes.chunks_exact(8).map(number).collect())
    }

    /// Whether the offsets from a place on are these, at least one.
    pub(crate) fn are(&self, place: u64, offsets: &[u64]) -> io::Result<bool> {
        Ok(self.read(place, offsets.len() as u64 - 1)? == offsets)
    }

    /// Writes offsets from a place on.
    pub(crate) fn write(&self, place: u64, offsets: &[u64]) -> io::Result<()> {
        let bytes: Vec<u8> = offsets
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect();
        self.0.write_at(&bytes, HEADER_LEN + 8 * place)
    }

    /// Writes offsets, at least one, unless the file holds them already; returns whether it had to.
    pub(crate) fn repair(&self, place: u64, offsets: &[u64]) -> io::Result<bool> {
        let same = self.are(place, offsets)?;
        if !same {
            self.write(place, offsets)?;
        }
        Ok(!same)
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

    /// The next frame; `None` at the end of the file, within a torn frame or at invalid bytes.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        self.fill()?;
        match Frame::read(&self.buffer[self.at..]) {
            Ok((frame, len)) => {
                self.at += len;
                Ok(Some(frame))
            }
            Err(_) => Ok(None),
        }
    }

    /// The next frames, as many as are at hand and at most `most`, and their bytes; at least one unless
    /// [`FrameReader::next`] would give none.
    pub(crate) fn batch(&mut self, most: usize) -> io::Result<(Vec<Frame<'_>>, &[u8])> {
        self.fill()?;
        let (mut frames, mut len) = (Vec::new(), 0);
        let at_hand = &self.buffer[self.at..];
        while frames.len() < most
            && let Ok((frame, more)) = Frame::read(&at_hand[len..])
        {
            frames.push(frame);
            len += more;
        }
        self.at += len;
        Ok((frames, &at_hand[..len]))
    }

    /// Reads on unless the longest frame there can be is at hand.
    fn fill(&mut self) -> io::Result<()> {
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
        Ok(())
    }
}
