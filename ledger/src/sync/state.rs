//! The state machine: what it remembers, and how each event changes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::Bounded;
use crate::crypto::hash::Hash;
use crate::governance::engine::Known;
use crate::id::DepartmentCode;
use crate::log::{CheckpointError, Cosignature, SignedCheckpoint, VerifiedCheckpoint};
use crate::membership::Membership;
use crate::merkle;
use crate::names::LogId;

use super::announcement::Bucket;
use super::instances::{Instances, Standing};
use super::interface::{
    Command, ConnectionId, Event, Failure, Holdings, OwnLog, RequestId, Settings,
};
use super::message::{Head, Heads, Instance, Request, Response};
use super::pace::Wait;

pub(super) struct Peer {
    pub(super) heads_due_ms: u64,
    /// Its heads were heard since it connected.
    pub(super) heard: bool,
    pub(super) in_flight: usize,
    /// It is not asked for pages until then: it sent something wrong.
    pub(super) avoided_until_ms: u64,
    /// Nor until then, unless it answers first: it did not answer in time.
    pub(super) rests_until_ms: u64,
    /// Requests for pages in a row that it did not answer, or late or slowly.
    pub(super) unanswered: u32,
    /// Bytes to ask of it in a page.
    pub(super) page_bytes: u32,
    /// Checkpoint sizes it said it holds.
    pub(super) sizes: BTreeMap<LogId, u64>,
    /// Sizes of the checkpoints under which its signature was verified and kept, and the times of those.
    pub(super) cosigned: BTreeMap<LogId, (u64, u64)>,
    /// Announcements that it may still pass on, of each log.
    pub(super) announcements: BTreeMap<LogId, Bucket>,
}

/// A request that has not been answered.
pub(super) struct Waiting {
    pub(super) to: DepartmentCode,
    pub(super) body: Request,
    pub(super) asked_ms: u64,
    pub(super) deadline_ms: u64,
    pub(super) wait: Wait,
}

/// A search for the first record in which a peer's history of a log differs from ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) peer: DepartmentCode,
    /// Records known to be the same.
    pub(super) same: u64,
    /// Records among which one is known to differ.
    pub(super) differ: u64,
    /// Position asked for, until the page is compared.
    pub(super) asked: Option<u64>,
}

impl Search {
    /// Whether a request is the one it waits for.
    pub(super) fn is_asked_by(&self, waiting: &Waiting) -> bool {
        let page = waiting.page().map(|(_, from)| from);
        self.peer == waiting.to && self.asked.is_some() && self.asked == page
    }

    /// Whether it can end with a record that differs; if not, the peer has changed its word.
    pub(super) fn open(&self) -> bool {
        self.same < self.differ
    }
}

#[derive(Default)]
pub(super) struct Progress {
    /// Position after the last record asked for and received; pages up to here are stored or being stored.
    pub(super) received: u64,
    /// No peer says it holds more.
    pub(super) known: u64,
    /// Nothing was lacking when last looked, and nothing was heard or stored since.
    pub(super) settled: bool,
    pub(super) storing: usize,
    /// Answers in a row that brought little, and slowly.
    pub(super) drips: usize,
    pub(super) search: Option<Search>,
    /// Nothing more is stored: the log stopped, or the disk refused.
    pub(super) ended: bool,
    /// Announcements that may still be looked at.
    pub(super) announcements: Bucket,
    /// Size and root of the largest head announced that continues what is held, or another such head.
    pub(super) announced: Option<(u64, Hash)>,
}

