//! Definitions as a snapshot keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Definitions, GrantHeld, Listing, MatterVersion, MatterVersions, TypeVersions};
use crate::id::{DepartmentCode, MatterCode, TypeCode};
use crate::record::RecordHash;

/// Position and time of each version of a matter.
type SavedVersions = Vec<(u64, u64)>;

/// All that a log defines. Departments listed by a version as by the one before are saved once, as memory has them once.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedDefinitions {
    types: Vec<(TypeCode, Vec<SavedListing>)>,
    matters: Vec<(MatterCode, RecordHash, SavedVersions)>,
    grants: Vec<(u64, TypeCode, Vec<u8>)>,
    type_bytes: u64,
    matter_bytes: u64,
    grant_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedListing {
    seq: u64,
    hash: RecordHash,
    time_ms: u64,
    /// `None` for those of the version before.
    issuers: Option<Vec<DepartmentCode>>,
}

impl Definitions {
    pub(crate) fn save(&self) -> SavedDefinitions {
        let types = self.types.iter().map(|(code, versions)| {
            let mut before: Option<&Listing> = None;
            let listings = versions.0.iter().map(|listing| {
                let same = before.is_some_and(|before| before.issuers == listing.issuers);
                before = Some(listing);
                SavedListing {
                    seq: listing.seq,
                    hash: listing.hash,
                    time_ms: listing.time_ms,
                    issuers: (!same).then(|| listing.issuers.to_vec()),
                }
            });
            (*code, listings.collect())
        });
        let matters = self.matters.iter().map(|(code, held)| {
            let versions = held.versions.iter().map(|it| (it.seq, it.time_ms));
            (code.clone(), held.hash, versions.collect())
        });
        let grants = self.grants.iter();
        SavedDefinitions {
            types: types.collect(),
            matters: matters.collect(),
            grants: grants
                .map(|(seq, held)| (*seq, held.type_code, held.encoded.to_vec()))
                .collect(),
            type_bytes: self.type_bytes as u64,
            matter_bytes: self.matter_bytes as u64,
            grant_bytes: self.grant_bytes as u64,
        }
    }
}

impl SavedDefinitions {
    pub(crate) fn restore(self) -> Definitions {
        let mut types = BTreeMap::new();
        for (code, saved) in self.types {
            let mut versions: Vec<Listing> = Vec::with_capacity(saved.len());
            for listing in saved {
                let issuers = match (listing.issuers, versions.last()) {
                    (Some(issuers), _) => Arc::from(issuers),
                    (None, Some(before)) => Arc::clone(&before.issuers),
                    (None, None) => Arc::from([]),
                };
                versions.push(Listing {
                    seq: listing.seq,
                    hash: listing.hash,
                    time_ms: listing.time_ms,
                    issuers,
                });
            }
            types.insert(code, Arc::new(TypeVersions(versions)));
        }
        let matters = self.matters.into_iter().map(|(code, hash, versions)| {
            let versions = versions.into_iter();
            let versions = versions.map(|(seq, time_ms)| MatterVersion { seq, time_ms });
            let versions = versions.collect();
            (code, Arc::new(MatterVersions { versions, hash }))
        });
        let grants = self.grants.into_iter().map(|(seq, type_code, encoded)| {
            let encoded = Arc::from(encoded);
            (seq, GrantHeld { type_code, encoded })
        });
        Definitions {
            types,
            matters: matters.collect(),
            grants: grants.collect(),
            type_bytes: self.type_bytes as usize,
            matter_bytes: self.matter_bytes as usize,
            grant_bytes: self.grant_bytes as usize,
        }
    }
}
