use super::*;
use crate::codec::Blob;
use crate::governance::Why;
use crate::log::{
    Applied, ApplyError, BrokenRule, Checkpoint, CheckpointError, EvidenceError, ForkEvidence,
    MAX_PAGE, Page, SignedCheckpoint, Stopped, WriteError, fsck,
};
use crate::merkle::CompactRange;
use crate::record::{Record, SignedRecord, Status};

/// Copies everything from one log to another in pages of at most `bytes`.
pub(super) fn replicate(from: &Log, to: &Log, bytes: usize) {
    loop {
        let page = from
            .page(to.held(), bytes)
            .unwrap()
            .verify(&members())
            .unwrap();
        if let Applied::Nothing = to.apply(&page).unwrap() {
            assert_eq!(
                to.held(),
                from.size(),
                "a page always brings something until the end"
            );
            return;
        }
    }
}

#[test]
fn what_is_appended_is_found_by_certificate_subject_and_type_and_survives_reopening() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    for reopened in [false, true] {
        let log = if reopened {
            open(&disk).0
        } else {
            Arc::clone(&log)
        };
        assert_eq!(log.size(), 27);
        assert!(log.issue_of(&id(3)).unwrap().is_some());
        assert!(log.issue_of(&id(999)).unwrap().is_none());
        let history = log.by_certificate(&id(0)).unwrap();
        assert_eq!(history.len(), 3, "issued, suspended, reinstated");
        assert_eq!(log.status(&id(0)).unwrap(), None);
        assert_eq!(log.status(&id(5)).unwrap().unwrap().status, Status::Revoked);
        assert_eq!(
            log.status(&id(6)).unwrap().unwrap().status,
            Status::Superseded
        );
        let tag = SubjectTag(hash(Purpose::Subject, &2u64.to_le_bytes()));
        let about = log.by_subject(&[tag], 0, 100).unwrap().0;
        assert_eq!(about.len(), 4);
        let second_page = log
            .by_subject(&[tag], about[1].record().seq + 1, 1)
            .unwrap()
            .0;
        assert_eq!(second_page[0], about[2]);
        assert_eq!(
            log.by_type(&id(0).type_code(), 0, 1000).unwrap().0.len(),
            20
        );
        assert_eq!(log.issued().values().sum::<u64>(), 20);
        assert_eq!(log.certificates(5, 3).unwrap().0.len(), 3);
    }
    let (_, opening) = open(&disk);
    assert_eq!(
        (
            opening.records,
            opening.cut_off,
            opening.repaired,
            opening.set_aside
        ),
        (27, 0, 0, None)
    );
}

#[test]
fn a_replica_fed_with_pages_of_any_size_ends_with_the_same_roots() {
    let (log, _) = open(&MemoryDisk::new());
    grow(&log, 0..20);
    for bytes in [400, 1_000, 5_000, MAX_PAGE] {
        let disk = MemoryDisk::new();
        let (replica, _) = open(&disk);
        replicate(&log, &replica, bytes);
        assert_eq!(replica.checkpoint(), log.checkpoint());
        assert_eq!(replica.status(&id(5)).unwrap(), log.status(&id(5)).unwrap());
        assert_eq!(open(&disk).0.checkpoint(), log.checkpoint());
    }
}

#[test]
fn a_replica_shows_nothing_of_a_checkpoint_it_has_not_reached_and_goes_on_after_a_restart() {
    let (log, _) = open(&MemoryDisk::new());
    grow(&log, 0..4);
    let disk = MemoryDisk::new();
    let (replica, _) = open(&disk);
    replicate(&log, &replica, MAX_PAGE);
    grow(&log, 4..12);
    let page = log.page(12, 1_500).unwrap().verify(&members()).unwrap();
    assert!(matches!(replica.apply(&page), Ok(Applied::Progress { .. })));
    let held = replica.held();
    assert!(held > 12 && held < 36);
    assert_eq!(replica.size(), 12);
    assert!(replica.by_certificate(&id(8)).unwrap().is_empty());
    let (replica, opening) = open(&disk);
    assert_eq!((opening.records, opening.set_aside), (held, None));
    assert_eq!((replica.size(), replica.held()), (12, held));
    replicate(&log, &replica, MAX_PAGE);
    assert_eq!(replica.checkpoint(), log.checkpoint());
}

