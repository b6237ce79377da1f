//! What a log defines: certificate types, matters, and grants in force.
//!
//! Derived from the log's records in their order. The rules are total, so that every replica reaches the same result:
//! what exceeds a bound has no effect, and neither has the withdrawal of a grant that is not in force. Every peer keeps
//! this of every log in memory, so the bounds are in bytes; the definitions themselves stay on disk.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

use crate::codec;
use crate::id::{DepartmentCode, MatterCode, TypeCode};
use crate::record::{Entry, GrantMade, MatterDefined, RecordHash, TypeDefined};

use super::link::Link;
use super::statuses;

/// Most versions of a type that count, and most of a matter that are distinguished: later ones replace the last.
pub const MAX_VERSIONS: usize = statuses::MAX_VERSIONS as usize;
/// Most bytes that the types a log defines may be charged, all their versions together.
pub const MAX_TYPE_BYTES: usize = 8 << 20;
/// Most bytes that the matters a log defines may be charged, all their versions together.
pub const MAX_MATTER_BYTES: usize = 4 << 20;
/// Most bytes that the grants in force in a log may be charged.
pub const MAX_GRANT_BYTES: usize = 4 << 20;

// What is charged is part of the rules of the log, alike on every machine, and no less than what a peer keeps.

/// Charged for a code of a type.
const TYPE_BYTES: usize = 256;
/// Charged for each version of a type.
const TYPE_VERSION_BYTES: usize = 128;
/// Charged for each department listed, unless the version before lists the same.
const ISSUER_BYTES: usize = DepartmentCode::LEN;
/// Charged for a code of a matter, its first version included.
const MATTER_BYTES: usize = 320;
/// Charged for each further version of a matter.
const MATTER_VERSION_BYTES: usize = 16;
/// Charged for a grant beside its encoding.
const GRANT_BYTES: usize = 192;

/// Why a definition has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEffect {
    /// All versions of the type that count have been used up.
    #[error(
        "the type has {MAX_VERSIONS} versions, which is the most that count; define it under another code"
    )]
    Versions,
    /// There is no room for it among the types.
    #[error(
        "the types that this log defines {0}; list fewer departments, or the same as the version before"
    )]
    Types(NoRoom),
    /// There is no room for it among the matters.
    #[error(
        "the matters that this log defines {0}; define it as the next version of a matter that is no longer needed"
    )]
    Matters(NoRoom),
    /// There is no room for it among the grants in force.
    #[error("the grants in force in this log {0}; withdraw those that are no longer needed")]
    Grants(NoRoom),
    /// The grant that it withdraws is not in force.
    #[error("no such grant is in force")]
    NotInForce,
}

/// How much room there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("take up {used} of {most} bytes in the memory of every peer, and this one needs {more}")]
pub struct NoRoom {
    /// Bytes charged so far.
    pub used: usize,
    /// Bytes that the entry would be charged.
    pub more: usize,
    /// Bytes allowed.
    pub most: usize,
}

/// Where a definition's record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its position.
    pub seq: u64,
    /// Its hash.
    pub hash: RecordHash,
    /// Its time, ms.
    pub time_ms: u64,
}

/// The versions of a type that count.
#[derive(Clone, Debug, Default)]
pub struct TypeVersions(Vec<Listing>);

impl TypeVersions {
    /// Whom each version lets issue, oldest first.
    pub fn listings(&self) -> &[Listing] {
        &self.0
    }

    /// How many there are: the number of the latest, from 1.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Position of the latest one's record.
    pub fn seq(&self) -> u64 {
        self.0.last().map_or(0, |last| last.seq)
    }

    /// Hash of the latest one's record.
    pub fn hash(&self) -> RecordHash {
        self.0.last().map_or(RecordHash::NONE, |last| last.hash)
    }
}

/// Where one version of a matter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatterVersion {
    /// Position of its record.
    pub seq: u64,
    /// Time of that record, ms.
    pub time_ms: u64,
}

/// The versions of a matter.
#[derive(Clone, Debug)]
pub struct MatterVersions {
    versions: Vec<MatterVersion>,
    hash: RecordHash,
}

impl MatterVersions {
    /// Where each version is, oldest first.
    pub fn versions(&self) -> &[MatterVersion] {
        &self.versions
    }

    /// How many there are: the number of the latest, from 1.
    pub fn count(&self) -> usize {
        self.versions.len()
    }

    /// Position of the latest one's record.
    pub fn seq(&self) -> u64 {
        self.versions.last().map_or(0, |last| last.seq)
    }

    /// Hash of the latest one's record.
    pub fn hash(&self) -> RecordHash {
        self.hash
    }
}

/// Whom one definition of a type lets issue, kept of every definition that counts: a check of who was
/// entitled to issue a certificate consults each, and must not read each.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Position of the definition's record.
    pub seq: u64,
    /// Hash of that record.
    pub hash: RecordHash,
    /// Time of that record, ms.
    pub time_ms: u64,
    /// The departments listed; empty for all with the role to issue. Shared while it stays the same.
    issuers: Arc<[DepartmentCode]>,
}

