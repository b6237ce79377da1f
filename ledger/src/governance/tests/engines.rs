//! Members' peers that fetch, pass on and decide together, over a network that a test joins and parts, each with files that
//! survive what is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::world::{World, code};
use crate::codec;
use crate::disk::MemoryDisk;
use crate::governance::consensus::{Message, Moment};
use crate::governance::engine::*;
use crate::governance::*;
use crate::membership::Membership;

/// How long a message travels, ms.
const TRAVELS: u64 = 20;
/// From one comparison of heads to the next, ms.
const HEADS_EVERY: u64 = 10_000;

#[derive(Clone)]
enum Parcel {
    News(Vec<u8>),
    Ask(QuestionId, Question),
    Reply(QuestionId, Option<Reply>),
    Heads(Known),
}

struct Node {
    disk: MemoryDisk,
    running: Option<(Engine, Store)>,
    seen: BTreeSet<Vec<u8>>,
    blamed: Vec<String>,
    changes: usize,
}

pub(super) struct Engines {
    pub(super) world: World,
    nodes: Vec<Node>,
    /// Who is connected to whom, the smaller first.
    links: BTreeSet<(usize, usize)>,
    flying: BTreeMap<(u64, u64), (usize, usize, Parcel)>,
    sent: u64,
    now: u64,
    news: BTreeMap<NewsId, Vec<u8>>,
    /// What each governor's node voted, in which agreement, wherever it was heard.
    pub(super) votes: BTreeMap<(usize, Option<RecoveryId>, u64, u32, Stage), Vote>,
    /// Answers nothing, whatever it says to have.
    silent: BTreeSet<usize>,
}

impl Engines {
    /// All of them up, each connected to all others.
    pub(super) fn new(governors: usize, others: usize) -> Engines {
        Engines::of(World::new(governors, others))
    }

    /// Those of a world, all of them up.
    pub(super) fn of(world: World) -> Engines {
        let all = world.secrets.len();
        let mut net = Engines {
            world,
            nodes: Vec::new(),
            links: BTreeSet::new(),
            flying: BTreeMap::new(),
            sent: 0,
            now: 0,
            news: BTreeMap::new(),
            votes: BTreeMap::new(),
            silent: BTreeSet::new(),
        };
        for n in 0..all {
            net.nodes.push(Node {
                disk: MemoryDisk::new(),
                running: None,
                seen: BTreeSet::new(),
                blamed: Vec::new(),
                changes: 0,
            });
            net.links.extend((0..n).map(|other| (other, n)));
        }
        for n in 0..all {
            net.start(n);
        }
        net
    }

    fn moment(&self) -> Moment {
        Moment {
            running_ms: self.now,
            clock_ms: self.world.time_ms + self.now,
        }
    }

    fn neighbours(&self, n: usize) -> Vec<usize> {
        let others = 0..self.nodes.len();
        let linked = |other: &usize| self.links.contains(&(n.min(*other), n.max(*other)));
        let up = |other: &usize| self.nodes[*other].running.is_some();
        others.filter(linked).filter(up).collect()
    }

    pub(super) fn start(&mut self, n: usize) {
        let chain = Membership::from_genesis(&self.world.genesis);
        let disk = Arc::new(self.nodes[n].disk.clone());
        let (store, kept) = Store::open(disk, Path::new("governance"), &chain).unwrap();
        let keys = self.world.own(n).operating.clone();
        let at = self.moment();
        let (engine, commands) =
            Engine::start(Box::new(chain), kept.blocks, code(n), keys, kept.left, at);
        self.nodes[n].running = Some((engine, store));
        self.carry_out(n, commands);
        for other in self.neighbours(n) {
            self.handle(n, Event::Connected(code(other)));
            self.handle(other, Event::Connected(code(n)));
            self.say_heads(n, other);
            self.say_heads(other, n);
        }
    }

    /// Kills a node; of what was not synced a part may have survived.
    pub(super) fn kill(&mut self, n: usize) {
        self.nodes[n].running = None;
        let mut odd = false;
        self.nodes[n].disk = self.nodes[n].disk.crash(|| {
            odd = !odd;
            odd
        });
        for other in self.neighbours(n) {
            self.handle(other, Event::Disconnected(code(n)));
        }
    }

