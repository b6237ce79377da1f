//! A type's versions as the status map commits to them, and a subject's latest certificates.

use super::basics::replicate;
use super::*;
use crate::id::TypeCode;
use crate::log::{
    DefinitionEntry, Listing, MAX_PAGE, MAX_VERSIONS, definition_key, fsck, status_key,
};
use crate::record::{Record, SignedRecord, TypeDefined};

fn code(number: u16) -> TypeCode {
    TypeCode::new(&ISSUER.parse().unwrap(), number).unwrap()
}

/// A version of a type, recognised by its name.
fn define(number: u16, name: usize) -> Entry {
    let name = Text::new(name.to_string()).unwrap();
    Entry::from(TypeDefined::new(code(number), name))
}

/// A certificate of a type about one of five subjects.
fn issue_of(number: u16, n: u64) -> Entry {
    let Entry::CertificateIssued(issued) = issue(n) else {
        unreachable!()
    };
    let issuer = IssuerCode::Department(ISSUER.parse().unwrap());
    let id = CertificateId::new(code(number), issuer, &format!("S{n}"), 1).unwrap();
    Entry::CertificateIssued(CertificateIssued { id, ..issued })
}

/// What the status map commits to.
fn entry_of(log: &Log, number: u16) -> Option<DefinitionEntry> {
    log.prove_definition(&code(number)).unwrap().1
}

fn tag(n: u64) -> SubjectTag {
    SubjectTag(hash(Purpose::Subject, &n.to_le_bytes()))
}

/// Positions of a type's definitions, each with the hash and the time of its record.
fn listed(log: &Log, number: u16) -> Vec<u64> {
    let definitions = log.definitions();
    let listings = definitions.listings(&code(number)).iter();
    let seq = |listing: &Listing| {
        let record = log.record(listing.seq).unwrap();
        let (hash, time_ms) = (record.hash(), record.record().time_ms);
        assert_eq!((listing.hash, listing.time_ms), (hash, time_ms));
        listing.seq
    };
    listings.map(seq).collect()
}

fn seqs(records: &[SignedRecord]) -> Vec<u64> {
    records.iter().map(|record| record.record().seq).collect()
}

/// The same in the log that wrote it, a replica, and both after a restart, with nothing wrong on their disks.
fn everywhere(disk: &MemoryDisk, log: &Log, check: impl Fn(&Log)) {
    check(log);
    let copy = MemoryDisk::new();
    let (replica, _) = open(&copy);
    replicate(log, &replica, MAX_PAGE);
    check(&replica);
    for disk in [disk, &copy] {
        check(&open(disk).0);
        let report = fsck(&place(disk, 8), &members(), |_| ()).unwrap();
        assert_eq!(report.faults().count(), 0, "{:?}", report.faults().next());
    }
}

#[test]
fn each_definition_is_one_more_link_of_its_types_chain_and_proved_under_the_checkpoint() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    let entries = vec![
        define(1, 0),
        define(2, 0),
        issue_of(1, 1),
        define(1, 1),
        change(9, Action::Revoke),
        define(1, 2),
    ];
    writer.append(1, entries).unwrap();
    everywhere(&disk, &log, |log| {
        let mut chain = DefinitionEntry::NONE;
        for seq in [0, 3, 5] {
            let hash = log.record(seq).unwrap().hash();
            chain = chain.and(seq, &hash).unwrap();
        }
        assert_eq!(chain.versions, 3);
        assert_eq!(entry_of(log, 1), Some(chain));
        assert_eq!(entry_of(log, 2).unwrap().versions, 1);
        assert_eq!(entry_of(log, 3), None);
        for number in 1..=3 {
            let (checkpoint, entry, proof) = log.prove_definition(&code(number)).unwrap();
            let key = definition_key(&code(number));
            let value = proof.verify(&checkpoint.status_root, &key).unwrap();
            assert_eq!(value, entry.map(|entry| entry.value()), "type {number}");
        }
        // Statuses stand in the same map, under keys of their own.
        let (checkpoint, entry, proof) = log.prove_status(&id(9)).unwrap();
        let value = proof.verify(&checkpoint.status_root, &status_key(&id(9)));
        assert_eq!(value.unwrap(), entry.map(|entry| entry.value()));
        assert_eq!(listed(log, 1), [0, 3, 5]);
        assert_eq!(listed(log, 3), [0; 0]);
    });
}

#[test]
fn versions_beyond_the_most_that_count_change_nothing_for_anybody() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    let all = (0..MAX_VERSIONS).map(|name| define(1, name)).collect();
    writer.append(1, all).unwrap();
    let full = entry_of(&log, 1).unwrap();
    let root = log.checkpoint().unwrap().status_root;
    assert_eq!(full.versions as usize, MAX_VERSIONS);
    let more = (0..5).map(|name| define(1, name)).collect();
    let (_, checkpoint) = writer.append(2, more).unwrap();
    assert_eq!(checkpoint.status_root, root);
    everywhere(&disk, &log, |log| {
        assert_eq!(entry_of(log, 1), Some(full));
        assert_eq!(listed(log, 1), (0..MAX_VERSIONS as u64).collect::<Vec<_>>());
        let definitions = log.definitions();
        let held = &definitions.types()[&code(1)];
        assert_eq!((held.count(), held.seq()), (MAX_VERSIONS, full.seq));
        assert_eq!(held.hash(), log.record(full.seq).unwrap().hash());
        let last = (MAX_VERSIONS - 1).to_string();
        match &log.record(held.seq()).unwrap().record().entry {
            Entry::TypeDefined(defined) => assert_eq!(defined.name.as_str(), last),
            entry => panic!("{entry:?}"),
        }
    });
}

