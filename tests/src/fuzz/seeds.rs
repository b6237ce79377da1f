//! Writes the corpora: real bytes of the network the targets know.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use certmesh_ledger::catalogue::Catalogue;
use certmesh_ledger::codec::{Blob, Bounded, Text, encode};
use certmesh_ledger::crypto::hash::{Purpose, hash};
use certmesh_ledger::crypto::keys::SigningKey;
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::governance::engine::{Known, Question};
use certmesh_ledger::governance::{EndReason, EpochEnd, Held, Position};
use certmesh_ledger::log::{
    Cosignature, ForkEvidence, KeptPage, Log, MAX_PAGE, Page, SignedCheckpoint, VerifiedCheckpoint,
    Writer,
};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{
    AccessLogRead, Action, Asked, Basis, BlindedSubject, CaseAccepted, CaseTag, Decision,
    Disclosure, Entry, Received, Record, RecordHash, RequirementMet, RetrievalAcknowledged,
    RetrievalDecided, Rule, SignedRecord, SuccessionKind,
};
use certmesh_ledger::retrieval::{Answer, CaseFile, EvidenceCopy, NotTaken, PieceRequest};
use certmesh_ledger::sync::{
    Announcement, Head, Heads, Instance, Request, Response, StatedAddresses, sealed_catalogue_key,
};
use certmesh_ledger::verify::Bundle;

use zeroize::Zeroizing;

use super::log_directory::place;
use super::network::{
    TIME_MS, TRANSPORT_SEED, body_key, catalogue_key, certificate, change, definition, fields,
    first_record, genesis, identity_file, issue, issue_in_place, key, log, members,
    signed_retrieval, status_proofs, succession,
};

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    fs::create_dir_all(&folder).expect("the corpus can be written");
    fs::write(folder.join(name), bytes).expect("the corpus can be written");
}

/// Not a check: run by hand (`cargo test -p certmesh-tests --lib -- --ignored`) when the format or the network changes.
#[test]
#[ignore = "writes the corpora again"]
fn seeds() {
    let (catalogue, checkpoint) = a_written_log();
    let held = catalogue.log(&log().id).expect("held");
    let pages = [(0, MAX_PAGE), (1, 400), (10, MAX_PAGE)]
        .map(|(from, most)| held.page(from, most).expect("a page"));
    let department = log().id.department;
    let cosignature = Cosignature::sign(
        catalogue.members(),
        &checkpoint,
        department,
        5,
        &key().into(),
    );
    frames(&held);
    page_files(&pages);
    fork_evidence(&checkpoint);
    requests();
    responses(&checkpoint, &cosignature, &pages[1]);
    bundles(&catalogue, &cosignature);
    texts();
    for (i, proof) in status_proofs().iter().enumerate() {
        write("status_proof", &format!("{i}"), &encode(proof));
    }
    log_changes();
    receipts();
    retrievals();
    write("identity_file", "sealed", &identity_file().to_bytes());
}

/// A catalogue with a log of every kind of issue and change, and its newest checkpoint.
fn a_written_log() -> (Catalogue, VerifiedCheckpoint) {
    let disk = MemoryDisk::new();
    let department = log().id.department;
    let opened = Catalogue::open(place(&disk), members().clone(), department).expect("opens");
    let held = opened.catalogue.log(&log().id).expect("held");
    let mut writer = Writer::new(Arc::clone(&held), key());
    let defined = vec![Entry::from(definition())];
    writer.append(TIME_MS, defined).expect("appended");
    assert_eq!(held.record(0).expect("held").record(), &first_record());
    let entries = vec![
        issue(1, None),
        issue(2, Some(1)),
        change(2, Action::Suspend),
        issue(3, None),
        issue(4, None),
        issue_in_place(5, succession(SuccessionKind::Merge, &[3, 4])),
        issue_in_place(6, succession(SuccessionKind::Split, &[5])),
        issue_in_place(7, succession(SuccessionKind::Transfer, &[9])),
        change(
            7,
            Action::TransferOut("11330105002500287C".parse().expect("a code")),
        ),
    ];
    let (_, checkpoint) = writer.append(TIME_MS, entries).expect("appended");
    (opened.catalogue, checkpoint)
}

