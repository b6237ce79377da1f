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

#[test]
fn what_is_wrong_with_a_certificate_is_reported_by_name_and_field_and_nothing_is_appended() {
    let net = one_of_two();
    let http = net.http(0);
    let before = net.held(0, 0).size;
    let mut other_department = row(1, "API", 0);
    let mut wrong_check = row(0, "API", 1)["id"].as_str().unwrap().to_owned();
    let last = wrong_check.pop().unwrap();
    wrong_check.push(if last == 'A' { 'B' } else { 'A' });

    let cases: Vec<(Value, u16, &str, Option<&str>)> = vec![
        (
            with(1, "id", wrong_check.into()),
            422,
            "invalid-field",
            Some("id"),
        ),
        (
            with(1, "id", "nonsense".into()),
            422,
            "invalid-field",
            Some("id"),
        ),
        (with(1, "id", Value::Null), 422, "invalid-field", Some("id")),
        // Born in 2099, with the check character that fits.
        (
            with(
                1,
                "holder",
                json!({"kind": "111", "code": "110105209903070019"}),
            ),
            422,
            "invalid-field",
            Some("holder.code"),
        ),
        (
            with(1, "holder", Value::Null),
            422,
            "invalid-field",
            Some("holder"),
        ),
        (
            with(
                1,
                "holder",
                json!({"kind": "111", "code": "990000198706050010"}),
            ),
            422,
            "invalid-field",
            Some("holder.code"),
        ),
        (
            with(1, "holder", json!({"kind": "222", "code": "1"})),
            422,
            "invalid-field",
            Some("holder.kind"),
        ),
        (
            with(1, "valid_from", Value::Null),
            422,
            "invalid-field",
            Some("valid_from"),
        ),
        (
            with(1, "valid_from", "2025-02-30".into()),
            422,
            "invalid-field",
            Some("valid_from"),
        ),
        (
            with(1, "valid_until", "1999-01-01".into()),
            422,
            "dates-out-of-order",
            Some("valid_until"),
        ),
        (
            with(1, "sharing", "everybody".into()),
            422,
            "invalid-field",
            Some("sharing"),
        ),
        (
            with(1, "fields", json!({"ZZMC": "x".repeat(4097)})),
            422,
            "invalid-field",
            Some("fields.ZZMC"),
        ),
        (
            with(1, "valid_form", "2025-01-01".into()),
            422,
            "invalid-field",
            Some("valid_form"),
        ),
        (
            with(1, "version", 3.into()),
            422,
            "invalid-field",
            Some("version"),
        ),
        (
            with(1, "predecessor", row(0, "API", 99)["id"].clone()),
            422,
            "invalid-field",
            Some("predecessors"),
        ),
        (
            other_department.take(),
            422,
            "not-this-department",
            Some("id"),
        ),
    ];
    for (body, status, name, field) in cases {
        let answer = issue(&http, &body);
        assert_eq!(
            answer.problem(status, name).as_deref(),
            field,
            "{body}\n{answer:?}"
        );
        // The same row in bulk fails alone, in the same words.
        let bulk = http.bulk(&[], body.to_string().as_bytes()).lines();
        assert_eq!(
            (&bulk[0]["ok"], &bulk[0]["row"]),
            (&false.into(), &1.into())
        );
        assert_eq!(
            bulk[0]["error"]["type"],
            format!("urn:certmesh:problem:{name}")
        );
        assert_eq!(bulk[0]["error"]["field"].as_str(), field);
    }

    let kind = format!("{}777", net.code(0));
    let unknown_type = json!({"type": kind, "serial": "1", "valid_from": "2025-01-01", "holder": row(0, "API", 1)["holder"]});
    assert_eq!(
        issue(&http, &unknown_type)
            .problem(422, "unknown-type")
            .as_deref(),
        Some("type")
    );

    // Several faults at once are all told.
    let many = json!({"id": "x", "valid_from": "then", "sharing": "y"});
    let answer = issue(&http, &many);
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
    assert_eq!(net.held(0, 0).size, before);
}

