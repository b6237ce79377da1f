//! The map: how the columns of a table become the parts of a certificate. All its faults are reported at once, with
//! their keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use certmesh_api::Fault;
use certmesh_text::nearest;
use toml::Table;

use crate::encoding::Encoding;
use crate::error::{Error, FileError, MapFault, MapUse, TableFault};
use crate::map_file;
use crate::row::column_name;
use crate::value::{From, Value};

/// What stands between the names of a column over which there are headings.
pub(super) const HEADING: &str = "/";
/// Longest map that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// How a table becomes certificates.
#[derive(Clone, Debug)]
pub struct Map {
    /// The encoding; found out when not known.
    pub(super) encoding: Option<Encoding>,
    /// What stands between cells of delimited text; found out when not known.
    pub(super) delimiter: Option<u8>,
    /// Sheet of a spreadsheet; the first when none is named.
    pub(super) sheet: Option<String>,
    /// First and last row of the columns' names, from 1.
    pub(super) header: (u64, u64),
    /// What to do with rows that a spreadsheet hides; not known when the map says nothing.
    pub(super) hidden_rows: Option<HiddenRows>,
    /// What holds of the rows that are imported.
    pub(super) rows: Vec<Condition>,
    /// What to do with rows that are the same.
    pub(super) duplicates: Duplicates,
    /// The parts that make rows the same, by their keys.
    pub(super) duplicates_by: Vec<String>,
    /// The parts of a certificate by their keys: `serial`, `holder.kind`, `fields.ZZMC` …
    pub(super) parts: BTreeMap<String, Value>,
}

/// What to do with rows that a spreadsheet hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenRows {
    /// They are imported as those that are seen.
    Import,
    /// They are left out.
    Skip,
}

/// What holds of the rows that are imported.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) value: Value,
    /// Texts of which the value is one; an empty one is a value that is not there.
    pub(super) texts: Vec<String>,
    /// Whether it must be none of them instead.
    pub(super) not: bool,
}

/// What to do with rows that are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicates {
    /// Rows that are alike in everything are merged, others are rejected from the second on.
    Same,
    /// The first is taken, the others are merged into it.
    First,
    /// The last is taken.
    Last,
    /// None is taken.
    Reject,
}

/// On which line a text is not TOML, and what is wrong; without the line itself, which may be a field's value.
pub fn toml_fault(text: &str, error: &toml::de::Error) -> (usize, String) {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| 1 + before.matches('\n').count());
    (line, error.message().to_owned())
}

impl Map {
    /// Reads a map.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Unfit`], and [`Error::Map`] with every fault.
    pub fn read(path: &Path) -> Result<Map, Error> {
        let text = text_of(path)?;
        let table: Table = text.parse().map_err(|error| {
            let (line, why) = toml_fault(&text, &error);
            Error::unfit(path, TableFault::NoToml { line, why })
        })?;
        let what = MapUse::Any;
        map_file::map_of(&table).map_err(|faults| Error::Map { what, faults })
    }

    /// The columns it takes values from, each once.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        let conditions = self.rows.iter().map(|condition| &condition.value);
        for value in self.parts.values().chain(conditions) {
            if let From::Columns { names, .. } = &value.from {
                for name in names {
                    if !columns.contains(name) {
                        columns.push(name.clone());
                    }
                }
            }
        }
        columns
    }

    /// Finds the columns among those of the file.
    ///
    /// # Errors
    /// [`Error::Map`] with each that is not there, or there twice.
    pub(super) fn find_columns(&mut self, found: &[String]) -> Result<(), Error> {
        let mut faults = Vec::new();
        let parts = self
            .parts
            .iter_mut()
            .map(|(key, value)| (key.as_str(), value));
        let conditions = self
            .rows
            .iter_mut()
            .map(|condition| ("rows", &mut condition.value));
        for (key, value) in parts.chain(conditions) {
            let From::Columns { names, places, .. } = &mut value.from else {
                continue;
            };
            places.clear();
            for name in names {
                match place(name, found) {
                    Ok(place) => places.push(place),
                    Err(kind) => faults.push(Fault::new(key, kind)),
                }
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let names = found.iter().filter(|name| !name.is_empty());
        let names: Vec<&str> = names.take(100).map(String::as_str).collect();
        let there = if names.is_empty() {
            MapFault::NoColumns
        } else {
            let names = names.join(", ");
            MapFault::Columns { names }
        };
        faults.push(Fault::new("", there));
        let what = MapUse::File;
        Err(Error::Map { what, faults })
    }
}

/// Where a column stands: by its whole name, or by the last of its names where it has one in each row of the header.
fn place(name: &str, found: &[String]) -> Result<usize, MapFault> {
    let wanted = column_name(name);
    let last = |column: &str| {
        column
            .rsplit_once(HEADING)
            .is_some_and(|(_, last)| last == wanted)
    };
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    for (place, column) in found.iter().enumerate() {
        if *column == wanted || column == name {
            whole.push(place);
        } else if last(column) {
            part.push(place);
        }
    }
    match (whole.as_slice(), part.as_slice()) {
        (&[place], _) | (&[], &[place]) => Ok(place),
        (&[], &[]) => {
            let near = nearest(&wanted, found.iter().map(String::as_str));
            let (name, near) = (name.to_owned(), near.map(str::to_owned));
            Err(MapFault::NoColumn { name, near })
        }
        _ => Err(MapFault::TwoColumns {
            name: name.to_owned(),
        }),
    }
}

/// The names of columns over which there are headings: those of each row of the header joined by [`HEADING`], a name
/// that is repeated below itself once.
pub(super) fn joined(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let name = |column: usize| {
        let mut names: Vec<&str> = Vec::new();
        for row in rows {
            let name = row.get(column).map_or("", String::as_str);
            if !name.is_empty() && names.last() != Some(&name) {
                names.push(name);
            }
        }
        names.join(HEADING)
    };
    (0..columns).map(name).collect()
}

/// A small file's text, without the byte order mark that some editors begin it with.
fn text_of(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Error::read(path, error))?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::read(path, error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::unfit(path, TableFault::LongMap));
    }
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotUtf8(path.to_owned()))?;
    let whole = text.strip_prefix('\u{FEFF}').map(str::to_owned);
    Ok(whole.unwrap_or(text))
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
