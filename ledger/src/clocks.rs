//! Whether a peer's clock can be trusted to date records. Times in a log never go back, so one record made while a clock
//! was wrong dates all that follow it wrong: it is better not made.

use std::fmt;

use crate::id::ChinaTime;
use crate::record::MAX_AHEAD_MS;

/// A clock this far off those of the other members is reported to the operator, ms.
pub const ALARM_MS: u64 = 60_000;
/// So far off them nothing is appended, ms.
pub const MAX_OFF_MS: u64 = MAX_AHEAD_MS;
/// This long after the newest record that others have reached as well, a time is more likely a wrong clock's than a
/// pause in all departments' work, ms: 92 days.
pub const MAX_PAUSE_MS: u64 = 92 * 24 * 3600 * 1000;

/// What a peer knows of the time. All are ms since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// What its own clock says.
    pub own_ms: u64,
    /// What the connected members' clocks say at this moment.
    pub members_ms: Vec<u64>,
    /// The time of the own log's last record.
    pub last_ms: Option<u64>,
    /// The time that other departments' logs have reached, no matter what a few members write: see [`come_to`].
    pub come_to_ms: Option<u64>,
}

/// Why a clock is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// The other members' clocks say something else.
    OffMembers {
        /// What the own clock says.
        own_ms: u64,
        /// What theirs say.
        members_ms: u64,
        /// How many there are.
        members: usize,
    },
    /// The own log's last record is dated later.
    BeforeLast {
        /// What the own clock says.
        own_ms: u64,
        /// The record's time.
        last_ms: u64,
    },
    /// Nobody has recorded anything for so long that the clock must have been set forward.
    FarAhead {
        /// What the own clock says.
        own_ms: u64,
        /// When the last record that counts was made.
        last_ms: u64,
    },
}

impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClockFault::OffMembers {
                own_ms,
                members_ms,
                members,
            } => write!(
                f,
                "this machine's clock says {}, the clocks of {members} connected members say {}",
                ChinaTime(*own_ms),
                ChinaTime(*members_ms)
            ),
            ClockFault::BeforeLast { own_ms, last_ms } => write!(
                f,
                "this machine's clock says {}, the last record of this department's log is dated {}",
                ChinaTime(*own_ms),
                ChinaTime(*last_ms)
            ),
            ClockFault::FarAhead { own_ms, last_ms } => write!(
                f,
                "this machine's clock says {}, the newest record of any department that can be relied on is dated {}",
                ChinaTime(*own_ms),
                ChinaTime(*last_ms)
            ),
        }
    }
}

impl Clocks {
    /// What the connected members' clocks say together: the median, and of two in the middle the one nearer to the own
    /// clock, so that half of them can't call it wrong by themselves. `None` without any.
    pub fn members_say(&self) -> Option<u64> {
        let mut all = self.members_ms.clone();
        all.sort_unstable();
        let (last, middle) = (all.len().checked_sub(1)?, all.len() / 2);
        let [low, high] = [all[last / 2], all[middle]];
        let off = |time_ms: &u64| time_ms.abs_diff(self.own_ms);
        [low, high].into_iter().min_by_key(off)
    }

    /// How far the own clock is ahead of the members' (less than zero: behind), if that is more than [`ALARM_MS`].
    pub fn alarm(&self) -> Option<i64> {
        let members_ms = self.members_say()?;
        let off = self.own_ms.abs_diff(members_ms);
        let signed = i64::try_from(off).unwrap_or(i64::MAX);
        (off > ALARM_MS).then_some(match self.own_ms < members_ms {
            true => -signed,
            false => signed,
        })
    }

    /// Why a record must not be dated by the own clock; `None` when it may.
    pub fn fault(&self) -> Option<ClockFault> {
        let own_ms = self.own_ms;
        if let Some(members_ms) = self.members_say()
            && own_ms.abs_diff(members_ms) > MAX_OFF_MS
        {
            let members = self.members_ms.len();
            return Some(ClockFault::OffMembers {
                own_ms,
                members_ms,
                members,
            });
        }
        if let Some(last_ms) = self.last_ms
            && last_ms > own_ms.saturating_add(MAX_OFF_MS)
        {
            return Some(ClockFault::BeforeLast { own_ms, last_ms });
        }
        // Before the first record of all there is nothing to hold against it.
        let last_ms = self.come_to_ms.max(self.last_ms)?;
        (own_ms > last_ms.saturating_add(MAX_PAUSE_MS))
            .then_some(ClockFault::FarAhead { own_ms, last_ms })
    }

    /// The time by which something may be destroyed: one that neither the own clock nor the members' have passed. `None`
    /// while the own clock is not trusted, or members are there to ask and none is connected.
    pub fn agreed_ms(&self, alone: bool) -> Option<u64> {
        if self.fault().is_some() {
            return None;
        }
        match self.members_say() {
            Some(members_ms) => Some(members_ms.min(self.own_ms)),
            None => alone.then_some(self.own_ms),
        }
    }
}

