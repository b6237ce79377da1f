//! What a generation of a log begins with: the records that are kept of the one before it.
//!
//! Nobody need have signed a checkpoint over just these. What vouches for them is the block that ended the generation before:
//! it names how many they are, and their root. So they are copied from what is held of that one, or come from other members
//! in pages under that root, and readers see them before the department has signed anything in the new generation.

use serde::{Deserialize, Serialize};

use crate::codec::{Blob, Bounded};
use crate::crypto::hash::Hash;
use crate::governance::GenerationEnded;
use crate::membership::Membership;
use crate::merkle::{CompactRange, right_range};
use crate::names::LogId;

use super::link::{BrokenRule, Link, follows};
use super::page::{Bound, Grown, MAX_PAGE, end_of};
use super::reading::{Log, ReadError};
use super::replica::ApplyError;
use super::{Applied, PageError, VerifiedCheckpoint};

/// Consecutive records that a generation begins with, and what leads from them to the root at which the one before ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPage {
    /// The log of the generation that begins with them.
    pub log: LogId,
    /// Position of the first.
    pub from: u64,
    /// Compact range of the tree before them.
    pub left: Bounded<Hash, 64>,
    /// Compact range of the tree after them, up to the last that is kept.
    pub right: Bounded<Hash, 64>,
    /// Their frames.
    pub frames: Blob<MAX_PAGE>,
}

/// Kept records whose every byte is known to be under the root that the members named.
#[derive(Clone, Debug)]
pub struct VerifiedKept {
    log: LogId,
    ended: GenerationEnded,
    left: CompactRange,
    frames: Blob<MAX_PAGE>,
    links: Vec<Link>,
    grown: Grown,
    broken: Option<BrokenRule>,
}

impl KeptPage {
    /// Position after the last record, counting frames by their lengths alone.
    ///
    /// # Errors
    /// [`PageError::Frame`].
    pub fn end(&self) -> Result<u64, PageError> {
        end_of(self.from, &self.frames)
    }

    /// Checks the page against where the generation before ended.
    ///
    /// # Errors
    /// [`PageError`]: then the sender is at fault.
    pub fn verify(self, members: &Membership) -> Result<VerifiedKept, PageError> {
        let history = members.history();
        let ended = history.beginning(self.log);
        let ended = *ended.ok_or(PageError::NothingKept(self.log))?;
        let bound = Bound {
            lineage: history.lineage(self.log),
            size: ended.size,
            root: ended.root,
            height: ended.height,
        };
        let place = (self.from, &*self.left, &*self.right);
        let read = bound.read(&history, place, &self.frames)?;
        Ok(VerifiedKept {
            log: self.log,
            ended,
            left: read.left,
            frames: self.frames,
            links: read.links,
            grown: read.grown,
            broken: read.broken,
        })
    }
}

impl VerifiedKept {
    /// Position after the last record.
    pub(super) fn end(&self) -> u64 {
        self.left.size() + self.links.len() as u64
    }
}

impl Log {
    /// Records that it begins with by decision of the members, or of its department, and that are not here yet.
    pub fn kept_missing(&self) -> u64 {
        let kept = self.beginning.map_or(0, |ended| ended.size);
        match self.size() >= kept {
            true => 0,
            false => kept.saturating_sub(self.held()),
        }
    }

    /// Takes a checkpoint of the generation before that covers just what this one begins with: by it others can be shown that,
    /// until the department signs one in this generation.
    ///
    /// # Errors
    /// [`ApplyError::Append`].
    pub(crate) fn keep_signed(&self, signed: &VerifiedCheckpoint) -> Result<(), ApplyError> {
        let mut appender = self.appender.lock();
        let covers = |ended: &GenerationEnded| {
            (ended.size, ended.root) == (signed.size, signed.root) && appender.size() == ended.size
        };
        let is_new = appender.floor.is_none() && self.provable().is_none();
        if is_new && self.beginning.as_ref().is_some_and(covers) {
            appender.begin(self, Some(signed.clone()))?;
        }
        Ok(())
    }

    /// A page of what this log begins with; `None` if not all of that is held here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn own_kept_page(
        &self,
        from: u64,
        max_bytes: usize,
    ) -> Result<Option<KeptPage>, ReadError> {
        match &self.beginning {
            Some(ended) => self.kept_page((self.name.id, ended), from, max_bytes),
            None => Ok(None),
        }
    }

    /// A page of what another generation of this log begins with; `None` if not all of that is held here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn kept_page(
        &self,
        (log, ended): (LogId, &GenerationEnded),
        from: u64,
        max_bytes: usize,
    ) -> Result<Option<KeptPage>, ReadError> {
        let size = ended.size;
        if from > size || self.size() < size || self.range_at(size)?.root() != ended.root {
            return Ok(None);
        }
        let frames = self.frames_before(from, size, max_bytes.min(MAX_PAGE))?;
        let (frames, count) = frames.unwrap_or_default();
        let left = self.range_at(from)?;
        let right = right_range(&self.tree, from + count, size).map_err(|e| self.tree_error(e))?;
        Ok(Some(KeptPage {
            log,
            from,
            left: Bounded::first(left.nodes().iter().copied()),
            right: Bounded::first(right),
            frames: Blob::new(frames).expect("cut to the bound"),
        }))
    }

    /// Adds what a page holds of what the log begins with. Durable once all of that is here, and shown to readers then; what
    /// came before is cut off by an opening, since nothing vouches for a part of it.
    ///
    /// # Errors
    /// [`ApplyError`].
    pub fn begin_with(&self, page: &VerifiedKept) -> Result<Applied, ApplyError> {
        let mut appender = self.appender.lock();
        if self.stopped().is_some() {
            return Err(ApplyError::Stopped);
        }
        let (kept, from, held) = (page.ended.size, page.left.size(), appender.size());
        if page.log != self.name.id || held >= kept {
            return Ok(Applied::Nothing);
        }
        if from > held {
            return Err(ApplyError::Gap { from, held });
        }
        let ours = match from == held {
            true => appender.range.clone(),
            false => self.range_at(from)?,
        };
        let other_end = ApplyError::OtherEnd { size: kept };
        if ours != page.left {
            return Err(other_end);
        }
        for (link, seq) in page.links.iter().zip(from..held) {
            if !self.is_leaf(seq, link.leaf)? {
                return Err(other_end);
            }
        }
        if let Some(rule) = &page.broken {
            return Err(ApplyError::Broken(rule.clone()));
        }
        let known = ((held - from) as usize).min(page.links.len());
        let new = &page.links[known..];
        let Some(first) = new.first() else {
            return Ok(Applied::Nothing);
        };
        follows(first, &appender.tip).map_err(ApplyError::Broken)?;
        let skip = page.links[..known]
            .iter()
            .map(|link| link.frame_len as usize);
        let frames = &page.frames[skip.sum::<usize>()..];
        let grown = (known == 0).then_some(&page.grown);
        appender.append(self, new, frames, grown)?;
        if appender.size() == kept {
            // Before the head speaks of them: it must never vouch for what a crash can take.
            appender.sync(self)?;
            appender.begin(self, None)?;
        }
        let held = appender.size();
        Ok(Applied::Progress { held })
    }
}
