//! The department's own look-up journal: who looked up what a person holds.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::draft::{HolderCode, holder};
use certmesh_api::faults::Faults;
use certmesh_api::{LookupLog, LookupsRequest};
use certmesh_ledger::id::HolderKind;
use certmesh_ledger::journal::Place;

use super::body::LOOKUPS;
use super::extract::json_body;
use super::openapi::LookupProblems;
use super::problem::json;
use super::refusal::Refusal;
use super::reports::{Days, read_cursor};
use super::search::{DEFAULT_PAGE, MAX_PAGE};
use super::state::{Api, Caller};

/// A checked question about look-ups.
#[derive(Debug)]
pub struct Lookups {
    /// About whom; everyone when absent.
    pub subject: Option<(HolderKind, HolderCode)>,
    /// The days.
    pub days: Days,
    /// Most look-ups to give.
    pub limit: usize,
    /// Where to go on.
    pub place: Option<Place>,
}

impl Lookups {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`] with every fault.
    pub fn check(request: LookupsRequest) -> Result<Lookups, Refusal> {
        let mut faults = Faults::default();
        let given = request.subject;
        let subject = given.and_then(|subject| holder(subject, "subject", &mut faults));
        let from = faults.parse("from", request.from.as_deref());
        let to = faults.parse("to", request.to.as_deref());
        let days = Days::checked(from, to, 365, &mut faults);
        let limit = request.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            faults.add("limit", format!("must be 1 to {MAX_PAGE}"));
        }
        let cursor = request.cursor.as_deref();
        let place = cursor.and_then(|cursor| read_cursor(cursor, place, &mut faults));
        faults.none()?;
        Ok(Lookups {
            subject,
            days: days.ok_or(Refusal::Internal)?,
            limit: limit as usize,
            place,
        })
    }
}

fn place(text: &str) -> Option<Place> {
    let (front, skip) = text.rsplit_once(':')?;
    let (month, at) = front.rsplit_once(':')?;
    Some(Place {
        month: month.parse().ok()?,
        at: at.parse().ok()?,
        skip: skip.parse().ok()?,
    })
}

/// The cursor of a place.
pub(crate) fn lookups_cursor(place: &Place) -> String {
    format!("{}:{}:{}", place.month, place.at, place.skip)
}

/// See which look-ups of what people hold this department's clients made
///
/// From this department's own look-up journal: listings by holder and cases looked at, whether or not anything was retrieved.
/// Only this node has it. That it was read is recorded in it first.
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
) -> Result<Response, Refusal> {
    let question = json_body(&api, &headers, body, &LOOKUPS, Lookups::check).await?;
    let found = api.report(move |service| service.lookups(&question, &caller.name));
    Ok(json(StatusCode::OK, &found.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_given_and_nothing_else_is_one() {
        let text = "2026-11:64:7";
        let read = place(text).unwrap();
        assert_eq!((read.at, read.skip), (64, 7));
        assert_eq!(lookups_cursor(&read), text);
        for wrong in ["", "2026-11:64", "2026-13:64:7", "2026-11:-1:7", "64:7"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn all_faults_of_a_question_about_look_ups_are_named_at_once() {
        let request = LookupsRequest {
            from: Some("2026-12-01".to_owned()),
            to: Some("2026-11-01".to_owned()),
            limit: Some(0),
            cursor: Some("x".to_owned()),
            ..LookupsRequest::default()
        };
        let Err(Refusal::InvalidField(faults)) = Lookups::check(request) else {
            panic!()
        };
        let names: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(names, ["from", "limit", "cursor"]);
    }
}
