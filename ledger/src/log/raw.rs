//! Reading a log's files without opening it, for those who only look: nothing is created, repaired or trusted.
//!
//! What is read here is not checked against the tree; [`super::fsck()`] says whether it is what was signed.

use std::io;

use super::head::HeadFile;
use super::segment::{FrameReader, Offsets, file_name, firsts};
use super::{Place, redo};
use crate::disk::Disk;
use crate::header::HEADER_LEN;
use crate::names::{Lineage, LogName};
use crate::record::{Record, RecordHash, record_hash};

/// Brings what the redo journal of a log holds to its places, without opening the log; returns how many records its head knows
/// of, on disk or not.
///
/// # Errors
/// Those of the medium.
pub fn replayed(place: &Place, name: LogName) -> io::Result<u64> {
    redo::replay(place, &name)?;
    let path = place.head_path(&name);
    match HeadFile::read(&*place.disk, &path, &name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        head => Ok(head?.known().unwrap_or(0)),
    }
}

/// The records of a log on disk.
pub(crate) struct RawLog<'p> {
    place: &'p Place,
    name: LogName,
    lineage: Lineage,
    /// First positions of its segments, in order.
    firsts: Vec<u64>,
}

impl<'p> RawLog<'p> {
    /// A log in a data directory; `None` when it has no records there.
    pub(crate) fn find(place: &'p Place, lineage: Lineage) -> io::Result<Option<RawLog<'p>>> {
        let name = *lineage.name();
        let firsts = firsts(&*place.disk, &place.log_dir(&name))?;
        Ok((!firsts.is_empty()).then_some(RawLog {
            place,
            name,
            lineage,
            firsts,
        }))
    }

    /// Records that its head file vouches for; `None` when that can't be read.
    pub(crate) fn vouched(&self) -> Option<u64> {
        let path = self.place.head_path(&self.name);
        let head = HeadFile::read(self.disk(), &path, &self.name);
        head.ok().map(|head| head.vouched())
    }

    /// Hands over the records before position `until` that can be read, in order; returns how many there were.
    pub(crate) fn each(
        &self,
        until: u64,
        mut take: impl FnMut(Record) -> io::Result<()>,
    ) -> io::Result<u64> {
        let mut read = 0;
        for (at, first) in self.firsts.iter().enumerate() {
            let end = self.firsts.get(at + 1).copied().unwrap_or(u64::MAX);
            let end = end.min(until);
            let path = self.place.log_dir(&self.name);
            let file = self
                .disk()
                .open(&path.join(file_name(*first, "records")), false)?;
            let mut frames = FrameReader::new(&*file, HEADER_LEN);
            let mut seq = *first;
            while seq < end
                && let Some(frame) = frames.next()?
            {
                if let Ok(record) = Record::decode(frame.record)
                    && record.seq == seq
                {
                    take(record)?;
                    read += 1;
                }
                seq += 1;
            }
        }
        Ok(read)
    }

    /// The record at a position, and its hash; `None` when it can't be found there.
    pub(crate) fn record(&self, seq: u64) -> io::Result<Option<(Record, RecordHash)>> {
        let after = self.firsts.partition_point(|first| *first <= seq);
        let Some(first) = after.checked_sub(1).map(|at| self.firsts[at]) else {
            return Ok(None);
        };
        let dir = self.place.log_dir(&self.name);
        let Ok(Some(offsets)) = Offsets::look(self.disk(), &dir, &self.name, first)? else {
            return Ok(None);
        };
        let Some(start) = offsets.read(seq - first, 0)?.first().copied() else {
            return Ok(None);
        };
        let path = dir.join(file_name(first, "records"));
        let records = match self.disk().open(&path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            records => records?,
        };
        let mut frames = FrameReader::new(&*records, start);
        let Some(frame) = frames.next()? else {
            return Ok(None);
        };
        let hash = record_hash(&self.lineage.at(seq), frame.record);
        let record = Record::decode(frame.record).ok();
        Ok(record
            .filter(|record| record.seq == seq)
            .map(|record| (record, hash)))
    }

    fn disk(&self) -> &dyn Disk {
        &*self.place.disk
    }
}
