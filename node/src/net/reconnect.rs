//! When to dial which member.
//!
//! Pure: the caller brings the time, dials what [`Reconnect::take_due`] returns and reports the outcome. Each member
//! waits between dials for a time that doubles from [`ReconnectConfig::first`] to [`ReconnectConfig::max`], drawn at
//! random from the upper half of that span so that a whole network that lost one peer does not return to it in step.
//! The waits start over only after a connection that lived for [`ReconnectConfig::stable_after`]: a peer that accepts
//! and then drops us at once is as unreachable as one that does not answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::config::ReconnectConfig;

/// Which members are to be dialled, and when.
#[derive(Debug)]
pub(super) struct Reconnect {
    local: PeerId,
    config: ReconnectConfig,
    members: BTreeMap<PeerId, Member>,
}

#[derive(Debug)]
struct Member {
    state: State,
    /// Failures since the last good connection.
    failures: u32,
    jitter: Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Dialling,
    Connected { since: Instant },
}

impl Reconnect {
    pub(super) fn new(local: PeerId, config: ReconnectConfig) -> Self {
        Self {
            local,
            config,
            members: BTreeMap::new(),
        }
    }

    /// Starts to keep `peer` connected: at once, or after the head start if its id is the smaller one. Does nothing
    /// if that is already so.
    pub(super) fn insert(&mut self, peer: PeerId, now: Instant) {
        let wait = if self.local < peer {
            Duration::ZERO
        } else {
            self.config.head_start
        };
        let jitter = Jitter::new(&self.local, &peer);
        self.members.entry(peer).or_insert(Member {
            state: State::Waiting { until: now + wait },
            failures: 0,
            jitter,
        });
    }

    /// Dials `peer` no more.
    pub(super) fn remove(&mut self, peer: &PeerId) {
        self.members.remove(peer);
    }

    /// The peers to dial now; each counts as being dialled until the outcome is reported.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (peer, member) in &mut self.members {
            if matches!(member.state, State::Waiting { until } if until <= now) {
                member.state = State::Dialling;
                due.push(*peer);
            }
        }
        due
    }

    /// When [`take_due`](Self::take_due) will next return something.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self.members.values().filter_map(|m| match m.state {
            State::Waiting { until } => Some(until),
            State::Dialling | State::Connected { .. } => None,
        });
        waiting.min()
    }

    /// The first connection with `peer` was established, by whichever side.
    pub(super) fn connected(&mut self, peer: &PeerId, now: Instant) {
        if let Some(member) = self.members.get_mut(peer) {
            member.state = State::Connected { since: now };
        }
    }

    /// The last connection with `peer` was lost.
    pub(super) fn disconnected(&mut self, peer: &PeerId, now: Instant) {
        let Some(member) = self.members.get_mut(peer) else {
            return;
        };
        if let State::Connected { since } = member.state
            && now.saturating_duration_since(since) >= self.config.stable_after
        {
            member.failures = 0;
        }
        member.wait(&self.config, now);
    }

    /// A dial of `peer` failed. Means nothing if the peer connected to us meanwhile.
    pub(super) fn dial_failed(&mut self, peer: &PeerId, now: Instant) {
        if let Some(member) = self.members.get_mut(peer)
            && member.state == State::Dialling
        {
            member.wait(&self.config, now);
        }
    }

    /// `peer` was disconnected on purpose: its next dial waits as long as any.
    #[cfg(test)]
    pub(super) fn postpone(&mut self, peer: &PeerId) {
        if let Some(member) = self.members.get_mut(peer) {
            member.state = State::Dialling;
            member.failures = u32::MAX;
        }
    }
}

impl Member {
    /// Waits for the next dial, longer each time.
    fn wait(&mut self, config: &ReconnectConfig, now: Instant) {
        let wait = delay(config, self.failures, self.jitter.next());
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: now + wait };
    }
}

