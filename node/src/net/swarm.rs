//! [`Net`]: owns the swarm, dials peers that are due, executes its owner's requests. What the swarm reports is handled
//! in `dispatch`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use governor::{DefaultDirectRateLimiter, RateLimiter};
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance};
use libp2p::request_response::{InboundRequestId, OutboundRequestId};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use parking_lot::Mutex;

use super::behaviour::{Behaviour, IDLE_TIMEOUT};
use super::config::{NetConfig, NetLimits};
use super::event::{
    GossipId, GossipVerdict, InboundId, NetError, NetEvent, OutboundId, PeerInfo, PublishError,
    RequestFailure, RespondError,
};
use super::gossip;
use super::peers::Peers;
use super::places::Places;
use super::rate::{PeerRate, per_peer};
use super::reconnect::Reconnect;
use super::transport::{self, TransportConfig};
use crate::logging::WARNINGS;

/// A member's place in the network: it listens, keeps every member connected, and carries requests and gossip.
///
/// Nothing happens unless [`next`](Self::next) is being awaited, apart from bytes of streams already open.
pub struct Net {
    pub(super) swarm: Swarm<Behaviour>,
    local: PeerId,
    pub(super) limits: NetLimits,
    topic: IdentTopic,
    /// Addresses of every member but this peer; its keys are the membership.
    members: HashMap<PeerId, Vec<Multiaddr>>,
    pub(super) reconnect: Reconnect,
    pub(super) peers: Peers,
    /// Who may be in a handshake; the transport gives and takes the places.
    pub(super) places: Arc<Mutex<Places>>,
    pub(super) gossip_rate: PeerRate,
    pub(super) request_rate: PeerRate,
    /// How often an operator is informed that a dialled peer is of another network.
    pub(super) other_network_warnings: DefaultDirectRateLimiter,
    /// How often an operator is informed that a listener can't accept.
    pub(super) listener_warnings: DefaultDirectRateLimiter,
    next_outbound: u64,
    /// Requests of ours that wait for an answer.
    pub(super) outbound: HashMap<OutboundRequestId, OutboundId>,
    /// Requests to us that wait for ours.
    pub(super) inbound: HashMap<InboundRequestId, PeerId>,
    /// Reported by the next calls of [`next`](Self::next), oldest first.
    pub(super) ready: VecDeque<NetEvent>,
}

impl Net {
    /// Builds the peer and starts to listen. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`NetError`] if the key is of no use, or an address cannot be listened on.
    pub fn new(config: NetConfig) -> Result<Self, NetError> {
        let NetConfig {
            keypair,
            network,
            listen,
            peers,
            quic,
            limits,
            reconnect,
        } = config;
        let network_hex = hex::encode(network);
        let topic = gossip::topic(&network_hex);
        let places = Arc::new(Mutex::new(Places::new(limits.max_handshakes)));
        let transport = transport::build(&TransportConfig {
            keypair: &keypair,
            network: &network,
            quic,
            max_streams: limits.max_streams_per_connection,
            handshake_timeout: limits.handshake_timeout,
            places: Arc::clone(&places),
        })?;
        let behaviour = Behaviour::new(keypair.public(), &network_hex, &topic, &limits)?;
        // Lazy: a request leaves with the name of its protocol, instead of a round trip after it. Over QUIC that name is what
        // keeps networks apart, so there it is agreed on first, and a refusal is not taken for a broken stream.
        let upgrade = if quic { Version::V1 } else { Version::V1Lazy };
        let swarm_config = libp2p::swarm::Config::with_tokio_executor()
            .with_substream_upgrade_protocol_override(upgrade)
            .with_idle_connection_timeout(IDLE_TIMEOUT)
            .with_max_negotiating_inbound_streams(limits.max_streams_per_connection);
        let local = keypair.public().to_peer_id();
        let mut swarm = Swarm::new(transport, behaviour, local, swarm_config);
        for address in listen {
            if let Err(source) = swarm.listen_on(address.clone()) {
                return Err(NetError::Listen { address, source });
            }
        }
        let mut net = Self {
            swarm,
            local,
            topic,
            members: HashMap::new(),
            reconnect: Reconnect::new(local, reconnect),
            peers: Peers::default(),
            places,
            gossip_rate: per_peer(limits.gossip_per_second),
            request_rate: per_peer(limits.requests_per_second),
            limits,
            other_network_warnings: RateLimiter::direct(WARNINGS),
            listener_warnings: RateLimiter::direct(WARNINGS),
            next_outbound: 0,
            outbound: HashMap::new(),
            inbound: HashMap::new(),
            ready: VecDeque::new(),
        };
        net.set_members(peers);
        Ok(net)
    }

    /// This peer's id.
    #[must_use]
    pub fn local_peer_id(&self) -> PeerId {
        self.local
    }

