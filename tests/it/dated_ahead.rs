//! A department whose clock ran ahead: what it recorded then is lost in no figure, and is in none that it does not belong to.

use certmesh_api::OwnLogState;
use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::id::{Date, HolderKind};
use certmesh_ledger::record::{
    AccessLogRead, Asked, CaseAccepted, CaseTag, Entry, Received, RequirementMet,
    RetrievalAcknowledged,
};
use serde_json::{Value, json};

use crate::support::pen::{SUBJECT, catalogue_key, now_ms, pen};
use crate::support::{TestNet, running, until};

const DAY_MS: u64 = 86_400_000;

/// Appends a retrieval, a case and a look to the second department's own log; the position of the first.
fn write_dated(net: &TestNet, time_ms: u64) -> u64 {
    let mut pen = pen(net, 1);
    let key = catalogue_key(net);
    let tag = key.subject_tag(HolderKind::IdentityCard, SUBJECT);
    let subject = key.blind(&tag, Date::in_china(time_ms));
    let kind = format!("{}001", net.code(0)).parse().unwrap();
    let matter = format!("{}/QYBG/01", net.code(1));
    let fields = || Bounded::first([Text::new("CZZT").unwrap()]);
    let asked = Asked {
        issuer: net.member(0).code(),
        asker: net.member(1).code(),
        key_epoch: 0,
        matter: matter.parse().unwrap(),
        type_code: kind,
        subject,
        fields: fields(),
        rest: Hash::from_bytes([5; 32]),
    };
    let acknowledged = RetrievalAcknowledged {
        asked,
        outcome: Received::Fields {
            fields: fields(),
            keep_until: Date::in_china(time_ms + DAY_MS),
        },
        took_ms: 40,
    };
    let accepted = CaseAccepted {
        case: CaseTag(Hash::from_bytes([6; 32])),
        matter: matter.parse().unwrap(),
        requirements: Bounded::first([(kind, RequirementMet::Held)]),
    };
    let entries = vec![
        Entry::from(acknowledged),
        Entry::CaseAccepted(accepted),
        Entry::AccessLogRead(AccessLogRead { subject }),
    ];
    pen.append(time_ms, entries).unwrap().0[0].seq
}

/// Its own log is dated ahead: it records nothing more until an operator says that the clock is right.
fn the_second_records_again_once_its_clock_is_said_to_be_right(net: &mut TestNet) {
    net.start_again(1);
    until("the clock to be held against the log", || {
        net.log_state(1) == OwnLogState::ClockOff
    });
    net.cli(1, &["resume", "--clock-is-right"]).exits(0);
    net.ready();
    net.converge();
}

fn reports_count_it_by_itself(net: &TestNet, at: usize, month_ahead: &str) {
    let of = |report: &Value, n: usize| {
        let departments = report["departments"].as_array().unwrap();
        let code = json!(net.code(n));
        let found = departments.iter().find(|one| one["department"] == code);
        found.unwrap().clone()
    };
    let ahead = json!({
        "shared": 0, "refused": 0, "retrieved": 1, "cases": 1, "required": 1, "saved": 1,
    });
    for query in ["", "?month=2020-01", &format!("?month={month_ahead}")] {
        let report = net.http(at).get(&format!("/v1/reports/use{query}")).json();
        let used = of(&report, 1);
        assert_eq!((&used["cases"], &used["retrieved"]), (&json!(0), &json!(0)));
        assert_eq!(used["dated_ahead"], ahead, "{query}");
        assert_eq!(of(&report, 0)["dated_ahead"], Value::Null);
    }
}

fn audits_count_it_by_itself(net: &TestNet, at: usize, first: u64) {
    let audit = net.http(at).get("/v1/audit?from=2020-01-01&to=2020-01-31");
    let audit = audit.json();
    assert_eq!(
        (&audit["wrong"], &audit["dated_ahead"]),
        (&json!(0), &json!(1))
    );
    let log = &audit["dated_ahead_in"][0];
    assert_eq!(
        (&log["department"], &log["first_seq"]),
        (&json!(net.code(1)), &json!(first))
    );
}

fn access_logs_mark_it_whichever_days_are_asked_for(net: &TestNet) {
    let asked = json!({
        "subject": { "kind": "111", "code": SUBJECT }, "from": "2020-01-01", "to": "2020-01-31",
    });
    let log = net.http(0).post("/v1/access-log", &asked).json();
    let events = log["events"].as_array().unwrap();
    let shown: Vec<_> = events
        .iter()
        .map(|event| (event["event"].as_str().unwrap(), &event["dated_ahead"]))
        .collect();
    let yes = json!(true);
    assert_eq!(shown, [("acknowledged", &yes), ("access-log-read", &yes)]);
}

#[test]
fn records_dated_ahead_are_shown_by_themselves_at_every_peer_whatever_time_is_asked_for() {
    let mut net = running(2);
    net.converge();
    net.stop(1).unwrap();
    let ahead_ms = now_ms() + 40 * DAY_MS;
    let first = write_dated(&net, ahead_ms);
    the_second_records_again_once_its_clock_is_said_to_be_right(&mut net);
    let day_ahead = Date::in_china(ahead_ms).to_string();
    for at in [0, 1] {
        reports_count_it_by_itself(&net, at, &day_ahead[..7]);
        audits_count_it_by_itself(&net, at, first);
    }
    access_logs_mark_it_whichever_days_are_asked_for(&net);
}
