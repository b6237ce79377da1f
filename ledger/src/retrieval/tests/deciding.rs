//! What an issuer decides, and that it decides once.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::bodies::{Bodies, Body, SealedBody};
use crate::catalogue::{Batch, NotAllowed};
use crate::crypto::keys::FieldKey;
use crate::id::IssuerCode;
use crate::names::LogName;
use crate::record::{CaseAccepted, CaseTag, GrantMade, Grantee};

/// A certificate that rests on a record that defines nothing.
fn unfounded() -> Entry {
    let mut certificate = certificate(id("UNFOUNDED"), SharingClass::Unconditional);
    certificate.definition.hash = RecordHash::NONE;
    Entry::CertificateIssued(certificate)
}

/// The issuer has one certificate of each class and one it may not issue, the asker its matter.
fn world() -> World {
    let world = World::new();
    let issued = vec![
        issue("OPEN", SharingClass::Unconditional),
        issue("ASK", SharingClass::Conditional),
        issue("NEVER", SharingClass::NotShared),
        unfounded(),
    ];
    world.write(ISSUER, 1, issued);
    world.write(ASKER, 1, vec![define_matter()]);
    world
}

fn grant(codes: &[&str], until: Option<&str>) -> Entry {
    Entry::GrantMade(GrantMade {
        to: Grantee::Department(code(ASKER)),
        type_code: type_code(),
        matters: Bounded::default(),
        fields: texts(codes),
        until: until.map(day),
    })
}

fn of(serial: &str) -> Retrieval {
    Retrieval {
        certificate: id(serial),
        ..retrieval()
    }
}

/// For a matter that requires no field.
fn for_matter(matter: MatterRef) -> Retrieval {
    Retrieval {
        matter,
        ..asking(&[])
    }
}

fn asking(codes: &[&str]) -> Retrieval {
    Retrieval {
        fields: texts(codes),
        ..retrieval()
    }
}

fn refused(decided: &Decided) -> Rule {
    let Decision::Refused(rule) = decided.receipt.decision else {
        panic!("answered: {:?}", decided.receipt)
    };
    assert_eq!(shown(decided), None, "{rule:?}");
    assert!(!decided.shows("OPEN"));
    rule
}

/// The position of the certificate whose fields are shown.
fn shown(decided: &Decided) -> Option<u64> {
    let show = decided.show.as_ref();
    show.map(|state| state.issued.record().seq)
}

fn codes_of(decided: &Decided) -> Vec<&str> {
    match &decided.receipt.decision {
        Decision::Answered { fields, .. } => fields.iter().map(Text::as_str).collect(),
        Decision::Refused(_) => Vec::new(),
    }
}

#[test]
fn every_rule_refuses_what_it_is_for_and_says_so_in_the_receipt() {
    let world = world();
    let stale = made_at(noon() - MAX_APART_MS - 1, retrieval());
    let cases = [
        (stale, Rule::Stale),
        (of("NONE"), Rule::UnknownCertificate),
        (for_matter(matter(ASKER, "9")), Rule::UnknownMatter),
        (for_matter(matter(THIRD, "1")), Rule::OthersMatter),
        (for_matter(matter(ASKER, "2")), Rule::NotRequired),
        (of("NEVER"), Rule::NotShared),
        (of("ASK"), Rule::NoGrant),
        (of("UNFOUNDED"), Rule::NotAuthorised),
        (asking(&[]), Rule::NoField),
        (for_matter(matter(ASKER, "3")), Rule::NoField),
    ];
    let mut reached = BTreeSet::new();
    for (request, rule) in cases {
        let decided = world.decide(&request, noon());
        assert_eq!(refused(&decided), rule);
        reached.insert(rule.as_str());
        let receipt = decided.receipt;
        assert_eq!(receipt.asked, request.asked());
        assert!(receipt.is_proof(world.catalogue.members(), &code(ISSUER), (0, 0)));
    }
    reached.insert(Rule::Erased.as_str());
    let all: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(reached, all, "erased: see the test below");
}

