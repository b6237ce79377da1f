//! An asker's side: sign, ask, check what comes against the own replica, keep it encrypted, acknowledge.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use certmesh_api::FaultKind;
use certmesh_ledger::bodies::FileId;
use certmesh_ledger::catalogue::{Authority, CertificateState};
use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::id::{ChinaTime, Date, DepartmentCode};
use certmesh_ledger::record::{
    Disclosure, MatterRef, Received, RetrievalAcknowledged, RetrievalHash, Rule, TypeDefined,
};
use certmesh_ledger::retrieval::{
    ATTACHMENTS, Answer, EvidenceCopy, NotTaken, Retrieval, SignedRetrieval, code_of,
};
use certmesh_ledger::sync::{Request, Response};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::Fetch;
use super::copies::{self, Retrieved};
use crate::app::cases::resolve;
use crate::net::RequestFailure;
use crate::peer::answering::Answering;
use crate::peer::driver::Ask;
use crate::peer::prepare::Fresh;
use crate::peer::requests::Appended;
use crate::peer::writer::{Receipt, WriterHandle};
use crate::peer::{Peer, now_ms};
use crate::peer::{Refusal, Unreachable};

/// Requests to one member that wait for an answer at once; more wait for their turn. Replication needs room as well.
const PER_MEMBER: usize = 4;
/// Threads that read files for retrievals at once.
const READING: usize = 64;

/// Asks issuers for fields.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) peer: Arc<Peer>,
    writer: WriterHandle,
    /// Own certificates take the same way, without a network.
    own: Answering,
    asks: mpsc::Sender<Ask>,
    places: Arc<Mutex<HashMap<DepartmentCode, Arc<Semaphore>>>>,
    reading: Arc<Semaphore>,
    /// Attachments being transferred here.
    pub(crate) arriving: Arc<Mutex<HashSet<FileId>>>,
}

/// What to ask.
struct Wanted {
    certificate: CertificateState,
    /// The definition that the certificate names.
    definition: Arc<TypeDefined>,
    matter: MatterRef,
    fields: Vec<Text<64>>,
    purpose: Text<512>,
    keep_until: Date,
}

/// A request in flight.
struct Sent {
    request: SignedRetrieval,
    name: RetrievalHash,
    certificate: CertificateState,
    definition: Arc<TypeDefined>,
    keep_until: Date,
    since: Instant,
}

impl Asking {
    pub(crate) fn new(
        peer: Arc<Peer>,
        writer: WriterHandle,
        own: Answering,
        asks: mpsc::Sender<Ask>,
    ) -> Asking {
        Asking {
            peer,
            writer,
            own,
            asks,
            places: Arc::default(),
            reading: Arc::new(Semaphore::new(READING)),
            arriving: Arc::default(),
        }
    }

    /// Retrieves fields of a certificate. When this returns the answer, or the refusal, is kept and acknowledged
    /// durably. Run it to completion: a request that is given up leaves a receipt without its counterpart.
    pub(crate) async fn fetch(self, fetch: Fetch) -> Result<Retrieved, Refusal> {
        // Without a log to acknowledge in, nothing is asked; nor without a key under which the subject is named.
        if let Some(refusal) = self.peer.append_refusal() {
            return Err(refusal);
        }
        self.peer.present_catalogue_key()?;
        let asking = self.clone();
        let with_attachments = fetch.wants_attachments();
        let wanted = self.read(move || asking.wanted(fetch)).await?;
        let issuer = wanted.certificate.log.department;
        // The request's time runs from when it can leave.
        let place = self.place(issuer).await;
        let sent = self.sign(wanted)?;
        let answer = self.send(&sent).await;
        drop(place);
        let took_ms = u32::try_from(sent.since.elapsed().as_millis()).unwrap_or(u32::MAX);
        let name = sent.name;
        let taken = self.take(sent, answer, took_ms).await;
        self.peer.metrics.retrieval_asked(match &taken {
            Ok(()) => "answered",
            // A problem's name: of a fixed list.
            Err(refusal) => refusal.name(),
        });
        taken?;
        if with_attachments {
            self.pull_all(name).await?;
        }
        let peer = Arc::clone(&self.peer);
        let found = self.read(move || copies::find(&peer, &name)).await?;
        found.ok_or(Refusal::Internal)
    }

