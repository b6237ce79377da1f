//! Requests for fields, answers, receipts, and what is kept of them.

use certmesh_ledger::codec::{Blob, Bounded, decode, encode};
use certmesh_ledger::id::Date;
use certmesh_ledger::keys::{FieldKey, Secret};
use certmesh_ledger::log::{MemoryDisk, Writer};
use certmesh_ledger::record::{
    AccessLogRead, Basis, CaseAccepted, Decision, Disclosure, Entry, MatterRef, Received,
    RequirementMet, RetrievalAcknowledged, RetrievalDecided, RetrievalHash, Rule, SignedRecord,
};
use certmesh_ledger::retrieval::{
    Answer, CaseFile, EvidenceCopy, MAX_APART_MS, NotTaken, PieceRequest, Retrieval,
    SignedRetrieval,
};
use certmesh_ledger::sync::{Request, Response};
use serde_json::json;

use crate::Vectors;
use crate::common::{
    CREATED_MS, ISSUER, WITNESS, body_key, catalogue_key, certificate, code, fields, file, filled,
    issued, key, members, name, open, tag, text,
};

pub(crate) fn all(v: &mut Vectors) {
    let signed = request(v);
    let network_name = signed.name(members().network());
    words(v);
    blinding(v);
    receipts(v, network_name);
    let disclosure = Disclosure::of(
        &body_key(),
        &certificate("S00000001"),
        &fields("S00000001"),
        |name| name != "ZZBH",
    );
    answers(v, &signed, &disclosure);
    kept(v, &signed, disclosure);
}

fn matter() -> MatterRef {
    format!("{WITNESS}/SP-001/01").parse().expect("a matter")
}

/// What the witness asks of the issuer, late on a day that is the next in China.
fn retrieval() -> Retrieval {
    Retrieval {
        issuer: code(ISSUER),
        asker: code(WITNESS),
        certificate: certificate("S00000001"),
        matter: matter(),
        purpose: text("食品经营许可 (首次申请)"),
        fields: Bounded::first([text("ZZMC"), text("CZZT")]),
        time_ms: CREATED_MS,
        nonce: [0xA0; 16],
    }
}

fn request(v: &mut Vectors) -> SignedRetrieval {
    let network = members().network();
    let retrieval = retrieval();
    v.shown("retrieval", "request", &retrieval);
    v.put(
        "retrieval",
        "day of the request",
        json!(retrieval.day().to_string()),
    );
    v.put("retrieval", "most apart, ms", json!(MAX_APART_MS));
    let signed = SignedRetrieval::sign(network, retrieval, &key(2));
    v.wire("retrieval", "signed", json!("the request"), &signed);
    v.bytes("retrieval", "hash", signed.name(network).0.as_bytes());
    let golden = hex::decode(v.text("retrieval", "signed", "bytes")).expect("hexadecimal");
    let read: SignedRetrieval = decode(&golden, 1 << 13).expect("a request");
    let checked = read.check(&members(), &code(ISSUER), &code(WITNESS));
    assert_eq!(checked, Ok(signed.name(network)));
    v.wire(
        "messages",
        "request retrieve",
        json!("the signed request"),
        &Request::Retrieve(Box::new(signed.clone())),
    );
    let piece = PieceRequest {
        request: signed.clone(),
        name: "执照.pdf".parse().expect("a name"),
        from: 1 << 19,
    };
    v.wire(
        "messages",
        "request piece",
        json!({ "name": piece.name.as_str(), "from": piece.from }),
        &Request::Piece(Box::new(piece)),
    );
    let bytes = Blob::new(vec![7; 3]).expect("three bytes");
    v.wire(
        "messages",
        "response piece",
        json!("three bytes"),
        &Response::Piece(bytes),
    );
    let all = Retrieval {
        fields: Bounded::default(),
        ..signed.retrieval().clone()
    };
    v.shown("retrieval", "request for all fields", &all);
    signed
}

