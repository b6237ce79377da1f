//! What is issued at one department is found and verified at the others.

use std::fs;

use certmesh_api::{FindRequest, IssueRequest, Verdict};
use certmesh_testnet::sample::Sample;
use certmesh_testnet::testnet::define_types;
use serde_json::json;

use crate::support::{certmesh, deadline, founded, running, until};

#[test]
fn a_certificate_issued_at_one_department_is_found_at_another_by_id_subject_type_and_issuer() {
    let net = running(3);
    let ids = net.issue(0, "R1", 40);
    net.issue(1, "R1", 10);
    net.converge();
    let (there, row) = (net.api(2), Sample::new(0, "R1").unwrap().row(7));
    let id = &ids[7];

    let found = there.certificate(id).unwrap();
    assert_eq!((&found.id, &found.issuer), (id, &net.code(0)));
    assert_eq!(found.valid_from, row.valid_from.clone().unwrap());
    assert_eq!(found.sharing, row.sharing.clone().unwrap());
    assert!(found.type_name.is_some());

    let ids_of = |request: &FindRequest| -> Vec<String> {
        let found = there.find(request).unwrap();
        found.certificates.into_iter().map(|c| c.id).collect()
    };
    let by_holder = ids_of(&FindRequest {
        holder: row.holder.clone(),
        purpose: Some("a test".to_owned()),
        ..FindRequest::default()
    });
    assert!(by_holder.contains(id), "{by_holder:?}");
    let mut stranger = row.holder.clone();
    if let Some(holder) = &mut stranger {
        *holder = Sample::new(0, "OTHER").unwrap().row(9_999).holder.unwrap();
    }
    let of_stranger = ids_of(&FindRequest {
        holder: stranger,
        purpose: Some("a test".to_owned()),
        ..FindRequest::default()
    });
    assert!(!of_stranger.contains(id));
    let by_type = ids_of(&FindRequest {
        type_code: Some(found.type_code.clone()),
        limit: Some(1000),
        ..FindRequest::default()
    });
    assert!(by_type.contains(id) && by_type.len() == 20, "{by_type:?}");
    let by_issuer = ids_of(&FindRequest {
        issuer: Some(net.code(0)),
        limit: Some(1000),
        ..FindRequest::default()
    });
    assert_eq!(by_issuer, ids);

    let verification = there.verification(id).unwrap();
    assert_eq!(verification.verdict, Verdict::Valid);
    let provenance = verification.provenance.unwrap();
    assert_eq!(provenance.department, net.code(0));
    assert_eq!(provenance.answered_by, net.code(2));
    assert_eq!(provenance.record, found.position.record);
}

