//! A peer that does as it likes: a program on the node's own network layer, with a real transport key or a strange one.

use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use certmesh_ledger::crypto::keys::SecretFile;
use certmesh_node::net::{Net, NetConfig, NetEvent, OutboundId};
use certmesh_testnet::network::Member;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use crate::support::TestNet;

/// What it does.
pub(crate) trait Conduct: Send + 'static {
    /// Something happened on the network.
    fn event(&mut self, net: &mut Net, event: NetEvent);

    /// Some time has passed.
    fn tick(&mut self, _net: &mut Net) {}
}

/// It runs on a thread of its own until it is dropped.
pub(crate) struct Villain {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Villain {
    /// Dials these peers with that key, under that network id.
    pub(crate) fn start(
        keypair: Keypair,
        network: [u8; 32],
        peers: Vec<(PeerId, SocketAddr)>,
        mut conduct: impl Conduct,
    ) -> Villain {
        let (stop, mut stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let mut config = NetConfig::new(keypair, network);
                config.peers = peers
                    .into_iter()
                    .map(|(id, address)| (id, vec![multiaddress(address)]))
                    .collect();
                let mut net = Net::new(config).unwrap();
                let mut ticks = tokio::time::interval(Duration::from_millis(50));
                loop {
                    tokio::select! {
                        _ = &mut stopped => return,
                        _ = ticks.tick() => conduct.tick(&mut net),
                        event = net.next() => conduct.event(&mut net, event),
                    }
                }
            });
        });
        Villain {
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// In the place of a member that is not running, with its transport key, dialling some of the others.
    pub(crate) fn as_member(
        net: &TestNet,
        member: usize,
        others: &[usize],
        conduct: impl Conduct,
    ) -> Villain {
        let peers = others
            .iter()
            .map(|other| (peer_id(net.member(*other)), target(net, *other)));
        Villain::start(
            transport_key(net.member(member)),
            network_id(net),
            peers.collect(),
            conduct,
        )
    }
}

impl Drop for Villain {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn multiaddress(address: SocketAddr) -> Multiaddr {
    format!("/ip4/{}/tcp/{}", address.ip(), address.port())
        .parse()
        .unwrap()
}

/// The peer identity the genesis gives a member.
pub(crate) fn peer_id(member: &Member) -> PeerId {
    PeerId::from_bytes(&member.department.peer_id.to_multihash()).unwrap()
}

pub(crate) fn transport_key(member: &Member) -> Keypair {
    let text = fs::read_to_string(member.dir.join("keys/transport.key")).unwrap();
    let mut seed = *SecretFile::Transport.read(&text).unwrap();
    Keypair::ed25519_from_bytes(&mut seed).unwrap()
}

pub(crate) fn network_id(net: &TestNet) -> [u8; 32] {
    *net.network().genesis().network_id().0.as_bytes()
}

/// Where a running node listens for other peers.
pub(crate) fn target(net: &TestNet, index: usize) -> SocketAddr {
    net.node_file(index).unwrap().target().unwrap()
}

/// What happened to someone who only asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connected,
    Disconnected,
    Asked,
    Answered(Vec<u8>),
    Refused(String),
    Gossip,
}

/// Sends the same request whenever there is a connection, and tells what comes back.
pub(crate) struct Asker {
    request: Vec<u8>,
    seen: Sender<Seen>,
    connected: Vec<PeerId>,
    waiting: Option<OutboundId>,
}

impl Asker {
    pub(crate) fn new(request: Vec<u8>) -> (Asker, Receiver<Seen>) {
        let (seen, receiver) = channel();
        let asker = Asker {
            request,
            seen,
            connected: Vec::new(),
            waiting: None,
        };
        (asker, receiver)
    }

    fn tell(&self, seen: Seen) {
        // The test may have seen enough.
        let _ = self.seen.send(seen);
    }
}

impl Conduct for Asker {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        match event {
            NetEvent::Connected(peer) => {
                self.connected.push(peer);
                self.waiting = Some(net.request(peer, self.request.clone()));
                self.tell(Seen::Connected);
                self.tell(Seen::Asked);
            }
            NetEvent::Disconnected(peer) => {
                self.connected.retain(|other| *other != peer);
                self.waiting = None;
                self.tell(Seen::Disconnected);
            }
            NetEvent::Response { id, result, .. } => {
                if self.waiting == Some(id) {
                    self.waiting = None;
                }
                self.tell(match result {
                    Ok(bytes) => Seen::Answered(bytes),
                    Err(error) => Seen::Refused(error.to_string()),
                });
            }
            NetEvent::Gossip { .. } => self.tell(Seen::Gossip),
            NetEvent::Listening(_) | NetEvent::Closed { .. } | NetEvent::Request { .. } => {}
        }
    }

    fn tick(&mut self, net: &mut Net) {
        if self.waiting.is_none()
            && let Some(peer) = self.connected.first()
        {
            self.waiting = Some(net.request(*peer, self.request.clone()));
            self.tell(Seen::Asked);
        }
    }
}
