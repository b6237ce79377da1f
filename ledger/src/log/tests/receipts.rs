//! Receipts by retrieval, case, subject and kind, and records by time.

use std::io;

use super::*;
use crate::codec::Bounded;
use crate::log::{AppendError, ReceiptKind, WriteError};
use crate::record::{
    AccessLogRead, Asked, BlindedSubject, CaseAccepted, CaseTag, Decision, MatterRef, Received,
    RetrievalAcknowledged, RetrievalDecided, RetrievalHash, Rule, SignedRecord,
};

fn hash_of(n: u64) -> Hash {
    hash(Purpose::Retrieval, &n.to_le_bytes())
}

/// One of three subjects.
fn blinded(n: u64) -> BlindedSubject {
    BlindedSubject(hash(Purpose::BlindedSubject, &(n % 3).to_le_bytes()))
}

fn matter() -> MatterRef {
    format!("{ISSUER}/M/1").parse().unwrap()
}

fn asked(n: u64) -> Asked {
    Asked {
        issuer: ISSUER.parse().unwrap(),
        asker: ISSUER.parse().unwrap(),
        key_epoch: 0,
        matter: matter(),
        type_code: "11100000000013338W011".parse().unwrap(),
        subject: blinded(n),
        fields: Bounded::default(),
        rest: hash_of(n),
    }
}

fn named(n: u64) -> RetrievalHash {
    asked(n).name(name().network)
}

/// Of each kind of receipt one, with a certificate between them.
fn receipts(n: u64) -> Vec<Entry> {
    vec![
        Entry::from(RetrievalDecided {
            asked: asked(n),
            signature: asked(n).sign(name().network, &key()),
            decision: Decision::Refused(Rule::NoGrant),
        }),
        issue(n),
        Entry::from(RetrievalAcknowledged {
            asked: asked(n),
            outcome: Received::Wrong,
            took_ms: 1,
        }),
        Entry::CaseAccepted(CaseAccepted {
            case: CaseTag(named(n).0),
            matter: matter(),
            requirements: Bounded::default(),
        }),
        Entry::AccessLogRead(AccessLogRead {
            subject: blinded(n),
        }),
    ]
}

const ROUNDS: u64 = 7;

/// Everything there is to be found, looked for in every way.
fn all_are_found(log: &Log) {
    let seqs = |records: Vec<SignedRecord>| -> Vec<u64> {
        records.iter().map(|record| record.record().seq).collect()
    };
    for n in 0..ROUNDS {
        // The case has the retrieval's hash and is not taken for it, nor the receipt of one side for the other's.
        let first = 5 * n;
        let found = |record: Option<SignedRecord>| record.map(|record| record.record().seq);
        assert_eq!(found(log.decision_of(&named(n)).unwrap()), Some(first));
        let acknowledged = log.acknowledgement_of(&named(n)).unwrap();
        assert_eq!(found(acknowledged), Some(first + 2));
        let case = log.accepted_case(&CaseTag(named(n).0)).unwrap();
        assert_eq!(found(case), Some(first + 3));
        let latest = log.latest_of_case(&CaseTag(named(n).0)).unwrap();
        assert_eq!(found(latest), Some(first + 3));
    }
    let unknown = named(ROUNDS);
    assert!(log.decision_of(&unknown).unwrap().is_none());
    assert!(log.acknowledgement_of(&unknown).unwrap().is_none());
    assert!(log.accepted_case(&CaseTag(unknown.0)).unwrap().is_none());
    for subject in 0..3 {
        let expected: Vec<u64> = (0..ROUNDS)
            .filter(|n| n % 3 == subject)
            .flat_map(|n| [5 * n, 5 * n + 2, 5 * n + 4])
            .collect();
        let (found, next) = log.receipts_about(&[blinded(subject)], 0, 100).unwrap();
        assert_eq!(seqs(found), expected, "subject {subject}");
        assert_eq!(next, None);
        let (mut paged, mut from) = (Vec::new(), Some(0));
        while let Some(place) = from {
            let (found, next) = log.receipts_about(&[blinded(subject)], place, 2).unwrap();
            assert!(found.len() <= 2);
            paged.extend(seqs(found));
            from = next;
        }
        assert_eq!(paged, expected, "subject {subject}");
    }
    for (kind, place) in [
        (ReceiptKind::Decided, 0),
        (ReceiptKind::Acknowledged, 2),
        (ReceiptKind::Accepted, 3),
        (ReceiptKind::Looked, 4),
    ] {
        let expected: Vec<u64> = (0..ROUNDS).map(|n| 5 * n + place).collect();
        let found = |from, limit| seqs(log.receipts(kind, from, limit).unwrap());
        assert_eq!(found(0, 100), expected, "{kind:?}");
        assert_eq!(found(0, 3), expected[..3], "{kind:?}");
        assert_eq!(found(expected[2], 3), expected[2..5], "{kind:?}");
        assert_eq!(found(expected[2] + 1, 100), expected[3..], "{kind:?}");
        assert_eq!(found(5 * ROUNDS, 100), [0; 0], "{kind:?}");
    }
}

