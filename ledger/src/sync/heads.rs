//! Comparing heads.

use crate::id::DepartmentCode;
use crate::log::{ForkEvidence, VerifiedCheckpoint};

use super::message::{Heads, Request};
use super::state::{Command, Holdings, Search, Sync, agrees};

impl Sync {
    pub(super) fn ask_for_heads(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        let due: Vec<DepartmentCode> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.heads_due_ms <= now_ms)
            .map(|(code, _)| *code)
            .collect();
        for code in due {
            if let Some(peer) = self.peers.get_mut(&code) {
                peer.heads_due_ms = now_ms + self.settings.heads_every_ms;
            }
            self.send(code, Request::Heads, now_ms, out);
        }
    }

    pub(super) fn heads_heard(
        &mut self,
        from: DepartmentCode,
        heads: &Heads,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        out.push(Command::Heard(from));
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.sizes.clear();
        }
        let mut doubted = false;
        for head in heads.heads.iter() {
            if !self.logs.contains_key(&head.checkpoint.checkpoint.log) {
                continue;
            }
            let Some(checkpoint) = self.check(&head.checkpoint, holdings) else {
                self.blame(
                    from,
                    "sent a head that its department did not sign".into(),
                    now_ms,
                    out,
                );
                return;
            };
            if let Some(cosignature) = &head.cosignature
                && holdings
                    .accepted(&checkpoint.log)
                    .is_some_and(|accepted| *accepted == *checkpoint)
                && cosignature.witness == from
                && cosignature.verify(&checkpoint, &self.members).is_ok()
            {
                out.push(Command::KeepCosignature(
                    checkpoint.clone(),
                    cosignature.clone(),
                ));
            }
            let fits = self.compare(from, &checkpoint, holdings, out);
            doubted |= !fits && checkpoint.log == self.own;
        }
        let ours = &self.logs;
        let asked = |log: &&crate::log::LogId| ours.contains_key(log) && !holdings.forked(log);
        for log in heads
            .forked
            .iter()
            .filter(asked)
            .copied()
            .collect::<Vec<_>>()
        {
            self.send(from, Request::Evidence { log }, now_ms, out);
        }
        if !doubted {
            self.confirmed_by.insert(from);
        }
    }

    /// Compares a signed checkpoint a peer holds with what is held here; gives whether they fit together.
    pub(super) fn compare(
        &mut self,
        from: DepartmentCode,
        checkpoint: &VerifiedCheckpoint,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) -> bool {
        let log = checkpoint.log;
        if let Some(accepted) = holdings.accepted(&log)
            && accepted.contradicts(checkpoint)
            && accepted.root == checkpoint.root
        {
            // The same records, but two words on their statuses.
            let evidence = ForkEvidence::Checkpoints {
                one: accepted.signed().clone(),
                other: checkpoint.signed().clone(),
                shared: checkpoint.size,
            };
            self.freeze(evidence, holdings, out);
            return false;
        }
        match agrees(holdings, checkpoint) {
            Some(false) => {
                self.search(from, checkpoint);
                false
            }
            _ => {
                self.note_size(&from, &log, checkpoint.size);
                true
            }
        }
    }

    fn search(&mut self, peer: DepartmentCode, checkpoint: &VerifiedCheckpoint) {
        if let Some(progress) = self
            .logs
            .get_mut(&checkpoint.log)
            .filter(|progress| !progress.ended)
        {
            progress.search.get_or_insert(Search {
                peer,
                same: 0,
                differ: checkpoint.size,
                asked: 0,
            });
        }
    }

    pub(super) fn freeze(
        &mut self,
        evidence: ForkEvidence,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        if !holdings.forked(&evidence.log()) {
            self.keep(evidence, out);
        }
    }

    /// Has evidence kept and passed on. A log that found the fork itself has stopped by then: that it is stopped says
    /// nothing about whether anybody else knows why.
    pub(super) fn keep(&mut self, evidence: ForkEvidence, out: &mut Vec<Command>) {
        if let Some(progress) = self.logs.get_mut(&evidence.log()) {
            progress.ended = true;
            progress.search = None;
        }
        out.push(Command::Freeze(Box::new(evidence.clone())));
        out.push(Command::Announce(Box::new(
            super::message::Announcement::Fork(evidence),
        )));
    }

    pub(super) fn evidence_heard(
        &mut self,
        from: DepartmentCode,
        evidence: ForkEvidence,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        if evidence.verify(&self.members).is_ok() {
            self.freeze(evidence.from_a_stranger(), holdings, out);
        } else {
            self.blame(
                from,
                "sent evidence of a fork that proves nothing".into(),
                now_ms,
                out,
            );
        }
    }
}
