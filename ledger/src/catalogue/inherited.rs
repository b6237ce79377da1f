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
use super::{Catalogue, CertificateState, NotAllowed, Stale};

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
    /// What a record of it changed, by decisions of the members up to this height.
    Decisions {
        /// The height.
        height: u64,
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
    /// The same certificate with the status that holds by what each department on this way, its own first, says in what is held
    /// of its log; `None` if that can't be said, since there are too many records to read.
    pub(super) fn with_status_along(
        &self,
        history: &History,
        way: &[DepartmentCode],
        log: &Log,
        state: CertificateState,
    ) -> Result<Option<CertificateState>, ReadError> {
        let (department, id) = (&state.log.department, &state.certificate().id);
        let own = self.own_status(history, log, (id, state.issued.record().seq))?;
        let mut unsaid = own.is_none();
        let mut logs = vec![state.log];
        let mut said = vec![own.flatten()];
        for successor in way.iter().skip(1) {
            if is_final(deciding(said.iter().copied())) {
                break;
            }
            // Without its log the verdict says that it is missing.
            let Some(log) = self.log_of(successor) else {
                continue;
            };
            let says = self.said_of(history, &log, (department, id))?;
            unsaid |= says.is_none();
            logs.push(log.name().id);
            said.push(says.flatten());
        }
        let decided = deciding(said);
        // One that ended it decides whatever those before it said.
        if unsaid && !is_final(decided) {
            return Ok(None);
        }
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
        // What ended is not changed by any that were not read.
        let ended = says.is_some_and(|says| says.status.is_final());
        Ok((!more || ended).then_some(says))
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
            missing.extend(unread.map(|unread| match unread.behind {
                Some(height) => Lacking::Decisions { height },
                None => Lacking::Unread {
                    log: id,
                    at: unread.seq,
                },
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
    /// certificate has by now, if that can be said: where it can't, only what ends it may be written. `None` if it is in the own
    /// log, or not this department's to change.
    ///
    /// # Errors
    /// [`NotAllowed::Claimed`] if it is both in the own log and inherited, [`NotAllowed::NotWhole`] while less is held than those
    /// before this department said, and [`ReadError`].
    pub fn inheritance(
        &self,
        id: &CertificateId,
    ) -> Result<Option<(Inherited, Option<Status>)>, NotAllowed> {
        let own = self.own.department;
        let history = self.members.history();
        // A record in the own log that is no claim says nothing, and must not be changed in the place of what was inherited.
        let (mut inherited, mut others) = (Vec::new(), false);
        for claim in self.claims(id)? {
            match history.inherited(&claim.log.department, &own, history.height()) {
                true => inherited.push(claim),
                false => others |= claim.log == self.own,
            }
        }
        let Some(state) = inherited.pop() else {
            return Ok(None);
        };
        // Of two that say they issued it nobody knows which is meant.
        if others || !inherited.is_empty() {
            return Err(NotAllowed::Claimed(id.clone()));
        }
        let department = state.log.department;
        let mut way = history.way(&department);
        let before_own: Vec<_> = way.iter().copied().filter(|on| *on != own).collect();
        for on in &before_own {
            let log = history.present_log(on);
            // Each of these was removed, so what it said is all that was kept, whenever it is asked.
            if self.freshness(&log, 0).is_err() {
                return Err(NotAllowed::NotWhole(log));
            }
        }
        let Some(log) = self.log(&state.log) else {
            return Err(NotAllowed::NotWhole(state.log));
        };
        let before = self.with_status_along(&history, &before_own, &log, state.clone())?;
        way.truncate(before_own.len() + 1);
        let now = self.with_status_along(&history, &way, &log, state)?;
        // Where it can't be said, it can be what it is ended from: nothing that ended by it becomes valid.
        let from = before.map_or(Status::Valid, |before| before.status);
        Ok(Some((
            Inherited { department, from },
            now.map(|now| now.status),
        )))
    }
}

fn is_final(decided: Option<(usize, StatusEntry)>) -> bool {
    decided.is_some_and(|(_, entry)| entry.status.is_final())
}
