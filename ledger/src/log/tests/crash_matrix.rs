//! Every single write, sync, creation or truncation fails, tears or is lost, once each; after each of them the machine
//! goes down, keeping any part of what was not synced.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use std::path::Path;

use super::*;
use crate::bodies::{Bodies, SealedBody};
use crate::crypto::keys::{BodyKey, FieldKey, Secret};
use crate::disk::Failure;
use crate::log::{Applied, MAX_PAGE, VerifiedCheckpoint, fsck};

/// What a run acknowledged before it was cut short.
#[derive(Default)]
struct Acknowledged {
    checkpoints: Vec<VerifiedCheckpoint>,
}

/// Issues in batches until the disk refuses; returns what was acknowledged.
fn issue_until_refused(disk: &MemoryDisk, batches: u64) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let Ok((log, _)) = Log::open(&place(disk, 8), name(), &members()) else {
        return acknowledged;
    };
    let log = Arc::new(log);
    let mut writer = Writer::new(Arc::clone(&log), key());
    for batch in 0..batches {
        match writer.append(1_000 + batch, entries(batch)) {
            Ok((_, checkpoint)) => acknowledged.checkpoints.push(checkpoint),
            Err(_) => {
                // Read-only from here on, whatever is tried.
                assert!(writer.append(9_999, entries(batch)).is_err());
                let size = acknowledged
                    .checkpoints
                    .last()
                    .map_or(0, |checkpoint| checkpoint.size);
                assert_eq!(
                    log.size(),
                    size,
                    "readers see what was acknowledged and nothing else"
                );
                break;
            }
        }
    }
    acknowledged
}

fn replicate_until_refused(source: &Log, disk: &MemoryDisk) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let Ok((log, _)) = Log::open(&place(disk, 8), name(), &members()) else {
        return acknowledged;
    };
    loop {
        let page = source
            .page(log.held(), 1_200)
            .unwrap()
            .verify(&members())
            .unwrap();
        match log.apply(&page) {
            Ok(Applied::Accepted(checkpoint)) => {
                acknowledged.checkpoints.push(*checkpoint);
                return acknowledged;
            }
            Ok(Applied::Progress { .. }) => {}
            Ok(Applied::Nothing) | Err(_) => return acknowledged,
        }
    }
}

/// After the crash: what was acknowledged is there, byte for byte, under the same root; the log can continue.
fn check_recovery(disk: &MemoryDisk, acknowledged: &Acknowledged, own: bool, what: &str) {
    let (log, opening) =
        Log::open(&place(disk, 8), name(), &members()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let log = Arc::new(log);
    // Before the first acknowledgement a torn head can't be distinguished from a lost one: what was written is kept
    // aside.
    if !acknowledged.checkpoints.is_empty() {
        assert_eq!(opening.set_aside, None, "{what}: a crash is no damage");
    }
    if let Some(last) = acknowledged.checkpoints.last() {
        assert!(
            log.size() >= last.size,
            "{what}: {} acknowledged, {} left",
            last.size,
            log.size()
        );
        let page = log.page(0, MAX_PAGE).unwrap().verify(&members()).unwrap();
        assert!(page.from() == 0 && page.broken.is_none());
        // Every acknowledged checkpoint is a prefix of what is there: no second head of a size already signed.
        for checkpoint in &acknowledged.checkpoints {
            let range = crate::merkle::left_range(&log.tree, checkpoint.size).unwrap();
            assert_eq!(range.root(), checkpoint.root, "{what}");
        }
    }
    let report = fsck(&place(disk, 8), &members(), |_| ()).unwrap();
    assert_eq!(
        report.faults().collect::<Vec<_>>(),
        Vec::<&crate::log::Fault>::new(),
        "{what}"
    );
    if own {
        let batch = 100 + log.size();
        Writer::new(Arc::clone(&log), key())
            .append(1_000_000, entries(batch))
            .unwrap_or_else(|e| panic!("{what}: {e}"));
    }
}

fn matrix(mut run: impl FnMut(&MemoryDisk) -> Acknowledged, own: bool) {
    let whole = MemoryDisk::new();
    run(&whole);
    let operations = whole.operations();
    assert!(
        operations > 40,
        "the run is long enough to mean something: {operations}"
    );
    for at in 1..=operations {
        for failure in [Failure::Refuse, Failure::Tear, Failure::Die] {
            let disk = MemoryDisk::new();
            disk.fail_at(at, failure);
            let acknowledged = run(&disk);
            for seed in 0..4 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let survives: [bool; 2] = [false, true];
                let after = disk.crash(|| match seed {
                    0 | 1 => survives[seed as usize],
                    _ => rng.random_bool(0.5),
                });
                check_recovery(
                    &after,
                    &acknowledged,
                    own,
                    &format!("operation {at}, {failure:?}, crash {seed}"),
                );
            }
        }
    }
}

