//! How the governors' nodes agree on the next block.
//!
//! A state machine for one height, around the Tendermint driver of the `malachitebft` library: an event and a time give
//! commands. Up to a third of the governors, less one vote, may lie, vanish or come back; of up to three governors a minority may
//! vanish, and none may lie.
//!
//! A vote that was sent binds: a node that forgot one and voted otherwise would be a liar, whatever the reason. So whatever
//! moved the machine is kept first ([`Command::Keep`]) and only then does the vote leave that came of it. A node that starts
//! again takes it all from there ([`Consensus::resume`]). One that lost it takes no part until its next epoch is in force.
//!
//! Nothing happens while nothing is pending, and a block with nothing in it is not one.
//!
//! A recovery is agreed on by those who go on governing after it, in rounds of their own: see `recovery`.

mod checks;
mod context;
mod driving;
mod message;
mod recovery;
mod votes;

use std::collections::BTreeMap;

use malachitebft_core_driver::{Driver, ThresholdParams};
use malachitebft_core_types::{ThresholdParam, Timeout, TimeoutKind};

use crate::codec::Bounded;
use crate::crypto::keys::SigningKey;
use crate::id::DepartmentCode;

use super::block::{Block, FinalBlock, Item, MAX_ITEMS, SignedRecovery, Stage, Vote};
use super::chain::BlockId;
use super::kinds::Signed;
use super::state::State;
use context::{Governance, Height, Seats};
use recovery::Turned;
use votes::Ahead;

pub use message::{Again, Entry, Message, Offer, Wait};

/// How far a block's time may be ahead of a voter's clock: clocks differ, and time never goes back in the chain.
pub const MAX_AHEAD_MS: u64 = 300_000;

/// How often a node repeats what it said last: a message may get lost, and whoever comes back has to hear it.
const REPEAT_MS: u64 = 5_000;

/// How many rounds beyond the present one are followed. Who is further ahead is remembered by its last votes alone.
const ROUNDS_AHEAD: u32 = 8;

/// Offers of one round that are looked at: its proposer makes one, and a liar's second is enough to know it.
const OFFERS_A_ROUND: usize = 2;

/// What can happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// These items are pending, in the place of those before. They hold, one after the other.
    Pending(Bounded<Item, MAX_ITEMS>),
    /// A recovery is wanted. It holds.
    Recovery(Box<SignedRecovery>),
    /// A message came.
    Message(Message),
    /// The time that [`Command::Wake`] named has come.
    Tick,
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make these durable, after those before, before anything further is done. Once the block of this height is, all of
    /// them can go.
    Keep(Vec<Entry>),
    /// Send this to all other governors.
    Send(Message),
    /// The block of this height is final. Nothing more comes of this machine.
    Final(Box<FinalBlock>),
    /// Give a [`Event::Tick`] at this time of the running clock, in the place of the time named before.
    Wake(u64),
}

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Ms of a clock that never goes back, since whenever.
    pub running_ms: u64,
    /// Ms since 1970 UTC, as the node's clock has it.
    pub clock_ms: u64,
}

/// A governor's part in the decision on one height.
pub struct Consensus {
    state: State,
    by: DepartmentCode,
    key: SigningKey,
    seats: Seats,
    /// How many votes are enough.
    needed: usize,
    /// The recovery that is agreed on, if it is one.
    recovery: Option<Turned>,
    driver: Driver<Governance>,
    begun: bool,
    done: bool,
    pending: Bounded<Item, MAX_ITEMS>,
    /// It is this node's turn in this round, and there was nothing to offer.
    turn: Option<u32>,
    /// Own votes, also those cast before a restart.
    cast: BTreeMap<(u32, Stage), Vote>,
    /// What was said in rounds that still matter, to be repeated.
    said: Vec<Message>,
    offers: BTreeMap<u32, BTreeMap<(BlockId, Option<u32>), bool>>,
    ahead: Ahead,
    waits: Vec<(u64, Timeout)>,
    repeat_at: u64,
    unkept: Vec<Entry>,
    replaying: bool,
    commands: Vec<Command>,
}

