//! The peer's own sense of time: how long ago something was, even if the machine's clock is changed.

use std::time::Duration;

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

use super::now_ms;

/// Time that never goes back and never runs slower than any clock of the machine: the one that counts while it sleeps, and
/// the calendar's, should that be set forward because a virtual machine stalled. What must not be older than it
/// looks (a copy that nobody has confirmed) is measured by it: a jump ages things, and never makes them young.
pub(crate) struct Clock(Mutex<Last>);

struct Last {
    boot: Duration,
    wall_ms: u64,
    now_ms: u64,
}

/// Time since the machine started, asleep or not.
fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock(Mutex::new(Last {
            boot: since_boot(),
            wall_ms: now_ms(),
            now_ms: 0,
        }))
    }

    /// Milliseconds since the machine started, asleep or not; no calendar has a part in it.
    pub(crate) fn boot_ms() -> u64 {
        u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since this was made.
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.lock().advance(since_boot(), now_ms())
    }
}

impl Last {
    fn advance(&mut self, boot: Duration, wall_ms: u64) -> u64 {
        let slept = boot.saturating_sub(self.boot);
        let slept_ms = u64::try_from(slept.as_millis()).unwrap_or(u64::MAX);
        let passed_ms = slept_ms.max(wall_ms.saturating_sub(self.wall_ms));
        if passed_ms > 0 {
            self.now_ms = self.now_ms.saturating_add(passed_ms);
            self.wall_ms = wall_ms;
            self.boot = boot;
        }
        self.now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_calendar_ages_things_and_never_makes_them_young() {
        let mut last = Last {
            boot: Duration::from_secs(100),
            wall_ms: 1_000_000,
            now_ms: 0,
        };
        let mut at = |boot_s, wall_ms| last.advance(Duration::from_secs(boot_s), wall_ms);
        assert_eq!(at(101, 1_001_000), 1_000);
        // Set forward by an hour, then back by two: time continues at the pace of the machine.
        assert_eq!(at(102, 4_602_000), 3_602_000);
        assert_eq!(at(103, 1_000), 3_603_000);
        assert_eq!(at(104, 2_000), 3_604_000);
        // The machine slept, and the calendar did not notice.
        assert_eq!(at(704, 2_000), 4_204_000);
        assert_eq!(at(704, 2_000), 4_204_000);
    }

    #[test]
    fn time_passes() {
        let clock = Clock::new();
        let before = clock.now_ms();
        std::thread::sleep(Duration::from_millis(20));
        let passed = clock.now_ms() - before;
        assert!((20..10_000).contains(&passed), "{passed} ms");
    }
}
