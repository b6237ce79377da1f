//! The status of a certificate by the records that count.
//!
//! The status map of a log is of all its records: every holder derives the same, whatever was decided later. Where a decision
//! judges a part of the log, or a key ended, a change in that part may count for nothing, and what it changed is as before.

use crate::genesis::Role;
use crate::governance::{History, Judgement};
use crate::id::CertificateId;
use crate::log::{Log, ReadError, StatusEntry, status_after};
use crate::record::{Entry, Record, SignedRecord, Status};

use super::{Authority, Catalogue, CertificateState};

/// Records about one certificate that are read to find its status where not all of a log counts. A department can write any
/// number. Fewer in tests of this crate, which take minutes to write and read as many.
pub(super) const MAX_READ: usize = if cfg!(test) { 100 } else { 10_000 };

/// How much of a log is known to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// All of it, as far as keys and decisions are concerned.
    Whole,
    /// It is not known to lead to an end yet.
    Short,
    /// A decision judges a part of it, or it has other records than those that an end names.
    Mixed,
}

/// What made a log whole: so many epochs had ended, or decisions named a position in it, the last at this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    ended: usize,
    size: u64,
}

impl Catalogue {
    /// How much of a log counts. Of one that is whole it is remembered: an end never changes, nor do the records below it.
    pub(super) fn standing(&self, history: &History, log: &Log) -> Result<Standing, ReadError> {
        let id = log.name().id;
        if history.is_unbroken(&id.department) {
            return Ok(Standing::Whole);
        }
        let Some(trail) = history.trail(&id.department) else {
            return Ok(Standing::Mixed);
        };
        let size = log.size();
        // What was cut off of earlier generations is not in this log, and what was kept of them leads to where they ended.
        if id != history.present_log(&id.department) || history.marked_below(id, size).is_some() {
            return Ok(Standing::Mixed);
        }
        let ends = || {
            let epochs = trail.epochs.iter().zip(0_u32..);
            let ends = epochs.filter_map(|(epoch, n)| Some((n, epoch.ended?.position)));
            ends.filter(|(_, end)| trail.keeps(end))
        };
        let marks = || history.marks_in(id);
        let sizes = ends().map(|(_, end)| end.size);
        let sizes = sizes.chain(marks().map(|mark| mark.size));
        let settled = Settled {
            ended: ends().count() + marks().count(),
            size: sizes.max().unwrap_or(0),
        };
        if size < settled.size {
            return Ok(Standing::Short);
        }
        if self.settled.read().get(&id) == Some(&settled) {
            return Ok(Standing::Whole);
        }
        for (epoch, end) in ends() {
            let goes_on = size > end.size && log.record(end.size)?.record().key_epoch <= epoch;
            if goes_on || log.range_at(end.size)?.root() != end.root {
                return Ok(Standing::Mixed);
            }
        }
        for mark in marks() {
            if log.range_at(mark.size)?.root() != mark.root {
                return Ok(Standing::Mixed);
            }
        }
        // While it stands at the end itself, a record by the key that ended may still follow.
        if size > settled.size {
            self.settled.write().insert(id, settled);
        }
        Ok(Standing::Whole)
    }

    /// The same certificate with the status that holds by now, by the records that count, in its log and in those of its
    /// department's successors; `None` if there are too many to say.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn with_counted_status(
        &self,
        log: &Log,
        state: CertificateState,
    ) -> Result<Option<CertificateState>, ReadError> {
        let history = self.members.history();
        let way = history.way(&state.log.department);
        self.with_status_along(&history, &way, log, state)
    }

    /// What the records of a certificate's own log that count say of it; `None` if there are too many to say.
    pub(super) fn own_status(
        &self,
        history: &History,
        log: &Log,
        issued: (&CertificateId, u64),
    ) -> Result<Option<Option<StatusEntry>>, ReadError> {
        let (id, seq) = issued;
        if self.standing(history, log)? != Standing::Mixed {
            return log.status(id).map(Some);
        }
        let (records, more) = log.about(id, seq.saturating_add(1), MAX_READ)?;
        let mut status = Status::Valid;
        let mut says = None;
        for record in records.iter().map(SignedRecord::record) {
            if let Some(after) = status_after(&record.entry, id, status)
                && self.change_counts(history, log, record)?
            {
                status = after;
                let seq = record.seq;
                says = (after != Status::Valid).then_some(StatusEntry { status, seq });
            }
        }
        // What ended is not changed by any that were not read.
        Ok((!more || status.is_final()).then_some(says))
    }

    /// Whether a record counts as a change of its department's certificates.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn counts(&self, log: &Log, record: &Record) -> Result<bool, ReadError> {
        let history = self.members.history();
        match self.standing(&history, log)? {
            Standing::Whole | Standing::Short => Ok(true),
            Standing::Mixed => self.change_counts(&history, log, record),
        }
    }

    pub(super) fn change_counts(
        &self,
        history: &History,
        log: &Log,
        record: &Record,
    ) -> Result<bool, ReadError> {
        let claim = record.claim(log.lineage());
        let may = match history.judge(&claim) {
            // What is inherited by a decision of the members needs no role beside it.
            Judgement::By(judge) => judge.has_role(Role::Issue) || is_inherited(&record.entry),
            Judgement::Early | Judgement::Nothing(_) => false,
        };
        // What can't be seen yet to lead to an end takes effect, and is unknown for that.
        let other = self.other_end(history, &claim)?;
        Ok(may && !matches!(other, Some(Authority::NotGiven(_))))
    }
}

fn is_inherited(entry: &Entry) -> bool {
    matches!(entry, Entry::StatusChanged(changed) if changed.inherited.is_some())
}
