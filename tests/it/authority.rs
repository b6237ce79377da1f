//! What a department writes that it has no right to write counts at no peer: certificates of types it may not issue,
//! takeovers of certificates let go for another, receipts of looks that nobody took.

use std::io;

use certmesh_api::{OwnLogState, Verdict, Word};
use certmesh_ledger::bodies::{Bodies, Body, SealedBody};
use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::{BodyKey, FieldKey, Secret, SecretFile};
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::id::{CertificateId, Date, HolderKind, IssuerCode};
use certmesh_ledger::record::{
    Asked, Basis, Decision, DefinitionRef, Entry, RecordHash, RetrievalDecided,
};
use serde_json::{Value, json};

use crate::support::pen::{SUBJECT, catalogue_key, definition, issued, now_ms, pen, write};
use crate::support::{TestNet, running, until};

/// A type of the first department's, for these issuers alone; all when there are none.
fn define(net: &TestNet, number: u16, issuers: &[String]) -> String {
    let code = format!("{}{number}", net.code(0));
    let definition = json!({
        "code": code, "name": format!("证照{number}"), "sharing": "unconditional", "issuers": issuers,
        "fields": [{ "code": "CZZT", "name": "持证主体", "required": true }],
    });
    assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
    code
}

/// A matter of the second department's that requires the type.
fn matter(net: &TestNet, kind: &str) {
    let matter = json!({
        "code": "QYBG", "name": "事项",
        "sub": [{ "code": "01", "name": "首次", "requires": [{ "types": [kind], "fields": ["CZZT"] }] }],
    });
    assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
}

