//! The faults of a request: a list that is bounded, whatever the request holds.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::str::FromStr;

use certmesh_ledger::codec::{Text, TextError};
use certmesh_ledger::id::Date;

use crate::problem::FieldFault;

/// Most faults that are listed; the others are counted.
pub const MAX_FAULTS: usize = 100;

/// Faults of a request's fields: the first [`MAX_FAULTS`], and how many more there are.
///
/// A request of a mebibyte has room for 200,000 faults. Listed, they would make an answer of tens of mebibytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultList {
    listed: Vec<FieldFault>,
    more: usize,
}

impl FaultList {
    /// Adds a fault. It is only made when there is room for it.
    pub fn add_with(&mut self, fault: impl FnOnce() -> FieldFault) {
        if self.listed.len() < MAX_FAULTS {
            self.listed.push(fault());
        } else {
            self.more += 1;
        }
    }

    /// How many faults there are beside those listed.
    pub fn more(&self) -> usize {
        self.more
    }
}

impl Deref for FaultList {
    type Target = [FieldFault];

    fn deref(&self) -> &[FieldFault] {
        &self.listed
    }
}

impl Extend<FieldFault> for FaultList {
    fn extend<I: IntoIterator<Item = FieldFault>>(&mut self, faults: I) {
        faults.into_iter().for_each(|fault| self.add_with(|| fault));
    }
}

impl FromIterator<FieldFault> for FaultList {
    fn from_iter<I: IntoIterator<Item = FieldFault>>(faults: I) -> Self {
        let mut list = Self::default();
        list.extend(faults);
        list
    }
}

impl From<Vec<FieldFault>> for FaultList {
    fn from(faults: Vec<FieldFault>) -> Self {
        faults.into_iter().collect()
    }
}

impl IntoIterator for FaultList {
    type Item = FieldFault;
    type IntoIter = std::vec::IntoIter<FieldFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.listed.into_iter()
    }
}

/// The one fault in words, or how many there are.
impl Display for FaultList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (listed, more) = (self.listed.len(), self.more);
        match self.listed.as_slice() {
            [fault] => write!(f, "{}: {}", fault.field, fault.detail),
            _ if more == 0 => write!(f, "{listed} fields are wrong; see faults"),
            _ => write!(
                f,
                "{} fields are wrong; faults lists the first {listed}, correct these and send it again",
                listed + more
            ),
        }
    }
}

/// What is wrong with a request before any log is consulted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// One or more fields are wrong.
    #[error("{0}")]
    Fields(FaultList),
    /// Validity ends before it begins.
    #[error("valid_until ({until}) is before valid_from ({from}); swap or correct them")]
    DatesOutOfOrder {
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
    },
}

/// Collects what is wrong, field by field.
#[derive(Default)]
pub struct Faults(FaultList);

impl Faults {
    pub fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.add_with(|| FieldFault {
            field: field.to_owned(),
            detail: detail.into(),
        });
    }

    /// The value, or `None` with its fault noted.
    pub fn check<T>(&mut self, field: &str, result: Result<T, impl Display>) -> Option<T> {
        result
            .map_err(|error| self.add(field, error.to_string()))
            .ok()
    }

    /// The parsed text; `None` when it is absent or, with its fault noted, wrong.
    pub fn parse<T: FromStr<Err: Display>>(
        &mut self,
        field: &str,
        text: Option<&str>,
    ) -> Option<T> {
        self.check(field, text?.parse())
    }

    pub(crate) fn required<T>(&mut self, field: &str, value: Option<&T>) {
        if value.is_none() {
            self.add(field, "is required");
        }
    }

    /// A text of 1 to `N` bytes that can be shown on one line.
    pub fn line<const N: usize>(&mut self, field: &str, text: &str) -> Option<Text<N>> {
        if text.trim().is_empty() {
            self.add(field, "is empty");
            return None;
        }
        self.check(
            field,
            Text::new(text).map_err(|error| match error {
                TextError::TooLong { found, limit } => {
                    format!("is {found} bytes long, at most {limit} are allowed")
                }
                TextError::Control(_) => "holds a control character".to_owned(),
            }),
        )
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn unfit(&mut self) -> Unfit {
        Unfit::Fields(std::mem::take(&mut self.0))
    }

    /// All of them, if there are any.
    pub fn none(&mut self) -> Result<(), Unfit> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.unfit())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(count: usize) -> FaultList {
        let fault = |n| FieldFault {
            field: format!("f{n}"),
            detail: "is wrong".to_owned(),
        };
        (0..count).map(fault).collect()
    }

    #[test]
    fn a_fault_past_the_limit_is_counted_without_being_made() {
        let mut list = faults(MAX_FAULTS);
        list.add_with(|| unreachable!("there is no room for it"));
        assert_eq!((list.len(), list.more()), (MAX_FAULTS, 1));
    }
}
