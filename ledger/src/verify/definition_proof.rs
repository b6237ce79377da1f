//! What a certificate's definition let its department do, in a proof.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalogue::{
    Authority, Catalogue, CertificateState, DEFINITION_LAG_MS, DefinitionEvidence, NotAuthorised,
    Unproven, may_define,
};
use crate::codec::{self, Blob, Bounded};
use crate::crypto::hash::Hash;
use crate::id::{DepartmentCode, TypeCode};
use crate::log::{
    Cosignature, DefinitionEntry, Listing, MAX_VERSIONS, SignedCheckpoint, VerifiedCheckpoint,
    definition_key,
};
use crate::membership::Membership;
use crate::record::{DefinitionRef, Entry, MAX_RECORD, Record, RecordHash, record_hash};
use crate::status_map::StatusProof;

use super::bundle::{BundleError, GatherError, counting, unvouched};

/// What shows that a type's definition let a department issue: all definitions from the one named on, chained to what the
/// status map of their log commits to, so that none is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DefinitionProof {
    /// The checkpoint of their log; the bundle's own when it is the certificate's log, too.
    checkpoint: Option<SignedCheckpoint>,
    /// Members' signatures under that checkpoint: up to when nothing was added.
    cosignatures: Bounded<Cosignature, 64>,
    status: StatusProof,
    /// Definitions of the type before the one named, and their chain.
    versions_before: u32,
    chain_before: Hash,
    /// Their records up to the first that was made less than a day before the certificate, or later: from there on none
    /// counts, since times never go back.
    records: Bounded<Blob<MAX_RECORD>, MAX_VERSIONS>,
    /// Record hash of each that came after those.
    later: Bounded<RecordHash, MAX_VERSIONS>,
    /// Position of the last definition of all.
    last: u64,
}

impl DefinitionProof {
    pub(super) fn gather(
        catalogue: &Catalogue,
        state: &CertificateState,
        checkpoint: &VerifiedCheckpoint,
        cosignatures: impl Fn(&VerifiedCheckpoint) -> Vec<Cosignature>,
    ) -> Result<Option<DefinitionProof>, GatherError> {
        let certificate = state.certificate();
        let (named, code) = (certificate.definition, certificate.id.type_code());
        let time_ms = state.issued.record().time_ms;
        match catalogue.authority(&state.log, state.issued.record(), certificate)? {
            Authority::NotGiven(
                NotAuthorised::NotNamed
                | NotAuthorised::Void(_)
                | NotAuthorised::NoRole
                | NotAuthorised::NobodyDefines
                | NotAuthorised::OthersDefinition,
            ) => return Ok(None),
            Authority::NotGiven(why @ NotAuthorised::NotADefinition) => {
                return Err(GatherError::NotAuthorised(why));
            }
            Authority::Unknown(
                missing @ (Unproven::NotHeld { .. }
                | Unproven::Decisions { .. }
                | Unproven::Disputed { .. }
                | Unproven::LaterVersion { .. }),
            ) => return Err(GatherError::Definition(missing)),
            _ => {}
        }
        let (log, seq) = (named.log, named.seq);
        let not_held = || GatherError::Definition(Unproven::NotHeld { log, seq });
        let defining = catalogue.log_of(&log.department).ok_or_else(not_held)?;
        let (defined_at, entry, status) = defining.prove_definition(&code)?;
        let current = entry.ok_or_else(not_held)?;
        let since_ms = time_ms.saturating_sub(DEFINITION_LAG_MS);
        let mut before = DefinitionEntry::NONE;
        let (mut records, mut later) = (Vec::new(), Vec::new());
        let mut counts = true;
        for listing in defining.definitions().listings(&code) {
            let seq = listing.seq;
            if seq < named.seq {
                before = before.and(seq, &listing.hash).ok_or_else(not_held)?;
            } else if seq > current.seq {
                // What came since the proof was made belongs to a later one.
                break;
            } else if counts {
                let bytes = codec::encode(defining.record(seq)?.record());
                records.push(Blob::new(bytes).expect("a record is within its bound"));
                counts = seq == named.seq || listing.time_ms < since_ms;
            } else {
                later.push(listing.hash);
            }
        }
        let own = defined_at == *checkpoint;
        // Of one log both proofs have to be of one checkpoint.
        if !own && log.department == checkpoint.log.department {
            return Err(not_held());
        }
        let mut newest = match own {
            true => Vec::new(),
            false => cosignatures(&defined_at),
        };
        newest.sort_by_key(|signed| std::cmp::Reverse(signed.time_ms));
        Ok(Some(DefinitionProof {
            checkpoint: (!own).then(|| defined_at.signed().clone()),
            cosignatures: Bounded::first(newest),
            status,
            versions_before: before.versions,
            chain_before: before.chain,
            records: Bounded::first(records),
            later: Bounded::first(later),
            last: current.seq,
        }))
    }

