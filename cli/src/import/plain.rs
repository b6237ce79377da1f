//! Rows that are requests already: one JSON object a line, as `issue --from` takes it.

use std::io::{BufRead, BufReader};
use std::path::Path;

use certmesh_api::{Problem, ProblemType, RowResult};
use certmesh_tables::{Line, Lines, MAX_LINE, as_it_was};

use super::command::{Import, NO_SPREADSHEET, catch_interrupts, open};
use super::tally::Tally;
use crate::args::Global;
use crate::bulk::{self, Chunk};
use crate::client::Client;
use crate::error::describe_problem;
use crate::retry::Retry;
use crate::screen::{Screen, grouped};
use crate::{Error, Outcome, interrupt};

struct Run<'a> {
    client: Client,
    retries: u32,
    tally: Tally<'a>,
    /// Whether the person ended it before the end of the input.
    stopped: bool,
}

pub(super) fn run(args: &Import, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    if args.keeps_spreadsheet() {
        return Err(Error::Usage(NO_SPREADSHEET));
    }
    let client = Client::new(global)?;
    let (mut input, length): (Box<dyn BufRead>, _) = if args.file.as_os_str() == "-" {
        (screen.take_input(), None)
    } else {
        let (file, length) = open(&args.file)?;
        (Box::new(BufReader::with_capacity(1 << 18, file)), length)
    };
    let tally = Tally::new(screen, args.rejects.as_deref(), false)?;
    tally.length(length);
    catch_interrupts()?;
    let mut run = Run {
        client,
        retries: args.retries,
        tally,
        stopped: false,
    };
    let result = run.rows(&mut *input, &args.file);
    let Run {
        mut tally, stopped, ..
    } = run;
    tally.finish(result.is_ok() && !stopped);
    if let (Err(Error::Malformed { .. }), 0) = (&result, tally.summary.rows) {
        // Nothing was begun that could be continued.
        return result.map(|()| Outcome::Failed);
    }
    tally.report(args.rejects.as_deref())?;
    match result {
        // The trouble that Ctrl-C ended the waiting for is not news to whoever pressed it.
        _ if stopped => return Ok(Outcome::Failed),
        result => result?,
    }
    Ok(tally.outcome(&args.file))
}

impl Run<'_> {
    fn rows(&mut self, input: &mut dyn BufRead, path: &Path) -> Result<(), Error> {
        let mut lines = Lines::new(input);
        let mut chunk = Chunk::default();
        let (mut row, mut position) = (0, 0);
        while let Some(line) = lines
            .next_line()
            .map_err(|error| Error::read(path, error))?
        {
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
                    self.tally.summary.rows += 1;
                    self.reject(row, &too_long(), b"")?;
                }
                Line::Whole(bytes) => {
                    position += bytes.len() as u64 + 1;
                    let bytes = if row == 1 {
                        bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
                    } else {
                        bytes
                    };
                    let is_first = self.tally.summary.rows == 0 && chunk.is_empty();
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
        let tally = &mut self.tally;
        let sent = bulk::send(
            &self.client,
            chunk,
            Retry::patient(self.retries),
            &mut |error, retry| {
                let wait = retry.next_wait().as_secs_f64();
                let why = error.in_one_line();
                tally.note(&format!("waiting {wait:.1} s to try again: {why}"));
            },
        );
        for (index, result) in sent.results.iter().enumerate() {
            if let Some(result) = result {
                self.account(result, chunk.line(index))?;
            }
        }
        chunk.clear();
        self.tally.progress(position);
        let undecided = sent.error.is_some() && interrupt::asked();
        self.stopped |= undecided;
        sent.error.map_or(Ok(()), Err)
    }

    fn account(&mut self, result: &RowResult, line: &[u8]) -> Result<(), Error> {
        self.tally.summary.rows += 1;
        match (&result.appended, &result.error) {
            (Some(appended), _) if result.ok && appended.replayed => {
                self.tally.summary.already_there += 1;
            }
            (Some(_), _) if result.ok => self.tally.summary.issued += 1,
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
        let reason = describe_problem(problem);
        self.tally.reject(row, problem.kind.name(), &reason, line)
    }
}

/// Whether a line is the beginning of a JSON value that continues in the next line, as an indented file's first one is.
fn begins_more_lines(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    matches!(line.first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

fn too_long() -> Problem {
    Problem {
        kind: ProblemType::BodyTooLarge.into(),
        title: "The row is too long".to_owned(),
        status: 413,
        detail: format!(
            "the line is longer than {} bytes and was not read",
            grouped(MAX_LINE as u64)
        ),
        field: None,
        faults: Vec::new(),
        more_faults: 0,
    }
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
