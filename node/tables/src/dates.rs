//! Days in the spellings that tables have them in.

use std::str::FromStr;

use certmesh_ledger::id::Date;

use crate::error::MapFault;

/// A spelling such as `%Y年%m月%d日`.
///
/// `%Y` is four digits; `%m`, `%d`, `%H`, `%M` and `%S` are two digits where they touch another of these, otherwise one or
/// two. The time of day is read and left out. Everything else stands for itself, `%%` for a percent sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateFormat(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Number { what: What, exact: bool },
    Literal(char),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Year,
    Month,
    Day,
    TimeOfDay,
}

impl DateFormat {
    /// The day that a text of this spelling means.
    pub(super) fn read(&self, text: &str) -> Option<Date> {
        let (mut year, mut month, mut day) = (None, None, None);
        let mut rest = text;
        for part in &self.0 {
            match *part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal)?,
                Part::Number { what, exact } => {
                    let width = if what == What::Year { 4 } else { 2 };
                    let digits = rest.bytes().take(width).take_while(u8::is_ascii_digit);
                    let digits = digits.count();
                    if digits == 0 || (exact && digits < width) {
                        return None;
                    }
                    let (number, after) = rest.split_at(digits);
                    rest = after;
                    let number: u16 = number.parse().ok()?;
                    match what {
                        What::Year => year = Some(number),
                        What::Month => month = u8::try_from(number).ok(),
                        What::Day => day = u8::try_from(number).ok(),
                        What::TimeOfDay => {}
                    }
                }
            }
        }
        if !rest.is_empty() {
            return None;
        }
        Date::from_ymd(year?.into(), month?, day?).ok()
    }
}

impl FromStr for DateFormat {
    type Err = MapFault;

    fn from_str(text: &str) -> Result<Self, MapFault> {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                parts.push(Part::Literal(c));
                continue;
            }
            let what = match chars.next() {
                Some('Y') => What::Year,
                Some('m') => What::Month,
                Some('d') => What::Day,
                Some('H' | 'M' | 'S') => What::TimeOfDay,
                Some('%') => {
                    parts.push(Part::Literal('%'));
                    continue;
                }
                _ => {
                    let spelling = text.to_owned();
                    return Err(MapFault::SpellingSign { spelling });
                }
            };
            parts.push(Part::Number {
                what,
                exact: what == What::Year,
            });
        }
        for i in 1..parts.len() {
            if let [Part::Number { .. }, Part::Number { .. }] = parts[i - 1..=i] {
                for part in &mut parts[i - 1..=i] {
                    if let Part::Number { exact, .. } = part {
                        *exact = true;
                    }
                }
            }
        }
        for (wanted, sign) in [(What::Year, "%Y"), (What::Month, "%m"), (What::Day, "%d")] {
            let has = |part: &&Part| matches!(part, Part::Number { what, .. } if *what == wanted);
            if parts.iter().filter(has).count() != 1 {
                let spelling = text.to_owned();
                return Err(MapFault::SpellingPart { spelling, sign });
            }
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str) -> Option<String> {
        let format: DateFormat = format.parse().unwrap();
        format.read(text).map(|day| day.to_string())
    }

    #[test]
    fn days_are_read_in_the_spellings_in_use() {
        for (format, text) in [
            ("%Y-%m-%d", "2020-03-07"),
            ("%Y/%m/%d", "2020/3/7"),
            ("%Y年%m月%d日", "2020年3月07日"),
            ("%Y%m%d", "20200307"),
            ("%d.%m.%Y", "7.3.2020"),
            ("%Y-%m-%d %H:%M:%S", "2020-03-07 0:00:00"),
        ] {
            assert_eq!(read(format, text).as_deref(), Some("2020-03-07"), "{text}");
        }
    }

    #[test]
    fn what_could_be_two_days_or_none_is_not_guessed() {
        for (format, text) in [
            ("%Y%m%d", "2020307"),
            ("%Y-%m-%d", "20-03-07"),
            ("%Y-%m-%d", "2020-03-07 "),
            ("%Y-%m-%d", "2020-02-30"),
            ("%Y-%m-%d", "2020-+3-07"),
            ("%Y-%m-%d", "1899-01-01"),
            ("%Y-%m-%d", ""),
        ] {
            assert_eq!(read(format, text), None, "{text}");
        }
    }

    #[test]
    fn a_format_without_a_day_or_with_an_unknown_sign_is_none() {
        for format in ["%Y-%m", "%Y-%m-%d-%d", "%y-%m-%d", "%", ""] {
            assert!(format.parse::<DateFormat>().is_err(), "{format}");
        }
    }
}
