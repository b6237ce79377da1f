//! A member's transport key in the hands of a malicious program, and noise at the peer port.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use certmesh_ledger::codec::{Blob, Bounded};
use certmesh_ledger::crypto::hash::{Purpose, hash};
use certmesh_ledger::crypto::keys::SigningKey;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::{Checkpoint, Page, SignedCheckpoint};
use certmesh_ledger::names::LogId;
use certmesh_ledger::names::NetworkId;
use certmesh_ledger::record::RecordHash;
use certmesh_ledger::sync::{Announcement, Head, Heads, Instance, MAX_RESPONSE, Request, Response};
use certmesh_node::net::{GossipVerdict, Net, NetEvent, RequestFailure};
use certmesh_testnet::testnet::define_types;
use libp2p::PeerId;

use crate::support::{TestNet, founded, until};
use crate::villain::{Conduct, Villain, target};

/// Memory a node of these small networks never needs.
const TOO_MUCH: u64 = 300 << 20;

/// Two honest members that run, and a third whose place a villain takes.
fn two_honest() -> TestNet {
    let mut net = founded(3);
    for index in [0, 1] {
        net.start_trusting(index);
        define_types(&net.api(index), index).unwrap();
    }
    net.ready();
    net.converge();
    net
}

/// The honest members still work with each other, and the villain cost them little.
#[track_caller]
fn still_well(net: &mut TestNet, run: &str) {
    let ids = net.issue(0, run, 20);
    net.wait_verdict(1, &ids[19], "valid", None);
    let ids = net.issue(1, run, 20);
    net.wait_verdict(0, &ids[19], "valid", None);
    for index in [0, 1] {
        net.check(index).unwrap();
        assert!(
            net.memory(index) < TOO_MUCH,
            "{} MiB",
            net.memory(index) >> 20
        );
    }
}

/// Bytes that look like chance and are the same every time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// A checkpoint of a log that may not exist.
fn checkpoint(
    network: NetworkId,
    of: DepartmentCode,
    size: u64,
    key: &SigningKey,
) -> SignedCheckpoint {
    let nothing = hash(Purpose::Node, b"nothing");
    let checkpoint = Checkpoint {
        log: LogId::first(of),
        size,
        root: nothing,
        head: RecordHash(nothing),
        status_root: nothing,
        time_ms: 1_790_000_000_000,
        height: 0,
        key_epoch: 0,
    };
    SignedCheckpoint::sign(network, checkpoint, key)
}

/// Asks with garbage, as fast as it is allowed to.
struct GarbageRequests {
    /// Requests that came to their end.
    count: Arc<AtomicU64>,
    answers: Arc<AtomicU64>,
    next: u64,
    peers: Vec<PeerId>,
}

impl GarbageRequests {
    fn ask(&mut self, net: &mut Net, peer: PeerId) {
        self.next += 1;
        let number = self.next;
        // Short, long, and ones that begin like a request.
        let request = match number % 4 {
            0 => noise(number, 1 + (number % 50) as usize),
            1 => noise(number, 64 * 1024),
            2 => Vec::new(),
            _ => [
                Request::Heads {
                    instance: Instance(1),
                }
                .encode(),
                noise(number, 9),
            ]
            .concat(),
        };
        net.request(peer, request);
    }
}

