//! A department that was upgraded first: its entries of kinds that others don't know yet stop nobody.

use certmesh_api::{LogState, Verdict};
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::record::{Entry, RequirementMet};
use serde_json::json;

use crate::support::pen::{pen, write};
use crate::support::{TestNet, row, running, until};

/// Appends an entry of a kind that this version doesn't know to the third department's log.
fn write_later_entry(net: &mut TestNet) {
    net.stop(2).unwrap();
    {
        let mut pen = pen(net, 2);
        let unknown = Entry::read(4_000, b"of a later version");
        assert!(matches!(unknown, Entry::Unknown(_)));
        write(&mut pen, vec![unknown]);
    }
    net.start_again(2);
}

fn what_was_valid_in_its_log_is_unknown_everywhere(net: &TestNet, ids: &[String], others: &str) {
    for at in 0..2 {
        until("the entry to be everywhere", || {
            net.held(at, 2).size == net.held(2, 2).size
        });
        net.wait_verdict(at, &ids[0], "unknown", None);
        net.wait_verdict(at, &ids[1], "not-valid", Some("revoked"));
        net.wait_verdict(at, others, "valid", None);
        let view = net.held(at, 2);
        assert_eq!(view.state, LogState::Replica);
        assert!(view.detail.unwrap().contains("upgrade this peer"));
    }
    let found = net.api(0).verification(&ids[0]).unwrap();
    assert!(found.missing[0].contains("later version"), "{found:?}");
    assert_eq!(net.cli(0, &["verify", &ids[0]]).code, 3);
    net.http(0)
        .get(&format!("/v1/certificates/{}/proof", ids[0]))
        .problem(409, "proof-not-available");
}

/// A case says so, too, and is recorded as that.
fn a_case_that_needs_it_says_unknown(net: &TestNet, id: &str) {
    let kind = id.parse::<CertificateId>().unwrap().type_code();
    let matter = json!({
        "code": "M", "name": "m",
        "sub": [{ "code": "1", "name": "s", "requires": [{ "types": [kind], "fields": [] }] }],
    });
    assert_eq!(net.http(0).post("/v1/matters", &matter).status, 201);
    let case = json!({
        "matter": "M", "subject": row(2, "L", 0)["holder"],
        "collect": { "purpose": "case 1", "reference": "r1" },
    });
    let answer = net.http(0).post("/v1/accept", &case);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        answer.json()["requirements"][0]["state"],
        "unknown",
        "{answer:?}"
    );
}

fn the_last_record_is_of_a_case_whose_requirement_is_unknown(net: &TestNet) {
    let pen = pen(net, 0);
    let last = pen.log().record(pen.log().size() - 1).unwrap();
    let Entry::CaseAccepted(accepted) = &last.record().entry else {
        panic!("{last:?}")
    };
    assert_eq!(accepted.requirements[0].1, RequirementMet::Unknown);
}

#[test]
fn an_entry_of_an_unknown_kind_stops_no_log_and_makes_what_is_valid_in_it_unknown() {
    let mut net = running(3);
    let ids = net.issue(2, "L", 3);
    net.change(2, &ids[1], "revoke");
    let others = net.issue(0, "L", 1);
    net.converge();
    write_later_entry(&mut net);
    what_was_valid_in_its_log_is_unknown_everywhere(&net, &ids, &others[0]);
    a_case_that_needs_it_says_unknown(&net, &ids[0]);
    // The department's own peer, set back to this version, signs nothing: it can't tell what its log says.
    let refused = net.http(2).post("/v1/certificates", &row(2, "M", 0));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.text.contains("later version"), "{refused:?}");
    // It survives a restart, and every byte still checks.
    net.stop_all().unwrap();
    let (code, report) = net.fsck(0);
    assert_eq!(code, 0, "{report}");
    the_last_record_is_of_a_case_whose_requirement_is_unknown(&net);
    net.start_trusting(0);
    assert_eq!(net.held(0, 2).state, LogState::Replica);
    let found = net.api(0).verification(&ids[0]).unwrap();
    assert_eq!(found.verdict, Verdict::Unknown);
}
