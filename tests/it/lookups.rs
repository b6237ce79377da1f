//! The look-up journal over real processes: what was answered is in it, whatever happens to the process.

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SecretFile};
use certmesh_ledger::id::HolderKind;
use serde_json::{Value, json};

use crate::support::{Answer, Http, PATIENCE, TestNet, files_below, one_of_two};

const SUBJECT: &str = "11010519491231002X";

fn subject() -> Value {
    json!({ "kind": "111", "code": SUBJECT })
}

/// A type and a matter that requires it, both of the only running department, and a certificate of the subject.
fn held(net: &TestNet) -> String {
    let kind = format!("{}901", net.code(0));
    let definition = json!({
        "code": kind, "name": "证照", "sharing": "unconditional",
        "fields": [{ "code": "ZZMC", "name": "名称", "required": true }],
    });
    assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
    let matter = json!({
        "code": "CSDJ", "name": "出生登记", "sub": [
            { "code": "01", "name": "首次", "requires": [{ "types": [kind], "fields": ["ZZMC"] }] },
        ],
    });
    assert_eq!(net.http(0).post("/v1/matters", &matter).status, 201);
    let body = json!({
        "type": kind, "serial": "N1", "holder": subject(), "valid_from": "2020-01-01", "fields": { "ZZMC": "证照" },
    });
    let issued = net.http(0).post("/v1/certificates", &body);
    assert_eq!(issued.status, 201, "{issued:?}");
    issued.json()["id"].as_str().unwrap().to_owned()
}

/// All look-ups of the subject, as the command lists them.
fn lookups(net: &TestNet) -> Value {
    let args = [
        "--json",
        "access-log",
        "--local",
        "--all",
        "--subject-kind",
        "111",
        "--subject-file",
        "-",
    ];
    net.cli_with(0, &args, SUBJECT.as_bytes()).exits(0).json()
}

#[test]
fn every_look_that_was_answered_is_in_the_journal_after_a_kill() {
    let mut net = one_of_two();
    let id = held(&net);
    let mut answered = Vec::new();
    for round in 0..2 {
        answered.extend(look_until_killed(&mut net, round, &id));
        net.start_trusting(0);
        net.wait_writable(0);
        let told = lookups(&net);
        assert_eq!(told["damaged"], Value::Null, "{told}");
        let purposes: Vec<&str> = told["lookups"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|look| look["purpose"].as_str())
            .collect();
        for look in &answered {
            assert!(purposes.contains(&look.as_str()), "{look} is lost: {told}");
        }
    }
}

/// Looks from several threads until some were answered, then kills the node; returns the purposes of those answered.
fn look_until_killed(net: &mut TestNet, round: usize, id: &str) -> Vec<String> {
    let answered = Mutex::new(Vec::new());
    let http: Vec<_> = (0..4).map(|_| net.http(0)).collect();
    let url = net.node_file(0).unwrap().api.clone();
    let token = http[0].token().to_owned();
    thread::scope(|scope| {
        for stream in 0..4 {
            let (answered, url, token) = (&answered, &url, &token);
            scope.spawn(move || {
                let client = certmesh_testnet::client::Client::new(url, token);
                for number in 0.. {
                    let purpose = format!("look {round} {stream} {number}");
                    let what =
                        serde_json::from_value(json!({ "holder": subject(), "purpose": purpose }));
                    match client.find(&what.unwrap()) {
                        Ok(found) => {
                            assert_eq!(found.certificates[0].id, id);
                            answered.lock().unwrap().push(purpose);
                        }
                        Err(error) if error.is_broken_connection() => break,
                        // Refused: nothing was shown.
                        Err(_) => thread::yield_now(),
                    }
                }
            });
        }
        let begun = Instant::now();
        while answered.lock().unwrap().len() < 25 && begun.elapsed() < PATIENCE {
            thread::yield_now();
        }
        net.kill(0);
    });
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() >= 25);
    answered
}

fn find() -> Value {
    json!({ "holder": subject(), "purpose": "case 2026-17" })
}

fn case() -> Value {
    json!({ "matter": "CSDJ", "subject": subject() })
}

/// Who looked and how, of an answer of the journal.
fn events(journal: &Value) -> Vec<(String, String)> {
    let looks = journal["lookups"].as_array().unwrap().iter();
    looks
        .map(|look| (look["client"].to_string(), look["event"].to_string()))
        .collect()
}

