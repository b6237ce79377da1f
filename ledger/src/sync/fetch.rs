//! Fetching pages, and finding where two histories part.

use crate::id::DepartmentCode;
use crate::log::{Applied, ApplyError, LogId, Page};

use super::message::Request;
use super::state::{Command, Holdings, Search, StoreFailure, Stored, Sync};

/// Bytes asked for while searching: a few records are enough to compare.
const SEARCH_BYTES: u32 = 32 * 1024;

impl Sync {
    /// Asks for the next pages, as many as the bounds allow.
    pub(super) fn ask_for_pages(
        &mut self,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let mut in_flight: usize = self.peers.values().map(|peer| peer.in_flight).sum();
        let logs: Vec<LogId> = self.logs.keys().copied().collect();
        for log in logs {
            if in_flight >= self.settings.pages_in_flight {
                return;
            }
            in_flight += usize::from(self.ask_for_page(log, now_ms, holdings, out));
        }
    }

    fn ask_for_page(
        &mut self,
        log: LogId,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) -> bool {
        let Some(progress) = self.logs.get_mut(&log) else {
            return false;
        };
        if progress.ended || progress.fetching || progress.storing > 1 || holdings.stopped(&log) {
            return false;
        }
        if progress.storing == 0 {
            progress.received = holdings.held(&log);
        }
        let received = progress.received;
        let ask = match &mut progress.search {
            Some(search) if progress.storing == 0 => {
                search.asked = search.same + (search.differ - search.same) / 2;
                Some((search.peer, search.asked, SEARCH_BYTES))
            }
            Some(_) => None,
            None if log == self.own && self.confirmed => None,
            None => {
                let bytes = self.settings.page_bytes;
                self.choose(&log, received, now_ms)
                    .map(|peer| (peer, received, bytes))
            }
        };
        let Some((peer, from, max_bytes)) = ask else {
            return false;
        };
        if let Some(progress) = self.logs.get_mut(&log) {
            progress.fetching = true;
        }
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

    /// A peer that holds more than `received` records of a log: its department's own if possible, else each in turn.
    fn choose(&mut self, log: &LogId, received: u64, now_ms: u64) -> Option<DepartmentCode> {
        let per_peer = self.settings.pages_per_peer;
        let able: Vec<DepartmentCode> = self
            .peers
            .iter()
            .filter(|(_, peer)| {
                peer.sizes.get(log).is_some_and(|size| *size > received)
                    && peer.in_flight < per_peer
                    && peer.distrusted_until_ms <= now_ms
            })
            .map(|(code, _)| *code)
            .collect();
        if able.contains(&log.department) {
            return Some(log.department);
        }
        self.rotation = self.rotation.wrapping_add(1);
        able.get(self.rotation % able.len().max(1)).copied()
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
                return self.blame(
                    from,
                    "sent another page than was asked for".into(),
                    now_ms,
                    out,
                );
            }
        };
        if end == at && size > at {
            return self.blame(from, "sent a page without records".into(), now_ms, out);
        }
        self.note_size(&from, &log, size);
        let Some(progress) = self.logs.get_mut(&log) else {
            return;
        };
        if progress.ended {
            return;
        }
        if progress.search.is_none() {
            if at > progress.received {
                return;
            }
            progress.received = progress.received.max(end);
        }
        progress.storing += 1;
        out.push(Command::Store {
            from,
            page: Box::new(page),
        });
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
        if result.is_err() {
            // Whatever was received after this page is of no use now.
            progress.received = holdings.held(&log);
        }
        match result {
            Ok(Applied::Accepted(checkpoint)) if log != self.own => {
                out.push(Command::Cosign(*checkpoint));
            }
            Ok(Applied::Accepted(_) | Applied::Progress { .. }) => {}
            Ok(Applied::Nothing) => {
                if let Some(search) = &mut progress.search {
                    // Everything on the page is the same.
                    search.same = search.asked + 1;
                    if search.same >= search.differ {
                        progress.search = None;
                    }
                }
            }
            Err(StoreFailure::Page(error)) => {
                progress.search = None;
                self.blame(
                    from,
                    format!("sent a page that does not verify: {error}"),
                    now_ms,
                    out,
                );
            }
            Err(StoreFailure::Apply(error)) => {
                self.not_applied(log, from, error, now_ms, holdings, out);
            }
        }
    }

    fn not_applied(
        &mut self,
        log: LogId,
        from: DepartmentCode,
        error: ApplyError,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let Some(progress) = self.logs.get_mut(&log) else {
            return;
        };
        match error {
            // An earlier page failed; what is missing is asked for again.
            ApplyError::Gap { .. } => {}
            ApplyError::Stale { size, .. } => {
                self.note_size(&from, &log, size.min(holdings.held(&log)));
            }
            ApplyError::Diverged { below } => match &mut progress.search {
                Some(search) => search.differ = search.differ.min(below),
                None => {
                    progress.search = Some(Search {
                        peer: from,
                        same: 0,
                        differ: below,
                        asked: 0,
                    });
                }
            },
            ApplyError::Forked(evidence) => self.keep(*evidence, out),
            ApplyError::Broken(rule) => {
                progress.ended = true;
                let what = format!("signed a log that breaks a rule: {rule}");
                self.blame(log.department, what, now_ms, out);
            }
            ApplyError::Stopped | ApplyError::Append(_) => progress.ended = true,
            // Damage on this disk: fetching more would not mend it, a restart does.
            ApplyError::Read(_) => progress.ended = true,
        }
    }
}
