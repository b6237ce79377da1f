//! Rows of a spreadsheet, cell by cell: only the texts that many cells share are held in memory.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use calamine::{DataRef, Reader, Xlsx};
use certmesh_api::FaultKind;

use crate::error::{Error, TableFault};
use crate::lines::MAX_LINE;
use crate::row::{Cells, Head, Row, TOO_LONG, Visitor};
use crate::xlsx_bounds;

/// From here on a spreadsheet's numbers are rounded.
const EXACT: f64 = 1e15;

/// Where in the file the table is.
pub(super) struct Place<'a> {
    /// Name of the sheet; the first one when none is given.
    pub(super) sheet: Option<&'a str>,
    /// The row of the columns' names, from 1.
    pub(super) header: u64,
}

/// Reads all rows; `path` is what messages call the file.
///
/// # Errors
/// [`Error::File`], [`Error::Unfit`]; the visitor's.
pub(super) fn read<V: Visitor>(
    file: File,
    path: &Path,
    place: &Place<'_>,
    visitor: &mut V,
) -> Result<(), V::Error> {
    let malformed = |error: calamine::XlsxError| match error {
        calamine::XlsxError::Io(error) => Error::read(path, error),
        error => {
            let why = error.to_string();
            Error::unfit(path, TableFault::NoXlsx { why })
        }
    };
    xlsx_bounds::check(&file, path)?;
    let mut book = Xlsx::new(BufReader::new(file)).map_err(malformed)?;
    let sheets = book.sheet_names();
    let sheet = match place.sheet {
        Some(name) if sheets.iter().any(|sheet| sheet == name) => name.to_owned(),
        Some(name) => {
            let (name, sheets) = (name.to_owned(), sheets.join(", "));
            return Err(Error::unfit(path, TableFault::NoSuchSheet { name, sheets }).into());
        }
        None => match sheets.first() {
            Some(first) => first.clone(),
            None => return Err(Error::unfit(path, TableFault::NoSheets).into()),
        },
    };
    let mut reader = book.worksheet_cells_reader(&sheet).map_err(malformed)?;
    let length = u64::from(reader.dimensions().end.0) + 1;
    let mut table = Table {
        header: place.header,
        length,
        columns: None,
        visitor,
    };
    let mut cells = Cells::default();
    let mut number = 0;
    while let Some(cell) = reader.next_cell().map_err(malformed)? {
        let (row, column) = cell.get_position();
        let row = u64::from(row) + 1;
        if row != number {
            if !table.row(number, &mut cells)? {
                return Ok(());
            }
            number = row;
        }
        cells.fill(column as usize);
        push(&mut cells, cell.get_value());
    }
    table.row(number, &mut cells)?;
    table.head(&[])
}

struct Table<'a, V> {
    header: u64,
    length: u64,
    columns: Option<usize>,
    visitor: &'a mut V,
}

impl<V: Visitor> Table<'_, V> {
    /// Hands on a row and empties the cells; `false` ends the reading.
    fn row(&mut self, number: u64, cells: &mut Cells) -> Result<bool, V::Error> {
        let mut goes_on = true;
        let blank = cells.is_blank();
        if number == self.header {
            let columns: Vec<String> = cells.iter().map(|name| name.trim().to_owned()).collect();
            self.head(&columns)?;
        } else if number > self.header && !blank {
            self.head(&[])?;
            let columns = self.columns.unwrap_or_default();
            cells.fill(columns);
            let too_long = cells.bytes() > MAX_LINE;
            goes_on = self.visitor.row(&Row {
                number,
                position: number,
                cells,
                trouble: too_long.then_some(TOO_LONG),
                line: b"",
            })?;
        }
        cells.clear();
        Ok(goes_on)
    }

    /// Reports the columns, unless that was done.
    fn head(&mut self, columns: &[String]) -> Result<(), V::Error> {
        if self.columns.is_none() {
            self.columns = Some(columns.len());
            self.visitor.head(&Head {
                columns,
                length: Some(self.length),
                encoding: None,
                delimiter: Some(b','),
            })?;
        }
        Ok(())
    }
}

fn push(cells: &mut Cells, value: &DataRef<'_>) {
    match value {
        DataRef::Empty => cells.push(""),
        DataRef::String(text) => cells.push(text),
        DataRef::SharedString(text) => cells.push(text),
        DataRef::Bool(value) => cells.push(if *value { "TRUE" } else { "FALSE" }),
        DataRef::Int(number) => cells.push(&number.to_string()),
        DataRef::Float(number) if number.abs() < EXACT => cells.push(&number.to_string()),
        DataRef::Float(number) => {
            cells.push_unusable(&number.to_string(), FaultKind::RoundedNumber);
        }
        DataRef::DateTime(time) if time.is_datetime() => {
            let (year, month, day, ..) = time.to_ymd_hms_milli();
            cells.push(&format!("{year:04}-{month:02}-{day:02}"));
        }
        // The day of an ISO 8601 time.
        DataRef::DateTimeIso(text) => cells.push(text.split('T').next().unwrap_or_default()),
        DataRef::DateTime(_) | DataRef::DurationIso(_) => {
            cells.push_unusable("", FaultKind::Duration);
        }
        DataRef::Error(error) => {
            cells.push_unusable(&error.to_string(), FaultKind::SpreadsheetError);
        }
    }
}
