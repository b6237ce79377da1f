//! The HTTP contract over a real node: every route, idempotency, the order of statuses. What is refused: `refusals`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, Http, one_of_two, row, running};

fn issue(http: &Http, body: &Value) -> Answer {
    http.post("/v1/certificates", body)
}

#[test]
fn every_route_answers_as_the_contract_says() {
    let net = running(2);
    let http = net.http(0);
    assert_eq!(http.get("/health").status, 200);
    assert_eq!(http.get("/ready").json()["ready"], true);

    let issued = issue(&http, &row(0, "API", 0));
    assert_eq!(
        (issued.status, issued.content_type.as_str()),
        (201, "application/json")
    );
    let issued = issued.json();
    let id = issued["id"].as_str().unwrap();
    assert_eq!(issued["replayed"], false);
    assert_eq!(issued["position"]["log"], net.code(0));
    assert!(issued["position"]["checkpoint_size"].as_u64() > issued["position"]["seq"].as_u64());

    let by_id = format!("/v1/certificates/{id}");
    let certificate = http.get(&by_id).json();
    assert_eq!(
        (
            &certificate["id"],
            &certificate["status"],
            &certificate["status_code"]
        ),
        (&id.into(), &"valid".into(), &"01".into())
    );
    assert_eq!(
        certificate["position"]["record"],
        issued["position"]["record"]
    );
    let history = http.get(&format!("{by_id}/history")).json();
    assert_eq!(history["events"][0]["event"], "issued");
    let verification = http.get(&format!("{by_id}/verification")).json();
    assert_eq!(verification["verdict"], "valid");
    assert_eq!(verification["provenance"]["department"], net.code(0));
    let past = http
        .get(&format!("{by_id}/verification?on=1999-12-31"))
        .json();
    assert_eq!(
        (&past["verdict"], &past["reason"], &past["on"]),
        (
            &"not-valid".into(),
            &"not-yet-valid".into(),
            &"1999-12-31".into()
        )
    );
    let proof = http.get(&format!("{by_id}/proof"));
    assert_eq!(
        (proof.status, proof.content_type.as_str()),
        (200, "application/vnd.certmesh.bundle")
    );

    let change = http.post(
        &format!("{by_id}/status"),
        &json!({"action": "suspend", "reason": "06", "text": "lost"}),
    );
    assert_eq!(change.status, 201);
    let by_holder = json!({"holder": row(0, "API", 0)["holder"], "purpose": "a test"});
    let found = http.post("/v1/find", &by_holder);
    assert_eq!(found.json()["certificates"][0]["id"], id);
    let catalogue = http.get("/v1/catalogue").json();
    assert_eq!(catalogue["certificates"], 1);
    assert!(
        catalogue["types"]
            .as_array()
            .unwrap()
            .iter()
            .any(|kind| kind["issued"][net.code(0)] == 1)
    );

    let definition = json!({"code": format!("{}042", net.code(0)), "name": "新证", "fields": [{"code": "ZZMC", "name": "名", "required": true}]});
    let defined = http.post("/v1/types", &definition);
    assert_eq!(
        (defined.status, &defined.json()["id"]),
        (201, &definition["code"])
    );
    assert_eq!(
        http.post("/v1/types", &definition).status,
        200,
        "defined the same before"
    );

    let logs = http.get("/v1/logs").json();
    assert_eq!(logs.as_array().unwrap().len(), 2);
    let log = http.get(&format!("/v1/logs/{}", net.code(0))).json();
    assert_eq!(
        (&log["department"], &log["state"]),
        (&net.code(0).into(), &"own".into())
    );
    let peers = http.get("/v1/peers").json();
    assert_eq!(
        (&peers[0]["department"], &peers[0]["connected"]),
        (&net.code(1).into(), &true.into())
    );
    let status = http.get("/v1/status").json();
    assert_eq!(
        (
            &status["department"],
            &status["log_state"],
            &status["peers_connected"]
        ),
        (&net.code(0).into(), &"writable".into(), &1.into())
    );
    assert_eq!(
        http.post_with("/v1/log/vouch", "application/json", &[], b"")
            .status,
        200
    );

    let metrics = http.get("/metrics").text;
    for line in [
        "certmesh_own_log_state{state=\"writable\"} 1",
        "certmesh_rows_issued_total 1",
        "certmesh_peers_connected 1",
        &format!("certmesh_log_records{{department=\"{}\"}}", net.code(1)),
    ] {
        assert!(metrics.contains(line), "`{line}` is missing in {metrics}");
    }
    assert!(
        !metrics.contains(id),
        "labels hold templates, no identifiers"
    );
}

