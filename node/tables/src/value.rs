//! One value of a certificate: the columns it comes from and how it is cleaned.

use std::borrow::Cow;
use std::collections::BTreeMap;

use certmesh_api::FaultKind;

use crate::dates::DateFormat;
use crate::row::Cells;

/// Where a value comes from and what is done to it, in this order: the columns are joined, cleaned, found empty or not,
/// looked up in the code list, read as a day.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) from: From,
    pub(super) clean: Vec<Clean>,
    /// Texts that stand for nothing.
    pub(super) empty: Vec<String>,
    /// What stands for nothing in turn.
    pub(super) default: Option<String>,
    pub(super) codes: Option<BTreeMap<String, String>>,
    /// Spellings of a day; none if the value is not a day.
    pub(super) dates: Vec<DateFormat>,
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

/// White space, and the marks without width that copying leaves behind.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200B}' | '\u{200C}' | '\u{200D}' | '\u{FEFF}')
}

fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

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
            let cell = row.get(place)?;
            if cell.contains(char::REPLACEMENT_CHARACTER) {
                return Err(FaultKind::Encoding);
            }
            if i == 0 {
                text = cell.into();
            } else {
                text = format!("{text}{join}{cell}").into();
            }
        }
        for rule in &self.clean {
            text = rule.apply(&text).into_owned().into();
        }
        if text.is_empty() || self.empty.iter().any(|empty| *empty == text) {
            let Some(default) = &self.default else {
                return Ok(None);
            };
            text = default.into();
        }
        if let Some(codes) = &self.codes {
            text = codes.get(&*text).ok_or(FaultKind::NotInCodes)?.into();
        }
        if self.dates.is_empty() {
            return Ok(Some(text.into_owned()));
        }
        let day = self.dates.iter().find_map(|format| format.read(&text));
        day.map(|day| Some(day.to_string()))
            .ok_or(FaultKind::NotADay)
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
