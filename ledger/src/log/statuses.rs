//! Current status of every certificate of a log that is not plainly valid, and the map that commits to it.
//!
//! The rules are total, so that every replica derives the same map whatever the department wrote: a status change that
//! cannot follow the current status has no effect, and so has a successor of a certificate that is not valid. Whether a
//! certificate was issued at all, or is issued again, does not matter: to know it, a replica would have to remember every
//! identifier. Honest peers never write such records.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::hash::{Hash, Purpose, hash};
use crate::id::CertificateId;
use crate::record::{Entry, Record, Status};
use crate::status_map::{StatusMap, StatusProof};

/// Status of a certificate and the record that gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusEntry {
    /// The status; never `Valid` in a map.
    pub status: Status,
    /// Position of the record.
    pub seq: u64,
}

impl StatusEntry {
    /// The value in the status map.
    pub fn value(&self) -> Hash {
        hash(Purpose::StatusValue, &codec::encode(self))
    }
}

/// The key of a certificate in the status map.
pub fn status_key(id: &CertificateId) -> Hash {
    hash(Purpose::StatusKey, id.as_str().as_bytes())
}

/// A change to the current status of one certificate: what it was and what it is; `None` is plainly valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) key: Hash,
    pub(crate) before: Option<StatusEntry>,
    pub(crate) after: Option<StatusEntry>,
}

#[derive(Default)]
pub(crate) struct Statuses {
    entries: HashMap<Hash, StatusEntry>,
    map: StatusMap,
}

impl Statuses {
    pub(crate) fn get(&self, id: &CertificateId) -> Option<StatusEntry> {
        self.by_key(&status_key(id))
    }

    pub(crate) fn by_key(&self, key: &Hash) -> Option<StatusEntry> {
        self.entries.get(key).copied()
    }

    pub(crate) fn root(&mut self) -> Hash {
        self.map.root()
    }

    pub(crate) fn prove(&mut self, id: &CertificateId) -> StatusProof {
        self.map.prove(&status_key(id))
    }

    fn set(&mut self, key: Hash, entry: Option<StatusEntry>) {
        match entry {
            Some(entry) => {
                self.entries.insert(key, entry);
                self.map.insert(key, entry.value());
            }
            None => {
                self.entries.remove(&key);
                self.map.remove(&key);
            }
        }
    }

    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.set(change.key, change.after);
        }
    }

    pub(crate) fn undo(&mut self, changes: &[Change]) {
        for change in changes.iter().rev() {
            self.set(change.key, change.before);
        }
    }
}

/// The changes a record makes, given the statuses its certificates have by then; each of another certificate.
pub(crate) fn changes_of(
    record: &Record,
    current: impl Fn(&Hash) -> Option<StatusEntry>,
) -> Vec<Change> {
    let ids = match &record.entry {
        Entry::StatusChanged(changed) => std::slice::from_ref(&changed.id),
        Entry::CertificateIssued(issued) => issued.supersedes(),
        Entry::TypeDefined(_)
        | Entry::MatterDefined(_)
        | Entry::GrantMade(_)
        | Entry::GrantWithdrawn(_)
        | Entry::CertificateErased(_)
        | Entry::RetrievalDecided(_)
        | Entry::RetrievalAcknowledged(_)
        | Entry::CaseAccepted(_)
        | Entry::AccessLogRead(_) => return Vec::new(),
    };
    let changes = ids.iter().filter_map(|id| change_of(record, id, &current));
    changes.collect()
}

fn change_of(
    record: &Record,
    id: &CertificateId,
    current: impl Fn(&Hash) -> Option<StatusEntry>,
) -> Option<Change> {
    let key = status_key(id);
    let before = current(&key);
    let status = before.map_or(Status::Valid, |entry| entry.status);
    let status = match &record.entry {
        Entry::StatusChanged(changed) => status.after(changed.action).ok()?,
        _ if status == Status::Valid => Status::Superseded,
        _ => return None,
    };
    let after = (status != Status::Valid).then_some(StatusEntry {
        status,
        seq: record.seq,
    });
    Some(Change { key, before, after })
}
