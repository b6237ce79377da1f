use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::catalogue::FreshnessLimits;
use crate::codec::Bounded;
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::crypto::keys::SigningKey;
use crate::disk::MemoryDisk;
use crate::genesis::Role;
use crate::genesis::testing::{department, network};
use crate::id::{CertificateId, HolderKind, TypeCode};
use crate::log::{Place, Writer};
use crate::membership::Membership;
use crate::names::{LogId, LogName};
use crate::record::{
    Action, CertificateIssued, DefinitionRef, Entry, FieldRoot, GrantMade, Grantee, MatterDefined,
    Reason, Record, RecordHash, SharingClass, SignedRecord, StatusChanged, SubMatter, TypeDefined,
    Validity,
};

const ISSUER: &str = "11430000006122244L";
/// Another department that may issue the types.
const SECOND: &str = "11100000MB03271699";
const ASKER: &str = "11330105002500287C";
const TODAY: &str = "2026-06-30";

fn type_code(number: u16) -> TypeCode {
    TypeCode::new(&ISSUER.parse().unwrap(), number).unwrap()
}

fn subject(name: &str) -> SubjectTag {
    SubjectTag(hash(Purpose::Subject, name.as_bytes()))
}

fn id(number: u16, serial: &str) -> CertificateId {
    id_of(ISSUER, number, serial)
}

fn id_of(issuer: &str, number: u16, serial: &str) -> CertificateId {
    let issuer: DepartmentCode = issuer.parse().unwrap();
    CertificateId::new(type_code(number), issuer.into(), serial, 1).unwrap()
}

/// Types 1 to 4, which the issuer and the second department may issue.
fn definitions() -> Vec<Entry> {
    let issuers = || Bounded::first([ISSUER, SECOND].map(|code| code.parse().unwrap()));
    let define = |n| TypeDefined {
        issuers: issuers(),
        ..TypeDefined::new(type_code(n), Text::default())
    };
    (1..=4).map(|n| Entry::from(define(n))).collect()
}

/// Where they stand at the beginning of the issuer's log.
fn defined(number: u16) -> DefinitionRef {
    let name = LogName {
        network: members().network(),
        id: LogId::first(ISSUER.parse().unwrap()),
    };
    let mut prev = RecordHash::NONE;
    for (entry, seq) in definitions().into_iter().zip(0..u64::from(number)) {
        let record = Record {
            seq,
            prev,
            time_ms: 1,
            height: 0,
            key_epoch: 0,
            entry,
        };
        prev = SignedRecord::sign(&name, record, &key(1)).hash();
    }
    DefinitionRef {
        log: name.id,
        seq: u64::from(number) - 1,
        hash: prev,
    }
}

fn certificate(id: CertificateId, from: &str, until: &str) -> CertificateIssued {
    CertificateIssued {
        definition: defined(number_of(&id)),
        id,
        subject: subject("the one"),
        holder_kind: HolderKind::IdentityCard,
        validity: Validity::new(from.parse().unwrap(), Some(until.parse().unwrap())).unwrap(),
        sharing: SharingClass::Unconditional,
        field_root: FieldRoot(Hash::ZERO),
        succession: None,
    }
}

fn number_of(id: &CertificateId) -> u16 {
    (1..=4).find(|n| type_code(*n) == id.type_code()).unwrap()
}

fn issue(number: u16, serial: &str, from: &str, until: &str, sharing: SharingClass) -> Entry {
    Entry::CertificateIssued(CertificateIssued {
        sharing,
        ..certificate(id(number, serial), from, until)
    })
}

/// So many certificates of type 1 that are long past.
fn expired(issuer: &str, count: usize) -> Vec<Entry> {
    let definition = defined(1);
    let first = certificate(id_of(issuer, 1, "J"), "2020-01-01", "2020-12-31");
    let entry = |n| {
        Entry::CertificateIssued(CertificateIssued {
            id: id_of(issuer, 1, &format!("J{n}")),
            definition,
            ..first.clone()
        })
    };
    (0..count).map(entry).collect()
}

fn revoke(id: CertificateId) -> Entry {
    Entry::StatusChanged(StatusChanged {
        id,
        action: Action::Revoke,
        reason: Reason::Other,
        text: Text::default(),
        inherited: None,
    })
}

fn requirement(types: &[u16], fields: &[&str]) -> Requirement {
    Requirement {
        types: Bounded::first(types.iter().map(|number| type_code(*number))),
        fields: Bounded::first(fields.iter().map(|code| Text::new(*code).unwrap())),
    }
}

