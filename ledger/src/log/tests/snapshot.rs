//! Openings that begin with a snapshot: they answer as one that reads everything, or not at all.

use std::path::{Path, PathBuf};

use super::*;
use crate::disk::Failure;
use crate::log::{MAX_PAGE, ReadError, fsck};

/// What there is to know of a log.
#[derive(Debug, PartialEq)]
struct Answers {
    size: u64,
    root: Option<Hash>,
    records: Vec<Vec<u8>>,
    histories: Vec<usize>,
    statuses: Vec<Option<crate::log::StatusEntry>>,
    issued: Vec<u64>,
    subjects: Vec<usize>,
}

/// Asks a log everything; the first error ends it.
fn ask(log: &Log) -> Result<Answers, ReadError> {
    let size = log.size();
    let ids: Vec<CertificateId> = (0..2 * size / 3 + 2).map(id).collect();
    let records = (0..size).map(|seq| Ok(log.record(seq)?.frame()));
    let subject = |n: u64| SubjectTag(hash(Purpose::Subject, &n.to_le_bytes()));
    Ok(Answers {
        size,
        root: log.root_at(size),
        records: records.collect::<Result<_, ReadError>>()?,
        histories: ids
            .iter()
            .map(|id| Ok(log.by_certificate(id)?.len()))
            .collect::<Result<_, ReadError>>()?,
        statuses: ids
            .iter()
            .map(|id| log.status(id))
            .collect::<Result<_, _>>()?,
        issued: log.issued().into_values().collect(),
        subjects: (0..5)
            .map(|n| Ok(log.by_subject(&[subject(n)], 0, 1_000)?.0.len()))
            .collect::<Result<_, ReadError>>()?,
    })
}

/// The same by an opening that reads all of it, on a copy of the disk.
fn as_checked(disk: &MemoryDisk) -> Answers {
    let disk = disk.crash(|| true);
    let (log, opening) = Log::open_checked(&place(&disk, 8), name(), &members()).unwrap();
    assert_eq!((opening.from, opening.set_aside), (0, None));
    ask(&log).unwrap()
}

fn snapshot_path() -> PathBuf {
    place(&MemoryDisk::new(), 8)
        .log_dir(&name())
        .join("snapshot")
}

#[test]
fn an_opening_from_a_snapshot_answers_as_one_that_reads_everything() {
    for (before, after) in [(1, 0), (1, 1), (8, 0), (9, 1), (9, 30), (24, 8), (40, 3)] {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk);
        grow(&log, 0..before);
        log.save_snapshot().unwrap();
        let saved = log.size();
        grow(&log, before..before + after);
        let expected = ask(&log).unwrap();
        drop(log);
        let (log, opening) = open(&disk);
        let what = format!("{before} and {after}");
        assert_eq!(
            (opening.from, opening.records),
            (saved, expected.size),
            "{what}"
        );
        assert_eq!((opening.repaired, opening.cut_off), (0, 0), "{what}");
        assert_eq!(ask(&log).unwrap(), expected, "{what}");
        assert_eq!(as_checked(&disk), expected, "{what}");
        // It goes on, and what it appends is found by the next opening, from the same snapshot or another.
        for round in 0..3 {
            let next = before + after + 5 * round;
            grow(&log, next..next + 5);
            if round == 1 {
                log.save_snapshot().unwrap();
            }
            let expected = ask(&log).unwrap();
            let (again, opening) = open(&disk.crash(|| true));
            assert!(opening.from >= saved, "{what}");
            assert_eq!(ask(&again).unwrap(), expected, "{what}, round {round}");
        }
        let page = log.page(0, MAX_PAGE).unwrap().verify(&members()).unwrap();
        assert!(page.broken.is_none(), "{what}");
        let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
        assert_eq!(report.faults().count(), 0, "{what}");
    }
}

#[test]
fn a_log_that_is_maintained_begins_with_few_files_and_reads_little() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    for batch in 0..200 {
        grow(&log, batch..batch + 1);
        log.maintain().unwrap();
    }
    let index = |disk: &MemoryDisk| {
        let files = disk.paths().into_iter();
        let index = files.filter(|path| path.extension().is_some_and(|it| it == "index"));
        index.count()
    };
    assert!(index(&disk) < 20, "{}", index(&disk));
    let expected = ask(&log).unwrap();
    drop(log);
    let (log, opening) = open(&disk);
    assert!(opening.records - opening.from < 8, "{opening:?}");
    assert_eq!(ask(&log).unwrap(), expected);
    assert_eq!(as_checked(&disk), expected);
    let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
    assert_eq!(report.faults().count(), 0);
}

