//! What becomes of the rows: counted, shown while it goes on, and told at the end; rejected ones are kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::rejects::Rejects;
use crate::screen::{Screen, Tone, counted, grouped, printable};
use crate::{Error, Outcome};

/// Rejected rows that are shown one by one; the summary counts all.
const SHOWN: u64 = 20;

/// What became of the rows.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) complete: bool,
    pub(super) rows: u64,
    pub(super) issued: u64,
    pub(super) already_there: u64,
    pub(super) rejected: u64,
    pub(super) rejected_by_reason: BTreeMap<String, u64>,
    pub(super) seconds: f64,
}

/// A rejected row as the rejects file keeps it.
pub(super) enum Original<'a> {
    /// A line of JSON, or of what should have been.
    Json(&'a [u8]),
}

/// The running account of an import.
pub(super) struct Tally<'a> {
    pub(super) screen: &'a mut Screen,
    pub(super) summary: Summary,
    rejects: Option<Rejects>,
    bar: ProgressBar,
    started: Instant,
}

impl<'a> Tally<'a> {
    /// `length` is that of the input, in the units of [`Tally::progress`], where it is known.
    ///
    /// # Errors
    /// As [`Rejects::new`].
    pub(super) fn new(
        screen: &'a mut Screen,
        rejects: Option<&Path>,
        length: Option<u64>,
    ) -> Result<Self, Error> {
        Ok(Self {
            rejects: rejects.map(Rejects::new).transpose()?,
            bar: progress_bar(screen, length),
            screen,
            summary: Summary::default(),
            started: Instant::now(),
        })
    }

    /// A note between the progress bar's pictures.
    pub(super) fn note(&mut self, text: &str) {
        self.bar.suspend(|| self.screen.note(text));
    }

    /// How far the input is worked off.
    pub(super) fn progress(&self, position: u64) {
        self.bar.set_position(position);
        let Summary {
            issued,
            already_there,
            rejected,
            ..
        } = &self.summary;
        self.bar.set_message(format!(
            "{} issued, {} already there, {} rejected",
            grouped(*issued),
            grouped(*already_there),
            grouped(*rejected)
        ));
    }

    /// Counts, shows and keeps a rejected row. `name` is what the summary counts it under.
    ///
    /// # Errors
    /// Those of writing the rejects file.
    pub(super) fn reject(
        &mut self,
        row: u64,
        name: &str,
        reason: &str,
        original: &Original<'_>,
    ) -> Result<(), Error> {
        self.summary.rejected += 1;
        let by_reason = &mut self.summary.rejected_by_reason;
        *by_reason.entry(name.to_owned()).or_default() += 1;
        let shown = self.summary.rejected;
        if shown <= SHOWN {
            self.note(&format!("row {row}: {}", printable(reason)));
        } else if shown == SHOWN + 1 {
            self.note("further rejected rows are counted, not shown");
        }
        match (&mut self.rejects, original) {
            (Some(rejects), Original::Json(line)) => rejects.write(row, reason, line),
            (None, _) => Ok(()),
        }
    }

    /// Ends the progress bar and the clock.
    pub(super) fn finish(&mut self, complete: bool) {
        self.bar.finish_and_clear();
        self.summary.complete = complete;
        self.summary.seconds = self.started.elapsed().as_secs_f64();
    }

    /// Tells the summary.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn tell(&mut self, rejects: Option<&Path>) -> Result<(), Error> {
        let (summary, screen) = (&self.summary, &mut *self.screen);
        if screen.json() {
            return screen.print_json(summary);
        }
        let (tone, word) = match (summary.complete, summary.rejected) {
            (false, _) => (Tone::Bad, "STOPPED"),
            (true, 0) => (Tone::Good, "DONE"),
            (true, _) => (Tone::Doubt, "DONE, WITH REJECTED ROWS"),
        };
        let word = screen.paint(tone, word);
        let elapsed = indicatif::HumanDuration(Duration::from_secs_f64(summary.seconds.max(0.0)));
        screen.line(format!(
            "{word}  {} in {elapsed}",
            counted(summary.rows, "row")
        ))?;
        screen.field("issued", grouped(summary.issued))?;
        screen.field("already there", grouped(summary.already_there))?;
        screen.field("rejected", grouped(summary.rejected))?;
        for (reason, count) in &summary.rejected_by_reason {
            screen.line(format!(
                "  {:<26} {:>12}",
                printable(reason),
                grouped(*count)
            ))?;
        }
        if let Some(path) = rejects.filter(|_| summary.rejected > 0) {
            screen.line(format!(
                "rejected rows and their reasons are in {}",
                path.display()
            ))?;
        }
        if !summary.complete {
            screen.line("run the import again to go on: rows already in the log are recognised")?;
        }
        Ok(())
    }

    /// How the import ended, when it came to the end of the input.
    pub(super) fn outcome(&mut self, file: &Path) -> Outcome {
        if self.summary.rows == 0 {
            let file = file.display();
            self.screen
                .note(&format!("note: there is no row in {file}"));
        }
        if self.summary.rejected > 0 {
            Outcome::No
        } else {
            Outcome::Yes
        }
    }
}

fn progress_bar(screen: &Screen, length: Option<u64>) -> ProgressBar {
    let target = if screen.shows_progress() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let template = match length {
        Some(_) => "{bar:30} {percent:>3} %  {msg}  {eta} left",
        None => "{spinner} {bytes} read  {msg}",
    };
    let bar = ProgressBar::with_draw_target(length, target);
    // The templates are constants; should one ever be refused, the plain bar serves.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
