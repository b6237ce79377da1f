//! Whether what is on disk is what the log's root covers, of records that the opening did not read.
//!
//! An opening that reads every record has compared the tree file with them, so that a record is right if its leaf stands there. One
//! that begins with a snapshot has not: below it a record has to lead to the root that is in memory, and so has a page. A scrub
//! reads them all in its own time; behind it they are as good as read by the opening.

use std::io;
use std::sync::atomic::Ordering;

use crate::crypto::hash::Hash;
use crate::merkle::{
    Blake3Tree, NodeReader, TreeHasher, left_range, position, right_range, root_from,
};
use crate::record::{Frame, Frames, leaf_hash, record_hash};

use super::page::MAX_PAGE;
use super::reading::{Log, ReadError};

/// Blocks of 2^8 records: the root of each is proved once.
const BLOCK: u32 = 8;

impl Log {
    /// Records before this position were neither read by the opening nor since.
    pub fn unread_below(&self) -> u64 {
        self.unread_below.load(Ordering::Acquire)
    }

    /// Whether a leaf is that of the record held at a position.
    pub(super) fn is_leaf(&self, seq: u64, leaf: Hash) -> Result<bool, ReadError> {
        let below = self.unread_below();
        if seq >= below {
            return Ok(self.leaf(seq).map_err(|e| self.io(e))? == leaf);
        }
        let block = seq >> BLOCK;
        if (block + 1) << BLOCK > below {
            return self.is_under_root(0, seq, leaf);
        }
        let root = self.tree.root_over(BLOCK, seq, leaf);
        let root = root.map_err(|e| self.io(e))?;
        if self.proved.read().get(&block) == Some(&root) {
            return Ok(true);
        }
        let found = self.is_under_root(BLOCK, block, root)?;
        if found {
            self.proved.write().insert(block, root);
        }
        Ok(found)
    }

    /// Whether a node of the tree leads to the root over all that is held.
    fn is_under_root(&self, level: u32, index: u64, node: Hash) -> Result<bool, ReadError> {
        let (held, root) = *self.tip.read();
        let (begin, end) = (index << level, (index + 1) << level);
        let mut range = left_range(&self.tree, begin).map_err(|e| self.tree_error(e))?;
        range.push_subtree(level, node, &mut |_, _, _| ());
        let right = right_range(&self.tree, end, held).map_err(|e| self.tree_error(e))?;
        Ok(root_from(&range, &right, held).is_ok_and(|found| found == root))
    }

    /// Checks frames that were read from a position on, if the opening did not read them.
    pub(super) fn check_unread(&self, from: u64, frames: &[u8]) -> Result<(), ReadError> {
        match from < self.unread_below() {
            true => self.check_frames(from, frames).map(drop),
            false => Ok(()),
        }
    }

    /// Whether frames are those of the records from a position on, and the tree file has their nodes; returns how many there are.
    fn check_frames(&self, from: u64, frames: &[u8]) -> Result<u64, ReadError> {
        let (held, root) = *self.tip.read();
        let mut range = left_range(&self.tree, from).map_err(|e| self.tree_error(e))?;
        let mut nodes = Vec::new();
        for frame in Frames::new(frames) {
            let seq = range.size();
            let Frame {
                record, signature, ..
            } = frame.map_err(|_| self.damaged(seq))?;
            let leaf = leaf_hash(&record_hash(&self.lineage.at(seq), record), signature);
            range.push(leaf, &mut |_, _, node| nodes.push(node));
        }
        let end = range.size();
        let right = right_range(&self.tree, end, held).map_err(|e| self.tree_error(e))?;
        let same = root_from(&range, &right, held).is_ok_and(|found| found == root);
        match same && self.tree.holds(from, &nodes).map_err(|e| self.io(e))? {
            true => Ok(end - from),
            false => Err(self.damaged(from)),
        }
    }

    /// Reads records from a position on, up to 1 MiB, and holds them against the root and the tree file; returns where to
    /// continue, and how many bytes were read. Once this has come from the first record to the last, all are as good as read by the
    /// opening.
    ///
    /// # Errors
    /// [`ReadError`]: what is on disk is damaged. The next opening finds out what.
    pub fn scrub(&self, from: u64) -> Result<Option<(u64, usize)>, ReadError> {
        // Whatever the medium said: what it does not give is as good as damaged, and the next opening must not pass over it again.
        let found = self.scrub_from(from);
        found.inspect_err(|_| self.is_damaged.store(true, Ordering::Release))
    }

    fn scrub_from(&self, from: u64) -> Result<Option<(u64, usize)>, ReadError> {
        let Some((frames, _)) = self.frames_from(from, MAX_PAGE)? else {
            self.unread_below.store(0, Ordering::Release);
            self.proved.write().clear();
            return Ok(None);
        };
        let count = self.check_frames(from, &frames)?;
        Ok(Some((from + count, frames.len())))
    }
}

impl super::tree_file::TreeFile {
    /// The root of the subtree of a level that a leaf is in, given the leaf.
    fn root_over(&self, level: u32, seq: u64, leaf: Hash) -> io::Result<Hash> {
        /// Subtrees whose nodes are read at once: they follow one another in the file.
        const TOGETHER: u32 = 6;
        let group = (seq >> TOGETHER) << TOGETHER;
        let near = self.nodes(group, TOGETHER)?;
        let mut node = leaf;
        for level in 0..level {
            let index = seq >> level;
            let sibling = match level < TOGETHER {
                true => near[(position(level, index ^ 1) - position(0, group)) as usize],
                false => self.node(level, index ^ 1)?,
            };
            node = match index & 1 {
                0 => Blake3Tree::node(&node, &sibling),
                _ => Blake3Tree::node(&sibling, &node),
            };
        }
        Ok(node)
    }
}
