//! What the members have agreed on about deciding: thresholds, witnesses, quotas, ages.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::{Ascending, NotAscending, Ordered, TooMany};
use crate::crypto::keys::PublicKey;

use super::{GenesisError, GenesisFaults};

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

    /// Whether it is less than another.
    pub fn is_below(self, other: Share) -> bool {
        u16::from(self.of) * u16::from(other.parts) < u16::from(other.of) * u16::from(self.parts)
    }

    /// Whether `count` is more than this share of `all`.
    pub fn is_exceeded_by(self, count: usize, all: usize) -> bool {
        count as u128 * u128::from(self.parts) > all as u128 * u128::from(self.of)
    }

    /// The fewest that are more than this share of `all`.
    pub fn least_exceeding(self, all: usize) -> usize {
        // A share of less than all, which a policy's is: all of them are enough.
        (0..all)
            .find(|count| self.is_exceeded_by(*count, all))
            .unwrap_or(all)
    }

    /// Whether `count` is at least this share of `all`.
    pub fn is_reached_by(self, count: usize, all: usize) -> bool {
        count as u128 * u128::from(self.parts) >= all as u128 * u128::from(self.of)
    }
}

/// A text that is not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected two numbers up to 255 with a stroke between them, such as 2/3")]
pub struct NotAShare;

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.of, self.parts)
    }
}

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Share, NotAShare> {
        let (of, parts) = text.split_once('/').ok_or(NotAShare)?;
        let number = |text: &str| text.parse::<u8>().map_err(|_| NotAShare);
        Ok(Share {
            of: number(of)?,
            parts: number(parts)?,
        })
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
        "policy: decide: decisions would need more than {0} of the governors; give at least 1/2, and less than all"
    )]
    Decide(Share),
    /// A share outside its bounds.
    #[error(
        "policy: witness: a checkpoint would be witnessed by {0} of the other governors; give more than 1/2, at most all"
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
    /// [`PolicyError`] for the first term outside its bounds.
    pub fn new(terms: Terms) -> Result<Policy, PolicyError> {
        match Policy::faults(&terms).into_iter().next() {
            None => Ok(Policy(terms)),
            Some(fault) => Err(fault),
        }
    }

    /// All terms that are outside their bounds.
    fn faults(terms: &Terms) -> Vec<PolicyError> {
        let mut faults = Vec::new();
        let Share { of, parts } = terms.decide;
        if parts == 0 || of >= parts || u16::from(of) * 2 < u16::from(parts) {
            faults.push(PolicyError::Decide(terms.decide));
        }
        let Share { of, parts } = terms.witness;
        if parts == 0 || of > parts || u16::from(of) * 2 <= u16::from(parts) {
            faults.push(PolicyError::Witness(terms.witness));
        }
        let mut within = |term, found: u64, least, most| {
            if !(least..=most).contains(&found) {
                faults.push(PolicyError::Term {
                    term,
                    found,
                    least,
                    most,
                });
            }
        };
        let governors = MAX_GOVERNORS as u64;
        within(
            "least_governors",
            terms.least_governors.into(),
            1,
            governors,
        );
        within("pending_proposals", terms.pending_proposals.into(), 1, 16);
        within("own_changes_a_day", terms.own_changes_a_day.into(), 1, 64);
        within("fresh_ms", terms.fresh_ms, LEAST_FRESH_MS, MOST_FRESH_MS);
        if let Some(recovery) = &terms.recovery {
            let keys = recovery.keys.len() as u64;
            within("recovery.need", recovery.need.into(), 1, keys);
        }
        faults
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
    pub(crate) fn recovery_keys(&self) -> impl Iterator<Item = &PublicKey> {
        let keys = self.recovery.iter().flat_map(|recovery| &*recovery.keys);
        keys.map(|key| &key.0)
    }
}

impl Policy {
    /// Reads the keys of a `[policy]` table from a file of their own. What it leaves out is as usual.
    ///
    /// # Errors
    /// Every fault in it at once.
    pub fn from_toml(text: &str) -> Result<Policy, GenesisFaults> {
        let raw: RawPolicy = GenesisFaults::read(text)?;
        let mut faults = GenesisFaults::default();
        let policy = raw.check(&mut faults);
        faults.unless_any(policy)
    }

