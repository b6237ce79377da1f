//! How new what is held of a log is. A copy that lags, or that nobody has confirmed for long, may lack a revocation, so a
//! certificate never reads as valid by it.
//!
//! Times are of a clock of this peer that never goes back ([`Catalogue`] holds none): what counts is how long ago
//! something was heard here, not what anybody's calendar says.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use crate::id::DepartmentCode;
use crate::names::LogId;

use super::Catalogue;
use super::authority::Confirmations;

/// Heads first heard of within this time are remembered as one, as of the first, ms.
const TOGETHER_MS: u64 = 1_000;
/// Heads of a log remembered while they are lacking: more than there can be before the log is behind.
const MAX_LACKING: usize = 64;

/// In the place of a time: nothing was confirmed since the start.
pub(super) const NEVER: u64 = u64::MAX;

/// For how long a copy may lag, and go unconfirmed, before nothing is valid by it; `u64::MAX` for any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessLimits {
    /// Since the oldest signed head that is lacking was first heard of, ms.
    pub behind_ms: u64,
    /// Since a member last confirmed the head that is held, ms.
    pub silent_ms: u64,
}

impl FreshnessLimits {
    /// What is held counts for all there is: of logs that nobody adds to, and in tests of other rules.
    pub const NONE: FreshnessLimits = FreshnessLimits {
        behind_ms: u64::MAX,
        silent_ms: u64::MAX,
    };
}

impl Default for FreshnessLimits {
    fn default() -> Self {
        FreshnessLimits {
            behind_ms: 30_000,
            silent_ms: 600_000,
        }
    }
}

/// Why what is held of a log may not be its newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its department signed more than has arrived here, and that has been known for too long.
    Behind {
        /// Which log.
        log: LogId,
        /// Records held, under its accepted head.
        size: u64,
        /// The time of that head, ms since 1970 UTC.
        time_ms: u64,
        /// Records under the newest head heard of.
        newest: u64,
    },
    /// No member has confirmed the head held, for too long or since the start.
    Silent {
        /// Which log.
        log: LogId,
        /// Records held, under its accepted head.
        size: u64,
        /// The time of that head, ms since 1970 UTC.
        time_ms: u64,
        /// How long ago it was last confirmed, ms; `None` for never since this peer started.
        for_ms: Option<u64>,
    },
    /// It is this peer's own, and nobody has confirmed since the start that the disk holds all of it.
    Unconfirmed,
    /// Not the log: the members may have decided what is not known here, such as that a key was stolen.
    Decisions {
        /// How long ago enough governors last showed that they know of no later block, ms; `None` for never since this peer
        /// started.
        for_ms: Option<u64>,
    },
}

/// What was heard of a log.
#[derive(Default)]
pub(super) struct News {
    /// Who confirmed the head held, by the calendar.
    pub(super) confirmations: Confirmations,
    /// When the head held was last confirmed.
    confirmed_ms: Option<u64>,
    /// Heads heard of that may be lacking still, the smallest first.
    lacking: VecDeque<Lacking>,
}

struct Lacking {
    size: u64,
    /// When it was first heard of.
    since_ms: u64,
    /// When a member last showed it as the newest that it knows.
    shown_ms: Option<u64>,
}

impl News {
    /// A member showed the head that is held.
    fn confirmed(&mut self, now_ms: u64) {
        self.confirmed_ms = self.confirmed_ms.max(Some(now_ms));
    }

    /// This many records were held, but are no longer.
    pub(super) fn lost(&mut self, size: u64) {
        self.confirmed_ms = None;
        self.lacking.retain(|head| head.size > size);
        self.lacking.push_front(Lacking {
            size,
            since_ms: 0,
            shown_ms: None,
        });
    }

