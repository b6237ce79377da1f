//! Identifiers that name a division, which several departments may claim.

use super::*;
use crate::genesis::testing::{department, network};
use crate::verify::verify_record;

/// Another department of A's division, 430000.
fn second() -> DepartmentCode {
    DepartmentCode::from_body("11430000006122255").unwrap()
}

/// A, which defines the type for these or for everybody, and the second department.
fn world(issuers: &[DepartmentCode]) -> (Catalogue, CertificateId, Entry) {
    let all = vec![
        department(A, key(1).public(), &[Role::Issue, define_role()]),
        department(second().as_str(), key(2).public(), &[Role::Issue]),
    ];
    let members = Membership::from_genesis(&network("test", all));
    let place = Place {
        disk: Arc::new(MemoryDisk::new()),
        data: PathBuf::from("/d"),
        segment_records: 8,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let opened = Catalogue::open(place, members, A.parse().unwrap());
    let mut catalogue = opened.unwrap().catalogue;
    known_for_whole(&mut catalogue);
    let Entry::TypeDefined(mut definition) = define() else {
        unreachable!()
    };
    definition.issuers = Bounded::first(issuers.iter().copied());
    let mut at_a = writer(&catalogue, A, 1);
    let defined = vec![Entry::TypeDefined(definition)];
    let (appended, _) = at_a.append(1, defined).unwrap();
    let division = IssuerCode::Division("430000".parse().unwrap());
    let id = CertificateId::new(TYPE.parse().unwrap(), division, "1", 1).unwrap();
    let Entry::CertificateIssued(mut issued) = issue(&id, None) else {
        unreachable!()
    };
    // Another network than that of the other tests, so the record has another hash.
    issued.definition.hash = appended[0].hash;
    let issued = Entry::CertificateIssued(issued);
    at_a.append(1, vec![issued.clone()]).unwrap();
    assert_eq!(verdict(&catalogue, &id, "2024-06-01"), Verdict::Valid);
    (catalogue, id, issued)
}

#[test]
fn a_certificate_that_two_departments_of_a_division_claim_is_unknown() {
    let (catalogue, id, issued) = world(&[]);
    writer(&catalogue, second().as_str(), 2)
        .append(1, vec![issued, change(&id, Action::Revoke)])
        .unwrap();
    let claimed = verdict(&catalogue, &id, "2024-06-01");
    assert!(
        matches!(&claimed, Verdict::Unknown(m) if matches!(&m[..], [Missing::RightfulIssuer { departments }] if departments.len() == 2))
    );
    assert_eq!(catalogue.claims(&id).unwrap().len(), 2);
}

#[test]
fn a_department_of_the_division_that_may_not_issue_the_type_turns_nothing_unknown() {
    let (catalogue, id, issued) = world(&[A.parse().unwrap()]);
    let mut at_second = writer(&catalogue, second().as_str(), 2);
    let issued_again = issued.clone();
    let claim = |change: &dyn Fn(&mut CertificateIssued)| {
        let Entry::CertificateIssued(mut claim) = issued_again.clone() else {
            unreachable!()
        };
        change(&mut claim);
        Entry::CertificateIssued(claim)
    };
    // The definition doesn't list it; a definition of its own counts for nothing.
    let own = LogId::first(second());
    let claims = vec![
        define(),
        claim(&|_| ()),
        change(&id, Action::Revoke),
        claim(&|claim| claim.definition.log = own),
    ];
    at_second.append(1, claims).unwrap();
    assert_eq!(verdict(&catalogue, &id, "2024-06-01"), Verdict::Valid);
    let state = catalogue.certificate(&id).unwrap().unwrap();
    assert_eq!(state.log, catalogue.own());
    assert_eq!(catalogue.claims(&id).unwrap().len(), 1);
    // In its own log it is what it is.
    let own = catalogue.certificate_in(&own, &id).unwrap().unwrap();
    assert_eq!(own.status, Status::Revoked);
    // Alone it says nothing either, before the department that may issue the type has spoken.
    let alone = CertificateId::new(TYPE.parse().unwrap(), id.issuer(), "2", 1).unwrap();
    let entry = claim(&|claim| claim.id = alone.clone());
    at_second.append(2, vec![entry]).unwrap();
    let state = catalogue.certificate(&alone).unwrap().unwrap();
    assert!(!catalogue.is_entitled(&state).unwrap());
    assert!(catalogue.awaits_issuer(&state).unwrap());
    let unknown = verdict(&catalogue, &alone, "2024-06-01");
    assert!(
        matches!(&unknown, Verdict::Unknown(m) if matches!(&m[..], [Missing::Record { .. }])),
        "{unknown:?}"
    );
    let Entry::CertificateIssued(mut real) = issued else {
        unreachable!()
    };
    real.id = alone.clone();
    writer(&catalogue, A, 1)
        .append(3, vec![Entry::CertificateIssued(real)])
        .unwrap();
    assert_eq!(verdict(&catalogue, &alone, "2024-06-01"), Verdict::Valid);
    // Shown by itself, its record says that it is not valid, and why.
    let shown = verify_record(&catalogue, &state, question(day("2024-06-01"))).unwrap();
    let why = NotAuthorised::NotListed;
    assert_eq!(
        shown.verdict,
        Verdict::NotValid(NotValid::IssuerNotAuthorised(why))
    );
}

#[test]
fn a_claim_that_names_a_definition_nobody_holds_turns_nothing_unknown_unless_it_was_listed() {
    for (listed, expected) in [(false, Verdict::Valid), (true, Verdict::Unknown(vec![]))] {
        let mut issuers = vec![A.parse().unwrap()];
        issuers.extend(listed.then(second));
        let (catalogue, id, issued) = world(&issuers);
        let Entry::CertificateIssued(mut claim) = issued else {
            unreachable!()
        };
        claim.definition.seq = 99;
        let entry = vec![Entry::CertificateIssued(claim)];
        writer(&catalogue, second().as_str(), 2)
            .append(2, entry)
            .unwrap();
        let said = verdict(&catalogue, &id, "2024-06-01");
        assert_eq!(said.as_str(), expected.as_str(), "listed: {listed}");
    }
}
