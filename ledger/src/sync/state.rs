//! State, events and commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::hash::Hash;
use crate::id::DepartmentCode;
use crate::log::{
    Applied, ApplyError, Cosignature, ForkEvidence, Log, LogId, Page, PageError, SignedCheckpoint,
    VerifiedCheckpoint,
};
use crate::membership::Membership;
use crate::merkle;

use super::message::{Announcement, Heads, Request, Response};

/// Times and bounds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two comparisons of heads with the same peer, ms.
    pub heads_every_ms: u64,
    /// After which an unanswered request is given up, ms.
    pub request_timeout_ms: u64,
    /// For which a peer that sent something wrong is not asked for pages, ms.
    pub distrust_ms: u64,
    /// Pages asked for at once, of all peers.
    pub pages_in_flight: usize,
    /// Pages asked for at once, of one peer.
    pub pages_per_peer: usize,
    /// Most bytes asked for in a page.
    pub page_bytes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            heads_every_ms: 10_000,
            request_timeout_ms: 30_000,
            distrust_ms: 60_000,
            pages_in_flight: 4,
            pages_per_peer: 2,
            page_bytes: crate::log::MAX_PAGE as u32,
        }
    }
}

/// What the state machine asks of the logs on disk.
pub trait Holdings {
    /// Records held of a log, verified and on disk.
    fn held(&self, log: &LogId) -> u64;
    /// The accepted checkpoint of a log.
    fn accepted(&self, log: &LogId) -> Option<VerifiedCheckpoint>;
    /// Records of a log under a checkpoint accepted before that are not held any more.
    fn missing(&self, log: &LogId) -> u64;
    /// Merkle root over the first `size` records held; `None` when fewer are held.
    fn root_at(&self, log: &LogId, size: u64) -> Option<Hash>;
    /// Whether the log has stopped.
    fn stopped(&self, log: &LogId) -> bool;
    /// Whether there is evidence of the log's fork.
    fn forked(&self, log: &LogId) -> bool;
}

/// Names a request until it is answered.
pub type RequestId = u64;

/// Names a gossiped message until it is judged.
pub type GossipId = u64;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or none in time.
    Unreachable,
    /// The answer was no such answer.
    Malformed,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A member's peer is connected.
    Connected(DepartmentCode),
    /// It no longer is.
    Disconnected(DepartmentCode),
    /// A request was answered, or not.
    Answered {
        /// By whom.
        from: DepartmentCode,
        /// Which request.
        request: RequestId,
        /// With what.
        answer: Result<Box<Response>, Failure>,
    },
    /// Something was gossiped.
    Gossiped(Gossiped),
    /// A page handed over by [`Command::Store`] was stored, or not.
    Stored(Stored),
    /// This department appended to its own log.
    Appended(VerifiedCheckpoint),
    /// An operator vouches for the own log on disk.
    OwnLogVouched,
    /// Time passed.
    Tick,
}

/// A gossiped announcement.
#[derive(Debug)]
pub struct Gossiped {
    /// The peer that passed it on.
    pub from: DepartmentCode,
    /// To be named in the verdict.
    pub id: GossipId,
    /// What it says; `None` when it could not be decoded.
    pub announcement: Option<Box<Announcement>>,
}

/// What became of a page.
#[derive(Debug)]
pub struct Stored {
    /// Which log.
    pub log: LogId,
    /// Who sent it.
    pub from: DepartmentCode,
    /// What it changed.
    pub result: Result<Applied, StoreFailure>,
}

/// Why a page was not stored.
#[derive(Debug)]
pub enum StoreFailure {
    /// The sender's fault.
    Page(PageError),
    /// The log's.
    Apply(ApplyError),
}

/// Verifies a page and adds it to its log: what whoever drives the state machine does with [`Command::Store`].
pub fn stored(log: Option<&Log>, members: &Membership, from: DepartmentCode, page: Page) -> Stored {
    let id = page.checkpoint.checkpoint.log;
    let result = match (page.verify(members), log) {
        (Err(error), _) => Err(StoreFailure::Page(error)),
        (Ok(_), None) => Err(StoreFailure::Apply(ApplyError::Stopped)),
        (Ok(page), Some(log)) => log.apply(&page).map_err(StoreFailure::Apply),
    };
    Stored {
        log: id,
        from,
        result,
    }
}

