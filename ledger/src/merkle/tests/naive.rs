//! RFC 6962 as it is written, by recursion over all leaves, and a tree's file in memory: what the tests compare with.

use std::cell::Cell;
use std::convert::Infallible;

use sha2::{Digest as _, Sha256};

use super::super::*;
use crate::crypto::hash::{Hash, Purpose, hash};

pub(super) type Digest = [u8; 32];

/// RFC 6962 with SHA-256: a second hasher, so that the shape is tested apart from our own digests.
#[derive(Debug)]
pub(super) struct Rfc6962;

impl TreeHasher for Rfc6962 {
    type Digest = Digest;

    fn empty() -> Digest {
        Sha256::digest(b"").into()
    }

    fn node(left: &Digest, right: &Digest) -> Digest {
        Sha256::new()
            .chain_update([1])
            .chain_update(left)
            .chain_update(right)
            .finalize()
            .into()
    }
}

/// MTH of RFC 6962, section 2.1, over leaf hashes.
pub(super) fn mth<H: TreeHasher>(leaves: &[H::Digest]) -> H::Digest {
    match leaves {
        [] => H::empty(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            H::node(&mth::<H>(left), &mth::<H>(right))
        }
    }
}

/// The largest power of two below `n`.
pub(super) fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// PATH of RFC 6962, section 2.1.1.
pub(super) fn path<H: TreeHasher>(leaf: usize, leaves: &[H::Digest]) -> Vec<H::Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, sibling) = if leaf < left.len() {
        (path::<H>(leaf, left), mth::<H>(right))
    } else {
        (path::<H>(leaf - left.len(), right), mth::<H>(left))
    };
    below.push(sibling);
    below
}

/// SUBPROOF of RFC 6962, section 2.1.2.
pub(super) fn subproof<H: TreeHasher>(
    old: usize,
    leaves: &[H::Digest],
    known: bool,
) -> Vec<H::Digest> {
    if old == leaves.len() {
        return if known {
            Vec::new()
        } else {
            vec![mth::<H>(leaves)]
        };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, sibling) = if old <= left.len() {
        (subproof::<H>(old, left, known), mth::<H>(right))
    } else {
        (
            subproof::<H>(old - left.len(), right, false),
            mth::<H>(left),
        )
    };
    below.push(sibling);
    below
}

/// The post-order file of a tree, in memory: nodes are found by [`position`] only.
pub(super) struct File<H: TreeHasher> {
    nodes: Vec<H::Digest>,
    /// How many nodes were asked for.
    pub(super) reads: Cell<u32>,
}

impl<H: TreeHasher> NodeReader for File<H> {
    type Hasher = H;
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<H::Digest, Infallible> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.nodes[usize::try_from(position(level, index)).unwrap()])
    }
}

pub(super) fn file<H: TreeHasher>(leaves: &[H::Digest]) -> File<H> {
    let mut nodes = Vec::new();
    let mut range = CompactRange::<H>::empty();
    for leaf in leaves {
        range.push(*leaf, &mut |level, index, digest| {
            assert_eq!(position(level, index), nodes.len() as u64);
            nodes.push(digest);
        });
        assert_eq!(nodes_before(range.size()), nodes.len() as u64);
    }
    File {
        nodes,
        reads: Cell::new(0),
    }
}

pub(super) fn sha_leaves(n: usize) -> Vec<Digest> {
    (0..n as u64)
        .map(|at| {
            Sha256::new()
                .chain_update([0])
                .chain_update(at.to_be_bytes())
                .finalize()
                .into()
        })
        .collect()
}

pub(super) fn leaves(n: usize) -> Vec<Hash> {
    (0..n as u64)
        .map(|at| hash(Purpose::Leaf, &at.to_be_bytes()))
        .collect()
}
