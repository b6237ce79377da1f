//! What other members' peers know of governance, and what is asked of them.

use std::collections::BTreeMap;

use crate::governance::chain::BlockId;
use crate::id::DepartmentCode;

use super::QuestionId;
use super::news::{Known, Question};

/// After which blocks that have not come are asked of another peer too, ms.
const HEDGE_AFTER_MS: u64 = 2_000;

/// Peers that are asked for blocks at once.
const ASKED_AT_ONCE: usize = 3;

/// For which a peer that sent something wrong, or less than it said, is asked after all others, ms.
const DISTRUST_MS: u64 = 60_000;

/// From one question for what is pending to the next, of one peer, ms.
const PENDING_EVERY_MS: u64 = 10_000;

/// After which a question is given up, ms: whoever sends it may have had no room for the answer.
const PATIENCE_MS: u64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<DepartmentCode, Peer>,
    open: BTreeMap<QuestionId, Open>,
    last: QuestionId,
}

#[derive(Debug)]
struct Open {
    of: DepartmentCode,
    question: Question,
    asked_ms: u64,
}

#[derive(Debug, Default)]
struct Peer {
    connected: bool,
    known: Option<Known>,
    /// When it said so.
    heard_ms: u64,
    /// The largest height that it may have.
    height: u64,
    distrusted_until: u64,
    pending_asked_ms: Option<u64>,
}

impl Peers {
    pub(super) fn connected(&mut self, peer: DepartmentCode) {
        self.peers.entry(peer).or_default().connected = true;
    }

    pub(super) fn disconnected(&mut self, peer: &DepartmentCode) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.connected = false;
        }
        self.open.retain(|_, open| open.of != *peer);
    }

    pub(super) fn heard(&mut self, from: DepartmentCode, known: Known, now_ms: u64) {
        let peer = self.peers.entry(from).or_default();
        peer.known = Some(known);
        peer.heard_ms = now_ms;
        peer.height = known.height;
    }

    /// A peer passed on something that leads to this height.
    pub(super) fn may_have(&mut self, from: DepartmentCode, height: u64) {
        let peer = self.peers.entry(from).or_default();
        peer.height = peer.height.max(height);
    }

    pub(super) fn distrust(&mut self, peer: &DepartmentCode, now_ms: u64) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.distrusted_until = now_ms.saturating_add(DISTRUST_MS);
            // Until it says so again.
            peer.height = 0;
        }
    }

    /// Whether a peer said, not before `since`, that it knows of nothing beyond what is known here.
    pub(super) fn shows_nothing_newer(
        &self,
        peer: &DepartmentCode,
        (height, head): (u64, BlockId),
        since_ms: u64,
    ) -> bool {
        let Some(peer) = self.peers.get(peer) else {
            return false;
        };
        let said = peer.known.filter(|_| peer.heard_ms >= since_ms);
        said.is_some_and(|known| {
            known.height < height || known.height == height && known.head == head
        })
    }

    /// What a question was; `None` of one that is not open.
    pub(super) fn answered(&mut self, from: &DepartmentCode, id: QuestionId) -> Option<Question> {
        self.open.get(&id).filter(|open| open.of == *from)?;
        self.open.remove(&id).map(|open| open.question)
    }

    /// What to ask now, by somebody who knows this, for blocks too if it could read them.
    pub(super) fn questions(
        &mut self,
        known: &Known,
        reads_on: bool,
        now_ms: u64,
    ) -> Vec<(DepartmentCode, QuestionId, Question)> {
        let mut questions = Vec::new();
        self.open
            .retain(|_, open| open.asked_ms.saturating_add(PATIENCE_MS) > now_ms);
        let from = known.height.saturating_add(1);
        if let Some(peer) = self
            .to_ask_for_blocks(known.height, now_ms)
            .filter(|_| reads_on)
        {
            questions.push((peer, Question::Blocks { from }));
        }
        for (code, peer) in &mut self.peers {
            let differs = peer.known.is_some_and(|theirs| {
                theirs.height == known.height && theirs.pending != known.pending
            });
            let due = |asked: u64| asked.saturating_add(PENDING_EVERY_MS) <= now_ms;
            if peer.connected && differs && peer.pending_asked_ms.is_none_or(due) {
                peer.pending_asked_ms = Some(now_ms);
                questions.push((*code, Question::Pending));
            }
        }
        let mut named = Vec::new();
        for (of, question) in questions {
            self.last += 1;
            let open = Open {
                of,
                question,
                asked_ms: now_ms,
            };
            self.open.insert(self.last, open);
            named.push((of, self.last, question));
        }
        named
    }

    /// Somebody who may have more blocks, the most trusted first, then whoever has most.
    fn to_ask_for_blocks(&self, height: u64, now_ms: u64) -> Option<DepartmentCode> {
        let open = self.open.values();
        let open = open.filter(|open| matches!(open.question, Question::Blocks { .. }));
        let asked: Vec<&Open> = open.collect();
        let late = |open: &&Open| open.asked_ms.saturating_add(HEDGE_AFTER_MS) <= now_ms;
        if asked.len() >= ASKED_AT_ONCE || !asked.iter().all(late) {
            return None;
        }
        let more = |(code, peer): &(&DepartmentCode, &Peer)| {
            peer.connected && peer.height > height && !asked.iter().any(|open| open.of == **code)
        };
        let best = self.peers.iter().filter(more);
        let best = best.max_by_key(|(_, peer)| (peer.distrusted_until <= now_ms, peer.height));
        best.map(|(code, _)| *code)
    }
}
