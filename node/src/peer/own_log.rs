//! Whether this department's own log may be appended to.
//!
//! A log on a disk that was restored from an old backup would fork at its next record. So after each start nothing is
//! appended until more than half of the other members have told what they hold of it, or an operator vouches for the
//! disk.

use std::sync::Arc;

use certmesh_ledger::log::Log;
use parking_lot::RwLock;

use super::views;
use crate::api::Refusal;
use crate::api::types::OwnLogState;
use crate::metrics::Metrics;

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
        self.look().0
    }

    /// Why the log takes no appends and what to do; `None` when it does.
    pub(crate) fn hindrance(&self) -> Option<Refusal> {
        let (state, detail) = self.look();
        let detail = detail?;
        Some(match state {
            OwnLogState::Frozen => Refusal::LogFrozen(detail),
            OwnLogState::ReadOnly => Refusal::LogReadOnly(detail),
            _ => Refusal::OwnLogUnconfirmed(detail),
        })
    }

    /// The same in words.
    pub(crate) fn detail(&self) -> Option<String> {
        self.look().1
    }

    /// The state, and in words what keeps the log from taking appends.
    fn look(&self) -> (OwnLogState, Option<String>) {
        if let Some(stopped) = self.log.stopped() {
            let what = views::stopped(&stopped);
            let detail = format!(
                "{what}; the log is frozen, and the members have to decide how it begins afresh"
            );
            return (OwnLogState::Frozen, Some(detail));
        }
        if let Some(reason) = self.log.refused_write() {
            let detail = format!(
                "a disk write was refused ({reason}); nothing acknowledged is lost; free or mend the disk, then restart \
                 the peer"
            );
            return (OwnLogState::ReadOnly, Some(detail));
        }
        match *self.trust.read() {
            Trust::Confirmed => (OwnLogState::Writable, None),
            Trust::Confirming { heard, needed } => {
                let detail = format!(
                    "waiting until {needed} other members confirm that the log on disk is whole ({heard} so far); if they \
                     can't be reached and you are certain, run `certmesh resume`"
                );
                (OwnLogState::Confirming, Some(detail))
            }
            Trust::Restoring { known } => {
                let detail = format!(
                    "{} of {known} records of this department's log are on disk; the rest is being fetched back from \
                     other members",
                    self.log.held()
                );
                (OwnLogState::Restoring, Some(detail))
            }
        }
    }
}