impl Listing {
    /// That of a definition, after the one before it.
    pub fn new(
        defined: &TypeDefined,
        (seq, hash, time_ms): (u64, RecordHash, u64),
        before: Option<&Listing>,
    ) -> Listing {
        Listing {
            seq,
            hash,
            time_ms,
            issuers: match before.filter(|before| before.lists(defined)) {
                Some(before) => Arc::clone(&before.issuers),
                None => Arc::from(&*defined.issuers),
            },
        }
    }

    /// Whether a definition lists the same departments.
    fn lists(&self, defined: &TypeDefined) -> bool {
        *self.issuers == *defined.issuers
    }

    /// Whether the definition lets a department issue the type.
    pub fn lets_issue(&self, department: &DepartmentCode) -> bool {
        self.issuers.is_empty() || self.issuers.contains(department)
    }
}

/// A grant in force, encoded: decoded, it takes many times as much.
#[derive(Clone, Debug)]
struct GrantHeld {
    type_code: TypeCode,
    encoded: Arc<[u8]>,
}

impl GrantHeld {
    fn decode(&self) -> GrantMade {
        codec::decode(&self.encoded, self.encoded.len()).expect("encoded here")
    }
}

/// A log's definitions as of a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    types: BTreeMap<TypeCode, Arc<TypeVersions>>,
    matters: BTreeMap<MatterCode, Arc<MatterVersions>>,
    grants: BTreeMap<u64, GrantHeld>,
    /// Bytes charged.
    type_bytes: usize,
    matter_bytes: usize,
    grant_bytes: usize,
}

impl Definitions {
    /// Whom each definition of a type lets issue, oldest first.
    pub fn listings(&self, code: &TypeCode) -> &[Listing] {
        self.types.get(code).map_or(&[], |held| held.listings())
    }

    /// Types, by code.
    pub fn types(&self) -> &BTreeMap<TypeCode, Arc<TypeVersions>> {
        &self.types
    }

    /// Matters, by code.
    pub fn matters(&self) -> &BTreeMap<MatterCode, Arc<MatterVersions>> {
        &self.matters
    }

    /// Grants that were not withdrawn from a position on, by the position of their record.
    pub fn grants(&self, from: u64) -> impl Iterator<Item = (u64, GrantMade)> {
        let grants = self.grants.range(from..);
        grants.map(|(seq, held)| (*seq, held.decode()))
    }

    /// Those of certificates of one type.
    pub fn grants_of(&self, code: TypeCode) -> impl Iterator<Item = (u64, GrantMade)> {
        let grants = self.grants.iter();
        let of_type = grants.filter(move |(_, held)| held.type_code == code);
        of_type.map(|(seq, held)| (*seq, held.decode()))
    }

    /// Whether the grant at a position was made and not withdrawn.
    pub fn is_granted(&self, seq: u64) -> bool {
        self.grants.contains_key(&seq)
    }

    /// Position of a grant that says exactly this.
    pub fn same_grant(&self, grant: &GrantMade) -> Option<u64> {
        let encoded = codec::encode(grant);
        let mut grants = self.grants.iter();
        let same = grants.find(|(_, held)| *held.encoded == *encoded);
        same.map(|(seq, _)| *seq)
    }

    /// Whether an entry is of a kind that defines something.
    pub(super) fn concerns(entry: &Entry) -> bool {
        matches!(
            entry,
            Entry::TypeDefined(_)
                | Entry::MatterDefined(_)
                | Entry::GrantMade(_)
                | Entry::GrantWithdrawn(_)
        )
    }

    /// Whether an entry would have an effect as the next of the log, and how many bytes it would be charged. An entry that
    /// defines nothing is charged nothing.
    ///
    /// # Errors
    /// [`NoEffect`] says why it would have none.
    pub fn charge(&self, entry: &Entry) -> Result<usize, NoEffect> {
        match entry {
            Entry::TypeDefined(defined) => {
                let listings = self.listings(&defined.code);
                if listings.len() >= MAX_VERSIONS {
                    return Err(NoEffect::Versions);
                }
                let code = if listings.is_empty() { TYPE_BYTES } else { 0 };
                let same = listings.last().is_some_and(|last| last.lists(defined));
                let issuers = if same { 0 } else { defined.issuers.len() };
                let more = code + TYPE_VERSION_BYTES + issuers * ISSUER_BYTES;
                fits(self.type_bytes, more, MAX_TYPE_BYTES).map_err(NoEffect::Types)
            }
            Entry::MatterDefined(defined) => match self.matters.get(&defined.code) {
                None => fits(self.matter_bytes, MATTER_BYTES, MAX_MATTER_BYTES)
                    .map_err(NoEffect::Matters),
                Some(held) => Ok(self.further_version(held).unwrap_or(0)),
            },
            Entry::GrantMade(grant) => {
                let more = GRANT_BYTES + codec::encode(grant).len();
                fits(self.grant_bytes, more, MAX_GRANT_BYTES).map_err(NoEffect::Grants)
            }
            Entry::GrantWithdrawn(withdrawn) if !self.is_granted(withdrawn.grant) => {
                Err(NoEffect::NotInForce)
            }
            Entry::GrantWithdrawn(_)
            | Entry::CertificateIssued(_)
            | Entry::StatusChanged(_)
            | Entry::CertificateErased(_)
            | Entry::RetrievalDecided(_)
            | Entry::RetrievalAcknowledged(_)
            | Entry::CaseAccepted(_)
            | Entry::AccessLogRead(_)
            | Entry::Unknown(_) => Ok(0),
        }
    }

