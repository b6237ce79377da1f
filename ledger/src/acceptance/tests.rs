use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::codec::Bounded;
use crate::hash::{Hash, Purpose, hash};
use crate::id::{CertificateId, HolderKind};
use crate::keys::{CatalogueCommitment, SigningKey};
use crate::log::{LogId, MemoryDisk, Place, Writer};
use crate::membership::{Department, Genesis, Membership, PeerId, Role};
use crate::record::{
    Action, CertificateIssued, Entry, FieldRoot, GrantMade, Grantee, MatterDefined, Reason,
    SharingClass, StatusChanged, SubMatter, TypeDefined, Validity,
};

const ISSUER: &str = "11430000006122244L";
const ASKER: &str = "11330105002500287C";
const TODAY: &str = "2026-06-30";

fn type_code(number: u16) -> TypeCode {
    TypeCode::new(&ISSUER.parse().unwrap(), number).unwrap()
}

fn subject(name: &str) -> SubjectTag {
    SubjectTag(hash(Purpose::Subject, name.as_bytes()))
}

fn id(number: u16, serial: &str) -> CertificateId {
    let issuer: DepartmentCode = ISSUER.parse().unwrap();
    CertificateId::new(type_code(number), issuer.into(), serial, 1).unwrap()
}

fn issue(number: u16, serial: &str, from: &str, until: &str, sharing: SharingClass) -> Entry {
    Entry::CertificateIssued(CertificateIssued {
        id: id(number, serial),
        subject: subject("the one"),
        holder_kind: HolderKind::IdentityCard,
        validity: Validity::new(from.parse().unwrap(), Some(until.parse().unwrap())).unwrap(),
        sharing,
        field_root: FieldRoot(Hash::ZERO),
        succession: None,
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

/// A catalogue in which the asker's matter requires these and the issuer wrote those.
fn catalogue(requires: Vec<Requirement>, entries: Vec<Entry>) -> Catalogue {
    let department = |code: &str, n: u8| Department {
        code: code.parse().unwrap(),
        name: Text::new(code).unwrap(),
        name_zh: None,
        roles: Bounded::first([Role::Issue]),
        signing_key: key(n).public(),
        peer_id: PeerId::from_transport_seed(&[n; 32]),
        addresses: Bounded::default(),
    };
    let all = vec![department(ISSUER, 1), department(ASKER, 2)];
    let genesis = Genesis::new("test", 0, CatalogueCommitment(Hash::ZERO), all).unwrap();
    let place = Place {
        disk: Arc::new(MemoryDisk::new()),
        data: PathBuf::from("/d"),
        segment_records: 4,
    };
    let members = Membership::from_genesis(&genesis);
    let opened = Catalogue::open(place, members, ASKER.parse().unwrap()).unwrap();
    let matter = Entry::MatterDefined(MatterDefined {
        code: "M".parse().unwrap(),
        name: Text::default(),
        parts: Bounded::first([SubMatter {
            code: "1".parse().unwrap(),
            name: Text::default(),
            requires: Bounded::new(requires).unwrap(),
        }]),
    });
    let write = |code: &str, n: u8, entries: Vec<Entry>| {
        let log = opened.catalogue.log(&LogId::first(code.parse().unwrap()));
        Writer::new(Arc::clone(log.unwrap()), key(n))
            .append(1, entries)
            .unwrap();
    };
    write(ASKER, 2, vec![matter]);
    let types =
        (1..=4).map(|n| Entry::TypeDefined(TypeDefined::new(type_code(n), Text::default())));
    write(ISSUER, 1, types.chain(entries).collect());
    opened.catalogue
}

fn states(catalogue: &Catalogue, name: &str) -> Vec<(State, Option<String>)> {
    let matter = format!("{ASKER}/M/1").parse().unwrap();
    let asker = ASKER.parse().unwrap();
    assess(
        catalogue,
        &asker,
        &matter,
        &subject(name),
        TODAY.parse().unwrap(),
    )
    .unwrap()
    .into_iter()
    .map(|assessment| {
        let id = assessment
            .best
            .map(|best| best.verification.id.serial().to_owned());
        (assessment.state, id)
    })
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
    let revoke = Entry::StatusChanged(StatusChanged {
        id: id(1, "NEWEST"),
        action: Action::Revoke,
        reason: Reason::Other,
        text: Text::default(),
    });
    let entries = vec![
        issue(1, "OLD", "2020-01-01", "2030-01-01", open),
        issue(1, "NEW", "2024-01-01", "2030-01-01", open),
        issue(1, "NEWEST", "2025-01-01", "2030-01-01", open),
        revoke,
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
            (State::Lapsed, serial("GONE")),
            (State::Missing, None),
            (State::Held, serial("NEW")),
        ]
    );
    let nothing = (State::Missing, None);
    assert_eq!(states(&catalogue, "another"), vec![nothing; 5]);
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
        let told = states(&catalogue, "the one");
        assert_eq!((told[0].0, told[1].0), (state, State::Held), "{granted:?}");
    }
}

#[test]
fn a_matter_nobody_defined_is_told_by_name() {
    let catalogue = catalogue(vec![], vec![]);
    let asker: DepartmentCode = ASKER.parse().unwrap();
    for unknown in ["M/2", "N/1"] {
        let matter = format!("{ASKER}/{unknown}").parse().unwrap();
        let on = TODAY.parse().unwrap();
        let refused = assess(&catalogue, &asker, &matter, &subject("the one"), on);
        assert!(matches!(refused, Err(AssessError::UnknownMatter(named)) if named == matter));
    }
}
