//! The order of reasons, over every combination of facts.

use certmesh_ledger::catalogue::{Authority, NotAuthorised, Stale, Unproven};
use certmesh_ledger::id::Date;
use certmesh_ledger::record::Status;
use certmesh_ledger::verify::{Facts, Missing, NotValid, Verdict, judge};

use crate::common::{certificate, issued, name};

const STATUSES: [Status; 8] = [
    Status::Valid,
    Status::Suspended,
    Status::Withdrawn,
    Status::Cancelled,
    Status::Lapsed,
    Status::TransferredOut,
    Status::Revoked,
    Status::Superseded,
];

#[test]
fn the_first_reason_against_a_certificate_is_the_one_given_and_only_without_any_is_it_valid() {
    // Number 1 is valid from 2024-01-01 to 2033-12-31.
    let certificate_issued = issued(1, None);
    let seq = 10;
    let (from, until) = (
        certificate_issued.validity.from(),
        certificate_issued.validity.until(),
    );
    let until = until.expect("number 1 ends");
    let successor = certificate("S00000009");
    let days = [from.days() - 1, from.days(), until.days(), until.days() + 1];
    let log = name().id;
    let why = NotAuthorised::NotListed;
    let unproven = Unproven::NotHeld { log, seq: 7 };
    let authorities = [
        Authority::Given,
        Authority::NotGiven(why.clone()),
        Authority::Unknown(unproven.clone()),
    ];
    let cases: Vec<(Status, i32, bool)> = STATUSES
        .into_iter()
        .flat_map(|status| days.map(|day| [(status, day, false), (status, day, true)]))
        .flatten()
        .collect();
    let mut valid = 0;
    for authority in &authorities {
        for stopped_at in [None, Some(0), Some(10), Some(11)] {
            for unread_at in [None, Some(3), Some(12)] {
                for (status, day, is_stale) in &cases {
                    let (status, stale) = (*status, is_stale.then_some(Stale::Unconfirmed));
                    let on = Date::from_days(*day).expect("a date");
                    let verdict = judge(&Facts {
                        certificate: &certificate_issued,
                        seq,
                        status,
                        successor: Some(successor.clone()),
                        authority: authority.clone(),
                        unread_at,
                        stopped_at,
                        stale: stale.clone(),
                        on,
                    });
                    let mut missing = Vec::new();
                    if stopped_at == Some(11) {
                        missing.push(Missing::StatusSince { at: 11 });
                    }
                    missing.extend(unread_at.map(|at| Missing::LaterVersion { at }));
                    if stopped_at.is_none() {
                        missing.extend(stale.map(Missing::Newest));
                    }
                    if let Authority::Unknown(unproven) = authority {
                        missing.push(Missing::Definition(unproven.clone()));
                    }
                    let by = Some(successor.clone());
                    let rules = [
                        (
                            matches!(authority, Authority::NotGiven(_)),
                            NotValid::IssuerNotAuthorised(why.clone()),
                        ),
                        (stopped_at == Some(0), NotValid::LogForked { at: 0 }),
                        (stopped_at == Some(10), NotValid::LogForked { at: 10 }),
                        (status == Status::Superseded, NotValid::Superseded { by }),
                        (status != Status::Valid, NotValid::Status(status)),
                        (on > until, NotValid::Expired { until }),
                        (on < from, NotValid::NotYetValid { from }),
                    ];
                    let against = rules.into_iter().find(|(holds, _)| *holds);
                    let expected = match against {
                        Some((_, why)) => Verdict::NotValid(why),
                        None if missing.is_empty() => Verdict::Valid,
                        None => Verdict::Unknown(missing),
                    };
                    assert_eq!(verdict, expected);
                    valid += usize::from(verdict == Verdict::Valid);
                }
            }
        }
    }
    assert_eq!(
        valid, 2,
        "in force on the first and on the last day, and in no other case"
    );
}

#[test]
fn a_certificate_without_end_never_expires() {
    let certificate = issued(2, None);
    assert_eq!(certificate.validity.until(), None);
    let verdict = judge(&Facts {
        certificate: &certificate,
        seq: 0,
        status: Status::Valid,
        successor: None,
        authority: Authority::Given,
        unread_at: None,
        stopped_at: None,
        stale: None,
        on: Date::MAX,
    });
    assert_eq!(verdict, Verdict::Valid);
}
