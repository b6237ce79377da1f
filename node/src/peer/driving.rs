//! The runtime that the driver and the network have for themselves.
//!
//! The API's handlers share the process's runtime with each other. However busy they keep its threads, those that take in
//! what other members sign, and give them what was signed here, are not among them.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::sync::oneshot;

/// Threads for connections and for work the driver hands out, beside the driver's own.
const WORKERS: usize = 2;

/// How long work that was handed out may take once the driver has ended.
const GRACE: Duration = Duration::from_secs(5);

/// A runtime that can be dropped where blocking is not allowed, as at a start that fails.
pub(crate) struct PeerRuntime(Option<Runtime>);

impl PeerRuntime {
    pub(crate) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(WORKERS).thread_name("peer");
        builder
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken out only when dropped")
    }

    /// Until the guard is dropped, what needs a runtime is made in this one.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime().enter()
    }

    /// Runs the driver on a thread of its own until it ends.
    pub(crate) fn drive(
        self,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Driving> {
        let (ends, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("driver".to_owned())
            .spawn(move || {
                // Dropped last, after a panic as well.
                let _ends = ends;
                self.runtime().block_on(driver);
            })?;
        Ok(Driving { thread, ended })
    }
}

impl Drop for PeerRuntime {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else {
            return;
        };
        match tokio::runtime::Handle::try_current() {
            Ok(_) => runtime.shutdown_background(),
            Err(_) => runtime.shutdown_timeout(GRACE),
        }
    }
}

/// A driver that runs.
pub(crate) struct Driving {
    thread: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Driving {
    /// Waits until the driver has ended, in order or in a panic. To be awaited to completion once.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.ended).await;
    }

    /// Waits for the thread, which a panic hook reported if it panicked.
    pub(crate) fn join(self) {
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_driver_and_its_tasks_run_while_the_runtime_of_the_api_is_blocked() {
        let (sender, receiver) = mpsc::channel();
        let runtime = PeerRuntime::new().unwrap();
        let driver = async move {
            let task = tokio::spawn(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                tokio::task::spawn_blocking(|| 7).await.unwrap()
            });
            sender.send(task.await.unwrap()).unwrap();
        };
        let mut driving = runtime.drive(driver).unwrap();
        // The one thread of this test's runtime stalls here.
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(7));
        driving.ended().await;
        driving.join();
    }

    #[tokio::test]
    async fn a_driver_that_panics_is_known_to_have_ended() {
        let runtime = PeerRuntime::new().unwrap();
        let mut driving = runtime
            .drive(async { panic!("a fault of the driver") })
            .unwrap();
        driving.ended().await;
        driving.join();
    }

    #[tokio::test]
    async fn a_runtime_without_a_driver_is_dropped_among_tasks() {
        let runtime = PeerRuntime::new().unwrap();
        drop(runtime);
    }
}
