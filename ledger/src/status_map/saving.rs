//! Saves: what opens a map again from its file without deriving it from the records.
//!
//! A save is the tree above the pages: in pre-order, whether a place is empty, a branch or a page, and of a page where it
//! stands, its length, checksum, last change and summary. So a map opens without reading a page, at one hash a branch.
//!
//! A page that a save names is not overwritten before a later save is durable; one that no save names yet is, as soon as it
//! is replaced. So whatever the file holds after a crash, the last durable save opens to what the map held when it was made,
//! and so does every save since whose pages were synced, should its bytes have survived.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::disk::DiskFile;

use super::pages::{PAGE, Page, Pages, Slots, place};
use super::{Branch, MAX_DEPTH, Node, StatusMap, Summaries, Summary, Value, summary};

/// A place in the tree as a save has it; what is below a branch follows, left before right.
#[derive(Serialize, Deserialize)]
pub(super) enum SavedNode {
    Empty,
    Branch,
    Page(SavedPage),
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedPage {
    pub(super) slot: u32,
    pub(super) len: u16,
    pub(super) checksum: u64,
    pub(super) latest: u64,
    pub(super) summary: Summary,
}

/// Where everything stands that a map held at one moment. Not durable by itself: its pages are [synced](Save::sync), then its
/// bytes made durable elsewhere, then the map is [informed](StatusMap::saved). None of it but the last needs the map.
pub struct Save {
    number: u64,
    tree: Vec<u8>,
    file: Arc<dyn DiskFile>,
    sync_failed: Arc<Mutex<bool>>,
}

impl Save {
    /// Makes the pages durable and returns the bytes that [open](StatusMap::open) the map from them. The bytes have no
    /// checksum. That the file has a name in its directory is the caller's to make durable.
    ///
    /// # Errors
    /// Those of the medium. No save of this map can be synced after one failed: a page may be lost though a later sync
    /// succeeds.
    pub fn sync(&self) -> io::Result<&[u8]> {
        // Held meanwhile: of two syncs at a time, the system may report a failure to one only.
        let mut failed = self.sync_failed.lock();
        if *failed {
            return Err(io::Error::other(
                "an earlier sync of the file of statuses failed; restart the peer to have it written again from the records",
            ));
        }
        let synced = self.file.sync();
        *failed = synced.is_err();
        synced.map(|()| &*self.tree)
    }
}

/// Why a map can't be opened from a save. It is to be derived from the records then.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The length of the file can't be read.
    #[error("the file of statuses can't be read: {0}")]
    Io(#[from] io::Error),
    /// Bytes that are not a sequence of nodes.
    #[error("the saved tree of statuses: {0}")]
    Encoding(#[from] DecodeError),
    /// A branch below the last bit of every key.
    #[error("the saved tree of statuses has a branch below depth {MAX_DEPTH}")]
    TooDeep,
    /// A branch with nothing below it.
    #[error("the saved tree of statuses has a branch with nothing below it")]
    EmptyBranch,
    /// A page that has no entries or more bytes than fit.
    #[error("the saved tree of statuses has a page of {0} bytes; it must be 1 to {PAGE}")]
    PageLen(u16),
    /// Two pages in one slot.
    #[error("the saved tree of statuses has two pages in slot {0} of the file")]
    SlotTwice(u32),
    /// A page beyond the end of the file.
    #[error(
        "the file of statuses has {found} bytes; the saved tree has a page that ends at {needed}"
    )]
    FileTooShort {
        /// Bytes that the saved tree needs.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A change not before the point that is to be committed.
    #[error("the saved tree of statuses has a change at {at}, not before {committed}")]
    NotCommitted {
        /// Where the change was made.
        at: u64,
        /// The point that is to be committed.
        committed: u64,
    },
}

impl<V: Value> StatusMap<V> {
    /// A save of the map as it stands. `None` when there is nothing that could be opened: a change is not committed yet, the
    /// pages are in memory, or a sync of the file has failed.
    ///
    /// Slots of the file that this save and those before it name are not written again until [`saved`](Self::saved) is called
    /// for a later one. A caller that can't make its saves durable should cease to ask for them, as the file grows with each.
    ///
    /// # Errors
    /// Those of the medium. Reads only the pages that changes have made stale, as [`root`](Self::root) does.
    pub fn save(&mut self) -> io::Result<Option<Save>> {
        let pages = &self.pages;
        // While a sync runs its outcome is not known; if it fails, this save can't be synced either.
        let has_failed = pages.sync_failed.try_lock().is_some_and(|failed| *failed);
        if pages.is_in_memory || has_failed {
            return Ok(None);
        }
        self.settle()?;
        // Settling may have moved the pages.
        let is_committed = self.top.is_empty() || self.top.latest() < self.committed;
        if self.pages.is_in_memory || !is_committed {
            return Ok(None);
        }
        let mut tree = Vec::new();
        encode::<V>(&self.pages, &mut self.top, 0, &mut tree)?;
        self.pages.slots.last_save += 1;
        Ok(Some(Save {
            number: self.pages.slots.last_save,
            tree,
            file: Arc::clone(&self.pages.file),
            sync_failed: Arc::clone(&self.pages.sync_failed),
        }))
    }

