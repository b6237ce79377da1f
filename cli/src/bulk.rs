//! Sending rows in chunks: each chunk until every row in it has its answer, whatever happens on the way.

use std::io::{self, BufReader, Read};

use certmesh_api::{Problem, RowResult};
use certmesh_tables::{Line, Lines};
use zeroize::Zeroizing;

use crate::Error;
use crate::client::Client;
use crate::issue::content_key;
use crate::retry::{Retry, is_passing_problem};

/// Rows of a chunk, at most.
const CHUNK_ROWS: usize = 2_000;
/// Bytes of a chunk, at most but for one row: well below what a node accepts in one request.
const CHUNK_BYTES: usize = 8 << 20;

const PATH: &str = "/v1/certificates/bulk";
const NDJSON: &str = "application/x-ndjson";

/// Rows that are sent together, each with its place in the file.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    rows: Vec<u64>,
    /// Wiped when dropped: rows say whom certificates are about.
    body: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
}

impl Chunk {
    /// Adds a row, a line without its ending.
    pub(crate) fn push(&mut self, row: u64, line: &[u8]) {
        self.rows.push(row);
        self.body.extend_from_slice(line);
        self.body.push(b'\n');
        self.ends.push(self.body.len());
    }

    /// Whether it is time to send.
    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= CHUNK_ROWS || self.body.len() >= CHUNK_BYTES
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Starts again, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.body.clear();
        self.ends.clear();
    }

    /// The line at a place in the chunk, with its line feed.
    fn line_with_ending(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.body[start..self.ends[index]]
    }

    /// The line at a place in the chunk.
    pub(crate) fn line(&self, index: usize) -> &[u8] {
        let line = self.line_with_ending(index);
        &line[..line.len() - 1]
    }

    fn body_of(&self, pending: &[usize]) -> Zeroizing<Vec<u8>> {
        if pending.len() == self.rows.len() {
            return self.body.clone();
        }
        let lines = pending.iter().map(|&index| self.line_with_ending(index));
        // Of its length from the beginning, so that it does not grow and leave a copy behind.
        let mut body = Zeroizing::new(Vec::with_capacity(lines.clone().map(<[u8]>::len).sum()));
        lines.for_each(|line| body.extend_from_slice(line));
        body
    }
}

/// What became of a chunk: the answers there are, in its order and with the file's row numbers, and why some are missing.
pub(crate) struct Sent {
    /// An answer for each row, or none for rows that were not decided.
    pub(crate) results: Vec<Option<RowResult>>,
    /// Why the import cannot continue.
    pub(crate) error: Option<Error>,
}

/// Sends a chunk until every row has its answer or nothing more can be done.
///
/// A broken connection or a busy node is tried again with the very same bytes and idempotency key, so that rows which
/// were issued though their answer was lost come back as issued before. Rows that alone met a passing trouble are sent
/// again by themselves.
pub(crate) fn send(
    client: &Client,
    chunk: &Chunk,
    mut retry: Retry,
    note: &mut dyn FnMut(&Error, &Retry),
) -> Sent {
    let mut results: Vec<Option<RowResult>> = vec![None; chunk.rows.len()];
    let mut pending: Vec<usize> = (0..chunk.rows.len()).collect();
    loop {
        let attempt = attempt(client, chunk, &pending, &mut results);
        let trouble = match attempt {
            Ok(()) => {
                pending.retain(|&index| {
                    results[index]
                        .as_ref()
                        .is_none_or(|result| node_s_trouble(result).is_some())
                });
                match pending
                    .first()
                    .and_then(|&index| results[index].as_ref())
                    .and_then(node_s_trouble)
                {
                    None => {
                        return Sent {
                            results,
                            error: None,
                        };
                    }
                    Some(problem) => Error::Refused {
                        problem: Box::new(problem.clone()),
                        wait: None,
                    },
                }
            }
            Err(error) => error,
        };
        if !retry.again(&trouble) {
            for index in pending {
                // Its answer was not a verdict on the row.
                results[index].take_if(|result| node_s_trouble(result).is_some());
            }
            return Sent {
                results,
                error: Some(trouble),
            };
        }
        note(&trouble, &retry);
        retry.wait();
    }
}

/// The row's problem, if it is the node's and not the row's: busy, or unable to write.
fn node_s_trouble(result: &RowResult) -> Option<&Problem> {
    result
        .error
        .as_ref()
        .filter(|problem| problem.status >= 500 || is_passing_problem(problem, true))
}

fn attempt(
    client: &Client,
    chunk: &Chunk,
    pending: &[usize],
    results: &mut [Option<RowResult>],
) -> Result<(), Error> {
    let body = chunk.body_of(pending);
    let key = content_key(client, "bulk", &body);
    let reader = client.post_stream(PATH, NDJSON, &body, &key)?;
    read_answers(
        client,
        reader,
        pending.len(),
        &mut |position, mut answer| {
            let index = pending[position];
            answer.row = chunk.rows[index];
            // Answered before the connection broke: what was issued then is only repeated now.
            if !results[index].as_ref().is_some_and(|earlier| earlier.ok) {
                results[index] = Some(answer);
            }
        },
    )
}

/// Reads exactly one answer for each of `rows` rows, in any order.
fn read_answers(
    client: &Client,
    reader: impl Read,
    rows: usize,
    answered: &mut dyn FnMut(usize, RowResult),
) -> Result<(), Error> {
    let bad = |detail: &str| client.bad_answer(PATH, detail);
    let mut lines = Lines::new(BufReader::new(reader));
    let mut seen = vec![false; rows];
    let mut count = 0;
    while count < rows {
        let line = match lines.next_line() {
            Ok(Some(Line::Whole(b""))) => continue,
            Ok(Some(Line::Whole(line))) => line,
            Ok(Some(Line::TooLong(_))) => return Err(bad("a row's answer is too long")),
            Ok(None) => return Err(client.broken(PATH, io::ErrorKind::UnexpectedEof.into())),
            Err(error) => return Err(client.broken(PATH, error)),
        };
        let answer: RowResult = match serde_json::from_slice(line) {
            Ok(answer) => answer,
            // Cut short in the middle of a line.
            Err(error) if error.is_eof() => {
                return Err(client.broken(PATH, io::ErrorKind::UnexpectedEof.into()));
            }
            Err(error) => return Err(bad(&format!("a row's answer: {error}"))),
        };
        let position = usize::try_from(answer.row)
            .ok()
            .and_then(|row| row.checked_sub(1));
        let Some(position) = position.filter(|&position| position < rows) else {
            return Err(bad(&format!(
                "an answer for row {}, of {rows} sent",
                answer.row
            )));
        };
        if std::mem::replace(&mut seen[position], true) {
            return Err(bad(&format!("two answers for row {}", answer.row)));
        }
        count += 1;
        answered(position, answer);
    }
    // Read to the end, so that the connection can serve the next chunk.
    while let Ok(Some(_)) = lines.next_line() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_gives_back_its_lines_and_any_part_of_its_body() {
        let mut chunk = Chunk::default();
        for (row, line) in [(1, "a"), (3, "bb"), (4, "")] {
            chunk.push(row, line.as_bytes());
        }
        assert_eq!(chunk.line(1), b"bb");
        assert_eq!(chunk.line(2), b"");
        assert_eq!(*chunk.body_of(&[0, 2]), b"a\n\n");
        assert_eq!(*chunk.body_of(&[0, 1, 2]), b"a\nbb\n\n");
        chunk.clear();
        assert!(chunk.is_empty());
    }
}
