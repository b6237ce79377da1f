//! Records, checkpoints, pages, evidence, messages, bundles.

use std::sync::Arc;

use certmesh_ledger::catalogue::Catalogue;
use certmesh_ledger::codec::{Bounded, encode};
use certmesh_ledger::crypto::hash::{Purpose, hash, hash_parts};
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::governance::engine::{Known, Question};
use certmesh_ledger::governance::{BlockId, EndReason, EpochEnd, EpochEnded, Held, Position};
use certmesh_ledger::id::Date;
use certmesh_ledger::log::{
    Checkpoint, Cosignature, ForkEvidence, KeptPage, MAX_PAGE, Page, SignedCheckpoint,
    VerifiedCheckpoint, Writer, status_key,
};
use certmesh_ledger::names::{Lineage, LogId, LogName};
use certmesh_ledger::record::{
    Action, Frame, MAX_AHEAD_MS, Record, RecordHash, SignedRecord, Status, SuccessionKind,
    leaf_hash, record_hash,
};
use certmesh_ledger::sync::{
    AddressBook, Announcement, Head, Heads, Instance, Request, Response, StatedAddresses, Taken,
    sealed_catalogue_key,
};
use certmesh_ledger::verify::{Bundle, BundleError, Reader, Verdict};
use serde_json::json;
use zeroize::Zeroizing;

use crate::Vectors;
use crate::common::{
    CREATED_MS, ISSUER, WITNESS, batches, catalogue_key, certificate, change, code, define, fill,
    filled, issue, key, members, name, open, place, replace, succeed, text,
};

pub(crate) fn all(v: &mut Vectors) {
    records(v);
    status_replay(v);
    let (_, log) = filled();
    let checkpoint = log.checkpoint().expect("a checkpoint");
    let cosignature = signatures(v, &checkpoint);
    let pages = [
        log.page(0, MAX_PAGE),
        log.page(2, MAX_PAGE),
        log.page(7, MAX_PAGE),
    ]
    .map(|page| page.expect("a page"));
    for page in &pages {
        let described =
            json!({ "from": page.from, "left": page.left.len(), "right": page.right.len() });
        v.wire("pages", &format!("from {}", page.from), described, page);
        page.clone()
            .verify(&members())
            .expect("a page that verifies");
    }
    let evidence = evidence(v, &checkpoint);
    messages(v, &checkpoint, &cosignature, &pages[1], &evidence);
    bundles(v);
}

fn records(v: &mut Vectors) {
    let log = name();
    let mut prev = RecordHash::NONE;
    let entries = batches().into_iter().zip(1..);
    let entries = entries.flat_map(|(batch, n)| batch.into_iter().map(move |entry| (entry, n)));
    for ((entry, batch), seq) in entries.zip(0..) {
        let record = Record {
            seq,
            prev,
            time_ms: CREATED_MS + 100 * batch,
            height: 0,
            key_epoch: 0,
            entry,
        };
        let section = format!("record {seq}");
        v.entry(&section, "entry", &record.entry);
        v.record(&section, "record", &record);
        let bytes = encode(&record);
        let signed = SignedRecord::sign(&log, record, &key(1));
        prev = record_hash(&log, &bytes);
        assert_eq!(prev, signed.hash());
        v.bytes(&section, "record hash", prev.0.as_bytes());
        v.bytes(&section, "leaf", signed.leaf().as_bytes());
        v.bytes(&section, "frame", &signed.frame());
        let next = Lineage::new(log_of(1), [seq]).at(seq);
        let in_next = record_hash(&next, &bytes);
        v.bytes(
            &section,
            "record hash in generation 1",
            in_next.0.as_bytes(),
        );
        let golden = hex::decode(v.text(&section, "frame", "")).expect("hexadecimal");
        let (frame, len) = Frame::read(&golden).expect("a frame");
        assert_eq!(len, golden.len());
        assert_eq!(leaf_hash(&prev, frame.signature), signed.leaf());
        let read = SignedRecord::decode(&log, &frame).expect("a record");
        assert_eq!(read, signed);
        read.verify(&key(1).public()).expect("a good signature");
    }
}

/// The log of a generation.
fn log_of(generation: u32) -> LogName {
    let mut log = name();
    log.id.generation = generation;
    log
}

