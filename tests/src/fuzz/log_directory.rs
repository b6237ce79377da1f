//! Opening a log whose files hold anything.
//!
//! The input is a list of changes to the files of a good log: which file and what (1 byte), where (2 bytes, little-endian),
//! how many bytes (1), the bytes. So every file's content is within reach, and most inputs still get past the headers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use certmesh_ledger::disk::Disk;
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::log::{Log, MAX_PAGE, Place, VerifiedCheckpoint, Writer, fsck};
use certmesh_ledger::record::Action;

use super::network::{change, issue, key, log, members};

/// Records in a sealed segment: the good log has two sealed ones and one that grows.
const SEGMENT: u64 = 4;

struct Base {
    files: Vec<(PathBuf, Vec<u8>)>,
    checkpoints: Vec<VerifiedCheckpoint>,
}

pub(super) fn place(disk: &MemoryDisk) -> Place {
    Place {
        disk: Arc::new(disk.clone()),
        data: PathBuf::from("/data"),
        segment_records: SEGMENT,
        index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    }
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let disk = MemoryDisk::new();
        let (opened, _) = Log::open(&place(&disk), log(), members()).expect("a new log opens");
        let mut writer = Writer::new(Arc::new(opened), key());
        let batches = [
            vec![issue(1, None), issue(2, None), change(2, Action::Suspend)],
            vec![issue(3, Some(1)), issue(4, None), change(4, Action::Revoke)],
            vec![issue(5, None), change(2, Action::Reinstate), issue(6, None)],
        ];
        let checkpoints = batches
            .into_iter()
            .zip(1..)
            .map(|(entries, time_ms)| writer.append(time_ms, entries).expect("appended").1)
            .collect();
        let files = disk.paths().into_iter().map(|path| {
            let bytes = content(&disk, &path);
            (path, bytes)
        });
        Base {
            files: files.collect(),
            checkpoints,
        }
    })
}

fn content(disk: &MemoryDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, false).expect("listed");
    let mut bytes = vec![0; file.len().expect("in memory") as usize];
    file.read_exact_at(&mut bytes, 0).expect("in memory");
    bytes
}

/// Makes one change; returns the rest of the input.
fn step<'i>(files: &mut [(PathBuf, Vec<u8>)], input: &'i [u8]) -> Option<&'i [u8]> {
    let ([what, low, high, count], rest) = input.split_first_chunk::<4>()?;
    let at = usize::from(u16::from_le_bytes([*low, *high]));
    let (bytes, rest) = rest.split_at(usize::from(*count).min(rest.len()));
    let place = usize::from(*what) % files.len();
    let file = &mut files[place].1;
    match what >> 6 {
        // Over what is there.
        0 | 1 => {
            let at = at.min(file.len());
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
        }
        // Behind the end.
        2 => file.extend_from_slice(bytes),
        // In the place of the end.
        _ => {
            file.truncate(at);
            file.extend_from_slice(bytes);
        }
    }
    Some(rest)
}

/// Opens a log with these changes made. Whatever they are: no panic, no record that was not signed, and no checkpoint but
/// one that was.
pub fn log_directory(input: &[u8]) {
    let base = base();
    let mut files = base.files.clone();
    let mut rest = input;
    while let Some(left) = step(&mut files, rest) {
        rest = left;
    }
    let disk = MemoryDisk::new();
    for (path, bytes) in &files {
        let file = disk.open(path, true).expect("in memory");
        file.write_at(bytes, 0).expect("in memory");
    }
    let _ = fsck(&place(&disk), members(), |_| ());
    let Ok((opened, _)) = Log::open(&place(&disk), log(), members()) else {
        return;
    };
    if let Some(checkpoint) = opened.checkpoint() {
        assert!(
            base.checkpoints.contains(&checkpoint),
            "only what was signed"
        );
        let page = opened
            .page(0, MAX_PAGE)
            .expect("what was checked is readable");
        page.verify(members()).expect("what was checked verifies");
        for seq in 0..checkpoint.size {
            opened.record(seq).expect("what was checked is readable");
        }
    }
    let (again, second) = Log::open(&place(&disk), log(), members()).expect("it opened before");
    assert_eq!(
        again.checkpoint(),
        opened.checkpoint(),
        "the same once more"
    );
    assert_eq!(
        (second.cut_off, second.repaired),
        (0, 0),
        "nothing was left to do"
    );
    assert_eq!(second.set_aside, None, "nothing was left to set aside");
}
