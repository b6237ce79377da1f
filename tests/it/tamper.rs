//! Bytes that change on disk behind the node's back.

use std::fs;

use certmesh_api::{LogState, LogView, OwnLogState, Verdict};
use serde_json::Value;

use crate::support::{TestNet, deadline, eventually, files_below, flip, running, until};

/// A network of two whose first member issued, and the second holds a copy. Stopped.
fn stopped_with_copies() -> (TestNet, Vec<String>) {
    let mut net = running(2);
    let ids = net.issue(0, "TAM", 80);
    net.change(0, &ids[3], "revoke");
    net.issue(1, "TAM", 20);
    net.converge();
    net.stop_all().unwrap();
    (net, ids)
}

fn faults(report: &Value) -> Vec<Value> {
    let logs = report["logs"].as_array().unwrap();
    logs.iter()
        .flat_map(|log| log["faults"].as_array().unwrap().clone())
        .collect()
}

/// Changes a byte in the middle of one record of a log.
fn damage(net: &TestNet, at: usize, of: usize, seq: u64) {
    let (begin, end) = (net.frame_at(at, of, seq), net.frame_at(at, of, seq + 1));
    flip(&net.segment(at, of, "records"), (begin + end) / 2);
}

#[test]
fn fsck_names_the_department_and_the_record_of_a_changed_byte() {
    let (net, _) = stopped_with_copies();
    assert_eq!(net.fsck(1).0, 0);
    for seq in [0, 11, 40] {
        damage(&net, 1, 0, seq);
        let (code, report) = net.fsck(1);
        assert_eq!(code, 1, "{report}");
        let found = faults(&report);
        assert!(
            found.iter().any(|fault| fault["department"] == net.code(0)
                && fault["record"] == seq
                && fault["derived"] == false),
            "record {seq}: {found:?}"
        );
        assert!(found.iter().all(|fault| fault["department"] == net.code(0)));
        // For people: the same in words.
        let data = net.data(1);
        let told =
            crate::support::certmesh(&["fsck", "--data", data.to_str().unwrap()], b"", None, None);
        assert!(told.out.contains(&format!("record {seq}")), "{}", told.out);
        damage(&net, 1, 0, seq);
    }
    assert_eq!(net.fsck(1).0, 0, "the same flips again undo it");
}

#[test]
fn a_damaged_copy_is_set_aside_and_fetched_again_from_others() {
    let (mut net, ids) = stopped_with_copies();
    let before = fs::read(net.segment(1, 0, "records")).unwrap();
    damage(&net, 1, 0, 25);
    net.start_again(0);
    let whole = net.held(0, 0);
    net.start_again(1);
    net.wait_logged(1, "log set aside");
    let aside = net.data(1).join("set-aside");
    assert!(fs::read_dir(&aside).unwrap().count() == 1);
    until("the copy to be whole again", || {
        let now = net.held(1, 0);
        now.state == LogState::Replica && (now.size, &now.root) == (whole.size, &whole.root)
    });
    net.wait_verdict(1, &ids[25], "valid", None);
    net.wait_verdict(1, &ids[3], "not-valid", Some("revoked"));
    net.stop_all().unwrap();
    assert_eq!(fs::read(net.segment(1, 0, "records")).unwrap(), before);
    assert_eq!(net.fsck(1).0, 0);
}

#[test]
fn a_damaged_copy_is_never_answered_from_while_nobody_can_replace_it() {
    let (mut net, ids) = stopped_with_copies();
    damage(&net, 1, 0, 25);
    net.start_again(1);
    // What the start took from a snapshot is read in the background; a record that is asked for before is checked by itself.
    let asked = net.api(1).verification(&ids[25]);
    assert!(asked.is_err() || asked.unwrap().verdict == Verdict::Unknown);
    until("the damage to be found", || {
        let view = net.held(1, 0);
        (view.size, view.state.known()) == (0, Some(LogState::SetAside))
    });
    let found = net.api(1).verification(&ids[40]).unwrap();
    assert_eq!(found.verdict, Verdict::Unknown);
    // Its own log is not concerned.
    assert!(net.held(1, 1).size > 20);
}