/// One log with whatever a department can write about statuses, the map after each record.
fn status_replay(v: &mut Vectors) {
    let (log, _) = open(&MemoryDisk::new());
    let mut writer = Writer::new(Arc::clone(&log), key(1));
    for (seq, (what, entry)) in [
        ("issue 1", issue(1)),
        ("reinstate 1, valid", change(1, Action::Reinstate)),
        ("suspend 1", change(1, Action::Suspend)),
        ("suspend 1 again", change(1, Action::Suspend)),
        ("reinstate 1", change(1, Action::Reinstate)),
        ("issue 2", issue(2)),
        ("suspend 2", change(2, Action::Suspend)),
        ("issue 3 after 2, suspended", replace(3, 2)),
        ("reinstate 2", change(2, Action::Reinstate)),
        ("issue 4 after 2, valid", replace(4, 2)),
        ("issue 5 after 2, superseded", replace(5, 2)),
        ("revoke 2, superseded", change(2, Action::Revoke)),
        ("suspend 4", change(4, Action::Suspend)),
        ("lapse 4, suspended", change(4, Action::Lapse)),
        ("reinstate 4, lapsed", change(4, Action::Reinstate)),
        ("issue 1 again", issue(1)),
        ("issue 1 again after 3, valid", replace(1, 3)),
        ("cancel 6, not issued", change(6, Action::Cancel)),
        ("issue 6", issue(6)),
        ("issue 7 after 8, not issued", replace(7, 8)),
        ("issue 8", issue(8)),
        (
            "transfer 1 out to the witness",
            change(1, Action::TransferOut(code(WITNESS))),
        ),
        (
            "merge 6, cancelled, 7, valid, and 8, superseded, into 5",
            succeed(5, SuccessionKind::Merge, &[6, 7, 8]),
        ),
        (
            "split 5, valid, part 2",
            succeed(2, SuccessionKind::Split, &[5]),
        ),
        (
            "split 5, superseded, part 3",
            succeed(3, SuccessionKind::Split, &[5]),
        ),
        (
            "issue 9 as transfer of 10, another log's or none's",
            succeed(9, SuccessionKind::Transfer, &[10]),
        ),
        (
            "issue 10 as transfer of 9, valid",
            succeed(10, SuccessionKind::Transfer, &[9]),
        ),
        ("define the type", define()),
        ("define the type again", define()),
    ]
    .into_iter()
    .enumerate()
    {
        let (kind, content) = (entry.kind(), entry.content());
        let (_, checkpoint) = writer
            .append(CREATED_MS, vec![entry])
            .expect("a log that takes what it is given");
        let not_valid = (1..=10)
            .map(|n| certificate(&format!("S{n:08}")))
            .filter(|id| log.status(id).unwrap().is_some())
            .count();
        v.put(
            "status replay",
            &format!("{seq:02}"),
            json!({
                "what": what,
                "kind": kind,
                "content": hex::encode(content),
                "certificates in the map": not_valid,
                "status root": checkpoint.status_root.to_string(),
            }),
        );
    }
    let (replica, _) = open(&MemoryDisk::new());
    while replica.size() < log.size() {
        let page = log.page(replica.held(), MAX_PAGE).expect("a page");
        let page = page.verify(&members()).expect("a page that verifies");
        replica.apply(&page).expect("the statuses the log has");
    }
    assert_eq!(replica.checkpoint(), log.checkpoint());
}

fn signatures(v: &mut Vectors, checkpoint: &VerifiedCheckpoint) -> Cosignature {
    let network = members().network();
    let plain: &Checkpoint = checkpoint;
    v.shown("checkpoint", "checkpoint", plain);
    v.bytes("checkpoint", "hash", plain.hash(network).as_bytes());
    v.wire(
        "checkpoint",
        "signed",
        json!("the same"),
        checkpoint.signed(),
    );
    let time_ms = CREATED_MS + 1000;
    let cosignature = Cosignature::sign(
        &members(),
        checkpoint,
        code(WITNESS),
        time_ms,
        &key(2).into(),
    );
    let message = hash_parts(
        Purpose::Cosignature,
        &[
            plain.hash(network).as_bytes(),
            WITNESS.as_bytes(),
            &0u32.to_le_bytes(),
            &0u64.to_le_bytes(),
            network.0.as_bytes(),
            &time_ms.to_le_bytes(),
        ],
    );
    assert_eq!(
        key(2).public().verify(&message, &cosignature.signature),
        Ok(())
    );
    v.bytes("checkpoint", "cosignature's message", message.as_bytes());
    let later = Checkpoint {
        height: 300,
        key_epoch: 2,
        ..plain.clone()
    };
    v.shown("checkpoint", "of a later height and key epoch", &later);
    let mut further = plain.clone();
    further.log.generation = 1;
    let further = SignedCheckpoint::sign(network, further, &key(1));
    further
        .clone()
        .verify(&members())
        .expect_err("a log of generation 1");
    v.wire(
        "checkpoint",
        "refused, of generation 1",
        json!("the same but for the generation"),
        &further,
    );
    let described = json!({
        "witness": WITNESS,
        "key_epoch": 0,
        "governance": { "height": 0, "block": network },
        "time_ms": time_ms,
    });
    v.wire("checkpoint", "cosignature", described, &cosignature);
    cosignature
        .verify(plain, &members())
        .expect("a good cosignature");
    cosignature
}

