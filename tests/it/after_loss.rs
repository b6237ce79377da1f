//! Going on after a disk was lost and a member that has the newest records can't be reached.

use std::fs;
use std::thread;
use std::time::Duration;

use certmesh_api::OwnLogState;
use serde_json::Value;

use crate::support::{Ran, TestNet, copy_dir, running, until};

/// The department that loses its disk.
const LOSER: usize = 0;

/// Bodies come from the backup; the directory itself stays.
fn the_disk_is_lost(net: &mut TestNet) {
    net.kill(LOSER);
    let data = net.data(LOSER);
    let bodies = net.scratch("bodies");
    copy_dir(&data.join("bodies"), &bodies);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
    copy_dir(&bodies, &data.join("bodies"));
}

fn rotate(net: &TestNet, more: &[&str]) -> Ran {
    let dir = net.member(LOSER).dir.to_str().unwrap().to_owned();
    let args: Vec<&str> = ["rotate", "--dir", &dir]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    net.govern_signed(LOSER, &args, &net.identity(LOSER))
}

fn member(net: &TestNet, at: usize, of: usize) -> Value {
    let members = net.govern(at, &["members"]).json();
    let members = members["members"].as_array().unwrap().clone();
    let of = net.code(of);
    let mut members = members.into_iter();
    members.find(|member| member["department"] == of).unwrap()
}

/// Three that govern, and one that does not any more: what it alone holds, no governor can state.
fn three_govern(net: &TestNet) {
    let other = net.code(3);
    let propose = ["propose", "governing", &other, "--end", "--reason", "few"];
    let proposed = net.govern_signed(0, &propose, &net.identity(0));
    assert_eq!(proposed.code, 0, "{proposed:?}");
    let id = proposed.json()["proposal"].as_str().unwrap().to_owned();
    for by in [1, 2] {
        until("the proposal to be approved", || {
            let approved = net.govern_signed(by, &["approve", &id], &net.identity(by));
            approved.code == 0
        });
    }
    for at in 0..4 {
        until("three to govern", || member(net, at, 3)["governs"] == false);
    }
}

