//! The tree file: Merkle nodes in post-order, 32 bytes each after the header, so that a proof is O(log n) reads.
//!
//! It is derived from the records: opening a log checks every node and repairs what differs. A node that is read later
//! is held against what is in memory, or against what it leads to.

use std::io;
use std::path::Path;

use crate::crypto::hash::Hash;
use crate::merkle::{Blake3Tree, NodeReader, nodes_before, position};

use crate::disk::{Disk, DiskFile};
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header, header, look};
use crate::names::LogName;

pub(crate) struct TreeFile {
    file: Box<dyn DiskFile>,
}

impl TreeFile {
    pub(crate) fn open(disk: &dyn Disk, path: &Path, log: &LogName) -> io::Result<TreeFile> {
        let file = disk.open(path, true)?;
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        if read < found.len() || check_header(&found, Kind::Tree, log, 0).is_err() {
            file.set_len(0)?;
            file.write_at(&header(Kind::Tree, log, 0), 0)?;
        }
        Ok(TreeFile { file })
    }

    /// Writes the nodes that complete the records from `size` on, in post-order.
    pub(crate) fn write(&self, size: u64, nodes: &[Hash]) -> io::Result<()> {
        let bytes: Vec<u8> = nodes.iter().flat_map(|node| *node.as_bytes()).collect();
        self.file
            .write_at(&bytes, HEADER_LEN + 32 * nodes_before(size))
    }

    /// Opens the file to read; `None` if it does not exist, or why it is not this log's.
    pub(crate) fn look(
        disk: &dyn Disk,
        path: &Path,
        log: &LogName,
    ) -> io::Result<Result<Option<TreeFile>, HeaderError>> {
        let found = look(disk, path, Kind::Tree, log, 0)?;
        Ok(found.map(|file| file.map(|file| TreeFile { file })))
    }

    /// Whether the file holds the nodes that complete the records from `size` on.
    pub(crate) fn holds(&self, size: u64, nodes: &[Hash]) -> io::Result<bool> {
        let mut found = vec![0; nodes.len() * 32];
        let at = HEADER_LEN + 32 * nodes_before(size);
        let read = self.file.read_at(&mut found, at)?;
        let mut pairs = found.chunks_exact(32).zip(nodes);
        Ok(read == found.len() && pairs.all(|(f, n)| f == n.as_bytes()))
    }

    /// Writes the nodes unless the file holds them already; returns whether it had to.
    pub(crate) fn repair(&self, size: u64, nodes: &[Hash]) -> io::Result<bool> {
        let same = self.holds(size, nodes)?;
        if !same {
            self.write(size, nodes)?;
        }
        Ok(!same)
    }

    /// The nodes of the subtree of a level whose first leaf is at a position, in the file's order.
    pub(crate) fn nodes(&self, first: u64, level: u32) -> io::Result<Vec<Hash>> {
        let mut bytes = vec![0; 32 * ((2 << level) - 1)];
        self.file
            .read_exact_at(&mut bytes, HEADER_LEN + 32 * nodes_before(first))?;
        let (nodes, _) = bytes.as_chunks();
        Ok(nodes.iter().map(|node| Hash::from_bytes(*node)).collect())
    }

    /// Makes the file durable, which only a snapshot asks for: without one it is compared with the records at every opening.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    pub(crate) fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.set_len(HEADER_LEN + 32 * nodes_before(size))
    }

    /// The leaf of a record that is there.
    pub(crate) fn leaf(&self, seq: u64) -> io::Result<Hash> {
        self.node(0, seq)
    }

    /// The leaf that stands for a record; `None` where the file ends before it.
    pub(crate) fn stored_leaf(&self, seq: u64) -> io::Result<Option<Hash>> {
        match self.leaf(seq) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            leaf => leaf.map(Some),
        }
    }
}

/// The error for a node that the medium changed after the opening.
pub(crate) fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the tree file is damaged; restart the peer to have it made again from the records",
    )
}

impl NodeReader for TreeFile {
    type Hasher = Blake3Tree;
    type Error = io::Error;

    fn node(&self, level: u32, index: u64) -> io::Result<Hash> {
        let mut bytes = [0; 32];
        self.file
            .read_exact_at(&mut bytes, HEADER_LEN + 32 * position(level, index))?;
        Ok(Hash::from_bytes(bytes))
    }
}
