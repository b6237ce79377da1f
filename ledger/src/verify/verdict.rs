//! From facts to a verdict.

use crate::catalogue::{Authority, NotAuthorised, Stale, Unproven};
use crate::id::{CertificateId, Date, DepartmentCode, IssuerCode};
use crate::names::LogId;
use crate::record::{CertificateIssued, Status};

/// The answer to "is it genuine and in force?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Valid,
    /// No, and why.
    NotValid(NotValid),
    /// It cannot be said; what is missing.
    Unknown(Vec<Missing>),
}

impl Verdict {
    /// `valid`, `not-valid` or `unknown`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::NotValid(_) => "not-valid",
            Verdict::Unknown(_) => "unknown",
        }
    }
}

/// Why a certificate is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotValid {
    /// Its issuer changed its status.
    Status(Status),
    /// Another certificate replaced it.
    Superseded {
        /// The one that did, when known.
        by: Option<CertificateId>,
    },
    /// Its last day is past.
    Expired {
        /// That day.
        until: Date,
    },
    /// Its first day is still to come.
    NotYetValid {
        /// That day.
        from: Date,
    },
    /// The department whose log holds it was not entitled to issue it.
    IssuerNotAuthorised(NotAuthorised),
    /// Its record lies where its department signed two histories.
    LogForked {
        /// The first record in dispute.
        at: u64,
    },
}

impl NotValid {
    /// The reason as a word: `revoked`, `expired`, `log-forked` …
    pub fn code(&self) -> &'static str {
        match self {
            NotValid::Status(status) => status.as_str(),
            NotValid::Superseded { .. } => "superseded",
            NotValid::Expired { .. } => "expired",
            NotValid::NotYetValid { .. } => "not-yet-valid",
            NotValid::IssuerNotAuthorised(_) => "issuer-not-authorised",
            NotValid::LogForked { .. } => "log-forked",
        }
    }
}

/// What would have to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No member can have issued it.
    Issuer(IssuerCode),
    /// No record of it has arrived.
    Record {
        /// Logs that could hold it, with the size and time (ms) of what is known of each.
        logs: Vec<(LogId, u64, u64)>,
    },
    /// Several departments of one division say that they issued it.
    RightfulIssuer {
        /// Those departments.
        departments: Vec<DepartmentCode>,
    },
    /// Its log stopped after it was issued: whether it is still in force is unknown.
    StatusSince {
        /// The first record in dispute.
        at: u64,
    },
    /// Whether its department was entitled to issue it.
    Definition(Unproven),
    /// What an entry of its log says that this version can't read.
    LaterVersion {
        /// Position of the first such entry.
        at: u64,
    },
    /// What a successor of its department changed since its log stopped.
    SuccessorSince {
        /// The successor's log.
        log: LogId,
        /// The first record in dispute.
        at: u64,
    },
    /// What an entry in the log of a successor of its department says, that this version can't read.
    SuccessorUnread {
        /// The successor's log.
        log: LogId,
        /// Position of the first such entry.
        at: u64,
    },
    /// What a successor of its department says, by a proof whose signatures are from before it was that.
    Successor(DepartmentCode),
    /// What the log of a removed department on its way says beyond what a proof shows, up to where it ended.
    Rest {
        /// Which log.
        log: LogId,
        /// Records that are kept of it.
        size: u64,
    },
    /// Whether what is held of its log, or of that of a successor of its department, is all there is.
    Newest(Stale),
    /// Another member's signature under the checkpoint that a proof rests on.
    Witness,
}

/// What is known of a certificate.
pub struct Facts<'f> {
    /// The issuing record's content.
    pub certificate: &'f CertificateIssued,
    /// Position of the issuing record.
    pub seq: u64,
    /// Status that its issuer, or a successor of that, gave it.
    pub status: Status,
    /// What replaced it, when superseded.
    pub successor: Option<CertificateId>,
    /// Whether the department was entitled to issue it.
    pub authority: Authority,
    /// First entry of the log that this version can't read.
    pub unread_at: Option<u64>,
    /// First record in dispute, when the log has stopped.
    pub stopped_at: Option<u64>,
    /// Why what is held of the log may not be its newest.
    pub stale: Option<Stale>,
    /// What of the logs of its department's successors has to be known and isn't.
    pub missing_of_successors: Vec<Missing>,
    /// The day asked for.
    pub on: Date,
}

/// Judges. What is known against the issuer comes first, then what the issuer said, then the calendar.
pub fn judge(facts: &Facts<'_>) -> Verdict {
    if let Authority::NotGiven(why) = &facts.authority {
        return Verdict::NotValid(NotValid::IssuerNotAuthorised(why.clone()));
    }
    if let Some(at) = facts.stopped_at.filter(|at| facts.seq >= *at) {
        return Verdict::NotValid(NotValid::LogForked { at });
    }
    match facts.status {
        Status::Valid => {}
        Status::Superseded => {
            return Verdict::NotValid(NotValid::Superseded {
                by: facts.successor.clone(),
            });
        }
        status => return Verdict::NotValid(NotValid::Status(status)),
    }
    let validity = facts.certificate.validity;
    if let Some(until) = validity.until().filter(|until| *until < facts.on) {
        return Verdict::NotValid(NotValid::Expired { until });
    }
    if validity.from() > facts.on {
        return Verdict::NotValid(NotValid::NotYetValid {
            from: validity.from(),
        });
    }
    let mut missing = Vec::new();
    missing.extend(facts.stopped_at.map(|at| Missing::StatusSince { at }));
    missing.extend(facts.unread_at.map(|at| Missing::LaterVersion { at }));
    // Of a log that has stopped nothing newer is taken.
    let stale = facts.stale.clone().filter(|_| facts.stopped_at.is_none());
    missing.extend(stale.map(Missing::Newest));
    missing.extend(facts.missing_of_successors.iter().cloned());
    if let Authority::Unknown(unproven) = &facts.authority {
        missing.push(Missing::Definition(unproven.clone()));
    }
    match missing.is_empty() {
        true => Verdict::Valid,
        false => Verdict::Unknown(missing),
    }
}