#[test]
fn fields_that_were_destroyed_are_refused_as_erased() {
    let world = World::new();
    world.write(ASKER, 1, vec![define_matter()]);
    let key = FieldKey(Secret::from_bytes([3; 32]));
    let name: LogName = *world.log(ISSUER).name();
    let dir = Path::new("/d/bodies");
    let bodies = Bodies::open(&world.disk, dir, &name, key.clone()).unwrap();
    let body = Body {
        holder_kind: HolderKind::CreditCode,
        holder_code: ISSUER.to_owned(),
        fields: fields("OPEN"),
        attachments: Default::default(),
    };
    let sealed = SealedBody::seal(&key, id("OPEN").as_str(), &body_key(), [1; 24], &body);
    let mut writer = Writer::new(world.log(ISSUER), signing_key(&code(ISSUER)));
    let entries = vec![issue("OPEN", SharingClass::Unconditional)];
    let keep = |first| {
        bodies
            .keep(first, &[Some(sealed)])
            .map_err(std::io::Error::other)
    };
    writer.append_with(1, entries, keep).unwrap();

    let decided = world.decide(&retrieval(), noon());
    let seq = shown(&decided).unwrap();
    let opened = bodies
        .get::<Body>(seq, id("OPEN").as_str())
        .unwrap()
        .unwrap();
    let narrowed = decided.clone().having(&opened.body.fields);
    assert_eq!(codes_of(&narrowed), ["CZZT", "ZZMC"]);
    assert_eq!(bodies.destroy(&world.log(ISSUER), &[seq]).unwrap(), 1);
    let gone = bodies.get::<Body>(seq, id("OPEN").as_str()).unwrap();
    assert!(gone.is_none());
    let erased = decided.erased();
    assert_eq!(refused(&erased), Rule::Erased);
    assert_eq!(erased.receipt.asked, retrieval().asked());
}

#[test]
fn a_request_is_stale_more_than_five_minutes_before_and_after_the_issuers_time() {
    let world = world();
    let at = |time_ms| made_at(time_ms, retrieval());
    let answered = |time_ms| world.decide(&at(time_ms), noon()).show.is_some();
    assert_eq!(MAX_APART_MS, 300_000);
    assert!(answered(noon() - 300_000) && answered(noon() + 300_000));
    for time_ms in [0, noon() - 300_001, noon() + 300_001, u64::MAX] {
        assert_eq!(refused(&world.decide(&at(time_ms), noon())), Rule::Stale);
    }
    // It is reported first: whether there is such a certificate is nobody's business then.
    let mut unknown = at(noon() - 300_001);
    unknown.certificate = id("NONE");
    let decided = world.decide(&unknown, noon());
    assert_eq!(refused(&decided), Rule::Stale);
}

#[test]
fn what_is_shown_was_asked_for_may_be_seen_and_is_there() {
    let world = world();
    let decided = world.decide(&retrieval(), noon());
    assert_eq!(codes_of(&decided), ["CZZT", "KZ_NONE", "ZZMC"]);
    assert_eq!(shown(&decided), Some(1));
    for (asked, expected) in [
        (&["ZZMC"][..], &["ZZMC"][..]),
        (&["ZZMC", "CZZT", "ZZMC"], &["CZZT", "ZZMC"]),
        (&["KZ_NONE", "ZZMC"], &["ZZMC"]),
    ] {
        let decided = world.decide(&asking(asked), noon());
        let decided = decided.having(&fields("OPEN"));
        assert_eq!(codes_of(&decided), expected, "{asked:?}");
        assert_eq!(shown(&decided), Some(1), "{asked:?}");
    }
    let none = world.decide(&asking(&["KZ_NONE"]), noon());
    assert_eq!(codes_of(&none), ["KZ_NONE"]);
    assert_eq!(refused(&none.having(&fields("OPEN"))), Rule::NoField);
    // A request names its fields: one that names none asks for none.
    assert_eq!(refused(&world.decide(&asking(&[]), noon())), Rule::NoField);
    let refusal = world.decide(&of("NEVER"), noon());
    assert_eq!(refused(&refusal.having(&fields("NEVER"))), Rule::NotShared);
}

