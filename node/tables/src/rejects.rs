//! The file that rejected rows go to, each with its place and its reason: lines of JSON, or delimited text like the table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use certmesh_api::FaultKind;
use serde_json::value::RawValue;

use crate::csv;
use crate::error::{Error, FileError};
use crate::row::{Head, Row};
use certmesh_text::one_line::one_line;

/// What the file adds to a row; removed when the row is imported again.
const MARKS: [&str; 2] = ["_reason", "_row"];
/// The same as columns, before a table's own.
const COLUMNS: [&str; 2] = ["_row", "_reason"];
/// Holds a line that is not an object.
const LINE: &str = "_line";

/// Whether a table with these columns is a file of rejected rows.
pub(super) fn wrote<'a>(columns: impl Iterator<Item = &'a str>) -> bool {
    columns.take(COLUMNS.len()).eq(COLUMNS)
}

/// A file that is made at the first rejected row, for its owner alone, and holds each as soon as it is rejected.
pub struct Rejects {
    path: PathBuf,
    file: Option<File>,
    form: Form,
}

/// What the file is made of.
enum Form {
    /// Lines of JSON.
    Json,
    /// Delimited text, like the table the rows are from.
    Cells {
        delimiter: u8,
        /// The line of the columns' names.
        header: Vec<u8>,
        /// Columns that an earlier rejects file had put before the table's own.
        skip: usize,
    },
}

impl Rejects {
    /// The file to be. An empty one that an import left behind may be used again.
    ///
    /// # Errors
    /// [`FileError::Exists`] if it holds anything, [`FileError::Write`] if its directory does not exist.
    pub fn new(path: &Path) -> Result<Self, Error> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() && found.len() == 0 => {
                fs::remove_file(path).map_err(|error| Error::write(path, error))?;
            }
            Ok(_) => return Err(FileError::Exists(path.to_owned()).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::write(path, error)),
        }
        // Reported now and not after an hour's import.
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !directory.is_dir() {
            return Err(Error::write(path, io::ErrorKind::NotFound.into()));
        }
        Ok(Self {
            path: path.to_owned(),
            file: None,
            form: Form::Json,
        })
    }

    /// From now on rows are kept as cells, like those of the table that begins here, if it has any.
    pub fn keep_cells(&mut self, head: &Head<'_>) {
        let Some(delimiter) = head.delimiter else {
            return;
        };
        let columns = || head.columns.iter().map(String::as_str);
        let skip = if wrote(columns()) { COLUMNS.len() } else { 0 };
        let header = csv::write(delimiter, COLUMNS.into_iter().chain(columns().skip(skip)));
        self.form = Form::Cells {
            delimiter,
            // Without the mark, spreadsheets in China take UTF-8 for GBK.
            header: [b"\xEF\xBB\xBF", &header[..], b"\n"].concat(),
            skip,
        };
    }

    /// The row as [`Rejects::add`] wants it.
    pub fn original(&self, row: &Row<'_>) -> Vec<u8> {
        match &self.form {
            Form::Json => row.line.to_vec(),
            Form::Cells {
                delimiter, skip, ..
            } if row.trouble != Some(FaultKind::QuotationMark) => {
                csv::write(*delimiter, row.cells.iter().skip(*skip))
            }
            Form::Cells { delimiter, .. } => csv::write(*delimiter, row.cells.iter()),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`FileError::Write`]; [`FileError::Exists`] if somebody else made the file meanwhile.
    pub fn add(&mut self, row: u64, reason: &str, original: &[u8]) -> Result<(), Error> {
        // It quotes what is in the row; the row itself is kept as it is.
        let reason = &*one_line(reason);
        let (first, line) = match &self.form {
            Form::Json => (
                &b""[..],
                format!("{}\n", rejected_line(row, reason, original)).into_bytes(),
            ),
            Form::Cells {
                delimiter, header, ..
            } => {
                let marks = [&*row.to_string(), reason];
                let marks = csv::write(*delimiter, marks.into_iter());
                let line = [&marks[..], &[*delimiter], original, b"\n"].concat();
                (&header[..], line)
            }
        };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists(self.path.clone()).into(),
            _ => Error::write(&self.path, error),
        };
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut options = File::options();
                options.append(true).create_new(true).mode(0o600);
                let file = none.insert(options.open(&self.path).map_err(failed)?);
                file.write_all(first).map_err(failed)?;
                file
            }
        };
        file.write_all(&line).map_err(failed)
    }

    /// Makes what was added durable; returns whether there is a file at all.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn finish(self) -> Result<bool, Error> {
        let Some(file) = self.file else {
            return Ok(false);
        };
        let synced = file.sync_all();
        synced.map_err(|error| Error::write(&self.path, error))?;
        Ok(true)
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The row as it was before a rejects file added to it; any other line just as it is.
pub fn as_it_was(line: &[u8]) -> Cow<'_, [u8]> {
    let marked = MARKS.iter().any(|mark| {
        line.windows(mark.len() + 2)
            .any(|part| part[1..].starts_with(mark.as_bytes()))
    });
    if marked && let Ok(mut members) = serde_json::from_slice::<Members<'_>>(line) {
        members.retain(|name, _| !MARKS.contains(&name.as_str()));
        if let (1, Some(text)) = (members.len(), members.get(LINE))
            && let Ok(text) = serde_json::from_str::<String>(text.get())
            && !text.contains('\n')
        {
            return text.into_bytes().into();
        }
        if let Ok(line) = serde_json::to_vec(&members) {
            return line.into();
        }
    }
    line.into()
}