    fn unlink(&mut self, a: usize, b: usize) {
        if self.links.remove(&(a.min(b), a.max(b))) {
            self.handle(a, Event::Disconnected(code(b)));
            self.handle(b, Event::Disconnected(code(a)));
        }
    }

    fn link(&mut self, a: usize, b: usize) {
        if self.links.insert((a.min(b), a.max(b))) {
            self.handle(a, Event::Connected(code(b)));
            self.handle(b, Event::Connected(code(a)));
            self.say_heads(a, b);
            self.say_heads(b, a);
        }
    }

    pub(super) fn engine(&self, n: usize) -> &Engine {
        &self.nodes[n].running.as_ref().expect("it is up").0
    }

    fn is_current(&self, n: usize) -> bool {
        self.engine(n).governors_heard(self.moment()).is_enough()
    }

    /// What a node makes of news that another passes on.
    fn judged(&mut self, n: usize, from: usize, news: News) -> Verdict {
        let at = self.moment();
        let (engine, _) = self.nodes[n].running.as_mut().expect("it is up");
        let event = Event::News(code(from), 1, Some(Box::new(news)));
        let verdict = |command: &Command| match command {
            Command::Judge(_, verdict) => Some(*verdict),
            _ => None,
        };
        let commands = engine.handle(event, at);
        commands.iter().find_map(verdict).expect("it is judged")
    }

    fn handle(&mut self, n: usize, event: Event) {
        let at = self.moment();
        let Some((engine, _)) = &mut self.nodes[n].running else {
            return;
        };
        let commands = engine.handle(event, at);
        self.carry_out(n, commands);
    }

    pub(super) fn submit(&mut self, n: usize, item: &Item) -> Result<(), Refused> {
        let at = self.moment();
        let (engine, _) = self.nodes[n].running.as_mut().expect("it is up");
        let commands = engine.submit(item, at)?;
        self.carry_out(n, commands);
        Ok(())
    }

    fn send(&mut self, from: usize, to: usize, parcel: Parcel) {
        self.sent += 1;
        let place = (self.now + TRAVELS, self.sent);
        self.flying.insert(place, (from, to, parcel));
    }

    fn gossip(&mut self, n: usize, bytes: &[u8]) {
        self.nodes[n].seen.insert(bytes.to_vec());
        for other in self.neighbours(n) {
            self.send(n, other, Parcel::News(bytes.to_vec()));
        }
    }

    fn say_heads(&mut self, from: usize, to: usize) {
        if let Some((engine, _)) = &self.nodes[from].running {
            let known = engine.known();
            self.send(from, to, Parcel::Heads(known));
        }
    }

    fn carry_out(&mut self, n: usize, commands: Vec<Command>) {
        for command in commands {
            let Some((_, store)) = &mut self.nodes[n].running else {
                return;
            };
            match command {
                Command::Keep(height, entries) => store.keep(height, &entries).unwrap(),
                Command::Store(block) => store.append(&block).unwrap(),
                Command::KeepPending(items) => store.keep_pending(&items).unwrap(),
                Command::Changed(_) => self.nodes[n].changes += 1,
                Command::Publish(news) => {
                    self.note_vote(&news);
                    self.gossip(n, &codec::encode(&*news));
                }
                Command::Judge(id, verdict) => {
                    let bytes = self.news.remove(&id).expect("judged once");
                    if verdict == Verdict::Accept {
                        self.gossip(n, &bytes);
                    }
                }
                Command::Ask(to, id, question) => {
                    let to = (0..self.nodes.len())
                        .find(|other| code(*other) == to)
                        .unwrap();
                    self.send(n, to, Parcel::Ask(id, question));
                }
                Command::Blame(peer, what) => self.nodes[n].blamed.push(format!("{peer}: {what}")),
            }
        }
    }

    /// No node votes twice in one round and stage.
    fn note_vote(&mut self, news: &News) {
        let News::Said { message, .. } = news else {
            return;
        };
        let cast = match &**message {
            Message::Vote(vote, signed) => Some((None, vote, signed)),
            Message::RecoveryVote(recovery, vote, signed) => Some((Some(*recovery), vote, signed)),
            Message::Offer(_) => None,
        };
        if let Some((of, vote, signed)) = cast {
            let by = (0..self.nodes.len())
                .find(|n| code(*n) == signed.by)
                .unwrap();
            let place = (by, of, vote.height, vote.round, vote.stage);
            assert_eq!(
                *self.votes.entry(place).or_insert(*vote),
                *vote,
                "{by} voted twice"
            );
        }
    }

