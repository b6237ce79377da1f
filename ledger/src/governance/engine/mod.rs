//! A member's part in governance: what it knows of the chain, what waits for a block, and, if it governs, its votes.
//!
//! A state machine: an [`Event`] and a time give [`Command`]s, to be carried out in their order. Every member has one. It
//! fetches final blocks from whoever has more, passes on what is said and what is pending, and never anything that it could
//! not check. It holds no socket, clock or disk.
//!
//! Gossip makes it fast and nothing waits for it: what got lost is found when heads are compared ([`Known`]).

mod news;
mod peers;
mod rates;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::codec::{self, Bounded};
use crate::crypto::hash::{Purpose, hash};
use crate::crypto::keys::{KeyRing, PublicKey, SigningKey};
use crate::id::DepartmentCode;

use super::block::{FinalBlock, Item, MAX_ITEMS};
use super::chain::BlockId;
use super::consensus::{self, Consensus, Entry, Message, Moment};
use super::fault::{BlockError, Fault};
use super::fold::quorum;
use super::history::{Changes, History};
use super::member::Member;
use super::pool::{Pool, Refused};
use super::state::State;
use peers::Peers;
use rates::Rates;

pub use news::{Known, MAX_ANSWER, MAX_BLOCKS, MAX_PENDING, News, Question, Reply};

/// From one look at what is pending to the next, ms: with time a proposal lapses, and a quota is free again.
const LOOK_EVERY_MS: u64 = 1_000;

/// Messages about one block that are remembered, to tell repetitions.
const MAX_SAID: usize = 1 << 14;

/// Names a question until it is answered.
pub type QuestionId = u64;

/// Names a gossiped message until it is judged.
pub type NewsId = u64;

/// What a peer was left with by the run before.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// What moved its part in the decision on a height, and on which.
    pub votes: (u64, Vec<Entry>),
    /// What waited for a block.
    pub pending: Vec<Item>,
    /// Operating keys that it may have voted with and forgotten how: it votes with them no more.
    pub barred: Vec<PublicKey>,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// A member's peer is connected.
    Connected(DepartmentCode),
    /// It no longer is.
    Disconnected(DepartmentCode),
    /// A peer said what it knows.
    Heard(DepartmentCode, Known),
    /// Something was gossiped; `None` could not be read.
    News(DepartmentCode, NewsId, Option<Box<News>>),
    /// A question was answered, or not.
    Answered(DepartmentCode, QuestionId, Option<Box<Reply>>),
    /// Time passed.
    Tick,
}

/// What to do, in this order.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make these durable, after those before of the same height, before anything further is done. Those of earlier heights
    /// can go.
    Keep(u64, Vec<Entry>),
    /// Keep the next block of the chain.
    Store(Box<FinalBlock>),
    /// It is in force, and changed this.
    Changed(Changes),
    /// Make these durable in the place of those before: somebody here was told that they wait.
    KeepPending(Vec<Item>),
    /// Gossip.
    Publish(Box<News>),
    /// Pass a gossiped message on, or not.
    Judge(NewsId, Verdict),
    /// Ask a peer.
    Ask(DepartmentCode, QuestionId, Question),
    /// Report to the operator a peer that sent something wrong.
    Blame(DepartmentCode, &'static str),
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

/// The chain as everybody in a peer asks it.
pub trait Chain: Send {
    /// All of it so far.
    fn history(&self) -> Arc<History>;

    /// Adds the next block.
    ///
    /// # Errors
    /// [`BlockError`] if it isn't final, doesn't hold, or is not the next one; then nothing changed.
    fn extend(&self, block: &FinalBlock) -> Result<Changes, BlockError>;
}

/// Whether this node votes on blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seat {
    /// Its department does not govern.
    #[default]
    None,
    /// It votes.
    Votes,
    /// The operating key in force is not here.
    KeyNotHeld,
    /// It may have voted with the operating key in force and forgotten how.
    Barred,
    /// The version in force is one that this program does not know: what a later block says it can't judge.
    Outdated,
}

