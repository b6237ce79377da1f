//! A log's files, byte for byte.

use std::path::Path;
use std::sync::Arc;

use certmesh_ledger::bodies::{
    AttachmentFile, AttachmentKey, Attachments, Bodies, Body, CHUNK, SealedBody,
};
use certmesh_ledger::codec::{Bounded, Text, encode};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::{FieldKey, Secret};
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::id::{Date, HolderKind};
use certmesh_ledger::journal::{Journal, Look, Looked};
use certmesh_ledger::log::{Applied, Writer};
use certmesh_ledger::record::{BlindedSubject, Entry, MediaType};
use serde_json::json;

use crate::Vectors;
use crate::common::{
    CREATED_MS, body_key, certificate, fields, file, filled, issued, key as signing_key, members,
    name, open,
};

const LOG: &str = "logs/11430000006122244L";
const HEAD: &str = "heads/11430000006122244L";
const REDO: &str = "redo/11430000006122244L";
const BLOCK: usize = 4096;

pub(crate) fn all(v: &mut Vectors) {
    let (disk, log) = filled();
    for name in [
        "000000000000.records",
        "000000000000.offsets",
        "000000000000-000000000004.index",
        "000000000004.records",
        "000000000004.offsets",
        "tree",
    ] {
        let path = format!("{LOG}/{name}");
        v.bytes("files", &path, &file(&disk, &path));
    }
    v.put("files", "paths", json!(disk.paths()));
    head(v, "own log", &disk);
    log.save_snapshot().expect("saved");
    for name in ["snapshot", "statuses"] {
        let path = format!("{LOG}/{name}");
        v.bytes("files", &path, &file(&disk, &path));
    }
    let replica = MemoryDisk::new();
    let (copy, _) = open(&replica);
    let page = log.page(0, usize::MAX).expect("a page");
    let page = page.verify(&members()).expect("a page that verifies");
    let applied = copy.apply(&page).expect("a page that fits");
    assert!(matches!(applied, Applied::Progress { held: 4 }));
    head(v, "replica on its way", &replica);
    bodies(v);
    redo(v);
    attachment(v);
    lookups(v);
}

/// A month's look-ups: one frame with a look of each kind, and its mark.
fn lookups(v: &mut Vectors) {
    let disk = MemoryDisk::new();
    let key = FieldKey(Secret::from_bytes([0xF1; 32]));
    let subject = Some(BlindedSubject(Hash::from_bytes([0xB5; 32])));
    let matter = "11430000006122244L/M/01".parse().expect("a sub-matter");
    let looked = [
        (
            subject,
            Looked::Find(Text::new("a purpose").expect("short")),
        ),
        (subject, Looked::Accept(matter)),
        (None, Looked::Journal),
    ];
    let looks = looked.map(|(subject, looked)| Look {
        time_ms: 1_790_000_000_000,
        client: Text::new("clerk").expect("short"),
        subject,
        looked,
    });
    let looks = Bounded::new(looks.to_vec()).expect("three");
    let open = || {
        let disk = Arc::new(disk.clone());
        Journal::new(disk, "/data/lookups".into(), name(), &key)
    };
    let written = open().record(1_790_000_000_000, [[0xC1; 24], [0xC2; 24]], &looks);
    written.expect("recorded");
    let path = "lookups/2026-09.looks";
    v.bytes("files", path, &file(&disk, path));
    v.put(
        "files",
        "look-ups of that file",
        json!({
            "field key": hex::encode([0xF1; 32]),
            "nonces": [hex::encode([0xC1; 24]), hex::encode([0xC2; 24])],
            "bytes": hex::encode(encode(&looks)),
        }),
    );
    // The golden bytes are a file the code reads.
    let golden = hex::decode(v.text("files", path, "")).expect("hexadecimal");
    let change = |bytes: &mut Vec<u8>| *bytes = golden;
    disk.corrupt(&Path::new("/data").join(path), change)
        .expect("a file");
    let read = open().read((Date::MIN, Date::MAX), None, None, usize::MAX, usize::MAX);
    let read = read.expect("a file of this department");
    assert_eq!((&read.looks[..], &read.damage[..]), (&looks[..], &[][..]));
}

