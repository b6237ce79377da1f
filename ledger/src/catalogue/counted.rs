//! The status of a certificate by the records that count.
//!
//! The status map of a log is of all its records: every holder derives the same, whatever was decided later. Where a decision
//! judges a part of the log, or a key ended, a change in that part may count for nothing, and what it changed is as before.

use crate::genesis::Role;
use crate::governance::{History, Judgement};
use crate::log::{Log, ReadError, status_after};
use crate::record::{Record, Status};

use super::{Catalogue, CertificateState};

/// Records about one certificate read at a time.
const AT_ONCE: usize = 1_024;

impl Catalogue {
    /// The same certificate with the status that its log's records give it by now, of those that count.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn with_counted_status(
        &self,
        log: &Log,
        state: CertificateState,
    ) -> Result<CertificateState, ReadError> {
        let history = self.members.history();
        let department = log.name().id.department;
        if history.is_unbroken(&department) {
            return state.with_current_status(log);
        }
        let id = state.certificate().id.clone();
        let (mut status, mut status_seq) = (Status::Valid, None);
        let mut from = state.issued.record().seq.saturating_add(1);
        loop {
            let (records, more) = log.about(&id, from, AT_ONCE)?;
            for record in records.iter().map(|record| record.record()) {
                from = record.seq.saturating_add(1);
                if let Some(after) = status_after(&record.entry, &id, status)
                    && self.changes_count(&history, log, record)?
                {
                    status = after;
                    status_seq = (after != Status::Valid).then_some(record.seq);
                }
            }
            if !more || records.is_empty() {
                return Ok(CertificateState {
                    status,
                    status_seq,
                    ..state
                });
            }
        }
    }

    /// Whether a record may change the statuses of its department's certificates.
    fn changes_count(
        &self,
        history: &History,
        log: &Log,
        record: &Record,
    ) -> Result<bool, ReadError> {
        let claim = record.claim(log.name().id);
        let may = match history.judge(&claim) {
            Judgement::By(judge) => judge.has_role(Role::Issue),
            Judgement::Early | Judgement::Nothing(_) => false,
        };
        Ok(may && self.other_end(history, &claim)?.is_none())
    }
}
