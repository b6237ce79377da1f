//! Rows of a spreadsheet, cell by cell: only the texts that many cells share are held in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use calamine::{DataRef, Reader, Xlsx};
use certmesh_api::FaultKind;

use crate::dates::day_in_china;
use crate::error::{Error, TableFault};
use crate::lines::MAX_LINE;
use crate::map::{HiddenRows, joined};
use crate::number_form::NumberForm;
use crate::rejects;
use crate::row::{
    Cells, Head, LAST_ROWS, Row, SheetTaken, TOO_LONG, Visitor, column_name, is_space,
};
use crate::xlsx_bounds;
use crate::xlsx_sheet::{COLUMNS, Merged, Range, Sheet};

/// From here on a spreadsheet's numbers are rounded.
const EXACT: f64 = 1e15;
/// Most ranges of hidden rows that a message lists.
const LISTED: usize = 10;

/// Where in the file the table is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Name of the sheet; the first one that is shown when none is given.
    pub(super) sheet: Option<&'a str>,
    /// First and last row of the columns' names, from 1.
    pub(super) header: (u64, u64),
    /// What is to become of hidden rows, if that is known.
    pub(super) hidden_rows: Option<HiddenRows>,
}

/// Looks through the file; what [`read`] needs to know before it reads a cell.
///
/// # Errors
/// [`Error::File`], [`Error::Unfit`].
pub(super) fn look(file: &File, path: &Path, place: &Place<'_>) -> Result<Sheet, Error> {
    let sheet = Sheet::look(file, path, place.sheet)?;
    xlsx_bounds::check(file, path)?;
    Ok(sheet)
}

/// The rows of the table that are hidden, and how many there are.
pub(super) fn hidden_rows(sheet: &Sheet, place: &Place<'_>) -> Option<(u64, String)> {
    let header = u32::try_from(place.header.1).unwrap_or(u32::MAX);
    let of_table = |&(first, last): &Range| (last > header).then(|| (first.max(header + 1), last));
    let rows: Vec<Range> = sheet.hidden_rows.iter().filter_map(of_table).collect();
    let count = rows.iter().map(|(first, last)| u64::from(last - first) + 1);
    let count: u64 = count.sum();
    let listed = rows
        .iter()
        .take(LISTED)
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
    let mut list = listed.collect::<Vec<_>>().join(", ");
    if rows.len() > LISTED {
        list.push_str(", …");
    }
    (count > 0).then_some((count, list))
}

/// Reads all rows of a sheet that was looked through; `path` is what messages call the file.
///
/// # Errors
/// [`Error::File`], [`Error::Unfit`]; the visitor's.
pub(super) fn read<V: Visitor>(
    file: File,
    path: &Path,
    place: &Place<'_>,
    sheet: &Sheet,
    visitor: &mut V,
) -> Result<(), V::Error> {
    let malformed = |error: calamine::XlsxError| match error {
        calamine::XlsxError::Io(error) => Error::read(path, error),
        error => {
            let why = error.to_string();
            Error::unfit(path, TableFault::NoXlsx { why })
        }
    };
    let hidden_rows = hidden_rows(sheet, place);
    if let (Some((count, rows)), None) = (&hidden_rows, place.hidden_rows) {
        let (count, rows) = (*count, rows.clone());
        return Err(Error::unfit(path, TableFault::HiddenRows { count, rows }).into());
    }
    let mut book = Xlsx::new(BufReader::new(file)).map_err(malformed)?;
    let mut reader = book
        .worksheet_cells_reader(&sheet.name)
        .map_err(malformed)?;
    let forms: Vec<NumberForm> = reader.styles().iter().map(NumberForm::of).collect();
    let taken = SheetTaken {
        name: sheet.name.clone(),
        others: sheet.others.clone(),
        hidden: sheet.hidden.clone(),
        hidden_rows,
        hidden_columns: Vec::new(),
    };
    let mut table = Table {
        header: place.header,
        length: u64::from(sheet.last_row),
        sheet,
        taken,
        names: Vec::new(),
        columns: None,
        merges: Merges::new(&sheet.merged),
        number: 0,
        cells: Cells::default(),
        holds: false,
        visitor,
    };
    while let Some((cell, style)) = reader.next_cell_with_style_id().map_err(malformed)? {
        let (row, column) = cell.get_position();
        let (row, column) = (row + 1, column + 1);
        if row != table.number {
            if !table.row()? {
                return Ok(());
            }
            table.begin(row);
        }
        let form = forms.get(style).unwrap_or(&NumberForm::Plain);
        table.cell(column, cell.get_value(), form);
    }
    table.row()?;
    table.head()
}

