//! What all clients together, and each client alone, can take up of the node at a time.
//!
//! A client gets a quarter of everything that is counted. So one that takes all it can, by mistake or not, leaves the
//! others three quarters, and their turns do not come after all of its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::limits::{Limits, PART, REPORTS};
use super::rejection::Rejection;
use crate::app::Refusal;

/// A limited resource; those who wait for it get it in the order in which they came.
#[derive(Debug)]
pub(super) struct Pool {
    free: Arc<Semaphore>,
    size: usize,
}

impl Pool {
    fn new(size: usize) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(size)),
            size,
        }
    }

    /// What one client can take of this.
    fn part(&self) -> Self {
        Self::new(self.size.div_ceil(PART))
    }

    fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    async fn take(&self, amount: usize) -> Option<OwnedSemaphorePermit> {
        // More than there is would be waited for without end.
        let amount = u32::try_from(amount.min(self.size)).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.free).acquire_many_owned(amount).await;
        // It fails only when the semaphore is closed, which none ever is.
        taken.ok()
    }
}

/// Everything that clients take up, of the node as a whole or of one client's part.
#[derive(Debug)]
pub(super) struct Pools {
    /// Ordinary requests in progress.
    pub(super) requests: Pool,
    /// Bulk requests in progress.
    pub(super) bulk: Pool,
    /// Attachments in transfer.
    pub(super) transfers: Pool,
    /// Threads for queries that read files.
    pub(super) queries: Pool,
    /// Queries that go through many records.
    pub(super) reports: Pool,
    /// Bytes of long bodies in memory.
    pub(super) bodies: Pool,
    /// Threads that read long bodies.
    pub(super) readers: Pool,
}

impl Pools {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            requests: Pool::new(limits.requests),
            bulk: Pool::new(limits.bulk_requests),
            transfers: Pool::new(limits.transfers),
            queries: Pool::new(limits.queries),
            reports: Pool::new(REPORTS),
            bodies: Pool::new(limits.bodies),
            readers: Pool::new(limits.readers),
        }
    }

    fn part(&self) -> Self {
        Self {
            requests: self.requests.part(),
            bulk: self.bulk.part(),
            transfers: self.transfers.part(),
            queries: self.queries.part(),
            reports: self.reports.part(),
            bodies: self.bodies.part(),
            readers: self.readers.part(),
        }
    }
}

/// Capacity in use, returned when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _of_client: Option<OwnedSemaphorePermit>,
    _of_all: Option<OwnedSemaphorePermit>,
}

/// One client's part of the node, and whether it is a client still.
#[derive(Debug)]
pub(super) struct Share {
    pools: Pools,
    revoked: AtomicBool,
}

impl Share {
    pub(super) fn new(all: &Pools) -> Self {
        Self {
            pools: all.part(),
            revoked: AtomicBool::new(false),
        }
    }

    /// The client was removed: its requests in progress are refused where they next take something.
    pub(super) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Whether the client's token still counts.
    ///
    /// # Errors
    /// [`Rejection::Unauthorised`].
    pub(super) fn in_force(&self) -> Result<(), Rejection> {
        match self.revoked.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Rejection::Unauthorised { token_given: true }),
        }
    }
}

/// A place at once, or a refusal: a queue would only hide the overload.
///
/// # Errors
/// [`Rejection::RateLimited`] when the client has taken its part, [`Refusal::Overloaded`] when all is taken.
pub(super) fn take_now(
    all: &Pools,
    share: Option<&Share>,
    kind: fn(&Pools) -> &Pool,
) -> Result<Place, Rejection> {
    let of_all = kind(all).try_take();
    let of_all = of_all.ok_or(Rejection::Refused(Refusal::Overloaded { retry_after_s: 1 }))?;
    let of_client = match share.map(|share| kind(&share.pools).try_take()) {
        Some(None) => return Err(Rejection::RateLimited { retry_after_s: 1 }),
        taken => taken.flatten(),
    };
    Ok(Place {
        _of_client: of_client,
        _of_all: Some(of_all),
    })
}

/// This much, once it is available. The client's own part comes first: what waits behind it takes nothing from others.
pub(super) async fn take(
    all: &Pools,
    share: Option<&Share>,
    kind: fn(&Pools) -> &Pool,
    amount: usize,
) -> Place {
    let of_client = match share {
        Some(share) => kind(&share.pools).take(amount).await,
        None => None,
    };
    Place {
        _of_client: of_client,
        _of_all: kind(all).take(amount).await,
    }
}

/// This much, if it is available within a time.
///
/// # Errors
/// As [`take_now`].
pub(super) async fn take_within(
    all: &Pools,
    share: Option<&Share>,
    kind: fn(&Pools) -> &Pool,
    amount: usize,
    patience: Duration,
) -> Result<Place, Rejection> {
    let of_client = match share {
        Some(share) => timeout(patience, kind(&share.pools).take(amount))
            .await
            .map_err(|_| Rejection::RateLimited { retry_after_s: 1 })?,
        None => None,
    };
    let of_all = timeout(patience, kind(all).take(amount))
        .await
        .map_err(|_| Rejection::Refused(Refusal::Overloaded { retry_after_s: 1 }))?;
    Ok(Place {
        _of_client: of_client,
        _of_all: of_all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(requests: usize) -> Pools {
        Pools::new(&Limits {
            requests,
            ..Limits::default()
        })
    }

    fn take_one(all: &Pools, share: &Share) -> Result<Place, Rejection> {
        take_now(all, Some(share), |pools| &pools.requests)
    }

    #[test]
    fn a_client_that_has_taken_its_quarter_is_refused_and_others_are_not() {
        let all = pools(8);
        let (greedy, other) = (Share::new(&all), Share::new(&all));
        let mut held: Vec<Place> = (0..2).map(|_| take_one(&all, &greedy).unwrap()).collect();
        let refused = take_one(&all, &greedy).map(drop);
        assert_eq!(refused, Err(Rejection::RateLimited { retry_after_s: 1 }));
        held.push(take_one(&all, &other).unwrap());
        held.remove(0);
        assert!(take_one(&all, &greedy).is_ok(), "a place dropped is free");
    }

    #[test]
    fn when_all_is_taken_every_client_is_refused_alike() {
        let all = pools(1);
        let (first, second) = (Share::new(&all), Share::new(&all));
        let held = take_one(&all, &first).unwrap();
        let refused = take_one(&all, &second).map(drop);
        assert_eq!(
            refused,
            Err(Rejection::Refused(Refusal::Overloaded { retry_after_s: 1 }))
        );
        drop(held);
        assert!(take_one(&all, &second).is_ok());
    }

    #[tokio::test]
    async fn more_than_there_is_takes_all_there_is() {
        let all = pools(8);
        let share = Share::new(&all);
        let taken = take_within(
            &all,
            Some(&share),
            |pools| &pools.requests,
            1_000,
            Duration::ZERO,
        );
        assert!(taken.await.is_ok());
    }

    #[tokio::test]
    async fn a_client_that_waits_for_its_own_part_takes_nothing_of_the_others() {
        let all = pools(8);
        let greedy = Share::new(&all);
        let held = take(&all, Some(&greedy), |pools| &pools.requests, 2).await;
        let patience = Duration::from_millis(10);
        let refused = take_within(&all, Some(&greedy), |pools| &pools.requests, 1, patience).await;
        assert_eq!(
            refused.map(drop),
            Err(Rejection::RateLimited { retry_after_s: 1 })
        );
        assert_eq!(all.requests.free.available_permits(), 6);
        drop(held);
    }
}