#[test]
fn a_disk_that_lies_about_one_operation_leads_to_an_older_state_or_to_a_log_set_aside_never_to_another_history()
 {
    let whole = MemoryDisk::new();
    let truth = issue_until_refused(&whole, 7);
    for at in 1..=whole.operations() {
        for survive in [false, true] {
            let disk = MemoryDisk::new();
            disk.fail_at(at, Failure::Lose);
            issue_until_refused(&disk, 7);
            let after = disk.crash(|| survive);
            let (log, _) = Log::open(&place(&after, 8), name(), &members()).unwrap();
            if let Some(checkpoint) = log.checkpoint() {
                let same = truth
                    .checkpoints
                    .iter()
                    .find(|t| t.size == checkpoint.size)
                    .expect("a size that was signed");
                assert_eq!(same.root, checkpoint.root, "operation {at}");
            }
            let report = fsck(&place(&after, 8), &members(), |_| ()).unwrap();
            assert_eq!(
                report.faults().count(),
                0,
                "operation {at}: {:?}",
                report.faults().next()
            );
        }
    }
}

#[test]
fn no_failing_torn_or_lost_write_costs_an_issuer_anything_acknowledged() {
    matrix(|disk| issue_until_refused(disk, 7), true);
}

/// The process restarts after a refusal, the machine does not: what was written reads as written, durable or not. What is
/// shown from there on has been acknowledged to everyone.
fn restart(disk: &MemoryDisk, acknowledged: &mut Acknowledged) -> Arc<Log> {
    let (log, _) = open(disk);
    let shown = log.checkpoint();
    let last = acknowledged.checkpoints.last().map_or(0, |last| last.size);
    acknowledged
        .checkpoints
        .extend(shown.filter(|shown| shown.size > last));
    log
}

/// Fails each operation of a run once and restarts the process; then the machine goes down.
fn restart_matrix(
    truth: &[VerifiedCheckpoint],
    run: impl Fn(&MemoryDisk) -> Acknowledged,
    own: bool,
) {
    let whole = MemoryDisk::new();
    run(&whole);
    let mut shown_after_all = 0;
    for at in 1..=whole.operations() {
        for failure in [Failure::Refuse, Failure::Tear] {
            let what = format!("operation {at}, {failure:?}");
            let disk = MemoryDisk::new();
            disk.fail_at(at, failure);
            let mut acknowledged = run(&disk);
            let before = acknowledged.checkpoints.len();
            let log = restart(&disk, &mut acknowledged);
            shown_after_all += acknowledged.checkpoints.len() - before;
            // What was refused is there whole or not at all.
            for checkpoint in &acknowledged.checkpoints {
                assert!(truth.contains(checkpoint), "{what}: {}", checkpoint.size);
            }
            for survives in [false, true] {
                let after = disk.crash(|| survives);
                check_recovery(&after, &acknowledged, own, &format!("{what}, {survives}"));
            }
            if own {
                // It continues, over blocks that the refused sync left behind.
                let appended = Writer::new(log, key()).append(2_000, entries(50));
                acknowledged.checkpoints.push(appended.unwrap().1);
                check_recovery(&disk.crash(|| false), &acknowledged, own, &what);
            }
        }
    }
    assert!(
        shown_after_all > 0,
        "a refused sync left a head that the next opening shows"
    );
}

#[test]
fn a_head_that_an_opening_shows_outlives_any_crash_also_when_its_own_sync_was_refused() {
    let truth = issue_until_refused(&MemoryDisk::new(), 4).checkpoints;
    restart_matrix(&truth, |disk| issue_until_refused(disk, 4), true);
    let (source, _) = open(&MemoryDisk::new());
    grow(&source, 0..4);
    let truth = [source.checkpoint().unwrap()];
    restart_matrix(&truth, |disk| replicate_until_refused(&source, disk), false);
}

