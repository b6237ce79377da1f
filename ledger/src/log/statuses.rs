//! Current status of every certificate of a log that is not plainly valid, what its department says of certificates that it
//! inherited, the current definition of every type that the log defines, and the map that commits to all of these.
//!
//! The rules are total, so that every replica derives the same map whatever the department wrote: a change of a certificate
//! that the log has not issued before has no effect, nor has one that cannot follow the current status, nor a successor of
//! a certificate that is not valid. Nor has a change of another department's certificate by one that did not change its
//! statuses as of the governance height that the record names; whether there is such a certificate only that one's log says.
//! So a log's statuses are never more than its certificates and its changes of others'. Honest peers never write such records.

use std::io;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::crypto::hash::{Hash, Purpose, hash, hash_parts};
use crate::governance::History;
use crate::id::{CertificateId, DepartmentCode, TypeCode};
use crate::record::{Entry, Inherited, Record, RecordHash, Status};
use crate::status_map::{StatusMap, Value};

use super::link::Link;
use super::reading::Unread;

/// Most versions of one type that count; a log's later ones have no effect.
pub(super) const MAX_VERSIONS: u32 = 1024;

/// Status of a certificate and the record that gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusEntry {
    /// The status. In a map `Valid` only of an inherited certificate: without an entry those before decide.
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

/// The key in the status map of a successor's log of a certificate that it inherited, by the department that issued it: the
/// identifier may be that of a certificate of this log as well.
pub fn inherited_key(department: &DepartmentCode, id: &CertificateId) -> Hash {
    let parts = [department.as_str().as_bytes(), id.as_str().as_bytes()];
    hash_parts(Purpose::InheritedKey, &parts)
}

/// Whether a record in a department's log changes the statuses of certificates that this department has inherited by the
/// governance height that it names.
pub(crate) fn inherits(history: &History, by: &DepartmentCode, record: &Record) -> bool {
    inherited(&record.entry).is_none_or(|of| history.inherited(&of.department, by, record.height))
}

/// A record, if it can't be known here what it says: its entry is of a later version, or whether its department inherited the
/// certificate that it changes was decided beyond the height `known` of governance.
pub(crate) fn unread(record: &Record, known: impl Fn() -> u64) -> Option<Unread> {
    let behind = match &record.entry {
        Entry::Unknown(_) => None,
        // Of most records nobody needs to look at governance.
        entry if inherited(entry).is_some() && record.height > known() => Some(record.height),
        _ => return None,
    };
    Some(Unread {
        seq: record.seq,
        time_ms: record.time_ms,
        behind,
    })
}

/// Which inherited certificate's status an entry changes.
pub(super) fn inherited(entry: &Entry) -> Option<&Inherited> {
    match entry {
        Entry::StatusChanged(changed) => changed.inherited.as_ref(),
        _ => None,
    }
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

/// What a key of the map stands for. Without an entry a certificate is plainly valid, an inherited one as those before left
/// it, a type not defined.
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
        self.status(&status_key(id))
    }

    /// What a log says of a certificate that it inherited.
    pub(crate) fn inherited(
        &self,
        department: &DepartmentCode,
        id: &CertificateId,
    ) -> io::Result<Option<StatusEntry>> {
        self.status(&inherited_key(department, id))
    }

    fn status(&self, key: &Hash) -> io::Result<Option<StatusEntry>> {
        Ok(match self.0.get(key)? {
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

    /// Takes in what a record changes. `may` says whether a definition, or a change of an inherited certificate, can have an
    /// effect, `issued` whether the log issued a certificate before that record.
    pub(crate) fn take(
        &mut self,
        link: &Link,
        may: bool,
        issued: impl Fn(&CertificateId) -> io::Result<bool>,
    ) -> io::Result<()> {
        let map = &mut self.0;
        let changes = changes_of(link, may, |key| map.latest(key), issued)?;
        for (key, entry) in changes {
            map.set(key, entry, link.record.seq)?;
        }
        Ok(())
    }
}

/// The certificates of its own log whose status an entry may change.
pub(crate) fn changed(entry: &Entry) -> &[CertificateId] {
    match entry {
        Entry::StatusChanged(changed) if changed.inherited.is_some() => &[],
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
/// issued by then. `may` says whether a definition has an effect, as [`super::definitions`] decides it, and whether a change
/// of an inherited certificate is its department's to make, as [`inherits`] does.
pub(crate) fn changes_of(
    link: &Link,
    may: bool,
    current: impl Fn(&Hash) -> io::Result<Option<MapEntry>>,
    issued: impl Fn(&CertificateId) -> io::Result<bool>,
) -> io::Result<Vec<Change>> {
    if !may {
        return Ok(Vec::new());
    }
    if let Entry::TypeDefined(defined) = &link.record.entry {
        let change = definition_change(link, &defined.code, current)?;
        return Ok(change.into_iter().collect());
    }
    if let Some(of) = inherited(&link.record.entry) {
        return Ok(inherited_change(link, of, current)?.into_iter().collect());
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

/// The status that an entry gives an inherited certificate which a log says this of; `None` if it changes nothing of it.
pub(crate) fn inherited_after(
    entry: &Entry,
    (department, id): (&DepartmentCode, &CertificateId),
    now: Option<Status>,
) -> Option<Status> {
    let Entry::StatusChanged(changed) = entry else {
        return None;
    };
    let of = changed.inherited.as_ref();
    let of = of.filter(|of| of.department == *department && changed.id == *id)?;
    now.unwrap_or(of.from).after(changed.action).ok()
}

fn inherited_change(
    link: &Link,
    of: &Inherited,
    current: impl Fn(&Hash) -> io::Result<Option<MapEntry>>,
) -> io::Result<Option<Change>> {
    let record = &link.record;
    let Entry::StatusChanged(changed) = &record.entry else {
        return Ok(None);
    };
    let key = inherited_key(&of.department, &changed.id);
    let now = match current(&key)? {
        Some(MapEntry::Status(entry)) => Some(entry.status),
        _ => None,
    };
    let after = inherited_after(&record.entry, (&of.department, &changed.id), now);
    let entry = |status| StatusEntry {
        status,
        seq: record.seq,
    };
    // Also where it is valid again: without an entry those before would decide.
    Ok(after.map(|status| (key, Some(MapEntry::Status(entry(status))))))
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
