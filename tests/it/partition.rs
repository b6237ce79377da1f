//! The network falls apart and grows together again.

use certmesh_api::{LogState, Verdict};

use crate::support::{running, until};

#[test]
fn both_sides_of_a_partition_go_on_issuing_and_agree_once_it_is_healed() {
    let net = running(4);
    let before = net.issue(0, "P0", 10);
    net.converge();
    net.links().partition(&[0, 1]);
    for index in 0..4 {
        until("the cut to be noticed", || {
            net.api(index).status().unwrap().peers_connected == 1
        });
    }
    let left = net.issue(0, "P1", 20);
    let right = net.issue(3, "P1", 30);
    net.change(0, &before[0], "revoke");
    net.wait_verdict(1, &left[19], "valid", None);
    net.wait_verdict(2, &right[29], "valid", None);
    net.wait_verdict(1, &before[0], "not-valid", Some("revoked"));
    // Unknown on the other side: never valid, and what was revoked there is still as it was here.
    for (at, id) in [
        (2, &left[19]),
        (3, &left[0]),
        (0, &right[29]),
        (1, &right[0]),
    ] {
        let found = net.api(at).verification(id).unwrap();
        assert_eq!(found.verdict, Verdict::Unknown);
        assert!(!found.missing.is_empty());
    }
    net.wait_verdict(3, &before[0], "valid", None);

    net.links().heal_all();
    net.converge();
    for at in 0..4 {
        net.wait_verdict(at, &left[0], "valid", None);
        net.wait_verdict(at, &right[29], "valid", None);
        net.wait_verdict(at, &before[0], "not-valid", Some("revoked"));
    }
    let logs = net.converge();
    assert!(
        logs.iter()
            .all(|log| log.state == LogState::Own || log.state == LogState::Replica)
    );
}

#[test]
fn a_node_that_can_reach_only_one_other_still_gets_every_log_through_it() {
    let net = running(3);
    net.links().cut(0, 2);
    until("the cut to be noticed", || {
        net.api(2).status().unwrap().peers_connected == 1
            && net.api(0).status().unwrap().peers_connected == 1
    });
    let ids = net.issue(0, "VIA", 25);
    net.wait_verdict(2, &ids[24], "valid", None);
    assert!(
        !net.api(2)
            .peers()
            .unwrap()
            .iter()
            .any(|peer| peer.department == net.code(0) && peer.connected)
    );
}