#[test]
fn a_status_changes_only_in_a_possible_order_and_only_at_its_issuer() {
    let net = running(2);
    let http = net.http(0);
    let id = issue(&http, &row(0, "API", 0)).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/certificates/{id}/status");
    let change = |action: &str| http.post(&path, &json!({"action": action}));
    assert_eq!(
        change("reinstate")
            .problem(409, "impossible-transition")
            .as_deref(),
        Some("action")
    );
    assert_eq!(
        change("explode").problem(422, "invalid-field").as_deref(),
        Some("action")
    );
    let reason = http.post(&path, &json!({"action": "suspend", "reason": "42"}));
    assert_eq!(
        reason.problem(422, "invalid-field").as_deref(),
        Some("reason")
    );
    let text = http.post(
        &path,
        &json!({"action": "suspend", "text": "x".repeat(513)}),
    );
    assert_eq!(text.problem(422, "invalid-field").as_deref(), Some("text"));
    assert_eq!(
        http.post(&path, &json!({}))
            .problem(422, "invalid-field")
            .as_deref(),
        Some("action")
    );
    assert_eq!(change("suspend").status, 201);
    change("suspend").problem(409, "impossible-transition");
    assert_eq!(change("reinstate").status, 201);
    assert_eq!(change("revoke").status, 201);
    for action in ["suspend", "reinstate", "revoke", "cancel"] {
        change(action).problem(409, "impossible-transition");
    }
    let absent = row(0, "API", 50)["id"].as_str().unwrap().to_owned();
    http.post(
        &format!("/v1/certificates/{absent}/status"),
        &json!({"action": "revoke"}),
    )
    .problem(404, "unknown-certificate");

    net.converge();
    let size = net.held(1, 0).size;
    let elsewhere = net.http(1).post(&path, &json!({"action": "revoke"}));
    assert_eq!(
        elsewhere.problem(409, "other-department").as_deref(),
        Some("id")
    );
    assert_eq!(net.held(1, 0).size, size);
    // Once over, its identifier is not free again.
    issue(&http, &row(0, "API", 0)).problem(409, "duplicate-certificate");
}

#[test]
fn an_idempotency_key_makes_a_retried_request_return_the_first_result() {
    let mut net = one_of_two();
    let http = net.http(0);
    let first = http.post_keyed("/v1/certificates", "key-1", &row(0, "IDEM", 0));
    assert_eq!(first.status, 201);
    let first = first.json();
    let size = net.held(0, 0).size;
    let again = |http: &Http, key: &str, number| {
        http.post_keyed("/v1/certificates", key, &row(0, "IDEM", number))
    };
    let same = |answer: Answer| {
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        assert_eq!(answer["replayed"], true);
        for part in ["seq", "record", "time_ms", "log"] {
            assert_eq!(answer["position"][part], first["position"][part]);
        }
    };
    same(again(&http, "key-1", 0));
    same(again(&http, "another", 0));
    assert_eq!(
        again(&http, "key-1", 1)
            .problem(422, "idempotency-mismatch")
            .as_deref(),
        Some("Idempotency-Key")
    );
    issue(&http, &row(0, "IDEM", 0)).problem(409, "duplicate-certificate");
    let mut bent = row(0, "IDEM", 0);
    bent["sharing"] = "not-shared".into();
    if row(0, "IDEM", 0)["sharing"] == "not-shared" {
        bent["sharing"] = "unconditional".into();
    }
    http.post_keyed("/v1/certificates", "key-3", &bent)
        .problem(409, "duplicate-certificate");
    for key in ["", "a b", &"x".repeat(256)] {
        let answer = again(&http, key, 5);
        assert_eq!(
            answer.problem(422, "invalid-field").as_deref(),
            Some("Idempotency-Key")
        );
    }
    assert_eq!(net.held(0, 0).size, size);

    // Changes of status too: the retry of a suspension is no second one.
    let id = first["id"].as_str().unwrap();
    let path = format!("/v1/certificates/{id}/status");
    let suspend = json!({"action": "suspend", "text": "once"});
    assert_eq!(http.post_keyed(&path, "change-1", &suspend).status, 201);
    assert_eq!(http.post_keyed(&path, "change-1", &suspend).status, 200);
    http.post(&path, &suspend)
        .problem(409, "impossible-transition");

    // And it holds over a restart, also a sudden one.
    net.kill(0);
    net.start_trusting(0);
    same(again(&net.http(0), "key-1", 0));
    assert_eq!(
        net.http(0).post_keyed(&path, "change-1", &suspend).status,
        200
    );
}

#[test]
fn the_openapi_document_lists_every_route_and_nothing_else() {
    let net = one_of_two();
    let document = net.http(0).with_token(None).get("/openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let listed: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods
                .keys()
                .map(move |method| (method.clone(), path.clone()))
        })
        .collect();
    let contract = [
        ("get", "/health"),
        ("get", "/ready"),
        ("get", "/metrics"),
        ("get", "/openapi.json"),
        ("post", "/v1/certificates"),
        ("post", "/v1/certificates/bulk"),
        ("get", "/v1/certificates/{id}"),
        ("get", "/v1/certificates/{id}/fields"),
        ("get", "/v1/certificates/{id}/attachments/{name}"),
        ("post", "/v1/certificates/{id}/erasure"),
        ("get", "/v1/certificates/{id}/history"),
        ("get", "/v1/certificates/{id}/verification"),
        ("get", "/v1/certificates/{id}/proof"),
        ("post", "/v1/certificates/{id}/status"),
        ("post", "/v1/attachments"),
        ("post", "/v1/accept"),
        ("post", "/v1/retrievals"),
        ("get", "/v1/retrievals/{retrieval}"),
        ("get", "/v1/retrievals/{retrieval}/attachments/{name}"),
        ("get", "/v1/audit"),
        ("post", "/v1/access-log"),
        ("post", "/v1/access-log/local"),
        ("get", "/v1/reports/use"),
        ("post", "/v1/find"),
        ("get", "/v1/catalogue"),
        ("post", "/v1/types"),
        ("get", "/v1/types/{code}"),
        ("post", "/v1/matters"),
        ("get", "/v1/matters"),
        ("get", "/v1/matters/{department}/{code}"),
        ("post", "/v1/grants"),
        ("get", "/v1/grants"),
        ("post", "/v1/grants/{grant}/withdrawal"),
        ("get", "/v1/logs"),
        ("get", "/v1/logs/{department}"),
        ("get", "/v1/peers"),
        ("get", "/v1/status"),
        ("post", "/v1/log/vouch"),
        ("post", "/v1/log/salvage"),
    ];
    let contract = contract.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(listed, BTreeSet::from(contract));
}
