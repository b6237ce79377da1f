//! Every problem has its shape, and every good request its answer.

use super::*;
use crate::app::Refusal;
use crate::app::reasons::{ClockOff, NotSalvaged, ReadOnly, StoppedBy, Unconfirmed};
use certmesh_ledger::id::ChinaTime;
use serde_json::json;
use std::time::Instant;

async fn post(node: &Node, path: &str, token: &str, body: &Value) -> Answer {
    ask("POST", path, token).json(body).to(node).await
}

#[tokio::test]
async fn a_certificate_is_issued_once_and_a_retry_gets_the_first_answer() {
    let node = node();
    let first = post(&node, "/v1/certificates", ISSUE, &certificate(1)).await;
    assert_eq!((first.status, &first.json()["id"]), (201, &json!(id(1))));
    let address = first.header("location").unwrap();
    assert_eq!(address, format!("/v1/certificates/{}", id(1)));
    assert_eq!(ask("GET", address, READ).to(&node).await.status, 200);
    let again = post(&node, "/v1/certificates", ISSUE, &certificate(1)).await;
    assert_eq!(
        (again.status, &*again.problem()),
        (409, "duplicate-certificate")
    );
    let retry = |body: Value| {
        ask("POST", "/v1/certificates", ISSUE)
            .header("Idempotency-Key", "k-1")
            .json(&body)
    };
    let replayed = retry(certificate(1)).to(&node).await;
    assert_eq!(
        (replayed.status, &replayed.json()["replayed"]),
        (200, &json!(true))
    );
    assert_eq!(replayed.header("location"), None, "nothing was created");
    let mut other = certificate(1);
    other["valid_from"] = json!("2026-02-02");
    let mismatch = retry(other).to(&node).await;
    assert_eq!(
        (mismatch.status, &*mismatch.problem()),
        (422, "idempotency-mismatch")
    );
    for key in ["", "a b", &"k".repeat(256)] {
        let request = ask("POST", "/v1/certificates", ISSUE)
            .header("Idempotency-Key", key)
            .json(&certificate(2));
        let answer = request.to(&node).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (422, "invalid-field"),
            "{key}"
        );
        assert_eq!(answer.json()["field"], "Idempotency-Key");
    }
}

#[tokio::test]
async fn faults_of_an_issue_are_all_in_one_problem() {
    let node = node();
    let body = json!({"id": "1.2", "holder": {"kind": "001", "code": "x"}, "valid_from": "never"});
    let answer = post(&node, "/v1/certificates", ISSUE, &body).await;
    assert_eq!((answer.status, &*answer.problem()), (422, "invalid-field"));
    let faults = answer.json()["faults"].as_array().unwrap().clone();
    let fields: Vec<_> = faults
        .iter()
        .map(|fault| fault["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["id", "holder.code", "valid_from"]);
    let mut swapped = certificate(1);
    swapped["valid_until"] = json!("2025-01-01");
    let answer = post(&node, "/v1/certificates", ISSUE, &swapped).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (422, "dates-out-of-order")
    );
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_distinguished() {
    let node = node();
    let send =
        |kind: &'static str, body: &'static str| ask("POST", "/v1/find", READ).body(kind, body);
    for (kind, body, status, name) in [
        ("application/json", "", 400, "malformed-body"),
        ("application/json", "{", 400, "malformed-body"),
        ("application/json", "[]", 400, "malformed-body"),
        (
            "application/json; charset=utf-8",
            "{\"limit\": \"x\"}",
            422,
            "invalid-field",
        ),
        ("application/json", "{\"limti\": 1}", 422, "invalid-field"),
        ("text/plain", "{}", 415, "unsupported-media-type"),
        (
            "application/x-www-form-urlencoded",
            "a=b",
            415,
            "unsupported-media-type",
        ),
    ] {
        let answer = send(kind, body).to(&node).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (status, name),
            "{kind} {body}"
        );
    }
}

#[tokio::test]
async fn routes_and_methods_that_do_not_exist_are_problems_too() {
    let node = node();
    for path in ["/", "/v1", "/v1/certificates/x/y/z", "/v1/nothing"] {
        let answer = ask("GET", path, READ).to(&node).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (404, "not-found"),
            "{path}"
        );
    }
    for (method, path) in [
        ("DELETE", "/v1/status"),
        ("GET", "/v1/certificates"),
        ("POST", "/health"),
    ] {
        let answer = ask(method, path, ADMIN).to(&node).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (405, "method-not-allowed"),
            "{method} {path}"
        );
        assert!(answer.header("allow").is_some(), "{answer:?}");
    }
}

