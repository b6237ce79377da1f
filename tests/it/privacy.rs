//! What is personal never reaches a disk, a log line or an address.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Http, TestNet, certmesh, deadline, files_below, founded, row, until};
use certmesh_testnet::testnet::define_types;

/// An identity number that no sample has, and what stands in the fields.
const HOLDER: &str = "99000019870605001";
pub(crate) const NAME: &str = "欧阳不留痕迹";
pub(crate) const FIELD: &str = "PLANTED-FIELD-VALUE-7319";

pub(crate) fn holder() -> String {
    let check = certmesh_ledger::id::check::identity_number(HOLDER).unwrap();
    format!("{HOLDER}{check}")
}

/// Whether bytes hold a text, as it is or in hexadecimal.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    contains(text.as_bytes()) || contains(hex::encode(text).as_bytes())
}

/// Two nodes that log as much as they can.
fn talkative() -> TestNet {
    let mut net = founded(2);
    for index in 0..2 {
        net.start_with(
            index,
            &["--trust-own-disk", "--log-level", "debug"],
            deadline(),
        )
        .unwrap();
    }
    net.ready();
    for index in 0..2 {
        define_types(&net.api(index), index).unwrap();
    }
    net.converge();
    net
}

/// A certificate of the planted holder, with the planted values.
fn planted(number: u64) -> Value {
    let mut row = row(0, "PRIV", number);
    row["holder"] = json!({"kind": "111", "code": holder()});
    row["fields"]["CZZT"] = NAME.into();
    row["fields"]["KZ_BZ"] = FIELD.into();
    row
}

fn what_is_planted_is_issued_alone_and_in_bulk(http: &Http) {
    let issued = http.post_keyed("/v1/certificates", "once", &planted(0));
    assert_eq!(issued.status, 201);
    assert!(!holds(issued.text.as_bytes(), &holder()));
    let lines = format!("{}\n{}\n", planted(1), planted(2));
    let bulk = http.bulk(&[("idempotency-key", "many")], lines.as_bytes());
    assert!(bulk.lines().iter().all(|row| row["ok"] == true));
}

/// The answers to mistakes of every kind, with the code where it does not belong.
fn answers_to_mistakes(http: &Http) -> Vec<String> {
    let code = holder();
    let mut misplaced = planted(3);
    misplaced["fields"][&code] = NAME.into();
    misplaced["serial"] = code.clone().into();
    let mut unknown_field = planted(4);
    unknown_field[&code] = FIELD.into();
    let mut bad_holder = planted(5);
    bad_holder["holder"] = json!({"kind": "001", "code": code});
    let mut text_kind = planted(6);
    text_kind["holder"]["kind"] = code.clone().into();
    let mut answers = vec![];
    for body in [misplaced, unknown_field, bad_holder, text_kind] {
        let answer = http.post("/v1/certificates", &body);
        assert!(answer.status >= 400, "{answer:?}");
        answers.push(answer.text);
        answers.push(http.bulk(&[], body.to_string().as_bytes()).text);
    }
    let cut_off = planted(7).to_string();
    let cut_off = &cut_off.as_bytes()[..cut_off.len() - 3];
    answers.push(http.bulk(&[], cut_off).text);
    answers.push(http.post("/v1/certificates", &code.clone().into()).text);
    let too_long = json!({"holder": {"kind": "111", "code": format!("{code}9")}, "purpose": NAME});
    answers.push(http.post("/v1/find", &too_long).text);
    answers
}

fn the_holder_s_certificates_are_found(http: &Http) -> String {
    let find = json!({"holder": {"kind": "111", "code": holder()}, "purpose": NAME});
    let found = http.post("/v1/find", &find);
    assert_eq!(found.json()["certificates"].as_array().unwrap().len(), 3);
    found.text
}

