use std::fs;

use crate::command::{Run, certmesh};
use crate::node::{Answer, Node};

const ID: &str = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";

fn verification(verdict: &str, reason: Option<&str>) -> serde_json::Value {
    serde_json::json!({
        "id": ID, "verdict": verdict, "reason": reason, "explanation": "so it is.", "on": "2026-03-04",
        "missing": if verdict == "unknown" { vec!["the log of the issuer"] } else { vec![] },
        "certificate": {
            "id": ID, "type": "11100000000013338W011", "type_name": "道路运输经营许可证", "issuer": "11430000006122244L",
            "issuer_name": "交通运输厅", "holder_kind": "001", "valid_from": "2026-01-01",
            "valid_until": null, "sharing": "conditional", "field_root": "aa".repeat(32), "succession": null, "predecessors": [],
            "status": "valid", "status_code": "01", "position": position(),
        },
        "provenance": {
            "department": "11430000006122244L", "department_name": "交通运输厅", "network": "12".repeat(32),
            "record": "ab".repeat(32), "seq": 41, "record_time_ms": 1_790_000_000_000_u64, "checkpoint_size": 42,
            "checkpoint_root": "cd".repeat(32), "checkpoint_time_ms": 1_790_000_001_000_u64,
            "cosigned_by": ["11100000000013338W"], "confirmed_ms": 1_790_000_002_000_u64,
            "answered_by": "11100000000013338W",
        },
    })
}

fn position() -> serde_json::Value {
    serde_json::json!({
        "log": "11430000006122244L", "seq": 41, "record": "ab".repeat(32), "time_ms": 1_790_000_000_000_u64,
        "checkpoint_size": 42, "checkpoint_root": "cd".repeat(32),
    })
}

fn verify(answer: serde_json::Value, extra: &[&str]) -> (Run, Node) {
    let node = Node::start(move |request| {
        if request.line.contains("/v1/logs") {
            return Answer::json(&serde_json::json!([{
                "department": "11100000000013338W", "name": "国家部委", "generation": 0, "size": 1, "known_size": 1,
                "root": null, "status_root": null, "time_ms": null, "certificates": 0, "state": "own", "detail": null,
                "cosigned_by": [],
            }]));
        }
        Answer::json(&answer)
    });
    let run = certmesh([&["--node", &node.url, "verify", ID], extra].concat());
    (run, node)
}

#[test]
fn a_valid_certificate_exits_0_and_shows_verdict_reason_and_chain_in_this_order() {
    let (run, node) = verify(verification("valid", None), &["--on", "2026-03-04"]);
    let run = run.exits(0);
    let mut rest = run.out.as_str();
    for part in [
        "VALID",
        "2026-03-04",
        "so it is.",
        ID,
        "道路运输经营许可证",
        "record 41 of the log of 交通运输厅",
        "2026-09-21 22:13:20 CST",
        "checkpoint of 42 records",
        "cosigned by 国家部委",
        "as of 2026-09-21 22:13:21 CST",
        "answered by 国家部委",
    ] {
        let place = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part} is not in {rest}\nof {}", run.out));
        rest = &rest[place + part.len()..];
    }
    assert!(run.out.starts_with("VALID"));
    assert_eq!(
        node.asked()[0].line,
        format!("GET /v1/certificates/{ID}/verification?on=2026-03-04 HTTP/1.1")
    );
}

#[test]
fn a_certificate_that_is_not_valid_exits_1_and_says_why() {
    let run = verify(verification("not-valid", Some("revoked")), &[])
        .0
        .exits(1);
    assert!(run.out.starts_with("NOT VALID (revoked)"), "{}", run.out);
}

#[test]
fn what_is_not_known_exits_3_and_never_reads_as_valid() {
    let run = verify(verification("unknown", None), &[]).0.exits(3);
    assert!(
        run.out.starts_with("UNKNOWN") && run.out.contains("missing: the log of the issuer"),
        "{}",
        run.out
    );
    // A word of a later version.
    verify(verification("probably", None), &[]).0.exits(3);
    let node = Node::start(|_| Answer::Problem(404, "unknown-certificate"));
    certmesh(["--node", &node.url, "verify", ID]).exits(3);
}

#[test]
fn a_question_that_could_not_be_asked_exits_2() {
    certmesh(["--node", "http://127.0.0.1:1", "verify", ID]).exits(2);
    let run = certmesh(["verify", &ID.replace(".U", ".V")]).exits(2);
    assert!(
        run.err.contains("expected `U`") && run.err.contains("hint:"),
        "{}",
        run.err
    );
    certmesh(["verify", ID, "--on", "2026-02-30"]).exits(2);
    let node = Node::start(|_| Answer::json(&serde_json::json!({"verdict": "valid"})));
    let run = certmesh(["--node", &node.url, "verify", ID]).exits(2);
    assert!(
        run.err.contains("not as a certmesh node does"),
        "{}",
        run.err
    );
}

#[test]
fn json_is_the_node_s_answer_word_for_word() {
    for (verdict, code) in [("valid", 0), ("not-valid", 1), ("unknown", 3)] {
        let mut answer = verification(verdict, None);
        answer["of_a_later_version"] = serde_json::json!([1, 2]);
        let text = answer.to_string();
        let run = verify(answer, &["--json"]).0.exits(code);
        assert_eq!(run.out, format!("{text}\n"));
    }
}

#[test]
fn a_file_without_a_genesis_is_answered_with_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let proof = home.path().join("licence.proof");
    fs::write(&proof, b"bytes").unwrap();
    let run = certmesh(["verify", proof.to_str().unwrap()]).exits(2);
    assert!(run.err.contains("--network"), "{}", run.err);
}

#[test]
fn a_proof_is_written_whole_and_never_over_a_file_that_exists() {
    let node =
        Node::start(|_| Answer::Whole(200, "application/vnd.certmesh.bundle", "proof".to_owned()));
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("licence.proof");
    let args = [
        "--node",
        &node.url,
        "prove",
        ID,
        "-o",
        path.to_str().unwrap(),
    ];
    certmesh(args).exits(0);
    assert_eq!(fs::read(&path).unwrap(), b"proof");
    let run = certmesh(args).exits(2);
    assert!(
        run.err.contains("already exists") && run.err.contains("hint:"),
        "{}",
        run.err
    );
    certmesh([&args[..], &["--force"]].concat()).exits(0);
    assert_eq!(
        certmesh(["--node", &node.url, "prove", ID, "-o", "-"])
            .exits(0)
            .out,
        "proof"
    );
    assert_eq!(
        node.asked()[0].line,
        format!("GET /v1/certificates/{ID}/proof HTTP/1.1")
    );
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn what_is_missing_is_said_once_and_with_what_to_do() {
    let mut answer = verification("unknown", None);
    answer["explanation"] =
        "it can't be decided here; what is missing: the log of the issuer".into();
    answer["certificate"] = serde_json::Value::Null;
    let run = verify(answer, &[]).0.exits(3);
    assert_eq!(
        run.out.matches("the log of the issuer").count(),
        1,
        "{}",
        run.out
    );
    assert!(
        run.out.contains("just issued? ask again in a moment"),
        "{}",
        run.out
    );
}
