//! Issuing many certificates in one request: rows stream out, results stream in, neither is held whole.

use std::io::{self, BufRead, BufReader, Read};

use certmesh_api::RowResult;
use ureq::http::Response;
use ureq::{Body, SendBody};

use super::{Client, ClientError, accepted, transport};

/// Rows of one request: few enough that a node holds all their results until they are read.
const BULK_ROWS: usize = 20_000;

impl Client {
    /// Issues many certificates, each a line of JSON that ends in a line feed, and gives each result to `each`, in
    /// order. Goes in requests of 20,000 rows at most; row numbers in results count within the whole.
    ///
    /// # Errors
    /// [`ClientError`]; rows whose results came before it are issued or refused as those say.
    pub fn issue_many(
        &self,
        lines: impl IntoIterator<Item = Vec<u8>>,
        each: &mut dyn FnMut(RowResult),
    ) -> Result<(), ClientError> {
        let mut lines = lines.into_iter().peekable();
        let mut sent = 0;
        while lines.peek().is_some() {
            let mut body = Lines {
                lines: lines.by_ref().take(BULK_ROWS),
                line: Vec::new(),
                read: 0,
            };
            let url = self.url("/v1/certificates/bulk");
            let request = self
                .agent
                .post(&url)
                .header("authorization", &self.authorization)
                .content_type("application/x-ndjson");
            let response = request
                .send(SendBody::from_reader(&mut body))
                .map_err(|error| transport(&url, error))?;
            sent += self.results(&url, response, sent, each)?;
        }
        Ok(())
    }

    fn results(
        &self,
        url: &str,
        response: Response<Body>,
        before: u64,
        each: &mut dyn FnMut(RowResult),
    ) -> Result<u64, ClientError> {
        let response = accepted(url, response)?;
        let status = response.status().as_u16();
        let mut reader = BufReader::new(
            response
                .into_body()
                .into_with_config()
                .limit(u64::MAX)
                .reader(),
        );
        let (mut line, mut rows) = (Vec::new(), 0);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line);
            match read.map_err(|error| ClientError::Broken {
                url: url.to_owned(),
                error,
            })? {
                0 => return Ok(rows),
                _ => {
                    let result: Result<RowResult, _> = serde_json::from_slice(&line);
                    let unexpected = |error: serde_json::Error| ClientError::Unexpected {
                        url: url.to_owned(),
                        status,
                        detail: format!("an invalid result: {error}"),
                    };
                    let mut result = result.map_err(unexpected)?;
                    rows += 1;
                    result.row += before;
                    each(result);
                }
            }
        }
    }
}

/// Lines read one after the other, each made when its turn comes.
struct Lines<I> {
    lines: I,
    line: Vec<u8>,
    read: usize,
}

impl<I: Iterator<Item = Vec<u8>>> Read for Lines<I> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < buf.len() {
            if self.read == self.line.len() {
                match self.lines.next() {
                    Some(line) => (self.line, self.read) = (line, 0),
                    None => break,
                }
            }
            let n = (buf.len() - written).min(self.line.len() - self.read);
            buf[written..written + n].copy_from_slice(&self.line[self.read..self.read + n]);
            self.read += n;
            written += n;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_one_stream_whatever_the_buffer() {
        for size in [1, 2, 3, 7, 100] {
            let lines = ["one\n", "", "three\n"].map(|line| line.as_bytes().to_vec());
            let mut reader = Lines {
                lines: lines.into_iter(),
                line: Vec::new(),
                read: 0,
            };
            let (mut all, mut buf) = (Vec::new(), vec![0; size]);
            loop {
                match reader.read(&mut buf).unwrap() {
                    0 => break,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
            assert_eq!(all, b"one\nthree\n");
        }
    }
}
