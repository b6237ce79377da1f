//! Which content came under which idempotency key.
//!
//! Keys stand in the table by the week they came in, the oldest first, and are forgotten when the week after that has
//! passed: each is known for at least one week and at most two.

use std::sync::Arc;
use std::time::Duration;

use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::store::{Store, StoreError, Table};

const WEEK_MS: u64 = 7 * 24 * 3600 * 1000;
/// Between two looks for old keys.
const EVERY: Duration = Duration::from_secs(60);
/// Keys read at a time, and how many times in one look.
const STEP: usize = 1024;
const STEPS: usize = 64;

fn week(at_ms: u64) -> u32 {
    u32::try_from(at_ms / WEEK_MS).unwrap_or(u32::MAX)
}

fn entry(week: u32, key: &[u8; 32]) -> Vec<u8> {
    [&week.to_be_bytes()[..], key].concat()
}

/// Whether the key came with another content this week or in the one before.
pub(crate) fn used_otherwise(
    store: &dyn Store,
    key: &[u8; 32],
    content: &Hash,
    at_ms: u64,
) -> Result<bool, StoreError> {
    let this = week(at_ms);
    for week in [this, this.saturating_sub(1)] {
        if let Some(before) = store.get(Table::Idempotency, &entry(week, key))? {
            return Ok(before != content.as_bytes());
        }
    }
    Ok(false)
}

/// Keeps the content that came under a key.
pub(crate) fn remember(
    store: &dyn Store,
    key: &[u8; 32],
    content: &Hash,
    at_ms: u64,
) -> Result<(), StoreError> {
    store.set(
        Table::Idempotency,
        &entry(week(at_ms), key),
        content.as_bytes(),
    )
}

/// Removes keys of weeks before the last one, a bounded number of them.
fn forget_old(store: &dyn Store, at_ms: u64) -> Result<(), StoreError> {
    let oldest = week(at_ms).saturating_sub(1).to_be_bytes();
    for _ in 0..STEPS {
        let first = store.scan(Table::Idempotency, b"", STEP)?;
        let old = first.iter().take_while(|(key, _)| key[..] < oldest[..]);
        let removed = old
            .map(|(key, _)| store.remove(Table::Idempotency, key))
            .collect::<Result<Vec<()>, _>>()?;
        if removed.len() < STEP {
            break;
        }
    }
    Ok(())
}

/// Forgets old keys, now and every minute, until dropped.
pub(crate) async fn keep_forgetting(
    store: Arc<dyn Store>,
    agreed_ms: impl Fn() -> Option<u64> + Send,
) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(time_ms) = agreed_ms() else {
            continue;
        };
        let store = Arc::clone(&store);
        let done = tokio::task::spawn_blocking(move || forget_old(&*store, time_ms)).await;
        if let Ok(Err(error)) = done {
            tracing::warn!(%error, "old idempotency keys not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::crypto::hash::{Purpose, hash};
    use certmesh_ledger::store::{MemoryStore, SledStore};

    use super::super::now_ms;
    use super::*;
    use crate::pages::states;

    fn content(text: &[u8]) -> Hash {
        hash(Purpose::Request, text)
    }

    #[test]
    fn the_page_states_how_long_a_key_is_remembered() {
        assert_eq!(WEEK_MS, 7 * 24 * 3_600_000);
        states("ARCHITECTURE.md", "for a week at least and two at most");
    }

    #[test]
    fn a_key_is_known_for_a_week_and_not_for_three() {
        let store = MemoryStore::default();
        let (key, then) = ([7; 32], 100 * WEEK_MS - 1);
        remember(&store, &key, &content(b"a"), then).unwrap();
        let other = |at_ms| {
            forget_old(&store, at_ms).unwrap();
            used_otherwise(&store, &key, &content(b"b"), at_ms).unwrap()
        };
        assert!(!used_otherwise(&store, &key, &content(b"a"), then).unwrap());
        assert!(!used_otherwise(&store, &[8; 32], &content(b"b"), then).unwrap());
        assert!(other(then) && other(then + WEEK_MS));
        assert!(!other(then + 2 * WEEK_MS));
        assert_eq!(store.scan(Table::Idempotency, b"", 9).unwrap(), []);
    }

    #[tokio::test]
    async fn old_keys_leave_the_disk_after_a_start_and_new_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = SledStore::open(&dir.path().join("state")).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let now = now_ms();
        for n in 0..3 * STEP {
            let key = *content(&n.to_le_bytes()).as_bytes();
            let at_ms = if n < 10 { now } else { now - 3 * WEEK_MS };
            remember(&*store, &key, &content(b"a"), at_ms).unwrap();
        }
        let count = || store.scan(Table::Idempotency, b"", 4 * STEP).unwrap().len();
        assert_eq!(count(), 3 * STEP);
        let forgetting = tokio::spawn(keep_forgetting(Arc::clone(&store), move || Some(now)));
        tokio::time::timeout(Duration::from_secs(20), async {
            while count() > 10 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap();
        forgetting.abort();
        let key = *content(&0_usize.to_le_bytes()).as_bytes();
        assert!(used_otherwise(&*store, &key, &content(b"b"), now).unwrap());
    }
}
