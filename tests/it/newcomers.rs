//! What a department that joined gets from the other members' nodes, so that nobody carries it there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use certmesh_ledger::crypto::keys::{CatalogueKey, Secret};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::sync::{Request, Response, sealed_catalogue_key};
use certmesh_node::net::{Net, NetEvent};
use certmesh_testnet::testnet::define_types;
use serde_json::json;
use zeroize::Zeroizing;

use crate::membership::{admit, connected, decide, start_founders};
use crate::support::{Answer, TestNet, founded, founded_before, until};
use crate::villain::{Conduct, Villain};

const FOUNDERS: [usize; 4] = [0, 1, 2, 3];
const VOTERS: [usize; 2] = [1, 2];
const NEWCOMER: usize = 4;
/// A second one.
const OTHER: usize = 5;

fn key_file(net: &TestNet, index: usize) -> PathBuf {
    net.member(index).dir.join("keys/catalogue.key")
}

/// A network of four that has admitted a fifth, whose node has never run.
fn admitted() -> TestNet {
    let mut net = founded_before(FOUNDERS.len(), 1);
    start_founders(&mut net, &FOUNDERS);
    admit(&net, NEWCOMER, &VOTERS, &FOUNDERS);
    assert!(!key_file(&net, NEWCOMER).exists());
    net
}

/// What a node answers to a look-up by holder.
fn looks_up(net: &TestNet, index: usize) -> Answer {
    let holder = json!({ "kind": "111", "code": "11010519491231002X" });
    let asked = json!({ "holder": holder, "purpose": "a case" });
    net.http(index).post("/v1/find", &asked)
}

/// How often a node's log has a text.
fn logged(net: &TestNet, index: usize, text: &str) -> usize {
    net.node_log(index).matches(text).count()
}

#[test]
fn a_newcomer_gets_the_catalogue_key_from_a_member_and_issues() {
    let mut net = admitted();
    net.start_again(NEWCOMER);
    net.ready();
    net.wait_logged(NEWCOMER, "catalogue key is missing");
    let (own, theirs) = (key_file(&net, NEWCOMER), key_file(&net, 0));
    assert_eq!(fs::read(&own).unwrap(), fs::read(theirs).unwrap());
    assert_eq!(
        fs::metadata(&own).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let sent = "sent the catalogue key to a member";
    assert!(FOUNDERS.iter().any(|at| logged(&net, *at, sent) > 0));
    define_types(&net.client(NEWCOMER).unwrap(), NEWCOMER).unwrap();
    let ids = net.issue(NEWCOMER, "SEALED", 2);
    for at in FOUNDERS {
        net.wait_verdict(at, &ids[1], "valid", None);
    }
    let secret = fs::read_to_string(&own).unwrap();
    let digits = secret.trim().rsplit(':').next().unwrap().to_owned();
    for at in [0, 1, 2, 3, NEWCOMER] {
        assert!(!net.node_log(at).contains(&digits));
    }

    // It is not asked for again, and a founder that lost it gets it back.
    net.kill(NEWCOMER);
    net.start_again(NEWCOMER);
    net.ready();
    assert_eq!(logged(&net, NEWCOMER, "a member sent the catalogue key"), 1);
    net.kill(1);
    fs::remove_file(key_file(&net, 1)).unwrap();
    net.start_again(1);
    net.ready();
    assert_eq!(fs::read_to_string(key_file(&net, 1)).unwrap(), secret);
    net.converge();
}

#[test]
fn whoever_is_suspended_or_removed_gets_no_catalogue_key() {
    let mut net = admitted();
    let code = net.code(NEWCOMER);
    decide(&net, &["suspend", &code], &VOTERS, &FOUNDERS);
    net.start_again(NEWCOMER);
    net.wait_logged(NEWCOMER, "does not send the catalogue key");
    until("a member to say so", || {
        FOUNDERS
            .iter()
            .any(|at| logged(&net, *at, "asked for the catalogue key: not sent") > 0)
    });
    assert!(!key_file(&net, NEWCOMER).exists());

    // Its node looks nobody up, and does as soon as it is resumed.
    looks_up(&net, NEWCOMER).problem(503, "catalogue-key-missing");
    decide(&net, &["resume", &code], &VOTERS, &FOUNDERS);
    until("the key to come", || key_file(&net, NEWCOMER).exists());
    until("it to look up", || looks_up(&net, NEWCOMER).status == 200);

    net.kill(NEWCOMER);
    fs::remove_file(key_file(&net, NEWCOMER)).unwrap();
    decide(&net, &["suspend", &code], &VOTERS, &FOUNDERS);
    decide(&net, &["remove", &code], &VOTERS, &FOUNDERS);
    // Nobody lets it in: of the decisions it knows that it is a member.
    net.start_again(NEWCOMER);
    thread::sleep(Duration::from_secs(5));
    assert!(!key_file(&net, NEWCOMER).exists());
    looks_up(&net, NEWCOMER).problem(503, "catalogue-key-missing");
}

#[test]
fn a_key_that_somebody_puts_there_is_checked_and_taken_up() {
    let mut net = admitted();
    for at in FOUNDERS {
        net.kill(at);
    }
    net.start_again(NEWCOMER);
    let put = |text: &str| {
        let place = net.scratch("some.key");
        fs::write(&place, text).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(place, key_file(&net, NEWCOMER)).unwrap();
    };
    let wrong = format!("certmesh-catalogue-key-v1:{}\n", "07".repeat(32));
    put(&wrong);
    net.wait_logged(NEWCOMER, "not this network's key");
    looks_up(&net, NEWCOMER).problem(503, "catalogue-key-missing");
    put(&fs::read_to_string(key_file(&net, 0)).unwrap());
    until("it to look up", || looks_up(&net, NEWCOMER).status == 200);
}

/// Answers each question for a catalogue key with another one, and then with something else.
struct WrongKeys {
    members: Membership,
    asker: DepartmentCode,
    answered: usize,
}

impl Conduct for WrongKeys {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        let NetEvent::Request { id, bytes, .. } = event else {
            return;
        };
        if let Ok(Request::CatalogueKey(_)) = Request::decode(&bytes) {
            self.answered += 1;
            let key = CatalogueKey(Secret::from_bytes([7; 32]));
            let random = Zeroizing::new([self.answered as u8; 32]);
            let sealed = sealed_catalogue_key(&key, &self.members, &self.asker, random).unwrap();
            let answer = match self.answered {
                1 => Response::CatalogueKey(Box::new(sealed)),
                _ => Response::Addresses(Default::default()),
            };
            let _ = net.respond(id, answer.encode());
        }
    }
}

