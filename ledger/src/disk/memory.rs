//! A file layer in memory that can fail, tear or lose any single write or sync, and can crash: for simulation and for
//! the tests that prove recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// What happens at the operation a failure is set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operation is refused and does nothing; what a sync was to make durable still reads the same, and counts as
    /// written.
    Refuse,
    /// Half of a write reaches the file, then the operation is refused.
    Tear,
    /// The machine goes down: a write in flight is reported done without reaching the file, a sync does not return,
    /// and every later operation is refused.
    Die,
    /// The operation reports success without doing anything, and the disk carries on: a disk that lies.
    Lose,
}

/// Shared until written: many disks hold the same files.
#[derive(Clone, Default)]
struct Content {
    /// What a reader sees.
    now: Arc<Vec<u8>>,
    /// What survives a crash for certain.
    durable: Arc<Vec<u8>>,
    /// Blocks that a sync failed to write. The system takes them for written: no later sync writes them, unless something is
    /// written there again.
    given_up: BTreeSet<usize>,
}

/// Bytes that reach the medium or don't, together.
const BLOCK: usize = 512;

fn blocks(bytes: Range<usize>) -> Range<usize> {
    bytes.start / BLOCK..bytes.end.div_ceil(BLOCK)
}

impl Content {
    /// The bytes of a block, as far as there are any.
    fn block(bytes: &[u8], block: usize) -> &[u8] {
        let start = (block * BLOCK).min(bytes.len());
        &bytes[start..(start + BLOCK).min(bytes.len())]
    }

    fn sync(&mut self) {
        let before = std::mem::replace(&mut self.durable, Arc::clone(&self.now));
        for block in &self.given_up {
            let start = (block * BLOCK).min(self.now.len());
            let len = Self::block(&self.now, *block).len();
            let kept = Self::block(&before, *block);
            let mut bytes = vec![0; len];
            let both = len.min(kept.len());
            bytes[..both].copy_from_slice(&kept[..both]);
            Arc::make_mut(&mut self.durable)[start..start + len].copy_from_slice(&bytes);
        }
    }

    fn fail_to_sync(&mut self) {
        let differs =
            |block: &usize| Self::block(&self.now, *block) != Self::block(&self.durable, *block);
        let differing = blocks(0..self.now.len()).filter(differs);
        self.given_up.extend(differing);
    }
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<u64, Content>,
    next_file: u64,
    /// Directory entries as seen, and those that survive a crash.
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Directories whose entries changed since they were last synced.
    changed_dirs: BTreeSet<PathBuf>,
    dirs: BTreeSet<PathBuf>,
    operations: u64,
    failure: Option<(u64, Failure)>,
    /// Every changing operation is refused.
    full: bool,
    dead: bool,
}

/// The entries under a directory, which stand together in the order of paths.
fn under<'a, T>(
    names: &'a BTreeMap<PathBuf, T>,
    path: &'a Path,
) -> impl Iterator<Item = &'a PathBuf> {
    names
        .range::<Path, _>((Bound::Included(path), Bound::Unbounded))
        .map(|(name, _)| name)
        .take_while(move |name| name.starts_with(path))
}

impl Inner {
    /// Notes that the directory of an entry is to be synced.
    fn changed(&mut self, name: &Path) {
        if let Some(parent) = name.parent() {
            self.changed_dirs.insert(parent.to_owned());
        }
    }

    /// Counts a changing operation; says whether it is to be carried out, torn or refused.
    fn operation(&mut self) -> io::Result<Option<Failure>> {
        if self.dead {
            return Err(io::Error::other("the disk is gone"));
        }
        self.operations += 1;
        if self.full {
            return Ok(Some(Failure::Refuse));
        }
        match self.failure {
            Some((at, failure)) if at == self.operations => {
                if failure == Failure::Die {
                    self.dead = true;
                }
                Ok(Some(failure))
            }
            _ => Ok(None),
        }
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
}

/// Files in memory.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Inner>>);

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// Changing operations (writes, truncations, syncs, creations, renames, removals) so far.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Makes the `at`-th changing operation from the beginning fail.
    pub fn fail_at(&self, at: u64, failure: Failure) {
        self.0.lock().failure = Some((at, failure));
    }

    /// Refuses every changing operation, or takes them again.
    pub fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// The disk as it may stand after a crash: what was synced, and of the rest whatever `survives` says, asked for
    /// each 512-byte block that differs and each directory entry that was not synced.
    pub fn crash(&self, mut survives: impl FnMut() -> bool) -> MemoryDisk {
        let inner = self.0.lock();
        let mut after = Inner {
            next_file: inner.next_file,
            dirs: inner.dirs.clone(),
            ..Inner::default()
        };
        for (id, content) in &inner.files {
            let mut kept = Arc::clone(&content.durable);
            if survives() && content.now.len() != kept.len() {
                Arc::make_mut(&mut kept).resize(content.now.len(), 0);
            }
            for start in (0..kept.len().min(content.now.len())).step_by(BLOCK) {
                let end = (start + BLOCK).min(kept.len()).min(content.now.len());
                if kept[start..end] != content.now[start..end] && survives() {
                    Arc::make_mut(&mut kept)[start..end].copy_from_slice(&content.now[start..end]);
                }
            }
            after.files.insert(
                *id,
                Content {
                    now: Arc::clone(&kept),
                    durable: kept,
                    given_up: BTreeSet::new(),
                },
            );
        }
        let paths: BTreeSet<_> = inner
            .names
            .keys()
            .chain(inner.durable_names.keys())
            .collect();
        for path in paths {
            let (seen, durable) = (inner.names.get(path), inner.durable_names.get(path));
            let kept = if seen == durable || survives() {
                seen
            } else {
                durable
            };
            if let Some(id) = kept {
                after.names.insert(path.clone(), *id);
            }
        }
        after.durable_names.clone_from(&after.names);
        MemoryDisk(Arc::new(Mutex::new(after)))
    }

