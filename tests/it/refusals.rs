//! What the HTTP API refuses: by status, name and field, with nothing half-done.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Answer, Http, one_of_two, row};

fn issue(http: &Http, body: &Value) -> Answer {
    http.post("/v1/certificates", body)
}

/// A row with one member changed; null takes it out.
fn with(number: u64, member: &str, value: Value) -> Value {
    let mut row = row(0, "API", number);
    row[member] = value;
    if row[member].is_null() {
        row.as_object_mut().unwrap().remove(member);
    }
    row
}

/// Certificates with one thing wrong each, the name of the problem, and the field it names.
fn wrong_certificates() -> Vec<(Value, &'static str, &'static str)> {
    let mut wrong_check = row(0, "API", 1)["id"].as_str().unwrap().to_owned();
    let last = wrong_check.pop().unwrap();
    wrong_check.push(if last == 'A' { 'B' } else { 'A' });
    let wrong_code = json!({"kind": "111", "code": "990000198706050010"});
    let wrong_kind = json!({"kind": "222", "code": "1"});
    let too_long = json!({"ZZMC": "x".repeat(4097)});
    // With the check character that fits.
    let born_in_2099 = json!({"kind": "111", "code": "110105209903070019"});
    let invalid: [(&str, Value, &str); 14] = [
        ("id", wrong_check.into(), "id"),
        ("id", "nonsense".into(), "id"),
        ("id", Value::Null, "id"),
        ("holder", Value::Null, "holder"),
        ("holder", wrong_code, "holder.code"),
        ("holder", born_in_2099, "holder.code"),
        ("holder", wrong_kind, "holder.kind"),
        ("valid_from", Value::Null, "valid_from"),
        ("valid_from", "2025-02-30".into(), "valid_from"),
        ("sharing", "everybody".into(), "sharing"),
        ("fields", too_long, "fields.ZZMC"),
        ("valid_form", "2025-01-01".into(), "valid_form"),
        ("version", 3.into(), "version"),
        (
            "predecessor",
            row(0, "API", 99)["id"].clone(),
            "predecessors",
        ),
    ];
    let mut wrong: Vec<_> = invalid
        .into_iter()
        .map(|(member, value, field)| (with(1, member, value), "invalid-field", field))
        .collect();
    let ends_before = with(1, "valid_until", "1999-01-01".into());
    wrong.push((ends_before, "dates-out-of-order", "valid_until"));
    wrong.push((row(1, "API", 0), "not-this-department", "id"));
    wrong
}

#[track_caller]
fn is_refused_alone_and_in_bulk_in_the_same_words(
    http: &Http,
    body: &Value,
    name: &str,
    field: &str,
) {
    let answer = issue(http, body);
    assert_eq!(
        answer.problem(422, name).as_deref(),
        Some(field),
        "{body}\n{answer:?}"
    );
    let bulk = http.bulk(&[], body.to_string().as_bytes()).lines();
    assert_eq!(
        (&bulk[0]["ok"], &bulk[0]["row"]),
        (&false.into(), &1.into())
    );
    let error = &bulk[0]["error"];
    assert_eq!(error["type"], format!("urn:certmesh:problem:{name}"));
    assert_eq!(error["field"].as_str(), Some(field));
}

fn all_faults_are_reported_at_once(http: &Http) {
    let many = json!({"id": "x", "valid_from": "then", "sharing": "y"});
    let answer = issue(http, &many);
    answer.problem(422, "invalid-field");
    let faults: BTreeSet<String> = answer.json()["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["field"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        faults,
        BTreeSet::from(["holder", "id", "sharing", "valid_from"].map(str::to_owned))
    );
}

#[test]
fn what_is_wrong_with_a_certificate_is_reported_by_name_and_field_and_nothing_is_appended() {
    let net = one_of_two();
    let http = net.http(0);
    let before = net.held(0, 0).size;
    for (body, name, field) in wrong_certificates() {
        is_refused_alone_and_in_bulk_in_the_same_words(&http, &body, name, field);
    }
    let unknown_type = json!({
        "type": format!("{}777", net.code(0)), "serial": "1", "valid_from": "2025-01-01",
        "holder": row(0, "API", 1)["holder"],
    });
    issue(&http, &unknown_type).problem_in(422, "unknown-type", "type");
    all_faults_are_reported_at_once(&http);
    assert_eq!(net.held(0, 0).size, before);
}

