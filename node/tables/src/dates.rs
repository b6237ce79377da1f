//! Days in the spellings that tables have them in.

use std::str::FromStr;

use certmesh_ledger::id::Date;

use crate::error::MapFault;

/// A spelling such as `%Y年%m月%d日`.
///
/// `%Y` is four digits; `%m`, `%d`, `%H`, `%M` and `%S` are two digits where they touch another of these, otherwise one or
/// two. The time of day is read and left out. Everything else stands for itself, `%%` for a percent sign.
///
/// `serial-1900` and `serial-1904` are the days that spreadsheets count, in either of their systems; `iso-8601` is what
/// programs write, with a time of day or without, in any zone: the day in China.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateFormat(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Spelled(Vec<Part>),
    /// Days counted; whether from 1904 on.
    Counted {
        from_1904: bool,
    },
    /// ISO 8601.
    Iso,
}

/// A year, a month and a day, whether there is such a day or not.
pub(super) type Numbers = (u16, u8, u8);

/// Days from 1899-12-30 and from 1904-01-01 to 1970-01-01: where the systems count from.
const SINCE_1900: i32 = 25_569;
const SINCE_1904: i32 = 24_107;
/// The day that the first system counts though there was none, 29 February 1900.
const NO_DAY: i32 = 60;

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
    /// The last year that certificates have days of.
    pub(super) const LAST_YEAR: u16 = 2999;

    /// ISO 8601.
    pub(super) fn iso() -> DateFormat {
        let number = |what| Part::Number { what, exact: true };
        DateFormat(Form::Spelled(vec![
            number(What::Year),
            Part::Literal('-'),
            number(What::Month),
            Part::Literal('-'),
            number(What::Day),
        ]))
    }

    /// The day that a text of this spelling means.
    pub(super) fn read(&self, text: &str) -> Option<Date> {
        match self.0 {
            Form::Counted { from_1904 } => counted(text, from_1904),
            Form::Iso => day_in_china(text),
            Form::Spelled(_) => {
                let (year, month, day) = self.numbers(text)?;
                Date::from_ymd(year.into(), month, day).ok()
            }
        }
    }

    /// Whether a text is a number as spreadsheets count days of this century and the one before.
    pub(super) fn counts(text: &str) -> bool {
        let days = text.split('.').next().unwrap_or_default();
        days.len() == 5 && counted(text, false).is_some()
    }

    /// The year, month and day that a text of this spelling has.
    pub(super) fn numbers(&self, text: &str) -> Option<Numbers> {
        let Form::Spelled(parts) = &self.0 else {
            return None;
        };
        let (mut year, mut month, mut day) = (None, None, None);
        let mut rest = text;
        for part in parts {
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
        Some((year?, month?, day?))
    }
}

/// The day of a text of ISO 8601, `2020-01-05`, `2020-01-05T08:30` or `2020-01-04T16:00:00.000Z`. Of a time in a zone, as
/// programs write it that keep times in that of Greenwich, the day in China: midnight there is on the day before.
pub(super) fn day_in_china(text: &str) -> Option<Date> {
    const CHINA: i32 = 8 * 60;
    const DAY: i32 = 24 * 60;
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let day = DateFormat::iso().read(day)?;
    let Some(time) = time else {
        return Some(day);
    };
    let (clock, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(place) => time.split_at(place),
        None => (time, ""),
    };
    let minutes = minutes(clock)?;
    let east = match zone.split_at_checked(1) {
        None => return Some(day),
        Some(("Z" | "z", "")) => 0,
        Some(("+", ahead)) => self::minutes(ahead)?,
        Some(("-", behind)) => -self::minutes(behind)?,
        Some(_) => return None,
    };
    let later = (minutes - east + CHINA).div_euclid(DAY);
    Date::from_days(day.days().checked_add(later)?).ok()
}

