//! `certmesh import`: certificates that exist already, from a file of any length.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certmesh_node::api::types::{Problem, RowResult};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::args::Global;
use crate::bulk::{self, Chunk};
use crate::client::Client;
use crate::error::{describe_problem, short_name};
use crate::lines::{Line, Lines, MAX_LINE};
use crate::rejects::{Rejects, as_it_was};
use crate::retry::Retry;
use crate::screen::{Screen, Tone, counted, grouped, printable};
use crate::{Error, Outcome, interrupt};

/// Import certificates from a file: one JSON object a line, each as `issue --from` takes it
///
/// Rows are sent in chunks of 2,000, in their order. A row that the node rejects does not stop the others; it is shown
/// with its reason, and written to the file that --rejects names, from where it can be mended and imported again. When
/// the connection breaks or the node is busy, the chunk is sent again. Rows already in the log are recognised, so an
/// import that was interrupted is simply run again. Ctrl-C stops after the chunk under way and tells how far it came.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// File of JSON lines, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File for the rejected rows, made at the first one, each with `_reason` and `_row` added (mode 0600: they hold
    /// personal data); one that holds anything is left as it is
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// How often a chunk is sent again before giving up; the waits grow up to 15 seconds
    #[arg(long, value_name = "N", default_value_t = 12)]
    retries: u32,
}

const EXAMPLES: &str = "\
Examples:
  certmesh import licences.jsonl
  certmesh import licences.jsonl --rejects rejected.jsonl
  certmesh import rejected.jsonl --rejects rejected-again.jsonl
  zcat licences.jsonl.gz | certmesh import - --json

Exit code: 0 if every row is in the log now, 1 if rows were rejected, 2 if the import could not be finished
or was stopped.";

/// Rejected rows that are shown one by one; the summary counts all.
const SHOWN: u64 = 20;

/// What became of the rows.
#[derive(Debug, Default, Serialize)]
struct Summary {
    complete: bool,
    rows: u64,
    issued: u64,
    already_there: u64,
    rejected: u64,
    rejected_by_reason: BTreeMap<String, u64>,
    seconds: f64,
}

struct Run<'a> {
    client: Client,
    screen: &'a mut Screen,
    retries: u32,
    rejects: Option<Rejects>,
    bar: ProgressBar,
    summary: Summary,
    /// Whether the person ended it before the end of the input.
    stopped: bool,
}

pub(crate) fn run(args: &Import, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let (mut input, length) = open(&args.file, screen)?;
    let rejects = args.rejects.as_deref().map(Rejects::new).transpose()?;
    interrupt::catch(|| {
        // Nothing is lost when nobody reads it.
        let _ = writeln!(
            io::stderr(),
            "stopping after the chunk under way; Ctrl-C again stops at once"
        );
    })?;
    let bar = progress(screen, length);
    let started = Instant::now();
    let mut run = Run {
        client,
        screen,
        retries: args.retries,
        rejects,
        bar,
        summary: Summary::default(),
        stopped: false,
    };
    let result = run.rows(&mut *input, &args.file);
    run.bar.finish_and_clear();
    if let (Err(Error::Malformed { .. }), 0) = (&result, run.summary.rows) {
        // Nothing was begun that could be gone on with.
        return result.map(|()| Outcome::Failed);
    }
    run.summary.complete = result.is_ok() && !run.stopped;
    run.summary.seconds = started.elapsed().as_secs_f64();
    let Run {
        summary,
        screen,
        stopped,
        ..
    } = run;
    tell(&summary, args.rejects.as_deref(), screen)?;
    match result {
        // The trouble that Ctrl-C ended the waiting for is no news to whoever pressed it.
        _ if stopped => return Ok(Outcome::Failed),
        result => result?,
    }
    if summary.rows == 0 {
        screen.note(&format!("note: there is no row in {}", args.file.display()));
    }
    Ok(if summary.rejected > 0 {
        Outcome::No
    } else {
        Outcome::Yes
    })
}

/// The input and, for a file, its length.
fn open(path: &Path, screen: &mut Screen) -> Result<(Box<dyn BufRead>, Option<u64>), Error> {
    if path.as_os_str() == "-" {
        return Ok((screen.take_input(), None));
    }
    let failed = |error: io::Error| Error::read(path, error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    // A pipe has no length that could be shown as progress.
    let length = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 18, file)), length))
}

