//! The walk over a log's files: what it hands over, in which order, and how it goes on behind what is damaged.

use super::*;
use crate::disk::Disk;
use crate::header::HeaderError;
use crate::log::checkpoint::Agreement;
use crate::log::head::{Head, HeadFile};
use crate::log::link::{BrokenRule, Tip};
use crate::log::scan::{Batch, Begun, Damaged, Ended, Files, Resume, Start, Visitor, scan};
use crate::log::segment::Offsets;
use crate::log::{Applied, fsck};

/// What a scan handed over, in a line each. Damaged records are stepped over where the offsets show the next one, if it may.
struct Recorder<'d> {
    disk: &'d MemoryDisk,
    steps_over: bool,
    seen: Vec<String>,
}

impl Recorder<'_> {
    fn sees(&mut self, what: String) -> std::io::Result<()> {
        self.seen.push(what);
        Ok(())
    }
}

impl Visitor for Recorder<'_> {
    type Halt = std::io::Error;

    fn bad_header(&mut self, first: u64, error: HeaderError) -> std::io::Result<()> {
        self.sees(format!("{first}: {error}"))
    }
    fn segment(&mut self, begun: &Begun) -> std::io::Result<()> {
        self.sees(format!("segment {}", begun.first))
    }
    fn kept(&mut self, (tip, _): (&Tip, Hash), agrees: bool) -> std::io::Result<()> {
        self.sees(format!("kept {}: {agrees}", tip.size))
    }
    fn unlinked(&mut self, _first: u64, rule: BrokenRule) -> std::io::Result<()> {
        self.sees(rule.to_string())
    }
    fn records(&mut self, batch: &Batch<'_>) -> std::io::Result<()> {
        assert_eq!(batch.ends.len(), batch.links.len() + 1);
        assert_eq!(batch.frames.len(), batch.links.len());
        let nodes = crate::merkle::nodes_before;
        let completed = nodes(batch.end()) - nodes(batch.from());
        assert_eq!(batch.nodes.len() as u64, completed);
        self.sees(format!("records {}..{}", batch.from(), batch.end()))
    }
    fn damaged(&mut self, first: u64, seq: u64, at: u64, why: Damaged) -> std::io::Result<Resume> {
        let why = match why {
            Damaged::CutOff => "cut off",
            Damaged::Rule(_) => "broken",
            Damaged::Leaf => "another leaf",
        };
        self.seen.push(format!("record {seq}: {why}"));
        let dir = place(self.disk, 8).log_dir(&name());
        let offsets = Offsets::look(self.disk, &dir, &name(), first)?.unwrap();
        let next = offsets.unwrap().read(seq - first + 1, 0)?.first().copied();
        assert!(next.is_none_or(|next| next > at));
        Ok(Resume {
            leaf: Hash::ZERO,
            next: next.filter(|_| self.steps_over),
        })
    }
    fn status_root(&mut self) -> std::io::Result<Option<Hash>> {
        Ok(None)
    }
    fn accepted(&mut self, size: u64, found: &Agreement) -> std::io::Result<()> {
        let agrees = found.is_whole();
        self.sees(format!("checkpoint {size}: {agrees}"))
    }
    fn segment_end(&mut self, ended: &Ended) -> std::io::Result<()> {
        self.sees(format!("{}: {} bytes beyond", ended.size, ended.beyond))
    }
    fn short(&mut self, found: u64, expected: u64) -> std::io::Result<()> {
        self.sees(format!("{found} of {expected}"))
    }
    fn unproved_progress(&mut self, size: u64) -> std::io::Result<()> {
        self.sees(format!("unproved at {size}"))
    }
}

fn seen(disk: &MemoryDisk, steps_over: bool) -> Vec<String> {
    let place = place(disk, 8);
    let head: Head = HeadFile::read(disk, &place.head_path(&name()), &name()).unwrap();
    let log = name();
    let files = Files {
        disk,
        dir: &place.log_dir(&log),
        log: &log.into(),
        beginning: None,
        segment_records: 8,
    };
    let mut recorder = Recorder {
        disk,
        steps_over,
        seen: Vec::new(),
    };
    scan(&files, &head, Start::first(), &mut recorder).unwrap();
    recorder.seen
}

fn records(first: u64) -> PathBuf {
    place(&MemoryDisk::new(), 8)
        .log_dir(&name())
        .join(format!("{first:012}.records"))
}

/// Where a record begins in the file of its segment.
fn at(disk: &MemoryDisk, first: u64, seq: u64) -> usize {
    let dir = place(disk, 8).log_dir(&name());
    let offsets = Offsets::look(disk, &dir, &name(), first).unwrap().unwrap();
    offsets.unwrap().read(seq - first, 0).unwrap()[0] as usize
}

#[test]
fn a_scan_hands_over_every_vouched_record_once_and_in_order() {
    let disk = MemoryDisk::new();
    assert_eq!(seen_of_new(&disk), Vec::<String>::new());
    let (log, _) = open(&disk);
    grow(&log, 0..6);
    let expected = [
        "segment 0",
        "records 0..8",
        "8: 0 bytes beyond",
        "segment 8",
        "records 8..16",
        "16: 0 bytes beyond",
        "segment 16",
        "records 16..18",
        "checkpoint 18: true",
        "18: 0 bytes beyond",
    ];
    assert_eq!(seen(&disk, false), expected);
    // What no head vouches for is not read, and is beyond the end.
    disk.corrupt(&records(16), |bytes| bytes.extend_from_slice(b"more"))
        .unwrap();
    assert_eq!(seen(&disk, false)[9], "18: 4 bytes beyond");
}

