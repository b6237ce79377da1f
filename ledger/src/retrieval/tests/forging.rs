//! Receipts that anybody could have written count nowhere, and push out nothing that counts.

use super::receipts::PATIENCE_MS;
use super::*;
use crate::id::TypeCode;
use crate::record::{AccessLogRead, SignedRecord};

fn shown() -> Decision {
    answered_with(&["ZZMC"])
}

fn entry(receipt: &RetrievalDecided) -> Entry {
    Entry::from(receipt.clone())
}

fn looks(world: &World) -> Vec<(LogId, SignedRecord)> {
    let (key, days) = (catalogue_keys(), (day("2026-06-01"), day("2026-07-31")));
    let found = access_log(
        &world.catalogue,
        &key,
        &[subject("one")],
        days,
        None,
        noon(),
        1000,
    );
    found.unwrap().receipts
}

fn audited(world: &World, department: &str) -> LogAudit {
    let late = noon() + PATIENCE_MS;
    let audit = audit(&world.catalogue, (0, u64::MAX), None, late).unwrap();
    audit[&LogId::first(code(department))].clone()
}

fn used(world: &World, department: &str) -> Usage {
    let usage = usage(&world.catalogue, 0, u64::MAX, noon()).unwrap();
    let used = usage[&code(department)].clone();
    assert_eq!(used.ahead, Usage::default());
    used.within
}

/// The entry, alone in a department's log, counts for nothing.
#[track_caller]
fn counts_nowhere(department: &str, entry: Entry, what: &str) {
    let world = World::new();
    world.write(department, noon(), vec![entry]);
    let found = audited(&world, department);
    assert_eq!(found.unproven, 1, "{what}");
    let others = (found.matched, found.awaited, found.lost, found.wrong);
    assert_eq!(others, (0, 0, 0, 0), "{what}");
    assert_eq!(used(&world, department), Usage::default(), "{what}");
    assert!(looks(&world).is_empty(), "{what}");
}

#[test]
fn a_genuine_receipt_is_proof_and_counts_everywhere() {
    let world = World::new();
    let receipt = decided(1, shown());
    assert!(receipt.is_proof(world.catalogue.members(), &code(ISSUER), (0, 0)));
    world.write(ISSUER, noon(), vec![entry(&receipt)]);
    let acknowledged = acknowledge(&receipt);
    assert!(acknowledged.is_own(&code(ASKER)));
    let acknowledged = Entry::from(acknowledged);
    world.write(ASKER, noon(), vec![acknowledged]);
    assert_eq!(audited(&world, ISSUER).matched, 1);
    assert_eq!(used(&world, ISSUER).shared, 1);
    assert_eq!(used(&world, ASKER).retrieved, 1);
    assert_eq!(looks(&world).len(), 2);
    // A request that was refused proves itself as well, whatever the rule.
    for rule in Rule::ALL {
        let refused = decided(2, Decision::Refused(rule));
        assert!(refused.is_proof(world.catalogue.members(), &code(ISSUER), (0, 0)));
    }
}

#[test]
fn a_receipt_whose_asker_did_not_sign_its_request_counts_nowhere() {
    let network = members("test").network();
    let receipt = decided(1, shown());
    let by = |department: &str| receipt.asked.sign(network, &signing_key(&code(department)));
    let elsewhere = members("another").network();
    let signatures = [
        ("none", Signature::from_bytes(&[1; 65]).unwrap()),
        ("the issuer's own", by(ISSUER)),
        ("another department's", by(THIRD)),
        ("another request's", decided(2, shown()).signature),
        (
            "another network's",
            receipt
                .asked
                .sign(elsewhere, &signing_key(&receipt.asked.asker)),
        ),
    ];
    for (what, signature) in signatures {
        let forged = RetrievalDecided {
            signature,
            ..receipt.clone()
        };
        counts_nowhere(ISSUER, entry(&forged), what);
    }
}

type Change = fn(&mut Asked);

#[test]
fn a_receipt_that_shows_another_request_than_was_signed_counts_nowhere() {
    // A new part must be listed here.
    let Asked {
        issuer: _,
        asker: _,
        key_epoch: _,
        matter: _,
        type_code: _,
        subject: _,
        fields: _,
        rest: _,
    } = asked(1);
    let changes: [(&str, Change); 8] = [
        ("issuer", |asked| asked.issuer = code(THIRD)),
        ("asker", |asked| asked.asker = code(THIRD)),
        ("key epoch", |asked| asked.key_epoch = 1),
        ("matter", |asked| asked.matter = matter(ASKER, "2")),
        ("type", |asked| {
            asked.type_code = TypeCode::new(&code(ISSUER), 2).unwrap();
        }),
        ("subject", |asked| {
            let on = day("2026-06-29");
            asked.subject = catalogue_key().blind(&subject("one"), on);
        }),
        ("fields", |asked| asked.fields = texts(&["ZZMC"])),
        ("rest", |asked| asked.rest = Hash::ZERO),
    ];
    for (what, change) in changes {
        let mut forged = decided(1, shown());
        change(&mut forged.asked);
        assert_ne!(name_of(&forged.asked), name_of(&asked(1)), "{what}");
        counts_nowhere(ISSUER, entry(&forged), what);
    }
    // With a key that the asker doesn't have, even its own signature proves nothing.
    let epoch = Asked {
        key_epoch: 1,
        ..asked(1)
    };
    counts_nowhere(ISSUER, entry(&receipt_for(epoch, shown())), "signed epoch");
}

