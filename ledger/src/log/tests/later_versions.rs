//! Entries that this version can't read: kept, passed on, and no reason to stop.

use std::path::{Path, PathBuf};

use super::basics::replicate;
use super::*;
use crate::codec::{Blob, encode};
use crate::log::{
    ApplyError, BrokenRule, Checkpoint, MAX_PAGE, Page, ReadError, SignedCheckpoint, Unread,
    VerifiedPage, WriteError, fsck,
};
use crate::merkle::CompactRange;
use crate::record::{Frame, FrameError, MAX_RECORD, Record, SignedRecord, Status};

/// A department that runs a later version: its entries are any bytes, its checkpoints commit to statuses that only that
/// version derives.
pub(super) struct Later {
    frames: Vec<u8>,
    range: CompactRange,
    head: RecordHash,
    time_ms: u64,
}

impl Later {
    pub(super) fn new() -> Later {
        Later {
            frames: Vec::new(),
            range: CompactRange::empty(),
            head: RecordHash::NONE,
            time_ms: 0,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.range.size()
    }

    pub(super) fn write(&mut self, time_ms: u64, entries: Vec<Entry>) {
        self.time_ms = time_ms;
        for entry in entries {
            let record = Record {
                seq: self.size(),
                prev: self.head,
                time_ms,
                height: 0,
                key_epoch: 0,
                entry,
            };
            let signed = SignedRecord::sign(&name(), record, &key());
            signed.write_frame(&mut self.frames);
            self.range.push(signed.leaf(), &mut |_, _, _| ());
            self.head = signed.hash();
        }
    }

    /// All of it, under a checkpoint that commits to these statuses.
    pub(super) fn page(&self, status_root: Hash) -> VerifiedPage {
        let checkpoint = Checkpoint {
            log: name().id,
            size: self.size(),
            root: self.range.root(),
            head: self.head,
            status_root,
            time_ms: self.time_ms,
            height: 0,
            key_epoch: 0,
        };
        let page = Page {
            checkpoint: SignedCheckpoint::sign(name().network, checkpoint, &key()),
            from: 0,
            left: Bounded::default(),
            right: Bounded::default(),
            frames: Blob::new(self.frames.clone()).unwrap(),
        };
        page.verify(&members()).unwrap()
    }
}

/// A change of status by an action that comes after the last there is.
fn action_7(n: u64) -> Entry {
    let content = encode(&(id(n), 7u32, Reason::Other, Text::<512>::default()));
    Entry::read(1, &content)
}

/// What this version can't read: a kind of its own, a known kind's unknown content, and an issue that replaces itself.
pub(super) fn unread() -> Vec<Entry> {
    let itself = issue_after(77, Some(77));
    let entries = [
        Entry::read(11, b"of a later version"),
        Entry::read(u32::MAX, b""),
        action_7(1),
        Entry::read(itself.kind(), &itself.content()),
    ];
    for entry in &entries {
        assert!(matches!(entry, Entry::Unknown(_)), "{entry:?}");
    }
    entries.into()
}

/// What only a later version derives.
const LATERS: Hash = Hash::from_bytes([0x1A; 32]);

/// 1 is revoked, 2 suspended and 3 valid as far as this version knows; four entries from 5 on are unread.
fn history() -> Later {
    let mut later = Later::new();
    let known = vec![
        issue(1),
        issue(2),
        issue(3),
        change(1, Action::Revoke),
        change(2, Action::Suspend),
    ];
    later.write(10, known);
    later.write(20, unread());
    later.write(30, vec![issue(4), change(4, Action::Cancel)]);
    later
}

fn replica_of(later: &Later, disk: &MemoryDisk) -> Arc<Log> {
    let (replica, _) = open(disk);
    replica.apply(&later.page(LATERS)).unwrap();
    replica
}

/// Everything that this version knows of [`history`].
fn holds_all(log: &Log) {
    assert_eq!(log.size(), 11);
    assert!(log.stopped().is_none());
    assert_eq!(
        log.unread(),
        Some(Unread {
            seq: 5,
            time_ms: 20,
            behind: None,
        })
    );
    for (entry, seq) in unread().into_iter().zip(5..) {
        assert_eq!(log.record(seq).unwrap().record().entry, entry);
    }
    let status = |n| {
        log.status(&id(n))
            .unwrap()
            .map(|entry| (entry.status, entry.seq))
    };
    assert_eq!(status(1), Some((Status::Revoked, 3)));
    assert_eq!(status(2), Some((Status::Suspended, 4)));
    assert_eq!(status(3), None);
    assert_eq!(status(4), Some((Status::Cancelled, 10)));
    for (n, records) in [(1, 2), (2, 2), (3, 1), (4, 2), (77, 0)] {
        let history = log.by_certificate(&id(n)).unwrap();
        assert_eq!(history.len(), records, "certificate {n}");
    }
    assert_eq!(log.certificates(0, 100).unwrap().0.len(), 4);
    let type_code = id(1).type_code();
    assert_eq!(log.by_type(&type_code, 0, 100).unwrap().0.len(), 4);
    assert_eq!(log.issued()[&type_code], 4);
}

#[test]
fn entries_of_a_later_version_are_kept_passed_on_and_read_again_after_a_restart() {
    let later = history();
    let disk = MemoryDisk::new();
    holds_all(&replica_of(&later, &disk));
    let (log, opening) = open(&disk);
    assert_eq!((opening.repaired, opening.set_aside), (0, None));
    holds_all(&log);
    for bytes in [400, 1_000, MAX_PAGE] {
        let copy = MemoryDisk::new();
        let (next, _) = open(&copy);
        replicate(&log, &next, bytes);
        holds_all(&next);
        assert_eq!(next.checkpoint(), log.checkpoint());
        let report = fsck(&place(&copy, 8), &members(), |_| ()).unwrap();
        assert_eq!(report.faults().count(), 0, "{:?}", report.faults().next());
        holds_all(&open(&copy).0);
    }
}

#[test]
fn a_log_goes_on_after_an_entry_of_a_later_version() {
    let mut later = history();
    let (log, _) = open(&MemoryDisk::new());
    log.apply(&later.page(LATERS)).unwrap();
    for n in 5..40 {
        later.write(100 + n, vec![issue(n), change(n, Action::Suspend)]);
        log.apply(&later.page(hash(Purpose::File, &n.to_le_bytes())))
            .unwrap();
        assert_eq!(
            log.status(&id(n)).unwrap().unwrap().status,
            Status::Suspended
        );
    }
    // The first of them is the one that counts.
    assert_eq!(
        log.unread(),
        Some(Unread {
            seq: 5,
            time_ms: 20,
            behind: None,
        })
    );
}

#[test]
fn statuses_are_compared_up_to_the_first_unread_entry_and_no_further() {
    let (writes, _) = open(&MemoryDisk::new());
    let mut writer = Writer::new(Arc::clone(&writes), key());
    let known = vec![issue(1), change(1, Action::Revoke)];
    let (_, truth) = writer.append(10, known.clone()).unwrap();
    let mut later = Later::new();
    later.write(10, known);
    // All of it is readable, so the checkpoint has to say what the records make.
    let (log, _) = open(&MemoryDisk::new());
    let refused = log.apply(&later.page(LATERS));
    assert!(
        matches!(
            refused,
            Err(ApplyError::Broken(BrokenRule::StatusRoot { size: 2 }))
        ),
        "{refused:?}"
    );
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    log.apply(&later.page(truth.status_root)).unwrap();
    assert_eq!(log.unread(), None);
    later.write(20, vec![action_7(1)]);
    log.apply(&later.page(LATERS)).unwrap();
    assert_eq!(
        log.unread(),
        Some(Unread {
            seq: 2,
            time_ms: 20,
            behind: None,
        })
    );
    later.write(30, vec![issue(2)]);
    log.apply(&later.page(Hash::ZERO)).unwrap();
    let (log, opening) = open(&disk);
    assert_eq!((log.size(), opening.set_aside), (4, None));
}

#[test]
fn an_unread_entry_that_no_checkpoint_covers_yet_is_not_shown_to_readers() {
    let later = history();
    let source = replica_of(&later, &MemoryDisk::new());
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let page = source.page(0, 3_000).unwrap().verify(&members()).unwrap();
    log.apply(&page).unwrap();
    assert!((6..11).contains(&log.held()), "{}", log.held());
    assert_eq!(log.unread(), None);
    let (log, _) = open(&disk);
    assert_eq!(log.unread(), None);
    replicate(&source, &log, MAX_PAGE);
    holds_all(&log);
}

#[test]
fn nothing_is_proved_and_nothing_is_signed_over_what_cannot_be_read() {
    let disk = MemoryDisk::new();
    let log = replica_of(&history(), &disk);
    for log in [log, open(&disk).0] {
        for n in [1, 3] {
            let proved = log.prove_status(&id(n));
            assert!(matches!(
                proved,
                Err(ReadError::LaterVersion { seq: 5, .. })
            ));
        }
        let proved = log.prove_definition(&id(1).type_code());
        assert!(matches!(
            proved,
            Err(ReadError::LaterVersion { seq: 5, .. })
        ));
        let mut writer = Writer::new(Arc::clone(&log), key());
        let refused = writer.append_with(99, vec![issue(9)], |_| panic!("nothing to keep"));
        assert!(matches!(refused, Err(WriteError::LaterVersion(5))));
        assert_eq!(log.size(), 11);
    }
}

#[test]
fn an_unread_entry_is_as_long_as_any_may_be_and_no_longer() {
    let bytes = |content: usize| {
        let record = Record {
            seq: 0,
            prev: RecordHash::NONE,
            time_ms: 1,
            height: 0,
            key_epoch: 0,
            entry: Entry::read(11, &vec![7; content]),
        };
        encode(&record).len()
    };
    let around = bytes(10_000) - 10_000;
    let longest = MAX_RECORD - around;
    assert_eq!(bytes(longest), MAX_RECORD);
    let mut later = Later::new();
    later.write(1, vec![Entry::read(11, &vec![7; longest])]);
    let disk = MemoryDisk::new();
    let log = replica_of(&later, &disk);
    let entry = |log: &Log| log.record(0).unwrap().record().entry.content().len();
    assert_eq!((entry(&log), entry(&open(&disk).0)), (longest, longest));

    let too_long = Entry::read(11, &vec![7; longest + 1]);
    let (own, _) = open(&MemoryDisk::new());
    let refused = Writer::new(own, key()).append(1, vec![too_long.clone()]);
    assert!(matches!(
        refused,
        Err(WriteError::TooLarge { found }) if found == MAX_RECORD + 1
    ));
    let mut later = Later::new();
    later.write(1, vec![too_long]);
    let refused = Frame::read(&later.frames).map(|(_, len)| len);
    assert_eq!(refused, Err(FrameError::Length(MAX_RECORD as u32 + 1)));
}

#[test]
fn a_flipped_byte_of_what_cannot_be_read_is_found_like_any_other() {
    let disk = MemoryDisk::new();
    replica_of(&history(), &disk);
    let faults = || {
        let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
        report.faults().filter(|fault| !fault.derived).count()
    };
    assert_eq!(faults(), 0);
    let is_records = |path: &PathBuf| path.extension().is_some_and(|e| e == "records");
    for path in disk.paths().into_iter().filter(is_records) {
        let mut len = 0;
        disk.corrupt(&path, |bytes| len = bytes.len()).unwrap();
        for at in (0..len).step_by(7) {
            disk.corrupt(&path, |bytes| bytes[at] ^= 0x10).unwrap();
            assert!(faults() > 0, "byte {at} of {}", path.display());
            disk.corrupt(&path, |bytes| bytes[at] ^= 0x10).unwrap();
        }
    }
    // The opening finds it, too, and sets the log aside to be fetched again.
    let path = Path::new("/data/logs/11430000006122244L/000000000000.records");
    let name = b"of a later version";
    disk.corrupt(path, |bytes| {
        let mut windows = bytes.windows(name.len());
        let at = windows.position(|window| window == name).unwrap();
        bytes[at] ^= 1;
    })
    .unwrap();
    let (log, opening) = open(&disk);
    assert!(log.size() == 0 && opening.set_aside.is_some());
    let source = replica_of(&history(), &MemoryDisk::new());
    replicate(&source, &log, MAX_PAGE);
    holds_all(&log);
}
