//! What the members have agreed on about deciding: thresholds, witnesses, quotas, ages.

use serde::{Deserialize, Serialize};

use crate::crypto::keys::PublicKey;

use super::kinds::{Ascending, Ordered};

/// Most departments that govern.
pub const MAX_GOVERNORS: usize = 64;

/// Most recovery keys.
pub const MAX_RECOVERY_KEYS: usize = 16;

/// A part of a whole: `of` in `parts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Numerator.
    pub of: u8,
    /// Denominator.
    pub parts: u8,
}

impl Share {
    /// Two thirds.
    pub const TWO_THIRDS: Share = Share { of: 2, parts: 3 };

    /// Whether `count` is more than this share of `all`.
    pub fn is_exceeded_by(self, count: usize, all: usize) -> bool {
        count as u128 * u128::from(self.parts) > all as u128 * u128::from(self.of)
    }

    /// Whether `count` is at least this share of `all`.
    pub fn is_reached_by(self, count: usize, all: usize) -> bool {
        count as u128 * u128::from(self.parts) >= all as u128 * u128::from(self.of)
    }
}

/// Keys, held offline by people outside the departments' daily work, that can end the governing of members which can't be
/// reached: without them a network that lost a third of its governors for good could never decide anything again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryKeys {
    /// The keys, in ascending order of their bytes.
    pub keys: Ascending<RecoveryKey, MAX_RECOVERY_KEYS>,
    /// How many of them sign.
    pub need: u8,
}

/// One of the recovery keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecoveryKey(pub PublicKey);

impl Ordered for RecoveryKey {
    type Key = [u8; 32];

    fn key(&self) -> [u8; 32] {
        *self.0.as_bytes()
    }
}

/// What is in force until the members decide otherwise. Made by [`Policy::new`], so that no policy locks governance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Terms", into = "Terms")]
pub struct Policy(Terms);

/// The terms of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// A decision needs approvals of more than this share of the governors: at least one half, so that two decisions never
    /// have only departments in common that approved neither; less than all, so that approval by all is always enough.
    pub decide: Share,
    /// A checkpoint is witnessed by at least this share of the other governors: more than one half, so that what one such
    /// group witnessed, each other has a member who knows of it.
    pub witness: Share,
    /// No decision leaves fewer governors: 1 to 64.
    pub least_governors: u8,
    /// Proposals of one governor that may be pending: 1 to 16.
    pub pending_proposals: u8,
    /// Own changes of one department in 24 hours of block time: 1 to 64. The only thing that one department could make the
    /// chain longer with by itself.
    pub own_changes_a_day: u8,
    /// How long a governor's word that it knows nothing newer counts, ms: at least a minute.
    pub fresh_ms: u64,
    /// Who can end the governing of members that can't be reached.
    pub recovery: Option<RecoveryKeys>,
}

/// Why terms are not a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A share outside its bounds.
    #[error(
        "policy: decisions need more than {}/{} of the governors; give at least 1/2, and less than all", .0.of, .0.parts
    )]
    Decide(Share),
    /// A share outside its bounds.
    #[error(
        "policy: a checkpoint is witnessed by {}/{} of the other governors; give more than 1/2, at most all", .0.of, .0.parts
    )]
    Witness(Share),
    /// A number outside its bounds.
    #[error("policy: {term} is {found}; must be {least} to {most}")]
    Term {
        /// Which.
        term: &'static str,
        /// As given.
        found: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
}

/// The shortest age that a policy may ask for: a shorter one would make answers unknown between two exchanges of heads.
const LEAST_FRESH_MS: u64 = 60_000;

/// The longest, a year.
const MOST_FRESH_MS: u64 = 366 * 86_400_000;

