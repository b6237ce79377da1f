//! A second node with the same keys: a copy of a department's directory, started beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certmesh_api::{LogState, NodeStatus, OwnLogState, Verdict, Word};
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

/// What a node says of another run, if any.
fn report(status: &NodeStatus) -> Option<&String> {
    let other = |warning: &&String| warning.contains("another run of this department's peer");
    status.warnings.iter().find(other)
}

fn reports(status: &NodeStatus) -> bool {
    report(status).is_some()
}

fn measured(http: &Http) -> bool {
    let metrics = http.get("/metrics").text;
    let line = |line: &str| line.starts_with("certmesh_other_instance ");
    let value = metrics.lines().find(|text| line(text)).unwrap();
    value.ends_with(" 1")
}

/// A running copy of the first department's node.
struct Copy {
    node: Node,
    client: Client,
    http: Http,
}

impl Copy {
    /// Starts it connected to all other members.
    fn start(net: &TestNet, copy: &Member) -> Copy {
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
        let token = fs::read_to_string(copy.token_file()).unwrap();
        Copy {
            node,
            client: Client::with_token_file(&api, &copy.token_file()).unwrap(),
            http: Http::new(&api, token.trim()),
        }
    }

    fn status(&self) -> NodeStatus {
        self.client.status().unwrap()
    }

    fn verdict(&self, id: &str) -> Word<Verdict> {
        self.client.verification(id).unwrap().verdict
    }
}

fn both_report_the_other(net: &TestNet, copy: &Copy) {
    until("the copy to be elsewhere", || {
        copy.status().log_state == OwnLogState::Elsewhere
    });
    until("both to report the other", || {
        reports(&copy.status()) && reports(&net.api(0).status().unwrap())
    });
    assert!(measured(&copy.http) && measured(&net.http(0)));
    net.wait_logged(0, "another run of this department's peer");
    // Each member says so when the first one next compares heads with it, so not all are named at once.
    until("every member that sees both to be named", || {
        let status = net.api(0).status().unwrap();
        let names = (1..net.len()).map(|other| net.member(other).department.display_name());
        let named = |warning: &String| names.clone().all(|name| warning.contains(name));
        report(&status).is_some_and(named)
    });
}

/// Whatever its operator says.
fn the_copy_takes_nothing_and_calls_nothing_valid(copy: &Copy, sample: &Sample, id: &str) {
    let refused = serde_json::to_value(sample.row(0)).unwrap();
    copy.http
        .post("/v1/certificates", &refused)
        .problem(503, "own-log-unconfirmed");
    let stated = copy.client.confirm_log().unwrap_err().to_string();
    assert!(stated.contains("Stop one of the two"), "{stated}");
    assert_eq!(copy.status().log_state, OwnLogState::Elsewhere);
    assert_eq!(copy.verdict(id), Verdict::Unknown);
}

/// What the first has appended meanwhile comes before anything of the copy's own.
fn the_copy_takes_over_after_the_first(
    net: &mut TestNet,
    copy: &Copy,
    sample: &Sample,
    newest: &str,
) {
    net.stop(0).unwrap();
    until("the copy to take over", || {
        copy.status().log_state == OwnLogState::Writable
    });
    until("the copy to report nobody", || {
        !reports(&copy.status()) && !measured(&copy.http)
    });
    // Members told it nothing while the first ran, and so not what they know of decisions.
    until("what the first recorded last to be valid", || {
        copy.verdict(newest) == Verdict::Valid
    });
    let by_copy = copy.client.issue(&sample.row(0)).unwrap();
    net.wait_verdict(2, &by_copy.id, "valid", None);
}

/// Back again, the first one is the later one.
fn the_first_takes_over_after_the_copy(net: &mut TestNet, copy: Copy) {
    net.start_again(0);
    until("the first to be elsewhere", || {
        net.log_state(0) == OwnLogState::Elsewhere && reports(&copy.status())
    });
    copy.node.stop().unwrap();
    net.wait_writable(0);
    let last = net.issue(0, "LAST", 3);
    net.wait_verdict(2, &last[2], "valid", None);
}

#[test]
fn a_copied_node_is_seen_by_both_and_goes_on_by_itself_when_the_first_has_stopped() {
    let mut net = running(3);
    let before = net.issue(0, "FIRST", 5);
    net.converge();
    net.stop(0).unwrap();
    let directory = copied(&net);
    net.start_again(0);
    net.ready();
    assert!(!reports(&net.api(0).status().unwrap()) && !measured(&net.http(0)));

    let copy = Copy::start(&net, &directory);
    both_report_the_other(&net, &copy);
    let sample = Sample::new(0, "TWIN").unwrap();
    the_copy_takes_nothing_and_calls_nothing_valid(&copy, &sample, &before[0]);
    let meanwhile = net.issue(0, "ORIG", 20);
    net.wait_verdict(1, &meanwhile[19], "valid", None);
    the_copy_takes_over_after_the_first(&mut net, &copy, &sample, &meanwhile[19]);
    the_first_takes_over_after_the_copy(&mut net, copy);
    for log in net.converge() {
        assert!(
            log.state == LogState::Own || log.state == LogState::Replica,
            "{log:?}"
        );
    }
}