fn grant(number: u16, fields: &[&str]) -> Entry {
    Entry::GrantMade(GrantMade {
        to: Grantee::Department(ASKER.parse().unwrap()),
        type_code: type_code(number),
        matters: Bounded::default(),
        fields: Bounded::first(fields.iter().map(|code| Text::new(*code).unwrap())),
        until: None,
    })
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn members() -> Membership {
    let all = [(ISSUER, 1), (ASKER, 2), (SECOND, 3)];
    let all = all.map(|(code, n)| department(code, key(n).public(), &[Role::Issue]));
    Membership::from_genesis(&network("test", all.into()))
}

/// A catalogue in which the asker's matter requires these and the issuer wrote those.
fn catalogue(requires: Vec<Requirement>, entries: Vec<Entry>) -> Catalogue {
    let place = Place {
        disk: Arc::new(MemoryDisk::new()),
        data: PathBuf::from("/d"),
        segment_records: 4,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let mut opened = Catalogue::open(place, members(), ASKER.parse().unwrap()).unwrap();
    opened.catalogue.limit_age(FreshnessLimits::NONE);
    opened.catalogue.set_own_log_whole(true);
    let matter = Entry::MatterDefined(MatterDefined {
        code: "M".parse().unwrap(),
        name: Text::default(),
        parts: Bounded::first([SubMatter {
            code: "1".parse().unwrap(),
            name: Text::default(),
            requires: Bounded::new(requires).unwrap(),
        }]),
    });
    write(&opened.catalogue, ASKER, 2, vec![matter]);
    let entries = definitions().into_iter().chain(entries).collect();
    write(&opened.catalogue, ISSUER, 1, entries);
    opened.catalogue
}

fn write(catalogue: &Catalogue, code: &str, n: u8, entries: Vec<Entry>) {
    let log = catalogue.log(&LogId::first(code.parse().unwrap()));
    Writer::new(log.unwrap(), key(n))
        .append(1, entries)
        .unwrap();
}

fn today() -> Question {
    let on = TODAY.parse().unwrap();
    Question { on, now_ms: 0 }
}

fn assessed(catalogue: &Catalogue, name: &str) -> Vec<Assessment> {
    let matter = format!("{ASKER}/M/1").parse().unwrap();
    let asker = ASKER.parse().unwrap();
    assess(catalogue, &asker, &matter, &[subject(name)], today()).unwrap()
}

/// How the only requirement stands, in a word.
fn word(catalogue: &Catalogue) -> &'static str {
    let [assessment] = &assessed(catalogue, "the one")[..] else {
        panic!("one requirement")
    };
    assessment.word()
}

fn states(catalogue: &Catalogue, name: &str) -> Vec<(State, Option<String>)> {
    let reported = |assessment: Assessment| {
        let best = assessment.best.map(|best| best.verification.id);
        (assessment.state, best.map(|id| id.serial().to_owned()))
    };
    assessed(catalogue, name)
        .into_iter()
        .map(reported)
        .collect()
}

#[test]
fn each_requirement_stands_as_its_best_certificate_does() {
    let open = SharingClass::Unconditional;
    let requires = vec![
        requirement(&[1], &["ZZMC"]),
        requirement(&[2], &["ZZMC"]),
        requirement(&[3], &["ZZMC"]),
        requirement(&[4], &[]),
        requirement(&[2, 1], &["ZZMC"]),
    ];
    let entries = vec![
        issue(1, "OLD", "2020-01-01", "2030-01-01", open),
        issue(1, "NEW", "2024-01-01", "2030-01-01", open),
        issue(1, "NEWEST", "2025-01-01", "2030-01-01", open),
        revoke(id(1, "NEWEST")),
        issue(
            2,
            "ASK",
            "2024-01-01",
            "2030-01-01",
            SharingClass::Conditional,
        ),
        issue(3, "GONE", "2020-01-01", "2026-06-29", open),
    ];
    let catalogue = catalogue(requires, entries);
    let serial = |text: &str| Some(text.to_owned());
    assert_eq!(
        states(&catalogue, "the one"),
        [
            (State::Held, serial("NEW")),
            (State::NeedsGrant, serial("ASK")),
            (State::NotValid, serial("GONE")),
            (State::Missing, None),
            (State::Held, serial("NEW")),
        ]
    );
    let nothing = (State::Missing, None);
    assert_eq!(states(&catalogue, "another"), vec![nothing; 5]);
}

#[test]
fn what_is_not_in_force_is_called_what_it_is() {
    let open = SharingClass::Unconditional;
    let requires = || vec![requirement(&[1], &[])];
    let current = || issue(1, "A", "2024-01-01", "2030-01-01", open);
    let mut unfounded = certificate(id(1, "U"), "2024-01-01", "2030-01-01");
    unfounded.definition.seq = 99;
    let unfounded = Entry::CertificateIssued(unfounded);
    let mut foreign = certificate(id(1, "F"), "2024-01-01", "2030-01-01");
    foreign.definition.log = LogId::first(SECOND.parse().unwrap());
    let past = issue(1, "P", "2020-01-01", "2020-12-31", open);
    let future = issue(1, "N", "2027-01-01", "2028-12-31", open);
    for (entries, expected) in [
        (vec![], "missing"),
        (vec![current()], "held"),
        (vec![current(), revoke(id(1, "A"))], "revoked"),
        (vec![past.clone()], "expired"),
        (vec![future], "not-yet-valid"),
        // The definition that it names is still to come.
        (vec![unfounded.clone()], "unknown"),
        (vec![past, unfounded.clone()], "unknown"),
        (vec![unfounded, current()], "held"),
        // One that rests on somebody else's definition is no certificate of the type at all.
        (vec![Entry::CertificateIssued(foreign)], "missing"),
    ] {
        assert_eq!(word(&catalogue(requires(), entries)), expected);
    }
}

#[test]
fn what_a_department_that_may_not_issue_the_type_writes_hides_nothing() {
    let open = SharingClass::Unconditional;
    let real = issue(1, "A", "2024-01-01", "2030-01-01", open);
    let catalogue = catalogue(vec![requirement(&[1], &[])], vec![real]);
    write(&catalogue, ASKER, 2, expired(ASKER, 3_000));
    assert_eq!(word(&catalogue), "held");
    // It is not looked at either: alone it is nothing, and nothing of it is cut off.
    let alone = self::catalogue(vec![requirement(&[1], &[])], vec![]);
    write(&alone, ASKER, 2, expired(ASKER, 3_000));
    assert_eq!(word(&alone), "missing");
}

#[test]
fn what_one_department_writes_hides_nothing_of_anothers() {
    let open = SharingClass::Unconditional;
    let real = issue(1, "A", "2024-01-01", "2030-01-01", open);
    let catalogue = catalogue(vec![requirement(&[1], &[])], vec![real]);
    write(&catalogue, SECOND, 3, expired(SECOND, 3 * MAX_HELD));
    assert_eq!(word(&catalogue), "held");
}

#[test]
fn where_a_search_was_cut_off_nothing_is_said_that_the_rest_could_refute() {
    let open = SharingClass::Unconditional;
    let real = || issue(1, "A", "2024-01-01", "2030-01-01", open);
    let requires = || vec![requirement(&[1], &[])];
    let before = |count| {
        let entries = [vec![real()], expired(ISSUER, count)].concat();
        word(&catalogue(requires(), entries))
    };
    assert_eq!(before(MAX_HELD - 1), "held");
    // It lies beyond the latest that are looked at, and so might one that is in force.
    assert_eq!(before(MAX_HELD), "unknown");
    let after = [expired(ISSUER, 3 * MAX_HELD), vec![real()]].concat();
    assert_eq!(word(&catalogue(requires(), after)), "held");
}

#[test]
fn a_grant_of_all_fields_needed_makes_a_certificate_count_and_one_of_some_does_not() {
    let class = SharingClass::Conditional;
    let certificate = || issue(1, "A", "2024-01-01", "2030-01-01", class);
    let requires = || vec![requirement(&[1], &["ZZMC", "ZZBH"]), requirement(&[1], &[])];
    for (granted, state) in [
        (&["ZZMC"][..], State::NeedsGrant),
        (&["ZZMC", "ZZBH"], State::Held),
        (&[], State::Held),
    ] {
        let catalogue = catalogue(requires(), vec![certificate(), grant(1, granted)]);
        let reported = states(&catalogue, "the one");
        assert_eq!(
            (reported[0].0, reported[1].0),
            (state, State::Held),
            "{granted:?}"
        );
    }
}

#[test]
fn a_matter_nobody_defined_is_reported_by_name() {
    let catalogue = catalogue(vec![], vec![]);
    let asker: DepartmentCode = ASKER.parse().unwrap();
    for unknown in ["M/2", "N/1"] {
        let matter = format!("{ASKER}/{unknown}").parse().unwrap();
        let refused = assess(&catalogue, &asker, &matter, &[subject("the one")], today());
        assert!(matches!(refused, Err(AssessError::UnknownMatter(named)) if named == matter));
    }
}
