//! What a [`Net`](super::Net) reports, the identifiers in it, and the errors.

use std::fmt;
use std::io;
use std::time::SystemTime;

use libp2p::gossipsub::MessageId;
use libp2p::request_response::ResponseChannel;
use libp2p::{Multiaddr, PeerId, noise};

/// Something that happened on the network, in the order in which it happened.
#[derive(Debug)]
pub enum NetEvent {
    /// This peer can now be reached at the address.
    Listening(Multiaddr),
    /// The first connection with the member was established. The other side may still refuse us: then
    /// [`Disconnected`](Self::Disconnected) follows at once.
    Connected(PeerId),
    /// The last connection with the member was closed.
    Disconnected(PeerId),
    /// One of several connections with the member was closed.
    Closed {
        /// The peer.
        peer: PeerId,
        /// Which one.
        connection: ConnectionId,
    },
    /// A member asks something.
    Request {
        /// Who asks, proved by its transport key.
        peer: PeerId,
        /// Over which connection, which was open when this was reported.
        connection: ConnectionId,
        /// Hand it to [`Net::respond`](super::Net::respond), or drop it to refuse.
        id: InboundId,
        /// The request, at most [`max_request_bytes`](super::NetLimits::max_request_bytes) long.
        bytes: Vec<u8>,
    },
    /// A request of ours has ended. Reported exactly once for every
    /// [`Net::request`](super::Net::request).
    Response {
        /// Who was asked.
        peer: PeerId,
        /// Over which connection the answer came; `None` if there is none, or the connection has closed since.
        connection: Option<ConnectionId>,
        /// What [`Net::request`](super::Net::request) returned.
        id: OutboundId,
        /// The answer, at most [`max_response_bytes`](super::NetLimits::max_response_bytes) long, or why there is none.
        result: Result<Vec<u8>, RequestFailure>,
    },
    /// A gossip message. A hint only: it may be repeated, old or forged, and others may never arrive.
    Gossip {
        /// The neighbour that passed it on, which need not be its author.
        from: PeerId,
        /// Hand it to [`Net::validate`](super::Net::validate) soon: until then nobody else gets the message from us.
        id: GossipId,
        /// The message, at most [`max_gossip_bytes`](super::NetLimits::max_gossip_bytes) long.
        bytes: Vec<u8>,
    },
}

/// A connection with a member. Two processes that run with the same keys are one peer, but never share a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboundId(pub(super) u64);

impl fmt::Display for OutboundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A member's request that waits for our answer. Dropping it refuses the request.
#[derive(Debug)]
pub struct InboundId {
    pub(super) channel: ResponseChannel<Vec<u8>>,
}

impl InboundId {
    /// Whether the peer still waits for the answer: its connection is open and its time is not up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.channel.is_open()
    }
}

/// A received gossip message that waits for its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GossipId {
    pub(super) message: MessageId,
    pub(super) from: PeerId,
}

/// The verdict on a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GossipVerdict {
    /// Valid: pass it on.
    Accept,
    /// Not wrong, but not worth passing on (already known, or not checkable here): drop it.
    Ignore,
    /// Wrong, and the sender should have seen that: drop it and count it against them. The gossip of a
    /// peer with three of these is not looked at for some minutes; its requests still are.
    Reject,
}

/// A connected member, as [`Net::connected`](super::Net::connected) lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// Who it is.
    pub peer: PeerId,
    /// The other end of the oldest open connection.
    pub address: Multiaddr,
    /// When the peer became connected.
    pub since: SystemTime,
    /// The last measured round trip in milliseconds; `None` until the first ping came back.
    pub rtt_ms: Option<f64>,
}

/// Why a [`Net`](super::Net) could not be built.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The Noise handshake could not be set up with the given key.
    #[error("the transport key cannot be used for the Noise handshake: {0}")]
    Noise(#[from] noise::Error),
    /// The gossip protocol refused its configuration.
    #[error("the gossip configuration is not valid: {0}")]
    Gossip(String),
    /// An address to listen on cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address as configured.
        address: Multiaddr,
        /// What the transport said.
        source: libp2p::TransportError<io::Error>,
    },
}

/// Why a request of ours has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailure {
    /// The peer is not connected; nothing was sent.
    #[error("the peer is not connected")]
    NotConnected,
    /// As many requests to this peer as are allowed wait for their answers already; nothing was sent.
    #[error("{max} requests to this peer are already under way")]
    TooManyInFlight {
        /// [`max_outbound_per_peer`](super::NetLimits::max_outbound_per_peer).
        max: usize,
    },
    /// The request is too long; nothing was sent.
    #[error("the request has {len} bytes, more than the {max} allowed")]
    RequestTooLarge {
        /// Its length in bytes.
        len: usize,
        /// [`max_request_bytes`](super::NetLimits::max_request_bytes).
        max: usize,
    },
    /// The peer announced an answer longer than any honest one; none of it was read.
    #[error("the peer announced an answer of {len} bytes, more than the {max} allowed")]
    ResponseTooLarge {
        /// The announced length in bytes.
        len: usize,
        /// [`max_response_bytes`](super::NetLimits::max_response_bytes).
        max: usize,
    },
    /// The peer closed the stream without an answer: it is busy, or it does not want to answer.
    #[error("the peer refused the request")]
    Refused,
    /// The peer closed the stream in the middle of its answer.
    #[error("the answer was cut off")]
    Truncated,
    /// The peer sent its answer too slowly.
    #[error("the answer came too slowly")]
    TooSlow,
    /// The time for the exchange was up.
    #[error("the request timed out")]
    Timeout,
    /// The connection was lost; whether the peer got the request is unknown.
    #[error("the connection closed before the answer came")]
    ConnectionClosed,
    /// The peer does not speak this network's exchange protocol.
    #[error("the peer does not speak this network's protocol")]
    Unsupported,
    /// The stream failed otherwise.
    #[error("the stream failed: {0}")]
    Io(io::ErrorKind),
}

/// Why an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RespondError {
    /// The answer is too long; the request was refused instead.
    #[error("the answer has {len} bytes, more than the {max} allowed")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// [`max_response_bytes`](super::NetLimits::max_response_bytes).
        max: usize,
    },
    /// The peer does not wait any more: its connection closed or its time was up.
    #[error("the peer no longer waits for this answer")]
    Gone,
}

/// Why a gossip message was not published. Nothing is lost: gossip is a hint, and comparing heads brings the news too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The message is too long.
    #[error("the message has {len} bytes, more than the {max} allowed")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// [`max_gossip_bytes`](super::NetLimits::max_gossip_bytes).
        max: usize,
    },
    /// No connected peer listens.
    #[error("no connected peer listens to gossip")]
    NoPeers,
    /// The same bytes were published or received a short while ago.
    #[error("the same message was already sent")]
    Duplicate,
    /// The queues to all peers are full.
    #[error("the queues to all peers are full")]
    Busy,
    /// The gossip protocol failed otherwise.
    #[error("gossip failed: {0}")]
    Other(String),
}
