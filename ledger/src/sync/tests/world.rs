//! The clock, what is to happen, and what becomes of it.

use std::collections::BTreeMap;
use std::hash::DefaultHasher;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::catalogue::Catalogue;
use crate::disk::MemoryDisk;
use crate::id::DepartmentCode;
use crate::membership::Membership;
use crate::names::LogId;
use crate::sync::{ConnectionId, Event, Received, RequestId, Settings};

use super::adversary::Conduct;
use super::fresh::Watch;
use super::network::{Faults, Network};
use super::peer::{self, Peer};
use super::truth::Truth;

/// Between two ticks of a peer, ms.
pub(super) const TICK_MS: u64 = 500;

/// What peers send each other.
pub(super) enum Message {
    Request(RequestId, Vec<u8>),
    Response(RequestId, Vec<u8>),
    Gossip(Vec<u8>),
}

/// What is to happen to a peer.
pub(super) enum What {
    Arrives {
        from: usize,
        connection: u64,
        message: Message,
    },
    Unreachable {
        peer: DepartmentCode,
        request: RequestId,
    },
    Stores {
        from: DepartmentCode,
        records: Received,
    },
    Ticks,
    Reopens(LogId),
    Appends(u64),
    MakesMischief,
}

struct Planned {
    peer: usize,
    life: u64,
    what: What,
}

/// A network and everything that happens in it.
pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) rng: ChaCha8Rng,
    pub(super) settings: Settings,
    pub(super) members: Membership,
    pub(super) peers: Vec<Peer>,
    pub(super) network: Network,
    pub(super) truth: Truth,
    /// Fingerprint of everything that happened so far.
    pub(super) history: DefaultHasher,
    plan: BTreeMap<(u64, u64), Planned>,
    planned: u64,
    pub(super) next_gossip: u64,
    /// Watches what peers say of statuses that were changed.
    pub(super) watch: Option<Watch>,
}

/// Short times and small pages, so that much happens in little time.
pub(super) fn settings() -> Settings {
    Settings {
        heads_every_ms: 5_000,
        heads_after_ms: 500,
        request_timeout_ms: 6_000,
        distrust_ms: 20_000,
        hedge_after_ms: 2_000,
        min_bytes_per_s: 256,
        pages_in_flight: 4,
        pages_per_peer: 2,
        page_bytes: 4_096,
        least_page_bytes: 1_024,
    }
}

impl World {
    /// So many peers, all running, none connected.
    pub(super) fn new(seed: u64, peers: usize, faults: Faults) -> World {
        let members = peer::members(peers);
        // One empty disk, made once and shared until written.
        let blank = MemoryDisk::new();
        let opened = Catalogue::open(peer::place(&blank), members.clone(), peer::code(0));
        drop(opened.unwrap());
        let mut world = World {
            now_ms: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            settings: settings(),
            members,
            peers: (0..peers)
                .map(|n| Peer::new(n, blank.crash(|| true)))
                .collect(),
            network: Network::new(peers, faults),
            truth: Truth::default(),
            history: DefaultHasher::new(),
            plan: BTreeMap::new(),
            planned: 0,
            next_gossip: 0,
            watch: None,
        };
        for n in 0..peers {
            world.start(n);
        }
        world
    }

    pub(super) fn start(&mut self, n: usize) {
        self.peers[n].start(&self.members, self.settings);
        let phase = self.rng.random_range(0..TICK_MS);
        self.plan(n, phase, What::Ticks);
        if !self.peers[n].conduct.honest() {
            self.plan(n, phase, What::MakesMischief);
        }
    }

    /// Takes a peer down, its disk losing what was not synced as chance has it. Its links are cut.
    pub(super) fn crash(&mut self, n: usize) {
        let rng = &mut self.rng;
        self.peers[n].crash(|| rng.random());
        for other in self.network.neighbours(n) {
            self.cut(n, other);
        }
    }

    pub(super) fn misbehave(&mut self, n: usize, conduct: Conduct) {
        self.peers[n].conduct = conduct;
        self.plan(n, 0, What::MakesMischief);
    }

    pub(super) fn connect(&mut self, a: usize, b: usize) {
        let up = |n: usize| self.peers[n].running.is_some();
        if up(a) && up(b) && self.network.connect(a, b) {
            for (n, other) in [(a, b), (b, a)] {
                if self.neighbours_of(n, self.peers[other].code).len() == 1 {
                    self.handle(n, Event::Connected(self.peers[other].code));
                }
            }
        }
    }

    pub(super) fn connect_all(&mut self, links: &[(usize, usize)]) {
        for (a, b) in links {
            self.connect(*a, *b);
        }
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        let Some(connection) = self.network.connection(a, b) else {
            return;
        };
        self.network.cut(a, b);
        for (n, other) in [(a, b), (b, a)] {
            let peer = self.peers[other].code;
            let connection = ConnectionId(connection);
            self.handle(
                n,
                match self.neighbours_of(n, peer).is_empty() {
                    true => Event::Disconnected(peer),
                    false => Event::Closed { peer, connection },
                },
            );
        }
    }

    /// The peers of a department that a peer is connected to: two when one of them is a second run.
    pub(super) fn neighbours_of(&self, n: usize, department: DepartmentCode) -> Vec<usize> {
        let mut all = self.network.neighbours(n);
        all.retain(|other| self.peers[*other].code == department);
        all
    }

    /// Starts a second peer of a peer's department on a copy of its disk as it is; returns its number. Nobody is
    /// connected to it yet.
    pub(super) fn start_copy(&mut self, n: usize) -> usize {
        let disk = self.peers[n].disk.crash(|| true);
        let mut copy = Peer::new(n, disk);
        // Their lives have to differ, since they name their instances.
        copy.life = 1_000;
        self.peers.push(copy);
        let number = self.network.add_peer();
        self.start(number);
        number
    }

    /// Has a peer append so many certificates, some time from now.
    pub(super) fn append_in(&mut self, delay_ms: u64, n: usize, certificates: u64) {
        self.plan(n, delay_ms, What::Appends(certificates));
    }

    /// An operator vouches for a peer's own log.
    pub(super) fn vouch(&mut self, n: usize) {
        self.handle(n, Event::OwnLogVouched);
    }

    pub(super) fn plan(&mut self, peer: usize, delay_ms: u64, what: What) {
        let life = self.peers[peer].life;
        self.planned += 1;
        let at = (self.now_ms + delay_ms, self.planned);
        self.plan.insert(at, Planned { peer, life, what });
    }

    pub(super) fn run_for(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while let Some(next) = self.plan.first_entry().filter(|next| next.key().0 <= until) {
            let ((now_ms, _), planned) = next.remove_entry();
            self.now_ms = now_ms;
            let peer = &self.peers[planned.peer];
            if peer.running.is_some() && planned.life == peer.life {
                self.happens(planned.peer, planned.what);
            }
        }
        self.now_ms = until;
    }

    /// Runs until something holds; returns how long it took, ms.
    ///
    /// # Panics
    /// When it does not hold in time.
    pub(super) fn run_until(
        &mut self,
        within_ms: u64,
        holds: impl Fn(&World) -> Result<(), String>,
    ) -> u64 {
        let begun = self.now_ms;
        loop {
            match holds(self) {
                Ok(()) => return self.now_ms - begun,
                Err(lacking) if self.now_ms - begun >= within_ms => {
                    panic!("after {within_ms} ms: {lacking}")
                }
                Err(_) => self.run_for(1_000),
            }
        }
    }
}
