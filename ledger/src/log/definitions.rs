//! What a log defines: certificate types, matters, and grants in force.
//!
//! Derived from the log's records in their order. The rules are total, so that every replica comes to the same: what
//! goes past a bound has no effect, nor has the withdrawal of a grant that is not in force.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

use crate::id::{MatterCode, TypeCode};
use crate::record::{Entry, GrantMade, MatterDefined, TypeDefined};

/// Most types a log may define.
pub const MAX_TYPES: usize = 4096;
/// Most matters a log may define.
pub const MAX_MATTERS: usize = 16_384;
/// Most versions of one type or matter that are told apart; later ones replace the last.
pub const MAX_VERSIONS: usize = 1024;
/// Most grants that may be in force at a time.
pub const MAX_GRANTS: usize = 65_536;

/// The versions of a definition.
#[derive(Debug)]
pub struct Versions<T> {
    current: Arc<T>,
    seqs: Vec<u64>,
}

impl<T> Clone for Versions<T> {
    fn clone(&self) -> Self {
        Versions {
            current: Arc::clone(&self.current),
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

    fn add<K: Ord>(
        map: &mut BTreeMap<K, Versions<T>>,
        key: K,
        definition: &T,
        seq: u64,
        most: usize,
    ) where
        T: Clone,
    {
        let full = map.len() == most;
        let current = Arc::new(definition.clone());
        match map.entry(key) {
            Occupied(mut entry) => {
                let versions = entry.get_mut();
                versions.current = current;
                if versions.seqs.len() == MAX_VERSIONS {
                    versions.seqs.pop();
                }
                versions.seqs.push(seq);
            }
            Vacant(_) if full => {}
            Vacant(entry) => {
                entry.insert(Versions {
                    current,
                    seqs: vec![seq],
                });
            }
        }
    }
}

/// A log's definitions as of a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    types: BTreeMap<TypeCode, Versions<TypeDefined>>,
    matters: BTreeMap<MatterCode, Versions<MatterDefined>>,
    grants: BTreeMap<u64, Arc<GrantMade>>,
}

impl Definitions {
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

    /// Takes in the record at `seq`.
    pub(super) fn apply(&mut self, entry: &Entry, seq: u64) {
        match entry {
            Entry::TypeDefined(defined) => {
                Versions::add(&mut self.types, defined.code, defined, seq, MAX_TYPES);
            }
            Entry::MatterDefined(defined) => {
                let code = defined.code.clone();
                Versions::add(&mut self.matters, code, defined, seq, MAX_MATTERS);
            }
            Entry::GrantMade(grant) if self.grants.len() < MAX_GRANTS => {
                self.grants.insert(seq, Arc::new(grant.clone()));
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
            | Entry::AccessLogRead(_) => {}
        }
    }
}
