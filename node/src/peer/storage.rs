//! The threads that verify and store pages. Pages of one log always go to the same thread, in order.

use std::sync::Arc;
use std::thread;

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::Page;
use certmesh_ledger::sync::{Stored, stored};
use crossbeam_channel::{Sender, unbounded};
use tokio::sync::mpsc;

use super::Peer;

const THREADS: usize = 2;

/// Where the driver hands over pages. The state machine bounds how many are under way.
pub(super) struct Storage {
    threads: Vec<Sender<(DepartmentCode, Box<Page>)>>,
}

impl Storage {
    /// Starts the threads; they end when this is dropped.
    pub(super) fn start(
        peer: &Arc<Peer>,
        results: &mpsc::UnboundedSender<Stored>,
    ) -> std::io::Result<Storage> {
        let mut threads = Vec::new();
        for n in 0..THREADS {
            let (sender, receiver) = unbounded::<(DepartmentCode, Box<Page>)>();
            let (peer, results) = (Arc::clone(peer), results.clone());
            thread::Builder::new()
                .name(format!("storage-{n}"))
                .spawn(move || {
                    for (from, page) in receiver {
                        let log = peer.catalogue.log(&page.checkpoint.checkpoint.log);
                        let done =
                            stored(log.map(|log| &**log), peer.catalogue.members(), from, *page);
                        match &done.result {
                            Ok(_) => peer.metrics.pages_stored.inc(),
                            Err(_) => peer.metrics.pages_rejected.inc(),
                        };
                        if results.send(done).is_err() {
                            return;
                        }
                    }
                })?;
            threads.push(sender);
        }
        Ok(Storage { threads })
    }

    pub(super) fn store(&self, from: DepartmentCode, page: Box<Page>) {
        let department = page.checkpoint.checkpoint.log.department;
        let sum: usize = department.as_str().bytes().map(usize::from).sum();
        // Fails only when the thread has ended, which it does at shutdown.
        let _ = self.threads[sum % self.threads.len()].send((from, page));
    }
}
