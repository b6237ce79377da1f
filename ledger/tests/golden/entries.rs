//! Entries of every kind, those that no reader of this version understands, and invalid records.

use certmesh_ledger::codec::{Blob, Text, encode};
use certmesh_ledger::genesis::Role;
use certmesh_ledger::log::inherited_key;
use certmesh_ledger::record::{
    Action, Entry, GrantWithdrawn, Grantee, Inherited, MAX_RECORD, Reason, Record, RecordHash,
    Status, StatusChanged, SuccessionKind,
};
use serde_json::json;

use crate::Vectors;
use crate::common::{
    AUTHORITY, CREATED_MS, WITNESS, certificate, change, code, erased, grant, issue, matter,
    replace, succeed, succession,
};

pub(crate) fn all(v: &mut Vectors) {
    entries(v);
    unread(v);
    refused(v);
    let later = record((300, 2), erased(1));
    v.record("record", "of a later height and key epoch", &later);
}

/// Entries that the log of the other vectors does not hold.
fn entries(v: &mut Vectors) {
    let to_authority = Grantee::Role(Role::Define(code(AUTHORITY)));
    for (what, entry) in [
        ("matter defined", matter()),
        (
            "grant made to a department",
            grant(Grantee::Department(code(WITNESS))),
        ),
        ("grant made to a role", grant(Grantee::Role(Role::Issue))),
        ("grant made to the role to define", grant(to_authority)),
        ("certificate erased", erased(1)),
        (
            "certificate issued, a renewal",
            succeed(7, SuccessionKind::Renewal, &[6]),
        ),
        (
            "certificate issued, a merge of three",
            succeed(7, SuccessionKind::Merge, &[3, 1, 2]),
        ),
        (
            "certificate issued, part of a split",
            succeed(7, SuccessionKind::Split, &[6]),
        ),
        (
            "certificate issued, a transfer",
            succeed(7, SuccessionKind::Transfer, &[6]),
        ),
        (
            "status changed, let go to the witness",
            change(7, Action::TransferOut(code(WITNESS))),
        ),
        (
            "status changed, of an inherited certificate",
            inherited(7, Action::Reinstate, Status::Suspended),
        ),
        (
            "grant withdrawn",
            Entry::GrantWithdrawn(GrantWithdrawn { grant: 7 }),
        ),
    ] {
        v.entry("entries", what, &entry);
    }
    let key = inherited_key(&code(WITNESS), &certificate("S00000007"));
    v.put("status map", "inherited key", json!(key.to_string()));
}

/// A change of a certificate that the witness issued, in the log of its successor.
fn inherited(n: u64, action: Action, from: Status) -> Entry {
    let Entry::StatusChanged(changed) = change(n, action) else {
        unreachable!()
    };
    let department = code(WITNESS);
    Entry::StatusChanged(StatusChanged {
        inherited: Some(Inherited { department, from }),
        ..changed
    })
}

fn record((height, key_epoch): (u64, u32), entry: Entry) -> Record {
    Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: CREATED_MS,
        height,
        key_epoch,
        entry,
    }
}

/// Entries that are kept as they came: of kinds that do not exist yet, or of a known kind with other content than this
/// version says it has. The records they stand in are records like any other.
fn unread(v: &mut Vectors) {
    let suspended = change(1, Action::Suspend);
    let longer = [&suspended.content()[..], &[0]].concat();
    let action = encode(&(
        certificate("S00000001"),
        7u32,
        Reason::Lost,
        Text::<512>::default(),
        None::<Inherited>,
    ));
    let id = |n: u64| certificate(&format!("S{n:08}"));
    let good = succeed(7, SuccessionKind::Renewal, &[1]).content();
    let renewal = encode(&Some(succession(SuccessionKind::Renewal, &[1])));
    let front = good.strip_suffix(&renewal[..]).expect("the last field");
    let after =
        |kind: SuccessionKind, named: Vec<_>| [front, &encode(&Some((kind, named)))].concat();
    let renewal = SuccessionKind::Renewal;
    let merge = SuccessionKind::Merge;
    for (what, kind, content) in [
        ("of a kind that comes after the last", 11, b"any".to_vec()),
        ("of the greatest kind, empty", u32::MAX, vec![]),
        ("a status changed with a byte too many", 1, longer),
        ("a status changed, empty", 1, vec![]),
        ("a status changed by action 7", 1, action),
        (
            "a certificate issued in its own place",
            0,
            replace(1, 1).content(),
        ),
        ("a renewal of none", 0, after(renewal, vec![])),
        ("a renewal of two", 0, after(renewal, vec![id(1), id(2)])),
        ("a merge of one", 0, after(merge, vec![id(1)])),
        (
            "a merge of one with itself",
            0,
            after(merge, vec![id(1), id(1)]),
        ),
    ] {
        let entry = Entry::read(kind, &content);
        assert!(matches!(entry, Entry::Unknown(_)), "{what}");
        v.entry("unread entries", what, &entry);
        let name = format!("{what}, in a record");
        v.record("unread entries", &name, &record((0, 0), entry));
    }
}

/// Bytes that are no record, whatever the entry says.
fn refused(v: &mut Vectors) {
    let good = encode(&record((0, 0), issue(1)));
    let content = Blob::<MAX_RECORD>::new(issue(1).content()).expect("within a record");
    let tail = encode(&content);
    let front = good.strip_suffix(&tail[..]).expect("the content ends it");
    // The content's length is above 250, so it takes three bytes: the marker 251 and the length.
    let (length, rest) = tail.split_at(3);
    let short = u16::from_le_bytes([length[1], length[2]]) - 1;
    let longer = [front, &[251], &(short + 2).to_le_bytes()[..], rest].concat();
    let shorter = [front, &[251], &short.to_le_bytes()[..], rest].concat();
    for (what, bytes) in [
        ("a byte after the content", [&good[..], &[0]].concat()),
        ("content shorter than its length", longer),
        ("content longer than its length", shorter),
        ("without content", front.to_vec()),
        (
            "content's length in more bytes than it takes",
            [front, &[252], &(short + 1).to_le_bytes()[..], &[0, 0], rest].concat(),
        ),
    ] {
        v.bytes("refused records", what, &bytes);
        let golden = hex::decode(v.text("refused records", what, "")).expect("hexadecimal");
        Record::decode(&golden).expect_err(what);
    }
    let longest = |more: usize| {
        let around = encode(&record((0, 0), Entry::read(11, &[7; 10_000]))).len() - 10_000;
        let content = vec![7; MAX_RECORD - around + more];
        encode(&record((0, 0), Entry::read(11, &content)))
    };
    Record::decode(&longest(0)).expect("as long as a record may be");
    Record::decode(&longest(1)).expect_err("a byte too long");
    v.put(
        "refused records",
        "most bytes of a record",
        json!(MAX_RECORD),
    );
}