/// The wait after a number of earlier failures, with `random` in 0..=[`u32::MAX`] choosing the place within the span.
fn delay(config: &ReconnectConfig, failures: u32, random: u32) -> Duration {
    let factor = 2u32.saturating_pow(failures.saturating_add(1));
    let upper = config.first.saturating_mul(factor).min(config.max);
    let lower = (upper / 2).max(config.first).min(upper);
    lower + (upper - lower).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// A small generator (SplitMix64) seeded by the pair of peers: the same pair always waits the same times, different
/// pairs different ones. It only spreads dials out; nothing rests on it being hard to guess.
#[derive(Debug)]
struct Jitter(u64);

impl Jitter {
    fn new(local: &PeerId, remote: &PeerId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("certmesh reconnect jitter v1");
        hasher.update(&local.to_bytes());
        hasher.update(&remote.to_bytes());
        let mut seed = [0; 8];
        hasher.finalize_xof().fill(&mut seed);
        Self(u64::from_le_bytes(seed))
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [a, b, c, d, ..] = (z ^ (z >> 31)).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> (Reconnect, PeerId, Instant) {
        let (a, b) = (PeerId::random(), PeerId::random());
        let (local, remote) = (a.min(b), a.max(b));
        let now = Instant::now();
        let mut schedule = Reconnect::new(local, ReconnectConfig::default());
        schedule.insert(remote, now);
        (schedule, remote, now)
    }

    /// Dials at the due time, fails at once, and returns the wait until the next dial.
    fn fail_once(schedule: &mut Reconnect, peer: PeerId) -> Duration {
        let now = schedule.next_due().unwrap();
        assert_eq!(schedule.take_due(now), [peer]);
        assert_eq!(schedule.next_due(), None);
        schedule.dial_failed(&peer, now);
        schedule.next_due().unwrap() - now
    }

    #[test]
    fn waits_double_from_the_first_to_the_longest_and_stay_there() {
        let (mut schedule, peer, _) = schedule();
        let config = ReconnectConfig::default();
        let waits: Vec<_> = (0..40).map(|_| fail_once(&mut schedule, peer)).collect();
        assert!(
            waits
                .iter()
                .all(|w| (config.first..=config.max).contains(w))
        );
        for (n, wait) in (0..).zip(&waits) {
            let upper = (config.first * 2u32.saturating_pow(n + 1).min(1 << 16)).min(config.max);
            assert!(*wait <= upper && *wait >= upper / 2, "wait {n}: {wait:?}");
        }
        let (last, before) = (waits[39], waits[38]);
        assert_ne!(last, before, "the longest waits are still spread");
    }

    #[test]
    fn the_delay_never_overflows_or_leaves_its_span() {
        for failures in [0, 1, 5, 31, 32, 1000, u32::MAX] {
            for random in [0, 1, u32::MAX / 2, u32::MAX] {
                let config = ReconnectConfig::default();
                let wait = delay(&config, failures, random);
                assert!((config.first..=config.max).contains(&wait));
            }
        }
    }

    #[test]
    fn only_a_connection_that_lived_long_enough_resets_the_waits() {
        let (mut schedule, peer, _) = schedule();
        for _ in 0..10 {
            fail_once(&mut schedule, peer);
        }
        let up = schedule.next_due().unwrap();
        schedule.take_due(up);
        schedule.connected(&peer, up);
        assert_eq!(schedule.next_due(), None);
        let down = up + Duration::from_secs(9);
        schedule.disconnected(&peer, down);
        assert!(schedule.next_due().unwrap() - down > Duration::from_secs(7));

        let up = schedule.next_due().unwrap();
        schedule.take_due(up);
        schedule.connected(&peer, up);
        let down = up + Duration::from_secs(10);
        schedule.disconnected(&peer, down);
        assert!(schedule.next_due().unwrap() - down <= Duration::from_millis(500));
    }

    #[test]
    fn a_dial_that_lost_against_an_incoming_connection_changes_nothing() {
        let (mut schedule, peer, now) = schedule();
        assert_eq!(schedule.take_due(now), [peer]);
        schedule.connected(&peer, now);
        schedule.dial_failed(&peer, now);
        assert_eq!(schedule.next_due(), None);
        assert!(
            schedule
                .take_due(now + Duration::from_secs(3600))
                .is_empty()
        );
    }

    #[test]
    fn a_peer_disconnected_on_purpose_is_dialled_as_late_as_any() {
        let (mut schedule, peer, now) = schedule();
        schedule.take_due(now);
        schedule.connected(&peer, now);
        let down = now + Duration::from_secs(100);
        schedule.postpone(&peer);
        schedule.disconnected(&peer, down);
        assert!(schedule.next_due().unwrap() - down >= Duration::from_secs(7));
    }

    #[test]
    fn the_larger_id_gives_the_smaller_one_a_head_start() {
        let (a, b) = (PeerId::random(), PeerId::random());
        let (small, large) = (a.min(b), a.max(b));
        let now = Instant::now();
        let mut of_small = Reconnect::new(small, ReconnectConfig::default());
        of_small.insert(large, now);
        let mut of_large = Reconnect::new(large, ReconnectConfig::default());
        of_large.insert(small, now);
        assert_eq!(of_small.next_due(), Some(now));
        let head_start = ReconnectConfig::default().head_start;
        assert_eq!(of_large.next_due(), Some(now + head_start));
    }

    #[test]
    fn two_peers_that_lost_the_same_third_wait_differently() {
        let third = PeerId::random();
        let waits = [(), ()].map(|()| {
            let mut schedule = Reconnect::new(PeerId::random(), ReconnectConfig::default());
            schedule.insert(third, Instant::now());
            fail_once(&mut schedule, third)
        });
        assert_ne!(waits[0], waits[1]);
    }

    #[test]
    fn a_removed_member_is_not_dialled() {
        let (mut schedule, peer, now) = schedule();
        schedule.remove(&peer);
        assert_eq!(schedule.next_due(), None);
        assert!(schedule.take_due(now).is_empty());
    }
}
