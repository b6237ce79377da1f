//! The peer's small mutable state: cosignatures and idempotency keys, a table each.
//!
//! All of it is a convenience that can be lost: cosignatures arrive again with the next heads, and a retried request is
//! recognised by the log itself. Engines: [`SledStore`] on disk; [`MemoryStore`] where that cannot be opened, and for
//! tests.

mod memory;
mod sled_store;

pub use memory::MemoryStore;
pub use sled_store::SledStore;

/// Why the store could not answer. Callers log it and carry on without.
#[derive(Debug, thiserror::Error)]
#[error("state store: {0}")]
pub struct StoreError(pub String);

/// A key and its value.
pub type Item = (Vec<u8>, Vec<u8>);

/// Named tables of bytes, in the order of their keys.
pub trait Store: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Sets the value of a key. Durable some time later, in any order: only what can be lost belongs here.
    ///
    /// # Errors
    /// [`StoreError`].
    fn set(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError>;
    /// Removes a key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn remove(&self, table: Table, key: &[u8]) -> Result<(), StoreError>;
    /// Every key of a table that begins with a prefix, with its value, at most `limit`, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<Item>, StoreError>;
    /// Writes out what is not yet on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    fn flush(&self) -> Result<(), StoreError>;
}

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Latest cosignature by log and witness.
    Cosignatures,
    /// Hash of the request by week and idempotency key.
    Idempotency,
    /// Where members say they can be reached, by department.
    Addresses,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Table::Cosignatures => "cosignatures",
            Table::Idempotency => "idempotency",
            Table::Addresses => "addresses",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exercise(store: &dyn Store) {
        store.set(Table::Cosignatures, b"a1", b"x").unwrap();
        store.set(Table::Cosignatures, b"a2", b"y").unwrap();
        store.set(Table::Cosignatures, b"b1", b"z").unwrap();
        assert_eq!(
            store.get(Table::Cosignatures, b"a1").unwrap(),
            Some(b"x".to_vec())
        );
        assert_eq!(store.get(Table::Idempotency, b"a1").unwrap(), None);
        let scanned = store.scan(Table::Cosignatures, b"a", 10).unwrap();
        assert_eq!(
            scanned,
            vec![
                (b"a1".to_vec(), b"x".to_vec()),
                (b"a2".to_vec(), b"y".to_vec())
            ]
        );
        assert_eq!(store.scan(Table::Cosignatures, b"", 2).unwrap().len(), 2);
        store.remove(Table::Cosignatures, b"a1").unwrap();
        assert_eq!(store.get(Table::Cosignatures, b"a1").unwrap(), None);
        store.flush().unwrap();
    }

    #[test]
    fn every_engine_behaves_the_same() {
        exercise(&MemoryStore::default());
        let dir = tempfile::tempdir().unwrap();
        exercise(&SledStore::open(&dir.path().join("state")).unwrap().0);
    }

    #[test]
    fn a_store_that_cannot_be_opened_is_set_aside_and_begins_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        {
            let (store, aside) = SledStore::open(&path).unwrap();
            assert_eq!(aside, None);
            store.set(Table::Idempotency, b"k", b"v").unwrap();
            store.flush().unwrap();
        }
        assert_eq!(
            SledStore::open(&path)
                .unwrap()
                .0
                .get(Table::Idempotency, b"k")
                .unwrap(),
            Some(b"v".to_vec())
        );
        std::fs::write(path.join("conf"), b"this is not sled's configuration").unwrap();
        let (store, aside) = SledStore::open(&path).unwrap();
        assert!(aside.is_some_and(|aside| aside.exists()));
        exercise(&store);
    }
}
