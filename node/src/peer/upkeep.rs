//! What the files of the logs need while a node runs: parts of indexes are merged, snapshots saved, and what the start did not read
//! is read in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certmesh_ledger::log::Log;
use certmesh_ledger::names::LogId;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use tokio::sync::mpsc;

use super::Peer;

/// From one round to the next.
const ROUND: Duration = Duration::from_secs(1);

/// Records that have come since the last snapshot of a log and make another one worth while once nothing more comes: memory has
/// their index, and a start after a crash reads them.
const UNSAVED: u64 = 1 << 10;

/// Bytes that are read in a round: a city's logs take some minutes, and a disk that others use as well hardly notices.
const SCRUBBED: usize = 16 << 20;

/// The thread that does it; ends when this is dropped.
pub(crate) struct Upkeep {
    _running: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Upkeep {
    /// Starts the thread; `damaged` takes the copies that it finds damaged.
    pub(crate) fn start(peer: &Arc<Peer>, damaged: mpsc::Sender<LogId>) -> std::io::Result<Upkeep> {
        let (running, stopped) = bounded(0);
        let mut rounds = Rounds {
            peer: Arc::clone(peer),
            read: BTreeMap::new(),
            sizes: BTreeMap::new(),
            refused: BTreeSet::new(),
            damaged,
        };
        let thread = thread::Builder::new().name("upkeep".to_owned());
        let thread = thread.spawn(move || {
            while stopped.recv_timeout(ROUND) == Err(RecvTimeoutError::Timeout) {
                rounds.next();
            }
        })?;
        Ok(Upkeep {
            _running: running,
            thread,
        })
    }

    /// Waits for what it is at, but for merging, which is given up. Once nothing is appended any more, saves snapshots, so that
    /// the next start reads nothing.
    pub(crate) fn stop(self, peer: &Peer) {
        let Upkeep { _running, thread } = self;
        drop(_running);
        peer.catalogue.stop_merging();
        if thread.join().is_err() {
            tracing::error!("the thread that keeps the logs' files panicked");
        }
        for (log, error) in peer.catalogue.save_snapshots() {
            tracing::warn!(%log, %error, "no snapshot saved: the next start reads all of this log");
        }
        // A task that was not waited for may still destroy a copy: past the journal of this run, not of the next.
        peer.catalogue.close();
    }
}

struct Rounds {
    peer: Arc<Peer>,
    /// Up to where each log was read.
    read: BTreeMap<LogId, u64>,
    /// How many records each log had in the last round.
    sizes: BTreeMap<LogId, u64>,
    /// Logs whose upkeep failed: said once.
    refused: BTreeSet<LogId>,
    damaged: mpsc::Sender<LogId>,
}

impl Rounds {
    fn next(&mut self) {
        let peer = Arc::clone(&self.peer);
        let mut left = SCRUBBED;
        for log in peer.catalogue.logs() {
            let id = log.name().id;
            let before = self.sizes.insert(id, log.size());
            let is_idle = before == Some(log.size());
            let kept = match is_idle && log.unsaved() >= UNSAVED {
                true => log.maintain().and_then(|()| log.save_snapshot()),
                false => log.maintain(),
            };
            if let Err(error) = kept
                && self.refused.insert(id)
            {
                tracing::warn!(log = %id, %error, "no snapshot saved: the next start reads all of this log");
            }
            self.scrub(&log, &mut left);
            let read = self.read.get(&id).copied().unwrap_or(0);
            let unread = log.unread_below().saturating_sub(read);
            peer.metrics.set_unread(&id.department, unread);
        }
    }

    /// Reads on in a log, as long as this round may.
    fn scrub(&mut self, log: &Log, left: &mut usize) {
        let id = log.name().id;
        if log.unread_below() > 0 && log.is_damaged() {
            // Somebody who asked has met it first.
            self.repair(id);
            return;
        }
        while *left > 0 && log.unread_below() > 0 {
            let read = self.read.get(&id).copied().unwrap_or(0);
            match log.scrub(read) {
                Ok(Some((next, bytes))) => {
                    self.read.insert(id, next);
                    *left = left.saturating_sub(bytes);
                }
                Ok(None) => tracing::info!(log = %id, "all records read"),
                Err(error) => {
                    tracing::error!(log = %id, %error, "what is on disk of a log is no longer what was written");
                    self.repair(id);
                    return;
                }
            }
        }
    }

    /// Has a log read from the first record: what can be derived is made again, damaged records are fetched again. The own log is
    /// left to another run, since something may be appended to it.
    fn repair(&self, id: LogId) {
        match id == self.peer.catalogue.own() {
            true => self.peer.own_is_damaged.notify_one(),
            // Fails when the driver has ended: the next start reads everything.
            false => drop(self.damaged.blocking_send(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::states;

    #[test]
    fn the_pages_state_how_fast_what_lies_still_is_read() {
        assert_eq!(ROUND, Duration::from_secs(1));
        let rate = format!("{} MiB a second", SCRUBBED >> 20);
        states("docs/limits.md", &rate);
        states("docs/operator.md", &rate);
    }
}