    /// What one more version of a matter is charged; `None` when it takes the place of the last, so that what a matter
    /// requires can always be changed.
    fn further_version(&self, held: &MatterVersions) -> Option<usize> {
        let room = fits(self.matter_bytes, MATTER_VERSION_BYTES, MAX_MATTER_BYTES);
        room.ok().filter(|_| held.count() < MAX_VERSIONS)
    }

    /// Takes in an entry as the next of the log, at a position.
    ///
    /// # Errors
    /// [`NoEffect`]; then nothing has changed.
    pub fn add(&mut self, entry: &Entry, position: Position) -> Result<(), NoEffect> {
        let charged = self.charge(entry)?;
        match entry {
            Entry::TypeDefined(defined) => {
                self.type_bytes += charged;
                let listings = &mut Arc::make_mut(self.types.entry(defined.code).or_default()).0;
                let at = (position.seq, position.hash, position.time_ms);
                let listing = Listing::new(defined, at, listings.last());
                listings.reserve_exact(1);
                listings.push(listing);
            }
            Entry::MatterDefined(defined) => self.add_matter(defined, charged, position),
            Entry::GrantMade(grant) => {
                self.grant_bytes += charged;
                let held = GrantHeld {
                    type_code: grant.type_code,
                    encoded: Arc::from(codec::encode(grant)),
                };
                self.grants.insert(position.seq, held);
            }
            Entry::GrantWithdrawn(withdrawn) => {
                if let Some(held) = self.grants.remove(&withdrawn.grant) {
                    self.grant_bytes -= GRANT_BYTES + held.encoded.len();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_matter(&mut self, defined: &MatterDefined, charged: usize, position: Position) {
        self.matter_bytes += charged;
        let version = MatterVersion {
            seq: position.seq,
            time_ms: position.time_ms,
        };
        match self.matters.entry(defined.code.clone()) {
            Vacant(place) => {
                let versions = vec![version];
                let hash = position.hash;
                place.insert(Arc::new(MatterVersions { versions, hash }));
            }
            Occupied(mut held) => {
                let held = Arc::make_mut(held.get_mut());
                held.hash = position.hash;
                // Charged nothing, it takes the place of the last.
                if charged == 0 {
                    held.versions.pop();
                }
                held.versions.reserve_exact(1);
                held.versions.push(version);
            }
        }
    }

    /// Adds a record; returns whether it has an effect as far as definitions are concerned.
    pub(super) fn take(&mut self, link: &Link) -> bool {
        let position = Position {
            seq: link.record.seq,
            hash: link.hash,
            time_ms: link.record.time_ms,
        };
        self.add(&link.record.entry, position).is_ok()
    }
}

fn fits(used: usize, more: usize, most: usize) -> Result<usize, NoRoom> {
    match used + more <= most {
        true => Ok(more),
        false => Err(NoRoom { used, more, most }),
    }
}

/// A log's definitions as records on the way to a checkpoint will leave them. Shares what they leave as it is with those of
/// the last checkpoint, so it takes hardly more memory, whatever the records define.
#[derive(Clone, Default)]
pub(super) struct PendingDefinitions(Option<Definitions>);

impl PendingDefinitions {
    /// Adds the next record; returns whether it has an effect as far as definitions are concerned.
    pub(super) fn take(
        &mut self,
        committed: impl FnOnce() -> Arc<Definitions>,
        link: &Link,
    ) -> bool {
        let entry = &link.record.entry;
        if !Definitions::concerns(entry) {
            return true;
        }
        if self.0.is_none() {
            let committed = committed();
            // What has no effect costs no copy.
            if committed.charge(entry).is_err() {
                return false;
            }
            self.0 = Some(Definitions::clone(&committed));
        }
        self.0
            .as_mut()
            .is_some_and(|definitions| definitions.take(link))
    }

    /// What they are once the checkpoint is committed; `None` when nothing changes.
    pub(super) fn into_changed(self) -> Option<Arc<Definitions>> {
        self.0.map(Arc::new)
    }
}

#[path = "definitions_saved.rs"]
mod saved;
#[cfg(test)]
#[path = "definitions_tests.rs"]
mod tests;

pub(super) use saved::SavedDefinitions;
