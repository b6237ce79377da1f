//! Receipts held against their counterparts.

use super::receipts::{GRACE_MS, PATIENCE_MS};
use super::*;
use crate::id::TypeCode;
use crate::record::{AccessLogRead, BlindedSubject};

const NOT_ACKNOWLEDGED: Discrepancy = Discrepancy::NotAcknowledged;
const NO_RECEIPT: Discrepancy = Discrepancy::NoReceipt;
const DIFFERS: Discrepancy = Discrepancy::Differs;

fn receipt(decided: &RetrievalDecided) -> Entry {
    Entry::RetrievalDecided(decided.clone())
}

fn counterpart(decided: &RetrievalDecided) -> Entry {
    Entry::RetrievalAcknowledged(acknowledge(decided))
}

fn fields_shown(n: u8) -> RetrievalDecided {
    decided(n, answered_with(&["CZZT", "ZZMC"]))
}

/// Makes a department's log known up to a time.
fn live(world: &World, department: &str, time_ms: u64) {
    let read = AccessLogRead {
        subject: blind("someone else"),
    };
    world.write(department, time_ms, vec![Entry::AccessLogRead(read)]);
}

fn look(world: &World, now_ms: u64) -> Audit {
    audit(&world.catalogue, 0, u64::MAX, now_ms).unwrap()
}

/// What the audit says: matched, awaited, and each finding.
fn said(world: &World, now_ms: u64) -> (u64, u64, Vec<Discrepancy>) {
    let audit = look(world, now_ms);
    assert_eq!(audit.wrong, audit.findings.len() as u64);
    let what = audit.findings.iter().map(|finding| finding.what);
    (audit.matched, audit.awaited, what.collect())
}

#[test]
fn two_sides_that_say_the_same_match_whatever_was_decided() {
    let world = World::new();
    let mut unknown = decided(3, Decision::Refused(Rule::UnknownCertificate));
    unknown.subject = None;
    let mut stale = decided(4, Decision::Refused(Rule::Stale));
    stale.subject = None;
    let all = [
        fields_shown(1),
        decided(2, Decision::Refused(Rule::NoGrant)),
        unknown,
        stale,
        decided(5, Decision::Refused(Rule::Stale)),
    ];
    world.write(ISSUER, noon(), all.iter().map(receipt).collect());
    assert_eq!(said(&world, noon()), (0, 5, vec![]));
    world.write(ASKER, noon(), all.iter().map(counterpart).collect());
    assert_eq!(said(&world, noon()), (5, 0, vec![]));
    // The order of the fields says nothing.
    let world = World::new();
    world.write(ISSUER, noon(), vec![receipt(&fields_shown(1))]);
    let turned = decided(1, answered_with(&["ZZMC", "CZZT"]));
    world.write(ASKER, noon(), vec![counterpart(&turned)]);
    assert_eq!(said(&world, noon()), (1, 0, vec![]));
}

#[test]
fn a_department_that_asks_itself_matches_itself() {
    let world = World::new();
    let own = RetrievalDecided {
        asker: code(ISSUER),
        ..fields_shown(1)
    };
    world.write(ISSUER, noon(), vec![receipt(&own), counterpart(&own)]);
    assert_eq!(said(&world, noon()), (1, 0, vec![]));
}

