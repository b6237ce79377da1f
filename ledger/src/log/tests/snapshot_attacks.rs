//! What a disk, an operator or an earlier run may leave beside a snapshot, and what becomes of it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::basics::replicate;
use super::later_versions::{Later, unread};
use super::*;
use crate::codec;
use crate::crypto::hash::hash_parts;
use crate::disk::hooked::{HookedDisk, Operation};
use crate::id::{MatterCode, TypeCode};
use crate::log::statuses::Statuses;
use crate::log::{ApplyError, BrokenRule, MAX_PAGE, Stopped};
use crate::record::TypeDefined;
use crate::status_map::StatusMap;

type Versions = Vec<(u64, u64)>;
type Listings = Vec<(u64, RecordHash, u64, Option<Vec<DepartmentCode>>)>;

/// A snapshot's body as SPEC.md, section 14, has it.
#[derive(Serialize, Deserialize)]
struct Body {
    segment_records: u64,
    size: u64,
    head: RecordHash,
    time_ms: u64,
    height: u64,
    key_epoch: u32,
    range: Vec<Hash>,
    end: u64,
    types: Vec<(TypeCode, Listings)>,
    matters: Vec<(MatterCode, RecordHash, Versions)>,
    grants: Vec<(u64, TypeCode, Vec<u8>)>,
    type_bytes: u64,
    matter_bytes: u64,
    grant_bytes: u64,
    issued: Vec<(TypeCode, u64)>,
    unread: Option<(u64, u64)>,
    index: Vec<(u64, u64, Hash)>,
}

fn file(name_in_dir: &str) -> PathBuf {
    let place = place(&MemoryDisk::new(), 8);
    place.log_dir(&name()).join(name_in_dir)
}

/// Changes what a snapshot says, and gives it the checksum of that: as if memory had held it when it was saved.
fn saved_as(disk: &MemoryDisk, change: impl FnOnce(&mut Body)) {
    let rewrite = |bytes: &mut Vec<u8>| {
        let (front, rest) = bytes.split_at(64);
        let len = u64::from_le_bytes(rest[32..40].try_into().unwrap()) as usize;
        let (body, statuses) = rest[40..].split_at(len);
        let mut body: Body = codec::decode(body, 1 << 20).unwrap();
        change(&mut body);
        let body = codec::encode(&body);
        let len = (body.len() as u64).to_le_bytes();
        let sum = hash_parts(Purpose::File, &[front, &len, &body, statuses]);
        *bytes = [front, sum.as_bytes(), &len, &body, statuses].concat();
    };
    disk.corrupt(&file("snapshot"), rewrite).unwrap();
}

fn define(number: usize, issuers: &[DepartmentCode]) -> Entry {
    let code = TypeCode::new(&ISSUER.parse().unwrap(), 1 + number as u16).unwrap();
    let mut defined = TypeDefined::new(code, Text::new("t").unwrap());
    defined.issuers = Bounded::first(issuers.iter().copied());
    Entry::from(defined)
}

/// A disk with a bad sector in each file of a kind, once that is switched on.
fn on_bad_sectors(disk: &MemoryDisk, kind: &'static str) -> (Place, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(false));
    let is_on = Arc::clone(&on);
    let bad = HookedDisk::new(disk.clone(), move |operation, path| {
        match operation {
            _ if path.extension().is_none_or(|of| of != kind) => {}
            Operation::Read if is_on.load(Ordering::Relaxed) => {
                return Err(io::Error::other("bad sector"));
            }
            // Written, a sector is assigned again.
            Operation::Write => is_on.store(false, Ordering::Relaxed),
            _ => {}
        }
        Ok(())
    });
    let place = Place {
        disk: Arc::new(bad),
        ..place(disk, 8)
    };
    (place, on)
}

