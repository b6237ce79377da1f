//! The pages of a map: sorted entries in slots of a file.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::codec;
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::disk::{Disk, DiskFile, MemoryDisk};

use super::{Branch, Entry, Node, Summaries, Value, Versions, halves};

/// Bytes of a page: some 40 statuses. A change costs the hashes of a page, so larger ones would make changes slow; memory
/// holds some 200 bytes of each, and some 130 more of one that is proved from while it has changes that are not committed,
/// so smaller ones would need more of it.
pub(super) const PAGE: usize = 2048;

/// Entries in the file.
pub(super) struct Page {
    pub(super) slot: u32,
    /// Bytes used.
    pub(super) len: u16,
    /// Whether a save names it, so that its slot can't be written once the page is replaced.
    pub(super) is_saved: bool,
    /// Of the bytes used, so that what the medium changes is found.
    pub(super) checksum: u64,
    /// The last change in it.
    pub(super) latest: u64,
    pub(super) summaries: Summaries,
}

/// The pages in the file. None is ever changed in place, so a write that fails harms nothing that is there; then all of them
/// continue in memory: what can be derived must keep no peer from starting, or from answering, on a disk that is full.
pub(super) struct Pages {
    pub(super) file: Arc<dyn DiskFile>,
    /// Whether the file is one in memory, which nothing outlives.
    pub(super) is_in_memory: bool,
    /// Whether a sync of the file has failed. What was written before it may be lost though a later sync succeeds, so no save
    /// counts after that. Held while a sync runs.
    pub(super) sync_failed: Arc<Mutex<bool>>,
    pub(super) slots: Slots,
}

/// Which slots of the file may be written.
#[derive(Default)]
pub(super) struct Slots {
    /// Slots there are.
    pub(super) count: u32,
    /// Those that neither the map nor a save needs.
    pub(super) free: Vec<u32>,
    /// Those of replaced pages that a save names, each with the number of the last save when it was replaced, ascending.
    pub(super) held: VecDeque<(u64, u32)>,
    /// The number of the last save; the one that the map was opened from is 0.
    pub(super) last_save: u64,
}

impl Slots {
    /// Frees what only saves before a durable one name.
    pub(super) fn save_is_durable(&mut self, number: u64) {
        let freed = self.held.partition_point(|(last, _)| *last < number);
        self.free
            .extend(self.held.drain(..freed).map(|(_, slot)| slot));
    }
}

impl Pages {
    /// None yet, in a file.
    pub(super) fn in_file(file: Box<dyn DiskFile>) -> Pages {
        Pages {
            file: Arc::from(file),
            is_in_memory: false,
            sync_failed: Arc::default(),
            slots: Slots::default(),
        }
    }

    /// None yet, in memory.
    pub(super) fn in_memory() -> Pages {
        Pages {
            is_in_memory: true,
            ..Pages::in_file(memory().expect("memory takes every write"))
        }
    }