/// A redo journal after the first commit, of a record with its body: all that a crash needs to leave.
fn redo(v: &mut Vectors) {
    let disk = MemoryDisk::new();
    let key = FieldKey(Secret::from_bytes([0xF1; 32]));
    let dir = Path::new("/data/bodies");
    let sealed = SealedBody::seal(&key, "S00000001", &body_key(), [0xB0; 24], &1_u64);
    let kept = Bodies::open(&disk, dir, &name(), key.clone()).expect("new files");
    let (log, _) = open(&disk);
    let entry = Entry::from(issued(1, None));
    let mut writer = Writer::new(log, signing_key(1));
    let keep = |first| Ok(kept.keep(first, &[Some(sealed)]).expect("kept"));
    writer
        .append_with(CREATED_MS, vec![entry], keep)
        .expect("appended");
    let bytes = file(&disk, REDO);
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("an entry") + 1;
    assert!(bytes[64..BLOCK].iter().all(|byte| *byte == 0));
    v.bytes("files", "redo journal, header", &bytes[..64]);
    v.bytes("files", "redo journal, entry", &bytes[BLOCK..end]);
    // The golden bytes are a journal the code replays, where nothing else of the commit reached the medium.
    let crashed = disk.crash(|| false);
    let golden = ["header", "entry"].map(|part| {
        let text = v.text("files", &format!("redo journal, {part}"), "");
        hex::decode(text).expect("hexadecimal")
    });
    let change = |bytes: &mut Vec<u8>| {
        bytes.fill(0);
        for (at, part) in [0, BLOCK].into_iter().zip(golden) {
            bytes[at..at + part.len()].copy_from_slice(&part);
        }
    };
    let path = Path::new("/data").join(REDO);
    crashed.corrupt(&path, change).expect("a file");
    let (log, _) = open(&crashed);
    assert_eq!(log.size(), 1);
    let kept = Bodies::open(&crashed, dir, &name(), key).expect("files of this log");
    let opened = kept.get::<u64>(0, "S00000001").expect("whole");
    assert_eq!(opened.expect("kept").body, 1);
}

/// The two files of bodies, with one body for the second record.
fn bodies(v: &mut Vectors) {
    let disk = MemoryDisk::new();
    let key = FieldKey(Secret::from_bytes([0xF1; 32]));
    let dir = Path::new("/data/bodies");
    let id = certificate("S00000001");
    let body = Body {
        holder_kind: HolderKind::OrdinaryPassport,
        holder_code: "E00000001".to_owned(),
        fields: fields("S00000001"),
        attachments: [("scan.pdf".to_owned(), AttachmentKey::new(&[0xA7; 48]))].into(),
    };
    let sealed = SealedBody::seal(&key, id.as_str(), &body_key(), [0xB0; 24], &body);
    let sealed = sealed.with_attachments(1);
    let kept = Bodies::open(&disk, dir, &name(), key.clone()).expect("new files");
    for change in kept.keep(0, &[None, Some(sealed)]).expect("kept") {
        change.write().expect("written");
    }
    for file_name in ["keys", "bodies"] {
        let path = format!("bodies/{file_name}");
        v.bytes("files", &path, &file(&disk, &path));
        // The golden bytes are files the code reads.
        let golden = hex::decode(v.text("files", &path, "")).expect("hexadecimal");
        let change = |bytes: &mut Vec<u8>| *bytes = golden;
        disk.corrupt(&dir.join(file_name), change).expect("a file");
    }
    let kept = Bodies::open(&disk, dir, &name(), key).expect("files of this log");
    let opened = kept
        .get::<Body>(1, id.as_str())
        .expect("whole")
        .expect("a body");
    assert_eq!(opened.body, body);
    v.put(
        "files",
        "body of the second record",
        json!({
            "certificate": id.as_str(),
            "field key": hex::encode([0xF1; 32]),
            "body key": hex::encode([0xF0; 32]),
            "nonce": hex::encode([0xB0; 24]),
            "bytes": hex::encode(encode(&body)),
        }),
    );
}

