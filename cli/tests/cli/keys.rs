//! Fewer keys: what is said once, guessed and said, or typed by a scanner; and messages that say what to do.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::command::{binary, certmesh, certmesh_reading};
use crate::node::{Answer, Node};

const ID: &str = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
const CARD: &str = "11010519491231002X";

fn catalogue() -> serde_json::Value {
    let kind = |code: &str, name: &str| {
        json!({
            "code": code, "name": name, "defined_by": "11430000006122244L", "version": 1, "issued": {},
            "fields": [{ "code": "XB", "name": "性别" }, { "code": "CZZT", "name": "持证主体" }],
        })
    };
    json!({
        "certificates": 0,
        "types": [
            kind("11100000000013338W011", "道路运输经营许可证"),
            kind("11100000000013338W012", "道路运输证"),
        ],
    })
}

/// A node that knows two types and one matter, and answers questions about cases.
fn node() -> Node {
    Node::start(|request| {
        let path = request
            .line
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        let part = |code: &str, name: &str| json!({ "code": code, "name": name, "requires": [] });
        match path.split('?').next().unwrap_or_default() {
            "/v1/catalogue" => Answer::json(&catalogue()),
            "/v1/logs" => Answer::json(&json!([])),
            "/v1/matters" => Answer::json(&json!({ "matters": [{
                "department": "11430000006122244L", "department_name": "交通运输厅", "version": 1,
                "definition": {
                    "code": "SL-001", "name": "企业设立登记",
                    "sub": [part("01", "有限责任公司设立"), part("02", "分公司设立")],
                },
            }] })),
            "/v1/status" => Answer::json(&json!({
                "department": "11430000006122244L", "name": "交通运输厅", "network": "", "network_name": "", "peer_id": "",
                "version": "", "started_ms": 0, "log_state": "writable", "log_detail": null, "own_size": 0, "records": 0,
                "certificates": 0, "peers_connected": 0, "peers_total": 0, "warnings": [],
            })),
            "/v1/types/11100000000013338W011" => {
                let kind = catalogue()["types"][0].clone();
                Answer::json(&json!({
                    "definition": { "code": kind["code"], "name": kind["name"], "fields": kind["fields"] },
                    "version": 1, "defined_by": "11430000006122244L", "versions": [],
                }))
            }
            "/v1/accept" if request.text().contains("SL-001") => Answer::json(&json!({
                "matter": "11430000006122244L/SL-001/01", "matter_name": "企业设立登记", "part_name": "有限责任公司设立",
                "on": "2026-11-27", "held": 1,
                "requirements": [{
                    "types": ["11100000000013338W011"], "type": "11100000000013338W011",
                    "type_name": "道路运输经营许可证", "state": "held", "certificate": ID, "retrieval": "ab",
                    "values": { "CZZT": "样本一", "XB": "女" }, "fields": ["CZZT", "XB"], "visible": ["CZZT", "XB"],
                }],
            })),
            _ => Answer::Problem(404, "not-found"),
        }
    })
}

