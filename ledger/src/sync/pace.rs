//! How well peers answer for pages: who is late, who is slow, and how much to ask of each at once.
//!
//! A page that has not come in time is *stalled*. It gives up its slot, so that another log's turn comes, and its log is
//! asked of other members: of one more at first, of twice as many each time those are late too, so that the number of
//! members that hold a log back hardly matters. The same goes for answers that come slowly and bring little. What waits is
//! bounded by the slots of each peer.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::DepartmentCode;
use crate::log::PageError;
use crate::names::LogId;

use super::interface::Settings;
use super::message::Request;
use super::state::{Peer, Sync, Waiting};

/// An answer that took no longer is never slow, ms: a round trip may take so long.
const ROUND_TRIP_MS: u64 = 250;

/// What a request for a page that was not answered yet holds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its log and a slot: the answer is awaited.
    InTime,
    /// Nothing: another member's answer went beyond where this page begins.
    PassedOver,
    /// Nothing: it is late.
    Stalled,
}

/// The requests for pages of one log that were not answered yet.
#[derive(Default)]
pub(super) struct Asked {
    /// Of whom.
    pub(super) peers: Vec<DepartmentCode>,
    /// How many are awaited.
    pub(super) in_time: usize,
    /// From which positions the stalled ones begin.
    late: Vec<u64>,
}

impl Asked {
    pub(super) fn add(&mut self, peer: DepartmentCode, from: u64, wait: Wait) {
        self.peers.push(peer);
        match wait {
            Wait::InTime => self.in_time += 1,
            Wait::PassedOver => {}
            Wait::Stalled => self.late.push(from),
        }
    }

    /// Requests for what follows the records received that are late.
    pub(super) fn late(&self, received: u64) -> usize {
        self.late.iter().filter(|from| **from >= received).count()
    }
}

impl Waiting {
    /// Which page of which log it asks for.
    pub(super) fn page(&self) -> Option<(LogId, u64)> {
        match self.body {
            Request::Page { log, from, .. } => Some((log, from)),
            _ => None,
        }
    }
}

impl Peer {
    pub(super) fn new(now_ms: u64, settings: &Settings) -> Peer {
        Peer {
            heads_due_ms: now_ms,
            heard: false,
            in_flight: 0,
            avoided_until_ms: 0,
            rests_until_ms: 0,
            unanswered: 0,
            page_bytes: settings.least_page_bytes,
            sizes: BTreeMap::new(),
            cosigned: BTreeMap::new(),
            announcements: BTreeMap::new(),
        }
    }

    fn take_smaller_pages(&mut self, settings: &Settings) {
        self.page_bytes = (self.page_bytes / 2).max(settings.least_page_bytes);
    }
}

impl Sync {
    /// Whether a page of a log is awaited.
    pub(super) fn awaits_page(&self, log: &LogId) -> bool {
        self.waiting.values().any(|waiting| {
            waiting.wait == Wait::InTime && waiting.page().is_some_and(|(asked, _)| asked == *log)
        })
    }

    /// Requests for pages that have waited for too long stall.
    pub(super) fn notice_stalls(&mut self, now_ms: u64) {
        let after_ms = self.settings.hedge_after_ms;
        let mut late = BTreeSet::new();
        for waiting in self.waiting.values_mut() {
            if waiting.page().is_some()
                && waiting.wait != Wait::Stalled
                && waiting.asked_ms.saturating_add(after_ms) <= now_ms
            {
                waiting.wait = Wait::Stalled;
                late.insert(waiting.to);
            }
        }
        // Once, however many of its answers are late: they may share one slow link.
        for peer in late {
            self.unanswered(&peer, now_ms);
        }
    }

    /// A request was given up. One that had stalled has been counted.
    pub(super) fn not_answered(&mut self, waiting: &Waiting, now_ms: u64) {
        if waiting.page().is_some() && waiting.wait != Wait::Stalled {
            self.unanswered(&waiting.to, now_ms);
        }
    }

    /// A peer that does not answer is asked for pages after all others, and less and less often until it answers.
    fn unanswered(&mut self, peer: &DepartmentCode, now_ms: u64) {
        let settings = &self.settings;
        if let Some(peer) = self.peers.get_mut(peer) {
            let rest_ms = settings.heads_every_ms / 2 * (1 << peer.unanswered.min(10));
            let until_ms = now_ms + rest_ms.min(settings.distrust_ms);
            peer.unanswered = peer.unanswered.saturating_add(1);
            peer.take_smaller_pages(settings);
            peer.rests_until_ms = peer.rests_until_ms.max(until_ms);
            peer.heads_due_ms = peer.heads_due_ms.min(now_ms + settings.heads_every_ms / 2);
        }
    }

    /// Judges how a page came. One that came late or slowly is used, but its sender is asked after all others; it need not
    /// rest any more, since on a link that is slow for everybody all senders are such.
    pub(super) fn page_answered(
        &mut self,
        waiting: &Waiting,
        (bytes, end): (usize, Result<u64, PageError>),
        now_ms: u64,
    ) {
        let (Some(peer), Request::Page { log, max_bytes, .. }) =
            (self.peers.get_mut(&waiting.to), &waiting.body)
        else {
            return;
        };
        let settings = &self.settings;
        let took_ms = now_ms.saturating_sub(waiting.asked_ms);
        let bytes = bytes as u64;
        // More than it said it holds can't be asked of it, and an old checkpoint is no excuse to send less.
        let said = peer.sizes.get(log).copied().unwrap_or(0);
        let is_slow = took_ms > ROUND_TRIP_MS
            && bytes * 1_000 < took_ms.saturating_mul(settings.min_bytes_per_s)
            && end.is_ok_and(|end| end < said);
        let is_short = bytes < u64::from(max_bytes / 2);
        if let Some(progress) = self.logs.get_mut(log) {
            progress.drips = if is_slow && is_short {
                progress.drips.saturating_add(1)
            } else {
                0
            };
        }
        let is_late = took_ms >= settings.hedge_after_ms;
        peer.rests_until_ms = 0;
        peer.unanswered = u32::from(is_slow || is_late);
        if is_slow || is_late && waiting.wait != Wait::Stalled {
            peer.take_smaller_pages(settings);
        } else if !is_late {
            // Twice as much would have come in time too.
            if took_ms <= settings.hedge_after_ms / 2 && !is_short {
                let twice = max_bytes.saturating_mul(2).min(settings.page_bytes);
                peer.page_bytes = peer.page_bytes.max(twice);
            }
        }
    }

    /// Records up to a position were received: requests for pages from before it no longer hold anything up.
    pub(super) fn pass_over(&mut self, log: &LogId, received: u64) {
        for waiting in self.waiting.values_mut() {
            if waiting.wait == Wait::InTime
                && waiting
                    .page()
                    .is_some_and(|(asked, from)| asked == *log && from < received)
            {
                waiting.wait = Wait::PassedOver;
            }
        }
    }
}
