//! What spreadsheets leave in and around a cell's text: marks that keep it from being taken for a number or a formula, and
//! signs that it was taken for one all the same.

use std::borrow::Cow;

use certmesh_api::FaultKind;
use certmesh_ledger::id::{self, half_width};

use crate::row::is_space;

/// Errors of spreadsheets, as they are written.
const ERRORS: [&str; 11] = [
    "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!",
    "#FIELD!", "#BUSY!",
];
/// Digits that a spreadsheet keeps of a number.
const KEPT: usize = 15;
/// From so many digits on, zeros after those that are kept are no chance: of numbers that are right, one in a hundred.
const LONG: usize = KEPT + 2;
/// English months, as spreadsheets shorten them.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// A cell's text without the marks that show a spreadsheet that it is text: `="…"`, quotation marks around it, an
/// apostrophe before it.
///
/// # Errors
/// What the cell holds instead of a text: a formula, an error, or `#` for what did not fit.
pub(super) fn unmarked(cell: &str) -> Result<Cow<'_, str>, FaultKind> {
    let mut text = cell.trim_matches(is_space);
    let mut marked = false;
    loop {
        let inner = match text.as_bytes().first() {
            Some(b'=') => {
                let quoted = text
                    .strip_prefix("=\"")
                    .and_then(|rest| rest.strip_suffix('"'));
                let inner = quoted.filter(|inner| !inner.contains('"'));
                Some(inner.ok_or(FaultKind::Formula)?)
            }
            Some(b'"') => {
                let quoted = text
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                quoted.filter(|inner| !inner.contains('"'))
            }
            Some(b'\'') => {
                let rest = &text[1..];
                Some(rest.strip_suffix('\'').unwrap_or(rest))
            }
            Some(b'#') if ERRORS.contains(&text) => return Err(FaultKind::SpreadsheetError),
            Some(b'#') if text.len() > 1 && text.bytes().all(|byte| byte == b'#') => {
                return Err(FaultKind::HashMarks);
            }
            _ => None,
        };
        match inner {
            Some(inner) => text = inner.trim_matches(is_space),
            // As it is, white space and all: `clean` says what becomes of that.
            None if !marked => return Ok(cell.into()),
            None => return Ok(text.into()),
        }
        marked = true;
    }
}

/// A number without quotation marks and apostrophes of any kind around it; `None` if one is left.
pub(super) fn unquoted(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    const QUOTES: [char; 8] = ['"', '\'', '“', '”', '‘', '’', '＂', '＇'];
    let inner = text.trim_matches(is_space);
    if !inner.starts_with(QUOTES) && !inner.ends_with(QUOTES) {
        return Some(text);
    }
    for (first, last) in [('“', '”'), ('‘', '’'), ('＂', '＂'), ('＇', '＇')] {
        let rest = inner.strip_prefix(first);
        if let Some(bare) = rest.and_then(|rest| rest.strip_suffix(last))
            && !bare.contains(QUOTES)
        {
            return Some(bare.to_owned().into());
        }
    }
    let bare = inner.strip_prefix(['‘', '’', '＇'])?;
    (!bare.contains(QUOTES)).then(|| bare.to_owned().into())
}

/// Whether a text is a number in scientific notation: with a sign, as spreadsheets write it, and in a number that
/// identifies something also without.
pub(super) fn is_scientific(text: &str, identifies: bool) -> bool {
    let is_digit = |c: char| half_width(c).is_ascii_digit();
    let text = text.trim_matches(is_space);
    let text = text.strip_prefix(['-', '－']).unwrap_or(text);
    if !text.starts_with(is_digit) {
        return false;
    }
    let text: String = text.chars().map(half_width).collect();
    // Some write the point as a comma.
    let text = text.to_ascii_uppercase().replace(',', ".");
    (identifies || text.contains(['+', '-'])) && id::is_scientific(&text)
}

/// Whether a number of digits ends as one does of which a spreadsheet kept 15.
pub(super) fn has_lost_digits(text: &str) -> bool {
    let text = text.trim_matches(is_space);
    let digits = text.chars().map(half_width);
    let mut count = 0;
    for digit in digits {
        count += 1;
        if !digit.is_ascii_digit() || (count > KEPT && digit != '0') {
            return false;
        }
    }
    count >= LONG
}