/// That the journal is read is its first entry.
fn the_wrong_role_is_refused_and_leaves_no_trace(net: &TestNet) {
    let (clerk, reader) = (net.http_as(0, "counter"), net.http_as(0, "watcher"));
    for refused in [
        reader.post("/v1/find", &find()),
        reader.post("/v1/accept", &case()),
        clerk.post("/v1/access-log/local", &json!({})),
    ] {
        refused.problem(403, "forbidden");
    }
    let all = lookups(net);
    assert_eq!(events(&all).len(), 1, "{all}");
    assert_eq!(events(&all)[0].1, "\"access-log\"");
}

/// What clients of each role are answered to whatever they may ask.
fn answers_to_every_role(net: &TestNet, id: &str) -> [Answer; 13] {
    let (clerk, reader) = (net.http_as(0, "counter"), net.http_as(0, "watcher"));
    let admin = net.http(0);
    let path = |rest: &str| format!("/v1/certificates/{id}{rest}");
    let of_subject = json!({ "subject": subject() });
    [
        clerk.post("/v1/find", &find()),
        clerk.post("/v1/accept", &case()),
        reader.post("/v1/find", &json!({ "issuer": net.code(0) })),
        reader.get(&path("")),
        reader.get(&path("/history")),
        reader.get(&path("/verification")),
        admin.get(&path("/fields")),
        admin.post("/v1/access-log", &of_subject),
        admin.post("/v1/access-log/local", &of_subject),
        reader.get("/v1/audit"),
        reader.get("/v1/status"),
        reader.get("/v1/logs"),
        reader.get("/v1/catalogue"),
    ]
}

fn no_answer_has_the_subject_s_tag(net: &TestNet, answers: &[Answer]) {
    let text = fs::read_to_string(net.member(0).dir.join("keys/catalogue.key")).unwrap();
    let secret = SecretFile::Catalogue.read(&text).unwrap();
    let key = CatalogueKey(Secret::from_bytes(*secret));
    let tag = key.subject_tag(HolderKind::IdentityCard, SUBJECT);
    let shown = tag.to_string();
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text.contains(&shown[..16]), "{answer:?}");
    }
    // Not vacuous: it is the tag that the log has.
    let bytes = tag.0.as_bytes();
    let mut files = files_below(&net.data(0)).into_iter();
    assert!(files.any(|path| {
        let read = fs::read(path).unwrap();
        read.windows(bytes.len()).any(|window| window == bytes)
    }));
}

fn the_journal_says_who_looked_for_what(net: &TestNet) {
    let journal = lookups(net);
    let of_clerk: Vec<_> = events(&journal)
        .into_iter()
        .filter(|(client, _)| client == "\"counter\"")
        .map(|(_, event)| event)
        .collect();
    assert_eq!(of_clerk, ["\"find\"", "\"accept\""], "{journal}");
    let looks = journal["lookups"].as_array().unwrap();
    assert_eq!(looks[1]["purpose"], "case 2026-17");
    assert_eq!(looks[2]["matter"], format!("{}/CSDJ/01", net.code(0)));
}

fn everyone_s_look_ups_come_in_pages(admin: &Http) {
    let of = |body: Value| admin.post("/v1/access-log/local", &body).json();
    let page = of(json!({ "limit": 2 }));
    assert_eq!(page["lookups"].as_array().unwrap().len(), 2);
    let rest = of(json!({ "limit": 1000, "cursor": page["next"] }));
    assert!(rest["lookups"].as_array().unwrap().len() >= 4, "{rest}");
    assert_eq!(rest["next"], Value::Null);
}

#[test]
fn who_looks_takes_the_right_role_and_leaves_a_trace_and_no_answer_has_a_subject_s_tag() {
    let mut net = one_of_two();
    let id = held(&net);
    net.add_tokens(0, &[("counter", "clerk"), ("watcher", "read")]);
    net.stop(0).unwrap();
    net.start_trusting(0);
    net.wait_writable(0);
    the_wrong_role_is_refused_and_leaves_no_trace(&net);
    let answers = answers_to_every_role(&net, &id);
    no_answer_has_the_subject_s_tag(&net, &answers);
    the_journal_says_who_looked_for_what(&net);
    everyone_s_look_ups_come_in_pages(&net.http(0));
}
