//! `certmesh import`: rows that exist already, rejected ones, and a node that goes away meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use certmesh_testnet::testnet::define_types;
use serde_json::Value;

use crate::support::{TestNet, certmesh, deadline, founded, one_of_two, row};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes rows to a file, one a line.
fn rows_file(net: &TestNet, name: &str, rows: &[Value]) -> std::path::PathBuf {
    let path = net.scratch(name);
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(&path, lines).unwrap();
    path
}

/// The rejected rows of an import of 2,500 of which two are wrong and one stands there twice.
fn all_but_the_wrong_rows_are_issued_and_those_are_kept(net: &TestNet) -> Vec<Value> {
    let mut rows: Vec<Value> = (0..2_500).map(|number| row(0, "IMP", number)).collect();
    rows[7]["valid_until"] = "1960-01-01".into();
    rows[2_100]["holder"]["code"] = "12345".into();
    rows[2_200] = rows[2_199].clone();
    let file = rows_file(net, "rows.jsonl", &rows);
    let rejects = net.scratch("rejects.jsonl");
    let args = ["import", text(&file), "--rejects", text(&rejects), "--json"];
    let ran = net.cli(0, &args).exits(1);
    let summary = ran.json();
    // The same row twice in one chunk: the second is recognised, or refused as a duplicate; never issued twice.
    assert_eq!(
        (&summary["complete"], &summary["rows"]),
        (&true.into(), &2_500.into())
    );
    assert_eq!(summary["issued"], 2_497);
    assert_eq!(net.held(0, 0).certificates, 2_497);
    for (row, field) in [("row 8", "valid_until"), ("row 2101", "holder.code")] {
        assert!(
            ran.err.contains(row) && ran.err.contains(field),
            "{}",
            ran.err
        );
    }
    let rejected: Vec<Value> = fs::read_to_string(&rejects)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&rejected[0]["_row"], &rejected[1]["_row"]),
        (&8.into(), &2_101.into())
    );
    let mode = fs::metadata(&rejects).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    rejected
}

/// With the marks still in them.
fn corrected_rows_are_issued(net: &TestNet, rejected: &[Value]) {
    let mut corrected = rejected[..2].to_vec();
    corrected[0]["valid_until"] = "2060-01-01".into();
    corrected[1]["holder"] = row(0, "IMP", 2_100)["holder"].clone();
    let again = rows_file(net, "corrected.jsonl", &corrected);
    let summary = net.cli(0, &["import", text(&again), "--json"]).exits(0);
    let summary = summary.json();
    assert_eq!(
        (&summary["issued"], &summary["rejected"]),
        (&2.into(), &0.into())
    );
}

fn the_whole_file_from_standard_input_is_recognised(net: &TestNet) {
    let lines: String = (0..2_500)
        .filter(|n| ![7, 2_200].contains(n))
        .map(|number| format!("{}\n", row(0, "IMP", number)))
        .collect();
    let summary = net
        .cli_with(0, &["import", "-", "--json"], lines.as_bytes())
        .exits(0)
        .json();
    assert_eq!(
        (&summary["issued"], &summary["already_there"]),
        (&0.into(), &2_498.into())
    );
    assert_eq!(net.held(0, 0).certificates, 2_499);
}

#[test]
fn an_import_shows_and_keeps_its_rejected_rows_and_finishes_when_they_are_corrected() {
    let net = one_of_two();
    let rejected = all_but_the_wrong_rows_are_issued_and_those_are_kept(&net);
    corrected_rows_are_issued(&net, &rejected);
    the_whole_file_from_standard_input_is_recognised(&net);
}

#[test]
fn an_import_outlasts_a_restart_of_the_node() {
    let mut net = founded(1);
    net.start(0, deadline()).unwrap();
    define_types(&net.api(0), 0).unwrap();
    // At a port of its own, so that it comes back where it was.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let listen = port.to_string();
    net.stop(0).unwrap();
    net.start_with(0, &["--api-listen", &listen], deadline())
        .unwrap();
    let rows: Vec<Value> = (0..6_000).map(|number| row(0, "LONG", number)).collect();
    let file = rows_file(&net, "rows.jsonl", &rows);
    let (node, token) = (format!("http://{port}"), net.member(0).token_file());
    let import = std::thread::spawn({
        let file = text(&file).to_owned();
        move || certmesh(&["import", &file, "--json"], b"", Some(&node), Some(&token))
    });
    crate::support::until("the import to be under way", || {
        net.held(0, 0).certificates > 0
    });
    net.kill(0);
    net.start_with(0, &["--api-listen", &listen], deadline())
        .unwrap();
    let summary = import.join().unwrap().exits(0).json();
    assert_eq!(
        (&summary["complete"], &summary["rejected"]),
        (&true.into(), &0.into()),
        "{summary}"
    );
    assert_eq!(net.held(0, 0).certificates, 6_000);
    // Run again, it finds everything there.
    let summary = net
        .cli(0, &["import", text(&file), "--json"])
        .exits(0)
        .json();
    assert_eq!(summary["already_there"], 6_000);
}
