//! A sparse Merkle map: one root that commits to a set of `key -> value` pairs, with short proofs that a key has a value
//! or is absent.
//!
//! Keys are 32-byte hashes read as 256 bits, most significant first; a bit chooses left (0) or right (1). The root is
//! - of no entry: [`Hash::ZERO`];
//! - of one entry, at any depth: the [`Purpose::StatusLeaf`] hash of key‖value;
//! - of more entries: the [`Purpose::StatusNode`] hash of left‖right, the entries split by the bit at that depth.
//!
//! So a leaf sits at the shallowest depth where it is alone, and the root depends on the set only, not on the order in
//! which it came to be. A proof among `n` entries with evenly spread keys has about log2(n) siblings.
//!
//! # Why own code
//! Two crates were weighed, as released when this was written:
//! - `jmt` 0.12 has the same tree shape, but is made for a versioned database: each change is a numbered version, comes
//!   back as a batch of nodes to store, and is read again through a `TreeReader` that the caller implements. Here the
//!   map is small (only certificates not plainly valid), lives in memory, is rebuilt at start, and needs one version.
//!   It tells leaf and node apart by strings of its own under one hash function, where the ledger has a key for each
//!   purpose; an empty subtree is a string too. It needs borsh, brings `ics23` by default, and builds on older majors
//!   of `digest`, `hashbrown` and `itertools`.
//! - `sparse-merkle-tree` 0.6 also stores through traits (`StoreReadOps`, `StoreWriteOps`). Runs of empty siblings are
//!   merged by a rule of its own (`MergeWithZero`, with a base node, zero bits and a count), compiled proofs are a byte
//!   program run on a stack, and an all-zero value means "absent". A second implementation would have to follow all
//!   that, while the three lines above are this map's whole specification.
//!
//! What remains to write is short enough to read in one sitting, and is checked against a naive model.

mod proof;
#[cfg(test)]
mod tests;

use crate::hash::{Hash, Purpose, hash};

pub use proof::{MAX_DEPTH, StatusProof, StatusProofError, Terminal};

/// The map, in memory: about 200 bytes an entry. Hashes are computed when a root or a proof is asked for, and only
/// those that changes have made stale.
#[derive(Debug, Clone, Default)]
pub struct StatusMap {
    top: Subtree,
    len: usize,
}

/// What lies below a place in the tree. Never deeper than 256 branches, so recursion (also in `drop`) is bounded.
#[derive(Debug, Clone, Default)]
enum Subtree {
    #[default]
    Empty,
    Leaf(Box<Leaf>),
    Branch(Box<Branch>),
}

/// An entry. Its hash is not kept: it is needed again only when a neighbour changes, and would cost 32 bytes.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    key: Hash,
    value: Hash,
}

/// Two or more entries.
#[derive(Debug, Clone)]
struct Branch {
    /// The hash, or `None` if something below has changed since it was computed.
    hash: Option<Hash>,
    left: Subtree,
    right: Subtree,
}

impl StatusMap {
    /// The map without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            top: Subtree::Empty,
            len: 0,
        }
    }

    /// The number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the value of a key and returns the value it had.
    pub fn insert(&mut self, key: Hash, value: Hash) -> Option<Hash> {
        let before = self.top.insert(Leaf { key, value }, 0);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes a key out and returns the value it had.
    pub fn remove(&mut self, key: &Hash) -> Option<Hash> {
        let before = self.top.remove(key, 0);
        self.len -= usize::from(before.is_some());
        before
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Hash) -> Option<Hash> {
        let mut place = &self.top;
        let mut depth = 0;
        loop {
            match place {
                Subtree::Empty => return None,
                Subtree::Leaf(leaf) => return (leaf.key == *key).then_some(leaf.value),
                Subtree::Branch(branch) => {
                    place = if bit(key, depth) {
                        &branch.right
                    } else {
                        &branch.left
                    }
                }
            }
            depth += 1;
        }
    }

    /// The entries in the order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            pending: vec![&self.top],
        }
    }

    /// The root that commits to all entries. Computes only the hashes that changes have made stale.
    pub fn root(&mut self) -> Hash {
        self.top.hash()
    }

    /// The proof of what the map says about `key`: its value, or that it is absent.
    pub fn prove(&mut self, key: &Hash) -> StatusProof {
        let mut siblings = Vec::new();
        let mut place = &mut self.top;
        let terminal = loop {
            match place {
                Subtree::Empty => break Terminal::Empty,
                Subtree::Leaf(leaf) => {
                    break Terminal::Leaf {
                        key: leaf.key,
                        value: leaf.value,
                    };
                }
                Subtree::Branch(branch) => {
                    let (next, sibling) = branch.sides(bit(key, siblings.len()));
                    siblings.push(sibling.hash());
                    place = next;
                }
            }
        };
        StatusProof { siblings, terminal }
    }
}

