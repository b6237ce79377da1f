//! Checkpoints held against their logs and their departments' keys, and witnesses' signatures under them.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::{Signature, SigningKey};
use crate::id::DepartmentCode;
use crate::membership::Membership;
use crate::names::NetworkId;

use crate::names::LogId;

use super::link::Tip;

/// The state of a log after its records so far, as far as a checkpoint says it.
pub(super) struct Reached {
    /// Their end.
    pub(super) tip: Tip,
    /// Merkle root over them.
    pub(super) root: Hash,
    /// Root of the status map after them; `None` if one of them has an entry that this version can't read: only a later
    /// version knows what that changed.
    pub(super) status_root: Option<Hash>,
}

/// What of a checkpoint the records of its size lead to.
pub(super) struct Agreement {
    pub(super) root: bool,
    pub(super) head: bool,
    pub(super) time: bool,
    /// Or nobody with this version can say.
    pub(super) statuses: bool,
}

impl Checkpoint {
    /// Compares it with the state of a log of its size.
    pub(super) fn agreement(&self, found: &Reached) -> Agreement {
        debug_assert_eq!(self.size, found.tip.size, "of one size");
        Agreement {
            root: self.root == found.root,
            head: self.head == found.tip.head,
            time: self.time_ms == found.tip.time_ms,
            statuses: found
                .status_root
                .is_none_or(|root| root == self.status_root),
        }
    }
}

/// Why a checkpoint or cosignature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Its department is not a member, or had no such key.
    #[error("no key of epoch {epoch} is known for department {department}")]
    UnknownKey {
        /// Which department.
        department: DepartmentCode,
        /// Which epoch.
        epoch: u32,
    },
    /// The signature does not verify.
    #[error("the signature of department {0} does not verify")]
    BadSignature(DepartmentCode),
    /// A checkpoint of another log than this place is for.
    #[error("a checkpoint of log {0} stands where another log's should")]
    OtherLog(LogId),
    /// A log that nobody can have opened: in this version a department has one, its first.
    #[error("log {0} is of a generation that this version does not know")]
    Generation(LogId),
    /// A checkpoint of nothing.
    #[error("a checkpoint covers at least one record")]
    Empty,
}

impl SignedCheckpoint {
    /// Checks the department's signature.
    ///
    /// # Errors
    /// [`CheckpointError`] when it is not the department's.
    pub fn verify(self, members: &Membership) -> Result<VerifiedCheckpoint, CheckpointError> {
        let Checkpoint {
            log,
            key_epoch: epoch,
            ..
        } = self.checkpoint;
        let department = log.department;
        log.check_generation()?;
        if self.checkpoint.size == 0 {
            return Err(CheckpointError::Empty);
        }
        let key = members
            .key(&department, epoch)
            .ok_or(CheckpointError::UnknownKey { department, epoch })?;
        key.verify(&self.checkpoint.hash(members.network()), &self.signature)
            .map_err(|_| CheckpointError::BadSignature(department))?;
        Ok(VerifiedCheckpoint(self))
    }
}

/// A checkpoint whose signature has been checked against the membership.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct VerifiedCheckpoint(SignedCheckpoint);

impl VerifiedCheckpoint {
    /// Signs this department's own checkpoint.
    pub fn sign(
        network: NetworkId,
        checkpoint: Checkpoint,
        key: &SigningKey,
    ) -> VerifiedCheckpoint {
        VerifiedCheckpoint(SignedCheckpoint::sign(network, checkpoint, key))
    }

    /// With its signature, to be sent.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.0
    }
}

impl std::ops::Deref for VerifiedCheckpoint {
    type Target = Checkpoint;
    fn deref(&self) -> &Checkpoint {
        &self.0.checkpoint
    }
}

/// A witness's signature: "I hold every record under this checkpoint, and have checked them".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cosignature {
    /// The witness.
    pub witness: DepartmentCode,
    /// Which of its keys.
    pub key_epoch: u32,
    /// When, ms since 1970 UTC.
    pub time_ms: u64,
    /// Over checkpoint, witness, epoch and time.
    pub signature: Signature,
}

impl Cosignature {
    fn message(checkpoint: &Hash, witness: &DepartmentCode, key_epoch: u32, time_ms: u64) -> Hash {
        let parts: [&[u8]; 4] = [
            checkpoint.as_bytes(),
            witness.as_str().as_bytes(),
            &key_epoch.to_le_bytes(),
            &time_ms.to_le_bytes(),
        ];
        hash_parts(Purpose::Cosignature, &parts)
    }

    /// Cosigns a checkpoint.
    pub fn sign(
        network: NetworkId,
        checkpoint: &VerifiedCheckpoint,
        witness: DepartmentCode,
        time_ms: u64,
        key: &SigningKey,
    ) -> Cosignature {
        let message = Cosignature::message(&checkpoint.hash(network), &witness, 0, time_ms);
        Cosignature {
            witness,
            key_epoch: 0,
            time_ms,
            signature: key.sign(&message),
        }
    }

    /// Checks that the witness signed this checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`] when it did not.
    pub fn verify(
        &self,
        checkpoint: &Checkpoint,
        members: &Membership,
    ) -> Result<(), CheckpointError> {
        let (department, epoch) = (self.witness, self.key_epoch);
        let key = members
            .key(&department, epoch)
            .ok_or(CheckpointError::UnknownKey { department, epoch })?;
        let message = Cosignature::message(
            &checkpoint.hash(members.network()),
            &department,
            epoch,
            self.time_ms,
        );
        key.verify(&message, &self.signature)
            .map_err(|_| CheckpointError::BadSignature(department))
    }
}

impl LogId {
    /// Refuses what is signed for another log than its department's first. Nobody replicates one, so nobody would see two
    /// histories of it.
    pub(super) fn check_generation(&self) -> Result<(), CheckpointError> {
        match self.generation {
            0 => Ok(()),
            _ => Err(CheckpointError::Generation(*self)),
        }
    }
}
