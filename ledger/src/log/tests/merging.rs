//! Merging that is given up since the log closes.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;

use parking_lot::Mutex;

use super::*;
use crate::disk::hooked::{HookedDisk, Operation};
use crate::log::fsck;

type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "index")
}

/// A log with many parts of its index to be merged, and what happens when an index file is read next.
fn unmerged() -> (MemoryDisk, Arc<Log>, Hook) {
    let (disk, next) = (MemoryDisk::new(), Hook::default());
    let hook = Arc::clone(&next);
    let hooked = HookedDisk::new(disk.clone(), move |operation, path| {
        let happens = match operation == Operation::Read && is_index(path) {
            true => hook.lock().take(),
            false => None,
        };
        if let Some(happens) = happens {
            happens();
        }
        Ok(())
    });
    let place = Place {
        disk: Arc::new(hooked),
        ..place(&disk, 8)
    };
    let (log, _) = Log::open(&place, name(), &members()).unwrap();
    let log = Arc::new(log);
    let mut writer = Writer::new(Arc::clone(&log), key());
    for seq in 0..64 {
        writer.append(1_000 + seq, vec![issue(seq)]).unwrap();
    }
    (disk, log, next)
}

fn parts(disk: &MemoryDisk) -> Vec<PathBuf> {
    let paths = disk.paths().into_iter();
    paths.filter(|path| is_index(path)).collect()
}

/// Every certificate is found, and every file is as it should be.
fn check_whole(disk: &MemoryDisk, log: &Log) {
    for seq in 0..64 {
        let found = log.issue_of(&id(seq)).unwrap();
        assert_eq!(found.map(|record| record.record().seq), Some(seq));
    }
    let report = fsck(&place(disk, 8), &members(), |_| ()).unwrap();
    assert_eq!(report.faults().count(), 0);
}

#[test]
fn merging_that_is_given_up_leaves_the_parts_there_were_and_no_other_file() {
    let (disk, log, next) = unmerged();
    let before = parts(&disk);
    assert_eq!(before.len(), 16);
    let closing = Arc::clone(&log);
    *next.lock() = Some(Box::new(move || closing.stop_merging()));
    log.maintain().unwrap();
    assert!(next.lock().is_none(), "nothing was merged");
    assert_eq!(parts(&disk), before);
    check_whole(&disk, &log);
    // A snapshot is saved all the same, and what was given up is done by the next run.
    log.save_snapshot().unwrap();
    let (again, opening) = open(&disk);
    assert_eq!(opening.from, 64);
    again.maintain().unwrap();
    grow(&again, 64..68);
    again.maintain().unwrap();
    assert!(parts(&disk).len() < 5, "{:?}", parts(&disk));
    check_whole(&disk, &again);
}

#[test]
fn whoever_closes_a_log_does_not_wait_until_its_parts_are_merged() {
    let (disk, log, next) = unmerged();
    let before = parts(&disk);
    let (closing, waits) = (Arc::clone(&log), Arc::new(Mutex::new(None)));
    let closer = Arc::clone(&waits);
    *next.lock() = Some(Box::new(move || {
        let close = Arc::clone(&closing);
        *closer.lock() = Some(thread::spawn(move || close.close("closed by the test")));
        // The merging holds what the other thread waits for.
        while !closing.merges_no_more.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }));
    log.maintain().unwrap();
    let closer = waits.lock().take().expect("it was merging");
    closer.join().unwrap();
    assert_eq!(parts(&disk), before);
    log.maintain().unwrap();
    assert_eq!(parts(&disk), before);
    check_whole(&disk, &log);
}

#[test]
fn merging_that_fails_leaves_no_file_of_its_own() {
    let (disk, log, _) = unmerged();
    let before = parts(&disk);
    disk.corrupt(&before[3], |bytes| bytes[180] ^= 1).unwrap();
    assert!(log.maintain().is_err());
    assert_eq!(parts(&disk), before);
}
