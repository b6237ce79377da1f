//! Why the API refuses: one variant a problem, and the one place that says its name, status and words.

use certmesh_api::faults::{FaultList, Unfit};
use certmesh_api::tokens::Role;
use certmesh_api::{FieldFault, PROBLEM_PREFIX, Problem};
use certmesh_ledger::id::{CertificateId, ChinaTime, Date, DepartmentCode, TypeCode};
use certmesh_ledger::record::{ImpossibleTransition, Rule};
use thiserror::Error;

/// A request, or a row of one, that was not carried out. Each variant is one problem of the API, and its message is the
/// problem's `detail`: it says what to do and never holds a holder's code, a name or a field's value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// `malformed-body` (400): not the JSON that is asked for.
    #[error("{0}")]
    MalformedBody(String),
    /// `unsupported-media-type` (415): the body is declared to be of another type.
    #[error("the body's Content-Type must be {expected}")]
    UnsupportedMediaType {
        /// The type that is read.
        expected: &'static str,
    },
    /// `invalid-field` (422): one or more fields are wrong.
    #[error("{0}")]
    InvalidField(FaultList),
    /// `body-too-large` (413): the body, or a row of it, is longer than is read.
    #[error("longer than {limit_bytes} bytes; send less at a time")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// `unauthorised` (401): no token, or one that no client has.
    #[error("{}", unauthorised_detail(*.token_given))]
    Unauthorised {
        /// Whether a token came at all.
        token_given: bool,
    },
    /// `forbidden` (403): the client's role doesn't allow this.
    #[error("this needs the role {needed}, the token's role is {has}")]
    Forbidden {
        /// Least role that may do this.
        needed: Role,
        /// Role of the client.
        has: Role,
    },
    /// `not-found` (404): no such route, or no such log.
    #[error("there is no such {what} here")]
    NotFound {
        /// What was looked for, such as `route` or `log`.
        what: &'static str,
    },
    /// `wrong-host` (421): the request is for a name that is not the API's, where only this machine can reach it.
    #[error(
        "this API answers to localhost, to loopback addresses and to the names in api.names of its configuration; send \
         the request to one of them"
    )]
    WrongHost,
    /// `other-site` (403): a web page of another site sent the request, where only this machine can reach the API.
    #[error(
        "this API takes no requests from pages of other sites; to allow a site, put its host into api.names of the \
         node's configuration"
    )]
    OtherSite,
    /// `method-not-allowed` (405): the route exists, for other methods.
    #[error("this route doesn't take that method; see the Allow header")]
    MethodNotAllowed,
    /// `unknown-certificate` (404): no log held here has a record of it.
    #[error(
        "no log held here has a record of this certificate; its issuer's latest records may not have arrived yet"
    )]
    UnknownCertificate {
        /// The certificate.
        id: CertificateId,
    },
    /// `unknown-type` (422): no definition of the type is held, and one is needed.
    #[error(
        "type {type_code} is not defined in any log held here; define it first (POST /v1/types)"
    )]
    UnknownType {
        /// The type.
        type_code: TypeCode,
    },
    /// `not-this-department` (422): the identifier names another issuer, or the type another authority.
    #[error("{named} is not this department; this peer appends for {own} only")]
    NotThisDepartment {
        /// The issuer's or authority's code as the request names it.
        named: String,
        /// This peer's department.
        own: DepartmentCode,
    },
    /// `dates-out-of-order` (422): validity ends before it begins.
    #[error("valid_until ({until}) is before valid_from ({from}); swap or correct them")]
    DatesOutOfOrder {
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
    },
    /// `duplicate-certificate` (409): the identifier is taken.
    #[error(
        "a certificate with this identifier was issued before; a new version needs a new identifier"
    )]
    DuplicateCertificate {
        /// The identifier.
        id: CertificateId,
    },
    /// `other-department` (409): the certificate is another department's.
    #[error("the certificate was issued by {issuer}; only that department can change its status")]
    OtherDepartment {
        /// Issuing department, or its division.
        issuer: String,
    },
    /// `erased` (410): the certificate's fields were erased.
    #[error(
        "the certificate's fields were erased, and its attachments with them: nobody can read them again"
    )]
    Erased,
    /// `lost` (500): what is asked for is gone from this node's disk, and no record says that it should be.
    #[error(
        "{0} lost on this node's disk and not erased; nobody else has a copy: an operator may have a backup of data/bodies/"
    )]
    Lost(
        /// What, with its verb.
        &'static str,
    ),
    /// `impossible-transition` (409): the action can't follow the certificate's status.
    #[error("{0}")]
    ImpossibleTransition(#[from] ImpossibleTransition),
    /// `idempotency-mismatch` (422): the key was used for another content.
    #[error(
        "this Idempotency-Key was used before with other content; use a new key for a new request"
    )]
    IdempotencyMismatch,
    /// `own-log-unconfirmed` (503): other members have not yet confirmed that the own log is whole.
    #[error("{0}")]
    OwnLogUnconfirmed(String),
    /// `not-salvageable` (409): what was set aside of the own log does not lead to its last signed checkpoint.
    #[error("nothing was taken back: {0}")]
    NotSalvageable(String),
    /// `log-read-only` (503): the disk refused a write.
    #[error("{0}")]
    LogReadOnly(String),
    /// `clock-off` (503): this machine's clock may be wrong, so no record is dated by it.
    #[error("{0}")]
    ClockOff(String),
    /// `lookup-not-recorded` (503): what a person holds is not shown, since that it was looked at can't be recorded.
    #[error("{0}")]
    LookupNotRecorded(String),
    /// `log-frozen` (503): the log is forked, or breaks a rule of logs.
    #[error("{0}")]
    LogFrozen(String),
    /// `overloaded` (503): more requests than the node takes at a time.
    #[error("the node is at its limit of simultaneous work; try again in {retry_after_s} s")]
    Overloaded {
        /// When to come back, in seconds.
        retry_after_s: u64,
    },
    /// `rate-limited` (429): the client sends faster than its rate, or has its part of the node in use.
    #[error(
        "this client sends faster than its rate, or more at a time than one client can; try again in {retry_after_s} s"
    )]
    RateLimited {
        /// When to come back, in seconds.
        retry_after_s: u64,
    },
    /// `storage-full` (507): the disk has less room than what was sent and the log's reserve need.
    #[error(
        "the disk has {} free, {} are needed so that the log keeps its reserve; make room, or send less",
        mib(*.free_bytes, false),
        mib(*.needed_bytes, true)
    )]
    StorageFull {
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that have to be.
        needed_bytes: u64,
    },
    /// `uploads-waiting` (507): the client's uploads that no certificate has taken leave no room for another.
    #[error(
        "{} of this client's uploads wait for certificates, and with {} more they would pass its limit of {}; issue the          certificates they belong to, or wait until they are removed after 24 hours",
        mib(*.waiting_bytes, true),
        mib(*.needed_bytes, true),
        mib(*.limit_bytes, false)
    )]
    UploadsWaiting {
        /// Bytes that wait.
        waiting_bytes: u64,
        /// Bytes that came, or were declared, beside them.
        needed_bytes: u64,
        /// Most bytes of a client.
        limit_bytes: u64,
    },
    /// `timeout` (408): the request, or its next bytes, took too long.
    #[error("{0}")]
    Timeout(&'static str),
    /// `proof-not-available` (409): the record is not under a checkpoint a proof can rest on: its log is in dispute, or is this
    /// peer's own and not yet confirmed by other members.
    #[error("{0}")]
    ProofNotAvailable(String),
    /// `retrieval-refused` (403): the issuer shows nothing, and says by which rule.
    #[error(
        "{issuer} refused ({}): {}{}; its receipt is record {receipt} of its log",
        rule.as_str(),
        rule.explanation(),
        apart(*clocks)
    )]
    RetrievalRefused {
        /// The issuer.
        issuer: DepartmentCode,
        /// The rule.
        rule: Rule,
        /// Position of its receipt.
        receipt: u64,
        /// What this machine's clock and the issuer's say, when it is for the time that it refused.
        clocks: Option<(u64, u64)>,
    },
    /// `issuer-unreachable` (503): the issuer's peer did not answer.
    #[error(
        "the peer of {issuer} did not answer: {why}; what the certificate's status is can be verified here meanwhile"
    )]
    IssuerUnreachable {
        /// The issuer.
        issuer: DepartmentCode,
        /// Why, as far as is known.
        why: String,
    },
    /// `wrong-answer` (502): what the issuer sent is not what it signed.
    #[error(
        "what {issuer} sent is not what the certificate's signed record commits to; nothing of it was kept, and this \
         department's log says so"
    )]
    WrongAnswer {
        /// The issuer.
        issuer: DepartmentCode,
    },
    /// `issuer-not-authorised` (409): the certificate's issuer was not entitled to issue it, so nothing was asked of it.
    #[error(
        "nothing was asked for: the department whose log holds the certificate may not issue it: {0}"
    )]
    IssuerNotAuthorised(String),
    /// `not-verifiable` (503): what the answer would be checked against is not held here.
    #[error(
        "nothing was asked for, since the answer could not be checked here yet; what is missing: {0}"
    )]
    NotVerifiable(String),
    /// `internal` (500): a fault of the node. The cause is in its log, not in the answer.
    #[error("the node failed to answer; its log says why")]
    Internal,
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Refusal {
        match unfit {
            Unfit::Fields(faults) => Refusal::InvalidField(faults),
            Unfit::DatesOutOfOrder { from, until } => Refusal::DatesOutOfOrder { from, until },
        }
    }
}

