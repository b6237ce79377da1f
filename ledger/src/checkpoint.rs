//! A department's signed statement of how far its log goes.
//!
//! Below the log itself, since governance speaks of positions in logs and shows such statements, and logs are judged by
//! governance.

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::{Signature, SigningKey};
use crate::names::{Claim, LogId, NetworkId, RecordHash};

/// The state of a log after `size` records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which log.
    pub log: LogId,
    /// Records covered; at least 1.
    pub size: u64,
    /// Merkle root over them.
    pub root: Hash,
    /// Hash of the last one.
    pub head: RecordHash,
    /// Root of the status map after them.
    pub status_root: Hash,
    /// When it was made, ms since 1970 UTC.
    pub time_ms: u64,
    /// The governance height that it was signed by; not less than that of the last record.
    pub height: u64,
    /// Which of the department's keys signed it; not an earlier one than that of the last record.
    pub key_epoch: u32,
}

impl Checkpoint {
    /// What it claims to be judged by: as its last record would be.
    pub fn claim(&self) -> Claim {
        Claim {
            log: self.log,
            seq: self.size.saturating_sub(1),
            epoch: self.key_epoch,
            height: self.height,
        }
    }

    /// What the department signs.
    pub fn hash(&self, network: NetworkId) -> Hash {
        hash_parts(
            Purpose::Checkpoint,
            &[network.0.as_bytes(), &codec::encode(self)],
        )
    }

    /// Whether the two say different things of a log of one size: then its department signed a fork.
    pub fn contradicts(&self, other: &Checkpoint) -> bool {
        self.log == other.log
            && self.size == other.size
            && (self.root, self.head, self.status_root)
                != (other.root, other.head, other.status_root)
    }
}

/// A checkpoint and its department's signature, not checked yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The log's department.
    pub signature: Signature,
}

impl SignedCheckpoint {
    /// Signs a checkpoint.
    pub fn sign(network: NetworkId, checkpoint: Checkpoint, key: &SigningKey) -> SignedCheckpoint {
        let signature = key.sign(&checkpoint.hash(network));
        SignedCheckpoint {
            checkpoint,
            signature,
        }
    }
}