    /// A head of this many records was heard of; `shown` says that a member knows no newer one.
    fn heard(&mut self, size: u64, held: u64, shown: bool, now_ms: u64) {
        while self.lacking.front().is_some_and(|head| head.size <= held) {
            let shown_ms = self.lacking.pop_front().and_then(|head| head.shown_ms);
            self.confirmed_ms = self.confirmed_ms.max(shown_ms);
        }
        if size <= held {
            return;
        }
        let shown_ms = shown.then_some(now_ms);
        // One that is remembered, or one between two of those: it will have arrived when the larger one has.
        if let Some(known) = self.lacking.iter_mut().find(|head| head.size >= size) {
            known.shown_ms = known.shown_ms.max(shown_ms);
            return;
        }
        let full = self.lacking.len() >= MAX_LACKING;
        match self.lacking.back_mut() {
            Some(last) if full || now_ms.saturating_sub(last.since_ms) < TOGETHER_MS => {
                last.size = size;
                last.shown_ms = last.shown_ms.max(shown_ms);
            }
            _ => self.lacking.push_back(Lacking {
                size,
                since_ms: now_ms,
                shown_ms,
            }),
        }
    }

    /// When what is held was last confirmed: as it was, or as a member showed it before it had arrived.
    fn last_confirmed_ms(&self, held: u64) -> Option<u64> {
        let arrived = self.lacking.iter().take_while(|head| head.size <= held);
        arrived
            .filter_map(|head| head.shown_ms)
            .max()
            .max(self.confirmed_ms)
    }

    /// The oldest head that is lacking, by when it was first heard of, and the size of the newest.
    fn lacking(&self, held: u64) -> Option<(u64, u64)> {
        let first = self.lacking.iter().find(|head| head.size > held)?;
        let newest = self.lacking.back()?.size;
        Some((first.since_ms, newest))
    }
}

impl Catalogue {
    /// Whether the copy of a log counts as all that its department has signed, at a time of this peer's clock
    /// that never goes back: how long ago that was confirmed, ms, or why not. It is the one rule on which verdicts,
    /// cases, searches, metrics and proofs rest.
    ///
    /// # Errors
    /// [`Stale`].
    pub fn freshness(&self, id: &LogId, now_ms: u64) -> Result<u64, Stale> {
        if *id == self.own {
            let present = self.members.present_log(&id.department);
            return match self.is_own_log_whole() && present == *id {
                true => Ok(0),
                false => Err(Stale::Unconfirmed),
            };
        }
        let held = self.log(id);
        let held = held.map(|log| (log.size(), log.last_ms().unwrap_or(0)));
        let (size, time_ms) = held.unwrap_or((0, 0));
        let log = *id;
        let history = self.members.history();
        let present = history.present_log(&id.department);
        // What it begins with is known to all, whoever has shown a checkpoint.
        let kept = history.beginning(present).map_or(0, |ended| ended.size);
        if *id != present || size < kept {
            return Err(Stale::Behind {
                log,
                size,
                time_ms,
                newest: kept,
            });
        }
        // Nobody writes on behind what was kept of a member that was removed, and nobody need confirm it.
        if history.state().member(&id.department).is_none() {
            return Ok(0);
        }
        let news = self.news.read();
        let (lacking, confirmed_ms) = match news.get(id) {
            Some(news) => (news.lacking(size), news.last_confirmed_ms(size)),
            None => (None, None),
        };
        if let Some((since_ms, newest)) = lacking
            && now_ms.saturating_sub(since_ms) > self.limits.behind_ms
        {
            return Err(Stale::Behind {
                log,
                size,
                time_ms,
                newest,
            });
        }
        let for_ms = confirmed_ms.map(|confirmed_ms| now_ms.saturating_sub(confirmed_ms));
        match for_ms {
            Some(for_ms) if for_ms <= self.limits.silent_ms => Ok(for_ms),
            None if self.limits.silent_ms == u64::MAX => Ok(0),
            for_ms => Err(Stale::Silent {
                log,
                size,
                time_ms,
                for_ms,
            }),
        }
    }

    /// Enough governors have shown, within the policy's age, that they know of no later block than is known here; by the clock
    /// that never goes back.
    pub fn decisions_confirmed(&self, now_ms: u64) {
        self.decisions_ms.store(now_ms, Ordering::Release);
    }

