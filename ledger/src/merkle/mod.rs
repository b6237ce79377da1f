//! The tree over a log's records, in the shape of RFC 6962 (and RFC 9162, section 2.1).
//!
//! A tree of `n` leaves splits at the largest power of two below `n`; its nodes over 2^level leaves are *perfect
//! subtrees*, named by `(level, index)`: the one covering leaves `index·2^level .. (index+1)·2^level`. A perfect
//! subtree never changes once its leaves are there, so a log stores those and nothing else, in post-order.
//!
//! - [`hasher`]: what a node's digest is; the shape does not care, so the public SHA-256 vectors run against this code.
//! - [`shape`]: arithmetic of the shape and of positions in the post-order file. No hashing.
//! - [`compact`]: the right edge of a growing tree, and the root of a page laid onto it.
//! - [`generate`]: proofs from stored nodes, O(log n) reads each.
//! - [`verify`]: what a peer runs on proofs it received; it trusts nothing in them.
//! - [`proof`]: the proofs as they travel.

pub mod compact;
pub mod generate;
pub mod hasher;
pub mod proof;
pub mod shape;
pub mod verify;

pub use compact::{CompactRange, CompactRangeError, root_from};
pub use generate::{
    DigestOf, GenerateError, NodeReader, consistency_proof, inclusion_proof, left_range,
    right_range, root,
};
pub use hasher::{Blake3Tree, TreeHasher};
pub(crate) use proof::bounded_hashes;
pub use proof::{ConsistencyProof, InclusionProof, MAX_PATH};
pub use shape::{MAX_SIZE, nodes_before, position, right_range_shape};
pub use verify::{VerifyError, verify_consistency, verify_inclusion};

#[cfg(test)]
mod tests;
