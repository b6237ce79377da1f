//! One value of a certificate: the columns it comes from and how it is cleaned.

use std::borrow::Cow;
use std::collections::BTreeMap;

use certmesh_api::FaultKind;
use certmesh_ledger::id::half_width;

use crate::dates::DateFormat;
use crate::marks;
use crate::row::{Cells, is_invisible, is_space};

/// Where a value comes from and what is done to it, in this order: what marks its cells as text is taken off; they are
/// joined, cleaned, split, found empty or not, looked up in the code list, read as a day.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) from: From,
    pub(super) clean: Vec<Clean>,
    /// The part of the text that it is.
    pub(super) split: Option<Split>,
    /// What the digits of its cells may be.
    pub(super) digits: Digits,
    /// Texts that stand for nothing.
    pub(super) empty: Vec<String>,
    /// What stands for nothing in turn.
    pub(super) default: Option<String>,
    pub(super) codes: Option<BTreeMap<String, String>>,
    /// Spellings of a day, the last one for what is in none of the others; none if the value is not a day.
    pub(super) dates: Vec<DateFormat>,
}

/// One of the two parts of a text.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// What may stand between them; the first that stands there once separates.
    pub(super) separators: Vec<String>,
    /// Whether it is the second one.
    pub(super) second: bool,
}

impl Split {
    fn part<'t>(&self, text: &'t str) -> Result<&'t str, FaultKind> {
        let pair = |separator: &String| {
            let (first, second) = text.split_once(separator.as_str())?;
            (!second.contains(separator.as_str())).then_some((first, second))
        };
        let (first, second) =
            self.separators
                .iter()
                .find_map(pair)
                .ok_or_else(|| FaultKind::NotSplit {
                    separators: self.separators.iter().map(|s| format!("`{s}`")).collect(),
                })?;
        Ok(if self.second { second } else { first }.trim_matches(is_space))
    }
}

/// What the digits of a value's cells may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    /// Any: it identifies nothing.
    Any,
    /// Those of a number that identifies something, none of them lost to a spreadsheet.
    Whole,
    /// The same, and the map says that digits which look lost are right.
    Exact,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(super) enum From {
    Constant(String),
    Columns {
        names: Vec<String>,
        join: String,
        /// Where the columns stand in a row.
        places: Vec<usize>,
    },
}

/// A cleaning rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clean {
    Trim,
    HalfWidth,
    FullWidth,
    CollapseSpaces,
    NoSpaces,
    Upper,
    Lower,
    Alphanumeric,
}

impl Clean {
    /// Every rule with its name in a map.
    pub(super) const ALL: [(&'static str, Clean); 8] = [
        ("trim", Clean::Trim),
        ("half-width", Clean::HalfWidth),
        ("full-width", Clean::FullWidth),
        ("collapse-spaces", Clean::CollapseSpaces),
        ("no-spaces", Clean::NoSpaces),
        ("upper", Clean::Upper),
        ("lower", Clean::Lower),
        ("alphanumeric", Clean::Alphanumeric),
    ];

    fn apply(self, text: &str) -> Cow<'_, str> {
        let all = |f: fn(char) -> char| Cow::Owned(text.chars().map(f).collect());
        match self {
            Clean::Trim => text.trim_matches(is_space).into(),
            Clean::HalfWidth if text.is_ascii() => text.into(),
            Clean::HalfWidth => all(half_width),
            Clean::FullWidth => all(full_width),
            Clean::CollapseSpaces => {
                let words = text.split(is_space).filter(|word| !word.is_empty());
                words.collect::<Vec<_>>().join(" ").into()
            }
            Clean::NoSpaces => text.chars().filter(|c| !is_space(*c)).collect(),
            Clean::Upper => text.to_uppercase().into(),
            Clean::Lower => text.to_lowercase().into(),
            Clean::Alphanumeric => text.chars().filter(char::is_ascii_alphanumeric).collect(),
        }
    }
}

