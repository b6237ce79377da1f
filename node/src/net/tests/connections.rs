//! Several connections with one peer: of one process, or of two that run with the same keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::super::ConnectionId;
use super::*;

/// A member, and the configuration of those that run with one other member's keys and dial it at its address.
async fn member(change: impl Fn(&mut NetConfig)) -> (Net, Multiaddr, NetConfig) {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let mut first = config(&keys[0]);
    change(&mut first);
    let (mut member, address) = listening(first).await;
    member.set_members(vec![(keys[1].public().to_peer_id(), vec![])]);
    let mut twin = NetConfig::new(keys[1].clone(), NETWORK);
    twin.peers = vec![(member.local_peer_id(), vec![address.clone()])];
    (member, address, twin)
}

/// The connection over which the last of the peers asks the first one something.
async fn asks(nets: &mut [&mut Net]) -> ConnectionId {
    let last = nets.len() - 1;
    let member = nets[0].local_peer_id();
    nets[last].request(member, b"who am I?".to_vec());
    let mut over = None;
    let asked = drive(nets, LONG, |index, net, event| {
        if let NetEvent::Request { connection, id, .. } = event {
            assert_eq!(index, 0);
            net.respond(id, vec![]).unwrap();
            over = Some(connection);
        }
        over.is_some()
    })
    .await;
    assert!(asked);
    over.unwrap()
}

