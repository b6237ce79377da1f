//! Rows that are the same, in bounded memory.
//!
//! Of each row 16 bytes are kept: BLAKE3, under a key made for this run, of the parts that make rows the same. That is
//! about 40 MB for a million rows; for `last` and `reject`, which keep where a row stands or that there are several, about
//! 70 MB; half as much again while the table grows. Two different rows with the same 16 bytes would be taken for one;
//! among a billion rows the chance is less than one in 10^20.

use std::collections::{HashMap, HashSet};

use crate::error::Error;
use crate::map::Duplicates;

type Fingerprint = u128;

/// What is to be done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stands for itself.
    Take,
    /// Another row stands for it.
    Merge,
    /// It is one of several that are the same, and none is to be taken.
    Reject,
}

/// The rows seen.
pub(super) struct Doubles {
    key: [u8; 32],
    seen: Seen,
}

enum Seen {
    First(HashSet<Fingerprint>),
    /// The number of the last row.
    Last(HashMap<Fingerprint, u64>),
    /// Whether there are several.
    Reject(HashMap<Fingerprint, bool>),
}

impl Doubles {
    /// None seen yet.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub(super) fn new(rule: Duplicates) -> Result<Doubles, Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(Error::Randomness)?;
        let seen = match rule {
            Duplicates::First => Seen::First(HashSet::new()),
            Duplicates::Last => Seen::Last(HashMap::new()),
            Duplicates::Reject => Seen::Reject(HashMap::new()),
        };
        Ok(Doubles { key, seen })
    }

    /// Whether every row has to be looked at before the first can be judged.
    pub(super) fn looks_ahead(&self) -> bool {
        !matches!(self.seen, Seen::First(_))
    }

    /// What stands for the parts that make rows the same.
    pub(super) fn fingerprint<'a>(
        &self,
        parts: impl Iterator<Item = Option<&'a str>>,
    ) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(part.unwrap_or_default().as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Fingerprint::from_le_bytes(bytes)
    }

    /// Notes a row when all are looked at.
    pub(super) fn note(&mut self, row: u64, fingerprint: Fingerprint) {
        match &mut self.seen {
            Seen::First(_) => {}
            Seen::Last(rows) => {
                rows.insert(fingerprint, row);
            }
            Seen::Reject(rows) => {
                rows.entry(fingerprint)
                    .and_modify(|several| *several = true)
                    .or_insert(false);
            }
        }
    }

    /// What is to be done with a row.
    pub(super) fn judge(&mut self, row: u64, fingerprint: Fingerprint) -> Verdict {
        match &mut self.seen {
            Seen::First(rows) => {
                if rows.insert(fingerprint) {
                    Verdict::Take
                } else {
                    Verdict::Merge
                }
            }
            Seen::Last(rows) if rows.get(&fingerprint).is_none_or(|last| *last == row) => {
                Verdict::Take
            }
            Seen::Last(_) => Verdict::Merge,
            Seen::Reject(rows) if rows.get(&fingerprint) == Some(&true) => Verdict::Reject,
            Seen::Reject(_) => Verdict::Take,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rule: Duplicates) -> Vec<Verdict> {
        let mut doubles = Doubles::new(rule).unwrap();
        let rows = [("a", "1"), ("b", "1"), ("a", "1"), ("a1", "")];
        let prints: Vec<Fingerprint> = rows
            .iter()
            .map(|(a, b)| doubles.fingerprint([Some(*a), Some(*b)].into_iter()))
            .collect();
        for (row, print) in prints.iter().enumerate() {
            doubles.note(row as u64, *print);
        }
        let judge = |(row, print): (usize, &Fingerprint)| doubles.judge(row as u64, *print);
        prints.iter().enumerate().map(judge).collect()
    }

    #[test]
    fn the_first_the_last_or_none_of_the_same_rows_is_taken() {
        use Verdict::{Merge, Reject, Take};
        assert_eq!(judged(Duplicates::First), [Take, Take, Merge, Take]);
        assert_eq!(judged(Duplicates::Last), [Merge, Take, Take, Take]);
        assert_eq!(judged(Duplicates::Reject), [Reject, Take, Reject, Take]);
    }
}