impl Conduct for GarbageRequests {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        match event {
            NetEvent::Connected(peer) => {
                self.peers.push(peer);
                (0..4).for_each(|_| self.ask(net, peer));
            }
            NetEvent::Disconnected(peer) => self.peers.retain(|other| *other != peer),
            // Not sent at all: the villain's own bounds.
            NetEvent::Response {
                result: Err(RequestFailure::NotConnected | RequestFailure::TooManyInFlight { .. }),
                ..
            } => {}
            NetEvent::Response { peer, result, .. } => {
                self.count.fetch_add(1, Ordering::Relaxed);
                self.answers
                    .fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
                if self.peers.contains(&peer) {
                    self.ask(net, peer);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self, net: &mut Net) {
        for peer in self.peers.clone() {
            self.ask(net, peer);
        }
    }
}

#[test]
fn garbage_requests_are_refused_and_cost_little() {
    let mut net = two_honest();
    let (count, answers) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let conduct = GarbageRequests {
        count: Arc::clone(&count),
        answers: Arc::clone(&answers),
        next: 0,
        peers: Vec::new(),
    };
    let _villain = Villain::as_member(&net, 2, &[0, 1], conduct);
    until("many garbage requests", || {
        count.load(Ordering::Relaxed) > 1_500
    });
    net.wait_logged(0, "request refused");
    let warned = net.node_log(0).matches("request refused").count();
    assert!(
        warned < 20,
        "{warned} lines about requests that cannot be read"
    );
    assert_eq!(answers.load(Ordering::Relaxed), 0);
    still_well(&mut net, "HG");
}

/// Claims a log of its own that it does not have, and answers requests for it with whatever it likes.
struct GarbageAnswers {
    heads: Response,
    asked_for_pages: Arc<AtomicU64>,
    pages: Vec<Vec<u8>>,
}

impl Conduct for GarbageAnswers {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        if let NetEvent::Request { id, bytes, .. } = event {
            let answer = match Request::decode(&bytes) {
                Ok(Request::Heads { .. }) => self.heads.encode(),
                // Where members are is asked as well, since its heads say that it knows less.
                Ok(Request::Addresses | Request::Governance(_)) => return,
                _ => {
                    let number = self.asked_for_pages.fetch_add(1, Ordering::Relaxed) as usize;
                    self.pages[number % self.pages.len()].clone()
                }
            };
            let _ = net.respond(id, answer);
        }
    }
}

/// A page that claims to continue a log under this checkpoint.
fn false_page(checkpoint: &SignedCheckpoint, from: u64, frames: Vec<u8>) -> Vec<u8> {
    let page = Page {
        checkpoint: checkpoint.clone(),
        from,
        left: Bounded::first([]),
        right: Bounded::first([]),
        frames: Blob::new(frames).unwrap(),
    };
    Response::Page(page).encode()
}

/// What a node does with a member whose answers to requests for pages are these; returns what was asked.
fn answers_with(pages: impl Fn(&SignedCheckpoint) -> Vec<Vec<u8>>, size: u64, blamed: &str) {
    let mut net = two_honest();
    let key = net.member(2).signing_key().unwrap();
    let network = net.network().genesis().network_id();
    let claimed = checkpoint(network, net.member(2).code(), size, &key);
    let head = Head {
        checkpoint: claimed.clone(),
        cosignature: None,
    };
    let heads = Heads {
        heads: Bounded::first([head]),
        ..Heads::default()
    };
    let asked = Arc::new(AtomicU64::new(0));
    let conduct = GarbageAnswers {
        heads: Response::Heads(heads),
        asked_for_pages: Arc::clone(&asked),
        pages: pages(&claimed),
    };
    let _villain = Villain::as_member(&net, 2, &[0], conduct);
    until("the claimed records to be asked for", || {
        asked.load(Ordering::Relaxed) > 0
    });
    net.wait_logged(0, "a peer misbehaved");
    assert!(
        net.node_log(0).contains(blamed),
        "blamed for something else"
    );
    still_well(&mut net, "HA");
    let view = net.held(0, 2);
    assert_eq!(
        (view.size, view.certificates),
        (0, 0),
        "nothing unverified is held"
    );
    // Distrusted for a minute: not asked again and again.
    assert!(asked.load(Ordering::Relaxed) < 20);
    let on_disk = net.segment(0, 2, "records");
    let length = std::fs::metadata(on_disk).map_or(0, |file| file.len());
    assert!(
        length <= 64,
        "{length} unverified bytes were written under logs/"
    );
}

#[test]
fn an_answer_of_noise_is_blamed_and_nothing_of_it_is_stored() {
    answers_with(
        |_| vec![noise(1, 100_000)],
        1_000,
        "something else than was asked for",
    );
}

#[test]
fn a_page_of_records_that_were_never_signed_is_blamed_and_nothing_of_it_is_stored() {
    let mut frames = Vec::new();
    for number in 0..3 {
        frames.extend_from_slice(&100_u32.to_le_bytes());
        frames.extend(noise(number, 100 + 65));
    }
    answers_with(
        |claimed| vec![false_page(claimed, 0, frames.clone())],
        1_000,
        "sent a page that does not verify",
    );
}

#[test]
fn a_page_without_records_is_blamed() {
    answers_with(
        |claimed| vec![false_page(claimed, 0, Vec::new())],
        1_000,
        "without records",
    );
}

#[test]
fn a_claim_of_more_records_than_there_can_be_costs_nothing() {
    let frames = noise(3, MAX_RESPONSE / 2);
    answers_with(
        |claimed| vec![false_page(claimed, u64::MAX - 5, frames.clone())],
        u64::MAX,
        "a peer misbehaved",
    );
}

/// Gossips one falsehood after the other: who was not listening yet to the first hears the next.
struct FalseNews<F> {
    news: F,
    next: u64,
}

impl<F: Fn(u64) -> Vec<u8> + Send + 'static> Conduct for FalseNews<F> {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        if let NetEvent::Gossip { id, .. } = event {
            net.validate(id, GossipVerdict::Ignore);
        }
    }

    fn tick(&mut self, net: &mut Net) {
        // Whether anybody listens shows in what they say of it.
        let _ = net.publish((self.news)(self.next));
        self.next += 1;
    }
}