    fn deliver(&mut self, from: usize, to: usize, parcel: Parcel) {
        let linked = self.links.contains(&(from.min(to), from.max(to)));
        if self.nodes[to].running.is_none() || !linked {
            if let Parcel::Ask(id, _) = parcel {
                self.handle(from, Event::Answered(code(to), id, None));
            }
            return;
        }
        let sender = code(from);
        match parcel {
            Parcel::News(bytes) => {
                if !self.nodes[to].seen.insert(bytes.clone()) {
                    return;
                }
                let news = codec::decode(&bytes, 1 << 16).ok().map(Box::new);
                self.sent += 1;
                let id = self.sent;
                self.news.insert(id, bytes);
                self.handle(to, Event::News(sender, id, news));
            }
            Parcel::Ask(id, question) => {
                let reply = self.engine(to).answer(&question);
                if !self.silent.contains(&to) {
                    self.send(to, from, Parcel::Reply(id, Some(reply)));
                }
            }
            Parcel::Reply(id, reply) => {
                self.handle(to, Event::Answered(sender, id, reply.map(Box::new)));
            }
            Parcel::Heads(known) => self.handle(to, Event::Heard(sender, known)),
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += 10;
            while let Some(((at, _), _)) = self.flying.first_key_value() {
                if *at > self.now {
                    break;
                }
                let (_, (from, to, parcel)) = self.flying.pop_first().expect("looked at");
                self.deliver(from, to, parcel);
            }
            for n in 0..self.nodes.len() {
                if self.now.is_multiple_of(250) {
                    self.handle(n, Event::Tick);
                }
                if (self.now + n as u64 * 10).is_multiple_of(HEADS_EVERY) {
                    for other in self.neighbours(n) {
                        self.say_heads(n, other);
                    }
                }
            }
        }
    }

    pub(super) fn heights(&self) -> Vec<u64> {
        let up = self.nodes.iter().filter_map(|node| node.running.as_ref());
        up.map(|(engine, _)| engine.history().height()).collect()
    }

    /// All that are up have the same chain of this height.
    pub(super) fn assert_all_at(&self, height: u64) {
        assert!(
            self.heights().iter().all(|at| *at == height),
            "{:?}",
            self.heights()
        );
        let up = self.nodes.iter().filter_map(|node| node.running.as_ref());
        let states: BTreeSet<Vec<u8>> = up
            .map(|(engine, _)| engine.history().state().to_bytes())
            .collect();
        assert_eq!(states.len(), 1);
    }

    /// Proposes at one node and approves at others, each at its own.
    pub(super) fn propose_and_approve(&mut self, actions: &[Action], by: &[usize]) {
        let proposed = self.world.propose(by[0], actions);
        self.submit(by[0], &proposed.clone().into()).unwrap();
        self.run(200);
        for approver in &by[1..] {
            let approved = self.world.approved_by(&proposed, &[*approver]);
            self.submit(*approver, &approved.into()).unwrap();
        }
    }
}

#[test]
fn what_enough_approve_is_in_force_everywhere_while_a_governor_is_down() {
    let mut net = Engines::new(4, 3);
    net.kill(3);
    let admit = net.world.admit(7, false);
    net.propose_and_approve(&[admit], &[0, 1]);
    net.run(5_000);
    net.assert_all_at(0);
    let proposed: Vec<Decision> = net
        .engine(5)
        .pool()
        .proposals()
        .map(|(_, decision)| decision.clone())
        .collect();
    assert_eq!(proposed.len(), 1, "every member sees what is pending");
    let approved = net.world.approved_by(&proposed[0], &[2]);
    net.submit(2, &approved.into()).unwrap();
    net.run(15_000);
    net.assert_all_at(1);
    assert!(net.engine(6).history().state().member(&code(7)).is_some());
    assert_eq!(net.nodes[6].changes, 1);
    // Whoever comes back hears of it.
    net.start(3);
    net.run(1_000);
    net.assert_all_at(1);
}

