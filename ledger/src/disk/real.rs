//! The operating system's files. Those that rest share a bounded number of descriptors (`resting.rs`).

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::resting::{Number, Resting};
use super::{Disk, DiskFile};

/// Files that rest and are open all the same, unless it is said how many.
const OPEN_AT_REST: usize = 256;

/// The operating system's files. Clones share the descriptors of files that rest.
#[derive(Clone)]
pub struct RealDisk {
    resting: Arc<Resting>,
}

impl RealDisk {
    /// Keeps at most so many files open that [rest](DiskFile::rest), those that were read last.
    pub fn new(open_at_rest: usize) -> RealDisk {
        RealDisk {
            resting: Arc::new(Resting::new(open_at_rest)),
        }
    }

    /// How many files that rest are open now.
    pub fn open_at_rest(&self) -> usize {
        self.resting.len()
    }
}

impl Default for RealDisk {
    fn default() -> RealDisk {
        RealDisk::new(OPEN_AT_REST)
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.resting.make_room(|| open(path, create))?;
        Ok(Box::new(RealFile {
            path: path.to_owned(),
            identity: Identity::of(&file.metadata()?),
            awake: RwLock::new(Some(Arc::new(file))),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            resting: Arc::clone(&self.resting),
            number: self.resting.number(),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.resting.make_room(|| File::open(path))?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match self.resting.make_room(|| fs::read_dir(path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create);
    options.truncate(false).open(path)
}

/// By which a file is known again.
#[derive(Clone, Copy, PartialEq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

struct RealFile {
    path: PathBuf,
    identity: Identity,
    /// The open file, unless it rests.
    awake: RwLock<Option<Arc<File>>>,
    /// How often it was written, and how many of these a sync has made durable. Closed in between, it would lose what the medium has
    /// to say about the others.
    written: AtomicU64,
    durable: AtomicU64,
    resting: Arc<Resting>,
    /// Among those that rest.
    number: Number,
}

impl RealFile {
    /// The open file, to read.
    fn reading(&self) -> io::Result<Arc<File>> {
        match &*self.awake.read() {
            Some(file) => Ok(Arc::clone(file)),
            None => self.resting.get(self.number, || self.open_again()),
        }
    }

    /// The same to write: from here on it does not rest.
    fn writing(&self) -> io::Result<Arc<File>> {
        let awake = &mut *self.awake.write();
        let file = match awake {
            Some(file) => Arc::clone(file),
            None => {
                let file = self.resting.get(self.number, || self.open_again())?;
                self.resting.take(self.number);
                Arc::clone(awake.insert(file))
            }
        };
        // Under the lock: it does not rest before this is durable.
        self.written.fetch_add(1, Ordering::AcqRel);
        Ok(file)
    }

    fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Acquire) == self.written.load(Ordering::Acquire)
    }

    fn open_again(&self) -> io::Result<File> {
        let file = open(&self.path, false)?;
        match Identity::of(&file.metadata()?) == self.identity {
            true => Ok(file),
            // A log was set aside, and another copy of it begun.
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        self.resting.take(self.number);
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<usize> {
        let file = self.reading()?;
        let wanted = buf.len();
        while !buf.is_empty() {
            match file.read_at(buf, offset) {
                Ok(0) => break,
                Ok(n) => {
                    buf = &mut buf[n..];
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(wanted - buf.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.writing()?.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writing()?.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.reading()?.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        let awake = self.awake.read().clone();
        let Some(file) = awake else {
            // Durable since it rests.
            return Ok(());
        };
        // Before the sync: what is written meanwhile may not be part of it.
        let written = self.written.load(Ordering::Acquire);
        file.sync_data()?;
        self.durable.fetch_max(written, Ordering::AcqRel);
        Ok(())
    }

    fn rest(&self) -> io::Result<()> {
        if !self.is_durable() {
            self.sync()?;
        }
        let mut awake = self.awake.write();
        // Written meanwhile, it stays open, and rests when it is asked to again.
        if self.is_durable()
            && let Some(file) = awake.take()
        {
            self.resting.put(self.number, file);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptors of files below a directory that this process has open.
    fn open_below(dir: &Path) -> usize {
        let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let paths = all.filter_map(|entry| fs::read_link(entry.path()).ok());
        paths.filter(|path| path.starts_with(dir)).count()
    }

    fn files(disk: &RealDisk, dir: &Path, count: u64) -> Vec<Box<dyn DiskFile>> {
        let begin = |number: u64| {
            let file = disk.open(&dir.join(number.to_string()), true).unwrap();
            file.write_at(&number.to_le_bytes(), 0).unwrap();
            file
        };
        (0..count).map(begin).collect()
    }

    fn content(file: &dyn DiskFile) -> io::Result<u64> {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(u64::from_le_bytes(bytes))
    }

    #[test]
    fn files_that_rest_are_read_and_written_with_few_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(4);
        let files = files(&disk, dir.path(), 50);
        assert_eq!(open_below(dir.path()), 50);
        files.iter().for_each(|file| file.rest().unwrap());
        for round in 0..3 {
            assert_eq!((open_below(dir.path()), disk.open_at_rest()), (4, 4));
            for (number, file) in (0..).zip(&files) {
                assert_eq!(content(&**file).unwrap(), number + round * 100);
                assert_eq!(file.len().unwrap(), 8);
            }
            for (number, file) in (0_u64..).zip(&files) {
                let next = number + (round + 1) * 100;
                file.write_at(&next.to_le_bytes(), 0).unwrap();
            }
            // What was written is not closed before it is durable.
            assert_eq!((open_below(dir.path()), disk.open_at_rest()), (50, 0));
            files.iter().for_each(|file| file.rest().unwrap());
        }
        drop(files);
        assert_eq!((open_below(dir.path()), disk.open_at_rest()), (0, 0));
    }

    #[test]
    fn a_file_that_rests_is_never_taken_for_another_of_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(1);
        let files = files(&disk, dir.path(), 3);
        files.iter().for_each(|file| file.rest().unwrap());
        content(&*files[0]).unwrap();
        // The second is removed, the third replaced.
        disk.remove(&dir.path().join("1")).unwrap();
        fs::write(dir.path().join("new"), [7; 8]).unwrap();
        disk.rename(&dir.path().join("new"), &dir.path().join("2"))
            .unwrap();
        for file in &files[1..] {
            let error = content(&**file).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        assert_eq!(content(&*files[0]).unwrap(), 0);
    }
}
