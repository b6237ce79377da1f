//! Who is connected: since when, by which connections, how fast.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::event::PeerInfo;

/// The connected peers.
#[derive(Debug, Default)]
pub(super) struct Peers(HashMap<PeerId, Peer>);

#[derive(Debug)]
struct Peer {
    /// Open connections, oldest first; never empty.
    connections: Vec<(ConnectionId, Multiaddr)>,
    since: SystemTime,
    rtt: Option<Duration>,
    /// When the peer last sent us anything of substance.
    heard: Instant,
    /// Requests of ours that wait for its answer.
    outbound: usize,
    /// Its requests that wait for our answer.
    inbound: usize,
}

impl Peers {
    /// A connection opened; true if it is the peer's first.
    pub(super) fn opened(&mut self, peer: PeerId, id: ConnectionId, address: Multiaddr) -> bool {
        let entry = self.0.entry(peer).or_insert_with(|| Peer {
            connections: Vec::new(),
            since: SystemTime::now(),
            rtt: None,
            heard: Instant::now(),
            outbound: 0,
            inbound: 0,
        });
        entry.connections.push((id, address));
        entry.connections.len() == 1
    }

    /// A connection closed; true if it was the peer's last.
    pub(super) fn closed(&mut self, peer: &PeerId, id: ConnectionId) -> bool {
        let Some(entry) = self.0.get_mut(peer) else {
            return false;
        };
        entry.connections.retain(|(open, _)| *open != id);
        let last = entry.connections.is_empty();
        if last {
            self.0.remove(peer);
        }
        last
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.0.contains_key(peer)
    }

    /// The peer sent a request, an answer or a gossip message.
    pub(super) fn heard(&mut self, peer: &PeerId) {
        if let Some(entry) = self.0.get_mut(peer) {
            entry.heard = Instant::now();
        }
    }

    /// Time since the peer sent anything of substance; `None` if it is not connected.
    pub(super) fn silent_for(&self, peer: &PeerId) -> Option<Duration> {
        self.0.get(peer).map(|entry| entry.heard.elapsed())
    }

    /// A ping came back.
    pub(super) fn measured(&mut self, peer: &PeerId, rtt: Duration) {
        if let Some(entry) = self.0.get_mut(peer) {
            entry.rtt = Some(rtt);
        }
    }

    /// Counts one more request of ours to the peer; false, and not counted, if `max` wait already.
    pub(super) fn start_outbound(&mut self, peer: &PeerId, max: usize) -> bool {
        self.0
            .get_mut(peer)
            .is_some_and(|entry| start(&mut entry.outbound, max))
    }

    pub(super) fn end_outbound(&mut self, peer: &PeerId) {
        if let Some(entry) = self.0.get_mut(peer) {
            entry.outbound = entry.outbound.saturating_sub(1);
        }
    }

    /// Counts one more of the peer's requests; false, and not counted, if `max` wait already.
    pub(super) fn start_inbound(&mut self, peer: &PeerId, max: usize) -> bool {
        self.0
            .get_mut(peer)
            .is_some_and(|entry| start(&mut entry.inbound, max))
    }

    pub(super) fn end_inbound(&mut self, peer: &PeerId) {
        if let Some(entry) = self.0.get_mut(peer) {
            entry.inbound = entry.inbound.saturating_sub(1);
        }
    }

    /// All connected peers, by id.
    pub(super) fn list(&self) -> Vec<PeerInfo> {
        let entries = self.0.iter().filter_map(|(peer, entry)| {
            let (_, address) = entry.connections.first()?;
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
