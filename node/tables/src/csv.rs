//! Rows of delimited text.
//!
//! Read with `csv-core` and not with `csv`, which reads a record of any length into memory: a single quotation mark too
//! many, common in tables nobody checked, makes one record of the rest of the file.

use std::io::{self, Read};

use certmesh_api::FaultKind;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use zeroize::Zeroizing;

use crate::encoding::Utf8;
use crate::error::Error;
use crate::lines::MAX_LINE;
use crate::map::joined;
use crate::rejects;
use crate::row::{Cells, Head, Row, TOO_LONG, Visitor, column_name};

const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// Ctrl-Z, by which programs of DOS end a text.
const END_OF_FILE: u8 = 0x1A;
/// Bytes that are decoded at once.
const BLOCK: usize = 1 << 18;

/// How the text is laid out.
pub(super) struct Layout {
    /// What stands between cells; found out when not known.
    pub(super) delimiter: Option<u8>,
    /// First and last line of the columns' names, from 1.
    pub(super) header: (u64, u64),
    /// Names of columns that are wanted.
    pub(super) columns: Vec<String>,
}

/// Reads all rows.
///
/// # Errors
/// `failed` of the input's errors; the visitor's.
pub(super) fn read<V: Visitor>(
    input: Utf8<impl Read>,
    length: Option<u64>,
    full: Option<u64>,
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
        end: b'\n',
        held_back: 0,
    };
    text.find_line_ending().map_err(failed)?;
    let said = text.said_delimiter().map_err(failed)?;
    let mut first = text.first_line().map_err(failed)?;
    // A file of rejected rows has one row of names, whatever the table had that the map is for.
    let header = match begins_rejects(&first) {
        true => (1, 1),
        false => layout.header,
    };
    if header.0 > 1 {
        for _ in 1..header.0 {
            text.skip_line().map_err(failed)?;
        }
        first = text.first_line().map_err(failed)?;
    }
    let delimiter = layout
        .delimiter
        .or(said)
        .unwrap_or_else(|| likely(&first, &layout.columns));
    let mut records = Records {
        core: ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(Terminator::Any(text.end))
            .build(),
        text,
        delimiter,
        out: Zeroizing::new(vec![0; 1 << 12]),
        ends: vec![0; 64],
        cells: Cells::default(),
        columns: None,
        guarded: false,
    };
    let mut names = Vec::new();
    for _ in header.0..=header.1 {
        if let Some((_, found)) = records.next().map_err(failed)?
            && found.is_ok()
        {
            records.guarded |= rejects::wrote(records.cells.iter());
            let guarded = records.guarded;
            let name = |cell| column_name(if guarded { unguarded(cell) } else { cell });
            names.push(records.cells.iter().map(name).collect::<Vec<_>>());
        }
    }
    spread(&mut names);
    let columns = joined(&names);
    records.columns = Some(columns.len());
    visitor.head(&Head {
        columns: &columns,
        length,
        encoding: Some(records.text.input.encoding()),
        delimiter: Some(delimiter),
        header: Some(header),
        full,
        ..Head::default()
    })?;
    while let Some((number, found)) = records.next().map_err(failed)? {
        if found.is_ok() && records.cells.is_blank() {
            continue;
        }
        let row = Row {
            number,
            position: records.text.input.position(),
            cells: &records.cells,
            trouble: found.err(),
            line: b"",
            hidden: false,
        };
        if !visitor.row(&row)? {
            break;
        }
    }
    Ok(())
}

/// Whether a line is the first one of a file of rejected rows, as it was written or as a spreadsheet saved it.
fn begins_rejects(line: &str) -> bool {
    let divides = |c: char| DELIMITERS.map(char::from).contains(&c);
    let cells = line.trim().splitn(3, divides);
    let names: Vec<&str> = cells.map(|cell| cell.trim_matches('"')).collect();
    rejects::wrote(names.into_iter())
}

/// Repeats headings over the columns that they are for: saved as text, a merged heading stands over the first alone.
fn spread(header: &mut [Vec<String>]) {
    for row in 1..header.len() {
        let (above, below) = header.split_at_mut(row);
        let (heading, names) = (&mut above[row - 1], &below[0]);
        for column in 1..heading.len().min(names.len()) {
            if heading[column].is_empty() && !names[column].is_empty() {
                heading[column] = heading[column - 1].clone();
            }
        }
    }
}

