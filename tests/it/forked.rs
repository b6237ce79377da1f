//! A department that signed two histories.

use std::path::Path;
use std::sync::Arc;

use certmesh_api::{LogState, NotValidReason, OwnLogState, Verdict, Word};
use certmesh_ledger::codec::Bounded;
use certmesh_ledger::crypto::keys::{BodyKey, CatalogueKey, Secret};
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::id::{CertificateId, HolderKind};
use certmesh_ledger::log::{Log, Place, SEGMENT_RECORDS, Writer};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{
    CertificateIssued, DefinitionRef, Entry, SharingClass, Validity, commit_fields,
};
use certmesh_ledger::sync::{Head, Heads, Request, Response, serve};
use certmesh_node::net::{Net, NetEvent};
use certmesh_testnet::departments;
use certmesh_testnet::sample::Sample;
use certmesh_testnet::testnet::define_types;

use crate::support::{TestNet, founded, until};
use crate::villain::{Conduct, Villain};

/// Certificates both histories share, after the definitions of their types.
const SHARED: u64 = 12;

/// Shows one history to whoever asks.
pub(crate) struct Storyteller(pub(crate) Arc<Log>);

impl Conduct for Storyteller {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        let NetEvent::Request { id, bytes, .. } = event else {
            return;
        };
        let answer = match Request::decode(&bytes).unwrap() {
            Request::Heads { .. } => {
                let checkpoint = self.0.checkpoint().unwrap().signed().clone();
                let head = Head {
                    checkpoint,
                    cosignature: None,
                };
                Response::Heads(Heads {
                    heads: Bounded::first([head]),
                    ..Heads::default()
                })
            }
            request => match &request {
                Request::Page { log, .. } if *log == self.0.name().id => {
                    serve(&self.0, &request).unwrap()
                }
                _ => Response::NotHeld,
            },
        };
        let _ = net.respond(id, answer.encode());
    }
}

fn entry(log: &Log, sample: &Sample, number: u64) -> (CertificateId, Entry) {
    let id = sample.id(number);
    let definitions = log.definitions();
    let defined = &definitions.types()[&id.type_code()];
    let record = log.record(defined.seq()).unwrap();
    let Entry::TypeDefined(definition) = &record.record().entry else {
        panic!("{record:?}")
    };
    let key = |byte| Secret::from_bytes([byte; 32]);
    let issued = CertificateIssued {
        id: id.clone(),
        subject: CatalogueKey(key(1)).subject_tag(HolderKind::IdentityCard, "x"),
        holder_kind: HolderKind::IdentityCard,
        validity: Validity::new("2020-01-01".parse().unwrap(), None).unwrap(),
        sharing: SharingClass::Conditional,
        definition: DefinitionRef {
            log: log.name().id,
            seq: defined.seq(),
            hash: defined.hash(),
        },
        field_root: commit_fields(
            &BodyKey(key(2)),
            &id,
            &definition.fields,
            &Default::default(),
        ),
        succession: None,
    };
    (id, Entry::CertificateIssued(issued))
}

/// Definitions of a department's types.
fn types(of: usize) -> Vec<Entry> {
    let definitions = departments::type_definitions(of).unwrap().into_iter();
    definitions
        .map(|definition| Entry::from(definition.check().unwrap()))
        .collect()
}

