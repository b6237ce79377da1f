//! The same room with dummy pages: how fast bytes can come over this transport at all.
//!
//! Replication is measured against this figure, taken in the same run on the same machine between the same two
//! processes: same handshake, same codec, same page size, but pages that nobody reads, checks or stores.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::event::{NetEvent, RequestFailure, RespondError};
use super::swarm::Net;

/// Waited for the server to be connected, and for any one page.
const PATIENCE: Duration = Duration::from_secs(30);

/// What [`fetch_dummy`] measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawRate {
    /// Pages received.
    pub pages: u64,
    /// Bytes of all pages.
    pub bytes: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl RawRate {
    /// Megabytes (10^6 bytes) a second.
    #[must_use]
    pub fn mb_per_second(&self) -> f64 {
        // Precise far beyond any amount that is ever transferred in one run.
        #[expect(clippy::cast_precision_loss, reason = "bytes stay below 2^53")]
        let bytes = self.bytes as f64;
        bytes / 1e6 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Why a measurement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawBenchError {
    /// The server was not connected, or sent no page, for half a minute.
    #[error("the server sent nothing for {} s", PATIENCE.as_secs())]
    Silent,
    /// A page could not be fetched.
    #[error("a page could not be fetched: {0}")]
    Page(#[from] RequestFailure),
}

/// Answers every request with `page_bytes` bytes, until dropped.
pub async fn serve_dummy(net: &mut Net, page_bytes: usize) -> Infallible {
    // Not all the same byte, in case anything on the way should ever compress.
    let page: Vec<u8> = (0..page_bytes)
        .map(|i| ((i ^ (i >> 8)) % 251) as u8)
        .collect();
    loop {
        if let NetEvent::Request { peer, id, .. } = net.next().await {
            match net.respond(id, page.clone()) {
                Ok(()) | Err(RespondError::Gone) => {}
                Err(error @ RespondError::TooLarge { .. }) => {
                    tracing::error!(%peer, %error, "the dummy page is too large");
                }
            }
        }
    }
}

/// Fetches `pages` pages from `server`, `in_flight` at a time, and says how fast they came. Waits for the connection
/// first; that time does not count.
///
/// # Errors
/// [`RawBenchError`] if the server falls silent or a page cannot be fetched; more than
/// [`max_outbound_per_peer`](super::NetLimits::max_outbound_per_peer) in flight is such a case.
pub async fn fetch_dummy(
    net: &mut Net,
    server: PeerId,
    pages: u64,
    in_flight: u64,
) -> Result<RawRate, RawBenchError> {
    while !net.connected().iter().any(|info| info.peer == server) {
        next(net).await?;
    }
    let start = Instant::now();
    let mut asked = in_flight.clamp(1, pages.max(1)).min(pages);
    for _ in 0..asked {
        net.request(server, Vec::new());
    }
    let (mut received, mut bytes) = (0, 0);
    while received < pages {
        if let NetEvent::Response { result, .. } = next(net).await? {
            bytes += result?.len() as u64;
            received += 1;
            if asked < pages {
                net.request(server, Vec::new());
                asked += 1;
            }
        }
    }
    Ok(RawRate {
        pages: received,
        bytes,
        elapsed: start.elapsed(),
    })
}

/// Sends so many requests of `request_bytes` bytes to `server`, one after the other, and gives the time of each until its
/// answer. Waits for the connection first; that time does not count.
///
/// # Errors
/// As for [`fetch_dummy`].
pub async fn round_trips(
    net: &mut Net,
    server: PeerId,
    request_bytes: usize,
    count: u64,
) -> Result<Vec<Duration>, RawBenchError> {
    while !net.connected().iter().any(|info| info.peer == server) {
        next(net).await?;
    }
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        net.request(server, vec![7; request_bytes]);
        loop {
            if let NetEvent::Response { result, .. } = next(net).await? {
                result?;
                break;
            }
        }
        times.push(start.elapsed());
    }
    Ok(times)
}

async fn next(net: &mut Net) -> Result<NetEvent, RawBenchError> {
    tokio::time::timeout(PATIENCE, net.next())
        .await
        .map_err(|_| RawBenchError::Silent)
}
