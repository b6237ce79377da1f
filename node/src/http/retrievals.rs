//! Retrieving fields from their issuer: the shapes, the checks and the handlers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::faults::Faults;
use certmesh_api::formats::{self, Binary, Hash};
use certmesh_api::limits::{KEEP_DAYS, MAX_KEEP_DAYS};
use certmesh_api::{FaultKind, FetchRequest, Retrieved};
use certmesh_ledger::codec::Text;
use certmesh_ledger::record::{AttachmentName, MAX_FIELDS, RetrievalHash};

use super::attachments;
use super::extract::{Segment, json_body};
use super::openapi::{CopyProblems, RetrievalProblems};
use super::problem::{json, located};
use super::rejection::Rejection;
use super::state::{Api, Caller};
use super::views;
use crate::app::cases::MatterName;
use crate::app::retrieve::Fetch;
use crate::app::{Item, Refusal};

/// Checks what a purpose and a time to keep have in common.
pub(super) fn purpose_and_days(
    purpose: &str,
    keep_days: Option<u16>,
    faults: &mut Faults,
) -> (Option<Text<512>>, u16) {
    let purpose = faults.line("purpose", purpose);
    let days = keep_days.unwrap_or(KEEP_DAYS);
    if !(1..=MAX_KEEP_DAYS).contains(&days) {
        let (least, most) = (1, MAX_KEEP_DAYS.into());
        faults.add("keep_days", FaultKind::OutOfRange { least, most });
    }
    (purpose, days)
}

impl Fetch {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`](crate::app::Refusal::InvalidField) with every fault.
    pub(crate) fn check(request: &FetchRequest) -> Result<Fetch, Rejection> {
        let mut faults = Faults::default();
        let certificate = faults.parse("certificate", Some(&request.certificate));
        let matter = MatterName::checked(&request.matter, &mut faults);
        let (purpose, keep_days) =
            purpose_and_days(&request.purpose, request.keep_days, &mut faults);
        if request.fields.len() > MAX_FIELDS {
            let (found, limit) = (request.fields.len(), MAX_FIELDS);
            faults.add("fields", FaultKind::TooMany { found, limit });
        }
        let mut fields = Vec::new();
        for (place, code) in request.fields.iter().take(MAX_FIELDS).enumerate() {
            fields.extend(faults.line(&format!("fields.{place}"), code));
        }
        faults.none()?;
        match (certificate, matter, purpose) {
            (Some(certificate), Some(matter), Some(purpose)) => Ok(Fetch {
                certificate,
                matter,
                purpose,
                fields,
                attachments: request.attachments,
                keep_days,
            }),
            _ => Err(Rejection::INTERNAL),
        }
    }
}

/// Retrieve fields of a certificate from its issuer
///
/// The issuer decides by its own log, records what it did, and answers; what comes is checked against the certificate's
/// signed record, kept encrypted until its last day is over, and acknowledged in this department's log.
#[utoipa::path(
    post, path = "/v1/retrievals", tag = "Cases", operation_id = "retrieve",
    request_body = FetchRequest,
    responses((status = 201, description = "The fields", body = Retrieved, headers(("Location" = String, description = "The evidence copy"))), RetrievalProblems),
)]
pub(super) async fn fetch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    // Attachments may take longer than other requests have: the route has no limit of time, but the others.
    caller.rate.request()?;
    let _place = api.take_place()?;
    let check = |request: FetchRequest| Fetch::check(&request);
    let fetch = json_body(&api, &headers, body, check).await?;
    let found = api.service().retrieve(fetch).await?;
    let found = views::retrieved(api.service().members(), &found);
    let copy = format!("/v1/retrievals/{}", found.retrieval);
    Ok(located(json(StatusCode::CREATED, &found), &copy))
}

/// Show an evidence copy
#[utoipa::path(
    get, path = "/v1/retrievals/{retrieval}", tag = "Cases", operation_id = "showRetrieval",
    params(("retrieval" = Hash, Path, description = "Name of the retrieval")),
    responses((status = 200, description = "The fields", body = Retrieved), CopyProblems),
)]
pub(super) async fn copy(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Result<Response, Rejection> {
    let mut faults = Faults::default();
    let name: Option<RetrievalHash> = faults.parse("retrieval", Some(&name));
    faults.none()?;
    let name = name.ok_or(Rejection::INTERNAL)?;
    api.query(move |service| {
        let found = service.evidence_copy(&name)?;
        let found = found.ok_or(Refusal::NotFound { what: Item::Copy })?;
        Ok(json(
            StatusCode::OK,
            &views::retrieved(service.members(), &found),
        ))
    })
    .await
}

/// Get an attachment of an evidence copy
///
/// What is not here yet comes from the issuer first; a transfer that was cut off resumes where it ended, until a day
/// after the retrieval.
#[utoipa::path(
    get, path = "/v1/retrievals/{retrieval}/attachments/{name}", tag = "Cases", operation_id = "downloadRetrieved",
    params(
        ("retrieval" = Hash, Path, description = "Name of the retrieval"),
        ("name" = formats::AttachmentName, Path, description = "The attachment's name"),
    ),
    responses(
        (status = 200, description = "The file, with its own Content-Type", content(
            (inline(Binary) = "application/pdf"), (inline(Binary) = "application/ofd"), (inline(Binary) = "image/png"),
            (inline(Binary) = "image/jpeg"), (inline(Binary) = "image/tiff"),
        )),
        RetrievalProblems,
    ),
)]
pub(super) async fn attachment(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((retrieval, name)): Path<(String, String)>,
) -> Result<Response, Rejection> {
    caller.rate.request()?;
    let mut faults = Faults::default();
    let retrieval: Option<RetrievalHash> = faults.parse("retrieval", Some(&retrieval));
    let name: Option<AttachmentName> = faults.parse("name", Some(&name));
    faults.none()?;
    let (retrieval, name) = retrieval.zip(name).ok_or(Rejection::INTERNAL)?;
    let place = api.take_transfer_place()?;
    let found = api.service().retrieved_attachment(retrieval, name).await?;
    let (attachment, file) = found.ok_or(Refusal::NotFound {
        what: Item::Attachment,
    })?;
    attachments::given(&api, place, &attachment, file)
}
