//! The right edge of a growing tree.

use std::fmt;

use super::hasher::{Blake3Tree, TreeHasher};
use super::shape::{MAX_SIZE, right_range_shape};

/// The perfect subtrees that cover the leaves `[0, size)`, largest first: one for each bit set in `size`, so at most 63.
/// All that is needed to append to a tree and to know its root.
pub struct CompactRange<H: TreeHasher = Blake3Tree> {
    size: u64,
    nodes: Vec<H::Digest>,
}

/// Why nodes do not make a compact range, or do not continue one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompactRangeError {
    /// The size is beyond [`MAX_SIZE`].
    #[error("a tree has at most 2^62 leaves, not {0}")]
    TooLarge(u64),
    /// The range has another number of nodes than its bounds demand.
    #[error("the leaves [{begin}, {end}) are covered by {expected} nodes, not {actual}")]
    NodeCount {
        /// First leaf of the range.
        begin: u64,
        /// Leaf after the last of the range.
        end: u64,
        /// The number of nodes that cover it.
        expected: usize,
        /// The number of nodes given.
        actual: usize,
    },
    /// The range on the left already reaches beyond the size asked for.
    #[error("a range of {left} leaves is not the beginning of a tree of {size}")]
    LeftTooLong {
        /// Leaves in the left range.
        left: u64,
        /// Leaves in the whole tree.
        size: u64,
    },
}

impl<H: TreeHasher> CompactRange<H> {
    /// The range of a tree without leaves.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            size: 0,
            nodes: Vec::new(),
        }
    }

    /// The range of `size` leaves with these nodes, largest subtree first.
    ///
    /// # Errors
    /// If the size is beyond [`MAX_SIZE`] or the number of nodes is not the number of bits set in `size`.
    pub fn from_parts(size: u64, nodes: Vec<H::Digest>) -> Result<Self, CompactRangeError> {
        if size > MAX_SIZE {
            return Err(CompactRangeError::TooLarge(size));
        }
        let expected = size.count_ones() as usize;
        if nodes.len() != expected {
            return Err(CompactRangeError::NodeCount {
                begin: 0,
                end: size,
                expected,
                actual: nodes.len(),
            });
        }
        Ok(Self { size, nodes })
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The perfect subtrees' roots, largest subtree first.
    #[must_use]
    pub fn nodes(&self) -> &[H::Digest] {
        &self.nodes
    }

    /// Appends a leaf. `visit(level, index, digest)` gets every node this completes, in post-order: the leaf itself,
    /// then the subtrees that end with it, smallest first. That is the order of the post-order file.
    pub fn push(&mut self, leaf: H::Digest, visit: &mut impl FnMut(u32, u64, H::Digest)) {
        self.push_subtree(0, leaf, visit);
    }

    /// The root of the tree of `size` leaves.
    #[must_use]
    pub fn root(&self) -> H::Digest {
        fold_right::<H>(&self.nodes)
    }

    /// Appends a perfect subtree of 2^level leaves; `size` must be a multiple of that.
    ///
    /// Appending is binary addition: every carry joins the two subtrees of equal size at the right end.
    pub(crate) fn push_subtree(
        &mut self,
        level: u32,
        digest: H::Digest,
        visit: &mut impl FnMut(u32, u64, H::Digest),
    ) {
        let (mut level, mut index, mut digest) = (level, self.size >> level, digest);
        self.size += 1 << level;
        visit(level, index, digest);
        while index & 1 == 1
            && let Some(left) = self.nodes.pop()
        {
            digest = H::node(&left, &digest);
            level += 1;
            index >>= 1;
            visit(level, index, digest);
        }
        self.nodes.push(digest);
    }
}

/// The root over subtrees of falling size: each joins with everything to its right. Of no subtrees, the empty root.
pub(super) fn fold_right<H: TreeHasher>(nodes: &[H::Digest]) -> H::Digest {
    nodes
        .iter()
        .copied()
        .rev()
        .reduce(|right, left| H::node(&left, &right))
        .unwrap_or_else(H::empty)
}

/// The root of the tree of `n` leaves whose first `left.size()` are covered by `left` and the others by `right`, the
/// nodes of [`right_range_shape`]`(left.size(), n)` in that order.
///
/// This is how a page of records verifies by itself: its leaves are pushed onto the range before it, and `right` is
/// what the sender says follows; only the true nodes lead to the signed root.
///
/// # Errors
/// If `n` is beyond [`MAX_SIZE`] or below `left.size()`, or `right` has not exactly the nodes its range demands.
pub fn root_from<H: TreeHasher>(
    left: &CompactRange<H>,
    right: &[H::Digest],
    n: u64,
) -> Result<H::Digest, CompactRangeError> {
    if n > MAX_SIZE {
        return Err(CompactRangeError::TooLarge(n));
    }
    if left.size > n {
        return Err(CompactRangeError::LeftTooLong {
            left: left.size,
            size: n,
        });
    }
    let shape = right_range_shape(left.size, n);
    if shape.len() != right.len() {
        let (expected, actual) = (shape.len(), right.len());
        return Err(CompactRangeError::NodeCount {
            begin: left.size,
            end: n,
            expected,
            actual,
        });
    }
    let mut whole = left.clone();
    for ((level, _), digest) in shape.into_iter().zip(right) {
        whole.push_subtree(level, *digest, &mut |_, _, _| {});
    }
    Ok(whole.root())
}

// By hand, since deriving would ask the same of the hasher, which is only a name.
impl<H: TreeHasher> Clone for CompactRange<H> {
    fn clone(&self) -> Self {
        Self {
            size: self.size,
            nodes: self.nodes.clone(),
        }
    }
}

impl<H: TreeHasher> PartialEq for CompactRange<H> {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.nodes == other.nodes
    }
}

impl<H: TreeHasher> Eq for CompactRange<H> {}

impl<H: TreeHasher> fmt::Debug for CompactRange<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactRange")
            .field("size", &self.size)
            .field("nodes", &self.nodes)
            .finish()
    }
}

impl<H: TreeHasher> Default for CompactRange<H> {
    fn default() -> Self {
        Self::empty()
    }
}
