//! What the files of the logs need while a node runs: parts of indexes are merged, snapshots saved, and what the start did not read
//! is read in the background, bodies as well; and all of it again from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use certmesh_ledger::bodies::{LostError, Reread, reread};
use certmesh_ledger::id::Date;
use certmesh_ledger::log::Log;
use certmesh_ledger::names::LogId;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use tokio::sync::mpsc;

use super::{Peer, now_ms};

/// From one round to the next.
const ROUND: Duration = Duration::from_secs(1);

/// Records that have come since the last snapshot of a log and make another one worth while once nothing more comes: memory has
/// their index, and a start after a crash reads them.
const UNSAVED: u64 = 1 << 10;

/// Bytes that are read in a round, of logs and then of bodies: a city's take some minutes, and a disk that others use as well hardly
/// notices.
const SCRUBBED: usize = 16 << 20;

/// The thread that does it; ends when this is dropped.
pub(crate) struct Upkeep {
    _running: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Upkeep {
    /// Starts the thread, which reads everything again so long after it has; `damaged` takes the copies that it finds damaged.
    pub(crate) fn start(
        peer: &Arc<Peer>,
        every: Duration,
        damaged: mpsc::Sender<LogId>,
    ) -> std::io::Result<Upkeep> {
        let (running, stopped) = bounded(0);
        let mut rounds = Rounds {
            peer: Arc::clone(peer),
            every,
            read: BTreeMap::new(),
            bodies: (0, Pass::FIRST),
            owed: 0,
            bodies_refused: false,
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

/// How far everything there is of something has been read, from the first record on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pass {
    next: u64,
    /// When it came to the end.
    ended: Option<Instant>,
}

impl Pass {
    const FIRST: Pass = Pass {
        next: 0,
        ended: None,
    };

    /// Whether there is something to read: this pass has not come to its end, or did so long ago that the next begins.
    fn is_due(&mut self, every: Duration, now: Instant) -> bool {
        match self.ended {
            Some(ended) if now.saturating_duration_since(ended) < every => false,
            Some(_) => {
                *self = Pass::FIRST;
                true
            }
            None => true,
        }
    }

    /// How much it has left of so many records.
    fn left(&self, records: u64) -> u64 {
        match self.ended {
            Some(_) => 0,
            None => records.saturating_sub(self.next),
        }
    }
}

struct Rounds {
    peer: Arc<Peer>,
    /// From the end of a pass to the beginning of the next.
    every: Duration,
    /// Up to where each log was read, in the copy that it was.
    read: BTreeMap<LogId, (Weak<Log>, Pass)>,
    /// Up to where the own bodies were read, and after which search for lost ones.
    bodies: (u64, Pass),
    /// Bytes that were read in earlier rounds beyond what these may: an attachment is read whole.
    owed: usize,
    /// How many records each log had in the last round.
    sizes: BTreeMap<LogId, u64>,
    /// Logs whose upkeep failed: said once.
    refused: BTreeSet<LogId>,
    /// Whether it was said that bodies can't be read.
    bodies_refused: bool,
    damaged: mpsc::Sender<LogId>,
}

impl Rounds {
    fn next(&mut self) {
        let peer = Arc::clone(&self.peer);
        let mut left = SCRUBBED.saturating_sub(self.owed);
        self.owed = self.owed.saturating_sub(SCRUBBED);
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
            let pass = self.scrub(&log, &mut left);
            peer.metrics
                .set_unread(&id.department, pass.left(log.size()));
            if id == peer.catalogue.own() && pass.ended.is_some() {
                self.reread_bodies(&log, &mut left);
            }
        }
    }

    /// Reads on in a log, as long as this round may.
    fn scrub(&mut self, log: &Arc<Log>, left: &mut usize) -> Pass {
        let id = log.name().id;
        let (of, pass) = self.read.remove(&id).unwrap_or((Weak::new(), Pass::FIRST));
        let is_same = of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, log));
        let mut pass = match is_same {
            true => pass,
            // Opened for the first time or again, perhaps by reading all of it.
            false => Pass {
                next: 0,
                ended: (log.unread_below() == 0).then(Instant::now),
            },
        };
        if pass.is_due(self.every, Instant::now()) {
            self.read_on(log, &mut pass, left);
        }
        self.read.insert(id, (Arc::downgrade(log), pass));
        pass
    }