fn issue(net: &TestNet, at: usize, kind: &str, serial: &str) -> String {
    let body = json!({
        "type": kind, "serial": serial, "holder": { "kind": "111", "code": SUBJECT },
        "valid_from": "2020-01-01", "fields": { "CZZT": "真实姓名" },
    });
    let answer = net.http(at).post("/v1/certificates", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn accept(net: &TestNet, collect: bool) -> Value {
    let mut body = json!({ "matter": "QYBG", "subject": { "kind": "111", "code": SUBJECT } });
    if collect {
        body["collect"] = json!({ "purpose": "case 1", "reference": "r1" });
    }
    let answer = net.http(1).post("/v1/accept", &body);
    assert!(answer.status < 300, "{answer:?}");
    answer.json()["requirements"][0].clone()
}

fn forged(net: &TestNet, of: usize, kind: &str, serial: &str) -> CertificateId {
    let issuer = IssuerCode::from(net.member(of).code());
    CertificateId::new(kind.parse().unwrap(), issuer, serial, 1).unwrap()
}

/// Appends an issue and keeps its fields, as an honest node does.
fn write_with_fields(net: &TestNet, of: usize, id: &CertificateId, definition: DefinitionRef) {
    let mut pen = pen(net, of);
    let text = std::fs::read_to_string(net.member(of).dir.join("keys/field.key")).unwrap();
    let field_key = || FieldKey(Secret::from_bytes(*SecretFile::Field.read(&text).unwrap()));
    let body = Body {
        holder_kind: HolderKind::IdentityCard,
        holder_code: SUBJECT.to_owned(),
        fields: [("CZZT".to_owned(), "冒名者".to_owned())].into(),
        attachments: Default::default(),
    };
    let key = BodyKey(Secret::from_bytes([7; 32]));
    let sealed = SealedBody::seal(&field_key(), id.as_str(), &key, [9; 24], &body);
    let dir = net.data(of).join("bodies");
    let bodies = Bodies::open(&RealDisk::default(), &dir, pen.log().name(), field_key()).unwrap();
    pen.append_with(now_ms(), vec![issued(net, id, definition)], |first| {
        bodies
            .keep(first, &[Some(sealed)])
            .map_err(io::Error::other)
    })
    .unwrap();
}

/// The third department's node is changed: it names the type's definition, none, or one of its own making, and writes
/// many certificates of the same person, so that the real one might not be found among them.
fn the_third_department_issues_what_it_may_not(
    net: &mut TestNet,
    kind: &str,
) -> [CertificateId; 3] {
    net.stop(0).unwrap();
    let named = definition(pen(net, 0).log(), kind);
    net.stop(2).unwrap();
    let ids = ["NAMED", "NOTHING", "JUNK"].map(|serial| forged(net, 2, kind, serial));
    write_with_fields(net, 2, &ids[0], named);
    {
        let mut pen = pen(net, 2);
        let own = DefinitionRef {
            log: pen.log().name().id,
            seq: 0,
            hash: RecordHash(Hash::ZERO),
        };
        let mut entries = vec![issued(net, &ids[1], own), issued(net, &ids[2], named)];
        entries.extend((0..20_000).map(|n| {
            let id = forged(net, 2, kind, &format!("J{n}"));
            issued(net, &id, named)
        }));
        write(&mut pen, entries);
    }
    net.start_again(0);
    net.start_again(2);
    net.ready();
    net.converge();
    ids
}

fn no_peer_calls_it_valid(net: &TestNet, ids: &[CertificateId], real: &str) {
    for id in ids {
        for at in 0..3 {
            let found = net.api(at).verification(id.as_str()).unwrap();
            let verdict = (
                found.verdict.as_str(),
                found.reason.as_ref().map(Word::as_str),
            );
            assert_eq!(
                verdict,
                ("not-valid", Some("issuer-not-authorised")),
                "{id} at {at}"
            );
        }
    }
    assert_eq!(net.cli(1, &["verify", ids[0].as_str()]).code, 1);
    assert_eq!(net.cli(1, &["verify", real]).code, 0);
}

fn only_the_real_one_is_accepted_found_and_asked_for(
    net: &TestNet,
    kind: &str,
    forged: &CertificateId,
    real: &str,
) {
    let met = accept(net, true);
    assert_eq!(
        (&met["certificate"], &met["state"]),
        (&json!(real), &json!("held")),
        "{met}"
    );
    assert_eq!(met["values"]["CZZT"], "真实姓名");
    let http = net.http(1);
    let found = http
        .post("/v1/find", &json!({ "type": kind, "limit": 3 }))
        .json();
    for one in found["certificates"].as_array().unwrap() {
        assert_eq!(one["verdict"] == "valid", one["id"] == real, "{one}");
    }
    let fetch = json!({ "certificate": forged, "matter": "QYBG", "purpose": "case 2" });
    http.post("/v1/retrievals", &fetch)
        .problem(409, "issuer-not-authorised");
}

fn a_proof_says_no_offline(net: &TestNet, forged: &CertificateId) {
    let proof = net.scratch("forged.proof");
    let proof = proof.to_str().unwrap();
    net.cli(1, &["prove", forged.as_str(), "-o", proof])
        .exits(0);
    let network = net.network().dir().join("network.toml");
    let args = ["verify", proof, "--network", network.to_str().unwrap()];
    let offline = net.cli(1, &args).exits(1);
    assert!(
        offline.out.contains("issuer not authorised"),
        "{}",
        offline.out
    );
}

#[test]
fn only_the_issuers_that_a_type_lists_can_issue_it_whatever_others_write() {
    let mut net = running(3);
    let kind = define(&net, 901, &[net.code(0)]);
    matter(&net, &kind);
    let real = issue(&net, 0, &kind, "REAL1");
    net.converge();
    let ids = the_third_department_issues_what_it_may_not(&mut net, &kind);
    no_peer_calls_it_valid(&net, &ids, &real);
    only_the_real_one_is_accepted_found_and_asked_for(&net, &kind, &ids[0], &real);
    a_proof_says_no_offline(&net, &ids[0]);
}

#[test]
fn a_definition_that_no_longer_lists_a_department_lets_it_issue_for_a_day_and_no_longer() {
    let mut net = running(3);
    let kind = define(&net, 901, &[]);
    net.converge();
    let before = issue(&net, 2, &kind, "BEFORE");
    net.converge();
    // From now on only the first department may; the third's node is changed and continues by the old definition.
    net.stop(0).unwrap();
    let named = definition(pen(&net, 0).log(), &kind);
    net.start_again(0);
    net.ready();
    define(&net, 901, &[net.code(0)]);
    net.converge();
    let refused = json!({
        "type": kind, "serial": "HONEST", "holder": { "kind": "111", "code": SUBJECT },
        "valid_from": "2020-01-01", "fields": { "CZZT": "x" },
    });
    assert_eq!(net.http(2).post("/v1/certificates", &refused).status, 422);
    net.stop(2).unwrap();
    let (soon, late) = (
        forged(&net, 2, &kind, "SOON"),
        forged(&net, 2, &kind, "LATE"),
    );
    {
        let mut pen = pen(&net, 2);
        write(&mut pen, vec![issued(&net, &soon, named)]);
        let tomorrow = now_ms() + 25 * 3600 * 1000;
        pen.append(tomorrow, vec![issued(&net, &late, named)])
            .unwrap();
    }
    net.start_again(2);
    // Its own log is dated ahead, so it records nothing more; it still answers.
    until("the clock to be held against the log", || {
        net.log_state(2) == OwnLogState::ClockOff
    });
    net.converge();
    for at in 0..3 {
        let verdict = |id: &str| net.api(at).verification(id).unwrap();
        // Right after a start it may not have heard of decisions.
        net.wait_verdict(at, &before, "valid", None);
        assert_eq!(
            verdict(soon.as_str()).verdict,
            Verdict::Valid,
            "news takes its time"
        );
        let told = verdict(late.as_str());
        assert_eq!(
            told.reason.as_ref().map(Word::as_str),
            Some("issuer-not-authorised"),
            "{told:?}"
        );
    }
}

#[test]
fn a_certificate_whose_definition_is_not_here_yet_is_unknown_and_says_what_is_missing() {
    let mut net = running(3);
    let kind = define(&net, 901, &[]);
    net.converge();
    // The second department hears nothing of the first any more, which defines the type again.
    net.links().cut(0, 1);
    net.links().cut(0, 2);
    define(&net, 901, &[net.code(0), net.code(2)]);
    net.stop(0).unwrap();
    let named = definition(pen(&net, 0).log(), &kind);
    net.stop(2).unwrap();
    let id = forged(&net, 2, &kind, "EARLY");
    write(&mut pen(&net, 2), vec![issued(&net, &id, named)]);
    net.start_trusting(2);
    let told = |net: &TestNet| net.api(1).verification(id.as_str()).unwrap();
    until("the certificate to arrive", || {
        told(&net).certificate.is_some()
    });
    let unknown = told(&net);
    assert_eq!(unknown.verdict, Verdict::Unknown);
    assert!(
        unknown.missing[0].contains("has not arrived here"),
        "{unknown:?}"
    );
    net.links().heal_all();
    net.start_again(0);
    net.wait_verdict(1, id.as_str(), "valid", None);
}

/// Receipts of the third department that it answered the second one, which never asked it.
fn the_third_department_frames_the_second(net: &mut TestNet, kind: &str, frames: u64) {
    net.stop(2).unwrap();
    {
        let mut pen = pen(net, 2);
        let key = catalogue_key(net);
        let tag = key.subject_tag(HolderKind::IdentityCard, SUBJECT);
        let subject = key.blind(&tag, Date::in_china(now_ms()));
        let network = pen.log().name().network;
        // All it lacks is the second department's key, so it signs with its own.
        let own_key = net.member(2).signing_key().unwrap();
        let frame = |n: u64| {
            let mut rest = [5; 32];
            rest[..8].copy_from_slice(&n.to_le_bytes());
            let fields = || Bounded::first([Text::new("CZZT").unwrap()]);
            let asked = Asked {
                issuer: net.member(2).code(),
                asker: net.member(1).code(),
                key_epoch: 0,
                matter: format!("{}/QYBG/01", net.code(1)).parse().unwrap(),
                type_code: kind.parse().unwrap(),
                subject,
                fields: fields(),
                rest: Hash::from_bytes(rest),
            };
            Entry::from(RetrievalDecided {
                signature: asked.sign(network, &own_key),
                asked,
                decision: Decision::Answered {
                    basis: Basis::Unconditional,
                    fields: fields(),
                },
            })
        };
        write(&mut pen, (0..frames).map(frame).collect());
    }
    net.start_again(2);
    net.ready();
    net.converge();
}

/// But whose log has more than was read, and only that one, is named, and can be read on.
fn the_access_log_shows_no_look_that_was_not_taken(net: &TestNet) {
    let mut question = json!({ "subject": { "kind": "111", "code": SUBJECT } });
    let log = net.http(0).post("/v1/access-log", &question).json();
    let of = |log: &Value, code: String| {
        let events = log["events"].as_array().unwrap().iter();
        events.filter(|event| event["log"] == code.as_str()).count()
    };
    assert_eq!(of(&log, net.code(2)), 0, "{log}");
    assert_eq!(of(&log, net.code(1)), 1);
    // The issuer's receipt, and that this was asked.
    assert_eq!(of(&log, net.code(0)), 2);
    let more = log["more"].as_array().unwrap();
    assert_eq!(
        (more.len(), &more[0]["department"]),
        (1, &json!(net.code(2))),
        "{log}"
    );
    question["cursor"] = more[0]["cursor"].clone();
    let next = net.http(0).post("/v1/access-log", &question).json();
    assert_eq!(next["events"].as_array().unwrap().len(), 0);
    assert_ne!(next["more"][0]["cursor"], more[0]["cursor"]);
}

fn the_audit_and_the_reports_count_what_was_proven(net: &TestNet, frames: u64) {
    let http = net.http(0);
    let audit = http.get("/v1/audit").json();
    let counts =
        ["matched", "wrong", "awaited", "unproven"].map(|name| audit[name].as_u64().unwrap());
    assert_eq!(counts, [1, 0, 0, frames], "{audit}");
    let day = Date::in_china(now_ms()).to_string();
    let usage = http
        .get(&format!("/v1/reports/use?month={}", &day[..7]))
        .json();
    let departments = usage["departments"].as_array().unwrap().iter();
    let shared: u64 = departments.map(|one| one["shared"].as_u64().unwrap()).sum();
    assert_eq!(shared, 1, "{usage}");
}

#[test]
fn a_department_is_not_framed_with_looks_it_never_took() {
    const FRAMES: u64 = 5_000;
    let mut net = running(3);
    let kind = define(&net, 901, &[]);
    matter(&net, &kind);
    let id = issue(&net, 0, &kind, "REAL1");
    net.converge();
    let fetch = json!({ "certificate": id, "matter": "QYBG", "purpose": "case 17" });
    assert_eq!(net.http(1).post("/v1/retrievals", &fetch).status, 201);
    net.converge();
    the_third_department_frames_the_second(&mut net, &kind, FRAMES);
    the_access_log_shows_no_look_that_was_not_taken(&net);
    the_audit_and_the_reports_count_what_was_proven(&net, FRAMES);
}

#[test]
fn fields_of_a_certificate_that_is_not_valid_come_with_that_said_first() {
    let net = running(2);
    let kind = define(&net, 901, &[]);
    matter(&net, &kind);
    let id = issue(&net, 0, &kind, "REAL1");
    net.change(0, &id, "revoke");
    net.converge();
    let args = ["fetch", &id, "--matter", "QYBG", "--purpose", "case 17"];
    let shown = net.cli(1, &args).exits(1);
    let (verdict, fields) = (
        shown.out.find("NOT VALID (revoked)"),
        shown.out.find("真实姓名"),
    );
    assert!(verdict.unwrap() < fields.unwrap(), "{}", shown.out);
    let args = [&args[..], &["--json"]].concat();
    let told = net.cli(1, &args).exits(1).json();
    assert_eq!(told["verification"]["reason"], "revoked");
    let copy = net
        .cli(1, &["copy", told["retrieval"].as_str().unwrap()])
        .exits(0);
    assert!(copy.out.contains("NOT VALID (revoked)"), "{}", copy.out);
    // A case says what it is, and the log records it as not valid.
    let met = accept(&net, true);
    assert_eq!(met["state"], "revoked", "{met}");
    let shown = net.cli_with(
        1,
        &[
            "accept",
            "--matter",
            "QYBG",
            "--subject-kind",
            "111",
            "--subject-file",
            "-",
        ],
        SUBJECT.as_bytes(),
    );
    assert!(shown.out.contains("REVOKED"), "{}", shown.out);
}