impl Consensus {
    /// Takes part in the decision on the block after a state; `None` if the department doesn't govern, or signs with
    /// another key.
    pub fn new(state: &State, by: DepartmentCode, key: SigningKey) -> Option<Consensus> {
        let living = state.governor(&by)?.operating_key()?;
        if *living != key.public() {
            return None;
        }
        let (voters, needed) = state.voters(None);
        let seats = Seats::of(&voters);
        let params = thresholds(seats.len(), needed);
        Some(Consensus {
            driver: driver(state, &seats, by, params),
            state: state.clone(),
            by,
            key,
            ahead: Ahead::new(params.honest.min_expected(seats.len() as u64)),
            seats,
            needed,
            recovery: None,
            begun: false,
            done: false,
            pending: Bounded::default(),
            turn: None,
            cast: BTreeMap::new(),
            said: Vec::new(),
            offers: BTreeMap::new(),
            waits: Vec::new(),
            repeat_at: 0,
            unkept: Vec::new(),
            replaying: false,
            commands: Vec::new(),
        })
    }

    /// Goes on from what was kept of the same height, and says again what it said last.
    pub fn resume(&mut self, kept: &[Entry], at: Moment) -> Vec<Command> {
        self.replaying = true;
        // Of one agreement after the other.
        for kept in kept.chunk_by(|_, next| !matches!(next, Entry::Turned(_))) {
            let (turned, kept) = match kept {
                [turned @ Entry::Turned(_), kept @ ..] => (Some(turned), kept),
                kept => (None, kept),
            };
            if let Some(turned) = turned {
                self.follow(turned.clone(), at);
            }
            let own = kept.iter().filter_map(|entry| match entry {
                Entry::Voted(vote, signed) if signed.by == self.by => Some(*vote),
                _ => None,
            });
            let cast: Vec<Vote> = own.collect();
            self.cast
                .extend(cast.iter().map(|vote| ((vote.round, vote.stage), *vote)));
            for entry in kept {
                self.follow(entry.clone(), at);
            }
        }
        self.replaying = false;
        self.repeat(at);
        self.out(at)
    }

    /// What an event comes to.
    pub fn handle(&mut self, event: Event, at: Moment) -> Vec<Command> {
        if self.done {
            return Vec::new();
        }
        match event {
            Event::Pending(items) => self.on_pending(items, at),
            Event::Recovery(signed) => self.on_recovery(*signed, at),
            Event::Message(message) => self.on_message(message, at),
            Event::Tick => self.on_tick(at),
        }
        self.catch_up(at);
        self.out(at)
    }

    /// The height that it is about.
    pub fn height(&self) -> u64 {
        self.driver.height().0
    }

    /// Whether it takes part, and the round that it is in: for people, who want to know why nothing gets decided.
    pub fn round_in_progress(&self) -> Option<u32> {
        self.begun.then(|| self.round())
    }

    fn on_pending(&mut self, items: Bounded<Item, MAX_ITEMS>, at: Moment) {
        // A recovery stands alone.
        if self.recovery.is_some() {
            return;
        }
        self.pending = items;
        self.go_on(at);
    }

    /// Offers what is pending, or takes part so that another does.
    fn go_on(&mut self, at: Moment) {
        let Some(block) = self.own_block(at) else {
            return;
        };
        match self.turn.take() {
            Some(round) => self.follow(Entry::Own(round, block), at),
            None => self.begin(at),
        }
    }

    /// The block that this node would offer now.
    fn own_block(&self, at: Moment) -> Option<Block> {
        let block = Block {
            height: self.height(),
            before: self.state.head(),
            time_ms: at.clock_ms.max(self.state.time_ms()),
            items: self.pending.clone(),
        };
        self.holds(&block, at).then_some(block)
    }

    fn begin(&mut self, at: Moment) {
        if !self.begun {
            self.follow(Entry::Begun, at);
        }
    }

    fn on_message(&mut self, message: Message, at: Moment) {
        // Each agreement has its own voters, and rounds from 0.
        if message.recovery(self.state.network()) != self.recovery_id() {
            return;
        }
        match message {
            Message::Offer(offer) => self.on_offer(offer, at),
            Message::Vote(vote, signed) | Message::RecoveryVote(_, vote, signed) => {
                self.on_vote(vote, signed, at);
            }
        }
    }

    fn on_offer(&mut self, offer: Offer, at: Moment) {
        let Some(holds) = self.look_at(&offer, at) else {
            return;
        };
        if holds {
            self.begin(at);
        }
        if self.begun {
            self.follow(Entry::Offered(offer, holds), at);
        }
    }

