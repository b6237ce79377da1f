//! Rows of delimited text.
//!
//! Read with `csv-core` and not with `csv`, which reads a record of any length into memory: a single quotation mark too
//! many, common in tables nobody checked, makes one record of the rest of the file.

use std::io::{self, Read};

use certmesh_api::FaultKind;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use zeroize::Zeroizing;

use crate::encoding::Utf8;
use crate::error::Error;
use crate::lines::MAX_LINE;
use crate::rejects;
use crate::row::{Cells, Head, Row, TOO_LONG, Visitor};

const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// Bytes that are decoded at once.
const BLOCK: usize = 1 << 18;

/// How the text is laid out.
pub(super) struct Layout {
    /// What stands between cells; found out when not known.
    pub(super) delimiter: Option<u8>,
    /// The line of the columns' names, from 1.
    pub(super) header: u64,
}

/// Reads all rows.
///
/// # Errors
/// `failed` of the input's errors; the visitor's.
pub(super) fn read<V: Visitor>(
    input: Utf8<impl Read>,
    length: Option<u64>,
    layout: &Layout,
    failed: &dyn Fn(io::Error) -> Error,
    visitor: &mut V,
) -> Result<(), V::Error> {
    let mut text = Text {
        input,
        buffer: Zeroizing::default(),
        at: 0,
        ended: false,
        line: 1,
    };
    for _ in 1..layout.header {
        text.skip_line().map_err(failed)?;
    }
    let first = text.first_line().map_err(failed)?;
    let delimiter = layout.delimiter.unwrap_or_else(|| likely(&first));
    let mut records = Records {
        text,
        core: ReaderBuilder::new().delimiter(delimiter).build(),
        delimiter,
        out: Zeroizing::new(vec![0; 1 << 12]),
        ends: vec![0; 64],
        cells: Cells::default(),
        columns: None,
        guarded: false,
    };
    let mut columns = Vec::new();
    if let Some((_, found)) = records.next().map_err(failed)?
        && found.is_ok()
    {
        records.guarded = rejects::wrote(records.cells.iter());
        let guarded = records.guarded;
        let name = |cell| if guarded { unguarded(cell) } else { cell };
        columns.extend(
            records
                .cells
                .iter()
                .map(|cell| name(cell).trim().to_owned()),
        );
    }
    records.columns = Some(columns.len());
    visitor.head(&Head {
        columns: &columns,
        length,
        encoding: Some(records.text.input.encoding()),
        delimiter: Some(delimiter),
    })?;
    while let Some((number, found)) = records.next().map_err(failed)? {
        let row = Row {
            number,
            position: records.text.input.position(),
            cells: &records.cells,
            trouble: found.err(),
            line: b"",
        };
        if !visitor.row(&row)? {
            break;
        }
    }
    Ok(())
}

/// The delimiter that a line has most of, outside of quotation marks.
fn likely(line: &str) -> u8 {
    let mut counts = [0; DELIMITERS.len()];
    let mut quoted = false;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        if let Some(which) = DELIMITERS.iter().position(|d| *d == byte && !quoted) {
            counts[which] += 1;
        }
    }
    // Of several, the first.
    let most = (0..DELIMITERS.len()).rev().max_by_key(|i| counts[*i]);
    DELIMITERS[most.unwrap_or_default()]
}

/// The text from the record under way on.
struct Text<R> {
    input: Utf8<R>,
    buffer: Zeroizing<Vec<u8>>,
    /// How much of the buffer is done with.
    at: usize,
    ended: bool,
    /// The line that `at` is on.
    line: u64,
}

impl<R: Read> Text<R> {
    /// Reads more; `false` at the end. Drops what is done with.
    fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + BLOCK, 0);
        let found = self.input.read(&mut self.buffer[held..]);
        self.buffer
            .truncate(held + found.as_ref().map_or(0, |found| *found));
        self.ended = found? == 0;
        Ok(!self.ended)
    }

    /// Where the first line ends, its line feed included; `None` if it is longer than is read.
    fn line_end(&mut self) -> io::Result<Option<usize>> {
        let mut seen = 0;
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = rest[seen..].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(seen + end + 1));
            }
            seen = rest.len();
            if seen > MAX_LINE {
                return Ok(None);
            }
            if !self.more()? {
                return Ok(Some(seen));
            }
        }
    }

    /// The first line, as much of it as is read.
    fn first_line(&mut self) -> io::Result<String> {
        let end = self.line_end()?.unwrap_or(MAX_LINE);
        let line = &self.buffer[self.at..self.at + end];
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    /// Advances to the next line, whatever this one's length.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            match self.line_end()? {
                Some(end) => {
                    self.done(end);
                    return Ok(());
                }
                // Without its line feed: the rest follows.
                None => self.at = self.buffer.len(),
            }
        }
    }

    /// This many bytes are done with.
    fn done(&mut self, bytes: usize) {
        let done = &self.buffer[self.at..self.at + bytes];
        self.line += done.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at += bytes;
    }

    /// Advances to the beginning of a record; `false` at the end.
    fn skip_empty_lines(&mut self) -> io::Result<bool> {
        loop {
            match self.buffer.get(self.at).copied() {
                Some(b'\n' | b'\r') => self.done(1),
                Some(_) => return Ok(true),
                None if self.more()? => {}
                None => return Ok(false),
            }
        }
    }
}

struct Records<R> {
    text: Text<R>,
    core: Reader,
    delimiter: u8,
    out: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
    cells: Cells,
    /// How many cells a record has to have, once it is known.
    columns: Option<usize>,
    /// Whether [`write`] wrote the text, so that its marks are taken off again.
    guarded: bool,
}

