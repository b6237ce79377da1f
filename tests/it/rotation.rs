//! Departments that change their nodes' keys while everything runs, by the command.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use certmesh_testnet::testnet::define_types;
use serde_json::Value;

use crate::support::{Ran, TestNet, certmesh, founded, until};

const DEPARTMENTS: usize = 4;

/// Has a department's node rotate keys of `of`, signed with the identity key of `by`.
fn rotate(net: &TestNet, node: usize, of: usize, by: usize, keys: &[&str]) -> Ran {
    let dir = net.member(of).dir.to_str().unwrap().to_owned();
    let mut args = vec!["rotate", "--dir", &dir];
    args.extend(keys.iter().flat_map(|key| ["--key", key]));
    net.govern_signed(node, &args, &net.identity(by))
}

fn member(net: &TestNet, at: usize, of: usize) -> Value {
    let members = net.govern(at, &["members"]).json();
    let members = members["members"].as_array().unwrap().clone();
    let of = net.code(of);
    members
        .into_iter()
        .find(|member| member["department"] == of)
        .unwrap()
}

/// A network in which the last department's node is down.
fn running() -> TestNet {
    let mut net = founded(DEPARTMENTS);
    for index in 0..DEPARTMENTS - 1 {
        net.start_again(index);
    }
    net.ready();
    define_types(&net.client(1).unwrap(), 1).unwrap();
    net
}

#[test]
fn an_operating_key_is_replaced_while_its_department_issues_without_a_gap() {
    let mut net = running();
    let before = net.issue(1, "BEFORE", 2);
    let first = member(&net, 0, 1);
    let (stop, issued) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        // Each is answered, with a record: `issue` fails the test otherwise.
        let load = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let run = format!("L{}", issued.load(Ordering::Relaxed));
                net.issue(1, &run, 1);
                issued.fetch_add(1, Ordering::Relaxed);
            }
        });
        until("some to be issued", || issued.load(Ordering::Relaxed) > 3);
        let ran = rotate(&net, 1, 1, 1, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        for at in 0..DEPARTMENTS - 1 {
            until("the next key to be in force", || {
                member(&net, at, 1)["epoch"] == 1
            });
        }
        let then = issued.load(Ordering::Relaxed);
        until("more to be issued", || {
            issued.load(Ordering::Relaxed) > then + 3
        });
        stop.store(true, Ordering::Relaxed);
        load.join().unwrap();
    });
    let after = net.issue(1, "AFTER", 2);
    let second = member(&net, 0, 1);
    assert_ne!(first["keys"]["operating"], second["keys"]["operating"]);
    assert_eq!(first["keys"]["transport"], second["keys"]["transport"]);
    for at in 0..DEPARTMENTS - 1 {
        for id in [&before[0], &after[1]] {
            net.wait_verdict(at, id, "valid", None);
        }
    }
    // The members witness where the key before ended, though one is down.
    for at in 0..DEPARTMENTS - 1 {
        until("the key before to have ended", || {
            let log = net.govern(at, &["log"]);
            log.out.contains("epoch 0 of") && log.out.contains("ends at record")
        });
    }
    // Whoever was away, and whoever starts again, reads the same.
    net.start_again(DEPARTMENTS - 1);
    net.wait_verdict(DEPARTMENTS - 1, &after[0], "valid", None);
    for index in [0, 1] {
        net.kill(index);
        net.start_again(index);
    }
    net.ready();
    net.converge();
    let (_, report) = net.fsck(2);
    for log in report["logs"].as_array().unwrap() {
        assert_eq!(log["faults"].as_array().unwrap().len(), 0, "{report}");
    }
    // A proof under the next key needs the decisions that brought it; one of before is as good as before.
    let [proof, trust] = [net.scratch("x.proof"), net.scratch("network.trust")];
    let [proof, trust] = [&proof, &trust].map(|path| path.to_str().unwrap());
    net.cli(0, &["prove", &after[0], "-o", proof]).exits(0);
    assert_eq!(net.govern(2, &["trust-file", "--out", trust]).code, 0);
    let verify =
        |network: &str| certmesh(&["verify", proof, "--network", network], b"", None, None);
    verify(trust).exits(0);
    let founding = net.network().dir().join("network.toml");
    let early = verify(founding.to_str().unwrap());
    assert_eq!(early.code, 1, "{early:?}");
    assert!(early.out.contains("newer trust file"), "{early:?}");
    // And once more, at the next number.
    assert_eq!(rotate(&net, 1, 1, 1, &[]).code, 0);
    until("the one after it to be in force", || {
        member(&net, 0, 1)["epoch"] == 2
    });
    net.issue(1, "LAST", 1);
    net.converge();
}

#[test]
fn another_transport_key_is_met_by_everybody_without_their_doing_anything() {
    let mut net = running();
    let before = member(&net, 0, 2);
    let ran = rotate(&net, 2, 2, 2, &["transport", "sealing", "operating"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    net.wait_logged(2, "starting again with another transport key or log");
    until("the others to meet the next one", || {
        let after = member(&net, 0, 2);
        let peers = net.api(0).peers().unwrap();
        let code = net.code(2);
        let connected = peers
            .iter()
            .any(|peer| peer.department == code && peer.connected);
        connected && after["keys"]["transport"] != before["keys"]["transport"]
    });
    net.refresh().unwrap();
    net.wait_writable(2);
    define_types(&net.client(2).unwrap(), 2).unwrap();
    let ids = net.issue(2, "AFTER", 1);
    net.wait_verdict(1, &ids[0], "valid", None);
    net.kill(2);
    net.start_again(2);
    net.wait_writable(2);
    net.issue(2, "AGAIN", 1);
    net.start_again(DEPARTMENTS - 1);
    net.ready();
    net.converge();
}

#[test]
fn a_change_that_is_not_the_department_s_or_would_leave_its_node_without_a_key_is_refused() {
    let net = running();
    // Another department's identity key.
    let others = rotate(&net, 1, 1, 0, &[]);
    assert_eq!(others.code, 2, "{others:?}");
    assert!(others.err.contains("only that department"), "{others:?}");
    // The key was made elsewhere: the node doesn't have it.
    let elsewhere = rotate(&net, 1, 0, 1, &[]);
    assert_eq!(elsewhere.code, 1, "{elsewhere:?}");
    assert!(elsewhere.err.contains("signing.key.1"), "{elsewhere:?}");
    let nowhere = net.scratch("nothing");
    std::fs::create_dir_all(&nowhere).unwrap();
    let args = [
        "rotate",
        "--dir",
        nowhere.to_str().unwrap(),
        "--export",
        "x",
    ];
    let nowhere = net.govern(1, &args);
    assert!(nowhere.err.contains("give the directory"), "{nowhere:?}");
    assert_eq!(member(&net, 0, 1)["epoch"], 0);
}