#[test]
fn a_final_block_is_known_to_all_who_are_connected_within_a_second() {
    let mut net = Engines::new(4, 4);
    let (change, _) = net.world.rotation(5);
    net.submit(5, &change.into()).unwrap();
    while net.heights().iter().all(|at| *at == 0) {
        net.run(10);
        assert!(net.now < 60_000);
    }
    net.run(1_000);
    net.assert_all_at(1);
}

#[test]
fn a_member_that_reaches_only_one_other_takes_part_through_it() {
    let mut net = Engines::new(4, 1);
    for (a, b) in [(0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4)] {
        net.unlink(a, b);
    }
    // 0 - 1 - 2 - 3 - 4
    let (change, _) = net.world.rotation(4);
    net.submit(4, &change.into()).unwrap();
    net.run(60_000);
    net.assert_all_at(1);
}

#[test]
fn a_minority_that_is_cut_off_decides_nothing_and_is_not_current() {
    let mut net = Engines::new(4, 2);
    net.run(1_000);
    assert!((0..6).all(|n| net.is_current(n)));
    for inside in [0, 1, 2, 4] {
        for outside in [3, 5] {
            net.unlink(inside, outside);
        }
    }
    let (change, _) = net.world.rotation(4);
    net.submit(4, &change.clone().into()).unwrap();
    let (lonely, _) = net.world.rotation(5);
    net.submit(5, &lonely.into()).unwrap();
    net.run(700_000);
    assert_eq!(net.heights(), [1, 1, 1, 0, 1, 0]);
    assert!(!net.is_current(5));
    assert!(!net.is_current(3));
    assert!(net.is_current(4));
    net.link(2, 3);
    net.link(4, 5);
    net.run(60_000);
    // What waited at those that were cut off is decided, too.
    net.assert_all_at(2);
    // The word of one who does not govern is not enough.
    assert!(!net.is_current(5));
    net.link(0, 5);
    net.link(1, 5);
    net.run(1_000);
    assert!(net.is_current(5));
}

#[test]
fn nodes_killed_again_and_again_never_vote_twice_and_decide_in_the_end() {
    let mut net = Engines::new(4, 2);
    let changes: Vec<Item> = (0..6).map(|n| net.world.rotation(n).0.into()).collect();
    // Those of departments that don't vote: their keys change nothing for the votes. Each governor's node keeps what waits, and
    // would offer it again at once when it starts.
    for change in &changes[4..] {
        for governor in 0..4 {
            let _ = net.submit(governor, change);
        }
        for turn in 0..12 {
            let victim = turn % 4;
            net.run(70 + 30 * turn as u64);
            net.kill(victim);
            net.run(50 * turn as u64);
            net.start(victim);
        }
    }
    net.run(120_000);
    let state = net.engine(0).history().state();
    assert_eq!(
        [4, 5].map(|n| state.member(&code(n)).unwrap().epoch),
        [1, 1]
    );
    net.assert_all_at(state.height());
}

#[test]
fn a_node_that_is_killed_while_it_votes_stands_by_what_it_voted() {
    for after in (0..=100).step_by(10) {
        for victim in 0..4 {
            let mut net = Engines::new(4, 1);
            let change: Item = net.world.rotation(4).0.into();
            for governor in 0..4 {
                // Each has it waiting, and would offer it again, at another time, as soon as it starts.
                net.submit(governor, &change).unwrap();
            }
            net.run(after);
            net.kill(victim);
            net.run(1_000);
            net.start(victim);
            net.run(60_000);
            net.assert_all_at(1);
        }
    }
}

#[test]
fn a_node_whose_blocks_were_damaged_stands_by_what_it_voted_after_them() {
    for after in (0..=80).step_by(10) {
        let mut net = Engines::new(4, 2);
        let changes = [4, 5].map(|n| Item::from(net.world.rotation(n).0));
        net.submit(0, &changes[0]).unwrap();
        net.run(5_000);
        net.assert_all_at(1);
        for governor in 0..4 {
            net.submit(governor, &changes[1]).unwrap();
        }
        net.run(after);
        for n in 0..4 {
            net.kill(n);
        }
        let blocks = Path::new("governance/blocks");
        let cut = |bytes: &mut Vec<u8>| bytes.truncate(100);
        net.nodes[1].disk.corrupt(blocks, cut).unwrap();
        net.run(1_000);
        for n in 0..4 {
            net.start(n);
        }
        net.run(60_000);
        net.assert_all_at(2);
    }
}

