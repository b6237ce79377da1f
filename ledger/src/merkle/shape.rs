//! Arithmetic of the tree's shape: which perfect subtrees cover a range, and where they lie in the post-order file.

/// The largest number of leaves a tree may have, 2^62: every count and position below stays within `u64`.
pub const MAX_SIZE: u64 = 1 << 62;

/// The number of nodes in the post-order file after `leaves` leaves: `2·leaves − popcount(leaves)`.
///
/// Exact up to [`MAX_SIZE`] leaves (and a little beyond); saturates for counts that no tree has.
#[must_use]
pub fn nodes_before(leaves: u64) -> u64 {
    (leaves - u64::from(leaves.count_ones())).saturating_add(leaves)
}

/// The place, counted in nodes from 0, of the perfect subtree `(level, index)` in the post-order file.
///
/// A subtree's nodes directly follow those of all leaves before it, and its root is the last of its 2^(level+1) − 1
/// nodes. Saturates at `u64::MAX` for coordinates outside a tree of [`MAX_SIZE`] leaves.
#[must_use]
pub fn position(level: u32, index: u64) -> u64 {
    match index.checked_mul(1u64.checked_shl(level).unwrap_or(0)) {
        Some(begin) if level < 63 => nodes_before(begin).saturating_add((1 << (level + 1)) - 2),
        _ => u64::MAX,
    }
}

/// The perfect subtrees `(level, index)` that cover the leaves `[k, n)`, left to right: at each step the largest that
/// begins there and does not pass `n`. Fewer than 128 of them; none if `k >= n`. From `k = 0` this is the compact range
/// of a tree of `n` leaves, largest subtree first.
#[must_use]
pub fn right_range_shape(k: u64, n: u64) -> Vec<(u32, u64)> {
    let mut cover = Vec::new();
    let mut begin = k;
    while begin < n {
        // `trailing_zeros` of 0 is 64: a subtree of any level may begin at leaf 0.
        let level = begin.trailing_zeros().min((n - begin).ilog2());
        cover.push((level, begin >> level));
        begin += 1 << level;
    }
    cover
}