/// A member's part in governance.
pub struct Engine {
    chain: Box<dyn Chain>,
    /// As it is now.
    history: Arc<History>,
    blocks: Vec<FinalBlock>,
    own: DepartmentCode,
    keys: KeyRing,
    barred: Vec<PublicKey>,
    /// What moved its votes on a height in the run before. Of heights before that it may not know how it voted.
    voted: (u64, Vec<Entry>),
    pool: Pool,
    /// The sum over what is in it, and after how many changes.
    sum: (u64, u64),
    /// What the present height's decision was last told to wait.
    pending: Bounded<Item, MAX_ITEMS>,
    consensus: Option<Consensus>,
    wake: Option<u64>,
    looked_at: Option<u64>,
    peers: Peers,
    /// Of what each department signed.
    rates: Rates,
    /// Of what each neighbour passes on that costs something and shows nothing new: repetitions, and items.
    passed_on: Rates,
    /// What was said about the next block, by its hash.
    said: BTreeSet<u64>,
    again: u64,
    commands: Vec<Command>,
}

impl Engine {
    /// Goes on with what the run before left. The chain is that of `blocks`; `keys` are the operating keys that this node has.
    /// That of the next epoch may come while it runs.
    pub fn start(
        chain: Box<dyn Chain>,
        blocks: Vec<FinalBlock>,
        own: DepartmentCode,
        keys: impl Into<KeyRing>,
        left: Left,
        at: Moment,
    ) -> (Engine, Vec<Command>) {
        let mut engine = Engine {
            history: chain.history(),
            chain,
            blocks,
            own,
            keys: keys.into(),
            barred: left.barred,
            voted: left.votes,
            pool: Pool::default(),
            sum: (0, 0),
            pending: Bounded::default(),
            consensus: None,
            wake: None,
            looked_at: None,
            peers: Peers::default(),
            rates: Rates::default(),
            passed_on: Rates::default(),
            said: BTreeSet::new(),
            // Of two runs no two messages are the same bytes.
            again: at.clock_ms,
            commands: Vec::new(),
        };
        for item in &left.pending {
            // What does not hold any more was decided, or lapsed.
            let _ = engine.pool.add(item, engine.history.state(), at.clock_ms);
        }
        engine.begin_height(at);
        engine.sum_up();
        let commands = std::mem::take(&mut engine.commands);
        (engine, commands)
    }

    /// What an event comes to.
    pub fn handle(&mut self, event: Event, at: Moment) -> Vec<Command> {
        match event {
            Event::Connected(peer) => self.peers.connected(peer),
            Event::Disconnected(peer) => self.peers.disconnected(&peer),
            Event::Heard(from, known) => self.peers.heard(from, known, at.running_ms),
            Event::News(from, id, news) => {
                let verdict = match news {
                    Some(news) => self.on_news(from, *news, at),
                    // What a later version says need not be what this program can read.
                    None if !self.history.state().is_readable() => Verdict::Ignore,
                    None => Verdict::Reject,
                };
                self.commands.push(Command::Judge(id, verdict));
            }
            Event::Answered(from, question, reply) => self.on_reply(from, question, reply, at),
            Event::Tick => self.on_tick(at),
        }
        self.sum_up();
        self.ask(at);
        std::mem::take(&mut self.commands)
    }

    /// Takes something that people of this department want decided. Once the commands are carried out it is durable here, and
    /// on its way to the others.
    ///
    /// # Errors
    /// [`Refused`], with what to do.
    pub fn submit(&mut self, item: &Item, at: Moment) -> Result<Vec<Command>, Refused> {
        self.pool.add(item, self.history.state(), at.clock_ms)?;
        let kept = self.pool.items().collect();
        self.commands.push(Command::KeepPending(kept));
        self.publish_item(item.clone());
        self.look(at);
        self.sum_up();
        Ok(std::mem::take(&mut self.commands))
    }

    /// Answers another peer.
    pub fn answer(&self, question: &Question) -> Reply {
        match question {
            Question::Blocks { from } => {
                let skip = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
                Reply::Blocks(news::fitting(self.blocks.iter().skip(skip).cloned()))
            }
            Question::Pending => Reply::Pending(news::fitting(self.pool.items())),
        }
    }

    /// What this peer knows, for the others.
    pub fn known(&self) -> Known {
        Known {
            height: self.history.height(),
            head: self.history.state().head(),
            pending: self.sum.0,
        }
    }

    /// The chain so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What waits for a block.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The final blocks.
    pub fn blocks(&self) -> &[FinalBlock] {
        &self.blocks
    }