#[test]
fn proofs_of_record_and_status_verify_against_the_checkpoint_alone() {
    let (log, _) = open(&MemoryDisk::new());
    grow(&log, 0..9);
    let checkpoint = log.checkpoint().unwrap();
    for seq in 0..27 {
        let leaf = log.record(seq).unwrap().leaf();
        log.inclusion(seq, &checkpoint)
            .unwrap()
            .verify(&leaf, &checkpoint.root)
            .unwrap();
    }
    for (n, status) in [(0, None), (5, Some(Status::Revoked)), (77, None)] {
        let (checkpoint, _, proof) = log.prove_status(&id(n)).unwrap();
        let value = proof
            .verify(&checkpoint.status_root, &crate::log::status_key(&id(n)))
            .unwrap();
        let expected = log.status(&id(n)).unwrap();
        assert_eq!(expected.map(|entry| entry.status), status);
        assert_eq!(value, expected.map(|entry| entry.value()));
    }
}

#[test]
fn two_histories_are_found_at_the_first_record_that_differs_and_stop_the_log() {
    let (one, _) = open(&MemoryDisk::new());
    let (two, _) = open(&MemoryDisk::new());
    grow(&one, 0..5);
    grow(&two, 0..5);
    grow(&one, 5..12);
    grow(&two, 6..14);
    let (replica, _) = open(&MemoryDisk::new());
    replicate(&one, &replica, MAX_PAGE);
    // From far beyond the fork nothing can be said but that they differ below.
    let late = two.page(30, MAX_PAGE).unwrap().verify(&members()).unwrap();
    assert!(matches!(
        replica.apply(&late),
        Err(ApplyError::Diverged { below: 30 })
    ));
    let page = two.page(10, MAX_PAGE).unwrap();
    let mut from = page.from;
    let evidence = loop {
        let page = two
            .page(from, MAX_PAGE)
            .unwrap()
            .verify(&members())
            .unwrap();
        from = page.end();
        match replica.apply(&page) {
            Err(ApplyError::Forked(evidence)) => break evidence,
            Ok(Applied::Nothing) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(evidence.position(), 15);
    evidence.verify(&members()).unwrap();
    let bytes = crate::codec::encode(&*evidence);
    assert_eq!(ForkEvidence::decode(&bytes).unwrap(), *evidence);
    assert!(matches!(replica.stopped(), Some(Stopped::Forked(_))));
    let more = one.page(0, MAX_PAGE).unwrap().verify(&members()).unwrap();
    assert!(matches!(replica.apply(&more), Err(ApplyError::Stopped)));
    let same = ForkEvidence::records(name().id, &one.record(3).unwrap(), &one.record(3).unwrap());
    assert!(same.verify(&members()).is_err());
}

#[test]
fn any_flipped_byte_of_a_page_is_refused_or_changes_nothing() {
    let (log, _) = open(&MemoryDisk::new());
    grow(&log, 0..3);
    let bytes = crate::codec::encode(&log.page(2, 900).unwrap());
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let page = crate::log::Page::decode(&flipped).map(|page| page.verify(&members()));
        assert!(!matches!(page, Ok(Ok(_))), "byte {at} is not covered");
    }
}

#[test]
fn an_empty_page_at_the_end_announces_the_head() {
    let (log, _) = open(&MemoryDisk::new());
    grow(&log, 0..3);
    let page = log.page(9, MAX_PAGE).unwrap().verify(&members()).unwrap();
    assert_eq!((page.from(), page.end()), (9, 9));
    let (replica, _) = open(&MemoryDisk::new());
    assert!(matches!(
        replica.apply(&page),
        Err(ApplyError::Gap { from: 9, held: 0 })
    ));
}

/// A log's first record, as the department would sign it.
fn first(log: &LogName, (height, key_epoch): (u64, u32), entry: Entry) -> SignedRecord {
    let record = Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: 1,
        height,
        key_epoch,
        entry,
    };
    SignedRecord::sign(log, record, &key())
}

/// A checkpoint of that record alone.
fn checkpoint_of(log: &LogName, record: &SignedRecord) -> SignedCheckpoint {
    let mut range: CompactRange = CompactRange::empty();
    range.push(record.leaf(), &mut |_, _, _| ());
    let checkpoint = Checkpoint {
        log: log.id,
        size: 1,
        root: range.root(),
        head: record.hash(),
        status_root: Hash::ZERO,
        time_ms: 1,
        height: 0,
        key_epoch: 0,
    };
    SignedCheckpoint::sign(log.network, checkpoint, &key())
}

#[test]
fn a_checkpoint_of_an_earlier_height_or_key_than_its_last_record_is_the_department_s_fault() {
    let rules = [
        ((1, 0), BrokenRule::CheckpointClaim { size: 1 }),
        // Nobody had that key as of that height.
        (
            (0, 1),
            BrokenRule::Claim {
                seq: 0,
                why: Why::NotInForce,
            },
        ),
    ];
    for (later, rule) in rules {
        stops_for_its_claim(&first(&name(), later, issue(1)), &rule);
    }
}

