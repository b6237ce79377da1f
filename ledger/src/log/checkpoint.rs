//! Checkpoints held against their logs and their departments' keys, and witnesses' signatures under them.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::{PublicKey, Signature, SigningKey};
use crate::governance::{ChainHead, EndReason, GenerationEnd, Judgement, WORD_LAG_MS, Why};
use crate::id::DepartmentCode;
use crate::membership::Membership;
use crate::names::{LogId, NetworkId};
use crate::operating::InForce;

use super::link::{BrokenRule, Tip};

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
    head: bool,
    time: bool,
    /// Governance height and key epoch.
    claim: bool,
    /// Or nobody with this version can say.
    statuses: bool,
}

impl Agreement {
    /// Whether they lead to all of it.
    pub(super) fn is_whole(&self) -> bool {
        self.root && self.broken(0).next().is_none()
    }

    /// The rules that a checkpoint of this size broke, its root aside: of other records it says nothing.
    pub(super) fn broken(&self, size: u64) -> impl Iterator<Item = BrokenRule> {
        let rules = [
            (self.head, BrokenRule::Head { size }),
            // Up to when a log is known, all of its holders have to judge alike.
            (self.time, BrokenRule::CheckpointTime { size }),
            (self.claim, BrokenRule::CheckpointClaim { size }),
            (self.statuses, BrokenRule::StatusRoot { size }),
        ];
        let broken = rules.into_iter().filter(|(agrees, _)| !agrees);
        broken.map(|(_, rule)| rule)
    }
}

impl Checkpoint {
    /// Compares it with the state of a log of its size.
    pub(super) fn agreement(&self, found: &Reached) -> Agreement {
        debug_assert_eq!(self.size, found.tip.size, "of one size");
        Agreement {
            root: self.root == found.root,
            head: self.head == found.tip.head,
            time: self.time_ms == found.tip.time_ms,
            claim: self.height >= found.tip.height && self.key_epoch >= found.tip.key_epoch,
            statuses: found
                .status_root
                .is_none_or(|root| root == self.status_root),
        }
    }
}

/// Why a checkpoint or cosignature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is signed as of a governance height that isn't known here. It may be right.
    #[error(
        "department {department} signed it as of governance height {height}, and the decisions up to there are not known here"
    )]
    Early {
        /// Which department.
        department: DepartmentCode,
        /// Which height.
        height: u64,
    },
    /// What its department signs so counts for nothing.
    #[error("what department {department} signed there counts for nothing: {why}")]
    Nothing {
        /// Which department.
        department: DepartmentCode,
        /// Why.
        why: Why,
    },
    /// It isn't what its department's key, or the log's generation, ended with.
    #[error("the members ended log {log} at record {size} with other records than these")]
    OtherEnd {
        /// Which log.
        log: LogId,
        /// Records that are kept.
        size: u64,
    },
    /// It names another block of governance than the one known at its height.
    #[error(
        "department {department} signed it by another chain of governance, which parts from this one at or before height {height}"
    )]
    OtherChain {
        /// Which department.
        department: DepartmentCode,
        /// The height it names.
        height: u64,
    },
    /// No key of its epoch was ever known.
    #[error(
        "no key of epoch {epoch} is known for department {department}; if decisions of the members were lost here, put a newer trust \
         file beside the genesis (`certmesh network join`)"
    )]
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
    /// A checkpoint of nothing.
    #[error("a checkpoint covers at least one record")]
    Empty,
}

impl CheckpointError {
    /// Whether whoever showed it is at fault. Not where it depends on how much of governance either of the two knows.
    pub fn is_senders_fault(&self) -> bool {
        match self {
            CheckpointError::Early { .. } | CheckpointError::OtherEnd { .. } => false,
            CheckpointError::Nothing { why, .. } => why.is_plain(),
            _ => true,
        }
    }
}

