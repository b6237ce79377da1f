//! What the receipts say: the audit, who looked at a subject's data, use by department.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_ledger::id::Date;
use certmesh_ledger::log::LogId;
use certmesh_ledger::retrieval::Page;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::ACCESS_LOG;
use super::draft::{Faults, holder};
use super::extract::{json_body, parameters};
use super::openapi::{AccessLogProblems, FieldProblems};
use super::problem::json;
use super::refusal::Refusal;
use super::state::Api;
use super::types::{Holder, Position};

/// Most days a question about receipts can cover.
const MAX_DAYS: i32 = 366;

/// Days from one to another, both included, in China Standard Time.
#[derive(Clone, Copy, Debug)]
pub struct Days {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
}

impl Days {
    /// When they begin and when they are over, ms.
    pub fn times(&self) -> (u64, u64) {
        let after = self.to.plus_days(1).map(Date::begins_in_china_ms);
        (self.from.begins_in_china_ms(), after.unwrap_or(u64::MAX))
    }

    pub(super) fn checked(
        from: Option<Date>,
        to: Option<Date>,
        before: i32,
        faults: &mut Faults,
    ) -> Option<Days> {
        let to = to.unwrap_or_else(today);
        let earliest = || Date::from_days(to.days() - before).unwrap_or(Date::MIN);
        let from = from.unwrap_or_else(earliest);
        if from > to {
            faults.add(
                "from",
                format!("is {from}, after {to}, where the time ends"),
            );
            return None;
        }
        if to.days() - from.days() >= MAX_DAYS {
            faults.add(
                "from",
                format!("is more than {MAX_DAYS} days before the end"),
            );
            return None;
        }
        Some(Days { from, to })
    }

    /// The days of a month, `YYYY-MM`.
    fn month(text: &str, faults: &mut Faults) -> Option<Days> {
        let first = match text.len() {
            7 => format!("{text}-01").parse::<Date>().ok(),
            _ => None,
        };
        let Some(from) = first else {
            faults.add("month", "expected YYYY-MM, such as 2026-11");
            return None;
        };
        let next = from.plus_months(1).map_or(i32::MAX, Date::days);
        let to = Date::from_days(next.saturating_sub(1)).unwrap_or(Date::MAX);
        Some(Days { from, to })
    }
}

fn today() -> Date {
    Date::in_china(crate::peer::now_ms())
}

/// Receipts held against each other.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// Retrievals of which both departments say the same.
    pub matched: u64,
    /// Receipts whose counterpart may still be on its way.
    pub awaited: u64,
    /// Answers that, by the asker's own log, never reached it.
    pub lost: u64,
    /// Retrievals of which they don't.
    pub wrong: u64,
    /// Receipts whose asker didn't sign the request they show, and acknowledgements of others' requests: they count for
    /// nothing.
    pub unproven: u64,
    /// Whose logs have those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven_in: Vec<Unproven>,
    /// Receipts dated more than 10 minutes ahead of this node's clock, whichever days were asked for: they belong to no day
    /// yet, and are not held against anything before their time comes.
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
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// How many.
    pub receipts: u64,
    /// Position of the first of them in its log.
    pub first_seq: u64,
}

/// A department whose log has more than an answer tells.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct More {
    /// The department.
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// What to ask with for the rest of it: the answer then is about this department's log alone.
    pub cursor: String,
}

/// A retrieval of which the two departments don't say the same.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// `not-acknowledged`: the issuer has a receipt and the asker acknowledges nothing; `no-receipt`: the other way round;
    /// `differs`: both have one, and they say different things, or the answer was wrong;
    /// `twice`: a log has a second record of one kind. Which side is wrong only people can tell.
    pub what: String,
    /// Name of the retrieval.
    pub retrieval: String,
    /// Who was asked.
    pub issuer: String,
    /// Its name.
    pub issuer_name: String,
    /// Who asked.
    pub asker: String,
    /// Its name.
    pub asker_name: String,
    /// For which matter.
    pub matter: String,
    /// Type of the certificate.
    #[serde(rename = "type")]
    pub type_code: String,
    /// Department whose log has the record.
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
    pub from: Option<String>,
    /// Last day; today when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Where to go on in one department's log, as an answer's `more` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Who looked at a subject's data, in all logs held here.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessLog {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// The events, oldest first; those dated ahead are there whichever days were asked for.
    pub events: Vec<AccessEvent>,
    /// The departments whose logs have more, of which at most 1,000 receipts each were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<More>,
    /// Where this department's log says that this was asked.
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
    /// Department whose log tells it.
    pub log: String,
    /// Its name.
    pub log_name: String,
    /// Position there.
    pub seq: u64,
    /// `answered` and `refused` stand in the issuer's log, `acknowledged` in the asker's; `access-log-read` tells that
    /// somebody asked what this answer tells.
    pub event: String,
    /// Name of the retrieval.
    pub retrieval: Option<String>,
    /// Who was asked.
    pub issuer: Option<String>,
    /// Who asked.
    pub asker: Option<String>,
    /// The asker's name.
    pub asker_name: Option<String>,
    /// For which matter.
    pub matter: Option<String>,
    /// Type of the certificate.
    #[serde(rename = "type")]
    pub type_code: Option<String>,
    /// Codes of the fields shown.
    pub fields: Vec<String>,
    /// The rule by which nothing was shown.
    pub rule: Option<String>,
}