fn evidence(v: &mut Vectors, checkpoint: &VerifiedCheckpoint) -> ForkEvidence {
    let record = |entry| Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: CREATED_MS,
        height: 0,
        key_epoch: 0,
        entry,
    };
    let [one, other] = [issue(8), change(8, Action::Cancel)]
        .map(|entry| SignedRecord::sign(&name(), record(entry), &key(1)));
    let records = ForkEvidence::records(name().id, &one, &other);
    records.verify(&members()).expect("a fork");
    v.wire(
        "evidence",
        "two records",
        json!("seq 0, issue 8 and cancel 8"),
        &records,
    );
    let file = records.to_file(members().network());
    v.bytes("files", "evidence, header", &file[..64]);
    assert_eq!(file[64..], encode(&records));
    assert_eq!(
        ForkEvidence::from_file(&file, &name()).as_ref(),
        Ok(&records)
    );
    let mut differs = Checkpoint::clone(checkpoint);
    differs.root = differs.status_root;
    let other = SignedCheckpoint::sign(members().network(), differs, &key(1));
    let checkpoints = ForkEvidence::Checkpoints {
        one: checkpoint.signed().clone(),
        other,
        shared: 3,
    };
    checkpoints.verify(&members()).expect("a fork");
    v.wire(
        "evidence",
        "two checkpoints",
        json!("the other's root is the status root"),
        &checkpoints,
    );
    records
}

fn messages(
    v: &mut Vectors,
    checkpoint: &VerifiedCheckpoint,
    cosignature: &Cosignature,
    page: &Page,
    evidence: &ForkEvidence,
) {
    let log = name().id;
    let request = Request::Page {
        log,
        from: 300,
        max_bytes: 1 << 20,
    };
    v.shown(
        "messages",
        "request heads",
        &Request::Heads {
            instance: Instance(0x1122_3344_5566_7788),
        },
    );
    v.shown("messages", "request page", &request);
    v.shown("messages", "request evidence", &Request::Evidence { log });
    let blocks = Request::Governance(Question::Blocks { from: 300 });
    v.shown("messages", "request blocks", &blocks);
    let pending = Request::Governance(Question::Pending);
    v.shown("messages", "request pending", &pending);
    let root = hash(Purpose::Node, b"root");
    let position = Position { log, size: 7, root };
    let end = EpochEnd {
        position,
        epoch: 1,
        why: EndReason::Rotated,
    };
    v.shown(
        "messages",
        "request witness end",
        &Request::WitnessEnd(Box::new(end)),
    );
    let word = EpochEnded::witness(members().network(), &end, code(WITNESS), &key(2));
    v.shown(
        "messages",
        "response end witnessed",
        &Response::EndWitnessed(word),
    );
    let wanted = Request::CatalogueKey(catalogue_key().commitment());
    v.shown("messages", "request catalogue key", &wanted);
    v.shown("messages", "request addresses", &Request::Addresses);
    let number = 3;
    let asked = Request::LogHeld { log, number };
    v.shown("messages", "request log held", &asked);
    let (network, signed) = (members().network(), Some(checkpoint.signed().clone()));
    let held = Held::sign(network, log, number, signed, code(WITNESS), &key(2));
    v.shown(
        "messages",
        "response log held",
        &Response::LogHeld(Box::new(held)),
    );
    let heads = Heads {
        heads: Bounded::first([Some(cosignature.clone()), None].map(|cosignature| Head {
            checkpoint: checkpoint.signed().clone(),
            cosignature,
        })),
        forked: Bounded::first([log]),
        instance: Instance(0x0102_0304_0506_0708),
        time_ms: 1_790_000_000_000,
        rival: true,
        governance: Known {
            height: 3,
            head: BlockId(hash(Purpose::Block, b"head")),
            pending: 7,
        },
        addresses: 0x0A0B_0C0D_0E0F_1011,
    };
    let of = |what: &str| json!(what);
    v.wire(
        "messages",
        "response heads",
        of("one head with, one without cosignature"),
        &Response::Heads(heads),
    );
    v.wire(
        "messages",
        "response page",
        of("page from 2"),
        &Response::Page(page.clone()),
    );
    let kept = KeptPage {
        log: LogId {
            generation: 1,
            ..log
        },
        from: page.from,
        left: page.left.clone(),
        right: page.right.clone(),
        frames: page.frames.clone(),
    };
    v.wire(
        "messages",
        "response kept",
        of("the same records as what generation 1 begins with"),
        &Response::Kept(kept),
    );
    v.wire(
        "messages",
        "response evidence",
        of("two records"),
        &Response::Evidence(evidence.clone()),
    );
    v.wire(
        "messages",
        "response not held",
        of("none"),
        &Response::NotHeld,
    );
    v.wire(
        "messages",
        "response other instance",
        of("another run of the asker was here first"),
        &Response::OtherInstance,
    );
    newcomers(v);
    v.wire(
        "messages",
        "announcement head",
        of("page from 2"),
        &Announcement::Head(page.clone()),
    );
    v.wire(
        "messages",
        "announcement fork",
        of("two records"),
        &Announcement::Fork(evidence.clone()),
    );
}

