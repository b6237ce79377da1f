//! The faults of a request: a list that is bounded, whatever the request holds.

use std::ops::Deref;
use std::str::FromStr;

use certmesh_ledger::codec::Text;

use crate::fault::{Fault, FaultKind};

/// Most faults that are listed; the others are counted.
pub const MAX_FAULTS: usize = 100;

/// Faults of a request's fields: the first [`MAX_FAULTS`], and how many more there are.
///
/// A request of a mebibyte has room for 200,000 faults. Listed, they would make an answer of tens of mebibytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultList {
    listed: Vec<Fault>,
    more: usize,
}

impl FaultList {
    /// Adds a fault. It is only made when there is room for it.
    pub fn add_with(&mut self, fault: impl FnOnce() -> Fault) {
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
    type Target = [Fault];

    fn deref(&self) -> &[Fault] {
        &self.listed
    }
}

impl Extend<Fault> for FaultList {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        faults.into_iter().for_each(|fault| self.add_with(|| fault));
    }
}

impl FromIterator<Fault> for FaultList {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut list = Self::default();
        list.extend(faults);
        list
    }
}

impl From<Vec<Fault>> for FaultList {
    fn from(faults: Vec<Fault>) -> Self {
        faults.into_iter().collect()
    }
}

/// The one fault of a list of one.
impl From<Fault> for FaultList {
    fn from(fault: Fault) -> Self {
        Self::from_iter([fault])
    }
}

impl IntoIterator for FaultList {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.listed.into_iter()
    }
}

/// A member's name as a fault may show it. Names are no personal data, but a name that doesn't look like one may be a value
/// that stands in the wrong place.
pub fn shown(name: &str) -> String {
    let like_a_name = |c: char| c.is_alphabetic() || matches!(c, '_' | '-');
    let may_go_on = |c: char| like_a_name(c) || c.is_ascii_digit();
    let mut digits = name.chars().filter(char::is_ascii_digit);
    let shows = name.len() <= 64
        && name.starts_with(like_a_name)
        && name.chars().all(may_go_on)
        && digits.by_ref().take(5).count() < 5;
    if shows {
        name.to_owned()
    } else {
        "(a name not shown)".to_owned()
    }
}

/// Collects what is wrong, field by field.
#[derive(Default)]
pub struct Faults(FaultList);

impl Faults {
    pub fn add(&mut self, field: &str, kind: impl Into<FaultKind>) {
        self.0.add_with(|| Fault::new(field, kind));
    }

    /// The value, or `None` with its fault noted.
    pub fn check<T>(&mut self, field: &str, result: Result<T, impl Into<FaultKind>>) -> Option<T> {
        result.map_err(|error| self.add(field, error)).ok()
    }

    /// The parsed text; `None` when it is absent or, with its fault noted, wrong.
    pub fn parse<T: FromStr<Err: Into<FaultKind>>>(
        &mut self,
        field: &str,
        text: Option<&str>,
    ) -> Option<T> {
        self.check(field, text?.parse())
    }

    pub(crate) fn required<T>(&mut self, field: &str, value: Option<&T>) {
        if value.is_none() {
            self.add(field, FaultKind::Required);
        }
    }

    /// A text of 1 to `N` bytes that can be shown on one line.
    pub fn line<const N: usize>(&mut self, field: &str, text: &str) -> Option<Text<N>> {
        if text.trim().is_empty() {
            self.add(field, FaultKind::Empty);
            return None;
        }
        self.check(field, Text::new(text))
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn take(&mut self) -> FaultList {
        std::mem::take(&mut self.0)
    }

    /// All of them, if there are any.
    pub fn none(&mut self) -> Result<(), FaultList> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.take())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(count: usize) -> FaultList {
        let fault = |n| Fault::new(format!("f{n}"), FaultKind::Empty);
        (0..count).map(fault).collect()
    }

    #[test]
    fn a_fault_past_the_limit_is_counted_without_being_made() {
        let mut list = faults(MAX_FAULTS);
        list.add_with(|| unreachable!("there is no room for it"));
        assert_eq!((list.len(), list.more()), (MAX_FAULTS, 1));
    }
}
