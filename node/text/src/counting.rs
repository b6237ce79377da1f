//! Why something that a department signed counts for nothing.

use certmesh_api::coded;
use certmesh_ledger::governance::{EndReason, GenerationEnd, Why};

use crate::sentences;

coded! {
    /// Why something that a department signed counts for nothing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum NotCounting: "not-counting" {
        /// The department did not belong then.
        "not-a-member" NotAMember {
            /// Which department.
            department: String,
        },
        /// It was suspended.
        "suspended" Suspended {
            /// Which department.
            department: String,
        },
        /// Its log was of another generation then.
        "generation" Generation,
        /// Its log was ended before it.
        "cut" Cut,
        /// The department was suspended before it, and resumed since.
        "suspended-before" SuspendedBefore,
        /// The department was removed before it.
        "removed" Removed,
        /// The key was not in force then.
        "not-in-force" NotInForce,
        /// The key was replaced before it.
        "rotated" Rotated,
        /// The key was stolen, and ended before it.
        "stolen" Stolen,
    }
}

sentences!(NotCounting);

impl From<&Why> for NotCounting {
    fn from(why: &Why) -> NotCounting {
        match *why {
            Why::NotAMember(department) => NotCounting::NotAMember {
                department: department.to_string(),
            },
            Why::Suspended(department) => NotCounting::Suspended {
                department: department.to_string(),
            },
            Why::Generation => NotCounting::Generation,
            Why::Void(GenerationEnd::Cut(_)) => NotCounting::Cut,
            Why::Void(GenerationEnd::Suspended) => NotCounting::SuspendedBefore,
            Why::Void(GenerationEnd::Removed) => NotCounting::Removed,
            Why::NotInForce => NotCounting::NotInForce,
            Why::Ended(EndReason::Rotated) => NotCounting::Rotated,
            Why::Ended(EndReason::Stolen) => NotCounting::Stolen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::mismatches;

    #[test]
    fn each_reason_has_a_text_with_its_arguments_and_each_text_a_reason() {
        assert_eq!(mismatches::<NotCounting>(), Vec::<String>::new());
    }
}
