//! What can go wrong with a table, its map or its rejects file; never with a single row.

use std::io;
use std::path::{Path, PathBuf};

use certmesh_api::{Fault, coded};
use certmesh_ledger::id::HolderKind;
use certmesh_text::{at_field, at_path, say};

/// Why a file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A text file in another encoding.
    #[error("{} is not UTF-8 (GBK or GB18030?)", .0.display())]
    NotUtf8(PathBuf),
    /// A file or directory could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that would be overwritten.
    #[error("{} already exists and is left unchanged", .0.display())]
    Exists(PathBuf),
}

impl FileError {
    /// [`FileError::Read`] of a file.
    pub fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// [`FileError::Write`] of a file.
    pub fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why a table can't be read, mapped or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that is not what it should be.
    #[error("{}", at_path(path, what))]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: TableFault,
    },
    /// A map that can't be used, with every fault.
    #[error("{}", listed(*.what, faults).join("\n  "))]
    Map {
        /// What it can't be used for.
        what: MapUse,
        /// Each fault, at its key.
        faults: Vec<Fault<MapFault>>,
    },
    /// The operating system provided no randomness.
    #[error("the operating system provides no randomness: {0}")]
    Randomness(getrandom::Error),
}

coded! {
    /// What is wrong with a table's or map's file as a whole.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum TableFault: "table" {
        "changed" Changed,
        "pipe" Pipe,
        "damaged" Damaged,
        "password" Password,
        "old-format" OldFormat,
        "open-document" OpenDocument,
        "binary-workbook" BinaryWorkbook,
        "markup" Markup,
        "other-file" OtherFile,
        "not-a-spreadsheet" NotASpreadsheet,
        "other-encoding" OtherEncoding { given: &'static str, found: &'static str },
        "unclear-encoding" UnclearEncoding,
        "all-hidden" AllHidden { sheets: String },
        "hidden-rows" HiddenRows { count: u64, rows: String },
        "irregular" Irregular { limit: usize },
        "irregular-cell" IrregularCell {
            /// Its place, such as `B7`.
            cell: String,
        },
        "no-toml" NoToml {
            line: usize,
            /// The parser's own error.
            why: String,
        },
        "long-map" LongMap,
        "no-xlsx" NoXlsx {
            /// The library's own error.
            why: String,
        },
        "long-shared-texts" LongSharedTexts {
            /// MiB.
            limit: u64,
        },
        "too-many-shared-texts" TooManySharedTexts { texts: u64, length: u64 },
        "no-sheets" NoSheets,
        "no-such-sheet" NoSuchSheet { name: String, sheets: String },
    }
}

coded! {
    /// What a map can't be used for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum MapUse: "mapping" {
        "any" Any,
        "file" File,
        "standard" Standard,
    }
}

coded! {
    /// What is wrong with a map, by itself or for a table or a standard. Its sentence follows the key's name.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum MapFault: "map" {
        // Of keys and their values.
        "unknown-key" UnknownKey { near: Option<String> },
        "required" Required,
        "not-a-text" NotAText,
        "not-texts" NotTexts,
        "unknown-word" UnknownWord { expected: &'static [&'static str] },
        "delimiter" Delimiter,
        "header" Header,
        "holder" Holder,
        "holder-kind-required" HolderKindRequired,
        "holder-kind" HolderKind { expected: &'static [HolderKind] },
        "fields" Fields,
        "source-form" SourceForm,
        "one-source" OneSource,
        "with-constant" WithConstant,
        "without-columns" WithoutColumns,
        "unknown-rule" UnknownRule { name: String, near: Option<String>, rules: String },
        "codes" Codes,
        "no-codes" NoCodes,
        "not-a-flag" NotAFlag,
        "without-split" WithoutSplit,
        "split-part" SplitPart,
        "rows" Rows,
        "spelling-sign" SpellingSign { spelling: String },
        "spelling-zone" SpellingZone { spelling: String },
        "spelling-part" SpellingPart { spelling: String, sign: &'static str },
        "none-named" NoneNamed,
        "unknown-part" UnknownPart { name: String, near: Option<String> },

        // Of columns.
        "no-column" NoColumn { name: String, near: Option<String> },
        "two-columns" TwoColumns { name: String },
        "no-columns" NoColumns,
        "columns" Columns { names: String },

        // Of the type's standard.
        "issuer" Issuer,
        "missing" Missing { name: String },
        "unknown-field" UnknownField { near: Option<String> },
    }
}

impl Error {
    /// [`FileError::Read`] of a file.
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        FileError::read(path, source).into()
    }

    /// [`FileError::Write`] of a file.
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        FileError::write(path, source).into()
    }

    /// [`Error::Unfit`] of a file.
    pub(super) fn unfit(path: &Path, what: TableFault) -> Self {
        Self::Unfit {
            path: path.to_owned(),
            what,
        }
    }

    /// The message by its lines: each fault of a map has one.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Map { what, faults } => listed(*what, faults),
            other => vec![other.to_string()],
        }
    }
}

fn listed(what: MapUse, faults: &[Fault<MapFault>]) -> Vec<String> {
    let faults = faults.iter().map(|fault| format!("- {}", at_field(fault)));
    std::iter::once(say(&what)).chain(faults).collect()
}

#[cfg(test)]
mod tests {
    use certmesh_text::check::mismatches;

    use super::*;

    #[test]
    fn each_fault_of_a_table_or_a_map_has_a_text_and_each_text_a_fault() {
        let none = Vec::<String>::new();
        assert_eq!(mismatches::<TableFault>(), none);
        assert_eq!(mismatches::<MapFault>(), none);
        assert_eq!(mismatches::<MapUse>(), none);
    }
}
