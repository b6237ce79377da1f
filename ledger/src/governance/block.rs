//! Blocks, what stands in them, and the votes that make one final.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Ascending, Bounded, DecodeError, Ordered};
use crate::crypto::hash::Purpose;
use crate::crypto::keys::{PublicKey, Signature, SigningKey};
use crate::crypto::signer::Signer;
use crate::genesis::{MAX_GOVERNORS, MAX_RECOVERY_KEYS};
use crate::id::DepartmentCode;
use crate::names::NetworkId;

use super::chain::{BlockId, RecoveryId};
use super::kinds::{Signed, kinds};
use super::own::{EpochEnded, SignedChange};
use super::proposal::{Decision, Withdrawal};

/// Most items of a block.
pub const MAX_ITEMS: usize = 64;

/// Most bytes of an item's content.
pub const MAX_ITEM: usize = 49_152;

/// Most bytes of a block: one that is offered is gossiped.
pub const MAX_BLOCK: usize = 57_344;

/// Most bytes of a block with its certificate.
pub const MAX_FINAL_BLOCK: usize = MAX_BLOCK + 8_192;

kinds! {
    /// What a block is made for.
    #[expect(clippy::large_enum_variant, reason = "at most 64 of them are held at a time")]
    Item, MAX_ITEM;
    /// The members decided.
    0 Decision(Decision),
    /// A proposer withdrew its proposal.
    1 Withdrawal(Withdrawal),
    /// A department changed its own keys.
    2 OwnChange(SignedChange),
    /// A department says where an epoch of its keys ended.
    3 EpochEnded(EpochEnded),
    /// Holders of recovery keys end the governing of members that can't be reached.
    4 Recovery(SignedRecovery),
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// From 1, without gaps.
    pub height: u64,
    /// The block before it.
    pub before: BlockId,
    /// When it was made, ms since 1970 UTC; never less than that of the block before.
    pub time_ms: u64,
    /// What changes, in order; at least one.
    pub items: Bounded<Item, MAX_ITEMS>,
}

impl Block {
    /// Its hash.
    pub fn id(&self, network: NetworkId) -> BlockId {
        BlockId(network.message(Purpose::Block, self))
    }

    /// Reads a block from its canonical bytes.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Block, DecodeError> {
        codec::decode(bytes, MAX_BLOCK)
    }

    /// The recovery that it is made for, if it is.
    pub(super) fn recovery(&self) -> Option<&Recovery> {
        match &*self.items {
            [Item::Recovery(signed)] => Some(&signed.recovery),
            _ => None,
        }
    }
}

/// Which of the two votes of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// For a block that may become final.
    Prevote,
    /// For a block that enough have voted for: enough of these make it final.
    Precommit,
}

/// What a governor's node says in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vote {
    /// Of the block.
    pub height: u64,
    /// Which attempt at this height, from 0.
    pub round: u32,
    /// Which vote.
    pub stage: Stage,
    /// For which block; for none in this round otherwise.
    pub block: Option<BlockId>,
}

impl Vote {
    /// Votes, among all who govern.
    pub fn sign(self, network: NetworkId, by: DepartmentCode, operating: &SigningKey) -> Signed {
        self.sign_among(network, None, by, operating)
    }

    /// Votes, among all who govern or among those who go on governing after a recovery. What is said in one agreement means
    /// nothing in another: rounds of each begin at 0.
    pub fn sign_among(
        self,
        network: NetworkId,
        recovery: Option<RecoveryId>,
        by: DepartmentCode,
        operating: &SigningKey,
    ) -> Signed {
        match recovery {
            None => network.sign(Purpose::Vote, &self, by, operating),
            Some(recovery) => network.sign(Purpose::RecoveryVote, &(recovery, self), by, operating),
        }
    }

    pub(super) fn is_signed(
        self,
        network: NetworkId,
        recovery: Option<RecoveryId>,
        signed: &Signed,
        key: &PublicKey,
    ) -> bool {
        match recovery {
            None => network.is_signed(Purpose::Vote, &self, signed, key),
            Some(recovery) => {
                network.is_signed(Purpose::RecoveryVote, &(recovery, self), signed, key)
            }
        }
    }
}

/// Why a block is final: the precommits of one round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The round.
    pub round: u32,
    /// By the operating keys of those who governed before the block.
    pub votes: Ascending<Signed, MAX_GOVERNORS>,
}

/// A block with its certificate, not checked yet: [`History::extend`](super::History::extend) does that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalBlock {
    /// The block.
    pub block: Block,
    /// Why it is final.
    pub certificate: Certificate,
}

impl FinalBlock {
    /// Reads one from its canonical bytes.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<FinalBlock, DecodeError> {
        codec::decode(bytes, MAX_FINAL_BLOCK)
    }

    /// What the votes of its certificate are over.
    pub(super) fn vote(&self, network: NetworkId) -> Vote {
        Vote {
            height: self.block.height,
            round: self.certificate.round,
            stage: Stage::Precommit,
            block: Some(self.block.id(network)),
        }
    }
}

/// What ends the governing of members that can't be reached. It names the very block that it follows: once that has
/// another successor, there was no need of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The height of its block.
    pub height: u64,
    /// The block before.
    pub before: BlockId,
    /// Who no longer governs.
    pub ends: Ascending<DepartmentCode, MAX_GOVERNORS>,
}

/// A recovery with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecovery {
    /// What ends.
    pub recovery: Recovery,
    /// By as many of the recovery keys as the policy asks for.
    pub keys: Ascending<RecoverySignature, MAX_RECOVERY_KEYS>,
    /// By the identity keys of more than a third of the governors, none of them among those whose governing ends.
    pub governors: Ascending<Signed, MAX_GOVERNORS>,
}

/// A signature by a recovery key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySignature {
    /// The key's place in the policy's list, from 0.
    pub key: u8,
    /// Over the recovery.
    pub signature: Signature,
}

impl Ordered for RecoverySignature {
    type Key = u8;

    fn key(&self) -> u8 {
        self.key
    }
}

impl Recovery {
    /// What is signed.
    pub fn id(&self, network: NetworkId) -> RecoveryId {
        RecoveryId(network.message(Purpose::Recovery, self))
    }

    /// Signs with a recovery key.
    pub fn sign<K: Signer>(
        &self,
        network: NetworkId,
        place: u8,
        key: &K,
    ) -> K::Made<RecoverySignature> {
        key.sign_into(&self.id(network).0, |signature| RecoverySignature {
            key: place,
            signature,
        })
    }

    /// A governor agrees to it.
    pub fn agree<K: Signer>(
        &self,
        network: NetworkId,
        by: DepartmentCode,
        identity: &K,
    ) -> K::Made<Signed> {
        network.sign(Purpose::Recovery, self, by, identity)
    }
}

impl Item {
    /// Whether a block has nothing beside it.
    pub fn stands_alone(&self) -> bool {
        match self {
            Item::Recovery(_) => true,
            Item::Decision(decision) => decision.proposal.raises(),
            _ => false,
        }
    }
}
