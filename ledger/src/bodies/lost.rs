//! What a department has lost of its bodies: found by their slots alone, without opening any.
//!
//! A body is missing for one of three reasons: its record has none, it was destroyed (the certificate's fields were
//! erased, or a copy's last day is over), or it is lost. The log says which.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::attachments::Attachments;
use super::{Bodies, KEYS_HEADER_LEN, SLOT_LEN, read_slot};
use crate::disk::DiskFile;
use crate::id::{CertificateId, Date};
use crate::log::{Log, ReadError};
use crate::names::LogName;
use crate::record::{Entry, Received};

/// Slots read at a time.
const BATCH: u64 = 4096;

/// What the body of a record is, by which it is known how long it has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A certificate's fields, until they are erased.
    Fields(CertificateId),
    /// A copy of fields that were retrieved, until its last day is over.
    Copy {
        /// The retrieval's name.
        name: String,
        /// The last day.
        until: Date,
    },
    /// What was collected for a case.
    Case(String),
}

impl About {
    /// What the record of an entry has a body of; `None` for one that has none.
    pub fn of(log: &LogName, entry: &Entry) -> Option<About> {
        match entry {
            Entry::CertificateIssued(issued) => Some(About::Fields(issued.id.clone())),
            Entry::RetrievalAcknowledged(acknowledged) => match acknowledged.outcome {
                Received::Fields { keep_until, .. } => Some(About::Copy {
                    name: acknowledged.asked.name(log.network).to_string(),
                    until: keep_until,
                }),
                Received::Refused(_) | Received::Wrong | Received::Nothing => None,
            },
            Entry::CaseAccepted(accepted) => Some(About::Case(accepted.case.to_string())),
            Entry::StatusChanged(_)
            | Entry::CertificateErased(_)
            | Entry::TypeDefined(_)
            | Entry::MatterDefined(_)
            | Entry::GrantMade(_)
            | Entry::GrantWithdrawn(_)
            | Entry::RetrievalDecided(_)
            | Entry::AccessLogRead(_)
            | Entry::Unknown(_) => None,
        }
    }

    /// The text that the body is bound to.
    pub fn text(&self) -> &str {
        match self {
            About::Fields(id) => id.as_str(),
            About::Copy { name, .. } => name,
            About::Case(tag) => tag,
        }
    }
}

/// What a slot says of its record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// No body: it was never kept, it was destroyed, or the slot is lost.
    Empty,
    /// Its bytes are not those that were written.
    Damaged,
    /// The body's own bytes are gone: the file of bodies ends before them, or other bodies were written over them.
    CutOff,
    /// The body is where it was put.
    Kept {
        /// Attachments kept beside it.
        attachments: u32,
    },
}

impl Slot {
    /// Whether the body is where it was put.
    pub fn is_kept(self) -> bool {
        matches!(self, Slot::Kept { .. })
    }
}

