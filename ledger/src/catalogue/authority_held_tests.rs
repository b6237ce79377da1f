//! The same as a peer applies it to the logs that it holds.

use crate::crypto::hash::{Purpose, hash};
use crate::record::SubjectTag;

use crate::catalogue::Stale;

use super::*;

/// The type, for these departments.
fn define_for(issuers: &[&str]) -> Entry {
    Entry::from(definition(issuers))
}

/// B's certificate of a serial by a definition.
fn by(serial: &str, definition: DefinitionRef) -> Entry {
    let Entry::CertificateIssued(issued) = issue(&id(B, serial), None) else {
        unreachable!()
    };
    Entry::CertificateIssued(CertificateIssued {
        definition,
        ..issued
    })
}

/// Appends to a department's log and names each record as if it defined something.
fn write(
    catalogue: &Catalogue,
    department: &str,
    time_ms: u64,
    entries: Vec<Entry>,
) -> Vec<DefinitionRef> {
    let places = [A, B, POWERLESS];
    let n = places.iter().position(|code| *code == department).unwrap();
    let mut writer = writer(catalogue, department, n as u8 + 1);
    let (appended, _) = writer.append(time_ms, entries).unwrap();
    let log = log_of(department);
    let named = appended.iter().map(|appended| DefinitionRef {
        log,
        seq: appended.seq,
        hash: appended.hash,
    });
    named.collect()
}

fn said(catalogue: &Catalogue, serial: &str) -> Verdict {
    verdict(catalogue, &id(B, serial), ON)
}

fn refused(why: NotAuthorised) -> Verdict {
    Verdict::NotValid(NotValid::IssuerNotAuthorised(why))
}

fn open(why: Unproven) -> Verdict {
    Verdict::Unknown(vec![Missing::Definition(why)])
}

#[test]
fn each_certificate_is_judged_by_the_definition_it_names_and_those_after_it() {
    let catalogue = catalogue(A);
    let first = write(&catalogue, A, 1, vec![define_for(&[B]), define_for(&[A])]);
    let third = write(&catalogue, A, 5 * DAY, vec![define_for(&[A, B])]);
    write(&catalogue, A, 6 * DAY, vec![define_for(&[A])]);
    let own = write(&catalogue, B, 1, vec![define_for(&[B])]);
    let mut misnamed = third[0];
    misnamed.hash = first[0].hash;
    let mut beyond = first[0];
    beyond.seq = 99;
    let cases = [
        ("1", first[0], 2, Verdict::Valid),
        ("2", first[1], 2, refused(NotAuthorised::NotListed)),
        ("3", own[0], 2, refused(NotAuthorised::OthersDefinition)),
        ("4", misnamed, 2, refused(NotAuthorised::NotADefinition)),
        (
            "5",
            first[0],
            2 * DAY + 2,
            refused(NotAuthorised::Excluded { seq: 1 }),
        ),
        ("6", third[0], 7 * DAY, Verdict::Valid),
        (
            "7",
            third[0],
            7 * DAY + 1,
            refused(NotAuthorised::Excluded { seq: 3 }),
        ),
        (
            "8",
            beyond,
            7 * DAY + 1,
            open(Unproven::NotHeld {
                log: log_of(A),
                seq: 99,
            }),
        ),
    ];
    for (serial, definition, time_ms, _) in &cases {
        write(&catalogue, B, *time_ms, vec![by(serial, *definition)]);
    }
    for (serial, _, _, expected) in &cases {
        assert_eq!(said(&catalogue, serial), *expected, "certificate {serial}");
    }
}

#[test]
fn a_certificate_whose_definition_has_not_arrived_is_unknown_until_it_has() {
    let (source, catalogue) = (catalogue(A), catalogue(B));
    write(&catalogue, B, 2, vec![by("1", defined())]);
    let (log, seq) = (log_of(A), 0);
    let missing = open(Unproven::NotHeld { log, seq });
    assert_eq!(said(&catalogue, "1"), missing);
    write(&source, A, 1, vec![define()]);
    let page = source.log(&log).unwrap().page(0, 1 << 20).unwrap();
    let page = page.verify(&members()).unwrap();
    catalogue.log(&log).unwrap().apply(&page).unwrap();
    assert_eq!(said(&catalogue, "1"), Verdict::Valid);
}

