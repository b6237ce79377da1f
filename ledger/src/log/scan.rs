//! The one walk over what a log has on disk.
//!
//! [`scan`] reads the files of a log in their order, holds each against the rules for it, and hands what it found to a
//! [`Visitor`]: opening a log rebuilds what is derived and ends at the first thing that is wrong, fsck changes nothing and
//! reports all of it. What a file may hold stands here or in the module of that file, and nowhere else:
//!
//! 1. Files of a later version stop everything before anything else is read: [`Place::later_files`](super::Place).
//! 2. The head file says how many records must be there, and what they must lead to: `head.rs`.
//! 3. Segments follow one another without a gap, each with its header: here.
//! 4. Frames, and each record as a link of the log: `segment.rs`, `link.rs`; where they are damaged: here.
//! 5. Offsets and tree nodes that the records give, with each batch of records: `segment.rs`, `tree_file.rs`.
//! 6. The files of the index, when the records that they are about have been read: [`index`](crate::index).
//! 7. The accepted checkpoint, when its last record has been read; the one being caught up with, at the end: `checkpoint.rs`,
//!    `head.rs`.
//!
//! Nothing is written here.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::crypto::hash::Hash;
use crate::disk::{Disk, DiskFile};
use crate::governance::GenerationEnded;
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header};
use crate::merkle::CompactRange;
use crate::names::Lineage;
use crate::record::Frame;

use super::checkpoint::{Agreement, Reached};
use super::head::Head;
use super::link::{BrokenRule, Link, Tip, follows, links};
use super::segment::{FrameReader, Segment, file_name, firsts};

/// Most records of a batch: enough to be worth several threads, few enough that decoded they stay in a cache.
pub(super) const BATCH: usize = 512;

/// Where a log's files are.
pub(super) struct Files<'f> {
    pub(super) disk: &'f dyn Disk,
    pub(super) dir: &'f Path,
    pub(super) log: &'f Lineage,
    /// What the log's generation begins with.
    pub(super) beginning: Option<&'f GenerationEnded>,
    pub(super) segment_records: u64,
}

/// A segment whose records are about to be read.
pub(super) struct Begun {
    pub(super) first: u64,
    /// Its records file.
    pub(super) records: Arc<dyn DiskFile>,
}

/// Consecutive records that are whole, with what is derived from them.
pub(super) struct Batch<'b> {
    /// First position of their segment.
    pub(super) first: u64,
    /// The records, at least one.
    pub(super) links: &'b [Link],
    /// Their frames.
    pub(super) frames: &'b [Frame<'b>],
    /// Where the first frame begins in the records file, and where each ends.
    pub(super) ends: &'b [u64],
    /// The tree nodes that they complete, in post-order.
    pub(super) nodes: &'b [Hash],
}

impl Batch<'_> {
    /// Position of the first record.
    pub(super) fn from(&self) -> u64 {
        self.links[0].record.seq
    }

    /// Place of the first record in its segment.
    pub(super) fn place(&self) -> u64 {
        self.from() - self.first
    }

    /// Position after the last record.
    pub(super) fn end(&self) -> u64 {
        self.from() + self.links.len() as u64
    }
}

/// Why a record can't be used.
pub(super) enum Damaged {
    /// The file ends, or the record is cut off or its length damaged.
    CutOff,
    /// It is not a record of this position.
    Rule(BrokenRule),
    /// It has another leaf than the signed checkpoint covers.
    Leaf,
}

/// How a scan goes on after a damaged record.
pub(super) struct Resume {
    /// What stands for it in the tree.
    pub(super) leaf: Hash,
    /// Where the next record begins in the file, as far as that is known: the damaged one's own length can't be trusted.
    pub(super) next: Option<u64>,
}