fn words(v: &mut Vectors) {
    for rule in Rule::ALL {
        let word = rule.as_str();
        v.wire("codec", &format!("rule {word}"), json!(word), &rule);
    }
    for (word, met) in [
        ("missing", RequirementMet::Missing),
        ("lapsed", RequirementMet::Lapsed),
        ("needs grant", RequirementMet::NeedsGrant),
        ("held", RequirementMet::Held),
        ("collected", RequirementMet::Collected),
    ] {
        v.wire("codec", &format!("requirement {word}"), json!(word), &met);
    }
    v.refused::<Rule>("an unknown rule", "rule", &[9]);
    v.refused::<Basis>("an unknown basis", "basis", &[3]);
    v.refused::<Received>("an unknown outcome", "received", &[4]);
    v.refused::<RequirementMet>("an unknown requirement", "requirement met", &[5]);
    v.refused::<NotTaken>("an unknown not taken", "not taken", &[4]);
    v.refused::<Answer>("an unknown answer", "answer", &[3]);
}

fn blinding(v: &mut Vectors) {
    for day in ["2023-11-15", "2023-11-16"] {
        let date: Date = day.parse().expect("a day");
        let blinded = catalogue_key().blind(&tag(1), date);
        v.put(
            "subjects",
            &format!("the passport's tag blinded for {day}"),
            json!({ "tag": tag(1).to_string(), "days": date.days(), "blinded": blinded.to_string() }),
        );
    }
    let field_key = FieldKey(Secret::from_bytes([0xF1; 32]));
    for reference in ["reference 2026-0815", "day 2026-07-01"] {
        let case = field_key.case_tag(&tag(1), &matter(), reference);
        v.put(
            "subjects",
            &format!("case, {reference}"),
            json!({
                "tag": tag(1).to_string(),
                "matter": matter().to_string(),
                "field key": hex::encode([0xF1; 32]),
                "case": case.to_string(),
            }),
        );
    }
}

fn receipts(v: &mut Vectors, retrieval: RetrievalHash) {
    let subject = catalogue_key().blind(&tag(1), self::retrieval().day());
    let type_code = certificate("S00000001").type_code();
    let shown = || Bounded::first([text("CZZT"), text("ZZMC")]);
    let mut all = Vec::new();
    let answered = |basis| Decision::Answered {
        basis,
        fields: shown(),
    };
    for (what, subject, decision) in [
        ("own", Some(subject), answered(Basis::Own)),
        (
            "unconditional",
            Some(subject),
            answered(Basis::Unconditional),
        ),
        ("grant", Some(subject), answered(Basis::Grant(300))),
        ("refused", Some(subject), Decision::Refused(Rule::NoGrant)),
        (
            "no certificate",
            None,
            Decision::Refused(Rule::UnknownCertificate),
        ),
    ] {
        let entry = Entry::RetrievalDecided(RetrievalDecided {
            retrieval,
            asker: code(WITNESS),
            matter: matter(),
            type_code,
            subject,
            decision,
        });
        let name = format!("retrieval decided, {what}");
        v.wire("entries", &name, json!(entry), &entry);
        if what == "grant" {
            all.push(entry);
        }
    }
    let keep_until = "2024-05-14".parse().expect("a day");
    for (what, outcome) in [
        (
            "fields",
            Received::Fields {
                fields: shown(),
                keep_until,
            },
        ),
        ("refused", Received::Refused(Rule::NoGrant)),
        ("wrong", Received::Wrong),
        ("nothing", Received::Nothing),
    ] {
        let entry = Entry::RetrievalAcknowledged(RetrievalAcknowledged {
            retrieval,
            issuer: code(ISSUER),
            matter: matter(),
            type_code,
            subject,
            outcome,
            took_ms: 300,
        });
        let name = format!("retrieval acknowledged, {what}");
        v.wire("entries", &name, json!(entry), &entry);
        if what == "fields" {
            all.push(entry);
        }
    }
    let field_key = FieldKey(Secret::from_bytes([0xF1; 32]));
    let entry = Entry::CaseAccepted(CaseAccepted {
        case: field_key.case_tag(&tag(1), &matter(), "reference 2026-0815"),
        matter: matter(),
        requirements: Bounded::first([
            (type_code, RequirementMet::Collected),
            (
                "11100000000013338W011".parse().expect("a type"),
                RequirementMet::Missing,
            ),
        ]),
    });
    v.wire("entries", "case accepted", json!(entry), &entry);
    let read = Entry::AccessLogRead(AccessLogRead { subject });
    v.wire("entries", "access log read", json!(read), &read);
    all.extend([entry, read]);
    // One of each kind fills a segment.
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(log, key(1));
    writer.append(CREATED_MS, all).expect("appended");
    let index = file(&disk, &format!("logs/{ISSUER}/000000000000.index"));
    v.bytes("files", "index of one receipt of each kind", &index);
}

