//! A sealed index answers as the growing one did that it was made of.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::filing::Filing;
use super::key::{Filed, Key, Run};
use super::sealed::RUNS_AT;
use super::tail::TailIndex;
use super::*;
use crate::codec::Text;
use crate::crypto::hash::{Purpose, hash};
use crate::disk::{Disk, MemoryDisk};
use crate::id::{CertificateId, Date};
use crate::names::{LogId, NetworkId};
use crate::record::{
    Action, BlindedSubject, CaseTag, Entry, Reason, Record, RecordHash, RetrievalHash,
    StatusChanged, SubjectTag,
};

fn name() -> LogName {
    LogName {
        network: NetworkId(hash(Purpose::Network, b"test")),
        id: LogId::first("11430000006122244L".parse().unwrap()),
    }
}

fn certificate(n: u64) -> CertificateId {
    let code = "11100000000013338W011".parse().unwrap();
    let issuer = "11430000006122244L".parse().unwrap();
    CertificateId::new(code, issuer, &format!("S{n:08}"), 1).unwrap()
}

fn key() -> IndexKey {
    IndexKey::from_transport_seed(&[7; 32])
}

/// More records than a test has.
const RECORDS: Range<u64> = 0..10_000;

fn sealed(tail: &TailIndex) -> SealedIndex {
    sealed_on(&MemoryDisk::new(), Path::new("/index"), tail)
}

/// Written to a file, and opened from there.
fn sealed_on(disk: &MemoryDisk, path: &Path, tail: &TailIndex) -> SealedIndex {
    let runs = tail.sorted();
    let counts = runs.each_ref().map(|run| run.len() as u64);
    let entries = |run: usize| Ok(runs[run].iter().copied().map(Ok));
    let file = disk.open(path, true).unwrap();
    SealedIndex::write(file, &key(), &name(), RECORDS, counts, entries).unwrap();
    let file = disk.open(path, false).unwrap();
    let opened = SealedIndex::open(file, &name(), RECORDS, &key());
    opened.unwrap().unwrap()
}

/// What a key of the subject run is made of.
fn named(n: u64) -> Key {
    Key::new(Run::Subject, &[&n.to_le_bytes()])
}