/// What to do with a gossiped message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Neither pass it on nor blame anyone.
    Ignore,
    /// Do not pass it on; whoever did is at fault.
    Reject,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Ask a peer.
    Request {
        /// Whom.
        to: DepartmentCode,
        /// To be named in the answer.
        request: RequestId,
        /// What.
        body: Request,
    },
    /// Verify and store a page ([`stored`]), then report [`Event::Stored`].
    Store {
        /// Who sent it.
        from: DepartmentCode,
        /// The page.
        page: Box<Page>,
    },
    /// Judge a gossiped message.
    Judge {
        /// Which one.
        id: GossipId,
        /// How.
        verdict: Verdict,
    },
    /// Gossip.
    Announce(Box<Announcement>),
    /// Sign under a checkpoint of another department that was accepted.
    Cosign(VerifiedCheckpoint),
    /// Keep another member's signature under a checkpoint accepted here.
    KeepCosignature(VerifiedCheckpoint, Cosignature),
    /// Keep evidence of a fork durably and stop the log.
    Freeze(Box<ForkEvidence>),
    /// The own log on disk is what other members know of it: it may be appended to.
    OwnLogConfirmed,
    /// More of the own log is known to others than is on disk.
    OwnLogRestoring {
        /// Records others know of.
        known: u64,
    },
    /// Tell the operator of a peer that sent something wrong.
    Blame {
        /// Which peer.
        peer: DepartmentCode,
        /// What it did.
        what: String,
    },
    /// A peer's heads were heard.
    Heard(DepartmentCode),
}

pub(super) struct Peer {
    pub(super) heads_due_ms: u64,
    pub(super) in_flight: usize,
    pub(super) distrusted_until_ms: u64,
    /// Checkpoint sizes it said it holds.
    pub(super) sizes: BTreeMap<LogId, u64>,
}

/// A request that has not been answered.
pub(super) struct Waiting {
    pub(super) to: DepartmentCode,
    pub(super) body: Request,
    pub(super) deadline_ms: u64,
}

/// A search for the first record in which a peer's history of a log differs from ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) peer: DepartmentCode,
    /// Records known to be the same.
    pub(super) same: u64,
    /// Records among which one is known to differ.
    pub(super) differ: u64,
    /// Position asked for.
    pub(super) asked: u64,
}

#[derive(Default)]
pub(super) struct Progress {
    /// Position after the last record asked for and received; pages up to here are stored or being stored.
    pub(super) received: u64,
    pub(super) fetching: bool,
    pub(super) storing: usize,
    pub(super) search: Option<Search>,
    /// Nothing more is stored: the log stopped, or the disk refused.
    pub(super) ended: bool,
}

/// The state machine of one peer.
pub struct Sync {
    pub(super) own: LogId,
    pub(super) members: Arc<Membership>,
    pub(super) settings: Settings,
    pub(super) peers: BTreeMap<DepartmentCode, Peer>,
    pub(super) logs: BTreeMap<LogId, Progress>,
    pub(super) waiting: BTreeMap<RequestId, Waiting>,
    pub(super) next_request: RequestId,
    pub(super) rotation: usize,
    /// Members that said what they hold of the own log, none of it unknown here.
    pub(super) confirmed_by: BTreeSet<DepartmentCode>,
    pub(super) confirmed: bool,
}

impl Sync {
    /// A state machine for the peer of a department.
    pub fn new(own: LogId, members: Arc<Membership>, settings: Settings) -> Sync {
        let logs = members
            .members()
            .map(|member| (LogId::first(member.code), Progress::default()))
            .collect();
        Sync {
            own,
            members,
            settings,
            peers: BTreeMap::new(),
            logs,
            waiting: BTreeMap::new(),
            next_request: 0,
            rotation: 0,
            confirmed_by: BTreeSet::new(),
            confirmed: false,
        }
    }

