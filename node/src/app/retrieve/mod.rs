//! Fields on demand: `asking` does what an asker does (what an issuer does is [`crate::peer::answering`]), `pulling` gets the
//! attachments, `copies` keeps what was retrieved until its last day.

pub(crate) mod asking;
pub(crate) mod copies;
mod pulling;

use certmesh_ledger::bodies::AttachmentFile;
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::record::{Attachment, AttachmentName, RetrievalHash};
use certmesh_ledger::retrieval::ATTACHMENTS;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::cases::MatterName;
use super::{PeerService, Refusal};

pub(crate) use copies::Retrieved;

/// Retrieving fields from their issuers.
pub(crate) trait Retrieve {
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
}

/// A checked request for fields.
#[derive(Clone)]
pub(crate) struct Fetch {
    /// Which certificate.
    pub(crate) certificate: CertificateId,
    /// For which matter.
    pub(crate) matter: MatterName,
    /// What for.
    pub(crate) purpose: Text<512>,
    /// Codes of the fields; empty for all.
    pub(crate) fields: Vec<Text<64>>,
    /// Whether attachments are wanted as well.
    pub(crate) attachments: bool,
    /// Days for which the copy is kept.
    pub(crate) keep_days: u16,
}

impl Fetch {
    /// Whether attachments are wanted, by the flag or by their code among the fields.
    fn wants_attachments(&self) -> bool {
        self.attachments || self.fields.iter().any(|code| code.as_str() == ATTACHMENTS)
    }
}

impl Retrieve for PeerService {
    fn retrieve(&self, fetch: Fetch) -> BoxFuture<'static, Result<Retrieved, Refusal>> {
        detached(self.asking.clone().fetch(fetch))
    }

    fn retrieved_attachment(
        &self,
        retrieval: RetrievalHash,
        name: AttachmentName,
    ) -> BoxFuture<'static, Result<Option<(Attachment, AttachmentFile)>, Refusal>> {
        self.asking.clone().attachment(retrieval, name).boxed()
    }

    fn evidence_copy(&self, retrieval: &RetrievalHash) -> Result<Option<Retrieved>, Refusal> {
        copies::find(&self.peer, retrieval)
    }
}

/// Continues when the client goes away: what was requested from another department has to be acknowledged.
pub(super) fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> BoxFuture<'static, Result<T, Refusal>> {
    let running = tokio::spawn(work);
    // An error of the task is a panic, which the panic hook logged.
    async move { running.await.unwrap_or(Err(Refusal::Internal)) }.boxed()
}
