//! A network of governors on a network that loses, delays and reorders: some lie, some crash at any step and come back.
//!
//! Honest nodes never make two blocks of one height final, never vote twice, and get on once enough of them are up.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::recovery::{policy, signed};
use super::world::{World, code};
use crate::codec::{Ascending, Bounded};
use crate::governance::consensus::*;
use crate::governance::*;
use crate::id::DepartmentCode;

/// What is in flight.
#[derive(Clone)]
enum Parcel {
    Said(Message),
    Final(FinalBlock),
    /// People want a recovery.
    Wanted,
}

struct Node {
    by: DepartmentCode,
    lies: bool,
    /// Durable: blocks, and what consensus keeps of the present height.
    state: State,
    blocks: Vec<FinalBlock>,
    kept: Vec<Entry>,
    /// Gone while it is down.
    running: Option<Consensus>,
    wake: Option<u64>,
    /// It is down until then.
    up_at: u64,
}

struct Network {
    rng: ChaCha8Rng,
    world: World,
    nodes: Vec<Node>,
    flying: BTreeMap<(u64, u64), (usize, Parcel)>,
    sent: u64,
    now: u64,
    /// Until then messages get lost and nodes crash.
    calm_at: u64,
    items: Vec<Item>,
    finals: BTreeMap<u64, BlockId>,
    /// Liars try to part the others into two halves, which hardly hear of each other.
    parted: bool,
    /// The blocks that a liar offers to the halves, by height and round.
    plots: BTreeMap<(u64, u32), [BlockId; 2]>,
    votes: BTreeMap<(usize, Option<RecoveryId>, u64, u32, Stage), Vote>,
    /// When the last governors vanish, and which.
    gone_at: u64,
    gone: Vec<usize>,
}

impl Network {
    fn new(seed: u64, governors: usize, liars: usize) -> Network {
        let mut world = World::with_policy(governors, 6, policy(1));
        let rng = ChaCha8Rng::seed_from_u64(seed);
        // Changes of departments that don't govern: any order of them holds. Enough for three blocks of two.
        let items = (governors..governors + 6).map(|n| world.rotation(n).0.into());
        let items = items.collect();
        let node = |n: usize| Node {
            by: code(n),
            lies: n < liars,
            state: world.state.clone(),
            blocks: Vec::new(),
            kept: Vec::new(),
            running: None,
            wake: None,
            up_at: 0,
        };
        Network {
            nodes: (0..governors).map(node).collect(),
            rng,
            world,
            flying: BTreeMap::new(),
            sent: 0,
            now: 0,
            calm_at: 60_000,
            items,
            finals: BTreeMap::new(),
            parted: liars > 0 && seed.is_multiple_of(2),
            plots: BTreeMap::new(),
            votes: BTreeMap::new(),
            gone_at: u64::MAX,
            gone: Vec::new(),
        }
    }

    fn moment(&mut self, n: usize) -> Moment {
        // Clocks are up to two minutes apart.
        let skew = n as u64 * 20_000 % 120_000;
        Moment {
            running_ms: self.now,
            clock_ms: self.world.time_ms + self.now + skew,
        }
    }

    fn send(&mut self, to: usize, parcel: Parcel) {
        let wild = self.now < self.calm_at;
        if wild && self.rng.random_bool(0.2) {
            return;
        }
        let delay = match wild {
            true => self.rng.random_range(1..8_000),
            false => self.rng.random_range(1..200),
        };
        self.sent += 1;
        self.flying
            .insert((self.now + delay, self.sent), (to, parcel));
    }

