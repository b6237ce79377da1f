//! What becomes of the rows: counted, shown in progress, and summed up at the end; rejected ones are kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use certmesh_api::IssueRequest;
use certmesh_tables::{Head, Rejects};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::screen::{Screen, Tone, counted, grouped, printable};
use crate::{Error, Outcome};

/// Rejected rows that are shown one by one; the summary counts all.
const SHOWN: u64 = 20;

/// What became of the rows.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) complete: bool,
    pub(super) rows: u64,
    pub(super) dry_run: bool,
    /// Encoding of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding: Option<String>,
    /// What was taken of a table without anybody having said so, and what of it nobody sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) taken: Vec<String>,
    /// In a dry run, the first rows as they would be issued.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) first: Vec<IssueRequest>,
    pub(super) issued: u64,
    pub(super) already_there: u64,
    /// Rows that another row stands for.
    pub(super) merged: u64,
    /// Rows that the map leaves out.
    pub(super) left_out: u64,
    /// Rows whose holder's identity number begins with the code of no province.
    pub(super) unknown_regions: u64,
    /// Rows that nothing is to be said against, in a dry run.
    pub(super) valid: u64,
    /// Of these, rows whose certificate the log has, in a dry run: the same is recognised, another is rejected.
    pub(super) in_log: u64,
    pub(super) rejected: u64,
    pub(super) rejected_by_reason: BTreeMap<String, u64>,
    pub(super) seconds: f64,
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
    /// # Errors
    /// As [`Rejects::new`].
    pub(super) fn new(
        screen: &'a mut Screen,
        rejects: Option<&Path>,
        spreadsheet: bool,
    ) -> Result<Self, Error> {
        let rejects = rejects.map(match spreadsheet {
            true => Rejects::spreadsheet,
            false => Rejects::new,
        });
        Ok(Self {
            rejects: rejects.transpose()?,
            bar: progress_bar(screen),
            screen,
            summary: Summary::default(),
            started: Instant::now(),
        })
    }

    /// Length of the input, in the units of [`Tally::progress`], where it is known.
    pub(super) fn length(&self, length: Option<u64>) {
        if let Some(length) = length {
            self.bar.set_length(length);
            set_style(&self.bar, "{bar:30} {percent:>3} %  {msg}  {eta} left");
        }
    }

    /// From now on rejected rows are kept like those of the table that begins here.
    pub(super) fn begin(&mut self, head: &Head<'_>) {
        if let Some(rejects) = &mut self.rejects {
            rejects.keep_cells(head);
        }
    }

    /// Where rejected rows are kept, if they are.
    pub(super) fn rejects(&self) -> Option<&Rejects> {
        self.rejects.as_ref()
    }

    /// How far the input is looked through before anything is done with it.
    pub(super) fn looked(&self, position: u64) {
        self.bar.set_position(position);
        self.bar.set_message("looking for rows that are the same");
    }

    /// A note between the progress bar's pictures.
    pub(super) fn note(&mut self, text: &str) {
        self.bar.suspend(|| self.screen.note(text));
    }

    /// Says what was taken of a table, once.
    pub(super) fn taken(&mut self, lines: Vec<String>) {
        if self.summary.taken.is_empty() {
            for line in &lines {
                self.note(line);
            }
            self.summary.taken = lines;
        }
    }

    /// Shows one of the first rows as it would be issued.
    pub(super) fn sample(&mut self, row: u64, request: IssueRequest) {
        if !self.screen.json() {
            self.note(&format!("row {row} would be {}", described(&request)));
        }
        self.summary.first.push(request);
    }

    /// How far the input is worked off.
    pub(super) fn progress(&self, position: u64) {
        self.bar.set_position(position);
        if self.summary.dry_run {
            let Summary {
                valid,
                in_log,
                rejected,
                ..
            } = &self.summary;
            return self.bar.set_message(format!(
                "{} valid, {} of them already in the log, {} rejected",
                grouped(*valid),
                grouped(*in_log),
                grouped(*rejected)
            ));
        }
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

    /// Counts, shows and keeps a rejected row. `name` is what the summary counts it under, `original` the row as it was.
    ///
    /// # Errors
    /// Those of writing the rejects file.
    pub(super) fn reject(
        &mut self,
        row: u64,
        name: &str,
        reason: &str,
        original: &[u8],
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
        match &mut self.rejects {
            None => Ok(()),
            Some(rejects) => Ok(rejects.add(row, reason, original)?),
        }
    }

    /// Ends the progress bar and the clock.
    pub(super) fn finish(&mut self, complete: bool) {
        self.bar.finish_and_clear();
        self.summary.complete = complete;
        self.summary.seconds = self.started.elapsed().as_secs_f64();
    }

    /// Ends the file of rejected rows, and prints the summary.
    ///
    /// # Errors
    /// Those of writing the rejects file, and of standard output.
    pub(super) fn report(&mut self, rejects: Option<&Path>) -> Result<(), Error> {
        if let Some(rejects) = self.rejects.take() {
            rejects.finish()?;
        }
        let (summary, screen) = (&self.summary, &mut *self.screen);
        if screen.json() {
            return screen.print_json(summary);
        }
        let (tone, word) = match (summary.complete, summary.rejected) {
            (false, _) => (Tone::Bad, "STOPPED"),
            (true, 0) if summary.dry_run => (Tone::Good, "DRY RUN, NOTHING ISSUED"),
            (true, _) if summary.dry_run => (Tone::Doubt, "DRY RUN, NOTHING ISSUED, ROWS REJECTED"),
            (true, 0) => (Tone::Good, "DONE"),
            (true, _) => (Tone::Doubt, "DONE, WITH REJECTED ROWS"),
        };
        let word = screen.paint(tone, word);
        let elapsed = indicatif::HumanDuration(Duration::from_secs_f64(summary.seconds.max(0.0)));
        screen.line(format!(
            "{word}  {} in {elapsed}",
            counted(summary.rows, "row")
        ))?;
        if summary.dry_run {
            screen.field("valid", grouped(summary.valid))?;
            // Only the import can determine whether they are the same.
            screen.field("  in the log", grouped(summary.in_log))?;
        } else {
            screen.field("issued", grouped(summary.issued))?;
            screen.field("already there", grouped(summary.already_there))?;
        }
        if summary.merged > 0 {
            screen.field("merged", grouped(summary.merged))?;
        }
        if summary.left_out > 0 {
            screen.field("left out", grouped(summary.left_out))?;
        }
        screen.field("rejected", grouped(summary.rejected))?;
        for (reason, count) in &summary.rejected_by_reason {
            screen.line(format!(
                "  {} {:>12}",
                padded(&printable(reason)),
                grouped(*count)
            ))?;
        }
        if summary.unknown_regions > 0 {
            screen.note(&format!(
                "warning: the identity numbers of {} begin with the code of no province",
                counted(summary.unknown_regions, "row")
            ));
        }
        if let Some(path) = rejects.filter(|_| summary.rejected > 0) {
            screen.line(format!(
                "rejected rows and their reasons are in {}",
                path.display()
            ))?;
        }
        if !summary.complete {
            screen
                .line("run the import again to continue: rows already in the log are recognised")?;
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

/// A certificate to issue on one line.
fn described(request: &IssueRequest) -> String {
    let text = |text: &Option<String>| text.as_deref().map(printable).unwrap_or_default();
    let mut parts = vec![format!("serial {}", text(&request.serial))];
    if let Some(version) = request.version {
        parts.push(format!("version {version}"));
    }
    if let Some(holder) = &request.holder {
        let (kind, code) = (holder.kind.as_str(), printable(&holder.code));
        parts.push(format!("holder {kind} {code}"));
    }
    let until = match &request.valid_until {
        Some(_) => format!("to {}", text(&request.valid_until)),
        None => "without end".to_owned(),
    };
    parts.push(format!("from {} {until}", text(&request.valid_from)));
    let fields = request.fields.iter();
    parts.extend(fields.map(|(name, value)| format!("{}: {}", printable(name), printable(value))));
    parts.join(", ")
}

/// To the width of the names' column; a Chinese character is two wide.
fn padded(name: &str) -> String {
    let width = unicode_width::UnicodeWidthStr::width(name);
    format!("{name}{}", " ".repeat(26_usize.saturating_sub(width)))
}

fn progress_bar(screen: &Screen) -> ProgressBar {
    let target = if screen.shows_progress() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    set_style(&bar, "{spinner} {bytes} read  {msg}");
    bar
}

fn set_style(bar: &ProgressBar, template: &str) {
    // The templates are constants; should one ever be refused, the plain bar serves.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
