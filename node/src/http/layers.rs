//! What happens to every request around its handler: access log and metrics, then tokens, roles, rates, places, time.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use certmesh_api::tokens::Role;
use tokio::time::timeout;

use super::problem::ProblemName;
use super::rejection::{Late, Rejection};
use super::routes::template;
use super::state::{Api, Caller};

/// Who may use a route, and how its requests are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone; small answers that must come even when the node is overloaded.
    Open,
    /// Anyone where only this machine can ask; elsewhere clients that may do what takes this role.
    Local(Role),
    /// Clients that may do what takes this role.
    Role(Role),
    /// The same for a streaming route, which limits itself by the row.
    Streaming(Role),
}

#[derive(Clone)]
struct ClientName(Arc<str>);

/// Logs and counts each request by its route's template: the path itself may hold a certificate's identifier.
pub(super) async fn observe(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", |path| template(path.as_str()));
    let method = method_name(request.method());
    let mut response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    api.metrics().answered(route, method, status, took);
    // To the microsecond: more digits are noise, and can look like a serial number.
    let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
    let client = response
        .extensions()
        .get::<ClientName>()
        .map_or("-", |name| &*name.0);
    let problem = response
        .extensions()
        .get::<ProblemName>()
        .map_or("-", |name| name.0);
    if route.starts_with("/v1") || status >= 400 {
        tracing::info!(target: "certmesh_node::access", method, route, status, ms, client, problem, "request");
    } else {
        tracing::debug!(target: "certmesh_node::access", method, route, status, ms, "request");
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A method as a metric's label: from a fixed list, since a client may send any word.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The answer when a handler panicked; the panic hook logs where.
pub(super) fn panicked(_message: Box<dyn Any + Send>) -> Response {
    Rejection::INTERNAL.into_response()
}

/// Lets a request through to its handler, or answers why not.
pub(super) async fn guard(
    State((api, access)): State<(Arc<Api>, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let (role, streaming) = match access {
        Access::Open => return next.run(request).await,
        Access::Local(role) | Access::Role(role) => (role, false),
        Access::Streaming(role) => (role, true),
    };
    let (caller, has) = match authenticate(&api, request.headers()) {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    let name = ClientName(Arc::clone(&caller.name));
    let mut response = if !has.may(role) {
        Rejection::Forbidden { needed: role, has }.into_response()
    } else {
        request.extensions_mut().insert(caller.clone());
        let answer = async {
            match streaming {
                true => next.run(request).await,
                false => limited(&api, &caller, request, next)
                    .await
                    .unwrap_or_else(Rejection::into_response),
            }
        };
        caller.clone().answers(answer).await
    };
    response.extensions_mut().insert(name);
    response
}

async fn limited(
    api: &Api,
    caller: &Caller,
    request: Request,
    next: Next,
) -> Result<Response, Rejection> {
    caller.rate.request()?;
    let _place = api.take_place()?;
    timeout(api.limits().request_time, next.run(request))
        .await
        .map_err(|_| Rejection::Timeout(Late::Request))
}

fn authenticate(api: &Api, headers: &HeaderMap) -> Result<(Caller, Role), Rejection> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (given.next(), given.next()) else {
        return Err(Rejection::Unauthorised { token_given: false });
    };
    let bytes = header.as_bytes();
    // The scheme's name is case-insensitive (RFC 9110, section 11.1).
    let token = match bytes.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ => return Err(Rejection::Unauthorised { token_given: false }),
    };
    let (role, caller) = api
        .find_client(token)
        .ok_or(Rejection::Unauthorised { token_given: true })?;
    Ok((caller, role))
}
