//! Who may issue what: the rules by themselves, then as a peer applies them to the logs that it holds.

use std::convert::Infallible;

use super::super::tests::{
    A, AUTHORITY, B, POWERLESS, TYPE, catalogue, change, define, defined, id, issue, members,
    verdict, writer,
};
use super::super::{Batch, NotAllowed};
use super::*;
use crate::codec::Bounded;
use crate::id::CertificateId;
use crate::log::{BrokenRule, Stopped};
use crate::names::Claim;
use crate::record::{Action, Entry, RecordHash, Status};
use crate::verify::{Missing, NotValid, Verdict};

const DAY: u64 = DEFINITION_LAG_MS;
/// When the certificate of most tests was issued.
const ISSUED: u64 = 10 * DAY;
/// A certificate issued then rests on what was known of the definitions up to this.
const SINCE: u64 = ISSUED - DAY;
const ON: &str = "2024-06-01";

fn code(text: &str) -> DepartmentCode {
    text.parse().unwrap()
}

fn log_of(department: &str) -> LogId {
    LogId::first(code(department))
}

fn definition(issuers: &[&str]) -> TypeDefined {
    let Entry::TypeDefined(open) = define() else {
        unreachable!()
    };
    TypeDefined {
        issuers: Bounded::first(issuers.iter().map(|text| code(text))),
        ..*open
    }
}

/// Whom a definition at a position lets issue, its record's hash made of the position.
fn version(seq: u64, time_ms: u64, issuers: &[&str]) -> Listing {
    Listing::new(&definition(issuers), (seq, hash_at(seq), time_ms), None)
}

fn hash_at(seq: u64) -> RecordHash {
    let bytes = seq.to_le_bytes();
    RecordHash(crate::crypto::hash::hash(
        crate::crypto::hash::Purpose::Record,
        &bytes,
    ))
}

/// All is known of A's log but that these are its definitions of the type.
fn known(listings: Vec<Listing>) -> DefinitionEvidence {
    DefinitionEvidence {
        listings,
        size: 100,
        known_ms: u64::MAX,
        disputed_from: None,
        unread: None,
    }
}

fn certificate(issuer: &str) -> CertificateIssued {
    let Entry::CertificateIssued(issued) = issue(&id(issuer, "1"), None) else {
        unreachable!()
    };
    CertificateIssued {
        definition: DefinitionRef {
            log: log_of(A),
            seq: 5,
            hash: hash_at(5),
        },
        ..issued
    }
}

/// That of a record in a department's log, as of the genesis.
fn claim(log: &str) -> Claim {
    Claim {
        log: log_of(log),
        seq: 0,
        epoch: 0,
        height: 0,
    }
}

/// What is said of a certificate in a department's log where the definitions are no question.
fn without_definitions(log: &str, certificate: &CertificateIssued) -> Authority {
    let asked = |_: &DefinitionRef| -> Result<_, Infallible> { panic!("nothing to ask") };
    authority(
        &members().history(),
        &claim(log),
        certificate,
        ISSUED,
        asked,
    )
    .unwrap()
}

/// What is said of B's certificate, which names the definition at position 5.
fn judged(known: DefinitionEvidence) -> Authority {
    judged_at(ISSUED, known)
}

fn judged_at(time_ms: u64, known: DefinitionEvidence) -> Authority {
    let evidence = |named: &DefinitionRef| {
        assert_eq!((named.log, named.seq), (log_of(A), 5));
        Ok::<_, Infallible>(known)
    };
    authority(
        &members().history(),
        &claim(B),
        &certificate(B),
        time_ms,
        evidence,
    )
    .unwrap()
}

fn not_given(why: NotAuthorised) -> Authority {
    Authority::NotGiven(why)
}

#[test]
fn a_department_issues_only_what_names_it() {
    let why = without_definitions(A, &certificate(B));
    assert_eq!(why, not_given(NotAuthorised::NotNamed));
}

#[test]
fn a_department_without_the_role_to_issue_issues_nothing() {
    let why = without_definitions(POWERLESS, &certificate(POWERLESS));
    assert_eq!(why, not_given(NotAuthorised::NoRole));
}

