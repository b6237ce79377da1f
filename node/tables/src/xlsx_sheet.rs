//! What of a spreadsheet is not in its cells' values: which sheets, rows and columns are hidden, which cells are merged, and
//! which hold a formula without a value. Read from the parts themselves before the cells are: some of it stands after them.
//!
//! Only places are kept, as ranges; how many, is bounded.
//!
//! A file whose cells are written in such a way that programs read them differently is refused here: nobody knows what whoever
//! looked at it saw. So are places that the library which reads the cells would add up to numbers too large.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use crate::error::{Error, TableFault};

/// Most ranges that are kept.
const MOST: usize = 1 << 20;
/// Most rows that a spreadsheet has, and most columns.
const ROWS: u32 = 1 << 20;
pub(super) const COLUMNS: u32 = 1 << 14;

/// A range of rows or columns, from 1, both ends in it.
pub(super) type Range = (u32, u32);

/// A cell that was merged from several, by its rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merged {
    pub(super) rows: Range,
    pub(super) columns: Range,
}

/// A sheet of the workbook.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    name: String,
    hidden: bool,
    relation: String,
}

/// What is kept of a sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) name: String,
    /// Other sheets that are shown.
    pub(super) others: Vec<String>,
    /// Sheets that are hidden.
    pub(super) hidden: Vec<String>,
    /// Hidden rows that hold anything, in their order.
    pub(super) hidden_rows: Vec<Range>,
    pub(super) hidden_columns: Vec<Range>,
    /// In the order of their first rows.
    pub(super) merged: Vec<Merged>,
    /// The last row that is written.
    pub(super) last_row: u32,
    /// Rows of the cells with a formula without a value, by their columns.
    uncomputed: BTreeMap<u32, Vec<Range>>,
}

impl Sheet {
    /// Looks through the sheet of this name; without one, through the first that is shown.
    ///
    /// # Errors
    /// [`Error::Unfit`]; [`Error::File`].
    pub(super) fn look(file: &File, path: &Path, name: Option<&str>) -> Result<Sheet, Error> {
        let mut parts = Parts::open(file, path)?;
        let (mut sheets, recalculated) = parts.sheets()?;
        let tables = parts.tables()?;
        // Not charts, which are sheets of their own.
        sheets.retain(|sheet| tables.contains_key(&sheet.relation));
        let names = |hidden: bool| {
            let of = sheets.iter().filter(move |sheet| sheet.hidden == hidden);
            of.map(|sheet| sheet.name.clone()).collect::<Vec<_>>()
        };
        let found = match name {
            Some(name) => sheets.iter().find(|sheet| sheet.name == name),
            None => sheets.iter().find(|sheet| !sheet.hidden),
        };
        let Some(found) = found else {
            let list = sheets.iter().map(|sheet| sheet.name.as_str());
            let list = list.collect::<Vec<_>>().join(", ");
            return Err(parts.unfit(match name {
                Some(name) => TableFault::NoSuchSheet {
                    name: name.to_owned(),
                    sheets: list,
                },
                None if sheets.is_empty() => TableFault::NoSheets,
                None => TableFault::AllHidden { sheets: list },
            }));
        };
        let mut others = names(false);
        others.retain(|name| *name != found.name);
        let mut sheet = Sheet {
            name: found.name.clone(),
            others,
            hidden: names(true),
            ..Sheet::default()
        };
        if let Some(place) = tables.get(&found.relation) {
            parts.rows(place, recalculated, &mut sheet)?;
        }
        sheet.merged.sort_unstable();
        sheet.hidden_rows.sort_unstable();
        Ok(sheet)
    }

    /// Whether a row is hidden.
    pub(super) fn hides(&self, row: u32) -> bool {
        within(&self.hidden_rows, row)
    }

    /// Whether a cell holds a formula without a value.
    pub(super) fn is_uncomputed(&self, row: u32, column: u32) -> bool {
        let rows = self.uncomputed.get(&column);
        rows.is_some_and(|rows| within(rows, row))
    }

    fn kept(&self) -> usize {
        let uncomputed: usize = self.uncomputed.values().map(Vec::len).sum();
        self.hidden_rows.len() + self.hidden_columns.len() + self.merged.len() + uncomputed
    }
}

