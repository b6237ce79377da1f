//! A process that has no descriptor left.

use std::env;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::disk::RealDisk;
use crate::disk::hooked::{HookedDisk, Operation};
use crate::log::{Applied, WriteError, fsck};
use crate::sync::{StoreFailure, Verified, stored};

/// A disk that opens only so many more files and directories.
#[derive(Clone)]
struct Scarce {
    disk: MemoryDisk,
    left: Arc<AtomicUsize>,
}

impl Scarce {
    fn allow(&self, more: usize) {
        self.left.store(more, Ordering::SeqCst);
    }
}

fn take(left: &AtomicUsize) -> io::Result<()> {
    let less = |left: usize| left.checked_sub(1);
    let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    // EMFILE.
    let refused = |_| io::Error::from_raw_os_error(24);
    taken.map_err(refused).map(drop)
}

/// An empty log in segments of eight records, which can open whatever it likes for now.
fn scarce() -> (Scarce, Arc<Log>) {
    let scarce = Scarce {
        disk: MemoryDisk::new(),
        left: Arc::new(AtomicUsize::new(usize::MAX)),
    };
    let left = Arc::clone(&scarce.left);
    let hooked = HookedDisk::new(scarce.disk.clone(), move |operation, _| {
        match operation {
            Operation::Open => take(&left)?,
            // Unlike a file, a directory is closed again.
            Operation::SyncDir => {
                take(&left)?;
                left.fetch_add(1, Ordering::SeqCst);
            }
            Operation::Read | Operation::Write => {}
        }
        Ok(())
    });
    let place = Place {
        disk: Arc::new(hooked),
        ..place(&MemoryDisk::new(), 8)
    };
    let (log, _) = Log::open(&place, name(), &members()).unwrap();
    (scarce, Arc::new(log))
}

fn issues(numbers: std::ops::Range<u64>) -> Vec<Entry> {
    numbers.map(issue).collect()
}

/// What is on disk reads as what the log says.
fn check_whole(disk: &Scarce, log: &Log) {
    let disk = disk.disk.crash(|| true);
    let (again, opening) = open(&disk);
    assert_eq!(again.checkpoint(), log.checkpoint());
    assert_eq!(
        (opening.cut_off, opening.repaired, opening.set_aside),
        (0, 0, None)
    );
    let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
    assert_eq!(report.faults().count(), 0);
}

#[test]
fn an_append_without_a_descriptor_left_changes_nothing_and_the_next_one_goes_on() {
    // Each in turn: the first segment, the one after a full one, the one that the append comes to, and several of them.
    for (before, more) in [(0, 1), (8, 1), (5, 4), (5, 20)] {
        let mut refused = 0;
        // One more at a time, until it is enough.
        for left in 0.. {
            let (disk, log) = scarce();
            let mut writer = Writer::new(Arc::clone(&log), key());
            if before > 0 {
                writer.append(1_000, issues(0..before)).unwrap();
            }
            let held = log.checkpoint();
            disk.allow(left);
            let appended = writer.append(2_000, issues(before..before + more));
            let enough = match appended {
                Err(WriteError::OutOfFiles(_)) => false,
                appended => appended.is_ok(),
            };
            assert_eq!(log.refused_write(), None, "{before}, {more}, {left}");
            if !enough {
                refused += 1;
                assert_eq!(log.checkpoint(), held);
                check_whole(&disk, &log);
            }
            disk.allow(usize::MAX);
            let next = log.size();
            writer.append(3_000, issues(next..next + 10)).unwrap();
            check_whole(&disk, &log);
            if enough {
                break;
            }
        }
        assert!(refused > 0, "{before} and {more}");
    }
}

#[test]
fn an_append_that_fits_the_segment_needs_no_descriptor() {
    let (disk, log) = scarce();
    let mut writer = Writer::new(Arc::clone(&log), key());
    writer.append(1_000, issues(0..2)).unwrap();
    disk.allow(0);
    writer.append(2_000, issues(2..7)).unwrap();
    check_whole(&disk, &log);
}

#[test]
fn a_page_that_comes_without_a_descriptor_left_can_be_added_later() {
    let source = MemoryDisk::new();
    let (source, _) = open(&source);
    let mut writer = Writer::new(Arc::clone(&source), key());
    writer.append(1_000, issues(0..20)).unwrap();
    let (disk, log) = scarce();
    let store = || {
        let page = source.page(log.held(), crate::log::MAX_PAGE).unwrap();
        stored(
            name().id,
            Some(&log),
            ISSUER.parse().unwrap(),
            page.verify(&members()).map(Verified::Page),
        )
        .result
    };
    disk.allow(0);
    for _ in 0..3 {
        let result = store();
        assert!(matches!(result, Err(StoreFailure::Busy(_))));
        assert_eq!((log.held(), log.refused_write()), (0, None));
    }
    disk.allow(usize::MAX);
    while !matches!(store().unwrap(), Applied::Accepted(_)) {}
    assert_eq!(log.checkpoint(), source.checkpoint());
    check_whole(&disk, &log);
}

/// Files that the process of the test below may have open, and segments of its log, of two files each.
const LIMIT: usize = 64;
const SEGMENTS: u64 = 150;
const CHILD: &str = "CERTMESH_TEST_FEW_DESCRIPTORS";

#[test]
fn a_log_of_more_files_than_may_be_open_is_written_read_and_opened_again() {
    if env::var_os(CHILD).is_some() {
        return with_few_descriptors();
    }
    let own = env::current_exe().unwrap();
    let limit = format!("--nofile={LIMIT}:{LIMIT}");
    let here = "log::tests::descriptors::a_log_of_more_files_than_may_be_open_is_written_read_and_opened_again";
    let output = Command::new("prlimit")
        .arg(limit)
        .arg(own)
        .args(["--exact", here, "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

fn with_few_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let opened = |checked: bool| {
        let place = Place {
            disk: Arc::new(RealDisk::new(16)),
            data: dir.path().to_owned(),
            ..place(&MemoryDisk::new(), 8)
        };
        let (log, opening) = match checked {
            true => Log::open_checked(&place, name(), &members()).unwrap(),
            false => Log::open(&place, name(), &members()).unwrap(),
        };
        assert_eq!((opening.repaired, opening.set_aside), (0, None));
        Arc::new(log)
    };
    let log = opened(false);
    let mut writer = Writer::new(Arc::clone(&log), key());
    for segment in 0..SEGMENTS {
        let first = segment * 8;
        writer
            .append(1_000 + segment, issues(first..first + 8))
            .unwrap();
        // Now and then, as a node does.
        if segment % 4 == 3 {
            log.maintain().unwrap();
        }
    }
    let all_are_found = |log: &Log| {
        assert_eq!(log.size(), SEGMENTS * 8);
        // In an order that meets another segment each time.
        for turn in 0..log.size() {
            let n = turn * 601 % log.size();
            let found = log.issue_of(&id(n)).unwrap();
            assert_eq!(found.map(|record| record.record().seq), Some(n));
        }
    };
    all_are_found(&log);
    log.save_snapshot().unwrap();
    drop(writer);
    drop(log);
    // From the snapshot, and from the records.
    all_are_found(&opened(false));
    let log = opened(true);
    all_are_found(&log);
    let first = log.size();
    let mut writer = Writer::new(log, key());
    writer.append(1_000_000, issues(first..first + 20)).unwrap();
}
