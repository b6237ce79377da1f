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
//!   map holds only certificates not plainly valid, can always be derived from the records, and needs two versions at most.
//!   It distinguishes leaf and node by strings of its own under one hash function, where the ledger has a key for each
//!   purpose; an empty subtree is a string too. It needs borsh, brings `ics23` by default, and builds on older majors
//!   of `digest`, `hashbrown` and `itertools`.
//! - `sparse-merkle-tree` 0.6 also stores through traits (`StoreReadOps`, `StoreWriteOps`). Runs of empty siblings are
//!   merged by a rule of its own (`MergeWithZero`, with a base node, zero bits and a count), compiled proofs are a byte
//!   program run on a stack, and an all-zero value means "absent". A second implementation would have to follow all
//!   that, while the three lines above are this map's whole specification.
//!
//! What remains to write is short enough to read in one sitting, and is checked against a naive model.

mod pages;
mod proof;
mod saving;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::crypto::hash::{Hash, Purpose, hash};
use crate::disk::DiskFile;

use pages::{Page, Pages};

pub use proof::{MAX_DEPTH, StatusProof, StatusProofError, Terminal};
pub use saving::{OpenError, Save};

/// Changes that wait to be written to their pages, each page once.
const MAX_WAITING: usize = 4096;

/// What a map holds under a key.
pub trait Value: Copy + PartialEq + Serialize + DeserializeOwned {
    /// What the map commits to.
    fn hash(&self) -> Hash;
}

impl Value for Hash {
    fn hash(&self) -> Hash {
        *self
    }
}

/// A value, and the one before the change that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Versions<V> {
    now: Option<V>,
    before: Option<V>,
    /// When it changed.
    at: u64,
}

impl<V: Copy> Versions<V> {
    const ABSENT: Versions<V> = Versions {
        now: None,
        before: None,
        at: 0,
    };

    /// The value by the changes made before `until`.
    fn seen(&self, until: u64) -> Option<V> {
        match self.at < until {
            true => self.now,
            false => self.before,
        }
    }

    /// What has to be kept once the changes before `committed` stand; nothing of a key that is absent either way.
    fn kept(self, committed: u64) -> Option<Versions<V>> {
        let before = self.before.filter(|_| self.at >= committed);
        (self.now.is_some() || before.is_some()).then_some(Versions { before, ..self })
    }
}

type Entry<V> = (Hash, Versions<V>);

/// The map. Its entries stand in pages of a file, sorted; memory has the tree above the pages, some 8 bytes an entry, with
/// the hashes that no change has made stale. A [`Save`] of that tree opens the map again from its file; without one the file
/// is of no use, and the map is derived from the records.
///
/// Each change is made at a point, a number that does not fall, and shows once everything before a later point has been
/// committed. So the map can run ahead of what readers are shown.
pub struct StatusMap<V> {
    pages: Pages,
    top: Node,
    waiting: BTreeMap<Hash, Versions<V>>,
    committed: u64,
}

/// What lies below a place in the tree. Never deeper than 256 branches, so recursion is bounded.
#[derive(Default)]
enum Node {
    #[default]
    Empty,
    Page(Page),
    Branch(Box<Branch>),
}

/// More entries than a page takes.
struct Branch {
    latest: u64,
    summaries: Summaries,
    left: Node,
    right: Node,
}

/// What has been asked for of a place since it was last written.
#[derive(Default)]
struct Summaries {
    /// By all changes.
    latest: Option<Summary>,
    /// By the changes before a point, where some came after it. Proofs are made at the committed point however many changes
    /// run ahead of it, so that one is kept as well; it stands until the point moves on. Apart, since few places need it.
    shown: Option<Box<(u64, Summary)>>,
}

impl Summaries {
    /// By the changes before `until`; `is_latest` says that none came after.
    fn known(&self, until: u64, is_latest: bool) -> Option<Summary> {
        match (is_latest, &self.shown) {
            (true, _) => self.latest,
            (false, Some(shown)) if shown.0 == until => Some(shown.1),
            (false, _) => None,
        }
    }

    fn keep(&mut self, found: Summary, until: u64, is_latest: bool) {
        match is_latest {
            true => {
                self.latest = Some(found);
                self.shown = None;
            }
            false => self.shown = Some(Box::new((until, found))),
        }
    }
}

/// How many entries there are below a place, as far as it matters, and their hash.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Summary {
    None,
    One(Hash),
    More(Hash),
}

impl Summary {
    fn hash(self) -> Hash {
        match self {
            Summary::None => Hash::ZERO,
            Summary::One(hash) | Summary::More(hash) => hash,
        }
    }

    /// Of a place, given those of its two sides. A leaf that is alone stands as high as it is alone.
    fn of(left: Summary, right: Summary) -> Summary {
        match (left, right) {
            (Summary::None, few @ (Summary::None | Summary::One(_)))
            | (few @ Summary::One(_), Summary::None) => few,
            _ => Summary::More(node_hash(&left.hash(), &right.hash())),
        }
    }

