//! What is held of a certificate, and certificates by holder, type or issuer.

use std::fmt;

use certmesh_api::draft::HolderCode;
use certmesh_ledger::bodies::{AttachmentError, AttachmentFile, Body, Opened};
use certmesh_ledger::catalogue::{CertificateState, Chain, Cursor, Found};
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::{CertificateId, DepartmentCode, HolderKind, TypeCode};
use certmesh_ledger::journal::Looked;
use certmesh_ledger::log::{Checkpoint, HeaderError, ReadError};
use certmesh_ledger::record::{Attachment, AttachmentName};
use certmesh_ledger::verify::{Verdict, verify_record};

use super::{Item, PeerService, Refusal, look, unreadable};
use crate::peer::Peer;

/// Finding certificates.
pub(crate) trait Find {
    /// A certificate; `None` when no record of it is held.
    fn certificate(&self, id: &CertificateId) -> Result<Option<Held>, Refusal>;

    /// What a certificate of this department says; `None` when no record of it is held, or its fields are not kept any more.
    fn fields(&self, id: &CertificateId) -> Result<Option<Body>, Refusal>;

    /// An attachment of a certificate of this department; `None` if none has that name.
    fn attachment(
        &self,
        id: &CertificateId,
        name: &AttachmentName,
    ) -> Result<Option<(Attachment, AttachmentFile)>, Refusal>;

    /// All that happened to a certificate, to what it replaced and to what replaced it; `None` when no record of it is held.
    fn history(&self, id: &CertificateId) -> Result<Option<Chain>, Refusal>;

    /// A page of certificates, in a stable order, with the verdict on each. The client's look-up of a holder is durable before
    /// the answer.
    fn find(&self, search: &Search, client: &str) -> Result<FoundPage, Refusal>;
}

/// A checked search.
#[derive(Debug)]
pub(crate) struct Search {
    /// What to look for.
    pub(crate) wanted: Wanted,
    /// Most certificates to give, 1 to 1,000.
    pub(crate) limit: u32,
    /// Where the page begins.
    pub(crate) cursor: Cursor,
}

/// What a search looks for.
pub(crate) enum Wanted {
    /// Certificates of this holder.
    Holder {
        /// Kind of the code.
        kind: HolderKind,
        /// The code, normalised.
        code: HolderCode,
        /// What the search is for.
        purpose: Text<512>,
    },
    /// Certificates of this type.
    Type(TypeCode),
    /// Certificates issued by this department.
    Issuer(DepartmentCode),
}

impl fmt::Debug for Wanted {
    /// Leaves out the holder's code and the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Holder { kind, .. } => f.debug_tuple("Holder").field(kind).finish(),
            Wanted::Type(code) => f.debug_tuple("Type").field(code).finish(),
            Wanted::Issuer(department) => f.debug_tuple("Issuer").field(department).finish(),
        }
    }
}

/// A certificate as it is held here.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Its record and its status.
    pub(crate) state: CertificateState,
    /// The checkpoint both are under.
    pub(crate) checkpoint: Checkpoint,
    /// The name of its type; `None` when no log held defines it.
    pub(crate) type_name: Option<String>,
}

/// A page of a search.
#[derive(Default)]
pub(crate) struct FoundPage {
    /// Each certificate with the verdict on it today.
    pub(crate) certificates: Vec<(Held, Verdict)>,
    /// Where the next page begins; `None` on the last.
    pub(crate) next: Option<Cursor>,
}

/// Position of a certificate's record and its body.
type IssuedBody = (u64, Opened<Body>);

impl Find for PeerService {
    fn certificate(&self, id: &CertificateId) -> Result<Option<Held>, Refusal> {
        let state = self.peer.catalogue.certificate(id);
        let state = state.map_err(|error| unreadable(&error))?;
        Ok(state.and_then(|state| held(&self.peer, state)))
    }

    fn fields(&self, id: &CertificateId) -> Result<Option<Body>, Refusal> {
        let kept = self.body(id)?;
        Ok(kept.map(|(_, kept)| kept.body))
    }