#[test]
fn the_latest_certificates_of_a_type_about_a_subject_come_first_and_a_cut_is_reported() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    // Types 1 and 2 in turn; subjects 0 to 4 in turn: 30 certificates in segments of eight.
    for n in 0..30 {
        let entry = issue_of(1 + (n % 2) as u16, n);
        writer.append(1 + n, vec![entry]).unwrap();
    }
    everywhere(&disk, &log, |log| {
        for subject in 0..5 {
            let all: Vec<u64> = (0..30).filter(|n| n % 5 == subject).collect();
            let found = log.by_subject(&[tag(subject)], 0, 100).unwrap().0;
            assert_eq!(seqs(&found), all);
            for number in [1, 2] {
                let of_type = all.iter().copied().filter(|n| n % 2 == number - 1);
                let newest: Vec<u64> = of_type.rev().collect();
                let code = code(number as u16);
                for limit in 0..5 {
                    let (found, more) = log.latest_of(&[tag(subject)], &code, limit).unwrap();
                    assert_eq!(seqs(&found), newest[..limit.min(3)]);
                    assert_eq!(more, limit < 3, "{limit} of {}", newest.len());
                }
            }
        }
        assert_eq!(
            log.latest_of(&[tag(9)], &code(1), 5).unwrap(),
            (vec![], false)
        );
        assert_eq!(
            log.latest_of(&[tag(1)], &code(3), 5).unwrap(),
            (vec![], false)
        );
        assert!(log.may_have_issued(&code(1)) && !log.may_have_issued(&code(3)));
    });
}

#[test]
fn a_record_of_a_definition_that_another_log_repeats_has_another_hash() {
    let mut further = name();
    further.id = LogId::first("11330105002500287C".parse().unwrap());
    let record = |log: &LogName| {
        let record = Record {
            seq: 0,
            prev: RecordHash::NONE,
            time_ms: 1,
            height: 0,
            key_epoch: 0,
            entry: define(1, 0),
        };
        SignedRecord::sign(log, record, &key()).hash()
    };
    assert_ne!(record(&name()), record(&further));
}

/// A version of a type that lists many departments, others than the version before, so that each is charged.
fn listing(number: u16, turn: usize) -> Entry {
    let listed = (turn % 2..256).map(|n| DepartmentCode::from_body(&format!("11100000{n:09}")));
    let mut defined = TypeDefined::new(code(number), Text::new("n").unwrap());
    defined.issuers = Bounded::first(listed.map(Result::unwrap));
    Entry::from(defined)
}

fn open_at(disk: &MemoryDisk, segment_records: u64) -> Arc<Log> {
    let opened = Log::open(&place(disk, segment_records), name(), &members());
    Arc::new(opened.unwrap().0)
}

#[test]
fn what_goes_beyond_the_room_for_types_has_no_effect_at_any_peer_nor_in_the_status_map() {
    let disk = MemoryDisk::new();
    let log = open_at(&disk, 512);
    let mut writer = Writer::new(Arc::clone(&log), key());
    // More than fit, in several checkpoints; the last in one with what still fits.
    for turn in 0..4 {
        let all = (0..450).map(|n| listing(1 + n % 3, turn * 450 + usize::from(n) / 3));
        writer.append(turn as u64, all.collect()).unwrap();
    }
    writer
        .append(9, vec![define(4, 0), listing(1, 0), define(4, 1)])
        .unwrap();
    let counted = |number| log.definitions().listings(&code(number)).len();
    let fits = counted(1) + counted(2) + counted(3);
    assert!((1_760..1_800).contains(&fits), "{fits}");
    assert_eq!(counted(4), 2);
    let replicas = [MAX_PAGE, 20_000].map(|bytes| {
        let disk = MemoryDisk::new();
        let replica = open_at(&disk, 512);
        replicate(&log, &replica, bytes);
        (disk, replica)
    });
    let again = open_at(&replicas[1].0, 512);
    for held in [&log, &replicas[0].1, &replicas[1].1, &again] {
        for number in 1..=4 {
            let seqs = listed(held, number);
            assert_eq!(seqs, listed(&log, number));
            let entry = entry_of(held, number).unwrap();
            assert_eq!(entry, entry_of(&log, number).unwrap());
            assert_eq!(entry.versions as usize, seqs.len());
            assert_eq!(Some(&entry.seq), seqs.last());
        }
        let root = held.checkpoint().unwrap().status_root;
        assert_eq!(root, log.checkpoint().unwrap().status_root);
    }
    let report = fsck(&place(&replicas[0].0, 512), &members(), |_| ()).unwrap();
    assert_eq!(report.faults().count(), 0, "{:?}", report.faults().next());
}
