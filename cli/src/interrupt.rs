//! Ctrl-C in long work: what is under way ends in order, so that the person learns how far it got.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::{Error, Outcome};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on the first SIGINT or SIGTERM only sets what [`asked`] answers; `notify` is then called once, on another
/// thread. The second one ends the process at once.
///
/// # Errors
/// Those of installing the handlers.
pub(crate) fn catch(notify: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut interrupts, mut terminations) = {
        let _in_runtime = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    let wait = move || {
        let mut notify = Some(notify);
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terminations.recv() => {}
                }
                if ASKED.swap(true, Ordering::Relaxed) {
                    std::process::exit(Outcome::Failed.code().into());
                }
                if let Some(notify) = notify.take() {
                    notify();
                }
            }
        });
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map(drop)
        .map_err(|error: io::Error| error.into())
}

/// Whether the person wants the work to end.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
