//! Stopping and starting again: nothing is lost, and nobody appends to a log that may be an old copy.

use std::fs;
use std::process::Command;

use certmesh_api::{LogState, NotValidReason, OwnLogState, Verdict, Word};

use crate::support::{Http, TestNet, copy_dir, founded_with, node_command, running, until};

#[test]
fn a_gentle_restart_of_all_keeps_everything() {
    let mut net = running(2);
    let ids = net.issue(0, "KEEP", 60);
    net.change(0, &ids[5], "suspend");
    net.issue(1, "KEEP", 10);
    let before = net.converge();
    let history = net.api(1).history(&ids[5]).unwrap();
    net.stop_all().unwrap();
    for index in 0..2 {
        assert!(
            !net.member(index).node_file().exists(),
            "node.json stays behind"
        );
        assert_eq!(net.fsck(index).0, 0);
    }
    net.start_all(crate::support::deadline()).unwrap();
    let after = net.converge();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (before.size, &before.root, &before.status_root),
            (after.size, &after.root, &after.status_root)
        );
        assert_eq!(before.certificates, after.certificates);
    }
    let again = net.api(1).history(&ids[5]).unwrap();
    assert_eq!(
        serde_json::to_value(again.events).unwrap()[1]["event"],
        serde_json::to_value(history.events).unwrap()[1]["event"]
    );
    net.wait_verdict(1, &ids[5], "not-valid", Some("suspended"));
    // And it goes on where it was.
    let more = net.issue(0, "KEEP2", 5);
    net.wait_verdict(1, &more[4], "valid", None);
}

#[test]
fn a_node_alone_does_not_issue_until_the_other_member_has_confirmed_its_log() {
    let mut net = running(2);
    net.issue(0, "CONF", 5);
    net.converge();
    net.stop_all().unwrap();
    net.start_again(0);
    let status = net.api(0).status().unwrap();
    assert_eq!(status.log_state, OwnLogState::Confirming);
    let detail = status.log_detail.unwrap();
    let awaited = format!(
        "0 of 1 needed confirmations; not connected: {}",
        net.held(0, 1).name
    );
    for part in [
        &awaited,
        "certmesh resume",
        "never run it after restoring data/",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    let http = net.http(0);
    let row = crate::support::row(0, "CONF2", 0);
    http.post("/v1/certificates", &row)
        .problem(503, "own-log-unconfirmed");
    let bulk = http.bulk(&[], row.to_string().as_bytes());
    bulk.problem(503, "own-log-unconfirmed");
    let ready = http.get("/ready");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()));
    // Looking things up works all the while.
    assert_eq!(http.get("/v1/logs").status, 200);
    assert_eq!(net.held(0, 0).size, net.held(0, 0).known_size);

    net.start_again(1);
    net.wait_writable(0);
    assert_eq!(http.post("/v1/certificates", &row).status, 201);
    assert_eq!(http.get("/ready").status, 200);
}

#[test]
fn an_operator_can_vouch_for_the_log_with_certmesh_resume() {
    let mut net = running(2);
    let before = net.issue(0, "RES", 5);
    net.converge();
    net.stop_all().unwrap();
    net.start_again(0);
    assert_eq!(net.log_state(0), OwnLogState::Confirming);
    net.wait_verdict(0, &before[0], "unknown", None);
    let resumed = net.cli(0, &["resume", "--json"]).exits(0).json();
    assert_eq!(resumed["log_state"], "writable");
    net.wait_verdict(0, &before[0], "valid", None);
    net.issue(0, "RES2", 3);
    net.start_again(1);
    net.ready();
    let logs = net.converge();
    assert!(logs.iter().all(|log| log.state != LogState::Frozen));
    net.wait_verdict(1, &before[0], "valid", None);
}

#[test]
fn the_only_member_of_a_network_need_not_wait_for_anybody() {
    let mut net = running(1);
    let ids = net.issue(0, "ONLY", 2);
    net.stop(0).unwrap();
    net.start_again(0);
    net.wait_verdict(0, &ids[0], "valid", None);
    assert_eq!(net.held(0, 0).detail, None);
}

