//! One exchange on one stream: a length-prefixed request, then a length-prefixed response.
//!
//! A frame is its length as four bytes, little-endian, then that many bytes. The length is checked against the cap
//! before anything is allocated, and the buffer then grows with the bytes that really arrive: a peer that announces
//! a megabyte and sends nothing costs a few kilobytes, not a megabyte.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;

use super::event::RequestFailure;

/// Bytes of the length prefix.
const PREFIX: usize = 4;
/// First allocation for a frame's body; doubled whenever it is full.
const FIRST_CHUNK: usize = 16 * 1024;

/// A broken rule of the frame format, carried inside the [`io::Error`] that libp2p wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// The prefix announces more than the cap.
    #[error("a frame of {len} bytes, more than the {max} allowed")]
    TooLarge { len: usize, max: usize },
    /// The stream ended before the first byte of a frame.
    #[error("the stream ended without a frame")]
    Absent,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        let kind = match error {
            FrameError::TooLarge { .. } => io::ErrorKind::InvalidData,
            FrameError::Absent | FrameError::Truncated => io::ErrorKind::UnexpectedEof,
        };
        io::Error::new(kind, error)
    }
}

/// What a failed stream means to the one who asked.
pub(super) fn request_failure(error: &io::Error) -> RequestFailure {
    let frame = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<FrameError>());
    match frame {
        Some(&FrameError::TooLarge { len, max }) => RequestFailure::ResponseTooLarge { len, max },
        Some(FrameError::Absent) => RequestFailure::Refused,
        Some(FrameError::Truncated) => RequestFailure::Truncated,
        None => RequestFailure::Io(error.kind()),
    }
}

/// Reads and writes the frames of the exchange protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameCodec {
    /// Cap on a request, in bytes.
    pub(super) max_request: usize,
    /// Cap on a response, in bytes.
    pub(super) max_response: usize,
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io, self.max_request).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(io, self.max_response).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &request, self.max_request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &response, self.max_response).await
    }
}

/// Reads one frame of at most `max` bytes.
async fn read_frame<T>(io: &mut T, max: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut prefix = [0; PREFIX];
    let mut read = 0;
    while read < PREFIX {
        match io.read(&mut prefix[read..]).await? {
            0 if read == 0 => return Err(FrameError::Absent.into()),
            0 => return Err(FrameError::Truncated.into()),
            n => read += n,
        }
    }
    // A length that does not fit a usize is certainly over the cap.
    let len = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if len > max {
        return Err(FrameError::TooLarge { len, max }.into());
    }
    let mut body = Vec::new();
    read_body(io, len, &mut body).await?;
    Ok(body)
}

/// Fills `body` with exactly `len` bytes, never holding more than twice what has arrived (or the first chunk).
async fn read_body<T>(io: &mut T, len: usize, body: &mut Vec<u8>) -> io::Result<()>
where
    T: AsyncRead + Unpin + Send,
{
    let mut filled = 0;
    while filled < len {
        if filled == body.len() {
            let target = (filled * 2).max(FIRST_CHUNK).min(len);
            body.reserve_exact(target - filled);
            body.resize(target, 0);
        }
        match io.read(&mut body[filled..]).await? {
            0 => return Err(FrameError::Truncated.into()),
            n => filled += n,
        }
    }
    Ok(())
}

/// Writes one frame of at most `max` bytes.
async fn write_frame<T>(io: &mut T, body: &[u8], max: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    let too_large = FrameError::TooLarge {
        len: body.len(),
        max,
    };
    if body.len() > max {
        return Err(too_large.into());
    }
    let prefix = u32::try_from(body.len()).map_err(|_| io::Error::from(too_large))?;
    // The prefix leaves together with the body's first bytes: alone it would make a packet of its own.
    let (first, rest) = body.split_at(body.len().min(FIRST_CHUNK - PREFIX));
    let mut head = Vec::with_capacity(PREFIX + first.len());
    head.extend_from_slice(&prefix.to_le_bytes());
    head.extend_from_slice(first);
    io.write_all(&head).await?;
    io.write_all(rest).await
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    const MAX: usize = 1024 * 1024;

    fn frame_error(error: &io::Error) -> Option<FrameError> {
        error.get_ref()?.downcast_ref::<FrameError>().copied()
    }

    async fn round_trip(body: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        write_frame(&mut wire, body, MAX).await.unwrap();
        assert_eq!(wire.len(), PREFIX + body.len());
        read_frame(&mut Cursor::new(wire), MAX).await.unwrap()
    }

    #[tokio::test]
    async fn frames_of_every_awkward_length_come_back_as_they_were_written() {
        for len in [
            0,
            1,
            FIRST_CHUNK - PREFIX - 1,
            FIRST_CHUNK - PREFIX,
            FIRST_CHUNK - PREFIX + 1,
            FIRST_CHUNK,
            FIRST_CHUNK + 1,
            2 * FIRST_CHUNK + 1,
            MAX,
        ] {
            let body: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            assert_eq!(round_trip(&body).await, body, "length {len}");
        }
    }

    #[tokio::test]
    async fn a_frame_over_the_cap_is_refused_before_its_body_is_read() {
        let mut wire = Cursor::new([&u32::MAX.to_le_bytes()[..], &[7; 100]].concat());
        let error = read_frame(&mut wire, MAX).await.unwrap_err();
        let len = u32::MAX as usize;
        assert_eq!(
            frame_error(&error),
            Some(FrameError::TooLarge { len, max: MAX })
        );
        assert_eq!(wire.position(), PREFIX as u64);

        let just_over = u32::try_from(MAX).unwrap() + 1;
        let error = read_frame(&mut Cursor::new(just_over.to_le_bytes()), MAX)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_frame_over_the_cap_is_not_written() {
        let mut wire = Vec::new();
        let error = write_frame(&mut wire, &[0; 11], 10).await.unwrap_err();
        assert_eq!(
            frame_error(&error),
            Some(FrameError::TooLarge { len: 11, max: 10 })
        );
        assert!(wire.is_empty());
    }

    #[tokio::test]
    async fn a_length_that_lies_costs_no_more_than_twice_the_bytes_that_came() {
        for sent in [0, 100, FIRST_CHUNK, FIRST_CHUNK + 1, 100_000] {
            let mut body = Vec::new();
            let error = read_body(&mut Cursor::new(vec![1; sent]), MAX, &mut body)
                .await
                .unwrap_err();
            assert_eq!(frame_error(&error), Some(FrameError::Truncated));
            let bound = FIRST_CHUNK.max(2 * sent);
            assert!(
                body.capacity() <= bound,
                "{sent} bytes came, {} held",
                body.capacity()
            );
        }
    }

    #[tokio::test]
    async fn a_stream_without_a_frame_and_one_cut_short_are_told_apart() {
        for (wire, expected) in [
            (vec![], RequestFailure::Refused),
            (vec![1, 0], RequestFailure::Truncated),
            (vec![2, 0, 0, 0, 9], RequestFailure::Truncated),
        ] {
            let error = read_frame(&mut Cursor::new(wire), MAX).await.unwrap_err();
            assert_eq!(request_failure(&error), expected);
        }
    }
}
