//! Why a certificate is not valid, what is missing where that can't be decided, and why there is no proof of it.

use certmesh_api::coded;
use certmesh_ledger::catalogue::{NotAuthorised, Stale, Unproven};
use certmesh_ledger::id::{CertificateId, ChinaTime, Date};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::Status;
use certmesh_ledger::verify::{GatherError, MAX_BUNDLE, Missing, NotValid};

use crate::catalogue::{all_of, say};

coded! {
    enum Reason: "reason" {
        "status" Status { status: Status },
        "superseded" Superseded { by: Option<CertificateId> },
        "expired" Expired { until: Date },
        "not-yet-valid" NotYetValid { from: Date },
        "issuer-not-authorised" IssuerNotAuthorised { why: String },
        "log-forked" LogForked { at: u64 },
    }
}

coded! {
    enum Unauthorised: "unauthorised" {
        "not-named" NotNamed,
        "no-role" NoRole,
        "nobody-defines" NobodyDefines,
        "others-definition" OthersDefinition,
        "not-a-definition" NotADefinition,
        "not-listed" NotListed,
        "excluded" Excluded { seq: u64 },
    }
}

coded! {
    enum Lacks: "missing" {
        "issuer" Issuer { issuer: String },
        "record" Record {
            /// What is held of the logs that could have it.
            held: Option<String>,
        },
        "rightful-issuer" RightfulIssuer { departments: String },
        "status-since" StatusSince { at: u64 },
        "later-version" LaterVersion { at: u64 },
        "witness" Witness,
    }
}

coded! {
    enum Searched: "searched" {
        "nothing-held" NothingHeld { log: String },
        "not-among" NotAmong { log: String, size: u64 },
    }
}

coded! {
    enum Definition: "definition" {
        "not-held" NotHeld { log: String, seq: u64 },
        "disputed" Disputed { log: String, at: u64 },
        "known-to" KnownTo { log: String },
        "later-version" LaterVersion { log: String, seq: u64 },
    }
}

coded! {
    enum Newest: "newest" {
        "behind" Behind {
            newest: u64,
            /// What is held.
            held: String,
        },
        "silent" Silent { held: String, minutes: Option<u64> },
        "unconfirmed" Unconfirmed,
    }
}

coded! {
    enum Held: "held" {
        "nothing" Nothing { log: String },
        "up-to" UpTo { log: String, seq: u64, time: ChinaTime },
    }
}

coded! {
    enum NoProof: "no-proof" {
        "unreadable" Unreadable {
            /// The log's own error.
            why: String,
        },
        "missing" Missing { missing: String },
        "not-authorised" NotAuthorised { why: String },
        "claimed" Claimed,
        "too-large" TooLarge { found: usize, limit: usize },
    }
}

/// Why a certificate is not valid.
pub fn not_valid(reason: &NotValid) -> String {
    say(&match reason {
        NotValid::Status(status) => Reason::Status { status: *status },
        NotValid::Superseded { by } => Reason::Superseded { by: by.clone() },
        NotValid::Expired { until } => Reason::Expired { until: *until },
        NotValid::NotYetValid { from } => Reason::NotYetValid { from: *from },
        NotValid::IssuerNotAuthorised(why) => Reason::IssuerNotAuthorised {
            why: not_authorised(why),
        },
        NotValid::LogForked { at } => Reason::LogForked { at: *at },
    })
}

/// Why a department was not entitled to issue a certificate.
pub fn not_authorised(why: &NotAuthorised) -> String {
    say(&match why {
        NotAuthorised::NotNamed => Unauthorised::NotNamed,
        NotAuthorised::NoRole => Unauthorised::NoRole,
        NotAuthorised::NobodyDefines => Unauthorised::NobodyDefines,
        NotAuthorised::OthersDefinition => Unauthorised::OthersDefinition,
        NotAuthorised::NotADefinition => Unauthorised::NotADefinition,
        NotAuthorised::NotListed => Unauthorised::NotListed,
        NotAuthorised::Excluded { seq } => Unauthorised::Excluded { seq: *seq },
    })
}

/// What would have to be known to decide whether a certificate is valid.
pub fn missing(what: &Missing) -> String {
    say(&match what {
        Missing::Definition(what) => return unproven(what),
        Missing::Newest(why) => return stale(why),
        Missing::Issuer(issuer) => Lacks::Issuer {
            issuer: issuer.to_string(),
        },
        Missing::Record { logs } => {
            let held: Vec<String> = logs
                .iter()
                .map(|(log, size, _)| searched(log, *size))
                .collect();
            Lacks::Record {
                held: Some(held.join("; ")).filter(|_| !logs.is_empty()),
            }
        }
        Missing::RightfulIssuer { departments } => Lacks::RightfulIssuer {
            departments: all_of(departments),
        },
        Missing::StatusSince { at } => Lacks::StatusSince { at: *at },
        Missing::LaterVersion { at } => Lacks::LaterVersion { at: *at },
        Missing::Witness => Lacks::Witness,
    })
}

