//! The department's own look-up journal: who looked up what a person holds.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::draft::holder;
use certmesh_api::faults::Faults;
use certmesh_api::limits::{DEFAULT_PAGE, MAX_PAGE};
use certmesh_api::{LookupLog, LookupsRequest};

use super::cursors::Cursor;
use super::extract::json_body;
use super::openapi::LookupProblems;
use super::problem::json;
use super::rejection::Rejection;
use super::search::PAGE_FAULT;
use super::state::{Api, Caller};
use super::views;
use crate::app::report::{Days, Lookups};

impl Lookups {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`](crate::app::Refusal::InvalidField) with every fault.
    pub(crate) fn check(request: LookupsRequest) -> Result<Lookups, Rejection> {
        let mut faults = Faults::default();
        let given = request.subject;
        let subject = given.and_then(|subject| holder(subject, "subject", &mut faults));
        let from = faults.parse("from", request.from.as_deref());
        let to = faults.parse("to", request.to.as_deref());
        let days = Days::checked(from, to, 365, &mut faults);
        let limit = request.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            faults.add("limit", PAGE_FAULT);
        }
        let place = Cursor::checked(request.cursor.as_deref(), &mut faults);
        faults.none()?;
        Ok(Lookups {
            subject,
            days: days.ok_or(Rejection::INTERNAL)?,
            limit: limit as usize,
            place,
        })
    }
}

/// See which look-ups of what people hold this department's clients made
///
/// From this department's own look-up journal: listings by holder and cases looked at, whether or not anything was retrieved.
/// Only this node has it. The reading itself is recorded in it first.
#[utoipa::path(
    post, path = "/v1/access-log/local", tag = "Cases", operation_id = "listLookups",
    request_body = LookupsRequest,
    responses((status = 200, description = "A page of look-ups", body = LookupLog), LookupProblems),
)]
pub(super) async fn lookups(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let question = json_body(&api, &headers, body, Lookups::check).await?;
    api.report(move |service| {
        let found = service.lookups(&question, &caller.name)?;
        Ok(json(StatusCode::OK, &views::lookups(question.days, found)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Refusal;

    #[test]
    fn all_faults_of_a_question_about_look_ups_are_named_at_once() {
        let request = LookupsRequest {
            from: Some("2026-12-01".to_owned()),
            to: Some("2026-11-01".to_owned()),
            limit: Some(0),
            cursor: Some("x".to_owned()),
            ..LookupsRequest::default()
        };
        let Err(Rejection::Refused(Refusal::InvalidField(faults))) = Lookups::check(request) else {
            panic!()
        };
        let names: Vec<_> = faults.iter().map(|fault| fault.at.as_str()).collect();
        assert_eq!(names, ["from", "limit", "cursor"]);
    }
}
