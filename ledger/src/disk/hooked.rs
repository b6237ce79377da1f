//! A disk in memory on which a test has something happen at an operation: counted, refused, or done beside it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskFile, MemoryDisk};

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A file is opened.
    Open,
    /// A file is read.
    Read,
    /// A file is written.
    Write,
    /// A directory is synced.
    SyncDir,
}

/// Sees each operation and its path first. Its error is the operation's.
type Hook = dyn Fn(Operation, &Path) -> io::Result<()> + Send + Sync;

#[derive(Clone)]
pub(crate) struct HookedDisk {
    pub(crate) disk: MemoryDisk,
    hook: Arc<Hook>,
}

impl HookedDisk {
    pub(crate) fn new(
        disk: MemoryDisk,
        hook: impl Fn(Operation, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> HookedDisk {
        let hook = Arc::new(hook);
        HookedDisk { disk, hook }
    }
}

struct HookedFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    hook: Arc<Hook>,
}

impl Disk for HookedDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        (self.hook)(Operation::Open, path)?;
        Ok(Box::new(HookedFile {
            file: self.disk.open(path, create)?,
            path: path.to_owned(),
            hook: Arc::clone(&self.hook),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        (self.hook)(Operation::SyncDir, path)?;
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

impl DiskFile for HookedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.hook)(Operation::Read, &self.path)?;
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (self.hook)(Operation::Write, &self.path)?;
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
