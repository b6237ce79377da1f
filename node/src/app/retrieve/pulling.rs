//! Attachments of what was retrieved: they come piece by piece, and resume after an interruption, also one of this
//! process.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmesh_ledger::bodies::{AttachmentError, AttachmentFile, FileId};
use certmesh_ledger::codec::Blob;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::record::{Attachment, AttachmentName, RetrievalHash};
use certmesh_ledger::retrieval::{MAX_PIECE, PieceRequest};
use certmesh_ledger::sync::{Request, Response};
use parking_lot::Mutex;

use super::asking::{Asking, unreachable, unreadable};
use super::copies::{self, Copy};
use crate::net::RequestFailure;
use crate::peer::answering;
use crate::peer::{Refusal, Unreachable};

/// After a cut the issuer is asked again so soon, and so long after the last piece no more.
const AFTER_A_CUT: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(25);

impl Asking {
    /// Gets all attachments that a retrieval showed and that are not here whole yet.
    pub(crate) async fn pull_all(&self, name: RetrievalHash) -> Result<(), Refusal> {
        let peer = Arc::clone(&self.peer);
        let Some(copy) = self.read(move || copies::open(&peer, &name)).await? else {
            return Ok(());
        };
        for attachment in copy.attachments() {
            // What could not be fetched now can be fetched later, and is reported as not whole.
            if let Err(refusal) = self.pull(&copy, &attachment).await {
                tracing::debug!(%refusal, "an attachment arrived incomplete");
                return Ok(());
            }
        }
        Ok(())
    }

    /// An attachment of a copy: what is missing of it comes from its issuer first.
    pub(crate) async fn attachment(
        self,
        name: RetrievalHash,
        wanted: AttachmentName,
    ) -> Result<Option<(Attachment, AttachmentFile)>, Refusal> {
        let peer = Arc::clone(&self.peer);
        let Some(copy) = self.read(move || copies::open(&peer, &name)).await? else {
            return Ok(None);
        };
        let mut attachments = copy.attachments().into_iter();
        let Some(attachment) = attachments.find(|one| one.name == wanted) else {
            return Ok(None);
        };
        self.pull(&copy, &attachment).await?;
        let peer = Arc::clone(&self.peer);
        let read = move || {
            let key = copy.key_of(&attachment);
            let file = peer.attachments.read(copy.seq, &key, attachment.size);
            let file = file.map_err(|error| unreadable(&error))?;
            Ok(Some((attachment, file)))
        };
        self.read(read).await
    }

    /// Gets what is missing of an attachment, piece by piece, and resumes after an interruption.
    async fn pull(&self, copy: &Copy, attachment: &Attachment) -> Result<(), Refusal> {
        let issuer = copy.body().log.department;
        let key = copy.key_of(attachment);
        let Some(_turn) = Turn::take(&self.arriving, key.file()) else {
            return Err(Refusal::Overloaded { retry_after_s: 1 });
        };
        let (store, seq, wanted) = (self.peer.attachments.clone(), copy.seq, attachment.clone());
        let begin = move || {
            let arriving = store.arrive(seq, &key, &wanted);
            arriving.map_err(|error| unreadable(&error))
        };
        let Some(mut arriving) = self.read(begin).await? else {
            return Ok(());
        };
        let mut moved = Instant::now();
        while let Some(from) = arriving.next() {
            let asked = PieceRequest {
                request: copy.body().request.clone(),
                name: attachment.name.clone(),
                from,
            };
            let piece = match self.piece(issuer, asked).await {
                Ok(piece) => piece,
                Err(_) if moved.elapsed() < PATIENCE => {
                    tokio::time::sleep(AFTER_A_CUT).await;
                    continue;
                }
                Err(failure) => return Err(unreachable(issuer, &failure)),
            };
            let Some(bytes) = piece.filter(|bytes| !bytes.is_empty()) else {
                let why = Unreachable::NoMore;
                return Err(Refusal::IssuerUnreachable { issuer, why });
            };
            let append = move || {
                let done = arriving.append(&bytes);
                done.map(|()| arriving)
                    .map_err(|error| wrong(issuer, &error))
            };
            arriving = self.read(append).await?;
            moved = Instant::now();
        }
        let finish = move || arriving.finish().map_err(|error| wrong(issuer, &error));
        self.read(finish).await
    }

    /// A piece of an attachment; `None` when the issuer gives none.
    async fn piece(
        &self,
        issuer: DepartmentCode,
        asked: PieceRequest,
    ) -> Result<Option<Blob<MAX_PIECE>>, RequestFailure> {
        if issuer == self.peer.department {
            let peer = Arc::clone(&self.peer);
            let read = move || Ok(answering::piece(&peer, issuer, &asked));
            return Ok(self.read(read).await.unwrap_or(None));
        }
        let _place = self.place(issuer).await;
        match self.ask(issuer, Request::Piece(Box::new(asked))).await? {
            Response::Piece(piece) => Ok(Some(piece)),
            _ => Ok(None),
        }
    }
}

/// An attachment that is not what the certificate commits to is its issuer's fault, anything else this machine's.
fn wrong(issuer: DepartmentCode, error: &AttachmentError) -> Refusal {
    match error {
        AttachmentError::OtherContent => {
            tracing::error!(department = %issuer, "an attachment is not the one that was committed to");
            Refusal::WrongAnswer { issuer }
        }
        error => unreadable(error),
    }
}

/// A file that is being received: one at a time writes it.
struct Turn {
    all: Arc<Mutex<HashSet<FileId>>>,
    file: FileId,
}

impl Turn {
    fn take(all: &Arc<Mutex<HashSet<FileId>>>, file: FileId) -> Option<Turn> {
        let all = Arc::clone(all);
        let free = all.lock().insert(file);
        free.then_some(Turn { all, file })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.lock().remove(&self.file);
    }
}
