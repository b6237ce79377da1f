//! The one loop: an event comes in, the state machine decides, its commands go out. It dispatches, and decides
//! only how often the own head is announced.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use certmesh_ledger::crypto::catalogue_keys::MAX_CATALOGUE_KEYS;
use certmesh_ledger::governance::Changes;
use certmesh_ledger::governance::engine::{self, QuestionId, Reply};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::VerifiedCheckpoint;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::LogId;
use certmesh_ledger::sync::{
    ANNOUNCE_EVERY_MS, Announcement, Command, ConnectionId, Event, Failure, Gossiped, Heads,
    Judgement, Request, RequestId, Response, Standing, StatedAddresses, Stored, Sync, announcement,
    serve,
};
use certmesh_text::say;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use libp2p::PeerId;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::alarms::Reported;
use super::clock::Clock;
use super::governance::{Governing, Input, Output};
use super::own_log::Awaited;
use super::reopening::{Reopened, Reopening};
use super::roster::{Addresses, Roster};
use super::serving::Serving;
use super::storage::Storage;
use super::warnings::Warning;
use super::whereabouts::Whereabouts;
use super::{Connection, Peer, now_ms};
use crate::logging::WARNINGS;
use crate::net::{
    GossipId, GossipVerdict, InboundId, Net, NetEvent, OutboundId, PublishError, RequestFailure,
};
use crate::peer::answering::{Answering, piece};

/// A message to another member, and where its answer goes.
pub(crate) struct Ask {
    pub(crate) to: DepartmentCode,
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Result<Response, RequestFailure>>,
}

/// At most one announcement of the own head in this time; what is appended meanwhile goes with the next.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(ANNOUNCE_EVERY_MS);
const TICK: Duration = Duration::from_millis(250);

/// Questions about governance that a member may ask, in a second and at once.
const QUESTIONS: Quota = Quota::per_second(NonZeroU32::new(4).expect("not zero"))
    .allow_burst(NonZeroU32::new(16).expect("not zero"));

/// Questions of a member for catalogue keys: it needs one answer a key in its life, and all of them at once if it has just joined.
const KEY_REQUESTS: Quota = Quota::per_minute(NonZeroU32::new(12).expect("not zero"))
    .allow_burst(NonZeroU32::new(MAX_CATALOGUE_KEYS as u32 + 4).expect("not zero"));

/// Statements of what is held of a member's log, each written to the disk: it needs one after a loss.
const STATEMENTS: Quota = Quota::per_minute(NonZeroU32::new(6).expect("not zero"))
    .allow_burst(NonZeroU32::new(4).expect("not zero"));

/// Answers that may wait for the loop. Threads that make them wait for room, the loop for none of them.
const ANSWERS: usize = 64;

/// An answer to another peer's request, ready to be sent.
type Answer = (InboundId, Vec<u8>);

/// What reaches the loop from other threads.
pub(crate) struct Inbox {
    /// The own log's newest checkpoint. A later one says all that those before it did.
    pub(crate) heads: watch::Receiver<Option<VerifiedCheckpoint>>,
    pub(crate) stored: mpsc::Receiver<Stored>,
    pub(crate) reopened: mpsc::Receiver<Reopened>,
    /// Copies that were found damaged.
    pub(crate) damaged: mpsc::Receiver<LogId>,
    /// An operator vouches for the own log.
    pub(crate) vouched: Arc<Notify>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    /// What the thread of governance wants done.
    pub(crate) governance: mpsc::Receiver<Output>,
    /// The departments' addresses, as they were read last.
    pub(crate) addresses: watch::Receiver<Addresses>,
    pub(crate) stop: oneshot::Receiver<()>,
}

/// Who waits for the answer to a request of this peer's.
enum Waiting {
    Sync(RequestId),
    Governance(QuestionId),
    Addresses,
    Asker(oneshot::Sender<Result<Response, RequestFailure>>),
}

/// What the loop drives.
pub(crate) struct Parts {
    pub(crate) peer: Arc<Peer>,
    pub(crate) reopening: Reopening,
    pub(crate) net: Net,
    pub(crate) sync: Sync,
    pub(crate) governing: Governing,
    pub(crate) storage: Storage,
    pub(crate) answering: Answering,
    pub(crate) whereabouts: Whereabouts,
}

