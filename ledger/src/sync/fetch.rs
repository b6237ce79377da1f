//! Fetching pages, and finding where two histories part.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::id::DepartmentCode;
use crate::log::{Applied, ApplyError, KeptPage, Page, PageError};
use crate::names::LogId;

use super::interface::{Command, Holdings, Received, StoreFailure, Stored};
use super::message::Request;
use super::pace::{Asked, Wait};
use super::state::{Peer, Progress, Search, Sync};

/// Bytes asked for while searching: a few records are enough to compare.
const SEARCH_BYTES: u32 = 32 * 1024;

/// Pages of a log handed over to be stored at once, most: a page ahead of the disk, announcements, and what came late.
pub(super) const MAX_STORING: usize = 5;

impl Sync {
    /// Asks for the next pages, as many as the bounds allow.
    pub(super) fn ask_for_pages(
        &mut self,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let mut asked: BTreeMap<LogId, Asked> = BTreeMap::new();
        for waiting in self.waiting.values() {
            if let Some((log, from)) = waiting.page() {
                asked
                    .entry(log)
                    .or_default()
                    .add(waiting.to, from, waiting.wait);
            }
        }
        let awaited = |asked: &&Asked| asked.in_time > 0;
        let mut in_flight = asked.values().filter(awaited).count();
        let mut logs: Vec<LogId> = self.logs.keys().copied().collect();
        let next = logs.partition_point(|log| Some(*log) <= self.last_asked);
        logs.rotate_left(next);
        for log in logs {
            let mut asked = asked.remove(&log).unwrap_or_default();
            // A log that has its slot may be requested from several members.
            while (asked.in_time > 0 || in_flight < self.settings.pages_in_flight)
                && self.ask_for_page(log, &mut asked, now_ms, holdings, out)
            {
                in_flight += usize::from(asked.in_time == 1);
                self.last_asked = Some(log);
            }
        }
    }

