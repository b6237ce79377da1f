//! What concerns a subject, and how much departments use each other's data.

use super::*;
use crate::record::{
    AccessLogRead, CaseAccepted, CaseTag, MAX_AHEAD_MS, RequirementMet, SignedRecord,
};

#[test]
fn a_subject_is_blinded_alike_on_a_day_and_differently_by_day_subject_and_key() {
    let key = catalogue_key();
    let today = day("2026-06-30");
    let blinded = key.blind(&subject("one"), today);
    assert_eq!(blinded, catalogue_key().blind(&subject("one"), today));
    let other_key = CatalogueKey(Secret::from_bytes([8; 32]));
    let mut all = vec![
        blinded,
        key.blind(&subject("one"), day("2026-07-01")),
        key.blind(&subject("one"), day("2025-06-30")),
        key.blind(&subject("two"), today),
        other_key.blind(&subject("one"), today),
    ];
    assert!(all.iter().all(|blinded| blinded.0 != subject("one").0));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[test]
fn the_day_is_that_of_the_requests_time_in_china() {
    let at = |time_ms| {
        let request = Retrieval {
            time_ms,
            ..retrieval()
        };
        request.day()
    };
    let midnight = day("2026-07-01").begins_in_china_ms();
    // 16:00 UTC.
    assert_eq!(midnight % 86_400_000, 16 * 3_600_000);
    assert_eq!(at(midnight - 1), day("2026-06-30"));
    assert_eq!(at(midnight), day("2026-07-01"));
    assert_eq!(at(0), day("1970-01-01"));
    assert_eq!(at(u64::MAX), Date::MAX);
}

/// The clock of a reader to whom nothing is dated ahead.
const FAR_ON: u64 = u64::MAX;

/// A receipt of the issuer's about a subject, of a request on a day.
fn about(n: u16, name: &str, on: &str) -> RetrievalDecided {
    let asked = Asked {
        subject: catalogue_key().blind(&subject(name), day(on)),
        ..asked(n)
    };
    receipt_for(asked, answered_with(&["ZZMC"]))
}

/// Receipts about the subjects `one` and `two` on three days, in three logs, among much else.
fn looked_at() -> World {
    let world = World::new();
    for (n, on) in (0..).zip(["2026-06-29", "2026-06-30", "2026-07-01"]) {
        let begins = day(on).begins_in_china_ms();
        for (m, name) in (0..).zip(["one", "two"]) {
            let receipt = about(10 * n + m, name, on);
            let acknowledged = acknowledge(&receipt);
            let looked = AccessLogRead {
                subject: receipt.asked.subject,
            };
            let issued = issue(&format!("{n}{m}"), SharingClass::Unconditional);
            let entries = vec![issued, Entry::from(receipt)];
            world.write(ISSUER, begins + 1000, entries);
            let entry = Entry::from(acknowledged);
            world.write(ASKER, begins + 1000, vec![entry]);
            world.write(THIRD, begins + 999, vec![Entry::AccessLogRead(looked)]);
        }
    }
    world
}

/// All receipts about a subject.
fn looks(
    world: &World,
    key: &CatalogueKeys,
    name: &str,
    (from, to): (&str, &str),
) -> Vec<(LogId, SignedRecord)> {
    let days = (day(from), day(to));
    let found = access_log(
        &world.catalogue,
        key,
        &[subject(name)],
        days,
        None,
        FAR_ON,
        1000,
    )
    .unwrap();
    assert_eq!(found.more, []);
    found.receipts
}

#[test]
fn who_looked_at_a_subjects_data_is_found_in_all_logs_on_all_days_oldest_first() {
    let found = |world: &World, name: &str, from: &str, to: &str| {
        let found = looks(world, &catalogue_keys(), name, (from, to));
        let place = |(log, record): &(LogId, SignedRecord)| {
            let department = log.department.as_str().to_owned();
            (record.record().time_ms, department, record.record().seq)
        };
        found.iter().map(place).collect::<Vec<_>>()
    };
    let expected = |days: &[(&str, u64)], m: u64| {
        let on_day = |(on, n): &(&str, u64)| {
            let begins = day(on).begins_in_china_ms();
            [
                (begins + 999, THIRD.to_owned(), 2 * n + m),
                (begins + 1000, ASKER.to_owned(), 2 * n + m),
                (begins + 1000, ISSUER.to_owned(), 2 * (2 * n + m) + 2),
            ]
        };
        days.iter().flat_map(on_day).collect::<Vec<_>>()
    };
    let days = [("2026-06-29", 0), ("2026-06-30", 1), ("2026-07-01", 2)];
    let mut world = looked_at();
    // While their segments grow and are sealed, and from the files alone.
    for _ in 0..2 {
        let all = |name| found(&world, name, "2026-06-01", "2026-07-31");
        assert_eq!(all("one"), expected(&days, 0));
        assert_eq!(all("two"), expected(&days, 1));
        assert_eq!(all("three"), []);
        let one = |from, to| found(&world, "one", from, to);
        assert_eq!(one("2026-06-30", "2026-06-30"), expected(&days[1..2], 0));
        assert_eq!(one("2026-06-30", "2026-07-01"), expected(&days[1..], 0));
        assert_eq!(one("2026-07-02", "2026-07-31"), []);
        assert_eq!(one("2026-07-01", "2026-06-29"), []);
        world = world.again();
    }
    let other_key = CatalogueKey(Secret::from_bytes([8; 32])).into();
    let days = ("2026-06-29", "2026-07-01");
    assert!(looks(&world, &other_key, "one", days).is_empty());
}

#[test]
fn receipts_are_found_under_each_catalogue_key_in_order_and_in_pages() {
    let world = World::new();
    let keys = rotated(1);
    let (before, present) = (catalogue_key(), keys.present());
    let next_tag = SubjectTag(hash(Purpose::Subject, b"one under the next key"));
    let on = day("2026-06-30");
    let all = [
        before.blind(&subject("one"), on),
        present.blind(&subject("one"), on),
        present.blind(&next_tag, on),
        // Nobody has a certificate and lacks the key that it is under.
        before.blind(&next_tag, on),
    ];
    let of_others = present.blind(&subject("two"), on);
    let looked = |subject| Entry::AccessLogRead(AccessLogRead { subject });
    let entries = [all[3], all[0], of_others, all[2], all[1], all[0]].map(looked);
    let seqs = world.write(ASKER, noon(), entries.into());
    let expected: Vec<u64> = [1, 3, 4, 5].map(|at| seqs[at]).into();
    for limit in [1, 2, 3, 100] {
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let part = access_log(
                &world.catalogue,
                &keys,
                &[subject("one"), next_tag],
                (on, on),
                page,
                noon(),
                limit,
            );
            let part = part.unwrap();
            found.extend(part.receipts.iter().map(|(_, record)| record.record().seq));
            page = part.more.first().copied();
            if page.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{limit} at a time");
    }
}

#[test]
fn receipts_of_one_moment_are_listed_in_the_order_of_their_log() {
    // Requests of two days, decided in one commit after midnight, the later first.
    let world = World::new();
    let entries = [about(1, "one", "2026-07-01"), about(2, "one", "2026-06-30")];
    let midnight = day("2026-07-01").begins_in_china_ms();
    let seqs = world.write(ISSUER, midnight + 1, entries.map(Entry::from).into());
    let days = ("2026-06-30", "2026-07-01");
    let found = looks(&world, &catalogue_keys(), "one", days);
    let reported: Vec<u64> = found
        .iter()
        .map(|(_, record)| record.record().seq)
        .collect();
    assert_eq!(reported, seqs);
}

/// Receipts of the issuer at noon, a millisecond before and ten after, and of the asker at the ninth: six answers and two
/// cases.
fn used_at_noon() -> World {
    use RequirementMet::{Collected, Held, Missing, NeedsGrant, NotValid, Unknown};
    let case = |n, requirements: &[RequirementMet]| {
        Entry::CaseAccepted(CaseAccepted {
            case: CaseTag(Hash::from_bytes([n; 32])),
            matter: matter(ASKER, "1"),
            requirements: Bounded::first(requirements.iter().map(|met| (type_code(), *met))),
        })
    };
    let shown = |n| decided(n, answered_with(&["ZZMC"]));
    let refused = |n| decided(n, Decision::Refused(Rule::NoGrant));
    let took = |n, took_ms| {
        Entry::from(RetrievalAcknowledged {
            took_ms,
            ..acknowledge(&shown(n))
        })
    };
    let wrong = Entry::from(RetrievalAcknowledged {
        outcome: Received::Wrong,
        ..acknowledge(&shown(9))
    });
    let world = World::new();
    let before = vec![
        Entry::from(shown(0)),
        issue("OPEN", SharingClass::Unconditional),
    ];
    world.write(ISSUER, noon() - 1, before);
    let receipts = [shown(1), refused(2), shown(3), shown(4), shown(5)];
    let receipts = receipts.map(Entry::from).into();
    world.write(ISSUER, noon(), receipts);
    world.write(ISSUER, noon() + 10, vec![Entry::from(refused(6))]);
    let seven = [
        Held, Collected, Missing, NotValid, NeedsGrant, Held, Unknown,
    ];
    let got = vec![
        took(1, 70),
        Entry::from(acknowledge(&refused(2))),
        took(3, 5),
        took(4, 900),
        took(5, 31),
        wrong,
        case(1, &seven),
        case(2, &[]),
    ];
    world.write(ASKER, noon() + 9, got);
    world.again()
}

#[test]
fn use_is_counted_by_department_within_its_time() {
    let world = used_at_noon();
    let counted = usage(&world.catalogue, noon(), noon() + 10, FAR_ON).unwrap();
    let mut expected: BTreeMap<DepartmentCode, Usage> =
        codes().map(|code| (code, Usage::default())).into();
    expected.insert(
        code(ISSUER),
        Usage {
            shared: 4,
            refused: 1,
            ..Usage::default()
        },
    );
    expected.insert(
        code(ASKER),
        Usage {
            retrieved: 4,
            cases: 2,
            required: 7,
            saved: 3,
            took_ms: vec![5, 31, 70, 900],
            ..Usage::default()
        },
    );
    assert!(counted.values().all(|used| used.ahead == Usage::default()));
    let counted: BTreeMap<_, _> = counted
        .into_iter()
        .map(|(code, used)| (code, used.within))
        .collect();
    assert_eq!(counted, expected);
    assert_eq!(median(&counted[&code(ASKER)].took_ms), Some(31));
    let none = usage(&world.catalogue, noon() + 11, u64::MAX, FAR_ON).unwrap();
    assert!(none.values().all(|used| *used == Used::default()));
    assert_eq!(none.len(), 4);
}

#[test]
fn the_median_is_the_lower_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[7]), Some(7));
    assert_eq!(median(&[1, 9]), Some(1));
    assert_eq!(median(&[1, 2, 9]), Some(2));
    assert_eq!(median(&[1, 2, 3, 9]), Some(2));
}

