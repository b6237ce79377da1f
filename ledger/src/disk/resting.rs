//! Descriptors of files that are only read now and then: as many as may be, of those that were read last. The others are closed,
//! and opened again by whoever reads them.
//!
//! A log has two files for each 2^18 records, so a peer that kept all of them open could run out of descriptors.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashlink::LruCache;
use parking_lot::Mutex;

use super::too_many_files;

/// Stands for a file.
pub(super) type Number = u64;

pub(super) struct Resting {
    open: Mutex<LruCache<Number, Arc<File>>>,
    next: AtomicU64,
}

impl Resting {
    /// For at most so many descriptors, one at least.
    pub(super) fn new(most: usize) -> Resting {
        Resting {
            open: Mutex::new(LruCache::new(most.max(1))),
            next: AtomicU64::new(0),
        }
    }

    /// A number that no other file has.
    pub(super) fn number(&self) -> Number {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// A file that rests, opened if it is not open. Whoever has it keeps it open.
    pub(super) fn get(
        &self,
        number: Number,
        open: impl Fn() -> io::Result<File>,
    ) -> io::Result<Arc<File>> {
        if let Some(file) = self.open.lock().get(&number) {
            return Ok(Arc::clone(file));
        }
        // Opened without the lock, which everyone who reads takes; of two who do so at once one is closed again.
        let file = Arc::new(self.make_room(open)?);
        self.put(number, Arc::clone(&file));
        Ok(file)
    }

    /// Has a file rest; the one that was read longest ago is closed if there are too many.
    pub(super) fn put(&self, number: Number, file: Arc<File>) {
        let closed = self.open.lock().insert(number, file);
        drop(closed);
    }

    /// Forgets a file.
    pub(super) fn take(&self, number: Number) {
        let taken = self.open.lock().remove(&number);
        drop(taken);
    }

    /// Opens something. While no descriptor is left for it, files that rest are closed.
    pub(super) fn make_room<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            match open() {
                Err(error) if too_many_files(&error) => {
                    let closed = self.open.lock().remove_lru();
                    if closed.is_none() {
                        return Err(error);
                    }
                }
                opened => return opened,
            }
        }
    }
}
