use std::path::Path;

use super::*;
use crate::log::head::{Found, HeadFile};
use crate::log::{Applied, ApplyError, MAX_PAGE, VerifiedPage, fsck};

fn check(disk: &MemoryDisk) -> Vec<crate::log::Fault> {
    fsck(&place(disk, 8), &members(), |_| ())
        .unwrap()
        .faults()
        .cloned()
        .collect()
}

#[test]
fn a_flipped_byte_in_any_segment_is_found_and_named() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    assert_eq!(check(&disk), vec![]);
    let files: Vec<_> = disk
        .paths()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "records"))
        .collect();
    assert_eq!(files.len(), 4);
    for path in files {
        let mut len = 0;
        disk.corrupt(&path, |bytes| len = bytes.len()).unwrap();
        for at in (0..len).step_by(13) {
            disk.corrupt(&path, |bytes| bytes[at] ^= 0x40).unwrap();
            let faults = check(&disk);
            assert!(!faults.is_empty(), "byte {at} of {}", path.display());
            assert!(
                faults
                    .iter()
                    .any(|fault| !fault.derived && fault.log == name().id)
            );
            if at >= 64 {
                assert_eq!(
                    faults.iter().filter(|fault| fault.record.is_some()).count(),
                    1,
                    "{faults:?}"
                );
            }
            disk.corrupt(&path, |bytes| bytes[at] ^= 0x40).unwrap();
        }
    }
    assert_eq!(check(&disk), vec![]);
}

#[test]
fn bytes_after_the_last_record_of_a_sealed_segment_are_named_and_cut_off() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    let path = Path::new("/data/logs/11430000006122244L/000000000008.records");
    disk.corrupt(path, |bytes| bytes.extend_from_slice(b"more"))
        .unwrap();
    assert_eq!(check(&disk).len(), 1);
    assert_eq!(open(&disk).1.cut_off, 4);
    assert_eq!(check(&disk), vec![]);
}

#[test]
fn a_damaged_log_is_set_aside_and_comes_back_whole_from_a_peer() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    let peer = MemoryDisk::new();
    let (source, _) = open(&peer);
    grow(&source, 0..9);
    disk.corrupt(
        Path::new("/data/logs/11430000006122244L/000000000008.records"),
        |bytes| bytes[200] ^= 1,
    )
    .unwrap();
    let (log, opening) = open(&disk);
    let (aside, _) = opening.set_aside.expect("found");
    assert_eq!(log.size(), 0);
    assert!(disk.paths().iter().any(|path| path.starts_with(&aside)));
    // Not fetched back yet: a restart neither forgets that nor sets anything aside again.
    let (log, opening) = open(&disk);
    assert_eq!(opening.set_aside, None);
    let mut writer = Writer::new(Arc::clone(&log), key());
    assert!(matches!(
        writer.append(5, vec![issue(500)]),
        Err(crate::log::WriteError::Restoring { missing: 27 })
    ));
    loop {
        let page = source
            .page(log.held(), 2_000)
            .unwrap()
            .verify(&members())
            .unwrap();
        if let Applied::Accepted(_) = log.apply(&page).unwrap() {
            break;
        }
    }
    assert_eq!(log.checkpoint(), source.checkpoint());
    assert_eq!(check(&disk), vec![]);
    writer.append(1_000_000, vec![issue(500)]).unwrap();
}

#[test]
fn a_log_whose_head_file_is_lost_or_unreadable_is_set_aside_and_never_deleted() {
    let head = Path::new("/data/heads/11430000006122244L");
    let lose: [fn(&mut Vec<u8>); 3] = [
        Vec::clear,
        |bytes| bytes[4096..].fill(7),
        |bytes| bytes.fill(0),
    ];
    for lose in lose {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk);
        grow(&log, 0..9);
        disk.corrupt(head, lose).unwrap();
        let (log, opening) = open(&disk);
        let (aside, damage) = opening.set_aside.expect("set aside");
        assert_eq!((log.size(), damage), (0, crate::log::Damage::HeadLost));
        let kept = disk
            .paths()
            .into_iter()
            .filter(|path| path.starts_with(&aside))
            .count();
        assert!(kept >= 9, "all files of the log are kept: {kept}");
        assert_eq!(open(&disk).1.set_aside, None, "once");
    }
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    disk.corrupt(head, |bytes| bytes[..64].fill(0)).unwrap();
    let (log, opening) = open(&disk);
    assert_eq!(
        (log.size(), opening.set_aside),
        (27, None),
        "the slots speak for themselves"
    );
}

