//! The command's contract against a real node: exit codes, JSON, and what a person does with it in a day.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Ran, TestNet, certmesh, one_of_two, row, run, running};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_question_answers_in_json_and_in_words() {
    let net = running(2);
    let id = &net.issue(0, "CLI", 3)[0];
    net.wait_verdict(1, id, "valid", None);
    let code = net.code(0);
    let questions: &[&[&str]] = &[
        &["show", id],
        &["history", id],
        &["verify", id],
        &["find", "--issuer", &code],
        &["catalogue"],
        &["logs"],
        &["logs", &code],
        &["peers"],
        &["status"],
    ];
    for question in questions {
        // Also at the department that did not issue it.
        for at in [0, 1] {
            let mut with_json = question.to_vec();
            with_json.push("--json");
            let answer = net.cli(at, &with_json).exits(0).json();
            assert!(!answer.is_null(), "{question:?}");
            let words = net.cli(at, question).exits(0);
            assert!(
                !words.out.trim().is_empty() && words.err.is_empty(),
                "{question:?}: {words:?}"
            );
            assert!(
                !words.out.contains('\u{1b}'),
                "colours where there is no terminal"
            );
            assert!(serde_json::from_str::<Value>(&words.out).is_err());
        }
    }
    let verdict = net.cli(1, &["verify", id]).exits(0);
    assert!(
        verdict.out.trim_start().starts_with("VALID"),
        "the verdict comes first: {}",
        verdict.out
    );
    assert_eq!(
        net.cli(1, &["verify", id, "--json"]).json()["verdict"],
        "valid"
    );
    let coloured = net.cli(1, &["verify", id, "--color", "always"]).exits(0);
    assert!(coloured.out.contains('\u{1b}'));
    let logs = net.cli(1, &["logs", "--json"]).json();
    assert_eq!(logs.as_array().unwrap().len(), 2);
    assert_eq!(
        net.cli(0, &["status", "--json"]).json()["peers_connected"],
        1
    );
}