#[test]
fn a_member_that_sends_another_key_is_named_and_the_next_one_is_asked() {
    let mut net = founded(3);
    fs::remove_file(key_file(&net, 1)).unwrap();
    net.start_again(1);
    let conduct = WrongKeys {
        members: Membership::from_genesis(net.network().genesis()),
        asker: net.member(1).code(),
        answered: 0,
    };
    let _villain = Villain::as_member(&net, 0, &[1], conduct);
    net.wait_logged(1, "what a member sent as the catalogue key is not used");
    net.wait_logged(1, "answered with something else than the catalogue key");
    assert!(net.node_log(1).contains(&net.code(0)));
    assert!(!key_file(&net, 1).exists());
    looks_up(&net, 1).problem(503, "catalogue-key-missing");
    net.start_again(2);
    until("the key to come", || key_file(&net, 1).exists());
    let theirs = fs::read(key_file(&net, 2)).unwrap();
    assert_eq!(fs::read(key_file(&net, 1)).unwrap(), theirs);
}

#[test]
fn two_that_joined_later_meet_and_find_each_other_again_after_both_have_moved() {
    let mut net = founded_before(FOUNDERS.len(), 2);
    start_founders(&mut net, &FOUNDERS);
    for newcomer in [NEWCOMER, OTHER] {
        admit(&net, newcomer, &VOTERS, &FOUNDERS);
        // Its configuration names the founders alone, and theirs do not name it.
        net.start_again(newcomer);
        let config = fs::read_to_string(net.member(newcomer).config()).unwrap();
        for other in [NEWCOMER, OTHER] {
            assert_eq!(
                config.matches(&net.code(other)).count(),
                usize::from(other == newcomer)
            );
        }
    }
    let meet = |net: &TestNet, what: &str| {
        until(what, || {
            connected(net, NEWCOMER, OTHER) && connected(net, OTHER, NEWCOMER)
        });
    };
    meet(&net, "the newcomers to meet");
    net.ready();
    define_types(&net.client(NEWCOMER).unwrap(), NEWCOMER).unwrap();

    // Each comes back on another port, so that neither is where the other has it.
    let ports = |net: &TestNet| {
        [NEWCOMER, OTHER].map(|at| net.node_file(at).unwrap().target().unwrap().port())
    };
    let before = ports(&net);
    net.kill(NEWCOMER);
    net.kill(OTHER);
    for at in [NEWCOMER, OTHER] {
        net.start_again(at);
    }
    let after = ports(&net);
    assert!(
        (0..2).all(|at| before[at] != after[at]),
        "{before:?} {after:?}"
    );
    meet(&net, "the newcomers to find each other again");
    net.ready();
    net.converge();
}