/// Whether a number is one of a program that reads every number with decimals: `12345.0`.
pub(super) fn is_decimal(text: &str) -> bool {
    let text = text.trim_matches(is_space);
    let of =
        |part: &str, digit: fn(&u8) -> bool| !part.is_empty() && part.as_bytes().iter().all(digit);
    let parts = text.split_once('.');
    parts.is_some_and(|(whole, zeros)| {
        of(whole, u8::is_ascii_digit) && of(zeros, |byte| *byte == b'0')
    })
}

/// Whether a text is a day as spreadsheets show what they took for one: `1月2日`, `2-Jan`, `Jan-20`.
pub(super) fn is_spreadsheets_day(text: &str) -> bool {
    let text = text.trim_matches(is_space);
    let digits = |part: &str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some(rest) = text.strip_suffix('日')
        && let Some((month, day)) = rest.split_once('月')
    {
        let month = month
            .split_once('年')
            .map_or(Some(month), |(year, month)| digits(year).then_some(month));
        return digits(day) && month.is_some_and(digits);
    }
    if let Some(rest) = text.strip_suffix('月')
        && let Some((year, month)) = rest.split_once('年')
    {
        return digits(year) && digits(month);
    }
    let Some((first, last)) = text.split_once('-') else {
        return false;
    };
    let month = |part: &str| MONTHS.iter().any(|month| part.eq_ignore_ascii_case(month));
    (digits(first) && month(last)) || (month(first) && digits(last))
}

/// Why the characters of a text can't be what was written: they were read or saved in the wrong encoding, only some fonts
/// show them, or they are markup.
pub(super) fn of_characters(text: &str) -> Option<FaultKind> {
    if text.is_ascii() && !text.contains('&') {
        return is_not_chinese(text).then_some(FaultKind::NotChinese);
    }
    // Before there were places for them in Unicode, rare characters of names had such ones, in the fonts of some systems.
    let is_private = |c: char| matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}');
    if text.contains(is_private) {
        return Some(FaultKind::PrivateUse);
    }
    if text.split('&').skip(1).any(begins_reference) {
        return Some(FaultKind::CharacterReference);
    }
    is_not_chinese(text).then_some(FaultKind::NotChinese)
}

/// Names of characters in markup that tables are found to hold.
const REFERENCES: [&str; 9] = [
    "amp", "lt", "gt", "quot", "apos", "nbsp", "middot", "bull", "ensp",
];

/// Whether a text continues a reference to a character after its `&`: `#29579;`, `#x738B;`, `middot;`.
fn begins_reference(text: &str) -> bool {
    let Some((name, _)) = text.split_once(';') else {
        return false;
    };
    let of = |digits: &str, is_digit: fn(&u8) -> bool| {
        (1..=7).contains(&digits.len()) && digits.as_bytes().iter().all(is_digit)
    };
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => of(digits, u8::is_ascii_hexdigit),
            None => of(number, u8::is_ascii_digit),
        },
        None => REFERENCES.contains(&name),
    }
}