/// The inverse of [`half_width`].
fn full_width(c: char) -> char {
    match c {
        ' ' => '\u{3000}',
        '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

impl Value {
    /// A constant.
    pub(super) fn constant(text: String) -> Value {
        Value {
            from: From::Constant(text),
            clean: Vec::new(),
            split: None,
            digits: Digits::Any,
            empty: Vec::new(),
            default: None,
            codes: None,
            dates: Vec::new(),
        }
    }

    /// The columns it comes from, as messages name it; `key` is its key in the map.
    pub(super) fn label(&self, key: &str) -> String {
        match &self.from {
            From::Constant(_) => key.to_owned(),
            From::Columns { names, .. } => names.join(" + "),
        }
    }

    /// The value of a row, if there is one.
    ///
    /// # Errors
    /// Why it cannot be used; never holds the value.
    pub(super) fn read(&self, row: &Cells) -> Result<Option<String>, FaultKind> {
        let (places, join) = match &self.from {
            From::Constant(text) => return Ok(Some(text.clone())),
            From::Columns { places, join, .. } => (places, join),
        };
        let mut text = Cow::Borrowed("");
        for (i, &place) in places.iter().enumerate() {
            let cell = self.cell(row, place)?;
            if i == 0 {
                text = cell;
            } else {
                text = format!("{text}{join}{cell}").into();
            }
        }
        for rule in &self.clean {
            text = rule.apply(&text).into_owned().into();
        }
        if let Some(split) = &self.split
            && !self.is_nothing(&text)
        {
            text = split.part(&text)?.to_owned().into();
        }
        if self.is_nothing(&text) {
            let Some(default) = &self.default else {
                return Ok(None);
            };
            text = default.into();
        }
        if let Some(codes) = &self.codes {
            text = codes.get(&*text).ok_or(FaultKind::NotInCodes)?.into();
        }
        if let Some(fault) = marks::of_characters(&text) {
            return Err(fault);
        }
        if self.dates.is_empty() {
            return Ok(Some(text.into_owned()));
        }
        let held = match places.as_slice() {
            [place] if self.split.is_none() && row.is_day(*place) => DateFormat::iso().read(&text),
            _ => None,
        };
        match held {
            // Whatever the map's spellings would make of its text.
            Some(day) => Ok(Some(day.to_string())),
            None => self.day(&text).map(Some),
        }
    }

    /// Whether nothing but cleaning makes another text of its cells.
    pub(super) fn is_cleaned_only(&self) -> bool {
        self.dates.is_empty() && self.codes.is_none()
    }

    /// The value's cells as they are written, without what marks them as text; to compare rows by.
    pub(super) fn written(&self, row: &Cells) -> String {
        let From::Columns { places, .. } = &self.from else {
            return String::new();
        };
        let cells = places.iter().map(|&place| {
            let cell = self.cell(row, place).unwrap_or_default();
            cell.trim_matches(is_space).to_owned()
        });
        cells.collect::<Vec<_>>().join("\0")
    }

    /// A cell's text without what marks it as text for a spreadsheet.
    fn cell<'r>(&self, row: &'r Cells, place: usize) -> Result<Cow<'r, str>, FaultKind> {
        let cell = row.get(place)?;
        if cell.contains(char::REPLACEMENT_CHARACTER) {
            return Err(FaultKind::Encoding);
        }
        if cell.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return Err(FaultKind::ControlCharacter);
        }
        let cell: Cow<'_, str> = match !cell.is_ascii() && cell.contains(is_invisible) {
            true => cell.replace(is_invisible, "").into(),
            false => cell.into(),
        };
        let unmarked =
            marks::unmarked(&cell).map(|text| (text.len() < cell.len()).then(|| text.into_owned()));
        let text = match unmarked {
            Err(_) if self.is_nothing(cell.trim_matches(is_space)) => return Ok(cell),
            Err(fault) => return Err(fault),
            Ok(Some(text)) => text.into(),
            Ok(None) => cell,
        };
        if self.digits == Digits::Any {
            if self.dates.is_empty() && marks::is_scientific(&text, false) {
                return Err(FaultKind::Scientific);
            }
            return Ok(text);
        }
        if row.is_day(place) || marks::is_spreadsheets_day(&text) {
            return Err(FaultKind::DayInNumber);
        }
        if marks::is_scientific(&text, true) {
            return Err(FaultKind::Scientific);
        }
        if marks::is_decimal(&text) {
            return Err(FaultKind::DecimalNumber);
        }
        if self.digits == Digits::Whole && marks::has_lost_digits(&text) {
            return Err(FaultKind::DigitsLost);
        }
        marks::unquoted(text).ok_or(FaultKind::QuotationMark)
    }

    /// Whether a text stands for nothing: it is empty, or the map lists it, a day in any of its spellings.
    fn is_nothing(&self, text: &str) -> bool {
        let same_day = |empty: &String| {
            let is_day = empty.starts_with(|c: char| c.is_ascii_digit());
            let listed = is_day.then(|| DateFormat::iso().numbers(empty)).flatten();
            listed.is_some() && self.dates.iter().any(|date| date.numbers(text) == listed)
        };
        text.is_empty()
            || self
                .empty
                .iter()
                .any(|empty| *empty == text || same_day(empty))
    }

    fn day(&self, text: &str) -> Result<String, FaultKind> {
        if let Some((last, given)) = self.dates.split_last() {
            let mut days = given.iter().filter_map(|format| format.read(text));
            if let Some(day) = days.next() {
                return match days.all(|other| other == day) {
                    true => Ok(day.to_string()),
                    false => Err(FaultKind::SeveralDays),
                };
            }
            if let Some(day) = last.read(text) {
                return Ok(day.to_string());
            }
        }
        let numbers = self.dates.iter().find_map(|format| format.numbers(text));
        match numbers {
            Some((year, ..)) if year > DateFormat::LAST_YEAR => Err(FaultKind::PastLastYear),
            None if DateFormat::counts(text) => Err(FaultKind::CountedDay),
            _ => Err(FaultKind::NotADay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(rules: &[Clean], text: &str) -> String {
        rules
            .iter()
            .fold(text.to_owned(), |text, rule| rule.apply(&text).into_owned())
    }

    #[test]
    fn cleaning_rules_do_what_their_names_say() {
        for (rules, text, expected) in [
            (&[Clean::Trim][..], "\u{FEFF}\u{3000} 王 五\t", "王 五"),
            (&[Clean::HalfWidth], "ＡＢ１２（甲）\u{3000}", "AB12(甲) "),
            (&[Clean::FullWidth], "A(甲) ", "Ａ（甲）\u{3000}"),
            (&[Clean::CollapseSpaces], " a \u{3000} b\n", "a b"),
            (&[Clean::NoSpaces], " 王\u{3000}五 ", "王五"),
            (&[Clean::HalfWidth, Clean::Upper], "ａb", "AB"),
            (&[Clean::Lower], "AB", "ab"),
            (&[Clean::Alphanumeric], "鄂A-2020(12)号", "A202012"),
        ] {
            assert_eq!(cleaned(rules, text), expected);
        }
    }

    #[test]
    fn columns_are_joined_cleaned_emptied_looked_up_and_read_as_a_day_in_this_order() {
        let mut cells = Cells::default();
        for cell in [" ２０", "20/1/2 ", "-", "男", "\u{FFFD}"] {
            cells.push(cell);
        }
        cells.push_unusable("#N/A", FaultKind::SpreadsheetError);
        let value = |places: &[usize]| Value {
            from: From::Columns {
                names: vec!["甲".to_owned(); places.len()],
                join: String::new(),
                places: places.to_vec(),
            },
            clean: vec![Clean::Trim, Clean::HalfWidth],
            split: None,
            digits: Digits::Any,
            empty: vec!["-".to_owned()],
            default: None,
            codes: None,
            dates: Vec::new(),
        };
        assert_eq!(value(&[0, 1]).read(&cells), Ok(Some("2020/1/2".to_owned())));
        let mut day = value(&[0, 1]);
        day.dates = vec!["%Y-%m-%d".parse().unwrap(), "%Y/%m/%d".parse().unwrap()];
        assert_eq!(day.read(&cells), Ok(Some("2020-01-02".to_owned())));
        day.dates.pop();
        assert_eq!(day.read(&cells), Err(FaultKind::NotADay));
        let mut coded = value(&[2]);
        assert_eq!(coded.read(&cells), Ok(None));
        coded.default = Some("男".to_owned());
        coded.codes = Some([("男".to_owned(), "1".to_owned())].into());
        assert_eq!(coded.read(&cells), Ok(Some("1".to_owned())));
        coded.codes = Some(BTreeMap::new());
        assert_eq!(coded.read(&cells), Err(FaultKind::NotInCodes));
        assert_eq!(value(&[4]).read(&cells), Err(FaultKind::Encoding));
        assert_eq!(value(&[5]).read(&cells), Err(FaultKind::SpreadsheetError));
        assert_eq!(value(&[3]).label("holder.kind"), "甲");
    }
}
