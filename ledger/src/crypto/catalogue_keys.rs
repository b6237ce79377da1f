//! The catalogue keys of a network whose members have replaced theirs.
//!
//! The chain has a commitment to each, in the order in which they came into force, and never takes one away: what was recorded
//! under a key is found under that key alone. So a question about a holder has an answer only where all keys are held
//! ([`CatalogueKeys`]); until then a node has some of them ([`HeldCatalogueKeys`]), and knows which are missing.

use super::keys::{CatalogueCommitment, CatalogueKey};

/// Most catalogue keys that a chain commits to, the genesis's counted. Each makes every look-up by holder dearer, for good; and
/// whose keys are stolen more often than this has another problem.
pub const MAX_CATALOGUE_KEYS: usize = 16;

/// The catalogue keys that a node holds: some or all of those that its chain commits to, and perhaps one that is proposed.
#[derive(Clone, Debug, Default)]
pub struct HeldCatalogueKeys(Vec<(CatalogueCommitment, CatalogueKey)>);

impl HeldCatalogueKeys {
    /// Adds a key; returns whether it was not held before.
    pub fn add(&mut self, key: CatalogueKey) -> bool {
        let commitment = key.commitment();
        let fresh = self.find(&commitment).is_none();
        if fresh {
            self.0.push((commitment, key));
        }
        fresh
    }

    /// The key that fits a commitment.
    pub fn find(&self, commitment: &CatalogueCommitment) -> Option<&CatalogueKey> {
        let found = self.0.iter().find(|(held, _)| held == commitment);
        found.map(|(_, key)| key)
    }

    /// Those of a chain's commitments that no key held here fits, oldest first.
    pub fn missing(
        &self,
        chain: impl IntoIterator<Item = CatalogueCommitment>,
    ) -> Vec<CatalogueCommitment> {
        let is_missing = |commitment: &CatalogueCommitment| self.find(commitment).is_none();
        chain.into_iter().filter(is_missing).collect()
    }

    /// All keys of a chain, whose commitments these are, oldest first, each with the height from which it is in force; with those
    /// that are held beside them.
    ///
    /// # Errors
    /// The first commitment that no key held here fits.
    pub fn all(
        &self,
        chain: impl IntoIterator<Item = (u64, CatalogueCommitment)>,
    ) -> Result<CatalogueKeys, CatalogueCommitment> {
        let mut keys = Vec::new();
        let mut present = None;
        let mut known = Vec::new();
        for (since, commitment) in chain {
            let key = self.find(&commitment).ok_or(commitment)?;
            known.push(commitment);
            keys.extend(present.replace((since, key.clone())));
        }
        let others = self.0.iter();
        let others = others.filter(|(commitment, _)| !known.contains(commitment));
        let others = others.map(|(_, key)| key.clone());
        // A chain has one from its genesis on.
        let present = present.expect("a chain without a catalogue key");
        Ok(CatalogueKeys {
            before: keys,
            present,
            // Each makes a look-up dearer, and nobody need ever bring one into force.
            others: others.take(MAX_CATALOGUE_KEYS).collect(),
        })
    }
}

impl FromIterator<CatalogueKey> for HeldCatalogueKeys {
    fn from_iter<I: IntoIterator<Item = CatalogueKey>>(keys: I) -> HeldCatalogueKeys {
        let mut held = HeldCatalogueKeys::default();
        for key in keys {
            held.add(key);
        }
        held
    }
}

/// All catalogue keys of a network, as of some height: what is new is tagged and blinded under the present one, and looked up
/// under each. Looked up as well under those that are held and not in the chain: one of them may be in force by now.
#[derive(Clone, Debug)]
pub struct CatalogueKeys {
    /// Those that were replaced, and since when each was in force.
    before: Vec<(u64, CatalogueKey)>,
    present: (u64, CatalogueKey),
    others: Vec<CatalogueKey>,
}

impl CatalogueKeys {
    /// The key in force.
    pub fn present(&self) -> &CatalogueKey {
        &self.present.1
    }

    /// Those of the chain, oldest first.
    pub fn of_chain(&self) -> impl Iterator<Item = &CatalogueKey> {
        let chain = self.before.iter().chain([&self.present]);
        chain.map(|(_, key)| key)
    }

