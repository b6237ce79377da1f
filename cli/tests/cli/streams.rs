use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use certmesh_text::one_line::{HOSTILE, steers};

use crate::command::{binary, certmesh, certmesh_reading};
use crate::node::{Answer, Node};

const ID: &str = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";

#[test]
fn a_node_that_does_not_answer_is_a_failure_with_a_hint() {
    let run = certmesh(["--node", "http://127.0.0.1:1", "status"]).exits(2);
    assert!(
        run.err
            .contains("error: no answer from http://127.0.0.1:1/v1/status"),
        "{}",
        run.err
    );
    assert!(run.err.contains("hint: start the node"), "{}", run.err);
    assert_eq!(run.out, "");
}

#[test]
fn something_that_is_no_node_is_named_as_such() {
    let node = Node::start(|_| {
        Answer::Whole(502, "text/html", "<h1>Bad \u{1b}[2Jgateway</h1>".to_owned())
    });
    let run = certmesh(["--node", &node.url, "status"]).exits(2);
    assert!(
        run.err.contains("502") && run.err.contains("hint:") && !run.err.contains('\u{1b}'),
        "{:?}",
        run.err
    );
    for address in [
        "ftp://x",
        "nonsense",
        "http://",
        "http://user:secret@127.0.0.1",
    ] {
        let run = certmesh(["--node", address, "status"]).exits(2);
        assert!(
            run.err.contains("is not a node's address") && run.err.contains("hint:"),
            "{address}: {}",
            run.err
        );
    }
}

#[test]
fn the_node_s_refusals_come_with_hints_and_exit_codes_that_fit() {
    for (status, name, code, hint) in [
        (401, "unauthorised", 2, "--token-file"),
        (403, "forbidden", 2, "certmesh department token add"),
        (404, "unknown-certificate", 3, "check the identifier"),
        (409, "impossible-transition", 1, "certmesh history"),
        (409, "other-department", 1, "ask that department"),
        (422, "unknown-type", 1, "certmesh catalogue"),
        (503, "own-log-unconfirmed", 2, "certmesh resume"),
        (503, "log-read-only", 2, "disk"),
        (503, "lookup-not-recorded", 2, "make room"),
        (500, "internal", 2, "node's log"),
    ] {
        let node = Node::start(move |_| Answer::Problem(status, name));
        let run = certmesh(["--node", &node.url, "revoke", ID, "--reason", "03"]).exits(code);
        assert!(
            run.err.contains(&format!("it is {name}")) && run.err.contains(hint),
            "{name}: {}",
            run.err
        );
        assert_eq!(node.asked().len(), 1, "{name} was asked for again");
        let run = certmesh(["--node", &node.url, "--json", "show", ID]).exits(code);
        let error: serde_json::Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!(error["problem"]["status"], status);
        assert_eq!(run.out, "");
    }
}

#[test]
fn a_change_of_status_is_sent_once_more_with_the_same_key_when_the_node_is_busy() {
    let mut count = 0;
    let node = Node::start(move |_| {
        count += 1;
        if count < 3 {
            Answer::Problem(503, "overloaded")
        } else {
            Answer::Whole(201, "application/json", appended(ID).to_string())
        }
    });
    let run = certmesh([
        "--node", &node.url, "revoke", ID, "--reason", "03", "--text", "forged",
    ])
    .exits(0);
    assert!(
        run.out.starts_with(&format!("REVOKED  {ID}")),
        "{}",
        run.out
    );
    let asked = node.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked[0]
            .line
            .starts_with(&format!("POST /v1/certificates/{ID}/status "))
    );
    assert_eq!(
        asked[0].text(),
        r#"{"action":"revoke","reason":"03","text":"forged"}"#
    );
    let keys: Vec<&str> = asked
        .iter()
        .map(|request| request.header("idempotency-key"))
        .collect();
    assert!(
        !keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
    certmesh(["--node", &node.url, "revoke", ID, "--reason", "03"]).exits(0);
    assert_ne!(node.asked()[3].header("idempotency-key"), keys[0]);
}