/// The time that the logs of other departments have reached, given the time of each one's last record: more than a
/// third of them are as late, so fewer liars than that can't move it on.
pub fn come_to(mut last_ms: Vec<u64>) -> Option<u64> {
    last_ms.sort_unstable_by(|a, b| b.cmp(a));
    last_ms.get(last_ms.len() / 3).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn clocks(own_ms: u64, members_ms: &[u64]) -> Clocks {
        Clocks {
            own_ms,
            members_ms: members_ms.to_vec(),
            last_ms: Some(NOW - 5_000),
            come_to_ms: Some(NOW - 1_000),
        }
    }

    #[test]
    fn a_clock_counts_until_it_is_ten_minutes_off_what_most_members_say() {
        let edge = NOW + MAX_OFF_MS;
        assert_eq!(clocks(edge, &[NOW, NOW, NOW]).fault(), None);
        let off = |own_ms, members_ms, members| ClockFault::OffMembers {
            own_ms,
            members_ms,
            members,
        };
        let fault = clocks(edge + 1, &[NOW, NOW, NOW]).fault();
        assert_eq!(fault, Some(off(edge + 1, NOW, 3)));
        // One of three, two of four can't call a clock wrong; two of three, three of four can.
        let far = NOW + 50 * MAX_PAUSE_MS;
        assert_eq!(clocks(NOW, &[0, NOW, NOW]).fault(), None);
        assert_eq!(clocks(NOW, &[far, far, NOW, NOW]).fault(), None);
        assert_eq!(clocks(NOW, &[0, 0, NOW, NOW]).fault(), None);
        assert_eq!(
            clocks(NOW, &[far, far, NOW]).fault(),
            Some(off(NOW, far, 3))
        );
        assert_eq!(clocks(NOW, &[0, 0, 0, NOW]).fault(), Some(off(NOW, 0, 4)));
        // Nobody is there to ask.
        assert_eq!(clocks(NOW, &[]).fault(), None);
    }

    #[test]
    fn a_minute_off_is_reported_and_no_less() {
        assert_eq!(clocks(NOW + ALARM_MS, &[NOW]).alarm(), None);
        assert_eq!(clocks(NOW + ALARM_MS + 1, &[NOW]).alarm(), Some(60_001));
        assert_eq!(clocks(NOW - ALARM_MS - 1, &[NOW]).alarm(), Some(-60_001));
        assert_eq!(clocks(NOW, &[]).alarm(), None);
    }

    #[test]
    fn what_all_clocks_say_is_still_held_against_the_records_there_are() {
        // All are fifty years ahead at once.
        let ahead = NOW + 50 * 365 * 86_400_000;
        let far = |last_ms| {
            Some(ClockFault::FarAhead {
                own_ms: ahead,
                last_ms,
            })
        };
        assert_eq!(clocks(ahead, &[ahead, ahead]).fault(), far(NOW - 1_000));
        // A department that paused for a year continues where others did not pause.
        let year = NOW + 365 * 86_400_000;
        let mut paused = clocks(year, &[year]);
        paused.come_to_ms = Some(year - 10);
        assert_eq!(paused.fault(), None);
        paused.come_to_ms = None;
        assert!(matches!(paused.fault(), Some(ClockFault::FarAhead { .. })));
        // The first record of all may be made at any time.
        paused.last_ms = None;
        assert_eq!(paused.fault(), None);
        // And one whose last record is dated ahead waits.
        let mut ahead = clocks(NOW, &[NOW]);
        ahead.last_ms = Some(NOW + MAX_OFF_MS);
        assert_eq!(ahead.fault(), None);
        ahead.last_ms = Some(NOW + MAX_OFF_MS + 1);
        assert!(matches!(ahead.fault(), Some(ClockFault::BeforeLast { .. })));
    }

    #[test]
    fn fewer_than_a_third_of_the_logs_can_not_move_the_time_on() {
        assert_eq!(come_to(vec![]), None);
        assert_eq!(come_to(vec![50]), Some(50));
        assert_eq!(come_to(vec![u64::MAX, 40, 30]), Some(40));
        let six = vec![u64::MAX, u64::MAX, 40, 30, 20, 10];
        assert_eq!(come_to(six), Some(40));
    }

    #[test]
    fn nothing_is_destroyed_by_a_time_that_members_do_not_agree_on() {
        assert_eq!(clocks(NOW + 9, &[NOW, NOW]).agreed_ms(false), Some(NOW));
        assert_eq!(clocks(NOW, &[NOW + 9]).agreed_ms(false), Some(NOW));
        let jumped = NOW + MAX_OFF_MS + 1;
        assert_eq!(clocks(jumped, &[NOW]).agreed_ms(false), None);
        assert_eq!(clocks(NOW, &[]).agreed_ms(false), None);
        assert_eq!(clocks(NOW, &[]).agreed_ms(true), Some(NOW));
        let ahead = NOW + 50 * 365 * 86_400_000;
        assert_eq!(clocks(ahead, &[ahead]).agreed_ms(false), None);
    }
}