/// Certificates of the first department, one of them suspended; then, after its disk was backed up, one is revoked and
/// another issued, which is the last. Both nodes are stopped and the backup put back.
fn put_back_an_old_backup(net: &mut TestNet) -> Vec<String> {
    let mut ids = net.issue(0, "ALONE", 3);
    net.change(0, &ids[1], "suspend");
    net.converge();
    net.stop(0).unwrap();
    let backup = net.scratch("backup");
    copy_dir(&net.data(0), &backup);
    net.start_again(0);
    net.wait_writable(0);
    net.change(0, &ids[0], "revoke");
    ids.extend(net.issue(0, "LATER", 1));
    net.converge();
    net.stop_all().unwrap();
    let data = net.data(0);
    fs::remove_dir_all(&data).unwrap();
    copy_dir(&backup, &data);
    ids
}

fn alone_it_calls_nothing_valid(net: &TestNet, ids: &[String]) {
    let verify = |id: &str| net.api(0).verification(id).unwrap();
    let revoked = verify(&ids[0]);
    assert_eq!(revoked.verdict, Verdict::Unknown);
    assert!(revoked.missing[0].starts_with("confirmation by other members"));
    assert!(revoked.explanation.contains("revocations"), "{revoked:?}");
    assert_eq!(revoked.provenance.unwrap().confirmed_ms, None);
    let suspended = verify(&ids[1]);
    assert_eq!(
        suspended.reason.as_ref().and_then(Word::known),
        Some(NotValidReason::Suspended)
    );
    assert!(
        suspended.explanation.contains("not yet confirmed"),
        "{suspended:?}"
    );
    // One that is not on this disk may have been issued since.
    let absent = verify(&ids[3]);
    assert_eq!(
        (absent.verdict.as_str(), absent.missing.len()),
        ("unknown", 2)
    );
}

fn alone_it_proves_nothing(net: &TestNet, id: &str) {
    net.http(0)
        .get(&format!("/v1/certificates/{id}/proof"))
        .problem(409, "proof-not-available");
    let own = net.held(0, 0);
    assert_eq!(own.state, LogState::Own);
    assert!(own.detail.unwrap().contains("0 of 1 needed confirmations"));
}

fn confirmed_by_the_other_it_judges_and_proves(net: &TestNet, ids: &[String]) {
    net.wait_verdict(0, &ids[0], "not-valid", Some("revoked"));
    net.wait_verdict(0, &ids[2], "valid", None);
    let heard = net.api(0).verification(&ids[2]).unwrap();
    assert!(heard.provenance.unwrap().confirmed_ms.is_some());
    let proof = format!("/v1/certificates/{}/proof", ids[0]);
    assert_eq!(net.http(0).get(&proof).status, 200);
    assert_eq!(net.held(0, 0).detail, None);
}

#[test]
fn an_old_backup_that_runs_alone_calls_nothing_valid_and_proves_nothing() {
    let mut net = running(2);
    let ids = put_back_an_old_backup(&mut net);
    net.start_again(0);
    alone_it_calls_nothing_valid(&net, &ids);
    alone_it_proves_nothing(&net, &ids[0]);
    net.start_again(1);
    confirmed_by_the_other_it_judges_and_proves(&net, &ids);
}