#[test]
fn a_damaged_own_log_is_restored_from_the_others_before_it_is_written_again() {
    let (mut net, ids) = stopped_with_copies();
    damage(&net, 0, 0, 10);
    net.start_again(0);
    net.wait_logged(0, "log set aside");
    // It starts again by itself, and answers nothing for that moment.
    until("the loss to be noticed", || {
        let status = net.api(0).status();
        status.is_ok_and(|status| status.log_state == OwnLogState::Restoring)
    });
    let new = crate::support::row(0, "TAM9", 0);
    net.http(0)
        .post("/v1/certificates", &new)
        .problem(503, "own-log-unconfirmed");
    // Even an operator cannot make it append to a log that is not there.
    net.http(0)
        .post_with("/v1/log/vouch", "application/json", &[], b"")
        .problem(503, "own-log-unconfirmed");
    net.stop(0).unwrap();
    net.start_with(0, &["--trust-own-disk"], deadline())
        .unwrap();
    until("the loss to be noticed again", || {
        net.log_state(0) == OwnLogState::Restoring
    });
    net.http(0)
        .post("/v1/certificates", &new)
        .problem(503, "own-log-unconfirmed");

    net.start_again(1);
    let whole = net.held(1, 0);
    net.wait_writable(0);
    let own = net.held(0, 0);
    assert_eq!((own.size, &own.root), (whole.size, &whole.root));
    net.wait_verdict(0, &ids[10], "valid", None);
    assert_eq!(net.http(0).post("/v1/certificates", &new).status, 201);
    net.converge();
    net.stop_all().unwrap();
    assert_eq!((net.fsck(0).0, net.fsck(1).0), (0, 0));
}

/// What the first department appended: early certificates that all have, and then, while the others were down, later
/// ones and a revocation that are on its damaged disk alone.
struct Damaged {
    early: Vec<String>,
    reached: u64,
    late: Vec<String>,
    whole: LogView,
    /// The first segment before it was damaged.
    records: Vec<u8>,
}

fn damaged_before_the_newest_reached_anybody(net: &mut TestNet) -> Damaged {
    let early = net.issue(0, "TAM", 40);
    net.converge();
    let reached = net.held(0, 0).size;
    net.stop(1).unwrap();
    net.stop(2).unwrap();
    let late = net.issue(0, "TAM2", 25);
    net.change(0, &early[3], "revoke");
    let whole = net.held(0, 0);
    net.stop(0).unwrap();
    let records = fs::read(net.segment(0, 0, "records")).unwrap();
    damage(net, 0, 0, 10);
    Damaged {
        early,
        reached,
        late,
        whole,
        records,
    }
}

fn it_waits_for_the_others_before_anything_is_taken_back(net: &mut TestNet) {
    net.start_again(0);
    net.wait_logged(0, "log set aside");
    // It starts again by itself, and answers nothing for that moment.
    until("the loss to be noticed", || {
        let status = net.api(0).status();
        status.is_ok_and(|status| status.log_state == OwnLogState::Restoring)
    });
    let early_salvage = net.cli(0, &["salvage"]);
    assert_ne!(early_salvage.code, 0);
    assert!(
        early_salvage.err.contains("0 of 2 needed confirmations"),
        "{early_salvage:?}"
    );
}

fn what_the_others_hold_comes_back(net: &mut TestNet, was: &Damaged) {
    net.start_again(1);
    net.start_again(2);
    let back = format!("{} of {} records", was.reached, was.whole.size);
    until("what the others hold to be back", || {
        let detail = net.api(0).status().unwrap().log_detail;
        detail.is_some_and(|detail| detail.contains(&back) && detail.contains("certmesh salvage"))
    });
    assert_eq!(
        net.log_state(0),
        OwnLogState::Restoring,
        "the rest is still missing"
    );
}