fn frames(held: &Log) {
    for seq in [0, 1, 2, 3, 6, 7, 8, 9] {
        write(
            "record_frame",
            &format!("{seq}"),
            &held.record(seq).expect("held").frame(),
        );
    }
    let later = Record {
        entry: Entry::read(4_000, b"of a later version"),
        ..first_record()
    };
    let later = SignedRecord::sign(&log(), later, &key());
    write("record_frame", "later-version", &later.frame());
}

fn page_files(pages: &[Page]) {
    for page in pages {
        write("page", &format!("from-{}", page.from), &encode(page));
        write(
            "announcement",
            &format!("head-{}", page.from),
            &Announcement::Head(page.clone()).encode(),
        );
    }
}

/// Two records of one position, and two checkpoints of one size.
fn fork_evidence(checkpoint: &VerifiedCheckpoint) {
    let one = Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: 1,
        height: 0,
        key_epoch: 0,
        entry: issue(1, None),
    };
    let other = Record {
        time_ms: 2,
        ..one.clone()
    };
    let [one, other] = [one, other].map(|record| SignedRecord::sign(&log(), record, &key()));
    let records = ForkEvidence::records(log().id, &one, &other);
    let mut differs = checkpoint.signed().checkpoint.clone();
    differs.head = RecordHash::NONE;
    let checkpoints = ForkEvidence::Checkpoints {
        one: checkpoint.signed().clone(),
        other: SignedCheckpoint::sign(log().network, differs, &key()),
        shared: 2,
    };
    for (name, evidence) in [("records", &records), ("checkpoints", &checkpoints)] {
        write("evidence", name, &encode(evidence));
        write(
            "announcement",
            name,
            &Announcement::Fork(evidence.clone()).encode(),
        );
        write(
            "response",
            name,
            &Response::Evidence(evidence.clone()).encode(),
        );
    }
}

fn requests() {
    let heads = Request::Heads {
        instance: Instance(7),
    };
    let page = Request::Page {
        log: log().id,
        from: 300,
        max_bytes: 1 << 20,
    };
    let evidence = Request::Evidence { log: log().id };
    let blocks = Request::Governance(Question::Blocks { from: 7 });
    let held = Request::LogHeld {
        log: log().id,
        number: 1,
    };
    let end = Request::WitnessEnd(Box::new(EpochEnd {
        position: Position::beginning(log().id),
        epoch: 0,
        why: EndReason::Rotated,
    }));
    for (name, request) in [
        ("witness-end", end),
        ("heads", heads),
        ("page", page),
        ("evidence", evidence),
        ("blocks", blocks),
        (
            "catalogue-key",
            Request::CatalogueKey(catalogue_key().commitment()),
        ),
        ("addresses", Request::Addresses),
        ("log-held", held),
    ] {
        write("request", name, &request.encode());
    }
}