/// A case with one requirement met by what was held.
fn accepted(n: u8) -> Entry {
    Entry::CaseAccepted(CaseAccepted {
        case: CaseTag(Hash::from_bytes([n; 32])),
        matter: matter(ASKER, "1"),
        requirements: Bounded::first([(type_code(), RequirementMet::Held)]),
    })
}

/// Read at noon: what is dated ten minutes later at most is of now, a millisecond more is ahead, and so is a year.
struct Ahead {
    world: World,
    edge: u64,
    next_year: u64,
}

fn dated_now_and_ahead() -> Ahead {
    let world = World::new();
    let shown = |n| decided(n, answered_with(&["ZZMC"]));
    world.write(ISSUER, noon(), vec![Entry::from(shown(1))]);
    let edge = noon() + MAX_AHEAD_MS;
    let at_the_edge = vec![Entry::from(acknowledge(&shown(1))), accepted(1)];
    world.write(ASKER, edge, at_the_edge);
    let next_year = edge + 365 * 86_400_000;
    let ahead = vec![
        Entry::from(acknowledge(&shown(2))),
        accepted(2),
        accepted(3),
    ];
    world.write(ASKER, edge + 1, ahead);
    world.write(ASKER, next_year, vec![accepted(4)]);
    world.write(ISSUER, u64::MAX, vec![Entry::from(shown(2))]);
    Ahead {
        world,
        edge,
        next_year,
    }
}

