//! What the chain's signatures are over, and what its blocks are called.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::{PublicKey, Signature};
use crate::crypto::signer::Signer;
use crate::id::DepartmentCode;
use crate::names::NetworkId;

use super::kinds::Signed;

/// Every signature of governance is over the network's name, which is the hash of all that its governance begins with: so none
/// means anything in another network.
impl NetworkId {
    /// What is signed for a purpose.
    pub(super) fn message<T: Serialize>(self, purpose: Purpose, content: &T) -> Hash {
        hash_parts(purpose, &[self.0.as_bytes(), &codec::encode(content)])
    }

    /// A department's signature, its code beside what it signs.
    pub(super) fn sign<T: Serialize, K: Signer>(
        self,
        purpose: Purpose,
        content: &T,
        by: DepartmentCode,
        key: &K,
    ) -> K::Made<Signed> {
        self.sign_into(purpose, content, by, key, |signed| signed)
    }

    /// What is made of such a signature.
    pub(super) fn sign_into<T: Serialize, K: Signer, M>(
        self,
        purpose: Purpose,
        content: &T,
        by: DepartmentCode,
        key: &K,
        make: impl FnOnce(Signed) -> M,
    ) -> K::Made<M> {
        let message = self.message(purpose, &(content, by));
        key.sign_into(&message, |signature| make(Signed { by, signature }))
    }

    /// Whether a department's signature is by this key.
    pub(super) fn is_signed<T: Serialize>(
        self,
        purpose: Purpose,
        content: &T,
        signed: &Signed,
        key: &PublicKey,
    ) -> bool {
        let message = self.message(purpose, &(content, signed.by));
        key.verify(&message, &signed.signature).is_ok()
    }

    /// Whether a signature over content that names its signer is by this key.
    pub(super) fn verifies<T: Serialize>(
        self,
        purpose: Purpose,
        content: &T,
        signature: &Signature,
        key: &PublicKey,
    ) -> bool {
        let message = self.message(purpose, content);
        key.verify(&message, signature).is_ok()
    }
}

/// Hash of a block. Since each block names the one before, it stands for the whole history up to it.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize,
)]
pub struct BlockId(pub Hash);

impl BlockId {
    /// What the first block names as the one before.
    pub fn genesis(network: NetworkId) -> BlockId {
        BlockId(network.0)
    }
}

/// Up to where somebody knows the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChainHead {
    /// The last height.
    pub height: u64,
    /// Its block; the founding at height 0.
    pub block: BlockId,
}

impl ChainHead {
    /// That of a network without a block.
    pub fn founding(network: NetworkId) -> ChainHead {
        ChainHead {
            height: 0,
            block: BlockId(network.0),
        }
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the signatures of a recovery are over. Those who go on governing after it vote on its block among themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RecoveryId(pub Hash);

impl fmt::Display for RecoveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Hash of a proposal, which its proposer signs and the approvals are over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ProposalId(pub Hash);

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
