//! How pressing it is to share a type, with the reason.

use std::fmt;

use serde::Serialize;

use super::cooccurrence::Demanded;

/// One department in this many demands the types that come first.
const A_PART: usize = 5;
/// Fewest departments for the first and the second grade.
const FEWEST: usize = 3;

/// A sharing priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Grade {
    /// Share first: a fifth of the departments or more demand it, and it goes with more types than most do.
    A,
    /// Share next: three departments or more.
    B,
    /// Share when asked: demanded more than once, by one department or two.
    C,
    /// Leave: demanded once, so that there is nothing to save.
    D,
}

impl Grade {
    /// All of them, the most pressing first.
    pub(super) const ALL: [Grade; 4] = [Grade::A, Grade::B, Grade::C, Grade::D];

    /// What it says to do.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Grade::A => "share first",
            Grade::B => "share next",
            Grade::C => "share when asked",
            Grade::D => "leave",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a type is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    /// Departments with matters.
    pub(super) departments: usize,
    /// Other types that a type is demanded with, on average.
    pub(super) mean_degree: f64,
}

/// The grade of a type that is demanded together with `degree` others.
pub(super) fn grade(kind: &Demanded, degree: usize, whole: Whole) -> (Grade, String) {
    let Demanded {
        demands,
        departments,
        ..
    } = kind;
    let saved = demands.saturating_sub(1);
    let of_all = whole.departments;
    let mean = whole.mean_degree;
    if *demands < 2 {
        return (
            Grade::D,
            "Demanded once: there is nothing to save.".to_owned(),
        );
    }
    if *departments < FEWEST {
        let by = if *departments == 1 {
            "one department"
        } else {
            "two departments"
        };
        return (
            Grade::C,
            format!(
                "Demanded {demands} times, but by {by} only; sharing it saves {saved} of them."
            ),
        );
    }
    let many = departments * A_PART >= of_all;
    let central = degree as f64 > mean;
    let (grade, why) = match (many, central) {
        (true, true) => (Grade::A, "a fifth or more"),
        (true, false) => (Grade::B, "a fifth or more, though with few others"),
        (false, _) => (Grade::B, "fewer than a fifth"),
    };
    let reason = format!(
        "{departments} of {of_all} departments demand it ({why}), together with {degree} other types ({mean:.0} on average); sharing it saves {saved} of {demands} submissions."
    );
    (grade, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Whole = Whole {
        departments: 50,
        mean_degree: 20.0,
    };

    fn graded(demands: usize, departments: usize, degree: usize) -> (Grade, String) {
        let kind = Demanded {
            demands,
            departments,
            ..Demanded::default()
        };
        grade(&kind, degree, WHOLE)
    }

    #[test]
    fn grades_follow_from_demands_departments_and_degree() {
        for (demands, departments, degree, expected) in [
            (156, 46, 452, Grade::A),
            (10, 10, 21, Grade::A),
            (10, 10, 20, Grade::B),
            (30, 9, 90, Grade::B),
            (3, 3, 2, Grade::B),
            (9, 2, 90, Grade::C),
            (2, 1, 5, Grade::C),
            (1, 1, 40, Grade::D),
        ] {
            assert_eq!(
                graded(demands, departments, degree).0,
                expected,
                "{demands} {departments} {degree}"
            );
        }
    }

    #[test]
    fn the_reason_names_the_numbers_it_rests_on() {
        let (_, reason) = graded(156, 46, 452);
        for number in ["46 of 50", "452", "155 of 156", "20 on average"] {
            assert!(reason.contains(number), "{number}: {reason}");
        }
        assert_eq!(
            graded(1, 1, 0).1,
            "Demanded once: there is nothing to save."
        );
    }

    #[test]
    fn in_a_small_network_three_departments_are_needed_for_the_first_grade() {
        let kind = Demanded {
            demands: 9,
            departments: 2,
            ..Demanded::default()
        };
        let whole = Whole {
            departments: 4,
            mean_degree: 1.0,
        };
        assert_eq!(grade(&kind, 8, whole).0, Grade::C);
    }
}
