//! The part of an index that still grows: three hash tables in memory.

use std::num::NonZeroU32;

use hashbrown::{HashTable, hash_table};

use super::filing::Filing;
use super::key::Filed;

/// The part of an index that still grows.
#[derive(Default)]
pub(super) struct TailIndex {
    runs: [GrowingRun; 3],
}

/// Places by fingerprint. Many records may share one (a segment is often of a single type), so the entries of each are
/// chained: adding one costs the same however many there are.
#[derive(Default)]
struct GrowingRun {
    chains: HashTable<Chain>,
    entries: Vec<GrowingEntry>,
}

/// The entries of one fingerprint. Fingerprints are keyed hashes, so a table files them under themselves.
#[derive(Clone, Copy)]
struct Chain {
    fingerprint: u64,
    oldest: u32,
    latest: u32,
}

struct GrowingEntry {
    place: u32,
    /// The entries before and after it in its chain, counted from one.
    before: Option<NonZeroU32>,
    after: Option<NonZeroU32>,
}

impl GrowingRun {
    fn add(&mut self, fingerprint: u64, place: u32) {
        let entry = self.entries.len() as u32;
        let chain = self.chains.entry(
            fingerprint,
            |chain| chain.fingerprint == fingerprint,
            |chain| chain.fingerprint,
        );
        let before = match chain {
            hash_table::Entry::Occupied(mut chain) => {
                let latest = std::mem::replace(&mut chain.get_mut().latest, entry);
                self.entries[latest as usize].after = NonZeroU32::new(entry + 1);
                NonZeroU32::new(latest + 1)
            }
            hash_table::Entry::Vacant(free) => {
                free.insert(Chain {
                    fingerprint,
                    oldest: entry,
                    latest: entry,
                });
                None
            }
        };
        self.entries.push(GrowingEntry {
            place,
            before,
            after: None,
        });
    }

    fn chain(&self, fingerprint: u64) -> Option<&Chain> {
        self.chains
            .find(fingerprint, |chain| chain.fingerprint == fingerprint)
    }

    /// The places of a chain, from one entry on.
    fn walk(
        &self,
        from: Option<u32>,
        next: impl Fn(&GrowingEntry) -> Option<NonZeroU32>,
    ) -> impl Iterator<Item = u32> {
        let mut at = from;
        std::iter::from_fn(move || {
            let entry = self.entries.get(at? as usize)?;
            at = next(entry).map(|next| next.get() - 1);
            Some(entry.place)
        })
    }

    fn first(&self, fingerprint: u64, from: u32, limit: usize) -> Vec<u32> {
        let oldest = self.chain(fingerprint).map(|chain| chain.oldest);
        let found = self.walk(oldest, |entry| entry.after);
        found.filter(|place| *place >= from).take(limit).collect()
    }

    fn latest(&self, fingerprint: u64, below: u32, limit: usize) -> Vec<u32> {
        let latest = self.chain(fingerprint).map(|chain| chain.latest);
        let found = self.walk(latest, |entry| entry.before);
        found.filter(|place| *place < below).take(limit).collect()
    }

    fn sorted(&self) -> Vec<(u64, u32)> {
        let mut entries = Vec::with_capacity(self.entries.len());
        for chain in &self.chains {
            let places = self.walk(Some(chain.oldest), |entry| entry.after);
            entries.extend(places.map(|place| (chain.fingerprint, place)));
        }
        entries.sort_unstable();
        entries
    }
}

impl TailIndex {
    /// Takes in records, one run after the other: the table of one fits a cache that those of all three don't.
    pub(super) fn take(&mut self, filing: &Filing) {
        for (run, entries) in self.runs.iter_mut().zip(&filing.0) {
            for (fingerprint, place) in entries {
                run.add(*fingerprint, *place);
            }
        }
    }

    /// The first places of a key, in order, from one on.
    pub(super) fn first(&self, of: Filed, from: u32, limit: usize) -> Vec<u32> {
        self.runs[of.run as usize].first(of.fingerprint, from, limit)
    }

    /// The latest places of a key below one, newest first.
    pub(super) fn latest(&self, of: Filed, below: u32, limit: usize) -> Vec<u32> {
        self.runs[of.run as usize].latest(of.fingerprint, below, limit)
    }

    /// What an index file holds of it: each run's fingerprints and places, sorted.
    pub(super) fn sorted(&self) -> [Vec<(u64, u32)>; 3] {
        self.runs.each_ref().map(GrowingRun::sorted)
    }
}
