//! What an issuer takes for a request, and what an asker takes for an answer.

use super::*;
use crate::sync::{Request, Response};

fn signed() -> SignedRetrieval {
    let network = members("test").network();
    SignedRetrieval::sign(network, retrieval(), &signing_key(&code(ASKER)))
}

/// What its addressee says of a request that comes from the peer of the department named in it.
fn taken(request: &SignedRetrieval) -> Result<Asked, Improper> {
    let Retrieval { issuer, asker, .. } = request.retrieval();
    request.check(&members("test"), issuer, asker)
}

#[test]
fn a_request_is_taken_by_its_addressee_from_its_askers_peer_and_nowhere_else() {
    let request = signed();
    let members = members("test");
    let name = request.name(members.network());
    let check = |own: &str, from: &str| request.check(&members, &code(own), &code(from));
    assert_eq!(check(ISSUER, ASKER), Ok(request.retrieval().asked()));
    assert_eq!(check(THIRD, ASKER), Err(Improper::NotForThis));
    assert_eq!(check(ASKER, ASKER), Err(Improper::NotForThis));
    assert_eq!(check(ISSUER, THIRD), Err(Improper::Relayed));
    assert_eq!(check(ISSUER, ISSUER), Err(Improper::Relayed));
    let elsewhere = super::members("another");
    let replayed = request.check(&elsewhere, &code(ISSUER), &code(ASKER));
    assert_eq!(replayed, Err(Improper::Signature));
    assert_ne!(name, request.name(elsewhere.network()));
}

#[test]
fn a_request_is_taken_only_with_its_departments_signature_over_every_field() {
    let SignedRetrieval {
        retrieval: original,
        signature,
    } = signed();
    // A new field must be listed here.
    let Retrieval {
        issuer: _,
        asker: _,
        key_epoch: _,
        matter: _,
        subject: _,
        fields: _,
        certificate: _,
        purpose: _,
        time_ms: _,
        nonce: _,
    } = &original;
    let changes: [fn(&mut Retrieval); 10] = [
        |request| request.issuer = code(THIRD),
        |request| request.asker = code(THIRD),
        |request| request.key_epoch = 1,
        |request| request.matter = matter(ASKER, "2"),
        |request| request.subject = blind("two"),
        |request| request.certificate = id("OTHER"),
        |request| request.purpose = Text::new("for the case of 李四").unwrap(),
        |request| request.fields = texts(&["ZZMC"]),
        |request| request.time_ms += 1,
        |request| request.nonce[15] ^= 1,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut retrieval = original.clone();
        change(&mut retrieval);
        assert_ne!(retrieval, original, "change {n}");
        let changed = SignedRetrieval {
            retrieval,
            signature,
        };
        assert_eq!(taken(&changed), Err(Improper::Signature), "change {n}");
    }
    let network = members("test").network();
    let forged = SignedRetrieval::sign(network, original.clone(), &signing_key(&code(THIRD)));
    assert_eq!(taken(&forged), Err(Improper::Signature));
    let stranger = Retrieval {
        asker: code("11100000000013338W"),
        ..original
    };
    let strange = SignedRetrieval::sign(network, stranger, &signing_key(&code(ASKER)));
    assert_eq!(taken(&strange), Err(Improper::Signature));
}

