//! Gossip: a hint that makes replication faster, never what it rests on.

use super::interface::{Command, Gossiped, Holdings, Judgement};
use super::message::Announcement;
use super::state::Sync;

impl Sync {
    pub(super) fn gossiped(
        &mut self,
        gossiped: Gossiped,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let Gossiped {
            from,
            id,
            announcement,
        } = gossiped;
        let judgement = match announcement.map(|announcement| *announcement) {
            None => Judgement::Reject,
            Some(Announcement::Fork(evidence)) => {
                if !self.logs.contains_key(&evidence.log()) {
                    Judgement::Reject
                } else if holdings.forked(&evidence.log()) {
                    Judgement::Ignore
                } else if evidence.verify(&self.members).is_ok() {
                    self.freeze(evidence.from_a_stranger(), out);
                    Judgement::Accept
                } else {
                    Judgement::Reject
                }
            }
            Some(Announcement::Head(page)) => self.head_announced(from, page, holdings, out),
        };
        if judgement == Judgement::Reject {
            self.blame(
                from,
                "passed on gossip that no member signed".into(),
                now_ms,
                out,
            );
        }
        out.push(Command::Judge { id, judgement });
    }

    fn head_announced(
        &mut self,
        from: crate::id::DepartmentCode,
        page: crate::log::Page,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) -> Judgement {
        let log = page.checkpoint.checkpoint.log;
        let Some(progress) = self.logs.get(&log) else {
            return Judgement::Reject;
        };
        let (ended, received) = (progress.ended, progress.received.max(holdings.held(&log)));
        if page.checkpoint.checkpoint.size <= received || holdings.stopped(&log) {
            // Old news. Whether it contradicts what is held shows when heads are compared.
            return Judgement::Ignore;
        }
        // Every byte, before it is passed on: otherwise whoever passes it on would be blamed for it.
        let Ok(verified) = page.clone().verify(&self.members) else {
            return Judgement::Reject;
        };
        let (size, end) = (verified.checkpoint().size, verified.end());
        out.push(Command::Announced { log, size });
        let awaited = self.awaits_page(&log);
        if log == self.own {
            self.own_known = self.own_known.max(size);
        }
        if ended {
            // It can't be stored at present, but that there is more has to be known.
            return Judgement::Accept;
        }
        // Its author holds it for certain; whoever passed it on will in a moment.
        let holder = if self.peers.contains_key(&log.department) {
            log.department
        } else {
            from
        };
        self.note_size(&holder, &log, size);
        let Some(progress) = self.logs.get_mut(&log) else {
            return Judgement::Reject;
        };
        let received = progress.received.max(holdings.held(&log));
        // Only what continues what is held can be used at once; anything else is fetched.
        let continues = page.from <= received && end > received && progress.storing < 4 && !awaited;
        if continues && progress.search.is_none() && log != self.own {
            progress.received = end;
            progress.storing += 1;
            out.push(Command::Store {
                from,
                page: Box::new(page),
            });
        }
        Judgement::Accept
    }
}
