//! Errors as documents (RFC 9457).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::{ProblemType, Word};

/// Prefix of every problem's `type`.
pub const PROBLEM_PREFIX: &str = "urn:certmesh:problem:";

impl ProblemType {
    /// The problem of this name.
    pub fn named(name: &str) -> Option<ProblemType> {
        let mut all = Self::ALL.iter().copied();
        all.find(|problem| problem.name() == name)
    }

    /// Its name: what follows `urn:certmesh:problem:`.
    pub fn name(self) -> &'static str {
        let urn = self.as_str();
        urn.strip_prefix(PROBLEM_PREFIX).unwrap_or(urn)
    }

    /// The HTTP status it is answered with.
    pub const fn status(self) -> u16 {
        self.answer().0
    }

    /// A short title, the same each time.
    pub const fn title(self) -> &'static str {
        self.answer().1
    }

    const fn answer(self) -> (u16, &'static str) {
        match self {
            Self::MalformedBody => (400, "Malformed body"),
            Self::UnsupportedMediaType => (415, "Unsupported media type"),
            Self::BodyTooLarge => (413, "Body too large"),
            Self::Unauthorised => (401, "Unauthorised"),
            Self::Forbidden => (403, "Forbidden"),
            Self::WrongHost => (421, "Wrong host"),
            Self::OtherSite => (403, "Other site"),
            Self::MethodNotAllowed => (405, "Method not allowed"),
            Self::RateLimited => (429, "Rate limited"),
            Self::Timeout => (408, "Timeout"),
            Self::InvalidField => (422, "Invalid field"),
            Self::NotFound => (404, "Not found"),
            Self::UnknownCertificate => (404, "Unknown certificate"),
            Self::UnknownType => (422, "Unknown type"),
            Self::NotThisDepartment => (422, "Not this department"),
            Self::DatesOutOfOrder => (422, "Dates out of order"),
            Self::DuplicateCertificate => (409, "Duplicate certificate"),
            Self::OtherDepartment => (409, "Other department's certificate"),
            Self::Erased => (410, "Erased"),
            Self::Lost => (500, "Lost"),
            Self::ImpossibleTransition => (409, "Impossible transition"),
            Self::IdempotencyMismatch => (422, "Idempotency mismatch"),
            Self::OwnLogUnconfirmed => (503, "Own log unconfirmed"),
            Self::NotDecidable => (409, "Not decidable"),
            Self::NotSalvageable => (409, "Not salvageable"),
            Self::LogReadOnly => (503, "Log read-only"),
            Self::ClockOff => (503, "Clock off"),
            Self::LookupNotRecorded => (503, "Look-up not recorded"),
            Self::CatalogueKeyMissing => (503, "Catalogue key missing"),
            Self::DecisionsMissing => (503, "Decisions missing"),
            Self::LogFrozen => (503, "Log frozen"),
            Self::Overloaded => (503, "Overloaded"),
            Self::StorageFull => (507, "Storage full"),
            Self::UploadsWaiting => (507, "Uploads waiting"),
            Self::ProofNotAvailable => (409, "Proof not available"),
            Self::RetrievalRefused => (403, "Retrieval refused"),
            Self::IssuerUnreachable => (503, "Issuer unreachable"),
            Self::WrongAnswer => (502, "Wrong answer"),
            Self::IssuerNotAuthorised => (409, "Issuer not authorised"),
            Self::NotVerifiable => (503, "Not verifiable"),
            Self::NotSettled => (503, "Not settled"),
            Self::Internal => (500, "Internal error"),
        }
    }
}

impl Word<ProblemType> {
    /// Its name: what follows `urn:certmesh:problem:`, or all of it if that is not what it begins with.
    pub fn name(&self) -> &str {
        let urn = self.as_str();
        urn.strip_prefix(PROBLEM_PREFIX).unwrap_or(urn)
    }
}

/// RFC 9457 problem document.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URN that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(value_type = ProblemType)]
    pub kind: Word<ProblemType>,
    /// The kind in a few words.
    pub title: String,
    /// HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong this time and what to do about it.
    pub detail: String,
    /// The request field at fault, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Every fault found, at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub faults: Vec<FieldFault>,
    /// How many faults there are beside those in `faults`; absent if zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_faults: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldFault {
    /// The field's name in the request.
    pub field: String,
    /// What is wrong with it, as a stable code: `too-long`.
    pub code: String,
    /// What `detail` shows of this fault, so that a program can write its own sentence; absent where that is nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, Arg>,
    /// What is wrong with it and what would be right.
    pub detail: String,
}

/// An argument of a fault: never a field's value, nor a holder's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Arg {
    /// A number.
    Number(i64),
    /// A text: a name, a code, a day.
    Text(String),
    /// The choices there are.
    List(Vec<String>),
    /// Nothing that can be shown.
    Absent,
}