/// The end of a segment, or of what was read of it.
pub(super) struct Ended {
    pub(super) first: u64,
    /// Position after its last record.
    pub(super) size: u64,
    /// Where that ends in the file.
    pub(super) end: u64,
    /// Bytes of the file beyond it.
    pub(super) beyond: u64,
    /// Whether it has all the records that a segment takes.
    pub(super) full: bool,
}

/// What a scan came to.
pub(super) struct Scanned {
    pub(super) tip: Tip,
    pub(super) range: CompactRange,
    /// Where the last record ends in its segment's file.
    pub(super) end: u64,
}

/// Where a scan begins: behind records that are taken as they are.
pub(super) struct Start {
    pub(super) tip: Tip,
    pub(super) range: CompactRange,
    /// Where the last record ends in its segment's file.
    pub(super) end: u64,
    /// The segment that it is in, unless that is full. It has begun for the visitor.
    pub(super) segment: Option<Arc<Segment>>,
}

impl Start {
    /// At the first record.
    pub(super) fn first() -> Start {
        Start {
            tip: Tip::NONE,
            range: CompactRange::empty(),
            end: HEADER_LEN,
            segment: None,
        }
    }
}

/// What is made of a log's files. A method that is given something wrong ends the scan with an error, or takes note of it.
pub(super) trait Visitor {
    /// Why the scan ends early.
    type Halt: From<io::Error>;

    /// The header of the next segment's records file is wrong.
    fn bad_header(&mut self, first: u64, error: HeaderError) -> Result<(), Self::Halt>;

    /// A segment begins.
    fn segment(&mut self, begun: &Begun) -> Result<(), Self::Halt>;

    /// The leaf that a record must have, where that is proved by something other than the records.
    fn proved_leaf(&mut self, _seq: u64) -> io::Result<Option<Hash>> {
        Ok(None)
    }

    /// A record that is whole does not follow the one before it.
    fn unlinked(&mut self, first: u64, rule: BrokenRule) -> Result<(), Self::Halt>;

    /// Records, checked. Comes before anything that is found wrong behind them.
    fn records(&mut self, batch: &Batch<'_>) -> Result<(), Self::Halt>;

    /// The record at a position, whose frame begins at `at` in the file, is damaged.
    fn damaged(
        &mut self,
        first: u64,
        seq: u64,
        at: u64,
        why: Damaged,
    ) -> Result<Resume, Self::Halt>;

    /// The root of the statuses after the records so far; `None` if one of them has an entry that this version can't read.
    fn status_root(&mut self) -> io::Result<Option<Hash>>;

    /// The records so far are as many as the generation begins with; whether they are those.
    fn kept(&mut self, found: (&Tip, Hash), agrees: bool) -> Result<(), Self::Halt>;

    /// The records so far are as many as the accepted checkpoint covers.
    fn accepted(&mut self, size: u64, found: &Agreement) -> Result<(), Self::Halt>;

    /// A segment ends.
    fn segment_end(&mut self, ended: &Ended) -> Result<(), Self::Halt>;

    /// There are fewer records than the head vouches for.
    fn short(&mut self, found: u64, expected: u64) -> Result<(), Self::Halt>;

    /// The records are not under the checkpoint that is being caught up with.
    fn unproved_progress(&mut self, size: u64) -> Result<(), Self::Halt>;
}

/// Reads the records that a log's head vouches for, and what is derived from them.
///
/// # Errors
/// Those of the medium, and whatever the visitor ends with.
pub(super) fn scan<V: Visitor>(
    files: &Files<'_>,
    head: &Head,
    start: Start,
    visitor: &mut V,
) -> Result<Scanned, V::Halt> {
    let until = head.vouched();
    let mut walk = Walk {
        files,
        head,
        visitor,
        tip: start.tip,
        after_damage: false,
        range: start.range,
        end: start.end,
    };
    if walk.tip.size > 0 {
        walk.compare()?;
    }
    if let Some(segment) = start.segment {
        walk.rest(segment.first, &*segment.records, until)?;
    }
    let firsts = firsts(files.disk, files.dir)?;
    // A segment begins where the one before it ended: any other file holds nothing that the head vouches for.
    while walk.tip.size < until && firsts.contains(&walk.tip.size) {
        let first = walk.tip.size;
        walk.segment(until)?;
        if walk.tip.size == first {
            break;
        }
    }
    if walk.tip.size < until {
        walk.visitor.short(walk.tip.size, until)?;
    }
    let progress = head.progress.as_ref();
    if progress.is_some_and(|progress| !progress.is_of(&walk.range)) {
        walk.visitor.unproved_progress(walk.tip.size)?;
    }
    Ok(Scanned {
        tip: walk.tip,
        range: walk.range,
        end: walk.end,
    })
}

struct Walk<'w, V> {
    files: &'w Files<'w>,
    head: &'w Head,
    visitor: &'w mut V,
    tip: Tip,
    /// Whether the last record was damaged: what the next one follows is not known then.
    after_damage: bool,
    range: CompactRange,
    /// Where the last record ends in its segment's file.
    end: u64,
}