#[test]
fn malformed_and_oversized_requests_are_refused_before_they_cost_anything() {
    let net = one_of_two();
    let http = net.http(0);
    let path = "/v1/certificates";
    let text = row(0, "API", 1).to_string();
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        &text[..text.len() - 2],
        "{\"id\":\"a\",\"id\":\"b\"}",
        "\u{0}",
    ] {
        let answer = http.post_with(path, "application/json", &[], body.as_bytes());
        answer.problem(400, "malformed-body");
    }
    http.post_with(path, "application/json", &[], b"{\"id\":\"\xFF\"}")
        .problem(400, "malformed-body");
    http.post_with(path, "text/plain", &[], text.as_bytes())
        .problem(415, "unsupported-media-type");
    http.bulk(&[("content-encoding", "identity")], text.as_bytes());
    // Refused by its declared length, before a byte of it is sent.
    let mut stream = TcpStream::connect(http.address()).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 20000000\r\n\r\n",
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
    let deep = "[".repeat(100_000);
    http.post_with(path, "application/json", &[], deep.as_bytes())
        .problem(400, "malformed-body");

    http.get("/v1/nothing").problem(404, "not-found");
    http.get("/v1/certificates")
        .problem(405, "method-not-allowed");
    http.get("/v1/certificates/abc")
        .problem(422, "invalid-field");
    http.get("/v1/certificates/%FF")
        .problem(422, "invalid-field");
    let absent = row(0, "API", 77)["id"].as_str().unwrap().to_owned();
    http.get(&format!("/v1/certificates/{absent}"))
        .problem(404, "unknown-certificate");
    http.get(&format!("/v1/certificates/{absent}/history"))
        .problem(404, "unknown-certificate");
    http.get(&format!("/v1/certificates/{absent}/proof"))
        .problem(404, "unknown-certificate");
    let unknown = http.get(&format!("/v1/certificates/{absent}/verification"));
    assert_eq!(
        (unknown.status, &unknown.json()["verdict"]),
        (200, &"unknown".into())
    );
    let on = http.get(&format!(
        "/v1/certificates/{absent}/verification?on=tomorrow"
    ));
    assert_eq!(on.problem(422, "invalid-field").as_deref(), Some("on"));
    http.get("/v1/logs/11100000000013338W")
        .problem(404, "not-found");
    assert_eq!(
        http.get("/v1/logs/xyz")
            .problem(422, "invalid-field")
            .as_deref(),
        Some("department")
    );

    let find = |body: Value| http.post("/v1/find", &body);
    find(json!({})).problem(422, "invalid-field");
    find(json!({"issuer": net.code(0), "type": format!("{}001", net.code(0))}))
        .problem(422, "invalid-field");
    assert_eq!(
        find(json!({"issuer": net.code(0), "limit": 0}))
            .problem(422, "invalid-field")
            .as_deref(),
        Some("limit")
    );
    assert_eq!(
        find(json!({"issuer": net.code(0), "limit": 1001}))
            .problem(422, "invalid-field")
            .as_deref(),
        Some("limit")
    );
    assert_eq!(
        find(json!({"issuer": net.code(0), "cursor": "zzz"}))
            .problem(422, "invalid-field")
            .as_deref(),
        Some("cursor")
    );

    let kinds = |body: Value| http.post("/v1/types", &body);
    let code = format!("{}001", net.code(0));
    assert_eq!(
        kinds(json!({"code": "1", "name": "x"}))
            .problem(422, "invalid-field")
            .as_deref(),
        Some("code")
    );
    assert_eq!(
        kinds(json!({"code": code, "name": ""}))
            .problem(422, "invalid-field")
            .as_deref(),
        Some("name")
    );
    let others = format!("{}001", net.code(1));
    assert_eq!(
        kinds(json!({"code": others, "name": "x"}))
            .problem(422, "invalid-field")
            .as_deref(),
        Some("code")
    );
    let strangers = kinds(json!({"code": "11100000000013338W011", "name": "x"}));
    assert!(
        strangers.status == 422,
        "without the role `define`: {strangers:?}"
    );
}
