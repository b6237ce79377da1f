//! An asker's side: sign, ask, check what comes against the own replica, keep it encrypted, acknowledge.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use certmesh_ledger::catalogue::CertificateState;
use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::id::{Date, DepartmentCode};
use certmesh_ledger::keys::SigningKey;
use certmesh_ledger::record::{
    Disclosure, Entry, MatterRef, Received, RetrievalAcknowledged, RetrievalHash,
};
use certmesh_ledger::retrieval::{Answer, EvidenceCopy, NotTaken, Retrieval, SignedRetrieval};
use certmesh_ledger::sync::{Request, Response};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::answering::Answering;
use super::copies;
use crate::api::Refusal;
use crate::api::retrievals::{Fetch, Retrieved};
use crate::api::types::Appended;
use crate::net::RequestFailure;
use crate::peer::accept::resolve;
use crate::peer::prepare::Fresh;
use crate::peer::writer::{Append, Receipt, WriterHandle};
use crate::peer::{Peer, now_ms};

/// Requests to one member that wait for an answer at once; more wait for their turn. Replication needs room as well.
const PER_MEMBER: usize = 4;

/// A message to another member, and where its answer goes.
pub(in crate::peer) struct Ask {
    pub(in crate::peer) to: DepartmentCode,
    pub(in crate::peer) request: Request,
    pub(in crate::peer) reply: oneshot::Sender<Result<Response, RequestFailure>>,
}

/// Asks issuers for fields.
#[derive(Clone)]
pub(in crate::peer) struct Asking {
    peer: Arc<Peer>,
    key: SigningKey,
    writer: WriterHandle,
    /// Own certificates take the same way, without a network.
    own: Answering,
    asks: mpsc::UnboundedSender<Ask>,
    places: Arc<Mutex<HashMap<DepartmentCode, Arc<Semaphore>>>>,
}

/// A request on its way.
struct Sent {
    request: SignedRetrieval,
    name: RetrievalHash,
    certificate: CertificateState,
    keep_until: Date,
    since: Instant,
}

impl Asking {
    pub(in crate::peer) fn new(
        peer: Arc<Peer>,
        key: SigningKey,
        writer: WriterHandle,
        own: Answering,
        asks: mpsc::UnboundedSender<Ask>,
    ) -> Asking {
        Asking {
            peer,
            key,
            writer,
            own,
            asks,
            places: Arc::default(),
        }
    }

