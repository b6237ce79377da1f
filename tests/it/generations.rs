//! Logs that the members end and that go on in their next generation, while all nodes run.

use std::fs;
use std::sync::Arc;

use certmesh_api::{LogState, OwnLogState};
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::record::Entry;
use certmesh_testnet::sample::Sample;

use crate::membership::start_founders;
use crate::support::pen::{definition, issued, pen, write};
use crate::support::{TestNet, certmesh, copy_dir, founded, until};
use certmesh_testnet::testnet::define_types;

const FOUNDERS: usize = 5;
/// Whose log is forked.
const VICTIM: usize = 1;
/// Whose node is away while the log goes on.
const AWAY: usize = 4;

#[track_caller]
fn signed(net: &TestNet, index: usize, args: &[&str]) -> serde_json::Value {
    let ran = net.govern_signed(index, args, &net.identity(index));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// Has a department's log cut; the others approve it although they hold more.
#[track_caller]
fn cut(net: &TestNet, of: usize, args: &[&str]) {
    let code = net.code(of);
    let mut propose = vec!["propose", "cut", &code, "--reason", "it was signed twice"];
    propose.extend(args);
    let proposed = signed(net, 0, &propose);
    let id = proposed["proposal"].as_str().unwrap().to_owned();
    for voter in [2, 3, AWAY] {
        until("the proposal to arrive", || {
            let list = net.govern(voter, &["list"]).json();
            let all = list["proposals"].as_array().unwrap().clone();
            all.iter().any(|pending| pending["proposal"] == *id)
        });
        let refused = net.govern_signed(voter, &["approve", &id], &net.identity(voter));
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("count for nothing"), "{refused:?}");
        signed(net, voter, &["approve", &id, "--void-records"]);
    }
}

/// Whoever copied a department's disk and keys writes on with them, where the members see it.
fn fork(net: &mut TestNet) -> Vec<String> {
    net.stop(VICTIM).unwrap();
    let (real, copy) = (net.scratch("real"), net.scratch("copy"));
    copy_dir(&net.data(VICTIM), &copy);
    net.start_again(VICTIM);
    net.wait_writable(VICTIM);
    let mine = net.issue(VICTIM, "MINE", 6);
    net.wait_verdict(3, &mine[5], "valid", None);
    net.stop(VICTIM).unwrap();
    let data = net.data(VICTIM);
    fs::rename(&data, &real).unwrap();
    fs::rename(&copy, &data).unwrap();
    let mut thief = pen(net, VICTIM);
    let sample = Sample::new(VICTIM, "THIEF").unwrap();
    let log = Arc::clone(thief.log());
    let entry = |id: CertificateId| {
        let named = definition(&log, &id.type_code().to_string());
        issued(net, &id, named)
    };
    let entries: Vec<Entry> = (0..4).map(|n| entry(sample.id(n))).collect();
    write(&mut thief, entries);
    drop(log);
    drop(thief);
    net.start_again(VICTIM);
    for at in [0, 2, 3, AWAY] {
        until("the fork to be seen", || {
            net.held(at, VICTIM).state == LogState::Frozen
        });
    }
    net.stop(VICTIM).unwrap();
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&real, &data).unwrap();
    mine
}

#[test]
fn a_forked_log_is_cut_and_its_department_goes_on_with_its_whole_history() {
    let mut net = founded(FOUNDERS);
    start_founders(&mut net, &[0, 1, 2, 3, AWAY]);
    define_types(&net.api(VICTIM), VICTIM).unwrap();
    let old = net.issue(VICTIM, "OLD", 12);
    net.change(VICTIM, &old[1], "revoke");
    net.converge();
    let mine = fork(&mut net);
    net.wait_verdict(2, &mine[0], "not-valid", Some("log-forked"));

    cut(&net, VICTIM, &["--why", "forked"]);
    for at in [0, 2, 3, AWAY] {
        until("the log to go on", || net.held(at, VICTIM).generation == 1);
    }
    net.kill(AWAY);
    // What was kept is what it was, before its department has signed anything in the new generation.
    net.wait_verdict(2, &old[2], "valid", None);
    // Its own node hears of it, and begins again by itself.
    net.start_again(VICTIM);
    net.wait_logged(VICTIM, "starting again with another transport key or log");
    until("the own log to be writable", || {
        let status = net.api(VICTIM).status();
        status.is_ok_and(|status| status.log_state == OwnLogState::Writable)
    });
    for at in [0, 2, 3, VICTIM] {
        net.wait_verdict(at, &old[0], "valid", None);
        net.wait_verdict(at, &old[1], "not-valid", Some("revoked"));
        net.wait_verdict(at, &mine[0], "unknown", None);
    }
    // What it still means it says again, under the same numbers.
    let again = net.issue(VICTIM, "MINE", 6);
    assert_eq!(again, mine);
    net.change(VICTIM, &old[0], "suspend");
    for at in [0, 2, 3, VICTIM] {
        net.wait_verdict(at, &mine[5], "valid", None);
        net.wait_verdict(at, &old[0], "not-valid", Some("suspended"));
    }
    // A restart changes nothing, and who was away all the time comes to the same.
    for index in [2, VICTIM] {
        net.kill(index);
        net.start_again(index);
    }
    net.start_again(AWAY);
    net.wait_writable(VICTIM);
    for at in [2, AWAY] {
        net.wait_verdict(at, &mine[5], "valid", None);
        net.wait_verdict(at, &old[0], "not-valid", Some("suspended"));
        net.wait_verdict(at, &old[2], "valid", None);
    }
    net.converge();
    for at in [2, AWAY, VICTIM] {
        net.stop(at).unwrap();
        let (_, report) = net.fsck(at);
        let mut logs = report["logs"].as_array().unwrap().iter();
        let whole = logs.all(|log| log["faults"].as_array().unwrap().is_empty());
        assert!(whole, "{at}: {report}");
    }
    // Nothing of what it issued, and says now, has lost its fields, whatever becomes of what was cut off.
    let data = net.data(VICTIM);
    let data = data.to_str().unwrap();
    let args = [
        "--json",
        "department",
        "erase-void",
        "--yes",
        "--data",
        data,
    ];
    let erased = certmesh(&args, b"", None, None).json();
    assert_eq!(erased["erased_generations"], serde_json::json!([0]));
    let (_, report) = net.fsck(VICTIM);
    assert_eq!(report["bodies"]["fault_count"], 0, "{report}");
}
