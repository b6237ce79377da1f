//! Who is connected: since when, by which connections, how fast.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::event::{self, PeerInfo};

/// The connected peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: HashMap<PeerId, Peer>,
    /// Connections opened so far, which numbers them.
    opened: u64,
}

#[derive(Debug)]
struct Peer {
    /// Open connections, oldest first; never empty.
    connections: Vec<Open>,
    since: SystemTime,
    rtt: Option<Duration>,
    /// Requests of ours that wait for its answer.
    outbound: usize,
    /// Its requests that wait for our answer.
    inbound: usize,
}

/// An open connection.
#[derive(Debug)]
struct Open {
    id: ConnectionId,
    number: event::ConnectionId,
    address: Multiaddr,
    /// When anything of substance last came over it.
    heard: Instant,
}

impl Peers {
    /// A connection opened; true if it is the peer's first.
    pub(super) fn opened(&mut self, peer: PeerId, id: ConnectionId, address: Multiaddr) -> bool {
        let number = event::ConnectionId(self.opened);
        self.opened += 1;
        let entry = self.peers.entry(peer).or_insert_with(|| Peer {
            connections: Vec::new(),
            since: SystemTime::now(),
            rtt: None,
            outbound: 0,
            inbound: 0,
        });
        entry.connections.push(Open {
            id,
            number,
            address,
            heard: Instant::now(),
        });
        entry.connections.len() == 1
    }

    /// A connection closed; returns which, and whether it was the peer's last.
    pub(super) fn closed(
        &mut self,
        peer: &PeerId,
        id: ConnectionId,
    ) -> Option<(event::ConnectionId, bool)> {
        let entry = self.peers.get_mut(peer)?;
        let at = entry.connections.iter().position(|open| open.id == id)?;
        let closed = entry.connections.remove(at);
        let last = entry.connections.is_empty();
        if last {
            self.peers.remove(peer);
        }
        Some((closed.number, last))
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    /// A request or an answer came over a connection; returns which, if it is open still.
    pub(super) fn heard(&mut self, peer: &PeerId, id: ConnectionId) -> Option<event::ConnectionId> {
        let entry = self.peers.get_mut(peer)?;
        let open = entry.connections.iter_mut().find(|open| open.id == id)?;
        open.heard = Instant::now();
        Some(open.number)
    }

    /// A gossip message came. Of several connections it shows none alive: it is unknown over which it came, and one run
    /// of a peer must not keep the connection of another, dead one open.
    pub(super) fn gossiped(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer)
            && let [open] = &mut entry.connections[..]
        {
            open.heard = Instant::now();
        }
    }

    /// Time since anything of substance came over a connection; `None` if it is closed.
    pub(super) fn silent_for(&self, peer: &PeerId, id: ConnectionId) -> Option<Duration> {
        let entry = self.peers.get(peer)?;
        let open = entry.connections.iter().find(|open| open.id == id)?;
        Some(open.heard.elapsed())
    }

    /// A ping came back.
    pub(super) fn measured(&mut self, peer: &PeerId, rtt: Duration) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.rtt = Some(rtt);
        }
    }

    /// Counts one more request of ours to the peer; false, and not counted, if `max` wait already.
    pub(super) fn start_outbound(&mut self, peer: &PeerId, max: usize) -> bool {
        self.peers
            .get_mut(peer)
            .is_some_and(|entry| start(&mut entry.outbound, max))
    }

    pub(super) fn end_outbound(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.outbound = entry.outbound.saturating_sub(1);
        }
    }

    /// Counts one more of the peer's requests; false, and not counted, if `max` wait already.
    pub(super) fn start_inbound(&mut self, peer: &PeerId, max: usize) -> bool {
        self.peers
            .get_mut(peer)
            .is_some_and(|entry| start(&mut entry.inbound, max))
    }

    pub(super) fn end_inbound(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.inbound = entry.inbound.saturating_sub(1);
        }
    }

    /// All connected peers, by id.
    pub(super) fn list(&self) -> Vec<PeerInfo> {
        let entries = self.peers.iter().filter_map(|(peer, entry)| {
            let address = &entry.connections.first()?.address;
            Some(PeerInfo {
                peer: *peer,
                address: address.clone(),
                since: entry.since,
                rtt_ms: entry.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            })
        });
        let mut list: Vec<_> = entries.collect();
        list.sort_unstable_by_key(|info| info.peer);
        list
    }
}

fn start(count: &mut usize, max: usize) -> bool {
    let allowed = *count < max;
    *count += usize::from(allowed);
    allowed
}
