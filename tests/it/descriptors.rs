//! A node that may have no more files open, and one that may never have enough.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::process::Command;

use certmesh_api::OwnLogState;
use serde_json::json;

use crate::support::{TestNet, founded, founded_with, node_command, until};

/// Sets how many files a running node may have open.
fn limit_open(net: &TestNet, limit: usize) {
    let pid = net.node_file(0).unwrap().pid.to_string();
    let set = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--nofile={limit}:")])
        .status()
        .unwrap();
    assert!(set.success());
}

/// The limit under which a node can open so many files more.
fn room_for(net: &TestNet, more: usize) -> usize {
    let fds = format!("/proc/{}/fd", net.node_file(0).unwrap().pid);
    let number = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let open: BTreeSet<usize> = fs::read_dir(fds)
        .unwrap()
        .map(|entry| number(entry).to_str().unwrap().parse().unwrap())
        .collect();
    let free = (0..).filter(|number| !open.contains(number));
    free.take(more).last().unwrap_or_default() + 1
}

#[test]
fn a_node_that_can_open_no_file_appends_nothing_and_goes_on_once_it_can() {
    let mut net = founded(1);
    net.start_trusting(0);
    let http = net.http(0);
    let code = net.code(0);
    let definition = |n: u32| json!({"code": format!("{code}{n:03}"), "name": "x"});
    // The first append opens the mark of the run, and the files of the first segment. One descriptor is for the request.
    let mut refused = 0;
    for more in [1, 1, 2, 2] {
        limit_open(&net, room_for(&net, more));
        let answer = http.post("/v1/types", &definition(1));
        assert_eq!(net.log_state(0), OwnLogState::Writable);
        if answer.status == 201 {
            break;
        }
        answer.problem(503, "overloaded");
        refused += 1;
    }
    assert!(refused >= 2, "refused {refused} times");
    limit_open(&net, 1024);
    assert_eq!(http.post("/v1/types", &definition(2)).status, 201);
    net.stop(0).unwrap();
    net.start_trusting(0);
    assert_eq!(net.http(0).post("/v1/types", &definition(3)).status, 201);
}

#[test]
fn a_node_that_may_open_too_few_files_says_at_the_start_how_many_it_needs() {
    let limited = ["prlimit", "--nofile=128:128"].map(OsString::from);
    let command = limited.into_iter().chain(node_command());
    let mut net = founded_with(2, command.collect());
    net.launch(0, &[]).unwrap();
    until("the node to say so", || {
        let log = net.node_log(0);
        log.contains("this process may have 128 files open") && log.contains("LimitNOFILE=")
    });
    net.kill(0);
}