#[test]
fn whatever_rots_below_a_snapshot_is_an_error_or_read_again_and_never_a_wrong_answer() {
    let base = MemoryDisk::new();
    let (log, _) = open(&base);
    grow(&log, 0..7);
    log.save_snapshot().unwrap();
    grow(&log, 7..8);
    let expected = ask(&log).unwrap();
    drop(log);
    let dir = place(&base, 8).log_dir(&name());
    let files: Vec<PathBuf> = base.paths();
    let mut refused = 0;
    for path in files.iter().filter(|path| path.starts_with(&dir)) {
        let mut len = 0;
        base.corrupt(path, |bytes| len = bytes.len()).unwrap();
        for at in (0..len).step_by(61) {
            let disk = base.crash(|| true);
            disk.corrupt(path, |bytes| bytes[at] ^= 0x10).unwrap();
            let what = format!("byte {at} of {}", path.display());
            let (log, opening) = open(&disk);
            if opening.set_aside.is_some() {
                assert!(path.extension().is_some_and(|it| it == "records"), "{what}");
                assert_eq!(log.size(), 0, "{what}");
                continue;
            }
            let mut from = Some(0);
            let scrubbed = loop {
                match from.map(|from| log.scrub(from)) {
                    Some(Ok(next)) => from = next.map(|(next, _)| next),
                    Some(Err(_)) => break false,
                    None => break true,
                }
            };
            match ask(&log) {
                Ok(found) => assert_eq!(found, expected, "{what}"),
                Err(_) => {
                    refused += 1;
                    log.save_snapshot().unwrap();
                    drop(log);
                    let (log, opening) = open(&disk);
                    assert_eq!(opening.from, 0, "{what}");
                    match opening.set_aside {
                        None => assert_eq!(ask(&log).unwrap(), expected, "{what}"),
                        Some(_) => assert!(!scrubbed, "{what}"),
                    }
                }
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_file_that_is_gone_or_cut_off_is_missed_by_the_opening() {
    let base = MemoryDisk::new();
    let (log, _) = open(&base);
    grow(&log, 0..12);
    log.save_snapshot().unwrap();
    drop(log);
    let dir = place(&base, 8).log_dir(&name());
    let mut tried = 0;
    for path in base.paths().iter().filter(|path| path.starts_with(&dir)) {
        for cut in [false, true] {
            let disk = base.crash(|| true);
            match cut {
                true => disk
                    .corrupt(path, |bytes| bytes.truncate(bytes.len().saturating_sub(1)))
                    .unwrap(),
                false => crate::disk::Disk::remove(&disk, path).unwrap(),
            }
            let (log, opening) = open(&disk);
            let whole = ask(&log);
            let what = format!("{} {cut}: {opening:?}", path.display());
            if path.extension().is_some_and(|it| it == "records") {
                assert!(opening.set_aside.is_some(), "{what}");
                continue;
            }
            tried += 1;
            match whole {
                Ok(found) => assert_eq!(found, as_checked(&base), "{what}"),
                Err(error) => assert!(path.ends_with("tree"), "{what}: {error}"),
            }
        }
    }
    assert!(tried > 10);
}

#[test]
fn a_snapshot_ahead_of_the_head_or_beside_other_records_is_left_alone() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..6);
    let mut old_head = Vec::new();
    let head = place(&disk, 8).head_path(&name());
    disk.corrupt(&head, |bytes| old_head.clone_from(bytes))
        .unwrap();
    grow(&log, 6..9);
    log.save_snapshot().unwrap();
    drop(log);
    // Older files put back.
    disk.corrupt(&head, |bytes| *bytes = old_head).unwrap();
    let (log, opening) = open(&disk);
    assert_eq!((opening.from, log.size()), (0, 18));
    assert_eq!(ask(&log).unwrap(), as_checked(&disk));

    // Another log of the same size.
    let other = MemoryDisk::new();
    let (log, _) = open(&other);
    grow(&log, 1..7);
    log.save_snapshot().unwrap();
    let mut theirs = Vec::new();
    other
        .corrupt(&snapshot_path(), |bytes| theirs.clone_from(bytes))
        .unwrap();
    crate::disk::Disk::open(&disk, &snapshot_path(), true)
        .unwrap()
        .write_at(&theirs, 0)
        .unwrap();
    let (log, opening) = open(&disk);
    assert_eq!((opening.from, opening.set_aside), (0, None));
    assert_eq!(ask(&log).unwrap(), as_checked(&disk));
}

#[test]
fn a_scrub_reads_everything_once_and_then_nothing_is_unread() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..30);
    log.save_snapshot().unwrap();
    drop(log);
    let (log, _) = open(&disk);
    assert_eq!(log.unread_below(), 90);
    let mut from = 0;
    while let Some((next, bytes)) = log.scrub(from).unwrap() {
        assert!(bytes > 0 && next > from);
        from = next;
    }
    assert_eq!((from, log.unread_below()), (90, 0));
}