    /// The latest time signed in it, ms, and the department that signed it.
    pub(super) fn dated(&self, named: &DefinitionRef) -> (u64, DepartmentCode) {
        let checkpoint = self.checkpoint.iter();
        let checkpoint = checkpoint.map(|c| (c.checkpoint.time_ms, named.log.department));
        let cosigned = self.cosignatures.iter().map(|c| (c.time_ms, c.witness));
        let none = (0, named.log.department);
        checkpoint.chain(cosigned).fold(none, Ord::max)
    }

    /// Checks that these are all definitions of the type from the one named on.
    pub(super) fn verify(
        self,
        members: &Membership,
        issued_under: &VerifiedCheckpoint,
        named: &DefinitionRef,
        certificate: (&TypeCode, u64),
    ) -> Result<(DefinitionEvidence, Option<Unproven>), BundleError> {
        let (code, time_ms) = certificate;
        let issuer = issued_under.log.department;
        // Of the certificate's own log there is one checkpoint, whose witnesses stand beside the certificate.
        let is_own = self.checkpoint.is_none();
        let checkpoint = match self.checkpoint {
            None => issued_under.clone(),
            Some(checkpoint) if checkpoint.checkpoint.log == issued_under.log => {
                return Err(BundleError::Definition);
            }
            Some(checkpoint) => {
                let refused = |error| BundleError::of(error, members);
                checkpoint.verify(members).map_err(refused)?
            }
        };
        let history = members.history();
        let lineage = history.lineage(checkpoint.log);
        if lineage.at(named.seq).id != named.log {
            return Err(BundleError::Definition);
        }
        let cosignatures = counting(self.cosignatures, BTreeSet::new(), &checkpoint, members)?;
        // The issuer's own word on the definitions it has to keep to does not count.
        let others = cosignatures
            .iter()
            .filter(|signed| signed.witness != issuer);
        let known_ms = others.fold(checkpoint.time_ms, |ms, signed| ms.max(signed.time_ms));
        let unvouched = match is_own {
            true => None,
            false => unvouched(&history, &checkpoint, &cosignatures),
        };
        let mut entry = DefinitionEntry {
            seq: 0,
            versions: self.versions_before,
            chain: self.chain_before,
        };
        let mut listings: Vec<Listing> = Vec::with_capacity(self.records.len());
        let mut counting = Vec::with_capacity(self.records.len());
        for bytes in self.records.iter() {
            let record = Record::decode(bytes)?;
            let hash = record_hash(&lineage.at(record.seq), bytes);
            let counts = may_define(&history, &record.claim(&lineage), code);
            // One that came later and counts for nothing is in the chain as well.
            let shown = counts || !listings.is_empty();
            match &record.entry {
                Entry::TypeDefined(definition) if definition.code == *code && shown => {
                    let at = (record.seq, hash, record.time_ms);
                    counting.push(counts);
                    listings.push(Listing::new(definition, at, listings.last()));
                }
                _ => return Err(BundleError::Definition),
            }
            entry = entry
                .and(record.seq, &hash)
                .ok_or(BundleError::Definition)?;
        }
        for hash in self.later.iter() {
            entry = entry.and(self.last, hash).ok_or(BundleError::Definition)?;
        }
        entry.seq = self.last;
        // Those of which only hashes are shown have to be known for too late to count.
        let since_ms = time_ms.saturating_sub(DEFINITION_LAG_MS);
        let last_shown = listings[1.min(listings.len())..].last();
        if !self.later.is_empty() && last_shown.is_none_or(|shown| shown.time_ms < since_ms) {
            return Err(BundleError::Definition);
        }
        let proved = self
            .status
            .verify(&checkpoint.status_root, &definition_key(code))?;
        let is_named = listings
            .first()
            .is_some_and(|first| (first.seq, first.hash) == (named.seq, named.hash));
        if !is_named || proved != Some(entry.value()) {
            return Err(BundleError::Definition);
        }
        let listings = listings.into_iter().zip(counting);
        let listings = listings.filter_map(|(listing, counts)| counts.then_some(listing));
        let evidence = DefinitionEvidence {
            listings: listings.collect(),
            size: checkpoint.size,
            known_ms,
            disputed_from: None,
            unread: None,
        };
        Ok((evidence, unvouched))
    }
}
