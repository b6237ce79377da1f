//! Answers: problem documents, JSON, and the headers that go with them.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::rejection::Rejection;
use super::views;
use crate::app::Appended;

/// Content type of a problem document (RFC 9457).
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

/// The problem an answer carries, for the access log and the tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProblemName(pub(super) &'static str);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Body::from(to_json(&self.problem()))).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Self::Unauthorised { token_given } = self {
            // RFC 6750, section 3: an error code only where a token was sent.
            let challenge = match token_given {
                true => "Bearer realm=\"certmesh\", error=\"invalid_token\"",
                false => "Bearer realm=\"certmesh\"",
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(ProblemName(self.name()));
        response
    }
}

/// The JSON of one of the API's own types.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    // These types hold nothing serde_json could fail on: no map with other keys than texts, no failing `Serialize`.
    serde_json::to_vec(value).unwrap_or_default()
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = (status, to_json(value)).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 201 for a new record, with the address of what it made where that has one; 200 for one an earlier request made.
pub(super) fn appended(appended: Appended, location: Option<String>) -> Response {
    if appended.replayed {
        return json(StatusCode::OK, &views::appended(appended));
    }
    let created = json(StatusCode::CREATED, &views::appended(appended));
    match location {
        Some(location) => located(created, &location),
        None => created,
    }
}

/// The answer with the address of what was created.
pub(super) fn located(mut created: Response, location: &str) -> Response {
    // Identifiers and codes are of letters, digits and a few marks: each is a path's segment as it is.
    if let Ok(location) = HeaderValue::from_str(location) {
        created.headers_mut().insert(LOCATION, location);
    }
    created
}
