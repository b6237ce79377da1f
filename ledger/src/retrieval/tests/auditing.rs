//! Receipts held against their counterparts.

use super::receipts::{GRACE_MS, PATIENCE_MS};
use super::*;
use crate::id::TypeCode;
use crate::record::{AccessLogRead, MAX_AHEAD_MS};

const NOT_ACKNOWLEDGED: Discrepancy = Discrepancy::NotAcknowledged;
const NO_RECEIPT: Discrepancy = Discrepancy::NoReceipt;
const DIFFERS: Discrepancy = Discrepancy::Differs;

fn receipt(decided: &RetrievalDecided) -> Entry {
    Entry::from(decided.clone())
}

fn counterpart(decided: &RetrievalDecided) -> Entry {
    Entry::from(acknowledge(decided))
}

fn fields_shown(n: u16) -> RetrievalDecided {
    decided(n, answered_with(&["CZZT", "ZZMC"]))
}

/// Makes a department's log known up to a time.
fn live(world: &World, department: &str, time_ms: u64) {
    let read = AccessLogRead {
        subject: blind("someone else"),
    };
    world.write(department, time_ms, vec![Entry::AccessLogRead(read)]);
}

/// What the audit says of all logs together: matched, awaited, and each finding in the order of the logs.
#[derive(Debug)]
struct Seen {
    matched: u64,
    awaited: u64,
    lost: u64,
    wrong: u64,
    findings: Vec<Finding>,
}

fn look_within(world: &World, times: (u64, u64), now_ms: u64) -> Seen {
    let audit = audit(&world.catalogue, times, None, now_ms).unwrap();
    assert_eq!(audit.len(), 4, "every log is there");
    let mut reported = Seen {
        matched: 0,
        awaited: 0,
        lost: 0,
        wrong: 0,
        findings: Vec::new(),
    };
    for (log, found) in audit {
        assert_eq!((found.next, found.unproven), (None, 0), "{log}");
        assert!(found.findings.iter().all(|finding| finding.record.0 == log));
        reported.matched += found.matched;
        reported.awaited += found.awaited;
        reported.lost += found.lost;
        reported.wrong += found.wrong;
        reported.findings.extend(found.findings);
    }
    assert_eq!(reported.wrong, reported.findings.len() as u64);
    reported
}

fn look(world: &World, now_ms: u64) -> Seen {
    look_within(world, (0, u64::MAX), now_ms)
}

fn said(world: &World, now_ms: u64) -> (u64, u64, Vec<Discrepancy>) {
    let reported = look(world, now_ms);
    let what = reported.findings.iter().map(|finding| finding.what);
    (reported.matched, reported.awaited, what.collect())
}

#[test]
fn two_sides_that_say_the_same_match_whatever_was_decided() {
    let world = World::new();
    let all = [
        fields_shown(1),
        decided(2, Decision::Refused(Rule::NoGrant)),
        decided(3, Decision::Refused(Rule::UnknownCertificate)),
        decided(4, Decision::Refused(Rule::Stale)),
        decided(5, Decision::Refused(Rule::NotAuthorised)),
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
    let asked = Asked {
        asker: code(ISSUER),
        ..asked(1)
    };
    let own = receipt_for(asked, answered_with(&["ZZMC"]));
    world.write(ISSUER, noon(), vec![receipt(&own), counterpart(&own)]);
    assert_eq!(said(&world, noon()), (1, 0, vec![]));
}

#[test]
fn every_difference_between_the_two_sides_is_found_with_where_it_is() {
    let refusal = decided(1, Decision::Refused(Rule::NoGrant));
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
    ] {
        let world = World::new();
        world.write(ISSUER, 1, vec![define_matter()]);
        let seqs = world.write(ISSUER, noon(), vec![receipt(decided)]);
        world.write(ASKER, noon(), vec![Entry::from(acknowledged)]);
        let audit = look(&world, noon());
        assert_eq!((audit.matched, audit.awaited), (0, 0), "{what}");
        let [finding] = &audit.findings[..] else {
            panic!("{what}: {audit:?}")
        };
        assert_eq!(finding.what, DIFFERS, "{what}");
        assert_eq!(finding.what.as_str(), "differs");
        assert_eq!(finding.retrieval, name_of(&decided.asked));
        assert_eq!((finding.issuer, finding.asker), (code(ISSUER), code(ASKER)));
        assert_eq!(finding.matter, decided.asked.matter);
        assert_eq!(finding.record, (LogId::first(code(ISSUER)), seqs[0]));
        assert_eq!(finding.time_ms, noon());
    }
}