#[test]
fn what_was_said_to_wait_waits_after_a_kill() {
    let mut net = Engines::new(4, 0);
    for n in 1..4 {
        net.kill(n);
    }
    let admit = net.world.admit(7, false);
    let proposed = net.world.propose(0, &[admit]);
    net.submit(0, &proposed.clone().into()).unwrap();
    net.kill(0);
    net.start(0);
    assert_eq!(net.engine(0).pool().proposals().count(), 1);
    // And who was away learns of it from its heads.
    net.start(1);
    net.run(15_000);
    assert_eq!(net.engine(1).pool().proposals().count(), 1);
}

#[test]
fn a_peer_that_says_to_have_blocks_and_sends_none_keeps_nobody_waiting() {
    let mut net = Engines::new(4, 3);
    net.kill(6);
    for n in 4..6 {
        let (change, _) = net.world.rotation(n);
        net.submit(n, &change.into()).unwrap();
        net.run(20_000);
    }
    let height = net.engine(0).history().height();
    net.silent.insert(5);
    for n in 0..4 {
        net.unlink(n, 6);
    }
    net.unlink(4, 6);
    net.start(6);
    net.run(3_000);
    assert_eq!(net.engine(6).history().height(), 0);
    net.link(4, 6);
    net.run(5_000);
    net.assert_all_at(height);
}

#[test]
fn a_governor_that_says_far_too_much_is_passed_over_and_decided_about() {
    let mut net = Engines::new(4, 1);
    let by = code(3);
    let key = net.world.own(3).now().clone();
    let chain = net.world.network();
    let mut passed_on = 0;
    for round in 0..500 {
        let vote = Vote {
            height: 1,
            round,
            stage: Stage::Prevote,
            block: None,
        };
        let message = Box::new(Message::Vote(vote, vote.sign(chain, by, &key)));
        let news = Box::new(News::Said { again: 0, message });
        let at = net.moment();
        let (engine, _) = net.nodes[0].running.as_mut().unwrap();
        let commands = engine.handle(Event::News(by, 1, Some(news)), at);
        let accepted = |command: &&Command| matches!(command, Command::Judge(_, Verdict::Accept));
        passed_on += commands.iter().filter(accepted).count();
    }
    assert!((1..100).contains(&passed_on), "{passed_on}");
    let suspend = net.world.suspend(3, 0);
    net.propose_and_approve(&[suspend], &[0, 1, 2]);
    net.run(60_000);
    net.assert_all_at(1);
    assert!(
        !net.engine(4)
            .history()
            .state()
            .member(&by)
            .unwrap()
            .is_active()
    );
}

#[test]
fn whoever_repeats_what_a_governor_said_uses_up_nothing_of_what_that_one_may_say() {
    let mut net = Engines::new(4, 1);
    let (chain, key) = (net.world.network(), net.world.own(1).now().clone());
    let said = |round: u32, again: u64| {
        let vote = Vote {
            height: 1,
            round,
            stage: Stage::Prevote,
            block: None,
        };
        let message = Box::new(Message::Vote(vote, vote.sign(chain, code(1), &key)));
        News::Said { again, message }
    };
    let at = net.moment();
    let (engine, _) = net.nodes[0].running.as_mut().unwrap();
    let mut judge = |from: usize, news: News| {
        let commands = engine.handle(Event::News(code(from), 1, Some(Box::new(news))), at);
        commands.iter().find_map(|command| match command {
            Command::Judge(_, verdict) => Some(*verdict),
            _ => None,
        })
    };
    // One who does not govern keeps repeating one vote.
    let verdicts: Vec<_> = (0..1_000).map(|again| judge(4, said(0, again))).collect();
    assert_eq!(verdicts[0], Some(Verdict::Accept));
    assert_eq!(verdicts[999], Some(Verdict::Ignore));
    // The governor's next vote counts all the same, whoever brings it.
    assert_eq!(judge(4, said(1, 0)), Some(Verdict::Accept));
    assert_eq!(judge(2, said(2, 0)), Some(Verdict::Accept));
}

