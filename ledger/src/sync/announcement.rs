//! Gossip: a hint that makes replication faster, never what it rests on.

use super::message::Announcement;
use super::state::{Command, Gossiped, Holdings, Sync, Verdict};

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
        let verdict = match announcement.map(|announcement| *announcement) {
            None => Verdict::Reject,
            Some(Announcement::Fork(evidence)) => {
                if !self.logs.contains_key(&evidence.log()) {
                    Verdict::Reject
                } else if holdings.forked(&evidence.log()) {
                    Verdict::Ignore
                } else if evidence.verify(&self.members).is_ok() {
                    self.freeze_quietly(evidence, holdings, out);
                    Verdict::Accept
                } else {
                    Verdict::Reject
                }
            }
            Some(Announcement::Head(page)) => self.head_announced(from, page, holdings, out),
        };
        if verdict == Verdict::Reject {
            self.blame(
                from,
                "passed on gossip that no member signed".into(),
                now_ms,
                out,
            );
        }
        out.push(Command::Judge { id, verdict });
    }

    /// Gossip passes the evidence on by itself.
    fn freeze_quietly(
        &mut self,
        evidence: crate::log::ForkEvidence,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let before = out.len();
        self.freeze(evidence.from_a_stranger(), holdings, out);
        out.truncate(out.len().min(before + 1));
    }

    fn head_announced(
        &mut self,
        from: crate::id::DepartmentCode,
        page: crate::log::Page,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) -> Verdict {
        let log = page.checkpoint.checkpoint.log;
        let Some(progress) = self.logs.get(&log) else {
            return Verdict::Reject;
        };
        if progress.ended
            || page.checkpoint.checkpoint.size <= progress.received.max(holdings.held(&log))
        {
            // Old news. Whether it contradicts what is held shows when heads are compared.
            return Verdict::Ignore;
        }
        let Some(checkpoint) = self.check(&page.checkpoint, holdings) else {
            return Verdict::Reject;
        };
        let Ok(end) = page.end() else {
            return Verdict::Reject;
        };
        if end > checkpoint.size {
            return Verdict::Reject;
        }
        // Its author holds it for certain; whoever passed it on will in a moment.
        let holder = if self.peers.contains_key(&log.department) {
            log.department
        } else {
            from
        };
        self.note_size(&holder, &log, checkpoint.size);
        let Some(progress) = self.logs.get_mut(&log) else {
            return Verdict::Reject;
        };
        let received = progress.received.max(holdings.held(&log));
        // Only what continues what is held can be used at once; anything else is fetched.
        let continues =
            page.from <= received && end > received && progress.storing < 4 && !progress.fetching;
        if continues && progress.search.is_none() && log != self.own {
            progress.received = end;
            progress.storing += 1;
            out.push(Command::Store {
                from,
                page: Box::new(page),
            });
        }
        Verdict::Accept
    }
}
