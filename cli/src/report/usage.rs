//! `certmesh report use`: how departments shared and used each other's data in a month.

use certmesh_api::{DepartmentUse, UseReport};
use clap::Args;

use crate::args::Global;
use crate::client::Client;
use crate::names::named;
use crate::screen::{Screen, cell, counted, grouped, number, printable};
use crate::{Error, Outcome};

/// Show how departments shared and used data in a month, from the receipts in their logs
///
/// Shared and refused count the answers a department gave, retrieved those it got, with the median of the time they
/// took. Cases are those it accepted for good; saved are their requirements for which nothing had to be handed in. What
/// is dated more than 10 minutes ahead of the node's clock is in no month yet, and shown separately whichever month is
/// asked for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Use {
    /// The month, in China Standard Time; this month when absent
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  certmesh report use
  certmesh report use --month 2026-11 --json";

pub(super) fn run(args: &Use, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let query = match &args.month {
        Some(month)
            if month
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-') =>
        {
            format!("?month={month}")
        }
        Some(_) => return Err(Error::Usage("--month is YYYY-MM, such as 2026-11")),
        None => String::new(),
    };
    let answer = Client::new(global)?
        .get(&format!("/v1/reports/use{query}"))
        .map_err(Error::misused)?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let report: UseReport = answer.parse()?;
    screen.line(format!(
        "{} to {}",
        printable(&report.from),
        printable(&report.to)
    ))?;
    let rows = report.departments.iter().map(|department| {
        vec![
            cell(named(&department.department, Some(&department.name))),
            number(department.shared),
            number(department.refused),
            number(department.retrieved),
            cell(
                department
                    .median_retrieval_ms
                    .map_or_else(String::new, |ms| format!("{ms} ms")),
            ),
            number(department.cases),
            number(department.required),
            number(department.saved),
        ]
    });
    let header = [
        "DEPARTMENT",
        "SHARED",
        "REFUSED",
        "RETRIEVED",
        "MEDIAN",
        "CASES",
        "REQUIRED",
        "SAVED",
    ];
    screen.table(&header, &[0], rows.collect())?;
    let sum = |of: fn(&DepartmentUse) -> u64| report.departments.iter().map(of).sum::<u64>();
    let (cases, saved) = (sum(|one| one.cases), sum(|one| one.saved));
    if cases > 0 {
        screen.line(format!(
            "{} saved in {}: {:.2} a case",
            counted(saved, "submission"),
            counted(cases, "case"),
            saved as f64 / cases as f64
        ))?;
    }
    for department in &report.departments {
        let Some(ahead) = &department.dated_ahead else {
            continue;
        };
        screen.line(format!(
            "dated ahead, so in no month yet, by {}: {} shared, {} refused, {} retrieved, {} with {} saved of {} required",
            named(&department.department, Some(&department.name)),
            grouped(ahead.shared),
            grouped(ahead.refused),
            grouped(ahead.retrieved),
            counted(ahead.cases, "case"),
            grouped(ahead.saved),
            grouped(ahead.required)
        ))?;
    }
    Ok(Outcome::Yes)
}
