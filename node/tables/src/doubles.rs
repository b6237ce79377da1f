//! Rows that are the same, in bounded memory.
//!
//! Of each row 16 bytes are kept: BLAKE3, under a key made for this run, of the parts that make rows the same; and 16 of
//! all its parts, and of these as they are written, to say whether rows are alike in everything. That is about 80 MB for a
//! million rows; half as much again while the table grows. Two different rows with the same 16 bytes would be taken for
//! one; among a billion rows the chance is less than one in 10^20.

use std::collections::HashMap;

use crate::error::Error;
use crate::map::Duplicates;

type Fingerprint = u128;

/// What stands for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    /// Of the parts that make rows the same, after cleaning.
    pub(super) same: Fingerprint,
    /// Of all parts after cleaning.
    pub(super) all: u64,
    /// Of the parts that make rows the same, as they are written.
    pub(super) written: u64,
}

/// What is to be done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stands for itself.
    Take,
    /// Another row stands for it.
    Merge,
    /// It is one of several that are the same, and none is to be taken.
    Reject,
    /// An earlier row is the same by the parts that make them so, and differs otherwise.
    Differs,
    /// Another row is the same, but only by what cleaning makes of these parts.
    MadeSame,
}

/// The rows seen.
pub(super) struct Doubles {
    key: [u8; 32],
    rule: Duplicates,
    seen: HashMap<Key, Seen>,
}

/// A fingerprint that takes no room to be aligned.
type Key = [u8; 16];

/// What is kept of the rows that are the same.
#[derive(Clone, Copy)]
enum Seen {
    /// Of the first: all of it, and its parts as they are written.
    First { all: u64, written: u64 },
    /// Of the last: its number, and the parts as they are written; whether an earlier one is written otherwise.
    Last { row: u64, written: u64, mixed: bool },
    /// Whether there are several.
    Several(bool),
}

impl Doubles {
    /// None seen yet.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub(super) fn new(rule: Duplicates) -> Result<Doubles, Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(Error::Randomness)?;
        Ok(Doubles {
            key,
            rule,
            seen: HashMap::new(),
        })
    }

    /// Whether every row has to be looked at before the first can be judged.
    pub(super) fn looks_ahead(&self) -> bool {
        matches!(self.rule, Duplicates::Last | Duplicates::Reject)
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

    /// The same in 8 bytes, to compare rows that have the other one in common.
    pub(super) fn short<'a>(&self, parts: impl Iterator<Item = Option<&'a str>>) -> u64 {
        self.fingerprint(parts) as u64
    }

    /// Notes a row when all are looked at.
    pub(super) fn note(&mut self, row: u64, print: Print) {
        let seen = self.seen.entry(print.same.to_le_bytes());
        match self.rule {
            Duplicates::Same | Duplicates::First => {}
            Duplicates::Last => {
                let written = print.written;
                let last = |mixed| Seen::Last {
                    row,
                    written,
                    mixed,
                };
                seen.and_modify(|seen| {
                    let same = |seen: &Seen| matches!(seen, Seen::Last { written: before, mixed: false, .. } if *before == written);
                    *seen = last(!same(seen));
                })
                .or_insert(last(false));
            }
            Duplicates::Reject => {
                seen.and_modify(|seen| *seen = Seen::Several(true))
                    .or_insert(Seen::Several(false));
            }
        }
    }

    /// What is to be done with a row.
    pub(super) fn judge(&mut self, row: u64, print: Print) -> Verdict {
        let key = print.same.to_le_bytes();
        match self.seen.get(&key).copied() {
            None => {
                let Print { all, written, .. } = print;
                if !self.looks_ahead() {
                    self.seen.insert(key, Seen::First { all, written });
                }
                Verdict::Take
            }
            Some(Seen::First { written, .. }) if written != print.written => Verdict::MadeSame,
            Some(Seen::First { all, .. }) if self.rule == Duplicates::Same && all != print.all => {
                Verdict::Differs
            }
            Some(Seen::First { .. }) => Verdict::Merge,
            Some(Seen::Last { mixed: true, .. }) => Verdict::MadeSame,
            Some(Seen::Last { row: last, .. }) if last == row => Verdict::Take,
            Some(Seen::Last { .. }) => Verdict::Merge,
            Some(Seen::Several(true)) => Verdict::Reject,
            Some(Seen::Several(false)) => Verdict::Take,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of rows, each with its number, the same as it is written, and the rest.
    fn judged(rule: Duplicates, rows: &[[&str; 3]]) -> Vec<Verdict> {
        let mut doubles = Doubles::new(rule).unwrap();
        let print = |[same, written, rest]: &[&str; 3]| Print {
            same: doubles.fingerprint([Some(*same)].into_iter()),
            all: doubles.short([Some(*same), Some(*rest)].into_iter()),
            written: doubles.short([Some(*written)].into_iter()),
        };
        let prints: Vec<Print> = rows.iter().map(print).collect();
        if doubles.looks_ahead() {
            for (row, print) in prints.iter().enumerate() {
                doubles.note(row as u64, *print);
            }
        }
        let judge = |(row, print): (usize, &Print)| doubles.judge(row as u64, *print);
        prints.iter().enumerate().map(judge).collect()
    }

    #[test]
    fn the_first_the_last_or_none_of_the_same_rows_is_taken() {
        use Verdict::{Merge, Reject, Take};
        let rows = [
            ["a", "a", "1"],
            ["b", "b", "1"],
            ["a", "a", "2"],
            ["a1", "a1", ""],
        ];
        let judged = |rule| judged(rule, &rows);
        assert_eq!(judged(Duplicates::First), [Take, Take, Merge, Take]);
        assert_eq!(judged(Duplicates::Last), [Merge, Take, Take, Take]);
        assert_eq!(judged(Duplicates::Reject), [Reject, Take, Reject, Take]);
    }

    #[test]
    fn without_a_rule_only_rows_alike_in_everything_are_merged() {
        use Verdict::{Differs, MadeSame, Merge, Take};
        let rows = [
            ["a1", "a1", "1"],
            ["a1", "a1", "1"],
            ["a1", "a1", "2"],
            ["a1", "a-1", "1"],
        ];
        let expected = [Take, Merge, Differs, MadeSame];
        assert_eq!(judged(Duplicates::Same, &rows), expected);
        // Nor does the rule for rows that are the same hold for those that cleaning makes the same.
        let expected = [Take, Merge, Merge, MadeSame];
        assert_eq!(judged(Duplicates::First, &rows), expected);
        let expected = [MadeSame, MadeSame, MadeSame, MadeSame];
        assert_eq!(judged(Duplicates::Last, &rows), expected);
    }

    #[test]
    fn a_row_keeps_few_bytes() {
        assert!(size_of::<(Key, Seen)>() <= 40);
    }
}
