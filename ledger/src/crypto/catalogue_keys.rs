//! The catalogue keys of a network whose members have replaced theirs.
//!
//! The chain has a commitment to each, in the order in which they came into force, and never takes one away: what was recorded
//! under a key is found under that key alone. So a question about a holder has an answer only where all keys are held
//! ([`CatalogueKeys`]); until then a node has some of them ([`HeldCatalogueKeys`]), and knows which it lacks.

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
    pub fn lacks(
        &self,
        chain: impl IntoIterator<Item = CatalogueCommitment>,
    ) -> Vec<CatalogueCommitment> {
        let lacks = |commitment: &CatalogueCommitment| self.find(commitment).is_none();
        chain.into_iter().filter(lacks).collect()
    }

    /// All keys of a chain, whose commitments these are, oldest first.
    ///
    /// # Errors
    /// The first commitment that no key held here fits.
    pub fn all(
        &self,
        chain: impl IntoIterator<Item = CatalogueCommitment>,
    ) -> Result<CatalogueKeys, CatalogueCommitment> {
        let mut keys = Vec::new();
        let mut present = None;
        for commitment in chain {
            let key = self.find(&commitment).ok_or(commitment)?;
            keys.extend(present.replace(key.clone()));
        }
        // A chain has one from its genesis on.
        let present = present.expect("a chain without a catalogue key");
        Ok(CatalogueKeys {
            before: keys,
            present,
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
/// under each.
#[derive(Clone, Debug)]
pub struct CatalogueKeys {
    before: Vec<CatalogueKey>,
    present: CatalogueKey,
}

impl CatalogueKeys {
    /// The key in force.
    pub fn present(&self) -> &CatalogueKey {
        &self.present
    }

    /// The genesis's key.
    pub fn first(&self) -> &CatalogueKey {
        self.before.first().unwrap_or(&self.present)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &CatalogueKey> {
        self.before.iter().chain([&self.present])
    }
}

/// The only key of a network that never replaced it.
impl From<CatalogueKey> for CatalogueKeys {
    fn from(present: CatalogueKey) -> CatalogueKeys {
        CatalogueKeys {
            before: Vec::new(),
            present,
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

    fn chain(of: &[u8]) -> Vec<CatalogueCommitment> {
        of.iter().map(|n| key(*n).commitment()).collect()
    }

    #[test]
    fn all_keys_are_in_the_chain_s_order_whatever_order_they_came_in() {
        let held: HeldCatalogueKeys = [3, 1, 2, 9].map(key).into_iter().collect();
        let all = held.all(chain(&[1, 2, 3])).unwrap();
        let order: Vec<_> = all.iter().map(CatalogueKey::commitment).collect();
        assert_eq!(order, chain(&[1, 2, 3]));
        assert_eq!(all.present().commitment(), key(3).commitment());
        assert_eq!(all.first().commitment(), key(1).commitment());
    }

    #[test]
    fn keys_that_lack_are_named_and_a_question_waits_for_each() {
        let mut held: HeldCatalogueKeys = [key(2)].into_iter().collect();
        assert_eq!(held.lacks(chain(&[1, 2, 3])), chain(&[1, 3]));
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
