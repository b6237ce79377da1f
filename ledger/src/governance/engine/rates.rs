//! How much of what one governor or department signs, or one neighbour repeats, is counted and passed on.
//!
//! A liar can sign votes for any round and proposals that lapse at once, each rightly signed and new. Without a bound it
//! would have all members pass them on.

use std::collections::BTreeMap;

use crate::id::DepartmentCode;

/// What may come at once: a restarted node repeats two rounds, and its neighbours pass on more than one repetition.
const BURST: u32 = 64;

/// From one more to the next, ms.
const EVERY_MS: u64 = 250;

#[derive(Debug, Default)]
pub(super) struct Rates(BTreeMap<DepartmentCode, Allowance>);

#[derive(Debug)]
struct Allowance {
    left: u32,
    since_ms: u64,
}

impl Rates {
    /// Whether one more of this department's may come now; it is counted.
    pub(super) fn may(&mut self, by: DepartmentCode, now_ms: u64) -> bool {
        let allowance = self.0.entry(by).or_insert(Allowance {
            left: BURST,
            since_ms: now_ms,
        });
        let earned = now_ms.saturating_sub(allowance.since_ms) / EVERY_MS;
        allowance.since_ms = allowance.since_ms.saturating_add(earned * EVERY_MS);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        allowance.left = allowance.left.saturating_add(earned).min(BURST);
        let may = allowance.left > 0;
        allowance.left = allowance.left.saturating_sub(1);
        may
    }

    /// Forgets those that have not said anything for a while: with the next height.
    pub(super) fn begin(&mut self) {
        self.0.retain(|_, allowance| allowance.left < BURST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_too_much_is_heard_again_as_time_passes_and_takes_nothing_from_others() {
        let mut rates = Rates::default();
        let department = |n: u32| DepartmentCode::from_body(&format!("11420100{n:09}")).unwrap();
        let (loud, other) = (department(1), department(2));
        for _ in 0..BURST {
            assert!(rates.may(loud, 0));
        }
        assert!(!rates.may(loud, EVERY_MS - 1));
        assert!(rates.may(other, EVERY_MS - 1));
        assert!(rates.may(loud, EVERY_MS));
        assert!(!rates.may(loud, EVERY_MS));
    }
}
