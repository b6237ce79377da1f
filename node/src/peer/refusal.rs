//! Why a peer refuses a request of its callers. (What an issuer refuses another peer is a
//! [`Rule`](certmesh_ledger::record::Rule).)
//!
//! To add a refusal: a variant here, its sentence in `certmesh-text` (`en.ftl`, `refusal-<code>`), and where it has several
//! reasons their codes in `reasons`; its name, status and
//! title in `ProblemType` (`certmesh-api`, `words::sets` and `problem`); the field it is about, if any, in `http::rejection`; the sets of
//! problems in `http::openapi` of the routes that answer it; the table of problems in `docs/integrator.md`; a hint in
//! `cli/src/error.rs` if there is something to do at the command line. Its status also decides the exit code of `certmesh`
//! (409 and 422: no; others: failed). If it passes by itself, name it in `is_passing_problem` (`cli/src/retry.rs`). A watched
//! folder sends a refused batch again until it is taken: a reason that will not pass must be the outcome of a row.

use std::fmt;

use certmesh_api::faults::FaultList;
use certmesh_api::{Arg, Argument, Coded, Fault, FaultKind, ProblemType, coded};
use certmesh_ledger::id::{ChinaTime, Date, DepartmentCode, TypeCode};
use certmesh_ledger::operating::NoKey;
use certmesh_ledger::record::{Action, ImpossibleTransition, Rule, Status};
use certmesh_text::{NoDefinition, Unauthorised};

use super::reasons::{
    ClockOff, NotSalvaged, ReadOnly, StoppedBy, Unconfirmed, Unprovable, Unrecorded,
};

coded! {
    /// A request, or a row of one, that was not carried out. Its code is the problem's name; its sentence says what to do and
    /// never holds a holder's code, a name or a field's value.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Refusal: "refusal" {
        /// An attachment is larger than the limit.
        "body-too-large" TooLarge {
            /// The limit, in bytes.
            limit_bytes: u64,
        },
        /// One or more fields are wrong.
        "invalid-field" InvalidField(faults: FaultList),
        /// No such route, or no such log.
        "not-found" NotFound {
            /// What was looked for.
            what: Item,
        },
        /// No log held here has a record of it.
        "unknown-certificate" UnknownCertificate,
        /// No definition of the type is held, and one is needed.
        "unknown-type" UnknownType {
            /// The type.
            type_code: TypeCode,
        },
        /// The identifier names another issuer, or the type another authority.
        "not-this-department" NotThisDepartment {
            /// The issuer's or authority's code as the request names it.
            named: String,
            /// This peer's department.
            own: DepartmentCode,
        },
        /// Validity ends before it begins.
        "dates-out-of-order" DatesOutOfOrder {
            /// First day.
            from: Date,
            /// Last day.
            until: Date,
        },
        /// The identifier is taken.
        "duplicate-certificate" DuplicateCertificate,
        /// The certificate is another department's.
        "other-department" OtherDepartment {
            /// Issuing department, or its division.
            issuer: String,
            /// Whether it was removed.
            removed: bool,
            /// Who changes its certificates' statuses since.
            successor: Option<String>,
            /// Whether that is this department.
            own: bool,
        },
        /// The certificate's fields were erased.
        "erased" Erased,
        /// What was asked for is missing on this node's disk, though no record says that it was erased.
        "lost" Lost(
            /// What: fields, an attachment or a copy.
            what: Item,
        ),
        /// The action can't follow the certificate's status.
        "impossible-transition" ImpossibleTransition {
            /// The status.
            status: Status,
            /// What was asked.
            action: Action,
            /// Whether it would lead to the same status.
            already: bool,
        },
        /// The key was used for another content.
        "idempotency-mismatch" IdempotencyMismatch,
        /// Other members have not yet confirmed that the own log is whole.
        "own-log-unconfirmed" OwnLogUnconfirmed(why: Unconfirmed),
        /// What is to be decided does not hold as things are.
        "not-decidable" NotDecidable {
            /// Why not, and what to do.
            why: String,
        },
        /// The part of the own log that was set aside does not lead to its last signed checkpoint.
        "not-salvageable" NotSalvageable(why: NotSalvaged),
        /// The disk refused a write.
        "log-read-only" LogReadOnly(why: ReadOnly),
        /// This machine's clock may be wrong, so no record is dated by it.
        "clock-off" ClockOff(why: ClockOff),
        /// What a person holds is not shown, since the look-up can't be recorded.
        "lookup-not-recorded" LookupNotRecorded(why: Unrecorded),
        /// A catalogue key of the network is not here, so that nobody can be looked up for certain.
        "catalogue-key-missing" CatalogueKeyMissing {
            /// How its commitment begins.
            key: String,
            /// The height from which it is in force.
            since: u64,
        },
        /// Decisions of the members are not here that a log held here names: one of them may have brought a catalogue key.
        "decisions-missing" DecisionsMissing {
            /// The height up to which they are known here.
            known: u64,
            /// The height that a log names.
            named: u64,
        },
        /// The log is forked, or breaks a rule of logs.
        "log-frozen" LogFrozen(why: StoppedBy),
        /// More requests than the node takes at a time.
        "overloaded" Overloaded {
            /// When to come back, in seconds.
            retry_after_s: u64,
        },
        /// The disk has less room than what was sent and the log's reserve need.
        "storage-full" StorageFull {
            /// What is free.
            free: Mib,
            /// What has to be.
            needed: Mib,
        },
        /// The client's uploads that no certificate has taken leave no room for another.
        "uploads-waiting" UploadsWaiting {
            /// What waits.
            waiting: Mib,
            /// What came, or was declared, beside it.
            needed: Mib,
            /// Most of a client.
            limit: Mib,
        },
        /// The record is not under a checkpoint a proof can rest on: its log is in dispute, or is this peer's own and not yet
        /// confirmed by other members.
        "proof-not-available" ProofNotAvailable(why: Unprovable),
        /// The issuer refused, and names the rule.
        "retrieval-refused" RetrievalRefused {
            /// The issuer.
            issuer: DepartmentCode,
            /// The rule.
            rule: Rule,
            /// Position of its receipt.
            receipt: u64,
            /// What this machine's clock shows, if it refused because of the time.
            own_clock: Option<ChinaTime>,
            /// What the issuer's shows then.
            their_clock: Option<ChinaTime>,
        },
        /// The issuer's peer did not answer.
        "issuer-unreachable" IssuerUnreachable {
            /// The issuer.
            issuer: DepartmentCode,
            /// Why, as far as is known.
            why: Unreachable,
        },
        /// What the issuer sent is not what it signed.
        "wrong-answer" WrongAnswer {
            /// The issuer.
            issuer: DepartmentCode,
        },
        /// The certificate's issuer was not entitled to issue it, so it was not asked.
        "issuer-not-authorised" IssuerNotAuthorised(why: Unauthorised),
        /// What the answer would be checked against is not held here.
        "not-verifiable" NotVerifiable(missing: Option<NoDefinition>),
        /// What a change goes on from was changed meanwhile, or is still arriving.
        "not-settled" NotSettled(why: Unsettled),
        /// A fault of the node. The cause is in its log, not in the answer.
        "internal" Internal,
    }
}

