//! Files that a later version wrote: refused by name, and never repaired, set aside or written over.

use std::path::{Path, PathBuf};

use super::*;
use crate::disk::Disk;
use crate::header::{Kind, header};
use crate::log::{ForkEvidence, HeaderError, OpenError, fsck};
use crate::record::{Record, SignedRecord};

/// Makes a file's header one that a later version wrote.
fn later(bytes: &mut [u8]) {
    bytes[12..16].copy_from_slice(&2_u32.to_le_bytes());
    let sum = hash(Purpose::File, &bytes[..56]);
    bytes[56..64].copy_from_slice(&sum.as_bytes()[..8]);
}

fn contents(disk: &MemoryDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let mut content = Vec::new();
        let keep = |bytes: &mut Vec<u8>| content.clone_from(bytes);
        disk.corrupt(&path, keep).unwrap();
        (path, content)
    };
    disk.paths().into_iter().map(read).collect()
}

fn evidence() -> Vec<u8> {
    let signed = |n| {
        let record = Record {
            seq: 5,
            prev: RecordHash::NONE,
            time_ms: 1,
            height: 0,
            key_epoch: 0,
            entry: issue(n),
        };
        SignedRecord::sign(&name(), record, &key())
    };
    ForkEvidence::records(name().id, &signed(1), &signed(2)).to_file(name().network)
}

/// A log with every kind of file, of which a later version wrote this one.
fn with_a_later(file: &str) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..5);
    drop(log);
    let broken = header(Kind::Broken, &name(), 0);
    for (kind, bytes) in [("fork", &evidence()[..]), ("broken", &broken)] {
        let path = PathBuf::from(format!("/data/evidence/{ISSUER}.{kind}"));
        let file = disk.open(&path, true).unwrap();
        file.write_at(bytes, 0).unwrap();
    }
    disk.corrupt(&Path::new("/data").join(file), |bytes| later(bytes))
        .unwrap();
    disk
}

fn opening_refuses_it_by_name(disk: &MemoryDisk, file: &str) -> OpenError {
    let error = Log::open(&place(disk, 8), name(), &members())
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.contains(file) && text.contains("later version") && text.contains("upgrade"),
        "{text}"
    );
    assert!(
        matches!(
            &error,
            OpenError::Later {
                error: HeaderError::Later(2),
                ..
            }
        ),
        "{file}"
    );
    error
}

/// A copy of another department's log: nothing is known of it, and it stays as well.
fn a_copy_stays_closed_for_it(disk: &MemoryDisk, file: &str, error: &OpenError) {
    let (log, opening) =
        Log::open_after_failure(&place(disk, 8), name(), &members(), error).unwrap();
    assert!(opening.closed.is_some_and(|why| why.contains(file)));
    assert_eq!((log.size(), log.refused_write().is_some()), (0, true));
}

fn fsck_finds_it_and_nothing_else(disk: &MemoryDisk, file: &str) {
    let report = fsck(&place(disk, 8), &members(), |_| ()).unwrap();
    let faults: Vec<_> = report.faults().collect();
    assert!(
        faults.len() == 1 && faults[0].later && faults[0].file == file,
        "{faults:?}"
    );
}

#[test]
fn a_file_of_a_later_version_is_refused_by_name_and_nothing_is_changed() {
    for file in [
        format!("logs/{ISSUER}/000000000000.records"),
        format!("logs/{ISSUER}/000000000000.offsets"),
        format!("logs/{ISSUER}/000000000000-000000000004.index"),
        format!("logs/{ISSUER}/000000000008.records"),
        format!("logs/{ISSUER}/tree"),
        format!("heads/{ISSUER}"),
        format!("evidence/{ISSUER}.fork"),
        format!("evidence/{ISSUER}.broken"),
    ] {
        let disk = with_a_later(&file);
        let before = contents(&disk);
        let error = opening_refuses_it_by_name(&disk, &file);
        a_copy_stays_closed_for_it(&disk, &file, &error);
        fsck_finds_it_and_nothing_else(&disk, &file);
        assert_eq!(contents(&disk), before, "{file}");
    }
}

#[test]
fn a_damaged_header_is_damage_and_not_a_later_version() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..5);
    drop(log);
    let path = PathBuf::from(format!("/data/logs/{ISSUER}/tree"));
    disk.corrupt(&path, |bytes| bytes[12] = 2).unwrap();
    assert!(open(&disk).1.repaired > 0);
}

#[test]
fn evidence_is_read_from_the_file_of_its_own_log_alone() {
    let bytes = evidence();
    assert!(ForkEvidence::from_file(&bytes, &name()).is_ok());
    let other = LogName {
        id: LogId::first("11100000000013338W".parse().unwrap()),
        ..name()
    };
    assert!(ForkEvidence::from_file(&bytes, &other).is_err());
    assert!(ForkEvidence::from_file(&bytes[64..], &name()).is_err());
    assert!(ForkEvidence::from_file(&bytes[..70], &name()).is_err());
}