pub(crate) struct Driver {
    peer: Arc<Peer>,
    net: Net,
    sync: Sync,
    governing: Governing,
    storage: Storage,
    serving: Serving,
    warnings: DefaultKeyedRateLimiter<DepartmentCode>,
    /// What of governance the node's log has said.
    reported: Reported,
    /// Questions about governance: an answer is up to a mebibyte, made on the thread that votes.
    questions: DefaultKeyedRateLimiter<DepartmentCode>,
    key_requests: DefaultKeyedRateLimiter<DepartmentCode>,
    statements: DefaultKeyedRateLimiter<DepartmentCode>,
    roster: Roster,
    whereabouts: Whereabouts,
    requests: HashMap<OutboundId, Waiting>,
    answering: Answering,
    reopening: Reopening,
    gossip: HashMap<u64, GossipId>,
    next_gossip: u64,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    /// Own records announced so far, and when.
    announced: u64,
    announced_at: Option<Instant>,
    announcement_due: bool,
    listening: Option<mpsc::Sender<libp2p::Multiaddr>>,
    /// What was last reported of the machine's clock.
    clock_alarm: Option<Warning>,
    /// Logs that were reported as dated ahead.
    dated_ahead: BTreeSet<LogId>,
}

/// What a reply to a question of governance holds; `None` if it is not one.
fn governance_reply(bytes: &[u8]) -> Option<Box<Reply>> {
    match Response::decode(bytes) {
        Ok(Response::Governance(reply)) => Some(reply),
        _ => None,
    }
}

impl Driver {
    pub(crate) fn new(
        parts: Parts,
        roster: Roster,
        listening: mpsc::Sender<libp2p::Multiaddr>,
    ) -> Driver {
        let Parts {
            peer,
            reopening,
            net,
            sync,
            governing,
            storage,
            answering,
            whereabouts,
        } = parts;
        let announced = peer.own.log.size();
        Driver {
            peer,
            net,
            sync,
            governing,
            storage,
            serving: Serving::new(),
            warnings: RateLimiter::keyed(WARNINGS),
            reported: Reported::default(),
            questions: RateLimiter::keyed(QUESTIONS),
            key_requests: RateLimiter::keyed(KEY_REQUESTS),
            statements: RateLimiter::keyed(STATEMENTS),
            roster,
            whereabouts,
            requests: HashMap::new(),
            answering,
            reopening,
            gossip: HashMap::new(),
            next_gossip: 0,
            answers: mpsc::channel(ANSWERS),
            announced,
            announced_at: None,
            announcement_due: false,
            listening: Some(listening),
            clock_alarm: None,
            dated_ahead: BTreeSet::new(),
        }
    }

