//! What an entry of a later version leaves open, and what it doesn't.

use super::*;
use crate::verify::GatherError;

const ON: &str = "2024-06-01";

/// Valid, revoked, expired and suspended certificates, an entry that can't be read, and a certificate after it.
fn world() -> Catalogue {
    let catalogue = catalogue(A);
    let unread = Entry::read(11, b"of a later version");
    let entries = vec![
        define(),
        issue(&id(A, "1"), None),
        issue(&id(A, "2"), None),
        issue(&id(A, "3"), None),
        change(&id(A, "2"), Action::Revoke),
        change(&id(A, "3"), Action::Suspend),
        unread,
        issue(&id(A, "4"), None),
        change(&id(A, "4"), Action::Cancel),
        issue(&id(A, "5"), None),
    ];
    writer(&catalogue, A, 1).append(1, entries).unwrap();
    catalogue
}

#[test]
fn what_would_be_valid_is_unknown_and_what_speaks_against_a_certificate_stands() {
    let catalogue = world();
    let unknown = Verdict::Unknown(vec![Missing::LaterVersion { at: 6 }]);
    let status = |status| Verdict::NotValid(NotValid::Status(status));
    for (serial, expected) in [
        ("1", unknown.clone()),
        ("2", status(Status::Revoked)),
        ("3", status(Status::Suspended)),
        ("4", status(Status::Cancelled)),
        ("5", unknown),
    ] {
        assert_eq!(
            verdict(&catalogue, &id(A, serial), ON),
            expected,
            "{serial}"
        );
    }
    let expired = verdict(&catalogue, &id(A, "1"), "2025-01-01");
    assert!(matches!(
        expired,
        Verdict::NotValid(NotValid::Expired { .. })
    ));
    let absent = verdict(&catalogue, &id(A, "9"), ON);
    assert!(
        matches!(&absent, Verdict::Unknown(missing) if matches!(missing[..], [Missing::Record { .. }]))
    );
}

#[test]
fn no_proof_is_made_where_the_statuses_are_uncertain() {
    let catalogue = world();
    for serial in ["1", "2", "5"] {
        let made = Bundle::gather(&catalogue, &id(A, serial), |_| Vec::new());
        assert!(matches!(
            made,
            Err(GatherError::Read(ReadError::LaterVersion { seq: 6, .. }))
        ));
    }
    // Nor by a definition in such a log: another may have followed it.
    let other = id(B, "1");
    writer(&catalogue, B, 2)
        .append(1, vec![issue(&other, None)])
        .unwrap();
    assert_eq!(verdict(&catalogue, &other, ON), Verdict::Valid);
    let made = Bundle::gather(&catalogue, &other, |_| Vec::new());
    assert!(matches!(
        made,
        Err(GatherError::Read(ReadError::LaterVersion { seq: 6, .. }))
    ));
}

#[test]
fn other_logs_are_not_concerned() {
    let catalogue = world();
    let mut at_b = writer(&catalogue, B, 2);
    let named = writer(&catalogue, A, 1).log().definitions();
    assert_eq!(named.types().len(), 1);
    at_b.append(2, vec![issue(&id(B, "1"), None)]).unwrap();
    at_b.append(3, vec![change(&id(B, "1"), Action::Lapse)])
        .unwrap();
    let lapsed = Verdict::NotValid(NotValid::Status(Status::Lapsed));
    assert_eq!(verdict(&catalogue, &id(B, "1"), ON), lapsed);
}

#[test]
fn searches_histories_and_counts_go_on_past_it() {
    let catalogue = world();
    let tag = SubjectTag(hash(Purpose::Subject, b"s"));
    let code = TYPE.parse().unwrap();
    let by_subject = catalogue
        .by_subject(&[tag], Cursor::default(), 100)
        .unwrap();
    let by_type = catalogue.by_type(&code, Cursor::default(), 100).unwrap();
    let by_issuer = catalogue.by_issuer(&A.parse().unwrap(), 0, 100).unwrap();
    for found in [by_subject, by_type, by_issuer] {
        assert_eq!(found.certificates.len(), 5);
    }
    let (latest, cut) = catalogue.latest_of(&[tag], &code, 10).unwrap();
    assert_eq!((latest.len(), cut), (5, false));
    let chain = catalogue.chain(&id(A, "4")).unwrap();
    assert_eq!(chain.lives[0].records.len(), 2);
    assert_eq!(catalogue.issued()[&code][&A.parse().unwrap()], 5);
}

#[test]
fn nobody_writes_what_it_can_t_read() {
    let catalogue = world();
    let log = catalogue.log(&catalogue.own()).unwrap();
    let mut batch = Batch::new(&catalogue, &log);
    for (kind, content) in [(11, &b"any"[..]), (1, b""), (u32::MAX, b"")] {
        let entry = Entry::read(kind, content);
        let refused = batch.check(&entry);
        assert!(matches!(refused, Err(NotAllowed::UnknownKind(of)) if of == kind));
        assert!(batch.existing(&entry).unwrap().is_none());
    }
}
