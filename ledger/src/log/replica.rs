//! Adding verified pages to a log: how a replica grows, and how a department gets its own log back.

use crate::crypto::hash::Hash;
use crate::governance::Judgement;
use crate::record::{Frames, SignedRecord};

use super::append::{AppendError, Appender};
use super::broken;
use super::checkpoint::Reached;
use super::link::{BrokenRule, follows};
use super::page::VerifiedPage;
use super::reading::{Log, ReadError, Stopped};
use super::{ForkEvidence, VerifiedCheckpoint};

/// What a page changed.
#[derive(Clone, Debug)]
pub enum Applied {
    /// Nothing: all of it was held already.
    Nothing,
    /// Records were added; the checkpoint is still ahead.
    Progress {
        /// Records held now.
        held: u64,
    },
    /// The log has reached the checkpoint.
    Accepted(Box<VerifiedCheckpoint>),
}

/// Why a page was not added.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It begins after what is held.
    #[error("the page begins at record {from}, {held} are held")]
    Gap {
        /// Where it begins.
        from: u64,
        /// Records held.
        held: u64,
    },
    /// Its checkpoint is older than one accepted before.
    #[error("the checkpoint covers {size} records, one of {accepted} was accepted before")]
    Stale {
        /// Size of the page's checkpoint.
        size: u64,
        /// Size of the one accepted.
        accepted: u64,
    },
    /// What precedes it is not what is held: somewhere below, the department signed two histories.
    #[error("the log was signed with two histories below record {below}")]
    Diverged {
        /// Where the page begins.
        below: u64,
    },
    /// The department signed two histories; the log has stopped.
    #[error("the log is forked at record {}", .0.position())]
    Forked(Box<ForkEvidence>),
    /// The department broke a rule of the log; the log has stopped.
    #[error("the department broke a rule of the log: {0}")]
    Broken(BrokenRule),
    /// It is signed as of before an end that the log held here leads to, and contradicts that: whoever has an ended key can sign
    /// such a page, and it stops nothing.
    #[error(
        "the page is signed as of before record {size}, and its log was settled up to there with other records"
    )]
    OtherEnd {
        /// Records that are settled.
        size: u64,
    },
    /// The log had stopped before.
    #[error("the log has stopped")]
    Stopped,
    /// A write was refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Log {
    /// Adds what a page holds beyond what is held here, durably. One that breaks a rule is kept, so that the log stops again
    /// when it is opened again.
    ///
    /// # Errors
    /// [`ApplyError`]; on a fork or a broken rule the log has stopped.
    pub fn apply(&self, page: &VerifiedPage) -> Result<Applied, ApplyError> {
        let result = self.add(page);
        if let Err(ApplyError::Broken(_)) = &result {
            // A disk that refuses it leaves a stop that lasts until the restart, and comes back with the page.
            let _ = broken::keep(&*self.disk, &self.broken, &self.name, &page.to_page());
        }
        result
    }

    /// The same without keeping the page.
    pub(super) fn add(&self, page: &VerifiedPage) -> Result<Applied, ApplyError> {
        // Held until the page is added or refused: two pages that go on from one place must not both be compared with what is
        // held before one of them is.
        let mut appender = self.appender.lock();
        if self.stopped().is_some() {
            return Err(ApplyError::Stopped);
        }
        let result = match self.apply_locked(&mut appender, page) {
            Err(
                error @ (ApplyError::Forked(_)
                | ApplyError::Broken(_)
                | ApplyError::Diverged { .. }),
            ) => Err(match self.settled_below(&appender, page) {
                Some(size) => ApplyError::OtherEnd { size },
                None => error,
            }),
            result => result,
        };
        match &result {
            Err(ApplyError::Forked(evidence)) => {
                self.stop(Stopped::Forked((**evidence).clone().into()));
            }
            Err(ApplyError::Broken(rule)) => self.stop(Stopped::Broken(rule.clone())),
            _ => {}
        }
        result
    }

    /// The size of an end that this log leads to, and that the page's checkpoint would have had to lead to.
    fn settled_below(&self, appender: &Appender, page: &VerifiedPage) -> Option<u64> {
        let Judgement::By(judge) = page.history.judge(&page.checkpoint.claim()) else {
            return None;
        };
        let mut ends = judge.leads_to.into_iter();
        let held = |(size, root): &(u64, Hash)| {
            *size <= appender.size()
                && self
                    .range_at(*size)
                    .is_ok_and(|range| range.root() == *root)
        };
        ends.find(held).map(|(size, _)| size)
    }

    fn apply_locked(
        &self,
        appender: &mut Appender,
        page: &VerifiedPage,
    ) -> Result<Applied, ApplyError> {
        let (from, held) = (page.from(), appender.size());
        if from > held {
            return Err(ApplyError::Gap { from, held });
        }
        self.compare(appender, page)?;
        let size = page.checkpoint.size;
        let accepted = appender.floor.as_ref().map_or(0, |floor| floor.size);
        let older = size < accepted;
        // After a loss, records under an older checkpoint come back too: perhaps nobody else holds more. The checkpoint
        // itself is not accepted again.
        if older && !(appender.restoring(self) && page.end() > held) {
            return Err(ApplyError::Stale { size, accepted });
        }
        if let Some(rule) = &page.broken {
            return Err(ApplyError::Broken(rule.clone()));
        }
        // What the generation begins with comes under the root that was decided, and under no checkpoint: nobody's word on less of
        // it could be checked.
        if let Some(kept) = self.beginning.filter(|ended| held < ended.size) {
            let from = kept.size;
            return Err(ApplyError::Gap { from, held });
        }
        let known = ((held - from) as usize).min(page.links.len());
        let new = &page.links[known..];
        if let Some(first) = new.first() {
            follows(first, &appender.tip).map_err(ApplyError::Broken)?;
            check_floor(appender, page, known)?;
            let skip: usize = page.links[..known]
                .iter()
                .map(|link| link.frame_len as usize)
                .sum();
            let grown = (known == 0).then_some(&page.grown);
            appender.append(self, new, &page.frames[skip..], grown)?;
            // Before the head speaks of them, below: it must never vouch for what a crash can take.
            appender.sync(self)?;
        }
        let reached = appender.size() == page.checkpoint.size;
        if reached && !older && self.size() < page.checkpoint.size {
            self.accept(appender, &page.checkpoint)?;
            return Ok(Applied::Accepted(Box::new(page.checkpoint.clone())));
        }
        if new.is_empty() {
            return Ok(Applied::Nothing);
        }
        appender.progress(self, &page.checkpoint, page.right.clone())?;
        Ok(Applied::Progress {
            held: appender.size(),
        })
    }

    /// Compares what the page says about records held here with those records.
    fn compare(&self, appender: &Appender, page: &VerifiedPage) -> Result<(), ApplyError> {
        let (from, held) = (page.from(), appender.size());
        let ours = if from == held {
            appender.range.clone()
        } else {
            self.range_at(from)?
        };
        if ours != page.left {
            // Up to there both would be what was decided.
            return Err(match self.beginning.filter(|kept| from <= kept.size) {
                Some(kept) if held >= kept.size => {
                    ApplyError::Broken(BrokenRule::Rewritten { size: kept.size })
                }
                _ => ApplyError::Diverged { below: from },
            });
        }
        for (link, seq) in page.links.iter().zip(from..held) {
            if self.is_leaf(seq, link.leaf)? {
                continue;
            }
            // What the generation begins with was decided: a checkpoint over other records is no second history.
            if let Some(kept) = self.beginning.filter(|ended| seq < ended.size) {
                let size = kept.size;
                return Err(ApplyError::Broken(BrokenRule::Rewritten { size }));
            }
            return Err(ApplyError::Forked(Box::new(self.evidence(page, seq)?)));
        }
        let evidence = self
            .checkpoint()
            .and_then(|accepted| ForkEvidence::of_checkpoints(&accepted, &page.checkpoint));
        match evidence {
            Some(evidence) => Err(ApplyError::Forked(Box::new(evidence))),
            None => Ok(()),
        }
    }

    fn evidence(&self, page: &VerifiedPage, seq: u64) -> Result<ForkEvidence, ApplyError> {
        let ours = self.held_record(seq)?;
        let place = (seq - page.from()) as usize;
        let theirs = Frames::new(&page.frames)
            .nth(place)
            .and_then(Result::ok)
            .and_then(|frame| SignedRecord::decode(&self.lineage.at(seq), &frame).ok())
            .ok_or_else(|| self.damaged(seq))?;
        if ours.hash() == theirs.hash() {
            // One record under two signatures: the checkpoints over them are what contradicts.
            return Err(ApplyError::Broken(BrokenRule::Rewritten { size: seq + 1 }));
        }
        // A record without a valid signature proves nothing to others: then its department broke a rule here.
        let department = self.name.id.department;
        for record in [&ours, &theirs] {
            // Each could claim its key, by its page.
            let key = page.history.key(&department, record.record().key_epoch);
            let key = key.ok_or_else(|| self.damaged(seq))?;
            record
                .verify(key)
                .map_err(|error| ApplyError::Broken(BrokenRule::Record { seq, error }))?;
        }
        Ok(ForkEvidence::records(
            self.lineage.at(seq).id,
            &ours,
            &theirs,
        ))
    }

    /// Takes a checkpoint that covers exactly the records held.
    pub(super) fn accept(
        &self,
        appender: &mut Appender,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), ApplyError> {
        let size = checkpoint.size;
        let status_root = match appender.unread(self) {
            Some(_) => None,
            None => Some(appender.status_root(self)?),
        };
        let found = checkpoint.agreement(&Reached {
            tip: appender.tip,
            root: appender.range.root(),
            status_root,
        });
        // The root was compared when the page was verified.
        match found.broken(size).next() {
            Some(rule) => Err(ApplyError::Broken(rule)),
            None => Ok(appender.commit(self, checkpoint.clone())?),
        }
    }
}

/// Whatever replaces records that were lost must agree with the checkpoint accepted over them.
fn check_floor(appender: &Appender, page: &VerifiedPage, known: usize) -> Result<(), ApplyError> {
    let Some(floor) = &appender.floor else {
        return Ok(());
    };
    if floor.size <= appender.size() || floor.size > page.end() {
        return Ok(());
    }
    let mut range = appender.range.clone();
    for link in &page.links[known..(floor.size - page.from()) as usize] {
        range.push(link.leaf, &mut |_, _, _| ());
    }
    match range.root() == floor.root {
        true => Ok(()),
        false => Err(ApplyError::Broken(BrokenRule::Rewritten {
            size: floor.size,
        })),
    }
}
