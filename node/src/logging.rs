//! Structured logs on standard error: text for people, JSON for collectors.
//!
//! Nothing that is logged may hold a subject's data: no holder's code, no name, no field value, no request body and no
//! URL (a certificate's serial can be an identity number). Code that logs names routes and counts, never content.
//!
//! A log line that can't be written is lost and counted; the peer continues, since its log is not its ledger.

use std::io;
use std::num::NonZeroU32;
use std::panic;
use std::sync::LazyLock;

use governor::Quota;
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

mod outlet;

use outlet::Outlet;

/// How many warnings of one kind, or about one member, are logged: more would bury the others, and members could fill the disk.
pub(crate) const WARNINGS: Quota = Quota::per_minute(NonZeroU32::new(3).expect("not zero"));

/// Log lines of this process that could not be written.
static LINES_LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

/// The counter of this process's log lines that could not be written.
pub(crate) fn lines_lost() -> Counter {
    LINES_LOST.clone()
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Why logging couldn't be started.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The level isn't one, nor a list of directives.
    #[error(
        "log level: expected error, warn, info, debug or trace, or directives such as info,libp2p=warn"
    )]
    Level,
    /// Logging was started before.
    #[error("logging is already running")]
    Running,
    /// The thread that writes the log couldn't be started.
    #[error("the thread that writes the log could not be started: {0}")]
    Thread(io::Error),
}

/// Logging that runs. When dropped it waits for the last lines, though not for a reader that stalls.
#[must_use]
pub struct Logging(Outlet);

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// Checks a log level: `error` … `trace`, or directives such as `info,libp2p=warn`.
///
/// # Errors
/// [`LoggingError::Level`].
pub fn check_level(level: &str) -> Result<(), LoggingError> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    // A lone unknown word would be read as the name of a module to log everything of.
    let lone_word = level.chars().all(|c| c.is_ascii_alphanumeric());
    if lone_word && level.parse::<tracing::Level>().is_err() && level != "off" {
        return Err(LoggingError::Level);
    }
    EnvFilter::builder()
        .parse(level)
        .map_err(|_| LoggingError::Level)
}

/// Starts logging to standard error, for the whole process.
///
/// # Errors
/// [`LoggingError::Level`] for a level that isn't one, [`LoggingError::Running`] when called twice,
/// [`LoggingError::Thread`] when the system gives no thread.
pub fn init(format: LogFormat, level: &str) -> Result<Logging, LoggingError> {
    let filter = filter(level)?;
    let outlet = Outlet::start(io::stderr(), format, lines_lost()).map_err(LoggingError::Thread)?;
    let subscriber = subscriber(format, filter, outlet.clone());
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Running)?;
    log_panics();
    Ok(Logging(outlet))
}

/// Logs a panic by its place alone: its message may quote data that was being handled.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let (file, line) = info
            .location()
            .map_or(("unknown", 0), |at| (at.file(), at.line()));
        tracing::error!(file, line, "a thread panicked");
    }));
}

/// What writes log lines to `writer`.
pub(crate) fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would report them with `eprintln!`, which panics where standard error can't be written: and the panic hook
        // logs, so the process would abort.
        .log_internal_errors(false)
        .with_writer(writer);
    match format {
        LogFormat::Text => Box::new(builder.with_ansi(false).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    }
}

/// Log lines kept in memory, for tests of what is logged.
#[cfg(test)]
pub(crate) mod memory {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(crate) fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
            // While there is one subscriber alone, tracing asks that of the thread which comes first to a place that logs
            // whether anyone listens there: one of another test, that has none.
            static ANOTHER: std::sync::OnceLock<tracing::Dispatch> = std::sync::OnceLock::new();
            ANOTHER.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry()));
            let lines = self.clone();
            move || lines.clone()
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::memory::Lines;
    use super::*;

    fn logged(format: LogFormat, level: &str) -> String {
        let lines = Lines::default();
        let subscriber = subscriber(format, filter(level).unwrap(), lines.writer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(records = 7, "appended");
            tracing::debug!("hidden");
        });
        lines.text()
    }

    #[test]
    fn a_json_log_is_one_object_a_line_with_its_fields_on_top() {
        let text = logged(LogFormat::Json, "info");
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "appended");
        assert_eq!(line["records"], 7);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_text_log_holds_the_level_asked_for() {
        let text = logged(LogFormat::Text, "info");
        assert!(text.contains("appended records=7"), "{text}");
        assert!(!text.contains("hidden"));
    }

    #[test]
    fn levels_and_directives_are_distinguished_from_typing_errors() {
        for good in [
            "info",
            "off",
            "warn,libp2p=error",
            "certmesh_node::api=debug",
        ] {
            assert!(check_level(good).is_ok(), "{good}");
        }
        for bad in ["", "inof", "verbose", "info,=x=y"] {
            assert!(check_level(bad).is_err(), "{bad}");
        }
    }
}
