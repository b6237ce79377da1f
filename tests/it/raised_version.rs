//! The members raise the format to a version that these nodes don't know, as they would once other departments have upgraded.

use std::path::Path;
use std::sync::Arc;

use certmesh_ledger::codec::{Ascending, Bounded, Text};
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::governance::{
    Block, Certificate, Decision, FinalBlock, Item, Proposal, RaiseVersion, Signed, Stage, Store,
    Vote, approve,
};
use certmesh_ledger::membership::Membership;
use certmesh_testnet::govern::identity_key;

use crate::support::pen::now_ms;
use crate::support::{TestNet, running, until};

const DEPARTMENTS: usize = 4;
const VERSION: u32 = 2;

/// A list that departments sign, in the order of their codes.
fn signed(all: impl IntoIterator<Item = Signed>) -> Ascending<Signed, 64> {
    let mut all: Vec<Signed> = all.into_iter().collect();
    all.sort_by_key(|signed| signed.by);
    Ascending::new(all).unwrap()
}

/// The first block: that raises the version, approved and final by all but the last department.
fn raise(net: &TestNet) -> FinalBlock {
    let genesis = net.network().genesis();
    let members = Membership::from_genesis(genesis);
    let (history, network) = (members.history(), members.network());
    let others = || 0..DEPARTMENTS - 1;
    let code = |n: usize| net.member(n).code();
    let proposal = Proposal {
        proposer: code(0),
        sitting: history.state().sitting(),
        lapses_ms: u64::MAX,
        nonce: 1,
        reason: Text::new("all nodes are upgraded").unwrap(),
        actions: Bounded::first([RaiseVersion { after: VERSION }.into()]),
    };
    let id = proposal.id(network);
    let identity = |n: usize| identity_key(net.member(n)).unwrap();
    let mut decision = Decision::propose(network, proposal, &identity(0));
    let approvals = others().skip(1);
    decision.approvals = signed(approvals.map(|n| approve(network, id, code(n), &identity(n))));
    let block = Block {
        height: 1,
        before: history.state().head(),
        time_ms: now_ms(),
        items: Bounded::first([Item::from(decision)]),
    };
    let vote = Vote {
        height: 1,
        round: 0,
        stage: Stage::Precommit,
        block: Some(block.id(network)),
    };
    let operating = |n: usize| net.member(n).signing_key().unwrap();
    let votes = signed(others().map(|n| vote.sign(network, code(n), &operating(n))));
    let certificate = Certificate { round: 0, votes };
    FinalBlock { block, certificate }
}

/// Puts a final block on a node's disk, as if it had come from an upgraded member.
fn store(net: &TestNet, at: usize, block: &FinalBlock) {
    let members = Membership::from_genesis(net.network().genesis());
    let dir = net.data(at).join("governance");
    let (mut store, _) =
        Store::open(Arc::new(RealDisk::default()), Path::new(&dir), &members).unwrap();
    store.append(block).unwrap();
}

#[test]
fn a_version_that_no_node_knows_is_seen_by_all_and_ends_nothing() {
    let mut net = running(DEPARTMENTS);
    let before = net.issue(1, "BEFORE", 1);
    net.converge();
    net.stop(DEPARTMENTS - 1).unwrap();
    store(&net, DEPARTMENTS - 1, &raise(&net));
    net.start_again(DEPARTMENTS - 1);
    for at in 0..DEPARTMENTS {
        until("the version to be known", || {
            net.govern(at, &["members"]).json()["version"] == VERSION
        });
        until("the operator to be told", || {
            let status = net.cli(at, &["status", "--check"]);
            status.code != 0 && status.out.contains("this node knows versions up to 1")
        });
    }
    // Departments go on by the version before, and judge what is made by it.
    let after = net.issue(1, "AFTER", 1);
    net.change(1, &before[0], "revoke");
    for at in 0..DEPARTMENTS {
        net.wait_verdict(at, &after[0], "valid", None);
        net.wait_verdict(at, &before[0], "not-valid", Some("revoked"));
    }
    // Nobody can be asked to want a version that his program does not know.
    let key = net.identity(0);
    let more = net.govern_signed(0, &["propose", "version", "--reason", "one more"], &key);
    assert_eq!(more.code, 2, "{more:?}");
    assert!(more.err.contains("upgrade"), "{more:?}");
    net.stop(1).unwrap();
    net.start_again(1);
    net.wait_writable(1);
    let again = net.issue(1, "AGAIN", 1);
    net.wait_verdict(0, &again[0], "valid", None);
}

#[test]
fn whoever_hears_too_few_governors_says_unknown() {
    let mut net = running(7);
    let ids = net.issue(1, "A", 1);
    net.converge();
    for at in 0..7 {
        net.stop(at).unwrap();
    }
    net.start_again(0);
    net.start_again(1);
    // The log is confirmed by its own department: it is the members' decisions that may be lacking. Of the six others three are
    // enough.
    net.wait_verdict(0, &ids[0], "unknown", None);
    until("that to be the only thing that is missing", || {
        let found = net.api(0).verification(&ids[0]).unwrap();
        found.missing.len() == 1 && found.missing[0].contains("decisions")
    });
    let status = net.cli(0, &["status"]);
    assert!(
        status.out.contains("know of no later decision"),
        "{status:?}"
    );
    net.http(0)
        .get(&format!("/v1/certificates/{}/proof", ids[0]))
        .problem(409, "proof-not-available");
    net.start_again(2);
    net.start_again(3);
    net.wait_verdict(0, &ids[0], "valid", None);
}