    /// Of sorted keys and the hashes of their values.
    fn of_leaves(leaves: &[(Hash, Hash)], depth: usize) -> Summary {
        match leaves {
            [] => Summary::None,
            [(key, value)] => Summary::One(leaf_hash(key, value)),
            _ => {
                let (left, right) = halves(leaves, depth);
                Summary::of(
                    Summary::of_leaves(left, depth + 1),
                    Summary::of_leaves(right, depth + 1),
                )
            }
        }
    }
}

impl<V: Value> StatusMap<V> {
    /// A map without entries whose pages go into a file. What the file holds is lost, so no save may name it any longer.
    /// Changes show once they are committed.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn new(file: Box<dyn DiskFile>) -> io::Result<StatusMap<V>> {
        file.set_len(0)?;
        Ok(StatusMap::over(Pages::in_file(file)))
    }

    /// The same in memory; it is never saved.
    pub fn in_memory() -> StatusMap<V> {
        StatusMap::over(Pages::in_memory())
    }

    fn over(pages: Pages) -> StatusMap<V> {
        StatusMap {
            pages,
            top: Node::Empty,
            waiting: BTreeMap::new(),
            committed: 0,
        }
    }

    /// Sets the value of a key, or takes the key out, at a point not before any earlier one's.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn set(&mut self, key: Hash, value: Option<V>, at: u64) -> io::Result<()> {
        let held = self.versions(&key)?;
        let before = held.seen(self.committed);
        let now = value;
        self.waiting.insert(key, Versions { now, before, at });
        match self.waiting.len() {
            MAX_WAITING.. => self.settle(),
            _ => Ok(()),
        }
    }

    /// Shows every change made before a point; for `u64::MAX`, each at once.
    pub fn commit(&mut self, point: u64) {
        self.committed = point;
    }

    /// The value of a key by the changes that were committed.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn get(&self, key: &Hash) -> io::Result<Option<V>> {
        Ok(self.versions(key)?.seen(self.committed))
    }

    /// The value of a key by all changes.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn latest(&self, key: &Hash) -> io::Result<Option<V>> {
        Ok(self.versions(key)?.now)
    }

    /// The root that commits to all entries, by all changes. Reads only the pages that changes have made stale.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn root(&mut self) -> io::Result<Hash> {
        self.settle()?;
        Ok(summary::<V>(&self.pages, &mut self.top, 0, u64::MAX)?.hash())
    }

    /// The root there would be with some more changes, made at a point.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn root_with(
        &mut self,
        changes: impl IntoIterator<Item = (Hash, Option<V>)>,
        at: u64,
    ) -> io::Result<Hash> {
        let mut held = Vec::new();
        let set = || {
            for (key, value) in changes {
                held.push((key, self.versions(&key)?));
                self.set(key, value, at)?;
            }
            self.root()
        };
        let root = set();
        self.waiting.extend(held);
        self.settle().and(root)
    }

    /// The proof of what the map says about `key` by the changes that were committed: its value, or that it is absent.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn prove(&mut self, key: &Hash) -> io::Result<StatusProof> {
        self.settle()?;
        let (pages, until) = (&self.pages, self.committed);
        let mut siblings = Vec::new();
        let mut place = &mut self.top;
        let terminal = loop {
            let depth = siblings.len();
            match summary::<V>(pages, place, depth, until)? {
                Summary::None => break Terminal::Empty,
                Summary::One(_) => break only_leaf::<V>(pages, place, depth, until)?,
                Summary::More(_) => {}
            }
            match place {
                Node::Branch(branch) => {
                    let (next, sibling) = match bit(key, depth) {
                        false => (&mut branch.left, &mut branch.right),
                        true => (&mut branch.right, &mut branch.left),
                    };
                    siblings.push(summary::<V>(pages, sibling, depth + 1, until)?.hash());
                    place = next;
                }
                Node::Page(page) => {
                    let leaves = leaves::<V>(&pages.read(page, depth)?, until);
                    break within_page(&leaves, key, &mut siblings);
                }
                Node::Empty => break Terminal::Empty,
            }
        };
        Ok(StatusProof { siblings, terminal })
    }

    fn versions(&self, key: &Hash) -> io::Result<Versions<V>> {
        if let Some(waiting) = self.waiting.get(key) {
            return Ok(*waiting);
        }
        let (mut place, mut depth) = (&self.top, 0);
        while let Node::Branch(branch) = place {
            place = match bit(key, depth) {
                false => &branch.left,
                true => &branch.right,
            };
            depth += 1;
        }
        match place {
            Node::Page(page) => self.pages.find(page, key, depth),
            _ => Ok(Versions::ABSENT),
        }
    }

    /// Writes the changes that wait to their pages. After a failure they wait still, and count before what pages say.
    fn settle(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            let changes: Vec<Entry<V>> = self.waiting.iter().map(|(k, v)| (*k, *v)).collect();
            put(&mut self.pages, &mut self.top, 0, &changes, self.committed)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        matches!(self, Node::Empty)
    }

    fn latest(&self) -> u64 {
        match self {
            Node::Empty => 0,
            Node::Page(page) => page.latest,
            Node::Branch(branch) => branch.latest,
        }
    }
}

