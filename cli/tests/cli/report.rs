use std::fs;
use std::path::Path;

use crate::command::{Run, certmesh};
use crate::node::{Answer, Node};

const A: &str = "11100000000013338W011";
const B: &str = "11100000000013338W009";
const DEPARTMENT: &str = "11430000006122244L";

fn need(dir: &Path, more: &[&str]) -> Run {
    certmesh(
        [
            &["report", "need", "--matters", dir.to_str().unwrap()],
            more,
        ]
        .concat(),
    )
}

/// A directory with two matters, one TOML at a department's own directory and one JSON beside it.
fn two_matters() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join(DEPARTMENT);
    fs::create_dir(&own).unwrap();
    let toml = format!(
        "code = \"SL-001\"\nname = \"企业设立登记\"\n[[sub]]\ncode = \"01\"\nname = \"设立\"\n[[sub.requires]]\ntypes = [\"{A}\", \"{B}\"]\n[[sub.requires]]\ntypes = [\"{A}\"]\n"
    );
    fs::write(own.join("SL-001.toml"), toml).unwrap();
    let json = serde_json::json!({"code": "SL-002", "name": "变更", "sub": [
        {"code": "01", "name": "变更", "requires": [{"types": [A]}, {"types": [B], "fields": ["ZZBH"]}]}]});
    fs::write(dir.path().join("SL-002.json"), json.to_string()).unwrap();
    fs::write(dir.path().join("notes.txt"), "not a definition").unwrap();
    dir
}

#[test]
fn the_need_of_a_directory_is_counted_without_a_node() {
    let dir = two_matters();
    let found = need(dir.path(), &["--json"]).exits(0).json();
    for (name, count) in [
        ("types", 2),
        ("demands", 4),
        ("avoidable", 2),
        ("matters", 2),
        ("departments", 2),
    ] {
        assert_eq!(found[name], count, "{name}: {found}");
    }
    let text = need(dir.path(), &["--cases", "3800000"]).exits(0).out;
    assert!(
        text.contains("avoidable     2  (50 %") && text.contains("7,600,000"),
        "{text}"
    );
}

/// A node with one matter, whose logs record so many cases of one month, each with one of two requirements saved.
fn a_node(cases: u64) -> Node {
    Node::start(move |request| {
        let path = request.line.split(' ').nth(1).unwrap();
        if path == "/v1/matters" {
            let matter = serde_json::json!({"department": DEPARTMENT, "department_name": "x", "version": 1, "definition":
                {"code": "1", "name": "a", "sub": [{"code": "1", "name": "a", "requires": [{"types": [A]}, {"types": [A]}]}]}});
            return Answer::json(&serde_json::json!({ "matters": [matter] }));
        }
        let asked = path.strip_prefix("/v1/reports/use").unwrap();
        let month = asked.strip_prefix("?month=").unwrap_or("2026-03");
        let cases = if month == "2025-04" { cases } else { 0 };
        let used = serde_json::json!({"department": DEPARTMENT, "name": "x", "shared": 0, "refused": 0, "retrieved": 0,
            "cases": cases, "required": 2 * cases, "saved": cases, "median_retrieval_ms": null});
        let (from, to) = (format!("{month}-01"), format!("{month}-28"));
        Answer::json(&serde_json::json!({"from": from, "to": to, "departments": [used]}))
    })
}

#[test]
fn cases_that_logs_record_in_a_year_measure_what_a_case_saves() {
    let node = a_node(40);
    let ask = |more: &[&str]| {
        certmesh(
            [
                &["--node", &node.url, "report", "need", "--cases", "1000"],
                more,
            ]
            .concat(),
        )
        .exits(0)
    };
    let found = ask(&["--json"]).json();
    let measured = &found["measured"];
    assert_eq!(
        (&measured["from"], &measured["to"]),
        (&"2025-04-01".into(), &"2026-03-28".into())
    );
    assert_eq!(
        (&measured["cases"], &measured["required"]),
        (&40.into(), &80.into())
    );
    assert_eq!(found["year"]["saved_per_accepted_case"], 1.0);
    let months = node
        .asked()
        .iter()
        .filter(|asked| asked.line.contains("/v1/reports/use"))
        .count();
    assert_eq!(months, 12);
    let text = ask(&[]).out;
    assert!(
        text.contains("Saved per accepted case: 1.00  (40 in 40 cases, 2025-04-01 to 2026-03-28)")
            && text.contains("x 1,000 cases a year = 1,000 submissions saved a year"),
        "{text}"
    );
}

