use std::fs;
use std::path::Path;

use crate::command::{Run, binary, certmesh};
use crate::node::{Answer, Node};

const A: &str = "11100000000013338W011";
const B: &str = "11100000000013338W009";
const C: &str = "11100000000013338W010";
const DEPARTMENTS: [&str; 3] = [
    "11430000006122244L",
    "11330105002500287C",
    "11100000MB03271699",
];

/// Three departments that demand A and B together; one of them demands C with A as well.
fn city() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (number, department) in DEPARTMENTS.iter().enumerate() {
        let own = dir.path().join("matters").join(department);
        fs::create_dir_all(&own).unwrap();
        let mut demands = vec![A, B];
        demands.extend((number == 0).then_some(C));
        let requires: Vec<_> = demands
            .iter()
            .map(|code| serde_json::json!({ "types": [code] }))
            .collect();
        let matter = serde_json::json!({"code": "1", "name": "a", "sub": [{"code": "1", "name": "a", "requires": requires}]});
        fs::write(own.join("1.json"), matter.to_string()).unwrap();
    }
    let types = dir.path().join("types");
    fs::create_dir(&types).unwrap();
    fs::write(
        types.join("a.toml"),
        format!("code = \"{A}\"\nname = \"居民身份证\"\n"),
    )
    .unwrap();
    dir
}

fn graph(dir: &Path, more: &[&str]) -> Run {
    let matters = dir.join("matters");
    certmesh([&["graph", "--matters", matters.to_str().unwrap()], more].concat())
}

fn with_types(dir: &Path, more: &[&str]) -> Run {
    let types = dir.join("types");
    graph(dir, &[&["--types", types.to_str().unwrap()], more].concat())
}

#[test]
fn ties_degrees_communities_and_grades_are_shown_with_their_reasons() {
    let dir = city();
    let found = with_types(dir.path(), &["--json"]).exits(0).json();
    let edge =
        |a: &str, b: &str, weight: u32| serde_json::json!({"a": a, "b": b, "weight": weight});
    assert_eq!(
        found["edges"],
        serde_json::json!([edge(B, C, 1), edge(B, A, 3), edge(C, A, 1)])
    );
    let types = found["types"].as_array().unwrap();
    let first = types.iter().find(|kind| kind["code"] == A).unwrap();
    assert_eq!(
        (&first["name"], &first["degree"], &first["demands"]),
        (&"居民身份证".into(), &2.into(), &3.into())
    );
    assert_eq!(first["grade"], "B");
    let last = types.last().unwrap();
    assert_eq!((&last["code"], &last["grade"]), (&C.into(), &"D".into()));
    assert!(last["reason"].as_str().unwrap().ends_with('.'));
    assert_eq!(found["algorithm"], "Louvain");
    let table = with_types(dir.path(), &["--top", "2"]).exits(0).out;
    assert!(
        table.contains("居民身份证") && table.contains("2 of 3 types"),
        "{table}"
    );
}

#[test]
fn every_format_goes_to_a_file_and_a_file_is_not_replaced_unasked() {
    let dir = city();
    for (format, beginning) in [("graphml", "<?xml"), ("svg", "<?xml"), ("json", "{")] {
        let file = dir.path().join(format);
        let args = ["--format", format, "-o", file.to_str().unwrap()];
        with_types(dir.path(), &args).exits(0);
        let written = fs::read_to_string(&file).unwrap();
        assert!(
            written.starts_with(beginning) && written.contains("居民身份证"),
            "{written}"
        );
        assert!(
            with_types(dir.path(), &args)
                .exits(2)
                .err
                .contains("already exists")
        );
        let told = with_types(dir.path(), &[&args[..], &["--force", "--json"]].concat())
            .exits(0)
            .json();
        assert_eq!((&told["types"], &told["edges"]), (&3.into(), &3.into()));
    }
    let graphml = with_types(dir.path(), &["--format", "graphml"])
        .exits(0)
        .out;
    assert!(graphml.contains("attr.name=\"weight\" attr.type=\"int\""));
    assert_eq!(graphml.matches("<node ").count(), 3);
}

#[test]
fn a_picture_is_drawn_without_graphviz_and_with_what_is_installed_as_dot() {
    let dir = city();
    let nothing = dir.path().join("bin");
    fs::create_dir(&nothing).unwrap();
    let draw = |path: &Path| {
        let mut command = binary();
        command
            .args(["graph", "--format", "svg", "--matters"])
            .arg(dir.path().join("matters"));
        let output = command.env("PATH", path).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, svg, note) = draw(&nothing);
    assert_eq!(code, Some(0), "{note}");
    assert!(
        svg.contains("<svg") && note.contains("Graphviz is not installed"),
        "{note}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let dot = nothing.join("dot");
        let install = |script: &str| {
            fs::write(&dot, script).unwrap();
            fs::set_permissions(&dot, fs::Permissions::from_mode(0o755)).unwrap();
        };
        install("#!/bin/sh\nread line\necho \"<svg>$1 $line</svg>\"\n");
        assert_eq!(
            draw(&nothing),
            (
                Some(0),
                "<svg>-Tsvg graph {</svg>\n".to_owned(),
                String::new()
            )
        );
        install("#!/bin/sh\necho 'no such layout' >&2\nexit 3\n");
        let (code, svg, said) = draw(&nothing);
        assert_eq!((code, svg.as_str()), (Some(2), ""));
        assert!(
            said.contains("no such layout") && said.contains("hint:"),
            "{said}"
        );
    }
}

#[test]
fn the_catalogue_s_graph_has_the_catalogue_s_names() {
    let node = Node::start(|request| {
        let matter = serde_json::json!({"department": DEPARTMENTS[0], "department_name": "x", "version": 1, "definition":
            {"code": "1", "name": "a", "sub": [{"code": "1", "name": "a", "requires": [{"types": [A]}, {"types": [B]}]}]}});
        if request.line.contains("/v1/matters") {
            return Answer::json(&serde_json::json!({ "matters": [matter] }));
        }
        Answer::json(
            &serde_json::json!({"certificates": 0, "types": [{"code": A, "name": "甲", "defined_by": null, "version": 1, "fields": [], "issued": {}}]}),
        )
    });
    let found = certmesh(["--node", &node.url, "graph", "--json"])
        .exits(0)
        .json();
    assert_eq!(found["types"][1]["name"], "甲", "{found}");
}

#[test]
fn what_contradicts_itself_or_is_missing_is_refused() {
    let dir = city();
    for args in [
        &["--json", "--format", "svg"][..],
        &["--format", "table", "-o", "x"],
        &["-o", "x"],
        &["--top", "0"],
        &["--format", "pdf"],
        &["--force"],
    ] {
        graph(dir.path(), args).exits(2);
    }
    graph(&dir.path().join("nowhere"), &[]).exits(2);
    let run = graph(dir.path(), &["--types", "nowhere"]).exits(2);
    assert!(run.err.contains("cannot read nowhere"), "{}", run.err);
    let bad = dir.path().join("types/b.toml");
    fs::write(&bad, "code = \"x\"\nname = \"\"\n").unwrap();
    let run = with_types(dir.path(), &[]).exits(2);
    assert!(
        run.err.contains("b.toml:1: code:") && run.err.contains("name: is empty"),
        "{}",
        run.err
    );
}
