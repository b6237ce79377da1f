//! Handlers of what appends to the own log.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::draft::{Draft, erasure, status_change};
use certmesh_api::formats::{Binary, CertificateId, IdempotencyKey};
use certmesh_api::{
    Appended, ErasureRequest, FaultKind, IssueRequest, NodeStatus, Salvaged, StatusRequest,
};

use super::bulk;
use super::extract::{Segment, content_type, json_body, parameters, retry_key};
use super::openapi::{
    AppendProblems, BulkProblems, FieldProblems, SalvageProblems, StatusProblems,
};
use super::problem::{appended, json};
use super::rejection::Rejection;
use super::search::path_id;
use super::state::{Api, Caller};
use super::views;
use crate::app::operate::Word;
use crate::app::{self, Refusal};

/// Counts the outcome of one append.
fn counted(api: &Api, result: Result<app::Appended, Rejection>) -> Result<Response, Rejection> {
    match result {
        Ok(done) => {
            api.metrics().row_issued(done.replayed);
            let certificate = format!("/v1/certificates/{}", done.id);
            Ok(appended(done, Some(certificate)))
        }
        Err(refusal) => {
            api.metrics().row_refused(refusal.name());
            Err(refusal)
        }
    }
}

/// Where a change of a certificate is shown.
fn history(done: &app::Appended) -> String {
    format!("/v1/certificates/{}/history", done.id)
}

/// Issue a certificate
///
/// Answers once the record is durable at this peer.
#[utoipa::path(
    post, path = "/v1/certificates", tag = "Certificates", operation_id = "issue",
    params(("Idempotency-Key" = Option<IdempotencyKey>, Header, description = "1 to 255 visible ASCII characters. With it, \
        a request whose content is in the log already answers 200 with `replayed` instead of 409. A key that came with \
        other content within the last week is refused.")),
    request_body = IssueRequest,
    responses(
        (
            status = 201, description = "Issued", body = Appended,
            headers(("Location" = String, description = "The certificate")),
        ),
        (status = 200, description = "Issued by an earlier request with the same content", body = Appended),
        AppendProblems,
    ),
)]
pub(super) async fn issue(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let retry = retry_key(&headers, &caller)?;
    let own = *api.department();
    // What the draft lacks is counted among the rows refused, so it does not refuse the body.
    let check = move |request: IssueRequest| Ok(Draft::check(request, &own));
    let draft = json_body(&api, &headers, body, check).await?;
    let result = match draft {
        Ok(draft) => match api.service().submit(vec![draft], retry).await {
            // One outcome a draft is the service's promise.
            Ok(mut outcomes) => outcomes
                .pop()
                .unwrap_or(Err(Refusal::Internal))
                .map_err(Rejection::from),
            Err(refusal) => Err(refusal.into()),
        },
        Err(unfit) => Err(unfit.into()),
    };
    counted(&api, result)
}

/// Issue many certificates
///
/// One `IssueRequest` a line in, one `RowResult` a line out, in the same order; both stream. A line that can't be read
/// or issued is an error of its row alone. Lines are at most 64 KiB; the body as a whole has no limit. Send and read at
/// the same time where you can: the node holds a bounded amount of results for a client that doesn't read.
#[utoipa::path(
    post, path = "/v1/certificates/bulk", tag = "Certificates", operation_id = "issueBulk",
    params(("Idempotency-Key" = Option<IdempotencyKey>, Header, description = "1 to 255 visible ASCII characters. With it, \
        rows whose content is in the log already answer `ok` with `replayed`.")),
    request_body(content = inline(Binary), content_type = "application/x-ndjson", description = "One `IssueRequest` a line"),
    responses(
        (status = 200, description = "One `RowResult` a line", body = inline(Binary), content_type = "application/x-ndjson"),
        BulkProblems,
    ),
)]
pub(super) async fn issue_bulk(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    content_type(
        &headers,
        &[bulk::NDJSON, "application/ndjson", "application/jsonl"],
    )?;
    let retry = retry_key(&headers, &caller)?;
    bulk::issue(api, caller, retry, body).await
}

