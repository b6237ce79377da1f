//! Whether this department's own log may be appended to.
//!
//! A log on a disk that was restored from an old backup would fork at its next record. So after each start nothing is
//! appended until more than half of the other members have told what they hold of it, or an operator vouches for the
//! disk.

use std::sync::Arc;

use certmesh_ledger::log::Log;
use parking_lot::RwLock;

use crate::api::Refusal;
use crate::metrics::{Metrics, OwnLogState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Confirming { heard: usize, needed: usize },
    Restoring { known: u64 },
    Confirmed,
}

/// The own log and how far it can be trusted.
pub(crate) struct OwnLog {
    pub(crate) log: Arc<Log>,
    trust: RwLock<Trust>,
    metrics: Arc<Metrics>,
}

impl OwnLog {
    pub(crate) fn new(log: Arc<Log>, needed: usize, metrics: Arc<Metrics>) -> OwnLog {
        let own = OwnLog {
            log,
            trust: RwLock::new(Trust::Confirming { heard: 0, needed }),
            metrics,
        };
        own.show();
        own
    }

    pub(crate) fn confirming(&self, heard: usize, needed: usize) {
        let mut trust = self.trust.write();
        if matches!(*trust, Trust::Confirming { .. }) {
            *trust = Trust::Confirming { heard, needed };
        }
    }

    pub(crate) fn restoring(&self, known: u64) {
        let before = std::mem::replace(&mut *self.trust.write(), Trust::Restoring { known });
        if before != (Trust::Restoring { known }) {
            tracing::warn!(
                known,
                held = self.log.held(),
                "more of the own log was signed than is on disk: fetching it back from other members"
            );
        }
        self.show();
    }

    pub(crate) fn confirmed(&self) {
        let before = std::mem::replace(&mut *self.trust.write(), Trust::Confirmed);
        if before != Trust::Confirmed {
            tracing::info!(
                records = self.log.size(),
                "own log confirmed: appends are taken"
            );
        }
        self.show();
    }

    /// Takes an operator's word that the log on disk is whole. Not taken for a log of which records are known to be
    /// missing; gives whether it was.
    pub(crate) fn vouch(&self) -> bool {
        let confirming = matches!(*self.trust.read(), Trust::Confirming { .. });
        let taken = confirming && self.log.missing() == 0;
        if taken {
            tracing::warn!("an operator vouches for the own log on disk");
            self.confirmed();
        }
        taken
    }

    /// Tells the metrics the current state.
    pub(crate) fn show(&self) {
        self.metrics.set_own_log_state(self.state());
    }

    pub(crate) fn state(&self) -> OwnLogState {
        if self.log.stopped().is_some() {
            return OwnLogState::Frozen;
        }
        if self.log.refused_write().is_some() {
            return OwnLogState::ReadOnly;
        }
        match *self.trust.read() {
            Trust::Confirming { .. } => OwnLogState::Confirming,
            Trust::Restoring { .. } => OwnLogState::Restoring,
            Trust::Confirmed => OwnLogState::Writable,
        }
    }

    /// Why the log takes no appends and what to do; `None` when it does.
    pub(crate) fn hindrance(&self) -> Option<Refusal> {
        let state = self.state();
        let detail = self.detail()?;
        Some(match state {
            OwnLogState::Frozen => Refusal::LogFrozen(detail),
            OwnLogState::ReadOnly => Refusal::LogReadOnly(detail),
            _ => Refusal::OwnLogUnconfirmed(detail),
        })
    }

    /// The same in words.
    pub(crate) fn detail(&self) -> Option<String> {
        if let Some(stopped) = self.log.stopped() {
            let at = stopped.undisputed();
            return Some(format!(
                "this department signed two histories of its log from record {at} on; the log is frozen, and the members \
                 have to decide how it begins afresh"
            ));
        }
        if let Some(reason) = self.log.refused_write() {
            return Some(format!(
                "a disk write was refused ({reason}); nothing acknowledged is lost; free or mend the disk, then restart \
                 the peer"
            ));
        }
        match *self.trust.read() {
            Trust::Confirmed => None,
            Trust::Confirming { heard, needed } => Some(format!(
                "waiting until {needed} other members confirm that the log on disk is whole ({heard} so far); if they \
                 can't be reached and you are certain, run `certmesh resume`"
            )),
            Trust::Restoring { known } => Some(format!(
                "{} of {known} records of this department's log are on disk; the rest is being fetched back from other \
                 members",
                self.log.held()
            )),
        }
    }
}
