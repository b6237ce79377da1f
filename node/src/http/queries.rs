//! Handlers of what only looks things up. Queries read files, so each runs on a thread that may block.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use certmesh_api::formats::{self, Binary, Date};
use certmesh_api::{
    CatalogueView, Certificate, CertificateFields, FaultKind, FindRequest, Found, History, LogView,
    NodeStatus, PeerView, Verification,
};
use tokio::time::Instant;

use super::extract::{Segment, json_body, parameters};
use super::limits::COSIGNED_WITHIN;
use super::openapi::{
    CertificateProblems, CommonProblems, FieldProblems, FieldsProblems, FindProblems, LogProblems,
    ProofProblems,
};
use super::problem::json;
use super::rejection::Rejection;
use super::search::{PageOfList, list_page, path_department, path_id, query_date};
use super::state::{Api, Caller};
use super::views;
use crate::app::find::{Search, Wanted};
use crate::app::{Item, Refusal};

/// Content type of an encoded proof bundle.
pub(super) const BUNDLE: &str = "application/vnd.certmesh.bundle";

/// Show a certificate
#[utoipa::path(
    get, path = "/v1/certificates/{id}", tag = "Certificates", operation_id = "showCertificate",
    params(("id" = formats::CertificateId, Path, description = "Certificate identifier (GB/T 36904)")),
    responses((status = 200, description = "The certificate", body = Certificate), CertificateProblems),
)]
pub(super) async fn certificate(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
) -> Result<Response, Rejection> {
    let id = path_id(&id)?;
    api.query(move |service| {
        let found = service.certificate(&id)?;
        let found = found.ok_or(Refusal::UnknownCertificate)?;
        Ok(json(
            StatusCode::OK,
            &views::certificate(service.members(), &found),
        ))
    })
    .await
}

/// Show what a certificate says
///
/// Its holder and fields: kept by the issuing department's peer alone.
#[utoipa::path(
    get, path = "/v1/certificates/{id}/fields", tag = "Certificates", operation_id = "showFields",
    params(("id" = formats::CertificateId, Path, description = "Certificate identifier (GB/T 36904)")),
    responses((status = 200, description = "Holder and fields", body = CertificateFields), FieldsProblems),
)]
pub(super) async fn fields(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
) -> Result<Response, Rejection> {
    let id = path_id(&id)?;
    api.query(move |service| {
        let found = service.fields(&id)?;
        let found = found.ok_or(Refusal::NotFound { what: Item::Fields })?;
        Ok(json(StatusCode::OK, &views::fields(&id, &found)))
    })
    .await
}

/// Show the events of a certificate, of all it replaced and all that replaced it
///
/// The whole chain across departments: at most 256 certificates, `cut` says when there are more.
#[utoipa::path(
    get, path = "/v1/certificates/{id}/history", tag = "Certificates", operation_id = "showHistory",
    params(("id" = formats::CertificateId, Path, description = "Certificate identifier (GB/T 36904)")),
    responses((status = 200, description = "The events, oldest first", body = History), CertificateProblems),
)]
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
) -> Result<Response, Rejection> {
    let id = path_id(&id)?;
    api.query(move |service| {
        let found = service.history(&id)?;
        let found = found.ok_or(Refusal::UnknownCertificate)?;
        Ok(json(StatusCode::OK, &views::history(&id, &found)))
    })
    .await
}

/// Verify a certificate
///
/// Always answers with a verdict: a certificate of which nothing is held here is `unknown`, never `valid`.
#[utoipa::path(
    get, path = "/v1/certificates/{id}/verification", tag = "Certificates", operation_id = "verifyCertificate",
    params(
        ("id" = formats::CertificateId, Path, description = "Certificate identifier (GB/T 36904)"),
        ("on" = Option<Date>, Query, description = "Day to verify for, `YYYY-MM-DD`; today (UTC+8) when absent"),
    ),
    responses((status = 200, description = "The verdict and its provenance", body = Verification), FieldProblems),
)]
pub(super) async fn verification(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let id = path_id(&id)?;
    let [on] = parameters(query.as_deref(), ["on"])?;
    let on = on.as_deref().map(query_date).transpose()?;
    api.query(move |service| {
        let found = service.verification(&id, on)?;
        Ok(json(
            StatusCode::OK,
            &views::verification(service.members(), &found),
        ))
    })
    .await
}