#[test]
fn what_is_dated_ahead_is_in_no_month_and_counted_by_itself_whichever_month_is_asked_for() {
    let Ahead {
        world,
        edge,
        next_year,
    } = dated_now_and_ahead();
    let used = |times: (u64, u64), now_ms, department: &str| {
        let mut all = usage(&world.catalogue, times.0, times.1, now_ms).unwrap();
        assert_eq!(all.len(), 4);
        all.remove(&code(department)).unwrap()
    };
    let nothing = Usage::default;
    let got = |cases| Usage {
        retrieved: 1,
        cases,
        required: cases,
        saved: cases,
        took_ms: vec![40],
        ..Usage::default()
    };
    let shared = Usage {
        shared: 1,
        ..Usage::default()
    };
    for (times, asker, issuer) in [
        ((0, u64::MAX), got(1), shared.clone()),
        ((0, noon()), nothing(), nothing()),
        ((next_year, u64::MAX), nothing(), nothing()),
    ] {
        let expected = Used {
            within: asker,
            ahead: got(3),
        };
        assert_eq!(used(times, noon(), ASKER), expected, "{times:?}");
        let expected = Used {
            within: issuer,
            ahead: shared.clone(),
        };
        assert_eq!(used(times, noon(), ISSUER), expected, "{times:?}");
    }
    // Once their time has come they are of it.
    let expected = Used {
        within: got(3),
        ahead: nothing(),
    };
    assert_eq!(used((edge + 1, u64::MAX), next_year, ASKER), expected);
}