    /// Changes bytes of a file behind everyone's back.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut inner = self.0.lock();
        let id = *inner.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let content = inner.files.get_mut(&id).ok_or(io::ErrorKind::NotFound)?;
        change(Arc::make_mut(&mut content.now));
        content.given_up.clear();
        content.sync();
        Ok(())
    }

    /// Every file's path.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.lock().names.keys().cloned().collect()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.0.lock();
        let id = match inner.names.get(path) {
            Some(id) => *id,
            None if create => {
                if inner.operation()?.is_some() {
                    return Err(refused());
                }
                let id = inner.next_file;
                inner.next_file += 1;
                inner.files.insert(id, Content::default());
                inner.names.insert(path.to_owned(), id);
                inner.changed(path);
                id
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Box::new(MemoryFile {
            disk: Arc::clone(&self.0),
            id,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.lock().dirs.insert(path.to_owned());
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        match inner.operation()? {
            None => {}
            Some(Failure::Lose) => return Ok(()),
            Some(_) => return Err(refused()),
        }
        if !inner.changed_dirs.remove(path) {
            return Ok(());
        }
        let inside = |name: &&PathBuf| name.parent() == Some(path);
        let gone: Vec<PathBuf> = under(&inner.durable_names, path)
            .filter(inside)
            .cloned()
            .collect();
        for name in gone {
            inner.durable_names.remove(&name);
        }
        let now: Vec<PathBuf> = under(&inner.names, path).filter(inside).cloned().collect();
        for name in now {
            let id = inner.names[&name];
            inner.durable_names.insert(name, id);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        match inner.operation()? {
            None => {}
            Some(Failure::Lose | Failure::Die) => return Ok(()),
            Some(_) => return Err(refused()),
        }
        let moved = |names: &mut BTreeMap<PathBuf, u64>| {
            let old: Vec<_> = names
                .keys()
                .filter(|path| path.starts_with(from))
                .cloned()
                .collect();
            for path in old {
                if let (Some(id), Ok(rest)) = (names.remove(&path), path.strip_prefix(from)) {
                    let path = if rest.as_os_str().is_empty() {
                        to.to_owned()
                    } else {
                        to.join(rest)
                    };
                    names.insert(path, id);
                }
            }
        };
        inner.changed(from);
        inner.changed(to);
        moved(&mut inner.names);
        // A directory's content moves with it; whether the move itself survives is decided as for any other entry.
        if inner.dirs.contains(from) {
            moved(&mut inner.durable_names);
            inner.dirs.remove(from);
            inner.dirs.insert(to.to_owned());
            if inner.changed_dirs.remove(from) {
                inner.changed_dirs.insert(to.to_owned());
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        match inner.operation()? {
            None => {}
            Some(Failure::Lose | Failure::Die) => return Ok(()),
            Some(_) => return Err(refused()),
        }
        inner.changed(path);
        inner
            .names
            .remove(path)
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let inner = self.0.lock();
        let dirs = inner
            .dirs
            .range::<Path, _>((Bound::Included(path), Bound::Unbounded))
            .take_while(|name| name.starts_with(path));
        let names: BTreeSet<String> = under(&inner.names, path)
            .chain(dirs)
            .filter_map(|name| name.strip_prefix(path).ok()?.components().next())
            .map(|first| first.as_os_str().to_string_lossy().into_owned())
            .collect();
        Ok(names.into_iter().collect())
    }
}

struct MemoryFile {
    disk: Arc<Mutex<Inner>>,
    id: u64,
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let inner = self.disk.lock();
        let content = &inner.files[&self.id].now;
        let start = (offset as usize).min(content.len());
        let read = buf.len().min(content.len() - start);
        buf[..read].copy_from_slice(&content[start..start + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let failure = inner.operation()?;
        let bytes = match failure {
            None => bytes,
            Some(Failure::Tear) => &bytes[..bytes.len() / 2],
            Some(Failure::Lose | Failure::Die) => return Ok(()),
            Some(Failure::Refuse) => return Err(refused()),
        };
        let content = inner
            .files
            .get_mut(&self.id)
            .ok_or(io::ErrorKind::NotFound)?;
        let end = offset as usize + bytes.len();
        for block in blocks(offset as usize..end) {
            content.given_up.remove(&block);
        }
        let content = Arc::make_mut(&mut content.now);
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset as usize..end].copy_from_slice(bytes);
        if failure.is_some() {
            Err(refused())
        } else {
            Ok(())
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.disk.lock();
        match inner.operation()? {
            None => {}
            Some(Failure::Lose | Failure::Die) => return Ok(()),
            Some(_) => return Err(refused()),
        }
        let content = inner
            .files
            .get_mut(&self.id)
            .ok_or(io::ErrorKind::NotFound)?;
        if content.now.len() != len as usize {
            Arc::make_mut(&mut content.now).resize(len as usize, 0);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[&self.id].now.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let failure = inner.operation()?;
        let content = inner
            .files
            .get_mut(&self.id)
            .ok_or(io::ErrorKind::NotFound)?;
        match failure {
            None => content.sync(),
            Some(Failure::Lose) => {}
            Some(_) => {
                content.fail_to_sync();
                return Err(refused());
            }
        }
        Ok(())
    }
}
