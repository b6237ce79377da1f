//! How much each peer may send in a second.

use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use libp2p::PeerId;

/// A token bucket for every peer.
pub(super) type PeerRate = DefaultKeyedRateLimiter<PeerId>;

/// So many a second for every peer, with a burst of twice that. Disconnecting does not refill a bucket.
pub(super) fn per_peer(per_second: NonZeroU32) -> PeerRate {
    RateLimiter::keyed(
        Quota::per_second(per_second).allow_burst(per_second.saturating_add(per_second.get())),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_peer_may_burst_then_keeps_to_its_rate_without_touching_anothers() {
        let rate = per_peer(NonZeroU32::MIN);
        let (a, b) = (PeerId::random(), PeerId::random());
        let admitted = || (0..100).filter(|_| rate.check_key(&a).is_ok()).count();
        assert_eq!(admitted(), 2);
        std::thread::sleep(Duration::from_millis(1100));
        assert!((1..=2).contains(&admitted()));
        assert!(rate.check_key(&b).is_ok());
    }
}
