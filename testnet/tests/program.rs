//! The program as people run it: real processes, real sockets, real files.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use certmesh_testnet::client::Client;
use certmesh_testnet::record::{Record, RecordedDepartment};
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
    let of = |department: &RecordedDepartment| {
        let client = Client::with_token_file(&department.api, &department.token_file).unwrap();
        client.status().unwrap().certificates
    };
    record.departments.iter().map(of).collect()
}

/// The record of two departments that run behind the command that started them.
fn up_detached(path: &Path) -> Record {
    let dir = path.to_str().unwrap();
    let up = run(&["up", "--departments", "2", "--dir", dir, "--detach"]);
    assert!(up.status.success(), "{}", stderr(&up));
    let record = Record::read(path).unwrap().unwrap();
    assert_eq!(record.departments.len(), 2);
    let shown = String::from_utf8_lossy(&up.stdout).into_owned();
    let one = &record.departments[0];
    let token = one.token_file.display();
    assert!(
        shown.contains(&format!("CERTMESH_NODE={}", one.api))
            && shown.contains(&format!("CERTMESH_TOKEN_FILE={token}")),
        "{shown}"
    );
    assert!(is_alive(record.supervisor_pid));
    record
}

fn another_network_in_its_directory_is_refused(dir: &str) {
    let again = run(&["up", "--dir", dir]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is running"), "{}", stderr(&again));
    let demo = run(&["demo", "--departments", "2", "--keep", dir]);
    assert_eq!(demo.status.code(), Some(2));
    assert!(
        stderr(&demo).contains("holds a network already"),
        "{}",
        stderr(&demo)
    );
}

fn load(dir: &str, rate: &str, more: &[&str]) -> Output {
    let args = ["load", "--dir", dir, "--rate", rate, "--seconds", "1"];
    run(&[&args[..], more].concat())
}

/// Issues forty certificates at each department.
fn load_is_issued_and_verified(dir: &str) {
    let figures = json(&load(dir, "40", &["--json"]));
    assert_eq!(
        (&figures["issued"], &figures["errors"]),
        (&40.into(), &0.into()),
        "{figures}"
    );
    assert_eq!(figures["verified"], 4);
}

fn a_department_that_was_killed_is_named(dir: &str, killed: &RecordedDepartment) {
    let kill = Command::new("kill")
        .args(["-9", &killed.pid.to_string()])
        .status()
        .unwrap();
    assert!(kill.success() && ends_soon(killed.pid));
    let load = load(dir, "1", &[]);
    let stated = stderr(&load);
    assert_eq!(load.status.code(), Some(2), "{stated}");
    assert!(
        stated.contains(&killed.name_zh) && stated.contains("does not answer"),
        "{stated}"
    );
}

fn down_ends_every_process(path: &Path, record: &Record) {
    let dir = path.to_str().unwrap();
    assert!(run(&["down", "--dir", dir]).status.success());
    assert_eq!(Record::read(path).unwrap(), None);
    for department in &record.departments {
        assert!(!is_alive(department.pid), "{} still runs", department.name);
    }
    assert!(ends_soon(record.supervisor_pid));
}

fn it_comes_back_with_keys_and_data(dir: &str, first: &Record) {
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
    assert_eq!(certificates(&second), [40, 40]);
}

#[test]
fn a_detached_network_runs_until_down_and_comes_back_with_keys_and_data() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("net");
    let dir = path.to_str().unwrap();
    let _down = Down(dir);
    let first = up_detached(&path);
    load_is_issued_and_verified(dir);
    another_network_in_its_directory_is_refused(dir);
    a_department_that_was_killed_is_named(dir, &first.departments[1]);
    down_ends_every_process(&path, &first);
    it_comes_back_with_keys_and_data(dir, &first);
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

/// The text of a file of the repository.
fn repository_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines in a page's code blocks of one language, empty ones left out.
fn lines_of_blocks(page: &str, language: &str) -> Vec<String> {
    let (mut block, mut lines) = (None, Vec::new());
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(opened)) => block = Some(opened),
            (Some(_), Some(_)) => block = None,
            (Some(of), None) if of == language && !line.is_empty() => lines.push(line.to_owned()),
            _ => {}
        }
    }
    lines
}

/// Units of durations, which differ in size as well from one run to the next.
const UNITS: [&str; 3] = [" µs", " ms", " s"];

/// Other numbers that differ, by the text before and after them: the rate, where the byte is flipped, how far the issuer came
/// before it was killed and so where later records are, cosigners, and how much was issued while a key was replaced.
const VARYING: [(&str, &str); 7] = [
    ("", " a second,"),
    ("byte ", " of "),
    ("(SIGKILL) after ", " acknowledged "),
    ("hold the same ", " records; no log has forked"),
    ("record ", " of "),
    ("cosigned by ", ""),
    ("it issued ", " certificates while it did"),
];

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || ".,".contains(c))
}

/// The unit that begins a text, as a whole word: `4 submissions` is no time.
fn unit(text: &str) -> Option<&'static str> {
    let whole = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    UNITS
        .into_iter()
        .find(|unit| text.strip_prefix(unit).is_some_and(whole))
}

/// A whole hash, or the beginning of one that is shown with an ellipsis.
fn is_hash(word: &str, after: &str) -> bool {
    let hex = word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    hex && (word.len() == 64 || word.len() == 12 && after.starts_with('…'))
}

