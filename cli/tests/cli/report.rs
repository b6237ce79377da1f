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

#[test]
fn the_need_of_the_catalogue_is_the_node_s_to_tell() {
    let node = Node::start(|_| {
        let matter = serde_json::json!({"department": DEPARTMENT, "department_name": "x", "version": 1, "definition":
            {"code": "1", "name": "a", "sub": [{"code": "1", "name": "a", "requires": [{"types": [A]}, {"types": [A]}]}]}});
        Answer::json(&serde_json::json!({ "matters": [matter] }))
    });
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
        run.err.contains("SL-002: stands in two files"),
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