fn salvaging_takes_the_rest_back(net: &TestNet, was: &Damaged) {
    let salvaged = eventually("the others to have been heard", || {
        let ran = net.cli(0, &["salvage", "--json"]);
        (ran.code == 0).then(|| ran.json())
    });
    let expected = serde_json::json!({
        "records": was.whole.size - was.reached,
        "copies": [format!("set-aside/{}-1", net.code(0))],
        "size": was.whole.size,
    });
    assert_eq!(salvaged, expected);
    net.wait_writable(0);
    let own = net.held(0, 0);
    assert_eq!((own.size, &own.root), (was.whole.size, &was.whole.root));
    for at in 0..3 {
        net.wait_verdict(at, &was.late[24], "valid", None);
        net.wait_verdict(at, &was.early[3], "not-valid", Some("revoked"));
    }
    // What is secret came through it too.
    assert!(net.api(0).certificate(&was.late[7]).is_ok());
    let fields = format!("/v1/certificates/{}/fields", was.late[7]);
    assert_eq!(net.http(0).get(&fields).status, 200);
    let again = net.cli(0, &["salvage"]).exits(0);
    assert!(again.out.contains("NOTHING TO TAKE BACK"), "{again:?}");
}

fn the_log_goes_on_with_every_byte_it_had(net: &mut TestNet, was: &Damaged) {
    net.issue(0, "TAM3", 3);
    let logs = net.converge();
    assert!(logs.iter().all(|log| log.state != LogState::Frozen));
    net.stop_all().unwrap();
    let after = fs::read(net.segment(0, 0, "records")).unwrap();
    assert_eq!(&after[..was.records.len()], was.records);
    for at in 0..3 {
        assert_eq!(net.fsck(at).0, 0);
    }
}

#[test]
fn records_that_reached_nobody_before_the_disk_was_damaged_are_taken_back_from_what_was_set_aside()
{
    let mut net = running(3);
    let was = damaged_before_the_newest_reached_anybody(&mut net);
    it_waits_for_the_others_before_anything_is_taken_back(&mut net);
    what_the_others_hold_comes_back(&mut net, &was);
    salvaging_takes_the_rest_back(&net, &was);
    the_log_goes_on_with_every_byte_it_had(&mut net, &was);
}

#[test]
fn everything_that_can_be_derived_may_be_deleted_and_the_answers_stay_the_same() {
    let (mut net, ids) = stopped_with_copies();
    let ask = |net: &TestNet| {
        let client = net.api(1);
        let mut answers = Vec::new();
        for id in ids.iter().step_by(9) {
            answers.push(serde_json::to_value(client.certificate(id).unwrap()).unwrap());
            answers.push(serde_json::to_value(client.history(id).unwrap()).unwrap());
        }
        answers.push(serde_json::to_value(client.catalogue().unwrap()).unwrap());
        let logs = client.logs().unwrap();
        answers.extend(
            logs.iter()
                .map(|log| serde_json::json!([log.size, log.root, log.status_root])),
        );
        answers
    };
    net.start_again(1);
    let before = ask(&net);
    net.stop(1).unwrap();
    let data = net.data(1);
    let derived = |path: &std::path::Path| {
        let suffix = path.extension().unwrap_or_default();
        let names = ["tree", "statuses", "snapshot"];
        suffix == "offsets" || suffix == "index" || names.iter().any(|name| path.ends_with(name))
    };
    let files = files_below(&data.join("logs"));
    let gone: Vec<_> = files.iter().filter(|path| derived(path)).collect();
    assert!(gone.len() >= 4, "{files:?}");
    for path in gone {
        fs::remove_file(path).unwrap();
    }
    fs::remove_dir_all(data.join("state")).unwrap();
    net.start_again(1);
    assert_eq!(ask(&net), before);
    assert!(!data.join("set-aside").exists());
    net.stop(1).unwrap();
    // Damaged instead of deleted: the same.
    for path in files.iter().filter(|path| derived(path)) {
        let length = fs::metadata(path).unwrap().len();
        flip(path, length / 2);
    }
    assert_eq!(net.fsck(1).0, 1);
    net.start_again(1);
    assert_eq!(ask(&net), before);
    net.stop(1).unwrap();
    assert_eq!(net.fsck(1).0, 0);
}
