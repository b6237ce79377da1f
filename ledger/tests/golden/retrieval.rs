//! Requests for fields, answers, receipts, and their stored bodies.

use certmesh_ledger::codec::{Blob, Bounded, decode, encode};
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash, hash_parts};
use certmesh_ledger::crypto::keys::{FieldKey, Secret};
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::id::Date;
use certmesh_ledger::log::Writer;
use certmesh_ledger::record::{
    AccessLogRead, Asked, Basis, CaseAccepted, Decision, Disclosure, Entry, MatterRef, Received,
    RequirementMet, RetrievalAcknowledged, RetrievalDecided, Rule, SignedRecord,
};
use certmesh_ledger::retrieval::{
    Answer, CaseFile, EvidenceCopy, MAX_APART_MS, NotTaken, PieceRequest, Retrieval,
    SignedRetrieval,
};
use certmesh_ledger::sync::{Request, Response};
use serde_json::json;

use crate::Vectors;
use crate::common::{
    CREATED_MS, ISSUER, WITNESS, body_key, catalogue_key, certificate, code, definition, fields,
    file, filled, issued, key, members, name, open, tag, text,
};

pub(crate) fn all(v: &mut Vectors) {
    let signed = request(v);
    words(v);
    blinding(v);
    receipts(v, &signed);
    let disclosure = Disclosure::of(
        &body_key(),
        &certificate("S00000001"),
        &definition().fields,
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
        key_epoch: 0,
        matter: matter(),
        subject: catalogue_key().blind(&tag(1), Date::in_china(CREATED_MS)),
        fields: Bounded::first([text("ZZMC"), text("CZZT")]),
        certificate: certificate("S00000001"),
        purpose: text("食品经营许可 (首次申请)"),
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
    let made = signed.retrieval();
    let asked = made.asked();
    let rest = encode(&(&made.certificate, &made.purpose, made.time_ms, made.nonce));
    assert_eq!(hash(Purpose::RetrievalRest, &rest), asked.rest);
    v.put(
        "retrieval",
        "the rest",
        json!({
            "certificate": made.certificate.as_str(),
            "purpose": made.purpose.as_str(),
            "time_ms": made.time_ms,
            "nonce": hex::encode(made.nonce),
            "bytes": hex::encode(&rest),
            "H_retrieval-rest": asked.rest.to_string(),
        }),
    );
    v.shown("retrieval", "asked", &asked);
    let parts = [network.0.as_bytes(), &encode(&asked)[..]];
    assert_eq!(
        hash_parts(Purpose::Retrieval, &parts),
        signed.name(network).0
    );
    v.bytes("retrieval", "name", signed.name(network).0.as_bytes());
    v.wire(
        "retrieval",
        "signature over the name",
        json!("the witness's"),
        signed.signature(),
    );
    assert!(asked.is_signed(&members(), signed.signature()));
    let golden = hex::decode(v.text("retrieval", "signed", "bytes")).expect("hexadecimal");
    let read: SignedRetrieval = decode(&golden, 1 << 13).expect("a request");
    let checked = read.check(&members(), &code(ISSUER), &code(WITNESS));
    assert_eq!(checked, Ok(asked));
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
    signed
}

fn words(v: &mut Vectors) {
    for rule in Rule::ALL {
        let word = rule.as_str();
        v.wire("codec", &format!("rule {word}"), json!(word), &rule);
    }
    for (word, met) in [
        ("missing", RequirementMet::Missing),
        ("not valid", RequirementMet::NotValid),
        ("needs grant", RequirementMet::NeedsGrant),
        ("held", RequirementMet::Held),
        ("collected", RequirementMet::Collected),
        ("unknown", RequirementMet::Unknown),
    ] {
        v.wire("codec", &format!("requirement {word}"), json!(word), &met);
    }
    v.refused::<Rule>("an unknown rule", "rule", &[10]);
    v.refused::<Basis>("an unknown basis", "basis", &[3]);
    v.refused::<Received>("an unknown outcome", "received", &[4]);
    v.refused::<RequirementMet>("an unknown requirement", "requirement met", &[6]);
    v.refused::<NotTaken>("an unknown not taken", "not taken", &[6]);
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

fn receipts(v: &mut Vectors, signed: &SignedRetrieval) {
    let asked = || signed.retrieval().asked();
    let (subject, type_code) = (asked().subject, asked().type_code);
    let shown = || Bounded::first([text("CZZT"), text("ZZMC")]);
    let mut all = Vec::new();
    let answered = |basis| Decision::Answered {
        basis,
        fields: shown(),
    };
    for (what, decision) in [
        ("own", answered(Basis::Own)),
        ("unconditional", answered(Basis::Unconditional)),
        ("grant", answered(Basis::Grant(300))),
        ("refused", Decision::Refused(Rule::NoGrant)),
    ] {
        let decided = RetrievalDecided {
            asked: asked(),
            signature: *signed.signature(),
            decision,
        };
        assert!(
            decided.is_proof(&members(), &code(ISSUER), (0, 0)),
            "{what}"
        );
        let entry = Entry::from(decided);
        v.entry("entries", &format!("retrieval decided, {what}"), &entry);
        if what == "grant" {
            all.push(entry);
        }
    }
    unproven(v, signed);
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
        let acknowledged = RetrievalAcknowledged {
            asked: asked(),
            outcome,
            took_ms: 300,
        };
        assert!(acknowledged.is_own(&code(WITNESS)), "{what}");
        let entry = Entry::from(acknowledged);
        v.entry(
            "entries",
            &format!("retrieval acknowledged, {what}"),
            &entry,
        );
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
    v.entry("entries", "case accepted", &entry);
    let read = Entry::AccessLogRead(AccessLogRead { subject });
    v.entry("entries", "access log read", &read);
    all.extend([entry, read]);
    // One of each kind fills a part of the index.
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(log, key(1));
    writer.append(CREATED_MS, all).expect("appended");
    let index = file(
        &disk,
        &format!("logs/{ISSUER}/000000000000-000000000004.index"),
    );
    v.bytes("files", "index of one receipt of each kind", &index);
}

/// Receipts in the issuer's log that read well and prove nothing.
fn unproven(v: &mut Vectors, signed: &SignedRetrieval) {
    let decided = |asked: Asked, code: &str| RetrievalDecided {
        asked,
        signature: *signed.signature(),
        decision: Decision::Answered {
            basis: Basis::Unconditional,
            fields: Bounded::first([text(code)]),
        },
    };
    let changed = |change: &dyn Fn(&mut Asked)| {
        let mut asked = signed.retrieval().asked();
        change(&mut asked);
        decided(asked, "ZZMC")
    };
    let mut unsigned = changed(&|_| ());
    let asked = signed.retrieval().asked();
    unsigned.signature = asked.sign(members().network(), &key(1));
    let epoch = changed(&|asked| asked.key_epoch = 1);
    let epoch = RetrievalDecided {
        signature: epoch.asked.sign(members().network(), &key(2)),
        ..epoch
    };
    for (what, receipt) in [
        ("signed by the issuer", unsigned),
        (
            "of another subject",
            changed(&|asked| asked.subject.0 = Hash::ZERO),
        ),
        (
            "of more fields",
            changed(&|asked| asked.fields = Bounded::first([text("ZZMC")])),
        ),
        (
            "by another asker",
            changed(&|asked| asked.asker = code(ISSUER)),
        ),
        (
            "for another issuer",
            changed(&|asked| asked.issuer = code(WITNESS)),
        ),
        ("of an unknown key epoch, signed", epoch),
        ("of a field not asked for", decided(asked.clone(), "ZZBH")),
    ] {
        assert!(
            !receipt.is_proof(&members(), &code(ISSUER), (0, 0)),
            "{what}"
        );
        let entry = Entry::from(receipt);
        v.entry("unproven receipts", what, &entry);
    }
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
        ("not required", NotTaken::NotRequired),
        ("lost", NotTaken::Lost),
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
    let shown = signed.check_answer(&record, definition(), &disclosure);
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
