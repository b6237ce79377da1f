//! What receipts and the look-up journal say: the audit, who looked at a subject's data, use by department.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::certificates::{Holder, Position};
use crate::formats::{Cursor, Date, DepartmentCode, FieldCode, Hash, MatterRef, Purpose, TypeCode};
use crate::words::{AccessKind, AccessRule, Discrepancy, LookupKind, Word};

/// Receipts compared with each other.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// First day.
    #[schema(value_type = Date)]
    pub from: String,
    /// Last day.
    #[schema(value_type = Date)]
    pub to: String,
    /// Retrievals on which both departments agree.
    pub matched: u64,
    /// Receipts whose counterpart may still be in transit.
    pub awaited: u64,
    /// Answers that, by the asker's own log, never reached it.
    pub lost: u64,
    /// Retrievals on which they disagree.
    pub wrong: u64,
    /// Receipts whose asker didn't sign the request they show, and acknowledgements of others' requests: they are
    /// ignored.
    pub unproven: u64,
    /// Whose logs have those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven_in: Vec<Unproven>,
    /// Receipts dated more than 10 minutes ahead of this node's clock, whichever days were asked for: they belong to no day
    /// yet, and are not compared with anything before their time comes.
    #[serde(default)]
    pub dated_ahead: u64,
    /// Whose logs have those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dated_ahead_in: Vec<DatedAhead>,
    /// Those retrievals, at most 1,000 of each department's log.
    pub findings: Vec<FindingView>,
    /// The departments whose logs have more receipts than were looked at, or more findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<More>,
}

/// A department whose log has receipts that prove nothing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Unproven {
    /// The department.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// How many.
    pub receipts: u64,
}

/// A department whose log has receipts dated ahead.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DatedAhead {
    /// The department.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// How many.
    pub receipts: u64,
    /// Position of the first of them in its log.
    pub first_seq: u64,
}

/// A department whose log has more than one answer shows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct More {
    /// The department.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// Cursor for the rest of it: the answer is then about this department's log alone.
    #[schema(value_type = Cursor)]
    pub cursor: String,
}

/// A retrieval on which the two departments disagree.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// How they differ.
    #[schema(value_type = Discrepancy)]
    pub what: Word<Discrepancy>,
    /// Name of the retrieval.
    #[schema(value_type = Hash)]
    pub retrieval: String,
    /// Who was asked.
    #[schema(value_type = DepartmentCode)]
    pub issuer: String,
    /// Its name.
    pub issuer_name: String,
    /// Who asked.
    #[schema(value_type = DepartmentCode)]
    pub asker: String,
    /// Its name.
    pub asker_name: String,
    /// For which matter.
    #[schema(value_type = MatterRef)]
    pub matter: String,
    /// Type of the certificate.
    #[serde(rename = "type")]
    #[schema(value_type = TypeCode)]
    pub type_code: String,
    /// Department whose log has the record.
    #[schema(value_type = DepartmentCode)]
    pub log: String,
    /// Its position there.
    pub seq: u64,
    /// When it was made.
    pub time_ms: u64,
}

/// A question about who looked at a subject's data.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLogRequest {
    /// The subject.
    pub subject: Holder,
    /// First day; a year before the last when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub from: Option<String>,
    /// Last day; today when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub to: Option<String>,
    /// Where to continue in one department's log: an answer's `more`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Cursor>)]
    pub cursor: Option<String>,
}

/// Who looked at a subject's data, in all logs held here.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessLog {
    /// First day.
    #[schema(value_type = Date)]
    pub from: String,
    /// Last day.
    #[schema(value_type = Date)]
    pub to: String,
    /// The events, oldest first; those dated ahead are there whichever days were asked for.
    pub events: Vec<AccessEvent>,
    /// The departments whose logs have more; at most 1,000 receipts of each were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<More>,
    /// Where this department's log records this question.
    pub recorded: Position,
}

