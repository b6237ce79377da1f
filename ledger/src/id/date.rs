//! Civil dates, as certificates state them: without time of day and without zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use time::Month;

use super::text;

const MS_PER_DAY: u64 = 86_400_000;

/// China Standard Time is UTC+8 all year, everywhere in the country.
const CHINA_OFFSET_MS: u64 = 8 * 3_600_000;

/// A civil date (Gregorian, ISO 8601 `YYYY-MM-DD`) of the years 1900 to 2999.
///
/// Serialised as that text in human-readable formats, otherwise as a count of days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(time::Date);

/// Why something isn't a [`Date`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DateError {
    /// The text isn't four digits, hyphen, two digits, hyphen, two digits.
    #[error("date: not of the form YYYY-MM-DD")]
    Form,
    /// The year is outside 1900 to 2999.
    #[error("date: year is {0}, expected 1900 to 2999")]
    Year(i32),
    /// There is no such month.
    #[error("date: month is {0}, expected 01 to 12")]
    Month(u8),
    /// The month doesn't have that day in that year.
    #[error("date: {year:04}-{month:02} has no day {day:02}")]
    Day {
        /// The year.
        year: i32,
        /// The month, 1 to 12.
        month: u8,
        /// The day given.
        day: u8,
    },
    /// A count of days lies outside 1900-01-01 to 2999-12-31.
    #[error("date: {0} days since 1970-01-01 are outside the years 1900 to 2999")]
    Days(i32),
}

impl Date {
    /// The earliest date: 1900-01-01.
    pub const MIN: Self = Self(time::macros::date!(1900 - 01 - 01));
    /// The latest date: 2999-12-31.
    pub const MAX: Self = Self(time::macros::date!(2999 - 12 - 31));

    const EPOCH: time::Date = time::macros::date!(1970 - 01 - 01);

    /// The date this many days after 1970-01-01; before it, if negative.
    ///
    /// # Errors
    /// [`DateError::Days`] outside the years 1900 to 2999.
    pub fn from_days(days: i32) -> Result<Self, DateError> {
        days.checked_add(Self::EPOCH.to_julian_day())
            .and_then(|day| time::Date::from_julian_day(day).ok())
            .map(Self)
            .filter(|date| (Self::MIN..=Self::MAX).contains(date))
            .ok_or(DateError::Days(days))
    }

    /// Days since 1970-01-01; negative before it.
    pub fn days(self) -> i32 {
        self.0.to_julian_day() - Self::EPOCH.to_julian_day()
    }

    /// The date of this year, month (1 to 12) and day (from 1).
    ///
    /// # Errors
    /// [`DateError::Year`], [`DateError::Month`] or [`DateError::Day`], for the first that is out of range.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Result<Self, DateError> {
        if !(1900..=2999).contains(&year) {
            return Err(DateError::Year(year));
        }
        let named = Month::try_from(month).map_err(|_| DateError::Month(month))?;
        time::Date::from_calendar_date(year, named, day)
            .map(Self)
            .map_err(|_| DateError::Day { year, month, day })
    }

    /// The date this many days later; `None` after the year 2999.
    pub fn plus_days(self, days: u16) -> Option<Self> {
        Self::from_days(self.days() + i32::from(days)).ok()
    }

    /// The same day this many months later, or that month's last where it has no such day; `None` after the year 2999.
    pub fn plus_months(self, months: u16) -> Option<Self> {
        let (year, month, day) = self.0.to_calendar_date();
        let months = i32::from(u8::from(month)) - 1 + i32::from(months);
        let (year, month) = (year + months / 12, months as u8 % 12 + 1);
        (28..=day.max(28))
            .rev()
            .map(|last| day.min(last))
            .find_map(|day| Self::from_ymd(year, month, day).ok())
    }

    /// The first day of its month.
    pub fn first_of_month(self) -> Self {
        Self(self.0.replace_day(1).unwrap_or(self.0))
    }

    /// When the day begins in China (UTC+8), in milliseconds since 1970-01-01T00:00Z; 0 for days before that.
    pub fn begins_in_china_ms(self) -> u64 {
        let begins = i64::from(self.days()) * MS_PER_DAY as i64 - CHINA_OFFSET_MS as i64;
        u64::try_from(begins).unwrap_or(0)
    }

    /// The date on the calendar in China (UTC+8) at a time in milliseconds since 1970-01-01T00:00Z.
    ///
    /// A time after the year 2999 gives [`Date::MAX`].
    pub fn in_china(time_ms: u64) -> Self {
        let days = time_ms.saturating_add(CHINA_OFFSET_MS) / MS_PER_DAY;
        i32::try_from(days)
            .ok()
            .and_then(|days| Self::from_days(days).ok())
            .unwrap_or(Self::MAX)
    }
}

/// A time in ms since 1970-01-01T00:00Z as people in China read it: `2026-03-04 10:11:12 CST`; the number itself after the
/// year 2999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChinaTime(pub u64);

impl fmt::Display for ChinaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last_ms = Date::MAX.begins_in_china_ms() + MS_PER_DAY;
        if self.0 >= last_ms {
            return write!(f, "{} ms after 1970", self.0);
        }
        let seconds = (self.0 + CHINA_OFFSET_MS) % MS_PER_DAY / 1000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let day = Date::in_china(self.0);
        write!(f, "{day} {hour:02}:{minute:02}:{second:02} CST")
    }
}

impl FromStr for Date {
    type Err = DateError;

    /// Reads exactly `YYYY-MM-DD`.
    fn from_str(text: &str) -> Result<Self, DateError> {
        let &[a, b, c, d, b'-', e, f, b'-', g, h] = text.as_bytes() else {
            return Err(DateError::Form);
        };
        if ![a, b, c, d, e, f, g, h].iter().all(u8::is_ascii_digit) {
            return Err(DateError::Form);
        }
        let pair = |tens: u8, ones: u8| (tens - b'0') * 10 + (ones - b'0');
        let year = i32::from(pair(a, b)) * 100 + i32::from(pair(c, d));
        Self::from_ymd(year, pair(e, f), pair(g, h))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Date({self})")
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i32(self.days())
        }
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            text::deserialize(deserializer, "a date YYYY-MM-DD")
        } else {
            Self::from_days(i32::deserialize(deserializer)?).map_err(de::Error::custom)
        }
    }
}
