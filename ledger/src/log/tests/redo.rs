//! The redo journal: what a commit has in it alone is there after a crash, and what was destroyed is nowhere.

use std::path::Path;

use super::*;
use crate::bodies::{Bodies, SealedBody};
use crate::crypto::keys::{BodyKey, FieldKey, Secret};
use crate::disk::Failure;
use crate::header::{Kind, header};
use crate::log::redo::as_replayed;
use crate::log::{OpenError, fsck};

const BODIES: &str = "/data/bodies";

fn redo_path() -> PathBuf {
    place(&MemoryDisk::new(), 8).redo_path(&name())
}

fn field_key() -> FieldKey {
    FieldKey(Secret::from_bytes([1; 32]))
}

fn read(disk: &MemoryDisk, path: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    disk.corrupt(path, |bytes| content.clone_from(bytes))
        .unwrap();
    content
}

fn kept(bodies: &Bodies, first: u64, n: u64) -> std::io::Result<Vec<crate::log::Change>> {
    let key = BodyKey(Secret::from_bytes([n as u8; 32]));
    let sealed = SealedBody::seal(&field_key(), id(n).as_str(), &key, [n as u8; 24], &n);
    let kept = bodies.keep(first, &[Some(sealed)]);
    kept.map_err(std::io::Error::other)
}

/// Issues certificates with a body each, one a commit.
fn issue_some(disk: &MemoryDisk, serials: std::ops::Range<u64>) -> (Writer, Bodies) {
    let (log, _) = open(disk);
    let bodies = Bodies::open(disk, Path::new(BODIES), &name(), field_key()).unwrap();
    let mut writer = Writer::new(log, key());
    for n in serials {
        let keep = |first| kept(&bodies, first, n);
        writer.append_with(n, vec![issue(n)], keep).unwrap();
    }
    (writer, bodies)
}

#[test]
fn what_a_commit_acknowledges_is_durable_though_nothing_but_the_journal_was_synced() {
    let disk = MemoryDisk::new();
    let (mut writer, bodies) = issue_some(&disk, 0..1);
    let len = |disk: &MemoryDisk, path: &str| read(disk, Path::new(path)).len();
    for n in 1..4 {
        let keep = |first| kept(&bodies, first, n);
        writer.append_with(n, vec![issue(n)], keep).unwrap();
        let after = disk.crash(|| false);
        let records = place(&disk, 8)
            .log_dir(&name())
            .join("000000000000.records");
        for path in [
            records.to_str().unwrap(),
            "/data/bodies/bodies",
            "/data/bodies/keys",
        ] {
            assert!(
                len(&after, path) < len(&disk, path),
                "{path} was synced as well"
            );
        }
        let (log, opening) = open(&after);
        assert_eq!((log.size(), opening.set_aside), (n + 1, None));
        let bodies = Bodies::open(&after, Path::new(BODIES), &name(), field_key()).unwrap();
        let opened = bodies.get::<u64>(n, id(n).as_str()).unwrap();
        assert_eq!(opened.map(|opened| opened.body), Some(n));
    }
}

#[test]
fn a_commit_larger_than_the_journal_is_durable_as_well_before_and_after_small_ones() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    let mut next = 0;
    for count in [1, 60, 1, 1, 90, 2] {
        let entries = (next..next + count).map(issue).collect();
        let (_, checkpoint) = writer.append(1_000, entries).unwrap();
        next += count;
        let (log, opening) = open(&disk.crash(|| false));
        assert_eq!(opening.set_aside, None);
        assert_eq!(log.checkpoint(), Some(checkpoint));
    }
}