    fn attachment(
        &self,
        id: &CertificateId,
        name: &AttachmentName,
    ) -> Result<Option<(Attachment, AttachmentFile)>, Refusal> {
        let Some((seq, kept)) = self.body(id)? else {
            return Ok(None);
        };
        let Some((attachment, key)) = kept.body.attachment(name) else {
            return Ok(None);
        };
        let file = self.peer.attachments.read(seq, key, attachment.size);
        let file = file.map_err(|error| {
            tracing::error!(%error, record = seq, "an attachment could not be opened");
            match error {
                AttachmentError::Io(_) | AttachmentError::Header(HeaderError::Later(_)) => {
                    Refusal::Internal
                }
                _ => Refusal::Lost(Item::Attachment),
            }
        })?;
        Ok(Some((attachment, file)))
    }

    fn history(&self, id: &CertificateId) -> Result<Option<Chain>, Refusal> {
        let chain = self.peer.catalogue.chain(id);
        let chain = chain.map_err(|error| unreadable(&error))?;
        let known = chain.lives.first().is_some_and(|life| life.id == *id);
        Ok(known.then_some(chain))
    }

    fn find(&self, search: &Search, client: &str) -> Result<FoundPage, Refusal> {
        let catalogue = &self.peer.catalogue;
        let (cursor, limit) = (search.cursor, search.limit as usize);
        let read = |found: Result<Found, ReadError>| found.map_err(|error| unreadable(&error));
        let found = match &search.wanted {
            Wanted::Holder {
                kind,
                code,
                purpose,
            } => {
                let subject = self.subject(*kind, code)?;
                let looked = Looked::Find(purpose.clone());
                // Durable before anything is read: the journal lacks no look that was answered.
                let _recorded =
                    self.recorder
                        .record_blocking(look(client, Some(subject), looked)?)?;
                // Under the keys of now: that took a while.
                self.peer.search((*kind, code.expose()), |subject| {
                    let found = catalogue.by_subject(subject.tags(), cursor, limit);
                    found.map_err(|error| unreadable(&error))
                })?
            }
            Wanted::Type(code) => read(catalogue.by_type(code, cursor, limit))?,
            Wanted::Issuer(department) => read(catalogue.by_issuer(department, cursor.seq, limit))?,
        };
        let question = self.peer.question(None);
        let mut certificates = Vec::with_capacity(found.certificates.len());
        for state in found.certificates {
            let judged = verify_record(catalogue, &state, question);
            let verdict = judged.map_err(|error| unreadable(&error))?.verdict;
            certificates.extend(held(&self.peer, state).map(|held| (held, verdict)));
        }
        Ok(FoundPage {
            certificates,
            next: found.next,
        })
    }
}

impl PeerService {
    /// Position and body of a certificate of this department; `None` when no record of it is held.
    fn body(&self, id: &CertificateId) -> Result<Option<IssuedBody>, Refusal> {
        let peer = &self.peer;
        let found = peer.catalogue.certificate(id);
        let Some(state) = found.map_err(|error| unreadable(&error))? else {
            return Ok(None);
        };
        if state.log != peer.catalogue.own() {
            let department = state.log.department;
            let changed_by = peer
                .catalogue
                .members()
                .history()
                .changes_statuses(&department);
            return Err(Refusal::other_department(&department, changed_by));
        }
        let seq = state.issued.record().seq;
        Ok(Some((seq, peer.fields_of(seq, id)?)))
    }
}

/// A certificate with the checkpoint its log has now.
fn held(peer: &Peer, state: CertificateState) -> Option<Held> {
    let checkpoint = peer.catalogue.log(&state.log)?.covered()?;
    let type_name = type_name(peer, &state.certificate().id.type_code());
    Some(Held {
        state,
        checkpoint,
        type_name,
    })
}

/// The name of a type by its latest definition; none when that can't be read either.
pub(super) fn type_name(peer: &Peer, code: &TypeCode) -> Option<String> {
    match peer.catalogue.type_definition(code) {
        Ok(latest) => latest.map(|latest| latest.definition.name.to_string()),
        Err(error) => {
            tracing::error!(%error, "a type's definition could not be read");
            None
        }
    }
}