    /// Starts a node, or begins its next height.
    fn start(&mut self, n: usize) {
        let key = self.world.secrets[&code(n)].now().clone();
        let (state, by) = (self.nodes[n].state.clone(), self.nodes[n].by);
        let Some(mut running) = Consensus::new(&state, by, key) else {
            // It governs no longer.
            self.nodes[n].running = None;
            self.nodes[n].up_at = u64::MAX;
            return;
        };
        let at = self.moment(n);
        let commands = running.resume(&self.nodes[n].kept, at);
        self.nodes[n].running = Some(running);
        self.carry_out(n, commands);
        if self.nodes[n].state.height() > state.height() {
            // What it had kept was enough, and the next height has begun.
            return;
        }
        let mut now = state.at(state.time_ms());
        let mut pending = Vec::new();
        for item in &self.items {
            if let Ok(next) = now.with(item) {
                now = next;
                pending.push(item.clone());
            }
        }
        // Not everybody knows of everything.
        pending.truncate(self.rng.random_range(0..=2));
        if n + 1 == self.nodes.len() || self.now >= self.calm_at {
            pending = self.missing(&state);
        }
        self.handle(n, Event::Pending(Bounded::new(pending).unwrap()));
        if self.now >= self.calm_at || self.rng.random_bool(0.5) {
            self.want_recovery(n);
        }
    }

    /// From some moment on some are gone, perhaps not for good; people want them to govern no longer.
    fn vanish(&mut self) {
        let comes_back = self.rng.random_bool(0.5);
        for n in self.gone.clone() {
            self.nodes[n].running = None;
            self.nodes[n].wake = None;
            self.nodes[n].up_at = match comes_back {
                true => self.calm_at + self.rng.random_range(0..60_000),
                false => u64::MAX,
            };
        }
        self.gone_at = self.now;
        for n in 0..self.nodes.len() - self.gone.len() {
            for _ in 0..3 {
                self.send(n, Parcel::Wanted);
            }
        }
    }

    /// Asks a node for a recovery, as its chain stands.
    fn want_recovery(&mut self, n: usize) {
        let state = self.nodes[n].state.clone();
        let ends: Vec<DepartmentCode> = self.gone.iter().map(|n| code(*n)).collect();
        let governs = |code: &DepartmentCode| state.governor(code).is_some();
        if self.now < self.gone_at || ends.is_empty() || !ends.iter().all(governs) {
            return;
        }
        let recovery = Recovery {
            height: state.height() + 1,
            before: state.head(),
            ends: Ascending::new(ends).unwrap(),
        };
        let left: Vec<usize> = (0..self.nodes.len() - self.gone.len()).collect();
        let Item::Recovery(signed) = signed(&self.world, recovery, &[0, 2], &left) else {
            unreachable!()
        };
        self.handle(n, Event::Recovery(Box::new(signed)));
    }

    fn missing(&self, state: &State) -> Vec<Item> {
        let now = state.at(state.time_ms());
        let holds = self.items.iter().filter(|item| now.with(item).is_ok());
        holds.take(1).cloned().collect()
    }

    fn handle(&mut self, n: usize, event: Event) {
        let at = self.moment(n);
        let Some(running) = &mut self.nodes[n].running else {
            return;
        };
        let commands = running.handle(event, at);
        self.carry_out(n, commands);
    }

    fn carry_out(&mut self, n: usize, commands: Vec<Command>) {
        for command in commands {
            let crashes = self.now < self.calm_at && self.rng.random_bool(0.01);
            if crashes {
                return self.crash(n);
            }
            match command {
                Command::Keep(entries) => self.nodes[n].kept.extend(entries),
                Command::Wake(at) => self.nodes[n].wake = Some(at),
                Command::Send(message) => self.say(n, &message),
                Command::Final(block) => {
                    for to in 0..self.nodes.len() {
                        self.send(to, Parcel::Final((*block).clone()));
                    }
                    self.adopt(n, &block);
                    return;
                }
            }
        }
    }

    fn crash(&mut self, n: usize) {
        let away = self.rng.random_range(1..20_000);
        let node = &mut self.nodes[n];
        node.running = None;
        node.wake = None;
        node.up_at = self.now + away;
        if node.lies {
            // Its disk is put back to what it once was.
            let len = node.kept.len();
            node.kept.truncate(self.rng.random_range(0..=len));
        }
    }