    /// Whether this node votes on blocks.
    pub fn seat(&self) -> Seat {
        let governor = self.history.state().governor(&self.own);
        let Some(living) = governor.map(Member::operating_key) else {
            return Seat::None;
        };
        match living.filter(|key| self.keys.find(key).is_some()) {
            None => Seat::KeyNotHeld,
            Some(key) if self.barred.contains(key) => Seat::Barred,
            Some(_) if !self.history.state().is_readable() => Seat::Outdated,
            Some(_) => Seat::Votes,
        }
    }

    /// Which attempt at the next block this node takes part in.
    pub fn round_in_progress(&self) -> Option<u32> {
        self.consensus.as_ref()?.round_in_progress()
    }

    /// The block that keeps this node from voting for a recovery that waits: it gave that its precommit, and others may have
    /// made it final.
    pub fn withholds(&self) -> Option<BlockId> {
        let (consensus, signed) = (self.consensus.as_ref()?, self.pool.recovery()?);
        let id = signed.recovery.id(self.history.state().network());
        let votes_elsewhere = consensus.recovery_id() != Some(id);
        let is_asked = signed.recovery.ends.find(&self.own).is_none();
        consensus.bound_to().filter(|_| votes_elsewhere && is_asked)
    }

    /// Which governors have shown nothing newer within the policy's age.
    pub fn governors_heard(&self, at: Moment) -> Heard {
        let state = self.history.state();
        let since = at.running_ms.saturating_sub(state.policy().fresh_ms);
        let here = (state.height(), state.head());
        let governs = state.governor(&self.own).is_some();
        let all = state.governors().count();
        let others = state.governors().filter(|other| other.code != self.own);
        let shows = |other: &&Member| self.peers.shows_nothing_newer(&other.code, here, since);
        Heard {
            shown: others.filter(shows).count() + usize::from(governs),
            all,
            needed: needed_to_be_current(all, governs),
        }
    }

    fn on_news(&mut self, from: DepartmentCode, news: News, at: Moment) -> Verdict {
        match news {
            // By which rules these are signed in a later version, this program can't know.
            News::Said { .. } | News::Pending { .. } if !self.history.state().is_readable() => {
                Verdict::Ignore
            }
            News::Said { message, .. } => self.on_said(from, *message, at),
            News::Pending { height, item } => self.on_item(from, height, &item, at),
            News::Final { height, .. } => {
                // A hint that whoever passes it on has the block. Each governor gives its own.
                self.peers.may_have(from, height);
                Verdict::Ignore
            }
        }
    }

    fn on_said(&mut self, from: DepartmentCode, message: Message, at: Moment) -> Verdict {
        let next = self.history.height().saturating_add(1);
        if message.height() > next {
            self.peers.may_have(from, message.height() - 1);
        }
        if message.height() != next {
            return Verdict::Ignore;
        }
        let name = short_hash(&message);
        if self.said.contains(&name) {
            // Nobody signs a repetition: it counts as its neighbour's, or anybody could use up what a governor may say. It is
            // passed on for those who come back, and looked at again: an offer that was too early then may not be now.
            if !self.passed_on.may(from, at.running_ms) {
                return Verdict::Ignore;
            }
            self.decide(consensus::Event::Message(message), at);
            return Verdict::Accept;
        }
        if !message.is_authentic(self.history.state()) {
            return Verdict::Reject;
        }
        // Beyond what an honest one says, whatever it signs: neither counted nor passed on.
        if !self.rates.may(message.by(), at.running_ms) {
            return Verdict::Ignore;
        }
        if self.said.len() >= MAX_SAID {
            self.said.clear();
        }
        self.said.insert(name);
        self.decide(consensus::Event::Message(message), at);
        Verdict::Accept
    }

    fn on_item(&mut self, from: DepartmentCode, height: u64, item: &Item, at: Moment) -> Verdict {
        let here = self.history.height();
        // Before any signature is looked at: one item has up to 64 of them.
        if !self.passed_on.may(from, at.running_ms) {
            return Verdict::Ignore;
        }
        match self.pool.add(item, self.history.state(), at.clock_ms) {
            Ok(true) => {
                self.look(at);
                // Counted once its signature was found right: nobody uses up another's.
                match signer(item).is_some_and(|by| self.rates.may(by, at.running_ms)) {
                    true => Verdict::Accept,
                    false => Verdict::Ignore,
                }
            }
            // Under the very state of whoever passed it on no signature turns wrong.
            Err(Refused::Fault(Fault::Signature(_))) if height == here => Verdict::Reject,
            Ok(false) | Err(_) => Verdict::Ignore,
        }
    }