#[test]
fn what_rots_after_everything_was_read_is_found_by_reading_it_again() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    let read = |log: &Log| {
        let mut at = 0;
        while let Some((next, _)) = log.scrub(at)? {
            at = next;
        }
        Ok::<u64, ReadError>(at)
    };
    assert_eq!(read(&log).unwrap(), log.size());
    assert_eq!(read(&log).unwrap(), log.size());
    let records = disk.paths().into_iter();
    let mut records = records.filter(|path| path.extension().is_some_and(|it| it == "records"));
    let last = records.next_back().unwrap();
    disk.corrupt(&last, |bytes| bytes[100] ^= 1).unwrap();
    assert!(read(&log).is_err());
    assert!(log.is_damaged());
}

#[test]
fn nothing_is_saved_on_the_way_to_a_checkpoint_or_of_a_log_that_takes_nothing() {
    let (source, _) = open(&MemoryDisk::new());
    grow(&source, 0..9);
    let disk = MemoryDisk::new();
    let (replica, _) = open(&disk);
    let page = source.page(0, 2_000).unwrap().verify(&members()).unwrap();
    replica.apply(&page).unwrap();
    assert!(replica.held() > 0 && replica.size() == 0);
    replica.save_snapshot().unwrap();
    assert!(!disk.paths().contains(&snapshot_path()));
    super::basics::replicate(&source, &replica, 2_000);
    replica.save_snapshot().unwrap();
    let (again, opening) = open(&disk);
    assert_eq!(opening.from, 27);
    assert_eq!(ask(&again).unwrap(), ask(&source).unwrap());
}

/// Grows, saves and grows again until the disk refuses; returns the last size that was acknowledged.
fn run(disk: &MemoryDisk) -> u64 {
    let Ok((log, _)) = Log::open(&place(disk, 8), name(), &members()) else {
        return 0;
    };
    let log = Arc::new(log);
    let mut writer = Writer::new(Arc::clone(&log), key());
    let mut acknowledged = 0;
    for batch in 0..6 {
        match writer.append(1_000 + batch, entries(batch)) {
            Ok((_, checkpoint)) => acknowledged = checkpoint.size,
            Err(_) => break,
        }
        // Refused or not: nothing of the log depends on it.
        let _ = log.maintain();
    }
    let _ = log.save_snapshot();
    acknowledged
}

#[test]
fn a_crash_at_any_step_of_a_snapshot_loses_nothing_and_leaves_one_that_is_right_or_none() {
    let whole = MemoryDisk::new();
    run(&whole);
    let mut resumed = 0;
    for at in 1..=whole.operations() {
        for failure in [Failure::Refuse, Failure::Tear, Failure::Die] {
            let disk = MemoryDisk::new();
            disk.fail_at(at, failure);
            let acknowledged = run(&disk);
            for seed in [0u64, 2] {
                let mut turn = seed;
                let after = disk.crash(|| {
                    turn = turn
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(seed);
                    // Nothing that was not synced, or any part of it.
                    seed > 0 && turn >> 63 == 0
                });
                let what = format!("operation {at}, {failure:?}, crash {seed}");
                let checked = after.crash(|| true);
                let (log, opening) = open(&after);
                if acknowledged > 0 {
                    assert_eq!(opening.set_aside, None, "{what}");
                    assert!(log.size() >= acknowledged, "{what}");
                }
                resumed += u64::from(opening.from > 0);
                let (other, _) =
                    Log::open_checked(&place(&checked, 8), name(), &members()).unwrap();
                let expected = ask(&other).unwrap_or_else(|e| panic!("{what}: {e}"));
                let found = ask(&log).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(found, expected, "{what}");
                let report = fsck(&place(&after, 8), &members(), |_| ()).unwrap();
                assert_eq!(report.faults().count(), 0, "{what}");
            }
        }
    }
    assert!(resumed > 100, "{resumed}");
}

#[test]
fn a_page_of_records_that_rotted_is_refused_before_it_is_sent() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..12);
    log.save_snapshot().unwrap();
    drop(log);
    let records = Path::new("/data/logs")
        .join(ISSUER)
        .join("000000000000.records");
    let (log, _) = open(&disk);
    disk.corrupt(&records, |bytes| bytes[200] ^= 1).unwrap();
    assert!(log.page(0, MAX_PAGE).is_err());
    assert!(log.page(8, MAX_PAGE).is_ok());
}
