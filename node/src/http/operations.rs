//! Handlers for those who run the node: health, readiness, metrics and the API's own description. None says
//! anything about a certificate, and none needs a token, except metrics that are served beyond this machine.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use certmesh_api::Readiness;

use crate::metrics;

use super::openapi::{CommonProblems, document};
use super::problem::json;
use super::state::Api;
use super::views;

/// Whether the process answers
#[utoipa::path(
    get, path = "/health", tag = "Node", operation_id = "health", security(),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")),
)]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Whether the node can do its work
#[utoipa::path(
    get, path = "/ready", tag = "Node", operation_id = "ready", security(),
    responses(
        (status = 200, description = "It can", body = Readiness),
        (status = 503, description = "It can't, for these reasons", body = Readiness),
    ),
)]
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Response {
    // Reads no file: it must answer when all queries hang.
    let readiness = views::readiness(&api.service().readiness());
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &readiness)
}

/// Measurements in the OpenMetrics format
///
/// Needs no token where the node listens on the loopback interface only.
#[utoipa::path(
    get, path = "/metrics", tag = "Node", operation_id = "metrics", security((), ("token" = [])),
    responses(
        (status = 200, description = "Measurements", body = String, content_type = "application/openmetrics-text"),
        CommonProblems,
    ),
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    (
        [(CONTENT_TYPE, metrics::CONTENT_TYPE)],
        api.metrics().encode(),
    )
        .into_response()
}

/// This description
#[utoipa::path(
    get, path = "/openapi.json", tag = "Node", operation_id = "openapi", security(),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub(super) async fn openapi() -> Response {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let text = DOCUMENT.get_or_init(|| document().to_json().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}
