//! The faults of a request: a bounded list, whatever a request holds.

use std::fmt;
use std::ops::Deref;

use super::types::FieldFault;

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
impl fmt::Display for FaultList {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Refusal;

    fn faults(count: usize) -> FaultList {
        let fault = |n| FieldFault {
            field: format!("f{n}"),
            detail: "is wrong".to_owned(),
        };
        (0..count).map(fault).collect()
    }

    #[test]
    fn an_answer_lists_a_hundred_faults_and_counts_the_others() {
        let problem = Refusal::InvalidField(faults(250)).problem();
        assert_eq!((problem.faults.len(), problem.more_faults), (100, 150));
        assert!(
            problem.detail.starts_with("250 fields are wrong"),
            "{problem:?}"
        );
        let problem = Refusal::InvalidField(faults(100)).problem();
        assert_eq!((problem.faults.len(), problem.more_faults), (100, 0));
        assert_eq!(problem.detail, "100 fields are wrong; see faults");
    }

    #[test]
    fn a_fault_past_the_limit_is_counted_without_being_made() {
        let mut list = faults(MAX_FAULTS);
        list.add_with(|| unreachable!("there is no room for it"));
        assert_eq!((list.len(), list.more()), (MAX_FAULTS, 1));
    }
}
