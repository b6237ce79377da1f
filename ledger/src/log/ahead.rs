//! Files that an append will need, opened before it begins.
//!
//! A process or a system can run out of descriptors while the disk refuses nothing. An open that failed in the middle of an
//! append would leave the log between two states, and make it read-only as a refused write does. So whatever may have to be
//! opened on the way (a new segment) is opened first: where no descriptor is left then, the log is as
//! it was, and the next append tries again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::append::Appender;
use super::kept::VerifiedKept;
use super::page::VerifiedPage;
use super::reading::Log;
use super::segment::file_name;
use crate::disk::{Disk, DiskFile, too_many_files};

/// A log's file layer, with some of its files open already.
pub(super) struct Ahead {
    disk: Arc<dyn Disk>,
    ready: Mutex<Ready>,
}

#[derive(Default)]
struct Ready {
    files: BTreeMap<PathBuf, Box<dyn DiskFile>>,
    /// The directory whose entries are all durable: nothing in it was created, renamed or removed since it was synced.
    synced: Option<PathBuf>,
}

impl Ahead {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Ahead {
        Ahead {
            disk,
            ready: Mutex::default(),
        }
    }

    /// Opens files of a directory, creating what is absent, and makes their entries durable.
    fn prepare(&self, dir: &Path, names: &[String]) -> io::Result<()> {
        let ready = &mut *self.ready.lock();
        for name in names {
            let path = dir.join(name);
            if !ready.files.contains_key(&path) {
                ready.synced = None;
                let file = self.disk.open(&path, true)?;
                ready.files.insert(path, file);
            }
        }
        if ready.synced.as_deref() != Some(dir) {
            self.disk.sync_dir(dir)?;
            ready.synced = Some(dir.to_owned());
        }
        Ok(())
    }

    /// Opens or makes a file that nobody counts on to be found again after a crash, nor its name.
    pub(super) fn open_derived(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path, true)
    }

    fn changed(&self) {
        self.ready.lock().synced = None;
    }
}

impl Disk for Ahead {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        if let Some(file) = self.ready.lock().files.remove(path) {
            return Ok(file);
        }
        if create {
            self.changed();
        }
        self.disk.open(path, create)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.changed();
        self.disk.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.disk.sync_dir(path) {
            // It takes a descriptor of its own, to make durable what is durable already.
            Err(error)
                if too_many_files(&error) && self.ready.lock().synced.as_deref() == Some(path) =>
            {
                Ok(())
            }
            synced => synced,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changed();
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.changed();
        self.disk.remove(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }
}

impl Log {
    /// Opens what appending so many records will need. Fails only if no descriptors are left: whatever else stands in
    /// the way is a refused write, which the append itself meets.
    pub(super) fn open_ahead(&self, appender: &Appender, records: u64) -> io::Result<()> {
        let names = self.needed(appender, records);
        if names.is_empty() {
            return Ok(());
        }
        match self.ahead.prepare(&self.dir, &names) {
            Err(error) if too_many_files(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The files that so many records lead to, beyond those that are open.
    fn needed(&self, appender: &Appender, records: u64) -> Vec<String> {
        let end = appender.tip.size + records;
        let mut names = Vec::new();
        let begin = |names: &mut Vec<String>, first| {
            names.extend(["records", "offsets"].map(|suffix| file_name(first, suffix)));
        };
        let mut first = appender.tip.size;
        match &appender.segment {
            Some(segment) => first = segment.first,
            None if records > 0 => begin(&mut names, first),
            None => {}
        }
        while end > first + self.segment_records {
            first += self.segment_records;
            begin(&mut names, first);
        }
        names
    }

    /// Opens what adding a page will need, so that [`Log::apply`] opens nothing.
    ///
    /// # Errors
    /// Too many files are open; the log is as it was, and the page can be added later.
    pub fn open_for(&self, page: &VerifiedPage) -> io::Result<()> {
        let appender = self.appender.lock();
        let new = page.end().saturating_sub(appender.tip.size);
        // A page that begins later is not added.
        match page.from() <= appender.tip.size {
            true => self.open_ahead(&appender, new),
            false => Ok(()),
        }
    }

    /// The same for a page of what the log begins with.
    ///
    /// # Errors
    /// As for [`Log::open_for`].
    pub fn open_for_kept(&self, page: &VerifiedKept) -> io::Result<()> {
        let appender = self.appender.lock();
        let new = page.end().saturating_sub(appender.tip.size);
        self.open_ahead(&appender, new)
    }
}
