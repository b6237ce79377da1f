//! Records that nobody else holds come back from what was set aside, or not at all.

use std::path::Path;

use super::*;
use crate::disk::{Disk, DiskFile};
use crate::log::{
    Applied, End, MAX_PAGE, TakeBackError, TakenBack, VerifiedCheckpoint, WriteError, fsck,
};
use crate::record::{Record, SignedRecord};

pub(super) const LOG: &str = "/data/logs/11430000006122244L";
const ASIDE: &str = "/data/set-aside/11430000006122244L-1";
const HEAD: &str = "/data/heads/11430000006122244L";

/// A disk whose log has 27 records, all acknowledged, in segments of eight; and its checkpoint.
pub(super) fn acknowledged() -> (MemoryDisk, VerifiedCheckpoint) {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    (disk, log.checkpoint().unwrap())
}

/// Changes a byte of the record at a position, far from its beginning: of its text or its signature.
pub(super) fn damage(disk: &MemoryDisk, dir: &str, seq: u64, from_end: usize) {
    let first = seq / 8 * 8;
    let path = |suffix| Path::new(dir).join(format!("{first:012}.{suffix}"));
    let mut end = 0;
    disk.corrupt(&path("offsets"), |bytes| {
        let at = 64 + 8 * (seq - first + 1) as usize;
        end = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    })
    .unwrap();
    disk.corrupt(&path("records"), |bytes| bytes[end - from_end] ^= 1)
        .unwrap();
}

/// Bytes from the end of a frame to somewhere within its record, and within its signature.
pub(super) const RECORD: usize = 80;
const SIGNATURE: usize = 10;

pub(super) fn lose_head(disk: &MemoryDisk) {
    disk.corrupt(Path::new(HEAD), |bytes| bytes.fill(0))
        .unwrap();
}

/// A member that holds the first records of the log, three for each batch.
pub(super) fn member(batches: u64) -> Arc<Log> {
    let (log, _) = open(&MemoryDisk::new());
    grow(&log, 0..batches);
    log
}

/// Fetches everything the member holds.
pub(super) fn restore(log: &Log, member: &Log) {
    while log.held() < member.size() {
        let page = member.page(log.held(), 2_000).unwrap();
        let applied = log.apply(&page.verify(&members()).unwrap()).unwrap();
        assert!(!matches!(applied, Applied::Nothing));
    }
}

/// Opens a damaged disk, sees its log set aside, and fetches what a member holds.
pub(super) fn set_aside_and_restored(disk: &MemoryDisk, batches: u64) -> Arc<Log> {
    let (log, opening) = open(disk);
    assert!(opening.set_aside.is_some());
    if batches > 0 {
        restore(&log, &member(batches));
    }
    assert_eq!(log.held(), 3 * batches);
    log
}

pub(super) fn take_back(log: &Arc<Log>) -> Result<TakenBack, TakeBackError> {
    Writer::new(Arc::clone(log), key()).take_back()
}

#[track_caller]
pub(super) fn taken(
    result: Result<TakenBack, TakeBackError>,
) -> (u64, Vec<String>, VerifiedCheckpoint) {
    match result.unwrap() {
        TakenBack::Records {
            count,
            copies,
            checkpoint,
        } => (count, copies, *checkpoint),
        TakenBack::Nothing => panic!("nothing was taken"),
    }
}

fn records(disk: &MemoryDisk, dir: &str) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for path in disk.paths() {
        if path.starts_with(dir) && path.extension().is_some_and(|e| e == "records") {
            disk.corrupt(&path, |bytes| files.push(bytes.clone()))
                .unwrap();
        }
    }
    files
}

/// The log on disk is whole under the checkpoint, and continues.
#[track_caller]
pub(super) fn check_whole(disk: &MemoryDisk, checkpoint: &VerifiedCheckpoint) {
    let (log, opening) = open(disk);
    assert_eq!((opening.set_aside, opening.cut_off), (None, 0));
    assert_eq!(
        (log.checkpoint().as_ref(), log.missing()),
        (Some(checkpoint), 0)
    );
    let report = fsck(&place(disk, 8), &members(), |_| ()).unwrap();
    assert_eq!(
        report.faults().collect::<Vec<_>>(),
        Vec::<&crate::log::Fault>::new()
    );
    grow(&log, 40..41);
}

