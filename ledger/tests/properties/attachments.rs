//! An attachment's file gives back exactly what was written, from any place, and nothing once anything in it differs.

use std::path::Path;
use std::sync::Arc;

use certmesh_ledger::bodies::{
    AttachmentError, AttachmentFile, AttachmentKey, Attachments, CHUNK, FileId, Partial, Upload,
    file_len,
};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::{FieldKey, Secret};
use certmesh_ledger::disk::Disk;
use certmesh_ledger::disk::{Failure, MemoryDisk};
use certmesh_ledger::record::{MAX_ATTACHMENT, MediaType};
use proptest::prelude::*;

use crate::common::name;

const PATH: &str = "/d/file";
const HEADER: usize = 64;
const SEALED: usize = CHUNK + 16;

fn key() -> Secret {
    Secret::from_bytes([7; 32])
}

/// A content no two chunks of which are alike.
fn content(len: usize) -> Vec<u8> {
    let bytes = (0..len).map(|at| (at ^ at >> 8 ^ at >> 16).wrapping_mul(151) as u8);
    bytes.collect()
}

fn hash_of(content: &[u8]) -> Hash {
    Hash::from_bytes(*blake3::hash(content).as_bytes())
}

fn begun(disk: &MemoryDisk) -> Partial {
    Partial::begin(disk, Path::new(PATH), &name(), key()).expect("a new file")
}

fn resumed(disk: &MemoryDisk) -> Partial {
    Partial::resume(disk, Path::new(PATH), &name(), key()).expect("a file to go on with")
}

fn opened(disk: &MemoryDisk, size: usize) -> Result<AttachmentFile, AttachmentError> {
    AttachmentFile::open(disk, Path::new(PATH), &name(), key(), size as u64)
}

fn written(content: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut partial = begun(&disk);
    partial.append(content).expect("written");
    partial
        .finish(content.len() as u64, &hash_of(content))
        .expect("what was promised");
    disk
}

/// All of it, as whoever sends it on reads it.
fn whole(disk: &MemoryDisk, size: usize) -> Result<Vec<u8>, AttachmentError> {
    let file = opened(disk, size)?;
    let mut all = Vec::new();
    for number in 0..file.chunks() {
        all.extend_from_slice(&file.read(number)?);
    }
    Ok(all)
}

/// Lengths on both sides of a chunk's end.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        1..200_usize,
        (1..4_usize, -2..3_isize)
            .prop_map(|(chunks, off)| (chunks * CHUNK).saturating_add_signed(off)),
        CHUNK..4 * CHUNK,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_in_any_pieces_is_read_from_any_place(
        len in lengths(),
        pieces in prop::collection::vec(1..200_000_usize, 1..8),
        from in 0..5 * CHUNK as u64,
        count in 0..3 * CHUNK,
    ) {
        let content = content(len);
        let disk = MemoryDisk::new();
        let mut partial = begun(&disk);
        let mut rest = &content[..];
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(*piece));
            partial.append(now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(partial.content(), (len as u64, hash_of(&content)));
        partial.finish(len as u64, &hash_of(&content)).unwrap();
        prop_assert_eq!(disk.open(Path::new(PATH), false).unwrap().len().unwrap(), file_len(len as u64));
        prop_assert_eq!(&whole(&disk, len).unwrap(), &content);
        let file = opened(&disk, len).unwrap();
        let begin = len.min(from as usize);
        let expected = &content[begin..len.min(begin + count)];
        prop_assert_eq!(&file.range(from, count).unwrap()[..], expected);
    }

    #[test]
    fn a_changed_byte_is_found_wherever_it_is(len in lengths(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let disk = written(&content(len));
        let at = at.index(file_len(len as u64) as usize);
        disk.corrupt(Path::new(PATH), |bytes| bytes[at] ^= 1 << bit).unwrap();
        prop_assert!(whole(&disk, len).is_err());
    }

    #[test]
    fn what_reached_the_disk_is_gone_on_with_after_any_end(
        len in lengths(),
        ends in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u64>()), 1..4),
    ) {
        let content = content(len);
        let mut disk = MemoryDisk::new();
        drop(begun(&disk));
        for (upto, crash, survives) in ends {
            let mut partial = resumed(&disk);
            let there = partial.len() as usize;
            prop_assert!(there <= len);
            let upto = there + upto.index(len - there + 1);
            partial.append(&content[there..upto]).unwrap();
            drop(partial);
            if crash {
                let mut drawn = survives;
                disk = disk.crash(|| { drawn = drawn.rotate_left(1); drawn & 1 == 1 });
            } else {
                // Nothing but the chunk that was not whole is lost without a crash.
                prop_assert!(resumed(&disk).len() as usize + CHUNK >= upto);
            }
        }
        let mut partial = resumed(&disk);
        let there = partial.len() as usize;
        partial.append(&content[there..]).unwrap();
        partial.finish(len as u64, &hash_of(&content)).unwrap();
        prop_assert_eq!(whole(&disk, len).unwrap(), content);
    }
}

