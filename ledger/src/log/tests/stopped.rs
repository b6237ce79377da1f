//! Logs whose department broke a rule: what a restart remembers of it, and what peers that saw something else make of it.

use std::path::PathBuf;

use super::later_versions::Later;
use super::*;
use crate::disk::Failure;
use crate::log::{Applied, ApplyError, BrokenRule, Stopped, VerifiedPage, broken, fsck};

/// A department whose checkpoint over the first five records commits to other statuses than they make: that page, and a later
/// one that breaks no rule.
fn department() -> (VerifiedPage, VerifiedPage) {
    let mut honest = Later::new();
    honest.write(1, vec![issue(0), issue(1), issue(2), issue(3), issue(4)]);
    // Of no status, which is right.
    let right = honest.page(Hash::ZERO);
    let wrong = honest.page(Hash::from_bytes([9; 32]));
    assert!(right.broken.is_none() && wrong.broken.is_none());
    honest.write(2, vec![issue(5), issue(6)]);
    (wrong, honest.page(Hash::ZERO))
}

fn rule_of(log: &Log) -> Option<BrokenRule> {
    match log.stopped() {
        Some(Stopped::Broken(rule)) => Some(rule),
        Some(Stopped::Forked(_)) => panic!("nothing forked"),
        None => None,
    }
}

fn kept_file() -> PathBuf {
    place(&MemoryDisk::new(), 8).broken_path(&name())
}

#[test]
fn a_log_that_stopped_for_a_broken_rule_stops_again_whenever_it_is_opened() {
    let (wrong, later) = department();
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let rule = BrokenRule::StatusRoot { size: 5 };
    let refused = log.apply(&wrong);
    assert!(matches!(&refused, Err(ApplyError::Broken(found)) if *found == rule));
    for _ in 0..2 {
        let (log, opening) = open(&disk);
        assert_eq!((opening.set_aside, opening.unproved_stop), (None, None));
        assert_eq!(rule_of(&log), Some(rule.clone()));
        assert_eq!(log.size(), 0);
        assert!(matches!(log.apply(&later), Err(ApplyError::Stopped)));
    }
    // Also after a crash, since it is durable.
    let (log, _) = open(&disk.crash(|| false));
    assert_eq!(rule_of(&log), Some(rule));
    assert_eq!(
        fsck(&place(&disk, 8), &members(), |_| ())
            .unwrap()
            .faults()
            .count(),
        0
    );
}

#[test]
fn a_rule_broken_by_a_record_is_found_again_by_whoever_opens_the_log_or_comes_to_that_record() {
    let mut department = Later::new();
    department.write(5, vec![issue(0), issue(1)]);
    // Time goes back.
    department.write(4, vec![issue(2)]);
    stops_at(&BrokenRule::Time { seq: 2 }, &mut department);
}

/// Whoever comes to the last record of a department's log finds that it breaks a rule, also under a later checkpoint.
fn stops_at(rule: &BrokenRule, department: &mut Later) {
    let first = department.page(Hash::ZERO);
    department.write(6, vec![issue(3)]);
    let later = department.page(Hash::ZERO);
    for page in [&first, &later] {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk);
        let refused = log.apply(page);
        assert!(matches!(&refused, Err(ApplyError::Broken(found)) if found == rule));
        let (log, _) = open(&disk);
        assert_eq!(rule_of(&log), Some(rule.clone()));
    }
}

#[test]
fn a_peer_that_went_past_a_broken_checkpoint_goes_on_by_the_later_one_that_it_checked() {
    let (wrong, later) = department();
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    assert!(matches!(log.apply(&later), Ok(Applied::Accepted(_))));
    assert!(matches!(
        log.apply(&wrong),
        Err(ApplyError::Stale {
            size: 5,
            accepted: 7
        })
    ));
    assert_eq!((rule_of(&log), log.size()), (None, 7));
    assert_eq!(rule_of(&open(&disk).0), None);
}

#[test]
fn a_log_that_was_stopped_by_this_peer_s_own_fault_goes_on_when_it_is_opened_again() {
    let (_, later) = department();
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    drop(log);
    // What a peer kept that wrongly found a broken rule.
    broken::keep(&disk, &kept_file(), &name(), &later.to_page()).unwrap();
    let (log, opening) = open(&disk);
    assert_eq!((rule_of(&log), opening.unproved_stop), (None, None));
    assert_eq!(log.checkpoint().as_ref(), Some(later.checkpoint()));
    assert!(!disk.paths().contains(&kept_file()));
}

#[test]
fn a_kept_page_that_is_damaged_stops_nothing_and_is_named() {
    let (wrong, _) = department();
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    assert!(log.apply(&wrong).is_err());
    let mut len = 0;
    disk.corrupt(&kept_file(), |bytes| len = bytes.len())
        .unwrap();
    for at in (0..len).step_by(29) {
        disk.corrupt(&kept_file(), |bytes| bytes[at] ^= 1).unwrap();
        let (log, opening) = open(&disk);
        assert_eq!(rule_of(&log), None, "byte {at}");
        assert!(opening.unproved_stop.is_some(), "byte {at}");
        let report = fsck(&place(&disk, 8), &members(), |_| ()).unwrap();
        let named: Vec<&str> = report.faults().map(|fault| &*fault.file).collect();
        assert_eq!(named, [format!("evidence/{ISSUER}.broken")], "byte {at}");
        disk.corrupt(&kept_file(), |bytes| bytes[at] ^= 1).unwrap();
    }
    assert!(rule_of(&open(&disk).0).is_some());
}

#[test]
fn a_disk_that_takes_nothing_leaves_no_log_open_that_was_not_judged_again() {
    let (wrong, _) = department();
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    assert!(log.apply(&wrong).is_err());
    drop(log);
    let whole = disk.crash(|| false);
    drop(open(&whole));
    for at in 1..=whole.operations() {
        let disk = disk.crash(|| false);
        disk.fail_at(at, Failure::Refuse);
        match Log::open(&place(&disk, 8), name(), &members()) {
            Ok((log, _)) => assert!(log.stopped().is_some(), "operation {at}"),
            Err(error) => {
                let (log, opening) =
                    Log::open_after_failure(&place(&disk, 8), name(), &members(), &error).unwrap();
                assert!(
                    log.stopped().is_some() || opening.closed.is_some(),
                    "operation {at}"
                );
                assert_eq!(opening.set_aside, None, "operation {at}");
            }
        }
    }
}