#[test]
fn no_byte_of_a_request_can_be_another() {
    let request = signed();
    assert!(taken(&request).is_ok());
    let bytes = codec::encode(&request);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let changed = codec::decode::<SignedRetrieval>(&changed, MAX_RETRIEVAL);
            let taken = changed.is_ok_and(|changed| taken(&changed).is_ok());
            assert!(!taken, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn the_longest_request_fits_its_message() {
    let long = |n: usize| format!("{n:064}");
    let fields: Vec<String> = (0..64).map(long).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let retrieval = Retrieval {
        certificate: id(&"9".repeat(40)),
        matter: format!("{ASKER}/{}/{}", "m".repeat(64), "p".repeat(64))
            .parse()
            .unwrap(),
        purpose: Text::new("p".repeat(512)).unwrap(),
        fields: texts(&fields),
        time_ms: u64::MAX,
        ..retrieval()
    };
    let network = members("test").network();
    let request = SignedRetrieval::sign(network, retrieval, &signing_key(&code(ASKER)));
    assert!(codec::encode(&request).len() <= MAX_RETRIEVAL);
    let message = Request::Retrieve(Box::new(request));
    assert_eq!(Request::decode(&message.encode()), Ok(message));
}

fn disclosure(serial: &str, show: &[&str]) -> Disclosure {
    let definition = definition();
    Disclosure::of(
        &body_key(),
        &id(serial),
        &definition.fields,
        &fields(serial),
        |name| show.contains(&name),
    )
}

#[test]
fn an_answer_holds_the_certificates_own_fields_and_none_that_was_not_asked_for() {
    let record = certificate(id("OPEN"), SharingClass::Unconditional);
    let asking = |codes: &[&str]| {
        let mut request = signed();
        request.retrieval.fields = texts(codes);
        request
    };
    let both = disclosure("OPEN", &["CZZT", "ZZMC"]);
    for codes in [&["ZZMC", "CZZT"][..], &["CZZT", "ZZMC", "ZZBH"]] {
        let request = asking(codes);
        let shown = request.check_answer(&record, &definition(), &both).unwrap();
        let expected = BTreeMap::from([("CZZT", "某某公司"), ("ZZMC", "营业执照")]);
        assert_eq!(shown, expected, "{codes:?}");
    }
    for codes in [&[][..], &["ZZMC"], &["ZZBH"], &["ZZBH", "CZZT"]] {
        let refused = asking(codes);
        let refused = refused.check_answer(&record, &definition(), &both);
        assert_eq!(refused, Err(WrongAnswer::NotAskedFor), "{codes:?}");
    }
    let wrong = Err(WrongAnswer::Fields(DisclosureError::Root));
    let request = asking(&["CZZT", "ZZMC", "ZZBH"]);
    let check = |disclosure| {
        let shown = request.check_answer(&record, &definition(), disclosure);
        shown.map(|shown| shown.len())
    };
    let others = disclosure("OTHER", &["CZZT", "ZZMC"]);
    assert_eq!(check(&others), wrong);
    // The same values under another certificate's identifier.
    let same = fields("OPEN");
    let copied = Disclosure::of(
        &body_key(),
        &id("OTHER"),
        &definition().fields,
        &same,
        |_| true,
    );
    assert_eq!(check(&copied), wrong);
    // Read by another definition than the certificate names, the fields are not what they were.
    let mut fewer = definition();
    fewer.fields = Bounded::first(definition().fields.into_vec().into_iter().skip(1));
    let misread = request.check_answer(&record, &fewer, &both);
    assert_eq!(misread, Err(WrongAnswer::Fields(DisclosureError::Order)));
}

#[test]
fn no_byte_of_an_answers_fields_can_be_another() {
    let record = certificate(id("OPEN"), SharingClass::Unconditional);
    let (request, definition) = (signed(), definition());
    let bytes = codec::encode(&disclosure("OPEN", &["ZZMC"]));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let changed = codec::decode::<Disclosure>(&changed, 1 << 20);
            let holds =
                changed.is_ok_and(|it| request.check_answer(&record, &definition, &it).is_ok());
            assert!(!holds, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn what_is_printed_shows_neither_purpose_nor_value() {
    let request = signed();
    let copy = EvidenceCopy {
        request: request.clone(),
        log: LogId::first(code(ISSUER)),
        seq: 3,
        receipt: 4,
        disclosure: disclosure("OPEN", &["CZZT"]),
        time_ms: noon(),
    };
    let answer = Response::Answer(Box::new(Answer::Fields {
        receipt: 4,
        disclosure: copy.disclosure.clone(),
    }));
    let salt = copy.disclosure.shown().next().unwrap().salt;
    let printed = format!("{request:?} {copy:?} {answer:?}");
    assert!(printed.contains("CZZT"), "{printed}");
    for secret in ["张三", "某某公司", &salt.to_string(), &format!("{salt:?}")] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
