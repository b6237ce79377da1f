//! A table's file or pipe: its format, its encoding, and its rows, once or twice.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::ValueEnum;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::contents::{self, Contents};
use crate::encoding::{Encoding, GLANCE, Utf8};
use crate::error::{Error, TableFault};
use crate::map::{HiddenRows, Map};
use crate::row::{LAST_ROWS, Visitor};
use crate::xlsx_sheet::Sheet;
use crate::{csv, jsonl, xlsx};

/// The format of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Delimited text.
    Csv,
    /// JSON objects, one a line.
    Jsonl,
    /// A spreadsheet.
    Xlsx,
}

impl Format {
    /// The format that a file's name implies, if any. What the file is, its content decides: a table in a format that is
    /// not read is refused by that.
    pub fn by_name(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_ascii_lowercase();
        match extension.to_str()? {
            "xlsx" | "xlsm" | "xltx" | "xltm" | "xls" | "xlsb" | "et" | "ett" | "ods" => {
                Some(Format::Xlsx)
            }
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "csv" | "tsv" | "txt" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// Where the table is in its file, and how it is laid out there.
pub struct Layout {
    encoding: Option<Encoding>,
    sheet: Option<String>,
    hidden_rows: Option<HiddenRows>,
    text: csv::Layout,
}

impl Layout {
    /// As a map gives it.
    pub(super) fn of(map: &Map) -> Layout {
        Layout {
            encoding: map.encoding,
            sheet: map.sheet.clone(),
            hidden_rows: map.hidden_rows,
            text: csv::Layout {
                delimiter: map.delimiter,
                header: map.header,
                columns: map.columns(),
            },
        }
    }

    fn place(&self) -> xlsx::Place<'_> {
        xlsx::Place {
            sheet: self.sheet.as_deref(),
            header: self.text.header,
            hidden_rows: self.hidden_rows,
        }
    }
}

/// The table, to be read once or twice.
pub struct Input {
    path: PathBuf,
    format: Format,
    /// What can be read only once.
    pipe: Option<Box<dyn Read>>,
    is_pipe: bool,
    /// Whether a link is followed to the file.
    links: bool,
    /// Length and time of change of a file when it was first read.
    state: Option<(u64, SystemTime)>,
    /// What was found when a spreadsheet was looked through.
    sheet: Option<Sheet>,
}

impl Input {
    /// The table in a file.
    pub fn file(path: &Path, format: Format) -> Input {
        Input {
            path: path.to_owned(),
            format,
            pipe: None,
            is_pipe: false,
            links: true,
            state: None,
            sheet: None,
        }
    }

    /// The table in a file that somebody else may have put there: a link in its place is an error. What is said of a file
    /// that can't be read must not be said of one that only this process may read.
    pub fn strangers_file(path: &Path, format: Format) -> Input {
        Input {
            links: false,
            ..Input::file(path, format)
        }
    }

    /// The table that comes through a pipe; `path` is what messages call it.
    ///
    /// # Errors
    /// [`TableFault::Pipe`] for an XLSX.
    pub fn pipe(path: &Path, format: Format, pipe: Box<dyn Read>) -> Result<Input, Error> {
        if format == Format::Xlsx {
            return Err(Error::unfit(path, TableFault::Pipe));
        }
        Ok(Input {
            pipe: Some(pipe),
            is_pipe: true,
            ..Input::file(path, format)
        })
    }

    /// Whether it is a file and no pipe.
    pub fn can_be_read_twice(&self) -> bool {
        !self.is_pipe
    }

    /// Reads all rows.
    ///
    /// # Errors
    /// Those of reading; the visitor's; [`TableFault::Changed`] when the file was changed since it was first read.
    pub fn each_row<V: Visitor>(
        &mut self,
        layout: &Layout,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        self.unchanged()?;
        self.rows(layout, visitor)?;
        Ok(self.unchanged()?)
    }

    /// The rows of the table that a spreadsheet hides, such as `3-5, 9`, and how many there are.
    ///
    /// # Errors
    /// Those of reading.
    pub fn hidden_rows(&mut self, layout: &Layout) -> Result<Option<(u64, String)>, Error> {
        if self.is_pipe {
            return Ok(None);
        }
        self.unchanged()?;
        let path = self.path.clone();
        let failed = |error: io::Error| Error::read(&path, error);
        let mut file = self.open().map_err(failed)?;
        let start = start_of(&mut file).map_err(failed)?;
        if self.contents(&start)? != Contents::Zip {
            return Ok(None);
        }
        let place = layout.place();
        let sheet = xlsx::look(&file, &path, &place)?;
        let hidden = xlsx::hidden_rows(&sheet, &place);
        self.sheet = Some(sheet);
        Ok(hidden)
    }

    /// Rows that moved between two readings would be taken for others, and half a file for a whole one.
    fn unchanged(&mut self) -> Result<(), Error> {
        if self.is_pipe {
            return Ok(());
        }
        let found = fs::metadata(&self.path)
            .and_then(|found| Ok((found.len(), found.modified()?)))
            .map_err(|error| Error::read(&self.path, error))?;
        if *self.state.get_or_insert(found) == found {
            return Ok(());
        }
        Err(Error::unfit(&self.path, TableFault::Changed))
    }

    fn rows<V: Visitor>(&mut self, layout: &Layout, visitor: &mut V) -> Result<(), V::Error> {
        let path = self.path.clone();
        let failed = |error: io::Error| Error::read(&path, error);
        if let Some(pipe) = self.pipe.take() {
            let mut pipe = pipe;
            let mut start = Vec::new();
            let glance = pipe.by_ref().take(GLANCE as u64).read_to_end(&mut start);
            glance.map_err(failed)?;
            let from = start.get(..contents::START).unwrap_or(&start);
            if self.contents(from)? != Contents::Text {
                return Err(Error::unfit(&path, TableFault::Pipe).into());
            }
            let encoding = self.encoding(layout.encoding, &start[..])?;
            let pipe = io::Cursor::new(start).chain(pipe);
            return self.text(Utf8::new(pipe, encoding), None, None, layout, visitor);
        }
        let mut file = self.open().map_err(failed)?;
        let start = start_of(&mut file).map_err(failed)?;
        if self.contents(&start)? == Contents::Zip {
            let place = layout.place();
            let sheet = match &self.sheet {
                Some(sheet) => sheet.clone(),
                None => xlsx::look(&file, &path, &place)?,
            };
            self.sheet = Some(sheet.clone());
            return xlsx::read(file, &path, &place, &sheet, visitor);
        }
        if self.format == Format::Xlsx && Format::by_name(&path) != Some(Format::Xlsx) {
            return Err(Error::unfit(&path, TableFault::NotASpreadsheet).into());
        }
        let encoding = self.encoding(layout.encoding, &file)?;
        file.rewind().map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let full = match self.format {
            Format::Jsonl => None,
            _ => full(&file, encoding, length).map_err(failed)?,
        };
        file.rewind().map_err(failed)?;
        self.text(
            Utf8::new(file, encoding),
            Some(length),
            full,
            layout,
            visitor,
        )
    }

    fn text<V: Visitor>(
        &self,
        input: Utf8<impl Read>,
        length: Option<u64>,
        full: Option<u64>,
        layout: &Layout,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        let failed = |error: io::Error| Error::read(&self.path, error);
        match self.format {
            Format::Jsonl => jsonl::read(input, length, &layout.text.columns, &failed, visitor),
            _ => csv::read(input, length, full, &layout.text, &failed, visitor),
        }
    }

    /// What a file is that begins so: text or a spreadsheet.
    ///
    /// # Errors
    /// What else it is.
    fn contents(&self, start: &[u8]) -> Result<Contents, Error> {
        let failed = |error: io::Error| Error::read(&self.path, error);
        let signs = Encoding::signs(start).map_err(failed)?;
        let what = match Contents::of(start, signs) {
            found @ (Contents::Text | Contents::Zip) => return Ok(found),
            Contents::Ole if self.is_pipe => TableFault::OldFormat,
            Contents::Ole => contents::ole(self.open().map_err(failed)?).map_err(failed)?,
            Contents::Markup => TableFault::Markup,
            Contents::Other => TableFault::OtherFile,
        };
        Err(Error::unfit(&self.path, what))
    }

    /// The encoding of a text: as given, otherwise as its bytes say. One that is given must not contradict them.
    fn encoding(&self, given: Option<Encoding>, text: impl Read) -> Result<Encoding, Error> {
        let signs = Encoding::signs(text).map_err(|error| Error::read(&self.path, error))?;
        let unfit = |what| Err(Error::unfit(&self.path, what));
        match (given, given.and_then(|given| signs.contradict(given))) {
            (Some(given), Some(found)) => unfit(TableFault::OtherEncoding {
                given: given.name(),
                found: found.name(),
            }),
            (Some(given), None) => Ok(given),
            (None, _) => match signs.encoding() {
                Some(encoding) => Ok(encoding),
                None => unfit(TableFault::UnclearEncoding),
            },
        }
    }

    fn open(&self) -> io::Result<File> {
        let flags = match self.links {
            true => OFlags::empty(),
            false => OFlags::NOFOLLOW,
        };
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        File::options()
            .read(true)
            .custom_flags(flags)
            .open(&self.path)
    }
}

/// The number of a text's lines, if it is that of the last row that a spreadsheet can have: what was saved from a longer
/// table lacks rows.
fn full(file: &File, encoding: Encoding, length: u64) -> io::Result<Option<u64>> {
    if length < LAST_ROWS[0] {
        return Ok(None);
    }
    let mut text: Box<dyn Read + '_> = match encoding {
        // No part of another character is a line feed there.
        Encoding::Utf8 | Encoding::Gb18030 => Box::new(file),
        Encoding::Utf16Le | Encoding::Utf16Be => Box::new(Utf8::new(file, encoding)),
    };
    let mut block = Zeroizing::new(vec![0; 1 << 16]);
    let (mut lines, mut last) = (0, b'\n');
    loop {
        let found = text.read(&mut block)?;
        let Some(end) = block[..found].last() else {
            break;
        };
        last = *end;
        lines += block[..found].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    lines += u64::from(last != b'\n');
    Ok(LAST_ROWS.into_iter().find(|row| *row == lines))
}

/// The beginning of a file, which is rewound then.
fn start_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(contents::START as u64).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}
