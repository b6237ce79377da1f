//! The API's error answers, one problem each: what is rejected at the door, and what the peer refuses. Names, statuses and
//! titles are those of [`ProblemType`].
//!
//! To add one found at the door: a variant here with its sentence and its problem; for the rest see
//! `peer::refusal`, from `ProblemType` on.

use certmesh_api::faults::FaultList;
use certmesh_api::tokens::Role;
use certmesh_api::{FaultKind, Problem, ProblemType};
use thiserror::Error;

use crate::app::Refusal;

/// A request that was rejected: at the door, or by the peer behind it. The message is the problem's `detail`: it says what to do
/// and never holds a holder's code, a name or a field's value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// `malformed-body` (400): not the expected JSON.
    #[error("{0}")]
    MalformedBody(String),
    /// `unsupported-media-type` (415): the body is declared to be of another type.
    #[error("the body's Content-Type must be {expected}")]
    UnsupportedMediaType {
        /// The expected type.
        expected: &'static str,
    },
    /// `body-too-large` (413): the body, or a row of it, is longer than the limit.
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
    /// `wrong-host` (421): the request is for a name that is not the API's, where only this machine can reach it.
    #[error(
        "this API answers to localhost, to loopback addresses and to the names in api.names of its configuration; send \
         the request to one of them"
    )]
    WrongHost,
    /// `other-site` (403): a web page of another site sent the request, where only this machine can reach the API.
    #[error(
        "this API accepts no requests from pages of other sites; to allow a site, put its host into api.names of the \
         node's configuration"
    )]
    OtherSite,
    /// `method-not-allowed` (405): the route exists, for other methods.
    #[error("this route doesn't take that method; see the Allow header")]
    MethodNotAllowed,
    /// `rate-limited` (429): the client sends faster than its rate, or uses its whole share of the node.
    #[error(
        "this client sends faster than its rate, or more at a time than one client may; try again in {retry_after_s} s"
    )]
    RateLimited {
        /// When to come back, in seconds.
        retry_after_s: u64,
    },
    /// `timeout` (408): the request, or its next bytes, took too long.
    #[error("{0}")]
    Timeout(&'static str),
    /// The peer refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<FaultList> for Rejection {
    fn from(faults: FaultList) -> Rejection {
        Refusal::from(faults).into()
    }
}

fn unauthorised_detail(token_given: bool) -> &'static str {
    if token_given {
        "no client has this token; check that the token file belongs to this node"
    } else {
        "the request came without a token; send the header Authorization: Bearer TOKEN"
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
            Self::MalformedBody(_) => ProblemType::MalformedBody,
            Self::UnsupportedMediaType { .. } => ProblemType::UnsupportedMediaType,
            Self::BodyTooLarge { .. } => ProblemType::BodyTooLarge,
            Self::Unauthorised { .. } => ProblemType::Unauthorised,
            Self::Forbidden { .. } => ProblemType::Forbidden,
            Self::WrongHost => ProblemType::WrongHost,
            Self::OtherSite => ProblemType::OtherSite,
            Self::MethodNotAllowed => ProblemType::MethodNotAllowed,
            Self::RateLimited { .. } => ProblemType::RateLimited,
            Self::Timeout(_) => ProblemType::Timeout,
            Self::Refused(refusal) => refusal.problem_type(),
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

    use super::*;

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
