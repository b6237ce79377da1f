//! Files that a later version wrote: refused by name, and never repaired, set aside or written over.

use std::path::{Path, PathBuf};

use super::*;
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
            key_epoch: 0,
            entry: issue(n),
        };
        SignedRecord::sign(&name(), record, &key())
    };
    ForkEvidence::records(name().id, &signed(1), &signed(2)).to_file(name().network)
}

#[test]
fn a_file_of_a_later_version_is_refused_by_name_and_nothing_is_changed() {
    use crate::disk::Disk;
    let files = [
        format!("logs/{ISSUER}/000000000000.records"),
        format!("logs/{ISSUER}/000000000000.offsets"),
        format!("logs/{ISSUER}/000000000000-000000000004.index"),
        format!("logs/{ISSUER}/000000000008.records"),
        format!("logs/{ISSUER}/tree"),
        format!("heads/{ISSUER}"),
        format!("evidence/{ISSUER}.fork"),
        format!("evidence/{ISSUER}.broken"),
    ];
    for file in files {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk);
        grow(&log, 0..5);
        drop(log);
        let fork = PathBuf::from(format!("/data/evidence/{ISSUER}.fork"));
        disk.open(&fork, true)
            .unwrap()
            .write_at(&evidence(), 0)
            .unwrap();
        let broken = PathBuf::from(format!("/data/evidence/{ISSUER}.broken"));
        let bytes = header(Kind::Broken, &name(), 0);
        disk.open(&broken, true)
            .unwrap()
            .write_at(&bytes, 0)
            .unwrap();
        disk.corrupt(&Path::new("/data").join(&file), |bytes| later(bytes))
            .unwrap();
        let before = contents(&disk);
        let error = Log::open(&place(&disk, 8), name(), &members())
            .err()
            .unwrap();
        let said = error.to_string();
        assert!(
            said.contains(&file) && said.contains("later version") && said.contains("upgrade"),
            "{said}"
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
        // A copy of another department's log: nothing is known of it, and it stays as well.
        let (log, opening) =
            Log::open_after_failure(&place(&disk, 8), name(), &members(), &error).unwrap();
        assert!(opening.closed.is_some_and(|why| why.contains(&file)));
        assert_eq!((log.size(), log.refused_write().is_some()), (0, true));
        let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
        let faults: Vec<_> = report.faults().collect();
        assert!(
            faults.len() == 1 && faults[0].later && faults[0].file == file,
            "{faults:?}"
        );
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
