//! The network layer: libp2p, and nothing of the ledger.
//!
//! Messages are opaque bytes and peers are [`PeerId`]s. What a message means, whether a page verifies and
//! whom to ask next is decided elsewhere; this module decides who may connect, how large anything may be, how
//! much of it may be in flight at once, and when to dial again.
//!
//! | file | idea |
//! | --- | --- |
//! | `config` | what a [`Net`] is built from, and every bound in one place ([`NetLimits`]) |
//! | `event` | what a [`Net`] reports ([`NetEvent`]), its identifiers and its errors |
//! | `transport` | TCP + Noise + Yamux, QUIC behind a setting, DNS names |
//! | `behaviour` | the libp2p protocols put together, the gate first |
//! | `places` | who may be in a handshake: by address, by network, in all, with places kept for members |
//! | `handshakes` | the transport around `transport` that gives connections their places and takes them |
//! | `codec` | one length-prefixed frame each way, capped before anything is allocated |
//! | `gossip` | the one topic: configuration and peer scores |
//! | `rate` | how much each peer may send in a second |
//! | `reconnect` | when to dial which member: pure, no clock of its own |
//! | `peers` | who is connected, since when, by which connections, how fast |
//! | `swarm` | [`Net`]: owns the swarm, dials peers that are due, executes requests |
//! | `dispatch` | what the swarm reports, turned into what [`Net`] reports |
//! | `raw_bench` | the same layer with dummy pages: the limit that replication is measured against |
//!
//! # Who gets in
//! Only members: the allow list is fed from membership and acts when the handshake has proved the other side's
//! key, before any protocol of ours runs on the connection. Over TCP the network id is also the Noise prologue, so
//! peers of two networks cannot even finish the handshake. QUIC has no prologue: there two networks are kept apart
//! by the allow list and by protocol names that carry the network id.
//!
//! Until then a connection has a place among those in their handshake, and loses it to a newer one when places run out.
//!
//! # Gossip is a hint
//! Gossip may be lost, delayed, repeated or withheld, and this layer vouches for no author. It only makes news travel
//! fast; peers agree by comparing heads over requests. So a message over a peer's rate is simply dropped, and a message
//! is only passed on after [`Net::validate`] accepted it.
//!
//! [`PeerId`]: libp2p::PeerId

mod behaviour;
mod codec;
mod config;
mod dispatch;
mod event;
mod gossip;
mod handshakes;
mod peers;
mod places;
mod rate;
mod raw_bench;
mod reconnect;
mod swarm;
mod transport;

#[cfg(test)]
mod tests;

pub use config::{NetConfig, NetLimits, ReconnectConfig};
pub use event::{
    ConnectionId, GossipId, GossipVerdict, InboundId, NetError, NetEvent, OutboundId, PeerInfo,
    PublishError, RequestFailure, RespondError,
};
pub use raw_bench::{RawBenchError, RawRate, fetch_dummy, round_trips, serve_dummy};
pub use swarm::Net;