#[test]
fn after_a_loss_records_come_back_from_members_under_a_checkpoint_older_than_the_one_signed_last() {
    let (disk, _) = acknowledged();
    damage(&disk, LOG, 3, RECORD);
    let log = set_aside_and_restored(&disk, 5);
    assert_eq!(
        (log.size(), log.missing()),
        (0, 27),
        "none of it is accepted"
    );
    // Asked again, the member has nothing that helps.
    let page = member(5).page(15, MAX_PAGE).unwrap();
    assert!(matches!(
        log.apply(&page.verify(&members()).unwrap()),
        Err(crate::log::ApplyError::Stale {
            size: 15,
            accepted: 27
        })
    ));
    let (log, opening) = open(&disk);
    assert_eq!(
        (log.held(), opening.set_aside),
        (15, None),
        "a restart keeps it"
    );
}

#[test]
fn records_that_nobody_else_holds_come_back_byte_for_byte_under_the_checkpoint_signed_before() {
    for batches in [1, 3, 5, 8] {
        let (disk, checkpoint) = acknowledged();
        let before = records(&disk, LOG);
        damage(&disk, LOG, 1, RECORD);
        let log = set_aside_and_restored(&disk, batches);
        let (count, copies, accepted) = taken(take_back(&log));
        assert_eq!(count, 27 - 3 * batches);
        assert_eq!(copies, ["11430000006122244L-1"]);
        assert_eq!((&accepted, log.missing()), (&checkpoint, 0));
        assert_eq!(records(&disk, LOG), before);
        assert_eq!(take_back(&log).unwrap(), TakenBack::Nothing, "once");
        check_whole(&disk, &checkpoint);
    }
}

#[test]
fn a_log_of_which_nobody_holds_anything_comes_back_when_only_a_files_header_was_damaged() {
    let (disk, checkpoint) = acknowledged();
    let path = Path::new(LOG).join("000000000008.records");
    disk.corrupt(&path, |bytes| bytes[20] ^= 1).unwrap();
    let log = set_aside_and_restored(&disk, 0);
    assert_eq!(taken(take_back(&log)).0, 27);
    check_whole(&disk, &checkpoint);
}

#[test]
fn unless_all_records_up_to_the_checkpoint_signed_last_are_whole_none_is_taken_and_the_first_damaged_one_is_named()
 {
    type Harm = fn(&MemoryDisk);
    let harms: [(u64, Harm); 5] = [
        (20, |disk| damage(disk, LOG, 20, RECORD)),
        (20, |disk| damage(disk, LOG, 20, SIGNATURE)),
        (15, |disk| damage(disk, LOG, 15, SIGNATURE)),
        (26, |disk| {
            let path = Path::new(LOG).join("000000000024.records");
            disk.corrupt(&path, |bytes| bytes.truncate(bytes.len() - 1))
                .unwrap();
        }),
        (16, |disk| {
            let path = Path::new(LOG).join("000000000016.records");
            disk.corrupt(&path, Vec::clear).unwrap();
        }),
    ];
    for (first, harm) in harms {
        let (disk, _) = acknowledged();
        damage(&disk, LOG, 2, RECORD);
        harm(&disk);
        let log = set_aside_and_restored(&disk, 5);
        let aside = records(&disk, ASIDE);
        match take_back(&log) {
            Err(TakeBackError::NotWhole {
                whole, missing, at, ..
            }) => {
                assert_eq!((whole, missing, at), (first - 15, 12, first));
            }
            other => panic!("{first}: {other:?}"),
        }
        assert_eq!((log.held(), log.missing()), (15, 27));
        let (log, opening) = open(&disk);
        assert_eq!(
            (log.held(), opening.cut_off),
            (15, 0),
            "nothing was written"
        );
        assert_eq!(
            records(&disk, ASIDE),
            aside,
            "what was set aside is only read"
        );
    }
}

#[test]
fn what_is_wrong_with_the_first_damaged_record_is_reported() {
    let (disk, _) = acknowledged();
    damage(&disk, LOG, 2, RECORD);
    damage(&disk, LOG, 20, SIGNATURE);
    let log = set_aside_and_restored(&disk, 5);
    let reported = take_back(&log).unwrap_err().to_string();
    assert_eq!(
        reported,
        "5 of the 12 records that are missing are whole in what was set aside; the first that is not is record 20: \
         record 20: record: signature does not verify"
    );
}

