//! Retrieving fields from their issuer: the shapes, the checks and the handlers.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::record::{AttachmentName, MAX_FIELDS, RetrievalHash};
use certmesh_ledger::retrieval::ATTACHMENTS;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroize;

use super::attachments;
use super::body::FETCH;
use super::cases::MatterName;
use super::draft::Faults;
use super::extract::{Segment, json_body};
use super::openapi::{CopyProblems, RetrievalProblems};
use super::problem::json;
use super::refusal::Refusal;
use super::state::{Api, Caller};
use super::types::{AttachmentView, Position, Verification};

/// Days for which an evidence copy is kept when nothing else is asked for.
pub const KEEP_DAYS: u16 = 180;
/// Most days for which an evidence copy is kept.
pub const MAX_KEEP_DAYS: u16 = 3650;

/// A request for fields of a certificate.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchRequest {
    /// Which certificate.
    pub certificate: String,
    /// For which of this department's matters: `[department/]matter[/sub-matter]`.
    pub matter: String,
    /// What for, in words, at most 512 bytes. The issuer reads it; no log holds it.
    pub purpose: String,
    /// Codes of the fields; all that the matter needs and that may be seen when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Whether the certificate's attachments are wanted as well, if the matter needs them (the code `@`).
    #[serde(default)]
    pub attachments: bool,
    /// Days for which the copy is kept, 1 to 3,650; 180 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u16>,
}

impl fmt::Debug for FetchRequest {
    /// Leaves out the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("certificate", &self.certificate)
            .field("matter", &self.matter)
            .finish_non_exhaustive()
    }
}

/// A checked request for fields.
#[derive(Clone)]
pub struct Fetch {
    /// Which certificate.
    pub certificate: CertificateId,
    /// For which matter.
    pub matter: MatterName,
    /// What for.
    pub purpose: Text<512>,
    /// Codes of the fields; none stands for all.
    pub fields: Vec<Text<64>>,
    /// Whether attachments are wanted as well.
    pub attachments: bool,
    /// Days for which the copy is kept.
    pub keep_days: u16,
}

/// Values of fields by code. Wiped when dropped; never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(BTreeMap<String, String>);

impl Deref for Values {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromIterator<(String, String)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Values {
        Values(values.into_iter().collect())
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.0.len())
    }
}

/// Fields that came from their issuer: the evidence copy.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Retrieved {
    /// What this peer says of the certificate, as of this answer: fields of one that is not valid are shown, too.
    pub verification: Verification,
    /// Name of the retrieval, the same in both departments' logs.
    pub retrieval: String,
    /// The certificate.
    pub certificate: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_code: String,
    /// Its issuer.
    pub issuer: String,
    /// For which matter.
    pub matter: String,
    /// What for.
    pub purpose: String,
    /// When the fields came.
    pub time_ms: u64,
    /// Last day on which the copy is kept.
    pub keep_until: String,
    /// The fields by code, each checked against the certificate's signed record.
    #[schema(value_type = BTreeMap<String, String>)]
    pub fields: Values,
    /// The attachments.
    #[serde(default)]
    pub attachments: Vec<CopiedAttachment>,
    /// Position of the receipt in the issuer's log.
    pub receipt: u64,
    /// Where this department's acknowledgement is.
    pub acknowledged: Position,
}

impl fmt::Debug for Retrieved {
    /// Leaves out the purpose, which may name people, and the fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrieved")
            .field("retrieval", &self.retrieval)
            .finish_non_exhaustive()
    }
}

/// An attachment that came from its issuer, or is to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CopiedAttachment {
    /// What it is.
    #[serde(flatten)]
    pub attachment: AttachmentView,
    /// Whether it is here whole; otherwise asking for it gets the rest.
    pub whole: bool,
}

/// Checks what a purpose and a time to keep have in common.
pub(super) fn purpose_and_days(
    purpose: &str,
    keep_days: Option<u16>,
    faults: &mut Faults,
) -> (Option<Text<512>>, u16) {
    let purpose = faults.line("purpose", purpose);
    let days = keep_days.unwrap_or(KEEP_DAYS);
    if !(1..=MAX_KEEP_DAYS).contains(&days) {
        faults.add(
            "keep_days",
            format!("is {days}, expected 1 to {MAX_KEEP_DAYS}"),
        );
    }
    (purpose, days)
}