fn seen_of_new(disk: &MemoryDisk) -> Vec<String> {
    drop(open(disk));
    seen(disk, false)
}

#[test]
fn a_batch_ends_at_the_accepted_checkpoint_and_records_beyond_it_are_compared_with_the_next() {
    let (source, _) = open(&MemoryDisk::new());
    grow(&source, 0..1);
    let disk = MemoryDisk::new();
    let (replica, _) = open(&disk);
    super::basics::replicate(&source, &replica, 10_000);
    grow(&source, 1..9);
    let page = source.page(3, 900).unwrap().verify(&members()).unwrap();
    let Ok(Applied::Progress { held }) = replica.apply(&page) else {
        panic!("the checkpoint is still ahead");
    };
    assert!((4..8).contains(&held), "{held}");
    let expected = [
        "segment 0".to_owned(),
        "records 0..3".to_owned(),
        "checkpoint 3: true".to_owned(),
        format!("records 3..{held}"),
        format!("{held}: 0 bytes beyond"),
    ];
    assert_eq!(seen(&disk, false), expected);
    let path = place(&disk, 8).head_path(&name());
    let (mut file, found) = HeadFile::open(&disk, &path, &name()).unwrap();
    let mut head = found.head;
    head.progress.as_mut().unwrap().right = Bounded::default();
    file.write(&head).unwrap();
    let last = seen(&disk, false).pop();
    assert_eq!(last, Some(format!("unproved at {held}")));
}

#[test]
fn a_damaged_record_is_stepped_over_where_something_shows_the_next_and_ends_the_scan_elsewhere() {
    for (seq, first) in [(0, 0), (3, 0), (8, 8), (15, 8), (17, 16)] {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk);
        grow(&log, 0..6);
        drop(log);
        let at = at(&disk, first, seq);
        // The record's own position stands at its beginning, behind the length.
        disk.corrupt(&records(first), |bytes| bytes[at + 4] ^= 1)
            .unwrap();
        let over = seen(&disk, true);
        let damaged = format!("record {seq}: broken");
        assert_eq!(over.iter().filter(|line| **line == damaged).count(), 1);
        let handed: u64 = over.iter().filter_map(|line| length(line)).sum();
        assert_eq!(handed, 17, "all the others: {over:?}");
        assert!(!over.iter().any(|line| line.ends_with("of 18")), "{over:?}");
        let ended = seen(&disk, false);
        let handed: u64 = ended.iter().filter_map(|line| length(line)).sum();
        assert_eq!(handed, seq, "those before it: {ended:?}");
        assert_eq!(ended.last(), Some(&format!("{seq} of 18")));
    }
}

/// How many records a line says were handed over.
fn length(line: &str) -> Option<u64> {
    let (from, end) = line.strip_prefix("records ")?.split_once("..")?;
    Some(end.parse::<u64>().unwrap() - from.parse::<u64>().unwrap())
}

#[test]
fn a_segment_that_is_missing_ends_the_scan_and_is_not_made() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..6);
    drop(log);
    disk.remove(&records(8)).unwrap();
    let paths = disk.paths();
    assert_eq!(
        seen(&disk, true),
        ["segment 0", "records 0..8", "8: 0 bytes beyond", "8 of 18"]
    );
    assert_eq!(disk.paths(), paths);
}

#[test]
fn an_opening_sets_aside_what_fsck_reports_of_records_and_repairs_what_it_reports_of_derived_files()
{
    let base = MemoryDisk::new();
    let (log, _) = open(&base);
    grow(&log, 0..6);
    drop(log);
    let below = place(&base, 8).log_dir(&name());
    let files = base.paths().into_iter().filter(|path| {
        path.starts_with(&below) && path.file_name().is_some_and(|file| file != "statuses")
    });
    let mut outcomes = [0, 0];
    for path in files {
        let mut len = 0;
        base.corrupt(&path, |bytes| len = bytes.len()).unwrap();
        for at in (0..len).step_by(23) {
            let disk = base.crash(|| true);
            disk.corrupt(&path, |bytes| bytes[at] ^= 0x10).unwrap();
            let (original, derived) = faults(&disk);
            let (_, opening) = open(&disk);
            let what = format!("byte {at} of {}: {opening:?}", path.display());
            assert!(original || derived, "{what}");
            assert_eq!(opening.set_aside.is_some(), original, "{what}");
            if !original {
                // An index is made again whether it is damaged or not.
                let repaired = u32::from(path.extension().is_none_or(|it| it != "index"));
                assert_eq!((opening.repaired, opening.cut_off), (repaired, 0), "{what}");
                assert_eq!(faults(&disk), (false, false), "{what}");
            }
            outcomes[usize::from(original)] += 1;
        }
    }
    assert!(outcomes.iter().all(|count| *count > 20), "{outcomes:?}");
}

/// Whether fsck finds faults in what can't be derived, and in what can.
fn faults(disk: &MemoryDisk) -> (bool, bool) {
    let report = fsck(&place(disk, 8), &members(), |_| ()).unwrap();
    let of = |derived| report.faults().any(|fault| fault.derived == derived);
    (of(false), of(true))
}
