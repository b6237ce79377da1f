//! A disk that refuses writes.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use certmesh_api::{OwnLogState, Verdict};
use certmesh_testnet::testnet::define_types;

use crate::support::{Http, TestNet, deadline, eventually, files_below, founded_with, multi, row};

/// Starts a node under the file-size limit that a file beside its configuration names, if there is one. Writes past it
/// fail with EFBIG, as writes to a full disk fail with ENOSPC. The script's words are: multi, node, run, --config, FILE.
fn limited_command() -> Vec<OsString> {
    let script = r#"limit="$(dirname "$5")/limit"
        if [ -f "$limit" ]; then trap "" XFSZ; ulimit -f "$(cat "$limit")"; fi
        exec "$@""#;
    let words = ["sh", "-c", script, "sh"].map(OsString::from);
    words
        .into_iter()
        .chain([multi().into(), "node".into()])
        .collect()
}

/// Leaves room for a few hundred records more, and for everything else a node writes, from the next start on.
fn limit_room(net: &TestNet) {
    let records = fs::metadata(net.segment(0, 0, "records")).unwrap().len();
    let largest = files_below(&net.member(0).dir)
        .iter()
        .filter(|path| !path.ends_with("000000000000.records"))
        .map(|path| fs::metadata(path).unwrap().len())
        .max()
        .unwrap();
    let blocks = (records + 100_000).max(largest + 65_536).div_ceil(512);
    fs::write(limit_file(net), blocks.to_string()).unwrap();
}

fn limit_file(net: &TestNet) -> PathBuf {
    net.member(0).dir.join("limit")
}

/// The certificates acknowledged before the first refusal.
fn issue_until_refused(http: &Http) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let refused = eventually("a write to be refused", || {
        let number = acknowledged.len() as u64;
        let answer = http.post("/v1/certificates", &row(0, "RO2", number));
        if answer.status == 201 {
            acknowledged.push(answer.json()["id"].as_str().unwrap().to_owned());
            assert!(number < 20_000, "the limit does not bite");
            return None;
        }
        Some(answer)
    });
    refused.problem(503, "log-read-only");
    assert!(!acknowledged.is_empty());
    acknowledged
}

/// It stays up, says what is the matter, and refuses without another attempt.
fn the_node_is_up_and_its_log_read_only(net: &TestNet) {
    let http = net.http(0);
    for number in 0..3 {
        http.post("/v1/certificates", &row(0, "RO3", number))
            .problem(503, "log-read-only");
    }
    http.bulk(&[], row(0, "RO3", 9).to_string().as_bytes())
        .problem(503, "log-read-only");
    assert_eq!(net.log_state(0), OwnLogState::ReadOnly);
    let ready = http.get("/ready");
    assert_eq!(ready.status, 200, "questions are answered");
    assert!(
        ready.json()["warnings"][0]
            .as_str()
            .unwrap()
            .contains("a disk write was refused")
    );
    assert_eq!(http.get("/health").status, 200);
    let metrics = http.get("/metrics").text;
    assert!(
        metrics.contains("certmesh_own_log_state{state=\"read-only\"} 1"),
        "{metrics}"
    );
}

fn all_are_valid<'a>(net: &TestNet, ids: impl IntoIterator<Item = &'a String>) {
    for id in ids {
        assert_eq!(net.api(0).verification(id).unwrap().verdict, Verdict::Valid);
    }
}

#[test]
fn a_refused_write_makes_the_log_read_only_and_loses_nothing_acknowledged() {
    let mut net = founded_with(1, limited_command());
    net.start(0, deadline()).unwrap();
    define_types(&net.api(0), 0).unwrap();
    // So many that their bodies take more than the redo journal, which a start writes whole.
    let first = net.issue(0, "RO", 32_000);
    net.stop(0).unwrap();
    limit_room(&net);
    net.start(0, deadline()).unwrap();
    net.wait_writable(0);
    let acknowledged = issue_until_refused(&net.http(0));
    the_node_is_up_and_its_log_read_only(&net);
    all_are_valid(&net, first.iter().step_by(100).chain(&acknowledged));
    net.check(0).unwrap();

    net.stop(0).unwrap();
    fs::remove_file(limit_file(&net)).unwrap();
    let (_, report) = net.fsck(0);
    assert!(report["records"].as_u64().unwrap() >= 32_000 + acknowledged.len() as u64);
    net.start(0, deadline()).unwrap();
    net.wait_writable(0);
    all_are_valid(&net, first.iter().step_by(20).chain(&acknowledged));
    // What was refused was never issued, and can be now.
    let issued = net.http(0).post("/v1/certificates", &row(0, "RO3", 0));
    assert_eq!(issued.status, 201);
    net.stop(0).unwrap();
    assert_eq!(net.fsck(0).0, 0);
}
