//! What people see: lines as things happen, or one JSON document at the end.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard output, for people or for programs.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    json: bool,
    terminal: bool,
    colour: bool,
}

impl Screen {
    /// For people, or with `json` for programs: then only [`Screen::document`] prints.
    pub fn new(json: bool) -> Screen {
        let terminal = !json && io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Screen {
            json,
            terminal,
            colour: terminal && !plain,
        }
    }

    /// Whether a program reads this.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A line for people.
    pub fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            print(text.as_ref());
        }
    }

    /// A document for programs.
    pub fn document(&self, value: &serde_json::Value) {
        if self.json {
            print(&value.to_string());
        }
    }

    /// Text that stands out on a terminal.
    pub fn strong(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Text that says that something is as it should be.
    pub fn good(&self, text: &str) -> String {
        self.paint("1;32", text)
    }

    /// Text that says that something is not.
    pub fn bad(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Text that steps back.
    pub fn faint(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A progress bar, to be seen on a terminal only.
    pub fn progress(&self, length: u64, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::new(length);
        bar.set_draw_target(if self.terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let style =
            ProgressStyle::with_template("  {msg} {wide_bar} {human_pos}/{human_len} {per_sec}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar
    }
}

/// Prints a line. If nobody listens any more, nothing is reported.
fn print(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// A time as people say it: `3.2 ms`, `1.25 s`.
pub fn spoken(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 100.0 => format!("{seconds:.2} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_their_own_unit() {
        let spoken = [120, 3_200, 250_000, 1_250_000, 200_000_000]
            .map(|us| spoken(Duration::from_micros(us)));
        assert_eq!(spoken, ["120 µs", "3.2 ms", "250 ms", "1.25 s", "200 s"]);
    }
}
