//! From chunks of bytes to groups of lines, with a bound on everything: what is held is at most one chunk and one group.

use std::collections::VecDeque;
use std::ops::Range;

use crate::http::limits::Limits;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line to be read, or why it can't be.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// Where its text lies in the group's bytes.
    Text(Range<usize>),
    /// It is longer than a line may be; its text was dropped.
    TooLong,
    /// The request ended before the line did.
    CutOff,
    /// The client fell silent before the line ended.
    Silent,
}

/// Consecutive lines that go to the writer together.
#[derive(Debug, Default)]
pub(super) struct Group {
    bytes: Vec<u8>,
    /// Row number, from 1, and line.
    rows: Vec<(u64, Line)>,
}

impl Group {
    pub(super) fn rows(&self) -> &[(u64, Line)] {
        &self.rows
    }

    pub(super) fn text(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }
}

/// How a request's body ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// As it should; a last line needs no line feed.
    Whole,
    /// The connection broke.
    Broken,
    /// Nothing came for too long.
    Silent,
}

/// Cuts a stream of bytes into lines and gathers them into groups.
#[derive(Debug)]
pub(super) struct Splitter {
    line: usize,
    group_rows: usize,
    group_bytes: usize,
    open: Group,
    /// Where the unfinished line begins in the open group's bytes.
    start: usize,
    /// The unfinished line is too long already; its bytes are dropped until it ends.
    skipping: bool,
    /// Lines seen.
    lines: u64,
    full: VecDeque<Group>,
}

impl Splitter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            line: limits.line,
            group_rows: limits.group_rows.max(1),
            group_bytes: limits.group_bytes,
            open: Group::default(),
            start: 0,
            skipping: false,
            lines: 0,
            full: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the body.
    pub(super) fn push(&mut self, mut chunk: &[u8]) {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            self.extend(&chunk[..end]);
            self.end_line();
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk);
    }

    /// The body ended.
    pub(super) fn finish(&mut self, end: End) {
        match end {
            End::Whole => {
                if self.skipping || self.open.bytes.len() > self.start {
                    self.end_line();
                }
            }
            End::Broken | End::Silent => {
                self.lines += 1;
                self.open.bytes.truncate(self.start);
                self.skipping = false;
                self.add(if end == End::Silent {
                    Line::Silent
                } else {
                    Line::CutOff
                });
            }
        }
    }

    /// Whether a full group waits; until it is taken, nothing more should be pushed.
    pub(super) fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// The next full group.
    pub(super) fn take_full(&mut self) -> Option<Group> {
        self.full.pop_front()
    }

    /// The next group, full or not. An unfinished line stays.
    pub(super) fn take_any(&mut self) -> Option<Group> {
        if let Some(group) = self.full.pop_front() {
            return Some(group);
        }
        (!self.open.rows.is_empty()).then(|| self.close())
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        if self.open.bytes.len() - self.start + bytes.len() > self.line {
            self.open.bytes.truncate(self.start);
            self.skipping = true;
        } else {
            self.open.bytes.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        self.lines += 1;
        if self.skipping {
            self.skipping = false;
            self.add(Line::TooLong);
            return;
        }
        let mut start = self.start;
        if self.lines == 1 && self.open.bytes[start..].starts_with(BYTE_ORDER_MARK) {
            start += BYTE_ORDER_MARK.len();
        }
        if self.open.bytes[start..].trim_ascii().is_empty() {
            self.open.bytes.truncate(self.start);
            return;
        }
        // A carriage return before the line feed is white space to JSON.
        let text = start..self.open.bytes.len();
        self.start = text.end;
        self.add(Line::Text(text));
    }

    fn add(&mut self, line: Line) {
        self.open.rows.push((self.lines, line));
        if self.open.rows.len() >= self.group_rows || self.open.bytes.len() >= self.group_bytes {
            let group = self.close();
            self.full.push_back(group);
        }
    }

    fn close(&mut self) -> Group {
        let unfinished = self.open.bytes.split_off(self.start);
        self.start = 0;
        std::mem::replace(
            &mut self.open,
            Group {
                bytes: unfinished,
                rows: Vec::new(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splitter(line: usize, group_rows: usize) -> Splitter {
        Splitter::new(&Limits {
            line,
            group_rows,
            ..Limits::default()
        })
    }

    /// Row numbers and texts of everything that was pushed.
    fn rows(splitter: &mut Splitter) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        while let Some(group) = splitter.take_any() {
            for (row, line) in group.rows() {
                let text = match line {
                    Line::Text(range) => String::from_utf8_lossy(group.text(range)).into_owned(),
                    other => format!("{other:?}"),
                };
                all.push((*row, text));
            }
        }
        all
    }

    fn row(row: u64, text: &str) -> (u64, String) {
        (row, text.to_owned())
    }

    #[test]
    fn the_same_lines_come_out_however_the_bytes_are_cut() {
        let body = b"\xEF\xBB\xBFone\r\n\n  \ntwo two two\nthree\n\nfour";
        let expected = [
            row(1, "one\r"),
            row(4, "two two two"),
            row(5, "three"),
            row(7, "four"),
        ];
        for size in 1..body.len() {
            for group_rows in 1..4 {
                let mut splitter = splitter(20, group_rows);
                body.chunks(size).for_each(|chunk| splitter.push(chunk));
                splitter.finish(End::Whole);
                assert_eq!(
                    rows(&mut splitter),
                    expected,
                    "chunks of {size}, groups of {group_rows}"
                );
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_one_fault_and_the_next_line_is_read() {
        for size in [1, 3, 100] {
            let mut splitter = splitter(5, 10);
            b"12345\n123456\n1234567890\nabc\n123456"
                .chunks(size)
                .for_each(|chunk| splitter.push(chunk));
            splitter.finish(End::Whole);
            let expected = [
                row(1, "12345"),
                row(2, "TooLong"),
                row(3, "TooLong"),
                row(4, "abc"),
                row(5, "TooLong"),
            ];
            assert_eq!(rows(&mut splitter), expected);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_held() {
        let mut splitter = splitter(10, 10);
        for _ in 0..1000 {
            splitter.push(&[b'x'; 1000]);
        }
        assert!(splitter.open.bytes.capacity() <= 2000);
    }

    #[test]
    fn what_was_not_finished_when_the_connection_broke_is_never_taken_for_a_line() {
        for (end, name) in [(End::Broken, "CutOff"), (End::Silent, "Silent")] {
            let mut splitter = splitter(100, 10);
            splitter.push(b"{\"a\": 1}\n{\"b\": 2}");
            splitter.finish(end);
            assert_eq!(rows(&mut splitter), [row(1, "{\"a\": 1}"), row(2, name)]);
        }
    }

    #[test]
    fn groups_close_at_their_rows_or_their_bytes() {
        let mut by_bytes = Splitter::new(&Limits {
            group_bytes: 10,
            ..Limits::default()
        });
        by_bytes.push(b"12345\n67890\nab");
        assert!(by_bytes.has_full());
        assert_eq!(
            by_bytes.take_full().map(|group| group.rows().len()),
            Some(2)
        );
        assert!(by_bytes.take_any().is_none());
        by_bytes.push(b"c\n");
        assert!(!by_bytes.has_full());
        let last = by_bytes.take_any().unwrap();
        assert_eq!(last.rows(), [(3, Line::Text(0..3))]);
        assert_eq!(last.text(&(0..3)), b"abc");
    }
}