    fn bytes(&self, page: &Page) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; page.len.into()];
        match self.file.read_exact_at(&mut bytes, place(page.slot)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(damaged()),
            read => read?,
        }
        match checksum(&bytes) == page.checksum {
            true => Ok(bytes),
            false => Err(damaged()),
        }
    }

    /// The entries of a page at a depth.
    pub(super) fn read<V: Value>(&self, page: &Page, depth: usize) -> io::Result<Vec<Entry<V>>> {
        let bytes = self.bytes(page)?;
        let mut rest = &*bytes;
        let mut entries: Vec<Entry<V>> = Vec::new();
        while !rest.is_empty() {
            entries.push(codec::decode_next(&mut rest).map_err(|_| damaged())?);
        }
        // Only a damaged save leads to a page of other entries. Keys that repeat or don't belong together would have the tree
        // continue below its 256 bits.
        match (entries.first(), entries.last()) {
            (Some(first), Some(last))
                if entries.is_sorted_by(|one, next| one.0 < next.0)
                    && agree(&first.0, &last.0, depth) =>
            {
                Ok(entries)
            }
            _ => Err(damaged()),
        }
    }

    /// The same of the page that a key leads to.
    pub(super) fn read_for<V: Value>(
        &self,
        page: &Page,
        key: &Hash,
        depth: usize,
    ) -> io::Result<Vec<Entry<V>>> {
        let entries = self.read(page, depth)?;
        match entries.first() {
            Some((at, _)) if agree(at, key, depth) => Ok(entries),
            _ => Err(damaged()),
        }
    }

    /// What the page that a key leads to says of it.
    pub(super) fn find<V: Value>(
        &self,
        page: &Page,
        key: &Hash,
        depth: usize,
    ) -> io::Result<Versions<V>> {
        let bytes = self.bytes(page)?;
        let mut rest = &*bytes;
        while !rest.is_empty() {
            let (at, versions): Entry<V> = codec::decode_next(&mut rest).map_err(|_| damaged())?;
            // A page from elsewhere in the tree must not pass for one that lacks the key.
            if !agree(&at, key, depth) {
                return Err(damaged());
            }
            if at == *key {
                return Ok(versions);
            }
        }
        Ok(Versions::ABSENT)
    }

    fn move_to_memory(&mut self) -> io::Result<()> {
        let mut pages = vec![0; place(self.slots.count) as usize];
        let read = self.file.read_at(&mut pages, 0)?;
        let file = memory()?;
        file.write_at(&pages[..read], 0)?;
        // What saves name stays in the file that is left behind.
        self.file = Arc::from(file);
        self.is_in_memory = true;
        self.slots.save_is_durable(u64::MAX);
        Ok(())
    }

    /// Writes sorted entries of a place: to a page, or to as many as it takes.
    pub(super) fn write<V: Value>(
        &mut self,
        entries: &[Entry<V>],
        depth: usize,
    ) -> io::Result<Node> {
        if entries.is_empty() {
            return Ok(Node::Empty);
        }
        let mut bytes = Vec::with_capacity(PAGE);
        for entry in entries {
            if bytes.len() > PAGE {
                break;
            }
            codec::encode_into(entry, &mut bytes);
        }
        if bytes.len() > PAGE {
            let (left, right) = halves(entries, depth);
            let left = self.write(left, depth + 1)?;
            let right = self.write(right, depth + 1)?;
            return Ok(Branch::of(left, right));
        }
        let slot = self.slots.free.pop().unwrap_or(self.slots.count);
        if self.file.write_at(&bytes, place(slot)).is_err() {
            self.move_to_memory()?;
            self.file.write_at(&bytes, place(slot))?;
        }
        self.slots.count = self.slots.count.max(slot + 1);
        Ok(Node::Page(Page {
            slot,
            len: bytes.len() as u16,
            is_saved: false,
            checksum: checksum(&bytes),
            latest: entries
                .iter()
                .map(|(_, versions)| versions.at)
                .max()
                .unwrap_or(0),
            summaries: Summaries::default(),
        }))
    }

    /// Gives up the slot of a page that was replaced: at once, or as soon as no save needs it.
    pub(super) fn release(&mut self, page: &Page) {
        let slots = &mut self.slots;
        match page.is_saved && !self.is_in_memory {
            true => slots.held.push_back((slots.last_save, page.slot)),
            false => slots.free.push(page.slot),
        }
    }
}

/// Where a page begins in the file.
pub(super) fn place(slot: u32) -> u64 {
    u64::from(slot) * PAGE as u64
}

pub(super) fn memory() -> io::Result<Box<dyn DiskFile>> {
    MemoryDisk::new().open(Path::new("statuses"), true)
}

fn checksum(page: &[u8]) -> u64 {
    hash(Purpose::File, page).fingerprint()
}

/// Whether two keys have the same bits above a depth.
fn agree(one: &Hash, other: &Hash, depth: usize) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (bytes, bits) = (depth / 8, depth % 8);
    one[..bytes] == other[..bytes] && (bits == 0 || (one[bytes] ^ other[bytes]) >> (8 - bits) == 0)
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the file of statuses is damaged; restart the peer to have it written again from the records",
    )
}