/// The delimiter of a line of columns' names: the one between most of the names that are wanted; where that is not clear,
/// the one that the line has most of, outside of quotation marks.
fn likely(line: &str, wanted: &[String]) -> u8 {
    let found = |delimiter: u8| {
        let mut quoted = false;
        let outside = |c: char| {
            quoted ^= c == '"';
            c == char::from(delimiter) && !quoted
        };
        let cells: Vec<String> = line
            .split(outside)
            .map(|cell| column_name(cell.trim().trim_matches('"')))
            .collect();
        let names = wanted
            .iter()
            .filter(|name| cells.contains(&column_name(name)));
        (names.count(), cells.len())
    };
    // Of several, the first.
    let most = DELIMITERS.into_iter().rev().max_by_key(|one| found(*one));
    most.unwrap_or(DELIMITERS[0])
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
    /// The last byte of each line.
    end: u8,
    /// How many marks of the end of a file were read last: they are text only if more follows.
    held_back: usize,
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
        loop {
            let from = held + self.held_back;
            self.buffer.resize(from, END_OF_FILE);
            self.buffer.resize(from + BLOCK, 0);
            let found = self.input.read(&mut self.buffer[from..]);
            let length = found.as_ref().map_or(0, |found| *found);
            self.buffer.truncate(from + length);
            self.ended = found? == 0;
            let new = &self.buffer[held..];
            let marks = new.iter().rev().take_while(|byte| **byte == END_OF_FILE);
            self.held_back = marks.count();
            if self.held_back > MAX_LINE {
                self.held_back = 0;
            }
            let end = self.buffer.len() - self.held_back;
            self.buffer.truncate(end);
            if self.ended || self.buffer.len() > held {
                return Ok(self.buffer.len() > held);
            }
        }
    }

    /// Finds out what ends the lines: line feeds, or carriage returns alone as in what Excel calls CSV (Macintosh).
    fn find_line_ending(&mut self) -> io::Result<()> {
        let (mut seen, mut quoted) = (0, false);
        loop {
            let rest = &self.buffer[self.at + seen..];
            for (i, byte) in rest.iter().enumerate() {
                quoted ^= *byte == b'"';
                match (byte, rest.get(i + 1)) {
                    _ if quoted => {}
                    (b'\n', _) | (b'\r', Some(b'\n')) => return Ok(()),
                    (b'\r', None) if !self.ended => break,
                    (b'\r', _) => {
                        self.end = b'\r';
                        return Ok(());
                    }
                    _ => {}
                }
            }
            // The last byte may be one of two that end a line.
            let held = rest.len().saturating_sub(1);
            quoted ^= rest.get(held) == Some(&b'"');
            seen += held;
            if seen > MAX_LINE || self.ended {
                return Ok(());
            }
            self.more()?;
        }
    }

    /// The delimiter that a first line `sep=;` names, as Excel reads and some programs write it.
    fn said_delimiter(&mut self) -> io::Result<Option<u8>> {
        let line = self.first_line()?;
        match line.trim_end_matches(['\r', '\n']).as_bytes() {
            [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] if delimiter.is_ascii() => {
                self.skip_line()?;
                Ok(Some(*delimiter))
            }
            _ => Ok(None),
        }
    }

    /// Where the first line ends, its line ending included; `None` if it is longer than is read.
    fn line_end(&mut self) -> io::Result<Option<usize>> {
        let mut seen = 0;
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = rest[seen..].iter().position(|byte| *byte == self.end) {
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
                // Without its line ending: the rest follows.
                None => self.at = self.buffer.len(),
            }
        }
    }

    /// This many bytes are done with.
    fn done(&mut self, bytes: usize) {
        let done = &self.buffer[self.at..self.at + bytes];
        self.line += done.iter().filter(|byte| **byte == self.end).count() as u64;
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
        let mut cut_off = false;
        if whole {
            let record = &self.text.buffer[self.text.at..self.text.at + length];
            cut_off = record.last() != Some(&self.text.end);
            whole = match quoting(record, self.delimiter) {
                Quoting::Good => true,
                Quoting::Bad => false,
                Quoting::Spaced => fill_spaced(&mut self.cells, record, self.delimiter),
            };
        }
        let trouble = if whole { self.trouble(cut_off) } else { None };
        if whole && trouble.is_none() {
            self.cells.fill(self.columns.unwrap_or_default());
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
            // At the end of the text a line ending stands in for the missing one.
            let at_end = input.is_empty();
            let ending = [self.text.end];
            let input = if at_end { &ending[..] } else { input };
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
                    // Still in the record after the line ending at the end: within quotation marks.
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
            // What stands before the line feed.
            let is_last = end == self.ends[count - 1];
            let cell = cell.strip_suffix('\r').filter(|_| is_last).unwrap_or(cell);
            self.cells
                .push(if self.guarded { unguarded(cell) } else { cell });
            start = end;
        }
    }

    /// What is wrong with the cells. Surplus empty ones are not: a delimiter at the end of each line is common. Nor are
    /// missing ones, since spreadsheets leave out the delimiters after the last cell that holds anything; unless the
    /// text ends there and may have been cut off.
    fn trouble(&self, cut_off: bool) -> Option<FaultKind> {
        let expected = self.columns?;
        let found = self.cells.len();
        if found < expected && cut_off && !self.cells.is_blank() {
            return Some(FaultKind::CutOff { found, expected });
        }
        let mut beyond = self.cells.iter().skip(expected);
        let surplus = beyond.any(|cell| !cell.trim().is_empty());
        surplus.then_some(FaultKind::CellCount { found, expected })
    }
}

