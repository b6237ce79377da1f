//! The order of reasons, over every combination of facts.

use certmesh_ledger::id::Date;
use certmesh_ledger::record::Status;
use certmesh_ledger::verify::{Facts, Missing, NotValid, Verdict, judge};

use crate::common::{certificate, issued};

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
    let mut valid = 0;
    for authorised in [false, true] {
        for stopped_at in [None, Some(0), Some(10), Some(11)] {
            for status in STATUSES {
                for day in days {
                    let on = Date::from_days(day).expect("a date");
                    let verdict = judge(&Facts {
                        certificate: &certificate_issued,
                        seq,
                        status,
                        successor: Some(successor.clone()),
                        authorised,
                        stopped_at,
                        on,
                    });
                    let rules = [
                        (
                            !authorised,
                            Verdict::NotValid(NotValid::IssuerNotAuthorised),
                        ),
                        (
                            stopped_at == Some(0),
                            Verdict::NotValid(NotValid::LogForked { at: 0 }),
                        ),
                        (
                            stopped_at == Some(10),
                            Verdict::NotValid(NotValid::LogForked { at: 10 }),
                        ),
                        (
                            status == Status::Superseded,
                            Verdict::NotValid(NotValid::Superseded {
                                by: Some(successor.clone()),
                            }),
                        ),
                        (
                            status != Status::Valid,
                            Verdict::NotValid(NotValid::Status(status)),
                        ),
                        (on > until, Verdict::NotValid(NotValid::Expired { until })),
                        (on < from, Verdict::NotValid(NotValid::NotYetValid { from })),
                        (
                            stopped_at == Some(11),
                            Verdict::Unknown(vec![Missing::StatusSince { at: 11 }]),
                        ),
                        (true, Verdict::Valid),
                    ];
                    let expected = rules.into_iter().find(|(holds, _)| *holds).map(|(_, v)| v);
                    assert_eq!(Some(&verdict), expected.as_ref());
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
        authorised: true,
        stopped_at: None,
        on: Date::MAX,
    });
    assert_eq!(verdict, Verdict::Valid);
}
