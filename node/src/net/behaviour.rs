//! The libp2p protocols put together.

use std::iter;
use std::time::Duration;

use libp2p::identity::PublicKey;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{
    StreamProtocol, allow_block_list, connection_limits, gossipsub, identify, ping,
    request_response,
};

use super::codec::FrameCodec;
use super::config::NetLimits;
use super::event::NetError;
use super::gossip::{self, Gossip};

/// A connection that carries nothing is kept: members stay connected, and pings find the dead ones. Neither ping nor
/// an exchange counts as use for libp2p, so its timeout is set out of reach.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Everything spoken on a connection.
///
/// The order matters: each field is asked in turn whether a connection may stand, and those asked before a refusal have
/// already made a note of it. So the gate comes first: the allow list, then the limits.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) members: allow_block_list::Behaviour<allow_block_list::AllowedPeers>,
    limits: connection_limits::Behaviour,
    pub(super) exchange: request_response::Behaviour<FrameCodec>,
    pub(super) gossip: Gossip,
    ping: ping::Behaviour,
    identify: identify::Behaviour,
}

impl Behaviour {
    /// Puts the protocols together; nobody is allowed yet.
    pub(super) fn new(
        key: PublicKey,
        network_hex: &str,
        topic: &gossipsub::IdentTopic,
        limits: &NetLimits,
    ) -> Result<Self, NetError> {
        Ok(Self {
            members: allow_block_list::Behaviour::default(),
            limits: connection_limits::Behaviour::new(connection_limits(limits)),
            exchange: exchange(network_hex, limits),
            gossip: gossip::build(network_hex, topic, limits)?,
            ping: ping::Behaviour::new(
                ping::Config::new()
                    .with_interval(limits.ping_interval)
                    .with_timeout(limits.ping_timeout),
            ),
            identify: identify::Behaviour::new(identify_config(key, network_hex)),
        })
    }
}

/// Incoming connections in their handshake are `places`' affair.
fn connection_limits(limits: &NetLimits) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_outgoing(Some(limits.max_pending_outgoing))
        .with_max_established_incoming(Some(limits.max_established_incoming))
        .with_max_established_per_peer(Some(limits.max_established_per_peer))
}

/// The name of the exchange protocol in this network.
pub(super) fn exchange_protocol(network_hex: &str) -> StreamProtocol {
    StreamProtocol::try_from_owned(format!("/certmesh/{network_hex}/exchange/1"))
        .expect("the name starts with a slash")
}

fn exchange(network_hex: &str, limits: &NetLimits) -> request_response::Behaviour<FrameCodec> {
    let codec = FrameCodec {
        max_request: limits.max_request_bytes,
        max_response: limits.max_response_bytes,
        piece_timeout: limits.piece_timeout,
    };
    // Counted on each connection, both directions together; as much again for streams that are still closing.
    let streams = 2 * (limits.max_outbound_per_peer + limits.max_inbound_per_peer);
    let config = request_response::Config::default()
        .with_request_timeout(limits.request_timeout)
        .with_max_concurrent_streams(streams);
    let protocol = exchange_protocol(network_hex);
    let full = request_response::ProtocolSupport::Full;
    request_response::Behaviour::with_codec(codec, iter::once((protocol, full)), config)
}

/// Identify shows members which protocols and which version we speak, never where else we listen, and what they report
/// of addresses is not remembered: membership is the only address book.
fn identify_config(key: PublicKey, network_hex: &str) -> identify::Config {
    identify::Config::new(format!("/certmesh/{network_hex}/1"), key)
        .with_agent_version(concat!("certmesh/", env!("CARGO_PKG_VERSION")).to_owned())
        .with_hide_listen_addrs(true)
        .with_cache_size(0)
}