#[test]
fn where_no_case_is_recorded_the_report_says_how_to_measure() {
    let node = a_node(0);
    let args = ["--node", &node.url, "report", "need", "--cases", "1000"];
    let text = certmesh(args).exits(0).out;
    assert!(
        text.contains("not measured") && text.contains("dataset year"),
        "{text}"
    );
    let found = certmesh([&args[..], &["--json"]].concat()).exits(0).json();
    assert!(found["year"]["saved_per_accepted_case"].is_null() && found.get("measured").is_none());
}

#[test]
fn a_measured_year_is_taken_only_whole_and_with_figures_that_agree() {
    let dir = two_matters();
    let file = dir.path().join("year.txt");
    let whole = serde_json::json!({"format": "certmesh-year-1", "from": "2016-10-15", "to": "2017-10-14", "cases": 8,
        "requirements": 20, "saved": 6, "needs_grant": 1, "not_valid": 3, "unknown": 0, "missing": 10, "rests_on": "Made \u{1b}up."});
    let with = |name: &str, value: serde_json::Value| {
        let mut changed = whole.clone();
        changed[name] = value;
        changed.to_string()
    };
    let measured = |text: &str| {
        fs::write(&file, text).unwrap();
        need(
            dir.path(),
            &["--measured", file.to_str().unwrap(), "--cases", "100"],
        )
    };
    let text = measured(&whole.to_string()).exits(0).out;
    assert!(
        text.contains("Saved per accepted case: 0.75  (6 in 8 cases")
            && text.contains("= 75 submissions saved a year")
            && !text.contains('\u{1b}'),
        "{text}"
    );
    let cut = &whole.to_string()[..40];
    for (text, expected) in [
        (cut, "EOF while parsing"),
        ("{}", "missing field"),
        (
            with("format", "x".into()).as_str(),
            "its format is not certmesh-year-1",
        ),
        (with("cases", 0.into()).as_str(), "it has no cases"),
        (with("missing", 11.into()).as_str(), "do not add up"),
        (with("missing", u64::MAX.into()).as_str(), "do not add up"),
        (with("saved", (-1).into()).as_str(), "line 1 column"),
    ] {
        let run = measured(text).exits(2);
        assert!(
            run.err.contains(expected) && run.err.contains("year.txt is not a measured year"),
            "{expected}: {}",
            run.err
        );
        assert_eq!(run.out, "");
    }
}

#[test]
fn the_need_of_the_catalogue_is_the_node_s_to_tell() {
    let node = a_node(0);
    let found = certmesh(["--node", &node.url, "report", "need", "--json"])
        .exits(0)
        .json();
    assert_eq!((&found["types"], &found["demands"]), (&1.into(), &2.into()));
}

#[test]
fn a_malformed_matter_is_named_with_its_path_and_line_and_so_is_every_other() {
    let dir = two_matters();
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file("a.toml", "code = \"1\"\nname = \"a\"\nsub = [\n");
    file("b.json", "{\n\"code\": \"1\",\n\"nome\": \"a\"}");
    file(
        "c.toml",
        "code = \"1\"\nname = \"a\"\n[[sub]]\ncode = \"1\"\nname = \"a\"\n[[sub.requires]]\ntypes = [\"11100000000013338W01\"]\n",
    );
    file("d.toml", "code = \"1\"\nname = \"a\"\nsub = []\n");
    let run = need(dir.path(), &[]).exits(2);
    for expected in [
        "a.toml:",
        "b.json:3: unknown field `nome`",
        "c.toml:7: sub[0].requires[0].types[0]: ",
        "d.toml: sub: must hold",
    ] {
        assert!(run.err.contains(expected), "{expected}: {}", run.err);
    }
    assert_eq!(run.out, "");
}

#[test]
fn a_directory_that_is_missing_or_holds_no_matter_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let run = need(&dir.path().join("nowhere"), &[]).exits(2);
    assert!(
        run.err.contains("nowhere") && run.err.contains("hint: check the path"),
        "{}",
        run.err
    );
    let run = need(dir.path(), &["--json"]).exits(2);
    assert!(run.err.contains("holds no definitions"), "{}", run.err);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    need(&file, &[]).exits(2);
}

#[test]
fn a_matter_that_stands_in_two_files_is_not_counted_twice() {
    let dir = two_matters();
    let file = dir.path().join("SL-002.json");
    fs::copy(&file, dir.path().join("SL-003.json")).unwrap();
    let run = need(dir.path(), &[]).exits(2);
    assert!(
        run.err.contains("SL-002: appears in two files"),
        "{}",
        run.err
    );
}

#[test]
fn cases_must_be_a_number_of_cases() {
    let dir = two_matters();
    for cases in ["0", "-1", "many", "99999999999999"] {
        need(dir.path(), &["--cases", cases]).exits(2);
    }
}