    fn adopt(&mut self, n: usize, block: &FinalBlock) {
        let node = &mut self.nodes[n];
        if block.block.height != node.state.height() + 1 {
            return;
        }
        node.state = node.state.accept(block).expect("a final block holds");
        let (height, id) = (node.state.height(), node.state.head());
        node.blocks.push(block.clone());
        node.kept.clear();
        node.wake = None;
        if !node.lies {
            let first = *self.finals.entry(height).or_insert(id);
            assert_eq!(first, id, "two blocks of height {height} are final");
        }
        self.start(n);
    }

    fn say(&mut self, n: usize, message: &Message) {
        let cast = match message {
            Message::Vote(vote, _) => Some((None, vote)),
            Message::RecoveryVote(recovery, vote, _) => Some((Some(*recovery), vote)),
            Message::Offer(_) => None,
        };
        if !self.nodes[n].lies
            && let Some((of, vote)) = cast
        {
            let place = (n, of, vote.height, vote.round, vote.stage);
            let first = *self.votes.entry(place).or_insert(*vote);
            assert_eq!(first, *vote, "an honest node votes twice");
        }
        for to in (0..self.nodes.len()).filter(|to| *to != n) {
            let honest = !self.nodes[n].lies && !self.nodes[to].lies;
            let apart = self.parted && self.now < self.calm_at && n % 2 != to % 2;
            if apart && honest && self.rng.random_bool(0.9) {
                continue;
            }
            if self.parted && self.nodes[n].lies {
                self.plot(n, to, message);
                continue;
            }
            let message = match self.nodes[n].lies && self.rng.random_bool(0.5) {
                true => self.lie(n, message),
                false => message.clone(),
            };
            self.send(to, Parcel::Said(message));
        }
    }

    /// Offers one half another block than the other half, and votes for each half's own.
    fn plot(&mut self, n: usize, to: usize, message: &Message) {
        let key = self.world.secrets[&code(n)].now().clone();
        let (network, half) = (self.world.network(), to % 2);
        match message {
            Message::Offer(offer) => {
                let mut other = offer.block.clone();
                other.time_ms += 1;
                let blocks = [offer.block.clone(), other];
                let ids = [blocks[0].id(network), blocks[1].id(network)];
                self.plots.insert((offer.block.height, offer.round), ids);
                let block = blocks[half].clone();
                let offer = Offer::sign(network, block, offer.round, None, code(n), &key);
                self.send(to, Parcel::Said(Message::Offer(offer)));
            }
            Message::Vote(vote, _) => {
                let block = self.plots.get(&(vote.height, vote.round));
                let block = block.map_or(vote.block, |ids| Some(ids[half]));
                for stage in [Stage::Prevote, Stage::Precommit] {
                    let vote = Vote {
                        stage,
                        block,
                        ..*vote
                    };
                    let message = Message::Vote(vote, vote.sign(network, code(n), &key));
                    self.send(to, Parcel::Said(message));
                }
            }
            Message::RecoveryVote(..) => {}
        }
    }

    /// Something else in the place of what it would have said, and signed as well.
    fn lie(&mut self, n: usize, message: &Message) -> Message {
        let key = self.world.secrets[&code(n)].now();
        let network = self.world.network();
        match message {
            Message::RecoveryVote(..) => message.clone(),
            Message::Vote(vote, _) => {
                let known: Vec<BlockId> =
                    self.votes.values().filter_map(|vote| vote.block).collect();
                let block = known.choose(&mut self.rng).copied();
                let stage = match self.rng.random_bool(0.5) {
                    true => Stage::Prevote,
                    false => Stage::Precommit,
                };
                let round = vote.round + self.rng.random_range(0..3);
                let vote = Vote {
                    round,
                    stage,
                    block,
                    ..*vote
                };
                Message::Vote(vote, vote.sign(network, code(n), key))
            }
            Message::Offer(offer) => {
                let mut block = offer.block.clone();
                block.time_ms += self.rng.random_range(1..400_000);
                if self.rng.random_bool(0.2) {
                    block.items = Bounded::default();
                }
                let valid = offer
                    .round
                    .checked_sub(1)
                    .filter(|_| self.rng.random_bool(0.3));
                let prevotes = Ascending::default();
                let valid = valid.map(|round| Again { round, prevotes });
                Message::Offer(Offer::sign(
                    network,
                    block,
                    offer.round,
                    valid,
                    code(n),
                    key,
                ))
            }
        }
    }