#[test]
fn chunks_that_are_moved_left_out_added_or_of_another_file_are_found() {
    let content = content(3 * CHUNK + 100);
    let chunk = |number: usize| HEADER + number * SEALED..HEADER + (number + 1) * SEALED;
    type Change = Box<dyn Fn(&mut Vec<u8>)>;
    let changes: [(&str, Change); 6] = [
        (
            "swapped",
            Box::new(move |bytes| {
                let one = bytes[chunk(0)].to_vec();
                bytes.copy_within(chunk(1), chunk(0).start);
                bytes[chunk(1)].copy_from_slice(&one);
            }),
        ),
        (
            "left out",
            Box::new(move |bytes| drop(bytes.drain(chunk(1)))),
        ),
        (
            "cut off",
            Box::new(move |bytes| bytes.truncate(chunk(2).end)),
        ),
        (
            "added",
            Box::new(move |bytes| bytes.extend_from_within(chunk(0))),
        ),
        (
            "repeated",
            Box::new(move |bytes| bytes.copy_within(chunk(0), chunk(1).start)),
        ),
        ("header", Box::new(|bytes| bytes[..HEADER].fill(0))),
    ];
    for (what, change) in changes {
        let disk = written(&content);
        disk.corrupt(Path::new(PATH), |bytes| change(bytes))
            .unwrap();
        assert!(whole(&disk, content.len()).is_err(), "{what}");
    }
    // Not even whoever believes the file's own length takes a shorter file for the whole.
    let disk = written(&content);
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(HEADER + 2 * SEALED);
    disk.corrupt(Path::new(PATH), cut).unwrap();
    assert!(matches!(
        whole(&disk, 2 * CHUNK),
        Err(AttachmentError::Damaged(1))
    ));
}

#[test]
fn only_what_was_promised_is_finished_and_no_more_than_is_allowed_is_taken() {
    let content = content(CHUNK);
    for (size, hash) in [
        (CHUNK as u64 - 1, hash_of(&content)),
        (CHUNK as u64, hash_of(b"another")),
    ] {
        let disk = MemoryDisk::new();
        let mut partial = begun(&disk);
        partial.append(&content).unwrap();
        assert!(matches!(
            partial.finish(size, &hash),
            Err(AttachmentError::OtherContent)
        ));
    }
    let empty = begun(&MemoryDisk::new());
    assert!(matches!(
        empty.finish(0, &hash_of(b"")),
        Err(AttachmentError::OtherContent)
    ));
    let mut full = begun(&MemoryDisk::new());
    for _ in 0..MAX_ATTACHMENT / (1 << 20) {
        full.append(&[5; 1 << 20]).unwrap();
    }
    assert!(matches!(full.append(&[5]), Err(AttachmentError::TooLarge)));
    assert_eq!(full.len(), MAX_ATTACHMENT);
}

fn store(disk: &MemoryDisk) -> Attachments {
    Attachments::open(Arc::new(disk.clone()), Path::new("/d"), name()).expect("directories")
}

fn uploaded(store: &Attachments, drawn: u8, content: &[u8]) -> Upload {
    let mut receiving = store.receive(AttachmentKey::new(&[drawn; 48])).unwrap();
    receiving.append(content).unwrap();
    receiving.finish(MediaType::Pdf, 1_000).unwrap()
}

fn paths(disk: &MemoryDisk) -> Vec<String> {
    let paths = disk.paths().into_iter();
    paths.map(|path| path.display().to_string()).collect()
}

