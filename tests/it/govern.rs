//! What members decide about their network, by the command, over nodes that run, stop and are killed.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::{TestNet, eventually, running, until};

fn signed(net: &TestNet, index: usize, args: &[&str]) -> Value {
    let ran = net.govern_signed(index, args, &net.identity(index));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// The first department proposes that another governs no longer; which proposal that is.
fn propose_to_end(net: &TestNet, other: usize) -> String {
    let other = net.code(other);
    let args = [
        "propose",
        "governing",
        &other,
        "--end",
        "--reason",
        "by turns",
    ];
    let proposed = signed(net, 0, &args);
    proposed["proposal"].as_str().unwrap().to_owned()
}

/// The proposals that a node shows.
fn pending(net: &TestNet, index: usize) -> Vec<Value> {
    let list = net.govern(index, &["list"]).json();
    list["proposals"].as_array().unwrap().clone()
}

fn height(net: &TestNet, index: usize) -> u64 {
    net.govern(index, &["members"]).json()["height"]
        .as_u64()
        .unwrap()
}

fn until_at(net: &TestNet, index: usize, at: u64) {
    until("a block to be final", || height(net, index) == at);
}

#[test]
fn what_enough_governors_approve_is_decided_while_one_is_down() {
    let mut net = running(4);
    net.stop(3).unwrap();
    let proposed = signed(
        &net,
        0,
        &[
            "propose",
            "policy",
            "--decide",
            "1/2",
            "--reason",
            "a smaller share is enough",
        ],
    );
    assert_eq!(proposed["decided"], false, "{proposed}");
    assert_eq!(
        (&proposed["approve"], &proposed["needed"]),
        (&1.into(), &3.into())
    );
    let id = proposed["proposal"].as_str().unwrap().to_owned();
    for index in [1, 2] {
        let found = eventually("the proposal to arrive", || pending(&net, index).pop());
        assert_eq!(found["proposal"].as_str().unwrap(), id);
        assert_eq!(found["proposer"].as_str().unwrap(), net.code(0));
        let change = found["changes"][0].as_str().unwrap();
        assert!(
            change.contains("more than 1/2 of the governors decide"),
            "{change}"
        );
        signed(&net, index, &["approve", &id[..8]]);
    }
    for index in 0..3 {
        until_at(&net, index, 1);
        assert!(pending(&net, index).is_empty());
        let policy = net.govern(index, &["members"]).json()["policy"]["decide"].clone();
        assert_eq!(policy, serde_json::json!({"of": 1, "parts": 2}));
    }
    // Whoever was away hears of it.
    net.start_again(3);
    until_at(&net, 3, 1);
    // And kept it: alone, after a kill.
    net.kill(3);
    for index in 0..3 {
        net.stop(index).unwrap();
    }
    net.start_again(3);
    assert_eq!(height(&net, 3), 1);
    let log = net.govern(3, &["log"]).json();
    assert_eq!(log["blocks"][0]["height"], 1);
    assert!(log["blocks"][0]["votes"].as_u64().unwrap() >= 3, "{log}");
}

#[test]
fn what_was_said_to_wait_outlives_a_kill_and_reaches_those_who_were_away() {
    let mut net = running(3);
    for index in [1, 2] {
        net.stop(index).unwrap();
    }
    let id = propose_to_end(&net, 2);
    net.kill(0);
    net.start_again(0);
    assert_eq!(pending(&net, 0)[0]["proposal"].as_str().unwrap(), id);
    net.start_again(1);
    until("the proposal to be at the one who was away", || {
        pending(&net, 1).len() == 1
    });
    // Nobody else withdraws it.
    let key = net.identity(1);
    let theirs = net.govern_signed(1, &["withdraw", &id], &key);
    assert_eq!(theirs.code, 2);
    assert!(theirs.err.contains("only its proposer"), "{theirs:?}");
    // Withdrawn, it waits nowhere; that too is a block, which the two of three make.
    signed(&net, 0, &["withdraw", &id]);
    until_at(&net, 1, 1);
    assert!(pending(&net, 1).is_empty());
}

#[test]
fn an_approval_is_signed_where_no_network_is() {
    let net = running(3);
    let id = propose_to_end(&net, 2);
    until("the proposal to arrive", || pending(&net, 1).len() == 1);
    let [unsigned, done] = ["unsigned", "signed"].map(|name| net.scratch(name));
    let [unsigned, done] = [&unsigned, &done].map(|path| path.to_str().unwrap());
    let exported = net.govern(1, &["approve", &id, "--export", unsigned]);
    assert_eq!(exported.code, 0, "{exported:?}");
    // What is no identity key signs nothing.
    let stranger = net.member(0).dir.join("keys/signing.key");
    let args = ["sign", unsigned, "--out", done];
    let mut key = net.identity(1);
    key[1] = stranger.to_str().unwrap().to_owned();
    let wrong = net.govern_signed(1, &args, &key);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("not an identity key file"), "{wrong:?}");
    // Nor does the key without its passphrase.
    let other = net.scratch("passphrase");
    std::fs::write(&other, "another passphrase").unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o600)).unwrap();
    let mut key = net.identity(1);
    key[3] = other.to_str().unwrap().to_owned();
    let wrong = net.govern_signed(1, &args, &key);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("wrong passphrase"), "{wrong:?}");
    let none: Vec<&str> = args
        .iter()
        .copied()
        .chain(["--yes", "--identity-key", &key[1]])
        .collect();
    let none = net.govern(1, &none);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("passphrase is missing"), "{none:?}");
    assert!(!std::path::Path::new(done).exists());
    for approver in [1, 2] {
        let key = net.identity(approver);
        let _ = std::fs::remove_file(done);
        let ran = net.govern_signed(1, &args, &key);
        assert_eq!(ran.code, 0, "{ran:?}");
        let submitted = net.govern(2, &["submit", done]);
        assert_eq!(submitted.code, 0, "{submitted:?}");
    }
    until_at(&net, 0, 1);
    let members = net.govern(0, &["members"]).json();
    let ended = members["members"].as_array().unwrap().iter();
    let governs: Vec<bool> = ended
        .map(|member| member["governs"].as_bool().unwrap())
        .collect();
    assert_eq!(governs, [true, true, false]);
    // Whoever governs no longer approves nothing.
    let id = propose_to_end(&net, 1);
    until("the next proposal to arrive", || {
        pending(&net, 2).len() == 1
    });
    let key = net.identity(2);
    let late = net.govern_signed(2, &["approve", &id], &key);
    assert_eq!(late.code, 2);
    assert!(late.err.contains("does not govern"), "{late:?}");
}

