//! The file that rejected rows go to, each with its place and its reason: lines of JSON, delimited text like the table, or
//! a spreadsheet.

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
use crate::xlsx_write::{MOST_TEXT, Sheet};
use certmesh_text::one_line::one_line;

/// What the file adds to a row; removed when the row is imported again.
const MARKS: [&str; 2] = ["_reason", "_row"];
/// The same as columns, before a table's own.
const COLUMNS: [&str; 2] = ["_row", "_reason"];
/// Holds a line that is not an object.
const LINE: &str = "_line";

/// Name of a spreadsheet's sheet, unless the table has one to be found by.
const SHEET: &str = "rejected";

/// Whether a table with these columns is a file of rejected rows.
pub(super) fn wrote<'a>(columns: impl Iterator<Item = &'a str>) -> bool {
    columns.take(COLUMNS.len()).eq(COLUMNS)
}

/// A file that is made at the first rejected row, for its owner alone. It holds each as soon as it is rejected; a
/// spreadsheet is one when it is finished.
pub struct Rejects {
    path: PathBuf,
    to: Option<To>,
    form: Form,
    /// Whether cells are kept in a spreadsheet.
    spreadsheet: bool,
}

/// What the rows are written to.
enum To {
    Text(File),
    Sheet(Box<Sheet>),
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
    /// Cells of a spreadsheet.
    Sheet {
        name: String,
        /// The columns' names, with those that are put before them.
        header: Vec<String>,
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
            to: None,
            form: Form::Json,
            spreadsheet: false,
        })
    }

    /// The same; cells are kept in a spreadsheet, each as a text, so that no program makes another of it.
    ///
    /// # Errors
    /// As [`Rejects::new`].
    pub fn spreadsheet(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            spreadsheet: true,
            ..Self::new(path)?
        })
    }

    /// From now on rows are kept as cells, like those of the table that begins here, if it has any.
    pub fn keep_cells(&mut self, head: &Head<'_>) {
        let Some(delimiter) = head.delimiter else {
            return;
        };
        let columns = || head.columns.iter().map(String::as_str);
        let skip = if wrote(columns()) { COLUMNS.len() } else { 0 };
        if self.spreadsheet {
            let header = COLUMNS.into_iter().chain(columns().skip(skip));
            // The map may look for the sheet by its name.
            let name = head.sheet.map_or(SHEET, |sheet| &sheet.name);
            self.form = Form::Sheet {
                name: name.to_owned(),
                header: header.map(str::to_owned).collect(),
                skip,
            };
            return;
        }
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
            } => csv::write(*delimiter, cells(row, *skip)),
            Form::Sheet { skip, .. } => in_a_row(cells(row, *skip)),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`FileError::Write`]; [`FileError::Exists`] if somebody else made the file meanwhile.
    pub fn add(&mut self, row: u64, reason: &str, original: &[u8]) -> Result<(), Error> {
        // It quotes what is in the row; the row itself is kept as it is.
        let reason = &*one_line(reason);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists(self.path.clone()).into(),
            _ => Error::write(&self.path, error),
        };
        let to = match &mut self.to {
            Some(to) => to,
            none => none.insert(begun(&self.path, &self.form).map_err(failed)?),
        };
        let written = match (to, &self.form) {
            (To::Sheet(sheet), _) => {
                let row = row.to_string();
                let reason: String = reason.chars().take(MOST_TEXT).collect();
                let marks = [&*row, &*reason];
                sheet.row(marks.into_iter().chain(out_of_a_row(original)))
            }
            (To::Text(file), Form::Cells { delimiter, .. }) => {
                let marks = [&*row.to_string(), reason];
                let marks = csv::write(*delimiter, marks.into_iter());
                file.write_all(&[&marks[..], &[*delimiter], original, b"\n"].concat())
            }
            (To::Text(file), _) => {
                let line = format!("{}\n", rejected_line(row, reason, original));
                file.write_all(line.as_bytes())
            }
        };
        written.map_err(failed)
    }

    /// Makes what was added durable, and a spreadsheet one; returns whether there is a file at all.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn finish(self) -> Result<bool, Error> {
        let finished = match self.to {
            None => return Ok(false),
            Some(To::Text(file)) => file.sync_all(),
            Some(To::Sheet(sheet)) => sheet.finish(),
        };
        finished.map_err(|error| Error::write(&self.path, error))?;
        Ok(true)
    }
}

