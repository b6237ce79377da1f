//! What is personal stands in no message to a member that did not ask for it and may not see it.

use std::sync::{Arc, Mutex};

use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::SigningKey;
use certmesh_ledger::id::{CertificateId, DepartmentCode};
use certmesh_ledger::names::LogId;
use certmesh_ledger::names::NetworkId;
use certmesh_ledger::record::BlindedSubject;
use certmesh_ledger::retrieval::{Retrieval, SignedRetrieval};
use certmesh_ledger::sync::{Instance, Request};
use certmesh_node::net::{GossipVerdict, Net, NetEvent};
use certmesh_testnet::testnet::define_types;
use serde_json::json;

use crate::privacy::{FIELD, NAME, holder, holds};
use crate::support::{Answer, TestNet, deadline, files_below, founded, row, until};
use crate::villain::{Conduct, Villain};

/// The messages that came, in their order.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// Keeps every message that a peer sends it, as it is once the transport's encryption is off, and asks for all there is.
struct Listens {
    heard: Heard,
    asked: bool,
    certificate: String,
    logs: Vec<LogId>,
    matter: String,
    own: DepartmentCode,
}

impl Conduct for Listens {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        match event {
            NetEvent::Connected(peer) if !self.asked => {
                self.asked = true;
                net.request(
                    peer,
                    Request::Heads {
                        instance: Instance(1),
                    }
                    .encode(),
                );
                for log in &self.logs {
                    let page = Request::Page {
                        log: *log,
                        from: 0,
                        max_bytes: 1 << 20,
                    };
                    net.request(peer, page.encode());
                }
                // A request that its issuer refuses, by somebody who has no matter.
                let retrieval = Retrieval {
                    issuer: self.logs[0].department,
                    asker: self.own,
                    key_epoch: 0,
                    matter: self.matter.parse().unwrap(),
                    subject: BlindedSubject(Hash::ZERO),
                    certificate: self.certificate.parse().unwrap(),
                    purpose: Text::new("curiosity").unwrap(),
                    fields: Bounded::default(),
                    time_ms: 0,
                    nonce: [0; 16],
                };
                let network = NetworkId(Hash::ZERO);
                let key = SigningKey::from_seed(&[1; 32]);
                let forged = SignedRetrieval::sign(network, retrieval, &key);
                net.request(peer, Request::Retrieve(Box::new(forged)).encode());
            }
            NetEvent::Response {
                result: Ok(bytes), ..
            } => self.heard.lock().unwrap().push(bytes),
            NetEvent::Request { bytes, .. } => self.heard.lock().unwrap().push(bytes),
            NetEvent::Gossip { id, bytes, .. } => {
                self.heard.lock().unwrap().push(bytes);
                net.validate(id, GossipVerdict::Ignore);
            }
            _ => {}
        }
    }
}

/// Three members, of which the third never runs.
fn two_of_three() -> TestNet {
    let mut net = founded(3);
    for index in 0..2 {
        let args = ["--trust-own-disk", "--log-level", "debug"];
        net.start_with(index, &args, deadline()).unwrap();
        define_types(&net.api(index), index).unwrap();
    }
    net
}

fn issue_planted(net: &TestNet, number: u64) -> Answer {
    let mut row = row(0, "WIRE", number);
    row["holder"] = json!({"kind": "111", "code": holder()});
    row["fields"]["CZZT"] = NAME.into();
    if number == 0 {
        row["fields"]["KZ_BZ"] = FIELD.into();
    }
    net.http(0).post("/v1/certificates", &row)
}

/// The third member's place, taken by someone who keeps what it hears.
fn listener(net: &TestNet, certificate: &str, heard: &Heard) -> Villain {
    let log = |index: usize| LogId::first(net.code(index).parse().unwrap());
    let listens = Listens {
        heard: Arc::clone(heard),
        asked: false,
        certificate: certificate.to_owned(),
        logs: vec![log(0), log(1)],
        matter: format!("{}/M/01", net.code(2)),
        own: net.code(2).parse().unwrap(),
    };
    Villain::as_member(net, 2, &[0], listens)
}

/// Issues, changes, a search, a refused and a kept retrieval between the other two. Returns how much was heard before
/// the fields were asked for.
fn much_happens_between_the_other_two(net: &TestNet, id: &str, heard: &Heard) -> usize {
    for number in 1..20 {
        assert_eq!(issue_planted(net, number).status, 201);
    }
    let parsed: CertificateId = id.parse().unwrap();
    let type_code = parsed.type_code().to_string();
    let matter = json!({
        "code": "M", "name": "事项", "sub": [{ "code": "01", "name": "子项", "requires": [
            { "types": [type_code], "fields": ["CZZT"] },
        ] }],
    });
    let (issuer, asker) = (net.http(0), net.http(1));
    assert_eq!(asker.post("/v1/matters", &matter).status, 201);
    let seen = heard.lock().unwrap().len();
    until("the other two to agree on the matter", || {
        issuer.get("/v1/matters").text.contains("事项")
            && asker.get(&format!("/v1/certificates/{id}")).status == 200
    });
    let fetch = json!({ "certificate": id, "matter": "M", "purpose": FIELD });
    let fetched = asker.post("/v1/retrievals", &fetch);
    assert!(matches!(fetched.status, 201 | 403), "{fetched:?}");
    let subject = json!({ "kind": "111", "code": holder() });
    let case = json!({
        "matter": "M", "subject": subject, "collect": { "purpose": FIELD, "reference": NAME },
    });
    assert!(matches!(asker.post("/v1/accept", &case).status, 200 | 201));
    issuer.post("/v1/access-log", &json!({ "subject": subject }));
    seen
}

fn no_message_holds_what_is_personal(heard: &Heard) {
    let heard = heard.lock().unwrap();
    let bytes: usize = heard.iter().map(Vec::len).sum();
    assert!(bytes > 2_000, "{bytes} bytes heard");
    for message in heard.iter() {
        for text in [holder().as_str(), NAME, FIELD] {
            assert!(!holds(message, text), "a message holds {text}");
        }
    }
}

fn no_file_holds_what_is_personal(net: &TestNet) {
    for path in files_below(net.network().dir()) {
        let bytes = std::fs::read(&path).unwrap();
        for text in [holder().as_str(), NAME, FIELD] {
            assert!(!holds(&bytes, text), "{} holds {text}", path.display());
        }
    }
}

#[test]
fn no_message_to_a_member_that_asked_for_no_field_holds_a_code_a_name_or_a_value() {
    let mut net = two_of_three();
    let first = issue_planted(&net, 0).json();
    let id = first["id"].as_str().unwrap();
    let heard = Heard::default();
    let villain = listener(&net, id, &heard);
    until("the listener to be answered", || {
        heard.lock().unwrap().len() >= 4
    });
    let seen = much_happens_between_the_other_two(&net, id, &heard);
    until("the listener to hear of it", || {
        heard.lock().unwrap().len() >= seen + 3
    });
    drop(villain);
    no_message_holds_what_is_personal(&heard);
    net.stop_all().unwrap();
    no_file_holds_what_is_personal(&net);
}
