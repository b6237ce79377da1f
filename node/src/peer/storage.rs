//! The threads that verify and store pages. Pages of one log always go through the same two threads, in order: one
//! verifies a page while the other stores the page before it.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::PageError;
use certmesh_ledger::names::LogId;
use certmesh_ledger::sync::{Received, StoreFailure, Stored, Verified, stored};
use crossbeam_channel::{Sender, TrySendError, bounded};
use tokio::sync::mpsc;

use super::Peer;

const LANES: usize = 2;
/// Pages that may wait for each lane: of a mebibyte each, at most.
const WAITING: usize = 32;
/// The pause after a page that no file could be opened for.
const OUT_OF_FILES: Duration = Duration::from_millis(200);

/// Where the driver hands over pages.
pub(crate) struct Storage {
    lanes: Vec<Sender<(DepartmentCode, Received)>>,
}

/// A page that was verified, or not.
type Checked = (DepartmentCode, LogId, Result<Verified, PageError>);

impl Storage {
    /// Starts the threads; they end when this is dropped.
    pub(crate) fn start(
        peer: &Arc<Peer>,
        results: &mpsc::Sender<Stored>,
    ) -> std::io::Result<Storage> {
        let mut lanes = Vec::new();
        for n in 0..LANES {
            let (lane, pages) = bounded::<(DepartmentCode, Received)>(WAITING);
            // One page verified ahead of the one that is stored keeps both threads busy.
            let (sender, checked) = bounded::<Checked>(1);
            let members = peer.catalogue.members().clone();
            thread::Builder::new()
                .name(format!("verify-{n}"))
                .spawn(move || {
                    for (from, records) in pages {
                        let log = records.log();
                        if sender.send((from, log, records.verify(&members))).is_err() {
                            return;
                        }
                    }
                })?;
            let (peer, results) = (Arc::clone(peer), results.clone());
            thread::Builder::new()
                .name(format!("store-{n}"))
                .spawn(move || {
                    for (from, id, page) in checked {
                        let log = peer.catalogue.log(&id);
                        let done = stored(id, log.as_deref(), from, page);
                        match &done.result {
                            Ok(_) => peer.metrics.pages_stored.inc(),
                            Err(_) => peer.metrics.pages_rejected.inc(),
                        };
                        if let Err(StoreFailure::Busy(error)) = &done.result {
                            tracing::debug!(log = %id, %error, "page not stored: a file can't be opened");
                            // It will be asked for again at once.
                            thread::sleep(OUT_OF_FILES);
                        }
                        if results.blocking_send(done).is_err() {
                            return;
                        }
                    }
                })?;
            lanes.push(lane);
        }
        Ok(Storage { lanes })
    }

    /// Has a page stored. Never waits, since the driver takes the results of those that are under way: with too many waiting
    /// the page isn't taken, and this says so.
    pub(crate) fn store(&self, from: DepartmentCode, records: Received) -> Result<(), Stored> {
        let log = records.log();
        let sum: usize = log.department.as_str().bytes().map(usize::from).sum();
        match self.lanes[sum % self.lanes.len()].try_send((from, records)) {
            Err(TrySendError::Full(_)) => Err(Stored {
                log,
                from,
                result: Err(StoreFailure::Busy(io::ErrorKind::WouldBlock.into())),
            }),
            // A thread ends at shutdown alone.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}