#[test]
fn nobody_issues_a_type_that_no_member_may_define() {
    let stranger = DepartmentCode::from_body("11430000006122255").unwrap();
    let mut foreign = certificate(B);
    let code = TypeCode::new(&stranger, 1).unwrap();
    foreign.id = CertificateId::new(code, foreign.id.issuer(), "1", 1).unwrap();
    let why = without_definitions(B, &foreign);
    assert_eq!(why, not_given(NotAuthorised::NobodyDefines));
}

#[test]
fn nobody_issues_by_a_definition_in_another_log_than_the_definers() {
    for log in [B, POWERLESS, AUTHORITY] {
        let mut certificate = certificate(B);
        certificate.definition.log = log_of(log);
        let why = without_definitions(B, &certificate);
        assert_eq!(why, not_given(NotAuthorised::OthersDefinition), "{log}");
    }
    // Nor in a further log of the definer's, which nobody can have opened.
    let mut further = certificate(B);
    further.definition.log.generation = 1;
    let why = without_definitions(B, &further);
    assert_eq!(why, not_given(NotAuthorised::OthersDefinition));
}

#[test]
fn a_type_is_defined_by_its_authority_or_else_by_the_department_with_the_role_for_it() {
    let members = members();
    let of = |authority: &str| members.definer(&TypeCode::new(&code(authority), 1).unwrap());
    assert_eq!(of(AUTHORITY), Some(code(A)));
    for member in [A, B, POWERLESS] {
        assert_eq!(of(member), Some(code(member)));
    }
    // A type of B's own: by B's definition, and not by A's.
    let mut own = certificate(A);
    let code = TypeCode::new(&code(B), 1).unwrap();
    own.id = CertificateId::new(code, own.id.issuer(), "1", 1).unwrap();
    let why = without_definitions(A, &own);
    assert_eq!(why, not_given(NotAuthorised::OthersDefinition));
}

#[test]
fn a_definition_that_lists_the_department_or_nobody_lets_it_issue() {
    for issuers in [&[][..], &[B], &[A, B]] {
        let given = judged(known(vec![version(5, 1, issuers)]));
        assert_eq!(given, Authority::Given, "{issuers:?}");
    }
}

#[test]
fn a_department_that_the_named_definition_does_not_list_may_not_issue() {
    let none = judged(known(vec![version(5, 1, &[A])]));
    assert_eq!(none, not_given(NotAuthorised::NotListed));
    // Not even when one after it does: that one would have to be named.
    let later = judged(known(vec![version(5, 1, &[A]), version(6, 2, &[B])]));
    assert_eq!(later, not_given(NotAuthorised::NotListed));
}

#[test]
fn what_is_named_has_to_be_one_of_the_type_s_definitions_with_the_hash_named() {
    let not_a_definition = not_given(NotAuthorised::NotADefinition);
    let mut other_hash = version(5, 1, &[]);
    other_hash.hash = hash_at(6);
    for (what, versions) in [
        ("nothing there", vec![]),
        ("another place", vec![version(6, 1, &[])]),
        ("another hash", vec![other_hash]),
    ] {
        assert_eq!(judged(known(versions)), not_a_definition, "{what}");
    }
}

#[test]
fn a_later_definition_excludes_what_was_issued_more_than_a_day_after_it() {
    for (time_ms, excluded) in [
        (1, true),
        (SINCE - 1, true),
        // To the millisecond a day before: not more than that.
        (SINCE, false),
        (SINCE + 1, false),
        (ISSUED, false),
        (u64::MAX, false),
    ] {
        let versions = vec![version(5, 0, &[]), version(8, time_ms, &[A])];
        let expected = match excluded {
            true => not_given(NotAuthorised::Excluded { seq: 8 }),
            false => Authority::Given,
        };
        assert_eq!(judged(known(versions)), expected, "{time_ms}");
    }
}

