//! `certmesh report need`: what the matters demand.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::measured::Measured;
use crate::args::{Global, within};
use crate::client::Client;
use crate::definitions::{self, OwnedMatter};
use crate::screen::{Screen, Tone, grouped, printable};
use crate::{Error, Outcome};

const NEED: &str = "\
Examples:
  certmesh report need
  certmesh report need --matters wuhan/matters
  certmesh report need --matters wuhan/matters --cases 3800000 --json
  certmesh report need --matters wuhan/matters --cases 3800000 --measured year.json

A directory's files are matters as `certmesh matter define` takes them, TOML or JSON, at any depth; a directory that is
named by a department's code says whose they are.";

const NOT_MEASURED: &str = "\
Saved per accepted case: not measured. Give a year that `certmesh-testnet dataset year --data DIR --json` measured with
  --measured; or leave out --matters to ask a node, once `certmesh accept --collect` has recorded cases.";

/// Count what the matters demand, and how much of it sharing would avoid
///
/// A demand is one certificate that one sub-matter asks for. If types were shared, each would have to be handed in
/// once: what is avoidable is the demands less the distinct types they name. A demand that any one of several types
/// meets counts once, and each of its types counts as a type, since each may be the one that is handed in; so the
/// avoidable are rather too few than too many.
///
/// What accepting a case saves is measured: by a year that `certmesh-testnet dataset year --json` accepted, given with
/// --measured; or else, where a node is asked, by the cases that the departments' logs record as accepted in this month
/// and the eleven before it (`certmesh accept --collect` records them).
#[derive(Debug, Args)]
#[command(after_help = NEED)]
pub(crate) struct Need {
    /// Directory of matters; the catalogue of the node when absent
    #[arg(long, value_name = "DIR")]
    matters: Option<PathBuf>,
    /// Cases a year, to estimate submissions from
    #[arg(long, value_name = "N", value_parser = within(1_u64, 1_000_000_000_000))]
    cases: Option<u64>,
    /// Measured year, as `certmesh-testnet dataset year --json` prints it, in place of the cases recorded in logs
    #[arg(long, value_name = "FILE")]
    measured: Option<PathBuf>,
}

/// What the matters demand.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Figures {
    departments: u64,
    matters: u64,
    sub_matters: u64,
    types: u64,
    demands: u64,
    avoidable: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    year: Option<Year>,
    /// Accepted cases and what they saved, if any were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Measured>,
}

/// What follows for a year's cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Year {
    cases: u64,
    /// The avoidable demands, rounded down to their first digit as the study does.
    study_factor: u64,
    /// Their product: the study's figure.
    study_submissions: u64,
    /// Demands of a sub-matter, on average.
    demands_per_sub_matter: f64,
    /// Submissions there are in all, when a case is of one sub-matter and all are equally frequent.
    submissions_in_all: u64,
    /// Submissions saved for each accepted case; `None` if no cases were counted. `measured` says what it rests on.
    saved_per_accepted_case: Option<f64>,
    /// Submissions saved in the year's cases at that rate.
    saved_submissions: Option<u64>,
}

pub(super) fn run(args: &Need, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let matters = definitions::matters(args.matters.as_deref(), global)?;
    let mut figures = count(&matters);
    figures.measured = match (&args.measured, &args.matters) {
        (Some(path), _) => Some(Measured::from_file(path)?),
        (None, Some(_)) => None,
        (None, None) => Measured::from_node(&Client::new(global)?)?,
    };
    figures.year = args.cases.map(|cases| year(&figures, cases));
    if screen.json() {
        screen.print_json(&figures)?;
        return Ok(Outcome::Yes);
    }
    present(&figures, screen)
}

fn count(matters: &[OwnedMatter]) -> Figures {
    let subs = || matters.iter().flat_map(|matter| &matter.definition.sub);
    let demands = || subs().flat_map(|sub| &sub.requires);
    let types: BTreeSet<&String> = demands().flat_map(|demand| &demand.types).collect();
    let departments: BTreeSet<&String> = matters.iter().map(|matter| &matter.department).collect();
    let (types, demands) = (types.len() as u64, demands().count() as u64);
    Figures {
        departments: departments.len() as u64,
        matters: matters.len() as u64,
        sub_matters: subs().count() as u64,
        types,
        demands,
        avoidable: demands.saturating_sub(types),
        year: None,
        measured: None,
    }
}

fn year(figures: &Figures, cases: u64) -> Year {
    let digits = figures.avoidable.checked_ilog10().unwrap_or_default();
    let unit = 10_u64.pow(digits);
    let study_factor = figures.avoidable / unit * unit;
    let demands_per_sub_matter = figures.demands as f64 / figures.sub_matters.max(1) as f64;
    let in_all =
        u128::from(cases) * u128::from(figures.demands) / u128::from(figures.sub_matters.max(1));
    Year {
        cases,
        study_factor,
        study_submissions: study_factor.saturating_mul(cases),
        demands_per_sub_matter,
        submissions_in_all: u64::try_from(in_all).unwrap_or(u64::MAX),
        saved_per_accepted_case: figures.measured.as_ref().map(Measured::per_case),
        saved_submissions: figures
            .measured
            .as_ref()
            .map(|measured| measured.in_cases(cases)),
    }
}

