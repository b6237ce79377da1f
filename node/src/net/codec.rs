//! One exchange on one stream: a length-prefixed request, then a length-prefixed response.
//!
//! A frame is its length as four bytes, little-endian, then that many bytes. The length is checked against the cap
//! before anything is allocated, and the buffer then grows with the bytes that really arrive: a peer that announces
//! a megabyte and sends nothing costs a few kilobytes, not a megabyte.
//!
//! A frame comes in pieces of 16 KiB, each in a time of its own. So a peer that lets its bytes drip holds a stream and
//! what has come over it for one such time, not until the whole exchange times out.

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;
use tokio::time::timeout;

use super::event::RequestFailure;

/// Bytes of the length prefix.
const PREFIX: usize = 4;
/// Bytes of a frame's body that have to come within [`FrameCodec::piece_timeout`].
pub(super) const PIECE: usize = 16 * 1024;
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
    /// The next bytes of a frame did not come in time.
    #[error("the bytes of a frame came too slowly")]
    TooSlow,
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        let kind = match error {
            FrameError::TooLarge { .. } => io::ErrorKind::InvalidData,
            FrameError::Absent | FrameError::Truncated => io::ErrorKind::UnexpectedEof,
            FrameError::TooSlow => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, error)
    }
}

/// What a failed stream means to the requester.
pub(super) fn request_failure(error: &io::Error) -> RequestFailure {
    let frame = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<FrameError>());
    match frame {
        Some(&FrameError::TooLarge { len, max }) => RequestFailure::ResponseTooLarge { len, max },
        Some(FrameError::Absent) => RequestFailure::Refused,
        Some(FrameError::Truncated) => RequestFailure::Truncated,
        Some(FrameError::TooSlow) => RequestFailure::TooSlow,
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
    /// Time for each piece of a frame.
    pub(super) piece_timeout: Duration,
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        // The opener of a stream sends its request at once.
        let first = in_time(self.piece_timeout, first_byte(io)).await?;
        read_frame(io, first, self.max_request, self.piece_timeout).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        // How long an answer may be thought over is up to the exchange's own timeout.
        let first = first_byte(io).await?;
        read_frame(io, first, self.max_response, self.piece_timeout).await
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

/// Waits for a piece of a frame, but not for ever.
async fn in_time<R>(
    piece_timeout: Duration,
    piece: impl Future<Output = io::Result<R>>,
) -> io::Result<R> {
    timeout(piece_timeout, piece)
        .await
        .unwrap_or_else(|_| Err(FrameError::TooSlow.into()))
}

/// Reads the first byte of a frame.
async fn first_byte<T>(io: &mut T) -> io::Result<u8>
where
    T: AsyncRead + Unpin + Send,
{
    let mut first = [0];
    match io.read(&mut first).await? {
        0 => Err(FrameError::Absent.into()),
        _ => Ok(first[0]),
    }
}

/// Fills a buffer.
async fn read_all<T>(io: &mut T, buffer: &mut [u8]) -> io::Result<()>
where
    T: AsyncRead + Unpin + Send,
{
    let mut filled = 0;
    while filled < buffer.len() {
        match io.read(&mut buffer[filled..]).await? {
            0 => return Err(FrameError::Truncated.into()),
            n => filled += n,
        }
    }
    Ok(())
}

/// Reads the rest of a frame of at most `max` bytes.
async fn read_frame<T>(
    io: &mut T,
    first: u8,
    max: usize,
    piece_timeout: Duration,
) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut prefix = [first; PREFIX];
    in_time(piece_timeout, read_all(io, &mut prefix[1..])).await?;
    // A length that does not fit a usize is certainly over the cap.
    let len = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if len > max {
        return Err(FrameError::TooLarge { len, max }.into());
    }
    let mut body = Vec::new();
    read_body(io, len, &mut body, piece_timeout).await?;
    Ok(body)
}

