//! What the swarm reports, turned into what [`Net`] reports.

use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::request_response::{
    self, InboundRequestId, Message, OutboundFailure, OutboundRequestId,
};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, gossipsub, ping};

use super::behaviour::BehaviourEvent;
use super::codec::request_failure;
use super::event::{self, GossipId, GossipVerdict, InboundId, NetEvent, RequestFailure};
use super::swarm::Net;

impl Net {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) => self.on_exchange(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let address = endpoint.get_remote_address().clone();
                self.on_opened(peer_id, connection_id, address, endpoint.to_endpoint());
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                tracing::debug!(%peer, %error, "dial failed");
                self.warn_of_another_network(&error);
                self.reconnect.dial_failed(&peer, Instant::now());
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                peer_id,
                ..
            } => {
                tracing::debug!(from = %send_back_addr, peer = ?peer_id, %error, "connection refused");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.ready.push_back(NetEvent::Listening(address));
            }
            SwarmEvent::ListenerError { error, .. } => {
                // A peer that has no descriptor left meets it ten times a second.
                match self.listener_warnings.check() {
                    Ok(()) => tracing::warn!(%error, "a listener failed to accept"),
                    Err(_) => tracing::debug!(%error, "a listener failed to accept"),
                }
            }
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
            }
            _ => {}
        }
    }

    /// Informs the operator, now and then, of a dial that ended with a peer of another network. That peer can't: it
    /// only sees the handshake break off, as with any peer.
    fn warn_of_another_network(&self, error: &DialError) {
        let DialError::Transport(tried) = error else {
            return;
        };
        // What the Noise prologue binds differs. Boxed more than once, the error shows its kind in words only.
        let other = tried
            .iter()
            .find(|(_, error)| format!("{error:?}").contains("error: Decrypt"));
        if let Some((address, _)) = other
            && self.other_network_warnings.check().is_ok()
        {
            tracing::warn!(
                %address,
                "a peer of another network, or with another network.toml, was dialled: compare both with `certmesh network \
                 show`"
            );
        }
    }

    fn on_opened(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        address: Multiaddr,
        role: Endpoint,
    ) {
        tracing::debug!(%peer, %address, ?role, "connection established");
        if role == Endpoint::Listener {
            self.places.lock().seen(peer, &address);
        }
        if self.peers.opened(peer, connection, address) {
            self.reconnect.connected(&peer, Instant::now());
            self.ready.push_back(NetEvent::Connected(peer));
        }
    }

    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some((connection, last)) = self.peers.closed(&peer, connection) else {
            return;
        };
        self.ready.push_back(match last {
            true => {
                self.reconnect.disconnected(&peer, Instant::now());
                NetEvent::Disconnected(peer)
            }
            false => NetEvent::Closed { peer, connection },
        });
    }

    fn on_exchange(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        match event {
            request_response::Event::Message {
                peer,
                connection_id,
                message,
            } => match message {
                Message::Request {
                    request_id,
                    request,
                    channel,
                } => {
                    let from = (peer, connection_id);
                    self.on_request(from, request_id, request, InboundId { channel });
                }
                Message::Response {
                    request_id,
                    response,
                } => {
                    let connection = self.peers.heard(&peer, connection_id);
                    self.end_request((peer, connection), request_id, Ok(response));
                }
            },
            request_response::Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                let failure = match error {
                    OutboundFailure::DialFailure => RequestFailure::NotConnected,
                    OutboundFailure::Timeout => RequestFailure::Timeout,
                    OutboundFailure::ConnectionClosed => RequestFailure::ConnectionClosed,
                    OutboundFailure::UnsupportedProtocols => RequestFailure::Unsupported,
                    OutboundFailure::Io(error) => request_failure(&error),
                };
                self.end_request((peer, None), request_id, Err(failure));
            }
            request_response::Event::InboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                tracing::debug!(%peer, %error, "a request was not answered");
                self.end_answer(request_id);
            }
            request_response::Event::ResponseSent { request_id, .. } => self.end_answer(request_id),
        }
    }

    fn on_request(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        request: InboundRequestId,
        bytes: Vec<u8>,
        id: InboundId,
    ) {
        // Returning without an answer drops the id, which refuses the request.
        let Some(connection) = self.peers.heard(&peer, connection) else {
            // Its connection has closed already: nobody waits for the answer.
            return;
        };
        if self.inbound.len() >= self.limits.max_inbound_total {
            tracing::debug!(%peer, "request refused: too many wait for answers");
            return;
        }
        if self.request_rate.check_key(&peer).is_err() {
            tracing::debug!(%peer, "request refused: over the peer's rate");
            return;
        }
        let max = self.limits.max_inbound_per_peer;
        if !self.peers.start_inbound(&peer, max) {
            tracing::debug!(%peer, "request refused: too many of this peer wait for answers");
            return;
        }
        self.inbound.insert(request, peer);
        self.ready.push_back(NetEvent::Request {
            peer,
            connection,
            id,
            bytes,
        });
    }

    /// Reports the outcome of a request of ours.
    fn end_request(
        &mut self,
        (peer, connection): (PeerId, Option<event::ConnectionId>),
        request: OutboundRequestId,
        result: Result<Vec<u8>, RequestFailure>,
    ) {
        if let Some(id) = self.outbound.remove(&request) {
            self.peers.end_outbound(&peer);
            self.ready.push_back(NetEvent::Response {
                peer,
                connection,
                id,
                result,
            });
        }
    }

    /// A peer's request was answered, refused or given up.
    fn end_answer(&mut self, request: InboundRequestId) {
        if let Some(peer) = self.inbound.remove(&request) {
            self.peers.end_inbound(&peer);
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message {
            propagation_source: from,
            message_id,
            message,
        } = event
        else {
            return;
        };
        self.peers.gossiped(&from);
        let id = GossipId {
            message: message_id,
            from,
        };
        let bytes = message.data;
        if bytes.len() > self.limits.max_gossip_bytes {
            self.validate(id, GossipVerdict::Reject);
        } else if self.gossip_rate.check_key(&from).is_ok() {
            self.ready.push_back(NetEvent::Gossip { from, id, bytes });
        } else {
            tracing::debug!(peer = %from, "gossip over the peer's rate dropped");
            self.validate(id, GossipVerdict::Ignore);
        }
    }

    /// libp2p reports a failure from the second in a row on, and leaves it to us to draw the conclusion.
    fn on_ping(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(rtt) => self.peers.measured(&event.peer, *rtt),
            // A busy link may delay pings for long; only one that brings nothing at all is dead.
            Err(ping::Failure::Timeout | ping::Failure::Other { .. })
                if self
                    .peers
                    .silent_for(&event.peer, event.connection)
                    .is_some_and(|silence| silence >= self.limits.ping_timeout) =>
            {
                tracing::debug!(peer = %event.peer, "no answer to pings: connection closed");
                self.swarm.close_connection(event.connection);
            }
            Err(_) => {}
        }
    }
}
