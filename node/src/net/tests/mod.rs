//! Whole peers on real sockets on the loopback interface.

mod connections;
mod exchange;
mod gate;
mod gossip;
mod hostile;
mod staying;

use std::time::Duration;

use futures::FutureExt;
use futures::future::select_all;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::time::{Instant, timeout_at};

use super::{Net, NetConfig, NetEvent};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);
const NETWORK: [u8; 32] = [7; 32];

fn loopback() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

/// A configuration that listens on a free loopback port.
fn config(keypair: &Keypair) -> NetConfig {
    let mut config = NetConfig::new(keypair.clone(), NETWORK);
    config.listen = vec![loopback()];
    config
}

/// A peer without members, and the address it listens on.
async fn listening(config: NetConfig) -> (Net, Multiaddr) {
    let mut net = Net::new(config).unwrap();
    loop {
        let event = tokio::time::timeout(LONG, net.next()).await.unwrap();
        if let NetEvent::Listening(address) = event {
            return (net, address);
        }
    }
}

/// Drives all peers until `done` says so; false if `patience` ran out first.
async fn drive(
    nets: &mut [&mut Net],
    patience: Duration,
    mut done: impl FnMut(usize, &mut Net, NetEvent) -> bool,
) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let waiting = nets.iter_mut().map(|net| net.next().boxed());
        let Ok((event, index, _)) = timeout_at(deadline, select_all(waiting)).await else {
            return false;
        };
        if done(index, nets[index], event) {
            return true;
        }
    }
}

fn peer_ids(net: &Net) -> Vec<PeerId> {
    net.connected().iter().map(|info| info.peer).collect()
}

/// Two peers of one network, connected.
async fn pair_with(change: impl Fn(&mut NetConfig)) -> (Net, Net) {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let [mut first, mut second] = [config(&keys[0]), config(&keys[1])];
    change(&mut first);
    change(&mut second);
    let (mut a, address) = listening(first).await;
    a.set_members(vec![(keys[1].public().to_peer_id(), vec![])]);
    second.peers = vec![(a.local_peer_id(), vec![address])];
    let mut b = Net::new(second).unwrap();
    connect(&mut [&mut a, &mut b], 2).await;
    (a, b)
}

async fn pair() -> (Net, Net) {
    pair_with(|_| {}).await
}

/// Drives the peers until `count` of them have reported a first connection.
async fn connect(nets: &mut [&mut Net], count: usize) {
    let mut connected = 0;
    let all = drive(nets, LONG, |_, _, event| {
        connected += usize::from(matches!(event, NetEvent::Connected(_)));
        connected == count
    })
    .await;
    assert!(all, "only {connected} of {count} connections");
}

/// Lets gossip subscriptions arrive and meshes form.
async fn settle(nets: &mut [&mut Net]) {
    drive(nets, Duration::from_millis(1500), |_, _, _| false).await;
}
