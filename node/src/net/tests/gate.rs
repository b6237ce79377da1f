use std::net::{Ipv4Addr, SocketAddr};

use libp2p::multiaddr::Protocol;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

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

#[tokio::test(flavor = "multi_thread")]
async fn two_members_exchange_over_quic_when_it_is_switched_on() {
    assert_eq!(ask_over_quic(NETWORK).await, Ok(b"hello".to_vec()));
}

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
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let driven = tokio::spawn(async move {
        loop {
            net.next().await;
        }
    });
    (driven, (Ipv4Addr::LOCALHOST, port.unwrap()).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_of_one_address_are_bounded_and_leave_place_for_others() {
    let mut config = config(&Keypair::generate_ed25519());
    config.limits.max_pending_per_address = 3;
    config.limits.handshake_timeout = Duration::from_secs(4);
    let (driven, address) = background(config).await;
    let (one, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let a_while = Duration::from_millis(400);
    let mut held = Vec::new();
    for (from, expected) in [
        (one, true),
        (one, true),
        (one, true),
        (one, false),
        (other, true),
    ] {
        let (stream, kept) = silent(address, from, a_while).await;
        assert_eq!(kept, expected, "number {} from {from}", held.len());
        held.push(stream);
    }
    // A place comes free when its time is up, and also when the connection is given up before.
    held.clear();
    for _ in 0..4 {
        tokio::time::sleep(a_while).await;
        assert!(silent(address, one, a_while).await.1);
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