    /// Reads files on a thread that may block, a few at a time.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Arc::clone(&self.reading).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        // An error here is a panic, which the panic hook logged.
        done.await.unwrap_or(Err(Refusal::Internal))
    }

    fn wanted(&self, fetch: Fetch) -> Result<Wanted, Refusal> {
        let peer = &self.peer;
        let matter = resolve(peer, &fetch.matter)?;
        let held = peer.catalogue.claims(&fetch.certificate);
        let mut held = held.map_err(|error| unreadable(&error))?;
        if held.len() > 1 {
            return Err(Refusal::field("certificate", FaultKind::Claimed));
        }
        let certificate = held.pop().ok_or(Refusal::UnknownCertificate)?;
        let definition = self.askable(&certificate)?;
        let keep_until = Date::in_china(now_ms())
            .plus_days(fetch.keep_days)
            .unwrap_or(Date::MAX);
        let attachments = fetch.wants_attachments();
        let mut fields = peer
            .catalogue
            .required(&matter, &fetch.certificate.type_code())
            .map_err(|error| unreadable(&error))?;
        // What the matter doesn't require is not asked for: receipts show every name to everyone, for good.
        fields.retain(|code| match code.as_str() {
            // Attachments are asked for by name, never along with all that is needed.
            ATTACHMENTS => attachments,
            _ => fetch.fields.is_empty() || fetch.fields.contains(code),
        });
        Ok(Wanted {
            certificate,
            definition,
            matter,
            fields,
            purpose: fetch.purpose,
            keep_until,
        })
    }

    /// The definition to check the answer against; nothing is asked of a department that may not issue the certificate.
    fn askable(&self, certificate: &CertificateState) -> Result<Arc<TypeDefined>, Refusal> {
        let catalogue = &self.peer.catalogue;
        let (record, issued) = (certificate.issued.record(), certificate.certificate());
        let authority = catalogue.authority(&certificate.log, record, issued);
        let missing = match authority.map_err(|error| unreadable(&error))? {
            Authority::NotGiven(why) => {
                return Err(Refusal::IssuerNotAuthorised((&why).into()));
            }
            Authority::Unknown(missing) => Some((&missing).into()),
            Authority::Given => None,
        };
        let definition = catalogue.definition_of(issued);
        let definition = definition.map_err(|error| unreadable(&error))?;
        definition.ok_or(Refusal::NotVerifiable(missing))
    }

    fn sign(&self, wanted: Wanted) -> Result<Sent, Refusal> {
        let signs = self.peer.keys.in_force()?;
        let key = self.peer.present_catalogue_key()?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| {
            tracing::error!(%error, "the system provides no random bytes");
            Refusal::Internal
        })?;
        let (certificate, time_ms) = (wanted.certificate.certificate(), now_ms());
        let day = Date::in_china(time_ms);
        let retrieval = Retrieval {
            issuer: wanted.certificate.log.department,
            asker: self.peer.department,
            key_epoch: signs.epoch,
            matter: wanted.matter,
            subject: key.blind(&certificate.subject, day),
            fields: Bounded::first(wanted.fields),
            certificate: certificate.id.clone(),
            purpose: wanted.purpose,
            time_ms,
            nonce,
        };
        let network = self.peer.catalogue.members().network();
        let request = SignedRetrieval::sign(network, retrieval, &signs.key);
        Ok(Sent {
            name: request.name(network),
            request,
            certificate: wanted.certificate,
            definition: wanted.definition,
            keep_until: wanted.keep_until,
            since: Instant::now(),
        })
    }

    /// A turn to ask a member; none is needed for one's own certificates.
    pub(crate) async fn place(&self, issuer: DepartmentCode) -> Option<OwnedSemaphorePermit> {
        if issuer == self.peer.department {
            return None;
        }
        let places = {
            let mut places = self.places.lock();
            let place = places
                .entry(issuer)
                .or_insert_with(|| Arc::new(Semaphore::new(PER_MEMBER)));
            Arc::clone(place)
        };
        places.acquire_owned().await.ok()
    }

    pub(crate) async fn ask(
        &self,
        to: DepartmentCode,
        request: Request,
    ) -> Result<Response, RequestFailure> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask { to, request, reply };
        let gone = RequestFailure::NotConnected;
        self.asks.send(ask).await.map_err(|_| gone)?;
        answer.await.unwrap_or(Err(gone))
    }

    /// The issuer's answer.
    async fn send(&self, sent: &Sent) -> Result<Answer, RequestFailure> {
        let issuer = sent.certificate.log.department;
        if issuer == self.peer.department {
            return Ok(self.own.answer(issuer, sent.request.clone()).await);
        }
        let request = Request::Retrieve(Box::new(sent.request.clone()));
        match self.ask(issuer, request).await? {
            Response::Answer(answer) => Ok(*answer),
            _ => Err(RequestFailure::Truncated),
        }
    }

    /// Checks an answer, keeps what it brings and acknowledges it.
    async fn take(
        &self,
        sent: Sent,
        answer: Result<Answer, RequestFailure>,
        took_ms: u32,
    ) -> Result<(), Refusal> {
        let issuer = sent.certificate.log.department;
        let (outcome, result) = match answer {
            Err(failure) => {
                tracing::debug!(department = %issuer, ?failure, "a request for fields was not answered");
                let refusal = unreachable(issuer, &failure);
                if !may_have_arrived(&failure) {
                    return Err(refusal);
                }
                (Received::Nothing, Err(refusal))
            }
            // The signature is out: an issuer that shows a receipt for it later says something else than it said here.
            Ok(Answer::NotTaken(why)) => (Received::Nothing, Err(not_taken(issuer, why))),
            Ok(Answer::Refused { rule, receipt }) => {
                let clocks = match rule {
                    Rule::Stale => self.peer.clocks_of(&issuer),
                    _ => None,
                };
                let (own_clock, their_clock) = clocks.unzip();
                let refusal = Refusal::RetrievalRefused {
                    issuer,
                    rule,
                    receipt,
                    own_clock: own_clock.map(ChinaTime),
                    their_clock: their_clock.map(ChinaTime),
                };
                (Received::Refused(rule), Err(refusal))
            }
            Ok(Answer::Fields {
                receipt,
                disclosure,
            }) => {
                let certificate = sent.certificate.certificate();
                let definition = &sent.definition;
                match sent
                    .request
                    .check_answer(certificate, definition, &disclosure)
                {
                    Ok(shown) => {
                        let codes: BTreeSet<&str> =
                            shown.keys().map(|name| code_of(name)).collect();
                        let codes = codes.into_iter().filter_map(|code| Text::new(code).ok());
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
        let acknowledged = RetrievalAcknowledged {
            asked: sent.request.retrieval().asked(),
            outcome,
            took_ms,
        };
        let kept = match &result {
            Ok(copy) => {
                let fresh = Fresh::draw().map_err(|error| {
                    tracing::error!(%error, "the system provides no random bytes");
                    Refusal::Internal
                })?;
                Some(fresh.seal(&self.peer, &sent.name.to_string(), copy))
            }
            Err(_) => None,
        };
        let receipt = Receipt {
            name: sent.name.to_string(),
            entry: acknowledged.into(),
            kept,
            needs: None,
            continues: None,
        };
        self.record(receipt).await?;
        result.map(drop)
    }

    /// Appends a record of this department's, durably.
    pub(crate) async fn record(&self, receipt: Receipt) -> Result<Appended, Refusal> {
        self.writer.record(receipt).await
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
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

/// Whether a request that was not answered may have reached the issuer, which then has a receipt of it.
fn may_have_arrived(failure: &RequestFailure) -> bool {
    !matches!(
        failure,
        RequestFailure::NotConnected
            | RequestFailure::TooManyInFlight { .. }
            | RequestFailure::RequestTooLarge { .. }
            | RequestFailure::Unsupported
    )
}

pub(crate) fn unreachable(issuer: DepartmentCode, failure: &RequestFailure) -> Refusal {
    let why = match failure {
        RequestFailure::NotConnected => Unreachable::NotConnected,
        RequestFailure::Timeout | RequestFailure::TooSlow => Unreachable::Timeout,
        _ => Unreachable::Failed,
    };
    Refusal::IssuerUnreachable { issuer, why }
}

fn not_taken(issuer: DepartmentCode, why: NotTaken) -> Refusal {
    let why = match why {
        NotTaken::TooMany => return Refusal::Overloaded { retry_after_s: 1 },
        NotTaken::Improper => Unreachable::Improper,
        NotTaken::Replayed => Unreachable::Replayed,
        NotTaken::Unavailable => Unreachable::Unavailable,
        NotTaken::NotRequired => Unreachable::NotRequired,
        NotTaken::Lost => Unreachable::Lost,
    };
    Refusal::IssuerUnreachable { issuer, why }
}

pub(crate) fn unreadable(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a log could not be read");
    Refusal::Internal
}