    fn on_reply(
        &mut self,
        from: DepartmentCode,
        question: QuestionId,
        reply: Option<Box<Reply>>,
        at: Moment,
    ) {
        let Some(asked) = self.peers.answered(&from, question) else {
            return;
        };
        match (asked, reply.map(|reply| *reply)) {
            (Question::Blocks { .. }, Some(Reply::Blocks(blocks))) => {
                let before = self.history.height();
                let is_right = self.on_blocks(blocks.into_vec(), at);
                if !is_right {
                    self.commands
                        .push(Command::Blame(from, "it sent a block that is not final"));
                }
                if !is_right || self.history.height() == before {
                    // It said that it had more.
                    self.peers.distrust(&from, at.running_ms);
                }
            }
            (Question::Pending, Some(Reply::Pending(items))) => {
                for item in &*items {
                    let _ = self.pool.add(item, self.history.state(), at.clock_ms);
                }
                self.look(at);
            }
            _ => self.peers.distrust(&from, at.running_ms),
        }
    }

    /// Takes final blocks as far as they go on from here; false if one of them does not hold.
    fn on_blocks(&mut self, blocks: Vec<FinalBlock>, at: Moment) -> bool {
        for block in blocks {
            // Another way it has come meanwhile.
            if block.block.height <= self.history.height() {
                continue;
            }
            if !self.history.state().is_readable() {
                return true;
            }
            if !self.extend(block, at) {
                return false;
            }
        }
        true
    }

    /// Adds the next final block, and begins the height after it.
    fn extend(&mut self, block: FinalBlock, at: Moment) -> bool {
        let Ok(changes) = self.chain.extend(&block) else {
            return false;
        };
        self.history = self.chain.history();
        self.blocks.push(block.clone());
        self.commands.push(Command::Store(Box::new(block)));
        self.commands.push(Command::Changed(changes));
        self.pool.settle(self.history.state(), at.clock_ms);
        if self.history.state().governor(&self.own).is_some() {
            let state = self.history.state();
            let (height, block) = (state.height(), state.head());
            let again = self.next_again();
            self.commands.push(Command::Publish(Box::new(News::Final {
                again,
                height,
                block,
            })));
        }
        self.begin_height(at);
        true
    }

    fn begin_height(&mut self, at: Moment) {
        self.take_seat();
        // What it voted before comes before anything that it could vote on: it would not know that vote otherwise. At the start,
        // or later, if blocks that it had were damaged and came again.
        if let Some(consensus) = &mut self.consensus
            && consensus.height() == self.voted.0
        {
            let voted = std::mem::take(&mut self.voted.1);
            let commands = consensus.resume(&voted, at);
            self.follow(commands, at);
        }
        self.look(at);
    }

    /// Takes part in the decision on the next block, if this node has a vote in it.
    fn take_seat(&mut self) {
        self.wake = None;
        self.pending = Bounded::default();
        self.rates.begin();
        self.said.clear();
        let key = self.voting_key();
        let state = self.history.state();
        self.consensus = key.and_then(|key| Consensus::new(state, self.own, key));
    }

    /// The key to vote with on the next block.
    fn voting_key(&self) -> Option<SigningKey> {
        let state = self.history.state();
        let key = voting_key(state, &self.own, &self.keys, &self.barred);
        key.filter(|_| state.height().saturating_add(1) >= self.voted.0)
    }

    /// Tells the decision on the next block what is pending, if that is other than before.
    fn look(&mut self, at: Moment) {
        self.looked_at = Some(at.running_ms);
        if self.consensus.is_none() {
            return;
        }
        if let Some(signed) = self.pool.recovery() {
            let signed = Box::new(signed.clone());
            self.decide(consensus::Event::Recovery(signed), at);
        }
        let pending = self.pool.next(self.history.state(), at.clock_ms);
        if pending != self.pending {
            self.pending = pending.clone();
            self.decide(consensus::Event::Pending(pending), at);
        }
    }

    fn decide(&mut self, event: consensus::Event, at: Moment) {
        if let Some(consensus) = &mut self.consensus {
            let commands = consensus.handle(event, at);
            self.follow(commands, at);
        }
    }