/// Whether one of the ranges, which are in order, holds a number.
fn within(ranges: &[Range], number: u32) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= number);
    after > 0 && number <= ranges[after - 1].1
}

/// Adds a number to ranges, to the last if it continues that.
fn extend(ranges: &mut Vec<Range>, number: u32) {
    match ranges.last_mut() {
        Some((_, last)) if *last + 1 == number => *last = number,
        _ => ranges.push((number, number)),
    }
}

/// The parts of a spreadsheet's file.
struct Parts<'a> {
    archive: ZipArchive<BufReader<&'a File>>,
    path: &'a Path,
    /// Directory and name of the part that lists the sheets.
    workbook: (String, String),
}

impl<'a> Parts<'a> {
    fn open(file: &'a File, path: &'a Path) -> Result<Self, Error> {
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|_| Error::unfit(path, TableFault::Damaged))?;
        let mut parts = Parts {
            archive,
            path,
            workbook: (String::new(), String::new()),
        };
        parts.workbook = parts.workbook_part()?;
        Ok(parts)
    }

    fn unfit(&self, what: TableFault) -> Error {
        Error::unfit(self.path, what)
    }

    /// The name as the archive has it, whatever its case and slashes.
    fn named(&self, wanted: &str) -> Option<String> {
        let same = |name: &str| {
            let name = name.replace('\\', "/");
            name.trim_start_matches('/').eq_ignore_ascii_case(wanted)
        };
        let mut names = self.archive.file_names().flatten();
        names
            .find(|name| same(name))
            .map(std::borrow::Cow::into_owned)
    }

    fn has(&self, wanted: &str) -> bool {
        self.named(wanted).is_some()
    }

    /// Where the workbook is: as the archive's relations say, or where it always is.
    fn workbook_part(&mut self) -> Result<(String, String), Error> {
        let mut found = None;
        if self.has("_rels/.rels") {
            self.elements("_rels/.rels", &mut |element| {
                let kind = attribute(element, "Type").unwrap_or_default();
                if kind.ends_with("/officeDocument") {
                    found = attribute(element, "Target");
                }
                Ok(())
            })?;
        }
        let found = found.unwrap_or_default();
        let found = found.trim_start_matches('/');
        let place = match found {
            "" => "xl/workbook.xml",
            found => found,
        };
        if place.ends_with(".bin") {
            return Err(self.unfit(TableFault::BinaryWorkbook));
        }
        if !place.ends_with(".xml") || !self.has(place) || !self.has("[Content_Types].xml") {
            let open_document = self.has("content.xml") && self.has("mimetype");
            return Err(self.unfit(match open_document {
                true => TableFault::OpenDocument,
                false => TableFault::OtherFile,
            }));
        }
        let (directory, name) = place.rsplit_once('/').unwrap_or(("", place));
        Ok((directory.to_owned(), name.to_owned()))
    }

    /// The sheets, and whether values are to be computed again when the file is opened.
    fn sheets(&mut self) -> Result<(Vec<Listed>, bool), Error> {
        let (mut sheets, mut recalculated, mut is_workbook) = (Vec::new(), false, false);
        let place = self.beside(&self.workbook.1.clone());
        self.elements(&place, &mut |element| {
            match element.local_name().as_ref() {
                "workbook" => is_workbook = true,
                "sheet" => {
                    let state = attribute(element, "state").unwrap_or_default();
                    sheets.push(Listed {
                        name: attribute(element, "name").unwrap_or_default(),
                        hidden: matches!(&*state, "hidden" | "veryHidden"),
                        relation: attribute(element, "id").unwrap_or_default(),
                    });
                }
                "calcPr" => recalculated = flag(element, "fullCalcOnLoad"),
                _ => {}
            }
            Ok(())
        })?;
        match is_workbook {
            true => Ok((sheets, recalculated)),
            false => Err(self.unfit(TableFault::OtherFile)),
        }
    }

    fn beside(&self, name: &str) -> String {
        match self.workbook.0.as_str() {
            "" => name.to_owned(),
            directory => format!("{directory}/{name}"),
        }
    }

    /// The parts that are sheets with cells, by the relations that lead to them.
    fn tables(&mut self) -> Result<BTreeMap<String, String>, Error> {
        let relations = self.beside(&format!("_rels/{}.rels", self.workbook.1));
        let mut found = Vec::new();
        self.elements(&relations, &mut |element| {
            let kind = attribute(element, "Type").unwrap_or_default();
            let ends = (attribute(element, "Id"), attribute(element, "Target"));
            if let (true, (Some(id), Some(target))) = (kind.ends_with("/worksheet"), ends) {
                found.push((id, target));
            }
            Ok(())
        })?;
        let place = |target: String| match target.strip_prefix('/') {
            Some(whole) => whole.to_owned(),
            None => self.beside(target.trim_start_matches("./")),
        };
        let found = found.into_iter();
        Ok(found.map(|(id, target)| (id, place(target))).collect())
    }

    fn rows(&mut self, place: &str, recalculated: bool, sheet: &mut Sheet) -> Result<(), Error> {
        let path = self.path;
        let mut looking = Looking {
            sheet,
            path,
            recalculated,
            all_hidden: false,
            row: 0,
            row_hidden: false,
            row_holds: false,
            column: 0,
            cell: None,
            irregular: false,
        };
        let (mut reader, mut buffer) = (self.reader(place)?, Vec::new());
        let damaged = |_| Error::unfit(path, TableFault::Damaged);
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(damaged)? {
                Event::Start(element) => looking.start(&element)?,
                Event::Text(text) => looking.text(&text),
                Event::GeneralRef(_) => looking.part(Part::Reference),
                Event::CData(_) => looking.part(Part::Literal),
                Event::Comment(_) | Event::PI(_) => looking.part(Part::Aside),
                Event::End(element) => looking.end(element.local_name().as_ref()),
                Event::Eof => return Ok(()),
                _ => {}
            }
            if looking.irregular {
                let cell = place_name(looking.column, looking.row);
                return Err(Error::unfit(path, TableFault::IrregularCell { cell }));
            }
            if looking.sheet.kept() > MOST {
                return Err(Error::unfit(path, TableFault::Irregular { limit: MOST }));
            }
        }
    }

    fn reader(&mut self, place: &str) -> Result<Reader<BufReader<impl Read + use<'_, 'a>>>, Error> {
        let path = self.path;
        let damaged = || Error::unfit(path, TableFault::Damaged);
        let name = self.named(place).ok_or_else(damaged)?;
        let part = self.archive.by_name(&name).map_err(|_| damaged())?;
        let mut reader = Reader::from_reader(BufReader::new(part));
        let config = reader.config_mut();
        config.check_end_names = false;
        config.expand_empty_elements = true;
        Ok(reader)
    }

    /// Calls for each element of a part.
    fn elements(
        &mut self,
        place: &str,
        each: &mut dyn FnMut(&BytesStart<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let path = self.path;
        let damaged = |_| Error::unfit(path, TableFault::Damaged);
        let (mut reader, mut buffer) = (self.reader(place)?, Vec::new());
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(damaged)? {
                Event::Start(element) => each(&element)?,
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }
}

/// A sheet's part, as far as it is read.
struct Looking<'a> {
    sheet: &'a mut Sheet,
    path: &'a Path,
    recalculated: bool,
    /// Whether rows are hidden that do not say otherwise.
    all_hidden: bool,
    row: u32,
    row_hidden: bool,
    /// Whether any cell of the row holds anything.
    row_holds: bool,
    column: u32,
    cell: Option<Cell>,
    /// Whether programs read the cell under way differently.
    irregular: bool,
}

