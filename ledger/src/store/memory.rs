//! The store in memory.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::{Item, Store, StoreError, Table};

/// Tables in memory, lost with the process.
#[derive(Default)]
pub struct MemoryStore(Mutex<Tables>);

type Tables = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().get(&(table, key.to_vec())).cloned())
    }

    fn set(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.0.lock().insert((table, key.to_vec()), value.to_vec());
        Ok(())
    }

    fn remove(&self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.0.lock().remove(&(table, key.to_vec()));
        Ok(())
    }

    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<Item>, StoreError> {
        let tables = self.0.lock();
        let from = tables.range((table, prefix.to_vec())..);
        let within =
            from.take_while(|((found, key), _)| *found == table && key.starts_with(prefix));
        Ok(within
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