    fn follow(&mut self, commands: Vec<consensus::Command>, at: Moment) {
        let height = self.history.height().saturating_add(1);
        for command in commands {
            match command {
                consensus::Command::Keep(entries) => {
                    self.commands.push(Command::Keep(height, entries));
                }
                consensus::Command::Send(message) => {
                    let (again, message) = (self.next_again(), Box::new(message));
                    let news = Box::new(News::Said { again, message });
                    self.commands.push(Command::Publish(news));
                }
                // Nothing more comes of this height.
                consensus::Command::Final(block) => {
                    self.extend(*block, at);
                    return;
                }
                consensus::Command::Wake(when) => self.wake = Some(when),
            }
        }
    }

    fn on_tick(&mut self, at: Moment) {
        // Its key may have come after the block that brought it into force.
        if self.consensus.is_none() && self.voting_key().is_some() {
            self.begin_height(at);
        }
        if self.wake.is_some_and(|when| when <= at.running_ms) {
            self.wake = None;
            self.decide(consensus::Event::Tick, at);
        }
        let due = |looked: u64| looked.saturating_add(LOOK_EVERY_MS) <= at.running_ms;
        if self.looked_at.is_none_or(due) {
            self.pool.settle(self.history.state(), at.clock_ms);
            self.look(at);
        }
    }

    /// Asks for blocks where somebody has more, and for what is pending elsewhere.
    fn ask(&mut self, at: Moment) {
        let known = self.known();
        let reads_on = self.history.state().is_readable();
        for (peer, id, question) in self.peers.questions(&known, reads_on, at.running_ms) {
            self.commands.push(Command::Ask(peer, id, question));
        }
    }

    fn publish_item(&mut self, item: Item) {
        let (height, item) = (self.history.height(), Box::new(item));
        let news = Box::new(News::Pending { height, item });
        self.commands.push(Command::Publish(news));
    }

    /// Sums up what waits, if it has changed.
    fn sum_up(&mut self) {
        let changes = self.pool.changes();
        if self.sum.1 != changes {
            let sum = |sum: u64, item: Item| sum.wrapping_add(short_hash(&item));
            self.sum = (self.pool.items().fold(0, sum), changes);
        }
    }

    fn next_again(&mut self) -> u64 {
        self.again = self.again.wrapping_add(1);
        self.again
    }
}

/// Governors that know of no later decision than a peer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Those that have shown it, and the peer's own department if it governs.
    pub shown: usize,
    /// All of them.
    pub all: usize,
    /// How many the peer has to hear of to be current, its own department among them.
    pub needed: usize,
}

impl Heard {
    /// Whether they are enough. Else the peer may be cut off from a majority that decides without it, and its yes could be one that
    /// was taken back.
    pub fn is_enough(&self) -> bool {
        self.needed > 0 && self.shown >= self.needed
    }
}

/// How many of so many governors a peer has to hear of: of the others more than a third, so that one of them does not lie; none
/// where nothing is decided without the peer itself.
fn needed_to_be_current(all: usize, governs: bool) -> usize {
    let others = all - usize::from(governs);
    match governs && quorum(all) > others {
        true => 1,
        false => others / 3 + 1 + usize::from(governs),
    }
}

/// The key that a department's node votes with now; none if it does not govern, has another key, may have forgotten votes, or could
/// not judge the next block.
fn voting_key(
    state: &State,
    own: &DepartmentCode,
    keys: &KeyRing,
    barred: &[PublicKey],
) -> Option<SigningKey> {
    let living = state.governor(own)?.operating_key()?;
    let held = keys.find(living)?;
    (state.is_readable() && !barred.contains(living)).then_some(held)
}

/// Whose word an item is.
fn signer(item: &Item) -> Option<DepartmentCode> {
    match item {
        Item::Decision(decision) => Some(decision.proposal.proposer),
        Item::Withdrawal(withdrawal) => Some(withdrawal.signed.by),
        Item::OwnChange(change) => Some(change.change.department),
        Item::EpochEnded(ended) => Some(ended.end.position.log.department),
        // More than a third of the governors, of whom there is one at least.
        Item::Recovery(signed) => signed.governors.first().map(|agreed| agreed.by),
        Item::Unreadable(_) => None,
    }
}

fn short_hash<T: Serialize>(value: &T) -> u64 {
    let hash = hash(Purpose::Block, &codec::encode(value));
    let (first, _) = hash.as_bytes().split_first_chunk().expect("32 bytes");
    u64::from_le_bytes(*first)
}
