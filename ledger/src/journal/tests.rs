use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::codec::{Bounded, Text};
use crate::crypto::catalogue_keys::CatalogueKeys;
use crate::crypto::hash::Hash;
use crate::crypto::keys::{CatalogueKey, FieldKey, Secret};
use crate::disk::Disk;
use crate::disk::{Failure, MemoryDisk};
use crate::id::{Date, HolderKind};
use crate::names::NetworkId;
use crate::names::{LogId, LogName};
use crate::record::SubjectTag;

const NOVEMBER: &str = "/d/lookups/2026-11.looks";
const ALL: usize = usize::MAX;
/// Bytes of a mark: a frame without looks.
const MARK: usize = 61;

fn key(n: u8) -> FieldKey {
    FieldKey(Secret::from_bytes([n; 32]))
}

fn catalogue() -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([3; 32]))
}

fn journal_with(disk: &MemoryDisk, key: &FieldKey) -> Journal {
    let log = LogName {
        network: NetworkId(Hash::ZERO),
        id: LogId::first("11430000006122244L".parse().unwrap()),
    };
    Journal::new(Arc::new(disk.clone()), "/d/lookups".into(), log, key)
}

fn journal(disk: &MemoryDisk) -> Journal {
    journal_with(disk, &key(1))
}

fn person(n: u8) -> SubjectTag {
    catalogue().subject_tag(HolderKind::OrdinaryPassport, &format!("E{n:08}"))
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// A time in the middle of a day.
fn noon(text: &str) -> u64 {
    day(text).begins_in_china_ms() + 12 * 3_600_000
}

fn look(time_ms: u64, about: u8, purpose: &str) -> Look {
    Look {
        time_ms,
        client: Text::new("clerk").unwrap(),
        subject: Some(catalogue().blind(&person(about), Date::in_china(time_ms))),
        looked: Looked::Find(Text::new(purpose).unwrap()),
    }
}

/// Records looks together; the nonces only have to differ.
fn record(journal: &Journal, looks: &[Look], nonce: u8) -> Result<(), JournalError> {
    let time_ms = looks[0].time_ms;
    let nonces = [[nonce; 24], [nonce | 0x80; 24]];
    journal.record(time_ms, nonces, &Bounded::new(looks.to_vec()).unwrap())
}

const EVER: (&str, &str) = ("2020-01-01", "2030-12-31");

fn all(journal: &Journal) -> Looks {
    let days = (day(EVER.0), day(EVER.1));
    journal.read(days, None, None, ALL, ALL).unwrap()
}

fn purposes(looks: &Looks) -> Vec<String> {
    let text = |look: &Look| match &look.looked {
        Looked::Find(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    looks.looks.iter().map(text).collect()
}

fn bytes(disk: &MemoryDisk) -> Vec<u8> {
    let file = disk.open(Path::new(NOVEMBER), false).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A disk with three groups of looks in one file, each with its mark; where each group begins, and the file's end.
fn three_groups() -> (MemoryDisk, Vec<u64>) {
    let disk = MemoryDisk::new();
    let journal = journal(&disk);
    let mut begins = vec![64];
    for n in 0..3 {
        let time_ms = noon("2026-11-26") + u64::from(n);
        let looks = [
            look(time_ms, n, &format!("{n} a")),
            look(time_ms, 9, &format!("{n} b")),
        ];
        record(&journal, &looks, n).unwrap();
        begins.push(bytes(&disk).len() as u64);
    }
    (disk, begins)
}

#[test]
fn a_look_is_found_by_its_subject_on_its_days_and_by_no_other() {
    let disk = MemoryDisk::new();
    let journal = journal(&disk);
    record(&journal, &[look(noon("2026-10-31"), 1, "october")], 1).unwrap();
    let both = [
        look(noon("2026-11-01"), 1, "november"),
        look(noon("2026-11-01"), 2, "another"),
    ];
    record(&journal, &both, 2).unwrap();
    let catalogue = CatalogueKeys::from(catalogue());
    let about = |n: u8, from: &str, to: &str| {
        let subject = person(n);
        let days = (day(from), day(to));
        let found = journal.read(days, Some((&catalogue, &[subject][..])), None, ALL, ALL);
        purposes(&found.unwrap())
    };
    assert_eq!(
        about(1, "2026-10-01", "2026-11-30"),
        ["october", "november"]
    );
    assert_eq!(about(1, "2026-11-01", "2026-11-01"), ["november"]);
    assert_eq!(about(1, "2026-11-02", "2026-11-30"), [] as [&str; 0]);
    assert_eq!(about(2, "2026-10-01", "2026-11-30"), ["another"]);
    assert_eq!(about(3, "2026-10-01", "2026-11-30"), [] as [&str; 0]);
    assert_eq!(purposes(&all(&journal)), ["october", "november", "another"]);
}

#[test]
fn neither_purpose_nor_client_nor_subject_stands_in_a_file_in_the_clear() {
    let disk = MemoryDisk::new();
    let time_ms = noon("2026-11-26");
    record(&journal(&disk), &[look(time_ms, 1, "a purpose")], 1).unwrap();
    let bytes = bytes(&disk);
    let blinded = catalogue().blind(&person(1), day("2026-11-26"));
    let person = person(1);
    let secrets: [&[u8]; 4] = [
        b"a purpose",
        b"clerk",
        blinded.0.as_bytes(),
        person.0.as_bytes(),
    ];
    for secret in secrets {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_is_torn_and_what_stands_before_is_read() {
    let (disk, begins) = three_groups();
    let whole = bytes(&disk);
    // The third group as an unfinished write leaves it: without its mark, and with any part of it.
    let (from, mark) = (begins[2] as usize, whole.len() - MARK);
    for end in from..mark {
        for zeros in [0, 40] {
            disk.corrupt(Path::new(NOVEMBER), |bytes| {
                bytes.clone_from(&whole);
                bytes.truncate(end);
                bytes.resize(end + zeros, 0);
            })
            .unwrap();
            let journal = journal(&disk);
            let opened = journal.recover().unwrap().unwrap();
            assert_eq!(opened.damage, [], "cut at {end}");
            assert_eq!(opened.cut_off, (end + zeros - from) as u64);
            assert_eq!(purposes(&all(&journal)), ["0 a", "0 b", "1 a", "1 b"]);
            record(&journal, &[look(noon("2026-11-27"), 1, "next")], 7).unwrap();
            assert_eq!(
                purposes(&all(&journal)),
                ["0 a", "0 b", "1 a", "1 b", "next"]
            );
        }
    }
}

#[test]
fn any_flipped_byte_of_what_was_acknowledged_is_reported_and_hides_nothing_else() {
    let (disk, begins) = three_groups();
    let whole = bytes(&disk);
    let last_mark = whole.len() - MARK;
    let mut hidden = 0;
    for at in 0..last_mark {
        disk.corrupt(Path::new(NOVEMBER), |bytes| {
            bytes.clone_from(&whole);
            bytes[at] ^= 1;
        })
        .unwrap();
        let journal = journal(&disk);
        let opened = journal.recover().unwrap().unwrap();
        assert_eq!(opened.cut_off, 0, "byte {at}");
        let [damage] = opened.damage.as_slice() else {
            panic!("byte {at}: {:?}", opened.damage);
        };
        assert!((damage.from..damage.to).contains(&(at as u64)), "byte {at}");
        assert_eq!(journal.damage(), opened.damage);
        let read = all(&journal);
        let group = begins.iter().rposition(|begin| *begin <= at as u64);
        match read.damage.as_slice() {
            // A mark, or the header: no look is missing.
            [] => assert_eq!(read.looks.len(), 6, "byte {at}"),
            [reported] if reported.from == 0 => assert_eq!(read.looks.len(), 6),
            [reported] => {
                assert_eq!(reported, damage);
                let group = format!("{}", group.unwrap());
                let missing = purposes(&read).iter().all(|text| !text.starts_with(&group));
                assert!(missing && read.looks.len() == 4, "byte {at}");
                hidden += 1;
            }
            several => panic!("byte {at}: {several:?}"),
        }
        // What comes is recorded anyway.
        record(&journal, &[look(noon("2026-11-27"), 1, "next")], 7).unwrap();
        assert_eq!(purposes(&all(&journal)).last().unwrap(), "next");
    }
    assert!(hidden > 300, "{hidden}");
}

#[test]
fn what_was_written_under_another_key_is_reported_as_such_and_kept() {
    let (disk, _) = three_groups();
    let journal = journal_with(&disk, &key(2));
    let opened = journal.recover().unwrap().unwrap();
    assert_eq!(opened.cut_off, 0);
    let [damage] = opened.damage.as_slice() else {
        panic!("{:?}", opened.damage);
    };
    assert_eq!(damage.what, Unreadable::OtherKey);
    record(&journal, &[look(noon("2026-11-27"), 1, "under the new")], 7).unwrap();
    let read = all(&journal);
    assert_eq!(purposes(&read), ["under the new"]);
    assert_eq!(read.damage, opened.damage);
    let before = journal_with(&disk, &key(1));
    assert_eq!(all(&before).looks.len(), 6);
}

#[test]
fn a_file_of_another_month_or_department_is_refused() {
    let (disk, _) = three_groups();
    let december = Path::new("/d/lookups/2026-12.looks");
    disk.rename(Path::new(NOVEMBER), december).unwrap();
    let refused = journal(&disk).recover().unwrap_err().to_string();
    assert!(refused.starts_with("2026-12.looks: "), "{refused}");
    let refused = record(&journal(&disk), &[look(noon("2026-12-01"), 1, "x")], 1);
    assert!(matches!(refused, Err(JournalError::Header { .. })));
}

#[test]
fn a_refused_write_records_nothing_and_the_journal_goes_on_once_the_disk_lets_it() {
    let disk = MemoryDisk::new();
    let journal = journal(&disk);
    let at = |text| look(noon("2026-11-26"), 1, text);
    record(&journal, &[at("before")], 1).unwrap();
    disk.set_full(true);
    assert!(record(&journal, &[at("refused")], 2).is_err());
    assert!(record(&journal, &[at("refused")], 3).is_err());
    assert_eq!(purposes(&all(&journal)), ["before"]);
    disk.set_full(false);
    record(&journal, &[at("after")], 4).unwrap();
    assert_eq!(purposes(&all(&journal)), ["before", "after"]);
    let opened = journal_with(&disk, &key(1)).recover().unwrap().unwrap();
    assert_eq!((opened.cut_off, opened.damage), (0, vec![]));
}

/// Records looks of two months one by one, until the disk dies; returns those acknowledged.
fn record_until_refused(disk: &MemoryDisk) -> Vec<String> {
    let journal = journal(disk);
    let mut acknowledged = Vec::new();
    for n in 0..8_u8 {
        let time_ms = noon(if n < 4 { "2026-10-31" } else { "2026-11-01" });
        let text = format!("look {n}");
        if record(&journal, &[look(time_ms, n, &text)], n).is_ok() {
            acknowledged.push(text);
        }
    }
    acknowledged
}

#[test]
fn no_failure_at_any_write_or_sync_loses_an_acknowledged_look_or_passes_for_damage() {
    let operations = {
        let disk = MemoryDisk::new();
        record_until_refused(&disk);
        disk.operations()
    };
    for failure in [Failure::Refuse, Failure::Tear, Failure::Die] {
        for at in 1..=operations {
            for seed in 0..8_u32 {
                let disk = MemoryDisk::new();
                disk.fail_at(at, failure);
                let acknowledged = record_until_refused(&disk);
                let mut coin = seed;
                let after = disk.crash(|| {
                    coin = coin.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    match seed {
                        0 => false,
                        1 => true,
                        _ => coin >> 31 == 1,
                    }
                });
                let of = format!("{failure:?} at {at}, seed {seed}");
                let journal = journal(&after);
                journal.recover().unwrap();
                let read = all(&journal);
                assert_eq!(read.damage, [], "{of}");
                let found = purposes(&read);
                for look in &acknowledged {
                    assert!(found.contains(look), "{of}: {look} is lost");
                }
                record(&journal, &[look(noon("2026-11-01"), 1, "next")], 77).unwrap();
                let found = purposes(&all(&journal));
                assert_eq!(found.last().map(String::as_str), Some("next"), "{of}");
                for month in journal.months().unwrap() {
                    assert_eq!(journal.check(month).unwrap(), [], "{of}");
                }
            }
        }
    }
}

#[test]
fn pages_of_any_size_give_each_look_once() {
    let (disk, _) = three_groups();
    let journal = journal(&disk);
    record(&journal, &[look(noon("2026-12-01"), 1, "december")], 9).unwrap();
    let whole = purposes(&all(&journal));
    assert_eq!(whole.len(), 7);
    for (limit, most) in [(1, ALL), (2, ALL), (3, ALL), (ALL, 1), (ALL, 3), (2, 1)] {
        let (mut place, mut seen) = (None, Vec::new());
        loop {
            let days = (day(EVER.0), day(EVER.1));
            let page = journal.read(days, None, place, limit, most).unwrap();
            assert!(page.looks.len() <= limit);
            seen.extend(purposes(&page));
            if page.next.is_none() {
                break;
            }
            assert_ne!(page.next, place, "{limit} {most}");
            place = page.next;
        }
        assert_eq!(seen, whole, "{limit} {most}");
    }
}

#[test]
fn months_that_were_over_go_whole_and_the_one_in_use_stays() {
    let disk = MemoryDisk::new();
    let journal = journal(&disk);
    for (n, text) in (1..).zip(["2023-09-30", "2023-10-01", "2023-11-15"]) {
        record(&journal, &[look(noon(text), 1, text)], n).unwrap();
    }
    let removed = |text: &str| -> Vec<String> {
        let months = journal.remove_before(day(text)).unwrap();
        months.iter().map(ToString::to_string).collect()
    };
    assert_eq!(removed("2023-09-30"), [] as [&str; 0]);
    assert_eq!(removed("2023-10-01"), ["2023-09"]);
    assert_eq!(removed("2030-01-01"), ["2023-10"]);
    assert_eq!(purposes(&all(&journal)), ["2023-11-15"]);
    // The removal is durable.
    let after = disk.crash(|| false);
    assert_eq!(journal_with(&after, &key(1)).months().unwrap().len(), 1);
}

#[test]
fn a_month_has_its_days_and_its_name() {
    let month = Month::of(day("2028-02-29"));
    assert_eq!(month.to_string(), "2028-02");
    assert_eq!(month.first(), day("2028-02-01"));
    assert_eq!(month.last(), day("2028-02-29"));
    assert_eq!("2028-02".parse(), Ok(month));
    for wrong in ["2028-2", "2028-13", "2028-02-01", ""] {
        assert!(wrong.parse::<Month>().is_err(), "{wrong}");
    }
}

#[test]
fn a_look_shows_no_purpose_in_a_log_line() {
    let shown = format!("{:?}", look(1, 1, "about Zhang"));
    assert!(!shown.contains("Zhang"), "{shown}");
}
