//! Links between peers, and what they do to messages.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What happens to messages on a link that is up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    /// Share of messages lost.
    pub(super) loss: f64,
    /// Share of messages that arrive twice.
    pub(super) duplication: f64,
    /// Least and most time on the way, ms: the wider apart, the more are overtaken by later ones.
    pub(super) delay_ms: (u64, u64),
}

impl Faults {
    /// A network as it should be.
    pub(super) const NONE: Faults = Faults {
        loss: 0.0,
        duplication: 0.0,
        delay_ms: (1, 5),
    };
    /// Every tenth message lost, every tenth arriving twice, overtaking each other all the time.
    pub(super) const BAD: Faults = Faults {
        loss: 0.1,
        duplication: 0.1,
        delay_ms: (5, 800),
    };
}

/// Which peers are connected, and how well.
pub(super) struct Network {
    pub(super) faults: Faults,
    /// For each peer its neighbours, each with the number of the connection.
    links: Vec<BTreeMap<usize, u64>>,
    connections: u64,
}

impl Network {
    pub(super) fn new(peers: usize, faults: Faults) -> Network {
        Network {
            faults,
            links: vec![BTreeMap::new(); peers],
            connections: 0,
        }
    }

    /// One more peer, connected to nobody; returns its number.
    pub(super) fn add_peer(&mut self) -> usize {
        self.links.push(BTreeMap::new());
        self.links.len() - 1
    }

    /// Connects two peers; returns whether they were not.
    pub(super) fn connect(&mut self, a: usize, b: usize) -> bool {
        if a == b || self.links[a].contains_key(&b) {
            return false;
        }
        self.connections += 1;
        self.links[a].insert(b, self.connections);
        self.links[b].insert(a, self.connections);
        true
    }

    /// Cuts a link; whatever is on the way is lost.
    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.links[b].remove(&a);
        self.links[a].remove(&b);
    }

    pub(super) fn neighbours(&self, peer: usize) -> Vec<usize> {
        self.links[peer].keys().copied().collect()
    }

    pub(super) fn all(&self) -> Vec<(usize, usize)> {
        let pairs = |a: usize| self.links[a].keys().map(move |b| (a, *b));
        (0..self.links.len())
            .flat_map(pairs)
            .filter(|(a, b)| a < b)
            .collect()
    }

    /// The connection between two peers.
    pub(super) fn connection(&self, a: usize, b: usize) -> Option<u64> {
        self.links[a].get(&b).copied()
    }

    /// The delays after which copies of a message arrive: none when it is lost, two when it is doubled.
    pub(super) fn delays(&self, rng: &mut ChaCha8Rng) -> Vec<u64> {
        if rng.random_bool(self.faults.loss) {
            return Vec::new();
        }
        let copies = 1 + usize::from(rng.random_bool(self.faults.duplication));
        let (least, most) = self.faults.delay_ms;
        (0..copies)
            .map(|_| rng.random_range(least..=most))
            .collect()
    }
}

/// A connected graph: a ring in random order, and random chords up to about `degree` links a peer.
pub(super) fn sparse(peers: usize, degree: usize, rng: &mut ChaCha8Rng) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..peers).collect();
    for i in (1..peers).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    let ring = (0..peers).map(|i| (order[i], order[(i + 1) % peers]));
    let chords = peers * degree.saturating_sub(2) / 2;
    let mut links: Vec<_> = ring.collect();
    for _ in 0..chords {
        links.push((rng.random_range(0..peers), rng.random_range(0..peers)));
    }
    links
}

/// Everyone with everyone.
pub(super) fn full(peers: usize) -> Vec<(usize, usize)> {
    (0..peers)
        .flat_map(|a| (0..a).map(move |b| (b, a)))
        .collect()
}