#[test]
fn what_cannot_be_decided_is_refused_before_anybody_signs() {
    let net = running(3);
    let key = net.identity(0);
    let code = net.code(1);
    let try_it = |args: &[&str]| {
        let args = [args, &["--reason", "a try"]].concat();
        net.govern_signed(0, &args, &key)
    };
    let policy = try_it(&["propose", "policy", "--decide", "1/3"]);
    assert!(policy.err.contains("at least 1/2"), "{policy:?}");
    let same = try_it(&["propose", "policy", "--decide", "2/3"]);
    assert!(same.err.contains("other than it is"), "{same:?}");
    let already = try_it(&["propose", "governing", &code]);
    assert!(already.err.contains("action 0"), "{already:?}");
    let stranger = try_it(&["propose", "governing", "11430000006122244L"]);
    assert!(stranger.err.contains("not a member"), "{stranger:?}");
    assert!(pending(&net, 0).is_empty());
}

#[test]
fn what_waits_for_an_approval_is_shown_by_status_its_exit_code_metrics_and_the_node_s_log() {
    let net = running(2);
    let well = |index: usize| net.cli(index, &["status", "--check"]).code;
    until("nothing to be amiss", || well(0) == 0 && well(1) == 0);
    let id = propose_to_end(&net, 1);
    until("the proposal to arrive", || pending(&net, 1).len() == 1);
    let status = net.cli(1, &["--json", "status", "--check"]);
    assert_eq!(status.code, 1, "{status:?}");
    let status = status.json();
    let governance = &status["governance"];
    assert_eq!(governance["awaiting_approval"][0], id.as_str());
    assert_eq!(governance["votes"], true, "{status}");
    let counts = ["governors", "governors_reached", "governors_needed"];
    assert_eq!(counts.map(|name| governance[name].as_u64()), [Some(2); 3]);
    let warning = status["warnings"][0].as_str().unwrap();
    assert!(warning.contains(&id[..12]), "{warning}");
    // For people, and for those who have only the log.
    let shown = net.cli(1, &["status"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let line = "1 proposal, 1 of them without this department's approval";
    assert!(shown.out.contains(line), "{shown:?}");
    assert!(shown.out.contains("epoch 0, in force since"), "{shown:?}");
    net.wait_logged(1, "a proposal waits for this department's approval");
    let metric = |value: u8| {
        let line = format!("certmesh_governance_unapproved {value}\n");
        until("the metric", || {
            net.http(1).get("/metrics").text.contains(&line)
        });
    };
    metric(1);
    // The proposer has approved it by proposing it.
    let own = net.cli(0, &["--json", "status", "--check"]);
    assert_eq!(own.code, 0, "{own:?}");
    assert_eq!(own.json()["governance"]["proposals"], 1);
    signed(&net, 1, &["approve", &id]);
    net.wait_logged(1, "no longer so: a proposal waits");
    metric(0);
    until("nothing to be amiss again", || well(1) == 0);
    // It governs no longer, so this node has no vote.
    let status = net.cli(1, &["--json", "status"]).json();
    assert_eq!(status["governance"]["votes"], false, "{status}");
}

#[test]
fn a_department_that_lost_its_identity_key_gets_another_from_the_members() {
    let net = running(4);
    let [new, renewal] = ["new-identity.key", "renewal"].map(|name| net.scratch(name));
    let [new, renewal] = [&new, &renewal].map(|path| path.to_str().unwrap());
    let lost = net.identity(3);
    // The passphrase may be the same; the key is another.
    let make = ["renew-identity", "--identity-key", new, "--out", renewal];
    let make: Vec<&str> = make
        .into_iter()
        .chain(["--passphrase-file", &lost[3]])
        .collect();
    let made = net.govern(3, &make);
    assert_eq!(made.code, 0, "{made:?}");
    let after = made.json()["after"].as_str().unwrap().to_owned();
    let propose = ["propose", "identity", renewal, "--reason", "its safe burnt"];
    let proposed = signed(&net, 0, &propose);
    let change = proposed["changes"][0].as_str().unwrap();
    assert!(
        change.contains(&after),
        "whoever approves compares it: {change}"
    );
    let id = proposed["proposal"].as_str().unwrap();
    for index in [1, 2] {
        until("the proposal to arrive", || pending(&net, index).len() == 1);
        signed(&net, index, &["approve", id]);
    }
    until_at(&net, 3, 1);
    // From now on the new one signs, and the lost one nothing.
    let key = |file: &str| {
        let mut key = lost.clone();
        key[1] = file.to_owned();
        key
    };
    let code = net.code(3);
    let propose = ["propose", "governing", &code, "--end", "--reason", "x"];
    let found = net.govern_signed(3, &propose, &lost);
    assert_eq!(found.code, 2);
    assert!(found.err.contains("was it replaced"), "{found:?}");
    let own = net.govern_signed(3, &propose, &key(new));
    assert_eq!(own.code, 0, "{own:?}");
    // A renewal of a key that is not in force any more is of no use.
    let late = ["propose", "identity", renewal, "--reason", "again"];
    let late = net.govern_signed(0, &late, &net.identity(0));
    assert_eq!(late.code, 2);
    assert!(late.err.contains("have it made again"), "{late:?}");
}