#[test]
fn every_difference_between_the_two_sides_is_found_with_where_it_is() {
    let refusal = decided(1, Decision::Refused(Rule::NoGrant));
    let silent = RetrievalDecided {
        subject: None,
        ..fields_shown(1)
    };
    let unmet = RetrievalDecided {
        subject: None,
        ..refusal.clone()
    };
    let with = |codes: &[&str]| acknowledge(&decided(1, answered_with(codes)));
    let changed = |of: &RetrievalDecided, change: fn(&mut RetrievalAcknowledged)| {
        let mut acknowledged = acknowledge(of);
        change(&mut acknowledged);
        acknowledged
    };
    let shown = fields_shown(1);
    let twice = decided(1, answered_with(&["ZZMC", "ZZMC"]));
    for (what, decided, acknowledged) in [
        ("fewer fields", &shown, with(&["ZZMC"])),
        ("more fields", &shown, with(&["CZZT", "ZZBH", "ZZMC"])),
        ("other fields", &shown, with(&["ZZBH", "ZZMC"])),
        ("one field twice", &shown, with(&["ZZMC", "ZZMC"])),
        ("one field twice, receipt", &twice, with(&["CZZT", "ZZMC"])),
        ("refused, not answered", &shown, acknowledge(&refusal)),
        ("answered, not refused", &refusal, acknowledge(&shown)),
        (
            "another rule",
            &refusal,
            changed(&refusal, |it| it.outcome = Received::Refused(Rule::NoField)),
        ),
        (
            "a wrong answer",
            &shown,
            changed(&shown, |it| it.outcome = Received::Wrong),
        ),
        (
            "another matter",
            &shown,
            changed(&shown, |it| it.matter = matter(ASKER, "2")),
        ),
        (
            "another type",
            &shown,
            changed(&shown, |it| {
                it.type_code = TypeCode::new(&code(ISSUER), 2).unwrap();
            }),
        ),
        (
            "another subject",
            &shown,
            changed(&shown, |it| it.subject = blind("another")),
        ),
        (
            "another subject, refused",
            &refusal,
            changed(&refusal, |it| it.subject = BlindedSubject(Hash::ZERO)),
        ),
        ("answered about nobody", &silent, acknowledge(&silent)),
        ("refused about nobody", &unmet, acknowledge(&unmet)),
    ] {
        let world = World::new();
        world.write(ISSUER, 1, vec![define_matter()]);
        let seqs = world.write(ISSUER, noon(), vec![receipt(decided)]);
        world.write(
            ASKER,
            noon(),
            vec![Entry::RetrievalAcknowledged(acknowledged)],
        );
        let audit = look(&world, noon());
        assert_eq!((audit.matched, audit.awaited), (0, 0), "{what}");
        let [finding] = &audit.findings[..] else {
            panic!("{what}: {audit:?}")
        };
        assert_eq!(finding.what, DIFFERS, "{what}");
        assert_eq!(finding.what.as_str(), "differs");
        assert_eq!(finding.retrieval, decided.retrieval);
        assert_eq!((finding.issuer, finding.asker), (code(ISSUER), code(ASKER)));
        assert_eq!(finding.matter, decided.matter);
        assert_eq!(finding.record, (LogId::first(code(ISSUER)), seqs[0]));
        assert_eq!(finding.time_ms, noon());
    }
}

#[test]
fn a_receipt_without_acknowledgement_is_found_once_the_askers_log_is_known_so_far() {
    for (known_ms, what) in [
        (None, None),
        (Some(noon() - 1), None),
        (Some(noon() + GRACE_MS - 1), None),
        (Some(noon() + GRACE_MS), Some(NOT_ACKNOWLEDGED)),
    ] {
        let world = World::new();
        world.write(ISSUER, noon(), vec![receipt(&fields_shown(1))]);
        if let Some(known_ms) = known_ms {
            live(&world, ASKER, known_ms);
        }
        let expected = (0, u64::from(what.is_none()), what.into_iter().collect());
        assert_eq!(said(&world, noon() + GRACE_MS), expected, "{known_ms:?}");
        // A day later nothing known of the other log excuses it.
        let day_over = noon() + PATIENCE_MS;
        let late = (0, 0, vec![NOT_ACKNOWLEDGED]);
        assert_eq!(said(&world, day_over), late);
        assert_eq!(said(&world, day_over - 1), expected, "{known_ms:?}");
    }
}

#[test]
fn an_acknowledgement_without_receipt_is_found_once_the_issuers_log_is_known_so_far() {
    for (known_ms, what) in [
        (None, None),
        (Some(noon() + GRACE_MS - 1), None),
        (Some(noon() + GRACE_MS), Some(NO_RECEIPT)),
    ] {
        let world = World::new();
        let seqs = world.write(ASKER, noon(), vec![counterpart(&fields_shown(1))]);
        if let Some(known_ms) = known_ms {
            live(&world, ISSUER, known_ms);
        }
        let expected = (0, u64::from(what.is_none()), what.into_iter().collect());
        assert_eq!(said(&world, noon()), expected, "{known_ms:?}");
        let day_over = noon() + PATIENCE_MS;
        assert_eq!(said(&world, day_over - 1), expected, "{known_ms:?}");
        assert_eq!(said(&world, day_over), (0, 0, vec![NO_RECEIPT]));
        let audit = look(&world, day_over);
        let finding = &audit.findings[0];
        assert_eq!((finding.issuer, finding.asker), (code(ISSUER), code(ASKER)));
        assert_eq!(finding.record, (LogId::first(code(ASKER)), seqs[0]));
    }
}