/// The connection over which an answer to the first peer's question comes, and which of the others answered.
async fn answer_to_first(nets: &mut [&mut Net], peer: PeerId) -> (u8, ConnectionId) {
    let id = nets[0].request(peer, vec![]);
    let mut answer = None;
    let ended = drive(nets, LONG, |index, net, event| {
        match event {
            NetEvent::Request { id, .. } => {
                net.respond(id, vec![u8::try_from(index).unwrap()]).unwrap();
            }
            NetEvent::Response {
                id: of,
                connection,
                result,
                ..
            } if index == 0 && of == id => answer = Some((result.unwrap()[0], connection.unwrap())),
            _ => {}
        }
        answer.is_some()
    })
    .await;
    assert!(ended);
    answer.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_with_the_same_keys_are_distinguished_by_their_connections() {
    let (mut member, _, twin) = member(|_| {}).await;
    let mut first = Net::new(twin.clone()).unwrap();
    let peer = first.local_peer_id();
    connect(&mut [&mut member, &mut first], 2).await;
    let mut second = Net::new(twin).unwrap();
    // To the member nobody new is connected.
    connect(&mut [&mut member, &mut first, &mut second], 1).await;
    let of_second = asks(&mut [&mut member, &mut first, &mut second]).await;
    let of_first = asks(&mut [&mut member, &mut second, &mut first]).await;
    assert_ne!(of_first, of_second);
    assert_eq!(
        asks(&mut [&mut member, &mut first, &mut second]).await,
        of_second
    );

    // What the member asks goes over either connection, and the answer says over which.
    let mut answered = BTreeSet::new();
    for _ in 0..40 {
        let nets = &mut [&mut member, &mut first, &mut second];
        answered.insert(answer_to_first(nets, peer).await);
    }
    let expected = BTreeSet::from([(1, of_first), (2, of_second)]);
    assert_eq!(answered, expected);

    drop(first);
    let closed = drive(&mut [&mut member, &mut second], LONG, |index, _, event| {
        assert!(!matches!(event, NetEvent::Disconnected(_)));
        index == 0
            && matches!(event, NetEvent::Closed { peer: of, connection } if (of, connection) == (peer, of_first))
    })
    .await;
    assert!(closed);
    assert_eq!(asks(&mut [&mut member, &mut second]).await, of_second);
    drop(second);
    let gone = drive(&mut [&mut member], LONG, |_, _, event| {
        assert!(!matches!(event, NetEvent::Closed { .. }), "it is the last");
        matches!(event, NetEvent::Disconnected(of) if of == peer)
    })
    .await;
    assert!(gone);
}

/// Drives peers until the first has so many connections, however long a busy machine takes.
async fn established(nets: &mut [&mut Net], connections: u32) {
    let begun = Instant::now();
    while nets[0].established_connections() != connections {
        assert!(begun.elapsed() < LONG, "not {connections} connections");
        drive(nets, Duration::from_millis(50), |_, _, _| false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_finds_a_place_beside_all_connections_of_the_first_and_takes_none_of_them()
{
    let (mut member, address, twin) = member(|_| {}).await;
    let of_member = member.local_peer_id();
    let mut first = Net::new(twin.clone()).unwrap();
    connect(&mut [&mut member, &mut first], 2).await;
    // A process has two with a member at most: the one it dialled, and the one that the member dialled.
    let again = |net: &mut Net| {
        let dial = DialOpts::peer_id(of_member)
            .condition(PeerCondition::Always)
            .addresses(vec![address.clone()])
            .allocate_new_port();
        net.swarm.dial(dial.build()).unwrap();
    };
    again(&mut first);
    established(&mut [&mut member, &mut first], 2).await;
    let mut second = Net::new(twin).unwrap();
    connect(&mut [&mut member, &mut first, &mut second], 1).await;
    again(&mut second);
    let mut all = [&mut member, &mut first, &mut second];
    established(&mut all, 4).await;
    asks(&mut all).await;
    // That is all there are: what comes beyond them is refused, and closes none.
    again(all[2]);
    let a_while = Duration::from_millis(500);
    drive(&mut all, a_while, |index, _, event| {
        assert!(index == 1 || !matches!(event, NetEvent::Disconnected(_)));
        false
    })
    .await;
    assert_eq!(all[0].established_connections(), 4);
    asks(&mut [&mut member, &mut second, &mut first]).await;
}

/// Carries connections to a peer until it is frozen: then it keeps them open and carries nothing more.
async fn carrier(to: &Multiaddr) -> (Multiaddr, Arc<Notify>) {
    let port = to.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    let frozen = Arc::new(Notify::new());
    let freeze = Arc::clone(&frozen);
    tokio::spawn(async move {
        let (mut one, _) = listener.accept().await.unwrap();
        let mut other = TcpStream::connect(("127.0.0.1", port.unwrap()))
            .await
            .unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut one, &mut other) => {}
            () = freeze.notified() => std::future::pending::<()>().await,
        }
    });
    let address = format!("/ip4/127.0.0.1/tcp/{here}").parse().unwrap();
    (address, frozen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_connection_is_closed_however_busy_another_of_the_same_peer_is() {
    let (mut member, address, twin) = member(|config| {
        config.limits.ping_interval = Duration::from_millis(200);
        config.limits.ping_timeout = Duration::from_millis(500);
    })
    .await;
    let of_member = member.local_peer_id();
    let (carried, frozen) = carrier(&address).await;
    let mut old = twin.clone();
    old.peers = vec![(of_member, vec![carried])];
    let mut old = Net::new(old).unwrap();
    connect(&mut [&mut member, &mut old], 2).await;
    let dead = asks(&mut [&mut member, &mut old]).await;
    frozen.notify_one();
    let mut new = Net::new(twin).unwrap();
    connect(&mut [&mut member, &mut new], 1).await;
    // The new one asks and gossips all the while.
    let begun = Instant::now();
    let mut number = 0_u64;
    assert_ne!(asks(&mut [&mut member, &mut new]).await, dead);
    assert_eq!(member.established_connections(), 2);
    while member.established_connections() > 1 {
        assert!(begun.elapsed() < LONG, "the dead connection stays open");
        number += 1;
        let _ = new.publish(number.to_le_bytes().to_vec());
        let over = asks(&mut [&mut member, &mut new]).await;
        assert_ne!(over, dead);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(peer_ids(&member).len(), 1);
    drop(old);
}
