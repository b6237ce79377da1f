//! Why a certificate is not valid, what is missing where that can't be decided, and why there is no proof of it.

use certmesh_api::coded;
use certmesh_ledger::catalogue::{NotAuthorised, Stale, Unproven};
use certmesh_ledger::id::{CertificateId, ChinaTime, Date, DepartmentCode};
use certmesh_ledger::log::ReadError;
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::Status;
use certmesh_ledger::verify::{GatherError, MAX_BUNDLE, Missing, NotValid};

use crate::catalogue::{all_of, say};
use crate::counting::NotCounting;
use crate::sentences;

coded! {
    /// Why a certificate is not valid.
    pub(crate) enum Reason: "reason" {
        "status" Status { status: Status },
        "superseded" Superseded { by: Option<CertificateId> },
        "expired" Expired { until: Date },
        "not-yet-valid" NotYetValid { from: Date },
        "issuer-not-authorised" IssuerNotAuthorised { why: Unauthorised },
        "log-forked" LogForked { at: u64 },
    }
}

coded! {
    /// Why a department was not entitled to issue a certificate.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Unauthorised: "unauthorised" {
        /// The identifier names another issuer.
        "not-named" NotNamed,
        /// What it signed there counts for nothing.
        "void" Void {
            /// Why.
            why: NotCounting,
        },
        /// Its log or key ended with other records.
        "other-end" OtherEnd {
            /// Records that are kept.
            size: u64,
        },
        /// It lacked the role to issue.
        "no-role" NoRole,
        /// No member may define the type.
        "nobody-defines" NobodyDefines,
        /// The definition is by a department that may not define the type.
        "others-definition" OthersDefinition,
        /// The record named is not a definition of the type.
        "not-a-definition" NotADefinition,
        /// The definition does not list it.
        "not-listed" NotListed,
        /// The definition in force by then no longer listed it.
        "excluded" Excluded {
            /// Position of that definition.
            seq: u64,
        },
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
        "successor-since" SuccessorSince { log: String, at: u64 },
        "successor-unread" SuccessorUnread { log: String, at: u64 },
        "successor" Successor { department: DepartmentCode },
        "rest" Rest { log: String, size: u64 },
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
    /// What is not known of the definitions of a certificate's type.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum NoDefinition: "definition" {
        /// The record is not held.
        "not-held" NotHeld {
            /// The log it is in.
            log: String,
            /// Its position.
            seq: u64,
        },
        /// The log is in dispute.
        "disputed" Disputed {
            /// Which log.
            log: String,
            /// The first record in dispute.
            at: u64,
        },
        /// What is held of the log is too old.
        "known-to" KnownTo {
            /// Which log.
            log: String,
        },
        /// The record is of a later version.
        "later-version" LaterVersion {
            /// The log it is in.
            log: String,
            /// Its position.
            seq: u64,
        },
        /// Decisions of the members are not known here.
        "decisions" Decisions {
            /// The governance height that has to be known.
            height: u64,
        },
        /// The key that vouches for it has ended.
        "key-ended" KeyEnded {
            /// Which log.
            log: String,
            /// Records that it ended with.
            size: u64,
        },
    }
}

coded! {
    /// Why what is held of a log may not be its newest.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum NotNewest: "newest" {
        /// More is signed.
        "behind" Behind {
            /// How many records are.
            newest: u64,
            /// What is held.
            held: Held,
        },
        /// No other member has confirmed it lately.
        "silent" Silent {
            /// What is held.
            held: Held,
            /// For how long; `None` since the peer started.
            minutes: Option<u64>,
        },
        /// It is the own log, and not confirmed.
        "unconfirmed" Unconfirmed,
        /// Too few governors have shown lately that they know of no later decision.
        "decisions" Decisions {
            /// For how long; `None` since the peer started.
            minutes: Option<u64>,
        },
    }
}

coded! {
    /// How much of a log is held.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Held: "held" {
        /// None of it.
        "nothing" Nothing {
            /// Which log.
            log: String,
        },
        /// A part, or all.
        "up-to" UpTo {
            /// Which log.
            log: String,
            /// The last record.
            seq: u64,
            /// When it was made.
            time: ChinaTime,
        },
    }
}

