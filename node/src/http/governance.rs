//! Handlers of governance: what is decided, the chain as a trust file, and what is to be decided.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use certmesh_api::formats::Binary;
use certmesh_api::{
    FaultKind, GovernanceRequest, GovernanceView, HeldByOthers, StolenEpochRequest,
};
use certmesh_ledger::codec;
use certmesh_ledger::governance::{Item, MAX_BLOCK};

use super::extract::json_body;
use super::openapi::{AfterLossProblems, CommonProblems, GovernanceProblems};
use super::problem::json;
use super::rejection::Rejection;
use super::state::Api;
use super::views;

/// Content type of a trust file.
const TRUST: &str = "application/vnd.certmesh.trust";

/// Show how governance stands
///
/// What it decided is in the trust file.
#[utoipa::path(
    get, path = "/v1/governance", tag = "Governance", operation_id = "showGovernance",
    responses((status = 200, description = "How it stands", body = GovernanceView), CommonProblems),
)]
pub(super) async fn show(State(api): State<Arc<Api>>) -> Result<Response, Rejection> {
    let shown = api.service().governance();
    let view = views::governance(api.service().members(), &shown);
    Ok(json(StatusCode::OK, &view))
}

/// Get the chain of all decisions
///
/// A trust file: the genesis and every final block. It verifies from the network identifier alone, and a verifier without a
/// network needs nothing else.
#[utoipa::path(
    get, path = "/v1/governance/trust-file", tag = "Governance", operation_id = "getTrustFile",
    responses(
        (status = 200, description = "The trust file", body = inline(Binary), content_type = "application/vnd.certmesh.trust"),
        CommonProblems,
    ),
)]
pub(super) async fn trust_file(State(api): State<Arc<Api>>) -> Result<Response, Rejection> {
    let bytes = api.query(|service| Ok(service.trust_file())).await?;
    let mut response = (StatusCode::OK, bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TRUST));
    Ok(response)
}

/// Have something decided
///
/// A proposal, approvals of one, a withdrawal or a change of the department's own keys, signed by identity keys, which never
/// come near a node. It is durable here and on its way to the other members when this is answered; it takes effect with the
/// block that decides it.
#[utoipa::path(
    post, path = "/v1/governance/items", tag = "Governance", operation_id = "submitGovernanceItem",
    request_body = GovernanceRequest,
    responses((status = 200, description = "How governance stands now", body = GovernanceView), GovernanceProblems),
)]
pub(super) async fn submit(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let read = |request: GovernanceRequest| {
        let wrong = || Rejection::field("item", FaultKind::NotAnItem);
        let bytes = hex::decode(&request.item).map_err(|_| wrong())?;
        codec::decode::<Item>(&bytes, MAX_BLOCK).map_err(|_| wrong())
    };
    let item = json_body(&api, &headers, body, read).await?;
    let shown = api.service().propose(item).await?;
    let view = views::governance(api.service().members(), &shown);
    Ok(json(StatusCode::OK, &view))
}

/// Ask the other governors what they hold of this department's log
///
/// After a loss, while the own log is not confirmed. Each connected governor states the largest checkpoint that it holds, for
/// the department's next own change, which ends the loss with these statements (`certmesh govern rotate --lost`). Until a
/// change of that number is final, who has stated something cosigns nothing larger. Governors state a few a minute.
#[utoipa::path(
    post, path = "/v1/governance/held", tag = "Governance", operation_id = "askWhatIsHeld",
    responses((status = 200, description = "What they state", body = HeldByOthers), AfterLossProblems),
)]
pub(super) async fn ask_what_is_held(State(api): State<Arc<Api>>) -> Result<Response, Rejection> {
    let held = api.service().ask_what_is_held().await?;
    Ok(json(StatusCode::OK, &views::held_by_others(&held)))
}

/// Say that an operating key that was replaced was in other hands
///
/// The governors that are connected are asked to witness it; with enough of them it is put into a block, at the position where
/// the key ended by its rotation, which has to be final. It can't be taken back. If it is so already, nothing happens.
#[utoipa::path(
    post, path = "/v1/governance/stolen-epoch", tag = "Governance", operation_id = "endEpochAsStolen",
    request_body = StolenEpochRequest,
    responses((status = 200, description = "How governance stands now", body = GovernanceView), GovernanceProblems),
)]
pub(super) async fn end_as_stolen(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let read = |request: StolenEpochRequest| Ok(request.epoch);
    let epoch = json_body(&api, &headers, body, read).await?;
    let shown = api.service().end_as_stolen(epoch).await?;
    let view = views::governance(api.service().members(), &shown);
    Ok(json(StatusCode::OK, &view))
}
