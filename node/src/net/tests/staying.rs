use std::collections::HashMap;

use super::super::ReconnectConfig;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dies_and_returns_on_its_address_is_connected_again() {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let ids = [0, 1].map(|i: usize| keys[i].public().to_peer_id());
    let (first, address) = listening(config(&keys[1])).await;
    let mut staying = config(&keys[0]);
    staying.peers = vec![(ids[1], vec![address.clone()])];
    let mut staying = Net::new(staying).unwrap();
    let mut mortal = first;
    // It only lets in: the one that stays has to do the dialling.
    mortal.set_members(vec![(ids[0], vec![])]);
    for _ in 0..3 {
        connect(&mut [&mut staying, &mut mortal], 2).await;
        drop(mortal);
        let lost = drive(
            &mut [&mut staying],
            LONG,
            |_, _, event| matches!(event, NetEvent::Disconnected(peer) if peer == ids[1]),
        )
        .await;
        assert!(lost);
        assert!(staying.connected().is_empty());
        // Some dials fail meanwhile.
        drive(
            &mut [&mut staying],
            Duration::from_millis(600),
            |_, _, _| false,
        )
        .await;
        let mut again = config(&keys[1]);
        again.listen = vec![address.clone()];
        again.peers = vec![(ids[0], vec![])];
        mortal = Net::new(again).unwrap();
    }
    connect(&mut [&mut staying, &mut mortal], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_address_that_answers_is_enough() {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let (mut a, address) = listening(config(&keys[0])).await;
    a.set_members(vec![(keys[1].public().to_peer_id(), vec![])]);
    let dead = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    let unknown = "/dns4/no-such-peer.invalid/tcp/4001".parse().unwrap();
    let mut other = config(&keys[1]);
    other.peers = vec![(a.local_peer_id(), vec![dead, unknown, address])];
    let mut b = Net::new(other).unwrap();
    connect(&mut [&mut a, &mut b], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_disconnected_on_purpose_may_come_back() {
    let (mut a, mut b) = pair().await;
    let other = b.local_peer_id();
    a.disconnect(other);
    let gone = drive(&mut [&mut a, &mut b], LONG, |index, _, event| {
        index == 0 && matches!(event, NetEvent::Disconnected(peer) if peer == other)
    })
    .await;
    assert!(gone);
    let back = drive(&mut [&mut a, &mut b], LONG, |index, _, event| {
        index == 0 && matches!(event, NetEvent::Connected(peer) if peer == other)
    })
    .await;
    assert!(back);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_peers_that_all_dial_each_other_at_once_connect_and_stay_so() {
    const COUNT: usize = 8;
    let mut nets = Vec::new();
    let mut members = Vec::new();
    for _ in 0..COUNT {
        let mut config = config(&Keypair::generate_ed25519());
        config.reconnect = ReconnectConfig {
            head_start: Duration::ZERO,
            ..ReconnectConfig::default()
        };
        let (net, address) = listening(config).await;
        members.push((net.local_peer_id(), vec![address]));
        nets.push(net);
    }
    for net in &mut nets {
        net.set_members(members.clone());
    }
    let mut all: Vec<_> = nets.iter_mut().collect();
    let mut up: HashMap<usize, usize> = HashMap::new();
    let mut lost = 0;
    let mut count = |index, event| {
        match event {
            NetEvent::Connected(_) => *up.entry(index).or_default() += 1,
            NetEvent::Disconnected(_) => lost += 1,
            _ => {}
        }
        up.values().sum::<usize>() == COUNT * (COUNT - 1)
    };
    assert!(drive(&mut all, LONG, |index, _, event| count(index, event)).await);
    // Every connection is counted as often as it is reported, so a flapping one would show here.
    drive(&mut all, Duration::from_secs(4), |index, _, event| {
        count(index, event);
        false
    })
    .await;
    assert_eq!(lost, 0);
    assert!(up.values().all(|peers| *peers == COUNT - 1));
    for net in &all {
        assert_eq!(peer_ids(net).len(), COUNT - 1);
        assert!(net.established_connections() <= 2 * (COUNT as u32 - 1));
    }
}
