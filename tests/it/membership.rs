//! Departments that join, are suspended, resumed and removed while all nodes run, by the command.

use std::time::{Duration, Instant};

use certmesh_api::OwnLogState;
use serde_json::Value;

use crate::support::{TestNet, certmesh, eventually, founded_before, until};
use certmesh_testnet::testnet::define_types;

const FOUNDERS: usize = 5;
/// The sixth department.
const NEWCOMER: usize = 5;

#[track_caller]
fn signed(net: &TestNet, index: usize, args: &[&str]) -> Value {
    let ran = net.govern_signed(index, args, &net.identity(index));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

fn height(net: &TestNet, index: usize) -> u64 {
    let members = net.govern(index, &["members"]).json();
    members["height"].as_u64().unwrap()
}

/// The first department proposes, and as many others approve as it takes. Waits until all of these nodes know of the block.
#[track_caller]
pub(crate) fn decide(net: &TestNet, what: &[&str], voters: &[usize], nodes: &[usize]) {
    let before = height(net, 0);
    let why = ["--reason", "decided together"];
    let what: Vec<&str> = ["propose"]
        .iter()
        .chain(what)
        .chain(&why)
        .copied()
        .collect();
    let proposed = signed(net, 0, &what);
    let id = proposed["proposal"].as_str().unwrap().to_owned();
    for voter in voters {
        until("the proposal to arrive", || {
            let list = net.govern(*voter, &["list"]).json();
            let all = list["proposals"].as_array().unwrap().clone();
            all.iter().any(|pending| pending["proposal"] == *id)
        });
        signed(net, *voter, &["approve", &id]);
    }
    for node in nodes {
        until("the block to be final", || height(net, *node) > before);
    }
}

/// The members' trust file, as a node has it, taken in by a newcomer.
#[track_caller]
pub(crate) fn join(net: &TestNet, from: usize, newcomer: usize) -> Value {
    let trust = net.scratch("network.trust");
    let trust = trust.to_str().unwrap();
    assert_eq!(net.govern(from, &["trust-file", "--out", trust]).code, 0);
    let newcomer = net.member(newcomer);
    let paths = [
        newcomer.dir.clone(),
        newcomer.identity_key(),
        newcomer.passphrase_file(),
    ];
    let [dir, key, passphrase] = paths.map(|path| path.to_str().unwrap().to_owned());
    let mut args = vec!["--json", "network", "join", trust, "--dir", &dir];
    args.extend(["--identity-key", &key, "--passphrase-file", &passphrase]);
    let ran = certmesh(&args, b"", None, None);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// Starts those of five founders that are to run, and has them ready.
pub(crate) fn start_founders(net: &mut TestNet, up: &[usize]) {
    for index in up {
        net.start_again(*index);
    }
    net.ready();
    define_types(&net.client(0).unwrap(), 0).unwrap();
}

/// Has a newcomer introduced and admitted by the founders that run, and takes the decision in.
#[track_caller]
pub(crate) fn admit(net: &TestNet, newcomer: usize, voters: &[usize], up: &[usize]) {
    let introduced = join(net, 0, newcomer);
    assert_eq!(introduced["admitted"], false, "{introduced}");
    let introduction = introduced["introduction"].as_str().unwrap();
    decide(net, &["admit", introduction], voters, up);
    let joined = join(net, 0, newcomer);
    assert_eq!(joined["admitted"], true, "{joined}");
}

/// A network of five that has admitted a sixth, whose node runs. The founders that run are ready.
fn with_newcomer(down: &[usize]) -> TestNet {
    let mut net = founded_before(FOUNDERS, 1);
    let up: Vec<usize> = (0..FOUNDERS).filter(|n| !down.contains(n)).collect();
    start_founders(&mut net, &up);

    // Before the members decide, the newcomer's node says what is missing.
    join(&net, 0, NEWCOMER);
    net.launch(NEWCOMER, &[]).unwrap();
    net.wait_logged(NEWCOMER, "is not a member of the network");
    net.wait_logged(NEWCOMER, "certmesh network join");
    net.kill(NEWCOMER);
    admit(&net, NEWCOMER, &up[1..4], &up);
    net.start_again(NEWCOMER);
    net.ready();
    net
}

pub(crate) fn connected(net: &TestNet, at: usize, to: usize) -> bool {
    let to = net.code(to);
    let peers = net.api(at).peers().unwrap();
    peers
        .iter()
        .any(|peer| peer.department == to && peer.connected)
}

#[test]
fn a_department_joins_a_running_network_and_everybody_sees_what_it_issues() {
    let mut net = with_newcomer(&[4]);
    define_types(&net.client(NEWCOMER).unwrap(), NEWCOMER).unwrap();
    let ids = net.issue(NEWCOMER, "JOIN", 3);
    for at in [0, 1, 2, 3, NEWCOMER] {
        net.wait_verdict(at, &ids[2], "valid", None);
    }
    // It counts among the others.
    let status = net.api(1).status().unwrap();
    assert_eq!(status.peers_total, 5);
    // Whoever was away when it was decided hears of it, and of its log.
    net.start_again(4);
    net.wait_verdict(4, &ids[0], "valid", None);
    until("the newcomer to be connected with it", || {
        connected(&net, 4, NEWCOMER)
    });
    // A start opens its log with the others; so does one after a kill, of the newcomer itself as well.
    for index in [1, NEWCOMER] {
        net.kill(index);
        net.start_again(index);
    }
    net.stop(2).unwrap();
    // What is on disk is held against the keys that it came with; so is a proof, where the decisions are at hand.
    let (_, report) = net.fsck(2);
    let logs = report["logs"].as_array().unwrap();
    let is_whole = |log: &Value| log["faults"].as_array().is_some_and(Vec::is_empty);
    assert!(logs.iter().all(is_whole), "{report}");
    assert_eq!(logs.len(), FOUNDERS + 1, "{report}");
    net.start_again(2);
    net.ready();
    let [proof, trust] = [net.scratch("x.proof"), net.scratch("network.trust")];
    let [proof, trust] = [&proof, &trust].map(|path| path.to_str().unwrap());
    net.cli(1, &["prove", &ids[1], "-o", proof]).exits(0);
    let verify =
        |network: &str| certmesh(&["verify", proof, "--network", network], b"", None, None);
    verify(trust).exits(0);
    let founding = net.network().dir().join("network.toml");
    verify(founding.to_str().unwrap()).exits(1);
    for at in 0..=NEWCOMER {
        assert_eq!(
            net.held(at, NEWCOMER).size,
            net.held(NEWCOMER, NEWCOMER).size
        );
    }
    net.issue(NEWCOMER, "STARTS", 2);
    net.converge();
}

#[test]
fn a_suspended_member_records_nothing_until_it_is_resumed() {
    let mut net = with_newcomer(&[]);
    define_types(&net.client(NEWCOMER).unwrap(), NEWCOMER).unwrap();
    let before = net.issue(NEWCOMER, "BEFORE", 2);
    net.converge();
    let (all, voters) = ([0, 1, 2, 3, 4, NEWCOMER], [1, 2, 3]);
    let code = net.code(NEWCOMER);
    decide(&net, &["suspend", &code], &voters, &all);
    let size = net.held(NEWCOMER, NEWCOMER).size;
    let refused = net.http(NEWCOMER).post(
        "/v1/types",
        &serde_json::json!({"code": format!("{code}777"), "name": "x"}),
    );
    refused.problem(503, "log-read-only");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("suspended this department"), "{detail}");
    assert_eq!(net.log_state(NEWCOMER), OwnLogState::ReadOnly);
    // It stays connected and keeps up.
    for at in 0..FOUNDERS {
        assert!(connected(&net, at, NEWCOMER));
    }
    define_types(&net.client(1).unwrap(), 1).unwrap();
    net.converge();
    // A start changes nothing of that.
    net.stop(NEWCOMER).unwrap();
    net.start_again(NEWCOMER);
    until("it to be read-only again", || {
        net.log_state(NEWCOMER) == OwnLogState::ReadOnly
    });
    decide(&net, &["resume", &code], &voters, &[0, 1, 2, 3, 4]);
    // It goes on in the next generation of its log, with all that counts, at every member. Its node starts again in process, and
    // answers nobody meanwhile.
    until("its log to go on", || {
        let status = net.api(NEWCOMER).status();
        let writes = status.is_ok_and(|status| status.log_state == OwnLogState::Writable);
        writes && net.held(0, NEWCOMER).generation == 1
    });
    assert_eq!(net.held(NEWCOMER, NEWCOMER).size, size);
    let after = net.issue(NEWCOMER, "AFTER", 1);
    net.converge();
    for id in [&before[0], &after[0]] {
        net.wait_verdict(1, id, "valid", None);
        // A file shows it, too.
        let proof = net.http(1).get(&format!("/v1/certificates/{id}/proof"));
        assert_eq!(proof.status, 200, "{proof:?}");
    }
}

#[test]
fn a_removed_member_is_cut_off_at_once_and_its_log_stays() {
    let mut net = with_newcomer(&[]);
    define_types(&net.client(NEWCOMER).unwrap(), NEWCOMER).unwrap();
    net.issue(NEWCOMER, "KEPT", 2);
    net.converge();
    let (founders, voters) = ([0, 1, 2, 3, 4], [1, 2, 3]);
    let code = net.code(NEWCOMER);
    decide(
        &net,
        &["suspend", &code],
        &voters,
        &[0, 1, 2, 3, 4, NEWCOMER],
    );
    let kept = net.held(0, NEWCOMER);
    decide(&net, &["remove", &code], &voters, &founders);
    let decided = Instant::now();
    until("all connections with it to be closed", || {
        !founders.iter().any(|at| connected(&net, *at, NEWCOMER))
    });
    assert!(decided.elapsed() < Duration::from_secs(1));
    for at in founders {
        net.wait_logged(at, "its peer no longer belongs to a member");
    }
    until("it to be alone", || {
        let status = net.api(NEWCOMER).status().unwrap();
        status.peers_connected == 0
    });
    // It gets nothing more, and is let in by nobody, whatever is started again.
    let before = net.held(NEWCOMER, 0).size;
    net.issue(0, "WITHOUT", 3);
    net.stop(2).unwrap();
    net.start_again(2);
    until("the others to hold it", || {
        founders
            .iter()
            .all(|at| net.held(*at, 0).size == before + 3)
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(net.held(NEWCOMER, 0).size, before);
    for at in founders {
        assert!(!connected(&net, at, NEWCOMER));
        let held = net.held(at, NEWCOMER);
        assert_eq!((held.size, &held.root), (kept.size, &kept.root));
        assert_eq!(net.api(at).status().unwrap().peers_total, 4);
    }
    let trust = join_refused(&net);
    assert!(trust.contains("removed"), "{trust}");
}

/// What the removed department is told when it joins again.
fn join_refused(net: &TestNet) -> String {
    let trust = net.scratch("again.trust");
    let trust = trust.to_str().unwrap();
    assert_eq!(net.govern(0, &["trust-file", "--out", trust]).code, 0);
    let dir = net.member(NEWCOMER).dir.clone();
    let args = ["network", "join", trust, "--dir", dir.to_str().unwrap()];
    let ran = certmesh(&args, b"", None, None);
    assert_eq!(ran.code, 2, "{ran:?}");
    ran.err
}

#[test]
fn what_this_version_would_not_act_upon_or_what_voids_records_is_not_approved_by_mistake() {
    let net = with_newcomer(&[]);
    define_types(&net.client(NEWCOMER).unwrap(), NEWCOMER).unwrap();
    net.converge();
    let code = net.code(NEWCOMER);
    // Proposed, and meanwhile the department goes on.
    let proposed = signed(
        &net,
        0,
        &["propose", "suspend", &code, "--reason", "to be sure"],
    );
    let id = proposed["proposal"].as_str().unwrap().to_owned();
    net.issue(NEWCOMER, "MEAN", 1);
    net.converge();
    eventually("the proposal to arrive", || {
        let list = net.govern(1, &["list"]).json();
        let any = !list["proposals"].as_array().unwrap().is_empty();
        any.then_some(())
    });
    let key = net.identity(1);
    let refused = net.govern_signed(1, &["approve", &id], &key);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--void-records"), "{refused:?}");
    let meant = ["approve", &id, "--void-records"];
    assert_eq!(net.govern_signed(1, &meant, &key).code, 0);
    // What nobody holds, nobody can confirm.
    let root = net.held(0, NEWCOMER).root.unwrap();
    let more = [
        "propose", "suspend", &code, "--size", "999", "--root", &root, "--reason", "a try",
    ];
    let proposed = signed(&net, 0, &more);
    let id = proposed["proposal"].as_str().unwrap();
    until("the proposal to arrive", || {
        net.govern(1, &["show", id]).code == 0
    });
    let refused = net.govern_signed(1, &["approve", id], &key);
    assert!(refused.err.contains("this node holds"), "{refused:?}");
    // Who is not suspended is not removed.
    let remove = ["propose", "remove", &code, "--reason", "x"];
    let refused = net.govern_signed(0, &remove, &net.identity(0));
    assert!(refused.err.contains("is not suspended"), "{refused:?}");
}