#[test]
fn any_later_definition_that_excludes_counts_though_one_after_it_lists_the_department_again() {
    let versions = |again| {
        vec![
            version(5, 1, &[]),
            version(6, 2, &[A, B]),
            version(7, 3, &[A]),
            version(8, again, &[B]),
        ]
    };
    for again in [4, SINCE, ISSUED] {
        let excluded = not_given(NotAuthorised::Excluded { seq: 7 });
        assert_eq!(judged(known(versions(again))), excluded);
    }
    // It has to name the one that lists it again.
    let mut later = certificate(B);
    (later.definition.seq, later.definition.hash) = (8, hash_at(8));
    let evidence = |_: &DefinitionRef| Ok::<_, Infallible>(known(versions(4).split_off(3)));
    let given = authority(&members().history(), &claim(B), &later, ISSUED, evidence).unwrap();
    assert_eq!(given, Authority::Given);
}

#[test]
fn a_definition_that_is_not_held_yet_leaves_it_open() {
    for (size, held) in [(0, false), (5, false), (6, true)] {
        let mut evidence = known(vec![version(5, 1, &[])]);
        evidence.size = size;
        if !held {
            evidence.listings.clear();
        }
        let (log, seq) = (log_of(A), 5);
        let expected = match held {
            true => Authority::Given,
            false => Authority::Unknown(Unproven::NotHeld { log, seq }),
        };
        assert_eq!(judged(evidence), expected, "{size} records");
    }
}

#[test]
fn a_definition_in_dispute_leaves_it_open_and_so_do_those_that_dispute_keeps_away() {
    let disputed = |at| Authority::Unknown(Unproven::Disputed { log: log_of(A), at });
    let evidence = |at, known_ms| DefinitionEvidence {
        disputed_from: Some(at),
        known_ms,
        ..known(vec![version(5, 1, &[])])
    };
    assert_eq!(judged(evidence(4, 0)), disputed(4));
    assert_eq!(judged(evidence(5, u64::MAX)), disputed(5));
    // The undisputed part is known up to the time of its last record.
    assert_eq!(judged(evidence(6, SINCE - 1)), disputed(6));
    assert_eq!(judged(evidence(6, SINCE)), Authority::Given);
    // What is known against it stands, unless that is in dispute as well.
    for (at, expected) in [
        (6, disputed(6)),
        (7, not_given(NotAuthorised::Excluded { seq: 6 })),
    ] {
        let mut excluded = evidence(at, 2);
        excluded.listings.push(version(6, 2, &[A]));
        assert_eq!(judged(excluded), expected);
    }
}

#[test]
fn what_is_known_of_the_definitions_may_be_a_day_older_than_the_certificate() {
    let evidence = |known_ms| DefinitionEvidence {
        known_ms,
        ..known(vec![version(5, 1, &[])])
    };
    let (log, needed_ms) = (log_of(A), SINCE);
    for known_ms in [0, SINCE - 1] {
        let expected = Unproven::KnownTo {
            log,
            known_ms,
            needed_ms,
        };
        assert_eq!(judged(evidence(known_ms)), Authority::Unknown(expected));
    }
    assert_eq!(judged(evidence(SINCE)), Authority::Given);
    // In a network's first day nothing can be older.
    assert_eq!(judged_at(DAY, evidence(0)), Authority::Given);
    assert_eq!(judged_at(0, evidence(0)), Authority::Given);
}

#[test]
fn an_entry_of_a_later_version_may_exclude_the_department() {
    let evidence = |time_ms| DefinitionEvidence {
        unread: Some(Unread {
            seq: 7,
            time_ms,
            behind: None,
        }),
        ..known(vec![version(5, 1, &[])])
    };
    let unknown = Authority::Unknown(Unproven::LaterVersion {
        log: log_of(A),
        seq: 7,
    });
    assert_eq!(judged(evidence(SINCE - 1)), unknown);
    assert_eq!(judged(evidence(SINCE)), Authority::Given);
    let mut excluded = evidence(2);
    excluded.listings.push(version(8, 3, &[A]));
    let expected = not_given(NotAuthorised::Excluded { seq: 8 });
    assert_eq!(judged(excluded), expected);
}

#[path = "authority_held_tests.rs"]
mod held;