/// Change a certificate's status
///
/// Only the issuing department's peer can. Reasons: 01 at the holder's request, 02 issued in error, 03 obtained by
/// deception, 04 conditions broken, 05 holder died or was dissolved, 06 lost or damaged, 07 decision of a court or
/// superior authority, 99 only the text says it.
#[utoipa::path(
    post, path = "/v1/certificates/{id}/status", tag = "Certificates", operation_id = "changeStatus",
    params(
        ("id" = CertificateId, Path, description = "Certificate identifier (GB/T 36904)"),
        ("Idempotency-Key" = Option<IdempotencyKey>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    request_body = StatusRequest,
    responses(
        (
            status = 201, description = "Changed", body = Appended,
            headers(("Location" = String, description = "The certificate's history")),
        ),
        (status = 200, description = "Changed by an earlier request with the same content", body = Appended),
        StatusProblems,
    ),
)]
pub(super) async fn change_status(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let retry = retry_key(&headers, &caller)?;
    let id = path_id(&id)?;
    let check = move |request: StatusRequest| Ok(status_change(id, &request)?);
    let change = json_body(&api, &headers, body, check).await?;
    api.service()
        .change_status(change, retry)
        .await
        .map(|done| {
            let location = history(&done);
            appended(done, Some(location))
        })
        .inspect_err(|refusal| {
            api.metrics().row_refused(refusal.name());
        })
        .map_err(Rejection::from)
}

/// Erase a certificate's fields
///
/// Destroys the key of the fields, then records that it was done. Nobody can read them again; the certificate stands.
#[utoipa::path(
    post, path = "/v1/certificates/{id}/erasure", tag = "Certificates", operation_id = "eraseFields",
    params(("id" = CertificateId, Path, description = "Certificate identifier (GB/T 36904)")),
    request_body = ErasureRequest,
    responses(
        (
            status = 201, description = "Erased", body = Appended,
            headers(("Location" = String, description = "The certificate's history")),
        ),
        (status = 200, description = "Erased before", body = Appended),
        StatusProblems,
    ),
)]
pub(super) async fn erase(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let id = path_id(&id)?;
    let check = move |request: ErasureRequest| Ok(erasure(id, &request)?);
    let erasure = json_body(&api, &headers, body, check).await?;
    let done = api.service().erase(erasure).await?;
    let location = history(&done);
    Ok(appended(done, Some(location)))
}

/// Accept the own log on disk as whole
///
/// After a start the log takes no appends until other members confirmed that it isn't an old copy. This skips the wait:
/// use it only when you know that the disk holds everything this department ever issued, or the log will fork.
#[utoipa::path(
    post, path = "/v1/log/vouch", tag = "Node", operation_id = "vouchForOwnLog",
    params(
        ("after_loss" = Option<bool>, Query, description = "After a loss: continue without the members that have not answered"),
        ("clock_is_right" = Option<bool>, Query, description = "The machine's clock is right, despite the evidence against it"),
    ),
    responses((status = 200, description = "State of the node from now on", body = NodeStatus), FieldProblems),
)]
pub(super) async fn vouch_for_own_log(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let names = ["after_loss", "clock_is_right"];
    let [after_loss, clock_is_right] = parameters(query.as_deref(), names)?;
    let flag = |name: &'static str, text: Option<&str>| match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Rejection::field(name, FaultKind::NotABoolean)),
    };
    let word = Word {
        after_loss: flag(names[0], after_loss.as_deref())?,
        clock_is_right: flag(names[1], clock_is_right.as_deref())?,
    };
    let status = api.service().vouch_for_own_log(word)?;
    let status = views::node(api.service().members(), &status);
    Ok(json(StatusCode::OK, &status))
}

/// Take back records that nobody else holds
///
/// After damage the own log is fetched back from other members. Records that had reached none of them are only in the copy
/// set aside on this node's disk: those that are whole and continue the log are taken back as they are, once all that the
/// others hold is here. If some up to the last signed checkpoint are damaged, none is.
#[utoipa::path(
    post, path = "/v1/log/salvage", tag = "Node", operation_id = "salvageOwnLog",
    responses((status = 200, description = "What was taken back", body = Salvaged), SalvageProblems),
)]
pub(super) async fn salvage_own_log(State(api): State<Arc<Api>>) -> Result<Response, Rejection> {
    let salvaged = api.service().salvage().await?;
    Ok(json(StatusCode::OK, &views::salvaged(salvaged)))
}