#[tokio::test]
async fn look_ups_answer_or_say_what_is_unknown() {
    let node = node();
    for serial in 1..=2 {
        assert_eq!(
            post(&node, "/v1/certificates", ISSUE, &certificate(serial))
                .await
                .status,
            201
        );
    }
    let get = |path: String| ask("GET", &path, READ);
    let of = |serial: usize, part: &str| format!("/v1/certificates/{}{part}", id(serial));
    for part in [
        "",
        "/history",
        "/verification",
        "/verification?on=2026-05-05",
    ] {
        assert_eq!(get(of(1, part)).to(&node).await.status, 200, "{part}");
    }
    for part in ["", "/history", "/proof"] {
        let answer = get(of(7, part)).to(&node).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (404, "unknown-certificate"),
            "{part}"
        );
        assert_eq!(answer.json()["field"], "id");
    }
    let unknown = get(of(7, "/verification")).to(&node).await;
    assert_eq!(
        (unknown.status, &unknown.json()["verdict"]),
        (200, &json!("unknown"))
    );
    let proof = get(of(2, "/proof")).to(&node).await;
    assert_eq!(
        (proof.status, proof.body.as_slice()),
        (200, &[0, 1, 2, 255][..])
    );
    assert_eq!(
        proof.header("content-type"),
        Some("application/vnd.certmesh.bundle")
    );
    let early = get(of(1, "/proof")).to(&node).await;
    assert_eq!(
        (early.status, &*early.problem()),
        (409, "proof-not-available")
    );
    let log = get(format!("/v1/logs/{OWN}")).to(&node).await;
    assert_eq!((log.status, &*log.problem()), (404, "not-found"));
}