fn responses(checkpoint: &VerifiedCheckpoint, cosignature: &Cosignature, page: &Page) {
    let head = Head {
        checkpoint: checkpoint.signed().clone(),
        cosignature: Some(cosignature.clone()),
    };
    let heads = Heads {
        heads: Bounded::first([head]),
        forked: Bounded::first([log().id]),
        instance: Instance(9),
        time_ms: 1_790_000_000_000,
        rival: false,
        governance: Known::default(),
        addresses: 11,
    };
    write("response", "heads", &Response::Heads(heads).encode());
    write("response", "page", &Response::Page(page.clone()).encode());
    write("response", "not-held", &Response::NotHeld.encode());
    let signed = Some(checkpoint.signed().clone());
    let held = Held::sign(
        log().network,
        log().id,
        1,
        signed,
        log().id.department,
        &key(),
    );
    let held = Response::LogHeld(Box::new(held));
    write("response", "log-held", &held.encode());
    let kept = Response::Kept(KeptPage {
        log: LogId {
            generation: 1,
            ..log().id
        },
        from: page.from,
        left: page.left.clone(),
        right: page.right.clone(),
        frames: page.frames.clone(),
    });
    write("response", "kept", &kept.encode());
    let department = log().id.department;
    let random = Zeroizing::new([1; 32]);
    let sealed = sealed_catalogue_key(&catalogue_key(), members(), &department, random);
    let sealed = Response::CatalogueKey(Box::new(sealed.expect("a member")));
    write("response", "catalogue-key", &sealed.encode());
    let addresses = ["/ip4/192.0.2.7/tcp/7481", "/dns4/node.example/tcp/443"];
    let addresses = addresses.map(|text| Text::new(text).expect("a valid text"));
    let transport = SigningKey::from_seed(&TRANSPORT_SEED);
    let network = members().network();
    let stated =
        StatedAddresses::sign(network, department, 9, addresses.to_vec(), &transport).expect("two");
    let stated = Response::Addresses(Bounded::first([stated]));
    write("response", "addresses", &stated.encode());
}

fn bundles(catalogue: &Catalogue, cosignature: &Cosignature) {
    for n in 1..=7 {
        let bundle = Bundle::gather(catalogue, &certificate(n), |_| vec![cosignature.clone()]);
        write(
            "bundle",
            &format!("{n}"),
            &bundle.expect("readable").expect("held").to_bytes(),
        );
    }
}

/// What people write or type: a network, a department, identifiers.
fn texts() {
    write("genesis_toml", "network", genesis().to_toml().as_bytes());
    write(
        "department_toml",
        "issuer",
        genesis().departments()[0].to_toml().as_bytes(),
    );
    for (i, text) in [
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9",
        " 1.2.156.3003.2.11100000000013338w011.11430000006122244L.20230000403.001.U",
    ]
    .iter()
    .enumerate()
    {
        write("certificate_id", &format!("{i}"), text.as_bytes());
    }
}

/// A frame of each receipt, whatever was decided and came.
fn receipts() {
    let asked = signed_retrieval().retrieval().clone();
    let subject = asked.subject;
    let type_code = certificate(1).type_code();
    let answered = |basis| Decision::Answered {
        basis,
        fields: asked.fields.clone(),
    };
    let shown = asked.asked();
    let other = Asked {
        subject: BlindedSubject(hash(Purpose::BlindedSubject, b"2")),
        ..shown.clone()
    };
    let decided = |asked: &Asked, decision| {
        Entry::from(RetrievalDecided {
            asked: asked.clone(),
            signature: *signed_retrieval().signature(),
            decision,
        })
    };
    let acknowledged = |outcome| {
        Entry::from(RetrievalAcknowledged {
            asked: asked.asked(),
            outcome,
            took_ms: 300,
        })
    };
    let received = Received::Fields {
        fields: asked.fields.clone(),
        keep_until: asked.day(),
    };
    let met = [RequirementMet::Collected, RequirementMet::Missing];
    let case = CaseAccepted {
        case: CaseTag(hash(Purpose::Case, b"1")),
        matter: asked.matter.clone(),
        requirements: Bounded::first(met.map(|met| (type_code, met))),
    };
    let entries = [
        ("decided-own", decided(&shown, answered(Basis::Own))),
        ("decided-forged", decided(&other, answered(Basis::Own))),
        (
            "decided-grant",
            decided(&shown, answered(Basis::Grant(300))),
        ),
        (
            "decided-refused",
            decided(&shown, Decision::Refused(Rule::UnknownCertificate)),
        ),
        ("acknowledged", acknowledged(received)),
        (
            "acknowledged-refused",
            acknowledged(Received::Refused(Rule::NoGrant)),
        ),
        ("acknowledged-wrong", acknowledged(Received::Wrong)),
        ("case-accepted", Entry::CaseAccepted(case)),
        (
            "access-log-read",
            Entry::AccessLogRead(AccessLogRead { subject }),
        ),
        ("later-content", Entry::read(1, b"of a later version")),
    ];
    for (what, entry) in entries {
        let record = Record {
            seq: 0,
            prev: RecordHash::NONE,
            time_ms: asked.time_ms,
            height: 0,
            key_epoch: 0,
            entry,
        };
        let signed = SignedRecord::sign(&log(), record, &key());
        write("record_frame", what, &signed.frame());
    }
}