    /// Writes the `[policy]` table of a genesis.
    pub(super) fn to_toml(&self) -> String {
        let mut out = format!(
            "\n[policy]\n\
             # A decision needs approvals of more than this share of the departments that govern.\n\
             decide = \"{}\"\n\
             # A checkpoint is witnessed by at least this share of the other departments that govern.\n\
             witness = \"{}\"\n\
             # No decision leaves fewer that govern.\n\
             least_governors = {}\n\
             # Proposals of one department that may be pending; changes of its own keys in 24 hours.\n\
             pending_proposals = {}\n\
             own_changes_a_day = {}\n\
             # How long a department's word that it knows of nothing newer counts, in milliseconds.\n\
             fresh_ms = {}\n",
            self.decide,
            self.witness,
            self.least_governors,
            self.pending_proposals,
            self.own_changes_a_day,
            self.fresh_ms
        );
        if let Some(recovery) = &self.recovery {
            out.push_str(
                "\n# Keys held outside the departments, so many of which end the governing of members that can't be reached.\n\
                 [policy.recovery]\n",
            );
            let keys: Vec<String> = recovery
                .keys
                .iter()
                .map(|key| format!("\"{}\"", key.0))
                .collect();
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "need = {}\nkeys = [{}]",
                recovery.need,
                keys.join(", ")
            );
        }
        out
    }
}

/// A policy as a file spells it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    decide: Option<String>,
    witness: Option<String>,
    least_governors: Option<u64>,
    pending_proposals: Option<u64>,
    own_changes_a_day: Option<u64>,
    fresh_ms: Option<u64>,
    recovery: Option<RawRecovery>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecovery {
    need: u64,
    keys: Vec<String>,
}

impl RawPolicy {
    /// The policy, unless something is wrong with it.
    pub(super) fn check(&self, faults: &mut GenesisFaults) -> Option<Policy> {
        let before = faults.0.len();
        let usual = Policy::usual();
        let mut share = |key, given: &Option<String>, usual| match given {
            None => Some(usual),
            Some(text) => faults.check(text.parse(), |error| GenesisError::Share {
                key,
                text: text.clone(),
                error,
            }),
        };
        let decide = share("decide", &self.decide, usual.decide);
        let witness = share("witness", &self.witness, usual.witness);
        // One that no byte holds is above every bound.
        let small = |given: u64| u8::try_from(given).unwrap_or(u8::MAX);
        let term = |given: Option<u64>, usual| given.map_or(usual, small);
        let recovery = self.recovery.as_ref();
        let terms = Terms {
            // In place of one that can't be read: what is wrong with it is known already.
            decide: decide.unwrap_or(usual.decide),
            witness: witness.unwrap_or(usual.witness),
            least_governors: term(self.least_governors, usual.least_governors),
            pending_proposals: term(self.pending_proposals, usual.pending_proposals),
            own_changes_a_day: term(self.own_changes_a_day, usual.own_changes_a_day),
            fresh_ms: self.fresh_ms.unwrap_or(usual.fresh_ms),
            recovery: recovery.and_then(|recovery| recovery.check(faults)),
        };
        faults.0.extend(self.outside(&terms));
        match faults.0.len() > before {
            true => None,
            false => Some(Policy(terms)),
        }
    }

    /// Terms outside their bounds, as the file has them.
    fn outside(&self, terms: &Terms) -> Vec<GenesisError> {
        let written = |term| match term {
            "least_governors" => self.least_governors,
            "pending_proposals" => self.pending_proposals,
            "own_changes_a_day" => self.own_changes_a_day,
            "recovery.need" => self.recovery.as_ref().map(|recovery| recovery.need),
            _ => None,
        };
        let faults = Policy::faults(terms).into_iter();
        let as_written = faults.map(|fault| match fault {
            PolicyError::Term {
                term,
                found,
                least,
                most,
            } => PolicyError::Term {
                term,
                found: written(term).unwrap_or(found),
                least,
                most,
            },
            share => share,
        });
        as_written.map(GenesisError::Policy).collect()
    }
}

impl RawRecovery {
    fn check(&self, faults: &mut GenesisFaults) -> Option<RecoveryKeys> {
        let (at, key) = ("policy", "recovery.keys");
        let keys = self.keys.iter();
        let keys: Vec<RecoveryKey> = keys
            .filter_map(|text| faults.key(at, key, text))
            .map(RecoveryKey)
            .collect();
        if keys.len() < self.keys.len() {
            return None;
        }
        let keys = faults.check(Ascending::new(keys), |error| match error {
            NotAscending::TooMany(limit) => GenesisError::TooMany {
                at: at.to_owned(),
                key,
                error: TooMany {
                    found: self.keys.len(),
                    limit,
                },
            },
            NotAscending::Twice => GenesisError::KeyTwice {
                at: at.to_owned(),
                key,
                used: "another of them".to_owned(),
            },
        })?;
        Some(RecoveryKeys {
            keys,
            need: u8::try_from(self.need).unwrap_or(u8::MAX),
        })
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
                let least = share.least_exceeding(governors);
                assert!(share.is_exceeded_by(least, governors));
                assert!(!share.is_exceeded_by(least - 1, governors));
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