coded! {
    /// Why no proof was made.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum NoProof: "no-proof" {
        /// A record is of a later version.
        "later-version" LaterVersion {
            /// The log it is in.
            log: String,
            /// Its position.
            seq: u64,
        },
        /// The type's definition can't be shown.
        "missing" Missing {
            /// What of it.
            missing: NoDefinition,
        },
        /// The certificate is not valid.
        "not-authorised" NotAuthorised {
            /// Why its department could not issue it.
            why: Unauthorised,
        },
        /// Several departments claim it.
        "claimed" Claimed,
        /// A successor of its department has signed nothing yet.
        "successor" Successor {
            /// Its log.
            log: String,
        },
        /// A successor of its department was removed, and no head over what was kept of its log is held.
        "ended" Ended {
            /// Its log.
            log: String,
        },
        /// What a log says depends on decisions of the members that were lost here.
        "decisions" Decisions {
            /// Which log.
            log: String,
            /// The governance height that has to be known.
            height: u64,
        },
        /// It would be too long.
        "too-large" TooLarge {
            /// Its length, bytes.
            found: usize,
            /// The most, bytes.
            limit: usize,
        },
    }
}

sentences!(Reason, Unauthorised, NoDefinition, NotNewest, Held, NoProof);

impl From<&NotValid> for Reason {
    fn from(reason: &NotValid) -> Reason {
        match reason {
            NotValid::Status(status) => Reason::Status { status: *status },
            NotValid::Superseded { by } => Reason::Superseded { by: by.clone() },
            NotValid::Expired { until } => Reason::Expired { until: *until },
            NotValid::NotYetValid { from } => Reason::NotYetValid { from: *from },
            NotValid::IssuerNotAuthorised(why) => Reason::IssuerNotAuthorised { why: why.into() },
            NotValid::LogForked { at } => Reason::LogForked { at: *at },
        }
    }
}

impl From<&NotAuthorised> for Unauthorised {
    fn from(why: &NotAuthorised) -> Unauthorised {
        match why {
            NotAuthorised::NotNamed => Unauthorised::NotNamed,
            NotAuthorised::Void(why) => Unauthorised::Void { why: why.into() },
            NotAuthorised::OtherEnd { size } => Unauthorised::OtherEnd { size: *size },
            NotAuthorised::NoRole => Unauthorised::NoRole,
            NotAuthorised::NobodyDefines => Unauthorised::NobodyDefines,
            NotAuthorised::OthersDefinition => Unauthorised::OthersDefinition,
            NotAuthorised::NotADefinition => Unauthorised::NotADefinition,
            NotAuthorised::NotListed => Unauthorised::NotListed,
            NotAuthorised::Excluded { seq } => Unauthorised::Excluded { seq: *seq },
        }
    }
}