coded! {
    /// What a change of an inherited certificate waits for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Unsettled: "unsettled" {
        /// Not all that was kept of a removed department's log is here.
        "not-whole" NotWhole {
            /// Which log.
            log: String,
        },
        /// It was changed since the request was prepared.
        "changed" Changed,
    }
}

certmesh_text::sentences!(Unsettled);

coded! {
    /// Why an issuer's peer did not answer.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Unreachable: "unreachable" {
        /// There is no connection.
        "not-connected" NotConnected,
        /// It took too long.
        "timeout" Timeout,
        /// The connection failed, or it has too many requests.
        "failed" Failed,
        /// It has no more of an attachment.
        "no-more" NoMore,
        /// It considers the request forged or relayed.
        "improper" Improper,
        /// It answered the request before.
        "replayed" Replayed,
        /// It can't write receipts.
        "unavailable" Unavailable,
        /// It does not know that the matter requires the fields.
        "not-required" NotRequired,
        /// It lost the certificate's fields.
        "lost" Lost,
    }
}

certmesh_text::sentences!(Unreachable);

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A route of the API.
    Route,
    /// A department's log.
    Log,
    /// A definition of a type.
    Definition,
    /// A matter.
    Matter,
    /// A matter or sub-matter.
    SubMatter,
    /// A certificate with its fields.
    Fields,
    /// An attachment.
    Attachment,
    /// A copy of what was retrieved.
    Copy,
}

impl Argument for Item {
    fn arg(&self) -> Arg {
        let word = match self {
            Item::Route => "route",
            Item::Log => "log",
            Item::Definition => "definition",
            Item::Matter => "matter",
            Item::SubMatter => "sub-matter",
            Item::Fields => "fields",
            Item::Attachment => "attachment",
            Item::Copy => "copy",
        };
        word.arg()
    }
}

