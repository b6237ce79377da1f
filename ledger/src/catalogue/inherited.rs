//! What the successors of a removed department say of its certificates, and what holds of it all.
//!
//! Each department writes into its own log alone, so a certificate's status may stand in several: in that of its department, and
//! in that of each successor on its way. [`deciding`] is the one rule by which one of these decides, for peers and for proofs.

use crate::governance::History;
use crate::id::{CertificateId, DepartmentCode};
use crate::log::{Log, ReadError, StatusEntry, inherited_after, inherits};
use crate::names::LogId;
use crate::record::{Inherited, SignedRecord, Status};

use super::counted::{MAX_READ, Standing};
use super::{Catalogue, CertificateState, Stale};

/// Which of those on a certificate's way decides its status, by its place on the way, and what it says; `None` if none says
/// anything, which is plainly valid. What each says is given in the order of the way, its department first.
///
/// A status that nothing changes any more stays, whatever those after it say: a successor revokes, and makes nothing valid
/// that ended. Else the last one that says something decides.
pub fn deciding(
    said: impl IntoIterator<Item = Option<StatusEntry>>,
) -> Option<(usize, StatusEntry)> {
    let mut decided: Option<(usize, StatusEntry)> = None;
    for (place, says) in said.into_iter().enumerate() {
        if decided.is_some_and(|(_, entry)| entry.status.is_final()) {
            break;
        }
        decided = says.map(|entry| (place, entry)).or(decided);
    }
    decided
}

/// What of a successor's log isn't known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// Whether what is held of it is all there is.
    Newest(Stale),
    /// What was changed in it since it stopped.
    Since {
        /// Which log.
        log: LogId,
        /// The first record in dispute.
        at: u64,
    },
    /// What an entry of it says, that this version can't read.
    Unread {
        /// Which log.
        log: LogId,
        /// Position of the first such entry.
        at: u64,
    },
}

impl Catalogue {
    /// The same certificate with the status that holds, given what its own log says of it: by what each department on this way
    /// says in what is held of its log. `None` if there are too many records to say.
    pub(super) fn with_inherited_status(
        &self,
        history: &History,
        way: &[DepartmentCode],
        state: CertificateState,
    ) -> Result<Option<CertificateState>, ReadError> {
        let [department, successors @ ..] = way else {
            return Ok(Some(state));
        };
        let id = &state.certificate().id;
        let status = state.status;
        let own = state.status_at.map(|(_, seq)| StatusEntry { status, seq });
        let mut logs = vec![state.log];
        let mut said = vec![own];
        for successor in successors {
            // Without its log the verdict says that it is missing.
            let Some(log) = self.log_of(successor) else {
                continue;
            };
            let Some(says) = self.said_of(history, &log, (department, id))? else {
                return Ok(None);
            };
            logs.push(log.name().id);
            said.push(says);
        }
        let decided = deciding(said);
        Ok(Some(CertificateState {
            status: decided.map_or(Status::Valid, |(_, entry)| entry.status),
            status_at: decided.map(|(place, entry)| (logs[place], entry.seq)),
            ..state
        }))
    }

    /// What a log's records that count say of a certificate that its department inherited; `None` if there are too many to say.
    fn said_of(
        &self,
        history: &History,
        log: &Log,
        of: (&DepartmentCode, &CertificateId),
    ) -> Result<Option<Option<StatusEntry>>, ReadError> {
        let (department, id) = of;
        if self.standing(history, log)? != Standing::Mixed {
            return log.inherited_status(department, id).map(Some);
        }
        let (records, more) = log.about_inherited(department, id, MAX_READ)?;
        let mut says: Option<StatusEntry> = None;
        for record in records.iter().map(SignedRecord::record) {
            if let Some(status) = inherited_after(&record.entry, of, says.map(|says| says.status))
                && inherits(history, &log.name().id.department, record)
                && self.change_counts(history, log, record)?
            {
                let seq = record.seq;
                says = Some(StatusEntry { status, seq });
            }
        }
        Ok((!more).then_some(says))
    }

    /// What of the logs of a department's successors has to be known before one of its certificates is valid, and isn't, at a
    /// time of this peer's clock that never goes back.
    pub(crate) fn lacking_of_successors(
        &self,
        history: &History,
        department: &DepartmentCode,
        now_ms: u64,
    ) -> Result<Vec<Lacking>, ReadError> {
        let mut missing = Vec::new();
        for successor in history.way(department).iter().skip(1) {
            let log = self.log_of(successor);
            let id = log
                .as_ref()
                .map_or(history.present_log(successor), |log| log.name().id);
            let stopped = log.as_ref().and_then(|log| log.stopped());
            let unread = log.as_ref().and_then(|log| log.unread());
            match (&stopped, self.freshness(&id, now_ms)) {
                // Of a log that has stopped nothing newer is taken.
                (Some(stopped), _) => missing.push(Lacking::Since {
                    log: id,
                    at: stopped.undisputed(),
                }),
                (None, Err(stale)) => missing.push(Lacking::Newest(stale)),
                (None, Ok(_)) => {
                    let short = log.map(|log| self.short_of(history, &log)).transpose()?;
                    missing.extend(short.flatten().map(Lacking::Newest));
                }
            }
            missing.extend(unread.map(|unread| Lacking::Unread {
                log: id,
                at: unread.seq,
            }));
        }
        Ok(missing)
    }

    /// Why a log is not all there is, if it is known to go on to where one of its epochs ended.
    fn short_of(&self, history: &History, log: &Log) -> Result<Option<Stale>, ReadError> {
        if self.standing(history, log)? != Standing::Short {
            return Ok(None);
        }
        let (size, time_ms) = log.newest();
        let trail = history.trail(&log.name().id.department);
        let epochs = trail.into_iter().flat_map(|trail| &trail.epochs);
        let ends = epochs.filter_map(|epoch| Some(epoch.ended?.position.size));
        Ok(Some(Stale::Behind {
            log: log.name().id,
            size,
            time_ms: time_ms.unwrap_or(0),
            newest: ends.max().unwrap_or(size),
        }))
    }

    /// What a change by this department of a certificate in a removed department's log has to name, and the status that the
    /// certificate has by now; `None` if it is in the own log, or not this department's to change.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inheritance(
        &self,
        id: &CertificateId,
    ) -> Result<Option<(Inherited, Status)>, ReadError> {
        let own = self.own.department;
        let history = self.members.history();
        let log = self.log(&self.own);
        let issued = log.map(|log| log.issue_of(id)).transpose()?.flatten();
        if issued.is_some() {
            return Ok(None);
        }
        let ours = |from: &LogId| history.inherited(&from.department, &own, history.height());
        let claims = self.claims(id)?;
        let mut claims = claims.into_iter().filter(|claim| ours(&claim.log));
        // Of two that say they issued it nobody knows which is meant.
        let (Some(state), None) = (claims.next(), claims.next()) else {
            return Ok(None);
        };
        let (status, department) = (state.status, state.log.department);
        let Some(log) = self.log(&state.log) else {
            return Ok(None);
        };
        let mut way = history.way(&department);
        way.retain(|on| *on != own);
        let before = match self.with_own_status(&history, &log, state)? {
            Some(state) => self.with_inherited_status(&history, &way, state)?,
            None => None,
        };
        Ok(before.map(|before| {
            let from = before.status;
            (Inherited { department, from }, status)
        }))
    }
}
