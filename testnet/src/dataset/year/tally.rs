//! What the cases of a year come to.

use std::collections::BTreeMap;

use certmesh_ledger::acceptance::{Assessment, State};
use certmesh_ledger::catalogue::Denial;
use certmesh_ledger::id::DepartmentCode;
use serde::Serialize;

use super::draw::{Came, Case, ORDERS, Part};
use super::reading::DataSet;
use crate::screen::Screen;
use crate::stats::{grouped, round};

/// Cases a year in the city and its districts, as the study counts them.
const CASES_A_YEAR: u64 = 3_800_000;
/// The study's product: 2,000 avoidable submissions for each of them.
const STUDY_SUBMISSIONS: u64 = 7_600_000_000;
/// A department with fewer cases says nothing of the spread.
const LEAST_CASES: u64 = 20;
/// What these figures are by: `certmesh report need` looks for it.
const FORMAT: &str = "certmesh-year-1";
/// What they rest on.
const RESTS_ON: &str = "Rests on made-up people, drawn by stated rules with each type's holders drawn apart, and on no \
     grant being made: it measures this city, not Wuhan.";

/// How the requirements of some cases stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Cases.
    pub cases: u64,
    /// Their requirements: saved, needs-grant, not-valid, unknown and missing together.
    pub requirements: u64,
    /// Held and in force, and its fields may be seen: a submission saved.
    pub saved: u64,
    /// Held and in force, but its fields may not be seen.
    pub needs_grant: u64,
    /// Of these, those that no grant helps: the certificate is not shared.
    pub not_shared: u64,
    /// Held but expired, or not begun yet, on the day of the case.
    pub not_valid: u64,
    /// Held; whether it is in force is unknown.
    pub unknown: u64,
    /// Not held.
    pub missing: u64,
    /// Of these, those that such a subject cannot hold: the identity card of an organisation's agent, for instance.
    pub of_other_kind: u64,
}

/// What was drawn, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drawn {
    /// What all chance followed from.
    pub seed: u64,
    /// Certificates of the data set.
    pub certificates: u64,
    /// First day of the year.
    pub from: String,
    /// Last day.
    pub to: String,
    /// Of a hundred subjects, those meant to hold nothing.
    pub newcomers_percent: u64,
    /// Of a hundred subjects, those meant to hold something that their sub-matter asks for.
    pub concerned_percent: u64,
}

/// How cases stood by what their subjects are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subjects {
    /// Who holds nothing.
    pub newcomers: Count,
    /// Who holds something that the sub-matter asks for.
    pub concerned: Count,
    /// Any holders.
    pub any_holders: Count,
}

/// How cases of a department stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DepartmentCount {
    /// Code.
    pub department: String,
    /// Name.
    pub name: String,
    /// Its cases.
    #[serde(flatten)]
    pub count: Count,
}

/// How far groups of cases differ in submissions saved a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Fewest cases of a group that counts here.
    pub least_cases: u64,
    /// Groups that have so many.
    pub groups: u64,
    /// The lowest average.
    pub min: f64,
    /// The middle one; of an even number the lower.
    pub median: f64,
    /// The highest.
    pub max: f64,
}

/// A measured year.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Year {
    /// What reads this recognises it by.
    pub format: &'static str,
    /// What was drawn.
    #[serde(flatten)]
    pub drawn: Drawn,
    /// All cases.
    #[serde(flatten)]
    pub count: Count,
    /// Submissions saved a case.
    pub saved_per_case: f64,
    /// Its standard error, from how far the orders of the sub-matters differ: that of which are frequent, and of chance.
    pub standard_error: f64,
    /// How far those orders differ.
    pub by_order_spread: Spread,
    /// What grants would add to it where sharing classes allow one.
    pub grants_would_add_per_case: f64,
    /// How far departments differ.
    pub by_department_spread: Spread,
    /// Cases a year in the city.
    pub cases_a_year: u64,
    /// Submissions saved in this many.
    pub saved_a_year: u64,
    /// The study's figure.
    pub study_submissions: u64,
    /// What all this rests on.
    pub rests_on: &'static str,
    /// By what the subjects are.
    pub by_subject: Subjects,
    /// By department, those with cases.
    pub by_department: Vec<DepartmentCount>,
}

