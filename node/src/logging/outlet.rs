//! Where log lines leave the process: a thread of its own writes them, so that whoever logs neither waits for the log's
//! reader nor fails with its disk. Lines that can't be written are counted, and the log says how many they were once
//! it takes lines again.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::{LogFormat, subscriber};
use certmesh_text::one_line;

/// Lines that wait while the log's reader is slow; the ones after them are lost.
const WAITING: usize = 4096;
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

enum Message {
    Line(Vec<u8>),
    /// Everything before this was written; the sender waits for its end to be dropped.
    Written(Sender<()>),
}

/// Takes log lines, never waits and never fails.
#[derive(Clone)]
pub(super) struct Outlet {
    lines: Sender<Message>,
    lost: Counter,
    format: LogFormat,
}

impl Outlet {
    /// Starts the thread that writes to `sink`; `lost` counts the lines that could not be written.
    pub(super) fn start<W: Write + Send + 'static>(
        sink: W,
        format: LogFormat,
        lost: Counter,
    ) -> io::Result<Outlet> {
        let (sender, receiver) = bounded(WAITING);
        let drain = Drain::new(sink, format, lost.clone());
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || drain.run(&receiver))?;
        Ok(Outlet {
            lines: sender,
            lost,
            format,
        })
    }

    /// Waits until what was logged so far is written, but not for a reader that stalls.
    pub(super) fn wait(&self) {
        let (written, wait) = bounded(1);
        let asked = self
            .lines
            .send_timeout(Message::Written(written), LAST_LINES);
        if asked.is_ok() {
            // An answer or the end of the thread: nothing more is written either way.
            let _ = wait.recv_timeout(LAST_LINES);
        }
    }
}

impl Write for Outlet {
    /// Takes one formatted event, its line feed included.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        let line = String::from_utf8_lossy(line);
        let shown = match self.format {
            LogFormat::Text => one_line::one_line(&line),
            LogFormat::Json => one_line::json(&line),
        };
        let line = [shown.as_bytes(), b"\n"].concat();
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.lost.inc();
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Outlet {
    type Writer = Outlet;

    fn make_writer(&'a self) -> Outlet {
        self.clone()
    }
}

/// The thread's side.
struct Drain<W> {
    sink: W,
    lost: Counter,
    /// Lost lines that the log has reported.
    reported: u64,
    /// Whether the last line was cut off, so that the next one must not be joined to it.
    cut_off: bool,
    notice: Notice,
}

impl<W: Write> Drain<W> {
    fn new(sink: W, format: LogFormat, lost: Counter) -> Self {
        Self {
            sink,
            reported: lost.get(),
            lost,
            cut_off: false,
            notice: Notice::new(format),
        }
    }

    fn run(mut self, lines: &Receiver<Message>) {
        while let Ok(message) = lines.recv() {
            match message {
                Message::Line(line) => self.line(&line),
                Message::Written(written) => drop(written),
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        let lost = self.lost.get();
        if lost > self.reported {
            let notice = self.notice.of(lost - self.reported);
            if self.write(&notice).is_ok() {
                self.reported = lost;
            } else {
                self.lost.inc();
                return;
            }
        }
        if self.write(line).is_err() {
            self.lost.inc();
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.cut_off {
            self.sink.write_all(b"\n")?;
            self.cut_off = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.cut_off = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sink.flush()
    }
}

/// Makes the line that reports lost ones, in the log's own format.
struct Notice {
    dispatch: Dispatch,
    made: Arc<Mutex<Vec<u8>>>,
}

impl Notice {
    fn new(format: LogFormat) -> Self {
        let made = Arc::new(Mutex::new(Vec::new()));
        let writer = Buffer(Arc::clone(&made));
        Self {
            dispatch: Dispatch::new(subscriber(format, EnvFilter::new("warn"), move || {
                writer.clone()
            })),
            made,
        }
    }

    fn of(&self, lines: u64) -> Vec<u8> {
        tracing::dispatcher::with_default(&self.dispatch, || {
            tracing::warn!(
                lines,
                "log lines were lost: the log could not be written, or its reader was too slow"
            );
        });
        std::mem::take(&mut *self.made.lock())
    }
}

#[derive(Clone)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{filter, memory::Lines};
    use super::*;
    use certmesh_text::one_line::{HOSTILE, steers};

    /// Writes while it is allowed to, a few bytes at a time.
    #[derive(Clone, Default)]
    struct Disk {
        written: Lines,
        room: Arc<Mutex<Option<usize>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut room = self.room.lock();
            let taken = room.unwrap_or(usize::MAX).min(bytes.len()).min(7);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(room) = room.as_mut() {
                *room -= taken;
            }
            self.written.write(&bytes[..taken])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logging(outlet: &Outlet, format: LogFormat, log: impl FnOnce()) {
        let subscriber = subscriber(format, filter("info").unwrap(), outlet.clone());
        tracing::subscriber::with_default(subscriber, log);
        outlet.wait();
    }

    #[test]
    fn lines_that_a_full_disk_refuses_are_counted_and_reported_once_it_takes_lines_again() {
        let (disk, lost) = (Disk::default(), Counter::default());
        let outlet = Outlet::start(disk.clone(), LogFormat::Json, lost.clone()).unwrap();
        // Room for a part of a line.
        *disk.room.lock() = Some(10);
        logging(&outlet, LogFormat::Json, || {
            tracing::info!("first");
            tracing::info!("second");
        });
        assert_eq!(lost.get(), 2);
        *disk.room.lock() = None;
        logging(&outlet, LogFormat::Json, || tracing::info!("third"));
        logging(&outlet, LogFormat::Json, || tracing::info!("fourth"));
        let text = disk.written.text();
        let lines: Vec<&str> = text.lines().collect();
        let line = |at: usize| serde_json::from_str::<serde_json::Value>(lines[at]).unwrap();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(line(1)["lines"], 2);
        assert_eq!(line(1)["level"], "WARN");
        assert_eq!(line(2)["message"], "third");
        assert_eq!(line(3)["message"], "fourth");
    }

    #[test]
    fn a_reader_that_stands_still_stops_nobody_from_logging() {
        let (disk, lost) = (Disk::default(), Counter::default());
        let outlet = Outlet::start(disk.clone(), LogFormat::Text, lost.clone()).unwrap();
        let subscriber = subscriber(LogFormat::Text, filter("info").unwrap(), outlet.clone());
        let stalled = disk.room.lock();
        let logged = WAITING + 100;
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..logged {
                tracing::info!(number, "logged");
            }
        });
        let missing = usize::try_from(lost.get()).unwrap();
        assert!((99..=100).contains(&missing), "{missing}");
        drop(stalled);
        // Until then there may be no place for another line.
        outlet.wait();
        logging(&outlet, LogFormat::Text, || tracing::info!("last"));
        let text = disk.written.text();
        assert!(text.contains(&format!("lines={missing}")), "{text}");
        // Whatever was not lost, the report, and the last one.
        assert_eq!(text.lines().count(), logged - missing + 2);
    }

    #[test]
    fn no_value_begins_a_line_of_the_log_or_steers_the_terminal_that_shows_it() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let disk = Disk::default();
            let outlet = Outlet::start(disk.clone(), format, Counter::default()).unwrap();
            logging(&outlet, format, || {
                tracing::info!(shown = %HOSTILE, quoted = HOSTILE, debug = ?HOSTILE, "{HOSTILE}");
            });
            let text = disk.written.text();
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(steers), "{line:?}");
            if format == LogFormat::Json {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["message"], HOSTILE);
            }
        }
    }
}