#[test]
fn exit_codes_say_yes_no_failure_and_unknown() {
    let net = one_of_two();
    let ids = net.issue(0, "EXIT", 2);
    let absent = row(0, "EXIT", 99)["id"].as_str().unwrap().to_owned();
    let cli = |args: &[&str]| net.cli(0, args).code;

    assert_eq!(cli(&["verify", &ids[0]]), 0);
    assert_eq!(cli(&["verify", &ids[0], "--on", "1999-01-01"]), 1);
    assert_eq!(
        cli(&["revoke", &ids[0], "--reason", "02", "--text", "error"]),
        0
    );
    let revoked = net.cli(0, &["verify", &ids[0]]).exits(1);
    assert!(
        revoked.out.starts_with("NOT VALID") && revoked.out.contains("revoked"),
        "{}",
        revoked.out
    );
    assert_eq!(cli(&["revoke", &ids[0], "--reason", "02"]), 1, "not again");
    let unknown = net.cli(0, &["verify", &absent]).exits(3);
    assert!(unknown.out.starts_with("UNKNOWN"), "{}", unknown.out);
    for args in [["show", &absent], ["history", &absent]] {
        assert_eq!(cli(&args), 3);
    }
    assert_eq!(cli(&["revoke", &absent, "--reason", "02"]), 3);

    for args in [
        vec!["verify", "nonsense"],
        vec!["verify", &ids[0], "--on", "2025-13-01"],
        vec!["suspend", &ids[1]],
        vec!["suspend", &ids[1], "--reason", "66"],
        vec!["frobnicate"],
        vec![],
        vec!["find"],
        vec!["import", "/nowhere/rows.jsonl"],
        vec!["fsck", "--data", "/nowhere"],
        vec!["network", "show", "/nowhere/network.toml"],
        vec!["prove", &ids[1], "-o", "/nowhere/x.proof"],
    ] {
        let ran = net.cli(0, &args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(!ran.err.is_empty(), "{args:?}");
    }
    // Nobody there, or nobody who knows us: not a no, a failure with a hint.
    let ran = certmesh(&["status"], b"", None, None).exits(2);
    assert!(ran.err.contains("hint"), "{ran:?}");
    let stranger = net.scratch("stranger.token");
    fs::write(&stranger, "not-a-token\n").unwrap();
    let base = net.node_file(0).unwrap().api.clone();
    let ran = certmesh(&["status"], b"", Some(&base), Some(&stranger)).exits(2);
    assert!(ran.err.contains("--token-file"), "{ran:?}");
    for args in [
        vec!["--help"],
        vec!["--version"],
        vec!["help", "verify"],
        vec!["verify", "--help"],
    ] {
        assert_eq!(cli(&args), 0);
    }
}

/// A file of the test with this content.
fn written(net: &TestNet, name: &str, content: &str) -> String {
    let path = net.scratch(name);
    fs::write(&path, content).unwrap();
    text(&path).to_owned()
}

fn a_type_is_defined_from_a_file(net: &TestNet, kind: &str) {
    let lines = format!(
        "code = \"{kind}\"\nname = \"道路运输经营许可证\"\n[[fields]]\ncode = \"ZZBH\"\nname = \"证照编号\"\nrequired = true\n"
    );
    let definition = written(net, "licence.toml", &lines);
    let defined = net.cli(0, &["type", "define", &definition, "--json"]);
    assert_eq!(defined.exits(0).json()["id"], kind);
}

/// The identifier of what was issued; asked again, the first result comes.
fn a_certificate_is_issued_by_arguments(net: &TestNet, kind: &str, holder: (&str, &str)) -> String {
    let code_file = written(net, "holder.txt", &format!("{}\n", holder.1));
    let fields = written(net, "fields.json", &json!({"ZZBH": "0001"}).to_string());
    let issue = [
        "issue",
        "--type",
        kind,
        "--serial",
        "20260001",
        "--holder-kind",
        holder.0,
        "--holder-code-file",
        &code_file,
        "--valid-from",
        "2026-01-01",
        "--fields",
        &fields,
        "--json",
    ];
    let issued = net.cli(0, &issue).exits(0).json();
    assert_eq!(issued["replayed"], false);
    let again = net.cli(0, &issue).exits(0).json();
    assert_eq!(again["replayed"], true, "asked again, the first result");
    issued["id"].as_str().unwrap().to_owned()
}

fn its_status_changes_and_its_history_says_how(net: &TestNet, id: &str) {
    for (action, status) in [
        ("suspend", "suspended"),
        ("reinstate", "valid"),
        ("cancel", "cancelled"),
    ] {
        let args = [action, id, "--reason", "99", "--text", "for the record"];
        net.cli(0, &args).exits(0);
        let shown = net.cli(0, &["show", id, "--json"]).exits(0).json();
        assert_eq!(shown["status"], status);
    }
    let history = net.cli(0, &["history", id, "--json"]).exits(0).json();
    let events: Vec<&str> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["issued", "suspended", "reinstated", "cancelled"]);
}

fn whole_certificates_are_issued_from_a_file_or_standard_input(net: &TestNet) {
    let file = written(net, "certificate.json", &row(0, "LIFE", 1).to_string());
    net.cli(0, &["issue", "--from", &file]).exits(0);
    let from_input = |row: Value| {
        let args = ["issue", "--from", "-"];
        net.cli_with(0, &args, row.to_string().as_bytes())
    };
    from_input(row(0, "LIFE", 2)).exits(0);
    let mut wrong = row(0, "LIFE", 3);
    wrong["valid_until"] = "1970-01-01".into();
    let refused = from_input(wrong).exits(1);
    assert!(refused.err.contains("valid_until"), "{refused:?}");
}