/// Reads the slots of the first `records` positions. `len` is how long the file of bodies is.
pub(super) fn slots(keys: &dyn DiskFile, len: u64, records: u64) -> io::Result<Vec<Slot>> {
    let count = usize::try_from(records).unwrap_or(usize::MAX);
    let mut slots = vec![Slot::Empty; count];
    let mut bytes = vec![0; SLOT_LEN * BATCH.min(records) as usize];
    // Later bodies stand behind earlier ones, so one that reaches beyond where a later one begins is overwritten: the file
    // was cut off in between.
    let mut end = len;
    let mut until = records;
    while until > 0 {
        let first = until.saturating_sub(BATCH);
        let batch = &mut bytes[..SLOT_LEN * (until - first) as usize];
        let read = keys.read_at(batch, KEYS_HEADER_LEN + first * SLOT_LEN as u64)?;
        batch[read..].fill(0);
        let places = slots[first as usize..until as usize].iter_mut();
        for (slot, bytes) in places.zip(batch.chunks_exact(SLOT_LEN)).rev() {
            *slot = match read_slot(bytes) {
                Some(full) if full.at.saturating_add(full.len as u64) > end => Slot::CutOff,
                Some(full) => {
                    end = full.at;
                    Slot::Kept {
                        attachments: full.attachments,
                    }
                }
                None if bytes.iter().all(|byte| *byte == 0) => Slot::Empty,
                None => Slot::Damaged,
            };
        }
        until = first;
    }
    zeroize::Zeroize::zeroize(&mut bytes);
    Ok(slots)
}

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum LostError {
    /// The files of bodies can't be read.
    #[error("bodies: {0}")]
    Bodies(#[from] io::Error),
    /// The own log can't be read.
    #[error(transparent)]
    Log(#[from] ReadError),
}

/// What is lost of a department's bodies, by the positions of its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Certificates whose fields are missing though no record says that they were erased.
    pub certificates: BTreeSet<u64>,
    /// Certificates whose fields are there and an attachment is not, and copies of which one can't be read.
    pub attachments: BTreeSet<u64>,
    /// Acknowledgements whose copy is missing, each with the copy's last day.
    pub copies: BTreeMap<u64, Date>,
    /// Accepted cases whose list of collected copies is lost.
    pub cases: BTreeSet<u64>,
    /// Certificates whose fields are there though they were erased: older files were put back.
    pub returned: BTreeSet<u64>,
}

impl Lost {
    /// Compares a department's log with its bodies, by lengths and slots. Nothing is opened: whether a body
    /// that is there can be read, [`super::check_bodies`] and [`super::reread()`] find.
    ///
    /// # Errors
    /// [`LostError`].
    pub fn find(log: &Log, bodies: &Bodies, attachments: &Attachments) -> Result<Lost, LostError> {
        let slots = bodies.slots(log.size())?;
        let mut lost = Lost::default();
        let mut erased = Vec::new();
        let gaps = slots.chunk_by(|one, other| one.is_kept() == other.is_kept());
        let mut first = 0;
        for gap in gaps {
            let until = first + gap.len() as u64;
            if !gap[0].is_kept() {
                log.entries(first..until, |seq, entry| {
                    match About::of(log.name(), &entry) {
                        Some(About::Fields(_)) => drop(lost.certificates.insert(seq)),
                        Some(About::Copy { until, .. }) => drop(lost.copies.insert(seq, until)),
                        Some(About::Case(_)) => drop(lost.cases.insert(seq)),
                        None => {}
                    }
                    if let Entry::CertificateErased(gone) = entry {
                        erased.push(gone.id);
                    }
                })?;
            }
            first = until;
        }
        for id in erased {
            if let Some(issued) = log.issue_of(&id)? {
                let seq = issued.record().seq;
                let gone = lost.certificates.remove(&seq);
                let kept = slots.get(seq as usize).is_some_and(|slot| slot.is_kept());
                if !gone && kept {
                    lost.returned.insert(seq);
                }
            }
        }
        let files = attachments.counts()?;
        let wanted = (0..).zip(&slots).filter_map(|(seq, slot)| match slot {
            Slot::Kept { attachments } if *attachments > 0 => Some((seq, *attachments)),
            _ => None,
        });
        for (seq, wanted) in wanted {
            if files.get(&seq).copied().unwrap_or(0) < wanted && !lost.returned.contains(&seq) {
                lost.attachments.insert(seq);
            }
        }
        Ok(lost)
    }

    /// Adds what else is lost.
    pub fn join(&mut self, other: Lost) {
        self.certificates.extend(other.certificates);
        self.attachments.extend(other.attachments);
        self.copies.extend(other.copies);
        self.cases.extend(other.cases);
        self.returned.extend(other.returned);
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        *self == Lost::default()
    }

    /// Leaves out what is to be missing from now on: a certificate's fields were erased, or a copy's day is over.
    pub fn forget(&mut self, seq: u64) {
        for positions in [
            &mut self.certificates,
            &mut self.attachments,
            &mut self.returned,
        ] {
            positions.remove(&seq);
        }
        self.copies.remove(&seq);
    }

    /// Copies that should still be there on a day.
    pub fn copies_on(&self, today: Date) -> BTreeSet<u64> {
        let due = self.copies.iter().filter(|(_, until)| **until >= today);
        due.map(|(seq, _)| *seq).collect()
    }
}
