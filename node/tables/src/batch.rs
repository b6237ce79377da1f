//! Rows that are reported together: gathered, handed over, and accounted for in their order.

use certmesh_api::{Fault, ProblemType};
use certmesh_text::at_column;

use crate::check::{Request, counted_under};
use crate::judge::Judged;
use crate::rejects::Rejects;
use crate::row::Row;

/// Most rows of a batch.
const ROWS: usize = 2_000;
/// Most bytes of rows as they were that a batch holds, but for one row.
const BYTES: usize = 8 << 20;

/// Rows in their order, with what is to be handed over of those that are to be issued.
#[derive(Default)]
pub struct Batch<T> {
    /// What is handed over, in the rows' order.
    pub wanted: T,
    /// Every row, with what is known of it.
    pub rows: Vec<Judgement>,
    /// How far the input was read.
    pub position: u64,
    /// Bytes of the rows as they were.
    bytes: usize,
}

/// A row and what is to become of it.
pub struct Judgement {
    /// Its number in the file.
    pub number: u64,
    /// The row as the rejects file keeps it; empty for one that isn't kept.
    pub original: Vec<u8>,
    /// What is to become of it.
    pub fate: Fate,
}

/// What is to become of a row.
pub enum Fate {
    /// It is handed over.
    Wanted,
    /// Another row stands for it.
    Merged,
    /// The map leaves it out.
    LeftOut,
    /// It is not issued.
    Rejected(Rejected),
}

/// Why a row is rejected.
pub struct Rejected {
    /// What the API would call it.
    pub problem: ProblemType,
    faults: Vec<Fault>,
}

impl Rejected {
    /// What the summary counts the row under.
    pub fn counted_under(&self) -> String {
        self.faults.first().map(counted_under).unwrap_or_default()
    }

    /// Every fault, each with its columns.
    pub fn reason(&self) -> String {
        let texts: Vec<String> = self.faults.iter().map(at_column).collect();
        texts.join("; ")
    }
}

impl<T> Batch<T> {
    /// Adds a row; `want` hands over one that is to be issued. Without `rejects` no row is kept as it was.
    ///
    /// # Errors
    /// Those of `want`.
    pub fn add<E>(
        &mut self,
        row: &Row<'_>,
        judged: Judged,
        rejects: Option<&Rejects>,
        want: impl FnOnce(&mut T, Request) -> Result<(), E>,
    ) -> Result<(), E> {
        let fate = match judged {
            Judged::Merged => Fate::Merged,
            Judged::LeftOut => Fate::LeftOut,
            Judged::Rejected(faults) => Fate::Rejected(Rejected {
                problem: match row.trouble {
                    Some(_) => ProblemType::MalformedBody,
                    None => ProblemType::InvalidField,
                },
                faults,
            }),
            Judged::Good(request) => {
                want(&mut self.wanted, *request)?;
                Fate::Wanted
            }
        };
        let original = match (&fate, rejects) {
            (Fate::Merged | Fate::LeftOut, _) | (_, None) => Vec::new(),
            (_, Some(rejects)) => rejects.original(row),
        };
        self.bytes += original.len();
        self.position = row.position;
        self.rows.push(Judgement {
            number: row.number,
            original,
            fate,
        });
        Ok(())
    }

    /// Whether it is time to hand it over.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= ROWS || self.bytes >= BYTES
    }
}
