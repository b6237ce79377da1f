//! An operating key that was in other hands: what it signed before it was replaced stays, and its thief signs nothing more.

use std::thread;
use std::time::Duration;

use certmesh_api::LogState;
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::names::LogId;
use certmesh_testnet::sample::Sample;

use crate::forked::Storyteller;
use crate::support::pen::{definition, issued, pen_in, write};
use crate::support::{TestNet, copy_dir, running, until};
use crate::villain::Villain;

/// Whose key it is.
const VICTIM: usize = 1;
const OTHERS: [usize; 3] = [0, 2, 3];

fn rotate(net: &TestNet, more: &[&str]) -> serde_json::Value {
    let dir = net.member(VICTIM).dir.to_str().unwrap().to_owned();
    let args: Vec<&str> = ["rotate", "--dir", &dir]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    let ran = net.govern_signed(VICTIM, &args, &net.identity(VICTIM));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// The key of an epoch counts as stolen at a node.
fn wait_stolen(net: &TestNet, at: usize, epoch: u32) {
    let said = format!("epoch {epoch} of");
    until("the key to count as stolen", || {
        let log = net.govern(at, &["log"]).out;
        let mut lines = log.lines();
        lines.any(|line| line.contains(&said) && line.contains("in other hands"))
    });
}

/// Certificates that the thief issues by the first key, dated back, in a copy of the log as it was before.
fn forged(net: &TestNet, copy: &std::path::Path) -> (Storyteller, CertificateId) {
    let mut pen = pen_in(net, VICTIM, copy);
    let sample = Sample::new(VICTIM, "THIEF").unwrap();
    let ids: Vec<CertificateId> = (0..9).map(|number| sample.id(number)).collect();
    let code = ids[0].type_code().to_string();
    let named = definition(pen.log(), &code);
    let entries = ids.iter().map(|id| issued(net, id, named));
    write(&mut pen, entries.collect());
    let [last] = ids.last_chunk().unwrap();
    (Storyteller(std::sync::Arc::clone(pen.log())), last.clone())
}

#[test]
fn a_stolen_key_s_records_stay_as_they_are_and_its_thief_adds_nothing() {
    let mut net = running(4);
    let before = net.issue(VICTIM, "BEFORE", 3);
    net.change(VICTIM, &before[1], "suspend");
    net.change(VICTIM, &before[2], "revoke");
    net.converge();
    net.stop(VICTIM).unwrap();
    let copy = net.scratch("copy");
    copy_dir(&net.data(VICTIM), &copy);
    net.start_again(VICTIM);
    net.wait_writable(VICTIM);
    let ended = rotate(&net, &["--stolen"]);
    assert_eq!(
        (&ended["ended"], &ended["epoch"]),
        (&"stolen".into(), &0.into())
    );
    let after = net.issue(VICTIM, "AFTER", 2);
    net.converge();
    let is_so = |net: &TestNet| {
        for at in OTHERS {
            wait_stolen(net, at, 0);
            net.wait_verdict(at, &before[0], "valid", None);
            net.wait_verdict(at, &before[1], "not-valid", Some("suspended"));
            net.wait_verdict(at, &before[2], "not-valid", Some("revoked"));
            net.wait_verdict(at, &after[0], "valid", None);
        }
    };
    is_so(&net);
    // The thief, with the department's transport key as well, shows more records than anybody holds.
    net.stop(VICTIM).unwrap();
    let size = net.held(0, VICTIM).size;
    let (story, id) = forged(&net, &copy);
    assert!(story.0.size() > size);
    assert_eq!(story.0.name().id, LogId::first(net.member(VICTIM).code()));
    let villain = Villain::as_member(&net, VICTIM, &OTHERS, story);
    for at in OTHERS {
        until("the thief to be connected", || {
            let peers = net.api(at).peers().unwrap();
            let code = net.code(VICTIM);
            peers
                .iter()
                .any(|peer| peer.department == code && peer.connected && peer.heard_ms.is_some())
        });
    }
    thread::sleep(Duration::from_secs(3));
    for at in OTHERS {
        let held = net.held(at, VICTIM);
        assert_eq!((held.size, &held.state), (size, &LogState::Replica.into()));
        let verdict = net.api(at).verification(&id.to_string()).unwrap();
        assert_eq!(verdict.verdict.as_str(), "unknown", "{verdict:?}");
    }
    is_so(&net);
    drop(villain);
    // Its department goes on.
    net.start_again(VICTIM);
    net.wait_writable(VICTIM);
    let last = net.issue(VICTIM, "LAST", 1);
    net.converge();
    net.wait_verdict(0, &last[0], "valid", None);
}

#[test]
fn that_a_key_was_stolen_is_said_after_its_rotation_by_a_command_that_can_be_repeated() {
    let mut net = running(4);
    let end = |net: &TestNet, more: &[&str]| {
        let args: Vec<&str> = ["end-epoch", "--stolen", "--yes"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        net.govern(VICTIM, &args)
    };
    // The present one has to be replaced first.
    let early = end(&net, &[]);
    assert_eq!(early.code, 2, "{early:?}");
    assert!(early.err.contains("is in force"), "{early:?}");
    rotate(&net, &[]);
    // Killed before anything was said about the key before.
    net.kill(VICTIM);
    net.start_again(VICTIM);
    // It may have to hear of the block from the others first.
    until("the command to be done", || end(&net, &[]).code == 0);
    let again = end(&net, &[]).exits(0);
    assert_eq!(again.json()["ended"], "stolen");
    for at in OTHERS {
        wait_stolen(&net, at, 0);
    }
    // Over the API, of one that is in force, or that is not there.
    let http = net.http(VICTIM);
    for epoch in [1, 7] {
        let asked = http.post(
            "/v1/governance/stolen-epoch",
            &serde_json::json!({"epoch": epoch}),
        );
        asked.problem(409, "not-decidable");
    }
    assert_eq!(
        http.post("/v1/governance/stolen-epoch", &serde_json::json!({}))
            .status,
        200
    );
    let ids = net.issue(VICTIM, "AFTER", 1);
    net.wait_verdict(0, &ids[0], "valid", None);
}