/// Cases counted so far.
#[derive(Default)]
pub(super) struct Tally {
    total: Count,
    orders: [Count; ORDERS],
    subjects: Subjects,
    departments: BTreeMap<DepartmentCode, Count>,
}

impl Count {
    fn add(&mut self, other: &Count) {
        self.cases += other.cases;
        self.requirements += other.requirements;
        self.saved += other.saved;
        self.needs_grant += other.needs_grant;
        self.not_shared += other.not_shared;
        self.not_valid += other.not_valid;
        self.unknown += other.unknown;
        self.missing += other.missing;
        self.of_other_kind += other.of_other_kind;
    }

    /// Some of the requirements, for each case.
    fn per_case(&self, some: u64) -> f64 {
        some as f64 / self.cases.max(1) as f64
    }

    /// How a case stood.
    fn of(case: &Case, part: &Part, assessed: &[Assessment]) -> Count {
        let mut count = Count {
            cases: 1,
            requirements: assessed.len() as u64,
            ..Count::default()
        };
        for (assessment, can) in assessed.iter().zip(&part.can_meet) {
            match assessment.state {
                State::Held => count.saved += 1,
                State::NotValid => count.not_valid += 1,
                State::Unknown => count.unknown += 1,
                State::NeedsGrant => {
                    let denial = assessment.best.as_ref().map(|best| &best.denial);
                    let never = matches!(denial, Some(Some(Denial::NotShared)));
                    count.needs_grant += 1;
                    count.not_shared += u64::from(never);
                }
                State::Missing => {
                    count.missing += 1;
                    count.of_other_kind += u64::from(!can[case.side as usize]);
                }
            }
        }
        count
    }
}

impl Tally {
    /// Counts a case.
    pub(super) fn add(&mut self, case: &Case, part: &Part, assessed: &[Assessment]) {
        let count = Count::of(case, part, assessed);
        self.total.add(&count);
        self.orders[case.order].add(&count);
        let came = match case.came {
            Came::Newcomer => &mut self.subjects.newcomers,
            Came::Concerned => &mut self.subjects.concerned,
            Came::AnyHolder => &mut self.subjects.any_holders,
        };
        came.add(&count);
        let department = self.departments.entry(part.matter.department);
        department.or_default().add(&count);
    }

    /// The year they make.
    pub(super) fn year(self, set: &DataSet, drawn: Drawn) -> Year {
        let total = self.total;
        let average = total.per_case(total.saved);
        let a_year = u128::from(total.saved) * u128::from(CASES_A_YEAR);
        let name = |code: &DepartmentCode| {
            let founder = set.departments.iter().find(|one| one.code == *code);
            founder.map_or_else(String::new, |founder| founder.name.clone())
        };
        let by_department = self
            .departments
            .iter()
            .map(|(code, count)| DepartmentCount {
                department: code.to_string(),
                name: name(code),
                count: *count,
            });
        Year {
            format: FORMAT,
            drawn,
            count: total,
            saved_per_case: round(average, 4),
            standard_error: round(self.standard_error(), 4),
            grants_would_add_per_case: round(
                total.per_case(total.needs_grant - total.not_shared),
                4,
            ),
            by_order_spread: Spread::of(&self.orders, 1),
            by_department_spread: Spread::of(self.departments.values(), LEAST_CASES),
            cases_a_year: CASES_A_YEAR,
            saved_a_year: (a_year / u128::from(total.cases.max(1))) as u64,
            study_submissions: STUDY_SUBMISSIONS,
            rests_on: RESTS_ON,
            by_subject: self.subjects,
            by_department: by_department.collect(),
        }
    }

