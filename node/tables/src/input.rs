//! A table's file or pipe: its format, its encoding, and its rows, once or twice.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::ValueEnum;
use rustix::fs::OFlags;

use crate::encoding::{Encoding, GLANCE, Utf8};
use crate::error::{Error, TableFault};
use crate::map::Map;
use crate::row::Visitor;
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
    /// The format that a file's name implies, if any.
    pub fn by_name(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_ascii_lowercase();
        match extension.to_str()? {
            "xlsx" => Some(Format::Xlsx),
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
    text: csv::Layout,
    columns: Vec<String>,
}

impl Layout {
    /// As a map gives it.
    pub(super) fn of(map: &Map) -> Layout {
        Layout {
            encoding: map.encoding,
            sheet: map.sheet.clone(),
            text: csv::Layout {
                delimiter: map.delimiter,
                header: map.header,
            },
            columns: map.columns(),
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
        if self.format == Format::Xlsx {
            let place = xlsx::Place {
                sheet: layout.sheet.as_deref(),
                header: layout.text.header,
            };
            return xlsx::read(self.open().map_err(failed)?, &path, &place, visitor);
        }
        let (input, length, encoding) = self.text(layout.encoding).map_err(failed)?;
        let input = Utf8::new(input, encoding);
        match self.format {
            Format::Jsonl => jsonl::read(input, length, &layout.columns, &failed, visitor),
            _ => csv::read(input, length, &layout.text, &failed, visitor),
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

    /// The bytes, how many there are, and their encoding: as given, otherwise detected, for a file over its whole
    /// length.
    fn text(
        &mut self,
        given: Option<Encoding>,
    ) -> io::Result<(Box<dyn Read>, Option<u64>, Encoding)> {
        if let Some(mut pipe) = self.pipe.take() {
            let mut start = Vec::new();
            pipe.by_ref().take(GLANCE as u64).read_to_end(&mut start)?;
            let encoding = given.map_or_else(|| Encoding::detect(&start[..]), Ok)?;
            return Ok((Box::new(io::Cursor::new(start).chain(pipe)), None, encoding));
        }
        let mut file = self.open()?;
        let encoding = given.map_or_else(|| Encoding::detect(&file), Ok)?;
        file.rewind()?;
        let length = file.metadata()?.len();
        Ok((Box::new(file), Some(length), encoding))
    }
}
