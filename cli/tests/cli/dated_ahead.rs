//! What is dated ahead of the node's clock is shown separately, in words and in JSON.

use serde_json::{Value, json};

use crate::command::{Run, certmesh};
use crate::node::{Answer, Node};

const DEPARTMENT: &str = "11430000006122244L";
/// 2031-05-02 00:00 China Standard Time.
const AHEAD_MS: u64 = 1_935_417_600_000;

fn answering(answer: Value) -> Node {
    Node::start(move |request| match request.line.contains("/v1/logs") {
        true => Answer::json(&json!([])),
        false => Answer::json(&answer),
    })
}

fn ask(node: &Node, args: &[&str]) -> Run {
    certmesh([&["--node", &node.url], args].concat())
}

#[test]
fn a_use_report_shows_what_is_dated_ahead_by_department_and_leaves_it_out_of_the_month() {
    let used = |ahead: Value| {
        let mut used = json!({
            "department": DEPARTMENT, "name": "Transport", "shared": 1, "refused": 0, "retrieved": 0,
            "cases": 2, "required": 4, "saved": 2, "median_retrieval_ms": null,
        });
        if ahead != Value::Null {
            used["dated_ahead"] = ahead;
        }
        json!({"from": "2026-11-01", "to": "2026-11-30", "departments": [used]})
    };
    let ahead =
        json!({"shared": 3, "refused": 1, "retrieved": 0, "cases": 5, "required": 10, "saved": 7});
    let node = answering(used(ahead.clone()));
    let text = ask(&node, &["report", "use"]).exits(0).out;
    for part in [
        "dated ahead, so in no month yet, by Transport",
        "3 shared, 1 refused, 0 retrieved, 5 cases with 7 saved of 10 required",
        "2 submissions saved in 2 cases: 1.00 a case",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let told = ask(&node, &["report", "use", "--json"]).exits(0).json();
    assert_eq!(told["departments"][0]["dated_ahead"], ahead);
    let node = answering(used(Value::Null));
    let text = ask(&node, &["report", "use"]).exits(0).out;
    assert!(!text.contains("ahead"), "{text}");
}

#[test]
fn an_audit_reports_whose_logs_have_receipts_dated_ahead_and_where_they_begin() {
    let node = answering(json!({
        "from": "2026-10-01", "to": "2026-11-01", "matched": 4, "awaited": 0, "lost": 0, "wrong": 0, "unproven": 0,
        "dated_ahead": 1200, "findings": [],
        "dated_ahead_in": [
            {"department": DEPARTMENT, "department_name": "Transport", "receipts": 1200, "first_seq": 40_310},
        ],
    }));
    // Nothing is wrong with them yet.
    let text = ask(&node, &["audit"]).exits(0).out;
    assert!(
        text.contains("dated ahead") && text.contains("1,200 receipts in the log of Transport"),
        "{text}"
    );
    assert!(text.contains("from record 40,310 on"), "{text}");
    let told = ask(&node, &["audit", "--json"]).exits(0).json();
    assert_eq!(told["dated_ahead"], 1200);
}

#[test]
fn an_access_log_marks_events_dated_ahead() {
    let event = |seq: u64, time_ms: u64, ahead: bool| {
        json!({
            "time_ms": time_ms, "dated_ahead": ahead, "log": DEPARTMENT, "log_name": "Transport", "seq": seq,
            "event": "answered", "retrieval": null, "issuer": DEPARTMENT, "asker": DEPARTMENT, "asker_name": "Transport",
            "matter": null, "type": null, "fields": ["ZZMC"], "rule": null,
        })
    };
    let recorded = json!({
        "log": DEPARTMENT, "seq": 9, "record": "00", "time_ms": 1, "checkpoint_size": 10, "checkpoint_root": "11",
    });
    let events = [event(1, 1_790_000_000_000, false), event(2, AHEAD_MS, true)];
    let node = answering(json!({
        "from": "2026-09-21", "to": "2026-09-21", "events": events, "recorded": recorded,
    }));
    let args = [
        "access-log",
        "--subject-kind",
        "001",
        "--subject",
        "91420100MA4KNJJ260",
    ];
    let text = ask(&node, &args).exits(0).out;
    for part in [
        "2031-05-02 00:00:00 CST dated ahead",
        "2 events",
        "1 of them dated more than 10 minutes ahead of the node's clock",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches("CST dated ahead").count(), 1, "{text}");
    let told = ask(&node, &[&args[..], &["--json"]].concat())
        .exits(0)
        .json();
    assert_eq!(told["events"][1]["dated_ahead"], true);
}