/// What the value of a cell is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// A number, or whatever it is.
    Number,
    /// The place of a text among those that cells share.
    Shared,
    /// A text that stands beside the value.
    Inline,
    /// A text, or a day.
    Text,
    Flag,
    Error,
    /// The library that reads cells refuses it.
    Unknown,
}

/// Parts of a cell in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    #[default]
    Begun,
    Formula,
    Value,
    Inline,
}

/// Parts of a value beside plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Reference,
    Literal,
    Aside,
}

/// Errors that the library which reads cells knows.
const ERRORS: [&str; 7] = [
    "#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!",
];

struct Cell {
    written: Written,
    step: Step,
    formula: bool,
    /// Within its value, or an inline text.
    in_value: bool,
    holds: bool,
    is_zero: bool,
}

impl Cell {
    fn of(element: &BytesStart<'_>) -> Cell {
        let written = match attribute(element, "t").as_deref() {
            None | Some("n") => Written::Number,
            Some("s") => Written::Shared,
            Some("inlineStr") => Written::Inline,
            Some("str" | "d") => Written::Text,
            Some("b") => Written::Flag,
            Some("e") => Written::Error,
            Some(_) => Written::Unknown,
        };
        Cell {
            written,
            step: Step::Begun,
            formula: false,
            in_value: false,
            holds: false,
            is_zero: false,
        }
    }

