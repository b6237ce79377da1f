//! Errors as documents (RFC 9457).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::{ProblemType, Word};

/// Prefix of every problem's `type`.
pub const PROBLEM_PREFIX: &str = "urn:certmesh:problem:";

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
