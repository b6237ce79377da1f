//! Current status of every certificate of a log that is not plainly valid, the current definition of every type that the
//! log defines, and the map that commits to both.
//!
//! The rules are total, so that every replica derives the same map whatever the department wrote: a status change that
//! cannot follow the current status has no effect, and so has a successor of a certificate that is not valid. Whether a
//! certificate was issued at all, or is issued again, does not matter: to know it, a replica would have to remember every
//! identifier. Honest peers never write such records.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::hash::{Hash, Purpose, hash, hash_parts};
use crate::id::{CertificateId, TypeCode};
use crate::record::{Entry, RecordHash, Status};
use crate::status_map::{StatusMap, StatusProof};

use super::page::Link;

/// Most versions of one type that count; a log's later ones have no effect.
pub(super) const MAX_VERSIONS: u32 = 1024;

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

/// The definitions of one type in a log: the current one's position, and all of them in a chain of hashes, so that who is
/// shown some of the latest can tell that none is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DefinitionEntry {
    /// Position of the current definition's record.
    pub seq: u64,
    /// How many there are.
    pub versions: u32,
    /// The chain: hash of the chain before the current definition and of its record.
    pub chain: Hash,
}

impl DefinitionEntry {
    /// Before the first definition.
    pub const NONE: DefinitionEntry = DefinitionEntry {
        seq: 0,
        versions: 0,
        chain: Hash::ZERO,
    };

    /// The value in the status map.
    pub fn value(&self) -> Hash {
        hash(Purpose::DefinitionValue, &codec::encode(self))
    }

    /// After one more definition; `None` when no more count.
    pub fn and(&self, seq: u64, record: &RecordHash) -> Option<DefinitionEntry> {
        (self.versions < MAX_VERSIONS).then(|| DefinitionEntry {
            seq,
            versions: self.versions + 1,
            chain: hash_parts(
                Purpose::DefinitionChain,
                &[self.chain.as_bytes(), record.0.as_bytes()],
            ),
        })
    }
}

/// The key of a type in the status map.
pub fn definition_key(code: &TypeCode) -> Hash {
    hash(Purpose::DefinitionKey, code.to_string().as_bytes())
}

/// What a key of the map stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MapEntry {
    Status(StatusEntry),
    Definition(DefinitionEntry),
}

impl MapEntry {
    fn value(&self) -> Hash {
        match self {
            MapEntry::Status(entry) => entry.value(),
            MapEntry::Definition(entry) => entry.value(),
        }
    }
}

/// A change to one entry of the map: what it was and what it is. Without an entry a certificate is plainly valid, a type
/// not defined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) key: Hash,
    pub(crate) before: Option<MapEntry>,
    pub(crate) after: Option<MapEntry>,
}

#[derive(Default)]
pub(crate) struct Statuses {
    statuses: HashMap<Hash, StatusEntry>,
    definitions: HashMap<Hash, DefinitionEntry>,
    map: StatusMap,
}

impl Statuses {
    pub(crate) fn get(&self, id: &CertificateId) -> Option<StatusEntry> {
        self.statuses.get(&status_key(id)).copied()
    }

    pub(crate) fn definition(&self, code: &TypeCode) -> Option<DefinitionEntry> {
        self.definitions.get(&definition_key(code)).copied()
    }

    pub(crate) fn by_key(&self, key: &Hash) -> Option<MapEntry> {
        let status = self.statuses.get(key).copied().map(MapEntry::Status);
        status.or_else(|| self.definitions.get(key).copied().map(MapEntry::Definition))
    }

    pub(crate) fn root(&mut self) -> Hash {
        self.map.root()
    }

    pub(crate) fn prove(&mut self, key: &Hash) -> StatusProof {
        self.map.prove(key)
    }

    fn set(&mut self, key: Hash, entry: Option<MapEntry>) {
        match entry {
            Some(entry) => {
                match entry {
                    MapEntry::Status(entry) => drop(self.statuses.insert(key, entry)),
                    MapEntry::Definition(entry) => drop(self.definitions.insert(key, entry)),
                }
                self.map.insert(key, entry.value());
            }
            None => {
                self.statuses.remove(&key);
                self.definitions.remove(&key);
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

/// The changes a record makes, given the map's entries by then; each of another key. `defines` says whether a definition
/// has an effect, as [`super::definitions`] decides it.
pub(crate) fn changes_of(
    link: &Link,
    defines: bool,
    current: impl Fn(&Hash) -> Option<MapEntry>,
) -> Vec<Change> {
    let ids = match &link.record.entry {
        Entry::StatusChanged(changed) => std::slice::from_ref(&changed.id),
        Entry::CertificateIssued(issued) => issued.supersedes(),
        Entry::TypeDefined(defined) if defines => {
            return definition_change(link, &defined.code, current)
                .into_iter()
                .collect();
        }
        Entry::TypeDefined(_)
        | Entry::MatterDefined(_)
        | Entry::GrantMade(_)
        | Entry::GrantWithdrawn(_)
        | Entry::CertificateErased(_)
        | Entry::RetrievalDecided(_)
        | Entry::RetrievalAcknowledged(_)
        | Entry::CaseAccepted(_)
        | Entry::AccessLogRead(_)
        | Entry::Unknown(_) => return Vec::new(),
    };
    let changes = ids.iter().filter_map(|id| change_of(link, id, &current));
    changes.collect()
}

fn definition_change(
    link: &Link,
    code: &TypeCode,
    current: impl Fn(&Hash) -> Option<MapEntry>,
) -> Option<Change> {
    let key = definition_key(code);
    let before = current(&key);
    let entry = match before {
        Some(MapEntry::Definition(entry)) => entry,
        _ => DefinitionEntry::NONE,
    };
    let after = entry.and(link.record.seq, &link.hash)?;
    Some(Change {
        key,
        before,
        after: Some(MapEntry::Definition(after)),
    })
}

fn change_of(
    link: &Link,
    id: &CertificateId,
    current: impl Fn(&Hash) -> Option<MapEntry>,
) -> Option<Change> {
    let record = &link.record;
    let key = status_key(id);
    let before = current(&key);
    let status = match before {
        Some(MapEntry::Status(entry)) => entry.status,
        _ => Status::Valid,
    };
    let status = match &record.entry {
        Entry::StatusChanged(changed) => status.after(changed.action).ok()?,
        _ if status == Status::Valid => Status::Superseded,
        _ => return None,
    };
    let after = (status != Status::Valid).then_some(MapEntry::Status(StatusEntry {
        status,
        seq: record.seq,
    }));
    Some(Change { key, before, after })
}