/// What would have to be known to decide whether a certificate is valid.
pub fn missing(what: &Missing) -> String {
    say(&match what {
        Missing::Definition(what) => return say(&NoDefinition::from(what)),
        Missing::Newest(why) => return say(&NotNewest::from(why)),
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
        Missing::SuccessorSince { log, at } => Lacks::SuccessorSince {
            log: log.to_string(),
            at: *at,
        },
        Missing::SuccessorUnread { log, at } => Lacks::SuccessorUnread {
            log: log.to_string(),
            at: *at,
        },
        Missing::Successor(department) => Lacks::Successor {
            department: *department,
        },
        Missing::Rest { log, size } => Lacks::Rest {
            log: log.to_string(),
            size: *size,
        },
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

impl From<&Unproven> for NoDefinition {
    fn from(what: &Unproven) -> NoDefinition {
        match what {
            Unproven::NotHeld { log, seq } => NoDefinition::NotHeld {
                log: log.to_string(),
                seq: *seq,
            },
            Unproven::Disputed { log, at } => NoDefinition::Disputed {
                log: log.to_string(),
                at: *at,
            },
            Unproven::KnownTo { log, .. } => NoDefinition::KnownTo {
                log: log.to_string(),
            },
            Unproven::LaterVersion { log, seq } => NoDefinition::LaterVersion {
                log: log.to_string(),
                seq: *seq,
            },
            Unproven::Decisions { height } => NoDefinition::Decisions { height: *height },
            Unproven::KeyEnded { log, size } => NoDefinition::KeyEnded {
                log: log.to_string(),
                size: *size,
            },
        }
    }
}

impl From<&Stale> for NotNewest {
    fn from(why: &Stale) -> NotNewest {
        match why {
            Stale::Behind {
                log,
                size,
                time_ms,
                newest,
            } => NotNewest::Behind {
                newest: *newest,
                held: held(log, *size, *time_ms),
            },
            Stale::Silent {
                log,
                size,
                time_ms,
                for_ms,
            } => NotNewest::Silent {
                held: held(log, *size, *time_ms),
                minutes: for_ms.map(|ms| ms / 60_000),
            },
            Stale::Unconfirmed => NotNewest::Unconfirmed,
            Stale::Decisions { for_ms } => NotNewest::Decisions {
                minutes: for_ms.map(|ms| ms / 60_000),
            },
        }
    }
}

fn held(log: &LogId, size: u64, time_ms: u64) -> Held {
    let log = log.to_string();
    match size.checked_sub(1) {
        None => Held::Nothing { log },
        Some(seq) => Held::UpTo {
            log,
            seq,
            time: ChinaTime(time_ms),
        },
    }
}

impl NoProof {
    /// Why no proof was made.
    ///
    /// # Errors
    /// The log's own error where it can't be read: a fault of this peer, not a reason to show.
    pub fn of(why: &GatherError) -> Result<NoProof, &ReadError> {
        Ok(match why {
            GatherError::Read(ReadError::LaterVersion { log, seq }) => NoProof::LaterVersion {
                log: log.to_string(),
                seq: *seq,
            },
            GatherError::Read(ReadError::Decisions { log, height }) => NoProof::Decisions {
                log: log.to_string(),
                height: *height,
            },
            GatherError::Read(error) => return Err(error),
            GatherError::Definition(what) => NoProof::Missing {
                missing: what.into(),
            },
            GatherError::NotAuthorised(why) => NoProof::NotAuthorised { why: why.into() },
            GatherError::Claimed => NoProof::Claimed,
            GatherError::Successor { log } => NoProof::Successor {
                log: log.to_string(),
            },
            GatherError::Ended { log } => NoProof::Ended {
                log: log.to_string(),
            },
            GatherError::TooLarge(found) => NoProof::TooLarge {
                found: *found,
                limit: MAX_BUNDLE,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::check::mismatches;
    use certmesh_ledger::governance::Why;

    #[test]
    fn each_reason_has_a_text_with_its_arguments_and_each_text_a_reason() {
        let found = [
            mismatches::<Reason>(),
            mismatches::<Unauthorised>(),
            mismatches::<Lacks>(),
            mismatches::<Searched>(),
            mismatches::<NoDefinition>(),
            mismatches::<NotNewest>(),
            mismatches::<Held>(),
            mismatches::<NoProof>(),
        ];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn every_reason_says_what_it_is_in_words_of_its_own() {
        let log = LogId::first("11430000006122244L".parse().unwrap());
        let (seq, at) = (3, 4);
        let unproven = |what: &Unproven| say(&NoDefinition::from(what));
        let not_authorised = |why: &NotAuthorised| say(&Unauthorised::from(why));
        let of_definitions = [
            unproven(&Unproven::NotHeld { log, seq }),
            unproven(&Unproven::Disputed { log, at }),
            unproven(&Unproven::KnownTo {
                log,
                known_ms: 0,
                needed_ms: 1,
            }),
            unproven(&Unproven::LaterVersion { log, seq }),
            unproven(&Unproven::KeyEnded { log, size: 9 }),
        ];
        let names_its_log = |text: &String| text.contains("11430000006122244L");
        assert!(
            of_definitions.iter().all(names_its_log),
            "{of_definitions:?}"
        );
        let others = [
            unproven(&Unproven::Decisions { height: 9 }),
            not_authorised(&NotAuthorised::Void(Why::Generation)),
            not_authorised(&NotAuthorised::OtherEnd { size: 9 }),
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
            say(&NotNewest::from(&Stale::Silent {
                log,
                size: 8,
                time_ms: 0,
                for_ms,
            }))
        };
        assert!(silent(Some(120_000)).ends_with("no other member has confirmed for 2 minutes"));
        assert!(silent(None).ends_with("no other member has confirmed since this peer started"));
        assert!(
            silent(None).contains("up to record 7 of the log of 11430000006122244L, of 1970-01-01")
        );
    }
}