/// Fills `body` with exactly `len` bytes, never holding more than twice what has arrived (or the first chunk).
async fn read_body<T>(
    io: &mut T,
    len: usize,
    body: &mut Vec<u8>,
    piece_timeout: Duration,
) -> io::Result<()>
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
        let piece = filled..(filled + PIECE).min(body.len());
        filled = piece.end;
        in_time(piece_timeout, read_all(io, &mut body[piece])).await?;
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
    use futures::{StreamExt, TryStreamExt, stream};
    use libp2p::request_response::Codec;
    use tokio::time::sleep;

    use super::*;

    const MAX: usize = 1024 * 1024;
    const PIECE_TIMEOUT: Duration = Duration::from_millis(100);

    fn codec() -> FrameCodec {
        FrameCodec {
            max_request: MAX,
            max_response: MAX,
            piece_timeout: PIECE_TIMEOUT,
        }
    }

    async fn read_response(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<Vec<u8>> {
        codec().read_response(&StreamProtocol::new("/"), io).await
    }

    async fn read_request(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<Vec<u8>> {
        codec().read_request(&StreamProtocol::new("/"), io).await
    }

    /// A frame whose bytes arrive a few at a time, each few after a pause; so many of its bytes at once.
    fn arriving(
        body: &[u8],
        at_once: usize,
        (few, pause): (usize, Duration),
    ) -> impl AsyncRead + Unpin + Send + use<> {
        let len = u32::try_from(body.len()).unwrap();
        let wire = [&len.to_le_bytes()[..], body].concat();
        let mut chunks = vec![wire[..at_once].to_vec()];
        chunks.extend(wire[at_once..].chunks(few).map(<[u8]>::to_vec));
        let arrives =
            stream::iter(chunks.into_iter().enumerate()).then(move |(n, chunk)| async move {
                if n > 0 {
                    sleep(pause).await;
                }
                Ok::<_, io::Error>(chunk)
            });
        Box::pin(arrives).into_async_read()
    }

    fn frame_error(error: &io::Error) -> Option<FrameError> {
        error.get_ref()?.downcast_ref::<FrameError>().copied()
    }

    async fn round_trip(body: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        write_frame(&mut wire, body, MAX).await.unwrap();
        assert_eq!(wire.len(), PREFIX + body.len());
        read_response(&mut Cursor::new(wire)).await.unwrap()
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
        let error = read_response(&mut wire).await.unwrap_err();
        let len = u32::MAX as usize;
        assert_eq!(
            frame_error(&error),
            Some(FrameError::TooLarge { len, max: MAX })
        );
        assert_eq!(wire.position(), PREFIX as u64);

        let just_over = u32::try_from(MAX).unwrap() + 1;
        let error = read_response(&mut Cursor::new(just_over.to_le_bytes()))
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
            let mut wire = Cursor::new(vec![1; sent]);
            let error = read_body(&mut wire, MAX, &mut body, PIECE_TIMEOUT)
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
    async fn a_stream_without_a_frame_and_one_cut_short_are_distinguished() {
        for (wire, expected) in [
            (vec![], RequestFailure::Refused),
            (vec![1, 0], RequestFailure::Truncated),
            (vec![2, 0, 0, 0, 9], RequestFailure::Truncated),
        ] {
            let error = read_response(&mut Cursor::new(wire)).await.unwrap_err();
            assert_eq!(request_failure(&error), expected);
        }
    }

    #[tokio::test]
    async fn a_frame_that_drips_is_given_up_wherever_it_begins_to() {
        let drips = (1, PIECE_TIMEOUT / 10);
        for at_once in [1, PREFIX, PREFIX + 1, PREFIX + PIECE, PREFIX + MAX - 200] {
            let mut io = arriving(&[7; MAX], at_once, drips);
            let error = read_response(&mut io).await.unwrap_err();
            assert_eq!(frame_error(&error), Some(FrameError::TooSlow));
            assert_eq!(request_failure(&error), RequestFailure::TooSlow);
            let mut io = arriving(&[7; MAX], at_once, drips);
            let error = read_request(&mut io).await.unwrap_err();
            assert_eq!(frame_error(&error), Some(FrameError::TooSlow));
        }
    }

    #[tokio::test]
    async fn a_frame_that_takes_long_is_read_when_each_piece_comes_in_time() {
        let body = vec![7; 5 * PIECE];
        let link = (PIECE, PIECE_TIMEOUT * 2 / 3);
        let begun = tokio::time::Instant::now();
        let mut io = arriving(&body, PREFIX, link);
        assert_eq!(read_response(&mut io).await.unwrap(), body);
        let mut io = arriving(&body, PREFIX, link);
        assert_eq!(read_request(&mut io).await.unwrap(), body);
        assert!(begun.elapsed() > 4 * PIECE_TIMEOUT);
    }

    #[tokio::test]
    async fn an_answer_may_be_long_in_coming_and_a_request_may_not() {
        let late = (PIECE, PIECE_TIMEOUT * 2);
        let mut io = arriving(b"answer", 0, late);
        assert_eq!(read_response(&mut io).await.unwrap(), b"answer");
        let error = read_request(&mut arriving(b"request", 0, late))
            .await
            .unwrap_err();
        assert_eq!(frame_error(&error), Some(FrameError::TooSlow));
    }
}