#[test]
fn what_replaces_a_lost_log_must_agree_with_the_head_that_was_kept() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    disk.corrupt(
        Path::new("/data/logs/11430000006122244L/000000000000.records"),
        |bytes| bytes[200] ^= 1,
    )
    .unwrap();
    let (log, _) = open(&disk);
    let (other, _) = open(&MemoryDisk::new());
    grow(&other, 1..20);
    let page = other.page(0, MAX_PAGE).unwrap().verify(&members()).unwrap();
    let mut result = log.apply(&page);
    while let Ok(Applied::Progress { held }) = result {
        result = log.apply(
            &other
                .page(held, MAX_PAGE)
                .unwrap()
                .verify(&members())
                .unwrap(),
        );
    }
    assert!(
        matches!(result, Err(crate::log::ApplyError::Broken(_))),
        "{result:?}"
    );
}

#[test]
fn derived_files_are_rebuilt_when_missing_or_damaged() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    let expected = log.by_certificate(&id(1)).unwrap();
    for path in disk.paths() {
        let derived = path.file_name().is_some_and(|n| n == "tree")
            || path
                .extension()
                .is_some_and(|e| e == "offsets" || e == "index");
        if !derived {
            continue;
        }
        for damage in 0..3 {
            disk.corrupt(&path, |bytes| match damage {
                0 => bytes.clear(),
                1 => bytes[70] ^= 1,
                _ => bytes[3] ^= 1,
            })
            .unwrap();
            assert!(
                check(&disk).iter().any(|fault| fault.derived),
                "{} {damage}",
                path.display()
            );
            let (log, opening) = open(&disk);
            assert_eq!(opening.set_aside, None, "{} {damage}", path.display());
            assert_eq!(log.by_certificate(&id(1)).unwrap(), expected);
            assert_eq!(check(&disk), vec![], "{} {damage}", path.display());
        }
    }
}

/// A replica of what another log held by then, its disk, and that log, which has changed certificates of sealed segments since.
fn replica_that_is_behind() -> (MemoryDisk, Arc<Log>, Arc<Log>) {
    let (source, _) = open(&MemoryDisk::new());
    grow(&source, 0..9);
    let disk = MemoryDisk::new();
    let (replica, _) = open(&disk);
    super::basics::replicate(&source, &replica, MAX_PAGE);
    let changes = [0, 4, 5, 9, 12].map(|n| change(n, Action::Revoke));
    Writer::new(Arc::clone(&source), key())
        .append(2_000, changes.to_vec())
        .unwrap();
    (disk, replica, source)
}

fn verified_page(log: &Log, from: u64) -> VerifiedPage {
    let page = log.page(from, MAX_PAGE).unwrap();
    page.verify(&members()).unwrap()
}

#[test]
fn an_index_that_rots_after_the_opening_makes_nothing_absent_and_breaks_no_rule() {
    let (_, untouched, source) = replica_that_is_behind();
    let path = format!("/data/logs/{ISSUER}/000000000000-000000000004.index");
    let mut len = 0;
    let (disk, ..) = replica_that_is_behind();
    disk.corrupt(Path::new(&path), |bytes| len = bytes.len())
        .unwrap();
    let mut refused = 0;
    for at in (168..len).step_by(3) {
        let (disk, replica, _) = replica_that_is_behind();
        disk.corrupt(Path::new(&path), |bytes| bytes[at] ^= 0x20)
            .unwrap();
        for n in 0..6 {
            if let Ok(found) = replica.issue_of(&id(n)) {
                assert_eq!(found, untouched.issue_of(&id(n)).unwrap(), "byte {at}");
            }
            if let Ok(issued) = replica.issued_before(&id(n), 27) {
                assert!(issued, "byte {at}: certificate {n}");
            }
        }
        match replica.apply(&verified_page(&source, 27)) {
            Ok(Applied::Accepted(_)) => {}
            Err(ApplyError::Append(_) | ApplyError::Read(_)) => refused += 1,
            other => panic!("byte {at}: {other:?}"),
        }
        assert!(replica.stopped().is_none(), "byte {at}");
        drop(replica);
        // Opened again, the index is made again and the same page is accepted.
        let (replica, opening) = open(&disk);
        assert_eq!(opening.set_aside, None);
        if replica.size() < source.size() {
            replica.apply(&verified_page(&source, 27)).unwrap();
        }
        assert_eq!(replica.checkpoint(), source.checkpoint(), "byte {at}");
    }
    assert!(refused > 0);
}