#[test]
fn the_key_of_a_destroyed_body_is_nowhere_on_the_disk_once_that_is_acknowledged_whatever_crashed_before()
 {
    let run = |disk: &MemoryDisk| -> bool {
        let Ok(bodies) = Bodies::open(disk, Path::new(BODIES), &name(), field_key()) else {
            return false;
        };
        let Ok((log, _)) = Log::open(&place(disk, 8), name(), &members()) else {
            return false;
        };
        let mut writer = Writer::new(Arc::new(log), key());
        (0..4).all(|n| {
            let keep = |first| kept(&bodies, first, n);
            writer.append_with(n, vec![issue(n)], keep).is_ok()
        }) && bodies.destroy(writer.log(), &[1]).is_ok()
    };
    let whole = MemoryDisk::new();
    assert!(run(&whole));
    let (_, bodies) = issue_some(&MemoryDisk::new(), 0..2);
    let slots = kept(&bodies, 1, 1).unwrap().remove(1).bytes;
    let wrapped = &slots[16..88];
    let shows = |disk: &MemoryDisk| {
        let paths = disk.paths().into_iter();
        let mut contents = paths.map(|path| read(disk, &path));
        contents.any(|bytes| bytes.windows(wrapped.len()).any(|it| it == wrapped))
    };
    assert!(!shows(&whole) && !shows(&whole.crash(|| false)));
    for at in 1..=whole.operations() {
        for failure in [Failure::Refuse, Failure::Tear, Failure::Die] {
            let what = format!("operation {at}, {failure:?}");
            let disk = MemoryDisk::new();
            disk.fail_at(at, failure);
            let acknowledged = run(&disk);
            for survives in [false, true] {
                let after = disk.crash(|| survives);
                if acknowledged {
                    assert!(!shows(&after), "{what}");
                }
                // Asked for again, it is destroyed for good, also where the journal was partly overwritten.
                let (log, _) = open(&after);
                let bodies = Bodies::open(&after, Path::new(BODIES), &name(), field_key()).unwrap();
                bodies.destroy(&log, &[1]).unwrap();
                assert!(!shows(&after.crash(|| false)), "{what}, {survives}");
            }
        }
    }
}

#[test]
fn a_check_of_files_that_a_crash_left_sees_what_an_opening_would_and_changes_nothing() {
    let disk = MemoryDisk::new();
    drop(issue_some(&disk, 0..3));
    for survives in [false, true] {
        let after = disk.crash(|| survives);
        let contents = |disk: &MemoryDisk| -> Vec<Vec<u8>> {
            let paths = disk.paths().into_iter();
            paths.map(|path| read(disk, &path)).collect()
        };
        let before = contents(&after);
        let report = fsck(&place(&after, 8), &members(), |_| ()).unwrap();
        assert_eq!(
            (report.logs[0].records, report.logs[0].checkpoint),
            (3, Some(3))
        );
        assert!(report.faults().all(|fault| fault.derived), "{report:?}");
        assert_eq!(contents(&after), before);
        let view = as_replayed(&place(&after, 8), &name()).unwrap();
        open(&after);
        for path in ["/data/bodies/bodies", "/data/bodies/keys"] {
            let file = view.disk.open(Path::new(path), false).unwrap();
            let mut seen = vec![0; file.len().unwrap() as usize];
            file.read_exact_at(&mut seen, 0).unwrap();
            assert_eq!(seen, read(&after, Path::new(path)), "{path}");
        }
    }
}

#[test]
fn a_head_newer_than_the_journals_stays() {
    let disk = MemoryDisk::new();
    let (mut writer, _) = issue_some(&disk, 0..2);
    let copied_early = read(&disk, &redo_path());
    writer.append(9, vec![issue(2)]).unwrap();
    writer.append(9, vec![issue(3)]).unwrap();
    drop(writer);
    let copy = disk.crash(|| true);
    copy.corrupt(&redo_path(), |bytes| *bytes = copied_early)
        .unwrap();
    let (log, opening) = open(&copy);
    assert_eq!((log.size(), opening.set_aside), (4, None));
}

#[test]
fn damage_in_the_journal_ends_the_replay_and_nothing_else() {
    let disk = MemoryDisk::new();
    drop(issue_some(&disk, 0..3));
    let after = disk.crash(|| true);
    let len = read(&after, &redo_path()).len();
    for at in (0..len).step_by(97) {
        let damaged = disk.crash(|| true);
        damaged
            .corrupt(&redo_path(), |bytes| bytes[at] ^= 0x10)
            .unwrap();
        // All of it reached its place as well.
        let (log, opening) = open(&damaged);
        assert_eq!((log.size(), opening.set_aside), (3, None), "byte {at}");
    }
}

#[test]
fn a_journal_of_a_later_version_or_another_log_stops_the_opening_and_is_reported() {
    let disk = MemoryDisk::new();
    drop(issue_some(&disk, 0..2));
    disk.corrupt(&redo_path(), |bytes| {
        bytes[12..16].copy_from_slice(&2_u32.to_le_bytes());
        let sum = hash(Purpose::File, &bytes[..56]);
        bytes[56..64].copy_from_slice(&sum.as_bytes()[..8]);
    })
    .unwrap();
    let refused = Log::open(&place(&disk, 8), name(), &members()).map(|_| ());
    assert!(
        matches!(refused, Err(OpenError::Later { .. })),
        "{refused:?}"
    );
    let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
    assert!(report.faults().any(|fault| fault.later));

    let other = LogName {
        network: name().network,
        id: LogId::first("11100000000013338W".parse().unwrap()),
    };
    disk.corrupt(&redo_path(), |bytes| {
        bytes[..64].copy_from_slice(&header(Kind::Redo, &other, 0));
    })
    .unwrap();
    let refused = Log::open(&place(&disk, 8), name(), &members()).map(|_| ());
    assert!(matches!(refused, Err(OpenError::Io { .. })), "{refused:?}");
    let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
    let redo = format!("redo/{}", name().id);
    assert!(report.faults().any(|fault| fault.file == redo));
}