impl Subtree {
    fn hash(&mut self) -> Hash {
        match self {
            Self::Empty => Hash::ZERO,
            Self::Leaf(leaf) => leaf_hash(&leaf.key, &leaf.value),
            Self::Branch(branch) => {
                if let Some(known) = branch.hash {
                    return known;
                }
                let fresh = node_hash(&branch.left.hash(), &branch.right.hash());
                branch.hash = Some(fresh);
                fresh
            }
        }
    }

    fn insert(&mut self, new: Leaf, depth: usize) -> Option<Hash> {
        match self {
            Self::Empty => *self = Self::Leaf(Box::new(new)),
            Self::Leaf(old) if old.key == new.key => {
                return Some(std::mem::replace(&mut old.value, new.value));
            }
            Self::Leaf(old) => {
                // Not alone any more: the old leaf moves down a bit, the new one follows until their keys part.
                let mut branch = Branch {
                    hash: None,
                    left: Self::Empty,
                    right: Self::Empty,
                };
                *branch.sides(bit(&old.key, depth)).0 = Self::Leaf(old.clone());
                branch.sides(bit(&new.key, depth)).0.insert(new, depth + 1);
                *self = Self::Branch(Box::new(branch));
            }
            Self::Branch(branch) => {
                let before = branch.sides(bit(&new.key, depth)).0.insert(new, depth + 1);
                if before != Some(new.value) {
                    branch.hash = None;
                }
                return before;
            }
        }
        None
    }

    fn remove(&mut self, key: &Hash, depth: usize) -> Option<Hash> {
        match self {
            Self::Leaf(leaf) if leaf.key == *key => {
                let before = leaf.value;
                *self = Self::Empty;
                Some(before)
            }
            Self::Empty | Self::Leaf(_) => None,
            Self::Branch(branch) => {
                let before = branch.sides(bit(key, depth)).0.remove(key, depth + 1)?;
                branch.hash = None;
                // A leaf that is now alone moves up to where it would be, had the removed entry never been there.
                match (&mut branch.left, &mut branch.right) {
                    (Self::Empty, alone @ (Self::Leaf(_) | Self::Empty))
                    | (alone @ Self::Leaf(_), Self::Empty) => {
                        *self = std::mem::take(alone);
                    }
                    _ => {}
                }
                Some(before)
            }
        }
    }
}

impl Branch {
    /// The side a bit chooses, and the other one.
    fn sides(&mut self, right: bool) -> (&mut Subtree, &mut Subtree) {
        if right {
            (&mut self.right, &mut self.left)
        } else {
            (&mut self.left, &mut self.right)
        }
    }
}

/// The entries of a [`StatusMap`] in the order of their keys.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    /// Subtrees yet to visit, the next one last.
    pending: Vec<&'a Subtree>,
}

impl Iterator for Iter<'_> {
    /// Key and value.
    type Item = (Hash, Hash);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.pending.pop()? {
                Subtree::Empty => {}
                Subtree::Leaf(leaf) => return Some((leaf.key, leaf.value)),
                Subtree::Branch(branch) => self.pending.extend([&branch.right, &branch.left]),
            }
        }
    }
}

impl<'a> IntoIterator for &'a StatusMap {
    type Item = (Hash, Hash);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Extend<(Hash, Hash)> for StatusMap {
    fn extend<I: IntoIterator<Item = (Hash, Hash)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl FromIterator<(Hash, Hash)> for StatusMap {
    fn from_iter<I: IntoIterator<Item = (Hash, Hash)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

/// The bit of a key at a depth below 256, most significant first.
fn bit(key: &Hash, depth: usize) -> bool {
    key.as_bytes()[depth / 8] >> (7 - depth % 8) & 1 == 1
}

fn leaf_hash(key: &Hash, value: &Hash) -> Hash {
    pair_hash(Purpose::StatusLeaf, key, value)
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    pair_hash(Purpose::StatusNode, left, right)
}

fn pair_hash(purpose: Purpose, first: &Hash, second: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(first.as_bytes());
    both[32..].copy_from_slice(second.as_bytes());
    hash(purpose, &both)
}
