//! Machines whose clock goes wrong.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use certmesh_api::OwnLogState;
use certmesh_testnet::testnet::define_types;
use serde_json::json;

use crate::support::{TestNet, deadline, founded_with, multi, row, until};

const YEAR: i64 = 365 * 86_400;

/// Builds what gives a node another clock.
fn shim(dir: &Path) -> PathBuf {
    let (source, shim) = (dir.join("clock.c"), dir.join("clock.so"));
    fs::write(&source, include_str!("support/clock.c")).unwrap();
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([&shim, &source])
        .status()
        .unwrap();
    assert!(built.success());
    shim
}

/// A network whose nodes each go by a clock of their own.
struct Clocks {
    net: TestNet,
    _dir: tempfile::TempDir,
}

impl Clocks {
    fn new(departments: usize) -> Clocks {
        let dir = tempfile::tempdir().unwrap();
        let shim = shim(dir.path());
        // The clock is beside the configuration. The script's words are: multi, node, run, --config, FILE.
        let script = format!(
            r#"LD_PRELOAD={} TEST_CLOCK="$(dirname "$5")/clock" exec "$@""#,
            shim.display()
        );
        let words = ["sh", "-c", &script, "sh"].map(OsString::from);
        let command = words.into_iter().chain([multi().into(), "node".into()]);
        let mut net = founded_with(departments, command.collect());
        net.start_all(deadline()).unwrap();
        for index in 0..departments {
            define_types(&net.api(index), index).unwrap();
        }
        net.converge();
        Clocks { net, _dir: dir }
    }

    fn set(&self, of: usize, seconds: i64) {
        let clock = self.net.member(of).dir.join("clock");
        fs::write(clock, seconds.to_string()).unwrap();
    }
}

#[test]
fn a_clock_ten_minutes_off_dates_no_record_and_a_minute_off_is_an_alarm() {
    let clocks = Clocks::new(3);
    let net = &clocks.net;
    let ids = net.issue(0, "CLOCK", 2);
    net.converge();
    let before = net.held(0, 0).size;
    clocks.set(0, 660);
    let http = net.http(0);
    let refused = http.post("/v1/certificates", &row(0, "AHEAD", 0));
    refused.problem(503, "clock-off");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail.matches("CST").count(), 2, "both times: {detail}");
    assert_eq!(net.log_state(0), OwnLogState::ClockOff);
    let body = format!("{}\n", row(0, "AHEAD", 1));
    http.bulk(&[], body.as_bytes()).problem(503, "clock-off");
    let status = net.cli(0, &["status"]);
    assert!(status.out.contains("ahead of"), "{}", status.out);
    // Questions are answered, and the others see whose clock it is.
    net.wait_verdict(0, &ids[0], "valid", None);
    until("the others to show its clock", || {
        let peers = net.api(1).peers().unwrap();
        let peer = peers.iter().find(|peer| peer.department == net.code(0));
        peer.and_then(|peer| peer.clock_offset_ms)
            .is_some_and(|ms| (600_000..720_000).contains(&ms))
    });
    let peers = net.cli(1, &["peers"]);
    assert!(peers.out.contains("+11 min"), "{}", peers.out);
    let metrics = net.http(1).get("/metrics").text;
    assert!(
        metrics.contains("certmesh_clock_offset_seconds{department=\""),
        "{metrics}"
    );
    clocks.set(0, 0);
    assert_eq!(
        http.post("/v1/certificates", &row(0, "RIGHT", 0)).status,
        201
    );
    net.wait_logged(0, "the clock agrees with others again");
    // Two minutes are reported, and stop nobody.
    clocks.set(0, -120);
    net.wait_logged(0, "behind those of 2 connected members");
    assert_eq!(
        http.post("/v1/certificates", &row(0, "RIGHT", 1)).status,
        201
    );
    assert_eq!(net.held(0, 0).size, before + 2);
}

#[test]
fn clocks_that_were_all_years_ahead_for_a_while_date_and_destroy_nothing() {
    let mut clocks = Clocks::new(2);
    let mut shared = row(0, "YEARS", 0);
    shared["sharing"] = "unconditional".into();
    let issued = clocks.net.http(0).post("/v1/certificates", &shared);
    assert_eq!(issued.status, 201, "{issued:?}");
    let id = issued.json()["id"].as_str().unwrap().to_owned();
    let kind = id.split('.').nth(5).unwrap().to_owned();
    let matter = json!({
        "code": "QYBG", "name": "事项",
        "sub": [{ "code": "01", "name": "首次", "requires": [{ "types": [kind], "fields": ["ZZMC"] }] }],
    });
    let asked =
        json!({ "certificate": id, "matter": "QYBG", "purpose": "case 17", "keep_days": 3650 });
    let net = &clocks.net;
    assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
    net.converge();
    let fetched = net.http(1).post("/v1/retrievals", &asked);
    assert_eq!(fetched.status, 201, "{fetched:?}");
    let name = fetched.json()["retrieval"].as_str().unwrap().to_owned();
    let copy = |net: &TestNet| net.http(1).get(&format!("/v1/retrievals/{name}")).status;
    assert_eq!(copy(net), 200);
    let sizes = [net.held(0, 0).size, net.held(1, 1).size];

    clocks.net.stop_all().unwrap();
    for of in 0..2 {
        clocks.set(of, 50 * YEAR);
    }
    for of in 0..2 {
        clocks.net.start(of, deadline()).unwrap();
    }
    let net = &clocks.net;
    until("the clocks to be held against the records", || {
        (0..2).all(|of| net.log_state(of) == OwnLogState::ClockOff)
    });
    let refused = net.http(0).post("/v1/certificates", &row(0, "DURING", 0));
    refused.problem(503, "clock-off");
    net.http(1)
        .post("/v1/retrievals", &asked)
        .problem(503, "clock-off");
    let readings = net.cli(0, &["resume"]);
    assert_ne!(readings.code, 0, "{}", readings.out);

    clocks.net.stop_all().unwrap();
    for of in 0..2 {
        clocks.set(of, 0);
    }
    clocks.net.start_all(deadline()).unwrap();
    let net = &clocks.net;
    assert_eq!(copy(net), 200, "an evidence copy was destroyed");
    assert_eq!(
        [net.held(0, 0).size, net.held(1, 1).size],
        sizes,
        "nothing was dated by the wrong clock"
    );
    let after = net.issue(0, "AFTER", 1);
    net.wait_verdict(1, &after[0], "valid", None);
}

#[test]
fn a_request_that_its_issuer_takes_for_old_names_both_clocks() {
    let clocks = Clocks::new(3);
    let net = &clocks.net;
    let mut shared = row(0, "OLD", 0);
    shared["sharing"] = "unconditional".into();
    let issued = net.http(0).post("/v1/certificates", &shared);
    let id = issued.json()["id"].as_str().unwrap().to_owned();
    let kind = id.split('.').nth(5).unwrap().to_owned();
    let matter = json!({
        "code": "QYBG", "name": "事项",
        "sub": [{ "code": "01", "name": "首次", "requires": [{ "types": [kind], "fields": ["ZZMC"] }] }],
    });
    assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
    net.converge();
    clocks.set(1, -400);
    let asked = json!({ "certificate": id, "matter": "QYBG", "purpose": "case 17" });
    let refused = net.http(1).post("/v1/retrievals", &asked);
    refused.problem(403, "retrieval-refused");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail.matches("CST").count(), 2, "both times: {detail}");
}
