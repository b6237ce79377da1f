//! Evidence copies: what was retrieved, kept encrypted beside its acknowledgement until its last day is over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use certmesh_ledger::bodies::{AttachmentKey, Bodies, BodyError, Opened};
use certmesh_ledger::id::Date;
use certmesh_ledger::log::{Log, ReadError, ReceiptKind};
use certmesh_ledger::record::{Attachment, Entry, Received, RetrievalHash, SignedRecord};
use certmesh_ledger::retrieval::{ATTACHMENTS, EvidenceCopy, code_of};
use certmesh_ledger::verify::{verify, verify_record};

use crate::app::verify::Verified;
use crate::peer::requests::Position;
use crate::peer::{Item, Peer, Refusal, now_ms};

/// How often expired copies are looked for.
const EVERY: Duration = Duration::from_secs(600);
/// Until members are asked again what time it is.
const AGAIN: Duration = Duration::from_secs(10);
/// Records looked at in a go.
const BATCH: usize = 1024;

/// A copy that is kept.
pub(crate) struct Copy {
    /// Position of its acknowledgement.
    pub(crate) seq: u64,
    /// Its last day.
    pub(crate) until: Date,
    /// Where its acknowledgement is.
    pub(crate) acknowledged: Position,
    opened: Opened<EvidenceCopy>,
}

impl Copy {
    pub(crate) fn body(&self) -> &EvidenceCopy {
        &self.opened.body
    }

    /// The attachments that were shown.
    pub(crate) fn attachments(&self) -> Vec<Attachment> {
        let shown = self.body().disclosure.shown();
        shown
            .filter_map(|field| Attachment::of_field(&field.name, &field.value).ok()?)
            .collect()
    }

    /// File and key of an attachment.
    pub(crate) fn key_of(&self, attachment: &Attachment) -> AttachmentKey {
        self.opened.key.attachment(&attachment.name)
    }
}

fn internal(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "an evidence copy could not be read");
    Refusal::Internal
}

/// The copy of a retrieval; `None` when there was no such retrieval, it brought nothing, or its last day is over. One
/// that is gone before that is lost.
pub(crate) fn open(peer: &Peer, name: &RetrievalHash) -> Result<Option<Copy>, Refusal> {
    let log = &peer.own.log;
    let record = log.acknowledgement_of(name);
    let today = Date::in_china(now_ms());
    let Some(record) = record.map_err(|error| internal(&error))? else {
        return Ok(None);
    };
    let Some(until) = kept_until(&record).filter(|until| *until >= today) else {
        return Ok(None);
    };
    let seq = record.record().seq;
    let lost = Refusal::Lost(Item::Copy);
    let opened = match peer.bodies.get::<EvidenceCopy>(seq, &name.to_string()) {
        Ok(opened) => opened.ok_or(lost)?,
        Err(error @ BodyError::Damaged(_)) => {
            tracing::error!(%error, "an evidence copy is lost");
            return Err(lost);
        }
        Err(error) => return Err(internal(&error)),
    };
    let checkpoint = log.covered().ok_or(Refusal::Internal)?;
    Ok(Some(Copy {
        seq,
        until,
        acknowledged: Position::of(&checkpoint, &record),
        opened,
    }))
}

/// What was retrieved, with what is known of the certificate now: fields of one that is not valid are shown, too.
pub(crate) struct Retrieved {
    /// The retrieval's name.
    pub(crate) name: RetrievalHash,
    /// The verdict on the certificate.
    pub(crate) verified: Verified,
    pub(crate) copy: Copy,
    /// The attachments that were shown, each with whether it is here whole.
    attachments: Vec<(Attachment, bool)>,
}

impl Retrieved {
    /// The fields that were shown, by name. Each was checked against the certificate's record when it came, and is
    /// authenticated since.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let shown = self.copy.body().disclosure.shown();
        let plain = shown.filter(|field| code_of(&field.name) != ATTACHMENTS);
        plain.map(|field| (&*field.name, &*field.value))
    }

    /// The attachments that were shown, each with whether it is here whole.
    pub(crate) fn attachments(&self) -> &[(Attachment, bool)] {
        &self.attachments
    }

    /// Whether every attachment is here whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.attachments.iter().all(|(_, whole)| *whole)
    }
}

