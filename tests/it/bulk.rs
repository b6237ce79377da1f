//! Bulk issue: rows in, rows out, whatever the rows are.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use crate::support::{one_of_two, row, until};

#[test]
fn bad_rows_are_reported_one_by_one_and_the_good_ones_go_through() {
    let net = one_of_two();
    let http = net.http(0);
    let good = |number| row(0, "BULK", number).to_string();
    let too_long = format!("{{\"id\":\"{}\"}}", "A".repeat(70_000));
    let mut bent = row(0, "BULK", 3);
    bent["valid_until"] = "1980-01-01".into();
    let lines = [
        format!("\u{FEFF}{}", good(0)),
        String::new(),
        "not json".to_owned(),
        format!("{}\r", good(1)),
        "   ".to_owned(),
        good(0),
        too_long,
        bent.to_string(),
        row(1, "BULK", 0).to_string(),
        "[1,2]".to_owned(),
        good(2),
    ];
    // The last line has no line feed.
    let results = http.bulk(&[], lines.join("\n").as_bytes());
    assert_eq!(
        (results.status, results.content_type.as_str()),
        (200, "application/x-ndjson")
    );
    let results = results.lines();
    let told: Vec<(u64, Option<&str>)> = results
        .iter()
        .map(|row| {
            let problem = row["error"]["type"].as_str();
            assert_eq!(row["ok"], problem.is_none(), "{row}");
            (
                row["row"].as_u64().unwrap(),
                problem.map(|name| name.rsplit(':').next().unwrap()),
            )
        })
        .collect();
    let expected = [
        (1, None),
        (3, Some("malformed-body")),
        (4, None),
        (6, Some("duplicate-certificate")),
        (7, Some("body-too-large")),
        (8, Some("dates-out-of-order")),
        (9, Some("not-this-department")),
        (10, Some("malformed-body")),
        (11, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(net.held(0, 0).certificates, 3);
}

#[test]
fn a_retried_bulk_request_finds_its_rows_issued_already() {
    let net = one_of_two();
    let http = net.http(0);
    let body = |count: u64| {
        (0..count)
            .map(|n| format!("{}\n", row(0, "AGAIN", n)))
            .collect::<String>()
    };
    let key = [("idempotency-key", "chunk-1")];
    let first = http.bulk(&key, body(10).as_bytes()).lines();
    assert!(
        first
            .iter()
            .all(|row| row["ok"] == true && row["replayed"] == false)
    );
    // More came to the same chunk: what was there is recognised, what is new is issued.
    let again = http.bulk(&key, body(15).as_bytes()).lines();
    let replayed: Vec<bool> = again
        .iter()
        .map(|row| row["replayed"].as_bool().unwrap())
        .collect();
    assert_eq!(replayed, [[true; 10].as_slice(), &[false; 5]].concat());
    for (one, two) in first.iter().zip(&again) {
        assert_eq!(one["position"]["record"], two["position"]["record"]);
    }
    // Without a key the same rows are duplicates.
    let third = http.bulk(&[], body(15).as_bytes()).lines();
    assert!(
        third
            .iter()
            .all(|row| row["error"]["type"] == "urn:certmesh:problem:duplicate-certificate")
    );
    assert_eq!(net.held(0, 0).certificates, 15);
}

#[test]
fn an_empty_request_has_an_empty_answer() {
    let net = one_of_two();
    for body in ["", "\n", "\n\n  \n"] {
        let answer = net.http(0).bulk(&[], body.as_bytes());
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
}

#[test]
fn thousands_of_rows_are_answered_in_order() {
    const ROWS: u64 = 4_000;
    let net = one_of_two();
    let mut body = String::new();
    for number in 0..ROWS {
        // Every hundredth is wrong.
        let mut row = row(0, "MANY", number);
        if number % 100 == 99 {
            row["holder"]["code"] = "?".into();
        }
        body.push_str(&format!("{row}\n"));
    }
    let results = net.http(0).bulk(&[], body.as_bytes()).lines();
    let rows: Vec<u64> = results
        .iter()
        .map(|row| row["row"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, (1..=ROWS).collect::<Vec<_>>());
    assert!(
        results
            .iter()
            .all(|row| (row["ok"] == true) == (row["row"].as_u64().unwrap() % 100 != 0))
    );
    let seqs: Vec<u64> = results
        .iter()
        .filter_map(|row| row["position"]["seq"].as_u64())
        .collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(net.held(0, 0).certificates, ROWS - ROWS / 100);
}

#[test]
fn a_request_that_breaks_off_in_a_row_issues_the_whole_rows_before_it() {
    let net = one_of_two();
    let http = net.http(0);
    let whole: String = (0..5).map(|n| format!("{}\n", row(0, "CUT", n))).collect();
    let cut = row(0, "CUT", 5).to_string();
    // It promises more than it sends, then closes its side.
    let mut stream = TcpStream::connect(http.address()).unwrap();
    let head = format!(
        "POST /v1/certificates/bulk HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {}\r\n\r\n",
        http.address(),
        http.token(),
        whole.len() + 2 * cut.len(),
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(whole.as_bytes()).unwrap();
    stream.write_all(&cut.as_bytes()[..cut.len() / 2]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    // Whether an answer still comes is up to the two sides; what matters is what is in the log.
    let _ = stream.read_to_string(&mut answer);
    until("the whole rows to be issued", || {
        net.held(0, 0).certificates == 5
    });
    let sixth = row(0, "CUT", 5);
    let id = sixth["id"].as_str().unwrap();
    http.get(&format!("/v1/certificates/{id}"))
        .problem(404, "unknown-certificate");
    assert_eq!(http.post("/v1/certificates", &sixth).status, 201);
}

#[test]
fn many_clients_at_once_issue_the_same_rows_and_each_is_issued_once() {
    let net = one_of_two();
    let rows: String = (0..200)
        .map(|n| format!("{}\n", row(0, "RACE", n)))
        .collect();
    let results: Vec<Vec<Value>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| net.http(0).bulk(&[], rows.as_bytes()).lines()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let issued = results
        .iter()
        .flatten()
        .filter(|row| row["ok"] == true)
        .count();
    assert_eq!(issued, 200);
    let refused = results.iter().flatten().filter(|row| row["ok"] == false);
    for row in refused {
        assert_eq!(
            row["error"]["type"],
            "urn:certmesh:problem:duplicate-certificate"
        );
    }
    assert_eq!(net.held(0, 0).certificates, 200);
}

#[test]
fn rows_taken_a_second_time_are_recognised_whatever_their_type_s_definition_says_by_then() {
    let net = one_of_two();
    let http = net.http(0);
    let code = format!("{}901", net.code(0));
    let define = |sharing: &str, required: bool| {
        let definition = serde_json::json!({
            "code": code, "name": "证照", "sharing": sharing,
            "fields": [
                { "code": "CZZT", "name": "持证主体", "required": true },
                { "code": "ZZBH", "name": "编号", "required": required },
            ],
        });
        assert_eq!(http.post("/v1/types", &definition).status, 201);
    };
    let line = |serial: &str| {
        let row = serde_json::json!({
            "type": code, "serial": serial, "holder": { "kind": "111", "code": "11010519491231002X" },
            "valid_from": "2020-01-01", "fields": { "CZZT": "甲" },
        });
        format!("{row}\n")
    };
    let key = [("idempotency-key", "table-1")];
    define("unconditional", false);
    let rows = [line("A1"), line("A2")].concat();
    assert!(
        http.bulk(&key, rows.as_bytes())
            .lines()
            .iter()
            .all(|row| row["ok"] == true)
    );
    // From now on another field is required.
    define("conditional", true);
    let again = [line("A1"), line("A2"), line("A3")].concat();
    let told = http.bulk(&key, again.as_bytes()).lines();
    for row in &told[..2] {
        assert_eq!(
            (&row["ok"], &row["replayed"]),
            (&true.into(), &true.into()),
            "{row}"
        );
    }
    assert_eq!(
        told[2]["ok"], false,
        "a new row is held to the new definition"
    );
    assert_eq!(net.held(0, 0).certificates, 2);
}