#[test]
fn after_a_failed_sync_anywhere_an_orderly_stop_leaves_the_journal_for_the_next_opening() {
    let operations = |commits| {
        let disk = MemoryDisk::new();
        drop(issue_some(&disk, 0..commits));
        disk.operations()
    };
    // The eighth commit fills its segment, whose sync is not the journal's.
    for at in operations(7) + 1..=operations(8) {
        let disk = MemoryDisk::new();
        let (mut writer, bodies) = issue_some(&disk, 0..7);
        disk.fail_at(at, Failure::Refuse);
        let keep = |first| kept(&bodies, first, 7);
        let acknowledged = 7 + u64::from(writer.append_with(7, vec![issue(7)], keep).is_ok());
        let cleared = writer.log().clear_redo();
        assert_eq!(cleared.is_ok(), acknowledged == 8, "operation {at}");
        let (log, opening) = open(&disk.crash(|| false));
        assert_eq!(opening.set_aside, None, "operation {at}");
        assert!(log.size() >= acknowledged, "operation {at}: {}", log.size());
    }
}

#[test]
fn after_a_failed_destruction_no_commit_stands_and_none_is_lost() {
    let destroyed = |disk: &MemoryDisk| {
        let (mut writer, bodies) = issue_some(disk, 0..4);
        let before = disk.operations();
        let destroyed = bodies.destroy(writer.log(), &[1]).is_ok();
        let after = disk.operations();
        let keep = |first| kept(&bodies, first, 4);
        let appended = writer.append_with(4, vec![issue(4)], keep).is_ok();
        let _ = writer.log().clear_redo();
        (destroyed, appended, before + 1..=after)
    };
    let (.., all) = destroyed(&MemoryDisk::new());
    for at in all {
        let disk = MemoryDisk::new();
        disk.fail_at(at, Failure::Refuse);
        let (destroyed, appended, _) = destroyed(&disk);
        assert_eq!((destroyed, appended), (false, false), "operation {at}");
        let crashed = disk.crash(|| false);
        let (log, opening) = open(&crashed);
        assert_eq!((log.size(), opening.set_aside), (4, None), "operation {at}");
        let bodies = Bodies::open(&crashed, Path::new(BODIES), &name(), field_key()).unwrap();
        for n in [0, 2, 3] {
            let opened = bodies.get::<u64>(n, id(n).as_str()).unwrap();
            assert!(opened.is_some(), "operation {at}, body {n}");
        }
    }
}

#[test]
fn what_the_next_process_destroys_is_gone_also_where_it_reads_zeros_that_never_reached_the_medium()
{
    let (_, bodies) = issue_some(&MemoryDisk::new(), 0..2);
    let slot = kept(&bodies, 1, 1).unwrap().remove(1).bytes;
    let wrapped = &slot[16..88];
    let operations = {
        let disk = MemoryDisk::new();
        let (writer, bodies) = issue_some(&disk, 0..4);
        let before = disk.operations();
        bodies.destroy(writer.log(), &[1]).unwrap();
        before + 1..=disk.operations()
    };
    for at in operations {
        let disk = MemoryDisk::new();
        let (writer, bodies) = issue_some(&disk, 0..4);
        disk.fail_at(at, Failure::Refuse);
        bodies.destroy(writer.log(), &[1]).unwrap_err();
        drop((writer, bodies));
        // The machine stays up.
        let (log, _) = open(&disk);
        let bodies = Bodies::open(&disk, Path::new(BODIES), &name(), field_key()).unwrap();
        bodies.destroy(&log, &[1]).unwrap();
        let crashed = disk.crash(|| false);
        for path in crashed.paths() {
            let bytes = read(&crashed, &path);
            let shows = bytes.windows(wrapped.len()).any(|it| it == wrapped);
            assert!(!shows, "operation {at}: {}", path.display());
        }
    }
}