/// What a retrieval brought; `None` as for [`open`].
pub(crate) fn find(peer: &Peer, name: &RetrievalHash) -> Result<Option<Retrieved>, Refusal> {
    let Some(copy) = open(peer, name)? else {
        return Ok(None);
    };
    let attachments = copy.attachments().into_iter().map(|attachment| {
        let key = copy.key_of(&attachment);
        let file = peer.attachments.read(copy.seq, &key, attachment.size);
        (attachment, file.is_ok())
    });
    let attachments = attachments.collect();
    let question = peer.question(None);
    let certificate = &copy.body().request.retrieval().certificate;
    let state = peer.catalogue.certificate_in(&copy.body().log, certificate);
    let verified = match state.map_err(|error| internal(&error))? {
        Some(state) => verify_record(&peer.catalogue, &state, question),
        // Its log is being fetched again.
        None => verify(&peer.catalogue, certificate, question),
    };
    Ok(Some(Retrieved {
        name: *name,
        verified: Verified::of(peer, verified.map_err(|error| internal(&error))?),
        copy,
        attachments,
    }))
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

fn has_attachments(record: &SignedRecord) -> bool {
    match &record.record().entry {
        Entry::RetrievalAcknowledged(acknowledged) => match &acknowledged.outcome {
            Received::Fields { fields, .. } => {
                fields.iter().any(|code| code.as_str() == ATTACHMENTS)
            }
            _ => false,
        },
        _ => false,
    }
}

/// Destroys expired copies, now and every ten minutes.
pub(crate) async fn keep_destroying(peer: Arc<Peer>) {
    let mut every = tokio::time::interval(EVERY);
    // The first copy that may still be there: none before it is.
    let mut from = 0;
    loop {
        every.tick().await;
        let peer = Arc::clone(&peer);
        // A clock that jumped destroys nothing: the members agree on the day.
        let Some(agreed_ms) = peer.agreed_ms() else {
            every.reset_after(AGAIN);
            continue;
        };
        let sweep = move || {
            let today = Date::in_china(agreed_ms);
            let gone = |seq| peer.attachments.remove(seq);
            destroy_old(&peer.own.log, &peer.bodies, gone, from, today)
        };
        let done = tokio::task::spawn_blocking(sweep).await;
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
    Body(#[from] BodyError),
    #[error(transparent)]
    Files(#[from] io::Error),
}

/// Destroys the expired copies from a position on; returns the position of the first that stays.
fn destroy_old(
    log: &Log,
    bodies: &Bodies,
    remove_attachments: impl Fn(u64) -> io::Result<()>,
    from: u64,
    today: Date,
) -> Result<u64, SweepError> {
    let (mut at, mut first, mut destroyed) = (from, None, 0);
    loop {
        let batch = log.receipts(ReceiptKind::Acknowledged, at, BATCH)?;
        let mut expired = Vec::new();
        for record in &batch {
            match kept_until(record) {
                Some(until) if until < today => expired.push(record),
                Some(_) => {
                    first.get_or_insert(record.record().seq);
                }
                None => {}
            }
        }
        let seqs: Vec<u64> = expired.iter().map(|record| record.record().seq).collect();
        destroyed += bodies.destroy(log, &seqs)?;
        // Also of those that had no body any more: an earlier run may have come no further.
        for record in expired.into_iter().filter(|record| has_attachments(record)) {
            remove_attachments(record.record().seq)?;
        }
        match batch.last() {
            Some(last) => at = last.record().seq + 1,
            None => break,
        }
    }
    if destroyed > 0 {
        tracing::info!(copies = destroyed, "expired evidence copies were destroyed");
    }
    Ok(first.unwrap_or(at))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use certmesh_ledger::bodies::SealedBody;
    use certmesh_ledger::crypto::hash::Hash;
    use certmesh_ledger::crypto::keys::{BodyKey, FieldKey, Secret};
    use certmesh_ledger::disk::MemoryDisk;
    use certmesh_ledger::log::{Place, Writer};
    use certmesh_ledger::names::{LogId, LogName};
    use certmesh_ledger::record::{Asked, BlindedSubject, RetrievalAcknowledged, Rule};

    use super::*;
    use crate::peer::testing::{OWN, members, signing_key};

    fn acknowledged(n: u8, outcome: Received) -> Entry {
        Entry::from(RetrievalAcknowledged {
            asked: Asked {
                issuer: OWN.parse().unwrap(),
                asker: OWN.parse().unwrap(),
                key_epoch: 0,
                matter: format!("{OWN}/M/01").parse().unwrap(),
                type_code: format!("{OWN}901").parse().unwrap(),
                subject: BlindedSubject(Hash::ZERO),
                fields: Default::default(),
                rest: Hash::from_bytes([n; 32]),
            },
            outcome,
            took_ms: 1,
        })
    }

    fn until(day: &str) -> Received {
        Received::Fields {
            fields: Default::default(),
            keep_until: day.parse().unwrap(),
        }
    }

    #[test]
    fn a_copy_is_destroyed_once_its_day_is_over_and_not_before() {
        let disk = Arc::new(MemoryDisk::new());
        let members = members();
        let name = LogName {
            network: members.network(),
            id: LogId::first(OWN.parse().unwrap()),
        };
        let place = Place {
            disk: Arc::clone(&disk) as Arc<dyn certmesh_ledger::disk::Disk>,
            data: "/d".into(),
            segment_records: 4,
            index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
        };
        let (log, _) = Log::open(&place, name, &members).unwrap();
        let log = Arc::new(log);
        let key = FieldKey(Secret::from_bytes([1; 32]));
        let bodies = Bodies::open(&*disk, Path::new("/d/bodies"), &name, key.clone()).unwrap();
        let outcomes = [
            until("2026-01-10"),
            Received::Refused(Rule::Stale),
            until("2026-01-20"),
            until("2026-01-09"),
            until("2026-01-31"),
        ];
        let mut writer = Writer::new(Arc::clone(&log), signing_key());
        for (n, outcome) in (0_u8..).zip(outcomes) {
            let kept = matches!(outcome, Received::Fields { .. }).then(|| {
                let body = BodyKey(Secret::from_bytes([n; 32]));
                SealedBody::seal(&key, "copy", &body, [n; 24], &n)
            });
            let entries = vec![acknowledged(n, outcome)];
            writer
                .append_with(1, entries, |first| {
                    bodies.keep(first, &[kept]).map_err(std::io::Error::other)
                })
                .unwrap();
        }
        let held = |seq| bodies.get::<u8>(seq, "copy").unwrap().is_some();
        let all = || (0..5).filter(|seq| held(*seq)).collect::<Vec<u64>>();
        let sweep = |from, day: &str| {
            destroy_old(&log, &bodies, |_| Ok(()), from, day.parse().unwrap()).unwrap()
        };
        assert_eq!(sweep(0, "2026-01-09"), 0);
        assert_eq!(all(), [0, 2, 3, 4]);
        assert_eq!(sweep(0, "2026-01-11"), 2);
        assert_eq!(all(), [2, 4]);
        assert_eq!(sweep(2, "2026-02-01"), 5);
        assert_eq!(all(), [] as [u64; 0]);
    }
}
