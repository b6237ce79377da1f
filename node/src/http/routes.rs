//! The routes: path, methods and who may use them, in one table.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use certmesh_api::tokens::Role;
use tower_http::catch_panic::CatchPanicLayer;

use super::hosts::{HostName, own_names_only};
use super::layers::{Access, guard, observe, panicked};
use super::rejection::{Malformed, Rejection};
use super::state::Api;
use super::{
    appends, attachments, cases, definitions, governance, lookups, operations, queries, reports,
    retrievals,
};
use crate::app::{Item, Refusal};

/// A route of the API.
pub(super) struct Route {
    /// Its path's template.
    pub(super) path: &'static str,
    /// Its one method; the handler knows it too, but doesn't expose it.
    pub(super) method: &'static str,
    pub(super) access: Access,
    handler: MethodRouter<Arc<Api>>,
}

const OPEN: Access = Access::Open;
const LOCAL: Access = Access::Local(Role::Read);
const READ: Access = Access::Role(Role::Read);
const CLERK: Access = Access::Role(Role::Clerk);
const ISSUE: Access = Access::Role(Role::Issue);
const BULK: Access = Access::Streaming(Role::Issue);
const TRANSFER_CLERK: Access = Access::Streaming(Role::Clerk);
const ADMIN: Access = Access::Role(Role::Admin);

fn reads(path: &'static str, access: Access, handler: MethodRouter<Arc<Api>>) -> Route {
    Route {
        path,
        method: "GET",
        access,
        handler,
    }
}

fn posts(path: &'static str, access: Access, handler: MethodRouter<Arc<Api>>) -> Route {
    Route {
        path,
        method: "POST",
        access,
        handler,
    }
}

/// Every route.
pub(super) fn routes() -> Vec<Route> {
    vec![
        reads("/health", OPEN, get(operations::health)),
        reads("/ready", OPEN, get(operations::ready)),
        reads("/metrics", LOCAL, get(operations::metrics)),
        reads("/openapi.json", OPEN, get(operations::openapi)),
        posts("/v1/certificates", ISSUE, post(appends::issue)),
        posts("/v1/certificates/bulk", BULK, post(appends::issue_bulk)),
        reads("/v1/certificates/{id}", READ, get(queries::certificate)),
        reads("/v1/certificates/{id}/fields", ISSUE, get(queries::fields)),
        reads(
            "/v1/certificates/{id}/attachments/{name}",
            ISSUE,
            get(attachments::download),
        ),
        posts("/v1/certificates/{id}/erasure", ADMIN, post(appends::erase)),
        reads("/v1/certificates/{id}/history", READ, get(queries::history)),
        reads(
            "/v1/certificates/{id}/verification",
            READ,
            get(queries::verification),
        ),
        reads("/v1/certificates/{id}/proof", READ, get(queries::proof)),
        posts(
            "/v1/certificates/{id}/status",
            ISSUE,
            post(appends::change_status),
        ),
        posts("/v1/attachments", BULK, post(attachments::upload)),
        posts("/v1/accept", CLERK, post(cases::accept)),
        posts("/v1/retrievals", TRANSFER_CLERK, post(retrievals::fetch)),
        reads("/v1/retrievals/{retrieval}", CLERK, get(retrievals::copy)),
        reads(
            "/v1/retrievals/{retrieval}/attachments/{name}",
            TRANSFER_CLERK,
            get(retrievals::attachment),
        ),
        reads("/v1/audit", READ, get(reports::audit)),
        posts("/v1/access-log", ADMIN, post(reports::access_log)),
        posts("/v1/access-log/local", ADMIN, post(lookups::lookups)),
        reads("/v1/reports/use", READ, get(reports::usage)),
        posts("/v1/find", READ, post(queries::find)),
        reads("/v1/catalogue", READ, get(queries::catalogue)),
        posts("/v1/types", ADMIN, post(definitions::define_type)),
        reads("/v1/types/{code}", READ, get(definitions::show_type)),
        posts("/v1/matters", ADMIN, post(definitions::define_matter)),
        reads("/v1/matters", READ, get(definitions::list_matters)),
        reads(
            "/v1/matters/{department}/{code}",
            READ,
            get(definitions::show_matter),
        ),
        posts("/v1/grants", ADMIN, post(definitions::grant)),
        reads("/v1/grants", READ, get(definitions::list_grants)),
        posts(
            "/v1/grants/{grant}/withdrawal",
            ADMIN,
            post(definitions::withdraw),
        ),
        reads("/v1/logs", READ, get(queries::logs)),
        reads("/v1/logs/{department}", READ, get(queries::log)),
        reads("/v1/peers", READ, get(queries::peers)),
        reads("/v1/status", READ, get(queries::status)),
        posts("/v1/log/vouch", ADMIN, post(appends::vouch_for_own_log)),
        reads("/v1/governance", READ, get(governance::show)),
        reads(
            "/v1/governance/trust-file",
            READ,
            get(governance::trust_file),
        ),
        posts("/v1/governance/items", ADMIN, post(governance::submit)),
        posts(
            "/v1/governance/held",
            ADMIN,
            post(governance::ask_what_is_held),
        ),
        posts(
            "/v1/governance/stolen-epoch",
            ADMIN,
            post(governance::end_as_stolen),
        ),
        posts("/v1/log/salvage", ADMIN, post(appends::salvage_own_log)),
    ]
}

