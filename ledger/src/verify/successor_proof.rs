//! What one successor of a certificate's department says of it, in a proof.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Unproven};
use crate::codec::Bounded;
use crate::crypto::hash::Hash;
use crate::governance::History;
use crate::id::{CertificateId, DepartmentCode};
use crate::log::{
    Cosignature, ReadError, SignedCheckpoint, StatusEntry, VerifiedCheckpoint, inherited_key,
    inherits,
};
use crate::membership::Membership;
use crate::names::LogId;
use crate::record::{Entry, SignedRecord};
use crate::status_map::StatusProof;

use super::bundle::{BundleError, GatherError, Proved, counting, unvouched};

/// The proof of what a successor says of a certificate that it inherited, or that it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SuccessorProof {
    pub(super) checkpoint: SignedCheckpoint,
    pub(super) cosignatures: Bounded<Cosignature, 64>,
    status: StatusProof,
    /// The record that gave the status it says.
    change: Option<Proved>,
}

/// What a successor says of a certificate, all of its proof holding.
#[derive(Clone, Debug)]
pub struct VerifiedSuccessor {
    /// Under this checkpoint of its log.
    pub checkpoint: VerifiedCheckpoint,
    /// The witnesses that cosigned it.
    pub cosignatures: Vec<Cosignature>,
    /// What it says; `None` if it never changed it.
    pub says: Option<StatusEntry>,
    /// The record by which it does.
    pub change: Option<SignedRecord>,
}

impl SuccessorProof {
    /// Gathers it, of a certificate of a department.
    pub(super) fn gather(
        catalogue: &Catalogue,
        successor: &DepartmentCode,
        (department, id): (&DepartmentCode, &CertificateId),
        cosignatures: &impl Fn(&VerifiedCheckpoint) -> Vec<Cosignature>,
    ) -> Result<SuccessorProof, GatherError> {
        let nothing = |log| {
            let history = catalogue.members().history();
            match history.ended_by_removal(successor) {
                Some(_) => GatherError::Ended { log },
                None => GatherError::Successor { log },
            }
        };
        let held = catalogue.log_of(successor);
        let log = held.ok_or_else(|| nothing(LogId::first(*successor)))?;
        let (checkpoint, entry, status) = match log.prove_inherited(department, id) {
            Err(ReadError::Empty(log)) => return Err(nothing(log)),
            proved => proved?,
        };
        let change = entry.map(|entry| log.record(entry.seq)).transpose()?;
        let change = change.map(|record| Proved::of(&log, &record, &checkpoint));
        let witnesses = cosignatures(&checkpoint).into_iter();
        Ok(SuccessorProof {
            change: change.transpose()?,
            status,
            cosignatures: Bounded::first(witnesses.filter(|one| one.witness != *successor)),
            checkpoint: checkpoint.signed().clone(),
        })
    }

    /// Whether its checkpoint, or another member's signature under it, is of that governance height or a later one, as far as it
    /// says so itself.
    pub(super) fn is_since(&self, height: u64) -> bool {
        is_since(
            self.checkpoint.checkpoint.height,
            &self.cosignatures,
            height,
        )
    }

    /// Checks every signature and proof in it.
    pub(super) fn verify(
        self,
        members: &Membership,
        of: (&DepartmentCode, &CertificateId),
    ) -> Result<VerifiedSuccessor, BundleError> {
        let refused = |error| BundleError::of(error, members);
        let checkpoint = self.checkpoint.verify(members).map_err(refused)?;
        let witnesses = BTreeSet::from([checkpoint.log.department]);
        let cosignatures = counting(self.cosignatures, witnesses, &checkpoint, members)?;
        let key = inherited_key(of.0, of.1);
        let proved = self.status.verify(&checkpoint.status_root, &key)?;
        let change = self
            .change
            .map(|change| change.verify(&checkpoint, members));
        let change = change.transpose()?;
        let by = &checkpoint.log.department;
        let says = match (proved, &change) {
            (None, None) => None,
            (Some(value), Some(change)) if inherits(&members.history(), by, change.record()) => {
                Some(said(value, change, of)?)
            }
            _ => return Err(BundleError::StatusMismatch),
        };
        Ok(VerifiedSuccessor {
            checkpoint,
            cosignatures,
            says,
            change,
        })
    }
}

/// The status that both the proved value and the record say: also that it is valid, which decides against those before.
fn said(
    value: Hash,
    change: &SignedRecord,
    (department, id): (&DepartmentCode, &CertificateId),
) -> Result<StatusEntry, BundleError> {
    let mismatch = BundleError::StatusMismatch;
    let Entry::StatusChanged(changed) = &change.record().entry else {
        return Err(mismatch);
    };
    let of = changed.inherited.as_ref();
    let is_of = changed.id == *id && of.is_some_and(|of| of.department == *department);
    let entry = StatusEntry {
        status: changed.action.result(),
        seq: change.record().seq,
    };
    match is_of && entry.value() == value {
        true => Ok(entry),
        false => Err(mismatch),
    }
}

/// Whether a checkpoint, or a signature under it, was made by who knew governance up to a height.
fn is_since(checkpoint: u64, cosignatures: &[Cosignature], height: u64) -> bool {
    let mut known = cosignatures.iter().map(|one| one.governance.height);
    checkpoint >= height || known.any(|known| known >= height)
}

impl VerifiedSuccessor {
    /// Whether its checkpoint was signed, by its department or a witness that counts, as of that governance height or a later
    /// one: an older one says nothing of what the department did since.
    pub(super) fn is_since(&self, height: u64) -> bool {
        is_since(self.checkpoint.height, &self.cosignatures, height)
    }

    /// The latest time signed in it, ms, and the department that signed it.
    pub(super) fn dated(&self) -> (u64, DepartmentCode) {
        let by = self.checkpoint.log.department;
        let change = self.change.iter().map(|change| change.record().time_ms);
        let own = change
            .chain([self.checkpoint.time_ms])
            .map(|time_ms| (time_ms, by));
        let cosigned = self
            .cosignatures
            .iter()
            .map(|one| (one.time_ms, one.witness));
        own.chain(cosigned).fold((0, by), Ord::max)
    }

    /// Why its checkpoint may have been dated back.
    pub(super) fn unvouched(&self, history: &History) -> Option<Unproven> {
        unvouched(history, &self.checkpoint, &self.cosignatures)
    }
}