/// The state machine of one peer.
pub struct Sync {
    pub(super) own: LogId,
    /// This run of the peer.
    pub(super) instance: Instance,
    /// What is known of the own log.
    pub(super) own_log: OwnLog,
    pub(super) members: Membership,
    pub(super) settings: Settings,
    pub(super) peers: BTreeMap<DepartmentCode, Peer>,
    pub(super) logs: BTreeMap<LogId, Progress>,
    pub(super) waiting: BTreeMap<RequestId, Waiting>,
    pub(super) next_request: RequestId,
    pub(super) rotation: usize,
    /// Peers whose heads may be asked for again.
    pub(super) comparisons: Bucket,
    /// When heads are compared with a few peers because of what changed.
    pub(super) compare_at_ms: Option<u64>,
    /// The log a page was last asked of: the next one's turn comes first.
    pub(super) last_asked: Option<LogId>,
    /// Members that said what they hold of the own log, none of it contradicting what is held here.
    pub(super) confirmed_by: BTreeSet<DepartmentCode>,
    /// Records of the own log under the largest checkpoint of it that anyone showed. This department signed it, so it
    /// stays true when the peer that showed it is gone.
    pub(super) own_known: u64,
    pub(super) vouched: bool,
    pub(super) confirmed: bool,
    /// Runs of the others' peers.
    pub(super) instances: Instances,
    /// Members that said last that another run of this peer was there first.
    pub(super) elsewhere: BTreeSet<DepartmentCode>,
    /// Connected members that said last that another run has connected after this one.
    pub(super) rival_at: BTreeSet<DepartmentCode>,
    /// Both, as last reported.
    pub(super) reported_by: BTreeSet<DepartmentCode>,
    /// Of how many it was last reported that the own log is elsewhere; `None` while it isn't.
    pub(super) elsewhere_reported_by: Option<usize>,
}

impl Sync {
    /// A state machine for a run of a department's peer.
    pub fn new(
        own: LogId,
        own_log: OwnLog,
        instance: Instance,
        members: Membership,
        settings: Settings,
    ) -> Sync {
        // Those of departments that are gone as well: others may lack something of them.
        let history = members.history();
        let present = history
            .departments()
            .map(|it| history.present_log(&it.code));
        let logs = present.map(|log| (log, Progress::default())).collect();
        Sync {
            own,
            own_log,
            instance,
            members,
            settings,
            peers: BTreeMap::new(),
            logs,
            waiting: BTreeMap::new(),
            next_request: 0,
            rotation: 0,
            comparisons: Bucket::default(),
            compare_at_ms: None,
            last_asked: None,
            confirmed_by: BTreeSet::new(),
            own_known: 0,
            vouched: false,
            confirmed: false,
            instances: Instances::default(),
            elsewhere: BTreeSet::new(),
            rival_at: BTreeSet::new(),
            reported_by: BTreeSet::new(),
            elsewhere_reported_by: None,
        }
    }

