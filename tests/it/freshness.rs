//! What a copy that lags, stalls or that nobody confirms says of a certificate: never yes.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use certmesh_api::LogState;
use certmesh_testnet::testnet::define_types;

use crate::support::{TestNet, deadline, founded_with, multi, until};

/// A node with these settings, which takes a refused write for an error instead of ending.
fn command_with(settings: &[&str]) -> Vec<OsString> {
    let shell = ["sh", "-c", r#"trap "" XFSZ; exec "$@""#, "sh"];
    let words = ["env"].iter().chain(settings).chain(&shell);
    words
        .map(OsString::from)
        .chain([multi().into(), "node".into()])
        .collect()
}

fn running_with(departments: usize, settings: &[&str]) -> TestNet {
    let mut net = founded_with(departments, command_with(settings));
    net.start_all(deadline()).unwrap();
    for index in 0..departments {
        define_types(&net.api(index), index).unwrap();
    }
    net.converge();
    net
}

/// Sets how large a file of a running node may become.
fn limit_files(net: &TestNet, of: usize, bytes: Option<u64>) {
    let pid = net.node_file(of).unwrap().pid.to_string();
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let set = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={limit}:unlimited")])
        .status()
        .unwrap();
    assert!(set.success());
}

/// The second peer's disk refuses what the first appends: the revocation of the first of these certificates, and others.
fn a_copy_stands_still_before_a_revocation(net: &TestNet) -> Vec<String> {
    let ids = net.issue(0, "FULL", 4_000);
    net.converge();
    net.wait_verdict(1, &ids[0], "valid", None);
    let size = fs::metadata(net.segment(1, 0, "records")).unwrap().len();
    limit_files(net, 1, Some(size + 20_000));
    net.issue(0, "MORE", 200);
    net.change(0, &ids[0], "revoke");
    until("the copy to stand still", || {
        net.held(1, 0).state == LogState::Refused
    });
    ids
}

/// The certificate was revoked; at once or as soon as the copy is known to lag nobody says yes.
fn the_copy_calls_nothing_valid(net: &TestNet, revoked: &str) {
    net.wait_verdict(1, revoked, "unknown", None);
    let found = net.api(1).verification(revoked).unwrap();
    assert!(
        found.missing[0].contains("known up to record"),
        "{:?}",
        found.missing
    );
    assert_eq!(found.provenance.unwrap().confirmed_ms, None);
    let verify = net.cli(1, &["verify", revoked]);
    assert!(
        !verify.out.contains("confirmed as the department's newest"),
        "{}",
        verify.out
    );
    let found = net.cli(1, &["find", "--type", &type_of(revoked), "--json"]);
    let found = found.exits(0).json();
    let verdicts = found["certificates"].as_array().unwrap();
    assert!(verdicts.iter().all(|one| one["verdict"] == "unknown"));
    net.http(1)
        .get(&format!("/v1/certificates/{revoked}/proof"))
        .problem(409, "proof-not-available");
}

fn the_copy_is_reported_though_the_peer_answers_for_the_others(net: &TestNet) {
    let held = net.held(1, 0);
    assert!(held.known_size > held.size);
    for part in ["reopened automatically", "known up to record"] {
        assert!(held.detail.as_ref().unwrap().contains(part), "{held:?}");
    }
    let names_it = |warning: &str| warning.contains(&held.name);
    let status = net.api(1).status().unwrap();
    assert!(
        status.warnings.iter().any(|warning| names_it(warning)),
        "{status:?}"
    );
    net.wait_logged(1, "the copy of a log can't continue");
    let http = net.http(1);
    let ready = http.get("/ready");
    assert_eq!(ready.status, 200, "it answers for the other logs");
    assert!(names_it(ready.json()["warnings"][0].as_str().unwrap()));
    for (gauge, of, value) in [
        ("log_refused", 0, 1),
        ("log_current", 0, 0),
        ("log_refused", 2, 0),
        ("log_current", 2, 1),
    ] {
        let line = format!(
            "certmesh_{gauge}{{department=\"{}\"}} {value}",
            net.code(of)
        );
        until(&line, || http.get("/metrics").text.contains(&line));
    }
}

fn the_copy_goes_on_by_itself(net: &mut TestNet, revoked: &str, other: &str) {
    limit_files(net, 1, None);
    net.wait_verdict(1, revoked, "not-valid", Some("revoked"));
    net.wait_verdict(1, other, "valid", None);
    net.converge();
    let held = net.held(1, 0);
    assert_eq!((held.state.as_str(), held.detail), ("replica", None));
    assert_eq!(net.api(1).status().unwrap().warnings, Vec::<String>::new());
    net.stop(1).unwrap();
    assert_eq!(net.fsck(1).0, 0);
}

#[test]
fn a_copy_that_the_disk_refuses_says_so_calls_nothing_valid_and_goes_on_by_itself() {
    let mut net = running_with(3, &["CERTMESH_NODE_FRESHNESS_BEHIND_S=3"]);
    let ids = a_copy_stands_still_before_a_revocation(&net);
    the_copy_calls_nothing_valid(&net, &ids[0]);
    the_copy_is_reported_though_the_peer_answers_for_the_others(&net);
    the_copy_goes_on_by_itself(&mut net, &ids[0], &ids[1]);
}

fn type_of(id: &str) -> String {
    id.split('.').nth(5).unwrap().to_owned()
}

#[test]
fn a_peer_that_is_cut_off_for_longer_says_unknown_and_knows_again_once_it_is_not() {
    let mut net = running_with(2, &["CERTMESH_NODE_FRESHNESS_SILENT_S=14"]);
    let ids = net.issue(0, "CUT", 3);
    net.change(0, &ids[1], "suspend");
    let own = net.issue(1, "OWN", 1);
    net.converge();
    net.wait_verdict(1, &ids[0], "valid", None);
    net.links().cut(0, 1);
    net.wait_verdict(1, &ids[0], "unknown", None);
    let told = net.api(1).verification(&ids[0]).unwrap();
    assert!(
        told.missing[0].starts_with("confirmation that nothing newer was signed"),
        "{told:?}"
    );
    // What is against a certificate stands, and the own log needs nobody.
    net.wait_verdict(1, &ids[1], "not-valid", Some("suspended"));
    net.wait_verdict(1, &own[0], "valid", None);
    let silent = |warning: &String| warning.contains("no member has recently confirmed");
    assert!(net.api(1).status().unwrap().warnings.iter().any(silent));
    assert_eq!(net.http(1).get("/ready").status, 200);
    net.links().heal_all();
    net.wait_verdict(1, &ids[0], "valid", None);
    // After a restart nothing is known to be the newest until a member says so.
    net.stop_all().unwrap();
    net.start_again(1);
    net.wait_verdict(1, &ids[0], "unknown", None);
    assert_eq!(net.http(1).get("/ready").status, 503);
    net.start_again(0);
    net.wait_verdict(1, &ids[0], "valid", None);
}

#[test]
fn one_copy_that_can_t_be_opened_is_set_aside_and_keeps_no_peer_from_starting() {
    let mut net = running_with(3, &[]);
    let (ids, others) = (net.issue(0, "HEAD", 5), net.issue(2, "HEAD", 5));
    net.converge();
    net.stop(1).unwrap();
    // The head file is another log's.
    let heads = net.data(1).join("heads");
    fs::copy(heads.join(net.code(2)), heads.join(net.code(0))).unwrap();
    net.start_again(1);
    net.wait_logged(1, "log set aside");
    net.wait_verdict(1, &others[0], "valid", None);
    net.wait_verdict(1, &ids[0], "valid", None);
    net.converge();
    let aside = net
        .data(1)
        .join("set-aside")
        .join(format!("{}-1", net.code(0)));
    assert!(aside.join("head").is_file());
    assert!(aside.join("000000000000.records").is_file());
}
