//! Proofs of what a status map says about a key.

use serde::{Deserialize, Serialize};

use super::{bit, leaf_hash, node_hash};
use crate::crypto::hash::Hash;
use crate::merkle::bounded_hashes;

/// The most siblings a proof may have: the bits of a key.
pub const MAX_DEPTH: usize = 256;

/// What the map whose root one knows says about a key.
///
/// For one root and one key at most one answer can be proven, whoever made the tree: following the key's bits, each hash
/// is zero, a leaf's or a node's, and never two of these. Shapes that no map produces are refused where the proof shows
/// them. One cannot be seen: that an [`Terminal::Empty`] place, or another key's leaf, has a single leaf for its nearest
/// relatives, which should have sat higher up, for a leaf's hash looks like a node's. It does no harm: such a root is
/// not the root of the set it holds, so every replica that recomputes it refuses the checkpoint, and the proof still
/// gives the only answer that root has for the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusProof {
    /// The hashes beside the way from the root down to the terminal; [`Hash::ZERO`] where nothing is.
    #[serde(deserialize_with = "bounded_hashes::<_, MAX_DEPTH>")]
    pub siblings: Vec<Hash>,
    /// Where the way ends.
    pub terminal: Terminal,
}

/// Where the way along a key's bits ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Terminal {
    /// Nothing is there: the key is absent.
    Empty,
    /// A leaf: the key's own, or that of another key, alone where the asked one would be; then the asked one is absent.
    Leaf {
        /// The leaf's key.
        key: Hash,
        /// The leaf's value.
        value: Hash,
    },
}

/// Why a status proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatusProofError {
    /// More siblings than a key has bits.
    #[error("the proof has {0} siblings, a key only 256 bits")]
    TooDeep(usize),
    /// The leaf shown does not lie on the key's way, so it says nothing about the key.
    #[error(
        "the leaf shown diverges from the key at bit {0}, above the place where the proof has it"
    )]
    OffPath(usize),
    /// No map has this shape: nothing beside nothing, a lone leaf too deep, or nothing where all bits are used up.
    #[error("the proof has a shape that no map produces")]
    NotCanonical,
    /// The proof leads to another root.
    #[error("the proof does not lead to the map's root")]
    Root,
}

impl StatusProof {
    /// Checks the proof against a root: `Some(value)` if it shows that the key has this value, `None` if it shows that
    /// the key is absent.
    ///
    /// # Errors
    /// The rule the proof breaks; then it shows nothing.
    pub fn verify(&self, root: &Hash, key: &Hash) -> Result<Option<Hash>, StatusProofError> {
        let depth = self.siblings.len();
        if depth > MAX_DEPTH {
            return Err(StatusProofError::TooDeep(depth));
        }
        // A branch holds two entries or more. Beside nothing there must be a branch, so the way cannot end there.
        if self.siblings.last() == Some(&Hash::ZERO) {
            return Err(StatusProofError::NotCanonical);
        }
        let (below, answer) = match &self.terminal {
            Terminal::Empty if depth == MAX_DEPTH => return Err(StatusProofError::NotCanonical),
            Terminal::Empty => (Hash::ZERO, None),
            Terminal::Leaf { key: shown, value } => {
                if let Some(parted) = (0..depth).find(|at| bit(shown, *at) != bit(key, *at)) {
                    return Err(StatusProofError::OffPath(parted));
                }
                (leaf_hash(shown, value), (shown == key).then_some(*value))
            }
        };
        let computed =
            self.siblings
                .iter()
                .enumerate()
                .rev()
                .fold(below, |below, (at, sibling)| {
                    if bit(key, at) {
                        node_hash(sibling, &below)
                    } else {
                        node_hash(&below, sibling)
                    }
                });
        if computed == *root {
            Ok(answer)
        } else {
            Err(StatusProofError::Root)
        }
    }
}
