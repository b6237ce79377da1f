//! Who is no member gets nothing; who has no token gets nothing either.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use certmesh_ledger::sync::{Instance, Request, Response};
use certmesh_testnet::process::NodeFile;
use libp2p::identity::Keypair;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;

use crate::support::{Answer, Http, TestNet, founded, one_of_two, row, running, until};
use crate::villain::{Asker, Seen, Villain, network_id, peer_id, target, transport_key};

/// How long an intruder tries.
const SIEGE: Duration = Duration::from_secs(3);

/// What an asker has seen after a while, and that the node thought nobody connected all the time.
fn siege(net: &TestNet, seen: &Receiver<Seen>) -> Vec<Seen> {
    let (begun, client) = (Instant::now(), net.api(0));
    let mut all = Vec::new();
    while begun.elapsed() < SIEGE {
        assert_eq!(client.status().unwrap().peers_connected, 0);
        assert!(client.peers().unwrap().iter().all(|peer| !peer.connected));
        all.extend(seen.recv_timeout(Duration::from_millis(50)));
    }
    all
}

fn got_something(seen: &[Seen]) -> bool {
    seen.iter()
        .any(|seen| matches!(seen, Seen::Answered(_) | Seen::Gossip))
}

#[test]
fn a_member_is_let_in_and_answered() {
    let net = one_of_two();
    net.issue(0, "IN", 4);
    let (asker, seen) = Asker::new(
        Request::Heads {
            instance: Instance(1),
        }
        .encode(),
    );
    let _member = Villain::as_member(&net, 1, &[0], asker);
    let answer = crate::support::eventually("an answer", || match seen.recv().unwrap() {
        Seen::Answered(bytes) => Some(bytes),
        _ => None,
    });
    let Response::Heads(heads) = Response::decode(&answer).unwrap() else {
        panic!("no heads")
    };
    assert_eq!(heads.heads.len(), 1);
    until("the member to be seen", || {
        net.api(0).status().unwrap().peers_connected == 1
    });
}

#[test]
fn a_peer_with_a_strange_key_is_never_connected_and_never_gets_a_record() {
    let net = one_of_two();
    net.issue(0, "OUT", 4);
    let (asker, seen) = Asker::new(
        Request::Heads {
            instance: Instance(1),
        }
        .encode(),
    );
    let stranger = Keypair::generate_ed25519();
    let peers = vec![(peer_id(net.member(0)), target(&net, 0))];
    let _stranger = Villain::start(stranger, network_id(&net), peers, asker);
    // It may learn, as it shakes hands, that somebody is there; it gets no further.
    let all = siege(&net, &seen);
    assert!(!got_something(&all), "{all:?}");
    let in_vain = all
        .iter()
        .filter(|seen| **seen == Seen::Disconnected)
        .count();
    let connections = all.iter().filter(|seen| **seen == Seen::Connected).count();
    assert!(connections - in_vain <= 1, "{all:?}");
    // The node does its work meanwhile.
    net.issue(0, "OUT2", 4);
}

#[test]
fn a_member_s_key_is_of_no_use_under_another_network_s_name() {
    let net = one_of_two();
    let (asker, seen) = Asker::new(
        Request::Heads {
            instance: Instance(1),
        }
        .encode(),
    );
    let peers = vec![(peer_id(net.member(0)), target(&net, 0))];
    let _other = Villain::start(transport_key(net.member(1)), [7; 32], peers, asker);
    let all = siege(&net, &seen);
    assert!(!all.contains(&Seen::Connected), "{all:?}");
}

#[test]
fn a_node_of_another_network_is_never_connected() {
    let net = one_of_two();
    net.issue(0, "NET", 4);
    let mut other = founded(2);
    // Its own second member, it believes, is where the first network's node listens.
    let wrong = target(&net, 0);
    other.links().link(0, 1).unwrap().set_target(Some(wrong));
    other.start_trusting(0);
    let (_asker, seen) = Asker::new(Vec::new());
    siege(&net, &seen);
    assert_eq!(other.api(0).status().unwrap().peers_connected, 0);
    assert_eq!(other.held(0, 1).size, 0);
    let warning = "a peer of another network, or with another network.toml, was dialled";
    other.wait_logged(0, warning);
    let told = other.node_log(0).matches(warning).count();
    assert!(told <= 4, "told {told} times");
}

/// Keeps half-open connections at a node's peer-to-peer port, wherever it listens after a restart, and opens another for
/// each that is closed.
async fn crowd(node_file: PathBuf, from: Ipv4Addr) {
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let file = NodeFile::read(&node_file).ok().flatten();
        let Some(target) = file.and_then(|file| file.target()) else {
            continue;
        };
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        if let Ok(mut stream) = socket.connect(target).await {
            // What the node says first it gets no answer to.
            while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
        }
    }
}