impl<V: Visitor> Walk<'_, V> {
    fn segment(&mut self, until: u64) -> Result<(), V::Halt> {
        let (files, first) = (self.files, self.tip.size);
        let path = files.dir.join(file_name(first, "records"));
        let records: Arc<dyn DiskFile> = Arc::from(files.disk.open(&path, false)?);
        let mut header = [0; HEADER_LEN as usize];
        let read = records.read_at(&mut header, 0)?;
        if let Err(error) = check_header(&header[..read], Kind::Records, files.log.name(), first) {
            self.visitor.bad_header(first, error)?;
        }
        self.visitor.segment(&Begun {
            first,
            records: Arc::clone(&records),
        })?;
        self.end = HEADER_LEN;
        self.rest(first, &*records, until)
    }

    /// Reads what is left of a segment.
    fn rest(&mut self, first: u64, records: &dyn DiskFile, until: u64) -> Result<(), V::Halt> {
        let after_last = first + self.files.segment_records;
        self.frames(first, records, until.min(after_last))?;
        self.visitor.segment_end(&Ended {
            first,
            size: self.tip.size,
            end: self.end,
            beyond: records.len()?.saturating_sub(self.end),
            full: self.tip.size == after_last,
        })
    }

    /// Reads the records of a segment up to a position.
    fn frames(&mut self, first: u64, file: &dyn DiskFile, until: u64) -> Result<(), V::Halt> {
        let mut reader = FrameReader::new(file, self.end);
        while self.tip.size < until {
            let Some(why) = self.batch(first, &mut reader, until)? else {
                continue;
            };
            let (seq, at) = (self.tip.size, self.end);
            // Only forwards, and only within the file: whatever the visitor goes by may be damaged as well.
            let resume = self.visitor.damaged(first, seq, at, why)?;
            let next = resume.next.filter(|next| *next > at);
            let Some(next) = next.filter(|next| file.len().is_ok_and(|len| *next <= len)) else {
                break;
            };
            self.range.push(resume.leaf, &mut |_, _, _| ());
            self.tip.size += 1;
            self.after_damage = true;
            self.end = next;
            reader = FrameReader::new(file, next);
        }
        Ok(())
    }

    /// Reads the next records, up to the first that is damaged; returns what is wrong with that one.
    fn batch(
        &mut self,
        first: u64,
        reader: &mut FrameReader<'_>,
        until: u64,
    ) -> Result<Option<Damaged>, V::Halt> {
        let from = self.tip.size;
        // None goes past what the generation begins with, nor the accepted checkpoint, so that each end can be compared with it.
        let accepted = self.head.accepted.as_ref().map(|it| it.checkpoint.size);
        let kept = self.files.beginning.map(|ended| ended.size);
        let stops = accepted.into_iter().chain(kept);
        let stop = stops.filter(|size| *size > from).chain([until]).min();
        let most = (stop.unwrap_or(until) - from).min(BATCH as u64);
        let (visitor, tip) = (&mut *self.visitor, &mut self.tip);
        let after_damage = &mut self.after_damage;
        // Before what records follow: a record whose bytes were changed is the one at fault, not the one that names its hash.
        let read = read(reader, self.files.log, from, most as usize, |link| {
            let proved = visitor.proved_leaf(link.record.seq)?;
            if proved.is_some_and(|leaf| leaf != link.leaf) {
                return Ok(Err(Damaged::Leaf));
            }
            if !*after_damage && let Err(rule) = follows(link, tip) {
                visitor.unlinked(first, rule)?;
            }
            *tip = Tip::after(link);
            *after_damage = false;
            Ok::<_, V::Halt>(Ok(()))
        })?;
        if !read.links.is_empty() {
            let mut nodes = Vec::with_capacity(2 * read.links.len());
            let mut ends = Vec::with_capacity(1 + read.links.len());
            ends.push(self.end);
            for link in &read.links {
                self.range
                    .push(link.leaf, &mut |_, _, node| nodes.push(node));
                self.end += u64::from(link.frame_len);
                ends.push(self.end);
            }
            self.visitor.records(&Batch {
                first,
                links: &read.links,
                frames: &read.frames,
                ends: &ends,
                nodes: &nodes,
            })?;
            self.compare()?;
        }
        Ok(read.end)
    }

    /// Compares the records so far with what the generation begins with, and with the accepted checkpoint, if it is just these.
    fn compare(&mut self) -> Result<(), V::Halt> {
        let size = self.tip.size;
        if let Some(ended) = self.files.beginning.filter(|ended| ended.size == size) {
            let tip = self.tip;
            let root = self.range.root();
            self.visitor.kept((&tip, root), ended.root == root)?;
        }
        let accepted = self.head.accepted.as_ref().map(|it| &it.checkpoint);
        let Some(accepted) = accepted.filter(|it| it.size == self.tip.size) else {
            return Ok(());
        };
        let found = accepted.agreement(&Reached {
            tip: self.tip,
            root: self.range.root(),
            status_root: self.visitor.status_root()?,
        });
        self.visitor.accepted(accepted.size, &found)
    }
}

