//! Waiting for something to become true, for so long and no longer, and giving up at once on SIGINT or SIGTERM.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::Error;

/// Shortest and longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM do not end the process: everything that waits ends with [`Error::Interrupted`].
///
/// # Errors
/// Those of installing the handlers.
pub fn catch_signals(runtime: &Handle) -> Result<(), Error> {
    let _in_runtime = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).map_err(Error::system("signal handler"))?;
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                INTERRUPTED.store(true, Ordering::Relaxed);
            }
        });
    }
    Ok(())
}

/// Whether SIGINT or SIGTERM came.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// A moment by which something has to have happened.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    length: Duration,
}

impl Deadline {
    /// So long from now.
    pub fn after(length: Duration) -> Deadline {
        Deadline {
            start: Instant::now(),
            length,
        }
    }

    /// So many seconds from now.
    pub fn seconds(seconds: u64) -> Deadline {
        Deadline::after(Duration::from_secs(seconds))
    }

    /// Time left.
    pub fn left(&self) -> Duration {
        self.length.saturating_sub(self.start.elapsed())
    }

    /// Looks again and again until there is something, and gives it.
    ///
    /// # Errors
    /// [`Error::Deadline`] with `what` when time is over, [`Error::Interrupted`], and whatever looking ends with.
    pub fn wait<T>(
        &self,
        what: impl Fn() -> String,
        mut look: impl FnMut() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let mut pause = PAUSE.0;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            self.check(&what)?;
            thread::sleep(pause.min(self.left()));
            pause = (pause * 3 / 2).min(PAUSE.1);
        }
    }

    /// Whether there is time to continue.
    ///
    /// # Errors
    /// [`Error::Deadline`] with `what` when time is over, [`Error::Interrupted`].
    pub fn check(&self, what: impl Fn() -> String) -> Result<(), Error> {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        if self.left().is_zero() {
            return Err(Error::Deadline {
                what: what(),
                seconds: self.length.as_secs(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_what_was_found_or_says_what_was_not() {
        let mut looks = 0;
        let found = Deadline::seconds(10).wait(String::new, || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
        let never = Deadline::after(Duration::from_millis(20))
            .wait(|| "a miracle".to_owned(), || Ok(None::<()>));
        assert!(never.unwrap_err().to_string().contains("a miracle"));
    }
}