fn it_is_found_by_its_holder_and_by_its_type(
    net: &TestNet,
    id: &str,
    kind: &str,
    holder: (&str, &str),
) {
    let by_holder = |kind: &str, code: &str| {
        let args = [
            "find",
            "--holder-kind",
            kind,
            "--holder-code-file",
            "-",
            "--purpose",
            "a test",
            "--json",
        ];
        net.cli_with(0, &args, code.as_bytes())
    };
    let found = by_holder(holder.0, holder.1).exits(0).json();
    let mut certificates = found["certificates"].as_array().unwrap().iter();
    assert!(certificates.any(|one| one["id"] == id), "{found}");
    let by_type = net.cli(0, &["find", "--type", kind, "--all", "--json"]);
    let by_type = by_type.exits(0).json();
    assert_eq!(by_type["certificates"].as_array().unwrap().len(), 1);
    let bad_code = by_holder("111", "123");
    assert_eq!(bad_code.code, 2);
    assert!(!bad_code.err.contains("123"));
}

#[test]
fn a_certificate_s_life_can_be_led_from_the_command_line() {
    let net = one_of_two();
    let kind = format!("{}021", net.code(0));
    let holder = row(0, "LIFE", 0)["holder"].clone();
    let holder = (
        holder["kind"].as_str().unwrap(),
        holder["code"].as_str().unwrap(),
    );
    a_type_is_defined_from_a_file(&net, &kind);
    let id = a_certificate_is_issued_by_arguments(&net, &kind, holder);
    its_status_changes_and_its_history_says_how(&net, &id);
    whole_certificates_are_issued_from_a_file_or_standard_input(&net);
    it_is_found_by_its_holder_and_by_its_type(&net, &id, &kind, holder);
}

#[test]
fn proofs_are_written_verified_and_never_overwritten_unasked() {
    let net = one_of_two();
    let id = &net.issue(0, "PRV", 2)[1];
    let (proof, genesis) = (
        net.scratch("a.proof"),
        net.network().dir().join("network.toml"),
    );
    let prove = ["prove", id, "-o", text(&proof)];
    let made = net.cli(0, &prove).exits(0);
    assert!(
        made.err
            .contains("no other department has signed this proof")
    );
    net.cli(0, &prove).exits(2);
    net.cli(0, &["prove", id, "-o", text(&proof), "--force"])
        .exits(0);
    let offline = |args: &[&str], input: &[u8]| certmesh(args, input, None, None);
    let network = ["--network", text(&genesis)];
    // The other department is down, so nobody but the issuer vouches for it.
    let verdict = offline(&["verify", text(&proof), network[0], network[1]], b"").exits(3);
    assert!(verdict.out.starts_with("UNKNOWN"), "{}", verdict.out);
    let trusting = [network[0], network[1], "--issuer-only"];
    let verdict = offline(&[&["verify", text(&proof)], &trusting[..]].concat(), b"").exits(0);
    assert!(verdict.out.starts_with("VALID"), "{}", verdict.out);
    let from_stdin = offline(
        &[&["verify", "-", "--json"], &trusting[..]].concat(),
        &fs::read(&proof).unwrap(),
    );
    assert_eq!(from_stdin.exits(0).json()["id"], id.as_str());
    // A file without a genesis, and a file that is no proof.
    offline(&["verify", text(&proof)], b"").exits(2);
    offline(&["verify", text(&genesis), network[0], network[1]], b"").exits(2);
    let shown = offline(&["network", "show", network[1], "--json"], b"")
        .exits(0)
        .json();
    assert!(shown.to_string().contains(&net.code(1)));
}

fn init(dir: &Path, code: &str, name: &str) -> Ran {
    let passphrase = dir.with_file_name("passphrase");
    fs::write(&passphrase, "a passphrase for tests\n").unwrap();
    fs::set_permissions(&passphrase, Permissions::from_mode(0o600)).unwrap();
    let args = [
        "department",
        "init",
        "--code",
        code,
        "--name",
        name,
        "--dir",
        text(dir),
        "--api",
        "127.0.0.1:0",
        "--listen",
        "/ip4/127.0.0.1/tcp/0",
        "--passphrase-file",
        text(&passphrase),
    ];
    certmesh(&args, b"", None, None)
}