fn stops_for_its_claim(record: &SignedRecord, rule: &BrokenRule) {
    let page = Page {
        checkpoint: checkpoint_of(&name(), record),
        from: 0,
        left: Bounded::default(),
        right: Bounded::default(),
        frames: Blob::new(record.frame()).unwrap(),
    };
    // Whoever sent the page is not to blame.
    let page = page.verify(&members()).unwrap();
    let (replica, _) = open(&MemoryDisk::new());
    let refused = replica.apply(&page);
    assert!(
        matches!(&refused, Err(ApplyError::Broken(broken)) if broken == rule),
        "{refused:?}"
    );
    assert!(matches!(replica.stopped(), Some(Stopped::Broken(_))));
}

#[test]
fn what_is_signed_for_a_further_log_of_a_department_proves_nothing() {
    let mut further = name();
    further.id.generation = 1;
    let [one, other] = [1, 2].map(|n| first(&further, (0, 0), issue(n)));
    let refused = CheckpointError::Nothing {
        department: further.id.department,
        why: Why::Generation,
    };
    assert_eq!(
        checkpoint_of(&further, &one).verify(&members()),
        Err(refused.clone())
    );
    let evidence = ForkEvidence::records(further.id, &one, &other);
    assert_eq!(
        evidence.verify(&members()),
        Err(EvidenceError::Checkpoint(refused))
    );
}

/// Records of every kind that changes a status, also where it may not.
fn issues_and_changes_of_every_kind() -> [Entry; 17] {
    [
        issue(1),
        issue(2),
        change(2, Action::Suspend),
        // A suspended certificate is not replaced; one not issued yet is neither revoked nor replaced.
        issue_after(3, Some(2)),
        change(9, Action::Revoke),
        issue_after(4, Some(9)),
        // Issued again: the record changes nothing of 1, but what it names as predecessor is replaced.
        issue_after(1, Some(4)),
        change(4, Action::Reinstate),
        // A merge replaces those that are valid and leaves the others.
        issue_in_place(5, SuccessionKind::Merge, &[1, 2, 3]),
        // Each part of a split names the same certificate; the first replaces it.
        issue_in_place(6, SuccessionKind::Split, &[5]),
        issue_in_place(7, SuccessionKind::Split, &[5]),
        // A transfer changes nothing in the log it is written to, also not of what stands there itself.
        issue_in_place(8, SuccessionKind::Transfer, &[7]),
        // Round in a circle: 6 is replaced by what came before it.
        issue_in_place(5, SuccessionKind::Renewal, &[6]),
        // It is issued after all, and plainly valid until it is changed from then on.
        issue(9),
        issue(10),
        change(10, Action::Revoke),
        change(77, Action::Revoke),
    ]
}

/// By certificate: its status if not plainly valid, and which of those records made it so.
const THEN_HELD: [(u64, Option<(Status, u64)>); 11] = [
    (1, Some((Status::Superseded, 8))),
    (2, Some((Status::Suspended, 2))),
    (3, Some((Status::Superseded, 8))),
    (4, Some((Status::Superseded, 6))),
    (5, Some((Status::Superseded, 9))),
    (6, Some((Status::Superseded, 12))),
    (7, None),
    (8, None),
    (9, None),
    (10, Some((Status::Revoked, 15))),
    (77, None),
];

#[test]
fn writer_replica_opening_and_check_agree_on_statuses_whatever_was_written() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    for (entry, time_ms) in issues_and_changes_of_every_kind().into_iter().zip(1..) {
        writer.append(time_ms, vec![entry]).unwrap();
    }
    let copy = MemoryDisk::new();
    let (replica, _) = open(&copy);
    replicate(&log, &replica, MAX_PAGE);
    let (slow, _) = open(&MemoryDisk::new());
    replicate(&log, &slow, 1_200);
    let (reopened, opening) = open(&disk);
    assert_eq!(opening.set_aside, None);
    for log in [&log, &replica, &slow, &reopened] {
        for (n, status) in THEN_HELD {
            let held = log
                .status(&id(n))
                .unwrap()
                .map(|entry| (entry.status, entry.seq));
            assert_eq!(held, status, "certificate {n}");
        }
    }
    assert_eq!(log.issue_of(&id(1)).unwrap().unwrap().record().seq, 0);
    let report = fsck(&place(&copy, 8), &members(), |_| ()).unwrap();
    assert_eq!(report.faults().count(), 0);
}

#[test]
fn nothing_to_append_is_refused_and_nothing_is_signed() {
    let (log, _) = open(&MemoryDisk::new());
    let mut writer = Writer::new(Arc::clone(&log), key());
    assert!(matches!(
        writer.append(1, vec![]),
        Err(WriteError::NoEntries)
    ));
    assert_eq!(log.checkpoint(), None);
}