fn answers(v: &mut Vectors, signed: &SignedRetrieval, disclosure: &Disclosure) {
    let answered = Answer::Fields {
        receipt: 300,
        disclosure: disclosure.clone(),
    };
    let refused = Answer::Refused {
        receipt: 301,
        rule: Rule::NoGrant,
    };
    let mut all = vec![
        ("fields".to_owned(), answered),
        ("refused".to_owned(), refused),
    ];
    for (word, why) in [
        ("improper", NotTaken::Improper),
        ("replayed", NotTaken::Replayed),
        ("unavailable", NotTaken::Unavailable),
        ("too many", NotTaken::TooMany),
    ] {
        all.push((format!("not taken, {word}"), Answer::NotTaken(why)));
    }
    for (what, answer) in all {
        let name = format!("response answer, {what}");
        let described = json!(answer);
        v.wire(
            "messages",
            &name,
            described,
            &Response::Answer(Box::new(answer)),
        );
    }
    let golden = v.text("messages", "response answer, fields", "bytes");
    let golden = hex::decode(golden).expect("hexadecimal");
    let Ok(Response::Answer(read)) = Response::decode(&golden) else {
        panic!("an answer")
    };
    let Answer::Fields { disclosure, .. } = *read else {
        panic!("fields")
    };
    let record = issued(1, None);
    let shown = signed.check_answer(&record, &disclosure);
    let shown = shown.expect("the certificate's own fields");
    assert_eq!(shown.into_keys().collect::<Vec<_>>(), ["CZZT", "ZZMC"]);
}

/// What asker and issuer keep beside their receipts, encrypted as a body about the retrieval or the case.
fn kept(v: &mut Vectors, signed: &SignedRetrieval, disclosure: Disclosure) {
    let (_, log) = filled();
    let issued: SignedRecord = log.record(1).expect("the first certificate");
    let copy = EvidenceCopy {
        request: signed.clone(),
        log: name().id,
        seq: issued.record().seq,
        receipt: 300,
        disclosure,
        time_ms: CREATED_MS + 300,
    };
    let retrieval = signed.name(members().network());
    v.wire("bodies", "evidence copy", json!(copy), &copy);
    let file = CaseFile {
        retrievals: Bounded::first([(certificate("S00000001"), retrieval)]),
    };
    v.wire("bodies", "case file", json!(file), &file);
    let field_key = FieldKey(Secret::from_bytes([0xF1; 32]));
    let case = field_key.case_tag(&tag(1), &matter(), "reference 2026-0815");
    for (what, about, plain) in [
        ("request", retrieval.to_string(), encode(signed)),
        ("evidence copy", retrieval.to_string(), encode(&copy)),
        ("case file", case.to_string(), encode(&file)),
    ] {
        let sealed = body_key().seal(&about, &plain);
        let wrapped = field_key.wrap(&about, [0xB0; 24], &body_key());
        let name = format!("{what}, encrypted");
        v.put(
            "bodies",
            &name,
            json!({
                "about": about,
                "body key": hex::encode([0xF0; 32]),
                "field key": hex::encode([0xF1; 32]),
                "nonce": hex::encode([0xB0; 24]),
                "body": hex::encode(sealed),
                "wrapped key": hex::encode(wrapped),
            }),
        );
        let golden = hex::decode(v.text("bodies", &name, "wrapped key")).expect("hexadecimal");
        let golden = golden.try_into().expect("72 bytes");
        let unwrapped = field_key.unwrap(&about, &golden).expect("the body's key");
        let sealed = hex::decode(v.text("bodies", &name, "body")).expect("hexadecimal");
        let opened = unwrapped.open(&about, &sealed).expect("the body");
        assert_eq!(*opened, plain);
        assert!(unwrapped.open(ISSUER, &sealed).is_none());
    }
}