#[test]
fn the_token_goes_along_but_never_in_the_clear_to_another_machine() {
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("token");
    fs::write(&token, "0123abcd\n").unwrap();
    let node = Node::start(|_| Answer::json(&serde_json::json!([])));
    certmesh([
        "--node",
        &node.url,
        "--token-file",
        token.to_str().unwrap(),
        "peers",
    ])
    .exits(0);
    assert_eq!(node.asked()[0].header("authorization"), "Bearer 0123abcd");
    let run = certmesh([
        "--node",
        "http://10.0.0.1:7480",
        "--token-file",
        token.to_str().unwrap(),
        "peers",
    ])
    .exits(2);
    assert!(
        run.err.contains("unencrypted") && run.err.contains("hint: use https"),
        "{}",
        run.err
    );
    fs::write(&token, "two words\n").unwrap();
    let run = certmesh([
        "--node",
        &node.url,
        "--token-file",
        token.to_str().unwrap(),
        "peers",
    ])
    .exits(2);
    assert!(
        run.err.contains("does not hold a token") && !run.err.contains("two words"),
        "{}",
        run.err
    );
}

#[test]
fn colours_are_used_only_when_asked_for_or_on_a_terminal() {
    let args = ["--node", "http://127.0.0.1:1", "status"];
    assert!(!certmesh(args).exits(2).err.contains('\u{1b}'));
    assert!(
        certmesh([&args[..], &["--color", "always"]].concat())
            .exits(2)
            .err
            .contains('\u{1b}')
    );
    assert!(
        !certmesh([&args[..], &["--color=never"]].concat())
            .exits(2)
            .err
            .contains('\u{1b}')
    );
}

