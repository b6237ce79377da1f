//! What a [`Net`](super::Net) is built from.

use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

/// Everything a [`Net`](super::Net) needs to know before it starts.
#[derive(Clone)]
pub struct NetConfig {
    /// The Ed25519 transport key; its public half is this peer's [`PeerId`].
    pub keypair: Keypair,
    /// The network id: Noise prologue, part of every protocol name, and the gossip topic.
    pub network: [u8; 32],
    /// Addresses to listen on; port 0 picks a free one, reported by
    /// [`NetEvent::Listening`](super::NetEvent::Listening).
    pub listen: Vec<Multiaddr>,
    /// The members with their addresses in order of preference: all are let in, those with an address are dialled.
    /// An entry for this peer itself is ignored.
    pub peers: Vec<(PeerId, Vec<Multiaddr>)>,
    /// Whether QUIC addresses may be listened on and dialled. QUIC has no Noise prologue, so a peer of another
    /// network is only refused by the allow list and by the protocol names.
    pub quic: bool,
    /// The bounds on everything another peer can make this one hold or do.
    pub limits: NetLimits,
    /// When to dial again.
    pub reconnect: ReconnectConfig,
}

impl NetConfig {
    /// A configuration with default limits, no addresses, no members and no QUIC.
    #[must_use]
    pub fn new(keypair: Keypair, network: [u8; 32]) -> Self {
        Self {
            keypair,
            network,
            listen: Vec::new(),
            peers: Vec::new(),
            quic: false,
            limits: NetLimits::default(),
            reconnect: ReconnectConfig::default(),
        }
    }
}

/// The bounds on everything another peer can make this one hold or do.
///
/// Two members must agree on the three sizes; the rest is each peer's own affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetLimits {
    /// Largest request, in bytes, sent or received.
    pub max_request_bytes: usize,
    /// Largest response, in bytes, sent or received.
    pub max_response_bytes: usize,
    /// Largest gossip message, in bytes, published or received.
    pub max_gossip_bytes: usize,
    /// Time for one exchange, from the opened stream to the last byte of the answer.
    pub request_timeout: Duration,
    /// Time for each 16 KiB of a request or an answer once it begins to come. With the default that is 4 KiB/s: a link of
    /// 64 kB/s carries more than a dozen answers at once before one of them is cut off.
    pub piece_timeout: Duration,
    /// Requests to one peer that may wait for an answer at once.
    pub max_outbound_per_peer: usize,
    /// Requests of one peer that may wait for our answer at once; more are refused unread.
    pub max_inbound_per_peer: usize,
    /// Requests of all peers that may wait for our answer at once. Times
    /// [`max_response_bytes`](Self::max_response_bytes) this bounds the memory that answers can take.
    pub max_inbound_total: usize,
    /// Gossip messages a second that one peer may deliver, with a burst of twice as many; more are dropped.
    pub gossip_per_second: NonZeroU32,
    /// Requests a second that one peer may make, with a burst of twice as many; more are refused.
    pub requests_per_second: NonZeroU32,
    /// Incoming connections that may be in their handshake at once, from addresses that no member is known by; as many more
    /// from those that members are known by. Where no place is left the oldest leaves. An eighth of them is for one address
    /// and a quarter for one network. As many as there are may come in a second, and from one address or network a quarter of
    /// its share, since each costs CPU time.
    pub max_handshakes: usize,
    /// Dials that may be under way at once.
    pub max_pending_outgoing: u32,
    /// Incoming connections of members that may be open at once.
    pub max_established_incoming: u32,
    /// Connections with one peer, either direction. Peers that dial each other at the same moment end up with one each
    /// way, and closing either would invite a race over which. Twice that, so that a second run with the peer's keys gets
    /// in and is seen, and takes none of the first one's places; so does a peer that comes back before its old connections
    /// are known to be dead.
    pub max_established_per_peer: u32,
    /// Streams on one connection, all protocols together.
    pub max_streams_per_connection: usize,
    /// Time for dialling and for a handshake.
    pub handshake_timeout: Duration,
    /// Time between pings on a connection.
    pub ping_interval: Duration,
    /// Time for the answer to a ping. A connection that misses two in a row, and over which nothing else was
    /// heard meanwhile, is closed.
    pub ping_timeout: Duration,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 64 * 1024,
            max_response_bytes: 1024 * 1024 + 64 * 1024,
            max_gossip_bytes: 64 * 1024,
            request_timeout: Duration::from_secs(20),
            piece_timeout: Duration::from_secs(4),
            max_outbound_per_peer: 8,
            max_inbound_per_peer: 8,
            max_inbound_total: 64,
            gossip_per_second: NonZeroU32::new(512).expect("not zero"),
            requests_per_second: NonZeroU32::new(1000).expect("not zero"),
            max_handshakes: 512,
            max_pending_outgoing: 128,
            max_established_incoming: 512,
            max_established_per_peer: 4,
            max_streams_per_connection: 64,
            handshake_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// When to dial a member again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconnectConfig {
    /// Shortest wait after a failed dial or a lost connection.
    pub first: Duration,
    /// Longest wait.
    pub max: Duration,
    /// A connection that lived this long counts as good: after it the waits start from
    /// [`first`](Self::first) again.
    pub stable_after: Duration,
    /// How long the peer with the larger id waits before its very first dial, so that usually one connection is
    /// made instead of two. Both dial in the end: one of them may be unable to reach the other.
    pub head_start: Duration,
}

impl Default for ReconnectConfig {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            max: Duration::from_secs(15),
            stable_after: Duration::from_secs(10),
            head_start: Duration::from_millis(200),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::states;

    #[test]
    fn the_page_states_how_many_messages_of_a_member_are_read() {
        let limit = NetLimits::default().gossip_per_second;
        let text = format!("each of up to {limit} messages a second is still decrypted");
        states("SECURITY.md", &text);
    }
}