    fn ask_for_page(
        &mut self,
        log: LogId,
        asked: &mut Asked,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) -> bool {
        let Some(progress) = self.logs.get_mut(&log) else {
            return false;
        };
        if progress.settled && progress.search.is_none() {
            return false;
        }
        if progress.ended || progress.storing > 2 || holdings.stopped(&log) {
            return false;
        }
        if progress.storing == 0 {
            progress.received = holdings.held(&log);
        }
        let received = progress.received;
        let held_up = asked.late(received) + progress.drips;
        if asked.in_time >= held_up.max(1) {
            return false;
        }
        let ask = match &mut progress.search {
            Some(search)
                if progress.storing == 0
                    && !asked.peers.contains(&search.peer)
                    && self
                        .peers
                        .get(&search.peer)
                        .is_some_and(|peer| peer.in_flight < self.settings.pages_per_peer) =>
            {
                let middle = search.same + (search.differ - search.same) / 2;
                search.asked = Some(middle);
                Some((search.peer, middle, SEARCH_BYTES))
            }
            Some(_) => None,
            None if log == self.own && self.confirmed => None,
            None => {
                let lacking = progress.lacking(log, holdings);
                progress.settled = lacking.is_none();
                let least = self.settings.least_page_bytes;
                lacking
                    .and_then(|size| self.choose(&log, size, &asked.peers, now_ms))
                    // What is requested from several comes several times: little of it.
                    .map(|(peer, bytes)| (peer, received, if held_up > 0 { least } else { bytes }))
            }
        };
        let Some((peer, from, max_bytes)) = ask else {
            return false;
        };
        asked.add(peer, from, Wait::InTime);
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.in_flight += 1;
        }
        self.send(
            peer,
            Request::Page {
                log,
                from,
                max_bytes,
            },
            now_ms,
            out,
        );
        true
    }

    /// A peer that holds at least this much of a log, and the bytes to request from it: of those that answer best and
    /// take the largest pages, the log's department's own if possible, else the idlest, each in turn. None is asked
    /// twice at once for one log.
    fn choose(
        &mut self,
        log: &LogId,
        size: u64,
        asked: &[DepartmentCode],
        now_ms: u64,
    ) -> Option<(DepartmentCode, u32)> {
        let known = |peer: &Peer| peer.sizes.get(log).copied().unwrap_or(0);
        let most = self.peers.values().map(known).max().unwrap_or(0);
        if let Some(progress) = self.logs.get_mut(log) {
            progress.known = most;
        }
        let rank = |peer: &Peer| (peer.unanswered, Reverse(peer.page_bytes));
        let able: Vec<(&DepartmentCode, &Peer)> = self
            .peers
            .iter()
            .filter(|(code, peer)| {
                known(peer) >= size
                    && peer.in_flight < self.settings.pages_per_peer
                    && peer.avoided_until_ms.max(peer.rests_until_ms) <= now_ms
                    && !asked.contains(code)
            })
            .collect();
        let first = able.iter().map(|(_, peer)| rank(peer)).min()?;
        let best = able.into_iter().filter(|(_, peer)| rank(peer) == first);
        let best: Vec<(usize, DepartmentCode)> =
            best.map(|(code, peer)| (peer.in_flight, *code)).collect();
        let (_, Reverse(bytes)) = first;
        if best.iter().any(|(_, code)| *code == log.department) {
            return Some((log.department, bytes));
        }
        let idlest = best.iter().map(|(in_flight, _)| *in_flight).min()?;
        let mut idle = best.iter().filter(|(in_flight, _)| *in_flight == idlest);
        self.rotation = self.rotation.wrapping_add(1);
        let turn = self.rotation % idle.clone().count();
        idle.nth(turn).map(|(_, code)| (*code, bytes))
    }

    pub(super) fn page_received(
        &mut self,
        from: DepartmentCode,
        log: LogId,
        at: u64,
        page: Page,
        now_ms: u64,
        out: &mut Vec<Command>,
    ) {
        let size = page.checkpoint.checkpoint.size;
        let end = match page.end() {
            Ok(end) if page.checkpoint.checkpoint.log == log && page.from == at && end <= size => {
                end
            }
            _ => {
                self.end_search(&log, from);
                return self.blame(
                    from,
                    "sent another page than was asked for".into(),
                    now_ms,
                    out,
                );
            }
        };
        if end == at && size > at {
            self.end_search(&log, from);
            return self.blame(from, "sent a page without records".into(), now_ms, out);
        }
        self.lower_size(&from, &log, size);
        let Some(progress) = self.logs.get_mut(&log) else {
            return;
        };
        if progress.ended {
            return;
        }
        if progress.storing >= MAX_STORING {
            return;
        }
        match &progress.search {
            Some(search) if search.peer == from && search.asked == Some(at) => {}
            // What it compares is the page that it asked for, and no other.
            Some(_) => return,
            // A gap: a page before it was not stored.
            None if at > progress.received => return,
            None if end > progress.received => {
                progress.received = end;
                self.pass_over(&log, end);
            }
            // Nothing new, unless its checkpoint is to be accepted over records that are held.
            None if end < size || progress.storing > 0 => return,
            None => {}
        }
        if let Some(progress) = self.logs.get_mut(&log) {
            progress.storing += 1;
        }
        let records = Received::Page(Box::new(page));
        out.push(Command::Store { from, records });
    }

    /// Records that a generation begins with: nothing is compared with them, since the members said what they are.
    pub(super) fn kept_received(
        &mut self,
        from: DepartmentCode,
        (log, at): (LogId, u64),
        page: KeptPage,
        now_ms: u64,
        out: &mut Vec<Command>,
    ) {
        self.end_search(&log, from);
        let end = match page.end() {
            Ok(end) if page.log == log && page.from == at && end > at => end,
            _ => {
                let what = "sent other records than were asked for".into();
                return self.blame(from, what, now_ms, out);
            }
        };
        let Some(progress) = self.logs.get_mut(&log) else {
            return;
        };
        let is_next = at <= progress.received && end > progress.received;
        if progress.ended || progress.storing >= MAX_STORING || !is_next {
            return;
        }
        progress.received = end;
        progress.storing += 1;
        self.pass_over(&log, end);
        let records = Received::Kept(Box::new(page));
        out.push(Command::Store { from, records });
    }

    /// A peer that answers a search with what was not asked for ends it: otherwise it would be asked again at once.
    fn end_search(&mut self, log: &LogId, peer: DepartmentCode) {
        if let Some(progress) = self.logs.get_mut(log) {
            progress.search.take_if(|search| search.peer == peer);
        }
    }

    pub(super) fn page_stored(
        &mut self,
        stored: Stored,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let Stored { log, from, result } = stored;
        let Some(progress) = self.logs.get_mut(&log) else {
            return;
        };
        progress.storing = progress.storing.saturating_sub(1);
        progress.settled = false;
        if result.is_err() {
            // Whatever was received after this page is of no use now.
            progress.received = holdings.held(&log);
        }
        match result {
            Ok(Applied::Accepted(checkpoint)) => {
                self.note_size(&from, &log, checkpoint.size);
                self.changed(now_ms);
                // A signature says that all of it was checked.
                if log != self.own && holdings.checked(&log) {
                    out.push(Command::Cosign(*checkpoint));
                }
            }
            Ok(Applied::Progress { .. }) => {}
            Ok(Applied::Nothing) => progress.same_on_page(),
            // Which of the two knows too little of governance, its comparison shows. Till the heads are next compared, nothing
            // more of this log is asked of that peer.
            Err(StoreFailure::Page(PageError::Checkpoint(error))) if !error.is_senders_fault() => {
                self.lower_size(&from, &log, holdings.held(&log));
            }
            Err(StoreFailure::Page(error)) => {
                progress.search.take_if(|search| search.peer == from);
                self.blame(
                    from,
                    format!("sent a page that does not verify: {error}"),
                    now_ms,
                    out,
                );
            }
            // It is asked for again, as after a gap.
            Err(StoreFailure::Busy(_)) => {}
            Err(StoreFailure::Apply(error)) => {
                self.not_applied(log, from, error, now_ms, out);
            }
        }
    }

    fn not_applied(
        &mut self,
        log: LogId,
        from: DepartmentCode,
        error: ApplyError,
        now_ms: u64,
        out: &mut Vec<Command>,
    ) {
        let kept = self.kept(&log);
        let Some(progress) = self.logs.get_mut(&log) else {
            return;
        };
        match error {
            // An earlier page failed; what is missing is asked for again.
            ApplyError::Gap { .. } => {}
            ApplyError::Stale { .. } => {
                // Records are compared first: those on the page are the same.
                progress.same_on_page();
                self.lower_size(&from, &log, 0);
            }
            ApplyError::Diverged { below } => progress.differs_below(from, kept..below),
            // What an ended key still signs: nothing more of this log is asked of whoever holds it.
            ApplyError::OtherEnd { .. } => {
                progress.search.take_if(|search| search.peer == from);
                self.lower_size(&from, &log, 0);
            }
            // The log has stopped; the evidence is still to be kept.
            ApplyError::Forked(evidence) => self.freeze_and_tell(*evidence, out),
            ApplyError::Broken(rule) => {
                progress.ended = true;
                let what = format!("signed a log that breaks a rule: {rule}");
                self.blame(log.department, what, now_ms, out);
            }
            ApplyError::Stopped => progress.ended = true,
            // A refused write, or damage on this disk: fetching more would not repair it, opening the log again does.
            ApplyError::Append(_) | ApplyError::Read(_) => {
                progress.ended = true;
                let reason = error.to_string();
                out.push(Command::Reopen { log, reason });
            }
        }
    }
}

impl Progress {
    /// The size from which on some peer's log helps: one more than was received, or just as much when that came on the
    /// way to a later checkpoint and none is accepted over it.
    fn lacking(&self, log: LogId, holdings: &dyn Holdings) -> Option<u64> {
        let more = self.received.saturating_add(1);
        if self.known >= more {
            return Some(more);
        }
        let accepted = || holdings.size(&log);
        let unaccepted =
            self.storing == 0 && self.known == self.received && accepted() < self.received;
        unaccepted.then_some(self.received)
    }

    /// The page a search asked for holds nothing that differs.
    fn same_on_page(&mut self) {
        if let Some(search) = &mut self.search
            && let Some(asked) = search.asked.take()
        {
            search.same = search.same.max(asked + 1);
        }
        self.search.take_if(|search| !search.open());
    }

    /// What a peer holds among these positions differs.
    fn differs_below(&mut self, peer: DepartmentCode, among: Range<u64>) {
        let search = self.search.get_or_insert(Search {
            peer,
            same: among.start,
            differ: among.end,
            asked: None,
        });
        if search.peer == peer {
            search.differ = search.differ.min(among.end);
        }
        self.search.take_if(|search| !search.open());
    }
}