fn progress(screen: &Screen, length: Option<u64>) -> ProgressBar {
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

impl Run<'_> {
    fn rows(&mut self, input: &mut dyn BufRead, path: &Path) -> Result<(), Error> {
        let mut lines = Lines::new(input);
        let mut chunk = Chunk::default();
        let (mut row, mut position) = (0, 0);
        while let Some(line) = lines.next().map_err(|error| Error::read(path, error))? {
            if interrupt::asked() {
                self.stopped = true;
                return Ok(());
            }
            row += 1;
            match line {
                Line::TooLong(length) => {
                    position += length;
                    // In the order of the file: what stands before it is answered first.
                    self.send(&mut chunk, position)?;
                    self.summary.rows += 1;
                    self.reject(row, &too_long(), b"")?;
                }
                Line::Whole(bytes) => {
                    position += bytes.len() as u64 + 1;
                    let bytes = if row == 1 {
                        bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
                    } else {
                        bytes
                    };
                    let is_first = self.summary.rows == 0 && chunk.is_empty();
                    if is_first && begins_more_lines(bytes) {
                        return Err(Error::malformed(
                            path,
                            "a file of JSON lines",
                            "one object over several lines? `certmesh issue --from` takes it",
                        ));
                    }
                    if !bytes.trim_ascii().is_empty() {
                        chunk.push(row, &as_it_was(bytes));
                    }
                }
            }
            if chunk.is_full() {
                self.send(&mut chunk, position)?;
            }
        }
        if interrupt::asked() {
            // Also at the end of a pipe: the same Ctrl-C may have cut it short.
            self.stopped = true;
            return Ok(());
        }
        self.send(&mut chunk, position)
    }

    /// One chunk after the other, never two at once: a row may replace a certificate that an earlier row issues.
    fn send(&mut self, chunk: &mut Chunk, position: u64) -> Result<(), Error> {
        if chunk.is_empty() {
            return Ok(());
        }
        let (bar, screen) = (&self.bar, &mut *self.screen);
        let sent = bulk::send(
            &self.client,
            chunk,
            Retry::patient(self.retries),
            &mut |error, retry| {
                let wait = retry.next_wait().as_secs_f64();
                bar.suspend(|| {
                    screen.note(&format!(
                        "waiting {wait:.1} s to try again: {}",
                        printable(&error.to_string())
                    ));
                });
            },
        );
        for (index, result) in sent.results.iter().enumerate() {
            if let Some(result) = result {
                self.account(result, chunk.line(index))?;
            }
        }
        chunk.clear();
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
        let undecided = sent.error.is_some() && interrupt::asked();
        self.stopped |= undecided;
        sent.error.map_or(Ok(()), Err)
    }

    fn account(&mut self, result: &RowResult, line: &[u8]) -> Result<(), Error> {
        self.summary.rows += 1;
        match (&result.appended, &result.error) {
            (Some(appended), _) if result.ok && appended.replayed => {
                self.summary.already_there += 1;
            }
            (Some(_), _) if result.ok => self.summary.issued += 1,
            (_, Some(problem)) => self.reject(result.row, problem, line)?,
            _ => {
                return Err(self.client.bad_answer(
                    "",
                    &format!("row {} is neither issued nor rejected", result.row),
                ));
            }
        }
        Ok(())
    }

    fn reject(&mut self, row: u64, problem: &Problem, line: &[u8]) -> Result<(), Error> {
        self.summary.rejected += 1;
        *self
            .summary
            .rejected_by_reason
            .entry(short_name(problem).to_owned())
            .or_default() += 1;
        let reason = describe_problem(problem);
        let shown = self.summary.rejected;
        if shown <= SHOWN {
            let text = format!("row {row}: {}", printable(&reason));
            self.bar.suspend(|| self.screen.note(&text));
        } else if shown == SHOWN + 1 {
            self.bar.suspend(|| {
                self.screen
                    .note("further rejected rows are counted, not shown");
            });
        }
        match &mut self.rejects {
            Some(rejects) => rejects.write(row, &reason, line),
            None => Ok(()),
        }
    }
}

/// Whether a line is the beginning of a JSON value that goes on in the next line, as an indented file's first one is.
fn begins_more_lines(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    matches!(line.first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

fn too_long() -> Problem {
    Problem {
        kind: "urn:certmesh:problem:body-too-large".to_owned(),
        title: "The row is too long".to_owned(),
        status: 413,
        detail: format!(
            "the line is longer than {} bytes and was not read",
            grouped(MAX_LINE as u64)
        ),
        field: None,
        faults: Vec::new(),
    }
}

fn tell(summary: &Summary, rejects: Option<&Path>, screen: &mut Screen) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indented_file_is_known_by_its_first_line() {
        for line in ["{", "[", " { \"type\": \"T\",", "[{\"a\": 1},"] {
            assert!(begins_more_lines(line.as_bytes()), "{line}");
        }
        for line in ["", "{}", "{\"a\": 1}", "{\"a\": 1,}", "nonsense", "\"a"] {
            assert!(!begins_more_lines(line.as_bytes()), "{line}");
        }
    }
}