    /// All that are looked up under: those of the chain, oldest first, and after them the others.
    pub fn iter(&self) -> impl Iterator<Item = &CatalogueKey> {
        self.of_chain().chain(&self.others)
    }

    /// The key that was in force at a height, and those that replaced it.
    pub fn since(&self, height: u64) -> impl Iterator<Item = &CatalogueKey> {
        let replaced = self.before.iter().skip(1).chain([&self.present]);
        let before = replaced.take_while(|(since, _)| *since <= height).count();
        self.of_chain().skip(before.min(self.before.len()))
    }

    /// Those that may name a subject in place of its tag under the key at this position: a record is about a certificate that
    /// was there before, and whoever made it knew the key of that.
    pub(crate) fn naming(&self, tag: usize) -> impl Iterator<Item = &CatalogueKey> {
        // In which order the others would have come is not known.
        self.iter().skip(tag.min(self.before.len() + 1))
    }
}

/// The only key of a network that never replaced it.
impl From<CatalogueKey> for CatalogueKeys {
    fn from(present: CatalogueKey) -> CatalogueKeys {
        CatalogueKeys {
            before: Vec::new(),
            present: (0, present),
            others: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::Secret;

    fn key(n: u8) -> CatalogueKey {
        CatalogueKey(Secret::from_bytes([n; 32]))
    }

    fn commitments(of: &[u8]) -> Vec<CatalogueCommitment> {
        of.iter().map(|n| key(*n).commitment()).collect()
    }

    /// Ten blocks between each key and the next.
    fn chain(of: &[u8]) -> Vec<(u64, CatalogueCommitment)> {
        (0..).step_by(10).zip(commitments(of)).collect()
    }

    fn are<'k>(keys: impl Iterator<Item = &'k CatalogueKey>, of: &[u8]) -> bool {
        keys.map(CatalogueKey::commitment).eq(commitments(of))
    }

    #[test]
    fn all_keys_are_in_the_chain_s_order_whatever_order_they_came_in() {
        let held: HeldCatalogueKeys = [3, 1, 2, 9].map(key).into_iter().collect();
        let all = held.all(chain(&[1, 2, 3])).unwrap();
        assert!(are(all.of_chain(), &[1, 2, 3]));
        assert_eq!(all.present().commitment(), key(3).commitment());
        // A key that is held may be in force already where the chain goes on.
        assert!(are(all.iter(), &[1, 2, 3, 9]));
    }

    #[test]
    fn what_is_about_a_record_is_under_the_key_of_its_height_or_a_later_one() {
        let held: HeldCatalogueKeys = [1, 2, 3, 9].map(key).into_iter().collect();
        let all = held.all(chain(&[1, 2, 3])).unwrap();
        assert!(are(all.since(0), &[1, 2, 3]) && are(all.since(9), &[1, 2, 3]));
        assert!(are(all.since(10), &[2, 3]) && are(all.since(19), &[2, 3]));
        assert!(are(all.since(20), &[3]) && are(all.since(u64::MAX), &[3]));
        assert!(are(CatalogueKeys::from(key(1)).since(5), &[1]));
        assert!(are(all.naming(0), &[1, 2, 3, 9]) && are(all.naming(2), &[3, 9]));
        assert!(are(all.naming(3), &[9]) && are(all.naming(4), &[9]));
    }

    #[test]
    fn keys_that_are_missing_are_named_and_a_question_waits_for_each() {
        let mut held: HeldCatalogueKeys = [key(2)].into_iter().collect();
        let missing = held.missing(commitments(&[1, 2, 3]));
        assert_eq!(missing, commitments(&[1, 3]));
        assert_eq!(
            held.all(chain(&[1, 2, 3])).unwrap_err(),
            key(1).commitment()
        );
        assert!(held.add(key(1)) && !held.add(key(1)));
        assert_eq!(
            held.all(chain(&[1, 2, 3])).unwrap_err(),
            key(3).commitment()
        );
        assert!(held.all(chain(&[1, 2])).is_ok());
    }
}
