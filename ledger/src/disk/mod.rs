//! The file layer under the log: the smallest part of a file system that it needs, so that tests can make any single
//! write or sync fail, tear or get lost.
//!
//! What is assumed of the medium: after `sync` returns, the file's bytes and length survive a crash; after `sync_dir`
//! its entries do; `rename` within one directory is atomic. Until then any part of what was written may survive or not.

#[cfg(test)]
pub(crate) mod hooked;
mod memory;
mod real;
mod resting;

use std::io;
use std::path::Path;

pub use memory::{Failure, MemoryDisk};
pub use real::RealDisk;

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

    /// Says that the file will hardly be written any more: it is made durable, and need not stay open while nobody reads it. Whoever
    /// reads or writes it then opens it again, which fails with `NotFound` if another file or none has its name by now.
    ///
    /// # Errors
    /// Those of making it durable, and then it stays open.
    fn rest(&self) -> io::Result<()> {
        Ok(())
    }

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