/// Writes one more record than was acknowledged, as a process does that goes down before the checkpoint.
fn write_unacknowledged(disk: &MemoryDisk, checkpoint: &VerifiedCheckpoint) {
    let record = Record {
        seq: 27,
        prev: checkpoint.head,
        time_ms: 2_000,
        height: 0,
        key_epoch: 0,
        entry: issue(900),
    };
    let frame = SignedRecord::sign(&name(), record, &key()).frame();
    let path = Path::new(LOG).join("000000000024.records");
    disk.corrupt(&path, |bytes| bytes.extend_from_slice(&frame))
        .unwrap();
}

#[test]
fn what_stands_behind_the_checkpoint_signed_last_was_never_acknowledged_and_is_never_taken() {
    let (disk, checkpoint) = acknowledged();
    write_unacknowledged(&disk, &checkpoint);
    damage(&disk, LOG, 2, RECORD);
    let log = set_aside_and_restored(&disk, 5);
    assert_eq!(taken(take_back(&log)).2, checkpoint);
    assert_eq!(take_back(&log).unwrap(), TakenBack::Nothing);
    check_whole(&disk, &checkpoint);

    // Nor when the others had all of it.
    let (disk, checkpoint) = acknowledged();
    write_unacknowledged(&disk, &checkpoint);
    damage(&disk, LOG, 2, RECORD);
    let log = set_aside_and_restored(&disk, 9);
    assert_eq!(take_back(&log).unwrap(), TakenBack::Nothing);
    assert_eq!(log.checkpoint(), Some(checkpoint));
}

#[test]
fn when_the_head_file_was_lost_all_whole_records_come_back_under_the_checkpoint_the_department_signed()
 {
    for batches in [0, 5, 8] {
        let (disk, checkpoint) = acknowledged();
        let before = records(&disk, LOG);
        lose_head(&disk);
        let log = set_aside_and_restored(&disk, batches);
        assert_eq!(log.missing(), 0, "nobody knows of more");
        let (count, _, accepted) = taken(take_back(&log));
        assert_eq!((count, &accepted), (27 - 3 * batches, &checkpoint));
        assert_eq!(records(&disk, LOG), before);
        check_whole(&disk, &checkpoint);
    }
}

#[test]
fn when_the_head_file_was_lost_and_a_record_is_damaged_those_before_it_come_back() {
    for (harmed, from_end) in [(20, RECORD), (21, SIGNATURE)] {
        let (disk, _) = acknowledged();
        damage(&disk, LOG, harmed, from_end);
        lose_head(&disk);
        let log = set_aside_and_restored(&disk, 5);
        let (count, _, accepted) = taken(take_back(&log));
        assert_eq!((count, accepted.size), (harmed - 15, harmed));
        let ours = crate::merkle::left_range(&log.tree, harmed).unwrap();
        assert_eq!(ours.root(), accepted.root);
        assert_eq!(
            accepted.time_ms,
            log.record(harmed - 1).unwrap().record().time_ms
        );
        check_whole(&disk, &accepted);
    }
}

#[test]
fn copies_that_are_damaged_in_different_places_complement_each_other() {
    let (disk, checkpoint) = acknowledged();
    damage(&disk, LOG, 3, RECORD);
    drop(set_aside_and_restored(&disk, 5));
    damage(&disk, LOG, 2, RECORD);
    let log = set_aside_and_restored(&disk, 1);
    let (count, copies, accepted) = taken(take_back(&log));
    assert_eq!((count, accepted), (24, checkpoint.clone()));
    // The second has record 3 and no more than came back before it was damaged too.
    assert_eq!(copies, ["11430000006122244L-2", "11430000006122244L-1"]);
    check_whole(&disk, &checkpoint);
}

/// A history with other records from the second batch on.
fn forked() -> Arc<Log> {
    let (log, _) = open(&MemoryDisk::new());
    grow(&log, 0..1);
    grow(&log, 20..24);
    log
}

#[test]
fn a_copy_that_does_not_continue_what_is_held_gives_nothing() {
    let (disk, _) = acknowledged();
    damage(&disk, LOG, 2, RECORD);
    let (log, _) = open(&disk);
    restore(&log, &forked());
    assert!(matches!(
        take_back(&log),
        Err(TakeBackError::NotWhole {
            whole: 0,
            missing: 12,
            at: 15,
            end: End::Absent
        })
    ));
    let (disk, _) = acknowledged();
    lose_head(&disk);
    let (log, _) = open(&disk);
    restore(&log, &forked());
    assert_eq!(take_back(&log).unwrap(), TakenBack::Nothing);
    assert_eq!(log.checkpoint(), forked().checkpoint());
}

