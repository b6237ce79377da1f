//! Disks and directories that are lost: the newest records may be with any member.

use std::fs;
use std::thread;
use std::time::Duration;

use certmesh_api::{LogState, LogView, OwnLogState};

use crate::support::{TestNet, copy_dir, row, running, until};

/// Certificates that only the second member has beside their department; the third and fourth are down.
fn issued_to_one_member_alone(net: &mut TestNet) -> Vec<String> {
    net.stop(2).unwrap();
    net.stop(3).unwrap();
    let later = net.issue(0, "LATER", 20);
    until("the second to have it", || {
        net.held(1, 0).size == net.held(0, 0).size
    });
    later
}

/// Bodies come from the backup, logs from the other members; the directory itself stays.
fn the_disk_is_lost(net: &mut TestNet) {
    net.kill(0);
    let data = net.data(0);
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

#[track_caller]
fn wait_log_detail(net: &TestNet, part: &str) {
    until(&format!("`{part}` of the own log"), || {
        let detail = net.api(0).status().unwrap().log_detail;
        detail.is_some_and(|detail| detail.contains(part))
    });
}

fn it_appends_nothing_while_one_member_has_not_answered(net: &TestNet) {
    wait_log_detail(net, "2 of 3 needed confirmations");
    thread::sleep(Duration::from_secs(2));
    let detail = net.api(0).status().unwrap().log_detail.unwrap();
    let absent = format!("not connected: {}", net.held(0, 1).name);
    for part in ["head file of the log is missing", "--after-loss", &absent] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    net.http(0)
        .post("/v1/certificates", &row(0, "EARLY", 0))
        .problem(503, "own-log-unconfirmed");
    assert_ne!(net.cli(0, &["resume"]).code, 0);
}

/// Though all files are there by then.
fn the_next_start_still_knows_of_the_loss(net: &mut TestNet) {
    net.kill(0);
    net.start_again(0);
    wait_log_detail(net, "a loss found earlier");
}

fn with_all_members_it_has_its_log_back_and_goes_on(
    net: &mut TestNet,
    whole: &LogView,
    later: &str,
) {
    net.start_again(1);
    net.wait_writable(0);
    let own = net.held(0, 0);
    assert_eq!((own.size, &own.root), (whole.size, &whole.root));
    let after = net.issue(0, "AFTER", 3);
    net.wait_verdict(1, &after[2], "valid", None);
    net.wait_verdict(3, later, "valid", None);
    let logs = net.converge();
    assert!(logs.iter().all(|log| log.state != LogState::Frozen));
}

/// The loss is made good.
fn after_another_restart_most_members_are_enough(net: &mut TestNet) {
    net.stop(0).unwrap();
    net.stop(1).unwrap();
    net.start_again(0);
    net.wait_writable(0);
}

#[test]
fn a_lost_disk_never_leads_to_a_fork_whoever_has_the_newest_records() {
    let mut net = running(4);
    net.issue(0, "FIRST", 5);
    net.converge();
    let later = issued_to_one_member_alone(&mut net);
    let whole = net.held(0, 0);
    the_disk_is_lost(&mut net);
    // Now the one that has them is down, and the other two are back.
    net.stop(1).unwrap();
    for index in [2, 3, 0] {
        net.start_again(index);
    }
    it_appends_nothing_while_one_member_has_not_answered(&net);
    the_next_start_still_knows_of_the_loss(&mut net);
    with_all_members_it_has_its_log_back_and_goes_on(&mut net, &whole, &later[19]);
    after_another_restart_most_members_are_enough(&mut net);
}

#[test]
fn a_copied_data_directory_is_no_more_trusted_than_a_lost_one_until_the_operator_says_so() {
    let mut net = running(3);
    net.issue(0, "COPY", 5);
    net.converge();
    net.stop(0).unwrap();
    net.stop(2).unwrap();
    let (data, copy) = (net.data(0), net.scratch("copy"));
    copy_dir(&data, &copy);
    fs::remove_dir_all(&data).unwrap();
    copy_dir(&copy, &data);
    net.start_again(0);
    until("one of two to have answered", || {
        let detail = net.api(0).status().unwrap().log_detail;
        detail.is_some_and(|detail| detail.contains("1 of 2 needed confirmations"))
    });
    let told = net.cli(0, &["status"]).out;
    assert!(told.contains("not known to be the one"), "{told}");
    assert_ne!(net.cli(0, &["resume"]).code, 0);
    assert_eq!(net.log_state(0), OwnLogState::Confirming);
    let resumed = net.cli(0, &["resume", "--after-loss", "--json"]).exits(0);
    assert_eq!(resumed.json()["log_state"], "writable");
    net.issue(0, "COPY2", 1);
    net.stop(0).unwrap();
    net.start_again(0);
    net.start_again(2);
    net.wait_writable(0);
    net.converge();
}

#[test]
fn a_department_whose_first_record_reached_nobody_goes_on_after_a_restart() {
    let mut net = running(3);
    // Whoever founds starts with nothing that anybody could confirm; so does one that was never appended to.
    for _ in 0..2 {
        net.stop(2).unwrap();
        net.start_again(2);
        net.wait_writable(2);
    }
    net.issue(2, "FOUND", 1);
    net.converge();
}
