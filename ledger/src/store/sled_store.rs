//! The store on disk.
//!
//! sled 0.34 calls itself beta, and its memory grows with what it holds: so only tens of thousands of small items come
//! here, with a small cache, and a store that will not open is set aside instead of keeping the peer from starting.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Item, Store, StoreError, Table};

/// Tables in a sled database.
pub struct SledStore(sled::Db);

const CACHE_BYTES: u64 = 16 << 20;
/// How often, and after how long each time, a store that is still held is tried again.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(50);

impl SledStore {
    /// Opens or creates the store; when what is there cannot be opened, sets it aside, begins again, and returns where
    /// the old one went.
    ///
    /// # Errors
    /// [`StoreError`] when a new one cannot be created either.
    pub fn open(path: &Path) -> Result<(SledStore, Option<PathBuf>), StoreError> {
        match Self::wait_open(path) {
            Ok(store) => Ok((store, None)),
            Err(first) => {
                let aside = (1..)
                    .map(|n| path.with_extension(format!("set-aside-{n}")))
                    .find(|aside| !aside.exists())
                    .unwrap_or_default();
                std::fs::rename(path, &aside)
                    .map_err(|e| StoreError(format!("{first}; setting it aside: {e}")))?;
                Ok((Self::try_open(path)?, Some(aside)))
            }
        }
    }

    /// Opens the store once nobody holds it: a store closed a moment ago is released by threads of its own.
    fn wait_open(path: &Path) -> Result<SledStore, StoreError> {
        let mut opened = Self::try_open(path);
        for _ in 0..LOCK_TRIES {
            match &opened {
                Err(StoreError(error)) if error.contains("could not acquire lock") => {
                    thread::sleep(LOCK_WAIT);
                    opened = Self::try_open(path);
                }
                _ => break,
            }
        }
        opened
    }

    fn try_open(path: &Path) -> Result<SledStore, StoreError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(1000));
        Ok(SledStore(config.open()?))
    }

    fn tree(&self, table: Table) -> Result<sled::Tree, StoreError> {
        Ok(self.0.open_tree(table.name())?)
    }
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> StoreError {
        StoreError(error.to_string())
    }
}

impl Store for SledStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tree(table)?.get(key)?.map(|value| value.to_vec()))
    }

    fn set(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.tree(table)?.insert(key, value)?;
        Ok(())
    }

    fn remove(&self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.tree(table)?.remove(key)?;
        Ok(())
    }

    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<Item>, StoreError> {
        let found = self.tree(table)?.scan_prefix(prefix).take(limit);
        found
            .map(|item| {
                item.map(|(key, value)| (key.to_vec(), value.to_vec()))
                    .map_err(Into::into)
            })
            .collect()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()?;
        Ok(())
    }
}