struct Table<'a, V> {
    header: (u64, u64),
    length: u64,
    sheet: &'a Sheet,
    taken: SheetTaken,
    /// The names of the columns in each row of the header.
    names: Vec<Vec<String>>,
    /// How many columns there are, once they are reported.
    columns: Option<usize>,
    merges: Merges<'a>,
    /// The row under way, from 1; 0 before the first.
    number: u32,
    cells: Cells,
    /// Whether any cell of it holds anything itself.
    holds: bool,
    visitor: &'a mut V,
}

impl<V: Visitor> Table<'_, V> {
    fn begin(&mut self, row: u32) {
        self.number = row;
        self.holds = false;
        self.cells.clear();
        self.merges.begin(row);
    }

    /// Adds a cell to the row, and what lies before it.
    fn cell(&mut self, column: u32, value: &DataRef<'_>, form: &NumberForm) {
        self.cover(column - 1);
        if self.merges.at(column).is_some() {
            // What it holds itself cannot be seen.
            return self.cover(column);
        }
        match self.sheet.is_uncomputed(self.number, column) {
            true => self.cells.push_unusable("", FaultKind::FormulaWithoutValue),
            false => push(&mut self.cells, value, form),
        }
        let place = self.cells.len() - 1;
        let is_blank = self
            .cells
            .get(place)
            .is_ok_and(|text| text.chars().all(is_space));
        self.holds |= !is_blank;
        self.merges.anchor(column, &self.cells, place);
    }

    /// Adds the cells that are missing up to a column: empty, or as the merged cells are that cover them.
    fn cover(&mut self, column: u32) {
        while self.cells.len() < column as usize {
            let next = self.cells.len() as u32 + 1;
            let Some(merge) = self.merges.at(next) else {
                self.cells.push("");
                continue;
            };
            let below = merge.cells.columns.0 == next;
            let number = u64::from(self.number);
            match () {
                // A heading is for all the columns under it.
                () if below || number < self.header.1 => self.cells.push_copy(&merge.value, 0),
                () if number == self.header.1 || merge.value.is_blank() => self.cells.push(""),
                () => self.cells.push_unusable("", FaultKind::MergedAcross),
            }
        }
    }

    /// Hands on the row; `false` ends the reading.
    fn row(&mut self) -> Result<bool, V::Error> {
        let number = u64::from(self.number);
        if number == 1 && rejects::wrote(self.cells.iter()) {
            // A file of rejected rows has one row of names, whatever the table had that the map is for.
            self.header = (1, 1);
        }
        if number < self.header.0 {
            return Ok(true);
        }
        if number <= self.header.1 {
            self.cover(self.merges.last_column());
            let row = (number - self.header.0) as usize;
            self.names.resize_with(row, Vec::new);
            self.names
                .push(self.cells.iter().map(column_name).collect());
            return Ok(true);
        }
        if !self.holds {
            return Ok(true);
        }
        self.head()?;
        self.cover(self.columns.unwrap_or_default() as u32);
        let too_long = self.cells.bytes() > MAX_LINE;
        self.visitor.row(&Row {
            number,
            position: number,
            cells: &self.cells,
            trouble: too_long.then_some(TOO_LONG),
            line: b"",
            hidden: self.sheet.hides(self.number),
        })
    }

    /// Reports the columns, unless that was done.
    fn head(&mut self) -> Result<(), V::Error> {
        if self.columns.is_some() {
            return Ok(());
        }
        let columns = joined(&self.names);
        self.columns = Some(columns.len());
        let hidden = &self.sheet.hidden_columns;
        let is_hidden = |place: usize| {
            let column = place as u32 + 1;
            hidden
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&column))
        };
        let named = columns.iter().enumerate();
        let named = named.filter(|(place, name)| !name.is_empty() && is_hidden(*place));
        self.taken.hidden_columns = named.map(|(_, name)| name.clone()).collect();
        self.visitor.head(&Head {
            columns: &columns,
            length: Some(self.length),
            encoding: None,
            delimiter: Some(b','),
            header: Some(self.header),
            full: LAST_ROWS
                .into_iter()
                .find(|row| *row == u64::from(self.sheet.last_row)),
            sheet: Some(&self.taken),
        })
    }
}

