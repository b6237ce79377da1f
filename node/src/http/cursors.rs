//! Where a page of an answer ends, as the text that clients send back to get the next page.

use std::fmt::Display;
use std::str::FromStr;

use certmesh_api::FaultKind;
use certmesh_api::faults::Faults;
use certmesh_ledger::catalogue;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::journal::Place;
use certmesh_ledger::names::LogId;
use certmesh_ledger::retrieval::Page;

use super::limits::MAX_CURSOR;

/// What can be sent back as a cursor.
pub(super) trait Cursor: Sized {
    /// Reads what [`write`](Cursor::write) gave.
    fn read(text: &str) -> Option<Self>;

    /// The text for it.
    fn write(&self) -> String;

    /// Reads a cursor of a request; one that this node didn't give is a fault.
    fn checked(text: Option<&str>, faults: &mut Faults) -> Option<Self> {
        let text = text?;
        let cursor = Some(text).filter(|text| text.len() <= MAX_CURSOR);
        let cursor = cursor.and_then(Self::read);
        if cursor.is_none() {
            faults.add("cursor", FaultKind::Cursor);
        }
        cursor
    }
}

/// Of a search.
impl Cursor for catalogue::Cursor {
    fn read(text: &str) -> Option<Self> {
        let (log, seq) = <(LogId, u64)>::read(text)?;
        Some(catalogue::Cursor {
            log: Some(log),
            seq,
        })
    }

    fn write(&self) -> String {
        self.log
            .map(|log| (log, self.seq).write())
            .unwrap_or_default()
    }
}

/// Of an audit.
impl Cursor for (LogId, u64) {
    fn read(text: &str) -> Option<Self> {
        let (log, seq) = text.rsplit_once(':')?;
        Some((log.parse().ok()?, seq.parse().ok()?))
    }

    fn write(&self) -> String {
        format!("{}:{}", self.0, self.1)
    }
}

/// Of an access log.
impl Cursor for Page {
    fn read(text: &str) -> Option<Self> {
        let (front, seq) = text.rsplit_once(':')?;
        let (log, day) = front.rsplit_once(':')?;
        Some(Page {
            log: log.parse().ok()?,
            day: day.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    fn write(&self) -> String {
        format!("{}:{}:{}", self.log, self.day, self.seq)
    }
}

/// Of the look-up journal.
impl Cursor for Place {
    fn read(text: &str) -> Option<Self> {
        let (front, skip) = text.rsplit_once(':')?;
        let (month, at) = front.rsplit_once(':')?;
        Some(Place {
            month: month.parse().ok()?,
            at: at.parse().ok()?,
            skip: skip.parse().ok()?,
        })
    }

    fn write(&self) -> String {
        format!("{}:{}:{}", self.month, self.at, self.skip)
    }
}

/// Of a list of types.
impl Cursor for certmesh_ledger::id::TypeCode {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Of a list of what departments defined: the last department, and the last of its elements.
impl<T: FromStr + Display> Cursor for (DepartmentCode, T) {
    fn read(text: &str) -> Option<Self> {
        let (department, what) = text.split_once('~')?;
        Some((department.parse().ok()?, what.parse().ok()?))
    }

    fn write(&self) -> String {
        // Both parts and the mark between them stand in an address as they are.
        format!("{}~{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read_as_it_was_given<T: Cursor>(given: &str, others: &[&str]) {
        assert_eq!(T::read(given).unwrap().write(), given);
        for other in others {
            assert!(T::read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_given_and_nothing_else_is_one() {
        let log = "11430000006122244L";
        let other = ["", "2026-11:64", "2026-13:64:7", "2026-11:-1:7", "64:7"];
        is_read_as_it_was_given::<Place>("2026-11:64:7", &other);
        let other = ["", log, &format!("{log}:-1"), "X:7"];
        is_read_as_it_was_given::<(LogId, u64)>(&format!("{log}:7"), &other);
        is_read_as_it_was_given::<catalogue::Cursor>(&format!("{log}:7"), &other);
        let other = ["", log, &format!("{log}:7"), &format!("{log}:2026-11-01")];
        is_read_as_it_was_given::<Page>(&format!("{log}:2026-11-01:7"), &other);
        let other = ["", log, &format!("{log}~x"), "X~7"];
        is_read_as_it_was_given::<(DepartmentCode, u64)>(&format!("{log}~7"), &other);
    }

    #[test]
    fn a_cursor_that_is_too_long_is_not_read() {
        let mut faults = Faults::default();
        let text = format!("11430000006122244L~{}", "0".repeat(MAX_CURSOR));
        let read: Option<(DepartmentCode, u64)> = Cursor::checked(Some(&text), &mut faults);
        assert!(read.is_none() && !faults.is_empty());
    }
}
