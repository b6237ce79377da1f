//! A row of any format: its cells, and where it stands.

use certmesh_api::FaultKind;
use zeroize::Zeroize;

use crate::lines::MAX_LINE;

/// What is wrong with a row longer than [`MAX_LINE`].
pub(super) const TOO_LONG: FaultKind = FaultKind::RowTooLong {
    limit: MAX_LINE >> 20,
};

/// The cells of a row in one buffer, to be filled again for the next row.
#[derive(Debug, Default)]
pub struct Cells {
    text: String,
    ends: Vec<usize>,
    /// Cells that hold what no text can be made of, and why.
    unusable: Vec<(usize, FaultKind)>,
    /// Cells that a spreadsheet has as days.
    days: Vec<usize>,
}

impl Drop for Cells {
    /// A row says whom a certificate is about.
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl Cells {
    /// Starts again, keeping the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.unusable.clear();
        self.days.clear();
    }

    /// Adds a cell.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// Adds a cell that cannot be used, and why.
    pub fn push_unusable(&mut self, text: &str, why: FaultKind) {
        self.unusable.push((self.ends.len(), why));
        self.push(text);
    }

    /// Adds a cell that a spreadsheet has as a day, by its text.
    pub fn push_day(&mut self, text: &str) {
        self.days.push(self.ends.len());
        self.push(text);
    }

    /// Adds a copy of a cell.
    pub fn push_copy(&mut self, from: &Cells, place: usize) {
        match from.get(place) {
            Err(why) => self.push_unusable(from.text(place), why),
            Ok(text) if from.is_day(place) => self.push_day(text),
            Ok(text) => self.push(text),
        }
    }

    /// Adds empty cells until there are so many.
    pub fn fill(&mut self, count: usize) {
        while self.ends.len() < count {
            self.push("");
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is nothing in any cell.
    pub fn is_blank(&self) -> bool {
        self.unusable.is_empty() && self.text.chars().all(is_space)
    }

    /// Whether a spreadsheet has a cell as a day.
    pub fn is_day(&self, place: usize) -> bool {
        self.days.contains(&place)
    }

    /// Bytes of all cells.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// A cell; one beyond the last is empty.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn get(&self, place: usize) -> Result<&str, FaultKind> {
        match self.unusable.iter().find(|(cell, _)| *cell == place) {
            Some((_, why)) => Err(why.clone()),
            None => Ok(self.text(place)),
        }
    }

    /// All cells' texts.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|place| self.text(place))
    }

    fn text(&self, place: usize) -> &str {
        let start = match place {
            0 => 0,
            _ => self.ends.get(place - 1).copied().unwrap_or_default(),
        };
        let end = self.ends.get(place).copied().unwrap_or(start);
        &self.text[start..end]
    }
}

/// White space, and the marks without width that copying leaves behind.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || has_no_width(c)
}

/// Marks that nobody sees.
fn has_no_width(c: char) -> bool {
    is_invisible(c) || matches!(c, '\u{180E}' | '\u{200C}' | '\u{200D}')
}

/// Marks that nobody sees and that change nothing of what is seen beside them: copying from other programs leaves them
/// in texts. Those that join letters or keep them apart, as Mongolian and Uyghur are written, are no such marks.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// A column's name as people read it: without line breaks and marks without width, and without white space around it.
pub(super) fn column_name(cell: &str) -> String {
    let seen = |c: &char| !has_no_width(*c) && !matches!(c, '\r' | '\n');
    let name: String = cell.chars().filter(seen).collect();
    name.trim().to_owned()
}

/// A row as it was found.
pub struct Row<'a> {
    /// Its number in the file, from 1: the line on which it begins, or the spreadsheet's row.
    pub number: u64,
    /// How far the input is read, in the units of [`Head::length`].
    pub position: u64,
    /// Its cells.
    pub cells: &'a Cells,
    /// Why they can't be used; then they serve the rejects file alone.
    pub trouble: Option<FaultKind>,
    /// The line it was, where the format is one of lines.
    pub line: &'a [u8],
    /// Whether the spreadsheet hides it.
    pub hidden: bool,
}

/// What is known before the first row.
#[derive(Default)]
pub struct Head<'a> {
    /// Names of the columns, in their order.
    pub columns: &'a [String],
    /// Length of the input, in the units of [`Row::position`], where it is known.
    pub length: Option<u64>,
    /// The encoding's name, where the format leaves a choice.
    pub encoding: Option<&'static str>,
    /// What stands between two cells; `None` where rows are lines of JSON.
    pub delimiter: Option<u8>,
    /// First and last row of the columns' names, from 1; `None` where rows name them themselves.
    pub header: Option<(u64, u64)>,
    /// The last row, where it is the last that a spreadsheet can have: there may have been more.
    pub full: Option<u64>,
    /// What was taken of a spreadsheet.
    pub sheet: Option<&'a SheetTaken>,
}

/// Which sheet of a spreadsheet is read, and what of the file nobody sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SheetTaken {
    /// The sheet's name.
    pub name: String,
    /// Other sheets that are shown, in their order.
    pub others: Vec<String>,
    /// Sheets that are hidden, this one among them if it is.
    pub hidden: Vec<String>,
    /// Rows of the table that are hidden, such as `3-5, 9`; how many there are.
    pub hidden_rows: Option<(u64, String)>,
    /// Names of the table's columns that are hidden.
    pub hidden_columns: Vec<String>,
}

/// The last row of a spreadsheet in the format of Excel 97, and in today's.
pub(super) const LAST_ROWS: [u64; 2] = [1 << 16, 1 << 20];

/// Whoever works off the rows.
pub trait Visitor {
    /// What ends the reading.
    type Error: From<super::Error>;

    /// Called once, before the rows.
    ///
    /// # Errors
    /// What ends the reading.
    fn head(&mut self, head: &Head<'_>) -> Result<(), Self::Error>;

    /// Called for each row. `false` ends the reading.
    ///
    /// # Errors
    /// What ends the reading.
    fn row(&mut self, row: &Row<'_>) -> Result<bool, Self::Error>;
}