/// The templates of [`routes`], for labels that must outlive a request.
const TEMPLATES: [&str; 42] = [
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/v1/certificates",
    "/v1/certificates/bulk",
    "/v1/certificates/{id}",
    "/v1/certificates/{id}/fields",
    "/v1/certificates/{id}/attachments/{name}",
    "/v1/certificates/{id}/erasure",
    "/v1/certificates/{id}/history",
    "/v1/certificates/{id}/verification",
    "/v1/certificates/{id}/proof",
    "/v1/certificates/{id}/status",
    "/v1/attachments",
    "/v1/accept",
    "/v1/retrievals",
    "/v1/retrievals/{retrieval}",
    "/v1/retrievals/{retrieval}/attachments/{name}",
    "/v1/audit",
    "/v1/access-log",
    "/v1/access-log/local",
    "/v1/reports/use",
    "/v1/find",
    "/v1/catalogue",
    "/v1/types",
    "/v1/types/{code}",
    "/v1/matters",
    "/v1/matters/{department}/{code}",
    "/v1/grants",
    "/v1/grants/{grant}/withdrawal",
    "/v1/logs",
    "/v1/logs/{department}",
    "/v1/peers",
    "/v1/status",
    "/v1/log/vouch",
    "/v1/governance",
    "/v1/governance/trust-file",
    "/v1/governance/items",
    "/v1/governance/held",
    "/v1/governance/stolen-epoch",
    "/v1/log/salvage",
];

/// The template equal to a matched path.
pub(super) fn template(matched: &str) -> &'static str {
    TEMPLATES
        .into_iter()
        .find(|template| *template == matched)
        .unwrap_or("unmatched")
}

/// The whole API as a service for HTTP. `local`: only this machine can reach it, by these names beside its own.
pub fn router(api: Arc<Api>, local: Option<&[HostName]>) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let access = match route.access {
            Access::Local(_) if local.is_some() => Access::Open,
            access => access,
        };
        let guarded = route
            .handler
            .route_layer(from_fn_with_state((Arc::clone(&api), access), guard));
        router = router.route(route.path, guarded);
    }
    router = router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(map_response(plain_errors))
        .layer(CatchPanicLayer::custom(panicked));
    if let Some(names) = local {
        let names: Arc<[HostName]> = names.into();
        router = router.layer(from_fn_with_state(names, own_names_only));
    }
    router
        .layer(from_fn_with_state(Arc::clone(&api), observe))
        .with_state(api)
}

async fn no_route() -> Rejection {
    Rejection::Refused(Refusal::NotFound { what: Item::Route })
}

async fn no_method() -> Rejection {
    Rejection::MethodNotAllowed
}

/// Turns what the framework itself would answer in plain text into problem documents.
async fn plain_errors(response: Response) -> Response {
    let status = response.status().as_u16();
    if status < 400 || response.headers().contains_key("content-type") && !is_plain(&response) {
        return response;
    }
    let refusal = match status {
        404 => Rejection::Refused(Refusal::NotFound { what: Item::Route }),
        400..500 => Rejection::MalformedBody(Malformed::Unreadable),
        _ => Rejection::INTERNAL,
    };
    refusal.into_response()
}

fn is_plain(response: &Response) -> bool {
    let content_type = response
        .headers()
        .get("content-type")
        .map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(b"text/plain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_templates_name_the_same_paths() {
        let mut paths: Vec<_> = routes().iter().map(|route| route.path).collect();
        paths.dedup();
        assert_eq!(paths, TEMPLATES);
    }
}
