//! A table's file or pipe: its format, its encoding, and its rows, once or twice.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::time::SystemTime;

use super::command::{Format, Import, open};
use super::encoding::{Encoding, GLANCE, Utf8};
use super::map::Map;
use super::row::Visitor;
use super::{csv, jsonl, xlsx};
use crate::Error;
use crate::screen::Screen;

/// The table, to be read once or twice.
pub(super) struct Input<'a> {
    path: &'a Path,
    format: Format,
    /// What can be read only once.
    pipe: Option<Box<dyn Read>>,
    /// Length and time of change of a file when it was opened.
    state: Option<(u64, SystemTime)>,
}

impl<'a> Input<'a> {
    /// The file or pipe that the arguments name.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Usage`] for an XLSX from a pipe.
    pub(super) fn open(args: &'a Import, screen: &mut Screen) -> Result<Self, Error> {
        let (path, format) = (&*args.file, args.format());
        let pipe: Option<Box<dyn Read>> = if path.as_os_str() == "-" {
            Some(Box::new(screen.take_input()))
        } else {
            match open(path)? {
                (_, Some(_)) => None,
                (pipe, None) => Some(Box::new(pipe)),
            }
        };
        if format == Format::Xlsx && pipe.is_some() {
            return Err(Error::Usage("an XLSX is read from a file, not from a pipe"));
        }
        Ok(Self {
            path,
            format,
            pipe,
            state: None,
        })
    }

    /// Whether it is a file and no pipe.
    pub(super) fn can_be_read_twice(&self) -> bool {
        self.pipe.is_none()
    }

    /// Reads all rows.
    ///
    /// # Errors
    /// Those of reading; the visitor's; [`Error::Malformed`] when the file has changed since it was opened.
    pub(super) fn each_row(&mut self, visitor: &mut dyn Pass) -> Result<(), Error> {
        self.unchanged()?;
        self.rows(visitor)?;
        self.unchanged()
    }

    /// Rows that moved between two readings would be taken for others, and half a file for a whole one.
    fn unchanged(&mut self) -> Result<(), Error> {
        if self.pipe.is_some() || self.path.as_os_str() == "-" {
            return Ok(());
        }
        let found = fs::metadata(self.path)
            .and_then(|found| Ok((found.len(), found.modified()?)))
            .map_err(|error| Error::read(self.path, error))?;
        if *self.state.get_or_insert(found) == found {
            return Ok(());
        }
        Err(Error::malformed(
            self.path,
            "a file at rest",
            "it was changed while it was read",
        ))
    }

    fn rows(&mut self, visitor: &mut dyn Pass) -> Result<(), Error> {
        let path = self.path;
        let failed = |error: io::Error| Error::read(path, error);
        let map = visitor.map();
        if self.format == Format::Xlsx {
            let sheet = map.sheet.clone();
            let place = xlsx::Place {
                sheet: sheet.as_deref(),
                header: map.header,
            };
            return xlsx::read(path, &place, visitor);
        }
        let (told, columns) = (map.encoding, map.columns());
        let layout = csv::Layout {
            delimiter: map.delimiter,
            header: map.header,
        };
        let (input, length, encoding) = self.text(told).map_err(failed)?;
        let input = Utf8::new(input, encoding);
        match self.format {
            Format::Jsonl => jsonl::read(input, length, &columns, &failed, visitor),
            _ => csv::read(input, length, &layout, &failed, visitor),
        }
    }

    /// The bytes, how many there are, and their encoding: as told, otherwise found out, of a file from its whole length.
    fn text(
        &mut self,
        told: Option<Encoding>,
    ) -> io::Result<(Box<dyn Read>, Option<u64>, Encoding)> {
        if let Some(mut pipe) = self.pipe.take() {
            let mut start = Vec::new();
            pipe.by_ref().take(GLANCE as u64).read_to_end(&mut start)?;
            let encoding = told.map_or_else(|| Encoding::detect(&start[..]), Ok)?;
            return Ok((Box::new(io::Cursor::new(start).chain(pipe)), None, encoding));
        }
        let mut file = File::open(self.path)?;
        let encoding = told.map_or_else(|| Encoding::detect(&file), Ok)?;
        file.rewind()?;
        let length = file.metadata()?.len();
        Ok((Box::new(file), Some(length), encoding))
    }
}

/// A reading of the whole table.
pub(super) trait Pass: Visitor {
    /// The map it goes by.
    fn map(&self) -> &Map;
}