/// A request for fields, each answer to it, and what is kept of both.
fn retrievals() {
    let request = signed_retrieval();
    let retrieve = Request::Retrieve(Box::new(request.clone()));
    write("request", "retrieve", &retrieve.encode());
    let piece = Request::Piece(Box::new(PieceRequest {
        request: request.clone(),
        name: "a.pdf".parse().expect("a name"),
        from: 70_000,
    }));
    write("request", "piece", &piece.encode());
    let bytes = Blob::new(vec![7; 40]).expect("within the bound");
    write("response", "piece", &Response::Piece(bytes).encode());
    let shows = |names: &'static [&str]| {
        let (id, definition) = (certificate(1), definition());
        Disclosure::of(&body_key(), &id, &definition.fields, &fields(), |name| {
            names.contains(&name)
        })
    };
    let fields_of = |disclosure| Answer::Fields {
        receipt: 300,
        disclosure,
    };
    let refused = Answer::Refused {
        receipt: 301,
        rule: Rule::NoGrant,
    };
    for (name, answer) in [
        ("answer-fields", fields_of(shows(&["CZZT", "ZZMC"]))),
        ("answer-one-field", fields_of(shows(&["ZZMC"]))),
        ("answer-too-many", fields_of(shows(&["CZZT", "ZZBH"]))),
        ("answer-nothing", fields_of(shows(&[]))),
        ("answer-refused", refused),
        ("answer-not-taken", Answer::NotTaken(NotTaken::Replayed)),
    ] {
        write(
            "response",
            name,
            &Response::Answer(Box::new(answer)).encode(),
        );
    }
    let copy = EvidenceCopy {
        request: request.clone(),
        log: log().id,
        seq: 1,
        receipt: 300,
        disclosure: shows(&["CZZT", "ZZMC"]),
        time_ms: 1_700_000_000_300,
    };
    let file = CaseFile {
        retrievals: Bounded::first([(certificate(1), request.name(log().network))]),
    };
    write("kept", "copy", &[&[0][..], &encode(&copy)].concat());
    write("kept", "case", &[&[1][..], &encode(&file)].concat());
    write("kept", "request", &[&[2][..], &encode(&request)].concat());
}

/// Changes to a log's files: none; a torn head slot; a flipped byte in records, offsets, index, tree; tails and cuts.
fn log_changes() {
    write("log_directory", "none", &[]);
    for file in 0..10u8 {
        write(
            "log_directory",
            &format!("over-{file}"),
            &[file, 70, 0, 2, 0xFF, 0xFF],
        );
        write(
            "log_directory",
            &format!("behind-{file}"),
            &[file + 130, 0, 0, 4, 9, 0, 0, 0],
        );
        write(
            "log_directory",
            &format!("cut-{file}"),
            &[file + 200, 100, 0, 0],
        );
    }
    let torn = [0, 0, 16, 8, 9, 9, 9, 9, 9, 9, 9, 9];
    write("log_directory", "first-slot", &torn);
    write(
        "log_directory",
        "both-slots",
        &[&torn[..], &[0, 0, 32, 8, 9, 9, 9, 9, 9, 9, 9, 9]].concat(),
    );
}