#[test]
fn what_only_shows_something_ends_well_when_its_reader_has_seen_enough() {
    for args in [&["completions", "bash"][..], &["man"]] {
        let mut child = binary()
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_gets_no_complaint_and_changes_no_verdict() {
    for (args, code) in [
        (["id", "check", "1143"], 1),
        (["network", "show", "/dev/null"], 2),
    ] {
        let mut child = binary()
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        let ended = child.wait().unwrap().code().unwrap();
        assert!(ended != 0 && ended <= 2, "{args:?} {ended} {err}");
        assert_eq!(err.is_empty(), code == 1, "{err}");
    }
}

#[test]
fn a_command_that_can_write_nowhere_fails_and_does_not_panic() {
    for (args, code) in [
        (&["man"][..], 2),
        (&["network", "show", "/dev/null"], 2),
        (&["id", "check", "1143"], 2),
        (&["nosuch"], 2),
        (&["--help"], 0),
    ] {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let mut command = binary();
        command.args(args).stdout(full()).stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn find_reads_the_holder_s_code_from_a_file_or_standard_input_and_never_from_arguments() {
    let found = serde_json::json!({"certificates": [], "next": null});
    let node = Node::start(move |_| Answer::json(&found));
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("holder.txt");
    fs::write(&file, " 11430000006122244l\n").unwrap();
    let args = [
        "--node",
        &node.url,
        "find",
        "--holder-kind",
        "001",
        "--purpose",
        "case 2026-17",
        "--holder-code-file",
    ];
    certmesh([&args[..], &[file.to_str().unwrap()]].concat()).exits(0);
    certmesh_reading([&args[..], &["-"]].concat(), b"11430000006122244L\n").exits(0);
    for request in node.asked() {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(
            body["holder"],
            serde_json::json!({"kind": "001", "code": "11430000006122244L"})
        );
        assert_eq!(body["purpose"], "case 2026-17");
    }
    // A search by holder says what it is for.
    let run = certmesh(&args[..5]).exits(2);
    assert!(run.err.contains("--purpose"), "{}", run.err);
    let run = certmesh(&args[..7]).exits(2);
    assert!(run.err.contains("--holder-code-file"), "{}", run.err);
    let run = certmesh_reading([&args[..], &["-"]].concat(), b"11430000006122244A\n").exits(2);
    assert!(
        run.err.contains("check character") && !run.err.contains("6122244A"),
        "{}",
        run.err
    );
    assert_eq!(node.asked().len(), 2);
}

#[test]
fn find_goes_through_all_pages_up_to_the_limit() {
    let node = Node::start(|request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let page = body["cursor"]
            .as_str()
            .map_or(0, |cursor| cursor.parse::<u64>().unwrap());
        let next = (page < 2).then(|| (page + 1).to_string());
        Answer::json(
            &serde_json::json!({"certificates": [{"id": page, "new": true}], "next": next}),
        )
    });
    let find = |extra: &[&str]| {
        let args = [
            &[
                "--node",
                &node.url,
                "--json",
                "find",
                "--issuer",
                "11430000006122244L",
            ],
            extra,
        ]
        .concat();
        certmesh(args).exits(0).json()
    };
    let all = find(&["--all"]);
    assert_eq!(
        all["certificates"],
        serde_json::json!([{"id": 0, "new": true}, {"id": 1, "new": true}, {"id": 2, "new": true}])
    );
    assert_eq!(all["next"], serde_json::Value::Null);
    let two = find(&["--limit", "2"]);
    assert_eq!(
        (
            two["certificates"].as_array().unwrap().len(),
            two["next"].as_str()
        ),
        (2, Some("2"))
    );
}

#[test]
fn issue_sends_the_same_content_under_the_same_key_and_reads_personal_data_from_files() {
    let node = Node::start(|_| Answer::Whole(201, "application/json", appended(ID).to_string()));
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let holder = write("holder.txt", "11430000006122244L\n");
    let fields = write("fields.toml", "ZZMC = \"许可证\"\n");
    let args = [
        "--node",
        &node.url,
        "issue",
        "--type",
        "11100000000013338W011",
        "--serial",
        "1",
        "--holder-kind",
        "001",
        "--holder-code-file",
        &holder,
        "--valid-from",
        "2026-01-01",
        "--fields",
        &fields,
    ];
    let run = certmesh(args).exits(0);
    assert!(run.out.starts_with(&format!("ISSUED  {ID}")), "{}", run.out);
    let whole = write(
        "certificate.json",
        r#"{"type":"11100000000013338W011","serial":"1","holder":{"kind":"001","code":"11430000006122244L"},"valid_from":"2026-01-01","fields":{"ZZMC":"许可证"}}"#,
    );
    certmesh(["--node", &node.url, "issue", "--from", &whole]).exits(0);
    let asked = node.asked();
    assert_eq!(asked[0].text(), asked[1].text());
    assert_eq!(
        asked[0].header("idempotency-key"),
        asked[1].header("idempotency-key")
    );
    let run = certmesh(["--node", &node.url, "issue", "--serial", "1"]).exits(2);
    assert!(
        run.err.contains("--type and --serial") && run.err.contains("hint:"),
        "{}",
        run.err
    );
    let run = certmesh_reading(
        ["--node", &node.url, "issue", "--from", "-"],
        b"{\"typ\": 1}",
    )
    .exits(2);
    assert!(run.err.contains("unknown field `typ`"), "{}", run.err);
    assert_eq!(node.asked().len(), 2);
}

#[test]
fn what_was_done_before_is_not_said_to_be_new() {
    let mut answer = appended(ID);
    answer["replayed"] = true.into();
    let node = Node::start(move |_| Answer::Whole(200, "application/json", answer.to_string()));
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("type.json");
    // With the byte order mark that some editors write.
    fs::write(
        &path,
        "\u{FEFF}{\"code\":\"11100000000013338W011\",\"name\":\"n\"}",
    )
    .unwrap();
    let define = [
        "--node",
        &node.url,
        "type",
        "define",
        path.to_str().unwrap(),
    ];
    let run = certmesh(define).exits(0);
    assert!(run.out.contains("DEFINED BEFORE  "), "{}", run.out);
    let run = certmesh(["--node", &node.url, "revoke", ID, "--reason", "03"]).exits(0);
    assert!(run.out.starts_with("REVOKED BEFORE  "), "{}", run.out);
    fs::write(&path, b"{\"name\":\"\xd6\xa4\xd5\xd5\"}").unwrap();
    let run = certmesh(define).exits(2);
    assert!(
        run.err.contains("type.json is not UTF-8 (GBK or GB18030?)")
            && run.err.contains("hint: save it as UTF-8"),
        "{}",
        run.err
    );
}

#[test]
fn reason_99_needs_words() {
    let node = Node::start(|_| Answer::Problem(500, "internal"));
    let args = ["--node", &node.url, "revoke", ID, "--reason", "99"];
    for extra in [&[][..], &["--text", " "]] {
        let run = certmesh([&args[..], extra].concat()).exits(2);
        assert!(run.err.contains("--text"), "{}", run.err);
    }
    assert!(node.asked().is_empty());
}

#[test]
fn look_ups_are_listed_page_by_page_up_to_the_limit_with_what_is_damaged() {
    let node = Node::start(|request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let page = body["cursor"].as_str().map_or(0, |at| at.parse().unwrap());
        let look = serde_json::json!({
            "time_ms": 1_790_000_000_000_u64 + page, "client": "counter", "event": "find",
            "purpose": format!("case {page}"), "matter": null,
        });
        // A page can be empty and have a next one.
        let lookups = if page == 1 { vec![] } else { vec![look] };
        Answer::json(&serde_json::json!({
            "from": "2026-09-01", "to": "2026-09-30", "lookups": lookups,
            "damaged": if page == 2 { vec!["2026-09.looks, bytes 64 to 300: damaged"] } else { vec![] },
            "next": (page < 3).then(|| (page + 1).to_string()),
        }))
    });
    let ask = |args: &[&str]| {
        let all = [&["--node", &node.url, "access-log", "--local"], args].concat();
        certmesh(all).exits(0)
    };
    let all = ask(&["--all", "--json"]).json();
    assert_eq!(all["lookups"].as_array().unwrap().len(), 3);
    assert_eq!(all["damaged"].as_array().unwrap().len(), 1);
    assert_eq!(all["next"], serde_json::Value::Null);
    let run = ask(&["--all"]);
    assert!(run.out.contains("case 3") && run.out.contains("3 look-ups"));
    assert!(run.err.contains("can't be read completely"), "{}", run.err);
    let run = ask(&["--limit", "2"]);
    assert!(run.out.contains("case 2") && !run.out.contains("case 3"));
    assert!(run.err.contains("--cursor 3"), "{}", run.err);
    // Everyone's look-ups are this department's own alone.
    let run = certmesh(["--node", &node.url, "access-log"]).exits(2);
    assert!(run.err.contains("--subject-kind"), "{}", run.err);
    for args in [["--limit", "2"], ["--all", "--json"]] {
        let all = [&["--node", &node.url, "access-log"], &args[..]].concat();
        let run = certmesh(all).exits(2);
        assert!(run.err.contains("--local"), "{}", run.err);
    }
}

#[test]
fn a_type_or_issuer_that_does_not_exist_is_an_error_and_no_empty_answer() {
    let node = Node::start(|request| {
        if request.line.contains("/v1/find") {
            Answer::json(&serde_json::json!({"certificates": [], "next": null}))
        } else if request.line.contains("/v1/catalogue") {
            Answer::json(&serde_json::json!({"types": [], "certificates": 0}))
        } else if request.line.contains("/v1/status") {
            Answer::json(&status("writable"))
        } else {
            Answer::json(&serde_json::json!([]))
        }
    });
    let find = |args: &[&str]| certmesh([&["--node", &node.url, "find"], args].concat());
    let run = find(&["--type", "11100000000013338W011"]).exits(1);
    assert!(run.err.contains("not in the catalogue"), "{run:#?}");
    let run = find(&["--issuer", "11330105002500287C", "--json"]).exits(1);
    assert!(run.err.contains("is not a member"), "{run:#?}");
    assert_eq!(run.json()["certificates"], serde_json::json!([]));
    find(&["--issuer", "11430000006122244L"]).exits(0);
}

fn status(log_state: &str) -> serde_json::Value {
    serde_json::json!({
        "department": "11430000006122244L", "name": "交通运输厅", "network_name": "Wuhan", "network": "12".repeat(32),
        "version": "0.1.0", "peer_id": "p", "log_state": log_state, "log_detail": "waiting", "own_size": 1,
        "records": 1, "certificates": 1, "peers_connected": 1, "peers_total": 2, "started_ms": 1,
    })
}

#[test]
fn a_node_that_waits_says_for_whom() {
    let node = Node::start(|request| {
        if request.line.contains("/v1/status") {
            return Answer::json(&status("confirming"));
        }
        let peer = |code: &str, name: &str, connected: bool| {
            serde_json::json!({
                "department": code, "name": name, "peer_id": "p", "connected": connected, "since_ms": null,
                "rtt_ms": null, "heard_ms": null,
            })
        };
        Answer::json(&serde_json::json!([
            peer("11330105002500287C", "民政局", true),
            peer("11100000000013338W", "公安局", false),
        ]))
    });
    let run = certmesh(["--node", &node.url, "status"]).exits(0);
    let line = |label: &str| {
        let found = run.out.lines().find(|line| line.contains(label));
        found.unwrap_or_else(|| panic!("{label}: {}", run.out))
    };
    assert!(line("  connected").contains("民政局"), "{}", run.out);
    assert!(line("  waited for").contains("公安局"), "{}", run.out);
    assert!(run.out.contains("1 record,"), "{}", run.out);
}

#[test]
fn a_token_that_others_can_read_is_noted_and_taken() {
    let node = Node::start(|_| Answer::json(&serde_json::json!([])));
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("token");
    fs::write(&token, "0123abcd\n").unwrap();
    let args = [
        "--node",
        &node.url,
        "--token-file",
        token.to_str().unwrap(),
        "peers",
    ];
    for (mode, noted) in [(0o644, true), (0o600, false)] {
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        let run = certmesh(args).exits(0);
        assert_eq!(run.err.contains("can read the token"), noted, "{run:#?}");
    }
}

#[test]
fn https_asked_of_an_http_node_is_guessed() {
    // One server says at once what it does not understand, another one just ends the connection.
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello).unwrap();
            stream.write_all(answer).unwrap();
        });
        let run = certmesh(["--node", &url, "status"]).exits(2);
        server.join().unwrap();
        assert!(run.err.contains("is it an http:// address?"), "{}", run.err);
    }
}

