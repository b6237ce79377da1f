//! What the receipts say: the audit, who looked at a subject's data, use by department.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::draft::holder;
use certmesh_api::faults::Faults;
use certmesh_api::formats;
use certmesh_api::limits::MAX_DAYS;
use certmesh_api::{AccessLog, AccessLogRequest, AuditView, FaultKind, UseReport};
use certmesh_ledger::id::Date;

use super::cursors::Cursor;
use super::extract::{json_body, parameters};
use super::openapi::{AccessLogProblems, FieldProblems};
use super::problem::json;
use super::rejection::Rejection;
use super::state::Api;
use super::views;
use crate::app::report::Days;

impl Days {
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
            faults.add("from", FaultKind::FromAfterTo { from, to });
            return None;
        }
        if to.days() - from.days() >= MAX_DAYS.into() {
            let most = MAX_DAYS.into();
            faults.add("from", FaultKind::TooManyDays { most });
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
            faults.add("month", FaultKind::Month);
            return None;
        };
        let next = from.plus_months(1).map_or(i32::MAX, Date::days);
        let to = Date::from_days(next.saturating_sub(1)).unwrap_or(Date::MAX);
        Some(Days { from, to })
    }
}

fn today() -> Date {
    Date::in_china(crate::app::now_ms())
}

/// Compare receipts with their counterparts
///
/// Each retrieval leaves a receipt in the issuer's log and an acknowledgement in the asker's. One without the other, or
/// two that differ, are findings. Receipts dated more than 10 minutes ahead of this node's clock are counted by themselves.
#[utoipa::path(
    get, path = "/v1/audit", tag = "Cases", operation_id = "audit",
    params(
        ("from" = Option<formats::Date>, Query, description = "First day; 31 days before the last when absent"),
        ("to" = Option<formats::Date>, Query, description = "Last day; today when absent"),
        ("cursor" = Option<formats::Cursor>, Query, description = "Where to continue in one department's log: an answer's `more`"),
    ),
    responses((status = 200, description = "What was found", body = AuditView), FieldProblems),
)]
pub(super) async fn audit(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let [from, to, cursor] = parameters(query.as_deref(), ["from", "to", "cursor"])?;
    let mut faults = Faults::default();
    let (from, to) = (
        faults.parse("from", from.as_deref()),
        faults.parse("to", to.as_deref()),
    );
    let days = Days::checked(from, to, 31, &mut faults);
    let page = Cursor::checked(cursor.as_deref(), &mut faults);
    faults.none()?;
    let days = days.ok_or(Rejection::INTERNAL)?;
    api.report(move |service| {
        let found = service.audit(days, page)?;
        Ok(json(
            StatusCode::OK,
            &views::audit(service.members(), days, &found),
        ))
    })
    .await
}

/// See who looked at a subject's data
///
/// In the logs of all departments that this peer holds. The question is recorded in this department's log first. Events
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
) -> Result<Response, Rejection> {
    let request: AccessLogRequest = json_body(&api, &headers, body, Ok).await?;
    let mut faults = Faults::default();
    let subject = holder(request.subject, "subject", &mut faults);
    let from = faults.parse("from", request.from.as_deref());
    let to = faults.parse("to", request.to.as_deref());
    let days = Days::checked(from, to, 365, &mut faults);
    let page = Cursor::checked(request.cursor.as_deref(), &mut faults);
    faults.none()?;
    let ((kind, code), days) = subject.zip(days).ok_or(Rejection::INTERNAL)?;
    let found = api.service().access_log(kind, code, days, page).await?;
    let found = views::access_log(api.service().members(), days, &found);
    Ok(json(StatusCode::OK, &found))
}

/// Show how departments shared and used data in a month
///
/// What is dated more than 10 minutes ahead of this node's clock is in no month yet, and shown separately.
#[utoipa::path(
    get, path = "/v1/reports/use", tag = "Cases", operation_id = "reportUse",
    params(("month" = Option<String>, Query, pattern = "^[0-9]{4}-[0-9]{2}$", description = "`YYYY-MM`; this month when absent")),
    responses((status = 200, description = "Use by department", body = UseReport), FieldProblems),
)]
pub(super) async fn usage(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let [month] = parameters(query.as_deref(), ["month"])?;
    let mut faults = Faults::default();
    let this = today().to_string();
    let days = Days::month(month.as_deref().unwrap_or(&this[..7]), &mut faults);
    faults.none()?;
    let days = days.ok_or(Rejection::INTERNAL)?;
    api.report(move |service| {
        let found = service.usage(days)?;
        Ok(json(
            StatusCode::OK,
            &views::usage(service.members(), days, found),
        ))
    })
    .await
}
