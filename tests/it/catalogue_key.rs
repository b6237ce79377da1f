//! The members replace the catalogue key while the nodes run: what was tagged before and after is found everywhere, and whoever
//! has not got a key says so instead of "none".

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::membership::decide;
use crate::retrieval::{agreed, kind};
use crate::support::{Answer, TestNet, copy_dir, founded, until};

const DEPARTMENTS: usize = 4;
const VOTERS: [usize; 2] = [1, 2];
const SUBJECT: &str = "11010519491231002X";

/// The file of the genesis's key, or of one that came after it.
fn key_file(net: &TestNet, at: usize, after: usize) -> PathBuf {
    let keys = net.member(at).dir.join("keys");
    match after {
        0 => keys.join("catalogue.key"),
        _ => keys.join(format!("catalogue.key.{after}")),
    }
}

fn key(net: &TestNet, at: usize, after: usize) -> Option<String> {
    fs::read_to_string(key_file(net, at, after)).ok()
}

/// Has the members replace the key, by one that the first department's node has; waits until these nodes have it.
#[track_caller]
fn replace(net: &TestNet, number: usize, up: &[usize]) -> String {
    let dir = net.member(0).dir.to_str().unwrap().to_owned();
    decide(net, &["catalogue-key", "--dir", &dir], &VOTERS, up);
    let made = key(net, 0, number).unwrap();
    for at in up {
        until("the key to come", || key(net, *at, number).is_some());
        assert_eq!(key(net, *at, number), Some(made.clone()), "{at}");
        let mode = fs::metadata(key_file(net, *at, number)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o7777, 0o600);
    }
    made
}

/// All but the last department's node run.
fn running() -> (TestNet, String) {
    let mut net = founded(DEPARTMENTS);
    for at in 0..DEPARTMENTS - 1 {
        net.start_again(at);
    }
    net.ready();
    let matter = agreed(&net);
    (net, matter)
}

fn certificate(net: &TestNet, serial: &str) -> Value {
    json!({
        "type": kind(net, 901), "serial": serial, "holder": { "kind": "111", "code": SUBJECT },
        "valid_from": "2020-01-01", "fields": { "CZZT": "A", "ZZBH": serial, "KZ_BZ": "B" },
    })
}