#[test]
fn a_grant_counts_on_the_issuers_day_and_only_for_its_fields() {
    let world = world();
    let seqs = world.write(
        ISSUER,
        2,
        vec![grant(&["CZZT", "ZZBH"], Some("2026-06-30"))],
    );
    let decided = world.decide(&of("ASK"), noon());
    assert_eq!(codes_of(&decided), ["CZZT"]);
    let basis = Basis::Grant(seqs[0]);
    assert!(
        matches!(&decided.receipt.decision, Decision::Answered { basis: on, .. } if *on == basis)
    );
    let mut outside = of("ASK");
    outside.fields = texts(&["ZZMC"]);
    assert_eq!(refused(&world.decide(&outside, noon())), Rule::NoField);
    // Asked on the grant's last day, decided on the next.
    let midnight = day("2026-07-01").begins_in_china_ms();
    let late = made_at(midnight - 1, of("ASK"));
    assert!(world.decide(&late, midnight - 1).show.is_some());
    let decided = world.decide(&late, midnight);
    assert_eq!(refused(&decided), Rule::NoGrant);
    // Its subject is blinded for the day of the request as well: the asker's receipt must say the same.
    assert_eq!(decided.receipt.asked.subject, blind("one"));
}

#[test]
fn a_request_for_fields_that_the_matter_does_not_require_leaves_no_trace() {
    let world = world();
    let mut undefined = retrieval();
    undefined.matter = matter(ASKER, "9");
    let mut others = retrieval();
    others.matter = matter(THIRD, "1");
    let mut unknown = asking(&["ZZBH"]);
    unknown.certificate = id("NONE");
    let requests = [
        asking(&["ZZBH"]),
        asking(&["ZZMC", "ZZBH"]),
        asking(&[ATTACHMENTS]),
        undefined,
        others,
        unknown,
    ];
    for request in requests {
        let refused = decide_in(&world.catalogue, &request, noon());
        assert!(
            matches!(refused, Err(DecideError::NotRequired)),
            "{request:?}"
        );
    }
}

#[test]
fn a_request_about_another_subject_than_the_certificates_leaves_no_trace() {
    let world = world();
    let yesterday = catalogue_key().blind(&subject("one"), day("2026-06-29"));
    for subject in [blind("two"), yesterday] {
        let request = Retrieval {
            subject,
            ..retrieval()
        };
        let refused = decide_in(&world.catalogue, &request, noon());
        assert!(matches!(
            refused,
            Err(DecideError::Improper(Improper::Subject))
        ));
    }
}

#[test]
fn a_subject_is_blinded_under_the_catalogue_key_of_its_certificate_or_a_later_one() {
    let world = world();
    let keys = rotated(1);
    let stranger = CatalogueKey(Secret::from_bytes([11; 32]));
    let (one, two, on) = (subject("one"), subject("two"), day("2026-06-30"));
    let decide_under = |keys: &CatalogueKeys, subject| {
        let request = Retrieval {
            subject,
            ..retrieval()
        };
        decide_by(keys, &world.catalogue, &request, noon())
    };
    let decide = |subject| decide_under(&keys, subject);
    for key in keys.of_chain() {
        assert!(decide(key.blind(&one, on)).unwrap().show.is_some());
    }
    // The record names a height at which the first key was not in force any more.
    let later = rotated(0);
    let under = |key: &CatalogueKey| decide_under(&later, key.blind(&one, on));
    assert!(under(later.present()).unwrap().show.is_some());
    assert!(matches!(
        under(&catalogue_key()),
        Err(DecideError::Improper(Improper::Subject))
    ));
    for wrong in [stranger.blind(&one, on), keys.present().blind(&two, on)] {
        let refused = decide(wrong);
        assert!(matches!(
            refused,
            Err(DecideError::Improper(Improper::Subject))
        ));
    }
    // One that knows of the first key alone takes nothing under the next one.
    let request = Retrieval {
        subject: keys.present().blind(&one, on),
        ..retrieval()
    };
    assert!(decide_in(&world.catalogue, &request, noon()).is_err());
}

#[test]
fn a_department_asks_itself_by_the_same_rules() {
    let world = world();
    world.write(ISSUER, 2, vec![define_matter()]);
    let own = Retrieval {
        asker: code(ISSUER),
        matter: matter(ISSUER, "1"),
        ..of("NEVER")
    };
    let decided = world.decide(&own, noon());
    assert!(
        matches!(&decided.receipt.decision, Decision::Answered { basis: Basis::Own, fields } if fields.len() == 3)
    );
    let others = Retrieval {
        matter: matter(ASKER, "1"),
        ..own
    };
    assert_eq!(refused(&world.decide(&others, noon())), Rule::OthersMatter);
}