/// Bytes in whole MiB: rounded up what is needed, rounded down what there is.
fn mib(bytes: u64, up: bool) -> String {
    let whole = if up {
        bytes.div_ceil(1 << 20)
    } else {
        bytes >> 20
    };
    format!("{whole} MiB")
}

fn unauthorised_detail(token_given: bool) -> &'static str {
    if token_given {
        "no client has this token; check that the token file belongs to this node"
    } else {
        "send the header Authorization: Bearer TOKEN"
    }
}

/// What two clocks say, as a clause.
fn apart(clocks: Option<(u64, u64)>) -> String {
    clocks.map_or_else(String::new, |(own_ms, theirs_ms)| {
        let (own, theirs) = (ChinaTime(own_ms), ChinaTime(theirs_ms));
        format!(" (this machine's clock says {own}, the issuer's {theirs})")
    })
}

impl Refusal {
    /// One wrong field.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let fault = FieldFault {
            field: field.into(),
            detail: detail.into(),
        };
        Self::InvalidField(FaultList::from_iter([fault]))
    }

    /// The problem's name, HTTP status and title.
    const fn kind(&self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MalformedBody(_) => ("malformed-body", 400, "Malformed body"),
            Self::UnsupportedMediaType { .. } => {
                ("unsupported-media-type", 415, "Unsupported media type")
            }
            Self::InvalidField(_) => ("invalid-field", 422, "Invalid field"),
            Self::BodyTooLarge { .. } => ("body-too-large", 413, "Body too large"),
            Self::Unauthorised { .. } => ("unauthorised", 401, "Unauthorised"),
            Self::Forbidden { .. } => ("forbidden", 403, "Forbidden"),
            Self::NotFound { .. } => ("not-found", 404, "Not found"),
            Self::WrongHost => ("wrong-host", 421, "Wrong host"),
            Self::OtherSite => ("other-site", 403, "Other site"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "Method not allowed"),
            Self::UnknownCertificate { .. } => ("unknown-certificate", 404, "Unknown certificate"),
            Self::UnknownType { .. } => ("unknown-type", 422, "Unknown type"),
            Self::NotThisDepartment { .. } => ("not-this-department", 422, "Not this department"),
            Self::DatesOutOfOrder { .. } => ("dates-out-of-order", 422, "Dates out of order"),
            Self::DuplicateCertificate { .. } => {
                ("duplicate-certificate", 409, "Duplicate certificate")
            }
            Self::OtherDepartment { .. } => {
                ("other-department", 409, "Other department's certificate")
            }
            Self::Erased => ("erased", 410, "Erased"),
            Self::Lost(_) => ("lost", 500, "Lost"),
            Self::ImpossibleTransition(_) => {
                ("impossible-transition", 409, "Impossible transition")
            }
            Self::IdempotencyMismatch => ("idempotency-mismatch", 422, "Idempotency mismatch"),
            Self::OwnLogUnconfirmed(_) => ("own-log-unconfirmed", 503, "Own log unconfirmed"),
            Self::NotSalvageable(_) => ("not-salvageable", 409, "Not salvageable"),
            Self::LogReadOnly(_) => ("log-read-only", 503, "Log read-only"),
            Self::ClockOff(_) => ("clock-off", 503, "Clock off"),
            Self::LookupNotRecorded(_) => ("lookup-not-recorded", 503, "Look-up not recorded"),
            Self::LogFrozen(_) => ("log-frozen", 503, "Log frozen"),
            Self::Overloaded { .. } => ("overloaded", 503, "Overloaded"),
            Self::RateLimited { .. } => ("rate-limited", 429, "Rate limited"),
            Self::StorageFull { .. } => ("storage-full", 507, "Storage full"),
            Self::UploadsWaiting { .. } => ("uploads-waiting", 507, "Uploads waiting"),
            Self::Timeout(_) => ("timeout", 408, "Timeout"),
            Self::ProofNotAvailable(_) => ("proof-not-available", 409, "Proof not available"),
            Self::RetrievalRefused { .. } => ("retrieval-refused", 403, "Retrieval refused"),
            Self::IssuerUnreachable { .. } => ("issuer-unreachable", 503, "Issuer unreachable"),
            Self::WrongAnswer { .. } => ("wrong-answer", 502, "Wrong answer"),
            Self::IssuerNotAuthorised(_) => ("issuer-not-authorised", 409, "Issuer not authorised"),
            Self::NotVerifiable(_) => ("not-verifiable", 503, "Not verifiable"),
            Self::Internal => ("internal", 500, "Internal error"),
        }
    }

    /// The problem's name: what follows [`PROBLEM_PREFIX`] in its `type`.
    pub const fn name(&self) -> &'static str {
        self.kind().0
    }

    /// The HTTP status it is answered with.
    pub const fn status(&self) -> u16 {
        self.kind().1
    }

    /// Seconds after which the request may be sent again, where that is known.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Overloaded { retry_after_s } | Self::RateLimited { retry_after_s } => {
                Some(*retry_after_s)
            }
            _ => None,
        }
    }

    /// The request field at fault, where it is one.
    fn at_fault(&self) -> Option<&str> {
        match self {
            Self::InvalidField(faults) => match &**faults {
                [fault] => Some(&fault.field),
                _ => None,
            },
            Self::UnknownCertificate { .. }
            | Self::DuplicateCertificate { .. }
            | Self::OtherDepartment { .. }
            | Self::NotThisDepartment { .. } => Some("id"),
            Self::UnknownType { .. } => Some("type"),
            Self::DatesOutOfOrder { .. } => Some("valid_until"),
            Self::ImpossibleTransition(_) => Some("action"),
            Self::IdempotencyMismatch => Some("Idempotency-Key"),
            _ => None,
        }
    }

    /// The RFC 9457 document.
    pub fn problem(&self) -> Problem {
        let (name, status, title) = self.kind();
        let (faults, more_faults) = match self {
            Self::InvalidField(faults) => (faults.to_vec(), faults.more()),
            _ => (Vec::new(), 0),
        };
        Problem {
            kind: format!("{PROBLEM_PREFIX}{name}"),
            title: title.to_owned(),
            status,
            detail: self.to_string(),
            field: self.at_fault().map(str::to_owned),
            faults,
            more_faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(count: usize) -> FaultList {
        let fault = |n| FieldFault {
            field: format!("f{n}"),
            detail: "is wrong".to_owned(),
        };
        (0..count).map(fault).collect()
    }

    #[test]
    fn an_answer_lists_a_hundred_faults_and_counts_the_others() {
        let problem = Refusal::InvalidField(faults(250)).problem();
        assert_eq!((problem.faults.len(), problem.more_faults), (100, 150));
        assert!(
            problem.detail.starts_with("250 fields are wrong"),
            "{problem:?}"
        );
        let problem = Refusal::InvalidField(faults(100)).problem();
        assert_eq!((problem.faults.len(), problem.more_faults), (100, 0));
        assert_eq!(problem.detail, "100 fields are wrong; see faults");
    }
}