    /// Takes note that a save of this map is durable, its pages and its bytes, and is the one that will be opened. What only
    /// earlier ones name is written over from now on.
    pub fn saved(&mut self, save: &Save) {
        self.pages.slots.save_is_durable(save.number);
    }

    /// The map that was saved, from its file and the bytes of the save, with every change committed; `committed` is the point
    /// up to which they were. Reads none of the file, so what the medium changed in a page is found when that is read: an
    /// error of kind `InvalidData`, after which the save should not be opened again.
    ///
    /// No other map may write to the file. It is not changed before the map is; after an error it is as it was.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the bytes or the file.
    pub fn open(
        file: Box<dyn DiskFile>,
        saved: &[u8],
        committed: u64,
    ) -> Result<StatusMap<V>, OpenError> {
        let mut decoder = Decoder {
            rest: saved,
            scratch: Vec::new(),
            // A page in the last slot that a number can name is refused as one beyond the end: there is a slot after each.
            file_len: file.len()?.min(place(u32::MAX)),
            committed,
            slots: Vec::new(),
        };
        let (top, _) = decoder.node(0)?;
        if !decoder.rest.is_empty() {
            return Err(DecodeError::Trailing(decoder.rest.len()).into());
        }
        let slots = slots(decoder.slots)?;
        let pages = Pages {
            slots,
            ..Pages::in_file(file)
        };
        Ok(StatusMap {
            top,
            committed,
            ..StatusMap::over(pages)
        })
    }
}

/// Appends what is below a place, with the summaries that are missing.
fn encode<V: Value>(
    pages: &Pages,
    node: &mut Node,
    depth: usize,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let summary = summary::<V>(pages, node, depth, u64::MAX)?;
    match node {
        Node::Empty => codec::encode_into(&SavedNode::Empty, out),
        Node::Branch(branch) => {
            codec::encode_into(&SavedNode::Branch, out);
            encode::<V>(pages, &mut branch.left, depth + 1, out)?;
            encode::<V>(pages, &mut branch.right, depth + 1, out)?;
        }
        Node::Page(page) => {
            // Should a page that follows fail, this one's slot is only held longer than it need be.
            page.is_saved = true;
            let page = SavedPage {
                slot: page.slot,
                len: page.len,
                checksum: page.checksum,
                latest: page.latest,
                summary,
            };
            codec::encode_into(&SavedNode::Page(page), out);
        }
    }
    Ok(())
}

struct Decoder<'s> {
    rest: &'s [u8],
    scratch: Vec<u8>,
    file_len: u64,
    committed: u64,
    /// Of the pages so far.
    slots: Vec<u32>,
}

impl Decoder<'_> {
    /// What is below a place. Each node takes a byte at least, and none is deeper than 256, so bytes bound the work and the
    /// stack.
    fn node(&mut self, depth: usize) -> Result<(Node, Summary), OpenError> {
        let saved = match self.next()? {
            SavedNode::Empty => return Ok((Node::Empty, Summary::None)),
            SavedNode::Page(page) => return self.page(&page),
            SavedNode::Branch if depth == MAX_DEPTH => return Err(OpenError::TooDeep),
            SavedNode::Branch => (self.node(depth + 1)?, self.node(depth + 1)?),
        };
        let ((left, of_left), (right, of_right)) = saved;
        let summary = Summary::of(of_left, of_right);
        match Branch::of(left, right) {
            Node::Branch(mut branch) => {
                branch.summaries.latest = Some(summary);
                Ok((Node::Branch(branch), summary))
            }
            _ => Err(OpenError::EmptyBranch),
        }
    }

    fn page(&mut self, saved: &SavedPage) -> Result<(Node, Summary), OpenError> {
        if saved.len == 0 || usize::from(saved.len) > PAGE {
            return Err(OpenError::PageLen(saved.len));
        }
        let needed = place(saved.slot) + u64::from(saved.len);
        if needed > self.file_len {
            return Err(OpenError::FileTooShort {
                needed,
                found: self.file_len,
            });
        }
        if saved.latest >= self.committed {
            return Err(OpenError::NotCommitted {
                at: saved.latest,
                committed: self.committed,
            });
        }
        self.slots.push(saved.slot);
        let page = Page {
            slot: saved.slot,
            len: saved.len,
            is_saved: true,
            checksum: saved.checksum,
            latest: saved.latest,
            summaries: Summaries {
                latest: Some(saved.summary),
                shown: None,
            },
        };
        Ok((Node::Page(page), saved.summary))
    }

    fn next(&mut self) -> Result<SavedNode, DecodeError> {
        let before = self.rest;
        let node = codec::decode_next(&mut self.rest)?;
        self.scratch.clear();
        codec::encode_into(&node, &mut self.scratch);
        match before[..before.len() - self.rest.len()] == *self.scratch {
            true => Ok(node),
            false => Err(DecodeError::NotCanonical),
        }
    }
}

/// The slots of a file, of which pages take some. What is beyond the last of them is free as well.
fn slots(mut taken: Vec<u32>) -> Result<Slots, OpenError> {
    taken.sort_unstable();
    let mut slots = Slots::default();
    for slot in taken {
        if slot < slots.count {
            return Err(OpenError::SlotTwice(slot));
        }
        slots.free.extend(slots.count..slot);
        slots.count = slot + 1;
    }
    // The last is taken first: the beginning of the file is filled before its end.
    slots.free.reverse();
    Ok(slots)
}