#[test]
fn the_definers_head_has_to_be_confirmed_by_someone_else_than_the_issuer() {
    let known_to = |known_ms| {
        open(Unproven::KnownTo {
            log: log_of(A),
            known_ms,
            needed_ms: SINCE,
        })
    };
    let world = || {
        let catalogue = catalogue(POWERLESS);
        let named = write(&catalogue, A, 1, vec![define()]);
        write(&catalogue, B, ISSUED, vec![by("1", named[0])]);
        catalogue
    };
    let (log, issuer) = (log_of(A), code(B));
    let catalogue = world();
    assert_eq!(said(&catalogue, "1"), known_to(1));
    for now_ms in [SINCE, ISSUED, u64::MAX] {
        catalogue.confirm(log, issuer, now_ms, 0);
        assert_eq!(said(&catalogue, "1"), known_to(1), "the issuer itself");
    }
    catalogue.confirm(log_of(B), code(A), ISSUED, 0);
    assert_eq!(said(&catalogue, "1"), known_to(1), "of another log");
    catalogue.confirm(log, code(POWERLESS), SINCE - 1, 0);
    assert_eq!(said(&catalogue, "1"), known_to(SINCE - 1));
    catalogue.confirm(log, code(POWERLESS), SINCE, 0);
    assert_eq!(said(&catalogue, "1"), Verdict::Valid);
    // However often the issuer confirms it afterwards.
    for now_ms in 0..9 {
        catalogue.confirm(log, issuer, ISSUED + now_ms, 0);
        assert_eq!(said(&catalogue, "1"), Verdict::Valid);
    }
    // The definer says it with every checkpoint of its own, and when its peer is heard.
    let catalogue = world();
    write(
        &catalogue,
        A,
        SINCE,
        vec![change(&id(A, "9"), Action::Revoke)],
    );
    assert_eq!(said(&catalogue, "1"), Verdict::Valid);
    let catalogue = world();
    catalogue.confirm(log, code(A), SINCE, 0);
    assert_eq!(said(&catalogue, "1"), Verdict::Valid);
}

#[test]
fn a_definer_knows_its_own_definitions_and_needs_nobody_to_confirm_them() {
    let catalogue = catalogue(A);
    let named = write(&catalogue, A, 1, vec![define()]);
    write(&catalogue, B, ISSUED, vec![by("1", named[0])]);
    assert_eq!(said(&catalogue, "1"), Verdict::Valid);
    // As long as others confirm that its log is whole.
    catalogue.set_own_log_whole(false);
    let expected = Verdict::Unknown(vec![Missing::Newest(Stale::Unconfirmed)]);
    assert_eq!(said(&catalogue, "1"), expected);
}

#[test]
fn what_speaks_against_a_certificate_stands_while_its_authority_is_unknown() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    let ids = ["1", "2"].map(|serial| id(B, serial));
    let entries = vec![
        by("1", named[0]),
        by("2", named[0]),
        change(&ids[1], Action::Revoke),
    ];
    write(&catalogue, B, ISSUED, entries);
    assert!(matches!(said(&catalogue, "1"), Verdict::Unknown(_)));
    let revoked = Verdict::NotValid(NotValid::Status(Status::Revoked));
    assert_eq!(said(&catalogue, "2"), revoked);
    for (on, code) in [("2025-01-01", "expired"), ("2023-12-31", "not-yet-valid")] {
        let Verdict::NotValid(why) = verdict(&catalogue, &ids[0], on) else {
            panic!("{code}")
        };
        assert_eq!(why.code(), code);
    }
}