/// Whole MiB of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mib(u64);

impl Mib {
    /// Bytes that are free, or allowed: rounded down.
    pub const fn of_free(bytes: u64) -> Mib {
        Mib(bytes >> 20)
    }

    /// Bytes that are needed: rounded up.
    pub const fn of_needed(bytes: u64) -> Mib {
        Mib(bytes.div_ceil(1 << 20))
    }
}

impl Argument for Mib {
    fn arg(&self) -> Arg {
        self.0.arg()
    }
}

impl Argument for Refusal {
    fn arg(&self) -> Arg {
        Arg::Text(self.to_string())
    }
}

impl Argument for Box<Refusal> {
    fn arg(&self) -> Arg {
        (**self).arg()
    }
}

/// The one fault of a field in words, or the refusal's own sentence.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidField(faults) if faults.len() == 1 => {
                f.write_str(&certmesh_text::faults(faults))
            }
            other => f.write_str(&certmesh_text::say(other)),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Its stable name.
    pub fn name(&self) -> &'static str {
        self.code()
    }

    /// The problem it is answered as: that of its name.
    pub fn problem_type(&self) -> ProblemType {
        ProblemType::named(self.code()).unwrap_or(ProblemType::Internal)
    }

    /// A certificate of another department, whose statuses this one or nobody changes by now.
    pub(crate) fn other_department(
        department: &DepartmentCode,
        changed_by: Option<DepartmentCode>,
    ) -> Self {
        let successor = changed_by.filter(|by| by != department);
        Self::OtherDepartment {
            issuer: department.to_string(),
            removed: changed_by != Some(*department),
            successor: successor.map(|by| by.to_string()),
            own: false,
        }
    }

    /// A certificate that this department inherited: it changes its status, and nothing else.
    pub(crate) fn status_only(department: &DepartmentCode, own: &DepartmentCode) -> Self {
        Self::OtherDepartment {
            issuer: department.to_string(),
            removed: true,
            successor: Some(own.to_string()),
            own: true,
        }
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

impl From<ImpossibleTransition> for Refusal {
    fn from(ImpossibleTransition { from, action }: ImpossibleTransition) -> Refusal {
        Refusal::ImpossibleTransition {
            status: from,
            action,
            already: action.result() == from,
        }
    }
}

/// Nothing can be signed for this department.
impl From<NoKey> for Refusal {
    fn from(why: NoKey) -> Refusal {
        Refusal::LogReadOnly(match why {
            NoKey::NotAMember(_) => ReadOnly::Removed,
            NoKey::Suspended { height, .. } => ReadOnly::Suspended { height },
            NoKey::Ended(_) => ReadOnly::KeyEnded,
            NoKey::NotHeld { epoch, .. } => ReadOnly::KeyNotHeld { epoch },
        })
    }
}

#[cfg(test)]
mod tests {
    use certmesh_text::check::mismatches;

    use super::*;

    #[test]
    fn each_refusal_has_a_text_with_its_arguments_and_each_text_a_refusal() {
        assert_eq!(mismatches::<Refusal>(), Vec::<String>::new());
        assert_eq!(mismatches::<Unreachable>(), Vec::<String>::new());
        assert_eq!(mismatches::<Unsettled>(), Vec::<String>::new());
    }

    #[test]
    fn each_refusal_is_a_problem_of_its_own_name() {
        for (code, _) in Refusal::CODES {
            let problem = ProblemType::named(code);
            assert_eq!(problem.map(ProblemType::name), Some(*code));
        }
    }

    #[test]
    fn dates_out_of_order_are_a_problem_of_their_own_unless_more_is_wrong() {
        let (from, until) = (Date::MAX, Date::MIN);
        let dates = || Fault::new("valid_until", FaultKind::DatesOutOfOrder { from, until });
        let alone = Refusal::from(FaultList::from(dates()));
        assert_eq!(alone, Refusal::DatesOutOfOrder { from, until });
        let more = FaultList::from(vec![Fault::new("sharing", FaultKind::Empty), dates()]);
        assert_eq!(Refusal::from(more.clone()), Refusal::InvalidField(more));
    }

    #[test]
    fn what_is_so_already_is_not_called_impossible() {
        let said = |from, action| Refusal::from(ImpossibleTransition { from, action }).to_string();
        assert_eq!(
            said(Status::Suspended, Action::Suspend),
            "the certificate is suspended already"
        );
        assert_eq!(
            said(Status::Revoked, Action::Suspend),
            "the certificate is revoked, so it can't be suspended"
        );
    }
}
