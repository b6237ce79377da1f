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
fn a_commit_is_one_write_and_one_sync_however_many_files_it_changes() {
    let disk = MemoryDisk::new();
    let (mut writer, bodies) = issue_some(&disk, 0..1);
    // All that was ever synced is the journal: what is lost of the other files comes from it.
    for n in 1..4 {
        let keep = |first| kept(&bodies, first, n);
        writer.append_with(n, vec![issue(n)], keep).unwrap();
        let after = disk.crash(|| false);
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
        }) && bodies.destroy(writer.log(), 1).is_ok()
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
                bodies.destroy(&log, 1).unwrap();
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
        if (12..16).contains(&at) {
            continue;
        }
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