/// A history of a department's log, signed with its real key: records shared with every other history, then its own.
fn history(net: &TestNet, of: usize, run: &str, own: u64) -> (Arc<Log>, Vec<CertificateId>) {
    let genesis = net.network().genesis();
    let place = Place {
        disk: Arc::new(MemoryDisk::new()),
        data: Path::new("/history").to_owned(),
        segment_records: SEGMENT_RECORDS,
        index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let name = LogName {
        network: genesis.network_id(),
        id: LogId::first(net.member(of).code()),
    };
    let (log, _) = Log::open(&place, name, &Membership::from_genesis(genesis)).unwrap();
    let mut writer = Writer::new(Arc::new(log), net.member(of).signing_key().unwrap());
    let shared = Sample::new(of, "SHARED").unwrap();
    let apart = Sample::new(of, run).unwrap();
    writer.append(1_790_000_000_000, types(of)).unwrap();
    let log = Arc::clone(writer.log());
    let entries = (0..SHARED)
        .map(|n| entry(&log, &shared, n))
        .chain((0..own).map(|n| entry(&log, &apart, n)));
    let (ids, entries): (Vec<_>, Vec<_>) = entries.unzip();
    let mut entries = entries.into_iter();
    // In two commits, so that a checkpoint over shared records alone exists too, as in an honest past.
    let first: Vec<Entry> = entries.by_ref().take(SHARED as usize).collect();
    writer.append(1_790_000_000_000, first).unwrap();
    writer.append(1_790_000_000_500, entries.collect()).unwrap();
    (Arc::clone(writer.log()), ids)
}

/// Two peers that can't reach each other; the third department isn't there.
fn two_cut_apart() -> TestNet {
    let mut net = founded(3);
    for index in [0, 1] {
        net.start_trusting(index);
        define_types(&net.api(index), index).unwrap();
    }
    net.ready();
    net.links().cut(0, 1);
    until("the cut to be noticed", || {
        (0..2).all(|index| net.api(index).status().unwrap().peers_connected == 0)
    });
    net
}

/// Has each of the two peers believe another history of the third department; gives the certificates in them.
fn each_believes_another_history(net: &TestNet) -> [Vec<CertificateId>; 2] {
    // Not of one length: finding where they part takes a search.
    let (one, ids_of_one) = history(net, 2, "ONE", 30);
    let (other, ids_of_other) = history(net, 2, "OTHER", 47);
    let villains = [
        Villain::as_member(net, 2, &[0], Storyteller(Arc::clone(&one))),
        Villain::as_member(net, 2, &[1], Storyteller(Arc::clone(&other))),
    ];
    for (at, log, ids) in [(0, &one, &ids_of_one), (1, &other, &ids_of_other)] {
        until("the history to be believed", || {
            net.held(at, 2).size == log.size()
        });
        net.wait_verdict(at, ids.last().unwrap().as_str(), "valid", None);
    }
    drop(villains);
    [ids_of_one, ids_of_other]
}

fn the_log_is_frozen_with_evidence_on_disk(net: &TestNet, at: usize) {
    let defined = types(2).len() as u64;
    let view = net.held(at, 2);
    assert_eq!(view.state, LogState::Frozen);
    let stated = format!("two histories from record {} on", SHARED + defined);
    assert!(view.detail.as_ref().unwrap().contains(&stated), "{view:?}");
    let evidence = net
        .data(at)
        .join("evidence")
        .join(format!("{}.fork", net.code(2)));
    until("the evidence to be on disk", || evidence.is_file());
}

/// In dispute: not valid. Before the dispute: whether it still is in force, nobody can say.
fn no_certificate_of_it_is_valid(net: &TestNet, at: usize, ids: &[CertificateId]) {
    let (before, disputed) = ids.split_at(SHARED as usize);
    for id in disputed {
        let found = net.api(at).verification(id.as_str()).unwrap();
        assert_eq!(
            (
                found.verdict.known(),
                found.reason.as_ref().and_then(Word::known)
            ),
            (Some(Verdict::NotValid), Some(NotValidReason::LogForked))
        );
    }
    for id in before {
        let found = net.api(at).verification(id.as_str()).unwrap();
        assert_eq!(found.verdict, Verdict::Unknown);
        assert!(found.missing[0].contains("in dispute"), "{found:?}");
    }
    net.http(at)
        .get(&format!("/v1/certificates/{}/proof", ids[0]))
        .problem(409, "proof-not-available");
    let code = net.cli(at, &["verify", ids[0].as_str()]).code;
    assert_eq!(code, 3);
    assert_eq!(net.cli(at, &["verify", ids[20].as_str()]).code, 1);
}

fn both_have_frozen_it(net: &TestNet, histories: &[Vec<CertificateId>; 2]) {
    for (at, ids) in histories.iter().enumerate() {
        the_log_is_frozen_with_evidence_on_disk(net, at);
        no_certificate_of_it_is_valid(net, at, ids);
    }
}

#[test]
fn a_forked_log_is_frozen_everywhere_at_the_same_record_and_the_evidence_stays() {
    let mut net = two_cut_apart();
    let histories = each_believes_another_history(&net);
    net.links().heal_all();
    for at in [0, 1] {
        until("the log to be frozen", || {
            net.held(at, 2).state == LogState::Frozen
        });
    }
    both_have_frozen_it(&net, &histories);

    // The other logs continue.
    let more = net.issue(0, "ON", 5);
    net.wait_verdict(1, &more[4], "valid", None);

    // The evidence outlives a restart, also where nobody else can report it.
    net.stop_all().unwrap();
    for index in [0, 1] {
        net.start_trusting(index);
    }
    both_have_frozen_it(&net, &histories);
    net.ready();
    let more = net.issue(1, "ON2", 5);
    net.wait_verdict(0, &more[4], "valid", None);
    both_have_frozen_it(&net, &histories);
}

#[test]
fn a_member_that_saw_neither_history_learns_of_the_fork_from_those_who_did() {
    let mut net = founded(4);
    for index in [0, 1] {
        net.start_trusting(index);
    }
    net.ready();
    net.links().cut(0, 1);
    until("the cut to be noticed", || {
        net.api(0).status().unwrap().peers_connected == 0
    });
    let (one, _) = history(&net, 3, "ONE", 3);
    let (other, ids) = history(&net, 3, "OTHER", 3);
    let villains = [
        Villain::as_member(&net, 3, &[0], Storyteller(Arc::clone(&one))),
        Villain::as_member(&net, 3, &[1], Storyteller(other)),
    ];
    for at in [0, 1] {
        until("the history to be believed", || {
            net.held(at, 3).size == one.size()
        });
    }
    drop(villains);
    net.links().heal_all();
    for at in [0, 1] {
        until("the log to be frozen", || {
            net.held(at, 3).state == LogState::Frozen
        });
    }
    net.start_trusting(2);
    until("the newcomer to freeze it as well", || {
        net.held(2, 3).state == LogState::Frozen
    });
    let found = net.api(2).verification(ids[14].as_str()).unwrap();
    assert_ne!(found.verdict, Verdict::Valid);
}

#[test]
fn a_department_whose_own_log_forked_appends_nothing_more() {
    let mut net = founded(2);
    // The first member runs on one history; the second, a villain, shows another one signed with the first one's key.
    net.start_trusting(0);
    define_types(&net.api(0), 0).unwrap();
    net.issue(0, "MINE", 20);
    let (stolen, _) = history(&net, 0, "STOLEN", 3);
    let _villain = Villain::as_member(&net, 1, &[0], Storyteller(stolen));
    until("the own log to be frozen", || {
        net.log_state(0) == OwnLogState::Frozen
    });
    let http = net.http(0);
    http.post("/v1/certificates", &crate::support::row(0, "AFTER", 0))
        .problem(503, "log-frozen");
    until("the metrics to say so", || {
        let metrics = http.get("/metrics").text;
        metrics.contains("certmesh_own_log_state{state=\"frozen\"} 1")
    });
    assert_eq!(http.get("/ready").status, 503);
    net.stop(0).unwrap();
    net.start_with(0, &["--trust-own-disk"], crate::support::deadline())
        .unwrap();
    assert_eq!(
        net.log_state(0),
        OwnLogState::Frozen,
        "the evidence outlives a restart"
    );
    net.http(0)
        .post("/v1/certificates", &crate::support::row(0, "AFTER", 0))
        .problem(503, "log-frozen");
}