    /// Goes on to a part of the cell; `false` where it does not stand in the order of such parts.
    fn goes_on(&mut self, step: Step) -> bool {
        let inline = step != Step::Inline || self.written == Written::Inline;
        let in_order = self.step < step && inline;
        self.step = step;
        in_order
    }

    /// Whether a part of the value may hold something beside one plain text.
    fn may_hold(&self, part: Part) -> bool {
        match (self.step, self.written, part) {
            (Step::Inline, ..) => true,
            (_, Written::Text, part) => part != Part::Literal,
            _ => false,
        }
    }

    /// Whether the text of a value is one of its kind.
    fn fits(&self, text: &str) -> bool {
        match self.written {
            _ if self.step != Step::Value => true,
            Written::Number | Written::Shared | Written::Flag | Written::Error if self.holds => {
                false
            }
            Written::Shared => text.bytes().all(|byte| byte.is_ascii_digit()),
            Written::Flag => ["0", "1", "true", "false"]
                .iter()
                .any(|flag| text.eq_ignore_ascii_case(flag)),
            Written::Error => ERRORS.contains(&text),
            // It stands beside it.
            Written::Inline => false,
            _ => true,
        }
    }
}

impl Looking<'_> {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), Error> {
        match element.local_name().as_ref() {
            "sheetFormatPr" => self.all_hidden = flag(element, "zeroHeight"),
            "col" if flag(element, "hidden") || is_zero(element, "width") => {
                let end = |name: &str| attribute(element, name).and_then(|end| end.parse().ok());
                if let (Some(first), Some(last)) = (end("min"), end("max")) {
                    self.sheet.hidden_columns.push((first, last));
                }
            }
            "dimension" => {
                let cells = attribute(element, "ref").unwrap_or_default();
                let (first, last) = cells.split_once(':').unwrap_or((&cells, &cells));
                let (first, last) = (cell_place(first), cell_place(last));
                let is_range = first
                    .zip(last)
                    .is_some_and(|(first, last)| first.0 <= last.0 && first.1 <= last.1);
                if !is_range {
                    return Err(Error::unfit(self.path, TableFault::Damaged));
                }
            }
            "row" => {
                let before = self.row;
                self.row = match attribute(element, "r") {
                    Some(number) => number.parse().unwrap_or_default(),
                    None => before.saturating_add(1),
                };
                self.column = 0;
                self.irregular = self.row <= before || self.row > ROWS;
                self.sheet.last_row = self.row;
                let high = attribute(element, "ht").is_some();
                self.row_hidden =
                    flag(element, "hidden") || is_zero(element, "ht") || (self.all_hidden && !high);
                self.row_holds = false;
                self.column = 0;
            }
            "c" => {
                let before = self.column;
                let next = (before.saturating_add(1), self.row);
                let (column, row) = match attribute(element, "r") {
                    Some(place) => cell_place(&place).unwrap_or_default(),
                    None => next,
                };
                self.column = column;
                self.irregular = row != self.row || column <= before || column > COLUMNS;
                self.cell = Some(Cell::of(element));
            }
            "f" => {
                self.step(Step::Formula);
                self.of_cell(|cell| cell.formula = true);
            }
            "v" => {
                self.step(Step::Value);
                self.of_cell(|cell| cell.in_value = true);
            }
            "is" => self.step(Step::Inline),
            "t" => self.of_cell(|cell| cell.in_value = true),
            "mergeCell" => {
                let range = attribute(element, "ref");
                let merged = range.as_deref().and_then(merged);
                let merged = merged.ok_or_else(|| Error::unfit(self.path, TableFault::Damaged))?;
                self.sheet.merged.push(merged);
            }
            _ => {}
        }
        Ok(())
    }

    fn of_cell(&mut self, what: impl FnOnce(&mut Cell)) {
        if let Some(cell) = &mut self.cell {
            what(cell);
        }
    }

    fn step(&mut self, step: Step) {
        if let Some(cell) = &mut self.cell {
            self.irregular |= !cell.goes_on(step);
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(cell) = self.cell.as_mut().filter(|cell| cell.in_value)
            && !text.is_empty()
        {
            self.irregular |= !cell.fits(text);
            cell.is_zero = !cell.holds && text == "0";
            cell.holds = true;
        }
    }

    fn part(&mut self, part: Part) {
        if let Some(cell) = self.cell.as_mut().filter(|cell| cell.in_value) {
            self.irregular |= !cell.may_hold(part);
            cell.holds |= part != Part::Aside;
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "v" | "t" => self.of_cell(|cell| cell.in_value = false),
            "c" => {
                let Some(cell) = self.cell.take() else {
                    return;
                };
                // Libraries that don't compute write 0 for every value, and that the file is to be computed.
                let stands_for_none = self.recalculated && cell.is_zero;
                let is_text = cell.written == Written::Text;
                let valued = (cell.holds && !stands_for_none) || (is_text && !cell.holds);
                if cell.formula && !valued {
                    extend(
                        self.sheet.uncomputed.entry(self.column).or_default(),
                        self.row,
                    );
                }
                self.row_holds |= cell.holds || cell.formula;
            }
            "row" if self.row_hidden && self.row_holds => {
                extend(&mut self.sheet.hidden_rows, self.row);
            }
            _ => {}
        }
    }
}