impl SignedCheckpoint {
    /// Checks that its department signed it, and that by all that is known of governance this counts.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verify(self, members: &Membership) -> Result<VerifiedCheckpoint, CheckpointError> {
        let Checkpoint {
            log,
            size,
            height,
            root,
            ..
        } = self.checkpoint;
        let department = log.department;
        if size == 0 {
            return Err(CheckpointError::Empty);
        }
        let history = members.history();
        if let Some(kept) = history.beginning(log) {
            if size < kept.size {
                let why = Why::Generation;
                return Err(CheckpointError::Nothing { department, why });
            }
            if size == kept.size && root != kept.root {
                return Err(CheckpointError::OtherEnd { log, size });
            }
        }
        let judge = match history.judge(&self.checkpoint.claim()) {
            Judgement::By(judge) => judge,
            Judgement::Early => return Err(CheckpointError::Early { department, height }),
            Judgement::Nothing(why) => return Err(CheckpointError::Nothing { department, why }),
        };
        let other_end = |end: &(u64, Hash)| end.0 == size && end.1 != root;
        if judge.leads_to.iter().any(other_end) {
            return Err(CheckpointError::OtherEnd { log, size });
        }
        self.signed_with(judge.key, members)
    }

    /// Checks the signature alone, of one that counted when it was accepted here: what governance says of it since is asked
    /// with every verdict, and no reason to throw away what is held.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verify_kept(self, members: &Membership) -> Result<VerifiedCheckpoint, CheckpointError> {
        let (department, epoch) = (self.checkpoint.log.department, self.checkpoint.key_epoch);
        if self.checkpoint.size == 0 {
            return Err(CheckpointError::Empty);
        }
        let key = members.key(&department, epoch);
        let key = key.ok_or(CheckpointError::UnknownKey { department, epoch })?;
        self.signed_with(&key, members)
    }

    fn signed_with(
        self,
        key: &PublicKey,
        members: &Membership,
    ) -> Result<VerifiedCheckpoint, CheckpointError> {
        let department = self.checkpoint.log.department;
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

/// A witness's signature: "I hold every record under this checkpoint, have checked them, and know governance up to here".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cosignature {
    /// The witness.
    pub witness: DepartmentCode,
    /// Which of its keys.
    pub key_epoch: u32,
    /// Up to where it knows governance: whoever knows less can't say who this witness is.
    pub governance: ChainHead,
    /// When, ms since 1970 UTC.
    pub time_ms: u64,
    /// Over the checkpoint and all of this.
    pub signature: Signature,
}

impl Cosignature {
    fn message(
        checkpoint: &Hash,
        (witness, key_epoch): (&DepartmentCode, u32),
        governance: &ChainHead,
        time_ms: u64,
    ) -> Hash {
        let parts: [&[u8]; 6] = [
            checkpoint.as_bytes(),
            witness.as_str().as_bytes(),
            &key_epoch.to_le_bytes(),
            &governance.height.to_le_bytes(),
            governance.block.0.as_bytes(),
            &time_ms.to_le_bytes(),
        ];
        hash_parts(Purpose::Cosignature, &parts)
    }

    /// Cosigns a checkpoint, with a key that is in force as of what `members` know.
    pub fn sign(
        members: &Membership,
        checkpoint: &VerifiedCheckpoint,
        witness: DepartmentCode,
        time_ms: u64,
        signs: &InForce,
    ) -> Cosignature {
        let network = members.network();
        let (key_epoch, height) = (signs.epoch, signs.height);
        let block = members.history().head_at(height);
        let governance = ChainHead {
            height,
            block: block.expect("what is known is never forgotten"),
        };
        let hash = checkpoint.hash(network);
        let message = Cosignature::message(&hash, (&witness, key_epoch), &governance, time_ms);
        Cosignature {
            witness,
            key_epoch,
            governance,
            time_ms,
            signature: signs.key.sign(&message),
        }
    }

    /// Checks that the witness signed this checkpoint, with a key that was in force as of what it knew of governance and was
    /// not stolen since.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verify(
        &self,
        checkpoint: &Checkpoint,
        members: &Membership,
    ) -> Result<(), CheckpointError> {
        let (department, epoch) = (self.witness, self.key_epoch);
        let ChainHead { height, block } = self.governance;
        let history = members.history();
        match history
            .head_at(height)
            .filter(|_| history.is_readable(height))
        {
            None => return Err(CheckpointError::Early { department, height }),
            Some(known) if known != block => {
                return Err(CheckpointError::OtherChain { department, height });
            }
            Some(_) => {}
        }
        let nothing = |why| CheckpointError::Nothing { department, why };
        let (key, ended) = match history.word_of(&department, epoch, height) {
            Some(word) => word,
            None => return Err(nothing(Why::NotInForce)),
        };
        // Whoever stole it may have dated this back.
        if let Some(why @ EndReason::Stolen) = ended {
            return Err(nothing(Why::Ended(why)));
        }
        // The height says what a witness knew, not when it signed: one that is gone, or a key that was replaced, says nothing
        // about what came after.
        match history.state().member(&department) {
            None => return Err(nothing(Why::Void(GenerationEnd::Removed))),
            Some(member) if !member.is_active() => return Err(nothing(Why::Suspended(department))),
            Some(_) => {}
        }
        let replaced_ms = history.replaced_ms(&department, epoch);
        let is_late = |replaced_ms: u64| self.time_ms > replaced_ms.saturating_add(WORD_LAG_MS);
        if replaced_ms.is_some_and(is_late) {
            return Err(nothing(Why::Ended(EndReason::Rotated)));
        }
        let hash = checkpoint.hash(members.network());
        let signed_by = (&department, epoch);
        let message = Cosignature::message(&hash, signed_by, &self.governance, self.time_ms);
        key.verify(&message, &self.signature)
            .map_err(|_| CheckpointError::BadSignature(department))
    }
}