type Change = fn(&mut Asked);

#[test]
fn an_acknowledgement_of_anything_else_is_none_of_this_request() {
    let changes: [(&str, Change); 5] = [
        ("matter", |asked| asked.matter = matter(ASKER, "2")),
        ("type", |asked| {
            asked.type_code = TypeCode::new(&code(ISSUER), 2).unwrap();
        }),
        ("subject", |asked| asked.subject = blind("another")),
        ("fields", |asked| asked.fields = texts(&["ZZMC", "CZZT"])),
        ("rest", |asked| asked.rest = Hash::ZERO),
    ];
    for (what, change) in changes {
        let world = World::new();
        let shown = fields_shown(1);
        let mut other = acknowledge(&shown);
        change(&mut other.asked);
        world.write(ISSUER, noon(), vec![receipt(&shown)]);
        world.write(ASKER, noon(), vec![Entry::from(other)]);
        assert_eq!(said(&world, noon()), (0, 2, vec![]), "{what}");
        // The asker's log comes first.
        let late = said(&world, noon() + PATIENCE_MS);
        assert_eq!(late, (0, 0, vec![NO_RECEIPT, NOT_ACKNOWLEDGED]), "{what}");
    }
}

#[test]
fn an_answer_that_never_came_is_lost_and_not_wrong_whoever_has_a_receipt() {
    let world = World::new();
    let shown = fields_shown(1);
    let nothing = |of: &RetrievalDecided| {
        Entry::from(RetrievalAcknowledged {
            outcome: Received::Nothing,
            ..acknowledge(of)
        })
    };
    world.write(ISSUER, noon(), vec![receipt(&shown)]);
    let entries = vec![nothing(&shown), nothing(&fields_shown(2))];
    world.write(ASKER, noon(), entries);
    let reported = look(&world, noon() + PATIENCE_MS);
    assert_eq!((reported.matched, reported.lost, reported.wrong), (0, 1, 0));
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
        assert_eq!(said(&world, noon() + GRACE_MS), expected, "{known_ms:?}");
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
        let now_ms = noon() + GRACE_MS + 7;
        let audit = look_within(&world, (noon() + from, noon() + until), now_ms);
        (audit.matched, audit.awaited, audit.wrong)
    };
    assert_eq!(range(0, 8), (4, 0, 4));
    assert_eq!(range(2, 5), (2, 0, 1));
    assert_eq!(range(3, 3), (0, 0, 0));
    assert_eq!(range(8, GRACE_MS), (0, 0, 0));
    assert_eq!(range(GRACE_MS, 2 * GRACE_MS), (0, 0, 0));
}

#[test]
fn of_very_many_findings_the_first_are_reported_with_where_to_continue() {
    let world = World::new();
    let many = MAX_FINDINGS as u16 + 3;
    let receipts = (0..many).map(|n| receipt(&fields_shown(n)));
    world.write(ISSUER, noon(), receipts.collect());
    let late = noon() + PATIENCE_MS;
    let log = LogId::first(code(ISSUER));
    let look = |from| {
        let page = Some((log, from));
        let mut audit = audit(&world.catalogue, (0, u64::MAX), page, late).unwrap();
        let found = audit.remove(&log).unwrap();
        assert!(audit.is_empty(), "only the log that was asked for");
        found
    };
    let first = look(0);
    assert_eq!(first.findings.len(), MAX_FINDINGS);
    // The definition of the type is the log's first record.
    let next = MAX_FINDINGS as u64 + 1;
    assert_eq!((first.wrong, first.next), (MAX_FINDINGS as u64, Some(next)));
    let rest = look(next);
    assert_eq!((rest.wrong, rest.next), (3, None));
    let all = first.findings.iter().chain(&rest.findings);
    let seqs: Vec<u64> = all.map(|finding| finding.record.1).collect();
    assert_eq!(seqs, (1..=u64::from(many)).collect::<Vec<_>>());
}

