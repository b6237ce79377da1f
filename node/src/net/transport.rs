//! How bytes get from one peer to another: TCP + Noise + Yamux, QUIC if asked for, DNS names resolved.

use std::sync::Arc;
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, dns, noise, tcp, yamux};
use parking_lot::Mutex;

use super::handshakes::Placed;
use super::places::Places;

/// A transport that yields authenticated, multiplexed connections.
pub(super) type Authenticated = Boxed<(PeerId, StreamMuxerBox)>;

/// What the transport is built from.
pub(super) struct TransportConfig<'a> {
    /// The Ed25519 transport key.
    pub(super) keypair: &'a Keypair,
    /// The network id, the Noise prologue.
    pub(super) network: &'a [u8; 32],
    /// Whether QUIC addresses work.
    pub(super) quic: bool,
    /// Streams on one TCP connection.
    pub(super) max_streams: usize,
    /// Time for a dial and its handshake, and for the handshake of an incoming connection.
    pub(super) handshake_timeout: Duration,
    /// Where incoming connections have their places until their handshake is over.
    pub(super) places: Arc<Mutex<Places>>,
}

/// Builds the transport. Must be called inside a tokio runtime.
pub(super) fn build(config: &TransportConfig<'_>) -> Result<Authenticated, noise::Error> {
    // Without the system's resolver settings only addresses with names are lost, so that is not a reason to stop.
    let resolved = match dns::tokio::Transport::system(sockets(config)?) {
        Ok(transport) => transport.boxed(),
        Err(error) => {
            tracing::warn!(%error, "no resolver configuration: peers with DNS names cannot be dialled");
            sockets(config)?
        }
    };
    let timed = TransportTimeout::new(resolved, config.handshake_timeout).boxed();
    Ok(Placed::new(timed, Arc::clone(&config.places)).boxed())
}

/// The transports for numeric addresses.
fn sockets(config: &TransportConfig<'_>) -> Result<Authenticated, noise::Error> {
    let noise = noise::Config::new(config.keypair)?.with_prologue(config.network.to_vec());
    let mut yamux = yamux::Config::default();
    // Each stream starts with a receive window of 256 KiB, tuned upwards to what the round trip needs. So the number
    // of streams is what bounds the bytes a peer can have lying unread.
    yamux.set_max_num_streams(config.max_streams);
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let tcp = tcp.boxed();
    Ok(match config.quic {
        true => with_quic(tcp, config.keypair),
        false => tcp,
    })
}

#[cfg(feature = "quic")]
fn with_quic(tcp: Authenticated, keypair: &Keypair) -> Authenticated {
    use libp2p::core::transport::OrTransport;
    use libp2p::quic;

    let quic = quic::tokio::Transport::new(quic::Config::new(keypair))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    OrTransport::new(quic, tcp)
        .map(|either, _| either.into_inner())
        .boxed()
}

/// A build without QUIC: the configuration is refused before this, and TCP accepts no QUIC addresses.
#[cfg(not(feature = "quic"))]
fn with_quic(tcp: Authenticated, _: &Keypair) -> Authenticated {
    tcp
}