    fn deliver(&mut self, to: usize, parcel: Parcel) {
        match parcel {
            Parcel::Said(message) => {
                // Who is behind, or ahead, exchanges blocks.
                let height = message.height();
                let missed: Vec<FinalBlock> = {
                    let mine = &self.nodes[to].blocks;
                    mine.iter().skip(height as usize - 1).cloned().collect()
                };
                if !missed.is_empty() {
                    for behind in 0..self.nodes.len() {
                        self.send(behind, Parcel::Final(missed[0].clone()));
                    }
                }
                self.handle(to, Event::Message(message));
            }
            Parcel::Final(block) if self.nodes[to].running.is_some() => self.adopt(to, &block),
            Parcel::Final(_) => {}
            Parcel::Wanted => self.want_recovery(to),
        }
    }

    /// Runs until all honest nodes have so many blocks; false if they haven't by then.
    fn run(&mut self, height: u64, until: u64) -> bool {
        self.run_until(until, |node| node.lies || node.state.height() >= height)
    }

    /// Runs until it is so of all nodes; false if it isn't by then.
    fn run_until(&mut self, until: u64, done: impl Fn(&Node) -> bool) -> bool {
        for n in 0..self.nodes.len() {
            self.start(n);
        }
        while self.now < until {
            if self.nodes.iter().all(&done) {
                return true;
            }
            let flying = self.flying.keys().next().map(|(at, _)| *at);
            let wakes = self.nodes.iter().map(|node| match node.running {
                Some(_) => node.wake,
                None => (node.up_at < u64::MAX).then_some(node.up_at),
            });
            let vanish = (self.now < self.gone_at).then_some(self.gone_at);
            let calm = (self.now < self.calm_at).then_some(self.calm_at);
            let next = wakes.flatten().chain(flying).chain(vanish).chain(calm);
            let next = next.min();
            // Nothing more would ever happen.
            let Some(next) = next else { return false };
            let was_wild = self.now < self.calm_at;
            let were_there = self.now < self.gone_at;
            self.now = self.now.max(next);
            if were_there && self.now >= self.gone_at {
                self.vanish();
            }
            if was_wild && self.now >= self.calm_at {
                self.spread_pending();
            }
            if let Some((_, (to, parcel))) = self.take_due() {
                self.deliver(to, parcel);
                continue;
            }
            for n in 0..self.nodes.len() {
                if self.nodes[n].running.is_none() {
                    if self.nodes[n].up_at <= self.now {
                        self.start(n);
                    }
                } else if self.nodes[n].wake.is_some_and(|wake| wake <= self.now) {
                    self.nodes[n].wake = None;
                    self.handle(n, Event::Tick);
                }
            }
        }
        false
    }

    /// What is pending comes to everybody in the end.
    fn spread_pending(&mut self) {
        for n in 0..self.nodes.len() {
            let pending = self.missing(&self.nodes[n].state);
            self.handle(n, Event::Pending(Bounded::new(pending).unwrap()));
            self.want_recovery(n);
        }
    }

    fn take_due(&mut self) -> Option<((u64, u64), (usize, Parcel))> {
        let first = self.flying.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove_entry())
    }
}

