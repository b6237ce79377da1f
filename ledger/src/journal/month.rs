//! Which file of the journal a look belongs to.

use std::fmt;

use crate::id::Date;

/// What follows the month in a file's name.
const ENDING: &str = ".looks";

/// A calendar month in China; each has a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of a day.
    pub fn of(day: Date) -> Month {
        Month(day.first_of_month())
    }

    /// Its first day.
    pub fn first(self) -> Date {
        self.0
    }

    /// Its last day.
    pub fn last(self) -> Date {
        let next = self.0.plus_months(1);
        let last = next.and_then(|next| Date::from_days(next.days() - 1).ok());
        last.unwrap_or(Date::MAX)
    }

    /// The number in the header of its file: days from 1970-01-01 to its first day.
    pub(super) fn number(self) -> u64 {
        u64::try_from(self.0.days()).unwrap_or(0)
    }

    /// Name of its file.
    pub fn file_name(self) -> String {
        format!("{self}{ENDING}")
    }

    /// The month of a file's name; `None` when it is not one of the journal's.
    pub(super) fn of_file(name: &str) -> Option<Month> {
        name.strip_suffix(ENDING)?.parse().ok()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string()[..7])
    }
}

impl std::str::FromStr for Month {
    type Err = crate::id::DateError;

    /// Reads exactly `YYYY-MM`.
    fn from_str(text: &str) -> Result<Month, Self::Err> {
        format!("{text}-01").parse().map(Month)
    }
}