/// Use by department.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UseReport {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// Every member.
    pub departments: Vec<DepartmentUse>,
}

/// How a department shared and used data.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DepartmentUse {
    /// The department.
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
    /// What its log has that is dated more than 10 minutes ahead of this node's clock: in no month yet, and told whichever
    /// month is asked for. Absent when there is nothing.
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

pub(super) fn read_cursor<T>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    faults: &mut Faults,
) -> Option<T> {
    let page = read(text);
    if page.is_none() {
        faults.add("cursor", "is not one that this node gave");
    }
    page
}

fn audit_page(text: &str) -> Option<(LogId, u64)> {
    let (log, seq) = text.rsplit_once(':')?;
    Some((log.parse().ok()?, seq.parse().ok()?))
}

/// The cursor of an audit.
pub(crate) fn audit_cursor(log: LogId, seq: u64) -> String {
    format!("{log}:{seq}")
}

fn access_page(text: &str) -> Option<Page> {
    let (front, seq) = text.rsplit_once(':')?;
    let (log, day) = front.rsplit_once(':')?;
    Some(Page {
        log: log.parse().ok()?,
        day: day.parse().ok()?,
        seq: seq.parse().ok()?,
    })
}

/// The cursor of an access log.
pub(crate) fn access_cursor(page: &Page) -> String {
    format!("{}:{}:{}", page.log, page.day, page.seq)
}

/// Hold receipts against their counterparts
///
/// Each retrieval leaves a receipt in the issuer's log and an acknowledgement in the asker's. One without the other, or
/// two that differ, are findings. Receipts dated more than 10 minutes ahead of this node's clock are counted by themselves.
#[utoipa::path(
    get, path = "/v1/audit", tag = "Cases", operation_id = "audit",
    params(
        ("from" = Option<String>, Query, description = "First day; 31 days before the last when absent"),
        ("to" = Option<String>, Query, description = "Last day; today when absent"),
        ("cursor" = Option<String>, Query, description = "Where to go on in one department's log, as an answer's `more` says"),
    ),
    responses((status = 200, description = "What was found", body = AuditView), FieldProblems),
)]
pub(super) async fn audit(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let [from, to, cursor] = parameters(query.as_deref(), ["from", "to", "cursor"])?;
    let mut faults = Faults::default();
    let (from, to) = (
        faults.parse("from", from.as_deref()),
        faults.parse("to", to.as_deref()),
    );
    let days = Days::checked(from, to, 31, &mut faults);
    let page = cursor
        .as_deref()
        .and_then(|cursor| read_cursor(cursor, audit_page, &mut faults));
    faults.none()?;
    let days = days.ok_or(Refusal::Internal)?;
    let found = api.report(move |service| service.audit(days, page)).await?;
    Ok(json(StatusCode::OK, &found))
}

/// See who looked at a subject's data
///
/// In the logs of all departments that this peer holds. That it was asked is recorded in this department's log first. Events
/// dated more than 10 minutes ahead of this node's clock are shown whichever days are asked for, and marked.
#[utoipa::path(
    post, path = "/v1/access-log", tag = "Cases", operation_id = "accessLog",
    request_body = AccessLogRequest,
    responses((status = 200, description = "The events", body = AccessLog), AccessLogProblems),
)]
pub(super) async fn access_log(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let request: AccessLogRequest = json_body(&api, &headers, body, &ACCESS_LOG, Ok).await?;
    let mut faults = Faults::default();
    let subject = holder(request.subject, "subject", &mut faults);
    let from = faults.parse("from", request.from.as_deref());
    let to = faults.parse("to", request.to.as_deref());
    let days = Days::checked(from, to, 365, &mut faults);
    let cursor = request.cursor.as_deref();
    let page = cursor.and_then(|cursor| read_cursor(cursor, access_page, &mut faults));
    faults.none()?;
    let ((kind, code), days) = subject.zip(days).ok_or(Refusal::Internal)?;
    let found = api.service().access_log(kind, code, days, page).await?;
    Ok(json(StatusCode::OK, &found))
}

/// Tell how departments shared and used data in a month
///
/// What is dated more than 10 minutes ahead of this node's clock is in no month yet, and told by itself.
#[utoipa::path(
    get, path = "/v1/reports/use", tag = "Cases", operation_id = "reportUse",
    params(("month" = Option<String>, Query, description = "`YYYY-MM`; this month when absent")),
    responses((status = 200, description = "Use by department", body = UseReport), FieldProblems),
)]
pub(super) async fn usage(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let [month] = parameters(query.as_deref(), ["month"])?;
    let mut faults = Faults::default();
    let this = today().to_string();
    let days = Days::month(month.as_deref().unwrap_or(&this[..7]), &mut faults);
    faults.none()?;
    let days = days.ok_or(Refusal::Internal)?;
    let found = api.report(move |service| service.usage(days)).await?;
    Ok(json(StatusCode::OK, &found))
}