#[test]
fn a_copy_of_another_log_gives_nothing_whatever_its_directory_is_called() {
    let other = LogName {
        network: crate::names::NetworkId(hash(Purpose::File, b"another network")),
        id: name().id,
    };
    let disk = MemoryDisk::new();
    let (log, _) = Log::open(&place(&disk, 8), other, &members()).unwrap();
    grow(&Arc::new(log), 0..3);
    disk.create_dir_all(Path::new("/data/set-aside")).unwrap();
    disk.rename(Path::new(LOG), Path::new(ASIDE)).unwrap();
    disk.remove(Path::new(HEAD)).unwrap();
    disk.remove(&place(&disk, 8).redo_path(&other)).unwrap();
    let (log, _) = open(&disk);
    assert_eq!(take_back(&log).unwrap(), TakenBack::Nothing);
    // Not even with a header that says nothing of whose it is.
    let path = Path::new(ASIDE).join("000000000000.records");
    disk.corrupt(&path, |bytes| bytes[..64].fill(0)).unwrap();
    assert_eq!(take_back(&log).unwrap(), TakenBack::Nothing);
    assert_eq!(log.size(), 0);
}

#[test]
fn whole_records_that_lead_to_another_checkpoint_than_the_one_signed_last_are_not_taken() {
    let (disk, _) = acknowledged();
    damage(&disk, LOG, 2, RECORD);
    let log = set_aside_and_restored(&disk, 5);
    // Someone puts another history of this department in the copy's place.
    let other = MemoryDisk::new();
    let (fork, _) = open(&other);
    grow(&fork, 0..5);
    grow(&fork, 30..34);
    for (from, to) in records(&other, LOG).iter().zip((0..).step_by(8)) {
        let path = Path::new(ASIDE).join(format!("{to:012}.records"));
        disk.corrupt(&path, |bytes| bytes.clone_from(from)).unwrap();
    }
    assert!(matches!(
        take_back(&log),
        Err(TakeBackError::Differs { size: 27 })
    ));
    assert_eq!((log.held(), open(&disk).0.held()), (15, 15));
}

#[test]
fn no_checkpoint_is_signed_over_entries_of_a_later_version() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut later = later_versions::Later::new();
    later.write(1_000, entries(0));
    later.write(1_001, later_versions::unread());
    log.apply(&later.page(Hash::ZERO)).unwrap();
    lose_head(&disk);
    let (log, _) = open(&disk);
    assert!(matches!(
        take_back(&log),
        Err(TakeBackError::Write(WriteError::LaterVersion(3)))
    ));
    assert_eq!((log.held(), log.size()), (0, 0));
}

#[test]
fn what_reads_differently_the_second_time_is_never_committed() {
    // Without a checkpoint that says how far the records go, only the plan made at the first reading does.
    let (disk, _) = acknowledged();
    lose_head(&disk);
    let log = set_aside_and_restored(&disk, 5);
    let held = log.checkpoint();
    drop(log);
    let (log, _) = Log::open(
        &Place {
            disk: Arc::new(Rotting::of(disk.clone())),
            ..place(&disk, 8)
        },
        name(),
        &members(),
    )
    .unwrap();
    let log = Arc::new(log);
    assert!(matches!(
        take_back(&log),
        Err(TakeBackError::Write(WriteError::Append(_)))
    ));
    assert_eq!(log.checkpoint(), held);
    let (log, opening) = open(&disk);
    assert_eq!((log.checkpoint(), opening.set_aside), (held, None));
}

/// A disk on which what was set aside rots once its last file has been opened.
struct Rotting {
    disk: MemoryDisk,
    opened: std::sync::atomic::AtomicU32,
}

impl Rotting {
    fn of(disk: MemoryDisk) -> Rotting {
        Rotting {
            disk,
            opened: 0.into(),
        }
    }
}

impl Disk for Rotting {
    fn open(&self, path: &Path, create: bool) -> std::io::Result<Box<dyn DiskFile>> {
        use std::sync::atomic::Ordering;
        let last = Path::new(ASIDE).join("000000000024.records");
        if path == last && self.opened.fetch_add(1, Ordering::SeqCst) == 1 {
            self.disk.corrupt(path, |bytes| bytes[100] ^= 1).unwrap();
        }
        self.disk.open(path, create)
    }
    fn create_dir_all(&self, path: &Path) -> std::io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<String>> {
        self.disk.list(path)
    }
}