#[test]
fn receipts_are_found_while_a_segment_grows_when_it_is_sealed_and_after_a_restart() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    for n in 0..ROUNDS {
        writer.append(n, receipts(n)).unwrap();
    }
    all_are_found(&log);
    drop((writer, log));
    let (log, opening) = open(&disk);
    assert_eq!(opening.repaired, 0);
    all_are_found(&log);
    // From other files: the copy that another member makes.
    let copy = MemoryDisk::new();
    let (replica, _) = open(&copy);
    while replica.size() < log.size() {
        let page = log.page(replica.held(), 600).unwrap();
        replica.apply(&page.verify(&members()).unwrap()).unwrap();
    }
    all_are_found(&replica);
}

#[test]
fn the_first_record_since_a_time_is_found_among_equal_times_too() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    for time_ms in [0, 1, u64::MAX] {
        assert_eq!(log.first_since(time_ms).unwrap(), 0);
    }
    let mut writer = Writer::new(Arc::clone(&log), key());
    // 0, 1 at 10; 2..=11 at 20, across a seal; 12 at 21.
    writer.append(10, vec![issue(0), issue(1)]).unwrap();
    writer.append(20, (2..9).map(issue).collect()).unwrap();
    writer.append(20, (9..12).map(issue).collect()).unwrap();
    writer.append(21, vec![issue(12)]).unwrap();
    let expected = [
        (0, 0),
        (9, 0),
        (10, 0),
        (11, 2),
        (20, 2),
        (21, 12),
        (22, 13),
        (u64::MAX, 13),
    ];
    for (time_ms, first) in expected {
        assert_eq!(log.first_since(time_ms).unwrap(), first, "{time_ms}");
    }
    drop((writer, log));
    let (log, _) = open(&disk);
    for (time_ms, first) in expected {
        assert_eq!(log.first_since(time_ms).unwrap(), first, "{time_ms}");
    }
}

#[test]
fn when_what_belongs_to_entries_is_not_made_durable_they_are_not_in_the_log_either() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    let mut given = None;
    let (appended, _) = writer
        .append_with(1, vec![issue(0), issue(1)], |first| {
            given = Some(first);
            Ok(Vec::new())
        })
        .unwrap();
    assert_eq!((given, appended[0].seq), (Some(0), 0));
    let refused = writer.append_with(2, receipts(0), |first| {
        assert_eq!(first, 2);
        Err(io::Error::other("no room"))
    });
    let Err(WriteError::Append(AppendError::ReadOnly { reason, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("no room"));
    assert_eq!(log.size(), 2);
    assert!(log.decision_of(&named(0)).unwrap().is_none());
    // Nothing more, until the process restarts; nor does it run what belongs to entries that are refused.
    let refused = writer.append_with(3, vec![issue(2)], |_| panic!("nothing to keep"));
    assert!(matches!(refused, Err(WriteError::Append(_))), "{refused:?}");
    drop((writer, log));
    let (log, opening) = open(&disk);
    assert_eq!((log.size(), opening.set_aside), (2, None));
    let mut writer = Writer::new(Arc::clone(&log), key());
    writer.append(4, receipts(0)).unwrap();
    assert_eq!(log.size(), 7);
}

#[test]
fn receipts_changes_and_certificates_are_found_by_day_and_by_kind_of_action() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    let day = |n: i32| Date::from_days(20_100 + n).unwrap();
    for n in 0..30u64 {
        let mut entries = receipts(n);
        let Entry::CertificateIssued(issued) = &mut entries[1] else {
            panic!("a certificate is second");
        };
        let until = (n % 4 != 0).then(|| day((n % 4) as i32));
        issued.validity = Validity::new(Date::from_days(20_000).unwrap(), until).unwrap();
        entries.push(change(n, [Action::Suspend, Action::Revoke][n as usize % 2]));
        let at = day((n / 10) as i32).begins_in_china_ms() + n;
        writer.append(at, entries).unwrap();
    }
    let seqs = |records: Vec<SignedRecord>| -> Vec<u64> {
        records.iter().map(|it| it.record().seq).collect()
    };
    let matching = |wanted: &dyn Fn(&crate::record::Record) -> bool| -> Vec<u64> {
        let all = (0..log.size()).map(|seq| log.record(seq).unwrap());
        seqs(all.filter(|it| wanted(it.record())).collect())
    };
    for n in 0..5 {
        let ending = seqs(log.ending_on(day(n), 0, 100).unwrap());
        let expected = matching(&|record| {
            matches!(&record.entry, Entry::CertificateIssued(issued)
                if issued.validity.until() == Some(day(n)))
        });
        assert_eq!(ending, expected, "{n}");
        let made = seqs(
            log.receipts_on(ReceiptKind::Decided, day(n), 0, 100)
                .unwrap(),
        );
        let expected = matching(&|record| {
            matches!(&record.entry, Entry::RetrievalDecided(_))
                && Date::in_china(record.time_ms) == day(n)
        });
        assert_eq!(made, expected, "{n}");
    }
    let revoked = seqs(log.changes_by(Action::Revoke, 0, 100).unwrap());
    let expected = matching(
        &|record| matches!(&record.entry, Entry::StatusChanged(changed) if changed.action == Action::Revoke),
    );
    assert_eq!((revoked.len(), &revoked), (15, &expected));
    // From a position on, and no more than are wanted.
    let rest = log.changes_by(Action::Revoke, revoked[3], 2).unwrap();
    assert_eq!(seqs(rest), revoked[3..5]);
}
