//! An issuer's side: check, decide, record, and only then answer.

use std::num::NonZeroU32;
use std::sync::Arc;

use certmesh_ledger::bodies::{Body, Opened, SealedBody};
use certmesh_ledger::id::{CertificateId, DepartmentCode};
use certmesh_ledger::record::{Decision, Disclosure, Entry};
use certmesh_ledger::retrieval::{Answer, Decided, NotTaken, SignedRetrieval, decide};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::api::Refusal;
use crate::peer::prepare::Fresh;
use crate::peer::writer::{Append, Receipt, WriterHandle};
use crate::peer::{Peer, now_ms};

/// Requests of one member a second, with a burst of twice as many: each costs the issuer a record.
const PER_MEMBER: NonZeroU32 = NonZeroU32::new(2_000).expect("not zero");

/// Answers requests for fields.
#[derive(Clone)]
pub(in crate::peer) struct Answering {
    peer: Arc<Peer>,
    writer: WriterHandle,
    rates: Arc<DefaultKeyedRateLimiter<DepartmentCode>>,
}

/// A decision, ready to be recorded.
struct Ready {
    decided: Decided,
    opened: Option<(Opened<Body>, CertificateId)>,
    kept: SealedBody,
}

impl Answering {
    pub(in crate::peer) fn new(peer: Arc<Peer>, writer: WriterHandle) -> Answering {
        let burst = PER_MEMBER.saturating_add(PER_MEMBER.get());
        Answering {
            peer,
            writer,
            rates: Arc::new(RateLimiter::keyed(
                Quota::per_second(PER_MEMBER).allow_burst(burst),
            )),
        }
    }

    /// Answers one request; the receipt is durable when this returns.
    pub(in crate::peer) async fn answer(
        &self,
        from: DepartmentCode,
        request: SignedRetrieval,
    ) -> Answer {
        if self.rates.check_key(&from).is_err() {
            return self.not_taken(from, NotTaken::TooMany);
        }
        if self.peer.own.hindrance().is_some() {
            return self.not_taken(from, NotTaken::Unavailable);
        }
        let peer = Arc::clone(&self.peer);
        let ready = tokio::task::spawn_blocking(move || ready(&peer, from, &request)).await;
        let ready = match ready.unwrap_or(Err(NotTaken::Unavailable)) {
            Ok(ready) => ready,
            Err(why) => return self.not_taken(from, why),
        };
        let Ready {
            decided,
            opened,
            kept,
        } = ready;
        let receipt = Receipt {
            name: decided.receipt.retrieval.to_string(),
            entry: Entry::RetrievalDecided(decided.receipt.clone()),
            kept: Some(kept),
        };
        let seq = match self.record(receipt).await {
            Ok(seq) => seq,
            Err(why) => return self.not_taken(from, why),
        };
        let metrics = &self.peer.metrics;
        match (&decided.receipt.decision, opened) {
            (Decision::Answered { .. }, Some((opened, certificate))) => {
                metrics.retrieval_decided("answered");
                let fields = decided.fields();
                let disclosure =
                    Disclosure::of(&opened.key, &certificate, &opened.body.fields, |name| {
                        fields.iter().any(|code| code.as_str() == name)
                    });
                Answer::Fields {
                    receipt: seq,
                    disclosure,
                }
            }
            (Decision::Refused(rule), _) => {
                metrics.retrieval_decided(rule.as_str());
                Answer::Refused {
                    receipt: seq,
                    rule: *rule,
                }
            }
            // An answer is only decided with the body at hand.
            (Decision::Answered { .. }, None) => Answer::NotTaken(NotTaken::Unavailable),
        }
    }

    async fn record(&self, receipt: Receipt) -> Result<u64, NotTaken> {
        let submitted = self
            .writer
            .submit(vec![Append::Receipt(Box::new(receipt))], None);
        let receiver = submitted.map_err(|_| NotTaken::Unavailable)?;
        let outcomes = receiver.await.map_err(|_| NotTaken::Unavailable)?;
        let outcome = outcomes.map_err(|_| NotTaken::Unavailable)?.pop();
        match outcome {
            Some(Ok(appended)) => Ok(appended.position.seq),
            // Recorded between the look at the log and the writer's turn.
            Some(Err(Refusal::IdempotencyMismatch)) => Err(NotTaken::Replayed),
            Some(Err(_)) | None => Err(NotTaken::Unavailable),
        }
    }

    fn not_taken(&self, from: DepartmentCode, why: NotTaken) -> Answer {
        self.peer.metrics.retrieval_decided(match why {
            NotTaken::Improper => "improper",
            NotTaken::Replayed => "replayed",
            NotTaken::Unavailable => "unavailable",
            NotTaken::TooMany => "too-many",
        });
        match why {
            NotTaken::Improper | NotTaken::Replayed => {
                tracing::warn!(department = %from, %why, "a request for fields was not taken up");
            }
            _ => tracing::debug!(department = %from, %why, "a request for fields was not taken up"),
        }
        Answer::NotTaken(why)
    }
}

/// What is decided, with the fields to show. Reads files.
fn ready(peer: &Peer, from: DepartmentCode, request: &SignedRetrieval) -> Result<Ready, NotTaken> {
    let unavailable = |error: &dyn std::error::Error| {
        tracing::error!(%error, "a request for fields could not be decided");
        NotTaken::Unavailable
    };
    let members = peer.catalogue.members();
    let name = request
        .check(members, &peer.department, &from)
        .map_err(|why| {
            tracing::debug!(department = %from, %why, "a request for fields is improper");
            NotTaken::Improper
        })?;
    let asked = request.retrieval();
    let before = peer.own.log.by_retrieval(&name);
    let before = before.map_err(|error| unavailable(&error))?;
    if before
        .iter()
        .any(|record| matches!(record.record().entry, Entry::RetrievalDecided(_)))
    {
        return Err(NotTaken::Replayed);
    }
    let decided = decide(&peer.catalogue, &peer.catalogue_key, name, asked, now_ms());
    let mut decided = decided.map_err(|error| unavailable(&error))?;
    let mut opened = None;
    if let Some(seq) = decided.show {
        let kept = peer.bodies.get::<Body>(seq, asked.certificate.as_str());
        match kept.map_err(|error| unavailable(&error))? {
            Some(body) => {
                decided = decided.having(&body.body.fields);
                opened = Some((body, asked.certificate.clone()));
            }
            None => decided = decided.erased(),
        }
    }
    // The request itself is kept with the receipt: what was asked, and for what purpose, stays provable.
    let fresh = Fresh::draw().map_err(|error| unavailable(&error))?;
    let kept = fresh.seal(peer, &name.to_string(), request);
    Ok(Ready {
        decided,
        opened,
        kept,
    })
}