impl<R: Read> Records<R> {
    /// The line on which the next record begins; its cells, if it has any, are in `cells`.
    fn next(&mut self) -> io::Result<Option<(u64, Result<(), FaultKind>)>> {
        if !self.text.skip_empty_lines()? {
            return Ok(None);
        }
        let line = self.text.line;
        let (length, mut whole) = self.record()?;
        if whole {
            let record = &self.text.buffer[self.text.at..self.text.at + length];
            whole = well_quoted(record, self.delimiter);
        }
        let trouble = if whole { self.trouble() } else { None };
        if whole && trouble.is_none() {
            self.text.done(length);
            return Ok(Some((line, Ok(()))));
        }
        // Of an invalid record over several lines, only the first line is given up: the others are rows that a
        // quotation mark too many has swallowed.
        match self.text.line_end()? {
            None => {
                self.text.skip_line()?;
                self.cells.clear();
                return Ok(Some((line, Err(TOO_LONG))));
            }
            Some(end) if whole && end >= length => self.text.done(length),
            Some(end) => {
                let text = &self.text.buffer[self.text.at..self.text.at + end];
                self.cells.clear();
                let text = String::from_utf8_lossy(text);
                self.cells.push(text.trim_end_matches(['\r', '\n']));
                self.text.done(end);
                return Ok(Some((line, Err(FaultKind::QuotationMark))));
            }
        }
        Ok(Some((line, trouble.map_or(Ok(()), Err))))
    }

    /// Parses a record from where the text stands: its length in bytes, and whether it is one.
    fn record(&mut self) -> io::Result<(usize, bool)> {
        self.core.reset();
        let (mut taken, mut out, mut ends) = (0, 0, 0);
        loop {
            let input = &self.text.buffer[self.text.at + taken..];
            // At the end of the text a line feed stands in for the missing one.
            let at_end = input.is_empty();
            let input = if at_end { &b"\n"[..] } else { input };
            let (result, read, written, ended) =
                self.core
                    .read_record(input, &mut self.out[out..], &mut self.ends[ends..]);
            if !at_end {
                taken += read;
            }
            out += written;
            ends += ended;
            match result {
                ReadRecordResult::OutputFull => {
                    let twice = self.out.len() * 2;
                    self.out.resize(twice, 0);
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => {
                    self.fill(ends);
                    return Ok((taken, taken <= MAX_LINE));
                }
                ReadRecordResult::InputEmpty => {
                    // Still in the record after the line feed at the end: within quotation marks.
                    if taken > MAX_LINE || at_end {
                        return Ok((taken, false));
                    }
                    self.text.more()?;
                }
            }
        }
    }

    fn fill(&mut self, count: usize) {
        self.cells.clear();
        let mut start = 0;
        for &end in &self.ends[..count] {
            // The text is UTF-8, and no part of a character is taken for a delimiter.
            let cell = std::str::from_utf8(&self.out[start..end]).unwrap_or("\u{FFFD}");
            self.cells
                .push(if self.guarded { unguarded(cell) } else { cell });
            start = end;
        }
    }

    /// What is wrong with the cells. Surplus empty ones are not: a delimiter at the end of each line is common.
    fn trouble(&self) -> Option<FaultKind> {
        let expected = self.columns?;
        let found = self.cells.len();
        let beyond = || {
            self.cells
                .iter()
                .skip(expected)
                .any(|cell| !cell.is_empty())
        };
        (found < expected || beyond()).then_some(FaultKind::CellCount { found, expected })
    }
}

/// Whether each quotation mark that begins a cell has one that ends it. `csv-core` continues after a closing mark as if
/// there had been none, and so takes `1,"2`, `3,"4` for one row.
fn well_quoted(record: &[u8], delimiter: u8) -> bool {
    let mut rest = record;
    loop {
        if let [b'"', quoted @ ..] = rest {
            let mut end = 0;
            loop {
                match &quoted[end..] {
                    [b'"', b'"', ..] => end += 2,
                    [b'"', ..] => break,
                    [_, ..] => end += 1,
                    [] => return false,
                }
            }
            rest = &quoted[end + 1..];
            if !matches!(rest, [] | [b'\r' | b'\n', ..]) && rest.first() != Some(&delimiter) {
                return false;
            }
        }
        match rest.iter().position(|byte| *byte == delimiter) {
            Some(place) => rest = &rest[place + 1..],
            None => return true,
        }
    }
}

/// What a spreadsheet takes a cell for a formula by, or for what ends one (OWASP, "CSV Injection").
const FORMULA: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}',
];
/// What a spreadsheet takes a cell for text by.
const TEXT: char = '\'';

/// Whether a cell would be a formula, but for marks of text before it.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches(TEXT).starts_with(FORMULA)
}

/// The cell as it was before [`write`] marked it as text.
fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix(TEXT) {
        Some(unmarked) if is_formula(unmarked) => unmarked,
        _ => cell,
    }
}

/// A record as text of UTF-8, without its line feed. No spreadsheet takes a cell of it for a formula: what could be one,
/// or is marked as text already, is marked as text, so that [`unguarded`] gives every cell back as it was.
pub(super) fn write<'a>(delimiter: u8, cells: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut line = Vec::new();
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            line.push(delimiter);
        }
        let special = |byte: u8| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
        let quoted = cell.bytes().any(special);
        if quoted {
            line.push(b'"');
        }
        if is_formula(cell) {
            line.extend_from_slice(TEXT.encode_utf8(&mut [0; 4]).as_bytes());
        }
        if quoted {
            line.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            line.push(b'"');
        } else {
            line.extend_from_slice(cell.as_bytes());
        }
    }
    line
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
