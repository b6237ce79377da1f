//! Pages: consecutive records that verify by themselves against a signed checkpoint.
//!
//! A page carries the compact range of what comes before it and of what follows it up to the checkpoint, so whoever
//! holds the department's key can check every byte the moment the page arrives, whatever else is missing. An
//! announcement of a new head is a page that ends at its checkpoint; it may be empty.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Blob, Bounded, DecodeError};
use crate::crypto::hash::Hash;
use crate::governance::History;
use crate::membership::Membership;
use crate::merkle::{CompactRange, CompactRangeError, root_from};
use crate::record::{FrameError, Frames, leaf_hash, record_hash};

use super::link::{BrokenRule, Link, Tip, follows, links};
use super::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use crate::names::{Lineage, LogId};

/// Most bytes of frames in a page: 1 MiB.
pub const MAX_PAGE: usize = 1 << 20;

/// Most bytes of an encoded page: frames, two ranges of at most 64 hashes, a checkpoint.
pub const MAX_ENCODED_PAGE: usize = MAX_PAGE + 8 * 1024;

/// Consecutive records of a log with what proves them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The checkpoint that covers them.
    pub checkpoint: SignedCheckpoint,
    /// Position of the first.
    pub from: u64,
    /// Compact range of the tree before them.
    pub left: Bounded<Hash, 64>,
    /// Compact range of the tree after them, up to the checkpoint.
    pub right: Bounded<Hash, 64>,
    /// Their frames.
    pub frames: Blob<MAX_PAGE>,
}

