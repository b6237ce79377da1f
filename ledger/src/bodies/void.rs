//! Bodies of records that were cut off when the log's generation ended.
//!
//! The next generation gives their positions to other records, and the department may want to repeat what they said. So their
//! slots and attachments go to a directory of their own, `void-<generation>`, where they mean what they did: its `keys` has
//! the slots at their places, which point into the same file of bodies.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::attachments::position_of;
use super::{KEYS_HEADER_LEN, checksum, place};
use crate::disk::{Disk, DiskFile};

/// Bytes copied at a time.
const CHUNK: usize = 1 << 16;

/// Which generation's records the slots are of. None was ever noted while there was one.
const NOTE: &str = "generation";

/// The copy of slots that is being made.
const UNFINISHED: &str = "keys.new";

/// Goes on with the bodies in a generation of the log: what is kept of records that were cut off since, is set aside. To be
/// called before anything is appended, as often as it takes: a crash leaves what the next call completes.
///
/// `ended` says where each generation before ended, `held` how many records of one were ever written here.
///
/// # Errors
/// Those of the medium, and `InvalidData` for a note that is damaged, or of a later generation than this one.
pub fn go_on_in_generation(
    disk: &dyn Disk,
    dir: &Path,
    ended: &[u64],
    held: impl FnOnce(u32) -> io::Result<u64>,
) -> io::Result<()> {
    let generation = u32::try_from(ended.len()).unwrap_or(u32::MAX);
    disk.create_dir_all(dir)?;
    let noted = read_note(disk, dir)?;
    if noted > generation {
        let why = format!(
            "bodies/{NOTE} names generation {noted} of the log, which is at {generation} by what is known here: put a trust file of \
             the members beside the genesis (`certmesh network join`)"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let Some(from) = ended.get(noted as usize) else {
        return Ok(());
    };
    set_aside(disk, dir, noted, *from..held(noted)?)?;
    // Only now may slots from there on be another generation's: from here on nothing is set aside again.
    write_note(disk, dir, generation)
}

fn read_note(disk: &dyn Disk, dir: &Path) -> io::Result<u32> {
    let file = match disk.open(&dir.join(NOTE), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        file => file?,
    };
    let mut found = [0; 12];
    let read = file.read_at(&mut found, 0)?;
    let (number, sum) = found.split_at(4);
    match read == found.len() && sum == checksum(number) {
        true => Ok(u32::from_le_bytes([found[0], found[1], found[2], found[3]])),
        false => {
            let why = format!("bodies/{NOTE} is damaged: put it back from a backup");
            Err(io::Error::new(io::ErrorKind::InvalidData, why))
        }
    }
}

fn write_note(disk: &dyn Disk, dir: &Path, generation: u32) -> io::Result<()> {
    let temporary = dir.join("generation.new");
    let file = disk.open(&temporary, true)?;
    file.set_len(0)?;
    let number = generation.to_le_bytes();
    file.write_at(&[&number[..], &checksum(&number)].concat(), 0)?;
    file.sync()?;
    disk.rename(&temporary, &dir.join(NOTE))?;
    disk.sync_dir(dir)
}

/// The generations of which something is set aside, ascending.
///
/// # Errors
/// Those of the medium.
pub fn set_aside_generations(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for name in disk.list(dir)? {
        let Some(generation) = set_aside_of(&name) else {
            continue;
        };
        let names = disk.list(&dir.join(&name))?;
        // What a node is about to set aside is not there yet.
        if !names.is_empty() && !names.iter().any(|name| name == UNFINISHED) {
            found.push(generation);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Destroys what was set aside of a generation: nothing of it can be opened any more, with whatever key. What a crash leaves, the
/// next call completes.
///
/// # Errors
/// Those of the medium: what there is was destroyed up to there.
pub fn erase_void(disk: &dyn Disk, dir: &Path, generation: u32) -> io::Result<()> {
    let aside = dir.join(format!("void-{generation}"));
    let mut names = disk.list(&aside)?;
    // Slots first: without them bodies and attachments are noise, whichever of their bytes a crash leaves.
    names.sort_unstable_by_key(|name| !name.starts_with("keys"));
    for name in &names {
        let file = disk.open(&aside.join(name), false)?;
        zero(&*file, 0)?;
    }
    for name in &names {
        disk.remove(&aside.join(name))?;
    }
    disk.sync_dir(&aside)
}

/// Of which generation a directory has what was set aside.
fn set_aside_of(name: &str) -> Option<u32> {
    name.strip_prefix("void-")?.parse().ok()
}

/// Overwrites a file from a place on, durably.
fn zero(file: &dyn DiskFile, from: u64) -> io::Result<()> {
    let (len, zeros) = (file.len()?, [0; CHUNK]);
    let mut at = from;
    while at < len {
        let some = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
        file.write_at(&zeros[..some], at)?;
        at += some as u64;
    }
    file.sync()
}

/// Sets aside what is kept of some positions, of a generation that ended there.
fn set_aside(disk: &dyn Disk, dir: &Path, generation: u32, void: Range<u64>) -> io::Result<()> {
    let aside = dir.join(format!("void-{generation}"));
    let keys = match disk.open(&dir.join("keys"), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        keys => keys?,
    };
    let begin = place(void.start);
    if keys.len()? > begin {
        begin_aside(disk, dir, &aside)?;
        // Of slots that were overwritten there is a copy.
        if !is_zero(&*keys, begin)? {
            copy(disk, &*keys, begin, &aside)?;
        }
        // Only now: until here the slots are in their old place. Left there, they would outlive the copy on the disk.
        zero(&*keys, begin)?;
        keys.set_len(begin)?;
        keys.sync()?;
    }
    let attachments = dir.join("attachments");
    // Those behind the last record wait for one that never came: they are uploads again once something is appended.
    let is_void = |name: &String| position_of(name).is_some_and(|(seq, _)| void.contains(&seq));
    let names: Vec<String> = disk
        .list(&attachments)?
        .into_iter()
        .filter(is_void)
        .collect();
    if !names.is_empty() {
        begin_aside(disk, dir, &aside)?;
        for name in &names {
            disk.rename(&attachments.join(name), &aside.join(name))?;
        }
        disk.sync_dir(&aside)?;
        disk.sync_dir(&attachments)?;
    }
    Ok(())
}

fn begin_aside(disk: &dyn Disk, dir: &Path, aside: &Path) -> io::Result<()> {
    disk.create_dir_all(aside)?;
    disk.sync_dir(dir)
}

/// Copies the header and the slots from a place on, unless a copy has all of them.
fn copy(disk: &dyn Disk, keys: &dyn DiskFile, begin: u64, aside: &Path) -> io::Result<()> {
    let parts = [(0, KEYS_HEADER_LEN), (begin, keys.len()?)];
    let there = disk.list(aside)?;
    let name = |n: u32| match n {
        1 => "keys".to_owned(),
        n => format!("keys-{n}"),
    };
    let mut number = 1;
    while there.contains(&name(number)) {
        // One that has its name is whole; after a chain that was lost and came back there may be other slots by now.
        let copy = disk.open(&aside.join(name(number)), false)?;
        if is_copy(keys, &*copy, parts)? {
            return Ok(());
        }
        number += 1;
    }
    let temporary = aside.join(UNFINISHED);
    let file = disk.open(&temporary, true)?;
    file.set_len(0)?;
    each_chunk(keys, parts, |bytes, at| {
        file.write_at(bytes, at)?;
        Ok(true)
    })?;
    file.sync()?;
    disk.rename(&temporary, &aside.join(name(number)))?;
    disk.sync_dir(aside)
}

fn is_copy(keys: &dyn DiskFile, copy: &dyn DiskFile, parts: [(u64, u64); 2]) -> io::Result<bool> {
    let mut other = vec![0; CHUNK];
    each_chunk(keys, parts, |bytes, at| {
        let read = copy.read_at(&mut other[..bytes.len()], at)?;
        Ok(other[..read] == *bytes)
    })
}

fn is_zero(keys: &dyn DiskFile, from: u64) -> io::Result<bool> {
    let parts = [(0, 0), (from, keys.len()?)];
    each_chunk(keys, parts, |bytes, _| {
        Ok(bytes.iter().all(|byte| *byte == 0))
    })
}

/// Hands over what a file has in some places, with where it is, as long as that is wanted; returns whether it was to the end.
fn each_chunk(
    file: &dyn DiskFile,
    parts: [(u64, u64); 2],
    mut take: impl FnMut(&[u8], u64) -> io::Result<bool>,
) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK];
    for (mut at, until) in parts {
        while at < until {
            let wanted = usize::try_from(until - at).unwrap_or(CHUNK).min(CHUNK);
            file.read_exact_at(&mut chunk[..wanted], at)?;
            if !take(&chunk[..wanted], at)? {
                return Ok(false);
            }
            at += wanted as u64;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIR, field_key, id, log, open, sealed};
    use super::*;
    use crate::bodies::{Bodies, Body};
    use crate::disk::{Failure, MemoryDisk};

    fn keep(disk: &MemoryDisk, until: u64) {
        let bodies: Vec<_> = (0..until).map(sealed).collect();
        for change in open(disk, 1).unwrap().keep(0, &bodies).unwrap() {
            change.write().unwrap();
            change.file.sync().unwrap();
        }
    }

    fn go_on(disk: &MemoryDisk, kept: u64) -> io::Result<()> {
        go_on_in_generation(disk, Path::new(DIR), &[kept], |_| Ok(5))
    }

    fn read(disk: &MemoryDisk, dir: &Path) -> Vec<bool> {
        let bodies = Bodies::open(disk, dir, &log(), field_key(1)).unwrap();
        let found = (0..8).map(|seq| bodies.get::<Body>(seq, id(seq).as_str()).unwrap());
        found.map(|body| body.is_some()).collect()
    }

    #[test]
    fn bodies_of_void_records_are_set_aside_whole_whenever_it_is_interrupted() {
        let attachments = Path::new(DIR).join("attachments");
        let before = || {
            let disk = MemoryDisk::new();
            keep(&disk, 6);
            disk.create_dir_all(&attachments).unwrap();
            for seq in [1, 3, 5] {
                let name = format!("{seq}-{}", "ab".repeat(16));
                disk.open(&attachments.join(name), true)
                    .unwrap()
                    .sync()
                    .unwrap();
            }
            disk.sync_dir(&attachments).unwrap();
            disk
        };
        let aside = Path::new(DIR).join("void-0");
        let kept = [true, true, true, false, false, false, false, false];
        let mut failed = 0;
        for at in 1.. {
            let disk = before();
            disk.fail_at(disk.operations() + at, Failure::Die);
            let done = go_on(&disk, 3);
            let disk = disk.crash(|| at % 2 == 0);
            failed += u64::from(done.is_err());
            let complete = done.is_ok();
            // Whatever was left is completed, twice as well.
            for _ in 0..2 {
                go_on(&disk, 3).unwrap();
            }
            assert_eq!(read(&disk, Path::new(DIR)), kept, "{at}");
            let keys = disk.open(&aside.join("keys"), false).unwrap();
            assert_eq!(keys.len().unwrap(), place(6), "{at}");
            let mut names = disk.list(&aside).unwrap();
            names.retain(|name| position_of(name).is_some());
            assert_eq!(names.len(), 1, "{at}");
            // One of a record that never came is left to be an upload again.
            assert_eq!(disk.list(&attachments).unwrap().len(), 2, "{at}");
            // The slots still open what they did.
            let mut slot = [0; 96];
            keys.read_exact_at(&mut slot, place(5)).unwrap();
            let slot = super::super::read_slot(&slot).unwrap();
            let bodies = disk.open(&Path::new(DIR).join("bodies"), false).unwrap();
            let opened =
                super::super::open_body::<Body>(&*bodies, &field_key(1), &slot, id(5).as_str());
            assert!(opened.unwrap().is_some(), "{at}");
            if complete {
                break;
            }
        }
        assert!(failed > 5, "{failed}");
    }

    #[test]
    fn what_the_next_generation_appends_is_never_set_aside_for_the_one_before() {
        let disk = MemoryDisk::new();
        keep(&disk, 6);
        go_on(&disk, 3).unwrap();
        keep(&disk, 6);
        go_on(&disk, 3).unwrap();
        assert_eq!(read(&disk, Path::new(DIR))[..6], [true; 6]);
        // Two ends at a time: the slots are those of the generation that was noted.
        let ended = [3, 4, 5];
        go_on_in_generation(&disk, Path::new(DIR), &ended, |noted| {
            Ok(u64::from(noted) + 9)
        })
        .unwrap();
        let kept = [true, true, true, true, false, false];
        assert_eq!(read(&disk, Path::new(DIR))[..6], kept);
        assert!(
            disk.list(Path::new(DIR))
                .unwrap()
                .contains(&"void-1".to_owned())
        );
        // Where less is known than was noted, nothing is touched.
        assert!(go_on(&disk, 1).is_err());
        disk.corrupt(&Path::new(DIR).join(NOTE), |bytes| bytes[5] ^= 1)
            .unwrap();
        assert!(go_on_in_generation(&disk, Path::new(DIR), &ended, |_| Ok(9)).is_err());
    }

    #[test]
    fn where_nothing_was_kept_behind_the_end_nothing_is_set_aside() {
        let disk = MemoryDisk::new();
        go_on(&disk, 0).unwrap();
        keep(&disk, 3);
        go_on(&disk, 3).unwrap();
        assert!(
            disk.list(Path::new(DIR))
                .unwrap()
                .iter()
                .all(|name| !name.starts_with("void"))
        );
    }

    #[test]
    fn what_was_set_aside_is_destroyed_keys_first_whenever_it_is_interrupted() {
        let aside = Path::new(DIR).join("void-0");
        let before = || {
            let disk = MemoryDisk::new();
            keep(&disk, 6);
            let attachments = Path::new(DIR).join("attachments");
            disk.create_dir_all(&attachments).unwrap();
            let name = format!("4-{}", "ab".repeat(16));
            let attachment = disk.open(&attachments.join(name), true).unwrap();
            attachment.write_at(b"sealed", 0).unwrap();
            attachment.sync().unwrap();
            disk.sync_dir(&attachments).unwrap();
            go_on(&disk, 3).unwrap();
            disk
        };
        let slots = |disk: &MemoryDisk| {
            let keys = disk.open(&aside.join("keys"), false).ok()?;
            let mut bytes = vec![0; usize::try_from(keys.len().unwrap()).unwrap()];
            keys.read_exact_at(&mut bytes, 0).unwrap();
            bytes.iter().any(|byte| *byte != 0).then_some(bytes)
        };
        let mut failed = 0;
        for at in 1.. {
            let disk = before();
            assert!(slots(&disk).is_some());
            let found = set_aside_generations(&disk, Path::new(DIR)).unwrap();
            assert_eq!(found, [0]);
            disk.fail_at(disk.operations() + at, Failure::Die);
            let done = erase_void(&disk, Path::new(DIR), 0);
            let disk = disk.crash(|| at % 2 == 0);
            failed += u64::from(done.is_err());
            if disk.list(&aside).unwrap().len() < 2 {
                assert_eq!(
                    slots(&disk),
                    None,
                    "an attachment went before its key: {at}"
                );
            }
            erase_void(&disk, Path::new(DIR), 0).unwrap();
            assert_eq!(disk.list(&aside).unwrap(), Vec::<String>::new(), "{at}");
            let left = set_aside_generations(&disk, Path::new(DIR)).unwrap();
            assert_eq!(left, Vec::<u32>::new());
            // What is kept is as it was.
            assert_eq!(read(&disk, Path::new(DIR))[..4], [true, true, true, false]);
            if done.is_ok() {
                break;
            }
        }
        assert!(failed > 4, "{failed}");
    }
}