/// Records read from a file, the ones of their positions, each following the one before.
pub(super) struct Read<'r> {
    pub(super) links: Vec<Link>,
    /// Their frames, and the bytes of these and maybe of others behind them.
    pub(super) frames: Vec<Frame<'r>>,
    pub(super) bytes: &'r [u8],
    /// What is wrong with the record behind them; nothing if they are all that was at hand or asked for.
    pub(super) end: Option<Damaged>,
}

/// Reads the records from a position on, at most `most`, as far as they can be read and are accepted. Each is decoded once.
///
/// # Errors
/// Those of the medium, and those of `accept`.
pub(super) fn read<'r, E: From<io::Error>>(
    reader: &'r mut FrameReader<'_>,
    log: &Lineage,
    from: u64,
    most: usize,
    mut accept: impl FnMut(&Link) -> Result<Result<(), Damaged>, E>,
) -> Result<Read<'r>, E> {
    let (mut frames, bytes) = reader.batch(most)?;
    let mut end = frames.is_empty().then_some(Damaged::CutOff);
    let mut accepted = Vec::with_capacity(frames.len());
    for link in links(log, &frames, from) {
        let checked = match link {
            Ok(link) => accept(&link)?.map(|()| link),
            Err(rule) => Err(Damaged::Rule(rule)),
        };
        match checked {
            Ok(link) => accepted.push(link),
            Err(damaged) => {
                end = Some(damaged);
                break;
            }
        }
    }
    frames.truncate(accepted.len());
    Ok(Read {
        links: accepted,
        frames,
        bytes,
        end,
    })
}
