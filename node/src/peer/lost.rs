//! Fields, copies and attachments of this department that are missing though no record says that they were erased.

use std::collections::BTreeSet;

use certmesh_ledger::bodies::{Body, BodyError, Lost, Opened};
use certmesh_ledger::id::{CertificateId, Date};
use parking_lot::Mutex;

use super::reasons::Names;
use super::warnings::{LostPart, LostParts, Warning};
use super::{Peer, now_ms};
use crate::peer::{Item, Refusal};

/// What is lost, and how much of the own log was compared with its bodies.
#[derive(Default)]
pub(crate) struct LostBodies {
    lost: Lost,
    /// Records of the log that was looked at last.
    records: Option<u64>,
    /// How often it was: what reading bodies found before may have come back since.
    searches: u64,
}

pub(crate) type Found = Mutex<LostBodies>;

impl Peer {
    /// Compares the own log with its bodies, if it is not the log that was compared last. Reads files; nothing may
    /// be appended meanwhile.
    pub(crate) fn look_for_lost(&self) {
        let records = self.own.log.size();
        if self.lost.lock().records == Some(records) {
            return;
        }
        let mut lost = match Lost::find(&self.own.log, &self.bodies, &self.attachments) {
            Ok(lost) => lost,
            Err(error) => {
                tracing::error!(%error, "the stored bodies of the own certificates could not be compared with the log");
                return;
            }
        };
        for seq in std::mem::take(&mut lost.returned) {
            self.destroy_again(seq);
        }
        let mut held = self.lost.lock();
        *held = LostBodies {
            lost,
            records: Some(records),
            searches: held.searches + 1,
        };
        drop(held);
        if let Some(warning) = self.lost_warning() {
            tracing::error!("{}", certmesh_text::say(&warning));
        }
        self.show_lost();
    }

    /// How often the own log was compared with its bodies: they are all to be read after each time.
    pub(crate) fn searches_for_lost(&self) -> u64 {
        self.lost.lock().searches
    }

    /// Counts as lost what could not be opened any more when it was read.
    pub(crate) fn add_lost(&self, found: Lost) {
        self.lost.lock().lost.join(found);
        self.show_lost();
    }

    /// Erased fields that are there again were put back with older files: what the log says of them stands.
    fn destroy_again(&self, seq: u64) {
        let destroyed = self.bodies.destroy(&self.own.log, &[seq]);
        let removed = self.attachments.remove(seq);
        match destroyed
            .map_err(|error| error.to_string())
            .and_then(|_| removed.map_err(|error| error.to_string()))
        {
            Ok(()) => tracing::warn!(
                record = seq,
                "a certificate's fields were here although they were erased: older files were put back; destroyed again"
            ),
            Err(error) => tracing::error!(
                record = seq,
                error,
                "a certificate's fields are here although they were erased, and could not be destroyed"
            ),
        }
    }

    /// Stops counting as lost what a record says was erased: a certificate's fields.
    pub(crate) fn no_longer_lost(&self, seq: u64) {
        self.lost.lock().lost.forget(seq);
        self.show_lost();
    }

    /// What is lost, if anything is.
    pub(crate) fn lost_warning(&self) -> Option<Warning> {
        let held = self.lost.lock();
        let lost = &held.lost;
        let copies = lost.copies_on(Date::in_china(now_ms()));
        let parts = [
            part(&lost.certificates, |count, records| LostPart::Fields {
                count,
                records,
            }),
            part(&lost.attachments, |count, records| LostPart::Attachments {
                count,
                records,
            }),
            part(&copies, |count, records| LostPart::Copies {
                count,
                records,
            }),
            part(&lost.cases, |count, records| LostPart::Cases {
                count,
                records,
            }),
        ];
        let parts: Vec<LostPart> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then_some(Warning::Lost {
            parts: LostParts(parts),
        })
    }

    fn show_lost(&self) {
        let held = self.lost.lock();
        let lost = &held.lost;
        for (of, count) in [
            ("fields", lost.certificates.len()),
            ("attachments", lost.attachments.len()),
            ("copies", lost.copies_on(Date::in_china(now_ms())).len()),
            ("cases", lost.cases.len()),
        ] {
            self.metrics.set_lost(of, count);
        }
    }

    /// Holder and fields of a certificate that the record at `seq` of the own log issued.
    pub(crate) fn fields_of(&self, seq: u64, id: &CertificateId) -> Result<Opened<Body>, Refusal> {
        match self.bodies.get::<Body>(seq, id.as_str()) {
            Ok(Some(opened)) => return Ok(opened),
            Ok(None) => {}
            Err(error @ BodyError::Damaged(_)) => {
                tracing::error!(%error, "a certificate's fields are lost");
            }
            Err(error) => {
                tracing::error!(%error, "a body could not be read");
                return Err(Refusal::Internal);
            }
        }
        match self.own.log.erasure_of(id) {
            Ok(Some(_)) => Err(Refusal::Erased),
            Ok(None) => Err(Refusal::Lost(Item::Fields)),
            Err(error) => {
                tracing::error!(%error, "a log could not be read");
                Err(Refusal::Internal)
            }
        }
    }
}

/// What is lost of one kind, by the positions of its records.
fn part(positions: &BTreeSet<u64>, of: impl FnOnce(usize, Names) -> LostPart) -> Option<LostPart> {
    let records = Names(positions.iter().map(u64::to_string).collect());
    (!positions.is_empty()).then(|| of(positions.len(), records))
}
