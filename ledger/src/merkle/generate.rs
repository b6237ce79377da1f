//! Proofs from stored nodes. Every function reads O(log n) nodes, all of them perfect subtrees.

use std::error::Error;

use super::compact::{CompactRange, fold_right};
use super::hasher::TreeHasher;
use super::shape::{MAX_SIZE, right_range_shape};

/// The stored perfect subtrees of a tree.
pub trait NodeReader {
    /// The tree's digests.
    type Hasher: TreeHasher;
    /// Why a node could not be read.
    type Error: Error + 'static;

    /// The root of the perfect subtree `(level, index)`. Only asked for subtrees within the tree's size.
    ///
    /// # Errors
    /// If the node cannot be read.
    fn node(&self, level: u32, index: u64) -> Result<DigestOf<Self>, Self::Error>;
}

/// The digest a reader's tree is made of.
pub type DigestOf<R> = <<R as NodeReader>::Hasher as TreeHasher>::Digest;

/// Why a proof could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError<E: Error + 'static> {
    /// The size is beyond [`MAX_SIZE`].
    #[error("a tree has at most 2^62 leaves, not {0}")]
    TooLarge(u64),
    /// The leaf is not in a tree of this size.
    #[error("leaf {leaf} is not in a tree of {size} leaves")]
    LeafOutside {
        /// The leaf asked for, from 0.
        leaf: u64,
        /// The tree's leaves.
        size: u64,
    },
    /// The smaller of two sizes is the larger.
    #[error("a tree of {old} leaves does not come before one of {new}")]
    SizesDecrease {
        /// Size that should come first.
        old: u64,
        /// Size that should follow.
        new: u64,
    },
    /// Every tree continues the empty one: there is nothing to prove, and RFC 9162 defines no such proof.
    #[error("no consistency proof begins at the empty tree")]
    EmptyOld,
    /// A node could not be read.
    #[error("a tree node cannot be read")]
    Read(#[source] E),
}

type Generated<T, R> = Result<T, GenerateError<<R as NodeReader>::Error>>;

/// The root of the tree of the first `n` leaves.
///
/// # Errors
/// If `n` is beyond [`MAX_SIZE`] or a node cannot be read.
pub fn root<R: NodeReader>(reader: &R, n: u64) -> Generated<DigestOf<R>, R> {
    subtree_root(reader, 0, n)
}

/// The compact range of the first `k` leaves.
///
/// # Errors
/// If `k` is beyond [`MAX_SIZE`] or a node cannot be read.
pub fn left_range<R: NodeReader>(reader: &R, k: u64) -> Generated<CompactRange<R::Hasher>, R> {
    let nodes = right_range(reader, 0, k)?;
    CompactRange::from_parts(k, nodes).map_err(|_| GenerateError::TooLarge(k))
}

/// The nodes that cover the leaves `[k, n)`, left to right, as [`right_range_shape`] lists them.
///
/// # Errors
/// If `k > n`, `n` is beyond [`MAX_SIZE`], or a node cannot be read.
pub fn right_range<R: NodeReader>(reader: &R, k: u64, n: u64) -> Generated<Vec<DigestOf<R>>, R> {
    check_sizes(k, n)?;
    right_range_shape(k, n)
        .into_iter()
        .map(|(level, index)| read(reader, level, index))
        .collect()
}

/// The inclusion proof of `leaf` in the tree of the first `size` leaves: RFC 9162, section 2.1.3.1, lowest node first.
///
/// # Errors
/// If the leaf is not below `size`, `size` is beyond [`MAX_SIZE`], or a node cannot be read.
pub fn inclusion_proof<R: NodeReader>(
    reader: &R,
    leaf: u64,
    size: u64,
) -> Generated<Vec<DigestOf<R>>, R> {
    check_sizes(0, size)?;
    if leaf >= size {
        return Err(GenerateError::LeafOutside { leaf, size });
    }
    let mut path = Vec::new();
    climb(reader, 0, leaf, size, &mut path)?;
    Ok(path)
}

/// The proof that the tree of the first `new` leaves continues that of the first `old`: RFC 9162, section 2.1.4.1.
/// Empty if the sizes are equal.
///
/// # Errors
/// If `old` is 0 or greater than `new`, `new` is beyond [`MAX_SIZE`], or a node cannot be read.
pub fn consistency_proof<R: NodeReader>(
    reader: &R,
    old: u64,
    new: u64,
) -> Generated<Vec<DigestOf<R>>, R> {
    check_sizes(old, new)?;
    if old == 0 {
        return Err(GenerateError::EmptyOld);
    }
    let mut path = Vec::new();
    if old < new {
        // The last and smallest perfect subtree of the old tree: from it both roots are computed upwards.
        let level = old.trailing_zeros();
        let index = (old - 1) >> level;
        // If it is the whole old tree, the verifier has it already: the old root.
        if index != 0 {
            path.push(read(reader, level, index)?);
        }
        climb(reader, level, index, new, &mut path)?;
    }
    Ok(path)
}

/// Appends the siblings on the way from the perfect subtree `(level, index)` up to the root of `size` leaves.
fn climb<R: NodeReader>(
    reader: &R,
    level: u32,
    index: u64,
    size: u64,
    path: &mut Vec<DigestOf<R>>,
) -> Generated<(), R> {
    let (mut level, mut index) = (level, index);
    let mut last = (size - 1) >> level;
    while last > 0 {
        if index & 1 == 1 {
            path.push(read(reader, level, index - 1)?);
        } else if index < last {
            // Only the sibling that ends with the tree can be imperfect, and there is one such at most.
            let begin = (index + 1) << level;
            let end = size.min((index + 2) << level);
            path.push(subtree_root(reader, begin, end)?);
        } // else: the right edge has no sibling on this level and moves up as it is.
        level += 1;
        index >>= 1;
        last >>= 1;
    }
    Ok(())
}

/// The root over the leaves `[begin, end)`; `begin` must be a multiple of a power of two that is `end - begin` or more.
fn subtree_root<R: NodeReader>(reader: &R, begin: u64, end: u64) -> Generated<DigestOf<R>, R> {
    Ok(fold_right::<R::Hasher>(&right_range(reader, begin, end)?))
}

fn read<R: NodeReader>(reader: &R, level: u32, index: u64) -> Generated<DigestOf<R>, R> {
    reader.node(level, index).map_err(GenerateError::Read)
}

fn check_sizes<E: Error>(old: u64, new: u64) -> Result<(), GenerateError<E>> {
    if new > MAX_SIZE {
        return Err(GenerateError::TooLarge(new));
    }
    if old > new {
        return Err(GenerateError::SizesDecrease { old, new });
    }
    Ok(())
}