#[test]
fn a_member_that_restarts_finds_its_peers_while_strangers_hold_connections_half_open() {
    let mut net = running(3);
    let strangers = tokio::runtime::Runtime::new().unwrap();
    for member in 0..3 {
        let node_file = net.data(member).join("node.json");
        for n in 0..120 {
            let from = Ipv4Addr::new(127, 0, 0, 2 + n % 3);
            strangers.spawn(crowd(node_file.clone(), from));
        }
    }
    // Nodes say so themselves once strangers come faster than they are let in.
    net.wait_logged(0, "the peer-to-peer port is crowded");
    net.wait_logged(2, "the peer-to-peer port is crowded");
    net.stop(1).unwrap();
    net.start_again(1);
    net.wait_writable(1);
    until("all members to be connected", || {
        (0..3).all(|member| net.api(member).status().unwrap().peers_connected == 2)
    });
    net.issue(1, "CROWD", 4);
    net.converge();
    drop(strangers);
}

/// Adds a client of each role by the hashes of their tokens, as an operator can.
fn add_reader_and_issuer(net: &TestNet) {
    let tokens = net.member(0).dir.join("tokens.toml");
    let mut text = std::fs::read_to_string(&tokens).unwrap();
    for role in ["read", "issue"] {
        let hash = blake3::hash(format!("{role}-secret").as_bytes());
        text.push_str(&format!(
            "[[client]]\nname = \"{role}er\"\nrole = \"{role}\"\ntoken_blake3 = \"{hash}\"\n"
        ));
    }
    std::fs::write(&tokens, text).unwrap();
}

/// What clients ask of one certificate and of the node.
struct Requests {
    reads: [String; 6],
    of_status: String,
    find: Value,
    definition: Value,
}

impl Requests {
    fn of(net: &TestNet, id: &str) -> Requests {
        let by_id = format!("/v1/certificates/{id}");
        Requests {
            of_status: format!("{by_id}/status"),
            find: json!({"issuer": net.code(0)}),
            definition: json!({"code": format!("{}009", net.code(0)), "name": "x"}),
            reads: [
                by_id.clone(),
                format!("{by_id}/history"),
                "/v1/catalogue".to_owned(),
                "/v1/logs".to_owned(),
                "/v1/peers".to_owned(),
                "/v1/status".to_owned(),
            ],
        }
    }

    fn issue(&self, http: &Http) -> Answer {
        http.post("/v1/certificates", &row(0, "TOK", 1))
    }

    fn issue_in_bulk(&self, http: &Http) -> Answer {
        http.bulk(&[], row(0, "TOK", 1).to_string().as_bytes())
    }

    fn revoke(&self, http: &Http) -> Answer {
        http.post(&self.of_status, &json!({"action": "revoke"}))
    }

    fn define(&self, http: &Http) -> Answer {
        http.post("/v1/types", &self.definition)
    }

    fn vouch(&self, http: &Http) -> Answer {
        http.post("/v1/log/vouch", &json!({}))
    }

    fn salvage(&self, http: &Http) -> Answer {
        http.post("/v1/log/salvage", &json!({}))
    }
}

fn nobody_gets_more_than_what_is_open(requests: &Requests, nobody: &Http) {
    for path in &requests.reads {
        nobody.get(path).problem(401, "unauthorised");
    }
    for refused in [
        requests.issue(nobody),
        requests.issue_in_bulk(nobody),
        requests.revoke(nobody),
        nobody.post("/v1/find", &requests.find),
        requests.define(nobody),
        requests.vouch(nobody),
        requests.salvage(nobody),
    ] {
        refused.problem(401, "unauthorised");
    }
    for open in ["/health", "/ready", "/metrics", "/openapi.json"] {
        assert_eq!(nobody.get(open).status, 200);
    }
}

fn a_reader_only_reads(requests: &Requests, reader: &Http) {
    for path in &requests.reads {
        assert_eq!(reader.get(path).status, 200, "{path}");
    }
    for refused in [
        requests.issue(reader),
        requests.issue_in_bulk(reader),
        requests.revoke(reader),
        requests.vouch(reader),
    ] {
        refused.problem(403, "forbidden");
    }
}

fn an_issuer_neither_defines_nor_operates(requests: &Requests, issuer: &Http) {
    for refused in [
        requests.define(issuer),
        requests.vouch(issuer),
        requests.salvage(issuer),
    ] {
        refused.problem(403, "forbidden");
    }
}

#[test]
fn without_a_good_token_or_the_right_role_the_api_does_nothing() {
    let mut net = one_of_two();
    add_reader_and_issuer(&net);
    net.stop(0).unwrap();
    net.start_trusting(0);
    let admin = net.http(0);
    let issued = admin.post("/v1/certificates", &row(0, "TOK", 0)).json();
    let before = net.held(0, 0).size;
    let requests = Requests::of(&net, issued["id"].as_str().unwrap());
    for token in [None, Some("wrong"), Some("")] {
        nobody_gets_more_than_what_is_open(&requests, &admin.with_token(token));
    }
    a_reader_only_reads(&requests, &admin.with_token(Some("read-secret")));
    let issuer = admin.with_token(Some("issue-secret"));
    an_issuer_neither_defines_nor_operates(&requests, &issuer);
    assert_eq!(net.held(0, 0).size, before, "nothing was appended");
    assert_eq!(requests.issue(&issuer).status, 201);
    assert_eq!(requests.revoke(&issuer).status, 201);
    assert_eq!(requests.define(&admin).status, 201);
}
