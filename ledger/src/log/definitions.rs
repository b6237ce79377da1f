//! What a log defines: certificate types, matters, and grants in force.
//!
//! Derived from the log's records in their order. The rules are total, so that every replica comes to the same: what
//! goes past a bound has no effect, nor has the withdrawal of a grant that is not in force.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

use crate::id::{DepartmentCode, MatterCode, TypeCode};
use crate::record::{Entry, GrantMade, MatterDefined, RecordHash, TypeDefined};

use super::statuses;

/// Most types a log may define.
pub const MAX_TYPES: usize = 4096;
/// Most matters a log may define.
pub const MAX_MATTERS: usize = 16_384;
/// Most versions of one matter that are told apart, of which later ones replace the last; and most of one type that count.
pub const MAX_VERSIONS: usize = statuses::MAX_VERSIONS as usize;
/// Most grants that may be in force at a time.
pub const MAX_GRANTS: usize = 65_536;

/// Where a definition's record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its position.
    pub seq: u64,
    /// Its hash.
    pub hash: RecordHash,
    /// Its time, ms.
    pub time_ms: u64,
}

/// The versions of a definition.
#[derive(Debug)]
pub struct Versions<T> {
    current: Arc<T>,
    hash: RecordHash,
    seqs: Vec<u64>,
}

impl<T> Clone for Versions<T> {
    fn clone(&self) -> Self {
        Versions {
            current: Arc::clone(&self.current),
            hash: self.hash,
            seqs: self.seqs.clone(),
        }
    }
}

impl<T> Versions<T> {
    /// The latest.
    pub fn current(&self) -> &Arc<T> {
        &self.current
    }

    /// How many there are: the number of the latest, from 1.
    pub fn count(&self) -> usize {
        self.seqs.len()
    }

    /// Positions of their records, oldest first.
    pub fn seqs(&self) -> &[u64] {
        &self.seqs
    }

    /// Position of the latest one's record.
    pub fn seq(&self) -> u64 {
        self.seqs.last().copied().unwrap_or_default()
    }

    /// Hash of the latest one's record.
    pub fn hash(&self) -> RecordHash {
        self.hash
    }

    fn add<K: Ord>(
        map: &mut BTreeMap<K, Versions<T>>,
        key: K,
        definition: &T,
        position: Position,
        most: Most,
    ) where
        T: Clone,
    {
        let full = map.len() == most.keys;
        match map.entry(key) {
            Occupied(mut entry) => {
                let versions = entry.get_mut();
                if versions.seqs.len() == MAX_VERSIONS {
                    if most.last_stays {
                        return;
                    }
                    versions.seqs.pop();
                }
                versions.current = Arc::new(definition.clone());
                versions.hash = position.hash;
                versions.seqs.push(position.seq);
            }
            Vacant(_) if full => {}
            Vacant(entry) => {
                entry.insert(Versions {
                    current: Arc::new(definition.clone()),
                    hash: position.hash,
                    seqs: vec![position.seq],
                });
            }
        }
    }
}

/// What goes beyond the bounds.
#[derive(Clone, Copy)]
struct Most {
    /// Most codes.
    keys: usize,
    /// Whether versions beyond [`MAX_VERSIONS`] have no effect; else each takes the place of the one before.
    last_stays: bool,
}

/// Whom one definition of a type lets issue, kept of every definition that counts: who was entitled to issue a certificate
/// is asked of each, and must not cost a read of each.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Position of the definition's record.
    pub seq: u64,
    /// Hash of that record.
    pub hash: RecordHash,
    /// Time of that record, ms.
    pub time_ms: u64,
    /// The departments listed; none stands for all with the role to issue. Shared while it stays the same.
    issuers: Arc<[DepartmentCode]>,
}

impl Listing {
    /// That of a definition, after the one before it.
    pub fn new(
        defined: &TypeDefined,
        (seq, hash, time_ms): (u64, RecordHash, u64),
        before: Option<&Listing>,
    ) -> Listing {
        let same = before.filter(|before| *before.issuers == *defined.issuers);
        Listing {
            seq,
            hash,
            time_ms,
            issuers: match same {
                Some(before) => Arc::clone(&before.issuers),
                None => Arc::from(&*defined.issuers),
            },
        }
    }

    /// Whether the definition lets a department issue the type.
    pub fn lets_issue(&self, department: &DepartmentCode) -> bool {
        self.issuers.is_empty() || self.issuers.contains(department)
    }
}

/// A log's definitions as of a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// Also of types beyond [`MAX_TYPES`]: the status map commits to those as well.
    listings: BTreeMap<TypeCode, Arc<Vec<Listing>>>,
    types: BTreeMap<TypeCode, Versions<TypeDefined>>,
    matters: BTreeMap<MatterCode, Versions<MatterDefined>>,
    grants: BTreeMap<u64, Arc<GrantMade>>,
}

impl Definitions {
    /// Whom each definition of a type lets issue, oldest first.
    pub fn listings(&self, code: &TypeCode) -> &[Listing] {
        self.listings.get(code).map_or(&[], |listings| listings)
    }

    /// Types, by code.
    pub fn types(&self) -> &BTreeMap<TypeCode, Versions<TypeDefined>> {
        &self.types
    }

    /// Matters, by code.
    pub fn matters(&self) -> &BTreeMap<MatterCode, Versions<MatterDefined>> {
        &self.matters
    }

    /// Grants that were not withdrawn, by the position of their record.
    pub fn grants(&self) -> &BTreeMap<u64, Arc<GrantMade>> {
        &self.grants
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

    /// Takes in the record at a position.
    pub(super) fn apply(&mut self, entry: &Entry, position: Position) {
        match entry {
            Entry::TypeDefined(defined) => {
                let listings = Arc::make_mut(self.listings.entry(defined.code).or_default());
                if listings.len() < MAX_VERSIONS {
                    let at = (position.seq, position.hash, position.time_ms);
                    let listing = Listing::new(defined, at, listings.last());
                    listings.push(listing);
                }
                // As in the status map, which proves to others which version is current.
                let most = Most {
                    keys: MAX_TYPES,
                    last_stays: true,
                };
                Versions::add(&mut self.types, defined.code, defined, position, most);
            }
            Entry::MatterDefined(defined) => {
                let code = defined.code.clone();
                let most = Most {
                    keys: MAX_MATTERS,
                    last_stays: false,
                };
                Versions::add(&mut self.matters, code, defined, position, most);
            }
            Entry::GrantMade(grant) if self.grants.len() < MAX_GRANTS => {
                self.grants.insert(position.seq, Arc::new(grant.clone()));
            }
            Entry::GrantWithdrawn(withdrawn) => {
                self.grants.remove(&withdrawn.grant);
            }
            Entry::GrantMade(_)
            | Entry::CertificateIssued(_)
            | Entry::StatusChanged(_)
            | Entry::CertificateErased(_)
            | Entry::RetrievalDecided(_)
            | Entry::RetrievalAcknowledged(_)
            | Entry::CaseAccepted(_)
            | Entry::AccessLogRead(_)
            | Entry::Unknown(_) => {}
        }
    }
}