impl Branch {
    fn of(left: Node, right: Node) -> Node {
        match (left, right) {
            (Node::Empty, Node::Empty) => Node::Empty,
            (left, right) => Node::Branch(Box::new(Branch {
                latest: left.latest().max(right.latest()),
                summaries: Summaries::default(),
                left,
                right,
            })),
        }
    }
}

/// Takes sorted changes into the pages below a place.
fn put<V: Value>(
    pages: &mut Pages,
    node: &mut Node,
    depth: usize,
    changes: &[Entry<V>],
    committed: u64,
) -> io::Result<()> {
    let kept = |(key, versions): Entry<V>| Some((key, versions.kept(committed)?));
    match node {
        _ if changes.is_empty() => {}
        Node::Empty => {
            let entries: Vec<Entry<V>> = changes.iter().copied().filter_map(kept).collect();
            *node = pages.write(&entries, depth)?;
        }
        Node::Page(page) => {
            let held = pages.read_for(page, &changes[0].0, depth)?;
            let mut entries: BTreeMap<Hash, Versions<V>> = held.into_iter().collect();
            entries.extend(changes.iter().copied());
            let entries: Vec<Entry<V>> = entries.into_iter().filter_map(kept).collect();
            let written = pages.write(&entries, depth)?;
            if let Node::Page(replaced) = std::mem::replace(node, written) {
                pages.release(&replaced);
            }
        }
        Node::Branch(branch) => {
            let (left, right) = halves(changes, depth);
            branch.summaries = Summaries::default();
            put(pages, &mut branch.left, depth + 1, left, committed)?;
            put(pages, &mut branch.right, depth + 1, right, committed)?;
            branch.latest = branch.left.latest().max(branch.right.latest());
            if branch.left.is_empty() && branch.right.is_empty() {
                *node = Node::Empty;
            }
        }
    }
    Ok(())
}

/// Of what is below a place, by the changes made before `until`. What is found is kept: the next to ask of the same point
/// reads nothing but what was written since.
fn summary<V: Value>(
    pages: &Pages,
    node: &mut Node,
    depth: usize,
    until: u64,
) -> io::Result<Summary> {
    let is_latest = node.latest() < until;
    let summaries = match node {
        Node::Empty => return Ok(Summary::None),
        Node::Page(page) => &page.summaries,
        Node::Branch(branch) => &branch.summaries,
    };
    if let Some(known) = summaries.known(until, is_latest) {
        return Ok(known);
    }
    let (summaries, found) = match node {
        Node::Empty => return Ok(Summary::None),
        Node::Page(page) => {
            let leaves = leaves::<V>(&pages.read(page, depth)?, until);
            (&mut page.summaries, Summary::of_leaves(&leaves, depth))
        }
        Node::Branch(branch) => {
            let left = summary::<V>(pages, &mut branch.left, depth + 1, until)?;
            let right = summary::<V>(pages, &mut branch.right, depth + 1, until)?;
            (&mut branch.summaries, Summary::of(left, right))
        }
    };
    summaries.keep(found, until, is_latest);
    Ok(found)
}

/// Keys and hashes of values by the changes made before `until`.
fn leaves<V: Value>(entries: &[Entry<V>], until: u64) -> Vec<(Hash, Hash)> {
    let seen = |(key, versions): &Entry<V>| Some((*key, versions.seen(until)?.hash()));
    entries.iter().filter_map(seen).collect()
}

/// The leaf of a place that has one. Pages without one are not read, however many there are of changes not committed.
fn only_leaf<V: Value>(
    pages: &Pages,
    mut place: &mut Node,
    mut depth: usize,
    until: u64,
) -> io::Result<Terminal> {
    while let Node::Branch(branch) = place {
        depth += 1;
        place = match summary::<V>(pages, &mut branch.left, depth, until)? {
            Summary::None => &mut branch.right,
            _ => &mut branch.left,
        };
    }
    let leaves = match place {
        Node::Page(page) => leaves::<V>(&pages.read(page, depth)?, until),
        _ => Vec::new(),
    };
    Ok(match leaves.first() {
        Some(&(key, value)) => Terminal::Leaf { key, value },
        None => Terminal::Empty,
    })
}

/// Continues a proof among the leaves of a page.
fn within_page(mut leaves: &[(Hash, Hash)], key: &Hash, siblings: &mut Vec<Hash>) -> Terminal {
    loop {
        match *leaves {
            [] => return Terminal::Empty,
            [(key, value)] => return Terminal::Leaf { key, value },
            _ => {}
        }
        let depth = siblings.len();
        let (left, right) = halves(leaves, depth);
        let (next, sibling) = match bit(key, depth) {
            false => (left, right),
            true => (right, left),
        };
        siblings.push(Summary::of_leaves(sibling, depth + 1).hash());
        leaves = next;
    }
}

/// What stands under keys.
type Keyed<T> = [(Hash, T)];

/// Sorted entries that agree in the bits above a depth, parted by the bit at it.
fn halves<T>(entries: &Keyed<T>, depth: usize) -> (&Keyed<T>, &Keyed<T>) {
    entries.split_at(entries.partition_point(|(key, _)| !bit(key, depth)))
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
