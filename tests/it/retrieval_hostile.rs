//! Requests for fields that are replayed, stale, relayed or forged, and an issuer that answers with what it did not sign.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SecretFile, SigningKey};
use certmesh_ledger::id::{Date, DepartmentCode, HolderKind};
use certmesh_ledger::names::NetworkId;
use certmesh_ledger::record::{BlindedSubject, MatterRef, Rule};
use certmesh_ledger::retrieval::{Answer, NotTaken, Retrieval, SignedRetrieval};
use certmesh_ledger::sync::{Request, Response};
use certmesh_node::net::{Net, NetEvent, RequestFailure};
use libp2p::PeerId;
use serde_json::json;

use crate::retrieval::{agreed, issue};
use crate::support::{TestNet, running};
use crate::villain::{Conduct, Villain, peer_id};

const SUBJECT: &str = "11010519491231002X";

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    since.as_millis() as u64
}

fn signing_key(net: &TestNet, member: usize) -> SigningKey {
    let path = net.member(member).dir.join("keys/signing.key");
    let text = std::fs::read_to_string(path).unwrap();
    SigningKey::from_seed(&SecretFile::Signing.read(&text).unwrap())
}

/// Sends requests to one peer, one after the other, and tells what comes back.
struct Asks {
    to: PeerId,
    connected: bool,
    requests: Receiver<Request>,
    answers: Sender<Result<Response, RequestFailure>>,
}

impl Conduct for Asks {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        match event {
            NetEvent::Connected(peer) if peer == self.to => self.connected = true,
            NetEvent::Response { result, .. } => {
                let answer = result.map(|bytes| Response::decode(&bytes).unwrap());
                let _ = self.answers.send(answer);
            }
            NetEvent::Gossip { id, .. } => {
                net.validate(id, certmesh_node::net::GossipVerdict::Ignore);
            }
            _ => {}
        }
    }

    fn tick(&mut self, net: &mut Net) {
        if self.connected
            && let Ok(request) = self.requests.try_recv()
        {
            net.request(self.to, request.encode());
        }
    }
}

/// The second member's place in the hands of a villain who asks the first.
struct Asker {
    _villain: Villain,
    send: Sender<Request>,
    answers: Receiver<Result<Response, RequestFailure>>,
}

impl Asker {
    fn in_place_of(net: &TestNet, member: usize) -> Asker {
        let (send, requests) = channel();
        let (told, answers) = channel();
        let conduct = Asks {
            to: peer_id(net.member(0)),
            connected: false,
            requests,
            answers: told,
        };
        Asker {
            _villain: Villain::as_member(net, member, &[0], conduct),
            send,
            answers,
        }
    }

    fn ask(&self, request: &SignedRetrieval) -> Answer {
        self.send
            .send(Request::Retrieve(Box::new(request.clone())))
            .unwrap();
        match self.answers.recv_timeout(Duration::from_secs(60)).unwrap() {
            Ok(Response::Answer(answer)) => *answer,
            other => panic!("{other:?}"),
        }
    }
}

/// A valid request of the second member, ready to be bent.
fn sound(net: &TestNet, certificate: &str, matter: &str, nonce: u8) -> Retrieval {
    let time_ms = now_ms();
    let (kind, code) = (HolderKind::IdentityCard, SUBJECT);
    let key = catalogue_key(net);
    let codes = ["CZZT", "ZZBH"].map(|code| Text::new(code).unwrap());
    Retrieval {
        issuer: net.code(0).parse().unwrap(),
        asker: net.code(1).parse().unwrap(),
        key_epoch: 0,
        matter: matter.parse::<MatterRef>().unwrap(),
        subject: key.blind(&key.subject_tag(kind, code), Date::in_china(time_ms)),
        fields: Bounded::first(codes),
        certificate: certificate.parse().unwrap(),
        purpose: Text::new("because").unwrap(),
        time_ms,
        nonce: [nonce; 16],
    }
}

fn catalogue_key(net: &TestNet) -> CatalogueKey {
    let path = net.member(0).dir.join("keys/catalogue.key");
    let text = std::fs::read_to_string(path).unwrap();
    CatalogueKey(Secret::from_bytes(
        *SecretFile::Catalogue.read(&text).unwrap(),
    ))
}

/// What the requests of the test are made of.
struct Forge<'a> {
    net: &'a TestNet,
    certificate: String,
    matter: String,
}

impl Forge<'_> {
    fn sound(&self, nonce: u8) -> Retrieval {
        sound(self.net, &self.certificate, &self.matter, nonce)
    }

    fn signed_by(&self, member: usize, retrieval: Retrieval) -> SignedRetrieval {
        let network = self.net.network().genesis().network_id();
        SignedRetrieval::sign(network, retrieval, &signing_key(self.net, member))
    }

    /// The subject of a retrieval, for the holder with this code.
    fn subject(&self, retrieval: &Retrieval, code: &str) -> BlindedSubject {
        let key = catalogue_key(self.net);
        let tag = key.subject_tag(HolderKind::IdentityCard, code);
        key.blind(&tag, retrieval.day())
    }

    /// Requests that the second member did not make, could not make, or made for somebody else.
    fn improper(&self) -> [SignedRetrieval; 6] {
        let third: DepartmentCode = self.net.code(2).parse().unwrap();
        // Another's request, properly signed by it, through this peer.
        let mut relayed = self.sound(2);
        relayed.asker = third;
        let mut for_another_issuer = self.sound(3);
        for_another_issuer.issuer = third;
        let foreign = NetworkId(certmesh_ledger::crypto::hash::Hash::ZERO);
        // A look at somebody else than the certificate's holder would stand in that person's access log.
        let mut of_another_holder = self.sound(8);
        of_another_holder.subject = self.subject(&of_another_holder, "110105194912310038");
        // Made with a key that the department doesn't have.
        let mut epoch = self.sound(9);
        epoch.key_epoch = 1;
        [
            self.signed_by(2, relayed),
            self.signed_by(1, for_another_issuer),
            self.signed_by(2, self.sound(4)),
            SignedRetrieval::sign(foreign, self.sound(5), &signing_key(self.net, 1)),
            self.signed_by(1, of_another_holder),
            self.signed_by(1, epoch),
        ]
    }

    fn stale(&self, nonce: u8, time_ms: u64) -> SignedRetrieval {
        let mut stale = self.sound(nonce);
        stale.time_ms = time_ms;
        stale.subject = self.subject(&stale, SUBJECT);
        self.signed_by(1, stale)
    }

    /// How many records the issuer has.
    fn records(&self) -> u64 {
        self.net.held(0, 0).size
    }
}

