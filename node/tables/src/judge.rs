//! What is to become of a row, by itself and beside the other rows of its table.

use certmesh_api::{Fault, FaultKind};

use crate::check::{Checker, Parts, Request};
use crate::doubles::{Doubles, Verdict};
use crate::error::Error;
use crate::input::Layout;
use crate::map::Map;
use crate::row::{Head, Row};

/// Judges the rows of one table.
pub struct Judge {
    map: Map,
    checker: Checker,
    doubles: Doubles,
}

/// What is to become of a row.
pub enum Judged {
    /// It is to be issued.
    Good(Box<Request>),
    /// Another row stands for it.
    Merged,
    /// It is not to be issued, for these faults, each at its columns; [`certmesh_text::at_column`] shows one.
    Rejected(Vec<Fault>),
}

impl Judge {
    /// A judge for rows of a map.
    ///
    /// # Errors
    /// [`Error::Map`] when no row of the map can meet the type's standard; [`Error::Randomness`].
    pub fn new(map: Map, checker: Checker) -> Result<Judge, Error> {
        checker.fits(&map)?;
        let doubles = Doubles::new(map.duplicates)?;
        Ok(Judge {
            map,
            checker,
            doubles,
        })
    }

    /// Whether every row has to be looked at before the first can be judged.
    pub fn looks_ahead(&self) -> bool {
        self.doubles.looks_ahead()
    }

    /// Where the table is in its file, and how it is laid out.
    pub fn layout(&self) -> Layout {
        Layout::of(&self.map)
    }

    /// Finds the map's columns in the table.
    ///
    /// # Errors
    /// [`Error::Map`] with each that is not there, or there twice.
    pub fn find_columns(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.map.find_columns(head.columns)
    }

    /// Notes a row when all are looked at.
    pub fn look(&mut self, row: &Row<'_>) {
        // A row that is rejected for itself stands for no other.
        if row.trouble.is_none()
            && let Ok((_, parts)) = self.checker.request(&self.map, row.cells)
        {
            let print = fingerprint(&self.doubles, &self.map, &parts);
            self.doubles.note(row.number, print);
        }
    }

    /// What is to become of a row.
    pub fn judge(&mut self, row: &Row<'_>) -> Judged {
        if let Some(trouble) = &row.trouble {
            return Judged::Rejected(vec![Fault::new("", trouble.clone())]);
        }
        let (sound, parts) = match self.checker.request(&self.map, row.cells) {
            Ok(found) => found,
            Err(faults) => return Judged::Rejected(faults),
        };
        let print = fingerprint(&self.doubles, &self.map, &parts);
        match self.doubles.judge(row.number, print) {
            Verdict::Merge => Judged::Merged,
            Verdict::Reject => {
                let parts = self.map.duplicates_by.iter();
                let labels = parts.filter_map(|key| Some(self.map.parts.get(key)?.label(key)));
                let columns = labels.collect::<Vec<_>>().join("`, `");
                Judged::Rejected(vec![Fault::new("", FaultKind::Duplicate { columns })])
            }
            Verdict::Take => Judged::Good(Box::new(sound)),
        }
    }
}

fn fingerprint(doubles: &Doubles, map: &Map, parts: &Parts<'_>) -> u128 {
    let by = map.duplicates_by.iter();
    doubles.fingerprint(by.map(|key| parts.get(key.as_str()).and_then(Option::as_deref)))
}