#[test]
fn the_pages_of_an_audit_together_count_each_receipt_once() {
    let world = World::new();
    let many = MAX_FINDINGS as u16 + 3;
    let receipts = (0..many).map(|n| receipt(&fields_shown(n)));
    world.write(ISSUER, noon(), receipts.collect());
    // What the issuer asked itself comes later in its log than the first page goes, which finds that there are no receipts.
    let own = |n| {
        let asked = Asked {
            issuer: code(THIRD),
            asker: code(ISSUER),
            ..asked(n)
        };
        receipt_for(asked, answered_with(&["ZZMC"]))
    };
    let mut foreign = acknowledge(&own(9));
    foreign.asked.asker = code(THIRD);
    let entries = vec![
        counterpart(&own(1)),
        counterpart(&own(2)),
        Entry::from(foreign),
    ];
    world.write(ISSUER, noon(), entries);
    let log = LogId::first(code(ISSUER));
    let (mut wrong, mut unproven, mut findings, mut from) = (0, 0, 0, Some(0));
    while let Some(place) = from {
        let page = Some((log, place));
        let late = noon() + PATIENCE_MS;
        let mut audit = audit(&world.catalogue, (0, u64::MAX), page, late).unwrap();
        let found = audit.remove(&log).unwrap();
        assert_eq!(found.wrong, found.findings.len() as u64);
        wrong += found.wrong;
        unproven += found.unproven;
        findings += found.findings.len();
        from = found.next;
    }
    assert_eq!((wrong, unproven), (u64::from(many) + 2, 1));
    assert_eq!(findings as u64, wrong);
}

#[test]
fn receipts_dated_ahead_are_counted_by_themselves_whatever_time_is_asked_for() {
    let world = World::new();
    let edge = noon() + MAX_AHEAD_MS;
    world.write(ISSUER, edge, vec![receipt(&fields_shown(1))]);
    let mut forged = fields_shown(3);
    forged.signature = fields_shown(1).signature;
    let ahead = vec![
        issue("OPEN", SharingClass::Unconditional),
        receipt(&fields_shown(2)),
        receipt(&forged),
    ];
    let seqs = world.write(ISSUER, edge + 1, ahead);
    world.write(ASKER, u64::MAX, vec![counterpart(&fields_shown(2))]);
    let reported = |times, now_ms, department: &str| {
        let mut all = audit(&world.catalogue, times, None, now_ms).unwrap();
        all.remove(&LogId::first(code(department))).unwrap()
    };
    let always = (0, u64::MAX);
    for (times, awaited) in [(always, 1), ((0, 1), 0), ((edge + 1, u64::MAX), 0)] {
        let issuer = reported(times, noon(), ISSUER);
        assert_eq!((issuer.ahead, issuer.first_ahead), (2, Some(seqs[1])));
        let others = (
            issuer.awaited,
            issuer.matched,
            issuer.wrong,
            issuer.unproven,
        );
        assert_eq!(others, (awaited, 0, 0, 0), "{times:?}");
        let asker = reported(times, noon(), ASKER);
        assert_eq!((asker.ahead, asker.first_ahead), (1, Some(0)));
        assert_eq!(reported(times, noon(), THIRD).first_ahead, None);
    }
    // Once their time has come they are held against their counterparts.
    let issuer = reported(always, noon() + 1, ISSUER);
    let counted = (
        issuer.ahead,
        issuer.matched,
        issuer.unproven,
        issuer.awaited,
    );
    assert_eq!(counted, (0, 1, 1, 1));
    // What the asker dated ahead says nothing of how far its log is known: a counterpart may come still.
    let soon = reported(always, edge + GRACE_MS - 1, ISSUER);
    assert_eq!((soon.awaited, soon.wrong), (1, 0));
    let late = reported(always, edge + GRACE_MS, ISSUER);
    assert_eq!((late.awaited, late.wrong), (0, 1));
}

#[test]
fn the_pages_of_an_audit_count_what_is_dated_ahead_once() {
    let world = World::new();
    let many = MAX_FINDINGS as u16 + 3;
    let receipts = (0..many).map(|n| receipt(&fields_shown(n)));
    world.write(ISSUER, noon(), receipts.collect());
    let ahead = (many..many + 5).map(|n| receipt(&fields_shown(n)));
    let late = noon() + PATIENCE_MS;
    let seqs = world.write(ISSUER, late + MAX_AHEAD_MS + 1, ahead.collect());
    let log = LogId::first(code(ISSUER));
    let (mut pages, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        let page = Some((log, place));
        let mut audit = audit(&world.catalogue, (0, u64::MAX), page, late).unwrap();
        let found = audit.remove(&log).unwrap();
        pages.push((found.ahead, found.first_ahead));
        from = found.next;
    }
    assert_eq!(pages, [(0, None), (5, Some(seqs[0]))]);
}
