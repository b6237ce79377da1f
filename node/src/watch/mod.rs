//! Folders that are watched: tables dropped there are imported, for departments whose people must use another system.
//!
//! `folder` says which files have stopped changing; `taking` reads one and has its rows issued; `outcome` moves it to
//! `done/` with a summary, or to `rejected/`. A file stays where it is until everything of it is decided, so that one
//! whose import was interrupted is taken again: rows that are in the log already are recognised.
//!
//! One thread takes one file at a time, whatever the number of folders: there is only one log to write to, and memory
//! is bounded by one file's needs. Log lines name files and counts, never what a row holds.

mod folder;
mod outcome;
mod taking;

use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use certmesh_ledger::id::{DepartmentCode, TypeCode};
use certmesh_tables::Map;
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use crate::app::Service;
use crate::metrics::Metrics;
use folder::Folder;
use outcome::Outcomes;
use taking::{End, Taking};

/// A folder whose tables are imported.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    /// The folder; it exists.
    pub folder: PathBuf,
    /// Type of the certificates that its tables hold.
    pub type_code: TypeCode,
    /// How its tables' columns become certificates.
    pub map: Map,
}

/// Where imported files go, in the folder.
pub(crate) const DONE: &str = "done";
/// Where rejected rows go, and files that can't be read.
pub(crate) const REJECTED: &str = "rejected";
/// Between two looks into the folders.
const EVERY: Duration = Duration::from_secs(2);

/// The thread that watches.
pub(crate) struct Watching {
    stop: Arc<Stop>,
    thread: thread::JoinHandle<()>,
}

/// What the thread needs of the peer.
pub(crate) struct Needs {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) department: DepartmentCode,
}

impl Watching {
    /// Starts to watch; nothing is started for no folders.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        watches: Vec<WatchConfig>,
        needs: Needs,
        runtime: Handle,
    ) -> std::io::Result<Option<Watching>> {
        if watches.is_empty() {
            return Ok(None);
        }
        let stop = Arc::new(Stop::default());
        let watcher = Watcher {
            needs,
            runtime,
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("watch".into())
            .spawn(move || watcher.run(watches))?;
        Ok(Some(Watching { stop, thread }))
    }

    /// Stops after what is being appended; blocks until then.
    pub(crate) fn stop(self) {
        self.stop.ask();
        if self.thread.join().is_err() {
            tracing::error!("the thread that watches folders panicked");
        }
    }
}

/// Whether the thread is to end.
#[derive(Default)]
pub(crate) struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn ask(&self) {
        *self.asked.lock() = true;
        self.changed.notify_all();
    }

    fn asked(&self) -> bool {
        *self.asked.lock()
    }

    /// Waits so long, or until the thread is to end; returns whether it is.
    fn wait(&self, time: Duration) -> bool {
        let mut asked = self.asked.lock();
        self.changed
            .wait_while_for(&mut asked, |asked| !*asked, time);
        *asked
    }
}

struct Watcher {
    needs: Needs,
    runtime: Handle,
    stop: Arc<Stop>,
}

impl Watcher {
    fn run(&self, watches: Vec<WatchConfig>) {
        let mut folders: Vec<(WatchConfig, Folder)> = watches
            .into_iter()
            .map(|watch| {
                let folder = Folder::new(&watch.folder);
                tracing::info!(folder = %watch.folder.display(), type_code = %watch.type_code, "folder watched");
                (watch, folder)
            })
            .collect();
        for (watch, _) in &folders {
            Outcomes::of(&watch.folder).settle();
        }
        let mut told_waiting = false;
        while !self.stop.wait(EVERY) {
            for (watch, folder) in &mut folders {
                let ready = folder.look(Instant::now());
                if ready.is_empty() {
                    continue;
                }
                if let Some(reason) = self.needs.service.status().log_detail {
                    if !told_waiting {
                        tracing::info!(%reason, "files wait until the own log accepts appends");
                    }
                    told_waiting = true;
                    break;
                }
                told_waiting = false;
                for name in ready {
                    if self.stop.asked() {
                        return;
                    }
                    self.take(watch, folder, &name);
                }
            }
        }
    }

    fn take(&self, watch: &WatchConfig, folder: &mut Folder, name: &OsStr) {
        let path = watch.folder.join(name);
        let outcomes = Outcomes::of(&watch.folder);
        let folder_shown = watch.folder.display();
        let (Ok(target), Some(state)) = (outcomes.target(name), folder.state_of(name)) else {
            return folder.put_off(name, Instant::now());
        };
        let unchanged = || folder::state(&path).is_some_and(|found| found == state);
        if !unchanged() {
            // While the file before this one was imported: the next look decides.
            return;
        }
        tracing::info!(folder = %folder_shown, file = ?name, "file taken");
        let taking = Taking {
            needs: &self.needs,
            runtime: &self.runtime,
            stop: &self.stop,
            watch,
            path: &path,
        };
        let end = catch_unwind(AssertUnwindSafe(|| taking.import(&target)));
        let end = end.unwrap_or_else(|_panicked| {
            End::Unreadable("the peer failed to read it; its log has the place".to_owned())
        });
        let settled = match end {
            End::Stopped => return target.discard(),
            // Somebody took it away: what was issued of it is issued.
            End::Gone => {
                target.discard();
                return folder.forget(name);
            }
            End::Later(why) => Err(why),
            End::Done(_) | End::Unreadable(_) if !unchanged() => {
                Err("it was changed while it was read".to_owned())
            }
            End::Done(summary) => target
                .done(&path, &summary)
                .map_err(|error| error.to_string())
                .inspect(|()| {
                    self.needs.metrics.watch_table("done");
                    tracing::info!(
                        folder = %folder_shown,
                        file = ?name,
                        rows = summary.rows,
                        issued = summary.issued,
                        already_there = summary.already_there,
                        merged = summary.merged,
                        left_out = summary.left_out,
                        rejected = summary.rejected,
                        "file imported"
                    );
                }),
            End::Unreadable(reason) => target
                .unreadable(&path, &reason)
                .map_err(|error| error.to_string())
                .inspect(|()| {
                    self.needs.metrics.watch_table("rejected");
                    tracing::warn!(
                        folder = %folder_shown,
                        file = ?name,
                        "file rejected: it can't be read as the map describes; the reason is beside it"
                    );
                }),
        };
        match settled {
            Ok(()) => folder.forget(name),
            Err(why) => {
                outcomes.settle();
                folder.put_off(name, Instant::now());
                tracing::warn!(folder = %folder_shown, file = ?name, ?why, "file not imported yet: it will be tried again later");
            }
        }
    }
}