    /// Whether what is known of the members' decisions counts as all that was decided. It counts for as long after the last
    /// confirmation as a copy of a log may lag: a block that others have is here in much less.
    ///
    /// # Errors
    /// [`Stale::Decisions`].
    pub fn check_decisions(&self, now_ms: u64) -> Result<(), Stale> {
        let confirmed_ms = match self.decisions_ms.load(Ordering::Acquire) {
            NEVER if self.limits == FreshnessLimits::NONE => return Ok(()),
            NEVER => None,
            confirmed_ms => Some(confirmed_ms),
        };
        let for_ms = confirmed_ms.map(|confirmed_ms| now_ms.saturating_sub(confirmed_ms));
        match for_ms.is_some_and(|for_ms| for_ms <= self.limits.behind_ms) {
            true => Ok(()),
            false => Err(Stale::Decisions { for_ms }),
        }
    }

    /// A member said that the head held of a log is the newest it knows: by the calendar, ms since 1970 UTC, and by the
    /// clock that never goes back.
    pub fn confirm(&self, log: LogId, by: DepartmentCode, time_ms: u64, now_ms: u64) {
        let mut all = self.news.write();
        let news = all.entry(log).or_default();
        news.confirmations.add(by, time_ms);
        news.confirmed(now_ms);
    }

    /// A member said that it holds nothing of a log of which nothing is held here either: what comes first is the newest.
    pub fn nothing_of(&self, log: LogId, now_ms: u64) {
        self.news.write().entry(log).or_default().confirmed(now_ms);
    }

    /// A head of a log was heard of that its department signed, and that fits what is held; `shown` says that a member
    /// knows no newer one.
    pub fn heard_of(&self, id: LogId, size: u64, shown: bool, now_ms: u64) {
        let held = self.log(&id).map_or(0, |log| log.size());
        let mut all = self.news.write();
        all.entry(id).or_default().heard(size, held, shown, now_ms);
    }

    /// Records under the newest head heard of, if that is more than is held.
    pub fn newest_known(&self, id: &LogId) -> Option<u64> {
        let held = self.log(id).map_or(0, |log| log.size());
        let (_, newest) = self.news.read().get(id)?.lacking(held)?;
        Some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_head_that_is_lacking_counts_and_arrives_with_all_before_it() {
        let mut news = News::default();
        for (size, now_ms) in [(10, 0), (20, 5_000), (15, 6_000), (30, 9_000)] {
            news.heard(size, 4, false, now_ms);
        }
        assert_eq!(news.lacking(4), Some((0, 30)));
        assert_eq!(news.lacking(10), Some((5_000, 30)));
        assert_eq!(news.lacking(15), Some((5_000, 30)));
        assert_eq!(news.lacking(20), Some((9_000, 30)));
        assert_eq!(news.lacking(30), None);
        // What has arrived is forgotten, and is never lacking again.
        news.heard(12, 20, true, 10_000);
        assert_eq!(news.lacking(20), Some((9_000, 30)));
        assert_eq!(news.last_confirmed_ms(20), None);
    }

    #[test]
    fn a_head_that_a_member_showed_confirms_what_is_held_once_it_has_arrived() {
        let mut news = News::default();
        news.heard(10, 4, true, 3_000);
        assert_eq!(news.last_confirmed_ms(9), None);
        assert_eq!(news.last_confirmed_ms(10), Some(3_000));
        news.heard(20, 10, false, 8_000);
        assert_eq!(news.last_confirmed_ms(20), Some(3_000), "announced alone");
        news.confirmed(5_000);
        assert_eq!(news.last_confirmed_ms(20), Some(5_000));
    }

    #[test]
    fn a_log_that_grows_all_the_time_is_remembered_in_few_entries_and_none_looks_younger() {
        let mut news = News::default();
        for n in 1..=100_000_u64 {
            news.heard(n, 0, n % 3 == 0, n * 20);
        }
        assert!(news.lacking.len() <= MAX_LACKING);
        assert_eq!(news.lacking(0), Some((20, 100_000)));
        for held in [1, 50, 1_000, 99_999] {
            let (since_ms, _) = news.lacking(held).unwrap();
            assert!(since_ms <= (held + 1) * 20, "{held}");
            assert!(
                held > 3_000 || since_ms + TOGETHER_MS >= held * 20,
                "{held}"
            );
        }
        assert_eq!(news.lacking(100_000), None);
    }
}