#[test]
fn a_record_that_rotted_below_a_snapshot_and_is_needed_to_open_has_everything_read_instead() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..1);
    log.save_snapshot().unwrap();
    // The last of these changes the status of a certificate that was issued before.
    grow(&log, 1..2);
    drop(log);
    let records = file("000000000000.records");
    disk.corrupt(&records, |bytes| bytes[200] ^= 1).unwrap();
    let (_, opening) = open(&disk);
    assert_eq!(opening.from, 0);
    assert!(opening.set_aside.is_some());
}

#[test]
fn a_rule_found_broken_by_what_a_snapshot_said_is_judged_again_by_the_records() {
    let (source, _) = open(&MemoryDisk::new());
    let mut writer = Writer::new(Arc::clone(&source), key());
    writer.append(1, vec![define(0, &[]), issue(0)]).unwrap();
    let disk = MemoryDisk::new();
    let (replica, _) = open(&disk);
    replicate(&source, &replica, MAX_PAGE);
    replica.save_snapshot().unwrap();
    drop(replica);
    // A bit of memory that changed before it was saved: no room is left for types.
    saved_as(&disk, |body| body.type_bytes = 8 << 20);
    let (replica, opening) = open(&disk);
    assert_eq!(opening.from, 2);
    writer.append(2, vec![define(1, &[])]).unwrap();
    let page = source.page(2, MAX_PAGE).unwrap();
    let refused = replica.apply(&page.verify(&members()).unwrap());
    let rule = BrokenRule::StatusRoot { size: 3 };
    assert!(matches!(&refused, Err(ApplyError::Broken(found)) if *found == rule));
    assert!(matches!(replica.stopped(), Some(Stopped::Broken(_))));
    drop(replica);
    let (replica, opening) = open(&disk);
    assert_eq!(opening.from, 0);
    assert!(replica.stopped().is_none());
    assert_eq!(replica.checkpoint(), source.checkpoint());
    // A snapshot of what the records gave is trusted again.
    replica.save_snapshot().unwrap();
    assert_eq!(open(&disk).1.from, 3);
}

#[test]
fn a_log_whose_definitions_are_at_their_bounds_begins_with_its_snapshot() {
    let department = |n: usize| DepartmentCode::from_body(&format!("11100000{n:09}")).unwrap();
    let disk = MemoryDisk::new();
    let place = Place {
        segment_records: 1 << 12,
        ..place(&disk, 8)
    };
    let (log, _) = Log::open(&place, name(), &members()).unwrap();
    let log = Arc::new(log);
    let mut writer = Writer::new(Arc::clone(&log), key());
    let listed: Vec<DepartmentCode> = (0..2_000).map(department).collect();
    for some in 0..17 {
        let numbers = 100 * some..100 * (some + 1);
        let entries = numbers.map(|n| define(n % 900, &listed[n..n + 256]));
        writer.append(1, entries.collect()).unwrap();
    }
    log.save_snapshot().unwrap();
    let expected = log.definitions();
    drop((writer, log));
    let (log, opening) = Log::open(&place, name(), &members()).unwrap();
    assert_eq!((opening.from, opening.records), (1_700, 1_700));
    let found = log.definitions();
    assert_eq!(found.types().len(), 900);
    for (code, versions) in expected.types() {
        let listings = found.listings(code);
        assert_eq!(listings.len(), versions.count());
        for (one, other) in listings.iter().zip(versions.listings()) {
            assert_eq!((one.seq, one.hash), (other.seq, other.hash));
            let may = |listed: &crate::log::Listing| -> Vec<bool> {
                (0..2_000)
                    .map(|n| listed.lets_issue(&department(n)))
                    .collect()
            };
            assert_eq!(may(one), may(other));
        }
    }
}

#[test]
fn parts_that_were_merged_below_a_snapshot_are_synced_before_the_next_names_them() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    for batch in 0..20 {
        writer.append(1_000 + batch, entries(batch)).unwrap();
        log.maintain().unwrap();
        log.save_snapshot().unwrap();
        // Nothing survives but what was synced.
        let (_, opening) = open(&disk.crash(|| false));
        assert_eq!(opening.from, 3 * (batch + 1), "batch {batch}");
    }
}

