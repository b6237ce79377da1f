//! Copies of other departments' logs that a write was refused to, or that can no longer be read: reopened at growing
//! intervals, until the disk allows it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmesh_ledger::names::LogId;
use tokio::sync::mpsc;

use super::Peer;

/// Until a copy is opened again the first time.
const FIRST: Duration = Duration::from_secs(1);
/// The longest time until the next, but for a copy that takes long to open.
const LONGEST: Duration = Duration::from_secs(15);
/// Opening reads all of a copy: so much longer than that it rests at least, and at most so long.
const REST: u32 = 10;
const LONGEST_REST: Duration = Duration::from_secs(300);

/// When to open which copy again.
pub(crate) struct Reopening {
    peer: Arc<Peer>,
    /// How long to wait before the next time, of those that have not stored anything since the last.
    pauses: HashMap<LogId, Duration>,
    /// Those that are to be opened: one at a time for each, since what is open is written to.
    waiting: HashSet<LogId>,
    opened: mpsc::Sender<Reopened>,
}

/// A copy was opened, or not.
pub(crate) struct Reopened {
    pub(crate) log: LogId,
    /// What the disk said; `None` when it is open.
    refused: Option<String>,
    took: Duration,
}

impl Reopening {
    pub(crate) fn new(peer: Arc<Peer>) -> (Reopening, mpsc::Receiver<Reopened>) {
        let (opened, receiver) = mpsc::channel(1);
        let reopening = Reopening {
            peer,
            pauses: HashMap::new(),
            waiting: HashSet::new(),
            opened,
        };
        (reopening, receiver)
    }

    /// A copy stalls: has it opened again after a while.
    pub(crate) fn refused(&mut self, log: LogId, reason: &str) {
        self.peer
            .heard
            .write()
            .refused
            .insert(log, reason.to_owned());
        // Several pages of it may have been in flight.
        if !self.waiting.insert(log) {
            return;
        }
        let pause = self.pauses.entry(log).or_insert(FIRST);
        let wait = *pause;
        *pause = (wait * 2).min(LONGEST).max(wait);
        tracing::error!(
            %log,
            reason,
            again_in_s = wait.as_secs(),
            "the copy of a log can't continue: nothing is valid by it once it lags; it is reopened automatically"
        );
        self.open_again(log, wait);
    }

    /// What is on disk of a copy turned out to be damaged, or what it changed is known only by now: has it opened again.
    pub(crate) fn damaged(&mut self, log: LogId) {
        if self.waiting.insert(log) {
            self.open_again(log, Duration::ZERO);
        }
    }

    fn open_again(&self, log: LogId, wait: Duration) {
        let (peer, opened) = (Arc::clone(&self.peer), self.opened.clone());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let started = Instant::now();
            let reopened = Arc::clone(&peer);
            let open = move || reopened.catalogue.reopen(&log);
            let refused = match tokio::task::spawn_blocking(open).await {
                Ok(Ok(opening)) => {
                    if let Some((path, damage)) = &opening.set_aside {
                        tracing::error!(
                            %log,
                            path = %path.display(),
                            %damage,
                            "log set aside: it is damaged and will be fetched again from other members"
                        );
                        let path = path.display().to_string();
                        peer.set_aside.write().insert(log, path);
                    }
                    opening.closed
                }
                Ok(Err(error)) => Some(error.to_string()),
                // A panic, which the panic hook logged.
                Err(_) => Some("it could not be opened".to_owned()),
            };
            let took = started.elapsed();
            let _ = opened.send(Reopened { log, refused, took }).await;
        });
    }

    /// Records the outcome of opening; returns whether the copy is open.
    pub(crate) fn opened(&mut self, reopened: Reopened) -> bool {
        let Reopened { log, refused, took } = reopened;
        self.waiting.remove(&log);
        if let Some(pause) = self.pauses.get_mut(&log) {
            *pause = (*pause).max((took * REST).min(LONGEST_REST));
        }
        match refused {
            None => {
                tracing::info!(%log, "the copy of a log is open again");
                true
            }
            Some(reason) => {
                self.refused(log, &reason);
                false
            }
        }
    }

    /// The disk took something of a log.
    pub(crate) fn stored(&mut self, log: &LogId) {
        if self.pauses.remove(log).is_some() {
            self.peer.heard.write().refused.remove(log);
        }
    }
}
