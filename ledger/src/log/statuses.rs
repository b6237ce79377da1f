//! Current status of every certificate of a log that is not plainly valid, the current definition of every type that the
//! log defines, and the map that commits to both.
//!
//! The rules are total, so that every replica derives the same map whatever the department wrote: a change of a certificate
//! that the log has not issued before has no effect, nor has one that cannot follow the current status, nor a successor of
//! a certificate that is not valid. So a log's statuses are never more than its certificates. Honest peers never write such
//! records.

use std::io;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::crypto::hash::{Hash, Purpose, hash, hash_parts};
use crate::id::{CertificateId, TypeCode};
use crate::record::{Entry, RecordHash, Status};
use crate::status_map::{StatusMap, Value};

use super::link::Link;

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
/// shown some of the latest can see that none is left out.
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

/// What a key of the map stands for. Without an entry a certificate is plainly valid, a type not defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum MapEntry {
    Status(StatusEntry),
    Definition(DefinitionEntry),
}

impl Value for MapEntry {
    fn hash(&self) -> Hash {
        match self {
            MapEntry::Status(entry) => entry.value(),
            MapEntry::Definition(entry) => entry.value(),
        }
    }
}

/// A change to one entry of the map: its key and what it is from then on.
pub(crate) type Change = (Hash, Option<MapEntry>);

/// The map of a log. A change is made at its record's position and shows once a checkpoint covers that.
pub(crate) struct Statuses(StatusMap<MapEntry>);

impl Statuses {
    pub(crate) fn new(map: StatusMap<MapEntry>) -> Statuses {
        Statuses(map)
    }

    pub(crate) fn get(&self, id: &CertificateId) -> io::Result<Option<StatusEntry>> {
        Ok(match self.0.get(&status_key(id))? {
            Some(MapEntry::Status(entry)) => Some(entry),
            _ => None,
        })
    }

    pub(crate) fn definition(&self, code: &TypeCode) -> io::Result<Option<DefinitionEntry>> {
        Ok(match self.0.get(&definition_key(code))? {
            Some(MapEntry::Definition(entry)) => Some(entry),
            _ => None,
        })
    }

    /// The map itself.
    pub(crate) fn map(&mut self) -> &mut StatusMap<MapEntry> {
        &mut self.0
    }

    /// Takes in what a record changes. `defines` says whether a definition has an effect, `issued` whether the log issued a certificate before that record.
    pub(crate) fn take(
        &mut self,
        link: &Link,
        defines: bool,
        issued: impl Fn(&CertificateId) -> io::Result<bool>,
    ) -> io::Result<()> {
        let map = &mut self.0;
        let changes = changes_of(link, defines, |key| map.latest(key), issued)?;
        for (key, entry) in changes {
            map.set(key, entry, link.record.seq)?;
        }
        Ok(())
    }
}

/// The certificates whose status an entry may change.
pub(crate) fn changed(entry: &Entry) -> &[CertificateId] {
    match entry {
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
        | Entry::AccessLogRead(_)
        | Entry::Unknown(_) => &[],
    }
}

/// The changes a record makes, each of another key: given the map's entries by then, and which certificates the log has
/// issued by then. `defines` says whether a definition has an effect, as [`super::definitions`] decides it.
pub(crate) fn changes_of(
    link: &Link,
    defines: bool,
    current: impl Fn(&Hash) -> io::Result<Option<MapEntry>>,
    issued: impl Fn(&CertificateId) -> io::Result<bool>,
) -> io::Result<Vec<Change>> {
    if let Entry::TypeDefined(defined) = &link.record.entry
        && defines
    {
        let change = definition_change(link, &defined.code, current)?;
        return Ok(change.into_iter().collect());
    }
    let mut changes = Vec::new();
    for id in changed(&link.record.entry) {
        if let Some(change) = change_of(link, id, &current)?
            && issued(id)?
        {
            changes.push(change);
        }
    }
    Ok(changes)
}

fn definition_change(
    link: &Link,
    code: &TypeCode,
    current: impl Fn(&Hash) -> io::Result<Option<MapEntry>>,
) -> io::Result<Option<Change>> {
    let key = definition_key(code);
    let before = match current(&key)? {
        Some(MapEntry::Definition(entry)) => entry,
        _ => DefinitionEntry::NONE,
    };
    let after = before.and(link.record.seq, &link.hash);
    Ok(after.map(|after| (key, Some(MapEntry::Definition(after)))))
}

/// The status that an entry gives a certificate of this one; `None` if it changes nothing of it.
pub(crate) fn status_after(entry: &Entry, id: &CertificateId, status: Status) -> Option<Status> {
    match entry {
        _ if !changed(entry).contains(id) => None,
        Entry::StatusChanged(changed) => status.after(changed.action).ok(),
        _ => (status == Status::Valid).then_some(Status::Superseded),
    }
}

fn change_of(
    link: &Link,
    id: &CertificateId,
    current: impl Fn(&Hash) -> io::Result<Option<MapEntry>>,
) -> io::Result<Option<Change>> {
    let record = &link.record;
    let key = status_key(id);
    let status = match current(&key)? {
        Some(MapEntry::Status(entry)) => entry.status,
        _ => Status::Valid,
    };
    let Some(status) = status_after(&record.entry, id, status) else {
        return Ok(None);
    };
    let after = (status != Status::Valid).then_some(MapEntry::Status(StatusEntry {
        status,
        seq: record.seq,
    }));
    Ok(Some((key, after)))
}