#[test]
fn a_receipt_that_shows_what_was_not_asked_for_counts_nowhere() {
    for codes in [
        &["KZ_NONE"][..],
        &["ZZMC", "KZ_NONE"],
        &[ATTACHMENTS],
        &["zzmc"],
    ] {
        let forged = decided(1, answered_with(codes));
        counts_nowhere(ISSUER, entry(&forged), &format!("{codes:?}"));
        let acknowledged = Entry::from(acknowledge(&forged));
        counts_nowhere(ASKER, acknowledged, &format!("{codes:?}, acknowledged"));
    }
}

#[test]
fn a_genuine_receipt_in_another_log_counts_nowhere() {
    counts_nowhere(THIRD, entry(&decided(1, shown())), "replayed");
    counts_nowhere(ASKER, entry(&decided(1, shown())), "at the asker's");
    let acknowledged = acknowledge(&decided(1, shown()));
    for department in [THIRD, ISSUER] {
        let entry = Entry::from(acknowledged.clone());
        counts_nowhere(department, entry, department);
    }
}

#[test]
fn a_stranger_s_request_counts_nowhere() {
    let stranger = Asked {
        asker: code("11100000000013338W"),
        ..asked(1)
    };
    let key = SigningKey::from_seed(&[77; 32]);
    let forged = RetrievalDecided {
        signature: stranger.sign(members("test").network(), &key),
        asked: stranger,
        decision: shown(),
    };
    counts_nowhere(ISSUER, entry(&forged), "a stranger");
}

#[test]
fn no_receipt_that_proves_nothing_stands_for_the_counterpart_of_one_that_does() {
    // The issuer has shown what it has no signature for: to the asker's acknowledgement there is no receipt.
    let world = World::new();
    let mut forged = decided(1, shown());
    forged.signature = decided(2, shown()).signature;
    world.write(ISSUER, noon(), vec![entry(&forged)]);
    let acknowledged = Entry::from(acknowledge(&forged));
    world.write(ASKER, noon(), vec![acknowledged]);
    let found = audited(&world, ASKER);
    assert_eq!((found.matched, found.wrong), (0, 1));
    assert_eq!(found.findings[0].what, Discrepancy::NoReceipt);
    // What the asker can't have received of its request acknowledges no receipt.
    let world = World::new();
    let receipt = decided(1, shown());
    let mut more = acknowledge(&receipt);
    more.outcome = Received::Fields {
        fields: texts(&["ZZMC", "KZ_NONE"]),
        keep_until: day("2026-12-31"),
    };
    world.write(ISSUER, noon(), vec![entry(&receipt)]);
    world.write(ASKER, noon(), vec![Entry::from(more)]);
    let found = audited(&world, ISSUER);
    assert_eq!(found.findings[0].what, Discrepancy::NotAcknowledged);
    assert_eq!(audited(&world, ASKER).unproven, 1);
}

#[test]
fn of_several_receipts_for_one_request_the_first_counts_and_each_other_is_found() {
    let world = World::new();
    let (receipt, refusal) = (
        decided(1, shown()),
        decided(1, Decision::Refused(Rule::NoGrant)),
    );
    let all = vec![entry(&receipt), entry(&receipt), entry(&refusal)];
    let seqs = world.write(ISSUER, noon(), all);
    let acknowledged = || Entry::from(acknowledge(&receipt));
    let again = world.write(ASKER, noon(), vec![acknowledged(), acknowledged()]);
    let world = world.again();
    let found = audited(&world, ISSUER);
    assert_eq!((found.matched, found.wrong, found.unproven), (1, 2, 0));
    for (finding, seq) in found.findings.iter().zip(&seqs[1..]) {
        assert_eq!(finding.what, Discrepancy::Twice);
        assert_eq!(finding.what.as_str(), "twice");
        assert_eq!(finding.record, (LogId::first(code(ISSUER)), *seq));
    }
    let found = audited(&world, ASKER);
    assert_eq!((found.wrong, found.findings[0].record.1), (1, again[1]));
    let usage = used(&world, ISSUER);
    assert_eq!((usage.shared, usage.refused), (1, 0));
    let usage = used(&world, ASKER);
    assert_eq!((usage.retrieved, usage.took_ms), (1, vec![40]));
    let reported: Vec<u64> = looks(&world)
        .iter()
        .map(|(_, it)| it.record().seq)
        .collect();
    assert_eq!(reported, [again[0], seqs[0]]);
}