#[test]
fn a_tree_that_rots_after_the_opening_is_an_error_and_no_other_history() {
    let path = format!("/data/logs/{ISSUER}/tree");
    let mut named = 0;
    for node in 0..50 {
        let (disk, replica, source) = replica_that_is_behind();
        let at = 64 + 32 * node + 5;
        disk.corrupt(Path::new(&path), |bytes| bytes[at] ^= 1)
            .unwrap();
        for size in 0..27 {
            if let Some(root) = replica.root_at(size) {
                assert_eq!(Some(root), source.root_at(size), "node {node}, size {size}");
            }
        }
        let checkpoint = replica.checkpoint().unwrap();
        for seq in 0..27 {
            let leaf = source.record(seq).unwrap().leaf();
            if let Ok(proof) = replica.inclusion(seq, &checkpoint) {
                proof.verify(&leaf, &checkpoint.root).unwrap();
            }
        }
        // Pages that begin with what is held are compared with it.
        for from in (0..27).step_by(5) {
            match replica.apply(&verified_page(&source, from)) {
                Ok(_) => {}
                Err(ApplyError::Read(_) | ApplyError::Append(_)) => named += 1,
                other => panic!("node {node}, page from {from}: {other:?}"),
            }
        }
        assert!(replica.stopped().is_none());
        drop(replica);
        let (replica, opening) = open(&disk);
        assert_eq!(opening.set_aside, None);
        if replica.size() < source.size() {
            replica.apply(&verified_page(&source, 27)).unwrap();
        }
        assert_eq!(replica.checkpoint(), source.checkpoint());
    }
    assert!(named > 0);
}

#[test]
fn offsets_that_rot_after_the_opening_make_no_page_that_leaves_records_out() {
    let (_, whole, _) = replica_that_is_behind();
    let path = format!("/data/logs/{ISSUER}/000000000008.offsets");
    for offset in 0..9 {
        for byte in 0..8 {
            let (disk, replica, _) = replica_that_is_behind();
            disk.corrupt(Path::new(&path), |bytes| bytes[64 + 8 * offset + byte] ^= 1)
                .unwrap();
            for from in 8..16 {
                if let Ok(page) = replica.page(from, MAX_PAGE) {
                    assert_eq!(page, whole.page(from, MAX_PAGE).unwrap());
                }
                if let Ok(record) = replica.record(from) {
                    assert_eq!(record, whole.record(from).unwrap());
                }
            }
            // Those between only say where a record begins.
            if offset == 0 || offset == 8 {
                assert!(replica.page(8, MAX_PAGE).is_err(), "{offset}, {byte}");
            }
        }
    }
}

#[test]
fn every_damaged_file_is_named_not_only_the_first() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    grow(&log, 0..9);
    let files = [
        "000000000000.offsets",
        "000000000000-000000000004.index",
        "tree",
    ]
    .map(|file| format!("logs/{ISSUER}/{file}"));
    for file in &files {
        // Behind the header, which is another fault.
        disk.corrupt(&Path::new("/data").join(file), |bytes| bytes[70] ^= 1)
            .unwrap();
    }
    let mut named: Vec<String> = check(&disk).into_iter().map(|fault| fault.file).collect();
    named.sort_unstable();
    let mut expected = files.to_vec();
    expected.sort_unstable();
    assert_eq!(named, expected);
}

#[test]
fn a_damaged_derived_file_hides_no_head_that_its_records_do_not_lead_to() {
    let (source, _) = open(&MemoryDisk::new());
    grow(&source, 0..9);
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let page = source.page(0, 2_000).unwrap().verify(&members()).unwrap();
    assert!(matches!(log.apply(&page), Ok(Applied::Progress { .. })));
    drop(log);
    let path = place(&disk, 8).head_path(&name());
    let (mut file, Found { mut head, .. }) = HeadFile::open(&disk, &path, &name()).unwrap();
    head.progress.as_mut().unwrap().right = Bounded::default();
    file.write(&head).unwrap();
    let offsets = format!("logs/{ISSUER}/000000000000.offsets");
    disk.corrupt(&Path::new("/data").join(&offsets), Vec::clear)
        .unwrap();
    let faults = check(&disk);
    let named: Vec<&str> = faults.iter().map(|fault| fault.file.as_str()).collect();
    assert!(named.contains(&offsets.as_str()), "{named:?}");
    assert!(
        named.contains(&format!("heads/{ISSUER}").as_str()),
        "{named:?}"
    );
}