/// Nothing is signed by it.
fn what_would_be_so_is_shown_to_people(net: &TestNet) {
    let [dir, out] = [&net.member(LOSER).dir, &net.scratch("shown.unsigned")]
        .map(|path| path.to_str().unwrap().to_owned());
    let args = [
        "govern", "rotate", "--dir", &dir, "--lost", "--export", &out,
    ];
    let shown = net.cli(LOSER, &args).exits(0).out;
    let size = net.held(1, LOSER).size;
    for part in [
        &*format!("record {size} (root"),
        "2 other governors, 2 needed",
        &net.code(1),
        "no record that is known of here",
        "counts for nothing once this is final",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_department_that_lost_records_goes_on_from_what_the_other_governors_hold() {
    let mut net = running(4);
    three_govern(&net);
    // Nothing is lost yet.
    let http = net.http(LOSER);
    http.post_with("/v1/governance/held", "application/json", &[], b"")
        .problem(409, "not-decidable");
    net.issue(LOSER, "FIRST", 5);
    net.converge();
    let kept = net.held(1, LOSER);
    // The newest records reach the one that doesn't govern, which is gone then.
    net.stop(1).unwrap();
    net.stop(2).unwrap();
    net.issue(LOSER, "LATER", 3);
    until("the last one to have them", || {
        net.held(3, LOSER).size == net.held(LOSER, LOSER).size
    });
    the_disk_is_lost(&mut net);
    net.stop(3).unwrap();
    net.start_again(1);
    net.start_again(LOSER);
    until("the loss to be noticed", || {
        let detail = net.api(LOSER).status().unwrap().log_detail;
        detail.is_some_and(|detail| detail.contains("1 of 3 needed confirmations"))
    });
    // One governor is not enough, and the other one is named.
    let few = rotate(&net, &["--lost"]);
    assert_eq!(few.code, 2, "{few:?}");
    let absent = net.code(2);
    for part in [
        "2 statements are needed",
        &absent,
        "its node is not connected",
    ] {
        assert!(few.err.contains(part), "{part}: {few:?}");
    }
    net.start_again(2);
    until("both to be connected", || {
        let peers = net.api(LOSER).peers().unwrap();
        peers.iter().filter(|peer| peer.connected).count() == 2
    });
    // It may have cosigned what it does not know any more, so it cosigns nothing.
    net.wait_writable(1);
    let others = net.issue(1, "OTHERS", 1);
    net.wait_verdict(LOSER, &others[0], "valid", None);
    until("the other one to cosign", || {
        !net.held(1, 1).cosigned_by.is_empty()
    });
    thread::sleep(Duration::from_secs(6));
    assert_eq!(net.held(1, 1).cosigned_by, [net.code(2)]);
    what_would_be_so_is_shown_to_people(&net);
    // Signed where the key is.
    let [unsigned, done] = ["lost.unsigned", "lost.signed"].map(|name| net.scratch(name));
    let [unsigned, done] = [&unsigned, &done].map(|path| path.to_str().unwrap());
    let dir = net.member(LOSER).dir.to_str().unwrap().to_owned();
    let lost = ["rotate", "--dir", &dir, "--lost", "--export", unsigned];
    let lost = net.govern(LOSER, &lost);
    assert_eq!(lost.code, 0, "{lost:?}");
    let sign = ["sign", unsigned, "--out", done];
    let signed = net.govern_signed(LOSER, &sign, &net.identity(LOSER));
    assert_eq!(signed.code, 0, "{signed:?}");
    let submitted = net.govern(LOSER, &["submit", done]);
    assert_eq!(submitted.code, 0, "{submitted:?}");
    let after = lost.json()["after_loss"].clone();
    assert_eq!(after["size"], kept.size, "{after}");
    assert_eq!(after["root"].as_str(), kept.root.as_deref(), "{after}");
    assert_eq!(after["stated"].as_array().unwrap().len(), 2, "{after}");
    assert_eq!(after["void"], Value::Null, "{after}");
    // It is final at all that run, and at the one that was gone once that is back.
    net.start_again(3);
    for at in 0..4 {
        until("the loss to be ended", || {
            // The department's own node starts again meanwhile.
            let members = net.govern(at, &["members"]);
            members.code == 0 && {
                let member = member(&net, at, LOSER);
                (&member["generation"], &member["epoch"]) == (&1.into(), &1.into())
            }
        });
        let log = net.govern(at, &["log"]).out;
        assert!(log.contains("after a loss"), "{log}");
    }
    let others = net.issue(1, "NEXT", 1);
    net.wait_verdict(LOSER, &others[0], "valid", None);
    let loser = net.code(LOSER);
    until("it to cosign with the next key", || {
        net.held(1, 1).cosigned_by.contains(&loser)
    });
    // It appends again although the last member alone holds more, and that is void.
    until("its log to be writable", || {
        let status = net.api(LOSER).status();
        status.is_ok_and(|status| status.log_state == OwnLogState::Writable)
    });
    let again = net.issue(LOSER, "AGAIN", 2);
    for at in 0..4 {
        net.wait_verdict(at, &again[1], "valid", None);
        assert_eq!(net.held(at, LOSER).generation, 1);
        assert_eq!(net.held(at, LOSER).size, kept.size + 2);
    }
    net.converge();
}

#[test]
fn who_stated_what_it_holds_witnesses_nothing_newer_until_the_department_changes_a_key() {
    let mut net = running(3);
    net.issue(LOSER, "FIRST", 2);
    net.converge();
    the_disk_is_lost(&mut net);
    net.stop(2).unwrap();
    net.start_again(LOSER);
    until("the loss to be noticed", || {
        let detail = net.api(LOSER).status().unwrap().log_detail;
        detail.is_some_and(|detail| detail.contains("1 of 2 needed confirmations"))
    });
    let few = rotate(&net, &["--lost"]);
    assert!(few.err.contains("2 statements are needed"), "{few:?}");
    let stated = fs::read_to_string(net.data(1).join("governance/stated.toml")).unwrap();
    let (size, line) = (net.held(1, LOSER).size, "size = ");
    assert!(stated.contains(&format!("{line}{size}")), "{stated}");
    // The operator goes on without, and the one that stated something remembers it.
    net.kill(1);
    net.start_again(1);
    net.cli(LOSER, &["resume", "--after-loss"]).exits(0);
    assert_eq!(net.log_state(LOSER), OwnLogState::Writable);
    net.issue(LOSER, "SECOND", 1);
    until("it to be held", || net.held(1, LOSER).size == size + 1);
    thread::sleep(Duration::from_secs(6));
    let cosigned_by = |net: &TestNet| net.held(LOSER, LOSER).cosigned_by;
    assert_eq!(cosigned_by(&net), Vec::<String>::new());
    // With the next key it is over.
    net.start_again(2);
    let rotated = rotate(&net, &[]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    for at in 0..3 {
        until("the next key to be in force", || {
            member(&net, at, LOSER)["epoch"] == 1
        });
    }
    net.issue(LOSER, "THIRD", 1);
    until("it to be witnessed by both", || {
        cosigned_by(&net).len() == 2
    });
}
