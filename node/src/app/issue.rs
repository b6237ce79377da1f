//! Issuing certificates, and the files that certificates take as attachments.

use certmesh_api::draft::Draft;
use certmesh_ledger::record::MediaType;
use futures::future::BoxFuture;

use super::{Outcomes, PeerService, Refusal, RetryKey};
use crate::peer::uploads;
use crate::peer::writer::Append;

pub(crate) use crate::peer::uploads::{Incoming, Uploaded};

/// Issuing.
pub(crate) trait Issue {
    /// Appends one issuing record a draft, in the drafts' order. The outer error refuses all drafts alike (the log is
    /// read-only, the queue is full); the inner ones refuse one draft and let the others through.
    ///
    /// Callers poll the futures of successive calls for one bulk request first in the order of the calls; records enter the
    /// log in that order.
    ///
    /// With a `retry` key, a draft whose identical content the log already holds answers `Ok` with `replayed`; without, it
    /// is [`Refusal::DuplicateCertificate`].
    fn submit(
        &self,
        drafts: Vec<Draft>,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Outcomes, Refusal>>;

    /// Begins to receive a client's file, of `declared` bytes at least. What is not finished leaves nothing when it is
    /// dropped.
    fn receive(&self, client: &str, declared: u64) -> Result<Incoming, Refusal>;

    /// Makes a received file durable, to be taken by a certificate.
    fn uploaded(&self, incoming: Incoming, media_type: MediaType) -> Result<Uploaded, Refusal>;
}

impl Issue for PeerService {
    fn submit(
        &self,
        drafts: Vec<Draft>,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Outcomes, Refusal>> {
        let issue = |draft| Append::Issue(Box::new(draft));
        self.append(drafts.into_iter().map(issue).collect(), retry)
    }

    fn receive(&self, client: &str, declared: u64) -> Result<Incoming, Refusal> {
        uploads::receive(&self.peer, client, declared)
    }

    fn uploaded(&self, incoming: Incoming, media_type: MediaType) -> Result<Uploaded, Refusal> {
        uploads::finish(&self.peer, incoming, media_type)
    }
}