/// A line of the demonstration with what differs from run to run replaced, by the rule that `docs/demo.md` states.
fn masked(line: &str) -> String {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ',';
    let (mut masked, mut at) = (String::new(), 0);
    while let Some(first) = line[at..].chars().next() {
        let rest = &line[at..];
        let run = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let word = rest[..run].trim_end_matches(['.', ',']);
        let after = &rest[word.len()..];
        if word.is_empty() {
            masked.push(first);
            at += first.len_utf8();
            continue;
        }
        let before = &line[..at];
        let varies =
            |(left, right): &(&str, &str)| before.ends_with(left) && after.starts_with(right);
        at += word.len();
        masked += match unit(after) {
            _ if is_hash(word, after) => "HASH",
            Some(unit) if is_number(word) => {
                at += unit.len();
                "DURATION"
            }
            _ if is_number(word) && VARYING.iter().any(varies) => "NUMBER",
            _ => word,
        };
    }
    masked
}

/// Lines of the demonstration as they are compared. Answers of one case are recorded within the same moment, in any order.
fn comparable<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().map(masked).collect();
    let answer = |line: &String| line.starts_with("    answered ");
    for together in lines.chunk_by_mut(|one, next| answer(one) && answer(next)) {
        together.sort();
    }
    lines
}

#[test]
fn only_what_differs_from_run_to_run_is_masked() {
    for line in [
        "  5 peers run, all connected with all; 9 types in the catalogue",
        "  4 submissions saved in 1 case; nobody was asked for a figure",
        "  119901009900000172  公安局 Public Security Bureau  issues 居民身份证, 居住证",
        "  20 proofs taken from other peers hold offline, by the genesis file alone",
        "    held     结婚证: CZZT 黄样本, ZZBH 3-2021-0417",
    ] {
        assert_eq!(masked(line), line);
    }
    assert_eq!(
        masked(
            "  20 certificates revoked; every other department knew after p50 44.1 ms, at most 1.05 s"
        ),
        "  20 certificates revoked; every other department knew after p50 DURATION, at most DURATION"
    );
    assert_eq!(
        masked("    record 2 of 公安局's log, hash b654ebb9ca6d…"),
        "    record NUMBER of 公安局's log, hash HASH…"
    );
    assert_eq!(
        comparable(["    answered b", "    answered a", "    refused"]),
        ["    answered a", "    answered b", "    refused"]
    );
}

#[test]
fn the_demonstration_prints_line_by_line_what_its_page_shows() {
    let demo = run(&["demo"]);
    let printed = String::from_utf8_lossy(&demo.stdout).into_owned();
    assert!(demo.status.success(), "{printed}\n{}", stderr(&demo));
    let page = lines_of_blocks(&repository_file("docs/demo.md"), "text");
    let shown = comparable(page.iter().map(String::as_str));
    let lines = comparable(printed.lines().filter(|line| !line.is_empty()));
    for (shown, line) in shown.iter().zip(&lines) {
        assert_eq!(
            shown, line,
            "docs/demo.md shows the first; printed was:\n{printed}"
        );
    }
    assert_eq!(shown.len(), lines.len(), "{printed}");
    let excerpt = lines_of_blocks(&repository_file("README.md"), "text");
    assert!(!excerpt.is_empty());
    for line in excerpt {
        assert!(lines.contains(&masked(&line)), "README.md shows {line}");
    }
}

#[test]
fn the_demonstration_issues_the_rows_of_a_file_and_reports_each_step_as_data() {
    let input = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/certificates.jsonl");
    let demo = run(&[
        "demo",
        "--departments",
        "3",
        "--records",
        "100",
        "--input",
        input,
        "--json",
    ]);
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
        "governance",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        report["steps"][1]["issued"],
        certmesh_testnet::sample::SHIPPED_ROWS
    );
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
    let governance = step("governance");
    assert_eq!(
        (
            &governance["away"],
            &governance["approvals"],
            &governance["governors"]
        ),
        (&json!(1), &json!(3), &json!(3))
    );
    assert!(
        governance["issued_meanwhile"].as_u64() >= Some(50),
        "{governance}"
    );
    assert_eq!(
        (&governance["cut_approvals"], &governance["cut_off_records"]),
        (&json!(3), &json!(6))
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

#[test]
fn a_city_is_measured_from_its_data_set_to_a_new_peer_that_has_all_of_it() {
    let city = run(&["city", "--scale", "0.0002", "--json"]);
    assert!(city.status.success(), "{}", stderr(&city));
    let figures = json(&city);
    assert_eq!(figures["certificates"], 1_502);
    assert_eq!(figures["departments"], 52);
    assert!(figures["records"].as_u64() > figures["certificates"].as_u64());
    for name in [
        "ready_seconds",
        "ready_peak_mb",
        "disk_bytes_per_certificate",
        "verdicts_per_second",
        "cases_per_second",
        "case_p99_ms",
        "catch_up_records_per_second",
        "catch_up_peak_mb",
    ] {
        assert!(
            figures[name].as_f64().is_some_and(|value| value > 0.0),
            "{name}: {figures}"
        );
    }
    let refused = run(&["city", "--scale", "2"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains('2'), "{}", stderr(&refused));
}

#[test]
fn growth_is_measured_at_a_log_and_at_one_of_a_hundredth_of_it() {
    let growth = run(&["bench", "growth", "--records", "1700", "--json"]);
    assert!(growth.status.success(), "{}", stderr(&growth));
    let figures = json(&growth);
    assert_eq!(
        (
            figures["records"].as_u64(),
            figures["records_short"].as_u64()
        ),
        (Some(1_700), Some(17))
    );
    for what in ["verdict", "find", "case", "append", "look_up"] {
        for of in ["p50_ms", "p50_ms_short", "p99_ms", "ratio"] {
            let name = format!("{what}_{of}");
            assert!(
                figures[&name].as_f64().is_some_and(|value| value > 0.0),
                "{name}: {figures}"
            );
        }
    }
    let refused = run(&["bench", "growth", "--records", "100"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("--records"),
        "{}",
        stderr(&refused)
    );
}