#[test]
fn a_refused_append_that_is_in_the_log_after_the_restart_was_not_said_to_be_absent() {
    // Finds the sync of the head: the last operation of an append.
    let counting = MemoryDisk::new();
    issue_until_refused(&counting, 2);
    let disk = MemoryDisk::new();
    disk.fail_at(counting.operations(), Failure::Refuse);
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key());
    writer.append(1_000, entries(0)).unwrap();
    let refused = writer.append(1_001, entries(1)).unwrap_err();
    assert!(matches!(refused, crate::log::WriteError::Append(_)));
    assert!(
        refused
            .to_string()
            .contains("whether what was being written is in the log"),
        "{refused}"
    );
    assert_eq!((log.size(), log.stopped().is_none()), (3, true));
    drop((writer, log));
    let (log, _) = open(&disk);
    assert_eq!(log.size(), 6);
    let after = disk.crash(|| false);
    assert_eq!(open(&after).0.checkpoint(), log.checkpoint());
}

#[test]
fn no_failing_torn_or_lost_write_costs_a_replica_anything_accepted() {
    let (source, _) = open(&MemoryDisk::new());
    grow(&source, 0..7);
    matrix(|disk| replicate_until_refused(&source, disk), false);
}

#[test]
fn nor_a_replica_whose_log_has_entries_of_a_later_version() {
    let (source, _) = open(&MemoryDisk::new());
    let mut later = later_versions::Later::new();
    for batch in 0..5 {
        later.write(1_000 + batch, entries(batch));
        later.write(1_000 + batch, later_versions::unread());
    }
    source.apply(&later.page(Hash::ZERO)).unwrap();
    assert_eq!(source.size(), later.size());
    matrix(|disk| replicate_until_refused(&source, disk), false);
}

#[test]
fn a_crash_while_recovering_from_a_crash_costs_nothing_either() {
    let disk = MemoryDisk::new();
    disk.fail_at(60, Failure::Tear);
    let acknowledged = issue_until_refused(&disk, 7);
    assert!(!acknowledged.checkpoints.is_empty());
    let crashed = disk.crash(|| true);
    let before = crashed.operations();
    drop(Log::open(&place(&crashed, 8), name(), &members()).unwrap());
    for at in before + 1..=crashed.operations() {
        for failure in [Failure::Refuse, Failure::Die] {
            let again = disk.crash(|| true);
            again.fail_at(at, failure);
            let _ = Log::open(&place(&again, 8), name(), &members());
            check_recovery(
                &again.crash(|| false),
                &acknowledged,
                true,
                &format!("recovery operation {at}, {failure:?}"),
            );
        }
    }
}

fn field_key() -> FieldKey {
    FieldKey(Secret::from_bytes([1; 32]))
}

/// Issues certificates with a body each until the disk refuses; returns how many were acknowledged.
fn issue_with_bodies(disk: &MemoryDisk) -> u64 {
    let bodies = Bodies::open(disk, Path::new("/data/bodies"), &name(), field_key());
    let (Ok(bodies), Ok((log, _))) = (bodies, Log::open(&place(disk, 2), name(), &members()))
    else {
        return 0;
    };
    let mut writer = Writer::new(Arc::new(log), key());
    for n in 0..5 {
        let body = BodyKey(Secret::from_bytes([n as u8; 32]));
        let sealed = SealedBody::seal(&field_key(), id(n).as_str(), &body, [n as u8; 24], &n);
        let keep = |first| {
            let kept = bodies.keep(first, &[Some(sealed)]);
            kept.map_err(std::io::Error::other)
        };
        if writer.append_with(n, vec![issue(n)], keep).is_err() {
            return n;
        }
    }
    5
}

#[test]
fn no_record_is_ever_without_the_body_that_was_to_be_durable_with_it() {
    let whole = MemoryDisk::new();
    assert_eq!(issue_with_bodies(&whole), 5);
    let operations = whole.operations();
    assert!(operations > 40, "{operations}");
    for at in 1..=operations {
        for failure in [Failure::Refuse, Failure::Tear, Failure::Die] {
            let disk = MemoryDisk::new();
            disk.fail_at(at, failure);
            let acknowledged = issue_with_bodies(&disk);
            for seed in 0..4 {
                let what = format!("operation {at}, {failure:?}, crash {seed}");
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let after = disk.crash(|| match seed {
                    0 | 1 => seed == 1,
                    _ => rng.random_bool(0.5),
                });
                let (log, _) = Log::open(&place(&after, 2), name(), &members()).unwrap();
                assert!(log.size() >= acknowledged, "{what}");
                if log.size() == 0 {
                    continue;
                }
                let dir = Path::new("/data/bodies");
                let bodies = Bodies::open(&after, dir, &name(), field_key()).unwrap();
                for seq in 0..log.size() {
                    let opened = bodies.get::<u64>(seq, id(seq).as_str()).unwrap();
                    assert_eq!(opened.map(|opened| opened.body), Some(seq), "{what}");
                }
            }
        }
    }
}