#[test]
fn gossip_that_no_member_signed_is_rejected_and_changes_nothing() {
    let mut net = two_honest();
    let before = net.issue(0, "HN", 10);
    net.converge();
    let strange = SigningKey::from_seed(&[9; 32]);
    let own = net.member(2).signing_key().unwrap();
    let network = net.network().genesis().network_id();
    let codes = [0, 1].map(|index| net.member(index).code());
    // News of other members' logs under a strange key and under the villain's own, and noise.
    let news = move |number: u64| {
        let size = 5_000 + number;
        let (code, key) = match number % 3 {
            0 => (codes[0], &strange),
            1 => (codes[1], &own),
            _ => return noise(number, 60_000),
        };
        let page = Page {
            checkpoint: checkpoint(network, code, size, key),
            from: size,
            left: Bounded::first([]),
            right: Bounded::first([]),
            frames: Blob::new(Vec::new()).unwrap(),
        };
        Announcement::Head(page).encode()
    };
    let _villain = Villain::as_member(&net, 2, &[0, 1], FalseNews { news, next: 0 });
    net.wait_logged(0, "passed on gossip that its department did not sign");
    assert!(
        net.node_log(0)
            .contains(&format!("a peer misbehaved department={}", net.code(2)))
    );
    still_well(&mut net, "HN2");
    for (at, of) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let view = net.held(at, of);
        assert_eq!(
            view.known_size, view.size,
            "a size nobody signed is believed"
        );
    }
    net.wait_verdict(1, &before[0], "valid", None);
}

#[test]
fn noise_and_silence_at_the_peer_port_do_not_keep_members_apart() {
    let mut net = two_honest();
    let address = target(&net, 0);
    let mut held = Vec::new();
    for number in 0..300_u64 {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
            continue;
        };
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        // The node may have closed it already; that is for it to decide.
        let _ = match number % 4 {
            0 => stream.write_all(&noise(number, 2_000)),
            1 => stream.write_all(b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff"),
            2 => stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
            _ => Ok(()),
        };
        held.push(stream);
    }
    assert!(held.len() > 50);
    still_well(&mut net, "HT");
    assert_eq!(net.api(0).status().unwrap().peers_connected, 1);
    // A member that comes again still gets in, at the latest when the silent ones are thrown out.
    net.stop(1).unwrap();
    until("the stop to be noticed", || {
        net.api(0).status().unwrap().peers_connected == 0
    });
    net.start_trusting(1);
    net.ready();
    still_well(&mut net, "HT2");
    drop(held);
}