/// The merged cells that the row under way meets.
struct Merges<'a> {
    /// Those that are not met yet, in the order of their first rows.
    ahead: &'a [Merged],
    /// By their first columns: two never overlap.
    met: BTreeMap<u32, Merge>,
    /// The first row that one of them does not cover any more.
    until: u32,
    row: u32,
}

/// A merged cell that was met.
struct Merge {
    cells: Merged,
    /// One cell, once it was read.
    value: Cells,
}

impl<'a> Merges<'a> {
    fn new(merged: &'a [Merged]) -> Merges<'a> {
        Merges {
            ahead: merged,
            met: BTreeMap::new(),
            until: u32::MAX,
            row: 0,
        }
    }

    fn begin(&mut self, row: u32) {
        self.row = row;
        if row >= self.until {
            self.met.retain(|_, merge| merge.cells.rows.1 >= row);
        }
        while let [cells, ahead @ ..] = self.ahead
            && cells.rows.0 <= row
        {
            self.ahead = ahead;
            if cells.rows.1 >= row {
                let merge = Merge {
                    cells: *cells,
                    value: Cells::default(),
                };
                self.met.insert(cells.columns.0, merge);
            }
        }
        let ends = self.met.values().map(|merge| merge.cells.rows.1 + 1);
        if row >= self.until || !self.met.is_empty() {
            self.until = ends.min().unwrap_or(u32::MAX);
        }
    }

    /// The merged cell that covers a column of the row and doesn't begin there.
    fn at(&self, column: u32) -> Option<&Merge> {
        let (_, merge) = self.met.range(..=column).next_back()?;
        let Merged { rows, columns } = merge.cells;
        let begins = rows.0 == self.row && columns.0 == column;
        (column <= columns.1 && !begins).then_some(merge)
    }

    /// Keeps the value of a merged cell that begins here.
    fn anchor(&mut self, column: u32, cells: &Cells, place: usize) {
        let row = self.row;
        if let Some(merge) = self.met.get_mut(&column)
            && merge.cells.rows.0 == row
        {
            merge.value.push_copy(cells, place);
        }
    }

    /// The last column that one of them covers.
    fn last_column(&self) -> u32 {
        let last = self.met.values().map(|merge| merge.cells.columns.1);
        last.max().unwrap_or_default().min(COLUMNS)
    }
}

fn push(cells: &mut Cells, value: &DataRef<'_>, form: &NumberForm) {
    match value {
        DataRef::Empty => cells.push(""),
        DataRef::String(text) => cells.push(text),
        DataRef::SharedString(text) => cells.push(text),
        DataRef::Bool(value) => cells.push(if *value { "TRUE" } else { "FALSE" }),
        DataRef::Int(number) => cells.push(&number.to_string()),
        DataRef::Float(number) if number.abs() < EXACT => cells.push(&form.text(*number)),
        DataRef::Float(number) => {
            cells.push_unusable(&number.to_string(), FaultKind::RoundedNumber);
        }
        DataRef::DateTime(time) if time.is_datetime() => {
            let (year, month, day, ..) = time.to_ymd_hms_milli();
            cells.push_day(&format!("{year:04}-{month:02}-{day:02}"));
        }
        DataRef::DateTimeIso(text) => match day_in_china(text) {
            Some(day) => cells.push_day(&day.to_string()),
            // A time without a day, or none at all.
            None => cells.push_unusable(text, FaultKind::Duration),
        },
        DataRef::DateTime(_) | DataRef::DurationIso(_) => {
            cells.push_unusable("", FaultKind::Duration);
        }
        DataRef::Error(error) => {
            cells.push_unusable(&error.to_string(), FaultKind::SpreadsheetError);
        }
    }
}

#[cfg(test)]
#[path = "xlsx_tests.rs"]
mod tests;