/// An attachment's file of two chunks, the first of zeros: its beginning, and its end from the second chunk on.
fn attachment(v: &mut Vectors) {
    let disk = MemoryDisk::new();
    let key = AttachmentKey::new(&[0xA7; 48]);
    let upload = {
        let store = Attachments::open(Arc::new(disk.clone()), Path::new("/data/bodies"), name());
        let store = store.expect("new directories");
        let mut receiving = store.receive(key.clone()).expect("a new file");
        receiving.append(&[0; CHUNK]).expect("written");
        receiving.append(b"the end").expect("written");
        let upload = receiving.finish(MediaType::Pdf, 1).expect("whole");
        store.keep([(1, key.file())]).expect("moved");
        upload
    };
    let path = format!("bodies/attachments/000000000001-{}", key.file());
    let bytes = file(&disk, &path);
    let second = 64 + CHUNK + 16;
    let parts = [("header", &bytes[..64]), ("second chunk", &bytes[second..])];
    for (part, bytes) in parts {
        v.bytes("files", &format!("attachment, {part}"), bytes);
    }
    let named = upload.attachment("scan.pdf".parse().expect("a name"));
    let (field, value) = named.field();
    v.put(
        "files",
        "attachment",
        json!({
            "path": path,
            "key": hex::encode(key.key().expose()),
            "content": "65536 zeros, then `the end`",
            "BLAKE3 of the file": blake3::hash(&bytes).to_string(),
            "first 32 bytes of the first chunk": hex::encode(&bytes[64..96]),
            "field": field,
            "value": value,
        }),
    );
    // The golden bytes are read by the code.
    let end = hex::decode(v.text("files", "attachment, second chunk", "")).expect("hexadecimal");
    let path = Path::new("/data").join(path);
    let change = |bytes: &mut Vec<u8>| bytes[second..].copy_from_slice(&end);
    disk.corrupt(&path, change).expect("a file");
    let read = AttachmentFile::open(&disk, &path, &name(), key.key(), upload.size);
    let read = read.expect("an attachment's file");
    assert_eq!(&read.read(1).expect("whole")[..], b"the end");
}

/// The head file is three blocks, mostly zeros: its header and what stands in each slot.
fn head(v: &mut Vectors, of: &str, disk: &MemoryDisk) {
    let bytes = file(disk, HEAD);
    assert_eq!(bytes.len(), 3 * BLOCK);
    v.bytes("files", &format!("head of {of}, header"), &bytes[..64]);
    assert!(bytes[64..BLOCK].iter().all(|byte| *byte == 0));
    for slot in [1, 2] {
        let block = &bytes[slot * BLOCK..(slot + 1) * BLOCK];
        let end = block
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        v.bytes(
            "files",
            &format!("head of {of}, slot {slot}"),
            &block[..end],
        );
    }
    // The golden bytes are a head file the code reads.
    let rebuilt = MemoryDisk::new();
    drop(open(&rebuilt));
    let path = Path::new("/data").join(HEAD);
    let parts: Vec<Vec<u8>> = ["header", "slot 1", "slot 2"]
        .iter()
        .map(|part| {
            hex::decode(v.text("files", &format!("head of {of}, {part}"), "")).expect("hexadecimal")
        })
        .collect();
    rebuilt
        .corrupt(&path, |bytes| {
            for (block, part) in parts.iter().enumerate() {
                bytes[block * BLOCK..block * BLOCK + part.len()].copy_from_slice(part);
            }
        })
        .expect("the head file is there");
    let log_files: Vec<_> = disk
        .paths()
        .into_iter()
        .filter(|path| !path.starts_with("/data/heads"))
        .collect();
    let fresh = MemoryDisk::new();
    copy(&rebuilt, &fresh, std::iter::once(path));
    copy(disk, &fresh, log_files);
    let (read, opening) = open(&fresh);
    let (original, _) = open(disk);
    assert_eq!(opening.set_aside, None, "{of}");
    assert_eq!(
        (read.checkpoint(), read.held()),
        (original.checkpoint(), original.held()),
        "{of}"
    );
}

fn copy(from: &MemoryDisk, to: &MemoryDisk, paths: impl IntoIterator<Item = std::path::PathBuf>) {
    use certmesh_ledger::disk::Disk;
    for path in paths {
        let name = path
            .strip_prefix("/data")
            .expect("below the data directory")
            .to_str()
            .expect("a text")
            .to_owned();
        let bytes = file(from, &name);
        let target = to.open(&path, true).expect("a new file");
        target.write_at(&bytes, 0).expect("written");
    }
}
