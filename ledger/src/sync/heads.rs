//! Comparing heads.

use std::collections::BTreeSet;

use crate::crypto::hash::Hash;
use crate::governance::Judgement;
use crate::id::DepartmentCode;
use crate::log::{ForkEvidence, VerifiedCheckpoint};
use crate::names::LogId;

use super::interface::{Command, Holdings, OwnLog};
use super::message::{Announcement, Head, Heads, Request};
use super::state::{Search, Sync, Waiting, agrees};

/// Peers to compare heads with after a change, each in turn.
const COMPARED_AFTER_CHANGE: usize = 8;

/// Peers to compare heads with in the time between two comparisons with the same peer: all of them in a network of up to 65
/// members; of more they take turns.
const COMPARED_IN_TURN: u64 = 64;

/// A signature under the same checkpoint is checked and kept again when it is this much newer, ms.
const COSIGNED_AGAIN_MS: u64 = 3_600_000;

/// Evidence asked for at once, of one peer.
const EVIDENCE_AT_ONCE: usize = 4;

impl Sync {
    pub(super) fn ask_for_heads(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        let mut after_change = BTreeSet::new();
        if self.compare_at_ms.take_if(|at| *at <= now_ms).is_some() {
            let codes: Vec<DepartmentCode> = self.peers.keys().copied().collect();
            let first = self.rotation % codes.len().max(1);
            let few = codes.len().min(COMPARED_AFTER_CHANGE);
            after_change.extend(codes.iter().cycle().skip(first).take(few));
            self.rotation = self.rotation.wrapping_add(COMPARED_AFTER_CHANGE);
        }
        let each_ms = self.settings.heads_every_ms / COMPARED_IN_TURN;
        let has_turn = self.comparisons.has(now_ms, COMPARED_IN_TURN, each_ms);
        // An answer is as long as there are logs: if all peers were asked each time, what a peer is sent at rest would grow with
        // the square of the network. One that was not heard yet does not wait, nor does any while the own log needs to be
        // confirmed.
        let (mut asked, mut in_turn) = (after_change, Vec::new());
        for (code, peer) in &self.peers {
            if peer.heads_due_ms > now_ms || asked.contains(code) {
                continue;
            }
            if !peer.heard || !self.confirmed {
                asked.insert(*code);
            } else if has_turn {
                in_turn.push((peer.heads_due_ms, *code));
            }
        }
        // Whoever has waited longest comes first, so that each has its turn.
        in_turn.sort_unstable();
        for (_, code) in in_turn {
            if self.comparisons.take(now_ms, COMPARED_IN_TURN, each_ms) {
                asked.insert(code);
            }
        }
        for code in asked {
            self.ask_for_heads_of(code, now_ms, out);
        }
    }

    /// Asks a peer for its heads, unless it has been asked and has not answered.
    fn ask_for_heads_of(&mut self, code: DepartmentCode, now_ms: u64, out: &mut Vec<Command>) {
        if let Some(peer) = self.peers.get_mut(&code) {
            peer.heads_due_ms = now_ms + self.settings.heads_every_ms;
        }
        let asked =
            |waiting: &Waiting| waiting.to == code && matches!(waiting.body, Request::Heads { .. });
        if !self.waiting.values().any(asked) {
            let instance = self.instance;
            self.send(code, Request::Heads { instance }, now_ms, out);
        }
    }