#[test]
fn no_department_pushes_what_another_recorded_out_of_an_access_log() {
    let world = World::new();
    let looked = |_| {
        Entry::AccessLogRead(AccessLogRead {
            subject: blind("one"),
        })
    };
    let forged = |n| {
        let mut forged = decided(n, shown());
        forged.signature = decided(0, shown()).signature;
        entry(&forged)
    };
    world.write(THIRD, noon() - 9, (1..40).map(forged).collect());
    let neighbour = codes()[3];
    let many = (0..25).map(looked).collect();
    world.write(neighbour.as_str(), noon() - 8, many);
    let genuine = (1..=10).map(|n| entry(&decided(n, shown())));
    world.write(ISSUER, noon(), genuine.collect());
    let (key, days) = (catalogue_keys(), (day("2026-06-29"), day("2026-07-01")));
    let look = |page| {
        access_log(
            &world.catalogue,
            &key,
            &[subject("one")],
            days,
            page,
            noon(),
            10,
        )
        .unwrap()
    };
    let of = |found: &Accesses, department: DepartmentCode| {
        let receipts = found.receipts.iter();
        let own = receipts.filter(|(log, _)| log.department == department);
        own.count()
    };
    let first = look(None);
    // Each log is looked at for itself; forged ones are looked at and left out.
    assert_eq!(of(&first, code(ISSUER)), 10);
    assert_eq!(of(&first, neighbour), 10);
    assert_eq!(of(&first, code(THIRD)), 0);
    for (department, all) in [(neighbour, 25), (code(THIRD), 0), (code(ISSUER), 10)] {
        let log = LogId::first(department);
        let mut counted = of(&first, department);
        let mut next = first.more.iter().copied().find(|page| page.log == log);
        assert!(next.is_some(), "{department}: there may be more");
        while let Some(page) = next {
            let found = look(Some(page));
            assert_eq!(of(&found, department), found.receipts.len());
            counted += found.receipts.len();
            assert!(found.more.len() <= 1);
            next = found.more.first().copied();
        }
        assert_eq!(counted, all, "{department}");
    }
}

#[test]
fn an_access_log_goes_on_with_the_day_it_came_to() {
    let world = World::new();
    let days = ["2026-06-28", "2026-06-29", "2026-06-30"];
    let looked = |on: &str| {
        let subject = catalogue_key().blind(&subject("one"), day(on));
        Entry::AccessLogRead(AccessLogRead { subject })
    };
    // Three of each day, the days taking turns.
    let entries: Vec<Entry> = (0..9).map(|n| looked(days[n % 3])).collect();
    world.write(THIRD, noon(), entries);
    let (key, within) = (catalogue_keys(), (day(days[0]), day(days[2])));
    for limit in 1..12 {
        let (mut reported, mut page) = (Vec::new(), None);
        loop {
            let found = access_log(
                &world.catalogue,
                &key,
                &[subject("one")],
                within,
                page,
                noon(),
                limit,
            )
            .unwrap();
            assert!(found.receipts.len() <= limit);
            reported.extend(found.receipts.iter().map(|(_, it)| it.record().seq));
            page = found.more.first().copied();
            if page.is_none() {
                break;
            }
        }
        reported.sort_unstable();
        assert_eq!(reported, (0..9).collect::<Vec<_>>(), "{limit} at a time");
    }
}

#[test]
fn forged_receipts_are_counted_apart_and_hide_no_finding() {
    let world = World::new();
    let forged = |n| {
        let mut forged = decided(n, shown());
        forged.signature = decided(0, shown()).signature;
        entry(&forged)
    };
    world.write(THIRD, noon(), (1..30).map(forged).collect());
    world.write(ISSUER, noon(), (1..30).map(forged).collect());
    let seqs = world.write(ISSUER, noon(), vec![entry(&decided(99, shown()))]);
    let found = audited(&world, ISSUER);
    assert_eq!((found.unproven, found.wrong, found.next), (29, 1, None));
    assert_eq!(found.findings[0].record.1, seqs[0]);
    assert_eq!(audited(&world, THIRD).unproven, 29);
    assert_eq!(used(&world, ISSUER).shared, 1);
    assert_eq!(used(&world, THIRD), Usage::default());
}