impl Fetch {
    /// Whether attachments are wanted, by the flag or by their code among the fields.
    pub(crate) fn wants_attachments(&self) -> bool {
        self.attachments || self.fields.iter().any(|code| code.as_str() == ATTACHMENTS)
    }

    /// Checks a request.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`] with every fault.
    pub fn check(request: &FetchRequest) -> Result<Fetch, Refusal> {
        let mut faults = Faults::default();
        let certificate = faults.parse("certificate", Some(&request.certificate));
        let matter = MatterName::checked(&request.matter, &mut faults);
        let (purpose, keep_days) =
            purpose_and_days(&request.purpose, request.keep_days, &mut faults);
        if request.fields.len() > MAX_FIELDS {
            faults.add("fields", format!("are more than the {MAX_FIELDS} allowed"));
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
            _ => Err(Refusal::Internal),
        }
    }
}

/// Retrieve fields of a certificate from its issuer
///
/// The issuer decides by its own log, records what it did, and answers; what comes is checked against the certificate's
/// signed record, kept encrypted until its day is over, and acknowledged in this department's log.
#[utoipa::path(
    post, path = "/v1/retrievals", tag = "Cases", operation_id = "retrieve",
    request_body = FetchRequest,
    responses((status = 201, description = "The fields", body = Retrieved), RetrievalProblems),
)]
pub(super) async fn fetch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    // Attachments may take longer than other requests have: the route has no limit of time, but the others.
    caller.rate.request()?;
    let _place = api.take_place()?;
    let check = |request: FetchRequest| Fetch::check(&request);
    let fetch = json_body(&api, &headers, body, &FETCH, check).await?;
    let found = api.service().retrieve(fetch).await?;
    Ok(json(StatusCode::CREATED, &found))
}

/// Show an evidence copy
#[utoipa::path(
    get, path = "/v1/retrievals/{retrieval}", tag = "Cases", operation_id = "showRetrieval",
    params(("retrieval" = String, Path, description = "Name of the retrieval")),
    responses((status = 200, description = "The fields", body = Retrieved), CopyProblems),
)]
pub(super) async fn copy(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Result<Response, Refusal> {
    let mut faults = Faults::default();
    let name: Option<RetrievalHash> = faults.parse("retrieval", Some(&name));
    faults.none()?;
    let name = name.ok_or(Refusal::Internal)?;
    let found = api
        .query(move |service| {
            service.evidence_copy(&name)?.ok_or(Refusal::NotFound {
                what: "evidence copy",
            })
        })
        .await?;
    Ok(json(StatusCode::OK, &found))
}

/// Get an attachment of an evidence copy
///
/// What is not here yet comes from the issuer first; a transfer that was cut off goes on where it ended, until a day after
/// the retrieval.
#[utoipa::path(
    get, path = "/v1/retrievals/{retrieval}/attachments/{name}", tag = "Cases", operation_id = "downloadRetrieved",
    params(
        ("retrieval" = String, Path, description = "Name of the retrieval"),
        ("name" = String, Path, description = "The attachment's name"),
    ),
    responses(
        (status = 200, description = "The file, with its own Content-Type", body = Vec<u8>, content_type = "application/pdf"),
        RetrievalProblems,
    ),
)]
pub(super) async fn attachment(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((retrieval, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    caller.rate.request()?;
    let mut faults = Faults::default();
    let retrieval: Option<RetrievalHash> = faults.parse("retrieval", Some(&retrieval));
    let name: Option<AttachmentName> = faults.parse("name", Some(&name));
    faults.none()?;
    let (retrieval, name) = retrieval.zip(name).ok_or(Refusal::Internal)?;
    let place = api.take_transfer_place()?;
    let found = api.service().retrieved_attachment(retrieval, name).await?;
    let (attachment, file) = found.ok_or(Refusal::NotFound { what: "attachment" })?;
    attachments::given(&api, place, &attachment, file)
}