/// One event of an access log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessEvent {
    /// When.
    pub time_ms: u64,
    /// Whether that is more than 10 minutes ahead of this node's clock, so that the event belongs to no day yet.
    #[serde(default)]
    pub dated_ahead: bool,
    /// Department whose log records it.
    #[schema(value_type = DepartmentCode)]
    pub log: String,
    /// Its name.
    pub log_name: String,
    /// Position there.
    pub seq: u64,
    /// What it records.
    #[schema(value_type = AccessKind)]
    pub event: Word<AccessKind>,
    /// Name of the retrieval.
    #[schema(value_type = Option<Hash>)]
    pub retrieval: Option<String>,
    /// Who was asked.
    #[schema(value_type = Option<DepartmentCode>)]
    pub issuer: Option<String>,
    /// Who asked.
    #[schema(value_type = Option<DepartmentCode>)]
    pub asker: Option<String>,
    /// The asker's name.
    pub asker_name: Option<String>,
    /// For which matter.
    #[schema(value_type = Option<MatterRef>)]
    pub matter: Option<String>,
    /// Type of the certificate.
    #[serde(rename = "type")]
    #[schema(value_type = Option<TypeCode>)]
    pub type_code: Option<String>,
    /// Codes of the fields shown.
    #[schema(value_type = Vec<FieldCode>)]
    pub fields: Vec<String>,
    /// The rule by which nothing was shown.
    #[schema(value_type = Option<AccessRule>)]
    pub rule: Option<Word<AccessRule>>,
}

/// Use by department.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UseReport {
    /// First day.
    #[schema(value_type = Date)]
    pub from: String,
    /// Last day.
    #[schema(value_type = Date)]
    pub to: String,
    /// Every member.
    pub departments: Vec<DepartmentUse>,
}

/// How a department shared and used data.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DepartmentUse {
    /// The department.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub name: String,
    /// Requests it answered with fields.
    pub shared: u64,
    /// Requests it refused.
    pub refused: u64,
    /// Answers with fields that it got.
    pub retrieved: u64,
    /// Cases it accepted.
    pub cases: u64,
    /// Requirements of those cases.
    pub required: u64,
    /// Of these, those for which nothing had to be handed in: submissions saved.
    pub saved: u64,
    /// Median of the times from a request to its checked answer, ms.
    pub median_retrieval_ms: Option<u32>,
    /// What its log has that is dated more than 10 minutes ahead of this node's clock: in no month yet, and shown
    /// whichever month is asked for. Absent when there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dated_ahead: Option<UseAhead>,
}

/// What a department's log has that is dated ahead.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UseAhead {
    /// Requests it answered with fields.
    pub shared: u64,
    /// Requests it refused.
    pub refused: u64,
    /// Answers with fields that it got.
    pub retrieved: u64,
    /// Cases it accepted.
    pub cases: u64,
    /// Requirements of those cases.
    pub required: u64,
    /// Of these, those for which nothing had to be handed in.
    pub saved: u64,
}

/// A question about the look-ups that this department's clients made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupsRequest {
    /// Look-ups of this subject; of all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Holder>,
    /// First day; a year before the last when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub from: Option<String>,
    /// Last day; today when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub to: Option<String>,
    /// At most this many, 1 to 1,000 (100 when absent).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Cursor>)]
    pub cursor: Option<String>,
}

/// A page of look-ups.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LookupLog {
    /// First day.
    #[schema(value_type = Date)]
    pub from: String,
    /// Last day.
    #[schema(value_type = Date)]
    pub to: String,
    /// The look-ups, in the order in which they were recorded.
    pub lookups: Vec<LookupView>,
    /// Parts of the journal that can't be read: which look-ups stood there is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
    /// Cursor of the next page; absent on the last. A page can be empty and have a next one.
    #[schema(value_type = Option<Cursor>)]
    pub next: Option<String>,
}

/// A look at what a person holds.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LookupView {
    /// When, by this node's clock.
    pub time_ms: u64,
    /// Name of the client that looked.
    pub client: String,
    /// What it looked at.
    #[schema(value_type = LookupKind)]
    pub event: Word<LookupKind>,
    /// What a `find` was for, as the client said.
    #[schema(value_type = Option<Purpose>)]
    pub purpose: Option<String>,
    /// The matter of an `accept`.
    #[schema(value_type = Option<MatterRef>)]
    pub matter: Option<String>,
}

impl fmt::Debug for LookupView {
    /// Leaves out the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupView")
            .field("time_ms", &self.time_ms)
            .field("client", &self.client)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
