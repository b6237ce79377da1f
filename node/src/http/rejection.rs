//! The API's error answers, one problem each: what is rejected at the door, and what the peer refuses. Names, statuses and
//! titles are those of [`ProblemType`].
//!
//! To add one found at the door: a variant here, its sentence in `certmesh-text` (`en.ftl`, `rejection-<code>`); for the rest
//! see `peer::refusal`, from `ProblemType` on.

use std::fmt;

use certmesh_api::faults::FaultList;
use certmesh_api::tokens::Role;
use certmesh_api::{Arg, Argument, Coded, FaultKind, Problem, ProblemType, coded};

use crate::app::Refusal;

coded! {
    /// A request that was rejected: at the door, or by the peer behind it. Its code is the problem's name, its sentence the
    /// problem's `detail`: it says what to do and never holds a holder's code, a name or a field's value.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Rejection: "rejection" {
        /// Not the expected JSON (400).
        "malformed-body" MalformedBody(why: Malformed),
        /// The body is declared to be of another type (415).
        "unsupported-media-type" UnsupportedMediaType {
            /// The expected type.
            expected: &'static str,
        },
        /// The body, or a row of it, is longer than the limit (413).
        "body-too-large" BodyTooLarge {
            /// The limit, in bytes.
            limit_bytes: usize,
        },
        /// No token, or one that no client has (401).
        "unauthorised" Unauthorised {
            /// Whether a token came at all.
            token_given: bool,
        },
        /// The client's role doesn't allow this (403).
        "forbidden" Forbidden {
            /// Least role that may do this.
            needed: Role,
            /// Role of the client.
            has: Role,
        },
        /// The request is for a name that is not the API's, where only this machine can reach it (421).
        "wrong-host" WrongHost,
        /// A web page of another site sent the request, where only this machine can reach the API (403).
        "other-site" OtherSite,
        /// The route exists, for other methods (405).
        "method-not-allowed" MethodNotAllowed,
        /// The client sends faster than its rate, or uses its whole share of the node (429).
        "rate-limited" RateLimited {
            /// When to come back, in seconds.
            retry_after_s: u64,
        },
        /// The request, or its next bytes, took too long (408).
        "timeout" Timeout(what: Late),
        /// The peer refused it: the problem is the refusal's.
        "refused" Refused(why: Refusal),
    }
}

coded! {
    /// What is wrong with a body as a whole.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Malformed: "malformed" {
        /// There is nothing.
        "empty" Empty,
        /// JSON, and not an object.
        "not-an-object" NotAnObject,
        /// The JSON does not end.
        "ends-early" EndsEarly,
        /// Not UTF-8.
        "not-utf-8" NotUtf8,
        /// Not JSON.
        "not-json" NotJson {
            /// In which line.
            line: usize,
            /// At which column.
            column: usize,
        },
        /// An object has a name twice.
        "name-twice" NameTwice,
        /// Not what the OpenAPI document describes.
        "other-form" OtherForm,
        /// The connection ended within the body.
        "body-cut-off" BodyCutOff,
        /// The connection ended within a file.
        "file-cut-off" FileCutOff,
        /// The connection ended within a row.
        "row-cut-off" RowCutOff,
        /// The request itself can't be read.
        "unreadable" Unreadable,
    }
}

certmesh_text::sentences!(Malformed);

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The request as a whole.
    Request,
    /// The next bytes of its body.
    Body,
    /// Those of a file.
    File,
    /// Those of a row, of many.
    Row,
}

impl Argument for Late {
    fn arg(&self) -> Arg {
        let word = match self {
            Late::Request => "request",
            Late::Body => "body",
            Late::File => "file",
            Late::Row => "row",
        };
        word.arg()
    }
}

/// The sentence of its code, or the refusal's own.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&certmesh_text::say(self))
    }
}

impl std::error::Error for Rejection {}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Rejection {
        Rejection::Refused(refusal)
    }
}