#[test]
fn a_head_in_a_journal_that_was_copied_later_than_the_records_vouches_for_no_hole() {
    for large in [false, true] {
        let disk = MemoryDisk::new();
        let (mut writer, bodies) = issue_some(&disk, 0..3);
        let copy = disk.crash(|| true);
        writer.append(9, vec![issue(3)]).unwrap();
        bodies.destroy(writer.log(), &[0]).unwrap();
        let count = if large { 60 } else { 1 };
        writer
            .append(9, (4..4 + count).map(issue).collect())
            .unwrap();
        let later = read(&disk, &redo_path());
        copy.corrupt(&redo_path(), |bytes| *bytes = later).unwrap();
        let report = fsck(&place(&copy, 8), &members(), |_| ()).unwrap();
        assert_eq!(report.logs[0].records, 3);
        let (log, opening) = open(&copy);
        assert_eq!((log.size(), opening.set_aside), (3, None), "{large}");
    }
}

#[test]
fn an_entry_with_an_impossible_place_is_none() {
    for (target, at) in [
        (0, u64::MAX),
        (0, 0),
        (1, 1 << 60),
        (2, 3),
        (3, 0),
        (3, 12_288),
        (9, 64),
    ] {
        let disk = MemoryDisk::new();
        drop(issue_some(&disk, 0..2));
        let mut entry = vec![0; 36];
        entry.push(target);
        entry.extend_from_slice(&0_u64.to_le_bytes());
        entry.extend_from_slice(&u64::to_le_bytes(at));
        entry.extend_from_slice(&1_u32.to_le_bytes());
        entry.push(7);
        let len = (entry.len() - 36) as u32;
        entry[..4].copy_from_slice(&len.to_le_bytes());
        let sum = hash(Purpose::File, &entry);
        entry.extend_from_slice(sum.as_bytes());
        let change = |bytes: &mut Vec<u8>| bytes[4096..4096 + entry.len()].copy_from_slice(&entry);
        disk.corrupt(&redo_path(), change).unwrap();
        let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
        assert_eq!(report.faults().count(), 0, "{target} {at}");
        assert_eq!(open(&disk).0.size(), 2, "{target} {at}");
    }
}

/// A failure, then another process on the same machine that appends, then a power cut.
fn restart_matrix(stop: impl Fn(&Log)) {
    let issue_one = |writer: &mut Writer, bodies: &Bodies, n: u64| {
        let keep = |first| kept(bodies, first, n);
        writer.append_with(n, vec![issue(n)], keep).is_ok()
    };
    let first_run = |disk: &MemoryDisk| -> u64 {
        let log = Log::open(&place(disk, 8), name(), &members());
        let bodies = Bodies::open(disk, Path::new(BODIES), &name(), field_key());
        let (Ok((log, _)), Ok(bodies)) = (log, bodies) else {
            return 0;
        };
        let mut writer = Writer::new(Arc::new(log), key());
        let acknowledged = (0..18).take_while(|n| issue_one(&mut writer, &bodies, *n));
        let acknowledged = acknowledged.count() as u64;
        stop(writer.log());
        acknowledged
    };
    let whole = MemoryDisk::new();
    assert_eq!(first_run(&whole), 18);
    for at in 1..=whole.operations() {
        for (failure, more) in [
            (Failure::Refuse, 0),
            (Failure::Refuse, 3),
            (Failure::Tear, 1),
        ] {
            let what = format!("operation {at}, {failure:?}, {more} more");
            let disk = MemoryDisk::new();
            disk.fail_at(at, failure);
            let acknowledged = first_run(&disk);
            let (log, opening) = open(&disk);
            assert_eq!(opening.set_aside, None, "{what}");
            assert!(log.size() >= acknowledged, "{what}");
            let bodies = Bodies::open(&disk, Path::new(BODIES), &name(), field_key()).unwrap();
            let expected = log.size() + more;
            let mut writer = Writer::new(log, key());
            for n in expected - more..expected {
                assert!(issue_one(&mut writer, &bodies, n), "{what}");
            }
            for survives in [false, true] {
                let crashed = disk.crash(|| survives);
                let (log, opening) = open(&crashed);
                assert_eq!((log.size(), opening.set_aside), (expected, None), "{what}");
                let bodies = Bodies::open(&crashed, Path::new(BODIES), &name(), field_key());
                let bodies = bodies.unwrap_or_else(|error| panic!("{what}: {error}"));
                for n in 0..expected {
                    let opened = bodies.get::<u64>(n, id(n).as_str()).unwrap();
                    assert_eq!(opened.map(|opened| opened.body), Some(n), "{what}");
                }
            }
        }
    }
}

#[test]
fn the_next_process_goes_on_from_any_failure_of_one_that_was_killed() {
    restart_matrix(|_| ());
}

#[test]
fn and_from_any_of_one_that_stopped_in_order() {
    restart_matrix(|log| drop(log.clear_redo()));
}
