use super::super::{GossipVerdict, PublishError};
use super::*;

/// Three peers in a row, connected: the outer two know only the middle one.
async fn row_with(change: impl Fn(&mut NetConfig)) -> (Net, Net, Net) {
    let keys = [(); 3].map(|()| Keypair::generate_ed25519());
    let ids = [0, 1, 2].map(|i: usize| keys[i].public().to_peer_id());
    let mut middle = config(&keys[1]);
    change(&mut middle);
    let (mut middle, address) = listening(middle).await;
    middle.set_members(vec![(ids[0], vec![]), (ids[2], vec![])]);
    let outer = |key: &Keypair| {
        let mut config = config(key);
        config.peers = vec![(ids[1], vec![address.clone()])];
        Net::new(config).unwrap()
    };
    let (mut left, mut right) = (outer(&keys[0]), outer(&keys[2]));
    let mut all = [&mut left, &mut middle, &mut right];
    connect(&mut all, 4).await;
    settle(&mut all).await;
    (left, middle, right)
}

async fn row() -> (Net, Net, Net) {
    row_with(|_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_reaches_a_third_peer_only_after_it_was_accepted() {
    let (mut left, mut middle, mut right) = row().await;
    left.publish(b"news".to_vec()).unwrap();
    let mut held = None;
    let mut all = [&mut left, &mut middle, &mut right];
    drive(&mut all, Duration::from_secs(3), |index, _, event| {
        if let NetEvent::Gossip { id, bytes, .. } = event {
            assert_eq!((index, &bytes[..]), (1, &b"news"[..]));
            held = Some(id);
        }
        false
    })
    .await;
    all[1].validate(held.expect("the neighbour got it"), GossipVerdict::Accept);
    let middle_id = all[1].local_peer_id();
    let arrived = drive(&mut all, LONG, |index, _, event| {
        matches!(event, NetEvent::Gossip { from, bytes, .. }
            if index == 2 && from == middle_id && bytes == b"news")
    })
    .await;
    assert!(arrived);
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_gossip_goes_no_further_and_costs_its_bearer_nothing() {
    let (mut left, mut middle, mut right) = row().await;
    let mut all = [&mut left, &mut middle, &mut right];
    let mut seen = 0u8;
    for n in 0..10u8 {
        all[0].publish(vec![n]).unwrap();
        drive(&mut all, LONG, |index, net, event| {
            let NetEvent::Gossip { id, .. } = event else {
                return false;
            };
            assert_eq!(index, 1);
            net.validate(id, GossipVerdict::Ignore);
            seen += 1;
            true
        })
        .await;
    }
    assert_eq!(seen, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_rejected_gossip_is_soon_not_listened_to_but_may_still_ask() {
    let (mut left, mut middle, mut right) = row().await;
    let mut all = [&mut left, &mut middle, &mut right];
    let mut seen = 0;
    for n in 0..8u8 {
        // Once it is shunned it has nobody left to publish to.
        let _ = all[0].publish(vec![n]);
        drive(&mut all, Duration::from_millis(400), |index, net, event| {
            if let NetEvent::Gossip { id, .. } = event {
                assert_eq!(index, 1, "a rejected message was passed on");
                net.validate(id, GossipVerdict::Reject);
                seen += 1;
            }
            false
        })
        .await;
    }
    assert!((1..=3).contains(&seen), "{seen} messages were looked at");
    let middle_id = all[1].local_peer_id();
    all[0].request(middle_id, vec![]);
    let answered = drive(&mut all, LONG, |_, net, event| match event {
        NetEvent::Request { id, .. } => {
            net.respond(id, vec![]).unwrap();
            false
        }
        NetEvent::Response { result, .. } => result.is_ok(),
        _ => false,
    })
    .await;
    assert!(answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_over_a_peers_rate_is_dropped() {
    let (mut left, mut middle, mut right) =
        row_with(|config| config.limits.gossip_per_second = 2.try_into().unwrap()).await;
    let mut all = [&mut left, &mut middle, &mut right];
    for n in 0..50u8 {
        all[0].publish(vec![n]).unwrap();
    }
    let mut seen = 0;
    drive(&mut all, Duration::from_secs(1), |_, _, event| {
        seen += usize::from(matches!(event, NetEvent::Gossip { .. }));
        false
    })
    .await;
    assert!((4..=8).contains(&seen), "{seen} messages were handed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_the_largest_messages_arrives_and_a_byte_more_is_not_published() {
    const COUNT: u8 = 60;
    let (mut left, mut middle, mut right) = row().await;
    let max = 64 * 1024;
    let over = left.publish(vec![5; max + 1]);
    assert_eq!(over, Err(PublishError::TooLarge { len: max + 1, max }));
    for n in 0..COUNT {
        left.publish(vec![n; max]).unwrap();
    }
    assert_eq!(left.publish(vec![5; max]), Err(PublishError::Duplicate));
    let mut all = [&mut left, &mut middle, &mut right];
    let mut seen = 0;
    let arrived = drive(&mut all, LONG, |_, _, event| {
        if let NetEvent::Gossip { bytes, .. } = event {
            assert_eq!(bytes.len(), max);
            seen += 1;
        }
        seen == COUNT
    })
    .await;
    assert!(arrived, "{seen} of {COUNT} arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_to_nobody_says_so() {
    let (mut net, _) = listening(config(&Keypair::generate_ed25519())).await;
    assert_eq!(net.publish(vec![1]), Err(PublishError::NoPeers));
}