impl From<FaultList> for Rejection {
    fn from(faults: FaultList) -> Rejection {
        Refusal::from(faults).into()
    }
}

impl Rejection {
    /// A fault of the node.
    pub const INTERNAL: Rejection = Rejection::Refused(Refusal::Internal);

    /// One wrong field.
    pub fn field(field: impl Into<String>, kind: impl Into<FaultKind>) -> Rejection {
        Refusal::field(field, kind).into()
    }

    /// The problem it is answered as, which gives status and title.
    pub fn problem_type(&self) -> ProblemType {
        match self {
            Self::Refused(refusal) => refusal.problem_type(),
            other => ProblemType::named(other.code()).unwrap_or(ProblemType::Internal),
        }
    }

    /// The problem's name: what follows `urn:certmesh:problem:` in its `type`.
    pub fn name(&self) -> &'static str {
        self.problem_type().name()
    }

    /// The HTTP status it is answered with.
    pub fn status(&self) -> u16 {
        self.problem_type().status()
    }

    /// Seconds after which the request may be sent again, where that is known.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Refused(Refusal::Overloaded { retry_after_s })
            | Self::RateLimited { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }

    /// The request field at fault, where it is one.
    fn at_fault(&self) -> Option<&str> {
        let Self::Refused(refusal) = self else {
            return None;
        };
        match refusal {
            Refusal::InvalidField(faults) => match &**faults {
                [fault] => Some(&fault.at),
                _ => None,
            },
            Refusal::UnknownCertificate
            | Refusal::DuplicateCertificate
            | Refusal::OtherDepartment { .. }
            | Refusal::NotThisDepartment { .. } => Some("id"),
            Refusal::UnknownType { .. } => Some("type"),
            Refusal::DatesOutOfOrder { .. } => Some("valid_until"),
            Refusal::ImpossibleTransition { .. } => Some("action"),
            Refusal::IdempotencyMismatch => Some("Idempotency-Key"),
            _ => None,
        }
    }

    /// The RFC 9457 document.
    pub fn problem(&self) -> Problem {
        let kind = self.problem_type();
        let (faults, more_faults) = match self {
            Self::Refused(Refusal::InvalidField(faults)) => {
                let shown = faults.iter().map(certmesh_text::field_fault);
                (shown.collect(), faults.more())
            }
            _ => (Vec::new(), 0),
        };
        Problem {
            kind: kind.into(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: self.to_string(),
            field: self.at_fault().map(str::to_owned),
            faults,
            more_faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use certmesh_api::Fault;
    use certmesh_text::check::mismatches;

    use super::*;

    #[test]
    fn each_rejection_has_a_text_with_its_arguments_and_each_text_a_rejection() {
        let found = [mismatches::<Rejection>(), mismatches::<Malformed>()];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn each_rejection_at_the_door_is_a_problem_of_its_own_name() {
        let refused = Rejection::Refused(Refusal::Internal).code();
        for (code, _) in Rejection::CODES.iter().filter(|(code, _)| *code != refused) {
            let problem = ProblemType::named(code);
            assert_eq!(problem.map(ProblemType::name), Some(*code));
        }
    }

    fn faults(count: usize) -> FaultList {
        let fault = |n| Fault::new(format!("f{n}"), FaultKind::Empty);
        (0..count).map(fault).collect()
    }

    #[test]
    fn an_answer_lists_a_hundred_faults_and_counts_the_others() {
        let problem = Rejection::from(Refusal::InvalidField(faults(250))).problem();
        assert_eq!((problem.faults.len(), problem.more_faults), (100, 150));
        assert!(
            problem.detail.starts_with("250 fields are wrong"),
            "{problem:?}"
        );
        let problem = Rejection::from(Refusal::InvalidField(faults(100))).problem();
        assert_eq!((problem.faults.len(), problem.more_faults), (100, 0));
        assert!(problem.detail.starts_with("100 fields are wrong"));
    }
}