#[test]
fn pages_of_a_search_together_give_every_certificate_once() {
    let net = running(2);
    let mut ids = net.issue(0, "R2", 25);
    net.converge();
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let request = FindRequest {
            issuer: Some(net.code(0)),
            limit: Some(7),
            cursor,
            ..FindRequest::default()
        };
        let page = net.api(1).find(&request).unwrap();
        assert!(page.certificates.len() <= 7);
        found.extend(page.certificates.into_iter().map(|c| c.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ids.sort();
    found.sort();
    assert_eq!(found, ids);
}

#[test]
fn a_department_that_joins_late_catches_up_with_everything() {
    let mut net = founded(3);
    net.start(0, deadline()).unwrap();
    net.start(1, deadline()).unwrap();
    // One of two others is half, not more than half.
    net.api(0).confirm_log().unwrap();
    net.api(1).confirm_log().unwrap();
    for index in [0, 1] {
        define_types(&net.api(index), index).unwrap();
    }
    let ids = net.issue(0, "LATE", 3_000);
    let revoked = &ids[1_234];
    net.change(0, revoked, "revoke");
    net.issue(1, "LATE", 50);
    net.start(2, deadline()).unwrap();
    net.ready();
    let logs = net.converge();
    assert_eq!(logs.iter().map(|log| log.certificates).sum::<u64>(), 3_050);
    net.wait_verdict(2, &ids[2_999], "valid", None);
    net.wait_verdict(2, revoked, "not-valid", Some("revoked"));
}

#[test]
fn every_change_of_status_travels_and_the_history_shows_it_in_order() {
    let net = running(2);
    let ids = net.issue(0, "ST", 3);
    let (one, two) = (&ids[0], &ids[1]);
    net.wait_verdict(1, one, "valid", None);
    net.change(0, one, "suspend");
    net.wait_verdict(1, one, "not-valid", Some("suspended"));
    net.change(0, one, "reinstate");
    net.wait_verdict(1, one, "valid", None);
    net.change(0, one, "revoke");
    net.wait_verdict(1, one, "not-valid", Some("revoked"));
    net.change(0, two, "cancel");
    net.wait_verdict(1, two, "not-valid", Some("cancelled"));

    let history = net.api(1).history(one).unwrap();
    let events: Vec<&str> = history.events.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(events, ["issued", "suspended", "reinstated", "revoked"]);
    assert!(history.events.iter().all(|event| event.ignored.is_none()));
    assert_eq!(history.events[1].text.as_deref(), Some("inspection"));
    let there = net.api(1).certificate(one).unwrap();
    assert_eq!(
        (there.status.as_str(), there.status_code.as_str()),
        ("revoked", "07")
    );
    // The third was never touched.
    net.wait_verdict(1, &ids[2], "valid", None);
}

#[test]
fn a_certificate_that_is_replaced_reads_as_superseded_everywhere() {
    let net = running(2);
    let ids = net.issue(0, "SUP", 1);
    let mut next: IssueRequest = Sample::new(0, "SUP2").unwrap().row(0);
    next.predecessor = Some(ids[0].clone());
    let next = net.api(0).issue(&next).unwrap();
    net.wait_verdict(1, &ids[0], "not-valid", Some("superseded"));
    net.wait_verdict(1, &next.id, "valid", None);
    let history = net.api(1).history(&ids[0]).unwrap();
    assert_eq!(
        history.events.last().unwrap().successor.as_deref(),
        Some(next.id.as_str())
    );
}

#[test]
fn a_proof_from_its_issuer_waits_until_another_department_has_signed() {
    let net = running(2);
    let ids = net.issue(0, "SGN", 1);
    let genesis = net.network().dir().join("network.toml");
    let proof = net.scratch("fresh.proof");
    let proof = proof.to_str().unwrap();
    net.cli(0, &["prove", &ids[0], "-o", proof]).exits(0);
    let verify = ["verify", proof, "--network", genesis.to_str().unwrap()];
    let told = certmesh(&[&verify[..], &["--json"]].concat(), b"", None, None);
    let told = told.exits(0).json();
    assert_eq!(told["verdict"], "valid");
    assert_eq!(told["provenance"]["cosigned_by"], json!([net.code(1)]));
}

#[test]
fn a_proof_made_at_another_department_verifies_offline_after_all_peers_are_down() {
    let mut net = running(3);
    let ids = net.issue(0, "PRF", 20);
    let (good, bad) = (ids[3].clone(), ids[4].clone());
    net.change(0, &bad, "revoke");
    net.converge();
    let genesis = net.network().dir().join("network.toml");
    let (proof, of_bad) = (net.scratch("good.proof"), net.scratch("bad.proof"));
    for (id, file) in [(&good, &proof), (&bad, &of_bad)] {
        net.cli(1, &["prove", id, "-o", file.to_str().unwrap()])
            .exits(0);
    }
    net.stop_all().unwrap();

    let offline = |file: &std::path::Path, more: &[&str]| {
        let mut args = vec![
            "verify",
            file.to_str().unwrap(),
            "--network",
            genesis.to_str().unwrap(),
            "--json",
        ];
        args.extend(more);
        certmesh(&args, b"", None, None)
    };
    let verdict = offline(&proof, &[]).exits(0).json();
    assert_eq!(
        (&verdict["verdict"], &verdict["id"]),
        (&"valid".into(), &good.clone().into())
    );
    let verdict = offline(&of_bad, &[]).exits(1).json();
    assert_eq!(
        (&verdict["verdict"], &verdict["reason"]),
        (&"not-valid".into(), &"revoked".into())
    );
    // Long before it was issued it was not in force.
    let early = offline(&proof, &["--on", "2001-01-01"]).exits(1).json();
    assert_eq!(early["reason"], "not-yet-valid");

    // A proof with any byte changed proves nothing.
    let bytes = fs::read(&proof).unwrap();
    let changed = net.scratch("changed.proof");
    for place in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 2] {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        fs::write(&changed, &bytes).unwrap();
        assert_ne!(offline(&changed, &[]).code, 0, "byte {place}");
    }
    // Nor does it prove anything in another network.
    let other = founded(2);
    let foreign = other.network().dir().join("network.toml");
    let args = [
        "verify",
        proof.to_str().unwrap(),
        "--network",
        foreign.to_str().unwrap(),
    ];
    assert_ne!(certmesh(&args, b"", None, None).code, 0);
}

#[test]
fn every_department_s_cosignature_gets_round_to_all() {
    let net = running(4);
    let id = net.issue(0, "R9", 1).remove(0);
    net.converge();
    let witnesses: Vec<String> = (1..4).map(|index| net.code(index)).collect();
    for at in 0..4 {
        until(
            "the others' cosignatures under the issuer's checkpoint",
            || {
                let verification = net.api(at).verification(&id).unwrap();
                let cosigned = verification.provenance.unwrap().cosigned_by;
                witnesses.iter().all(|witness| cosigned.contains(witness))
            },
        );
    }
}