fn simulate(governors: usize, liars: usize, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut network = Network::new(seed, governors, liars);
        let all = network.run(3, 3_600_000);
        let heights: Vec<u64> = network
            .nodes
            .iter()
            .map(|node| node.state.height())
            .collect();
        assert!(
            all,
            "seed {seed}: {governors} governors, {liars} lie: {heights:?}"
        );
        let bytes = |node: &Node| node.state.to_bytes();
        let honest: Vec<&Node> = network.nodes.iter().filter(|node| !node.lies).collect();
        for node in &honest {
            if node.state.height() == honest[0].state.height() {
                assert_eq!(bytes(node), bytes(honest[0]), "seed {seed}");
            }
        }
    }
}

#[test]
fn governors_that_crash_at_any_step_agree_and_get_on() {
    simulate(1, 0, 0..4);
    simulate(2, 0, 0..6);
    simulate(3, 0, 0..12);
    simulate(4, 0, 0..12);
}

#[test]
fn less_than_a_third_that_lie_part_nobody_and_stop_nothing() {
    simulate(4, 1, 0..24);
    simulate(7, 2, 0..8);
}

#[test]
fn a_recovery_leaves_one_chain_whatever_was_under_way_and_whoever_comes_back() {
    let (mut recovered, mut bound) = (0, 0);
    for seed in 0..48 {
        let (governors, gone) = match seed % 4 {
            0 => (2, 1),
            1 => (4, 2),
            2 => (6, 3),
            _ => (5, 2),
        };
        let left = governors - gone;
        let mut network = Network::new(seed, governors, 0);
        network.gone = (left..governors).collect();
        network.gone_at = network.rng.random_range(1..50_000);
        let ended = code(governors - 1);
        let goes_on = |node: &Node| node.state.governor(&ended).is_none();
        // Those who are left make the recovery final, and something after it.
        let is_gone = |node: &Node| node.by >= code(left);
        let all = network.run_until(600_000, |node| {
            is_gone(node) || goes_on(node) && node.state.height() >= 4
        });
        // All start again, those who were gone as well, and find no other block final.
        network.run_until(network.now + 200_000, |_| false);
        // Only where a block may have been made final by those who are gone, it is left at that.
        let binds = |node: &Node| {
            let running = node.running.as_ref();
            running.is_some_and(|running| running.bound_to().is_some())
        };
        let is_bound = network.nodes[..left].iter().any(binds);
        let not_needed = network.nodes.iter().any(|node| node.state.height() >= 6);
        let states = network.nodes.iter().map(|node| &node.state);
        let states: Vec<(u64, usize)> = states
            .map(|state| (state.height(), state.governors().count()))
            .collect();
        assert!(all || is_bound || not_needed, "seed {seed}: {states:?}");
        recovered += usize::from(all);
        bound += usize::from(is_bound);
    }
    assert!(recovered > 30, "{recovered} recovered, {bound} bound");
}

#[test]
fn with_a_third_gone_nothing_is_decided_and_nothing_is_lost() {
    let mut network = Network::new(1, 4, 0);
    network.calm_at = 0;
    for n in [0, 1] {
        network.nodes[n].up_at = u64::MAX;
    }
    for n in [2, 3] {
        network.start(n);
    }
    let mut ticks = 0;
    while ticks < 500 {
        ticks += 1;
        network.now += 1_000;
        while let Some((_, (to, parcel))) = network.take_due() {
            network.deliver(to, parcel);
        }
        for n in [2, 3] {
            network.handle(n, Event::Tick);
        }
    }
    assert!(network.finals.is_empty());
    // However long it was: one comes back, and it goes on.
    network.nodes[1].up_at = network.now;
    let until = network.now + 600_000;
    while network.now < until && network.finals.is_empty() {
        network.now += 500;
        if network.nodes[1].running.is_none() {
            network.start(1);
        }
        while let Some((_, (to, parcel))) = network.take_due() {
            network.deliver(to, parcel);
        }
        for n in [1, 2, 3] {
            network.handle(n, Event::Tick);
        }
    }
    assert!(!network.finals.is_empty());
}
