//! The data set of a city, as the programs write it and count it.

use std::fs;
use std::path::Path;

use crate::support::{Ran, certmesh, run, running};

fn write(out: &Path, more: &[&str]) -> Ran {
    let args = [&["dataset", "wuhan", "--out", out.to_str().unwrap()], more].concat();
    run("testnet", &args, b"", |_| {})
}

#[test]
fn the_need_for_sharing_in_the_data_set_is_the_study_s() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("wuhan");
    let written = write(&out, &["--json"]).exits(0).json();
    assert_eq!(written["certificates"], 7_512);
    let matters = out.join("matters");
    let args = [
        "report",
        "need",
        "--matters",
        matters.to_str().unwrap(),
        "--cases",
        "3800000",
        "--json",
    ];
    let need = certmesh(&args, b"", None, None).exits(0).json();
    for (figure, value) in [
        ("types", 664),
        ("matters", 328),
        ("sub_matters", 784),
        ("demands", 2_699),
        ("avoidable", 2_035),
        ("departments", 52),
    ] {
        assert_eq!(need[figure], value, "{figure}: {need}");
        assert!(
            figure == "avoidable" || written[figure] == value,
            "{figure}: {written}"
        );
    }
    assert_eq!(need["year"]["study_factor"], 2_000);
    assert_eq!(need["year"]["study_submissions"], 7_600_000_000_u64);
}

#[test]
fn the_data_set_s_graph_has_every_type_with_its_name_and_identity_cards_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("wuhan");
    write(&out, &["--scale", "0.0001", "--seed", "9"]).exits(0);
    let (matters, types) = (out.join("matters"), out.join("types"));
    let dirs = [
        "graph",
        "--matters",
        matters.to_str().unwrap(),
        "--types",
        types.to_str().unwrap(),
    ];
    let graph = |more: &[&str]| certmesh(&[&dirs[..], more].concat(), b"", None, None).exits(0);
    let found = graph(&["--json"]).json();
    let kinds = found["types"].as_array().unwrap();
    assert_eq!(kinds.len(), 664);
    assert!(kinds.iter().all(|kind| kind["name"].is_string()));
    assert_eq!(
        (&kinds[0]["name"], &kinds[0]["grade"]),
        (&"居民身份证".into(), &"A".into())
    );
    let grades = found["grades"].as_object().unwrap();
    assert!(
        grades.values().all(|count| count.as_u64().unwrap() > 0),
        "{grades:?}"
    );
    assert_eq!(graph(&["--json"]).out, graph(&["--format", "json"]).out);
    assert!(
        graph(&["--format", "svg", "--top", "10"])
            .out
            .contains("居民身份证")
    );
}

#[test]
fn a_scale_out_of_range_and_a_directory_in_use_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("wuhan");
    for scale in ["0", "1.5", "NaN", "much"] {
        let refused = write(&out, &["--scale", scale]).exits(2);
        assert!(refused.err.contains("scale"), "{refused:?}");
    }
    assert!(!out.exists());
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine"), "").unwrap();
    assert!(write(&out, &[]).exits(2).err.contains("not empty"));
}

#[test]
fn matters_of_the_data_set_are_taken_by_a_node_whose_catalogue_then_gives_the_same_figures() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("wuhan");
    write(&out, &["--scale", "0.0001"]).exits(0);
    // The matters of one department.
    let district = fs::read_dir(out.join("matters"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    let offline = |command: &[&str]| {
        let args = [
            command,
            &["--json", "--matters", district.to_str().unwrap()],
        ]
        .concat();
        certmesh(&args, b"", None, None).exits(0).json()
    };
    let net = running(2);
    let graph = offline(&["graph"]);
    for file in fs::read_dir(&district).unwrap() {
        let file = file.unwrap().path();
        net.cli(0, &["matter", "define", file.to_str().unwrap()])
            .exits(0);
    }
    net.converge();
    assert_eq!(
        net.cli(1, &["report", "need", "--json"]).exits(0).json(),
        offline(&["report", "need"])
    );
    let shared = net.cli(1, &["graph", "--json"]).exits(0).json();
    assert_eq!(shared["edges"], graph["edges"]);
    assert_eq!(shared["types"], graph["types"]);
}