    /// Takes an event at a time (ms, of any clock that does not go back) and gives what to do.
    pub fn handle(&mut self, event: Event, now_ms: u64, holdings: &dyn Holdings) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::Connected(peer) => self.connected(peer, now_ms),
            Event::Disconnected(peer) => self.disconnected(&peer),
            Event::Answered {
                from,
                request,
                answer,
            } => {
                self.answered(from, request, answer, now_ms, holdings, &mut out);
            }
            Event::Gossiped(gossiped) => self.gossiped(gossiped, now_ms, holdings, &mut out),
            Event::Stored(stored) => self.page_stored(stored, now_ms, holdings, &mut out),
            Event::Appended(checkpoint) => self.appended(&checkpoint),
            // Nobody can vouch for records that are known to be gone.
            Event::OwnLogVouched if holdings.missing(&self.own) > 0 => {}
            Event::OwnLogVouched => self.confirm(&mut out),
            Event::Tick => self.expire(now_ms),
        }
        self.check_own_log(holdings, &mut out);
        self.ask_for_heads(now_ms, &mut out);
        self.ask_for_pages(now_ms, holdings, &mut out);
        out
    }

    /// Records of a log that some peer said it holds.
    pub fn known_size(&self, log: &LogId) -> u64 {
        self.peers
            .values()
            .filter_map(|peer| peer.sizes.get(log))
            .copied()
            .max()
            .unwrap_or(0)
    }

    /// Members that have confirmed the own log, and how many it takes.
    pub fn confirmations(&self) -> (usize, usize) {
        (self.confirmed_by.len(), self.quorum())
    }

    /// More than half of the other members.
    fn quorum(&self) -> usize {
        let others = self.members.members().len().saturating_sub(1);
        if others == 0 { 0 } else { others / 2 + 1 }
    }

    fn connected(&mut self, peer: DepartmentCode, now_ms: u64) {
        if self.members.member(&peer).is_some() && peer != self.own.department {
            self.peers.entry(peer).or_insert(Peer {
                heads_due_ms: now_ms,
                in_flight: 0,
                distrusted_until_ms: 0,
                sizes: BTreeMap::new(),
            });
        }
    }

    fn disconnected(&mut self, peer: &DepartmentCode) {
        self.peers.remove(peer);
        let lost: Vec<RequestId> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.to == *peer)
            .map(|(id, _)| *id)
            .collect();
        for request in lost {
            self.give_up(request);
        }
        for progress in self.logs.values_mut() {
            progress.search.take_if(|search| search.peer == *peer);
        }
    }

    fn expire(&mut self, now_ms: u64) {
        let late: Vec<RequestId> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.deadline_ms <= now_ms)
            .map(|(id, _)| *id)
            .collect();
        for request in late {
            self.give_up(request);
        }
    }

    /// Forgets a request; what it was for is asked for anew.
    pub(super) fn give_up(&mut self, request: RequestId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&request)?;
        if let Request::Page { log, .. } = &waiting.body {
            if let Some(peer) = self.peers.get_mut(&waiting.to) {
                peer.in_flight = peer.in_flight.saturating_sub(1);
            }
            if let Some(progress) = self.logs.get_mut(log) {
                progress.fetching = false;
                progress.search.take_if(|search| search.peer == waiting.to);
            }
        }
        Some(waiting)
    }

    fn answered(
        &mut self,
        from: DepartmentCode,
        request: RequestId,
        answer: Result<Box<Response>, Failure>,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        if self
            .waiting
            .get(&request)
            .is_none_or(|waiting| waiting.to != from)
        {
            return;
        }
        let search = match self.waiting.get(&request).map(|waiting| &waiting.body) {
            Some(Request::Page { log, .. }) => {
                self.logs.get(log).and_then(|progress| progress.search)
            }
            _ => None,
        };
        let Some(waiting) = self.give_up(request) else {
            return;
        };
        match (waiting.body, answer.map(|answer| *answer)) {
            (Request::Heads, Ok(Response::Heads(heads))) => {
                self.heads_heard(from, &heads, now_ms, holdings, out);
            }
            (Request::Page { log, from: at, .. }, Ok(Response::Page(page))) => {
                if let Some(progress) = self.logs.get_mut(&log) {
                    progress.search = search;
                }
                self.page_received(from, log, at, page, now_ms, out);
            }
            (Request::Evidence { .. }, Ok(Response::Evidence(evidence))) => {
                self.evidence_heard(from, evidence, now_ms, holdings, out);
            }
            (Request::Page { log, .. }, Ok(Response::NotHeld)) => self.note_size(&from, &log, 0),
            (Request::Evidence { .. }, Ok(Response::NotHeld)) | (_, Err(Failure::Unreachable)) => {
                // Asked again when the heads are next compared, perhaps of another peer.
                self.postpone(&from, now_ms);
            }
            _ => self.blame(
                from,
                "answered with something else than was asked for".into(),
                now_ms,
                out,
            ),
        }
    }

    /// A peer that could not be reached is left in peace until its heads are next due.
    fn postpone(&mut self, peer: &DepartmentCode, now_ms: u64) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.sizes.clear();
            peer.heads_due_ms = peer
                .heads_due_ms
                .min(now_ms + self.settings.heads_every_ms / 2);
        }
    }

    pub(super) fn note_size(&mut self, peer: &DepartmentCode, log: &LogId, size: u64) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.sizes.insert(*log, size);
        }
    }

    pub(super) fn blame(
        &mut self,
        peer: DepartmentCode,
        what: String,
        now_ms: u64,
        out: &mut Vec<Command>,
    ) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.distrusted_until_ms = now_ms + self.settings.distrust_ms;
        }
        out.push(Command::Blame { peer, what });
    }

    fn appended(&mut self, checkpoint: &VerifiedCheckpoint) {
        if let Some(progress) = self.logs.get_mut(&checkpoint.log) {
            progress.received = progress.received.max(checkpoint.size);
        }
    }

    pub(super) fn confirm(&mut self, out: &mut Vec<Command>) {
        if !self.confirmed {
            self.confirmed = true;
            out.push(Command::OwnLogConfirmed);
        }
    }

    /// The own log may be appended to once more than half of the other members said what they hold of it and nobody
    /// holds more than is on disk.
    fn check_own_log(&mut self, holdings: &dyn Holdings, out: &mut Vec<Command>) {
        if self.confirmed {
            return;
        }
        let accepted = holdings
            .accepted(&self.own)
            .map_or(0, |checkpoint| checkpoint.size);
        let signed = accepted + holdings.missing(&self.own);
        let known = self.known_size(&self.own).max(signed);
        if known > accepted {
            // Said each time; whoever drives shows the latest.
            out.push(Command::OwnLogRestoring { known });
        } else if self.confirmed_by.len() >= self.quorum() && !holdings.stopped(&self.own) {
            self.confirm(out);
        }
    }

    pub(super) fn send(
        &mut self,
        to: DepartmentCode,
        body: Request,
        now_ms: u64,
        out: &mut Vec<Command>,
    ) {
        let request = self.next_request;
        self.next_request += 1;
        let deadline_ms = now_ms + self.settings.request_timeout_ms;
        self.waiting.insert(
            request,
            Waiting {
                to,
                body: body.clone(),
                deadline_ms,
            },
        );
        out.push(Command::Request { to, request, body });
    }

    /// Checks a checkpoint's signature, unless it is one accepted here already.
    pub(super) fn check(
        &self,
        checkpoint: &SignedCheckpoint,
        holdings: &dyn Holdings,
    ) -> Option<VerifiedCheckpoint> {
        match holdings.accepted(&checkpoint.checkpoint.log) {
            Some(accepted) if accepted.signed() == checkpoint => Some(accepted),
            _ => checkpoint.clone().verify(&self.members).ok(),
        }
    }

    /// The heads to answer a request with.
    pub fn heads(
        &self,
        holdings: &dyn Holdings,
        cosignature: impl Fn(&VerifiedCheckpoint) -> Option<Cosignature>,
    ) -> Heads {
        use crate::codec::Bounded;
        use crate::sync::Head;
        let heads = self
            .logs
            .keys()
            .filter_map(|log| holdings.accepted(log))
            .map(|accepted| Head {
                cosignature: cosignature(&accepted),
                checkpoint: accepted.signed().clone(),
            });
        let forked = self.logs.keys().filter(|log| holdings.forked(log)).copied();
        Heads {
            heads: Bounded::first(heads),
            forked: Bounded::first(forked),
        }
    }
}

