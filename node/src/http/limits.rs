//! Every bound on what a client can make the node do.

use std::num::NonZeroU32;
use std::thread::available_parallelism;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::rejection::Rejection;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Requests a second and client when none are configured.
pub const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(20_000).expect("not zero");
/// Looks at what people hold, a second and client, when none are configured: more than any hall's counters together, and far
/// fewer than it takes to go through a city.
pub const DEFAULT_LOOKUPS: NonZeroU32 = NonZeroU32::new(20).expect("not zero");

/// Requests one HTTP/2 connection may have in progress.
pub(super) const MAX_STREAMS: u32 = 256;
/// Bytes of an HTTP/1.1 connection read ahead, and so of a request's head. Heads come before any token is known.
pub(super) const MAX_HEAD: usize = 64 * KIB;
/// Longest cursor, in bytes.
pub(super) const MAX_CURSOR: usize = 512;
/// What is still read of a refused request, so that a client that is sending sees the answer, not a broken connection.
pub(super) const DRAIN_BYTES: usize = 64 * MIB;
/// For how long.
pub(super) const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How long a proof waits for another member's signature.
pub(super) const COSIGNED_WITHIN: Duration = Duration::from_secs(5);
/// One client's part of what there is.
pub(super) const PART: usize = 4;
/// Queries at a time that go through many records.
pub(super) const REPORTS: usize = 2;

/// The bounds. Sizes are in bytes. One client can take a quarter of what is counted at a time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest body of an ordinary request.
    pub body: usize,
    /// A body up to this length is read by the task that serves its request; longer ones wait for room and for a thread.
    pub short_body: usize,
    /// Bytes of longer bodies in memory at a time.
    pub bodies: usize,
    /// Time a longer body waits for room before it is refused.
    pub room_time: Duration,
    /// Threads that read longer bodies: half as many as the machine has cores.
    pub readers: usize,
    /// Longest line of a bulk request.
    pub line: usize,
    /// Most rows handed to the writer at once.
    pub group_rows: usize,
    /// A group is closed at this size even if it has fewer rows.
    pub group_bytes: usize,
    /// Groups of one bulk request in progress at a time.
    pub groups_in_flight: usize,
    /// Results a bulk request holds for a client that doesn't read them yet.
    pub result_buffer: usize,
    /// Bulk requests at a time.
    pub bulk_requests: usize,
    /// Attachments in transfer, in or out, at a time.
    pub transfers: usize,
    /// Ordinary requests at a time.
    pub requests: usize,
    /// Queries that read files at a time; the others wait. Fewer than the threads tokio blocks on, so that other members
    /// are served whatever clients ask.
    pub queries: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Time an ordinary request may take.
    pub request_time: Duration,
    /// Time a connection may pass without a byte moving while a request's body is read or its answer is written.
    pub idle_time: Duration,
    /// Time the head of a request may take to arrive, and a TLS handshake to finish.
    pub header_time: Duration,
    /// Requests, and rows of bulk requests, a second and client. `None`: [`DEFAULT_RATE`] for requests, and bulk rows at
    /// the pace of the log's writer.
    pub rate: Option<NonZeroU32>,
    /// Looks at what people hold, a second and client.
    pub lookups: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: MIB,
            short_body: 16 * KIB,
            bodies: 32 * MIB,
            room_time: Duration::from_secs(5),
            readers: available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
            line: 64 * KIB,
            group_rows: 1000,
            group_bytes: MIB,
            groups_in_flight: 4,
            result_buffer: 64 * MIB,
            bulk_requests: 16,
            transfers: 64,
            requests: 4096,
            queries: 256,
            connections: 8192,
            request_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(30),
            header_time: Duration::from_secs(10),
            rate: None,
            lookups: DEFAULT_LOOKUPS,
        }
    }
}

/// Token buckets of one client; each holds a second's worth.
#[derive(Debug)]
pub(super) struct Rate {
    requests: DefaultDirectRateLimiter,
    rows: Option<(DefaultDirectRateLimiter, NonZeroU32)>,
    lookups: DefaultDirectRateLimiter,
}

/// Takes one from a bucket.
fn take(bucket: &DefaultDirectRateLimiter) -> Result<(), Rejection> {
    bucket.check().map_err(|not_until| {
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        Rejection::RateLimited {
            retry_after_s: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
        }
    })
}

impl Rate {
    pub(super) fn new(rate: Option<NonZeroU32>, lookups: NonZeroU32) -> Self {
        let bucket = |rate| RateLimiter::direct(Quota::per_second(rate));
        Self {
            requests: bucket(rate.unwrap_or(DEFAULT_RATE)),
            rows: rate.map(|rate| (bucket(rate), rate)),
            lookups: bucket(lookups),
        }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] with the seconds to wait.
    pub(super) fn request(&self) -> Result<(), Rejection> {
        take(&self.requests)
    }

    /// Counts one look at what a person holds.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] with the seconds to wait.
    pub(super) fn lookup(&self) -> Result<(), Rejection> {
        take(&self.lookups)
    }

    /// Counts rows of a bulk request, and waits until they may pass.
    pub(super) async fn rows(&self, rows: usize) {
        let Some((bucket, capacity)) = &self.rows else {
            return;
        };
        let mut left = u32::try_from(rows).unwrap_or(u32::MAX);
        while let Some(now) = NonZeroU32::new(left.min(capacity.get())) {
            while let Err(not_until) = bucket.check_n(now).unwrap_or(Ok(())) {
                tokio::time::sleep(not_until.wait_time_from(DefaultClock::default().now())).await;
            }
            left -= now.get();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_client_past_its_rate_learns_when_to_come_back() {
        let rate = Rate::new(NonZeroU32::new(3), DEFAULT_LOOKUPS);
        for _ in 0..3 {
            assert_eq!(rate.request(), Ok(()));
        }
        assert_eq!(
            rate.request(),
            Err(Rejection::RateLimited { retry_after_s: 1 })
        );
    }

    #[tokio::test]
    async fn bulk_rows_wait_even_when_a_group_is_larger_than_the_bucket() {
        let rate = Rate::new(NonZeroU32::new(100), DEFAULT_LOOKUPS);
        let started = Instant::now();
        rate.rows(150).await;
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(400), "{took:?}");
    }
}
