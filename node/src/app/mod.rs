//! What a peer does for its callers: the HTTP API, and folders that are watched.
//!
//! - [`Service`]: all of it, object-safe, so that the callers can be tested with a peer in memory
//! - `service`: its implementation by a real peer
//! - [`questions`]: what can be asked, checked
//! - `cases`: what a subject holds of what a matter requires, and cases accepted for good
//! - `retrieval`: fields requested from their issuers, kept until their last day, and what all receipts show
//! - `views`: records and verdicts in the API's shapes

pub(crate) mod cases;
pub(crate) mod questions;
pub(crate) mod retrieval;
pub(crate) mod service;
mod views;

use std::time::Duration;

use certmesh_api::draft::{Draft, HolderCode};
use certmesh_api::{
    Acceptance, AccessLog, Appended, AuditView, CatalogueView, Certificate, CertificateFields,
    Found, Grants, History, LogView, LookupLog, Matter, Matters, NodeStatus, PeerView, Readiness,
    Retrieved, Salvaged, TypeStandard, Uploaded, UseReport, Verification,
};
use certmesh_ledger::bodies::AttachmentFile;
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind, MatterCode, TypeCode};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{
    Attachment, AttachmentName, CertificateErased, MediaType, RetrievalHash, StatusChanged,
};
use certmesh_ledger::retrieval::Page;
use futures::future::BoxFuture;

pub(crate) use crate::peer::now_ms;
pub(crate) use crate::peer::uploads::{Incoming, not_received};
pub(crate) use crate::peer::{Definition, Outcomes, Refusal, RetryKey};
pub(crate) use questions::{
    Case, Collect, Days, Fetch, Find, ListPage, Lookups, MatterName, Wanted,
};

/// An operator's word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Word {
    /// What was lost is known, and the log continues without the members that have not answered.
    pub after_loss: bool,
    /// The machine's clock is right, despite the evidence against it.
    pub clock_is_right: bool,
}

/// A proof bundle.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The bundle, encoded.
    pub bytes: Vec<u8>,
    /// The log it rests on, while only its own department vouches for it and another member may still.
    pub alone: Option<LogId>,
}