/// An attribute by its name without a prefix.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found = attributes
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)?;
    let value = quick_xml::escape::unescape(&found.value).ok()?;
    Some(value.into_owned())
}

fn flag(element: &BytesStart<'_>, name: &str) -> bool {
    matches!(attribute(element, name).as_deref(), Some("1" | "true"))
}

/// Whether a height or width is nothing.
fn is_zero(element: &BytesStart<'_>, name: &str) -> bool {
    let size = attribute(element, name).and_then(|size| size.parse::<f64>().ok());
    size.is_some_and(|size| size <= 0.0)
}

/// `AB12` of a column and a row; of a row alone, its first cell.
pub(super) fn place_name(column: u32, row: u32) -> String {
    let mut column = column.max(1);
    let mut letters = Vec::new();
    while column > 0 {
        letters.push(char::from(b'A' + ((column - 1) % 26) as u8));
        column = (column - 1) / 26;
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}{row}")
}

/// Column and row of `AB12`.
fn cell_place(text: &str) -> Option<(u32, u32)> {
    let text = text.replace('$', "");
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, row) = text.split_at(letters);
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let column = letters.bytes().fold(0, |column, letter| {
        column * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1
    });
    Some((column, row.parse().ok().filter(|row| *row > 0)?))
}

/// The cells of `E2:E4`.
fn merged(text: &str) -> Option<Merged> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    let ((left, top), (right, bottom)) = (cell_place(first)?, cell_place(last)?);
    Some(Merged {
        rows: (top.min(bottom), top.max(bottom)),
        columns: (left.min(right), left.max(right)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_spreadsheets_write_them() {
        assert_eq!(cell_place("A1"), Some((1, 1)));
        assert_eq!(cell_place("$AB$12"), Some((28, 12)));
        for name in ["A1", "Z9", "AA10", "AZ52", "BA53", "XFD1048576"] {
            let (column, row) = cell_place(name).unwrap();
            assert_eq!(place_name(column, row), name);
        }
        for text in ["", "A", "1", "A0", "ABCD1", "A-1"] {
            assert_eq!(cell_place(text), None, "{text}");
        }
        let cells = Merged {
            rows: (2, 4),
            columns: (5, 6),
        };
        assert_eq!(merged("E2:F4"), Some(cells));
        assert_eq!(merged("F4:E2"), Some(cells));
    }

    #[test]
    fn ranges_are_found_by_what_is_in_them() {
        let mut ranges = Vec::new();
        for number in [3, 4, 5, 9] {
            extend(&mut ranges, number);
        }
        assert_eq!(ranges, [(3, 5), (9, 9)]);
        let held: Vec<u32> = (1..=10).filter(|number| within(&ranges, *number)).collect();
        assert_eq!(held, [3, 4, 5, 9]);
    }
}