/// What a member answers to one that joined: the catalogue key, and where others are.
fn newcomers(v: &mut Vectors) {
    let random = Zeroizing::new([9; 32]);
    let sealed = sealed_catalogue_key(&catalogue_key(), &members(), &code(WITNESS), random);
    v.wire(
        "messages",
        "response catalogue key",
        json!("the catalogue key, sealed to the witness; ephemeral key of 09…09"),
        &Response::CatalogueKey(Box::new(sealed.expect("a member"))),
    );
    let addresses = ["/ip4/192.0.2.7/tcp/7481", "/dns4/node.example/tcp/443"];
    let stated = StatedAddresses::sign(
        members().network(),
        code(WITNESS),
        1_790_000_000_000,
        addresses.map(text).to_vec(),
        &key(102),
    );
    let stated = stated.expect("two addresses");
    v.wire(
        "messages",
        "response addresses",
        json!({ "of": WITNESS, "number": stated.number(), "addresses": addresses }),
        &Response::Addresses(Bounded::first([stated.clone()])),
    );
    let mut book = AddressBook::new(members(), code(ISSUER), []);
    assert_eq!(book.take(stated, 0), Taken::New);
    v.put(
        "messages",
        "digest of these addresses",
        json!(book.digest().to_string()),
    );
}

fn bundles(v: &mut Vectors) {
    let disk = MemoryDisk::new();
    let opened = Catalogue::open(place(&disk), members(), name().id.department).expect("opens");
    let catalogue = opened.catalogue;
    fill(&catalogue.log(&name().id).expect("the own log"));
    let witness = |checkpoint: &VerifiedCheckpoint| {
        let time_ms = CREATED_MS + 1000;
        vec![Cosignature::sign(
            &members(),
            checkpoint,
            code(WITNESS),
            time_ms,
            &key(2).into(),
        )]
    };
    let day = Date::from_ymd(2026, 7, 1).expect("a date");
    for (n, status, verdict) in [
        (1, Some(Status::Superseded), "not-valid"),
        (2, Some(Status::Suspended), "not-valid"),
        (3, None, "valid"),
        (4, Some(Status::Revoked), "not-valid"),
    ] {
        let id = certificate(&format!("S{n:08}"));
        let bundle = Bundle::gather(&catalogue, &id, witness)
            .expect("readable")
            .expect("held");
        let name = format!("of {n}, {}", status.map_or("plainly valid", Status::as_str));
        v.bytes("bundles", &name, &bundle.to_bytes());
        let golden = hex::decode(v.text("bundles", &name, "")).expect("hexadecimal");
        let read = Bundle::from_bytes(&golden).expect("a bundle");
        assert_eq!(read, bundle);
        let verified = read.verify(&members()).expect("a bundle that verifies");
        assert_eq!(verified.status.map(|entry| entry.status), status);
        let judge = |now_ms| {
            verified.judge(&Reader {
                on: day,
                now_ms,
                issuer_only: false,
            })
        };
        let dated_ms = CREATED_MS + 1000;
        let judged: Verdict = judge(dated_ms - MAX_AHEAD_MS).expect("not dated ahead");
        assert_eq!(judged.as_str(), verdict, "{name}");
        let early = judge(dated_ms - MAX_AHEAD_MS - 1);
        assert!(
            matches!(early, Err(BundleError::DatedAhead { .. })),
            "{name}: {early:?}"
        );
        v.put(
            "bundles",
            &format!("status key of {n}"),
            json!(status_key(&id).to_string()),
        );
        if let Some(entry) = verified.status {
            v.put(
                "bundles",
                &format!("status value of {n}"),
                json!({ "seq": entry.seq, "value": entry.value().to_string() }),
            );
        }
    }
}