    /// Takes an event at a time (ms, of any clock that does not go back) and returns what to do.
    pub fn handle(&mut self, event: Event, now_ms: u64, holdings: &dyn Holdings) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::Connected(peer) => self.connected(peer, now_ms),
            Event::Disconnected(peer) => self.disconnected(&peer),
            Event::Closed { peer, connection } => self.instances.closed(&peer, connection),
            Event::Answered {
                from,
                connection,
                request,
                answer,
            } => {
                let from = (from, connection);
                self.answered(from, request, answer, now_ms, holdings, &mut out);
            }
            Event::Gossiped(gossiped) => self.gossiped(gossiped, now_ms, holdings, &mut out),
            Event::Stored(stored) => self.page_stored(stored, now_ms, holdings, &mut out),
            Event::Appended(checkpoint) => self.appended(&checkpoint, now_ms),
            Event::Reopened(log) => self.reopened(&log, holdings),
            Event::OwnLogVouched => self.vouched = true,
            Event::MembersChanged(departments) => self.members_changed(&departments),
            Event::Tick => self.expire(now_ms),
        }
        self.notice_stalls(now_ms);
        self.check_instances(now_ms, &mut out);
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

    /// Whether a loss of the own log has to be made good.
    pub fn lost(&self) -> bool {
        self.own_log == OwnLog::Lost
    }

    /// How many members have to confirm the own log: more than half of the others; after a loss all of them, since the
    /// newest records may be with any.
    pub fn confirmations_needed(&self) -> usize {
        match self.lost() {
            true => self.members.others(&self.own.department),
            false => self.members.majority_of_others(&self.own.department),
        }
    }

    /// Members that say that another run of this peer, with the same keys, is connected to them.
    pub fn other_instance_reported_by(&self) -> &BTreeSet<DepartmentCode> {
        &self.reported_by
    }

    /// Members that have confirmed the own log.
    pub fn confirmed_by(&self) -> &BTreeSet<DepartmentCode> {
        &self.confirmed_by
    }

    fn connected(&mut self, peer: DepartmentCode, now_ms: u64) {
        if self.members.member(&peer).is_some() && peer != self.own.department {
            let peer = self.peers.entry(peer);
            peer.or_insert_with(|| Peer::new(now_ms, &self.settings));
        }
    }

    fn disconnected(&mut self, peer: &DepartmentCode) {
        self.peers.remove(peer);
        self.instances.disconnected(peer);
        self.rival_at.remove(peer);
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

    /// Records that a log begins with: they come under no checkpoint.
    pub(super) fn kept(&self, log: &LogId) -> u64 {
        let history = self.members.history();
        history.beginning(*log).map_or(0, |ended| ended.size)
    }

    /// Goes on with the log that a department writes by now. The own one waits for the next run.
    fn take_up(&mut self, code: &DepartmentCode) {
        if *code == self.own.department {
            return;
        }
        let present = self.members.present_log(code);
        self.logs
            .retain(|log, _| log.department != *code || *log == present);
        self.logs.entry(present).or_default();
    }

    /// Takes in who belongs by now.
    fn members_changed(&mut self, departments: &BTreeSet<DepartmentCode>) {
        for code in departments {
            self.take_up(code);
            if !self.members.counts(code) {
                self.confirmed_by.remove(code);
                self.elsewhere.remove(code);
            }
            if self.members.member(code).is_none() {
                self.disconnected(code);
            }
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
            if let Some(waiting) = self.give_up(request) {
                self.not_answered(&waiting, now_ms);
            }
        }
    }

    /// Forgets a request; what it was for is requested again.
    pub(super) fn give_up(&mut self, request: RequestId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&request)?;
        if let Request::Page { log, .. } = &waiting.body {
            if let Some(peer) = self.peers.get_mut(&waiting.to) {
                peer.in_flight = peer.in_flight.saturating_sub(1);
            }
            if let Some(progress) = self.logs.get_mut(log) {
                progress
                    .search
                    .take_if(|search| search.is_asked_by(&waiting));
            }
        }
        Some(waiting)
    }

    fn answered(
        &mut self,
        (from, connection): (DepartmentCode, Option<ConnectionId>),
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
        let answer = answer.map(|answer| *answer);
        match &answer {
            Ok(Response::Page(page)) => {
                self.page_answered(&waiting, (page.frames.len(), page.end()), now_ms);
            }
            Ok(Response::Kept(page)) => {
                self.page_answered(&waiting, (page.frames.len(), page.end()), now_ms);
            }
            Err(Failure::Unreachable) => self.not_answered(&waiting, now_ms),
            _ => {}
        }
        match (waiting.body, answer) {
            (Request::Heads { .. }, Ok(Response::Heads(heads))) => {
                // A later run of a peer hears little of others, and what it says about its own log may be old.
                let counts = connection.is_some_and(|connection| {
                    self.heard_instance(from, connection, heads.instance) != Standing::Later
                });
                self.heads_heard((from, counts), &heads, now_ms, holdings, out);
            }
            (Request::Heads { .. }, Ok(Response::OtherInstance)) => {
                self.other_instance(from, now_ms);
            }
            (Request::Page { log, from: at, .. }, Ok(Response::Page(page)))
                if at >= self.kept(&log) =>
            {
                if let Some(progress) = self.logs.get_mut(&log) {
                    progress.search = search;
                }
                self.page_received(from, log, at, page, now_ms, out);
            }
            (Request::Page { log, from: at, .. }, Ok(Response::Kept(page))) => {
                self.kept_received(from, (log, at), page, now_ms, out);
            }
            // Only of the log asked about: otherwise a member could make others keep evidence without end.
            (Request::Evidence { log }, Ok(Response::Evidence(evidence)))
                if evidence.log() == log =>
            {
                self.evidence_heard(from, evidence, now_ms, holdings, out);
            }
            (Request::Page { log, .. }, Ok(Response::NotHeld)) => self.lower_size(&from, &log, 0),
            // Asked again when the heads are next compared.
            (Request::Evidence { .. }, Ok(Response::NotHeld)) | (_, Err(Failure::Unreachable)) => {}
            _ => self.blame(
                from,
                "answered with something else than was asked for".into(),
                now_ms,
                out,
            ),
        }
    }

    /// A peer said, under the department's signature, that it holds this much of a log.
    pub(super) fn note_size(&mut self, peer: &DepartmentCode, log: &LogId, size: u64) {
        if let (Some(peer), Some(progress)) = (self.peers.get_mut(peer), self.logs.get_mut(log)) {
            let known = peer.sizes.entry(*log).or_default();
            *known = size.max(*known);
            progress.known = size.max(progress.known);
            progress.settled &= size < progress.received;
        }
    }

    /// A peer showed that it holds at most this much of a log.
    pub(super) fn lower_size(&mut self, peer: &DepartmentCode, log: &LogId, size: u64) {
        if let Some(known) = self
            .peers
            .get_mut(peer)
            .and_then(|peer| peer.sizes.get_mut(log))
        {
            *known = size.min(*known);
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
            state.avoided_until_ms = now_ms + self.settings.distrust_ms;
        }
        out.push(Command::Blame { peer, what });
    }

    fn appended(&mut self, checkpoint: &VerifiedCheckpoint, now_ms: u64) {
        self.changed(now_ms);
        self.own_log = OwnLog::Kept;
        if let Some(progress) = self.logs.get_mut(&checkpoint.log) {
            progress.received = progress.received.max(checkpoint.size);
        }
    }

    /// A log was opened again: what is held of it now counts.
    fn reopened(&mut self, log: &LogId, holdings: &dyn Holdings) {
        if let Some(progress) = self.logs.get_mut(log) {
            progress.ended = holdings.stopped(log);
            progress.received = holdings.held(log);
            progress.settled = false;
        }
    }

    /// A log reached a new checkpoint here.
    pub(super) fn changed(&mut self, now_ms: u64) {
        self.compare_at_ms = Some(now_ms + self.settings.heads_after_ms);
    }

    /// The own log may be appended to once enough of the other members said what they hold of it, or an
    /// operator vouched for it, and as long as nobody has shown a checkpoint of more than is on disk: the next record
    /// would fork it. While another run of this peer has it, neither counts.
    fn check_own_log(&mut self, holdings: &dyn Holdings, out: &mut Vec<Command>) {
        if self.is_elsewhere() {
            return;
        }
        // A log to which nothing was ever appended is nowhere else.
        if self.own_log == OwnLog::New && self.own_known > self.kept(&self.own) {
            self.own_log = OwnLog::Lost;
            // Whoever vouched for it did so taking it for new.
            self.vouched = false;
            self.confirmed = false;
        }
        let needed = self.confirmations_needed();
        // After a loss, in a network of its own, nobody is there to ask.
        let asked = self.confirmed_by.len() >= needed && (needed > 0 || !self.lost());
        let trusted = self.vouched || asked;
        let missing = holdings.missing(&self.own);
        if !self.confirmed && !trusted && self.own_known == 0 && missing == 0 {
            return;
        }
        let accepted = holdings.size(&self.own);
        // What this disk itself knows to be gone, nobody need show and nobody can vouch for.
        self.own_known = self.own_known.max(accepted + missing);
        if self.own_known > accepted {
            // Reported each time; the driver shows the latest.
            self.confirmed = false;
            let known = self.own_known;
            out.push(Command::OwnLogRestoring { known });
        } else if !self.confirmed && trusted && !holdings.stopped(&self.own) {
            self.confirmed = true;
            out.push(Command::OwnLogConfirmed);
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
                asked_ms: now_ms,
                deadline_ms,
                wait: Wait::InTime,
            },
        );
        out.push(Command::Request { to, request, body });
    }

    /// Checks a checkpoint's signature, unless it is one accepted here already.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub(super) fn check(
        &self,
        checkpoint: &SignedCheckpoint,
        holdings: &dyn Holdings,
    ) -> Result<VerifiedCheckpoint, CheckpointError> {
        match holdings.accepted(&checkpoint.checkpoint.log) {
            Some(accepted) if accepted.signed() == checkpoint => Ok(accepted),
            _ => checkpoint.clone().verify(&self.members),
        }
    }

    /// The heads to answer a request with, at a time of the calendar (ms since 1970 UTC).
    pub fn heads(
        &self,
        holdings: &dyn Holdings,
        time_ms: u64,
        cosignature: impl Fn(&VerifiedCheckpoint) -> Option<Cosignature>,
    ) -> Heads {
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
            instance: self.instance,
            time_ms,
            rival: false,
            // The governance engine's to say.
            governance: Known::default(),
            // The address book's.
            addresses: 0,
        }
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