/// Whether a text can be in no Chinese table: its letters are beyond ASCII, of scripts in which nothing is written here
/// but what was read in the wrong encoding; or it is what is left of text that was damaged so.
fn is_not_chinese(text: &str) -> bool {
    // The first byte of each such letter, and of no other character.
    let is_lead = |byte: &u8| (0xC3..=0xDF).contains(byte);
    if !text.as_bytes().iter().any(is_lead) {
        let lost = text.len() > 1 && text.bytes().all(|byte| byte == b'?');
        return lost || text.contains("锟斤拷");
    }
    if text.contains(|c: char| c.is_ascii_alphabetic()) {
        return false;
    }
    let letters = || {
        let beyond = |c: &char| matches!(c, '\u{C0}'..='\u{7FF}') && c.is_alphabetic();
        text.chars().filter(beyond)
    };
    // Names in Cyrillic and in the Arabic script of Uyghur and Kazakh are of one script throughout.
    let script = |c: char| match c {
        '\u{400}'..='\u{52F}' => 1,
        '\u{600}'..='\u{6FF}' | '\u{750}'..='\u{77F}' => 2,
        _ => 0,
    };
    let first = letters().next().map_or(0, script);
    let one_script = first != 0 && letters().count() > 2 && letters().all(|c| script(c) == first);
    letters().next().is_some() && !one_script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_text_are_taken_off_and_what_is_no_text_is_not_taken_for_one() {
        for (cell, text) in [
            ("=\"E12345678\"", "E12345678"),
            ("'E23456789", "E23456789"),
            ("\"E1\"", "E1"),
            ("'E1'", "E1"),
            (" =\"E1\"\t", "E1"),
            ("'=\"E1\"", "E1"),
            ("=\"\"", ""),
            ("E1\t", "E1\t"),
            ("\"甲\"和\"乙\"", "\"甲\"和\"乙\""),
            ("#1", "#1"),
            ("#", "#"),
        ] {
            assert_eq!(unmarked(cell).as_deref(), Ok(text), "{cell}");
        }
        for (cell, fault) in [
            ("=A1&B1", FaultKind::Formula),
            ("'=A1", FaultKind::Formula),
            ("=\"a\"&\"b\"", FaultKind::Formula),
            ("####", FaultKind::HashMarks),
            ("#N/A", FaultKind::SpreadsheetError),
        ] {
            assert_eq!(unmarked(cell), Err(fault), "{cell}");
        }
        for (text, bare) in [
            ("“E1”", Some("E1")),
            ("’E1", Some("E1")),
            ("＇E1", Some("E1")),
            ("E1", Some("E1")),
            ("\"E1", None),
            ("E1'", None),
        ] {
            assert_eq!(unquoted(text.into()).as_deref(), bare, "{text}");
        }
    }

    #[test]
    fn numbers_that_a_spreadsheet_ruined_are_known_by_their_form() {
        for text in [
            "9.90101E+17",
            "9.9e-05",
            "1E+15",
            "９.９Ｅ＋１７",
            "990.1E+15",
            " -1.5E+10 ",
        ] {
            assert!(is_scientific(text, false), "{text}");
        }
        assert!(is_scientific("9.90101E17", true) && !is_scientific("9.90101E17", false));
        for text in [
            "E12345678",
            "12E45",
            "1234E+5",
            "A1E+5",
            "1E+",
            "e+17",
            "",
            "1.2.3E+4",
        ] {
            assert!(!is_scientific(text, true), "{text}");
        }
        for text in [
            "990101199003071000",
            "99010119900307100",
            " 990101199003071000\t",
            "９９０１０１１９９００３０７１０００",
        ] {
            assert!(has_lost_digits(text), "{text}");
        }
        for text in [
            "990101199003071010",
            "9901011990030710",
            "99010119900307100X",
            "100000000000000",
            "",
        ] {
            assert!(!has_lost_digits(text), "{text}");
        }
        for (text, decimal) in [
            ("12345.0", true),
            ("990101199003071026.00", true),
            ("2020.01", false),
            ("1.", false),
            (".0", false),
            ("A1.0", false),
        ] {
            assert_eq!(is_decimal(text), decimal, "{text}");
        }
        for text in ["1月2日", "2020年1月2日", "2020年1月", "2-Jan", "JAN-20"] {
            assert!(is_spreadsheets_day(text), "{text}");
        }
        for text in ["1-2", "鄂1月日", "2-Jany", "A-Jan", "日", ""] {
            assert!(!is_spreadsheets_day(text), "{text}");
        }
    }

    #[test]
    fn text_that_was_read_in_the_wrong_encoding_is_known_by_its_letters() {
        for text in ["ĪĬ", "ÕÅÈý", "ÖÐ¹ú", "Ö", "锟斤拷锟", "бĪ", "ББ", "??"] {
            assert!(is_not_chinese(text), "{text}");
        }
        for text in [
            "张三",
            "José",
            "Łódź",
            "买买提·艾力",
            "5×3",
            "ئابدۇللا",
            "Иван",
            "±0.5°",
            "㐂𠮷",
            "?",
            "A??",
            "",
        ] {
            assert!(!is_not_chinese(text), "{text}");
        }
    }
}