    fn standard_error(&self) -> f64 {
        let averages = averages(&self.orders, 1);
        let count = averages.len() as f64;
        if count < 2.0 {
            return 0.0;
        }
        let middle = averages.iter().sum::<f64>() / count;
        let squares = averages.iter().map(|average| (average - middle).powi(2));
        (squares.sum::<f64>() / (count - 1.0) / count).sqrt()
    }
}

/// Submissions saved a case of each group with this many cases, in ascending order.
fn averages<'a>(groups: impl IntoIterator<Item = &'a Count>, least: u64) -> Vec<f64> {
    let enough = groups.into_iter().filter(|count| count.cases >= least);
    let mut averages: Vec<f64> = enough.map(|count| count.per_case(count.saved)).collect();
    averages.sort_by(f64::total_cmp);
    averages
}

impl Spread {
    fn of<'a>(groups: impl IntoIterator<Item = &'a Count>, least_cases: u64) -> Spread {
        let averages = averages(groups, least_cases);
        let last = averages.len().saturating_sub(1);
        let at = |place: usize| averages.get(place).map_or(0.0, |of| round(*of, 4));
        Spread {
            least_cases,
            groups: averages.len() as u64,
            min: at(0),
            median: at(last / 2),
            max: at(last),
        }
    }
}

impl Year {
    /// The figures for people.
    pub(super) fn lines(&self, screen: &Screen) -> Vec<String> {
        let (count, drawn, spread) = (&self.count, &self.drawn, &self.by_department_spread);
        let row = |what: &str, number: u64, more: String| {
            let each = count.per_case(number);
            format!(
                "  {what:<14}{:>12} {each:>8.3} a case{more}",
                grouped(number)
            )
        };
        let by = |what: &str, of: &Count| {
            let (cases, each) = (grouped(of.cases), of.per_case(of.saved));
            format!("  {what:<36}{cases:>12} cases, {each:.3} saved a case")
        };
        let mut lines = vec![
            screen.strong(&format!(
                "{} cases from {} to {}, over {} certificates",
                grouped(count.cases),
                drawn.from,
                drawn.to,
                grouped(drawn.certificates),
            )),
            row("requirements", count.requirements, String::new()),
            row(
                "saved",
                count.saved,
                format!("; standard error {:.3}", self.standard_error),
            ),
            row(
                "needs-grant",
                count.needs_grant,
                format!(
                    "; {} of them not shared, where no grant helps",
                    grouped(count.not_shared)
                ),
            ),
            row("not-valid", count.not_valid, String::new()),
            row(
                "missing",
                count.missing,
                format!(
                    "; {} of them nothing such a subject can hold",
                    grouped(count.of_other_kind)
                ),
            ),
            by("who holds something asked for", &self.by_subject.concerned),
            by("who holds anything", &self.by_subject.any_holders),
            by("who holds nothing", &self.by_subject.newcomers),
        ];
        let orders = &self.by_order_spread;
        let differ = |what: &str, spread: &Spread| {
            format!(
                "  {what:<36}{:>12.3} to {:.3} saved a case, median {:.3}",
                spread.min, spread.max, spread.median
            )
        };
        lines.push(differ(
            &format!("{} orders of the sub-matters", orders.groups),
            orders,
        ));
        if spread.groups > 0 {
            let what = format!(
                "{} departments of {} cases or more",
                spread.groups, spread.least_cases
            );
            lines.push(differ(&what, spread));
        }
        lines.push(format!(
            "Saved per accepted case: {:.3}; x {} cases a year = {} submissions. The study: {}.",
            self.saved_per_case,
            grouped(self.cases_a_year),
            grouped(self.saved_a_year),
            grouped(self.study_submissions)
        ));
        lines.push(format!(
            "Grants, where sharing classes allow them, would add {:.3} a case.",
            self.grants_would_add_per_case
        ));
        lines.push(self.rests_on.to_owned());
        lines
    }
}
