//! How digests combine.

use std::fmt::Debug;

use crate::crypto::hash::{Hash, Purpose, hash};

/// The digests of a tree. Leaves arrive already hashed; keeping leaf and node digests apart is the caller's duty, by
/// prefixes as in RFC 6962 or by keys as in [`Blake3Tree`].
pub trait TreeHasher {
    /// The digest of a node.
    type Digest: Copy + Eq + Debug;

    /// The root of the tree without leaves.
    fn empty() -> Self::Digest;

    /// The digest of the node over `left` and `right`.
    fn node(left: &Self::Digest, right: &Self::Digest) -> Self::Digest;
}

/// The ledger's tree: a node is the hash of left‖right under the key of [`Purpose::Node`], the empty root the hash of
/// nothing under the same key. Leaves are hashes for another purpose, so a leaf never passes for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blake3Tree;

impl TreeHasher for Blake3Tree {
    type Digest = Hash;

    fn empty() -> Hash {
        hash(Purpose::Node, b"")
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        let mut both = [0; 64];
        both[..32].copy_from_slice(left.as_bytes());
        both[32..].copy_from_slice(right.as_bytes());
        hash(Purpose::Node, &both)
    }
}