#[test]
fn a_profile_says_what_the_options_leave_out() {
    let node = node();
    let home = tempfile::tempdir().unwrap();
    let profiles = home.path().join("certmesh");
    fs::create_dir(&profiles).unwrap();
    fs::write(profiles.join("counter.token"), "TOKEN-OF-THE-COUNTER\n").unwrap();
    let text = format!("node = {:?}\ntoken_file = \"counter.token\"\n", node.url);
    for name in ["profile.toml", "other.toml"] {
        fs::write(profiles.join(name), &text).unwrap();
    }
    for profile in ["", "other", profiles.join("other.toml").to_str().unwrap()] {
        let output = binary()
            .env("XDG_CONFIG_HOME", home.path())
            .env("CERTMESH_PROFILE", profile)
            .args(["type", "list"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let asked = node.asked();
        let last = asked.last().unwrap();
        assert_eq!(last.header("authorization"), "Bearer TOKEN-OF-THE-COUNTER");
    }
    // What the command line says counts more, and a profile that is named has to be there.
    let run = |profile: &str, args: &[&str]| {
        let mut command = binary();
        command.env("XDG_CONFIG_HOME", home.path());
        let output = command.env("CERTMESH_PROFILE", profile).args(args).output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let err = run("", &["status", "--node", "http://127.0.0.1:1"]);
    assert!(err.contains("http://127.0.0.1:1/"), "{err}");
    let err = run("nobody", &["status"]);
    assert!(
        err.contains("nobody.toml") && err.contains("hint:"),
        "{err}"
    );
}

#[test]
fn a_type_is_named_by_part_of_its_name_and_the_candidates_are_listed() {
    let node = node();
    let shown = certmesh(["--node", &node.url, "type", "show", "经营许可"]).exits(0);
    assert!(shown.err.contains("11100000000013338W011"), "{}", shown.err);
    assert!(shown.out.contains("性别"), "{}", shown.out);
    let several = certmesh(["--node", &node.url, "type", "show", "道路"]).exits(2);
    for code in ["W011", "W012", "hint:"] {
        assert!(several.err.contains(code), "{}", several.err);
    }
    let none = certmesh(["--node", &node.url, "find", "-t", "道路运输正"]).exits(2);
    assert!(none.err.contains("did you mean 道路运输证"), "{}", none.err);
}

/// What a bash that has sourced the script offers for the last of the words that were typed.
fn offered(node: &Node, words: &[&str]) -> Vec<String> {
    const SCRIPT: &str = r#"
        source <(COMPLETE=bash "$CERTMESH")
        completion=$(complete -p certmesh) || exit
        function=${completion#*-F }
        COMP_WORDS=(certmesh "$@") COMP_CWORD=$# COMP_TYPE=9
        "${function%% *}" certmesh "${COMP_WORDS[$#]}" "${COMP_WORDS[$# - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let home = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", SCRIPT, "bash"])
        .args(words)
        .env("CERTMESH", env!("CARGO_BIN_EXE_certmesh"))
        .env("CERTMESH_NODE", &node.url)
        .env("XDG_CONFIG_HOME", home.path())
        .env_remove("CERTMESH_PROFILE")
        .env_remove("CERTMESH_TOKEN_FILE")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_bash_offers_commands_and_what_the_node_knows() {
    let node = node();
    let both = ["11100000000013338W011", "11100000000013338W012"];
    assert_eq!(offered(&node, &["iss"]), ["issue"]);
    assert_eq!(offered(&node, &["type", "show", "道路"]), both);
    assert_eq!(
        offered(&node, &["type", "show", "11100000000013338W01"]),
        both
    );
    assert_eq!(offered(&node, &["issue", "--type", "经营"]), both[..1]);
    assert_eq!(
        offered(&node, &["accept", "-m", "设立"]),
        ["SL-001/01", "SL-001/02"]
    );
    // Of a node that does not answer nothing is known.
    let silent = Node::start(|_| Answer::Problem(503, "overloaded"));
    assert_eq!(offered(&silent, &["type", "show", "道路"]), [""]);
}

#[test]
fn what_is_issued_is_named_by_part_of_its_name_as_well() {
    let node = node();
    let home = tempfile::tempdir().unwrap();
    let holder = home.path().join("holder");
    fs::write(&holder, CARD).unwrap();
    let with = |kind: &str| {
        certmesh([
            "--node",
            &node.url,
            "issue",
            "--type",
            kind,
            "--serial",
            "1",
            "--valid-from",
            "2026-01-01",
            "--holder-kind",
            "111",
            "--holder-code-file",
            holder.to_str().unwrap(),
        ])
    };
    let run = with("运输经营");
    assert!(
        run.err
            .contains("道路运输经营许可证 (11100000000013338W011)"),
        "{}",
        run.err
    );
    let sent = node.asked().into_iter();
    let sent: Vec<String> = sent
        .filter(|request| request.line.starts_with("POST /v1/certificates "))
        .map(|request| request.text().to_string())
        .collect();
    assert!(
        sent.len() == 1 && sent[0].contains("\"type\":\"11100000000013338W011\""),
        "{sent:?}"
    );
    let run = with("道路运输").exits(2);
    assert!(run.err.contains("道路运输证"), "{}", run.err);
    assert_eq!(
        node.asked()
            .iter()
            .filter(|request| request.line.starts_with("POST"))
            .count(),
        1
    );
}

#[test]
fn a_case_is_looked_at_with_the_matter_s_name_and_the_number_as_a_reader_types_it() {
    let node = node();
    let args = [
        "--node",
        &node.url,
        "accept",
        "-m",
        "设立登记/有限",
        "-s",
        "-",
    ];
    let run = certmesh_reading(args, format!("{CARD}\n").as_bytes()).exits(0);
    assert!(run.err.contains("taken for kind 111"), "{}", run.err);
    assert!(
        run.err.contains("11430000006122244L/SL-001/01"),
        "{}",
        run.err
    );
    assert!(run.out.contains("持证主体 样本一 · 性别 女"), "{}", run.out);
    let asked = node.asked();
    let question = asked.iter().find(|asked| asked.line.contains("/v1/accept"));
    let question: serde_json::Value = serde_json::from_str(&question.unwrap().text()).unwrap();
    assert_eq!(question["subject"], json!({ "kind": "111", "code": CARD }));
    assert_eq!(question["matter"], "11430000006122244L/SL-001/01");
    // A name that fits several parts, one that fits none, and a code that no department uses.
    for (matter, said) in [
        ("设立登记", "SL-001/02"),
        ("注销登记", "nothing is called"),
        ("SL-002", "certmesh matter list"),
    ] {
        let args = ["--node", &node.url, "accept", "-m", matter, "-s", "-"];
        let run = certmesh_reading(args, CARD.as_bytes()).exits(2);
        assert!(run.err.contains(said), "{}", run.err);
    }
}

#[test]
fn a_scanner_types_an_identifier_that_is_verified() {
    let node = node();
    let run = certmesh_reading(
        ["--node", &node.url, "verify", "-"],
        format!("{ID}\r\n").as_bytes(),
    );
    run.exits(2);
    let asked = node.asked();
    assert!(
        asked[0]
            .line
            .contains(&format!("/v1/certificates/{ID}/verification")),
        "{asked:?}"
    );
}

#[test]
fn what_is_not_an_identifier_is_said_to_be_what_it_is_and_a_person_s_number_is_not_repeated() {
    for (typed, said) in [
        (CARD, "certmesh find --purpose"),
        ("110105491231002", "certmesh find --purpose"),
        (
            "11430000006122244L",
            "certmesh find --issuer 11430000006122244L",
        ),
        ("1.2.156", "10 parts between dots"),
    ] {
        for args in [["verify", typed], ["show", typed]] {
            let run = certmesh(args).exits(2);
            assert!(
                run.err.contains(said) && run.err.contains("identifier"),
                "{}",
                run.err
            );
            assert!(
                said.contains("--issuer") || typed.contains('.') || !run.err.contains(typed),
                "{}",
                run.err
            );
        }
    }
}

#[test]
fn a_code_whose_kind_cannot_be_guessed_needs_the_kind_and_an_identifier_is_no_person() {
    let args = |matter: &str| {
        [
            "accept".to_owned(),
            "-m".to_owned(),
            matter.to_owned(),
            "-s".to_owned(),
            "-".to_owned(),
        ]
    };
    let run = certmesh_reading(args("SL-001"), b"A-1\n").exits(2);
    assert!(run.err.contains("--subject-kind KIND"), "{}", run.err);
    let run = certmesh_reading(args("SL-001"), ID.as_bytes()).exits(2);
    assert!(run.err.contains("certmesh verify"), "{}", run.err);
    let mistyped = CARD.replace('X', "1");
    let run = certmesh_reading(args("SL-001"), mistyped.as_bytes()).exits(2);
    assert!(
        run.err.contains("`X`") && !run.err.contains(&mistyped),
        "{}",
        run.err
    );
}

#[test]
fn every_wrong_field_of_a_request_is_listed() {
    let node = Node::start(|_| {
        let fault = |field: &str| json!({ "field": field, "code": "empty", "detail": "is empty" });
        let problem = json!({
            "type": "urn:certmesh:problem:invalid-field", "title": "Invalid field", "status": 422,
            "detail": "2 fields are wrong; faults lists up to 100 of them", "faults": [fault("serial"), fault("type")],
        });
        Answer::Whole(422, "application/problem+json", problem.to_string())
    });
    let run = certmesh_reading(["--node", &node.url, "issue", "--from", "-"], b"{}").exits(1);
    assert!(
        run.err
            .starts_with("error: 2 fields are wrong:\n  - serial: is empty\n  - type: is empty\n"),
        "{}",
        run.err
    );
}

#[test]
fn a_table_is_imported_and_a_number_has_bounds_that_can_be_read() {
    for name in ["cards.xlsx", "cards.CSV"] {
        let run = certmesh(["issue", "--from", name]).exits(2);
        assert!(run.err.contains("certmesh import"), "{}", run.err);
    }
    let run = certmesh(["find", "--issuer", "11430000006122244L", "--limit", "0"]).exits(2);
    assert!(run.err.contains("must be a number from 1"), "{}", run.err);
    let run = certmesh(["graph", "--top", "500"]).exits(2);
    assert!(run.err.contains("must be 1 to 200"), "{}", run.err);
}

#[test]
fn a_definition_that_names_what_does_not_exist_is_refused_unless_forced() {
    let node = node();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("matter.toml");
    let text = "code = \"SL-2\"\nname = \"n\"\n[[sub]]\ncode = \"01\"\nname = \"n\"\n[[sub.requires]]\n\
                types = [\"11100000000013338W013\"]\nfields = [\"ZZ\"]\n[[sub.requires]]\n\
                types = [\"11100000000013338W011\"]\nfields = [\"XP\", \"KZ_A\", \"@\"]\n";
    fs::write(&file, text).unwrap();
    let define = [
        "--node",
        &node.url,
        "matter",
        "define",
        file.to_str().unwrap(),
    ];
    let run = certmesh(define).exits(2);
    for said in [
        "sub-matter 01, requirement 1",
        "W013",
        "道路运输证",
        "requirement 2",
        "XP",
        "性别 (XB)",
        "--force",
    ] {
        assert!(run.err.contains(said), "{said}: {}", run.err);
    }
    assert_eq!(run.err.matches("\n  - ").count(), 2, "{}", run.err);
    assert!(
        node.asked()
            .iter()
            .all(|asked| asked.line.starts_with("GET"))
    );
    certmesh([&define[..], &["--force"]].concat());
    assert!(
        node.asked()
            .iter()
            .any(|asked| asked.line.starts_with("POST /v1/matters"))
    );
}
