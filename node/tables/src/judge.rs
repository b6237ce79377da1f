//! What is to become of a row, by itself and beside the other rows of its table.

use certmesh_api::{Fault, FaultKind};

use crate::announce::announcement;
use crate::check::{Checker, Parts, Request};
use crate::doubles::{Doubles, Print, Verdict};
use crate::error::Error;
use crate::input::Layout;
use crate::map::{HiddenRows, Map};
use crate::row::{Cells, Head, Row};

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
    /// The map leaves it out: it is hidden, or does not meet the conditions for `rows`.
    LeftOut,
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

    /// What is to become of rows that the spreadsheet hides, if that is decided.
    pub fn hidden_rows(&self) -> Option<HiddenRows> {
        self.map.hidden_rows
    }

    /// What was taken of the table without anybody having said so, and what of it nobody sees; to be shown before
    /// anything is issued.
    pub fn announcement(&self, head: &Head<'_>) -> Vec<String> {
        announcement(head, self.map.hidden_rows)
    }

    /// Decides on rows that the spreadsheet hides, for this table.
    pub fn decide_hidden_rows(&mut self, what: HiddenRows) {
        self.map.hidden_rows = Some(what);
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
        // A row that is rejected for itself, or left out, stands for no other.
        if row.trouble.is_none()
            && matches!(self.is_left_out(row), Ok(false))
            && let Ok((_, parts)) = self.checker.request(&self.map, row.cells)
        {
            let print = self.print(&parts, row.cells);
            self.doubles.note(row.number, print);
        }
    }

    /// What is to become of a row.
    pub fn judge(&mut self, row: &Row<'_>) -> Judged {
        match self.is_left_out(row) {
            Ok(true) => return Judged::LeftOut,
            Ok(false) => {}
            Err(fault) => return Judged::Rejected(vec![fault]),
        }
        if let Some(trouble) = &row.trouble {
            return Judged::Rejected(vec![Fault::new("", trouble.clone())]);
        }
        let (sound, parts) = match self.checker.request(&self.map, row.cells) {
            Ok(found) => found,
            Err(faults) => return Judged::Rejected(faults),
        };
        let print = self.print(&parts, row.cells);
        let rejected = |kind: fn(String) -> FaultKind| {
            let parts = self.map.duplicates_by.iter();
            let labels = parts.filter_map(|key| Some(self.map.parts.get(key)?.label(key)));
            let columns = labels.collect::<Vec<_>>().join("`, `");
            Judged::Rejected(vec![Fault::new("", kind(columns))])
        };
        match self.doubles.judge(row.number, print) {
            Verdict::Merge => Judged::Merged,
            Verdict::Reject => rejected(|columns| FaultKind::Duplicate { columns }),
            Verdict::Differs => rejected(|columns| FaultKind::DuplicateDiffers { columns }),
            Verdict::MadeSame => rejected(|columns| FaultKind::DuplicateCleaned { columns }),
            Verdict::Take => Judged::Good(Box::new(sound)),
        }
    }

    /// Whether the map leaves a row out.
    ///
    /// # Errors
    /// Why that can't be said.
    fn is_left_out(&self, row: &Row<'_>) -> Result<bool, Fault> {
        if row.hidden && self.map.hidden_rows == Some(HiddenRows::Skip) {
            return Ok(true);
        }
        if row.trouble.is_some() {
            return Ok(false);
        }
        for condition in &self.map.rows {
            let value = condition.value.read(row.cells);
            let value = value.map_err(|kind| Fault::new(condition.value.label("rows"), kind))?;
            let value = value.unwrap_or_default();
            if condition.texts.contains(&value) == condition.not {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn print(&self, parts: &Parts<'_>, cells: &Cells) -> Print {
        let by = || self.map.duplicates_by.iter().map(String::as_str);
        let part = |key| parts.get(key).and_then(Option::as_deref);
        let written: Vec<String> = by()
            .map(|key| match self.map.parts.get(key) {
                Some(value) if value.is_cleaned_only() => value.written(cells),
                // Two spellings of a day, or two words with one code, are no matter of cleaning.
                _ => part(key).unwrap_or_default().to_owned(),
            })
            .collect();
        Print {
            same: self.doubles.fingerprint(by().map(part)),
            all: self.doubles.short(parts.values().map(Option::as_deref)),
            written: self
                .doubles
                .short(written.iter().map(|text| Some(text.as_str()))),
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
