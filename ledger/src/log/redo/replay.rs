//! What becomes of a redo journal: an opening brings its changes to their places, and whoever only looks sees files as if they
//! were there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Target;
use super::format::{BLOCK, Redone, begin, read};
use crate::disk::{Disk, DiskFile};
use crate::log::{Place, head};
use crate::names::LogName;

/// Brings what the journal of a log holds to its places, durably, and leaves it empty. A log that has none, or one that a crash
/// left short when it was made, has nothing there.
pub(in crate::log) fn replay(place: &Place, log: &LogName) -> io::Result<()> {
    let file = match place.disk.open(&place.redo_path(log), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let found = read(&*file, log)?;
    let mut replayed = BTreeMap::new();
    for change in found.changes {
        write_again(place, log, &change, &mut replayed)?;
    }
    for file in replayed.values() {
        file.sync()?;
    }
    // Zeros to the end: what a crash left of an earlier round may hold keys that are to be destroyed.
    if found.used > BLOCK || !found.header_whole {
        begin(&*file, log, file.len()?.max(BLOCK))?;
    }
    Ok(())
}

/// Writes a change to its place. A file that is gone was taken away with what it held: what is left is judged as it is.
fn write_again(
    place: &Place,
    log: &LogName,
    change: &Redone,
    files: &mut BTreeMap<Target, Box<dyn DiskFile>>,
) -> io::Result<()> {
    let file = match files.entry(change.target) {
        Entry::Occupied(file) => file.into_mut(),
        Entry::Vacant(absent) => match place.disk.open(&change.target.path(place, log), false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => absent.insert(file?),
        },
    };
    match is_older(change, &**file)? {
        true => Ok(()),
        false => file.write_at(&change.bytes, change.at),
    }
}

/// Whether a change is a head older than the one in its place: files that were copied while a node ran need not be of one
/// moment.
fn is_older(change: &Redone, file: &dyn DiskFile) -> io::Result<bool> {
    if change.target != Target::Head {
        return Ok(false);
    }
    let mut there = vec![0; BLOCK as usize];
    let read = file.read_at(&mut there, change.at)?;
    Ok(head::counter(&there[..read]) > head::counter(&change.bytes))
}

/// A place as it would be once the journal of a log is replayed, for those who only look.
///
/// # Errors
/// Those of the medium, and a journal of another log or a later version.
pub(crate) fn as_replayed(place: &Place, log: &LogName) -> io::Result<Place> {
    let file = match place.disk.open(&place.redo_path(log), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place.clone()),
        file => file?,
    };
    let mut over: BTreeMap<PathBuf, Vec<Redone>> = BTreeMap::new();
    for change in read(&*file, log)?.changes {
        let path = change.target.path(place, log);
        let older = match place.disk.open(&path, false) {
            Ok(file) => is_older(&change, &*file)?,
            Err(_) => false,
        };
        if !older {
            over.entry(path).or_default().push(change);
        }
    }
    let over = over
        .into_iter()
        .map(|(path, changes)| (path, changes.into()));
    let disk = Replayed {
        disk: Arc::clone(&place.disk),
        over: over.collect(),
    };
    Ok(Place {
        disk: Arc::new(disk),
        ..place.clone()
    })
}

/// A file layer that is read with the changes of a journal in their places. It passes on everything else.
struct Replayed {
    disk: Arc<dyn Disk>,
    over: BTreeMap<PathBuf, Arc<[Redone]>>,
}

impl Disk for Replayed {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.open(path, create)?;
        Ok(match self.over.get(path) {
            Some(over) => Box::new(ReplayedFile {
                file,
                over: Arc::clone(over),
            }),
            None => file,
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }
}

struct ReplayedFile {
    file: Box<dyn DiskFile>,
    over: Arc<[Redone]>,
}

impl DiskFile for ReplayedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = self.file.read_at(buf, offset)?;
        let end = (self.len()?.saturating_sub(offset)).min(buf.len() as u64) as usize;
        buf[read..end.max(read)].fill(0);
        read = read.max(end);
        let asked = offset..offset + read as u64;
        for Redone { at, bytes, .. } in &*self.over {
            let from = asked.start.max(*at);
            let to = asked.end.min(at + bytes.len() as u64);
            if from < to {
                let to_buf = (from - offset) as usize..(to - offset) as usize;
                buf[to_buf].copy_from_slice(&bytes[(from - at) as usize..(to - at) as usize]);
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        let ends = self.over.iter().map(|it| it.at + it.bytes.len() as u64);
        Ok(self.file.len()?.max(ends.max().unwrap_or_default()))
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
