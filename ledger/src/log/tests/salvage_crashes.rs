//! Taking records back on a disk that fails at any one operation.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::salvage::{
    LOG, RECORD, acknowledged, check_whole, damage, lose_head, member, restore,
    set_aside_and_restored, take_back, taken,
};
use super::*;
use crate::disk::Failure;
use crate::log::{TakenBack, VerifiedCheckpoint};

/// Opens the log and takes back what can be; returns the checkpoint that was acknowledged, if one was.
fn take_back_until_refused(disk: &MemoryDisk) -> Option<VerifiedCheckpoint> {
    let (log, _) = Log::open(&place(disk, 8), name(), &members()).ok()?;
    match take_back(&Arc::new(log)) {
        Ok(TakenBack::Records { checkpoint, .. }) => Some(*checkpoint),
        Ok(TakenBack::Nothing) => panic!("there is something"),
        Err(_) => None,
    }
}

fn matrix(before: &MemoryDisk, signed: &VerifiedCheckpoint) {
    let whole = before.crash(|| true);
    let accepted = take_back_until_refused(&whole);
    assert_eq!(accepted.as_ref(), Some(signed));
    let operations = whole.operations();
    assert!(operations > 12, "{operations}");
    for at in 1..=operations {
        for failure in [Failure::Refuse, Failure::Tear, Failure::Die] {
            let disk = before.crash(|| true);
            disk.fail_at(at, failure);
            let accepted = take_back_until_refused(&disk);
            for seed in 0..4 {
                let what = format!("operation {at}, {failure:?}, crash {seed}");
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let after = disk.crash(|| match seed {
                    0 | 1 => seed == 1,
                    _ => rng.random_bool(0.5),
                });
                let (log, opening) = open(&after);
                assert_eq!(opening.set_aside, None, "{what}");
                assert!(log.held() == 15 || log.held() == 27, "{what}");
                if accepted.is_some() || log.held() == 27 {
                    assert_eq!(log.checkpoint().as_ref(), Some(signed), "{what}");
                } else {
                    assert_eq!(&taken(take_back(&log)).2, signed, "{what}");
                }
                drop(log);
                check_whole(&after, signed);
            }
        }
    }
}

#[test]
fn no_failing_torn_or_lost_write_while_records_are_taken_back_costs_any_of_them() {
    let (disk, checkpoint) = acknowledged();
    damage(&disk, LOG, 2, RECORD);
    drop(set_aside_and_restored(&disk, 5));
    matrix(&disk, &checkpoint);
}

#[test]
fn nor_does_a_crash_while_the_log_is_set_aside() {
    let (before, checkpoint) = acknowledged();
    damage(&before, LOG, 2, RECORD);
    let whole = before.crash(|| true);
    assert!(open(&whole).1.set_aside.is_some());
    for at in 1..=whole.operations() {
        for survives in [false, true] {
            let disk = before.crash(|| true);
            disk.fail_at(at, Failure::Die);
            let _ = Log::open(&place(&disk, 8), name(), &members());
            let after = disk.crash(|| survives);
            let (log, _) = open(&after);
            restore(&log, &member(5));
            assert_eq!(
                taken(take_back(&log)).2,
                checkpoint,
                "operation {at}, {survives}"
            );
            check_whole(&after, &checkpoint);
        }
    }
}

#[test]
fn nor_when_the_head_file_was_lost_before() {
    let (disk, checkpoint) = acknowledged();
    lose_head(&disk);
    drop(set_aside_and_restored(&disk, 5));
    matrix(&disk, &checkpoint);
}
