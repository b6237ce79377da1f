//! Whatever stands behind what was acknowledged, and whatever happens to what can be derived: nothing is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::log::{VerifiedCheckpoint, Writer, fsck};
use certmesh_ledger::record::{Action, Entry, SignedRecord};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::common::{CREATED_MS, change, define, issue, key, members, name, open, place, replace};

/// What an append is made of: numbers that become entries.
fn batches() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let action = select(vec![Action::Suspend, Action::Reinstate, Action::Revoke]);
    let entry = prop_oneof![
        4 => (0..40u64).prop_map(issue),
        2 => (0..40u64, action).prop_map(|(n, action)| change(n, action)),
        1 => (100..140u64, 0..40u64).prop_map(|(n, before)| replace(n, before)),
        1 => Just(define()),
    ];
    prop::collection::vec(prop::collection::vec(entry, 1..5), 1..8)
}

/// Damage to one file: cut at a place, then bytes put behind.
#[derive(Clone, Debug)]
struct Damage {
    file: Index,
    cut: Option<Index>,
    tail: Vec<u8>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let tail = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(Just(0u8), 0..200),
        // The beginning of a frame.
        (1..2000u32, prop::collection::vec(any::<u8>(), 0..2500))
            .prop_map(|(len, rest)| { [&len.to_le_bytes()[..], &rest].concat() }),
    ];
    (any::<Index>(), proptest::option::of(any::<Index>()), tail)
        .prop_map(|(file, cut, tail)| Damage { file, cut, tail })
}

fn is_derived(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    path.file_name().is_some_and(|name| name == "tree")
        || matches!(extension, Some("offsets" | "index"))
}

/// Appends random bytes to records, cuts and garbles what is derived. Returns what was touched.
fn garble(disk: &MemoryDisk, damages: &[Damage]) -> Vec<PathBuf> {
    let files: Vec<PathBuf> = disk
        .paths()
        .into_iter()
        .filter(|path| path.starts_with("/data/logs"))
        .collect();
    let mut touched = Vec::new();
    for damage in damages {
        let path = &files[damage.file.index(files.len())];
        disk.corrupt(path, |bytes| {
            if is_derived(path)
                && let Some(cut) = damage.cut
                && !bytes.is_empty()
            {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes.extend_from_slice(&damage.tail);
        })
        .expect("the file is there");
        touched.push(path.clone());
    }
    touched
}

struct Acknowledged {
    checkpoint: VerifiedCheckpoint,
    records: Vec<SignedRecord>,
}

fn written(disk: &MemoryDisk, batches: Vec<Vec<Entry>>) -> Acknowledged {
    let (log, _) = open(disk);
    let mut writer = Writer::new(Arc::clone(&log), key(1));
    for (entries, time_ms) in batches.into_iter().zip(CREATED_MS..) {
        writer.append(time_ms, entries).expect("appended");
    }
    // What is damaged or put back afterwards is not healed from the journal.
    log.clear_redo().expect("written");
    let checkpoint = log.checkpoint().expect("a checkpoint");
    let records = (0..log.size())
        .map(|seq| log.record(seq).expect("readable"))
        .collect();
    Acknowledged {
        checkpoint,
        records,
    }
}

fn check(disk: &MemoryDisk, acknowledged: &Acknowledged) {
    let (log, opening) = open(disk);
    assert_eq!(opening.set_aside, None);
    assert_eq!(log.checkpoint().as_ref(), Some(&acknowledged.checkpoint));
    for (record, seq) in acknowledged.records.iter().zip(0..) {
        assert_eq!(&log.record(seq).expect("readable"), record);
        if let Entry::CertificateIssued(issued) = &record.record().entry {
            assert!(
                log.by_certificate(&issued.id)
                    .expect("readable")
                    .contains(record)
            );
            assert!(
                log.by_subject(&[issued.subject], 0, 999)
                    .expect("readable")
                    .0
                    .contains(record)
            );
        }
    }
    let report = fsck(&place(disk), &members(), |_| ()).expect("readable");
    assert_eq!(
        report.faults().collect::<Vec<_>>(),
        Vec::<&certmesh_ledger::log::Fault>::new()
    );
    let mut writer = Writer::new(Arc::clone(&log), key(1));
    let (_, next) = writer
        .append(CREATED_MS + 999, vec![issue(999)])
        .expect("appended");
    assert_eq!(next.size, acknowledged.checkpoint.size + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_behind_the_records_and_damage_to_derived_files_cost_nothing_acknowledged(
        batches in batches(),
        damages in prop::collection::vec(damage(), 1..8),
    ) {
        let disk = MemoryDisk::new();
        let acknowledged = written(&disk, batches);
        prop_assert!(!garble(&disk, &damages).is_empty());
        check(&disk, &acknowledged);
    }

    #[test]
    fn records_signed_but_never_acknowledged_are_cut_off(
        batches in batches(),
        more in batches(),
        older_slot in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let disk = MemoryDisk::new();
        let acknowledged = written(&disk, batches);
        let head = Path::new("/data/heads").join(name().id.to_string());
        let mut kept = Vec::new();
        disk.corrupt(&head, |bytes| kept.clone_from(bytes)).expect("a head file");
        written(&disk, more);
        // As after a crash between the records' sync and the head's: frames, tree and indexes run ahead of the head, and
        // the slot that was being written is torn.
        disk.corrupt(&head, |bytes| {
            bytes.clone_from(&kept);
            let counter = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
            let older = if counter(4096) < counter(8192) { 4096 } else { 8192 };
            bytes[older..older + older_slot.len()].copy_from_slice(&older_slot);
        })
        .expect("a head file");
        check(&disk, &acknowledged);
    }

    #[test]
    fn a_log_with_records_missing_is_set_aside_whole_and_never_shortened(
        batches in batches(),
        file in any::<Index>(),
        cut in any::<Index>(),
    ) {
        let disk = MemoryDisk::new();
        let acknowledged = written(&disk, batches);
        let records: Vec<PathBuf> = disk
            .paths()
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "records"))
            .collect();
        let mut before = 0;
        disk.corrupt(&records[file.index(records.len())], |bytes| {
            before = bytes.len();
            bytes.truncate(cut.index(before));
        })
        .expect("the file is there");
        let (log, opening) = open(&disk);
        let aside = opening.set_aside.map(|(path, _)| path);
        prop_assert_eq!(log.size(), 0);
        let aside = aside.expect("set aside");
        prop_assert!(disk.paths().iter().any(|path| path.starts_with(&aside)));
        prop_assert!(log.checkpoint().is_none());
        let mut writer = Writer::new(Arc::clone(&log), key(1));
        prop_assert!(writer.append(CREATED_MS + 999, vec![issue(999)]).is_err());
        prop_assert!(acknowledged.checkpoint.size > 0);
    }
}