#[test]
fn an_access_log_shows_what_is_dated_ahead_whatever_days_are_asked_for() {
    let world = World::new();
    world.write(
        ISSUER,
        noon(),
        vec![Entry::from(about(1, "one", "2026-06-30"))],
    );
    let midnight = day("2031-05-02").begins_in_china_ms();
    // Decided after the midnight that its request came before, and the other way round.
    let around = vec![
        Entry::from(about(2, "one", "2031-05-01")),
        Entry::from(about(3, "two", "2031-05-02")),
        Entry::from(about(4, "one", "2031-05-02")),
        Entry::from(about(5, "one", "2031-05-03")),
    ];
    let ahead = world.write(ISSUER, midnight, around);
    let much_later = vec![Entry::from(about(6, "one", "2999-12-31"))];
    let last = world.write(ISSUER, u64::MAX, much_later);
    let look = |from: &str, to: &str, now_ms| {
        let (key, days) = (catalogue_keys(), (day(from), day(to)));
        let found = access_log(
            &world.catalogue,
            &key,
            &[subject("one")],
            days,
            None,
            now_ms,
            1000,
        );
        let found = found.unwrap();
        assert_eq!(found.more, []);
        let seqs = found.receipts.iter().map(|(_, record)| record.record().seq);
        seqs.collect::<Vec<u64>>()
    };
    let of_one = [ahead[0], ahead[2], ahead[3], last[0]];
    assert_eq!(look("2020-01-01", "2020-01-31", noon()), of_one);
    let with_its_day = [&[1], &of_one[..]].concat();
    assert_eq!(look("2026-06-30", "2026-06-30", noon()), with_its_day);
    // Each once, also on a day that is asked for.
    assert_eq!(look("2031-05-01", "2031-05-03", noon()), of_one);
    // Ten minutes are no time ahead; after that it has its day.
    let edge = midnight - MAX_AHEAD_MS;
    assert_eq!(look("2020-01-01", "2020-01-31", edge - 1), of_one);
    assert_eq!(look("2020-01-01", "2020-01-31", edge), last);
    let past = look("2020-01-01", "2020-01-31", FAR_ON);
    assert!(past.is_empty(), "{past:?}");
}

#[test]
fn an_access_log_continues_through_very_many_days_ahead_and_lists_each_record_once() {
    let world = World::new();
    let first = day("2027-01-01");
    let days = (0..900).map(|n| Date::from_days(first.days() + n).unwrap());
    let mut seqs = Vec::new();
    for on in days {
        let subject = catalogue_key().blind(&subject("one"), on);
        let entry = Entry::AccessLogRead(AccessLogRead { subject });
        seqs.extend(world.write(THIRD, on.begins_in_china_ms(), vec![entry]));
    }
    for limit in [7, 1000] {
        let (mut reported, mut page, mut pages) = (Vec::new(), None, 0);
        loop {
            let (key, days) = (catalogue_keys(), (day("2026-06-30"), day("2026-06-30")));
            let found = access_log(
                &world.catalogue,
                &key,
                &[subject("one")],
                days,
                page,
                noon(),
                limit,
            );
            let found = found.unwrap();
            reported.extend(found.receipts.iter().map(|(_, it)| it.record().seq));
            pages += 1;
            page = found.more.first().copied();
            if page.is_none() {
                break;
            }
        }
        assert_eq!(reported, seqs, "{limit} at a time");
        assert!(pages >= 3, "{limit} at a time");
    }
}
