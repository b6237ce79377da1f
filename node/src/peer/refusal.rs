//! Why a peer refuses a request.

use certmesh_api::faults::FaultList;
use certmesh_api::{Fault, FaultKind, ProblemType};
use certmesh_ledger::id::{CertificateId, ChinaTime, Date, DepartmentCode, TypeCode};
use certmesh_ledger::record::{ImpossibleTransition, Rule};
use thiserror::Error;

/// A request, or a row of one, that was not carried out. The message says what to do and never holds a holder's code, a
/// name or a field's value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// An attachment is larger than the limit.
    #[error("longer than {limit_bytes} bytes; send less at a time")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// One or more fields are wrong.
    #[error("{}", certmesh_text::faults(.0))]
    InvalidField(FaultList),
    /// No such route, or no such log.
    #[error("there is no such {what} here")]
    NotFound {
        /// What was looked for, such as `route` or `log`.
        what: &'static str,
    },
    /// No log held here has a record of it.
    #[error(
        "no log held here has a record of this certificate; its issuer's latest records may not have arrived yet"
    )]
    UnknownCertificate {
        /// The certificate.
        id: CertificateId,
    },
    /// No definition of the type is held, and one is needed.
    #[error(
        "type {type_code} is not defined in any log held here; define it first (POST /v1/types)"
    )]
    UnknownType {
        /// The type.
        type_code: TypeCode,
    },
    /// The identifier names another issuer, or the type another authority.
    #[error("{named} is not this department; this peer appends for {own} only")]
    NotThisDepartment {
        /// The issuer's or authority's code as the request names it.
        named: String,
        /// This peer's department.
        own: DepartmentCode,
    },
    /// Validity ends before it begins.
    #[error("valid_until ({until}) is before valid_from ({from}); swap or correct them")]
    DatesOutOfOrder {
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
    },
    /// The identifier is taken.
    #[error(
        "a certificate with this identifier was issued before; a new version needs a new identifier"
    )]
    DuplicateCertificate {
        /// The identifier.
        id: CertificateId,
    },
    /// The certificate is another department's.
    #[error("the certificate was issued by {issuer}; only that department can change its status")]
    OtherDepartment {
        /// Issuing department, or its division.
        issuer: String,
    },
    /// The certificate's fields were erased.
    #[error(
        "the certificate's fields were erased, and its attachments with them: nobody can read them again"
    )]
    Erased,
    /// What was asked for is missing on this node's disk, though no record says that it was erased.
    #[error(
        "{0} lost on this node's disk and not erased; nobody else has a copy: an operator may have a backup of data/bodies/"
    )]
    Lost(
        /// What, with its verb.
        &'static str,
    ),
    /// The action can't follow the certificate's status.
    #[error("{0}")]
    ImpossibleTransition(#[from] ImpossibleTransition),
    /// The key was used for another content.
    #[error(
        "this Idempotency-Key was used before with other content; use a new key for a new request"
    )]
    IdempotencyMismatch,
    /// Other members have not yet confirmed that the own log is whole.
    #[error("{0}")]
    OwnLogUnconfirmed(String),
    /// The part of the own log that was set aside does not lead to its last signed checkpoint.
    #[error("nothing was taken back: {0}")]
    NotSalvageable(String),
    /// The disk refused a write.
    #[error("{0}")]
    LogReadOnly(String),
    /// This machine's clock may be wrong, so no record is dated by it.
    #[error("{0}")]
    ClockOff(String),
    /// What a person holds is not shown, since the look-up can't be recorded.
    #[error("{0}")]
    LookupNotRecorded(String),
    /// The log is forked, or breaks a rule of logs.
    #[error("{0}")]
    LogFrozen(String),
    /// More requests than the node takes at a time.
    #[error("the node is at its limit of simultaneous work; try again in {retry_after_s} s")]
    Overloaded {
        /// When to come back, in seconds.
        retry_after_s: u64,
    },
    /// The disk has less room than what was sent and the log's reserve need.
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
    /// The client's uploads that no certificate has taken leave no room for another.
    #[error(
        "{} of this client's uploads wait for certificates, and {} more would exceed its limit of {}; issue \
         the certificates they belong to, or wait until they are removed after 24 hours",
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
    /// The record is not under a checkpoint a proof can rest on: its log is in dispute, or is this
    /// peer's own and not yet confirmed by other members.
    #[error("{0}")]
    ProofNotAvailable(String),
    /// The issuer refused, and names the rule.
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
        /// What this machine's clock and the issuer's show, if it refused because of the time.
        clocks: Option<(u64, u64)>,
    },
    /// The issuer's peer did not answer.
    #[error(
        "the peer of {issuer} did not answer: {why}; the certificate's status can still be verified here"
    )]
    IssuerUnreachable {
        /// The issuer.
        issuer: DepartmentCode,
        /// Why, as far as is known.
        why: String,
    },
    /// What the issuer sent is not what it signed.
    #[error(
        "what {issuer} sent is not what the certificate's signed record commits to; nothing of it was kept, and this \
         department's log records that"
    )]
    WrongAnswer {
        /// The issuer.
        issuer: DepartmentCode,
    },
    /// The certificate's issuer was not entitled to issue it, so it was not asked.
    #[error(
        "nothing was asked for: the department whose log holds the certificate may not issue it: {0}"
    )]
    IssuerNotAuthorised(String),
    /// What the answer would be checked against is not held here.
    #[error(
        "nothing was asked for, since the answer could not be checked here yet; what is missing: {0}"
    )]
    NotVerifiable(String),
    /// A fault of the node. The cause is in its log, not in the answer.
    #[error("the node failed to answer; its log has the cause")]
    Internal,
}

