//! The proofs as they travel between peers and in bundles. What is read is bounded before it is checked.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::generate::{GenerateError, NodeReader, consistency_proof, inclusion_proof};
use super::hasher::Blake3Tree;
use super::verify::{VerifyError, verify_consistency, verify_inclusion};
use crate::crypto::hash::Hash;

/// The most nodes a proof may have; a tree of [`MAX_SIZE`](super::MAX_SIZE) leaves needs 63.
pub const MAX_PATH: usize = 64;

/// A record is in the tree: the record hash is leaf `index` of the tree of `size` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The leaf's place, from 0.
    pub index: u64,
    /// The tree's leaves.
    pub size: u64,
    /// Siblings from the leaf up to the root.
    #[serde(deserialize_with = "bounded_hashes::<_, MAX_PATH>")]
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Makes the proof of leaf `index` in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// As [`inclusion_proof`].
    pub fn generate<R: NodeReader<Hasher = Blake3Tree>>(
        reader: &R,
        index: u64,
        size: u64,
    ) -> Result<Self, GenerateError<R::Error>> {
        Ok(Self {
            index,
            size,
            path: inclusion_proof(reader, index, size)?,
        })
    }

    /// Checks the proof for this leaf and root. The caller has yet to compare `index` and `size` with what it expects.
    ///
    /// # Errors
    /// The rule the proof breaks.
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<(), VerifyError> {
        verify_inclusion::<Blake3Tree>(leaf, self.index, self.size, &self.path, root)
    }
}

/// A tree continues an older one: its first `old` leaves are the older tree's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// The older tree's leaves, at least 1.
    pub old: u64,
    /// The newer tree's leaves.
    pub new: u64,
    /// Nodes in the order of RFC 9162.
    #[serde(deserialize_with = "bounded_hashes::<_, MAX_PATH>")]
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Makes the proof between the trees of the first `old` and the first `new` leaves.
    ///
    /// # Errors
    /// As [`consistency_proof`].
    pub fn generate<R: NodeReader<Hasher = Blake3Tree>>(
        reader: &R,
        old: u64,
        new: u64,
    ) -> Result<Self, GenerateError<R::Error>> {
        Ok(Self {
            old,
            new,
            path: consistency_proof(reader, old, new)?,
        })
    }

    /// Checks the proof for these roots. The caller has yet to compare `old` and `new` with what it expects.
    ///
    /// # Errors
    /// The rule the proof breaks.
    pub fn verify(&self, old_root: &Hash, new_root: &Hash) -> Result<(), VerifyError> {
        verify_consistency::<Blake3Tree>(self.old, old_root, self.new, new_root, &self.path)
    }
}

/// Reads a list of at most `MAX` hashes; a longer one is refused before more than that is kept.
pub(crate) fn bounded_hashes<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<Hash>, D::Error> {
    struct Bounded<const MAX: usize>;

    impl<'de, const MAX: usize> Visitor<'de> for Bounded<MAX> {
        type Value = Vec<Hash>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} hashes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Hash>, A::Error> {
            let announced = list.size_hint().unwrap_or(0);
            if announced > MAX {
                return Err(A::Error::invalid_length(announced, &self));
            }
            let mut hashes = Vec::with_capacity(announced);
            while let Some(hash) = list.next_element()? {
                if hashes.len() == MAX {
                    return Err(A::Error::invalid_length(MAX + 1, &self));
                }
                hashes.push(hash);
            }
            Ok(hashes)
        }
    }

    deserializer.deserialize_seq(Bounded::<MAX>)
}