/// The row with its reason, as a line of JSON. A line that is not an object goes into `_line`.
fn rejected_line(row: u64, reason: &str, line: &[u8]) -> String {
    let marks = serde_json::json!({"_reason": reason, "_row": row}).to_string();
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    match serde_json::from_str::<Members<'_>>(text) {
        Ok(members) if members.is_empty() => marks,
        // Spliced in, so that the row keeps its spelling and the order of its members.
        Ok(_) => format!("{},{}", &text[..text.len() - 1], &marks[1..]),
        Err(_) if text.is_empty() => marks,
        Err(_) => serde_json::json!({"_reason": reason, "_row": row, LINE: text}).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use certmesh_text::one_line::{self, HOSTILE};

    #[test]
    fn a_rejected_row_keeps_its_spelling_and_can_be_imported_again() {
        let row = br#" {"type":"T", "serial":"1"} "#;
        let rejected = rejected_line(7, "no such \"type\"", row);
        assert_eq!(
            rejected,
            r#"{"type":"T", "serial":"1","_reason":"no such \"type\"","_row":7}"#
        );
        let again: serde_json::Value =
            serde_json::from_slice(&as_it_was(rejected.as_bytes())).unwrap();
        assert_eq!(again, serde_json::json!({"type": "T", "serial": "1"}));
    }

    #[test]
    fn a_line_that_is_no_object_is_kept_as_text_and_comes_back_as_it_was() {
        let rejected = rejected_line(1, "r", b"{\"a\":");
        let value: serde_json::Value = serde_json::from_str(&rejected).unwrap();
        assert_eq!(value["_line"], "{\"a\":");
        assert_eq!(&*as_it_was(rejected.as_bytes()), b"{\"a\":");
        assert_eq!(rejected_line(2, "r", b"{}"), r#"{"_reason":"r","_row":2}"#);
        assert!(rejected_line(3, "r", b"\xFF").contains("_line"));
    }

    #[test]
    fn rows_without_marks_are_not_touched() {
        for row in [
            r#"{"serial":"1"  ,"type":"T"}"#,
            r#"{"_line":"x", "serial":"1"}"#,
        ] {
            assert_eq!(&*as_it_was(row.as_bytes()), row.as_bytes());
        }
    }

    #[test]
    fn the_file_is_made_at_the_first_row_and_an_empty_one_is_used_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rejects.jsonl");
        fs::write(&path, "").unwrap();
        let mut rejects = Rejects::new(&path).unwrap();
        assert!(!path.exists());
        rejects.add(1, "r", b"{}").unwrap();
        // At once, not at the end.
        assert_eq!(
            fs::read(&path).unwrap(),
            b"{\"_reason\":\"r\",\"_row\":1}\n"
        );
        assert!(matches!(
            Rejects::new(&path),
            Err(Error::File(FileError::Exists(_)))
        ));
        assert!(matches!(
            Rejects::new(Path::new("/nowhere/r")),
            Err(Error::File(FileError::Write { .. }))
        ));
    }

    #[test]
    fn a_reason_is_on_one_line_whatever_it_quotes() {
        let home = tempfile::tempdir().unwrap();
        let columns = ["a".to_owned()];
        let head = Head {
            columns: &columns,
            delimiter: Some(b','),
            ..Head::default()
        };
        for cells in [false, true] {
            let path = home.path().join(format!("{cells}"));
            let mut rejects = Rejects::new(&path).unwrap();
            if cells {
                rejects.keep_cells(&head);
            }
            let original = if cells { &b"1"[..] } else { b"{}" };
            rejects.add(1, HOSTILE, original).unwrap();
            rejects.add(2, "=1", original).unwrap();
            rejects.finish().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), if cells { 3 } else { 2 }, "{text:?}");
            let steering = |c: char| c != '\n' && one_line::steers(c);
            assert!(!text.contains(steering), "{text:?}");
        }
    }
}
