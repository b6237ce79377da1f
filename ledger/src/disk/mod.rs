//! The file layer under the log: the smallest part of a file system that it needs, so that tests can make any single
//! write or sync fail, tear or get lost.
//!
//! What is assumed of the medium: after `sync` returns, the file's bytes and length survive a crash; after `sync_dir`
//! its entries do; `rename` within one directory is atomic. Until then any part of what was written may survive or not.

mod memory;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use memory::{Failure, MemoryDisk};

/// Too many open files, of the system and of the process (ENFILE, EMFILE): errors that have no kind of their own.
const TOO_MANY_FILES: [i32; 2] = [23, 24];

/// Whether an error says that no descriptor is left, which says nothing about the disk.
pub fn too_many_files(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| TOO_MANY_FILES.contains(&code))
}

/// A directory tree of files.
pub trait Disk: Send + Sync {
    /// Opens a file to read and write; creates it when asked and absent.
    ///
    /// # Errors
    /// Those of the medium.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Creates a directory and its parents.
    ///
    /// # Errors
    /// Those of the medium.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    /// Those of the medium.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or directory.
    ///
    /// # Errors
    /// Those of the medium.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// Those of the medium.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names of the files and directories in a directory, sorted; none when it does not exist.
    ///
    /// # Errors
    /// Those of the medium.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// An open file, read and written at positions.
#[expect(
    clippy::len_without_is_empty,
    reason = "a file's length is asked for, never whether it is empty"
)]
pub trait DiskFile: Send + Sync {
    /// Reads up to `buf.len()` bytes at a position; fewer only at the end of the file.
    ///
    /// # Errors
    /// Those of the medium.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at a position.
    ///
    /// # Errors
    /// Those of the medium; any part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file off, or extends it with zeros.
    ///
    /// # Errors
    /// Those of the medium.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the medium.
    fn len(&self) -> io::Result<u64>;
    /// Makes content and length durable. After a failure nothing may be assumed and nothing retried.
    ///
    /// # Errors
    /// Those of the medium.
    fn sync(&self) -> io::Result<()>;

    /// Reads exactly `buf.len()` bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before that.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_at(buf, offset)? {
            n if n == buf.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
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

struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<usize> {
        let wanted = buf.len();
        while !buf.is_empty() {
            match self.0.read_at(buf, offset) {
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
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
