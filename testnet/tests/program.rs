//! The program as people run it: real processes, real sockets, real files.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use certmesh_testnet::client::Client;
use certmesh_testnet::record::Record;
use serde_json::{Value, json};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certmesh-testnet"))
        .args(args)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", stderr(output)))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether there is such a process; one that ended but was not waited for yet has no command line.
fn is_alive(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn ends_soon(pid: u32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    !is_alive(pid)
}

/// Stops the network also when a test fails.
struct Down<'a>(&'a str);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        run(&["down", "--dir", self.0]);
    }
}

fn certificates(record: &Record) -> Vec<u64> {
    let of = |department: &certmesh_testnet::record::RecordedDepartment| {
        let client = Client::with_token_file(&department.api, &department.token_file).unwrap();
        client.status().unwrap().certificates
    };
    record.departments.iter().map(of).collect()
}

#[test]
fn a_detached_network_runs_until_down_and_comes_back_with_keys_and_data() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("net");
    let dir = path.to_str().unwrap();
    let _down = Down(dir);
    let up = run(&["up", "--departments", "2", "--dir", dir, "--detach"]);
    assert!(up.status.success(), "{}", stderr(&up));
    let first = Record::read(&path).unwrap().unwrap();
    assert_eq!(first.departments.len(), 2);
    let said = String::from_utf8_lossy(&up.stdout).into_owned();
    let one = &first.departments[0];
    assert!(
        said.contains(&format!("CERTMESH_NODE={}", one.api))
            && said.contains(&format!("CERTMESH_TOKEN_FILE={}", one.token_file.display())),
        "{said}"
    );
    assert!(is_alive(first.supervisor_pid));

    let again = run(&["up", "--dir", dir]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is running"), "{}", stderr(&again));

    let load = run(&[
        "load",
        "--dir",
        dir,
        "--rate",
        "40",
        "--seconds",
        "1",
        "--json",
    ]);
    let figures = json(&load);
    assert_eq!(
        (&figures["issued"], &figures["errors"]),
        (&40.into(), &0.into()),
        "{figures}"
    );
    assert_eq!(figures["verified"], 4);
    let issued: u64 = 40;
    let demo = run(&["demo", "--departments", "2", "--keep", dir]);
    assert_eq!(demo.status.code(), Some(2));
    assert!(
        stderr(&demo).contains("holds a network already"),
        "{}",
        stderr(&demo)
    );

    let kill = Command::new("kill")
        .args(["-9", &first.departments[1].pid.to_string()])
        .status()
        .unwrap();
    assert!(kill.success() && ends_soon(first.departments[1].pid));
    let load = run(&["load", "--dir", dir, "--rate", "1", "--seconds", "1"]);
    let said = stderr(&load);
    assert_eq!(load.status.code(), Some(2), "{said}");
    assert!(
        said.contains(&first.departments[1].name_zh) && said.contains("does not answer"),
        "{said}"
    );

    assert!(run(&["down", "--dir", dir]).status.success());
    assert_eq!(Record::read(&path).unwrap(), None);
    for department in &first.departments {
        assert!(!is_alive(department.pid), "{} still runs", department.name);
    }
    assert!(ends_soon(first.supervisor_pid));

    let other_size = run(&["up", "--departments", "3", "--dir", dir]);
    assert!(
        stderr(&other_size).contains("2 departments"),
        "{}",
        stderr(&other_size)
    );
    let up = run(&["up", "--dir", dir, "--detach", "--json"]);
    assert!(up.status.success(), "{}", stderr(&up));
    let second: Record = serde_json::from_value(json(&up)).unwrap();
    assert_eq!(second.network, first.network);
    assert_eq!(certificates(&second), [issued, issued]);
}

#[test]
fn a_network_whose_supervisor_was_killed_is_stopped_by_down() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("net");
    let dir = path.to_str().unwrap();
    let _down = Down(dir);
    assert!(
        run(&["up", "--departments", "2", "--dir", dir, "--detach"])
            .status
            .success()
    );
    let record = Record::read(&path).unwrap().unwrap();
    let kill = Command::new("kill")
        .args(["-9", &record.supervisor_pid.to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let up = run(&["up", "--dir", dir]);
    assert!(stderr(&up).contains("is running"), "{}", stderr(&up));
    assert!(run(&["down", "--dir", dir]).status.success());
    for department in &record.departments {
        assert!(!is_alive(department.pid), "{} still runs", department.name);
    }
}

#[test]
fn the_demonstration_holds_step_by_step() {
    let demo = run(&["demo", "--departments", "3", "--records", "400", "--json"]);
    let report = json(&demo);
    assert_eq!(report["ok"], true, "{report}\n{}", stderr(&demo));
    assert!(demo.status.success());
    let names: Vec<&str> = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    let expected = [
        "genesis",
        "issue",
        "replicate",
        "verify",
        "issuer-down",
        "partition",
        "revoke",
        "tamper",
        "crash",
        "standards",
        "legacy",
        "accept",
        "receipts",
        "report",
    ];
    assert_eq!(names, expected);
    assert_eq!(report["steps"][1]["issued"], 400);
    let step = |name: &str| {
        let steps = report["steps"].as_array().unwrap().iter();
        steps.clone().find(|step| step["name"] == name).unwrap()
    };
    let summary = &step("legacy")["summary"];
    assert_eq!(
        (&summary["issued"], &summary["rejected"]),
        (&json!(498), &json!(2))
    );
    let accepted = step("accept");
    assert_eq!(
        (&accepted["required"], &accepted["collected"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(accepted["missing"], json!(["居住证"]));
    assert_eq!(step("receipts")["matched"], 3);
    assert_eq!(step("report")["saved"], 2);
}

#[test]
fn the_demonstration_issues_the_rows_of_a_file() {
    let input = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/certificates.jsonl");
    let demo = run(&[
        "demo",
        "--departments",
        "2",
        "--records",
        "100",
        "--input",
        input,
        "--json",
    ]);
    let report = json(&demo);
    assert_eq!(report["ok"], true, "{report}\n{}", stderr(&demo));
    assert_eq!(
        report["steps"][1]["issued"],
        certmesh_testnet::sample::SHIPPED_ROWS
    );
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    let none = run(&["down", "--dir", "/nonexistent/net"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("holds no network"));
    let one = run(&["demo", "--departments", "1"]);
    assert_eq!(one.status.code(), Some(2));
    assert!(stderr(&one).contains("2 to"));
    let missing = run(&["demo", "--input", "/nonexistent/rows.jsonl"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("rows.jsonl"));
}
