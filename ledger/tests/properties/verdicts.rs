//! The order of reasons, over every combination of facts.

use certmesh_ledger::catalogue::{Authority, NotAuthorised, Stale, Unproven};
use certmesh_ledger::id::Date;
use certmesh_ledger::record::{CertificateIssued, Status};
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

/// Where the certificate was issued in its log.
const SEQ: u64 = 10;

/// The verdict by the order of reasons, as the format's text has it.
fn by_the_rules(facts: &Facts<'_>) -> Verdict {
    let validity = &facts.certificate.validity;
    let (from, until) = (validity.from(), validity.until().expect("number 1 ends"));
    let mut missing = Vec::new();
    if facts.stopped_at == Some(SEQ + 1) {
        missing.push(Missing::StatusSince { at: SEQ + 1 });
    }
    missing.extend(facts.unread_at.map(|at| Missing::LaterVersion { at }));
    if facts.stopped_at.is_none() {
        missing.extend(facts.stale.clone().map(Missing::Newest));
    }
    missing.extend(facts.missing_of_successors.iter().cloned());
    if let Authority::Unknown(unproven) = &facts.authority {
        missing.push(Missing::Definition(unproven.clone()));
    }
    if let Authority::NotGiven(why) = &facts.authority {
        return Verdict::NotValid(NotValid::IssuerNotAuthorised(why.clone()));
    }
    let by = facts.successor.clone();
    let rules = [
        (facts.stopped_at == Some(0), NotValid::LogForked { at: 0 }),
        (
            facts.stopped_at == Some(SEQ),
            NotValid::LogForked { at: SEQ },
        ),
        (
            facts.status == Status::Superseded,
            NotValid::Superseded { by },
        ),
        (
            facts.status != Status::Valid,
            NotValid::Status(facts.status),
        ),
        (facts.on > until, NotValid::Expired { until }),
        (facts.on < from, NotValid::NotYetValid { from }),
    ];
    let against = rules.into_iter().find(|(holds, _)| *holds);
    match against {
        Some((_, why)) => Verdict::NotValid(why),
        None if missing.is_empty() => Verdict::Valid,
        None => Verdict::Unknown(missing),
    }
}

/// Every combination of what can be known of a certificate that is valid on the two middle days of these four.
fn all_facts<'f>(certificate: &'f CertificateIssued, days: [i32; 4]) -> Vec<Facts<'f>> {
    let log = name().id;
    let authorities = [
        Authority::Given,
        Authority::NotGiven(NotAuthorised::NotListed),
        Authority::Unknown(Unproven::NotHeld { log, seq: 7 }),
    ];
    let successor = self::certificate("S00000009");
    let mut all = Vec::new();
    for authority in &authorities {
        for stopped_at in [None, Some(0), Some(SEQ), Some(SEQ + 1)] {
            for unread_at in [None, Some(3), Some(12)] {
                for status in STATUSES {
                    for day in days {
                        for stale in [None, Some(Stale::Unconfirmed)] {
                            // Of a log that is stale the successors' logs say nothing more.
                            let since = Missing::SuccessorSince { log, at: 5 };
                            let missing_of_successors = match stale {
                                None if day % 2 == 0 => vec![since],
                                _ => Vec::new(),
                            };
                            all.push(Facts {
                                certificate,
                                seq: SEQ,
                                status,
                                successor: Some(successor.clone()),
                                authority: authority.clone(),
                                unread_at,
                                stopped_at,
                                stale,
                                missing_of_successors,
                                on: Date::from_days(day).expect("a date"),
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

#[test]
fn the_first_reason_against_a_certificate_is_the_one_given_and_only_without_any_is_it_valid() {
    // Number 1 is valid from 2024-01-01 to 2033-12-31.
    let certificate = issued(1, None);
    let validity = &certificate.validity;
    let (from, until) = (validity.from(), validity.until().expect("number 1 ends"));
    let days = [from.days() - 1, from.days(), until.days(), until.days() + 1];
    let mut valid = 0;
    for facts in all_facts(&certificate, days) {
        let verdict = judge(&facts);
        assert_eq!(verdict, by_the_rules(&facts));
        valid += usize::from(verdict == Verdict::Valid);
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
        missing_of_successors: Vec::new(),
        on: Date::MAX,
    });
    assert_eq!(verdict, Verdict::Valid);
}