/// What is printed has no character that steers, but for the line feeds that end its lines.
fn is_harmless(text: &str) -> bool {
    !text.contains(|c| c != '\n' && steers(c))
}

#[test]
fn nothing_that_a_node_answers_begins_a_line_or_steers_the_terminal() {
    let node = Node::start(|request| {
        if request.line.starts_with("POST") {
            let problem = serde_json::json!({
                "type": "urn:certmesh:problem:invalid-field", "title": HOSTILE, "status": 422, "detail": HOSTILE,
                "field": HOSTILE, "faults": [{"field": HOSTILE, "code": HOSTILE, "detail": HOSTILE}],
            });
            return Answer::Whole(422, "application/problem+json", problem.to_string());
        }
        let mut status = status("writable");
        for name in [
            "department",
            "name",
            "network_name",
            "version",
            "log_state",
            "log_detail",
            "peer_id",
        ] {
            status[name] = HOSTILE.into();
        }
        Answer::json(&status)
    });
    let plain = certmesh(["--node", &node.url, "status"]).exits(0);
    assert!(
        is_harmless(&plain.out) && !plain.out.contains("\nerror: forged"),
        "{plain:#?}"
    );
    let json = certmesh(["--node", &node.url, "--json", "status"]).exits(0);
    assert!(is_harmless(&json.out), "{json:#?}");
    assert_eq!(json.json()["name"], HOSTILE);
    let revoke = ["--node", &node.url, "revoke", ID, "--reason", "03"];
    let refused = certmesh(revoke).exits(1);
    let lines: Vec<&str> = refused.err.lines().collect();
    assert!(
        is_harmless(&refused.err) && !refused.err.contains("\nerror: forged"),
        "{refused:#?}"
    );
    assert!(
        lines[0].starts_with("error: ")
            && lines[1..]
                .iter()
                .all(|line| line.starts_with("  ") || line.starts_with("hint: ")),
        "{lines:#?}"
    );
    let refused = certmesh([&["--json"], &revoke[..]].concat()).exits(1);
    assert!(
        is_harmless(&refused.err) && refused.err.lines().count() == 1,
        "{refused:#?}"
    );
}

#[test]
fn no_argument_or_file_name_begins_a_line_of_an_error() {
    for args in [
        &["network", "show", HOSTILE][..],
        &["show", HOSTILE],
        &["id", "check", HOSTILE],
        &["--color", HOSTILE, "status"],
        &["status", HOSTILE],
        &[HOSTILE],
    ] {
        let run = certmesh(args);
        let shown = format!("{}{}", run.out, run.err);
        assert!(
            is_harmless(&shown) && !shown.contains("\nerror: forged"),
            "{args:?} {run:#?}"
        );
        assert!(!shown.is_empty());
    }
}

/// The answer to an appended record.
pub(crate) fn appended(id: &str) -> serde_json::Value {
    serde_json::json!({
        "id": id, "replayed": false, "position": {
            "log": "11430000006122244L", "seq": 41, "record": "ab".repeat(32), "time_ms": 1_790_000_000_000_u64,
            "checkpoint_size": 42, "checkpoint_root": "cd".repeat(32),
        },
    })
}