    /// A peer's heads were heard; whether they `count` as its department's word says which run of the peer sent them.
    pub(super) fn heads_heard(
        &mut self,
        (from, counts): (DepartmentCode, bool),
        heads: &Heads,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let heard = out.len();
        // A suspended member's word counts for nothing, whichever run of its peer it is.
        let counts = counts && self.members.counts(&from);
        self.elsewhere.remove(&from);
        if heads.rival {
            self.rival_at.insert(from);
        } else {
            self.rival_at.remove(&from);
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.sizes.clear();
            peer.heard = true;
        }
        // One that says "another was first" to some withholds from it what is newer: nothing is confirmed by the others alone.
        let confirms = counts && self.elsewhere.is_empty();
        let mut doubted = false;
        let (mut confirmed, mut newer) = (Vec::new(), Vec::new());
        for head in heads.heads.iter() {
            if !self.logs.contains_key(&head.checkpoint.checkpoint.log) {
                continue;
            }
            let checkpoint = match self.check(&head.checkpoint, holdings) {
                Ok(checkpoint) => checkpoint,
                // Signed by decisions that aren't known here, or void by such as aren't known there. What it holds of the own
                // log is not known then.
                Err(error) if !error.is_senders_fault() => {
                    doubted |= head.checkpoint.checkpoint.log == self.own;
                    continue;
                }
                Err(_) => {
                    let what = "sent a head that its department did not sign".into();
                    self.blame(from, what, now_ms, out);
                    return;
                }
            };
            let accepted = holdings.accepted(&checkpoint.log);
            if accepted.as_ref() == Some(&checkpoint) {
                if confirms {
                    confirmed.push(checkpoint.log);
                }
                if counts {
                    self.cosigned(from, head, &checkpoint, out);
                }
            }
            let fits = self.compare(from, &checkpoint, holdings, out);
            if fits && checkpoint.size > accepted.map_or(0, |accepted| accepted.size) {
                newer.push((checkpoint.log, checkpoint.size));
            }
            doubted |= !fits && checkpoint.log == self.own;
        }
        let all = heads.heads.iter();
        let shown: BTreeSet<LogId> = all.map(|head| head.checkpoint.checkpoint.log).collect();
        // Whoever doesn't know yet that a log goes on in a generation says nothing of that by not showing it.
        let history = self.members.history();
        let knows = |log: &LogId| {
            let began = history.beginning(*log).map_or(0, |ended| ended.height);
            began <= heads.governance.height
        };
        let not_shown = self.logs.keys().copied().filter(|log| !shown.contains(log));
        let not_shown: Vec<LogId> = not_shown.filter(knows).collect();
        let knows_own = knows(&self.own);
        let unbegun = |log: &&LogId| confirms && holdings.accepted(log).is_none();
        let heard_from = Command::Heard {
            unbegun: not_shown.iter().filter(unbegun).copied().collect(),
            from,
            time_ms: heads.time_ms,
            confirmed,
            newer,
        };
        out.insert(heard, heard_from);
        // What a generation begins with all members may have that know of it.
        for log in &not_shown {
            if holdings.kept_missing(log) > 0
                && let Some(ended) = history.beginning(*log)
            {
                self.note_size(&from, log, ended.size);
            }
        }
        self.ask_for_evidence(from, heads, now_ms, holdings, out);
        // One that holds nothing of the own log may have lost it, and confirms only one that was never appended to. After a
        // loss every member's word is awaited, whatever it is.
        let said = shown.contains(&self.own) || self.own_log != OwnLog::Kept && knows_own;
        if counts && !doubted && said {
            self.confirmed_by.insert(from);
        }
    }

    /// Keeps a peer's signature under the checkpoint accepted here: once, and again when it was renewed.
    fn cosigned(
        &mut self,
        from: DepartmentCode,
        head: &Head,
        checkpoint: &VerifiedCheckpoint,
        out: &mut Vec<Command>,
    ) {
        let (Some(cosignature), Some(peer)) = (&head.cosignature, self.peers.get_mut(&from)) else {
            return;
        };
        let (log, size, time_ms) = (checkpoint.log, checkpoint.size, cosignature.time_ms);
        let is_news = match peer.cosigned.get(&log) {
            Some((kept, kept_ms)) if *kept == size => {
                time_ms >= kept_ms.saturating_add(COSIGNED_AGAIN_MS)
            }
            _ => true,
        };
        if is_news
            && cosignature.witness == from
            && cosignature.verify(checkpoint, &self.members).is_ok()
        {
            peer.cosigned.insert(log, (size, time_ms));
            out.push(Command::KeepCosignature(
                checkpoint.clone(),
                cosignature.clone(),
            ));
        }
    }