/// Why a page is refused because of whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not the canonical encoding of a page.
    #[error("page: {0}")]
    Decode(#[from] DecodeError),
    /// The checkpoint is not its department's.
    #[error("page: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A range has the wrong number of hashes for its place.
    #[error("page: {0}")]
    Range(#[from] CompactRangeError),
    /// The frames are cut off or malformed.
    #[error("page: {0}")]
    Frame(#[from] FrameError),
    /// The records reach beyond the checkpoint.
    #[error("page: its records reach position {end}, the checkpoint covers {size}")]
    Beyond {
        /// Position after the last record.
        end: u64,
        /// Size of the checkpoint.
        size: u64,
    },
    /// No generation before this one is known to have ended, or nothing was kept of it.
    #[error("page: no earlier generation of log {0} is known to have ended")]
    NothingKept(LogId),
    /// Ranges and records do not hash to the checkpoint's root.
    #[error("page: its records are not those under the checkpoint")]
    Root,
}

/// A tree after leaves were added.
#[derive(Clone, Debug)]
pub(crate) struct Grown {
    /// Every node that was completed, in post-order.
    pub(crate) nodes: Vec<Hash>,
    /// The tree afterwards.
    pub(crate) range: CompactRange,
}

/// A page whose every byte is known to be under its department's signed checkpoint.
#[derive(Clone, Debug)]
pub struct VerifiedPage {
    pub(crate) checkpoint: VerifiedCheckpoint,
    pub(crate) left: CompactRange,
    pub(crate) right: Bounded<Hash, 64>,
    pub(crate) frames: Blob<MAX_PAGE>,
    pub(crate) links: Vec<Link>,
    /// What the tree becomes with the links, unless a rule is broken.
    pub(crate) grown: Grown,
    /// Governance as it was known when the page was checked.
    pub(crate) history: Arc<History>,
    /// The first rule the records break among themselves; `links` ends before it.
    pub(crate) broken: Option<BrokenRule>,
}

impl VerifiedPage {
    /// Position of the first record.
    pub fn from(&self) -> u64 {
        self.left.size()
    }

    /// Position after the last record.
    pub fn end(&self) -> u64 {
        self.from() + self.links.len() as u64
    }

    /// The checkpoint that covers it.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// The same as it travels.
    pub(crate) fn to_page(&self) -> Page {
        Page {
            checkpoint: self.checkpoint.signed().clone(),
            from: self.from(),
            left: Bounded::first(self.left.nodes().iter().copied()),
            right: self.right.clone(),
            frames: self.frames.clone(),
        }
    }

    /// The records.
    pub fn links(&self) -> &[Link] {
        &self.links
    }
}

impl Page {
    /// Reads a page from its canonical bytes.
    ///
    /// # Errors
    /// [`PageError::Decode`].
    pub fn decode(bytes: &[u8]) -> Result<Page, PageError> {
        Ok(codec::decode(bytes, MAX_ENCODED_PAGE)?)
    }

    /// Position after the last record, counting frames by their lengths alone: what may be asked for next.
    ///
    /// # Errors
    /// [`PageError::Frame`].
    pub fn end(&self) -> Result<u64, PageError> {
        end_of(self.from, &self.frames)
    }

    /// Checks the page against its checkpoint, and the checkpoint against the membership.
    ///
    /// # Errors
    /// [`PageError`]: then the sender, not the department, is at fault.
    pub fn verify(self, members: &Membership) -> Result<VerifiedPage, PageError> {
        let checkpoint = self.checkpoint.clone().verify(members)?;
        self.under(checkpoint, members)
    }

    /// The same with its checkpoint verified already.
    ///
    /// # Errors
    /// [`PageError`].
    pub(crate) fn under(
        self,
        checkpoint: VerifiedCheckpoint,
        members: &Membership,
    ) -> Result<VerifiedPage, PageError> {
        debug_assert_eq!(checkpoint.signed(), &self.checkpoint, "its own checkpoint");
        let history = members.history();
        let bound = Bound {
            lineage: history.lineage(checkpoint.log),
            size: checkpoint.size,
            root: checkpoint.root,
            height: checkpoint.height,
        };
        let place = (self.from, &*self.left, &*self.right);
        let read = bound.read(&history, place, &self.frames)?;
        Ok(VerifiedPage {
            history,
            checkpoint,
            left: read.left,
            right: self.right,
            frames: self.frames,
            links: read.links,
            grown: read.grown,
            broken: read.broken,
        })
    }
}

/// Position after the last of some frames that begin at a position.
pub(super) fn end_of(from: u64, frames: &[u8]) -> Result<u64, PageError> {
    let mut end = from;
    for frame in Frames::new(frames) {
        frame?;
        // Unchecked so far: a position near 2^64 must not go round to a small one.
        end = end.saturating_add(1);
    }
    Ok(end)
}

/// What consecutive records have to be under.
pub(super) struct Bound {
    pub(super) lineage: Lineage,
    /// So many records.
    pub(super) size: u64,
    /// With this root.
    pub(super) root: Hash,
    /// Written by no later governance height than this one.
    pub(super) height: u64,
}

/// Records whose every byte is under a bound.
pub(super) struct ReadPage {
    pub(super) left: CompactRange,
    pub(super) links: Vec<Link>,
    pub(super) grown: Grown,
    pub(super) broken: Option<BrokenRule>,
}

impl Bound {
    /// Reads frames from a position on, between the ranges of the tree before and after them.
    pub(super) fn read(
        &self,
        history: &History,
        (from, left, right): (u64, &[Hash], &[Hash]),
        frames: &[u8],
    ) -> Result<ReadPage, PageError> {
        let left: CompactRange = CompactRange::from_parts(from, left.to_vec())?;
        let frames = Frames::new(frames).collect::<Result<Vec<_>, _>>()?;
        let (end, size) = (from.saturating_add(frames.len() as u64), self.size);
        if end > size {
            return Err(PageError::Beyond { end, size });
        }
        let mut claims = Claims {
            history,
            bound: self,
            held: None,
        };
        let read = links(&self.lineage, &frames, from);
        let mut range = left.clone();
        let mut nodes = Vec::with_capacity(2 * frames.len());
        let mut links: Vec<Link> = Vec::with_capacity(frames.len());
        let mut broken = None;
        for ((frame, link), seq) in frames.iter().zip(read).zip(from..) {
            let leaf = match &link {
                Ok(link) => link.leaf,
                Err(_) => {
                    let hash = record_hash(&self.lineage.at(seq), frame.record);
                    leaf_hash(&hash, frame.signature)
                }
            };
            range.push(leaf, &mut |_, _, node| nodes.push(node));
            if broken.is_some() {
                continue;
            }
            let checked = link.and_then(|link| {
                if let Some(last) = links.last() {
                    follows(&link, &Tip::after(last))?;
                }
                claims.check(&link)?;
                Ok(link)
            });
            match checked {
                Ok(link) => links.push(link),
                Err(rule) => broken = Some(rule),
            }
        }
        if root_from(&range, right, size)? != self.root {
            return Err(PageError::Root);
        }
        Ok(ReadPage {
            left,
            links,
            grown: Grown { nodes, range },
            broken,
        })
    }
}

/// Checks whether records could claim the key and governance height that they name.
struct Claims<'p> {
    history: &'p History,
    bound: &'p Bound,
    /// Generation, height and epoch of the record checked last: nearly always the next one's, too.
    held: Option<(u32, u64, u32)>,
}

impl Claims<'_> {
    /// What is known under the bound's height is known at every peer that can accept it, so all of them find the same.
    fn check(&mut self, link: &Link) -> Result<(), BrokenRule> {
        let claim = link.record.claim(&self.bound.lineage);
        let (seq, height) = (claim.seq, claim.height);
        let same = Some((claim.log.generation, height, claim.epoch));
        if self.held == same {
            return Ok(());
        }
        if height > self.bound.height {
            let size = self.bound.size;
            return Err(BrokenRule::CheckpointClaim { size });
        }
        let written = self.history.as_written(&claim);
        written.map_err(|why| BrokenRule::Claim { seq, why })?;
        self.held = same;
        Ok(())
    }
}