    fn on_vote(&mut self, vote: Vote, signed: Signed, at: Moment) {
        // An own vote comes from nowhere but here.
        if vote.height != self.height() || signed.by == self.by {
            return;
        }
        let near = self.begun && vote.round <= self.round().saturating_add(ROUNDS_AHEAD);
        if self.has(&vote, &signed, near) || !self.is_vote(&vote, &signed) {
            return;
        }
        if near {
            return self.follow(Entry::Voted(vote, signed), at);
        }
        self.ahead.remember(vote, signed);
        // So many are at work that one of them is honest: something is pending.
        if !self.begun && self.ahead.are_enough(None) {
            self.begin(at);
        }
    }

    /// Follows those who are ahead, where enough are in one round.
    fn catch_up(&mut self, at: Moment) {
        while let Some((vote, signed)) = self.begun.then(|| self.next_ahead()).flatten() {
            self.follow(Entry::Voted(vote, signed), at);
        }
    }

    fn next_ahead(&mut self) -> Option<(Vote, Signed)> {
        let near = self.round().saturating_add(ROUNDS_AHEAD);
        self.ahead.take(near)
    }

    fn on_tick(&mut self, at: Moment) {
        let due = |(when, _): &(u64, Timeout)| *when <= at.running_ms;
        let over: Vec<(u64, Timeout)> = self.waits.iter().copied().filter(due).collect();
        self.waits.retain(|wait| !due(wait));
        for (_, timeout) in over {
            let wait = match timeout.kind {
                TimeoutKind::Propose => Wait::Offer,
                TimeoutKind::Prevote => Wait::Prevotes,
                TimeoutKind::Precommit => Wait::Precommits,
                TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => continue,
            };
            // Of rounds that are over it changes nothing, and need not be kept.
            if timeout.round == self.driver.round() {
                self.follow(Entry::Over(self.round(), wait), at);
            }
        }
        if self.begun && at.running_ms >= self.repeat_at {
            self.repeat(at);
        }
    }

    fn round(&self) -> u32 {
        self.driver.round().as_u32().unwrap_or(0)
    }

    fn say(&mut self, message: Message) {
        // Of two rounds: whoever went on to this one did so by votes of the one before, which others may have missed.
        let present = self.round();
        self.said
            .retain(|said| said.round().saturating_add(1) >= present);
        self.said.push(message.clone());
        if !self.replaying {
            self.commands.push(Command::Send(message));
        }
    }

    fn repeat(&mut self, at: Moment) {
        self.repeat_at = at.running_ms.saturating_add(REPEAT_MS);
        let said = self.said.iter().cloned().map(Command::Send);
        self.commands.extend(said);
    }

    /// The commands so far, what is kept before what leaves.
    fn out(&mut self, at: Moment) -> Vec<Command> {
        let mut commands = Vec::new();
        // What nothing came of yet is kept with the next that something comes of.
        if !self.commands.is_empty() && !self.unkept.is_empty() {
            commands.push(Command::Keep(std::mem::take(&mut self.unkept)));
        }
        commands.append(&mut self.commands);
        if self.begun && !self.done {
            let waits = self.waits.iter().map(|(when, _)| *when);
            let next = waits
                .min()
                .map_or(self.repeat_at, |when| when.min(self.repeat_at));
            commands.push(Command::Wake(next.max(at.running_ms)));
        }
        commands
    }
}

/// The library's part in the decision on the block after a state.
fn driver(
    state: &State,
    seats: &Seats,
    by: DepartmentCode,
    params: ThresholdParams,
) -> Driver<Governance> {
    let height = Height(state.height().saturating_add(1));
    Driver::new(Governance, height, seats.clone(), by, params)
}

/// How many of the voters are enough; and one of how many is honest for sure, or, of up to three, not gone.
fn thresholds(voters: usize, needed: usize) -> ThresholdParams {
    // The library asks for more than a fraction.
    let (less, all) = (needed.saturating_sub(1) as u64, voters.max(1) as u64);
    let honest = match voters {
        0..=3 => ThresholdParam::new(0, 1),
        _ => ThresholdParams::default().honest,
    };
    ThresholdParams {
        quorum: ThresholdParam::new(less, all),
        honest,
    }
}