/// Get the proof bundle of a certificate
///
/// What anyone needs to verify the certificate offline: record, proofs, checkpoint, cosignatures. A reader accepts
/// nothing as valid that only the issuer vouches for, so this waits for a cosignature by another member, 5 seconds at
/// most.
#[utoipa::path(
    get, path = "/v1/certificates/{id}/proof", tag = "Certificates", operation_id = "proveCertificate",
    params(("id" = formats::CertificateId, Path, description = "Certificate identifier (GB/T 36904)")),
    responses(
        (status = 200, description = "The bundle", body = inline(Binary), content_type = "application/vnd.certmesh.bundle"),
        ProofProblems,
    ),
)]
pub(super) async fn proof(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
) -> Result<Response, Rejection> {
    let id = path_id(&id)?;
    let id = Arc::new(id);
    let prove = || {
        let id = Arc::clone(&id);
        api.query(move |service| service.proof(&id))
    };
    let until = Instant::now() + COSIGNED_WITHIN;
    let mut proof = prove().await?;
    // Made again for the checkpoint that was signed: the log may have grown meanwhile.
    while let Some(log) = proof.alone {
        let patience = until.saturating_duration_since(Instant::now());
        if !api.service().cosigned(log, patience).await {
            break;
        }
        proof = prove().await?;
    }
    let mut response = (StatusCode::OK, proof.bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BUNDLE));
    headers.insert(
        CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"certificate.bundle\""),
    );
    Ok(response)
}

/// Find certificates
///
/// By holder, by type or by issuer. A POST, so that a holder's code never stands in a URL. By holder it takes the role clerk
/// and a purpose; it is in the department's look-up journal before it is answered, and each client has few a second.
/// A page may be short, or empty, while there is more: `next` says where to continue.
#[utoipa::path(
    post, path = "/v1/find", tag = "Certificates", operation_id = "findCertificates",
    request_body = FindRequest,
    responses((status = 200, description = "A page of certificates", body = Found), FindProblems),
)]
pub(super) async fn find(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let find = json_body(&api, &headers, body, Search::check).await?;
    if let Wanted::Holder { .. } = find.wanted {
        caller.may_look()?;
    }
    // A thousand certificates become JSON on the thread that found them, not among the tasks that serve others.
    api.query(move |service| {
        let found = service.find(&find, &caller.name)?;
        Ok(json(
            StatusCode::OK,
            &views::found(service.members(), &found),
        ))
    })
    .await
}

/// Show the catalogue
#[utoipa::path(
    get, path = "/v1/catalogue", tag = "Catalogue", operation_id = "showCatalogue",
    params(
        PageOfList,
    ),
    responses((status = 200, description = "A page of the types, and what was issued of each", body = CatalogueView), FieldProblems),
)]
pub(super) async fn catalogue(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let [cursor, limit] = parameters(query.as_deref(), ["cursor", "limit"])?;
    let page = list_page(cursor.as_deref(), limit.as_deref())?;
    api.query(move |service| Ok(json(StatusCode::OK, &views::types(&service.types(&page)?))))
        .await
}

/// List the logs held
#[utoipa::path(
    get, path = "/v1/logs", tag = "Node", operation_id = "listLogs",
    responses((status = 200, description = "One log a member", body = Vec<LogView>), CommonProblems),
)]
pub(super) async fn logs(State(api): State<Arc<Api>>) -> Result<Response, Rejection> {
    api.query(|service| {
        let (members, logs) = (service.members(), service.logs()?);
        let logs: Vec<LogView> = logs.iter().map(|log| views::log(members, log)).collect();
        Ok(json(StatusCode::OK, &logs))
    })
    .await
}

/// Show a log
#[utoipa::path(
    get, path = "/v1/logs/{department}", tag = "Node", operation_id = "showLog",
    params(
        ("department" = formats::DepartmentCode, Path, description = "Department code (GB 32100)"),
        ("size" = Option<u64>, Query, description = "Show the Merkle root over so many of its first records as well"),
    ),
    responses((status = 200, description = "The log", body = LogView), LogProblems),
)]
pub(super) async fn log(
    State(api): State<Arc<Api>>,
    Segment(code): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let code = path_department(&code)?;
    let [size] = parameters(query.as_deref(), ["size"])?;
    let size = size.map(|size| match size.parse() {
        Ok(size) if size > 0 => Ok(size),
        _ => Err(Rejection::field("size", FaultKind::NumberFromOne)),
    });
    let size = size.transpose()?;
    api.query(move |service| {
        let log = service.log(&code, size)?;
        let log = log.ok_or(Refusal::NotFound { what: Item::Log })?;
        Ok(json(StatusCode::OK, &views::log(service.members(), &log)))
    })
    .await
}

/// List the other members
#[utoipa::path(
    get, path = "/v1/peers", tag = "Node", operation_id = "listPeers",
    responses((status = 200, description = "Every member but this one", body = Vec<PeerView>), CommonProblems),
)]
pub(super) async fn peers(State(api): State<Arc<Api>>) -> Result<Response, Rejection> {
    api.query(|service| {
        let (members, peers) = (service.members(), service.peers());
        let peers: Vec<PeerView> = peers
            .iter()
            .map(|member| views::member(members, member))
            .collect();
        Ok(json(StatusCode::OK, &peers))
    })
    .await
}

/// Show the state of the node
#[utoipa::path(
    get, path = "/v1/status", tag = "Node", operation_id = "showStatus",
    responses((status = 200, description = "State of the node", body = NodeStatus), CommonProblems),
)]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Response, Rejection> {
    api.query(|service| {
        let status = views::node(service.members(), &service.status());
        Ok(json(StatusCode::OK, &status))
    })
    .await
}
