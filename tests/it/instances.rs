//! A second node with the same keys: a copy of a department's directory, started beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certmesh_api::{LogState, NodeStatus, OwnLogState, Verdict};
use certmesh_testnet::client::Client;
use certmesh_testnet::network::Member;
use certmesh_testnet::process::Node;
use certmesh_testnet::sample::Sample;

use crate::support::{Http, TestNet, copy_dir, deadline, node_command, running, until};
use crate::villain::target;

/// A copy of the first department's directory, as it is now.
fn copied(net: &TestNet) -> Member {
    let mut copy = net.member(0).clone();
    copy.dir = net.scratch("copy");
    copy_dir(&net.member(0).dir, &copy.dir);
    let keys = ["signing", "transport", "field", "catalogue"].map(|key| format!("keys/{key}.key"));
    for private in keys.iter().map(String::as_str).chain(["tokens.toml"]) {
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(copy.dir.join(private), mode).unwrap();
    }
    copy
}

/// The copy's node, connected to all other members, and its API.
fn start(net: &TestNet, copy: &Member) -> (Node, Client, Http) {
    let peers: Vec<_> = (1..net.len())
        .map(|other| {
            let address = target(net, other);
            let address = format!("/ip4/{}/tcp/{}", address.ip(), address.port());
            (net.member(other).code(), address)
        })
        .collect();
    copy.write_config(&peers).unwrap();
    let mut node = Node::start(&node_command(), copy, &[]).unwrap();
    let api = node.serving(deadline()).unwrap().api;
    let client = Client::with_token_file(&api, &copy.token_file()).unwrap();
    let token = fs::read_to_string(copy.token_file()).unwrap();
    (node, client, Http::new(&api, token.trim()))
}

fn reports(status: &NodeStatus) -> bool {
    let other = |warning: &String| warning.contains("another run of this department's peer");
    status.warnings.iter().any(other)
}

fn measured(http: &Http) -> bool {
    let metrics = http.get("/metrics").text;
    let line = |line: &str| line.starts_with("certmesh_other_instance ");
    let value = metrics.lines().find(|text| line(text)).unwrap();
    value.ends_with(" 1")
}

#[test]
fn a_copied_node_is_seen_by_both_and_goes_on_by_itself_when_the_first_has_stopped() {
    let mut net = running(3);
    let before = net.issue(0, "FIRST", 5);
    net.converge();
    net.stop(0).unwrap();
    let copy = copied(&net);
    net.start_again(0);
    net.ready();
    assert!(!reports(&net.api(0).status().unwrap()) && !measured(&net.http(0)));

    let (node, client, http) = start(&net, &copy);
    until("the copy to be elsewhere", || {
        client.status().unwrap().log_state == OwnLogState::Elsewhere
    });
    until("both to report the other", || {
        reports(&client.status().unwrap()) && reports(&net.api(0).status().unwrap())
    });
    assert!(measured(&http) && measured(&net.http(0)));
    net.wait_logged(0, "another run of this department's peer");
    let warning = &net.api(0).status().unwrap().warnings[0];
    assert!(warning.contains(net.member(1).department.display_name()));

    // The first goes on, the copy takes nothing, whatever its operator says, and calls nothing valid.
    let sample = Sample::new(0, "TWIN").unwrap();
    let refused = serde_json::to_value(sample.row(0)).unwrap();
    http.post("/v1/certificates", &refused)
        .problem(503, "own-log-unconfirmed");
    let stated = client.confirm_log().unwrap_err().to_string();
    assert!(stated.contains("Stop one of the two"), "{stated}");
    assert_eq!(client.status().unwrap().log_state, OwnLogState::Elsewhere);
    assert_eq!(
        client.verification(&before[0]).unwrap().verdict,
        Verdict::Unknown
    );
    let meanwhile = net.issue(0, "ORIG", 20);
    net.wait_verdict(1, &meanwhile[19], "valid", None);

    // What the first has appended meanwhile comes before anything of the copy's own.
    net.stop(0).unwrap();
    until("the copy to take over", || {
        client.status().unwrap().log_state == OwnLogState::Writable
    });
    until("the copy to report nobody", || {
        !reports(&client.status().unwrap()) && !measured(&http)
    });
    assert_eq!(
        client.verification(&meanwhile[19]).unwrap().verdict,
        Verdict::Valid
    );
    let by_copy = client.issue(&sample.row(0)).unwrap();
    net.wait_verdict(2, &by_copy.id, "valid", None);

    // Back again, the first one is the later one.
    net.start_again(0);
    until("the first to be elsewhere", || {
        net.log_state(0) == OwnLogState::Elsewhere && reports(&client.status().unwrap())
    });
    node.stop().unwrap();
    net.wait_writable(0);
    let last = net.issue(0, "LAST", 3);
    net.wait_verdict(2, &last[2], "valid", None);
    for log in net.converge() {
        assert!(
            log.state == LogState::Own || log.state == LogState::Replica,
            "{log:?}"
        );
    }
}