/// How the quotation marks of a record stand.
#[derive(Debug, PartialEq, Eq)]
enum Quoting {
    /// Each that begins a cell has one that ends it.
    Good,
    /// The same, if white space before them is left out.
    Spaced,
    /// One has none that ends it.
    Bad,
}

/// How the quotation marks stand. `csv-core` continues after a closing mark as if there had been none, and so takes
/// `1,"2`, `3,"4` for one row; one after a space it takes for part of the text.
fn quoting(record: &[u8], delimiter: u8) -> Quoting {
    let mut rest = record;
    loop {
        if let [b'"', ..] = rest {
            let Some(after) = after_quoted(rest) else {
                return Quoting::Bad;
            };
            rest = after;
            if !matches!(rest, [] | [b'\r' | b'\n', ..]) && rest.first() != Some(&delimiter) {
                return match after_spaces(rest, delimiter) {
                    [] | [b'\r' | b'\n', ..] => Quoting::Spaced,
                    [next, ..] if *next == delimiter => Quoting::Spaced,
                    _ => Quoting::Bad,
                };
            }
        } else if matches!(rest, [b' ' | b'\t', ..])
            && matches!(after_spaces(rest, delimiter), [b'"', ..])
        {
            return Quoting::Spaced;
        }
        match rest.iter().position(|byte| *byte == delimiter) {
            Some(place) => rest = &rest[place + 1..],
            None => return Quoting::Good,
        }
    }
}

/// What follows the quoted text that begins here.
fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let place = rest.iter().position(|byte| *byte == b'"')?;
        match &rest[place + 1..] {
            [b'"', after @ ..] => rest = after,
            after => return Some(after),
        }
    }
}

fn after_spaces(text: &[u8], delimiter: u8) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t') && *byte != delimiter;
    let spaces = text.iter().take_while(|byte| is_space(byte)).count();
    &text[spaces..]
}

/// Makes cells of a record with white space around its quotation marks, as people and some programs write it; `false` if
/// they don't stand in pairs then.
fn fill_spaced(cells: &mut Cells, record: &[u8], delimiter: u8) -> bool {
    cells.clear();
    let mut rest = record.trim_ascii_end();
    // A delimiter at the end may be white space itself.
    if record.len() > rest.len() && record[rest.len()] == delimiter {
        rest = &record[..=rest.len()];
    }
    loop {
        let inner = after_spaces(rest, delimiter);
        let cell = match after_quoted(inner) {
            None if inner.first() == Some(&b'"') => return false,
            None => {
                let end = rest.iter().position(|byte| *byte == delimiter);
                let (cell, after) = rest.split_at(end.unwrap_or(rest.len()));
                rest = after;
                String::from_utf8_lossy(cell)
            }
            Some(after) => {
                let quoted = &inner[1..inner.len() - after.len() - 1];
                rest = after_spaces(after, delimiter);
                String::from_utf8_lossy(quoted).replace("\"\"", "\"").into()
            }
        };
        cells.push(&cell);
        match rest {
            [] => return true,
            [next, after @ ..] if *next == delimiter => rest = after,
            _ => return false,
        }
    }
}

/// What a spreadsheet takes a cell for a formula by, or for what ends one (OWASP, "CSV Injection").
const FORMULA: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}',
];
/// What a spreadsheet takes a cell for text by.
const TEXT: char = '\'';

/// Most digits of a number that a spreadsheet shows as they are.
const SHOWN: usize = 11;

/// Whether a spreadsheet would take a cell for a formula, or write its digits otherwise, but for marks of text before it.
fn needs_mark(cell: &str) -> bool {
    let cell = cell.trim_start_matches(TEXT);
    cell.starts_with(FORMULA) || is_rewritten(cell)
}

/// Whether a spreadsheet that opens and saves the cell writes its digits otherwise: it rounds numbers, cuts zeros off them,
/// and makes days of some.
fn is_rewritten(cell: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(cell) {
        return cell.len() > SHOWN || (cell.len() > 1 && cell.starts_with('0'));
    }
    let pair = cell.split_once(['E', 'e', '-', '/']);
    pair.is_some_and(|(first, last)| {
        digits(first) && digits(last) && first.len().max(last.len()) <= 4
    })
}

/// The cell as it was before [`write`] marked it as text.
fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix(TEXT) {
        Some(unmarked) if needs_mark(unmarked) => unmarked,
        _ => cell,
    }
}

/// A record as text of UTF-8, without its line feed. No spreadsheet takes a cell of it for a formula or a number: what
/// could be one, or is marked as text already, is marked as text, so that [`unguarded`] gives every cell back as it was.
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
        if needs_mark(cell) {
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