/// A peer, as its API sees it.
///
/// Queries (`&self`, returning at once) may read files: the API calls them on threads that may block. Appends return
/// futures that complete once the records are durable or refused.
///
/// Dropping an append's future doesn't undo it: what was handed over may still become durable.
pub trait Service: Send + Sync + 'static {
    /// Appends one issuing record a draft, in the drafts' order. The outer error refuses all drafts alike (the log is
    /// read-only, the queue is full); the inner ones refuse one draft and let the others through.
    ///
    /// The API polls the futures of successive calls for one bulk request first in the order of the calls; records enter
    /// the log in that order.
    ///
    /// With a `retry` key, a draft whose identical content the log already holds answers `Ok` with `replayed`; without, it
    /// is [`Refusal::DuplicateCertificate`].
    fn submit(
        &self,
        drafts: Vec<Draft>,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Outcomes, Refusal>>;

    /// Appends a status change.
    fn change_status(
        &self,
        change: StatusChanged,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Appended, Refusal>>;

    /// Appends a definition, or the withdrawal of a grant. The answer's `id` is the code of the type or the matter; of a
    /// grant, that of its type.
    fn define(&self, definition: Definition) -> BoxFuture<'static, Result<Appended, Refusal>>;

    /// Takes the operator's word that the own log on disk is whole, without waiting for other members.
    fn vouch_for_own_log(&self, word: Word) -> Result<NodeStatus, Refusal>;

    /// Takes back records of the own log that nobody else holds from the copies set aside on this disk.
    fn salvage(&self) -> BoxFuture<'static, Result<Salvaged, Refusal>>;

    /// A certificate; `None` when no record of it is held.
    fn certificate(&self, id: &CertificateId) -> Result<Option<Certificate>, Refusal>;

    /// What a certificate of this department says; `None` when no record of it is held, or its fields are not kept any more.
    fn fields(&self, id: &CertificateId) -> Result<Option<CertificateFields>, Refusal>;

    /// Begins to receive a client's file, of `declared` bytes at least. What is not finished leaves nothing when it is
    /// dropped.
    fn receive(&self, client: &str, declared: u64) -> Result<Incoming, Refusal>;

    /// Makes a received file durable, to be taken by a certificate.
    fn uploaded(&self, incoming: Incoming, media_type: MediaType) -> Result<Uploaded, Refusal>;

    /// An attachment of a certificate of this department; `None` if none has that name.
    fn attachment(
        &self,
        id: &CertificateId,
        name: &AttachmentName,
    ) -> Result<Option<(Attachment, AttachmentFile)>, Refusal>;

    /// Destroys the fields of a certificate of this department and records that it was done.
    fn erase(&self, erasure: CertificateErased) -> BoxFuture<'static, Result<Appended, Refusal>>;

    /// The events of a certificate; `None` when no record of it is held.
    fn history(&self, id: &CertificateId) -> Result<Option<History>, Refusal>;

    /// The verdict on a certificate on a day (today in China Standard Time when `None`). Not holding it is not a
    /// refusal but the verdict `unknown`.
    fn verification(&self, id: &CertificateId, on: Option<Date>) -> Result<Verification, Refusal>;

    /// The proof bundle of a certificate.
    fn proof(&self, id: &CertificateId) -> Result<Proof, Refusal>;

    /// Waits until another member has signed the accepted checkpoint of a log, or for a time; returns whether one has.
    fn cosigned(&self, log: LogId, patience: Duration) -> BoxFuture<'static, bool>;

    /// How each requirement of a matter stands for a subject. The client's look-up is durable before the answer.
    fn accept(&self, case: &Case, client: &str) -> Result<Acceptance, Refusal>;

    /// Accepts a case for good: collects the fields that may be seen and records how the requirements stood. A case that
    /// was accepted before is reported again. The client's look-up is durable first.
    fn accept_for_good(
        &self,
        case: Case,
        client: &str,
    ) -> BoxFuture<'static, Result<Acceptance, Refusal>>;

    /// Retrieves fields of a certificate from its issuer.
    fn retrieve(&self, fetch: Fetch) -> BoxFuture<'static, Result<Retrieved, Refusal>>;

    /// An attachment of what was retrieved; what is not here yet comes from its issuer first. `None` if there is no
    /// such attachment.
    fn retrieved_attachment(
        &self,
        retrieval: RetrievalHash,
        name: AttachmentName,
    ) -> BoxFuture<'static, Result<Option<(Attachment, AttachmentFile)>, Refusal>>;

    /// What was retrieved; `None` when nothing was, or its last day is over.
    fn evidence_copy(&self, retrieval: &RetrievalHash) -> Result<Option<Retrieved>, Refusal>;

    /// Holds receipts against their counterparts.
    fn audit(&self, days: Days, page: Option<(LogId, u64)>) -> Result<AuditView, Refusal>;

    /// Who looked at a subject's data. The question is recorded before anything is shown.
    fn access_log(
        &self,
        kind: HolderKind,
        code: HolderCode,
        days: Days,
        page: Option<Page>,
    ) -> BoxFuture<'static, Result<AccessLog, Refusal>>;

    /// The look-ups that this department's clients made. The client's reading of them is durable first.
    fn lookups(&self, question: &Lookups, client: &str) -> Result<LookupLog, Refusal>;

    /// How departments shared and used data.
    fn usage(&self, days: Days) -> Result<UseReport, Refusal>;

    /// A page of certificates, in a stable order. A cursor this service didn't give is
    /// `Refusal::field("cursor", …)`. The client's look-up of a holder is durable before the answer.
    fn find(&self, query: &Find, client: &str) -> Result<Found, Refusal>;

    /// A page of the types known and what was issued of each.
    fn catalogue(&self, page: &ListPage) -> Result<CatalogueView, Refusal>;

    /// A type's standard, in its latest version or the one asked for; `None` if it does not exist.
    fn type_standard(
        &self,
        code: &TypeCode,
        version: Option<usize>,
    ) -> Result<Option<TypeStandard>, Refusal>;

    /// A page of all matters, or of those of one department.
    fn matters(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage,
    ) -> Result<Matters, Refusal>;

    /// A matter, in its latest version or the one asked for; `None` if it does not exist.
    fn matter(
        &self,
        department: &DepartmentCode,
        code: &MatterCode,
        version: Option<usize>,
    ) -> Result<Option<Matter>, Refusal>;

    /// A page of the grants in force, of all departments or of one.
    fn grants(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage,
    ) -> Result<Grants, Refusal>;

    /// Every log held, by department.
    fn logs(&self) -> Result<Vec<LogView>, Refusal>;

    /// One log; `None` when the department is not a member.
    fn log(&self, department: &DepartmentCode) -> Result<Option<LogView>, Refusal>;

    /// The other members.
    fn peers(&self) -> Vec<PeerView>;

    /// State of the node.
    fn status(&self) -> NodeStatus;

    /// Whether the node can do its work. Must not read files.
    fn readiness(&self) -> Readiness;
}