fn searched(log: &LogId, size: u64) -> String {
    let log = log.to_string();
    say(&match size {
        0 => Searched::NothingHeld { log },
        size => Searched::NotAmong { log, size },
    })
}

/// What is not known of the definitions of a certificate's type.
pub fn unproven(what: &Unproven) -> String {
    let text = |log: &LogId| log.to_string();
    say(&match what {
        Unproven::NotHeld { log, seq } => Definition::NotHeld {
            log: text(log),
            seq: *seq,
        },
        Unproven::Disputed { log, at } => Definition::Disputed {
            log: text(log),
            at: *at,
        },
        Unproven::KnownTo { log, .. } => Definition::KnownTo { log: text(log) },
        Unproven::LaterVersion { log, seq } => Definition::LaterVersion {
            log: text(log),
            seq: *seq,
        },
    })
}

/// Why what is held of a log may not be its newest.
pub fn stale(why: &Stale) -> String {
    say(&match why {
        Stale::Behind {
            log,
            size,
            time_ms,
            newest,
        } => Newest::Behind {
            newest: *newest,
            held: held(log, *size, *time_ms),
        },
        Stale::Silent {
            log,
            size,
            time_ms,
            for_ms,
        } => Newest::Silent {
            held: held(log, *size, *time_ms),
            minutes: for_ms.map(|ms| ms / 60_000),
        },
        Stale::Unconfirmed => Newest::Unconfirmed,
    })
}

fn held(log: &LogId, size: u64, time_ms: u64) -> String {
    let log = log.to_string();
    say(&match size.checked_sub(1) {
        None => Held::Nothing { log },
        Some(seq) => Held::UpTo {
            log,
            seq,
            time: ChinaTime(time_ms),
        },
    })
}

/// Why no proof of a certificate can be made.
pub fn no_proof(why: &GatherError) -> String {
    say(&match why {
        GatherError::Read(error) => NoProof::Unreadable {
            why: error.to_string(),
        },
        GatherError::Definition(what) => NoProof::Missing {
            missing: unproven(what),
        },
        GatherError::NotAuthorised(why) => NoProof::NotAuthorised {
            why: not_authorised(why),
        },
        GatherError::Claimed => NoProof::Claimed,
        GatherError::TooLarge(found) => NoProof::TooLarge {
            found: *found,
            limit: MAX_BUNDLE,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::check::mismatches;

    #[test]
    fn each_reason_has_a_text_with_its_arguments_and_each_text_a_reason() {
        let found = [
            mismatches::<Reason>(),
            mismatches::<Unauthorised>(),
            mismatches::<Lacks>(),
            mismatches::<Searched>(),
            mismatches::<Definition>(),
            mismatches::<Newest>(),
            mismatches::<Held>(),
            mismatches::<NoProof>(),
        ];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn every_reason_says_what_it_is_in_words_of_its_own() {
        let log = LogId::first("11430000006122244L".parse().unwrap());
        let (seq, at) = (3, 4);
        let of_definitions = [
            unproven(&Unproven::NotHeld { log, seq }),
            unproven(&Unproven::Disputed { log, at }),
            unproven(&Unproven::KnownTo {
                log,
                known_ms: 0,
                needed_ms: 1,
            }),
            unproven(&Unproven::LaterVersion { log, seq }),
        ];
        let names_its_log = |text: &String| text.contains("11430000006122244L");
        assert!(
            of_definitions.iter().all(names_its_log),
            "{of_definitions:?}"
        );
        let others = [
            not_authorised(&NotAuthorised::NotNamed),
            not_authorised(&NotAuthorised::NoRole),
            not_authorised(&NotAuthorised::NobodyDefines),
            not_authorised(&NotAuthorised::OthersDefinition),
            not_authorised(&NotAuthorised::NotADefinition),
            not_authorised(&NotAuthorised::NotListed),
            not_authorised(&NotAuthorised::Excluded { seq }),
        ];
        let distinct: BTreeSet<&String> = of_definitions.iter().chain(&others).collect();
        assert_eq!(distinct.len(), of_definitions.len() + others.len());
    }

    #[test]
    fn what_is_missing_says_how_far_it_is_known() {
        let log = LogId::first("11430000006122244L".parse().unwrap());
        assert_eq!(
            missing(&Missing::Record {
                logs: vec![(log, 0, 0), (log, 7, 0)]
            }),
            "a record of it; nothing of the log of 11430000006122244L has arrived here yet; it is not among the 7 records \
             known of the log of 11430000006122244L"
        );
        assert_eq!(
            missing(&Missing::Record { logs: Vec::new() }),
            "a record of it"
        );
        let silent = |for_ms| {
            stale(&Stale::Silent {
                log,
                size: 8,
                time_ms: 0,
                for_ms,
            })
        };
        assert!(silent(Some(120_000)).ends_with("no other member has confirmed for 2 minutes"));
        assert!(silent(None).ends_with("no other member has confirmed since this peer started"));
        assert!(
            silent(None).contains("up to record 7 of the log of 11430000006122244L, of 1970-01-01")
        );
    }
}
