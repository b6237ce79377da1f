//! An issuer's side: check, decide, record, and only then answer.

use std::num::NonZeroU32;
use std::sync::Arc;

use certmesh_ledger::bodies::{Body, Opened};
use certmesh_ledger::codec::Blob;
use certmesh_ledger::id::{CertificateId, DepartmentCode};
use certmesh_ledger::record::{Decision, Disclosure, Entry, RetrievalHash, TypeDefined};
use certmesh_ledger::retrieval::{
    ATTACHMENTS, Answer, DecideError, Decided, MAX_PIECE, NotTaken, PIECES_FOR_MS, PieceRequest,
    SignedRetrieval, decide,
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::logging::WARNINGS;
use crate::peer::Refusal;
use crate::peer::writer::{Append, Receipt, WriterHandle};
use crate::peer::{Peer, now_ms};

/// Seconds' worth of requests that a member may make at once: each costs the issuer a record that every member stores.
const BURST_S: u32 = 10;

/// Answers requests for fields.
#[derive(Clone)]
pub(crate) struct Answering {
    peer: Arc<Peer>,
    writer: WriterHandle,
    rates: Arc<DefaultKeyedRateLimiter<DepartmentCode>>,
    warnings: Arc<DefaultKeyedRateLimiter<DepartmentCode>>,
}

/// A decision, ready to be recorded.
struct Ready {
    name: RetrievalHash,
    decided: Decided,
    opened: Option<ToShow>,
}

/// What fields are shown from.
struct ToShow {
    body: Opened<Body>,
    certificate: CertificateId,
    definition: Arc<TypeDefined>,
}

impl Answering {
    /// `per_second` is how many requests of each member are taken up.
    pub(crate) fn new(peer: Arc<Peer>, writer: WriterHandle, per_second: NonZeroU32) -> Answering {
        let burst = per_second.saturating_mul(NonZeroU32::new(BURST_S).unwrap_or(per_second));
        Answering {
            peer,
            writer,
            rates: Arc::new(RateLimiter::keyed(
                Quota::per_second(per_second).allow_burst(burst),
            )),
            warnings: Arc::new(RateLimiter::keyed(WARNINGS)),
        }
    }

    /// Answers one request; the receipt is durable when this returns.
    pub(crate) async fn answer(&self, from: DepartmentCode, request: SignedRetrieval) -> Answer {
        if self.rates.check_key(&from).is_err() {
            return self.not_taken(from, NotTaken::TooMany);
        }
        if self.peer.append_refusal().is_some() {
            return self.not_taken(from, NotTaken::Unavailable);
        }
        let (peer, warnings) = (Arc::clone(&self.peer), Arc::clone(&self.warnings));
        let ready = move || ready(&peer, from, &request, &warnings);
        let ready = tokio::task::spawn_blocking(ready).await;
        let ready = match ready.unwrap_or(Err(NotTaken::Unavailable)) {
            Ok(ready) => ready,
            Err(why) => return self.not_taken(from, why),
        };
        let Ready {
            name,
            decided,
            opened,
        } = ready;
        let receipt = Receipt {
            name: name.to_string(),
            entry: decided.receipt.clone().into(),
            kept: None,
            needs: decided.show.as_ref().map(|state| state.issued.record().seq),
            continues: None,
        };
        let seq = match self.record(receipt).await {
            Ok(seq) => seq,
            Err(why) => return self.not_taken(from, why),
        };
        let metrics = &self.peer.metrics;
        match (&decided.receipt.decision, opened) {
            (Decision::Answered { .. }, Some(opened)) => {
                metrics.retrieval_decided("answered");
                let disclosure = Disclosure::of(
                    &opened.body.key,
                    &opened.certificate,
                    &opened.definition.fields,
                    &opened.body.body.fields,
                    |name| decided.shows(name),
                );
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
            NotTaken::NotRequired => "not-required-by-matter",
            NotTaken::Lost => "lost",
        });
        match why {
            NotTaken::Improper | NotTaken::Replayed if self.warnings.check_key(&from).is_ok() => {
                tracing::warn!(department = %from, %why, "a request for fields was not accepted");
            }
            _ => tracing::debug!(department = %from, %why, "a request for fields was not accepted"),
        }
        Answer::NotTaken(why)
    }
}

/// What is decided, with the fields to show. Reads files.
fn ready(
    peer: &Peer,
    from: DepartmentCode,
    request: &SignedRetrieval,
    warnings: &DefaultKeyedRateLimiter<DepartmentCode>,
) -> Result<Ready, NotTaken> {
    let unavailable = |error: &dyn std::error::Error| {
        tracing::error!(%error, "a request for fields could not be decided");
        NotTaken::Unavailable
    };
    let members = peer.catalogue.members();
    let asked = request
        .check(members, &peer.department, &from)
        .map_err(|why| {
            tracing::debug!(department = %from, %why, "a request for fields is improper");
            NotTaken::Improper
        })?;
    let name = asked.name(members.network());
    let before = peer.own.log.decision_of(&name);
    if before.map_err(|error| unavailable(&error))?.is_some() {
        return Err(NotTaken::Replayed);
    }
    let keys = peer.catalogue_keys().map_err(|why| {
        // One limit for all that ask: it is this node's own want.
        if warnings.check_key(&peer.department).is_ok() {
            tracing::warn!(department = %from, %why, "a request for fields can't be decided, as others");
        }
        NotTaken::Unavailable
    })?;
    let decided = decide(&peer.catalogue, &keys, asked, request, now_ms());
    let mut decided = decided.map_err(|error| match error {
        DecideError::Improper(why) => {
            tracing::debug!(department = %from, %why, "a request for fields is improper");
            NotTaken::Improper
        }
        DecideError::NotRequired => NotTaken::NotRequired,
        DecideError::Read(error) => unavailable(&error),
    })?;
    let mut opened = None;
    if let Some(state) = &decided.show {
        let certificate = &request.retrieval().certificate;
        let seq = state.issued.record().seq;
        match peer.fields_of(seq, certificate) {
            Ok(body) => {
                let definition = peer.catalogue.definition_of(state.certificate());
                let definition = definition.map_err(|error| unavailable(&error))?;
                // It was here when the certificate was issued: this replica is being fetched again.
                let definition = definition.ok_or(NotTaken::Unavailable)?;
                decided = decided.having(&body.body.fields);
                opened = Some(ToShow {
                    body,
                    certificate: certificate.clone(),
                    definition,
                });
            }
            Err(Refusal::Erased) => decided = decided.erased(),
            // No receipt may call lost fields erased.
            Err(Refusal::Lost(_)) => return Err(NotTaken::Lost),
            Err(_) => return Err(NotTaken::Unavailable),
        }
    }
    Ok(Ready {
        name,
        decided,
        opened,
    })
}

/// A piece of an attachment that an answer showed; nothing if no receipt shows it, or its time is over. Reads files.
pub(crate) fn piece(
    peer: &Peer,
    from: DepartmentCode,
    asked: &PieceRequest,
) -> Option<Blob<MAX_PIECE>> {
    let unreadable = |error: &dyn std::error::Error| {
        tracing::error!(%error, "an attachment could not be read for another peer");
    };
    let members = peer.catalogue.members();
    let request = &asked.request;
    let asked_for = request.check(members, &peer.department, &from).ok()?;
    let receipt = peer.own.log.decision_of(&asked_for.name(members.network()));
    let receipt = receipt.inspect_err(|error| unreadable(error)).ok()??;
    let since = now_ms().saturating_sub(PIECES_FOR_MS);
    let shown = match &receipt.record().entry {
        Entry::RetrievalDecided(decided) => decided
            .shown()
            .iter()
            .any(|code| code.as_str() == ATTACHMENTS),
        _ => false,
    };
    if !shown || receipt.record().time_ms < since {
        return None;
    }
    let id = &request.retrieval().certificate;
    let issued = peer.own.log.issue_of(id);
    let seq = issued
        .inspect_err(|error| unreadable(error))
        .ok()??
        .record()
        .seq;
    let body = peer.bodies.get::<Body>(seq, id.as_str());
    let body = body.inspect_err(|error| unreadable(error)).ok()??.body;
    let (attachment, key) = body.attachment(&asked.name)?;
    let file = peer.attachments.read(seq, key, attachment.size);
    let file = file.inspect_err(|error| unreadable(error)).ok()?;
    let bytes = file.range(asked.from, MAX_PIECE);
    let bytes = bytes.inspect_err(|error| unreadable(error)).ok()?;
    Blob::new(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{in_words, states};

    #[test]
    fn the_page_states_how_many_requests_a_member_may_make_at_once() {
        let burst = in_words(BURST_S.into());
        states(
            "docs/operator.md",
            &format!("{burst} seconds' worth at once"),
        );
    }
}
