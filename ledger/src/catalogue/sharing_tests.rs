use super::*;
use crate::catalogue::tests::{A, B, id, issue, members};
use crate::codec::Bounded;
use crate::genesis::Role;
use crate::record::{Entry, Requirement, SubMatter};

fn matter(department: &str, part: &str) -> MatterRef {
    format!("{department}/M/{part}").parse().unwrap()
}

fn definition(type_code: TypeCode) -> MatterDefined {
    let field = |code: &str| Text::new(code).unwrap();
    let requires = Requirement {
        types: Bounded::first([type_code]),
        fields: Bounded::first([field("ZZMC"), field("CZZT")]),
    };
    let part = |code: &str, requires| SubMatter {
        code: code.parse().unwrap(),
        name: Text::default(),
        requires,
    };
    MatterDefined {
        code: "M".parse().unwrap(),
        name: Text::default(),
        parts: Bounded::first([
            part("1", Bounded::first([requires])),
            part("2", Bounded::default()),
        ]),
    }
}

/// What B gets of a certificate of A's.
fn decide(
    sharing: SharingClass,
    grants: &[(u64, GrantMade)],
    asker: &str,
    matter: &MatterRef,
) -> Result<Access, Denial> {
    let Entry::CertificateIssued(mut certificate) = issue(&id(A, "1"), None) else {
        unreachable!()
    };
    certificate.sharing = sharing;
    let definition = definition(certificate.id.type_code());
    let asker = asker.parse().unwrap();
    let request = Request {
        asker: &asker,
        matter,
        definition: Some(&definition),
        on: "2026-06-30".parse().unwrap(),
    };
    let grants = grants.iter().cloned();
    let issuer = A.parse().unwrap();
    access(&members(), &issuer, grants, &certificate, &request)
}

fn grant(to: Grantee, fields: &[&str], until: Option<&str>) -> GrantMade {
    GrantMade {
        to,
        type_code: id(A, "1").type_code(),
        matters: Bounded::default(),
        fields: Bounded::first(fields.iter().map(|code| Text::new(*code).unwrap())),
        until: until.map(|day| day.parse().unwrap()),
    }
}

fn codes(access: &Access) -> Vec<&str> {
    access.fields.iter().map(Text::as_str).collect()
}

#[test]
fn the_sharing_class_decides_what_no_grant_says() {
    let wanted = matter(B, "1");
    let open = decide(SharingClass::Unconditional, &[], B, &wanted).unwrap();
    assert_eq!(open.basis, Basis::Unconditional);
    assert_eq!(codes(&open), ["CZZT", "ZZMC"]);
    let denied = decide(SharingClass::Conditional, &[], B, &wanted).unwrap_err();
    assert!(matches!(denied, Denial::NoGrant { .. }));
    let grants = [(3, grant(Grantee::Department(B.parse().unwrap()), &[], None))];
    let never = decide(SharingClass::NotShared, &grants, B, &wanted);
    assert_eq!(never, Err(Denial::NotShared));
}

#[test]
fn a_matter_must_be_the_askers_own_be_known_and_require_the_type() {
    let ask = |asker, matter: &MatterRef| decide(SharingClass::Unconditional, &[], asker, matter);
    assert!(matches!(
        ask(B, &matter(A, "1")),
        Err(Denial::OthersMatter(_))
    ));
    assert!(matches!(
        ask(B, &matter(B, "3")),
        Err(Denial::UnknownMatter(_))
    ));
    assert!(matches!(
        ask(B, &matter(B, "2")),
        Err(Denial::NotRequired { .. })
    ));
    let stranger = "11100000000013338W";
    assert!(matches!(
        ask(stranger, &matter(stranger, "1")),
        Err(Denial::NotAMember(_))
    ));
    assert_eq!(ask(A, &matter(A, "1")).unwrap().basis, Basis::Own);
}

#[test]
fn of_the_grants_in_force_the_one_that_shows_most_counts() {
    let (wanted, to) = (matter(B, "1"), Grantee::Department(B.parse().unwrap()));
    let mut elsewhere = grant(to, &[], None);
    elsewhere.matters = Bounded::first([matter(B, "2")]);
    let grants = [
        (1, grant(Grantee::Department(A.parse().unwrap()), &[], None)),
        (2, grant(to, &["ZZMC"], Some("2026-06-30"))),
        (3, grant(to, &["ZZMC", "OTHER"], None)),
        (4, elsewhere),
        (5, grant(to, &[], Some("2026-06-29"))),
    ];
    let some = decide(SharingClass::Conditional, &grants, B, &wanted).unwrap();
    assert_eq!((some.basis, codes(&some)), (Basis::Grant(2), vec!["ZZMC"]));
    let mut more = grants.to_vec();
    more.push((6, grant(Grantee::Role(Role::Issue), &[], None)));
    let all = decide(SharingClass::Conditional, &more, B, &wanted).unwrap();
    assert_eq!(all.basis, Basis::Grant(6));
    assert_eq!(codes(&all), ["CZZT", "ZZMC"]);
}