#[tokio::test]
async fn a_proof_waits_for_another_members_signature_five_seconds_at_most() {
    let node = node();
    for n in [1, 2] {
        post(&node, "/v1/certificates", ISSUE, &certificate(n)).await;
    }
    let proof = || ask("GET", &format!("/v1/certificates/{}/proof", id(2)), READ);
    let cosigned_in = |time| *node.fake.cosigned_in.lock() = Some(time);
    // The fake marks what nobody else has signed with a 7.
    cosigned_in(Duration::from_millis(300));
    let begun = Instant::now();
    let signed = proof().to(&node).await;
    assert_eq!((signed.status, signed.body[0]), (200, 0));
    let took = begun.elapsed();
    assert!((300..4_000).contains(&took.as_millis()), "{took:?}");
    cosigned_in(Duration::from_secs(60));
    let begun = Instant::now();
    let alone = proof().to(&node).await;
    assert_eq!((alone.status, alone.body[0]), (200, 7));
    let took = begun.elapsed();
    assert!((5_000..9_000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn bad_parameters_name_their_field() {
    let node = node();
    for (path, field) in [
        ("/v1/certificates/1.2.3", "id"),
        ("/v1/certificates/%FF", "path"),
        ("/v1/logs/11", "department"),
        ("/v1/catalogue?cursor=made-up", "cursor"),
        ("/v1/catalogue?department=1", "query"),
        ("/v1/matters?limit=0", "limit"),
        ("/v1/matters?limit=1001", "limit"),
        ("/v1/matters?cursor=made-up", "cursor"),
        ("/v1/grants?limit=x", "limit"),
        ("/v1/grants?cursor=made-up", "cursor"),
        (
            &format!("/v1/certificates/{}/verification?on=2026-02-30", id(1)),
            "on",
        ),
        (
            &format!("/v1/certificates/{}/verification?day=2026-02-03", id(1)),
            "query",
        ),
    ] {
        let answer = ask("GET", path, READ).to(&node).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (422, "invalid-field"),
            "{path}"
        );
        assert_eq!(answer.json()["field"], field, "{path}");
    }
    let find = post(
        &node,
        "/v1/find",
        READ,
        &json!({"issuer": OWN, "cursor": "made up"}),
    )
    .await;
    assert_eq!(
        (find.status, &find.json()["field"]),
        (422, &json!("cursor"))
    );
}

#[tokio::test]
async fn status_changes_follow_the_rules_of_issuer_and_order() {
    let node = node();
    assert_eq!(
        post(&node, "/v1/certificates", ISSUE, &certificate(1))
            .await
            .status,
        201
    );
    let path = format!("/v1/certificates/{}/status", id(1));
    let revoke = json!({"action": "revoke", "reason": "03", "text": "forged application"});
    assert_eq!(post(&node, &path, ISSUE, &revoke).await.status, 201);
    let reinstate = post(&node, &path, ISSUE, &json!({"action": "reinstate"})).await;
    assert_eq!(
        (reinstate.status, &*reinstate.problem()),
        (409, "impossible-transition")
    );
    let foreign = "/v1/certificates/1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0/status";
    let answer = post(&node, foreign, ISSUE, &revoke).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (409, "other-department")
    );
    let unknown = post(
        &node,
        &format!("/v1/certificates/{}/status", id(2)),
        ISSUE,
        &revoke,
    )
    .await;
    assert_eq!(
        (unknown.status, &*unknown.problem()),
        (404, "unknown-certificate")
    );
    let answer = post(&node, &path, ISSUE, &json!({"action": "x", "reason": "y"})).await;
    assert_eq!(answer.json()["faults"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_peer_refuses_arrives_with_its_status() {
    let node = node();
    let clock = ClockOff::BeforeLast {
        own: ChinaTime(0),
        last: ChinaTime(1),
    };
    for (refusal, status) in [
        (Refusal::OwnLogUnconfirmed(Unconfirmed::WouldFork), 503),
        (Refusal::LogReadOnly(ReadOnly::LaterVersion { seq: 7 }), 503),
        (Refusal::ClockOff(clock), 503),
        (
            Refusal::CatalogueKeyMissing {
                key: "0123456789ab".to_owned(),
                since: 3,
            },
            503,
        ),
        (Refusal::DecisionsMissing { known: 2, named: 5 }, 503),
        (Refusal::LogFrozen(StoppedBy::Forked { at: 7 }), 503),
        (
            Refusal::UnknownType {
                type_code: "11100000000013338W011".parse().unwrap(),
            },
            422,
        ),
        (Refusal::Overloaded { retry_after_s: 7 }, 503),
        (Refusal::Internal, 500),
    ] {
        let name = refusal.name();
        *node.fake.refuse.lock() = Some(refusal.clone());
        let answer = post(&node, "/v1/certificates", ISSUE, &certificate(1)).await;
        assert_eq!((answer.status, &*answer.problem()), (status, name));
        if name == "overloaded" {
            assert_eq!(answer.header("retry-after"), Some("7"));
        }
    }
    *node.fake.refuse.lock() = None;
    let mut foreign = certificate(1);
    foreign["id"] =
        json!("1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0");
    foreign
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name != "type" && name != "serial");
    let answer = post(&node, "/v1/certificates", ISSUE, &foreign).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (422, "not-this-department")
    );
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_without_its_message() {
    let node = node();
    *node.fake.panics.lock() = true;
    let answer = ask("GET", &format!("/v1/certificates/{}", id(1)), READ)
        .to(&node)
        .await;
    assert_eq!((answer.status, &*answer.problem()), (500, "internal"));
    assert!(!String::from_utf8_lossy(&answer.body).contains(HOLDER_CODE));
    assert_eq!(ask("GET", "/v1/status", READ).to(&node).await.status, 200);
}

#[tokio::test]
async fn types_and_confirmation_are_for_admins_and_answer() {
    let node = node();
    let body = json!({"code": "11100000000013338W011", "name": "Land-use certificate",
        "fields": [{"code": "ZZMC", "name": "Name", "required": true}]});
    let defined = post(&node, "/v1/types", ADMIN, &body).await;
    assert_eq!(
        (defined.status, &defined.json()["id"]),
        (201, &json!("11100000000013338W011"))
    );
    assert_eq!(
        defined.header("location"),
        Some("/v1/types/11100000000013338W011")
    );
    let body = json!({"code": "SL-001", "name": "Licence", "sub": [{"code": "01", "name": "First licence"}]});
    let defined = post(&node, "/v1/matters", ADMIN, &body).await;
    assert_eq!(
        (defined.status, defined.header("location")),
        (201, Some(&*format!("/v1/matters/{OWN}/SL-001")))
    );
    let confirmed = ask("POST", "/v1/log/vouch", ADMIN).to(&node).await;
    assert_eq!(
        (confirmed.status, &confirmed.json()["log_state"]),
        (200, &json!("writable"))
    );
}

#[tokio::test]
async fn taking_records_back_is_for_admins_and_answers_with_what_came_or_why_nothing_did() {
    let node = node();
    let salvage = |token| ask("POST", "/v1/log/salvage", token);
    assert_eq!(salvage(ISSUE).to(&node).await.status, 403);
    let answer = salvage(ADMIN).to(&node).await;
    let expected = json!({"records": 2, "copies": ["set-aside/one"], "size": 5});
    assert_eq!((answer.status, answer.json()), (200, expected));
    *node.fake.refuse.lock() = Some(Refusal::NotSalvageable(NotSalvaged::Differs { size: 7 }));
    let answer = salvage(ADMIN).to(&node).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (409, "not-salvageable")
    );
    let detail = answer.json()["detail"].to_string();
    assert!(detail.starts_with("\"nothing was taken back: "), "{detail}");
    assert!(detail.contains("the checkpoint of size 7"), "{detail}");
}
