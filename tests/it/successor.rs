//! A department is removed with a successor, which changes the statuses of its certificates, and that one with another.

use std::fs;

use serde_json::json;

use crate::membership::decide;
use crate::support::{Answer, TestNet, certmesh, running, until};

const ISSUER: usize = 4;
const HEIR: usize = 3;
const NEXT: usize = 2;
const DOWN: usize = 1;

/// What every node, and a proof from this one, says of each certificate.
fn all_say(net: &TestNet, nodes: &[usize], expected: &[(&String, &str)]) {
    for (id, said) in expected {
        let (verdict, reason) = match *said {
            "valid" => ("valid", None),
            reason => ("not-valid", Some(reason)),
        };
        for at in nodes {
            net.wait_verdict(*at, id, verdict, reason);
        }
    }
}

/// The same offline, by proofs that two of the nodes made.
fn proofs_say(net: &TestNet, nodes: &[usize], expected: &[(&String, &str)]) {
    let [proof, trust] = [net.scratch("x.proof"), net.scratch("now.trust")];
    let [proof, trust] = [&proof, &trust].map(|path| path.to_str().unwrap());
    let _ = fs::remove_file(trust);
    assert_eq!(net.govern(0, &["trust-file", "--out", trust]).code, 0);
    for (id, said) in expected {
        for at in nodes {
            let _ = fs::remove_file(proof);
            net.cli(*at, &["prove", id, "-o", proof]).exits(0);
            let args = ["--json", "verify", proof, "--network", trust];
            let read = certmesh(&args, b"", None, None);
            let verdict = read.json();
            match *said {
                "valid" => assert_eq!(verdict["verdict"], "valid", "{verdict}"),
                reason => assert_eq!(verdict["reason"], reason, "{verdict}"),
            }
        }
    }
}

fn change(net: &TestNet, at: usize, id: &str, action: &str) -> Answer {
    let body = json!({"action": action, "reason": "07", "text": "as decided"});
    net.http(at)
        .post(&format!("/v1/certificates/{id}/status"), &body)
}

/// Who may change it, as a node that may not says.
fn refused(net: &TestNet, at: usize, id: &str) -> String {
    let answer = change(net, at, id, "revoke");
    answer.problem(409, "other-department");
    answer.json()["detail"].as_str().unwrap().to_owned()
}

fn height(net: &TestNet, at: usize) -> u64 {
    net.govern(at, &["members"]).json()["height"]
        .as_u64()
        .unwrap()
}

/// Waits until nodes have so many signatures under the head of a log that they hold: once its department is removed no more come.
fn wait_witnessed(net: &TestNet, nodes: &[usize], id: &str, signatures: usize) {
    for at in nodes {
        until("the head to be witnessed", || {
            let found = net.api(*at).verification(id).unwrap();
            found
                .provenance
                .is_some_and(|from| from.cosigned_by.len() >= signatures)
        });
    }
}

#[test]
fn a_removed_department_s_certificates_are_changed_by_its_successor_and_by_that_one_s() {
    let mut net = running(5);
    let ids = net.issue(ISSUER, "KEPT", 4);
    // So that each has a head that a proof can show.
    net.issue(NEXT, "OWN", 1);
    let own = net.issue(HEIR, "OWN", 1);
    net.converge();
    wait_witnessed(&net, &[0, DOWN, NEXT], &ids[0], 4);
    let [issuer, heir, next] = [ISSUER, HEIR, NEXT].map(|n| net.code(n));
    let only = refused(&net, HEIR, &ids[0]);
    assert!(only.contains("only that department"), "{only}");
    proofs_say(&net, &[0], &[(&ids[0], "valid")]);

    // One node is down while all of it is decided.
    net.stop(DOWN).unwrap();
    let up = [0, NEXT, HEIR];
    decide(&net, &["suspend", &issuer], &[NEXT, HEIR, ISSUER], &up);
    decide(
        &net,
        &["remove", &issuer, "--successor", &heir],
        &[NEXT, HEIR],
        &up,
    );
    net.stop(ISSUER).unwrap();
    all_say(&net, &up, &[(&ids[0], "valid")]);
    let by_next = refused(&net, NEXT, &ids[0]);
    assert!(
        by_next.contains(&format!("its successor {heir}")),
        "{by_next}"
    );

    // The command works as for the department's own.
    let revoke = ["revoke", &ids[0], "--reason", "07", "--text", "as decided"];
    net.cli(HEIR, &revoke).exits(0);
    net.change(HEIR, &ids[1], "suspend");
    net.kill(HEIR);
    net.start_again(HEIR);
    net.wait_writable(HEIR);
    // Said again, it is what is there already; and what follows goes on from it.
    change(&net, HEIR, &ids[0], "reinstate").problem(409, "impossible-transition");
    net.change(HEIR, &ids[1], "reinstate");
    net.change(HEIR, &ids[2], "suspend");
    net.start_again(DOWN);
    let expected = [
        (&ids[0], "revoked"),
        (&ids[1], "valid"),
        (&ids[2], "suspended"),
        (&ids[3], "valid"),
    ];
    let all = [0, DOWN, NEXT, HEIR];
    until("the block to come to the one that was down", || {
        height(&net, DOWN) == height(&net, 0)
    });
    all_say(&net, &all, &expected);
    proofs_say(&net, &[0, DOWN], &expected);
    let history = net.cli(0, &["--json", "history", &ids[1]]).exits(0).json();
    let events = history["events"].as_array().unwrap();
    let logs: Vec<_> = events
        .iter()
        .map(|event| (event["event"].clone(), event["ignored"].is_null()))
        .collect();
    let did = ["issued", "suspended", "reinstated"].map(|what| (json!(what), true));
    assert_eq!(logs, did, "{history}");

    // And on to the next.
    wait_witnessed(&net, &[0, NEXT], &own[0], 3);
    decide(&net, &["suspend", &heir], &[DOWN, NEXT], &all);
    let up = [0, DOWN, NEXT];
    decide(
        &net,
        &["remove", &heir, "--successor", &next],
        &[DOWN, NEXT],
        &up,
    );
    net.stop(HEIR).unwrap();
    net.change(NEXT, &ids[2], "reinstate");
    net.change(NEXT, &ids[3], "revoke");
    net.kill(NEXT);
    net.start_again(NEXT);
    net.wait_writable(NEXT);
    let expected = [
        (&ids[0], "revoked"),
        (&ids[1], "valid"),
        (&ids[2], "valid"),
        (&ids[3], "revoked"),
    ];
    all_say(&net, &up, &expected);
    proofs_say(&net, &[0, NEXT], &expected);
    let by_other = refused(&net, 0, &ids[1]);
    assert!(
        by_other.contains(&format!("its successor {next}")),
        "{by_other}"
    );
    for at in up {
        net.stop(at).unwrap();
        let (code, report) = net.fsck(at);
        assert_eq!(code, 0, "{report}");
    }
}
