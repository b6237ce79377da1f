//! What a question costs, whatever a department wrote: records read, counted at the disk.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::crypto::keys::IndexKey;
use crate::disk::hooked::{HookedDisk, Operation};
use crate::id::TypeCode;
use crate::log::Applied;
use crate::lookup::MAX_READ;
use crate::record::{CertificateErased, SignedRecord};

/// A log of these entries in segments of eight, and a count of the records that a question reads.
struct Written {
    log: Arc<Log>,
    reads: Arc<AtomicUsize>,
}

impl Written {
    fn of(entries: Vec<Entry>) -> Written {
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reads);
        let disk = HookedDisk::new(MemoryDisk::new(), move |operation, path| {
            let is_record = path.extension().is_some_and(|kind| kind == "records");
            if operation == Operation::Read && is_record {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let place = Place {
            disk: Arc::new(disk.clone()),
            ..place(&disk.disk, 8)
        };
        let (log, _) = Log::open(&place, name(), &members()).unwrap();
        let log = Arc::new(log);
        Writer::new(Arc::clone(&log), key())
            .append(1, entries)
            .unwrap();
        Written { log, reads }
    }

    fn reads<T>(&self, ask: impl FnOnce(&Log) -> T) -> (T, usize) {
        let before = self.reads.load(Ordering::Relaxed);
        let found = ask(&self.log);
        (found, self.reads.load(Ordering::Relaxed) - before)
    }
}

fn seqs(records: &[SignedRecord]) -> Vec<u64> {
    records.iter().map(|record| record.record().seq).collect()
}

fn code() -> TypeCode {
    id(1).type_code()
}

fn erase(n: u64) -> Entry {
    Entry::CertificateErased(CertificateErased {
        id: id(n),
        text: Text::default(),
    })
}

#[test]
fn what_a_department_writes_about_a_certificate_costs_those_who_look_it_up_one_record() {
    // Changes, and issues that name it as predecessor, before and after the record that issues it.
    let about = |n: u64| match n % 2 {
        0 => change(1, Action::Suspend),
        _ => issue_after(1_000 + n, Some(1)),
    };
    let mut entries: Vec<Entry> = (0..50).map(about).collect();
    entries.push(issue(1));
    entries.extend((50..100).map(about));
    entries.extend([issue(1), issue(1), erase(1)]);
    entries.extend((100..120).map(about));
    let written = Written::of(entries);
    let (found, reads) = written.reads(|log| log.issue_of(&id(1)).unwrap());
    assert_eq!((found.unwrap().record().seq, reads), (50, 1));
    let (found, reads) = written.reads(|log| log.erasure_of(&id(1)).unwrap());
    assert_eq!((found.unwrap().record().seq, reads), (103, 1));
    let (found, reads) = written.reads(|log| log.last_change_of(&id(1)).unwrap());
    assert_eq!((found.unwrap().record().seq, reads), (123, 1));
    // Of a certificate that was never issued nothing is read, however much was written about it.
    let written = Written::of((0..50).map(|_| change(1, Action::Suspend)).collect());
    let (found, reads) = written.reads(|log| log.issue_of(&id(1)).unwrap());
    assert_eq!((found, reads), (None, 0));
    let (before, reads) = written.reads(|log| log.issued_before(&id(1), 50).unwrap());
    assert_eq!((before, reads), (false, 0));
}

#[test]
fn subjects_whose_tags_begin_alike_cost_one_another_nothing() {
    let of = |n: u64, subject: SubjectTag| {
        let Entry::CertificateIssued(issued) = issue(n) else {
            unreachable!()
        };
        Entry::CertificateIssued(CertificateIssued { subject, ..issued })
    };
    let real = SubjectTag(hash(Purpose::Subject, b"real"));
    // An issuer chooses what stands in its records.
    let alike = |n: u8| {
        let mut bytes = *real.0.as_bytes();
        bytes[31] ^= n;
        of(u64::from(n), SubjectTag(Hash::from_bytes(bytes)))
    };
    let mut entries: Vec<Entry> = (1..60).map(alike).collect();
    entries.push(of(0, real));
    let written = Written::of(entries);
    let (found, reads) = written.reads(|log| log.by_subject(&[real], 0, 10).unwrap());
    assert_eq!((seqs(&found.0), found.1, reads), (vec![59], None, 1));
    let (found, reads) = written.reads(|log| log.latest_of(&[real], &code(), 1).unwrap());
    assert_eq!((seqs(&found.0), found.1, reads), (vec![59], false, 1));
}

#[test]
fn every_lookup_of_many_reads_as_many_records_as_it_was_allowed_and_says_where_to_go_on() {
    let entries = (0..40).map(|n| issue(n * 5)).collect();
    let written = Written::of(entries);
    let tag = SubjectTag(hash(Purpose::Subject, &0u64.to_le_bytes()));
    for limit in [1, 7, 16] {
        let mut from = 0;
        let mut all = Vec::new();
        loop {
            let ((found, next), reads) =
                written.reads(|log| log.by_subject(&[tag], from, limit).unwrap());
            assert!(reads <= limit);
            let by_type = written.log.by_type(&code(), from, limit).unwrap();
            assert_eq!(by_type, (found.clone(), next));
            all.extend(seqs(&found));
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(all, (0..40).collect::<Vec<u64>>());
        let ((_, more), reads) = written.reads(|log| log.about(&id(0), 0, limit).unwrap());
        assert_eq!((more, reads), (limit == 1, 1));
    }
}

#[test]
fn certificates_of_one_holder_under_several_tags_come_in_the_log_s_order_and_in_pages() {
    let written = Written::of((0..40).map(issue).collect());
    let tag = |n: u64| SubjectTag(hash(Purpose::Subject, &n.to_le_bytes()));
    let tags = [tag(3), tag(0)];
    let expected: Vec<u64> = (0..40).filter(|n| [0, 3].contains(&(n % 5))).collect();
    for limit in [1, 3, 100] {
        let (mut from, mut all) = (0, Vec::new());
        loop {
            let (found, next) = written.log.by_subject(&tags, from, limit).unwrap();
            all.extend(seqs(&found));
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(all, expected, "{limit} at a time");
        let (latest, more) = written.log.latest_of(&tags, &code(), limit).unwrap();
        let newest: Vec<u64> = expected.iter().rev().copied().take(limit).collect();
        assert_eq!((seqs(&latest), more), (newest, limit < expected.len()));
    }
}

#[test]
fn certificates_among_any_number_of_other_records_are_found_a_bounded_number_of_reads_at_a_time() {
    let many = MAX_READ + 100;
    let mut entries: Vec<Entry> = vec![issue(1), issue(2)];
    entries.extend((0..many).map(|_| change(9, Action::Suspend)));
    entries.push(issue(3));
    let written = Written::of(entries);
    let ((found, next), reads) = written.reads(|log| log.certificates(1, 100).unwrap());
    let stopped = 1 + MAX_READ as u64;
    assert_eq!(
        (seqs(&found), next, reads),
        (vec![1], Some(stopped), MAX_READ)
    );
    let (found, next) = written.log.certificates(stopped, 100).unwrap();
    assert_eq!((seqs(&found), next), (vec![many as u64 + 2], None));
    let (found, next) = written.log.certificates(0, 1).unwrap();
    assert_eq!((seqs(&found), next), (vec![0], Some(1)));
}

#[test]
fn records_that_no_checkpoint_covers_yet_hide_none_of_those_that_one_does() {
    let (log, _) = open(&MemoryDisk::new());
    let mut writer = Writer::new(Arc::clone(&log), key());
    let subject = |n: u64| issue(n * 5);
    writer.append(1, vec![subject(1), subject(2)]).unwrap();
    let (replica, _) = open(&MemoryDisk::new());
    basics::replicate(&log, &replica, crate::log::MAX_PAGE);
    writer.append(2, (3..40).map(subject).collect()).unwrap();
    let mut held = 2;
    while held < 30 {
        let page = log.page(held, 3_000).unwrap().verify(&members()).unwrap();
        match replica.apply(&page) {
            Ok(Applied::Progress { held: now }) => held = now,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(replica.size(), 2);
    let tag = SubjectTag(hash(Purpose::Subject, &0u64.to_le_bytes()));
    let (found, more) = replica.latest_of(&[tag], &code(), 2).unwrap();
    assert_eq!((seqs(&found), more), (vec![1, 0], false));
    let (found, next) = replica.by_subject(&[tag], 0, 10).unwrap();
    assert_eq!((seqs(&found), next), (vec![0, 1], None));
    // Whether it was issued before a record counts what is held.
    for (before, said) in [(20, false), (21, true), (22, true)] {
        let issued = replica.issued_before(&id(21 * 5), before).unwrap();
        assert_eq!(issued, said, "before {before}");
    }
    assert_eq!(replica.issue_of(&id(21 * 5)).unwrap(), None);
}

#[test]
fn an_index_made_under_another_key_is_made_again_and_answers_the_same() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    let expected = log.by_certificate(&id(0)).unwrap();
    let sealed = PathBuf::from("/data/logs")
        .join(ISSUER)
        .join("000000000000-000000000004.index");
    let bytes = || {
        let mut bytes = Vec::new();
        let read = |found: &mut Vec<u8>| bytes.clone_from(found);
        disk.corrupt(&sealed, read).unwrap();
        bytes
    };
    let before = bytes();
    let moved = Place {
        index_key: IndexKey::from_transport_seed(&[8; 32]),
        ..place(&disk, 8)
    };
    let (log, opening) = Log::open(&moved, name(), &members()).unwrap();
    assert_eq!((opening.repaired, opening.set_aside), (0, None));
    assert_eq!(log.by_certificate(&id(0)).unwrap(), expected);
    // No entry of one says where the other has it.
    let (front, after) = (64 + 32 + 5 * 8 + 32, bytes());
    assert_eq!(before.len(), after.len());
    let entries = |bytes: &[u8]| -> std::collections::BTreeSet<Vec<u8>> {
        let trailer = u64::from_le_bytes(bytes[128..136].try_into().unwrap());
        bytes[front..bytes.len() - trailer as usize]
            .chunks(12)
            .map(|entry| entry[..8].to_vec())
            .collect()
    };
    assert!(entries(&before).is_disjoint(&entries(&after)));
}