fn the_command_does_not_print_the_code_it_read(net: &TestNet) {
    let args = [
        "find",
        "--holder-kind",
        "111",
        "--holder-code-file",
        "-",
        "--purpose",
        NAME,
        "--json",
    ];
    let ran = net.cli_with(1, &args, holder().as_bytes());
    assert!(!holds(ran.out.as_bytes(), &holder()));
}

fn no_file_holds_what_was_planted(net: &TestNet) {
    let (code, mut looked_at) = (holder(), 0);
    for path in files_below(net.network().dir()) {
        let bytes = fs::read(&path).unwrap();
        looked_at += bytes.len();
        for planted in [&code, NAME, FIELD, HOLDER] {
            assert!(
                !holds(&bytes, planted),
                "{planted} is in {}",
                path.display()
            );
        }
    }
    // Not vacuous: records and log lines were looked at.
    assert!(looked_at > 10_000);
    assert!(net.node_log(0).contains("/v1/find"));
}

#[test]
fn a_holder_s_code_and_the_fields_values_never_reach_any_file_or_log() {
    let mut net = talkative();
    let http = net.http(0);
    what_is_planted_is_issued_alone_and_in_bulk(&http);
    let mut answers = answers_to_mistakes(&http);
    answers.push(the_holder_s_certificates_are_found(&http));
    for answer in &answers {
        assert!(
            !holds(answer.as_bytes(), &holder()) && !holds(answer.as_bytes(), FIELD),
            "{answer}"
        );
    }
    the_command_does_not_print_the_code_it_read(&net);
    net.converge();
    net.stop_all().unwrap();
    no_file_holds_what_was_planted(&net);
}

#[test]
fn the_command_sends_a_holder_s_code_in_the_body_and_in_no_address_or_header() {
    let code = holder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = format!("http://{}", listener.local_addr().unwrap());
    let recorder = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = r#"{"certificates":[],"next":null}"#;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len()).unwrap();
        (head, body)
    });
    let args = [
        "find",
        "--holder-kind",
        "111",
        "--holder-code-file",
        "-",
        "--purpose",
        "a test",
        "--json",
    ];
    certmesh(&args, code.as_bytes(), Some(&node), None).exits(0);
    let (head, body) = recorder.join().unwrap();
    assert!(head.starts_with("POST /v1/find "), "{head}");
    assert!(!head.contains(&code) && holds(&body, &code));
}

#[test]
fn a_holder_s_code_is_refused_as_an_argument() {
    let code = holder();
    let ran = certmesh(
        &[
            "find",
            "--holder-kind",
            "111",
            "--purpose",
            "a test",
            "--holder-code",
            &code,
        ],
        b"",
        None,
        None,
    );
    assert_eq!(ran.code, 2);
    let ran = certmesh(
        &["issue", "--holder-kind", "111", "--holder-code", &code],
        b"",
        None,
        None,
    );
    assert_eq!(ran.code, 2);
}

#[test]
fn secrets_stand_in_no_log() {
    let mut net = founded(1);
    net.start_with(0, &["--log-level", "trace"], deadline())
        .unwrap();
    let http = net.http(0);
    http.get("/v1/status");
    http.with_token(Some("mistyped-token-4711"))
        .get("/v1/status")
        .problem(401, "unauthorised");
    until("the request to be logged", || {
        net.node_log(0).contains("unauthorised")
    });
    net.stop(0).unwrap();
    let log = net.node_log(0);
    assert!(!log.contains(http.token()) && !log.contains("mistyped-token-4711"));
    for key in ["signing", "transport", "field", "catalogue"] {
        let text = fs::read_to_string(net.member(0).dir.join(format!("keys/{key}.key"))).unwrap();
        let digits = text.trim().rsplit(':').next().unwrap();
        assert!(!log.contains(digits), "{key}");
        // The own log and its state hold no secret either.
        for path in files_below(&net.data(0)) {
            let bytes = fs::read(&path).unwrap();
            let secret = hex::decode(digits).unwrap();
            let plain = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(
                !plain && !holds(&bytes, digits),
                "{key} in {}",
                path.display()
            );
        }
    }
}