#[test]
fn only_the_own_logs_certificates_are_answered_for_whoever_else_claims_them() {
    let world = world();
    let neighbour = codes()[3];
    let division = IssuerCode::Division(code(ISSUER).division());
    let id = CertificateId::new(type_code(), division, "BOTH", 1).unwrap();
    let claimed = || {
        let class = SharingClass::Unconditional;
        vec![Entry::CertificateIssued(certificate(id.clone(), class))]
    };
    let request = Retrieval {
        certificate: id.clone(),
        ..retrieval()
    };
    world.write(neighbour.as_str(), 2, claimed());
    let decided = world.decide(&request, noon());
    assert_eq!(refused(&decided), Rule::UnknownCertificate);
    let seqs = world.write(ISSUER, 2, claimed());
    assert_eq!(shown(&world.decide(&request, noon())), Some(seqs[0]));
    // From the neighbour's peer, whose log may come before or after this in the catalogue's order.
    let place = Place {
        disk: Arc::new(world.disk.clone()),
        data: PathBuf::from("/d"),
        segment_records: 4,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let theirs = Catalogue::open(place, members("test"), neighbour).unwrap();
    let decided = decide_in(&theirs.catalogue, &request, noon()).unwrap();
    assert_eq!(shown(&decided), Some(0));
}

#[test]
fn a_request_is_decided_once() {
    let world = world();
    let log = world.log(ISSUER);
    let receipt = |n| Entry::from(decided(n, answered_with(&["ZZMC"])));
    let refusal = |n| Entry::from(decided(n, Decision::Refused(Rule::Stale)));
    let mut batch = Batch::new(&world.catalogue, &log);
    batch.check(&receipt(1)).unwrap();
    batch.check(&receipt(2)).unwrap();
    for replay in [receipt(1), refusal(2)] {
        let refused = batch.check(&replay);
        assert!(matches!(refused, Err(NotAllowed::Replayed(_))));
    }
    let seqs = world.write(ISSUER, 2, vec![receipt(1), receipt(2)]);
    // The asker's own receipt of a third is no decision.
    let acknowledged = acknowledge(&decided(3, Decision::Refused(Rule::Stale)));
    world.write(ISSUER, 2, vec![Entry::from(acknowledged)]);
    let world = world.again();
    let log = world.log(ISSUER);
    let mut batch = Batch::new(&world.catalogue, &log);
    for (replay, seq) in [(receipt(1), seqs[0]), (refusal(2), seqs[1])] {
        // Not even the very same is answered as if it were a retry.
        assert!(batch.existing(&replay).unwrap().is_none());
        let refused = batch.check(&replay);
        assert!(matches!(refused, Err(NotAllowed::Replayed(at)) if at == seq));
    }
    batch.check(&receipt(3)).unwrap();
}

#[test]
fn an_acknowledgement_and_a_case_are_found_again_and_a_case_is_accepted_once() {
    let world = world();
    let tag = |n| CaseTag(Hash::from_bytes([n; 32]));
    let case = |n| {
        Entry::CaseAccepted(CaseAccepted {
            case: tag(n),
            matter: matter(ASKER, "1"),
            requirements: Bounded::default(),
        })
    };
    let receipt = |n| {
        let decided = decided(n, answered_with(&["ZZMC"]));
        Entry::from(acknowledge(&decided))
    };
    let log = world.log(ASKER);
    let mut batch = Batch::new(&world.catalogue, &log);
    batch.check(&case(1)).unwrap();
    batch.check(&case(2)).unwrap();
    assert!(matches!(
        batch.check(&case(1)),
        Err(NotAllowed::CaseInRequest)
    ));
    drop(batch);
    world.write(ASKER, 2, vec![case(1), receipt(1)]);
    // A decision on the same request, which is not an acknowledgement of it.
    let own = decided(2, answered_with(&["ZZMC"]));
    world.write(ASKER, 2, vec![Entry::from(own)]);
    let world = world.again();
    let log = world.log(ASKER);
    let batch = Batch::new(&world.catalogue, &log);
    let found = |entry| {
        let record = batch.existing(&entry).unwrap();
        record.map(|record| record.record().seq)
    };
    assert_eq!(found(case(1)), Some(1));
    assert_eq!(found(receipt(1)), Some(2));
    assert_eq!(found(case(2)), None);
    assert_eq!(found(receipt(2)), None);
    let accepted = |n| world.log(ASKER).accepted_case(&tag(n)).unwrap();
    assert_eq!(accepted(1).map(|record| record.record().seq), Some(1));
    assert!(accepted(2).is_none());
}