/// Makes the file, up to the columns' names.
fn begun(path: &Path, form: &Form) -> io::Result<To> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    match form {
        Form::Json => Ok(To::Text(file)),
        Form::Cells { header, .. } => {
            file.write_all(header)?;
            Ok(To::Text(file))
        }
        Form::Sheet { name, header, .. } => {
            let mut sheet = Sheet::begin(file, name)?;
            sheet.row(header.iter().map(String::as_str))?;
            Ok(To::Sheet(Box::new(sheet)))
        }
    }
}

/// The cells that are the table's own.
fn cells<'r>(row: &'r Row<'_>, skip: usize) -> impl Iterator<Item = &'r str> {
    // Of a line that could not be divided into cells, there is one.
    let skip = match row.trouble {
        Some(FaultKind::QuotationMark) => 0,
        _ => skip,
    };
    row.cells.iter().skip(skip)
}

/// Cells one after the other, each with its length before it.
fn in_a_row<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in cells {
        // A row is of bounded length.
        bytes.extend_from_slice(&(cell.len() as u32).to_le_bytes());
        bytes.extend_from_slice(cell.as_bytes());
    }
    bytes
}

/// The cells that [`in_a_row`] was given.
fn out_of_a_row(mut bytes: &[u8]) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (cell, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        std::str::from_utf8(cell).ok()
    })
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
    use crate::input::{Format, Input, Layout};
    use crate::map::Map;
    use crate::row::{Cells, SheetTaken, Visitor};
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

    /// Remembers what it saw.
    #[derive(Default)]
    struct Seen {
        sheet: Option<String>,
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    }

    impl Visitor for Seen {
        type Error = Error;

        fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
            self.sheet = head.sheet.map(|sheet| sheet.name.clone());
            self.columns = head.columns.to_vec();
            Ok(())
        }

        fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
            self.rows
                .push(row.cells.iter().map(str::to_owned).collect());
            Ok(true)
        }
    }

    fn seen(path: &Path, header: &str) -> Seen {
        let dir = tempfile::tempdir().unwrap();
        let map = dir.path().join("map.toml");
        let text = format!(
            "header = {header}\nserial = \"a\"\nvalid_from = \"a\"\nholder = {{ kind = \"111\", column = \"a\" }}\n"
        );
        fs::write(&map, text).unwrap();
        let layout = Layout::of(&Map::read(&map).unwrap());
        let mut seen = Seen::default();
        let mut input = Input::file(path, Format::Csv);
        input.each_row(&layout, &mut seen).unwrap();
        seen
    }

    #[test]
    fn rejected_rows_are_read_back_as_they_were_whatever_rows_the_tables_header_had() {
        let texts = [
            "110105194912310021",
            "007",
            "1-2",
            "=1+1",
            "'x",
            " a  b ",
            "two\nlines\r\n",
            "<&>\"",
            "_x000D_ _x005F_ _x00_",
            "\u{7}\u{0}",
            "2020-01-05",
            "",
            "𠮷",
        ];
        let columns: Vec<String> = (0..texts.len()).map(|n| format!("甲/{n}")).collect();
        let taken = SheetTaken {
            name: "名[单] & \"x\"".to_owned(),
            ..SheetTaken::default()
        };
        let head = Head {
            columns: &columns,
            delimiter: Some(b','),
            sheet: Some(&taken),
            ..Head::default()
        };
        let mut cells = Cells::default();
        texts.iter().for_each(|text| cells.push(text));
        let row = Row {
            number: 7,
            position: 0,
            cells: &cells,
            trouble: None,
            line: b"",
            hidden: false,
        };
        let home = tempfile::tempdir().unwrap();
        for (make, name) in [
            (Rejects::new as fn(&Path) -> _, "rejects.csv"),
            (Rejects::spreadsheet, "rejects.xlsx"),
        ] {
            let path = home.path().join(name);
            let mut rejects = make(&path).unwrap();
            rejects.keep_cells(&head);
            for number in [7, 9] {
                let original = rejects.original(&row);
                rejects
                    .add(number, "why; \"what\" to do", &original)
                    .unwrap();
            }
            assert!(rejects.finish().unwrap());
            for header in ["1", "3", "[2, 3]"] {
                let seen = seen(&path, header);
                let marks = COLUMNS.map(str::to_owned);
                assert_eq!(seen.columns, [&marks[..], &columns].concat());
                let sheet = "名单 & \"x\"".to_owned();
                assert_eq!(seen.sheet, name.ends_with("xlsx").then_some(sheet));
                for (found, number) in seen.rows.iter().zip(["7", "9"]) {
                    assert_eq!(found[..2], [number, "why; \"what\" to do"]);
                    // A line ends within a text as it does everywhere in XML.
                    assert_eq!(found[2..], texts, "{name}");
                }
                assert_eq!(seen.rows.len(), 2);
            }
        }
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