/// Records' keys: some of a record each, some of as many as an issuer likes.
fn keys() -> impl Strategy<Value = Vec<u64>> {
    let runs = prop::collection::vec((any::<u64>(), 1..700usize), 0..9);
    runs.prop_map(|runs| {
        let repeat = |(key, times): &(u64, usize)| std::iter::repeat_n(*key, *times);
        runs.iter().flat_map(repeat).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sealed_index_answers_as_the_growing_one(
        keys in keys(),
        shift in 0..9_973usize,
        other in any::<u64>(),
        from in 0..5_000u32,
        limit in 0..900usize,
    ) {
        let mut tail = TailIndex::default();
        let mut filing = Filing::default();
        let mut places: std::collections::BTreeMap<u64, Vec<u32>> = Default::default();
        for place in 0..keys.len() {
            let of = keys[(place * 9_973 + shift) % keys.len()];
            let named = named(of).under(&key());
            filing.0[named.run as usize].push((named.fingerprint, place as u32));
            places.entry(of).or_default().push(place as u32);
        }
        tail.take(&filing);
        let sealed = sealed(&tail);
        places.entry(other).or_default();
        for (of, places) in places {
            let of = named(of).under(&key());
            let first: Vec<u32> =
                places.iter().copied().filter(|place| *place >= from).take(limit).collect();
            prop_assert_eq!(&tail.first(of, from, limit), &first);
            prop_assert_eq!(sealed.first(of, from, limit).unwrap(), first);
            let latest: Vec<u32> =
                places.iter().rev().copied().filter(|place| *place < from).take(limit).collect();
            prop_assert_eq!(&tail.latest(of, from, limit), &latest);
            prop_assert_eq!(sealed.latest(of, from, limit).unwrap(), latest);
        }
    }
}

#[test]
fn a_byte_that_changes_after_the_opening_makes_the_block_an_error_and_hides_nothing() {
    let disk = MemoryDisk::new();
    let path = Path::new("/index");
    let mut filing = Filing::default();
    // Several blocks, one key with more entries than a block takes.
    let keys: Vec<u64> = (0..1_200).chain(std::iter::repeat_n(7, 600)).collect();
    let filed = |run, n: u64| Filed {
        run,
        fingerprint: named(n).under(&key()).fingerprint,
    };
    for run in [Run::Certificate, Run::Subject, Run::Type] {
        let entries = keys.iter().zip(0..);
        filing.0[run as usize]
            .extend(entries.map(|(n, place)| (filed(run, *n).fingerprint, place)));
    }
    let mut tail = TailIndex::default();
    tail.take(&filing);
    let sealed = sealed_on(&disk, path, &tail);
    let end = RUNS_AT as usize + 3 * 12 * keys.len();
    let mut refused = 0;
    for at in (RUNS_AT as usize..end).step_by(1_301) {
        disk.corrupt(path, |bytes| bytes[at] ^= 0x10).unwrap();
        for run in [Run::Certificate, Run::Subject, Run::Type] {
            for n in (0..1_200).step_by(97).chain([7, 5_000]) {
                let of = filed(run, n);
                for (found, rightly) in [
                    (sealed.first(of, 0, 700), tail.first(of, 0, 700)),
                    (sealed.latest(of, 1_700, 700), tail.latest(of, 1_700, 700)),
                ] {
                    match found {
                        Ok(found) => assert_eq!(found, rightly, "byte {at}, {n}"),
                        Err(error) => {
                            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                            refused += 1;
                        }
                    }
                }
            }
        }
        disk.corrupt(path, |bytes| bytes[at] ^= 0x10).unwrap();
    }
    assert!(refused > 100, "{refused}");
    disk.corrupt(path, |bytes| bytes.truncate(end - 1)).unwrap();
    assert!(sealed.latest(filed(Run::Type, 7), 1_800, 1).is_ok());
    let last = keys
        .iter()
        .max_by_key(|n| filed(Run::Type, **n).fingerprint);
    assert!(
        sealed
            .first(filed(Run::Type, *last.unwrap()), 0, 1)
            .is_err()
    );
}

#[test]
fn keys_of_different_kinds_never_meet_whatever_they_name() {
    let hash = Hash::from_bytes([3; 32]);
    let id = certificate(1);
    let code = id.type_code();
    let (subject, name) = (SubjectTag(hash), RetrievalHash(hash));
    let keys = [
        Key::certificate(&id),
        Key::issue(&id),
        Key::erasure(&id),
        Key::subject(&subject),
        Key::of_subject(&subject, &code),
        Key::blinded(&BlindedSubject(hash)),
        Key::type_code(&code),
        Key::retrieval(ReceiptKind::Decided, &name),
        Key::retrieval(ReceiptKind::Acknowledged, &name),
        Key::case(&CaseTag(hash)),
        Key::receipts(ReceiptKind::Decided),
        Key::receipts_on(ReceiptKind::Decided, Date::in_china(0)),
        Key::last_day(Date::in_china(0)),
        Key::action(Action::Suspend),
        Key::action(Action::Reinstate),
    ];
    for (n, one) in keys.iter().enumerate() {
        assert!(keys[n + 1..].iter().all(|other| other != one), "{n}");
    }
}

#[test]
fn a_sealed_index_rules_out_nearly_every_absent_certificate_without_a_read() {
    let filed = |n: u64| Key::new(Run::Certificate, &[&n.to_le_bytes()]).under(&key());
    let mut filing = Filing::default();
    let certificates = &mut filing.0[Run::Certificate as usize];
    certificates.extend((0..5_000).map(|n| (filed(n).fingerprint, n as u32)));
    let mut tail = TailIndex::default();
    tail.take(&filing);
    let sealed = sealed(&tail);
    assert!((0..5_000).all(|n| sealed.may_have(filed(n))));
    let passed = (5_000..15_000).filter(|n| sealed.may_have(filed(*n)));
    assert!(passed.count() < 200, "2 in 100 at most");
}

#[test]
fn a_part_with_no_certificate_or_few_is_sealed_like_any_other() {
    for count in 0..40u64 {
        let filed = |n: u64| Key::new(Run::Certificate, &[&n.to_le_bytes()]).under(&key());
        let mut filing = Filing::default();
        let certificates = &mut filing.0[Run::Certificate as usize];
        certificates.extend((0..count).map(|n| (filed(n).fingerprint, n as u32)));
        // The same one twice, as an issue that was repeated.
        certificates.extend((0..count.min(1)).map(|n| (filed(n).fingerprint, 99)));
        let mut tail = TailIndex::default();
        tail.take(&filing);
        let sealed = sealed(&tail);
        for n in 0..count {
            assert_eq!(sealed.first(filed(n), 0, 1).unwrap(), [n as u32], "{count}");
        }
        assert!(sealed.first(filed(1_000), 0, 1).unwrap().is_empty());
    }
}

/// A change of one of five certificates, in an order that leaves some out of some segments.
fn change_of(seq: u64) -> (u64, Entry) {
    let of = seq * seq % 7 % 5;
    let changed = StatusChanged {
        id: certificate(of),
        action: Action::Suspend,
        reason: Reason::Other,
        text: Text::default(),
        inherited: None,
    };
    (of, Entry::StatusChanged(changed))
}

fn record(seq: u64) -> Record {
    Record {
        seq,
        prev: RecordHash::NONE,
        time_ms: 1_000,
        height: 0,
        key_epoch: 0,
        entry: change_of(seq).1,
    }
}

#[test]
fn positions_are_found_in_order_across_parts_merged_or_not() {
    const PART: u64 = 8;
    let disk = MemoryDisk::new();
    let cases = [0, 5, 8, 27, 32, 70, 400].map(|size| [(size, false), (size, true)]);
    for (size, merge) in cases.into_iter().flatten() {
        let index = Index::new(key());
        for seq in 0..size {
            let mut filing = Filing::default();
            filing.add(&key(), &name(), &record(seq), (seq % PART) as u32);
            index.enter(&[filing]);
            if (seq + 1) % PART == 0 {
                let path = format!("/{size}/{seq}.index");
                let file = disk.open(Path::new(&path), true).unwrap();
                index.seal(file, &name(), seq + 1).unwrap();
            }
        }
        while merge && let Some(records) = index.due(PART) {
            let path = format!("/{size}/{}-{}.index", records.start, records.end);
            let file = disk.open(Path::new(&path), true).unwrap();
            assert!(
                index
                    .merge(file, &name(), records, &AtomicBool::new(false))
                    .unwrap()
            );
        }
        for of in 0..6 {
            let asked = [Key::certificate(&certificate(of))];
            let all: Vec<u64> = (0..size).filter(|seq| change_of(*seq).0 == of).collect();
            for from in 0..size + 2 {
                for (until, limit) in [(size, 3), (size, 100), (size / 2, 100), (size, 0)] {
                    let among = all
                        .iter()
                        .copied()
                        .filter(|seq| (from..until).contains(seq));
                    let expected: Vec<u64> = among.take(limit).collect();
                    let found = index.first(&asked, from, until, limit).unwrap();
                    assert_eq!(found, expected, "{of}: {limit} of {from}..{until}");
                    let before = all.iter().copied().rev().filter(|seq| *seq < from);
                    let expected: Vec<u64> = before.take(limit).collect();
                    let found = index.latest(&asked[0], from, limit).unwrap();
                    assert_eq!(found, expected, "{of}: latest {limit} below {from}");
                }
            }
        }
    }
}

#[test]
fn a_record_under_several_of_the_keys_asked_for_is_found_once() {
    let index = Index::new(key());
    let mut filing = Filing::default();
    filing.add(&key(), &name(), &record(1), 0);
    filing.add(&key(), &name(), &record(0), 1);
    filing.add(&key(), &name(), &record(1), 2);
    index.enter(&[filing]);
    let (one, other) = (certificate(change_of(1).0), certificate(change_of(0).0));
    let keys = [
        Key::certificate(&one),
        Key::certificate(&other),
        Key::certificate(&one),
    ];
    assert_eq!(index.first(&keys, 0, 3, 10).unwrap(), [0, 1, 2]);
    assert_eq!(index.first(&keys, 0, 3, 2).unwrap(), [0, 1]);
}

#[test]
fn an_index_file_is_adopted_only_if_it_is_whole_and_of_those_records_and_that_key() {
    let disk = MemoryDisk::new();
    let path = Path::new("/0.index");
    let index = Index::new(key());
    let mut filing = Filing::default();
    filing.add(&key(), &name(), &record(0), 0);
    index.enter(&[filing]);
    index
        .seal(disk.open(path, true).unwrap(), &name(), 1)
        .unwrap();
    let sum = index.sealed()[0].sum();
    let adopts = |index: &Index, records| {
        let file = disk.open(path, false).unwrap();
        index.adopt(file, &name(), records, sum).unwrap()
    };
    let same = Index::new(key());
    assert!(!adopts(&same, 0..2), "it is of one record");
    assert!(!adopts(&same, 1..2), "it is of the first");
    let other = disk.open(path, false).unwrap();
    assert!(!same.adopt(other, &name(), 0..1, Hash::ZERO).unwrap());
    assert!(adopts(&same, 0..1));
    let asked = [Key::certificate(&certificate(change_of(0).0))];
    assert_eq!(same.first(&asked, 0, 9, 1).unwrap(), [0]);
    assert!(!adopts(&same, 0..1), "it is there already");
    let other = IndexKey::from_transport_seed(&[8; 32]);
    assert!(!adopts(&Index::new(other), 0..1));
    disk.corrupt(path, |bytes| *bytes.last_mut().unwrap() ^= 1)
        .unwrap();
    assert!(!adopts(&Index::new(key()), 0..1));
}

#[test]
fn merging_leaves_at_most_three_parts_of_a_size_and_few_in_all() {
    let disk = MemoryDisk::new();
    let index = Index::new(key());
    let mut most = 0;
    for seq in 0..3_000 {
        let mut filing = Filing::default();
        filing.add(&key(), &name(), &record(seq), 0);
        index.enter(&[filing]);
        let path = format!("/{seq}.index");
        let file = disk.open(Path::new(&path), true).unwrap();
        index.seal(file, &name(), seq + 1).unwrap();
        while let Some(records) = index.due(4) {
            let path = format!("/{}-{}.index", records.start, records.end);
            let file = disk.open(Path::new(&path), true).unwrap();
            assert!(
                index
                    .merge(file, &name(), records, &AtomicBool::new(false))
                    .unwrap()
            );
        }
        most = most.max(index.sealed().len());
    }
    // Sizes of 4, 16, 64, 256, 1,024 and 4,096.
    assert!(most <= 18, "{most}");
    assert_eq!(index.sealed().last().unwrap().records().end, 3_000);
}

#[test]
fn a_damaged_part_is_never_merged_into_another() {
    let disk = MemoryDisk::new();
    let index = Index::new(key());
    for seq in 0..4 {
        let mut filing = Filing::default();
        filing.add(&key(), &name(), &record(seq), 0);
        index.enter(&[filing]);
        let path = format!("/{seq}.index");
        let file = disk.open(Path::new(&path), true).unwrap();
        index.seal(file, &name(), seq + 1).unwrap();
    }
    disk.corrupt(Path::new("/2.index"), |bytes| bytes[RUNS_AT as usize] ^= 1)
        .unwrap();
    let file = disk.open(Path::new("/merged.index"), true).unwrap();
    assert!(
        index
            .merge(file, &name(), 0..4, &AtomicBool::new(false))
            .is_err()
    );
    assert_eq!(index.sealed().len(), 4);
}

#[test]
fn a_file_holds_what_its_records_give_or_is_found_to_differ() {
    let disk = MemoryDisk::new();
    let path = Path::new("/0.index");
    let index = Index::new(key());
    for seq in 0..5 {
        let mut filing = Filing::default();
        filing.add(&key(), &name(), &record(seq), seq as u32);
        index.enter(&[filing]);
    }
    index
        .seal(disk.open(path, true).unwrap(), &name(), 5)
        .unwrap();
    let check = |records: Range<u64>| {
        let file = disk.open(path, false).unwrap();
        let mut check = IndexCheck::new(file, &name(), 0..5).unwrap().unwrap();
        for seq in records {
            check.take(&name(), &record(seq));
        }
        check.holds()
    };
    assert!(check(0..5).unwrap());
    assert!(check(0..9).unwrap(), "later records are not its own");
    assert!(!check(0..4).unwrap());
    assert!(!check(1..5).unwrap());
    disk.corrupt(path, |bytes| bytes[RUNS_AT as usize] ^= 1)
        .unwrap();
    assert!(check(0..5).is_err());
}