    fn read_on(&self, log: &Log, pass: &mut Pass, left: &mut usize) {
        let id = log.name().id;
        if log.is_damaged() {
            // Somebody who asked has met it first.
            self.repair(id);
            return;
        }
        while *left > 0 && pass.ended.is_none() {
            match log.scrub(pass.next) {
                Ok(Some((next, bytes))) => {
                    pass.next = next;
                    *left = left.saturating_sub(bytes);
                }
                Ok(None) => {
                    pass.ended = Some(Instant::now());
                    tracing::info!(log = %id, "all records read");
                }
                Err(error) => {
                    tracing::error!(log = %id, %error, "what is on disk of a log is no longer what was written");
                    self.repair(id);
                    return;
                }
            }
        }
    }

    /// Reads on in the bodies of the own log's records, as long as this round may.
    fn reread_bodies(&mut self, log: &Log, left: &mut usize) {
        let peer = Arc::clone(&self.peer);
        let (searches, mut pass) = self.bodies;
        let now = peer.searches_for_lost();
        if searches != now {
            pass = Pass::FIRST;
        }
        if pass.is_due(self.every, Instant::now()) {
            while *left > 0 && pass.ended.is_none() {
                match self.reread(log, pass.next) {
                    Ok(Some(read)) => {
                        pass.next = read.next;
                        let bytes = usize::try_from(read.bytes).unwrap_or(usize::MAX);
                        self.owed += bytes.saturating_sub(*left);
                        *left = left.saturating_sub(bytes);
                        if let [first, others @ ..] = &*read.faults {
                            tracing::error!(fault = %first, others = others.len(), "what is on disk of fields, copies or attachments is no longer what was written");
                            peer.add_lost(read.lost);
                        }
                    }
                    Ok(None) => {
                        pass.ended = Some(Instant::now());
                        tracing::info!("all fields, copies and attachments read");
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut self.bodies_refused, true) {
                            tracing::error!(%error, "fields, copies and attachments can't be read in the background now");
                        }
                        break;
                    }
                }
            }
        }
        peer.metrics.set_bodies_unread(pass.left(log.size()));
        self.bodies = (now, pass);
    }

    fn reread(&self, log: &Log, from: u64) -> Result<Option<Reread>, LostError> {
        let peer = &self.peer;
        // One that can't be read is compared with nothing: reading the logs finds it.
        let records = |of: &LogId, seq| {
            let log = peer.catalogue.log_of(&of.department);
            let record = log.and_then(|log| log.record(seq).ok());
            Ok(record.map(|record| (record.record().clone(), record.hash())))
        };
        let today = Date::in_china(now_ms());
        reread(log, &peer.bodies, &peer.attachments, &records, from, today)
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
    fn everything_is_read_again_so_long_after_it_was() {
        let (every, start) = (Duration::from_secs(60), Instant::now());
        let mut pass = Pass::FIRST;
        assert!(pass.is_due(every, start));
        pass.next = 40;
        assert!(pass.is_due(every, start));
        assert_eq!((pass.next, pass.left(100)), (40, 60));
        pass.ended = Some(start);
        assert_eq!(pass.left(100), 0);
        assert!(!pass.is_due(every, start + every - Duration::from_millis(1)));
        assert!(pass.is_due(every, start + every));
        assert_eq!((pass, pass.left(100)), (Pass::FIRST, 100));
    }

    #[test]
    fn the_pages_state_how_fast_what_lies_still_is_read() {
        assert_eq!(ROUND, Duration::from_secs(1));
        let rate = format!("{} MiB a second", SCRUBBED >> 20);
        states("docs/limits.md", &rate);
        states("docs/operator.md", &rate);
    }
}
