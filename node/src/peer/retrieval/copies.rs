//! Evidence copies: what was retrieved, kept encrypted beside its acknowledgement until its day is over.

use std::sync::Arc;
use std::time::Duration;

use certmesh_ledger::id::Date;
use certmesh_ledger::log::{ReadError, ReceiptKind};
use certmesh_ledger::record::{Entry, Received, RetrievalHash, SignedRecord};
use certmesh_ledger::retrieval::EvidenceCopy;

use crate::api::Refusal;
use crate::api::retrievals::Retrieved;
use crate::api::types::Position;
use crate::peer::{Peer, now_ms};

/// How often copies whose day is over are looked for.
const EVERY: Duration = Duration::from_secs(600);
/// Records looked at in a go.
const BATCH: usize = 1024;

/// A copy in the API's shape.
pub(super) fn shown(
    copy: &EvidenceCopy,
    name: RetrievalHash,
    keep_until: Date,
    acknowledged: Position,
) -> Result<Retrieved, Refusal> {
    let request = copy.request.retrieval();
    // It was checked against the certificate's record when it came, and is authenticated since.
    let fields = copy.disclosure.shown();
    Ok(Retrieved {
        retrieval: name.to_string(),
        certificate: request.certificate.to_string(),
        type_code: request.certificate.type_code().to_string(),
        issuer: copy.log.department.to_string(),
        matter: request.matter.to_string(),
        purpose: request.purpose.to_string(),
        time_ms: copy.time_ms,
        keep_until: keep_until.to_string(),
        fields: fields
            .map(|field| (field.name.clone(), field.value.clone()))
            .collect(),
        receipt: copy.receipt,
        acknowledged,
    })
}

/// The copy of a retrieval; `None` when there was no such retrieval, it brought nothing, or its day is over.
pub(in crate::peer) fn find(
    peer: &Peer,
    name: &RetrievalHash,
) -> Result<Option<Retrieved>, Refusal> {
    let internal = |error: &dyn std::error::Error| {
        tracing::error!(%error, "an evidence copy could not be read");
        Refusal::Internal
    };
    let log = &peer.own.log;
    let records = log.by_retrieval(name).map_err(|error| internal(&error))?;
    let today = Date::in_china(now_ms());
    let kept = |record: &SignedRecord| kept_until(record).filter(|until| *until >= today);
    let Some((record, until)) = records
        .iter()
        .find_map(|record| Some((record, kept(record)?)))
    else {
        return Ok(None);
    };
    let opened = peer
        .bodies
        .get::<EvidenceCopy>(record.record().seq, &name.to_string());
    let Some(opened) = opened.map_err(|error| internal(&error))? else {
        return Ok(None);
    };
    let checkpoint = log.checkpoint().ok_or(Refusal::Internal)?;
    let position = Position::of(&checkpoint, record);
    shown(&opened.body, *name, until, position).map(Some)
}

/// Until when the record's copy is kept, if it has one.
fn kept_until(record: &SignedRecord) -> Option<Date> {
    match &record.record().entry {
        Entry::RetrievalAcknowledged(acknowledged) => match &acknowledged.outcome {
            Received::Fields { keep_until, .. } => Some(*keep_until),
            _ => None,
        },
        _ => None,
    }
}

/// Destroys copies whose day is over, now and every ten minutes.
pub(in crate::peer) async fn keep_destroying(peer: Arc<Peer>) {
    let mut every = tokio::time::interval(EVERY);
    // The first copy that may still be there: none before it is.
    let mut from = 0;
    loop {
        every.tick().await;
        let peer = Arc::clone(&peer);
        let done = tokio::task::spawn_blocking(move || destroy_old(&peer, from, now_ms())).await;
        match done {
            Ok(Ok(next)) => from = next,
            Ok(Err(error)) => tracing::error!(%error, "old evidence copies not destroyed"),
            Err(_) => return,
        }
    }
}

/// Why old copies were not destroyed.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Body(#[from] certmesh_ledger::bodies::BodyError),
}

/// Destroys the copies from a position on whose day is over; gives the position of the first that stays.
fn destroy_old(peer: &Peer, from: u64, now_ms: u64) -> Result<u64, SweepError> {
    let today = Date::in_china(now_ms);
    let (mut at, mut first, mut destroyed) = (from, None, 0);
    loop {
        let batch = peer
            .own
            .log
            .receipts(ReceiptKind::Acknowledged, at, BATCH)?;
        for record in &batch {
            let seq = record.record().seq;
            match kept_until(record) {
                Some(until) if until < today => {
                    destroyed += u64::from(peer.bodies.destroy(seq)?);
                }
                Some(_) => {
                    first.get_or_insert(seq);
                }
                None => {}
            }
        }
        match batch.last() {
            Some(last) => at = last.record().seq + 1,
            None => break,
        }
    }
    if destroyed > 0 {
        tracing::info!(
            copies = destroyed,
            "evidence copies whose day is over were destroyed"
        );
    }
    Ok(first.unwrap_or(at))
}