#[test]
fn where_the_definers_log_is_in_dispute_what_it_said_before_counts_as_far_as_it_goes() {
    for (at, time_ms, expected) in [
        (0, ISSUED, Some(0)),
        (1, ISSUED, Some(1)),
        (2, ISSUED, Some(2)),
        (2, 3 * DAY, None),
    ] {
        let catalogue = catalogue(A);
        let named = write(&catalogue, A, 1, vec![define()]);
        write(&catalogue, A, 2 * DAY, vec![define()]);
        write(&catalogue, A, 9 * DAY, vec![define()]);
        write(&catalogue, B, time_ms, vec![by("1", named[0])]);
        let log = catalogue.log(&log_of(A)).unwrap();
        log.stop(Stopped::Broken(BrokenRule::Prev { seq: at }));
        let expected = match expected {
            Some(at) => open(Unproven::Disputed { log: log_of(A), at }),
            None => Verdict::Valid,
        };
        assert_eq!(said(&catalogue, "1"), expected, "from {at}, at {time_ms}");
    }
}

#[test]
fn an_unread_entry_in_the_definers_log_leaves_open_what_was_issued_a_day_after_it() {
    let catalogue = catalogue(A);
    let named = write(&catalogue, A, 1, vec![define()]);
    let unread = Entry::read(11, b"of a later version");
    write(&catalogue, A, 2 * DAY, vec![unread]);
    let unknown = open(Unproven::LaterVersion {
        log: log_of(A),
        seq: 1,
    });
    for (serial, time_ms, expected) in [
        ("1", 2 * DAY, Verdict::Valid),
        ("2", 3 * DAY, Verdict::Valid),
        ("3", 3 * DAY + 1, unknown),
    ] {
        write(&catalogue, B, time_ms, vec![by(serial, named[0])]);
        assert_eq!(said(&catalogue, serial), expected);
    }
}

#[test]
fn a_certificate_that_names_an_unread_entry_is_unknown_where_the_entry_may_be_its_definition() {
    let catalogue = catalogue(A);
    let unread = |n| Entry::read(11, &[n]);
    let other = change(&id(A, "9"), Action::Revoke);
    let entries = vec![define_for(&[A]), unread(1), unread(2), other];
    let named = write(&catalogue, A, 1, entries);
    let unknown = open(Unproven::LaterVersion {
        log: log_of(A),
        seq: 1,
    });
    let mut misnamed = named[0];
    misnamed.hash = named[1].hash;
    for (serial, definition, expected) in [
        ("0", named[0], refused(NotAuthorised::NotListed)),
        ("1", named[1], unknown.clone()),
        ("2", named[2], unknown.clone()),
        ("3", named[3], unknown),
        ("4", misnamed, refused(NotAuthorised::NotADefinition)),
    ] {
        write(&catalogue, B, 2, vec![by(serial, definition)]);
        assert_eq!(said(&catalogue, serial), expected, "certificate {serial}");
    }
}

/// A page with all records of a log, handed to another catalogue.
fn copy(from: &Catalogue, to: &Catalogue, department: &str) {
    let log = log_of(department);
    let held = to.log(&log).unwrap();
    let next = held.checkpoint().map_or(0, |checkpoint| checkpoint.size);
    let page = from.log(&log).unwrap().page(next, 1 << 20).unwrap();
    held.apply(&page.verify(&members()).unwrap()).unwrap();
}

/// How many certificates of the type those who show what a subject holds have to show.
fn shown(catalogue: &Catalogue) -> usize {
    let tag = SubjectTag(hash(Purpose::Subject, b"s"));
    let (found, cut) = catalogue
        .latest_of(&[tag], &TYPE.parse().unwrap(), 9)
        .unwrap();
    assert!(!cut);
    found.len()
}