#[test]
fn what_nobody_signed_is_rejected_and_what_cannot_be_judged_yet_blames_nobody() {
    let mut net = Engines::new(4, 0);
    let judged = |net: &mut Engines, news: News| net.judged(0, 1, news);
    let (chain, stranger) = (net.world.network(), net.world.fresh_key());
    let vote = |height| Vote {
        height,
        round: 0,
        stage: Stage::Prevote,
        block: None,
    };
    let said = |vote: Vote, key: &crate::crypto::keys::SigningKey| News::Said {
        again: 0,
        message: Box::new(Message::Vote(vote, vote.sign(chain, code(2), key))),
    };
    let right = net.world.own(2).now().clone();
    assert_eq!(judged(&mut net, said(vote(1), &right)), Verdict::Accept);
    assert_eq!(judged(&mut net, said(vote(1), &stranger)), Verdict::Reject);
    assert_eq!(judged(&mut net, said(vote(2), &stranger)), Verdict::Ignore);
    let mut proposed = net.world.propose(1, &[]);
    proposed.signature = net.world.own(1).identity.sign(&chain.0);
    let pending = |height, decision: &Decision| News::Pending {
        height,
        item: Box::new(decision.clone().into()),
    };
    let admit = net.world.admit(7, false);
    let mut forged = net.world.propose(1, &[admit]);
    forged.signature = stranger.sign(&chain.0);
    assert_eq!(judged(&mut net, pending(0, &forged)), Verdict::Reject);
    // At another height the department may have another key.
    assert_eq!(judged(&mut net, pending(1, &forged)), Verdict::Ignore);
    let at = net.moment();
    let (engine, _) = net.nodes[0].running.as_mut().unwrap();
    let commands = engine.handle(Event::News(code(1), 2, None), at);
    assert!(matches!(commands[..], [Command::Judge(2, Verdict::Reject)]));
}

#[test]
fn a_key_whose_votes_may_be_forgotten_votes_no_more() {
    let mut net = Engines::new(3, 1);
    net.kill(2);
    let lost = net.world.own(2).now().public();
    net.nodes[2].disk = MemoryDisk::new();
    let begun = Membership::from_genesis(&net.world.genesis);
    let disk = Arc::new(net.nodes[2].disk.clone());
    let (mut store, _) = Store::open(disk, Path::new("governance"), &begun).unwrap();
    store.bar(&[lost]).unwrap();
    net.start(2);
    net.kill(2);
    net.start(2);
    let seats = [0, 2, 3].map(|n| net.engine(n).seat());
    assert_eq!(seats, [Seat::Votes, Seat::Barred, Seat::None]);
    let (change, _) = net.world.rotation(3);
    net.submit(3, &change.into()).unwrap();
    net.run(30_000);
    net.assert_all_at(1);
    assert!(net.votes.keys().all(|(by, ..)| *by != 2));
}

#[test]
fn a_node_that_does_not_know_the_version_in_force_takes_no_part_and_rejects_nothing() {
    let mut net = Engines::new(4, 1);
    let raise = net.world.decision(&[RaiseVersion { after: 2 }.into()]);
    net.submit(0, &raise.into()).unwrap();
    net.run(10_000);
    net.assert_all_at(1);
    for n in 0..4 {
        assert_eq!(net.engine(n).seat(), Seat::Outdated);
    }
    assert_eq!(net.engine(4).seat(), Seat::None);
    // Signed by rules that it does not know, as far as it can tell.
    let network = net.world.network();
    let vote = Vote {
        height: 2,
        round: 0,
        stage: Stage::Prevote,
        block: None,
    };
    let stranger = net.world.fresh_key();
    let signed = vote.sign_among(network, None, code(1), &stranger);
    let message = Box::new(Message::Vote(vote, signed));
    let again = 1;
    let said = News::Said { again, message };
    assert_eq!(net.judged(0, 1, said), Verdict::Ignore);
    let (change, _) = net.world.rotation(4);
    let (height, item) = (1, Box::new(change.into()));
    let pending = News::Pending { height, item };
    assert_eq!(net.judged(0, 1, pending), Verdict::Ignore);
    net.run(60_000);
    net.assert_all_at(1);
    // Started again it says the same.
    net.kill(0);
    net.start(0);
    assert_eq!(net.engine(0).seat(), Seat::Outdated);
}