#[test]
fn a_receipt_for_another_department_is_none_for_this() {
    // The third acknowledges what the issuer showed the asker.
    let world = World::new();
    let shown = fields_shown(1);
    world.write(ISSUER, noon(), vec![receipt(&shown)]);
    world.write(ASKER, noon(), vec![counterpart(&shown)]);
    world.write(THIRD, noon(), vec![counterpart(&shown)]);
    live(&world, ISSUER, noon() + GRACE_MS);
    assert_eq!(said(&world, noon()), (1, 0, vec![NO_RECEIPT]));
    assert_eq!(look(&world, noon()).findings[0].asker, code(THIRD));
    // The asker says another showed it.
    let world = World::new();
    world.write(ISSUER, noon(), vec![receipt(&shown)]);
    let elsewhere = RetrievalAcknowledged {
        issuer: code(THIRD),
        ..acknowledge(&shown)
    };
    world.write(ASKER, noon(), vec![Entry::RetrievalAcknowledged(elsewhere)]);
    live(&world, THIRD, noon() + GRACE_MS);
    assert_eq!(said(&world, noon()), (0, 0, vec![NO_RECEIPT, DIFFERS]));
    // An issuer names an asker that is no member.
    let world = World::new();
    let stranger = RetrievalDecided {
        asker: code("11100000000013338W"),
        ..shown
    };
    world.write(ISSUER, noon(), vec![receipt(&stranger)]);
    assert_eq!(said(&world, noon()), (0, 1, vec![]));
    let late = said(&world, noon() + PATIENCE_MS);
    assert_eq!(late, (0, 0, vec![NOT_ACKNOWLEDGED]));
}

#[test]
fn an_audit_looks_at_receipts_from_its_first_to_before_its_last_moment() {
    let world = World::new();
    for n in 0..8 {
        let time_ms = noon() + u64::from(n);
        world.write(ISSUER, time_ms, vec![receipt(&fields_shown(n))]);
    }
    // Only the even ones are acknowledged, and later than the time looked at.
    let even = [0, 2, 4, 6].map(|n| counterpart(&fields_shown(n)));
    world.write(ASKER, noon() + GRACE_MS + 7, even.into());
    let world = world.again();
    let range = |from, until| {
        let audit = audit(&world.catalogue, noon() + from, noon() + until, noon()).unwrap();
        (audit.matched, audit.awaited, audit.wrong)
    };
    assert_eq!(range(0, 8), (4, 0, 4));
    assert_eq!(range(2, 5), (2, 0, 1));
    assert_eq!(range(3, 3), (0, 0, 0));
    assert_eq!(range(8, GRACE_MS), (0, 0, 0));
    assert_eq!(range(GRACE_MS, 2 * GRACE_MS), (0, 0, 0));
}

#[test]
fn of_very_many_findings_the_first_are_told_and_all_counted() {
    let finding = Finding {
        retrieval: RetrievalHash(Hash::ZERO),
        what: DIFFERS,
        issuer: code(ISSUER),
        asker: code(ASKER),
        matter: matter(ASKER, "1"),
        type_code: type_code(),
        record: (LogId::first(code(ISSUER)), 0),
        time_ms: 0,
    };
    let mut audit = Audit::default();
    for seq in 0..MAX_FINDINGS as u64 + 3 {
        let mut next = finding.clone();
        next.record.1 = seq;
        audit.add(next);
    }
    assert_eq!(audit.wrong, MAX_FINDINGS as u64 + 3);
    assert_eq!(audit.findings.len(), MAX_FINDINGS);
    assert_eq!(
        audit.findings[MAX_FINDINGS - 1].record.1,
        MAX_FINDINGS as u64 - 1
    );
}
