//! What was planned, made durable: first what has to be gone or kept when a record says so, then bodies and records, last
//! the checkpoint. Whatever is acknowledged is durable by then; what a crash leaves before that is said at each step.

use std::io;
use std::time::Instant;

use certmesh_ledger::bodies::{FileId, SealedBody};
use certmesh_ledger::clocks::ClockFault;
use certmesh_ledger::log::{self, VerifiedCheckpoint, WriteError};
use certmesh_ledger::record::Entry;

use super::plan::{Destroys, Plan, Planned};
use super::{GroupCommit, internal};
use crate::peer::{Refusal, now_ms, retries};

/// What came of a group.
pub(super) struct Applied {
    /// Records that are new, in the order of the answers that are [`Outcome::New`](super::plan::Outcome::New).
    pub(super) records: Vec<log::Appended>,
    /// The checkpoint they are under; of a group that appends nothing, the one there is.
    pub(super) checkpoint: Option<VerifiedCheckpoint>,
}

/// Why a group was not appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error(transparent)]
    Log(#[from] WriteError),
    #[error("attachments: {0}")]
    Attachments(#[from] io::Error),
    #[error("the mark of the last run beside the keys can't be written: {0}")]
    Mark(io::Error),
    #[error("{0}")]
    Clock(ClockFault),
}

/// Entries to append, in their order, with what belongs to each.
#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    bodies: Vec<Option<SealedBody>>,
    /// Uploads that become attachments, each with its entry's place.
    files: Vec<(u64, FileId)>,
}

impl Group {
    fn push(&mut self, planned: Planned) {
        let at = self.entries.len() as u64;
        self.entries.push(planned.entry);
        let (sealed, uploads) = planned.kept.map(|kept| (kept.sealed, kept.uploads)).unzip();
        self.bodies.push(sealed);
        let uploads = uploads.into_iter().flatten();
        self.files
            .extend(uploads.map(|(_, upload)| (at, upload.key.file())));
    }
}

impl GroupCommit {
    /// Makes records, their bodies and attachments durable, then the checkpoint: a certificate that is acknowledged has its
    /// fields.
    pub(super) fn apply(&mut self, plan: &mut Plan) -> Result<Applied, ApplyError> {
        let mut group = Group::default();
        for planned in std::mem::take(&mut plan.planned) {
            match self.before(&planned) {
                Ok(()) => group.push(planned),
                // The others of the group don't depend on it.
                Err(refusal) => plan.answers[planned.answer].outcome = refusal.into(),
            }
        }
        let count = group.entries.len();
        if count == 0 {
            // What is answered then stands under the checkpoint there is.
            return Ok(Applied {
                records: Vec::new(),
                checkpoint: self.writer.log().checkpoint(),
            });
        }
        let started = Instant::now();
        let applied = self.append(group)?;
        self.peer.metrics.fsynced(started.elapsed());
        self.peer.metrics.committed(count);
        Ok(applied)
    }

    /// What has to be done before a record is appended.
    fn before(&self, planned: &Planned) -> Result<(), Refusal> {
        if let Some(destroys) = planned.destroys {
            self.destroy(destroys)?;
        }
        // Only of what is appended: a request that was refused may be corrected under its key. A crash before the record is
        // durable leaves the key: the same content is appended then, and another is refused, as its sender expects.
        if let Some((key, content)) = &planned.key
            && let Err(error) =
                retries::remember(&*self.peer.store, key.as_bytes(), content, now_ms())
        {
            tracing::warn!(%error, "idempotency key not kept");
        }
        Ok(())
    }

    /// Destroys a certificate's fields and attachments, durably. Before the record says so: a crash between the two leaves
    /// them destroyed, and the record to be asked for again; the other way round the log would say that what can still be
    /// read is gone.
    fn destroy(&self, destroys: Destroys) -> Result<(), Refusal> {
        let Destroys { seq, attachments } = destroys;
        let destroyed = self.peer.bodies.destroy(&self.peer.own.log, seq);
        destroyed.map_err(|error| internal(&error))?;
        if attachments {
            let removed = self.peer.attachments.remove(seq);
            removed.map_err(|error| internal(&error))?;
        }
        self.peer.no_longer_lost(seq);
        Ok(())
    }

    fn append(&mut self, group: Group) -> Result<Applied, ApplyError> {
        // Before the first record: a crash between the two leaves an empty log that the next start takes for lost, never a
        // lost one that it takes for new.
        self.peer.own.begin().map_err(ApplyError::Mark)?;
        if !group.files.is_empty() {
            // This thread is the only one that appends, so the positions are known.
            let first = self.writer.log().held();
            // A crash from here on leaves attachments of records that never came: they are uploads again before the next
            // append.
            self.settled = false;
            let files = group.files.iter().map(|(at, file)| (first + at, *file));
            self.peer.attachments.keep(files)?;
        }
        let (kept, bodies) = (&self.peer.bodies, &group.bodies);
        let keep = |first| kept.keep(first, bodies).map_err(io::Error::other);
        // The clock that was checked is the one that dates the records.
        let clocks = self.peer.clocks();
        if let Some(fault) = self.peer.clock_fault_of(&clocks) {
            return Err(ApplyError::Clock(fault));
        }
        // Records, bodies and checkpoint become durable at once. A crash before that leaves records that nobody knows of: the
        // next start cuts them off.
        let (records, checkpoint) = self
            .writer
            .append_with(clocks.own_ms, group.entries, keep)?;
        self.settled = true;
        Ok(Applied {
            records,
            checkpoint: Some(checkpoint),
        })
    }
}