impl Refusal {
    /// The problem it is answered as.
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::TooLarge { .. } => ProblemType::BodyTooLarge,
            Self::InvalidField(_) => ProblemType::InvalidField,
            Self::NotFound { .. } => ProblemType::NotFound,
            Self::UnknownCertificate { .. } => ProblemType::UnknownCertificate,
            Self::UnknownType { .. } => ProblemType::UnknownType,
            Self::NotThisDepartment { .. } => ProblemType::NotThisDepartment,
            Self::DatesOutOfOrder { .. } => ProblemType::DatesOutOfOrder,
            Self::DuplicateCertificate { .. } => ProblemType::DuplicateCertificate,
            Self::OtherDepartment { .. } => ProblemType::OtherDepartment,
            Self::Erased => ProblemType::Erased,
            Self::Lost(_) => ProblemType::Lost,
            Self::ImpossibleTransition(_) => ProblemType::ImpossibleTransition,
            Self::IdempotencyMismatch => ProblemType::IdempotencyMismatch,
            Self::OwnLogUnconfirmed(_) => ProblemType::OwnLogUnconfirmed,
            Self::NotSalvageable(_) => ProblemType::NotSalvageable,
            Self::LogReadOnly(_) => ProblemType::LogReadOnly,
            Self::ClockOff(_) => ProblemType::ClockOff,
            Self::LookupNotRecorded(_) => ProblemType::LookupNotRecorded,
            Self::LogFrozen(_) => ProblemType::LogFrozen,
            Self::Overloaded { .. } => ProblemType::Overloaded,
            Self::StorageFull { .. } => ProblemType::StorageFull,
            Self::UploadsWaiting { .. } => ProblemType::UploadsWaiting,
            Self::ProofNotAvailable(_) => ProblemType::ProofNotAvailable,
            Self::RetrievalRefused { .. } => ProblemType::RetrievalRefused,
            Self::IssuerUnreachable { .. } => ProblemType::IssuerUnreachable,
            Self::WrongAnswer { .. } => ProblemType::WrongAnswer,
            Self::IssuerNotAuthorised(_) => ProblemType::IssuerNotAuthorised,
            Self::NotVerifiable(_) => ProblemType::NotVerifiable,
            Self::Internal => ProblemType::Internal,
        }
    }

    /// The stable name of that problem.
    pub fn name(&self) -> &'static str {
        self.problem_type().name()
    }

    /// One wrong field.
    pub fn field(field: impl Into<String>, kind: impl Into<FaultKind>) -> Self {
        Self::InvalidField(Fault::new(field, kind).into())
    }
}

/// Dates out of order are a problem of their own when nothing else is wrong.
impl From<FaultList> for Refusal {
    fn from(faults: FaultList) -> Refusal {
        match &*faults {
            [
                Fault {
                    kind: FaultKind::DatesOutOfOrder { from, until },
                    ..
                },
            ] => Refusal::DatesOutOfOrder {
                from: *from,
                until: *until,
            },
            _ => Refusal::InvalidField(faults),
        }
    }
}

/// Bytes in whole MiB: what is needed is rounded up, what is free is rounded down.
fn mib(bytes: u64, up: bool) -> String {
    let whole = if up {
        bytes.div_ceil(1 << 20)
    } else {
        bytes >> 20
    };
    format!("{whole} MiB")
}

/// What two clocks show, as a clause.
fn apart(clocks: Option<(u64, u64)>) -> String {
    clocks.map_or_else(String::new, |(own_ms, theirs_ms)| {
        let (own, theirs) = (ChinaTime(own_ms), ChinaTime(theirs_ms));
        format!(" (this machine's clock shows {own}, the issuer's {theirs})")
    })
}