#[track_caller]
fn issue(net: &TestNet, serial: &str) -> String {
    let answer = net
        .http(0)
        .post("/v1/certificates", &certificate(net, serial));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn find(net: &TestNet, at: usize) -> Answer {
    let holder = json!({ "kind": "111", "code": SUBJECT });
    net.http(at).post(
        "/v1/find",
        &json!({ "holder": holder, "purpose": "a case" }),
    )
}

/// What a node finds of the holder, a certificate a page.
fn found(net: &TestNet, at: usize) -> BTreeSet<String> {
    let holder = json!({ "kind": "111", "code": SUBJECT });
    let mut ids = BTreeSet::new();
    let mut cursor = Value::Null;
    loop {
        let mut asked = json!({ "holder": holder, "purpose": "a case", "limit": 1 });
        if !cursor.is_null() {
            asked["cursor"] = cursor;
        }
        let answer = net.http(at).post("/v1/find", &asked);
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json();
        for one in page["certificates"].as_array().unwrap() {
            assert!(ids.insert(one["id"].as_str().unwrap().to_owned()), "twice");
        }
        cursor = page["next"].clone();
        if cursor.is_null() {
            return ids;
        }
    }
}

#[track_caller]
fn finds(net: &TestNet, at: usize, ids: &[&String]) {
    let expected: BTreeSet<String> = ids.iter().map(|id| (*id).clone()).collect();
    until("all to be found", || found(net, at) == expected);
}

/// The second department asks the first for a field.
#[track_caller]
fn fetch(net: &TestNet, id: &str) {
    let asked =
        json!({ "certificate": id, "matter": "QYBG", "purpose": "a case", "fields": ["ZZBH"] });
    let answer = net.http(1).post("/v1/retrievals", &asked);
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Answers about the holder's certificates that are in the access log as a node shows it.
fn answered(net: &TestNet, at: usize) -> usize {
    let asked = json!({ "subject": { "kind": "111", "code": SUBJECT } });
    let log = net.http(at).post("/v1/access-log", &asked);
    assert_eq!(log.status, 200, "{log:?}");
    let log = log.json();
    let events = log["events"].as_array().unwrap().iter();
    events.filter(|event| event["event"] == "answered").count()
}

/// Whether the case was accepted before.
#[track_caller]
fn accepted_before(net: &TestNet) -> bool {
    let asked = json!({
        "matter": "QYBG", "subject": { "kind": "111", "code": SUBJECT },
        "collect": { "purpose": "a case", "reference": "2026-17", "keep_days": 30 },
    });
    let answer = net.http(1).post("/v1/accept", &asked);
    assert!(answer.status < 300, "{answer:?}");
    let replayed = answer.json()["case"]["replayed"].clone();
    replayed
        .as_bool()
        .unwrap_or_else(|| panic!("no case: {answer:?}"))
}

#[test]
fn certificates_of_before_and_after_a_replaced_key_are_found_at_every_node() {
    let (mut net, _) = running();
    let before = issue(&net, "BEFORE");
    net.converge();
    fetch(&net, &before);
    assert!(!accepted_before(&net));
    let fetched = answered(&net, 2);

    let made = replace(&net, 1, &[0, 1, 2]);
    let after = issue(&net, "AFTER");
    net.converge();
    fetch(&net, &before);
    fetch(&net, &after);
    net.converge();
    for at in 0..DEPARTMENTS - 1 {
        finds(&net, at, &[&before, &after]);
        assert_eq!(answered(&net, at), fetched + 2, "{at}");
    }
    // The same case and the same certificate are what they were, whatever they would be tagged with now.
    assert!(accepted_before(&net));
    let repeated = certificate(&net, "BEFORE");
    let again = net
        .http(0)
        .post_keyed("/v1/certificates", "again", &repeated);
    assert!(again.status < 300, "{again:?}");
    assert_eq!(again.json()["id"], before);
    let local = json!({ "subject": { "kind": "111", "code": SUBJECT } });
    let looks = net.http(0).post("/v1/access-log/local", &local).json();
    assert!(looks["lookups"].as_array().unwrap().len() >= 3, "{looks}");

    // Whoever was away gets it, as does one that has lost both.
    net.start_again(3);
    net.ready();
    until("the key to come", || {
        key(&net, 3, 1).as_ref() == Some(&made)
    });
    finds(&net, 3, &[&before, &after]);
    let first = key(&net, 0, 0);
    net.kill(1);
    for number in [0, 1] {
        fs::remove_file(key_file(&net, 1, number)).unwrap();
    }
    net.start_again(1);
    net.ready();
    assert_eq!(key(&net, 1, 0), first);
    until("the key to come", || {
        key(&net, 1, 1).as_ref() == Some(&made)
    });
    finds(&net, 1, &[&before, &after]);

    // And once more, by all.
    replace(&net, 2, &[0, 1, 2, 3]);
    let last = issue(&net, "LAST");
    net.converge();
    for at in 0..DEPARTMENTS {
        finds(&net, at, &[&before, &after, &last]);
    }
    for number in 0..3 {
        let text = key(&net, 0, number).unwrap();
        let digits = text.trim().rsplit(':').next().unwrap();
        for at in 0..DEPARTMENTS {
            assert!(!net.node_log(at).contains(digits));
        }
    }
}

#[test]
fn a_node_on_which_a_key_is_missing_answers_nobody_none_and_gets_it_when_somebody_is_there() {
    let (mut net, _) = running();
    let before = issue(&net, "BEFORE");
    replace(&net, 1, &[0, 1, 2]);
    net.converge();
    for at in 0..DEPARTMENTS - 1 {
        net.kill(at);
    }
    fs::remove_file(key_file(&net, 0, 1)).unwrap();
    net.start_trusting(0);
    find(&net, 0).problem(503, "catalogue-key-missing");
    let http = net.http(0);
    http.post("/v1/certificates", &certificate(&net, "AFTER"))
        .problem(503, "catalogue-key-missing");
    let subject = json!({ "subject": { "kind": "111", "code": SUBJECT } });
    http.post("/v1/access-log", &subject)
        .problem(503, "catalogue-key-missing");
    let case =
        json!({ "matter": format!("{}/QYBG/01", net.code(1)), "subject": subject["subject"] });
    http.post("/v1/accept", &case)
        .problem(503, "catalogue-key-missing");
    let missing = |count: usize| {
        let line = format!("certmesh_catalogue_keys_missing {count}\n");
        net.http(0).get("/metrics").text.contains(&line)
    };
    until("the metric to say so", || missing(1));
    let warnings = net.api(0).status().unwrap().warnings.concat();
    assert!(warnings.contains("catalogue key is missing"), "{warnings}");
    assert!(warnings.contains("since block 1"), "{warnings}");
    net.wait_logged(0, "catalogue key is missing");
    // What needs nobody's tag goes on.
    assert_eq!(http.get(&format!("/v1/certificates/{before}")).status, 200);
    // By itself it can't know what was decided meanwhile.
    net.wait_verdict(0, &before, "unknown", None);

    net.start_again(1);
    until("the key to come", || key(&net, 0, 1) == key(&net, 1, 1));
    finds(&net, 0, &[&before]);
    until("the metric to say so", || {
        let line = "certmesh_catalogue_keys_missing 0\n";
        net.http(0).get("/metrics").text.contains(line)
    });
    let after = issue(&net, "AFTER");

    // Where an older key is missing, only look-ups need it.
    net.converge();
    for at in [0, 1] {
        net.kill(at);
    }
    let first = key(&net, 1, 0);
    fs::remove_file(key_file(&net, 0, 0)).unwrap();
    net.start_trusting(0);
    find(&net, 0).problem(503, "catalogue-key-missing");
    let last = issue(&net, "LAST");
    net.start_again(1);
    until("the key to come", || key(&net, 0, 0) == first);
    finds(&net, 0, &[&before, &after, &last]);
}

#[test]
fn a_node_that_lost_the_decisions_answers_nobody_none_until_they_are_back() {
    let (mut net, _) = running();
    let before = issue(&net, "BEFORE");
    let made = replace(&net, 1, &[0, 1, 2]);
    let after = issue(&net, "AFTER");
    net.converge();
    for at in 0..DEPARTMENTS - 1 {
        net.kill(at);
    }
    // By all that it knows then there is one key, and it has that.
    fs::remove_dir_all(net.data(1).join("governance")).unwrap();
    fs::remove_file(key_file(&net, 1, 1)).unwrap();
    net.start_trusting(1);
    find(&net, 1).problem(503, "decisions-missing");
    let case = json!({ "matter": "QYBG", "subject": { "kind": "111", "code": SUBJECT } });
    let http = net.http(1);
    http.post("/v1/accept", &case)
        .problem(503, "decisions-missing");
    let warnings = net.api(1).status().unwrap().warnings.concat();
    let said = "decisions of the members are missing";
    assert!(warnings.contains(said), "{warnings}");

    net.start_again(0);
    until("the key to come", || {
        key(&net, 1, 1).as_ref() == Some(&made)
    });
    finds(&net, 1, &[&before, &after]);
}

#[test]
fn a_node_killed_while_it_gets_a_key_has_all_of_it_or_nothing() {
    let (mut net, _) = running();
    let made = replace(&net, 1, &[0, 1, 2]);
    for round in 0..8 {
        net.kill(2);
        let _ = fs::remove_file(key_file(&net, 2, 1));
        net.launch(2, &[]).unwrap();
        thread::sleep(Duration::from_millis(200 + 100 * round));
        net.kill(2);
        assert!(key(&net, 2, 1).is_none_or(|found| found == made));
        net.launch(2, &[]).unwrap();
        until("the key to come", || {
            key(&net, 2, 1).as_ref() == Some(&made)
        });
    }
}

#[test]
fn a_key_that_no_node_has_is_neither_proposed_nor_approved() {
    let (mut net, _) = running();
    // Made in a copy of the node's directory.
    let elsewhere = net.scratch("elsewhere");
    copy_dir(&net.member(0).dir.join("keys"), &elsewhere.join("keys"));
    let dir = elsewhere.to_str().unwrap();
    let args = [
        "propose",
        "catalogue-key",
        "--dir",
        dir,
        "--reason",
        "a test",
    ];
    let ran = net.govern_signed(0, &args, &net.identity(0));
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("does not hold the catalogue key"),
        "{ran:?}"
    );
    assert_eq!(pending(&net, 0), Vec::<String>::new());
    // One that was not taken up is of no use to anybody.
    assert!(!elsewhere.join("keys/catalogue.key.1").exists());
    let dir = net.member(0).dir.to_str().unwrap().to_owned();
    let args = [
        "propose",
        "catalogue-key",
        "--dir",
        &dir,
        "--reason",
        "a test",
    ];
    let ran = net.govern_signed(0, &args, &net.identity(0));
    assert_eq!(ran.code, 0, "{ran:?}");
    let proposal = ran.json()["proposal"].as_str().unwrap().to_owned();
    let made = fs::read_to_string(key_file(&net, 0, 1)).unwrap();
    for at in VOTERS {
        until("the proposal to arrive", || {
            pending(&net, at).contains(&proposal)
        });
    }
    // Nobody approves what only a node has that is gone. Whoever approves has the key, before it is in force.
    net.kill(0);
    let approve = |net: &TestNet, at: usize| {
        net.govern_signed(at, &["approve", &proposal], &net.identity(at))
    };
    let ran = approve(&net, 1);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("does not hold the catalogue key"),
        "{ran:?}"
    );
    assert_eq!(key(&net, 1, 1), None);
    net.start_again(0);
    net.ready();
    until("the proposal to be back", || {
        pending(&net, 0).contains(&proposal)
    });
    until("it to be approved", || approve(&net, 1).code == 0);
    assert_eq!(key(&net, 1, 1), Some(made.clone()));
    assert_eq!(key(&net, 2, 1), None);
    assert_eq!(approve(&net, 2).code, 0);
    until("it to be decided", || pending(&net, 2).is_empty());
    assert_eq!(key(&net, 2, 1), Some(made));
    issue(&net, "AFTER");
}

fn pending(net: &TestNet, at: usize) -> Vec<String> {
    let list = net.govern(at, &["list"]).json();
    let pending = list["proposals"].as_array().unwrap().iter();
    let ids = pending.map(|one| one["proposal"].as_str().unwrap().to_owned());
    ids.collect()
}