#[test]
fn a_certificate_is_not_passed_over_while_a_definition_that_lists_its_department_may_come() {
    let (source, catalogue) = (catalogue(A), catalogue(POWERLESS));
    let first = write(&source, A, 1, vec![define_for(&[A])]);
    let second = DefinitionRef { seq: 1, ..first[0] };
    write(&source, B, 9, vec![by("1", second)]);
    copy(&source, &catalogue, B);
    assert_eq!(shown(&catalogue), 1, "no definition has come");
    copy(&source, &catalogue, A);
    assert_eq!(shown(&catalogue), 1, "a later one may come");
    catalogue.confirm(log_of(A), code(B), 9, 0);
    assert_eq!(shown(&catalogue), 1, "the issuer itself knows of none");
    catalogue.confirm(log_of(A), code(A), 8, 0);
    assert_eq!(shown(&catalogue), 1, "there was none a moment before");
    catalogue.confirm(log_of(A), code(A), 9, 0);
    assert_eq!(shown(&catalogue), 0, "there was none");
    // Where it comes nevertheless, it counts as what it is.
    let second = write(&source, A, 9, vec![define_for(&[B])])[0];
    write(&source, B, 9, vec![by("2", second)]);
    copy(&source, &catalogue, A);
    copy(&source, &catalogue, B);
    assert_eq!(shown(&catalogue), 1);
    assert_eq!(said(&catalogue, "2"), Verdict::Valid);
}

#[test]
fn a_certificate_is_not_passed_over_while_an_unread_entry_may_list_its_department() {
    let catalogue = catalogue(A);
    let entries = vec![define_for(&[A]), Entry::read(11, b"of a later version")];
    let named = write(&catalogue, A, 5, entries);
    for (serial, time_ms, expected) in [("1", 5, 0), ("2", 6, 1)] {
        write(&catalogue, B, time_ms, vec![by(serial, named[1])]);
        assert_eq!(shown(&catalogue), expected);
    }
}

#[test]
fn the_writer_names_the_current_definition_and_keeps_to_it() {
    let catalogue = catalogue(B);
    let own = catalogue.log(&catalogue.own()).unwrap();
    let named = write(&catalogue, A, 1, vec![define(), define_for(&[A, B])]);
    let code = TYPE.parse().unwrap();
    let latest_for = |department: &str| {
        let department = department.parse().unwrap();
        catalogue.current_definition(&code, &department).unwrap()
    };
    let (current, _) = latest_for(A);
    assert_eq!(current, named[1]);
    assert_eq!(latest_for(B), (current, true));
    assert_eq!(latest_for(POWERLESS), (current, false));
    let definition = catalogue.type_definition(&code).unwrap().unwrap();
    assert_eq!((definition.named, definition.version), (current, 2));
    assert_eq!(definition.definition.issuers.len(), 2);
    let check = |entry: &Entry| Batch::new(&catalogue, &own).check(entry);
    assert!(matches!(
        check(&by("1", named[0])),
        Err(NotAllowed::OtherDefinition(_))
    ));
    check(&by("1", current)).unwrap();
    // A retry says the same though the definition has changed meanwhile.
    write(&catalogue, B, 2, vec![by("1", current)]);
    write(&catalogue, A, 3, vec![define_for(&[A])]);
    let batch = Batch::new(&catalogue, &own);
    let latest = latest_for(A).0;
    for definition in [named[0], current, latest] {
        let first = batch.existing(&by("1", definition)).unwrap();
        assert_eq!(first.unwrap().record().seq, 0);
    }
    assert!(matches!(
        check(&by("2", latest)),
        Err(NotAllowed::NotListed(_))
    ));
    let held = catalogue.certificate(&id(B, "1")).unwrap().unwrap();
    let of_it = catalogue.definition_of(held.certificate()).unwrap();
    assert_eq!(*of_it.unwrap(), super::definition(&[A, B]));
}

#[test]
fn the_definition_of_a_certificate_is_none_but_the_one_it_names() {
    let catalogue = catalogue(A);
    let mut named = write(&catalogue, A, 1, vec![define()])[0];
    write(&catalogue, A, 2, vec![define_for(&[B])]);
    let of = |definition| {
        let Entry::CertificateIssued(issued) = by("1", definition) else {
            unreachable!()
        };
        catalogue.definition_of(&issued).unwrap()
    };
    assert_eq!(*of(named).unwrap(), definition(&[]));
    let mut beyond = named;
    beyond.seq = 2;
    let mut elsewhere = named;
    elsewhere.log = log_of(B);
    named.hash = hash_at(0);
    for other in [beyond, elsewhere, named] {
        assert!(of(other).is_none(), "{other:?}");
    }
}