fn hang_up(net: &TestNet, index: usize) {
    let pid = net.node_file(index).unwrap().pid.to_string();
    let sent = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_hangup_adds_and_revokes_clients_of_a_node_that_goes_on() {
    // Also where its terminal is not to end it.
    let mut command = vec!["nohup".into()];
    command.extend(node_command());
    let mut net = founded_with(1, command);
    net.start_again(0);
    let pid = net.node_file(0).unwrap().pid;
    let dir = net.member(0).dir.clone();
    let token = |command: &str, more: &[&str]| {
        let args = ["department", "token", command, "--name", "portal", "--dir"];
        let args: Vec<&str> = args.into_iter().chain(dir.to_str()).collect();
        net.cli(0, &[&args, more].concat()).exits(0)
    };
    let added = token("add", &["--role", "read"]);
    assert!(added.out.contains(&format!("kill -HUP {pid}")), "{added:?}");
    let secret = fs::read_to_string(dir.join("portal.token")).unwrap();
    let admin = net.http(0);
    let portal = admin.with_token(Some(secret.trim_end()));
    let status = |http: &Http| http.get("/v1/status").status;
    assert_eq!(status(&portal), 401);
    hang_up(&net, 0);
    until("the new token to count", || status(&portal) == 200);

    // A file with a fault leaves everybody what they had.
    let tokens = dir.join("tokens.toml");
    let good = fs::read(&tokens).unwrap();
    fs::write(&tokens, "[[client]]\nname = \"portal\"\n").unwrap();
    hang_up(&net, 0);
    net.wait_logged(0, "none was added or revoked");
    assert_eq!((status(&portal), status(&admin)), (200, 200));
    fs::write(&tokens, good).unwrap();

    token("revoke", &[]);
    hang_up(&net, 0);
    until("the token to be revoked", || status(&portal) == 401);
    assert_eq!(status(&admin), 200);
    assert_eq!(net.node_file(0).unwrap().pid, pid);
    let log = net.node_log(0);
    assert!(!log.contains(secret.trim_end()), "the log holds a token");
    net.stop(0).unwrap();
    net.wait_logged(0, "stopped");
}

#[test]
fn a_hangup_has_a_member_dialled_at_its_new_address() {
    let mut net = running(2);
    net.links().cut(0, 1);
    let connected = |net: &TestNet| net.api(0).status().unwrap().peers_connected;
    until("the members to be apart", || connected(&net) == 0);
    // Straight to where the other listens, past the link that was cut.
    let address = net.node_file(1).unwrap().listen[0].clone();
    let other = net.member(1).code();
    net.member(0).write_config(&[(other, address)]).unwrap();
    hang_up(&net, 0);
    until("the members to be connected", || connected(&net) == 1);
    net.stop(0).unwrap();
}

#[test]
fn a_data_directory_from_an_old_backup_fetches_its_log_back_before_it_appends_and_never_forks() {
    let mut net = running(2);
    net.issue(0, "OLD", 30);
    net.converge();
    net.stop(0).unwrap();
    let backup = net.scratch("backup");
    copy_dir(&net.data(0), &backup);
    net.start_again(0);
    net.wait_writable(0);
    let later = net.issue(0, "OLD2", 200);
    net.change(0, &later[0], "revoke");
    let whole = net.converge();
    net.stop(0).unwrap();

    let data = net.data(0);
    fs::remove_dir_all(&data).unwrap();
    copy_dir(&backup, &data);
    // Cut off, it cannot know what is missing, and so it must not append.
    net.links().cut(0, 1);
    net.start_again(0);
    let http = net.http(0);
    assert_eq!(net.log_state(0), OwnLogState::Confirming);
    http.post("/v1/certificates", &crate::support::row(0, "FORK", 0))
        .problem(503, "own-log-unconfirmed");
    let size = net.held(0, 0).size;
    assert!(size < whole[0].size || size < whole[1].size);

    net.links().heal_all();
    net.wait_writable(0);
    net.wait_logged(0, "more of the own log was signed than is on disk");
    let own = net.held(0, 0);
    let full = whole
        .iter()
        .find(|log| log.department == net.code(0))
        .unwrap();
    assert_eq!((own.size, &own.root), (full.size, &full.root));
    net.wait_verdict(0, &later[0], "not-valid", Some("revoked"));
    let after = net.issue(0, "OLD3", 5);
    net.wait_verdict(1, &after[4], "valid", None);
    let logs = net.converge();
    assert!(
        logs.iter()
            .all(|log| log.state == LogState::Own || log.state == LogState::Replica)
    );
    net.stop(0).unwrap();
    // Nobody but the lost disk had the fields of what was issued after the backup.
    let (code, report) = net.fsck(0);
    assert_eq!(
        (code, report["bodies"]["fault_count"].as_u64()),
        (1, Some(200))
    );
    let mut logs = report["logs"].as_array().unwrap().iter();
    assert!(logs.all(|log| log["faults"].as_array().unwrap().is_empty()));
}

#[test]
fn a_node_that_lost_its_disk_gets_its_own_log_and_the_others_back() {
    let mut net = running(3);
    let ids = net.issue(0, "LOST", 120);
    net.change(0, &ids[7], "cancel");
    net.issue(1, "LOST", 40);
    let whole = net.converge();
    net.stop(0).unwrap();
    fs::remove_dir_all(net.data(0)).unwrap();
    net.start_again(0);
    until("everything to be back", || {
        let logs = net.api(0).logs().unwrap();
        logs.iter()
            .zip(&whole)
            .all(|(now, then)| (now.size, &now.root) == (then.size, &then.root))
    });
    net.wait_writable(0);
    net.wait_verdict(0, &ids[7], "not-valid", Some("cancelled"));
    // What was issued before is known as issued: it cannot be issued again.
    let again = crate::support::row(0, "LOST", 3);
    net.http(0)
        .post("/v1/certificates", &again)
        .problem(409, "duplicate-certificate");
    let more = net.issue(0, "LOST2", 3);
    net.wait_verdict(2, &more[2], "valid", None);
    net.converge();
}