    /// Waits for the next event and returns it; dials members that are due meanwhile. Dropping the future loses nothing.
    pub async fn next(&mut self) -> NetEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            self.dial_due();
            let due = self.reconnect.next_due();
            let event = match due {
                None => Some(self.swarm.select_next_some().await),
                Some(due) => tokio::select! {
                    event = self.swarm.select_next_some() => Some(event),
                    () = tokio::time::sleep_until(due.into()) => None,
                },
            };
            if let Some(event) = event {
                self.on_swarm_event(event);
            }
        }
    }

    /// Sends a request. Its outcome, also an immediate one, is reported once as [`NetEvent::Response`] with the
    /// returned id.
    pub fn request(&mut self, peer: PeerId, bytes: Vec<u8>) -> OutboundId {
        let id = OutboundId(self.next_outbound);
        self.next_outbound += 1;
        match self.admit_request(&peer, bytes.len()) {
            Ok(()) => {
                let sent = self
                    .swarm
                    .behaviour_mut()
                    .exchange
                    .send_request(&peer, bytes);
                self.outbound.insert(sent, id);
            }
            Err(failure) => self.ready.push_back(NetEvent::Response {
                peer,
                connection: None,
                id,
                result: Err(failure),
            }),
        }
        id
    }

    fn admit_request(&mut self, peer: &PeerId, len: usize) -> Result<(), RequestFailure> {
        let max = self.limits.max_request_bytes;
        if len > max {
            return Err(RequestFailure::RequestTooLarge { len, max });
        }
        // Checked here because libp2p would otherwise dial on its own, past the schedule.
        if !self.peers.contains(peer) {
            return Err(RequestFailure::NotConnected);
        }
        let max = self.limits.max_outbound_per_peer;
        if !self.peers.start_outbound(peer, max) {
            return Err(RequestFailure::TooManyInFlight { max });
        }
        Ok(())
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`RespondError`] if the answer is too long or nobody waits for it any more; either way the request is done with.
    pub fn respond(&mut self, id: InboundId, bytes: Vec<u8>) -> Result<(), RespondError> {
        let (len, max) = (bytes.len(), self.limits.max_response_bytes);
        if len > max {
            return Err(RespondError::TooLarge { len, max });
        }
        let exchange = &mut self.swarm.behaviour_mut().exchange;
        exchange
            .send_response(id.channel, bytes)
            .map_err(|_| RespondError::Gone)
    }

    /// Gossips a message to every connected peer that listens, and through them to the others.
    ///
    /// # Errors
    /// [`PublishError`]; none of them calls for anything but waiting for heads to be compared.
    pub fn publish(&mut self, bytes: Vec<u8>) -> Result<(), PublishError> {
        let (len, max) = (bytes.len(), self.limits.max_gossip_bytes);
        if len > max {
            return Err(PublishError::TooLarge { len, max });
        }
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.publish(self.topic.hash(), bytes) {
            Ok(_) => Ok(()),
            Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => Err(PublishError::NoPeers),
            Err(gossipsub::PublishError::Duplicate) => Err(PublishError::Duplicate),
            Err(gossipsub::PublishError::AllQueuesFull(_)) => Err(PublishError::Busy),
            Err(gossipsub::PublishError::MessageTooLarge) => {
                Err(PublishError::TooLarge { len, max })
            }
            Err(other) => Err(PublishError::Other(other.to_string())),
        }
    }

    /// Decides on a gossip message: only an accepted one is passed on to other peers.
    pub fn validate(&mut self, id: GossipId, verdict: GossipVerdict) {
        let acceptance = match verdict {
            GossipVerdict::Accept => MessageAcceptance::Accept,
            GossipVerdict::Ignore => MessageAcceptance::Ignore,
            GossipVerdict::Reject => MessageAcceptance::Reject,
        };
        let GossipId { message, from } = id;
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(&message, &from, acceptance) {
            tracing::debug!(%message, "verdict came too late for a gossip message");
        }
    }

    /// Closes all connections with `peer`. If it is a member, it stays allowed, and is dialled again after the longest
    /// wait; it may also come back on its own.
    #[cfg(test)]
    pub(super) fn disconnect(&mut self, peer: PeerId) {
        if self.peers.contains(&peer) {
            self.reconnect.postpone(&peer);
            // The error only says that the peer was not connected.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// The connected members, ordered by id.
    #[must_use]
    pub fn connected(&self) -> Vec<PeerInfo> {
        self.peers.list()
    }

    /// Replaces the membership: newcomers are let in and dialled, those removed are disconnected and no longer let in.
    pub fn set_members(&mut self, members: Vec<(PeerId, Vec<Multiaddr>)>) {
        let now = Instant::now();
        let named: HashSet<PeerId> = members.iter().map(|(peer, _)| *peer).collect();
        let gone = self.members.keys().filter(|peer| !named.contains(peer));
        for peer in gone.copied().collect::<Vec<_>>() {
            self.members.remove(&peer);
            self.reconnect.remove(&peer);
            self.swarm.behaviour_mut().members.disallow_peer(peer);
        }
        for (peer, addresses) in members {
            if peer == self.local {
                continue;
            }
            self.swarm.behaviour_mut().members.allow_peer(peer);
            if addresses.is_empty() || self.members.get(&peer) != Some(&addresses) {
                // New addresses deserve a dial soon, however often the old ones failed.
                self.reconnect.remove(&peer);
            }
            if !addresses.is_empty() {
                self.reconnect.insert(peer, now);
                if self.peers.contains(&peer) {
                    self.reconnect.connected(&peer, now);
                }
            }
            self.members.insert(peer, addresses);
        }
        self.places.lock().set_members(self.members.iter());
    }

    fn dial_due(&mut self) {
        let now = Instant::now();
        for peer in self.reconnect.take_due(now) {
            let addresses = self.members.get(&peer).cloned().unwrap_or_default();
            // A port of its own for each dial: from the listening port, two peers that dial each other at the same moment
            // would meet in one TCP connection in which both believe to be the caller.
            let dial = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(dial) {
                tracing::debug!(%peer, %error, "not dialled");
                self.reconnect.dial_failed(&peer, now);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn established_connections(&self) -> u32 {
        self.swarm
            .network_info()
            .connection_counters()
            .num_established()
    }
}