impl Policy {
    /// Checks terms.
    ///
    /// # Errors
    /// [`PolicyError`] for a term outside its bounds.
    pub fn new(terms: Terms) -> Result<Policy, PolicyError> {
        let Share { of, parts } = terms.decide;
        if parts == 0 || of >= parts || u16::from(of) * 2 < u16::from(parts) {
            return Err(PolicyError::Decide(terms.decide));
        }
        let Share { of, parts } = terms.witness;
        if parts == 0 || of > parts || u16::from(of) * 2 <= u16::from(parts) {
            return Err(PolicyError::Witness(terms.witness));
        }
        let within = |term, found, least, most| match (least..=most).contains(&found) {
            true => Ok(()),
            false => Err(PolicyError::Term {
                term,
                found,
                least,
                most,
            }),
        };
        let governors = MAX_GOVERNORS as u64;
        within(
            "least_governors",
            terms.least_governors.into(),
            1,
            governors,
        )?;
        within("pending_proposals", terms.pending_proposals.into(), 1, 16)?;
        within("own_changes_a_day", terms.own_changes_a_day.into(), 1, 64)?;
        within("fresh_ms", terms.fresh_ms, LEAST_FRESH_MS, MOST_FRESH_MS)?;
        if let Some(recovery) = &terms.recovery {
            let keys = recovery.keys.len() as u64;
            within("recovery.need", recovery.need.into(), 1, keys)?;
        }
        Ok(Policy(terms))
    }

    /// More than two thirds decide, two thirds of the others witness, without recovery keys.
    pub fn usual() -> Policy {
        Policy(Terms {
            decide: Share::TWO_THIRDS,
            witness: Share::TWO_THIRDS,
            least_governors: 1,
            pending_proposals: 4,
            own_changes_a_day: 4,
            fresh_ms: 600_000,
            recovery: None,
        })
    }

    /// The recovery keys.
    pub(super) fn recovery_keys(&self) -> impl Iterator<Item = &PublicKey> {
        let keys = self.recovery.iter().flat_map(|recovery| &*recovery.keys);
        keys.map(|key| &key.0)
    }
}

impl std::ops::Deref for Policy {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.0
    }
}

impl TryFrom<Terms> for Policy {
    type Error = PolicyError;

    fn try_from(terms: Terms) -> Result<Policy, PolicyError> {
        Policy::new(terms)
    }
}

impl From<Policy> for Terms {
    fn from(policy: Policy) -> Terms {
        policy.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_policy_lets_a_minority_decide_or_needs_more_than_all() {
        let decide = |of, parts| {
            let decide = Share { of, parts };
            Policy::new(Terms {
                decide,
                ..Policy::usual().into()
            })
        };
        for (of, parts) in [(1, 2), (2, 3), (3, 4), (200, 255), (2, 4)] {
            let share = decide(of, parts).unwrap().decide;
            for governors in 1..=MAX_GOVERNORS {
                assert!(share.is_exceeded_by(governors, governors));
                assert!(!share.is_exceeded_by(governors / 2, governors));
            }
        }
        for (of, parts) in [(0, 0), (1, 0), (0, 1), (1, 1), (1, 3), (3, 2), (127, 255)] {
            assert!(decide(of, parts).is_err(), "{of}/{parts}");
        }
    }

    #[test]
    fn two_groups_of_witnesses_have_one_in_common() {
        let witness = |of, parts| {
            let witness = Share { of, parts };
            Policy::new(Terms {
                witness,
                ..Policy::usual().into()
            })
        };
        for (of, parts) in [(2, 3), (1, 1), (128, 255), (3, 5)] {
            let share = witness(of, parts).unwrap().witness;
            for others in 1..MAX_GOVERNORS {
                assert!(share.is_reached_by(others, others));
                let least = (0..=others).find(|n| share.is_reached_by(*n, others));
                assert!(least.unwrap() * 2 > others);
            }
        }
        for (of, parts) in [(1, 2), (0, 0), (2, 1), (127, 255)] {
            assert!(witness(of, parts).is_err(), "{of}/{parts}");
        }
    }

    #[test]
    fn every_other_term_has_its_bounds() {
        let usual = || -> Terms { Policy::usual().into() };
        let recovery = |need| RecoveryKeys {
            keys: Ascending::default(),
            need,
        };
        for broken in [
            Terms {
                least_governors: 0,
                ..usual()
            },
            Terms {
                least_governors: 65,
                ..usual()
            },
            Terms {
                pending_proposals: 17,
                ..usual()
            },
            Terms {
                own_changes_a_day: 0,
                ..usual()
            },
            Terms {
                fresh_ms: 59_999,
                ..usual()
            },
            Terms {
                recovery: Some(recovery(0)),
                ..usual()
            },
            Terms {
                recovery: Some(recovery(1)),
                ..usual()
            },
        ] {
            assert!(Policy::new(broken.clone()).is_err(), "{broken:?}");
        }
    }
}
