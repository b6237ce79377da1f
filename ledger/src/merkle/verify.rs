//! Verification of proofs, after the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2. A proof must have exactly the
//! nodes it needs: one more or one less is refused, so every statement has one proof.

use super::hasher::TreeHasher;

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The leaf is not in a tree of this size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    IndexOutside {
        /// The leaf's index, from 0.
        index: u64,
        /// The tree's leaves.
        size: u64,
    },
    /// The old size is the larger one.
    #[error("a tree of {old} leaves does not come before one of {new}")]
    SizesDecrease {
        /// The older tree's leaves.
        old: u64,
        /// The newer tree's leaves.
        new: u64,
    },
    /// Every tree continues the empty one, so a proof from it says nothing about what was seen.
    #[error("no consistency proof begins at the empty tree")]
    EmptyOld,
    /// The proof ends before the root is reached.
    #[error("the proof has too few nodes")]
    TooShort,
    /// The proof continues after the root is reached.
    #[error("the proof has too many nodes")]
    TooLong,
    /// The proof leads to another root.
    #[error("the proof does not lead to the tree's root")]
    Root,
    /// The proof leads to another root for the older tree.
    #[error("the proof does not lead to the older tree's root")]
    OldRoot,
    /// The proof leads to another root for the newer tree. Also the answer to a wrong older root whose size is a power of
    /// two, for then the proof begins at that root.
    #[error("the proof does not lead to the newer tree's root")]
    NewRoot,
}

/// Checks that `leaf` is the leaf `index` of the tree of `size` leaves with this `root`.
///
/// # Errors
/// The rule the proof breaks.
pub fn verify_inclusion<H: TreeHasher>(
    leaf: &H::Digest,
    index: u64,
    size: u64,
    proof: &[H::Digest],
    root: &H::Digest,
) -> Result<(), VerifyError> {
    if index >= size {
        return Err(VerifyError::IndexOutside { index, size });
    }
    let mut climb = Climb {
        index,
        last: size - 1,
    };
    let mut digest = *leaf;
    for sibling in proof {
        digest = match climb.step()? {
            Side::Left => H::node(sibling, &digest),
            Side::Right => H::node(&digest, sibling),
        };
    }
    climb.finish()?;
    if digest == *root {
        Ok(())
    } else {
        Err(VerifyError::Root)
    }
}

/// Checks that the tree of `new_size` leaves with `new_root` continues the one of `old_size` leaves with `old_root`:
/// nothing that was in the old one was changed or removed.
///
/// # Errors
/// The rule the proof breaks.
pub fn verify_consistency<H: TreeHasher>(
    old_size: u64,
    old_root: &H::Digest,
    new_size: u64,
    new_root: &H::Digest,
    proof: &[H::Digest],
) -> Result<(), VerifyError> {
    if old_size == 0 {
        return Err(VerifyError::EmptyOld);
    }
    if old_size > new_size {
        return Err(VerifyError::SizesDecrease {
            old: old_size,
            new: new_size,
        });
    }
    if old_size == new_size {
        return match (proof.is_empty(), old_root == new_root) {
            (false, _) => Err(VerifyError::TooLong),
            (true, false) => Err(VerifyError::NewRoot),
            (true, true) => Ok(()),
        };
    }
    // Both roots are computed from the old tree's last perfect subtree; if it is the whole old tree, it is not sent.
    let (seed, path) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(VerifyError::TooShort)?
    };
    let level = old_size.trailing_zeros();
    let mut climb = Climb {
        index: (old_size - 1) >> level,
        last: (new_size - 1) >> level,
    };
    let (mut old, mut new) = (*seed, *seed);
    for sibling in path {
        match climb.step()? {
            Side::Left => {
                old = H::node(sibling, &old);
                new = H::node(sibling, &new);
            }
            Side::Right => new = H::node(&new, sibling),
        }
    }
    climb.finish()?;
    if old != *old_root {
        return Err(VerifyError::OldRoot);
    }
    if new != *new_root {
        return Err(VerifyError::NewRoot);
    }
    Ok(())
}

/// The way from a node up to the root; `fn` and `sn` in the RFC.
struct Climb {
    /// Index of the node reached, on its level.
    index: u64,
    /// Index of the last node on that level.
    last: u64,
}

/// On which side the next sibling lies.
enum Side {
    Left,
    Right,
}

impl Climb {
    fn step(&mut self) -> Result<Side, VerifyError> {
        if self.last == 0 {
            return Err(VerifyError::TooLong);
        }
        let side = if self.index & 1 == 1 || self.index == self.last {
            // The right edge has no sibling on levels where its index is even: it moves up to the first that has one.
            // Its index is that of the last node, which is not 0, so there is one.
            let skipped = self.index.trailing_zeros();
            self.index >>= skipped;
            self.last >>= skipped;
            Side::Left
        } else {
            Side::Right
        };
        self.index >>= 1;
        self.last >>= 1;
        Ok(side)
    }

    fn finish(&self) -> Result<(), VerifyError> {
        if self.last == 0 {
            Ok(())
        } else {
            Err(VerifyError::TooShort)
        }
    }
}