    /// Asks for evidence of forks that are news, a few at a time.
    fn ask_for_evidence(
        &mut self,
        from: DepartmentCode,
        heads: &Heads,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let waiting = self.waiting.values().filter(|waiting| waiting.to == from);
        let asked: Vec<LogId> = waiting
            .filter_map(|waiting| match waiting.body {
                Request::Evidence { log } => Some(log),
                _ => None,
            })
            .collect();
        let news: Vec<LogId> = heads
            .forked
            .iter()
            .filter(|log| self.logs.contains_key(log) && !holdings.forked(log))
            .filter(|log| !asked.contains(log))
            .take(EVIDENCE_AT_ONCE.saturating_sub(asked.len()))
            .copied()
            .collect();
        for log in news {
            self.send(from, Request::Evidence { log }, now_ms, out);
        }
    }

    /// Compares a signed checkpoint a peer holds with what is held here; returns whether they fit together.
    pub(super) fn compare(
        &mut self,
        from: DepartmentCode,
        checkpoint: &VerifiedCheckpoint,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) -> bool {
        let log = checkpoint.log;
        if holdings.forked(&log) {
            return false;
        }
        if log == self.own {
            self.own_known = self.own_known.max(checkpoint.size);
        }
        let accepted = holdings.accepted(&log);
        // Nearly always, and then the tree need not be read: it was compared when this was accepted.
        if accepted.as_ref() == Some(checkpoint) {
            self.note_size(&from, &log, checkpoint.size);
            return true;
        }
        if self.is_settled_otherwise(checkpoint, holdings) {
            return false;
        }
        if let Some(accepted) = accepted
            && let Some(evidence) = ForkEvidence::of_checkpoints(&accepted, checkpoint)
        {
            self.freeze_and_tell(evidence, out);
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

    /// Whether a checkpoint would have had to lead to an end that the log held here leads to, and doesn't: whoever has an ended key
    /// can sign such a one, and it says nothing of the log.
    fn is_settled_otherwise(
        &self,
        checkpoint: &VerifiedCheckpoint,
        holdings: &dyn Holdings,
    ) -> bool {
        let history = self.members.history();
        if history.is_unbroken(&checkpoint.log.department) {
            return false;
        }
        let Judgement::By(judge) = history.judge(&checkpoint.claim()) else {
            return false;
        };
        let held =
            |(size, root): &(u64, Hash)| holdings.root_at(&checkpoint.log, *size) == Some(*root);
        let contradicts = || {
            let accepted = holdings.accepted(&checkpoint.log);
            let of_one_size = accepted.is_some_and(|accepted| accepted.contradicts(checkpoint));
            of_one_size || agrees(holdings, checkpoint) == Some(false)
        };
        judge.leads_to.iter().any(held) && contradicts()
    }

    fn search(&mut self, peer: DepartmentCode, checkpoint: &VerifiedCheckpoint) {
        // What the generation begins with is the same for everybody, and comes in no page to compare.
        let same = self.kept(&checkpoint.log);
        if let Some(progress) = self
            .logs
            .get_mut(&checkpoint.log)
            .filter(|progress| !progress.ended)
        {
            progress.search.get_or_insert(Search {
                peer,
                same,
                differ: checkpoint.size,
                asked: None,
            });
        }
    }

    /// Has evidence kept, for good.
    pub(super) fn freeze(&mut self, evidence: ForkEvidence, out: &mut Vec<Command>) {
        if let Some(progress) = self.logs.get_mut(&evidence.log()) {
            progress.ended = true;
            progress.search = None;
        }
        out.push(Command::Freeze(Box::new(evidence)));
    }

    /// The same with evidence that gossip has not brought.
    pub(super) fn freeze_and_tell(&mut self, evidence: ForkEvidence, out: &mut Vec<Command>) {
        self.freeze(evidence.clone(), out);
        out.push(Command::Announce(Box::new(Announcement::Fork(evidence))));
    }

    pub(super) fn evidence_heard(
        &mut self,
        from: DepartmentCode,
        evidence: ForkEvidence,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        if holdings.forked(&evidence.log()) {
            return;
        }
        match evidence.verify(&self.members) {
            Ok(()) => self.freeze_and_tell(evidence.from_a_stranger(), out),
            Err(error) if !error.is_senders_fault() => {}
            Err(_) => {
                let what = "sent evidence of a fork that proves nothing".into();
                self.blame(from, what, now_ms, out);
            }
        }
    }
}
