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
        // Its types are others' to define, who are not here.
        net.cli(0, &["matter", "define", "--force", file.to_str().unwrap()])
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

/// The year over a data set at the least scale, and its directory.
fn year(dir: &Path, more: &[&str]) -> Ran {
    let data = dir.join("wuhan");
    let args = [
        &[
            "dataset",
            "year",
            "--data",
            data.to_str().unwrap(),
            "--cases",
            "300",
        ],
        more,
    ]
    .concat();
    run("testnet", &args, b"", |_| {})
}

#[test]
fn a_year_over_the_data_set_gives_the_report_its_submissions_saved_per_case() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("wuhan"), &["--scale", "0.0001"]).exits(0);
    let first = year(dir.path(), &["--json"]).exits(0);
    assert_eq!(first.out, year(dir.path(), &["--json"]).exits(0).out);
    let other = year(dir.path(), &["--json", "--seed", "1"]).exits(0);
    assert_ne!(first.out, other.out);
    let measured = first.json();
    let of = |what: &str| measured[what].as_u64().unwrap();
    assert_eq!(of("cases"), 300);
    assert_eq!(of("certificates"), 751);
    assert_eq!(
        of("saved") + of("needs_grant") + of("not_valid") + of("unknown") + of("missing"),
        of("requirements")
    );
    assert!(of("saved") > 0, "{measured}");
    let text = year(dir.path(), &[]).exits(0).out;
    assert!(text.contains("a case; standard error"), "{text}");
    assert!(text.contains("The study: 7,600,000,000."), "{text}");

    let file = dir.path().join("year.json");
    fs::write(&file, &first.out).unwrap();
    let matters = dir.path().join("wuhan/matters");
    let need = |more: &[&str]| {
        let args = ["report", "need", "--matters", matters.to_str().unwrap()];
        let measured = ["--cases", "3800000", "--measured", file.to_str().unwrap()];
        certmesh(&[&args[..], &measured, more].concat(), b"", None, None)
    };
    let told = need(&["--json"]).exits(0).json();
    assert_eq!(told["measured"]["source"], "simulated-year");
    assert_eq!(told["measured"]["required"], of("requirements"));
    assert_eq!(told["year"]["study_submissions"], 7_600_000_000_u64);
    let per_case = told["year"]["saved_per_accepted_case"].as_f64().unwrap();
    assert!((per_case - of("saved") as f64 / 300.0).abs() < 1e-9);
    assert_eq!(told["year"]["saved_submissions"], of("saved_a_year"));
    let text = need(&[]).exits(0).out;
    let expected = format!("Saved per accepted case: {per_case:.2}  (");
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn what_is_no_data_set_or_a_damaged_one_is_reported_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("wuhan");
    let refused = |expected: &str| {
        let ran = year(dir.path(), &[]).exits(2);
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
        assert_eq!(ran.out, "");
    };
    refused("holds no data set: it has no departments.toml");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("departments.toml"), "").unwrap();
    refused("holds no data set: it has no types");
    fs::remove_dir_all(&data).unwrap();
    write(&data, &["--scale", "0.0001"]).exits(0);

    let damaged = |file: &Path, text: &str, expected: &str| {
        let whole = fs::read(file).unwrap();
        fs::write(file, text).unwrap();
        refused(&format!("{}{expected}", file.display()));
        fs::write(file, whole).unwrap();
    };
    // The largest file of certificates.
    let files = fs::read_dir(data.join("certificates")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let certificates = files.max_by_key(|path| fs::metadata(path).unwrap().len());
    let certificates = certificates.unwrap();
    let text = fs::read_to_string(&certificates).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = &text[..lines[0].len() + 1 + lines[1].len() / 3];
    damaged(
        &certificates,
        cut,
        ":2: ends in the middle of a certificate",
    );
    let twice = format!("{0}\n{0}\n", lines[0]);
    damaged(
        &certificates,
        &twice,
        ":2: this request already has a certificate 1.2.156.3005.2.",
    );
    let until = format!(
        "{}\n{}\n",
        lines[0],
        lines[1].replace("\"valid_from\":\"20", "\"valid_from\":\"2x")
    );
    damaged(&certificates, &until, ":2: valid_from: ");
    damaged(&certificates, "7\n", ":1: is not a certificate");

    let list = data.join("departments.toml");
    let text = fs::read_to_string(&list).unwrap();
    let (head, _) = text.split_at(text.rfind("[[department]]").unwrap() + 8);
    damaged(&list, head, &format!(":{}: ", head.lines().count()));
    let kind = fs::read_dir(data.join("types")).unwrap().next().unwrap();
    damaged(&kind.unwrap().path(), "code = 7\n", ":1: ");
    year(dir.path(), &[]).exits(0);
}