#[test]
fn an_entry_that_could_not_be_read_is_read_by_the_version_that_can() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..3);
    log.save_snapshot().unwrap();
    drop(log);
    // As a version saved it that did not know the kind of the fifth record yet.
    saved_as(&disk, |body| body.unread = Some((4, 1_001)));
    let (log, opening) = open(&disk);
    assert_eq!((opening.from, log.unread()), (0, None));
    grow(&log, 3..4);
}

#[test]
fn a_log_with_an_entry_of_a_later_version_begins_with_its_snapshot() {
    let mut later = Later::new();
    later.write(1, vec![issue(0), issue(1)]);
    later.write(2, unread());
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    log.apply(&later.page(Hash::ZERO)).unwrap();
    log.save_snapshot().unwrap();
    let expected = log.unread();
    assert!(expected.is_some());
    drop(log);
    let (log, opening) = open(&disk);
    assert_eq!((opening.from, log.unread()), (later.size(), expected));
}

#[test]
fn no_page_is_sent_with_nodes_that_rotted_below_the_snapshot() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..8);
    log.save_snapshot().unwrap();
    grow(&log, 8..9);
    drop(log);
    // The root of the first 16 records, the last of their 31 nodes.
    disk.corrupt(&file("tree"), |bytes| bytes[64 + 32 * 30] ^= 1)
        .unwrap();
    let (log, opening) = open(&disk);
    assert_eq!(opening.from, 24);
    for from in [0, 8, 16, 24, 25, 27] {
        if let Ok(page) = log.page(from, MAX_PAGE) {
            page.verify(&members())
                .unwrap_or_else(|e| panic!("page from {from}: {e}"));
        }
    }
    assert!(log.is_damaged());
}

#[test]
fn records_that_the_medium_does_not_give_any_more_are_not_left_to_the_next_opening_unread() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..6);
    log.save_snapshot().unwrap();
    drop(log);
    let (place, bad) = on_bad_sectors(&disk, "records");
    let (log, opening) = Log::open(&place, name(), &members()).unwrap();
    assert_eq!(opening.from, 18);
    bad.store(true, Ordering::Relaxed);
    assert!(log.scrub(0).is_err());
    assert!(log.is_damaged());
    log.save_snapshot().unwrap();
    drop(log);
    // It would otherwise begin with the snapshot, come to the same sector, and so forth.
    assert!(Log::open(&place, name(), &members()).is_err());
    bad.store(false, Ordering::Relaxed);
    let (_, opening) = Log::open(&place, name(), &members()).unwrap();
    assert_eq!((opening.from, opening.records), (0, 18));
}

#[test]
fn a_log_that_was_closed_writes_no_file_beside_the_one_that_takes_its_place() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..8);
    log.close("it is being opened again");
    let before = disk.operations();
    log.maintain().unwrap();
    log.save_snapshot().unwrap();
    assert_eq!(disk.operations(), before);
    // Nor does it remove the snapshot of that one once damage is found.
    let (again, _) = open(&disk);
    again.save_snapshot().unwrap();
    let _ = log.damaged(0);
    log.maintain().unwrap();
    log.save_snapshot().unwrap();
    assert_eq!(open(&disk).1.from, 24);
}

#[test]
fn a_log_whose_statuses_went_on_in_memory_says_so_and_seals_nothing_more() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    writer.append(1, vec![issue(0), issue(1)]).unwrap();
    // As after a page that the disk refused, which keeps nobody from appending.
    *log.statuses.lock() = Statuses::new(StatusMap::in_memory());
    assert!(log.save_snapshot().is_err());
    let parts = |disk: &MemoryDisk| {
        let paths = disk.paths().into_iter();
        let index = paths.filter(|path| path.extension().is_some_and(|it| it == "index"));
        index.count()
    };
    let before = parts(&disk);
    writer.append(2, vec![issue(2)]).unwrap();
    assert!(log.save_snapshot().is_err());
    assert_eq!(parts(&disk), before);
}