#[test]
fn an_upload_that_comes_to_nothing_leaves_nothing() {
    let disk = MemoryDisk::new();
    let attachments = store(&disk);
    let mut receiving = attachments.receive(AttachmentKey::new(&[1; 48])).unwrap();
    receiving.append(&content(2 * CHUNK)).unwrap();
    assert_eq!(disk.paths().len(), 1);
    drop(receiving);
    assert_eq!(paths(&disk), Vec::<String>::new());
    // What a crash leaves is removed at the next start; whole uploads are not.
    let kept = uploaded(&attachments, 2, b"%PDF-");
    std::mem::forget(attachments.receive(AttachmentKey::new(&[3; 48])).unwrap());
    let attachments = store(&disk.crash(|| true));
    assert!(attachments.is_waiting(kept.key.file()).unwrap());
    let part: FileId = hex::encode([3; 16]).parse().unwrap();
    assert!(!attachments.is_waiting(part).unwrap());
}

#[test]
fn a_refused_write_sync_or_rename_fails_the_upload_which_then_leaves_nothing() {
    let tried = |fail_at: Option<u64>| {
        let disk = MemoryDisk::new();
        let attachments = store(&disk);
        let before = disk.operations();
        if let Some(step) = fail_at {
            disk.fail_at(before + step, Failure::Refuse);
        }
        let received =
            attachments
                .receive(AttachmentKey::new(&[1; 48]))
                .and_then(|mut receiving| {
                    receiving.append(&content(2 * CHUNK))?;
                    receiving.finish(MediaType::Pdf, 1_000)
                });
        (disk.operations() - before, received, disk)
    };
    let (steps, received, disk) = tried(None);
    assert!(received.is_ok() && disk.paths().len() == 1);
    assert!(steps > 5);
    for step in 1..=steps {
        let (_, received, disk) = tried(Some(step));
        assert!(
            matches!(received, Err(AttachmentError::Io(_))),
            "step {step}"
        );
        assert_eq!(paths(&disk), Vec::<String>::new(), "step {step}");
    }
}

#[test]
fn a_kept_upload_is_durable_and_goes_back_when_its_record_never_came() {
    let disk = MemoryDisk::new();
    let attachments = store(&disk);
    let bytes = content(CHUNK + 5);
    let (one, two) = (
        uploaded(&attachments, 1, &bytes),
        uploaded(&attachments, 2, &bytes),
    );
    let files = [(4, one.key.file()), (5, two.key.file())];
    attachments.keep(files).unwrap();
    let disk = disk.crash(|| false);
    let attachments = store(&disk);
    let read = |seq, upload: &Upload| attachments.read(seq, &upload.key, upload.size);
    assert_eq!(
        &read(4, &one).unwrap().range(0, 1 << 20).unwrap()[..],
        &bytes
    );
    assert!(matches!(read(5, &one), Err(AttachmentError::Missing)));
    // The record at 5 never came: its file can be taken by another.
    assert_eq!(attachments.settle(5).unwrap(), 1);
    assert_eq!(attachments.settle(5).unwrap(), 0);
    assert!(!attachments.is_waiting(one.key.file()).unwrap());
    assert!(attachments.is_waiting(two.key.file()).unwrap());
    attachments.keep([(5, two.key.file())]).unwrap();
    attachments.remove(4).unwrap();
    assert!(matches!(read(4, &one), Err(AttachmentError::Missing)));
    assert!(read(5, &two).is_ok());
    assert_eq!(disk.crash(|| false).paths().len(), 1);
}

#[test]
fn a_token_is_read_by_the_department_that_gave_it_and_by_nobody_once_it_is_changed() {
    let department = |n| FieldKey(Secret::from_bytes([n; 32]));
    let upload = uploaded(&store(&MemoryDisk::new()), 9, b"%PDF-");
    let token = upload.seal(&department(1), [3; 24]);
    assert_eq!(Upload::open(&department(1), &token), Some(upload.clone()));
    assert_eq!(Upload::open(&department(2), &token), None);
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(Upload::open(&department(1), &changed), None, "{at}");
    }
    for wrong in ["", "00", "not hexadecimal", &"00".repeat(4096)] {
        assert_eq!(Upload::open(&department(1), wrong), None);
    }
    let shown = format!("{upload:?}");
    assert!(!shown.contains("9, 9"), "{shown}");
}