/// Minutes since midnight of `16:00`, `1600`, `16:00:00` or `16:00:00.000`.
fn minutes(clock: &str) -> Option<i32> {
    let clock = clock.split(['.', ',']).next().unwrap_or_default();
    let digits = clock.replace(':', "");
    let pair = |at: usize| match digits.get(at..at + 2) {
        Some(pair) if pair.bytes().all(|byte| byte.is_ascii_digit()) => pair.parse().ok(),
        _ => None,
    };
    if !matches!(digits.len(), 2 | 4 | 6) {
        return None;
    }
    let minutes: i32 = if digits.len() > 2 { pair(2)? } else { 0 };
    let hours: i32 = pair(0)?;
    (hours <= 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// The day that a spreadsheet counts, a time of day left out.
fn counted(text: &str, from_1904: bool) -> Option<Date> {
    let (days, time) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(days) || !digits(time) {
        return None;
    }
    let days: i32 = days.parse().ok()?;
    let since = match from_1904 {
        true => SINCE_1904,
        false if days == NO_DAY => return None,
        false if days < NO_DAY => SINCE_1900 - 1,
        false => SINCE_1900,
    };
    Date::from_days(days.checked_sub(since)?).ok()
}

impl FromStr for DateFormat {
    type Err = MapFault;

    fn from_str(text: &str) -> Result<Self, MapFault> {
        match text {
            "serial-1900" => return Ok(Self(Form::Counted { from_1904: false })),
            "serial-1904" => return Ok(Self(Form::Counted { from_1904: true })),
            "iso-8601" => return Ok(Self(Form::Iso)),
            _ => {}
        }
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
        let has_time = parts.iter().any(|part| {
            matches!(
                part,
                Part::Number {
                    what: What::TimeOfDay,
                    ..
                }
            )
        });
        if has_time && parts.last() == Some(&Part::Literal('Z')) {
            let spelling = text.to_owned();
            return Err(MapFault::SpellingZone { spelling });
        }
        for (wanted, sign) in [(What::Year, "%Y"), (What::Month, "%m"), (What::Day, "%d")] {
            let has = |part: &&Part| matches!(part, Part::Number { what, .. } if *what == wanted);
            if parts.iter().filter(has).count() != 1 {
                let spelling = text.to_owned();
                return Err(MapFault::SpellingPart { spelling, sign });
            }
        }
        Ok(Self(Form::Spelled(parts)))
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
    fn days_that_a_spreadsheet_counts_are_read_in_either_system() {
        for (format, text, day) in [
            ("serial-1900", "43835", "2020-01-05"),
            ("serial-1900", "43835.75", "2020-01-05"),
            ("serial-1900", "61", "1900-03-01"),
            ("serial-1900", "59", "1900-02-28"),
            ("serial-1904", "42373", "2020-01-05"),
        ] {
            assert_eq!(read(format, text).as_deref(), Some(day), "{format} {text}");
        }
        for text in ["60", "0", "2958465", "-1", "4383 5", "43835.", "x", ""] {
            assert_eq!(read("serial-1900", text), None, "{text}");
        }
    }

    #[test]
    fn a_time_in_a_zone_is_of_the_day_that_it_is_in_china() {
        for (text, day) in [
            ("2020-01-05", "2020-01-05"),
            ("2020-01-05T23:59:59", "2020-01-05"),
            ("2020-01-05 00:00:00", "2020-01-05"),
            ("2020-01-04T16:00:00.000Z", "2020-01-05"),
            ("2020-01-04T15:59:59Z", "2020-01-04"),
            ("2020-01-05T00:00:00+08:00", "2020-01-05"),
            ("2020-01-04T23:00-0500", "2020-01-05"),
            ("2019-12-31T16:00Z", "2020-01-01"),
        ] {
            assert_eq!(read("iso-8601", text).as_deref(), Some(day), "{text}");
        }
        for text in [
            "16:00:00",
            "T16:00",
            "2020-01-05T",
            "2020-01-05T16:00Zx",
            "2020-01-05T16:00+",
            "2020-02-30T00:00Z",
            "2020-01-05T99:00Z",
            "",
        ] {
            assert_eq!(read("iso-8601", text), None, "{text}");
        }
        let zone = "%Y-%m-%dT%H:%M:%SZ".parse::<DateFormat>();
        assert!(matches!(zone, Err(MapFault::SpellingZone { .. })));
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