const REPLAYED: Answer = Answer::NotTaken(NotTaken::Replayed);
const IMPROPER: Answer = Answer::NotTaken(NotTaken::Improper);

fn a_request_is_answered_once(forge: &Forge<'_>, asker: &Asker, good: &SignedRetrieval) {
    let Answer::Fields {
        receipt,
        disclosure,
    } = asker.ask(good)
    else {
        panic!("a sound request is answered");
    };
    assert_eq!(disclosure.shown().count(), 2);
    assert_eq!(receipt + 1, forge.records());
    assert_eq!(asker.ask(good), REPLAYED);
}

fn improper_requests_leave_no_record(forge: &Forge<'_>, asker: &Asker) {
    let before = forge.records();
    for (n, request) in forge.improper().iter().enumerate() {
        assert_eq!(asker.ask(request), IMPROPER, "{n}");
    }
    assert_eq!(forge.records(), before);
}

/// They are the asker's doing.
fn stale_requests_leave_a_receipt(forge: &Forge<'_>, asker: &Asker) {
    let before = forge.records();
    for (nonce, time_ms) in [(6, now_ms() - 600_000), (7, now_ms() + 600_000)] {
        let answer = asker.ask(&forge.stale(nonce, time_ms));
        assert!(
            matches!(
                answer,
                Answer::Refused {
                    rule: Rule::Stale,
                    ..
                }
            ),
            "{answer:?}"
        );
    }
    assert_eq!(forge.records(), before + 2);
}

#[test]
fn what_is_replayed_stale_relayed_or_forged_is_refused_also_after_a_restart() {
    let mut net = running(3);
    let matter = agreed(&net);
    let certificate = issue(&net, 901);
    net.converge();
    net.stop(1).unwrap();
    let good = {
        let forge = Forge {
            net: &net,
            certificate,
            matter,
        };
        let asker = Asker::in_place_of(&net, 1);
        let good = forge.signed_by(1, forge.sound(1));
        a_request_is_answered_once(&forge, &asker, &good);
        improper_requests_leave_no_record(&forge, &asker);
        stale_requests_leave_a_receipt(&forge, &asker);
        good
    };

    net.kill(0);
    net.start_trusting(0);
    let asker = Asker::in_place_of(&net, 1);
    assert_eq!(asker.ask(&good), REPLAYED);
    drop(asker);
    // The villain acknowledged nothing: the audit will say so, once it is time to.
    let audit = net.http(2).get("/v1/audit").json();
    assert_eq!(audit["matched"], 0, "{audit}");
}

/// An issuer's peer that shows fields of its own making.
struct Lies;

impl Conduct for Lies {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        match event {
            NetEvent::Request { id, bytes, .. } => {
                let answer = match Request::decode(&bytes) {
                    Ok(Request::Retrieve(asked)) => {
                        let id = &asked.retrieval().certificate;
                        let key = certmesh_ledger::crypto::keys::BodyKey(
                            certmesh_ledger::crypto::keys::Secret::from_bytes([1; 32]),
                        );
                        let fields = [("CZZT", "somebody else"), ("ZZBH", "1")];
                        let fields =
                            fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
                        let disclosure = certmesh_ledger::record::Disclosure::of(
                            &key,
                            id,
                            &[],
                            &fields.into(),
                            |_| true,
                        );
                        Response::Answer(Box::new(Answer::Fields {
                            receipt: 0,
                            disclosure,
                        }))
                    }
                    _ => Response::NotHeld,
                };
                let _ = net.respond(id, answer.encode());
            }
            NetEvent::Gossip { id, .. } => {
                net.validate(id, certmesh_node::net::GossipVerdict::Ignore);
            }
            _ => {}
        }
    }
}

#[test]
fn an_answer_that_the_issuer_did_not_sign_is_refused_and_recorded() {
    let mut net = running(3);
    agreed(&net);
    let id = issue(&net, 901);
    net.converge();
    net.stop(0).unwrap();
    let villain = Villain::as_member(&net, 0, &[1], Lies);
    let body = json!({ "certificate": id, "matter": "QYBG", "purpose": "case 17" });
    let size = net.held(1, 1).size;
    crate::support::until("the lie to arrive", || {
        let answer = net.http(1).post("/v1/retrievals", &body);
        if answer.status == 502 {
            answer.problem(502, "wrong-answer");
        }
        answer.status == 502
    });
    drop(villain);
    assert_eq!(net.held(1, 1).size, size + 1);
    let subject = json!({ "subject": { "kind": "111", "code": "11010519491231002X" } });
    let log = net.http(1).post("/v1/access-log", &subject).json();
    assert_eq!(log["events"][0]["rule"], "wrong-answer", "{log}");
}
