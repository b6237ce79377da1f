//! The map: how the columns of a table become the parts of a certificate. All its faults are reported at once, with
//! their keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use certmesh_text::hint;
use toml::Table;

use crate::encoding::Encoding;
use crate::error::Error;
use crate::map_file;
use crate::value::{From, Value};

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
    /// The row of the columns' names, from 1.
    pub(super) header: u64,
    /// What to do with rows that are the same.
    pub(super) duplicates: Duplicates,
    /// The parts that make rows the same, by their keys.
    pub(super) duplicates_by: Vec<String>,
    /// The parts of a certificate by their keys: `serial`, `holder.kind`, `fields.ZZMC` …
    pub(super) parts: BTreeMap<String, Value>,
}

/// What to do with rows that are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicates {
    /// The first is taken, the others are merged into it.
    First,
    /// The last is taken.
    Last,
    /// None is taken.
    Reject,
}

/// What is wrong with a text that is not TOML, and on which line; without the line itself, which may be a field's value.
pub fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| 1 + before.matches('\n').count());
    format!("line {line}: {}", error.message())
}

impl Map {
    /// Reads a map.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotUtf8`], [`Error::Malformed`], and [`Error::Faults`] with every fault.
    pub fn read(path: &Path) -> Result<Map, Error> {
        let text = text_of(path)?;
        let table: Table = text
            .parse()
            .map_err(|error| Error::malformed(path, "a map", toml_fault(&text, &error)))?;
        map_file::map_of(&table).map_err(|faults| Error::Faults {
            what: "the map cannot be used",
            faults,
        })
    }

    /// The columns it takes values from, each once.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for value in self.parts.values() {
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
    /// [`Error::Faults`] with each that is not there, or there twice.
    pub(super) fn find_columns(&mut self, found: &[String]) -> Result<(), Error> {
        let mut faults = Vec::new();
        for (key, value) in &mut self.parts {
            let From::Columns { names, places, .. } = &mut value.from else {
                continue;
            };
            places.clear();
            for name in names {
                let mut at = found
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| *column == name);
                match (at.next(), at.next()) {
                    (Some((place, _)), None) => places.push(place),
                    (Some(_), Some(_)) => {
                        faults.push(format!("{key}: the file has two columns `{name}`"));
                    }
                    (None, _) => {
                        let hint = hint(name, found.iter().map(String::as_str));
                        faults.push(format!("{key}: the file has no column `{name}`{hint}"));
                    }
                }
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let names = found.iter().filter(|name| !name.is_empty());
        let names: Vec<&str> = names.take(100).map(String::as_str).collect();
        faults.push(if names.is_empty() {
            "the file has no columns; `header` gives the row with their names".to_owned()
        } else {
            format!("the file's columns are: {}", names.join(", "))
        });
        Err(Error::Faults {
            what: "the map does not fit the file",
            faults,
        })
    }
}

/// A small file's text, without the byte order mark that some editors begin it with.
fn text_of(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Error::read(path, error))?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::read(path, error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::malformed(path, "a map", "it is longer than 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::NotUtf8(path.to_owned()))?;
    let whole = text.strip_prefix('\u{FEFF}').map(str::to_owned);
    Ok(whole.unwrap_or(text))
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
