//! The HTTP contract over a real node: every route, idempotency, the order of statuses. What is refused: `refusals`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, Http, TestNet, one_of_two, row, running};

fn issue(http: &Http, body: &Value) -> Answer {
    http.post("/v1/certificates", body)
}

fn a_certificate_is_issued_as_a_new_record(net: &TestNet) -> Value {
    let issued = issue(&net.http(0), &row(0, "API", 0));
    assert_eq!(
        (issued.status, issued.content_type.as_str()),
        (201, "application/json")
    );
    let issued = issued.json();
    let position = &issued["position"];
    assert_eq!(issued["replayed"], false);
    assert_eq!(position["log"], net.code(0));
    assert!(position["checkpoint_size"].as_u64() > position["seq"].as_u64());
    issued
}

fn a_certificate_is_shown_with_its_history_verdict_and_proof(net: &TestNet, issued: &Value) {
    let http = net.http(0);
    let id = &issued["id"];
    let by_id = format!("/v1/certificates/{}", id.as_str().unwrap());
    let certificate = http.get(&by_id).json();
    assert_eq!(
        (
            &certificate["id"],
            &certificate["status"],
            &certificate["status_code"]
        ),
        (id, &"valid".into(), &"01".into())
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
}

fn what_was_issued_is_found_by_its_holder_and_counted(net: &TestNet, id: &Value) {
    let http = net.http(0);
    let by_holder = json!({"holder": row(0, "API", 0)["holder"], "purpose": "a test"});
    let found = http.post("/v1/find", &by_holder);
    assert_eq!(&found.json()["certificates"][0]["id"], id);
    let catalogue = http.get("/v1/catalogue").json();
    assert_eq!(catalogue["certificates"], 1);
    let types = catalogue["types"].as_array().unwrap();
    assert!(types.iter().any(|kind| kind["issued"][net.code(0)] == 1));
}

fn a_type_is_defined_once(net: &TestNet) {
    let http = net.http(0);
    let definition = json!({
        "code": format!("{}042", net.code(0)), "name": "新证",
        "fields": [{"code": "ZZMC", "name": "名", "required": true}],
    });
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
}

fn the_node_shows_its_logs_and_peers_and_how_it_is(net: &TestNet) {
    let http = net.http(0);
    assert_eq!(http.get("/health").status, 200);
    assert_eq!(http.get("/ready").json()["ready"], true);
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
    let vouched = http.post_with("/v1/log/vouch", "application/json", &[], b"");
    assert_eq!(vouched.status, 200);
}

fn metrics_count_and_name_no_certificate(net: &TestNet, id: &Value) {
    let metrics = net.http(0).get("/metrics").text;
    for line in [
        "certmesh_own_log_state{state=\"writable\"} 1",
        "certmesh_rows_issued_total 1",
        "certmesh_peers_connected 1",
        &format!("certmesh_log_records{{department=\"{}\"}}", net.code(1)),
    ] {
        assert!(metrics.contains(line), "`{line}` is missing in {metrics}");
    }
    assert!(
        !metrics.contains(id.as_str().unwrap()),
        "labels hold templates, no identifiers"
    );
}

#[test]
fn every_route_answers_as_the_contract_says() {
    let net = running(2);
    let issued = a_certificate_is_issued_as_a_new_record(&net);
    a_certificate_is_shown_with_its_history_verdict_and_proof(&net, &issued);
    what_was_issued_is_found_by_its_holder_and_counted(&net, &issued["id"]);
    a_type_is_defined_once(&net);
    the_node_shows_its_logs_and_peers_and_how_it_is(&net);
    metrics_count_and_name_no_certificate(&net, &issued["id"]);
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
    change("reinstate").problem_in(409, "impossible-transition", "action");
    change("explode").problem_in(422, "invalid-field", "action");
    let reason = http.post(&path, &json!({"action": "suspend", "reason": "42"}));
    reason.problem_in(422, "invalid-field", "reason");
    let text = http.post(
        &path,
        &json!({"action": "suspend", "text": "x".repeat(513)}),
    );
    text.problem_in(422, "invalid-field", "text");
    http.post(&path, &json!({}))
        .problem_in(422, "invalid-field", "action");
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
    elsewhere.problem_in(409, "other-department", "id");
    assert_eq!(net.held(1, 0).size, size);
    // Once over, its identifier is not free again.
    issue(&http, &row(0, "API", 0)).problem(409, "duplicate-certificate");
}

fn post_under_key(http: &Http, key: &str, number: u64) -> Answer {
    http.post_keyed("/v1/certificates", key, &row(0, "IDEM", number))
}

#[track_caller]
fn is_the_first_result(answer: &Answer, first: &Value) {
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["replayed"], true);
    for part in ["seq", "record", "time_ms", "log"] {
        assert_eq!(answer["position"][part], first["position"][part]);
    }
}

/// Under a used key, without one, changed under a new one, and under what is no key.
fn anything_but_the_same_request_under_a_key_is_refused(http: &Http) {
    post_under_key(http, "key-1", 1).problem_in(422, "idempotency-mismatch", "Idempotency-Key");
    issue(http, &row(0, "IDEM", 0)).problem(409, "duplicate-certificate");
    let mut bent = row(0, "IDEM", 0);
    bent["sharing"] = "not-shared".into();
    if row(0, "IDEM", 0)["sharing"] == "not-shared" {
        bent["sharing"] = "unconditional".into();
    }
    http.post_keyed("/v1/certificates", "key-3", &bent)
        .problem(409, "duplicate-certificate");
    for key in ["", "a b", &"x".repeat(256)] {
        post_under_key(http, key, 5).problem_in(422, "invalid-field", "Idempotency-Key");
    }
}

#[test]
fn an_idempotency_key_makes_a_retried_request_return_the_first_result() {
    let mut net = one_of_two();
    let http = net.http(0);
    let first = post_under_key(&http, "key-1", 0);
    assert_eq!(first.status, 201);
    let first = first.json();
    let size = net.held(0, 0).size;
    is_the_first_result(&post_under_key(&http, "key-1", 0), &first);
    is_the_first_result(&post_under_key(&http, "another", 0), &first);
    anything_but_the_same_request_under_a_key_is_refused(&http);
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
    let http = net.http(0);
    is_the_first_result(&post_under_key(&http, "key-1", 0), &first);
    assert_eq!(http.post_keyed(&path, "change-1", &suspend).status, 200);
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
        ("get", "/v1/governance"),
        ("get", "/v1/governance/trust-file"),
        ("post", "/v1/governance/items"),
        ("post", "/v1/governance/held"),
        ("post", "/v1/governance/stolen-epoch"),
    ];
    let contract = contract.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(listed, BTreeSet::from(contract));
}