    /// Runs until it is stopped.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.open_closed_logs();
        self.handle(Event::Tick);
        loop {
            let announce_at = self
                .announced_at
                .map_or_else(Instant::now, |at| at + ANNOUNCE_EVERY);
            tokio::select! {
                biased;
                _ = &mut inbox.stop => return,
                Ok(()) = inbox.heads.changed() => {
                    let newest = inbox.heads.borrow_and_update().clone();
                    if let Some(checkpoint) = newest {
                        self.handle(Event::Appended(checkpoint));
                        self.announcement_due = true;
                    }
                }
                () = tokio::time::sleep_until(announce_at.into()), if self.announcement_due => self.announce_head(),
                Some(stored) = inbox.stored.recv() => {
                    if stored.result.is_ok() {
                        self.reopening.stored(&stored.log);
                    }
                    self.handle(Event::Stored(stored));
                }
                Some(log) = inbox.damaged.recv() => self.reopening.damaged(log),
                Some(reopened) = inbox.reopened.recv() => {
                    let log = reopened.log;
                    if self.reopening.opened(reopened) {
                        self.handle(Event::Reopened(log));
                    }
                }
                () = inbox.vouched.notified() => self.handle(Event::OwnLogVouched),
                Some(ask) = inbox.asks.recv() => self.ask(ask),
                Some(output) = inbox.governance.recv() => self.govern(output),
                Ok(()) = inbox.addresses.changed() => {
                    let addresses = inbox.addresses.borrow_and_update().clone();
                    self.roster.set_addresses(addresses);
                    self.net.set_members(self.roster.peers());
                }
                Some((to, answer)) = self.answers.1.recv() => self.respond(to, answer),
                _ = tick.tick() => {
                    self.handle(Event::Tick);
                    if self.whereabouts.restate() {
                        self.serving.heads_changed();
                    }
                    self.show();
                }
                event = self.net.next() => self.network(event),
            }
        }
    }

    fn respond(&mut self, to: InboundId, answer: Vec<u8>) {
        if let Err(error) = self.net.respond(to, answer) {
            tracing::debug!(%error, "answer not sent");
        }
    }

    /// Copies that could not be opened at the start are opened as soon as the disk allows it.
    fn open_closed_logs(&mut self) {
        let peer = Arc::clone(&self.peer);
        for log in peer.catalogue.logs() {
            let id = log.name().id;
            if let Some(reason) = log.refused_write().filter(|_| id != peer.catalogue.own()) {
                self.reopening.refused(id, &reason);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        if matches!(event, Event::Appended(_) | Event::Stored(_)) {
            self.serving.heads_changed();
        }
        let now = self.peer.clock.now_ms();
        for command in self.sync.handle(event, now, &self.peer.catalogue) {
            self.carry_out(command);
        }
    }

    fn network(&mut self, event: NetEvent) {
        match event {
            NetEvent::Listening(address) => {
                tracing::info!(%address, "listening");
                self.whereabouts.listening(&address);
                if let Some(listening) = &self.listening {
                    // Whoever reads them wants those of the start; what comes when there is no room is logged.
                    let _ = listening.try_send(address);
                }
            }
            NetEvent::Connected(id) => self.with_code(id, |driver, code| {
                tracing::info!(department = %code, "connected");
                let connection = Connection {
                    since_ms: now_ms(),
                    rtt_ms: None,
                };
                driver.peer.heard.write().connected.insert(code, connection);
                driver.handle(Event::Connected(code));
                driver.show();
            }),
            NetEvent::Disconnected(id) => self.with_code(id, |driver, code| {
                tracing::info!(department = %code, "disconnected");
                driver.peer.heard.write().connected.remove(&code);
                driver.handle(Event::Disconnected(code));
                driver.show();
            }),
            NetEvent::Closed { peer, connection } => self.with_code(peer, |driver, peer| {
                let connection = ConnectionId(connection.0);
                driver.handle(Event::Closed { peer, connection });
            }),
            NetEvent::Request {
                peer,
                connection,
                id,
                bytes,
            } => self.with_code(peer, |driver, code| {
                driver.asked((code, ConnectionId(connection.0)), id, &bytes);
            }),
            NetEvent::Response {
                peer,
                connection,
                id,
                result,
            } => match self.requests.remove(&id) {
                Some(Waiting::Sync(request)) => self.with_code(peer, |driver, code| {
                    let connection = connection.map(|connection| ConnectionId(connection.0));
                    driver.answered((code, connection), request, result);
                }),
                Some(Waiting::Governance(question)) => self.with_code(peer, |driver, code| {
                    let reply = result.ok().and_then(|bytes| governance_reply(&bytes));
                    let answered = engine::Event::Answered(code, question, reply);
                    driver.give(Input::Event(answered));
                }),
                Some(Waiting::Addresses) => self.with_code(peer, |driver, code| {
                    if let Some(Ok(Response::Addresses(all))) =
                        result.ok().map(|bytes| Response::decode(&bytes))
                    {
                        driver.hear_addresses(code, all.into_vec());
                    }
                }),
                Some(Waiting::Asker(asker)) => {
                    let answer = result.and_then(|bytes| {
                        Response::decode(&bytes).map_err(|_| RequestFailure::Truncated)
                    });
                    let _ = asker.send(answer);
                }
                None => {}
            },
            NetEvent::Gossip { from, id, bytes } => self.with_code(from, |driver, code| {
                let name = driver.next_gossip;
                driver.next_gossip += 1;
                driver.gossip.insert(name, id);
                let announcement = match Announcement::decode(&bytes).ok() {
                    Some(Announcement::Governance(news)) => {
                        let event = engine::Event::News(code, name, Some(news));
                        return driver.give(Input::Event(event));
                    }
                    other => other.map(Box::new),
                };
                driver.handle(Event::Gossiped(Gossiped {
                    from: code,
                    id: name,
                    announcement,
                }));
            }),
        }
    }

    fn with_code(&mut self, id: PeerId, act: impl FnOnce(&mut Driver, DepartmentCode)) {
        if let Some(code) = self.roster.code_of(&id) {
            act(self, code);
        }
    }

    /// Answers another peer's request; what reads the disk does so on a thread that may block.
    fn asked(
        &mut self,
        (from, connection): (DepartmentCode, ConnectionId),
        id: InboundId,
        bytes: &[u8],
    ) {
        let request = match Request::decode(bytes) {
            Ok(request) => request,
            Err(error) if self.warnings.check_key(&from).is_ok() => {
                return tracing::warn!(department = %from, %error, "request refused");
            }
            Err(error) => return tracing::debug!(department = %from, %error, "request refused"),
        };
        let log = match &request {
            Request::Heads { instance } => {
                let standing = self.sync.heard_instance(from, connection, *instance);
                if standing == Standing::Later {
                    return self.respond(id, Response::OtherInstance.encode());
                }
                let rival = standing == Standing::First;
                let cosignature =
                    |checkpoint: &VerifiedCheckpoint| self.peer.fresh_cosignature(checkpoint);
                let governance = self.peer.governance.read().known;
                let addresses = self.whereabouts.digest();
                let make = || {
                    let heads = self.sync.heads(&self.peer.catalogue, now_ms(), cosignature);
                    let heads = Heads {
                        rival,
                        governance,
                        addresses,
                        ..heads
                    };
                    Response::Heads(heads).encode()
                };
                let answer = self.serving.heads(rival, make);
                return self.respond(id, answer);
            }
            Request::Page { log, .. } | Request::Evidence { log } => *log,
            Request::Governance(question) => {
                if self.questions.check_key(&from).is_ok() {
                    self.give(Input::Question(*question, id));
                }
                return;
            }
            Request::WitnessEnd(end) => {
                let (peer, answers) = (Arc::clone(&self.peer), self.answers.0.clone());
                let end = **end;
                self.serving.run(from, move || {
                    let word = peer.witness_end(&from, &end).unwrap_or_else(|error| {
                        tracing::warn!(%error, "a log can't be read, to witness where a key ended");
                        None
                    });
                    let response = word.map_or(Response::NotHeld, Response::EndWitnessed);
                    let _ = answers.blocking_send((id, response.encode()));
                });
                return;
            }
            Request::LogHeld { log, number } => {
                if self.statements.check_key(&from).is_err() {
                    return;
                }
                let (peer, answers) = (Arc::clone(&self.peer), self.answers.0.clone());
                let (log, number) = (*log, *number);
                self.serving.run(from, move || {
                    let held = peer.state_held(&from, &log, number);
                    let held = held.unwrap_or_else(|error| {
                        tracing::warn!(%error, "a log can't be read, to state what is held of it");
                        None
                    });
                    let held = held.map(|held| Response::LogHeld(Box::new(held)));
                    let response = held.unwrap_or(Response::NotHeld);
                    let _ = answers.blocking_send((id, response.encode()));
                });
                return;
            }
            Request::CatalogueKey(wanted) => {
                if self.key_requests.check_key(&from).is_ok() {
                    let answer = self.peer.share_catalogue_key(&from, wanted);
                    self.respond(id, answer.encode());
                }
                return;
            }
            Request::Addresses => {
                if let Some(answer) = self.whereabouts.answer(&from) {
                    self.respond(id, answer.encode());
                }
                return;
            }
            Request::Piece(asked) => {
                let (peer, answers) = (Arc::clone(&self.peer), self.answers.0.clone());
                let asked = asked.clone();
                let taken = self.serving.run(from, move || {
                    if id.is_open() {
                        let piece = piece(&peer, from, &asked);
                        let response = piece.map_or(Response::NotHeld, Response::Piece);
                        let _ = answers.blocking_send((id, response.encode()));
                    }
                });
                if !taken {
                    tracing::debug!(department = %from, "request refused: too many of this member are being served");
                }
                return;
            }
            Request::Retrieve(signed) => {
                let (answering, answers) = (self.answering.clone(), self.answers.0.clone());
                let signed = (**signed).clone();
                tokio::spawn(async move {
                    let answer = answering.answer(from, signed).await;
                    let answer = Response::Answer(Box::new(answer)).encode();
                    let _ = answers.send((id, answer)).await;
                });
                return;
            }
        };
        let (peer, answers) = (Arc::clone(&self.peer), self.answers.0.clone());
        let taken = self.serving.run(from, move || {
            if !id.is_open() {
                return;
            }
            let response = match peer.catalogue.log(&log).map(|log| serve(&log, &request)) {
                Some(Ok(response)) => response,
                Some(Err(error)) => {
                    tracing::error!(%error, "a log could not be read for another peer");
                    Response::NotHeld
                }
                None => Response::NotHeld,
            };
            if matches!(response, Response::Page(_)) {
                peer.metrics.pages_served.inc();
            }
            let _ = answers.blocking_send((id, response.encode()));
        });
        if !taken {
            tracing::debug!(department = %from, "request refused: too many of this member are being served");
        }
    }

    /// Sends a request that someone else waits for.
    fn ask(&mut self, ask: Ask) {
        match self.roster.id_of(&ask.to) {
            Some(id) => {
                let sent = self.net.request(id, ask.request.encode());
                self.requests.insert(sent, Waiting::Asker(ask.reply));
            }
            None => {
                let _ = ask.reply.send(Err(RequestFailure::NotConnected));
            }
        }
    }

    fn answered(
        &mut self,
        (from, connection): (DepartmentCode, Option<ConnectionId>),
        request: RequestId,
        result: Result<Vec<u8>, RequestFailure>,
    ) {
        let answer = match result {
            Ok(bytes) => Response::decode(&bytes)
                .map(Box::new)
                .map_err(|_| Failure::Malformed)
                .inspect(|response| self.hear_heads(from, response)),
            Err(error) => {
                tracing::debug!(department = %from, ?error, "request not answered");
                Err(match error {
                    RequestFailure::ResponseTooLarge { .. } => Failure::Malformed,
                    _ => Failure::Unreachable,
                })
            }
        };
        self.handle(Event::Answered {
            from,
            connection,
            request,
            answer,
        });
    }

    /// What a peer knows of governance, and of where members are, stands in its heads.
    fn hear_heads(&mut self, from: DepartmentCode, response: &Response) {
        if let Response::Heads(heads) = response {
            self.give(Input::Event(engine::Event::Heard(from, heads.governance)));
            if self.whereabouts.asks(from, heads.addresses)
                && let Some(id) = self.roster.id_of(&from)
            {
                let sent = self.net.request(id, Request::Addresses.encode());
                self.requests.insert(sent, Waiting::Addresses);
            }
        }
    }

    /// Takes in where members are by what another keeps, and dials them there.
    fn hear_addresses(&mut self, from: DepartmentCode, all: Vec<StatedAddresses>) {
        if self.whereabouts.take(from, all, self.peer.clock.now_ms()) {
            self.serving.heads_changed();
            self.dial_by_addresses();
        }
    }

    fn dial_by_addresses(&mut self) {
        self.roster.set_stated(self.whereabouts.stated());
        self.net.set_members(self.roster.peers());
    }

    /// Hands something to the thread of governance. What it has no room for is heard or asked for again.
    fn give(&mut self, input: Input) {
        match self.governing.give(input) {
            Ok(()) => {}
            Err(Input::Event(engine::Event::News(_, id, _))) => {
                self.judge(id, GossipVerdict::Ignore);
            }
            Err(_) => tracing::debug!("the thread of governance is busy"),
        }
    }

    /// Does what the thread of governance wants done.
    fn govern(&mut self, output: Output) {
        match output {
            Output::Publish(news) => self.publish(&Announcement::Governance(news)),
            Output::Judge(id, verdict) => self.judge(
                id,
                match verdict {
                    engine::Verdict::Accept => GossipVerdict::Accept,
                    engine::Verdict::Ignore => GossipVerdict::Ignore,
                    engine::Verdict::Reject => GossipVerdict::Reject,
                },
            ),
            Output::Ask(to, question, request) => match self.roster.id_of(&to) {
                Some(id) => {
                    let sent = self.net.request(id, request.encode());
                    self.requests.insert(sent, Waiting::Governance(question));
                }
                None => {
                    let answered = engine::Event::Answered(to, question, None);
                    self.give(Input::Event(answered));
                }
            },
            Output::Answer(to, answer) => self.respond(to, answer),
            Output::Changed(changes) => self.members_changed(changes),
            Output::Blame(peer, what) => {
                tracing::warn!(department = %peer, what, "a peer misbehaved");
            }
        }
    }

    /// Takes in who belongs by now: lets newcomers in, and closes the connections of those that were removed.
    fn members_changed(&mut self, changes: Changes) {
        let members = self.peer.catalogue.members().clone();
        for code in self.roster.follow(&members) {
            // What the network still reports of it is nobody's by now.
            if self.peer.heard.write().connected.remove(&code).is_some() {
                tracing::info!(department = %code, "disconnected: its peer no longer belongs to a member");
                self.handle(Event::Disconnected(code));
            }
            self.peer.forget_peer_of(&code);
        }
        self.whereabouts.follow();
        self.dial_by_addresses();
        self.serving.heads_changed();
        if changes.departments.contains(&self.peer.department) {
            self.own_keys_changed(&members);
        }
        self.handle(Event::MembersChanged(changes.departments));
        for log in self.peer.catalogue.caught_up() {
            self.reopening.damaged(log);
        }
        self.open_closed_logs();
        self.show();
    }

    /// This department was changed by the members, or by itself.
    fn own_keys_changed(&self, members: &Membership) {
        match self.peer.key_refusal() {
            Some(refusal) => tracing::error!("{}", say(&refusal)),
            None => tracing::info!("this department's part in the network has changed"),
        }
        let Some(own) = members.member(&self.peer.department) else {
            return;
        };
        let other_key = own.keys.transport.to_string() != self.peer.peer_id;
        if other_key || own.log() != self.peer.catalogue.own() {
            self.peer.restart.notify_one();
        }
    }

    fn judge(&mut self, id: u64, verdict: GossipVerdict) {
        if let Some(id) = self.gossip.remove(&id) {
            self.net.validate(id, verdict);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Request { to, request, body } => {
                if let Some(id) = self.roster.id_of(&to) {
                    let sent = self.net.request(id, body.encode());
                    self.requests.insert(sent, Waiting::Sync(request));
                }
            }
            Command::Store { from, records } => {
                if let Err(busy) = self.storage.store(from, records) {
                    self.handle(Event::Stored(busy));
                }
            }
            Command::Judge { id, judgement } => self.judge(
                id,
                match judgement {
                    Judgement::Accept => GossipVerdict::Accept,
                    Judgement::Ignore => GossipVerdict::Ignore,
                    Judgement::Reject => GossipVerdict::Reject,
                },
            ),
            Command::Announce(announcement) => self.publish(&announcement),
            Command::Cosign(checkpoint) => drop(self.peer.cosign(&checkpoint)),
            Command::KeepCosignature(checkpoint, cosignature) => {
                self.peer.keep_cosignature(checkpoint, cosignature);
            }
            Command::Freeze(evidence) => {
                tracing::error!(log = %evidence.log(), record = evidence.position(), "log forked: frozen, evidence kept");
                if let Err(error) = self.peer.catalogue.freeze(&evidence) {
                    tracing::error!(%error, "fork evidence not written");
                }
                self.peer.own.show();
            }
            Command::OwnLogConfirmed => {
                if !self.peer.own.is_confirmed() {
                    // Records that came back since the start have not been compared with their bodies.
                    tokio::task::block_in_place(|| self.peer.look_for_lost());
                }
                self.peer.own.confirmed();
                self.peer.show_own_log();
            }
            Command::OwnLogRestoring { known } => {
                self.peer.own.restoring(known);
                self.peer.show_own_log();
            }
            Command::OtherInstance { reported_by } => self.peer.other_instance(reported_by),
            Command::OwnLogElsewhere { reported_by } => {
                self.peer.own.elsewhere(reported_by);
                self.peer.show_own_log();
            }
            Command::OwnLogUnconfirmed => {
                self.peer.own.unconfirmed();
                self.peer.show_own_log();
            }
            Command::Blame { peer, what } => {
                tracing::warn!(department = %peer, what, "a peer misbehaved");
            }
            Command::Heard {
                from,
                confirmed,
                newer,
                unbegun,
                time_ms: said_ms,
            } => {
                let (time_ms, now_ms) = (now_ms(), self.peer.clock.now_ms());
                {
                    let mut heard = self.peer.heard.write();
                    heard.heads_ms.insert(from, time_ms);
                    // It was said half a round trip ago.
                    let rtt_ms = heard.connected.get(&from).and_then(|peer| peer.rtt_ms);
                    let way_ms = (rtt_ms.unwrap_or(0.0) / 2.0) as u64;
                    let said = (said_ms.saturating_add(way_ms), Clock::boot_ms());
                    heard.clocks.insert(from, said);
                }
                let catalogue = &self.peer.catalogue;
                for log in confirmed {
                    catalogue.confirm(log, from, time_ms, now_ms);
                }
                for log in unbegun {
                    catalogue.nothing_of(log, now_ms);
                }
                for (log, size) in newer {
                    catalogue.heard_of(log, size, true, now_ms);
                }
            }
            Command::Announced { log, size } => {
                let now_ms = self.peer.clock.now_ms();
                self.peer.catalogue.heard_of(log, size, false, now_ms);
            }
            Command::Reopen { log, reason } => {
                // Only a restart repairs what a refused write did to the own log.
                match log == self.peer.catalogue.own() {
                    true => self.peer.own.show(),
                    false => self.reopening.refused(log, &reason),
                }
            }
        }
    }

    /// Announces the own head, with the records since the last announcement when they fit.
    fn announce_head(&mut self) {
        self.announcement_due = false;
        self.announced_at = Some(Instant::now());
        if let Some(page) = announcement(&self.peer.own.log, self.announced) {
            self.announced = page.checkpoint.checkpoint.size;
            self.publish(&Announcement::Head(page));
        }
    }

    fn publish(&mut self, announcement: &Announcement) {
        match self.net.publish(announcement.encode()) {
            // Gossip is a hint; whoever missed it learns the head when heads are compared.
            Ok(()) | Err(PublishError::NoPeers | PublishError::Duplicate) => {}
            Err(error) => tracing::debug!(%error, "announcement not published"),
        }
    }

    /// Brings what the API and the metrics show up to date.
    fn show(&mut self) {
        let peer = &self.peer;
        let known: Vec<(LogId, u64, u64)> = peer
            .catalogue
            .logs()
            .map(|log| {
                let id = log.name().id;
                let size = log.size();
                let newest = peer.catalogue.newest_known(&id).unwrap_or(size);
                (id, size, self.sync.known_size(&id).max(newest))
            })
            .collect();
        let infos = self.net.connected();
        let mut heard = peer.heard.write();
        for info in infos {
            let code = self.roster.code_of(&info.peer);
            if let Some(connection) = code.and_then(|code| heard.connected.get_mut(&code)) {
                let since = info.since.duration_since(UNIX_EPOCH).unwrap_or_default();
                connection.since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
                connection.rtt_ms = info.rtt_ms;
            }
        }
        for (id, size, known) in known {
            peer.metrics.set_log(&id.department, size, known);
            heard.known.insert(id, known);
        }
        let members = peer.catalogue.members();
        let (own, connected) = (&peer.department, &heard.connected);
        peer.own.confirming(|| {
            let needed = (self.sync.confirmations_needed(), self.sync.lost());
            Awaited::of(members, own, self.sync.confirmed_by(), connected, needed)
        });
        drop(heard);
        peer.show_own_log();
        peer.show_health();
        peer.report_governance(&mut self.reported);
        self.show_clocks();
    }

    /// Warns the operator when a clock goes wrong or a log is dated ahead, and sets each clock's offset in the metrics.
    fn show_clocks(&mut self) {
        let peer = &self.peer;
        let alarm = peer.clock_alarm();
        match &alarm {
            Some(alarm) if self.clock_alarm.is_none() => tracing::warn!("{}", say(alarm)),
            None if self.clock_alarm.is_some() => {
                tracing::info!("the clock agrees with others again");
            }
            _ => {}
        }
        self.clock_alarm = alarm;
        for log in peer.catalogue.logs() {
            let id = log.name().id;
            match peer.ahead(&log) {
                Some(detail) => {
                    if self.dated_ahead.insert(id) {
                        tracing::warn!(log = %id, "{}", say(&detail));
                    }
                }
                None => drop(self.dated_ahead.remove(&id)),
            }
        }
    }
}
