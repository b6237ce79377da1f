//! Lines of any input, read one at a time in bounded memory.

use std::io::{self, BufRead};

use zeroize::Zeroizing;

/// Most bytes of a line that are kept.
pub const MAX_LINE: usize = 1 << 20;

/// One line, without its line ending.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The line's bytes.
    Whole(&'a [u8]),
    /// A line longer than [`MAX_LINE`]; only its length is known.
    TooLong(u64),
}

/// Reads lines into one buffer, whatever their length.
pub struct Lines<R> {
    input: R,
    /// Wiped when dropped: a row says whom a certificate is about.
    buffer: Zeroizing<Vec<u8>>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of an input.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: Zeroizing::default(),
        }
    }

    /// The next line; `None` at the end. The last line need not end with a line feed.
    ///
    /// # Errors
    /// As the input's.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut length: u64 = 0;
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if available.is_empty() {
                if length == 0 {
                    return Ok(None);
                }
                break;
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            // One byte over the limit distinguishes a line that is too long from one that just fits.
            let room = (MAX_LINE + 2).saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&available[..taken.min(room)]);
            self.input.consume(taken);
            length += taken as u64;
            if end.is_some() {
                break;
            }
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        if self.buffer.len() > MAX_LINE || length > (MAX_LINE + 2) as u64 {
            return Ok(Some(Line::TooLong(length)));
        }
        Ok(Some(Line::Whole(&self.buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_endings_and_the_last_needs_none() {
        let mut lines = Lines::new(&b"a\r\n\n b \nlast"[..]);
        for expected in ["a", "", " b ", "last"] {
            assert_eq!(
                lines.next_line().unwrap(),
                Some(Line::Whole(expected.as_bytes()))
            );
        }
        assert_eq!(lines.next_line().unwrap(), None);
    }

    #[test]
    fn an_endless_line_is_counted_but_not_kept() {
        let mut text = vec![b'x'; 3 * MAX_LINE];
        text.extend_from_slice(b"\nnext\n");
        let mut lines = Lines::new(&text[..]);
        assert_eq!(
            lines.next_line().unwrap(),
            Some(Line::TooLong(3 * MAX_LINE as u64 + 1))
        );
        assert!(lines.buffer.capacity() <= 2 * (MAX_LINE + 2));
        assert_eq!(lines.next_line().unwrap(), Some(Line::Whole(b"next")));
    }

    #[test]
    fn a_line_of_just_the_limit_is_whole() {
        let mut text = vec![b'x'; MAX_LINE];
        text.extend_from_slice(b"\r\n");
        assert!(
            matches!(Lines::new(&text[..]).next_line().unwrap(), Some(Line::Whole(line)) if line.len() == MAX_LINE)
        );
        text.insert(0, b'x');
        assert!(matches!(
            Lines::new(&text[..]).next_line().unwrap(),
            Some(Line::TooLong(_))
        ));
    }
}