    /// Retrieves fields of a certificate. What came is kept and acknowledged durably when this returns; so is a refusal.
    pub(in crate::peer) async fn fetch(self, fetch: Fetch) -> Result<Retrieved, Refusal> {
        // Without a log to acknowledge in, nothing is asked.
        if let Some(refusal) = self.peer.own.hindrance() {
            return Err(refusal);
        }
        let asking = self.clone();
        let sent = tokio::task::spawn_blocking(move || asking.sign(fetch)).await;
        let sent = sent.unwrap_or(Err(Refusal::Internal))?;
        let answer = self.send(&sent).await?;
        let took_ms = u32::try_from(sent.since.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.take(sent, answer, took_ms).await
    }

    fn sign(&self, fetch: Fetch) -> Result<Sent, Refusal> {
        let peer = &self.peer;
        let matter = resolve(peer, &fetch.matter)?;
        let held = peer.catalogue.certificate(&fetch.certificate);
        let held = held.map_err(|error| unreadable(&error))?;
        let certificate = held.ok_or(Refusal::UnknownCertificate {
            id: fetch.certificate.clone(),
        })?;
        let keep_until = Date::in_china(now_ms())
            .plus_days(fetch.keep_days)
            .unwrap_or(Date::MAX);
        let request = self.request(&certificate, matter, fetch.purpose, fetch.fields)?;
        let name = request.name(peer.catalogue.members().network());
        Ok(Sent {
            request,
            name,
            certificate,
            keep_until,
            since: Instant::now(),
        })
    }

    fn request(
        &self,
        certificate: &CertificateState,
        matter: MatterRef,
        purpose: Text<512>,
        fields: Vec<Text<64>>,
    ) -> Result<SignedRetrieval, Refusal> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| {
            tracing::error!(%error, "the system gives no random bytes");
            Refusal::Internal
        })?;
        let retrieval = Retrieval {
            issuer: certificate.log.department,
            asker: self.peer.department,
            certificate: certificate.certificate().id.clone(),
            matter,
            purpose,
            fields: Bounded::first(fields),
            time_ms: now_ms(),
            nonce,
        };
        let network = self.peer.catalogue.members().network();
        Ok(SignedRetrieval::sign(network, retrieval, &self.key))
    }

    /// The issuer's answer.
    async fn send(&self, sent: &Sent) -> Result<Answer, Refusal> {
        let issuer = sent.certificate.log.department;
        if issuer == self.peer.department {
            return Ok(self.own.answer(issuer, sent.request.clone()).await);
        }
        let unreachable = |why: &str| Refusal::IssuerUnreachable {
            issuer,
            why: why.to_owned(),
        };
        let places = {
            let mut places = self.places.lock();
            let place = places
                .entry(issuer)
                .or_insert_with(|| Arc::new(Semaphore::new(PER_MEMBER)));
            Arc::clone(place)
        };
        let _place = places.acquire_owned().await;
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            to: issuer,
            request: Request::Retrieve(Box::new(sent.request.clone())),
            reply,
        };
        self.asks.send(ask).map_err(|_| Refusal::Internal)?;
        match answer.await {
            Ok(Ok(Response::Answer(answer))) => Ok(*answer),
            Ok(Ok(_)) => Err(unreachable("its answer can't be read")),
            Ok(Err(RequestFailure::NotConnected)) => Err(unreachable("it is not connected")),
            Ok(Err(RequestFailure::Timeout)) => Err(unreachable("it did not answer in time")),
            Ok(Err(error)) => {
                tracing::debug!(department = %issuer, ?error, "a request for fields was not answered");
                Err(unreachable("the connection failed, or it is too busy"))
            }
            Err(_) => Err(Refusal::Internal),
        }
    }

    /// Checks an answer, keeps what it brings and acknowledges it.
    async fn take(&self, sent: Sent, answer: Answer, took_ms: u32) -> Result<Retrieved, Refusal> {
        let issuer = sent.certificate.log.department;
        let (outcome, result) = match answer {
            Answer::NotTaken(why) => return Err(not_taken(issuer, why)),
            Answer::Refused { rule, receipt } => {
                let refusal = Refusal::RetrievalRefused {
                    issuer,
                    rule,
                    receipt,
                };
                (Received::Refused(rule), Err(refusal))
            }
            Answer::Fields {
                receipt,
                disclosure,
            } => {
                let certificate = sent.certificate.certificate();
                match sent.request.check_answer(certificate, &disclosure) {
                    Ok(shown) => {
                        let codes = shown.keys().filter_map(|name| Text::new(*name).ok());
                        let outcome = Received::Fields {
                            fields: Bounded::first(codes),
                            keep_until: sent.keep_until,
                        };
                        let copy = copy(&sent, receipt, disclosure);
                        (outcome, Ok(copy))
                    }
                    Err(why) => {
                        tracing::error!(department = %issuer, %why, "an issuer's answer is wrong");
                        (Received::Wrong, Err(Refusal::WrongAnswer { issuer }))
                    }
                }
            }
        };
        let retrieval = sent.request.retrieval();
        let subject = sent.certificate.certificate().subject;
        let acknowledged = RetrievalAcknowledged {
            retrieval: sent.name,
            issuer,
            matter: retrieval.matter.clone(),
            type_code: retrieval.certificate.type_code(),
            subject: self.peer.catalogue_key.blind(&subject, retrieval.day()),
            outcome,
            took_ms,
        };
        let kept = match &result {
            Ok(copy) => {
                let fresh = Fresh::draw().map_err(|error| {
                    tracing::error!(%error, "the system gives no random bytes");
                    Refusal::Internal
                })?;
                Some(fresh.seal(&self.peer, &sent.name.to_string(), copy))
            }
            Err(_) => None,
        };
        let receipt = Receipt {
            name: sent.name.to_string(),
            entry: Entry::RetrievalAcknowledged(acknowledged),
            kept,
        };
        let position = self.record(receipt).await?.position;
        let copy = result?;
        copies::shown(&copy, sent.name, sent.keep_until, position)
    }

    /// Appends a record of this department's, durably.
    pub(super) async fn record(&self, receipt: Receipt) -> Result<Appended, Refusal> {
        let append = Append::Receipt(Box::new(receipt));
        let outcomes = self.writer.submit(vec![append], None)?.await;
        let outcome = outcomes.unwrap_or(Err(Refusal::Internal))?.pop();
        outcome.unwrap_or(Err(Refusal::Internal))
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }
}

fn copy(sent: &Sent, receipt: u64, disclosure: Disclosure) -> EvidenceCopy {
    EvidenceCopy {
        request: sent.request.clone(),
        log: sent.certificate.log,
        seq: sent.certificate.issued.record().seq,
        receipt,
        disclosure,
        time_ms: now_ms(),
    }
}

fn not_taken(issuer: DepartmentCode, why: NotTaken) -> Refusal {
    match why {
        NotTaken::TooMany => Refusal::Overloaded { retry_after_s: 1 },
        _ => Refusal::IssuerUnreachable {
            issuer,
            why: why.to_string(),
        },
    }
}

fn unreadable(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a log could not be read");
    Refusal::Internal
}