fn bodies_that_are_no_certificate_are_malformed(http: &Http) {
    let path = "/v1/certificates";
    let text = row(0, "API", 1).to_string();
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 10] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"x\"",
        &text.as_bytes()[..text.len() - 2],
        b"{\"id\":\"a\",\"id\":\"b\"}",
        b"\0",
        b"{\"id\":\"\xFF\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        http.post_with(path, "application/json", &[], body)
            .problem(400, "malformed-body");
    }
    http.post_with(path, "text/plain", &[], text.as_bytes())
        .problem(415, "unsupported-media-type");
    http.bulk(&[("content-encoding", "identity")], text.as_bytes());
}

fn a_body_is_refused_by_its_declared_length_before_a_byte_of_it_is_sent(http: &Http) {
    let mut stream = TcpStream::connect(http.address()).unwrap();
    let head = format!(
        "POST /v1/certificates HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 20000000\r\n\r\n",
        http.address(),
        http.token(),
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        answer.contains("urn:certmesh:problem:body-too-large"),
        "{answer}"
    );
}

fn paths_that_lead_nowhere_are_refused(http: &Http) {
    http.get("/v1/nothing").problem(404, "not-found");
    http.get("/v1/certificates")
        .problem(405, "method-not-allowed");
    for id in ["abc", "%FF"] {
        http.get(&format!("/v1/certificates/{id}"))
            .problem(422, "invalid-field");
    }
    http.get("/v1/logs/11100000000013338W")
        .problem(404, "not-found");
    http.get("/v1/logs/xyz")
        .problem_in(422, "invalid-field", "department");
}

fn a_certificate_that_is_not_there_is_unknown(http: &Http) {
    let absent = row(0, "API", 77)["id"].as_str().unwrap().to_owned();
    for part in ["", "/history", "/proof"] {
        http.get(&format!("/v1/certificates/{absent}{part}"))
            .problem(404, "unknown-certificate");
    }
    let verification = format!("/v1/certificates/{absent}/verification");
    let unknown = http.get(&verification);
    assert_eq!(
        (unknown.status, &unknown.json()["verdict"]),
        (200, &"unknown".into())
    );
    http.get(&format!("{verification}?on=tomorrow"))
        .problem_in(422, "invalid-field", "on");
}

fn searches_without_bounds_are_refused(http: &Http, issuer: &str) {
    let find = |body: Value| http.post("/v1/find", &body);
    find(json!({})).problem(422, "invalid-field");
    find(json!({"issuer": issuer, "type": format!("{issuer}001")})).problem(422, "invalid-field");
    for (member, value) in [
        ("limit", json!(0)),
        ("limit", json!(1001)),
        ("cursor", json!("zzz")),
    ] {
        find(json!({"issuer": issuer, member: value})).problem_in(422, "invalid-field", member);
    }
}

fn types_of_others_and_without_a_name_are_refused(http: &Http, own: &str, other: &str) {
    let kinds = |code: &str, name: &str| {
        let body = json!({"code": code, "name": name});
        http.post("/v1/types", &body)
    };
    kinds("1", "x").problem_in(422, "invalid-field", "code");
    kinds(&format!("{own}001"), "").problem_in(422, "invalid-field", "name");
    kinds(&format!("{other}001"), "x").problem_in(422, "invalid-field", "code");
    let strangers = kinds("11100000000013338W011", "x");
    assert!(
        strangers.status == 422,
        "without the role `define`: {strangers:?}"
    );
}

#[test]
fn malformed_and_oversized_requests_are_refused_before_they_cost_anything() {
    let net = one_of_two();
    let http = net.http(0);
    bodies_that_are_no_certificate_are_malformed(&http);
    a_body_is_refused_by_its_declared_length_before_a_byte_of_it_is_sent(&http);
    paths_that_lead_nowhere_are_refused(&http);
    a_certificate_that_is_not_there_is_unknown(&http);
    searches_without_bounds_are_refused(&http, &net.code(0));
    types_of_others_and_without_a_name_are_refused(&http, &net.code(0), &net.code(1));
}
