use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use libp2p::multiaddr::Protocol;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[cfg(feature = "quic")]
use super::super::RequestFailure;
use super::*;

/// Long enough for several dials of an eager peer.
const A_WHILE: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_the_right_network_is_refused_at_the_handshake() {
    let (mut member, address) = listening(config(&Keypair::generate_ed25519())).await;
    member.set_members(vec![(PeerId::random(), vec![])]);
    let mut outsider = config(&Keypair::generate_ed25519());
    outsider.peers = vec![(member.local_peer_id(), vec![address])];
    let mut outsider = Net::new(outsider).unwrap();
    let mut attempts = 0;
    drive(
        &mut [&mut member, &mut outsider],
        A_WHILE,
        |index, net, event| {
            assert_ne!(index, 0, "the member reports {event:?}");
            match event {
                // The outsider's side of the handshake is over before it is refused; it can ask, and gets nothing.
                NetEvent::Connected(peer) => {
                    attempts += 1;
                    net.request(peer, vec![1; 1000]);
                }
                NetEvent::Response { result, .. } => assert!(result.is_err()),
                _ => {}
            }
            false
        },
    )
    .await;
    assert!(attempts > 0, "the outsider got as far as the handshake");
    assert_eq!(member.established_connections(), 0);
    assert!(member.connected().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_network_cannot_finish_the_handshake() {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let (mut a, address) = listening(config(&keys[0])).await;
    a.set_members(vec![(keys[1].public().to_peer_id(), vec![])]);
    let mut other = config(&keys[1]);
    other.network = [8; 32];
    other.peers = vec![(a.local_peer_id(), vec![address])];
    let mut b = Net::new(other).unwrap();
    let connected = drive(&mut [&mut a, &mut b], A_WHILE, |_, _, event| {
        matches!(event, NetEvent::Connected(_))
    })
    .await;
    assert!(!connected);
}

fn with_quic(keypair: &Keypair) -> NetConfig {
    let mut config = config(keypair);
    config.quic = true;
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    config
}

/// Two peers that know each other and have QUIC only, with the outcome of a request between them.
#[cfg(feature = "quic")]
async fn ask_over_quic(other_network: [u8; 32]) -> Result<Vec<u8>, RequestFailure> {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let (mut a, address) = listening(with_quic(&keys[0])).await;
    a.set_members(vec![(keys[1].public().to_peer_id(), vec![])]);
    let mut other = with_quic(&keys[1]);
    other.network = other_network;
    other.peers = vec![(a.local_peer_id(), vec![address])];
    let mut b = Net::new(other).unwrap();
    let mut outcome = None;
    let ended = drive(&mut [&mut a, &mut b], LONG, |index, net, event| {
        match event {
            NetEvent::Connected(peer) if index == 1 => {
                net.request(peer, b"hello".to_vec());
            }
            NetEvent::Request { id, bytes, .. } => net.respond(id, bytes).unwrap(),
            NetEvent::Response { result, .. } => outcome = Some(result),
            _ => {}
        }
        outcome.is_some()
    })
    .await;
    assert!(ended);
    outcome.unwrap()
}

#[cfg(feature = "quic")]
#[tokio::test(flavor = "multi_thread")]
async fn two_members_exchange_over_quic_when_it_is_switched_on() {
    assert_eq!(ask_over_quic(NETWORK).await, Ok(b"hello".to_vec()));
}

#[cfg(feature = "quic")]
#[tokio::test(flavor = "multi_thread")]
async fn over_quic_another_network_is_kept_apart_by_its_protocol_names() {
    assert_eq!(
        ask_over_quic([8; 32]).await,
        Err(RequestFailure::Unsupported)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_addresses_are_refused_unless_quic_is_switched_on() {
    let mut config = with_quic(&Keypair::generate_ed25519());
    config.quic = false;
    assert!(matches!(
        Net::new(config),
        Err(super::super::NetError::Listen { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_disconnected_and_stays_out_until_it_is_let_in_again() {
    let (mut a, mut b) = pair().await;
    let left = b.local_peer_id();
    a.set_members(vec![]);
    let gone = drive(&mut [&mut a, &mut b], LONG, |index, _, event| {
        index == 0 && matches!(event, NetEvent::Disconnected(peer) if peer == left)
    })
    .await;
    assert!(gone);
    let back = drive(&mut [&mut a, &mut b], A_WHILE, |index, _, event| {
        index == 0 && matches!(event, NetEvent::Connected(_))
    })
    .await;
    assert!(!back);
    a.set_members(vec![(left, vec![])]);
    let back = drive(&mut [&mut a, &mut b], LONG, |index, _, event| {
        index == 0 && matches!(event, NetEvent::Connected(peer) if peer == left)
    })
    .await;
    assert!(back);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_does_not_dial_itself_when_membership_names_it() {
    let key = Keypair::generate_ed25519();
    let (mut net, address) = listening(config(&key)).await;
    net.set_members(vec![(net.local_peer_id(), vec![address])]);
    let anything = drive(&mut [&mut net], Duration::from_millis(500), |_, _, _| true).await;
    assert!(!anything);
}

/// A connection to `address` from a loopback address of its own that says nothing; whether the peer still keeps it a
/// while later.
async fn silent(address: SocketAddr, from: Ipv4Addr, a_while: Duration) -> (TcpStream, bool) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let kept = timeout(a_while, stream.read(&mut [0])).await.is_err();
    (stream, kept)
}

/// A peer that is driven in the background, and where it listens.
async fn background(config: NetConfig) -> (JoinHandle<()>, SocketAddr) {
    let (mut net, address) = listening(config).await;
    let driven = tokio::spawn(async move {
        loop {
            net.next().await;
        }
    });
    (driven, socket(&address))
}

/// A connection that the peer keeps, tried until it does: it refuses those that come too fast.
async fn kept(address: SocketAddr, from: Ipv4Addr) -> TcpStream {
    let deadline = Instant::now() + LONG;
    while Instant::now() < deadline {
        if let (stream, true) = silent(address, from, Duration::from_millis(200)).await {
            return stream;
        }
    }
    panic!("no connection from {from} is kept");
}

/// A peer with 64 places for strangers, so 8 for each address, and more time for handshakes than a test takes.
fn few_places() -> NetConfig {
    let mut config = config(&Keypair::generate_ed25519());
    config.limits.max_handshakes = 64;
    config.limits.handshake_timeout = 2 * LONG;
    config
}

/// Strangers of many networks who keep half-open connections at an address, and open another for each that is closed.
fn strangers(address: SocketAddr) -> Vec<JoinHandle<()>> {
    let hold = |network: u8| async move {
        loop {
            silent(address, Ipv4Addr::new(127, 1, network, 1), LONG).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    (0..12 * 8).map(|n| tokio::spawn(hold(n % 12))).collect()
}

fn socket(address: &Multiaddr) -> SocketAddr {
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    (Ipv4Addr::LOCALHOST, port.unwrap()).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_connects_while_strangers_hold_every_place_there_is() {
    let (mut peer, address) = listening(few_places()).await;
    let places = Arc::clone(&peer.places);
    let key = Keypair::generate_ed25519();
    // No address of the member is known: it comes as a stranger does.
    peer.set_members(vec![(key.public().to_peer_id(), vec![])]);
    let strangers = strangers(socket(&address));
    let crowded = async {
        while places.lock().half_open() < 64 {
            tokio::select! {
                _ = peer.next() => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    };
    tokio::time::timeout(LONG, crowded).await.unwrap();
    let mut config = config(&key);
    config.peers = vec![(peer.local_peer_id(), vec![address])];
    let mut member = Net::new(config).unwrap();
    connect(&mut [&mut peer, &mut member], 2).await;
    assert!(
        places.lock().half_open() > 48,
        "the strangers are there still"
    );
    for stranger in strangers {
        stranger.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_half_open_connection_of_an_address_gives_way_to_a_new_one() {
    let (driven, address) = background(few_places()).await;
    let from = Ipv4Addr::new(127, 0, 0, 2);
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(kept(address, from).await);
    }
    let newest = kept(address, from).await;
    let closed = timeout(LONG, held[0].read(&mut [0])).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
    held.push(newest);
    for stream in &mut held[1..] {
        let still = timeout(Duration::from_millis(50), stream.read(&mut [0])).await;
        assert!(still.is_err(), "{still:?}");
    }
    // Those that were given up left their places.
    let last = held.pop();
    held.clear();
    for _ in 0..6 {
        held.push(kept(address, from).await);
    }
    let still = timeout(Duration::from_millis(50), last.unwrap().read(&mut [0])).await;
    assert!(still.is_err(), "{still:?}");
    driven.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_of_a_member_s_address_is_left_alone_however_many_strangers_come() {
    let (mut peer, address) = listening(few_places()).await;
    let places = Arc::clone(&peer.places);
    let of_member = Ipv4Addr::new(127, 1, 3, 9);
    let named = format!("/ip4/{of_member}/tcp/1").parse().unwrap();
    peer.set_members(vec![(PeerId::random(), vec![named])]);
    let driven = tokio::spawn(async move {
        loop {
            peer.next().await;
        }
    });
    let address = socket(&address);
    let mut waiting = kept(address, of_member).await;
    let strangers = strangers(address);
    // Twice as many as there are places for them.
    let came = async {
        while places.lock().given() < 128 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, came).await.unwrap();
    let still = timeout(Duration::from_millis(50), waiting.read(&mut [0])).await;
    assert!(still.is_err(), "{still:?}");
    assert_eq!(places.lock().half_open(), 64 + 1);
    for stranger in strangers {
        stranger.abort();
    }
    driven.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_closed_after_a_few_seconds() {
    let (driven, address) = background(config(&Keypair::generate_ed25519())).await;
    let (_, kept) = silent(address, Ipv4Addr::LOCALHOST, Duration::from_secs(8)).await;
    assert!(!kept);
    driven.abort();
}