fn present(figures: &Figures, screen: &mut Screen) -> Result<Outcome, Error> {
    screen.field(
        "matters",
        format!(
            "{} with {} sub-matters, of {} departments",
            grouped(figures.matters),
            grouped(figures.sub_matters),
            grouped(figures.departments)
        ),
    )?;
    screen.field("types", grouped(figures.types))?;
    screen.field("demands", grouped(figures.demands))?;
    let share = 100.0 * figures.avoidable as f64 / figures.demands.max(1) as f64;
    let avoidable = screen.paint(Tone::Strong, &grouped(figures.avoidable));
    screen.field(
        "avoidable",
        format!("{avoidable}  ({share:.0} % of the demands, if each type is handed in once)"),
    )?;
    if let Some(year) = &figures.year {
        tell_year(year, screen)?;
    }
    match &figures.measured {
        Some(measured) => tell_measured(measured, figures.year.as_ref(), screen)?,
        None if figures.year.is_some() => screen.line(NOT_MEASURED)?,
        None => {}
    }
    Ok(Outcome::Yes)
}

fn tell_year(year: &Year, screen: &mut Screen) -> Result<(), Error> {
    screen.line("")?;
    screen.line(format!(
        "The study's multiplication: {} avoidable (rounded down) x {} cases a year = {} submissions a year",
        grouped(year.study_factor),
        grouped(year.cases),
        grouped(year.study_submissions)
    ))?;
    screen.line("  It counts as if every case made every demand of every matter.")?;
    screen.line(format!(
        "  A case is of one sub-matter, which makes {:.2} demands on average: {} submissions a year in all, if all",
        year.demands_per_sub_matter,
        grouped(year.submissions_in_all)
    ))?;
    screen.line("  sub-matters are equally frequent. No more than these can be avoided.")
}

fn tell_measured(
    measured: &Measured,
    year: Option<&Year>,
    screen: &mut Screen,
) -> Result<(), Error> {
    if year.is_none() {
        screen.line("")?;
    }
    let per_case = format!("{:.2}", measured.per_case());
    screen.line(format!(
        "Saved per accepted case: {}  ({} in {} cases, {} to {})",
        screen.paint(Tone::Strong, &per_case),
        grouped(measured.saved),
        grouped(measured.cases),
        printable(&measured.from),
        printable(&measured.to)
    ))?;
    if let Some(year) = year {
        screen.line(format!(
            "  x {} cases a year = {} submissions saved a year",
            grouped(year.cases),
            grouped(measured.in_cases(year.cases))
        ))?;
    }
    screen.line(format!("  {}", printable(&measured.rests_on)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matter(text: &str) -> OwnedMatter {
        OwnedMatter {
            department: String::new(),
            definition: toml::from_str(text).unwrap(),
        }
    }

    #[test]
    fn a_demand_with_alternatives_counts_once_and_each_of_its_types_as_a_type() {
        let figures = count(&[
            matter(
                "code='1'\nname='a'\nsub=[{code='1',name='a',requires=[{types=['A','B']},{types=['A']}]}]",
            ),
            matter(
                "code='2'\nname='b'\nsub=[{code='1',name='a',requires=[{types=['A']},{types=['A','C']}]},{code='2',name='b'}]",
            ),
        ]);
        assert_eq!(
            (figures.types, figures.demands, figures.avoidable),
            (3, 4, 1)
        );
        assert_eq!((figures.matters, figures.sub_matters), (2, 3));
    }

    #[test]
    fn more_types_than_demands_leave_nothing_avoidable() {
        let figures = count(&[matter(
            "code='1'\nname='a'\nsub=[{code='1',name='a',requires=[{types=['A','B']}]}]",
        )]);
        assert_eq!(figures.avoidable, 0);
        assert_eq!(year(&figures, 5).study_submissions, 0);
        assert_eq!(year(&count(&[]), u64::MAX).submissions_in_all, 0);
    }

    #[test]
    fn the_study_s_multiplication_is_reproduced() {
        let figures = Figures {
            departments: 1,
            matters: 328,
            sub_matters: 784,
            types: 664,
            demands: 2_699,
            avoidable: 2_035,
            year: None,
            measured: None,
        };
        let year = year(&figures, 3_800_000);
        assert_eq!(year.study_factor, 2_000);
        assert_eq!(year.study_submissions, 7_600_000_000);
        assert_eq!(year.submissions_in_all, 13_081_887);
    }
}