fn a_department_is_founded_once_and_all_faults_are_reported_at_once(dir: &Path) {
    for (name, code) in [
        ("transport", "11430000006122244L"),
        ("ministry", "11100000000013338W"),
    ] {
        init(&dir.join(name), code, name).exits(0);
        init(&dir.join(name), code, name).exits(2);
    }
    let faulty = init(&dir.join("x"), "11430000006122244M", "").exits(2);
    assert!(
        faulty.err.contains("--code") && faulty.err.contains("--name"),
        "all faults at once: {}",
        faulty.err
    );
    assert!(!dir.join("x").exists());
}

fn a_network_is_made_of_them_once(dir: &Path) {
    let [genesis, transport, ministry] =
        ["network.toml", "transport", "ministry"].map(|name| dir.join(name));
    let create = [
        "network",
        "create",
        "--name",
        "Two",
        "--out",
        text(&genesis),
        text(&transport),
        text(&ministry),
    ];
    certmesh(&create, b"", None, None).exits(0);
    certmesh(&create, b"", None, None).exits(2);
}

fn a_node_of_each_could_start(dir: &Path) {
    for name in ["transport", "ministry"] {
        let home = dir.join(name);
        fs::copy(dir.join("network.toml"), home.join("network.toml")).unwrap();
        fs::copy(dir.join("catalogue.key"), home.join("keys/catalogue.key")).unwrap();
        let config = home.join("node.toml");
        let args = ["check", "--config", text(&config)];
        let checked = run("node", &args, b"", |_| ());
        assert_eq!(checked.code, 0, "{checked:?}");
    }
}

#[test]
fn departments_and_a_network_are_founded_by_the_command_and_run() {
    let dir = tempfile::tempdir().unwrap();
    a_department_is_founded_once_and_all_faults_are_reported_at_once(dir.path());
    a_network_is_made_of_them_once(dir.path());
    a_node_of_each_could_start(dir.path());
}

#[test]
fn identifiers_and_department_codes_are_checked_line_by_line() {
    let valid = [
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "1.2.156.3005.2.11330105002500287C009.11330105002500287C.2025052201.002.0",
        "1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9",
        "11100000000013338W",
        "11430000006122244L",
    ];
    let offline = |args: &[&str], input: &[u8]| certmesh(args, input, None, None);
    for value in [valid[0], valid[2], valid[3], valid[4]] {
        assert_eq!(
            offline(&["id", "check", value], b"").exits(0).out,
            "valid\n"
        );
    }
    let lines = format!(
        "{}\n{}\n\nnonsense\n11430000006122244M\n{}\n",
        valid[0],
        valid[3],
        valid[0].replace("3005", "3003")
    );
    let ran = offline(&["id", "check"], lines.as_bytes()).exits(1);
    let answers: Vec<&str> = ran.out.lines().collect();
    assert_eq!(answers.len(), 6);
    assert_eq!((answers[0], answers[1]), ("valid", "valid"));
    assert!(
        answers[2..]
            .iter()
            .all(|answer| answer.starts_with("invalid: ")),
        "{answers:?}"
    );
    assert!(
        answers[5].contains(valid[0]),
        "the canonical form is told: {}",
        answers[5]
    );
    let ran = offline(&["id", "check", "--json"], lines.as_bytes()).exits(1);
    let findings: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        findings
            .iter()
            .filter(|finding| finding["valid"] == true)
            .count(),
        2
    );
}

#[test]
fn completions_and_manual_pages_are_made() {
    let offline = |args: &[&str]| certmesh(args, b"", None, None);
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            offline(&["completions", shell])
                .exits(0)
                .out
                .contains("certmesh")
        );
    }
    assert!(offline(&["man"]).exits(0).out.contains(".TH"));
    let dir = tempfile::tempdir().unwrap();
    offline(&["man", "--dir", text(dir.path())]).exits(0);
    assert!(fs::read_dir(dir.path()).unwrap().count() > 15);
}