impl Holdings for crate::catalogue::Catalogue {
    fn held(&self, log: &LogId) -> u64 {
        self.log(log).map_or(0, |log| log.held())
    }

    fn accepted(&self, log: &LogId) -> Option<VerifiedCheckpoint> {
        self.log(log)?.checkpoint()
    }

    fn missing(&self, log: &LogId) -> u64 {
        self.log(log).map_or(0, |log| log.missing())
    }

    fn root_at(&self, log: &LogId, size: u64) -> Option<Hash> {
        self.log(log)?.root_at(size)
    }

    fn stopped(&self, log: &LogId) -> bool {
        self.log(log).is_none_or(|log| log.stopped().is_some())
    }

    fn forked(&self, log: &LogId) -> bool {
        self.log(log)
            .is_some_and(|log| matches!(log.stopped(), Some(crate::log::Stopped::Forked(_))))
    }
}

/// Whether a root over records held here is the one a checkpoint names; `None` when fewer are held.
pub(super) fn agrees(holdings: &dyn Holdings, checkpoint: &VerifiedCheckpoint) -> Option<bool> {
    if checkpoint.size == 0 {
        return Some(checkpoint.root == <merkle::Blake3Tree as merkle::TreeHasher>::empty());
    }
    holdings
        .root_at(&checkpoint.log, checkpoint.size)
        .map(|root| root == checkpoint.root)
}
