//! `dataset year`: a year of cases accepted over a data set, to measure how many submissions each saves.
//!
//! The departments of the data set become members of a network in a temporary directory, with the real logs; each case
//! goes through the function that answers `certmesh accept`. What is made up is who comes with what: see `draw`.
//!
//! The year ends on the last day on which a certificate of the data set begins, so that every day of it finds what had
//! been issued until then. A case issues nothing: the data set does not say which certificate is the result of which
//! matter. Nobody has made a grant, for the data set has none.

mod draw;
pub(super) mod logs;
pub(super) mod reading;
mod tally;

use std::path::PathBuf;

use certmesh_ledger::acceptance::assess;
use certmesh_ledger::id::Date;
use certmesh_ledger::verify::Question;
use clap::Args;

use crate::Error;
use crate::screen::Screen;
use draw::{DAYS, Drawer};
use logs::Logs;
use reading::DataSet;
use tally::Tally;

pub use tally::{Count, DepartmentCount, Drawn, Spread, Subjects, Year};

/// Accept a year of cases over a data set, and count the submissions each saves
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  certmesh-testnet dataset year --data wuhan\n  certmesh-testnet dataset year --data wuhan --cases 38000 --seed 7\n  certmesh-testnet dataset year --data wuhan --json > year.json\n  certmesh report need --matters wuhan/matters --cases 3800000 --measured year.json"
)]
pub struct YearArgs {
    /// Directory of a data set, as `dataset wuhan` writes it
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Cases to accept, in place of a year's 3.8 million
    #[arg(
        long, value_name = "N", default_value_t = 3_800,
        value_parser = clap::value_parser!(u64).range(1..=3_800_000)
    )]
    pub cases: u64,
    /// What all chance follows from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print the figures as JSON, for `certmesh report need --measured`
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &YearArgs) -> Result<(), Error> {
    let screen = Screen::new(args.json);
    let year = measure(args, &screen)?;
    for line in year.lines(&screen) {
        screen.line(line);
    }
    screen
        .document(&serde_json::to_value(&year).map_err(|error| Error::Broken(error.to_string()))?);
    Ok(())
}

/// Accepts the cases.
///
/// # Errors
/// [`Error::NoDataSet`], [`Error::Malformed`] or [`Error::Line`] for what is not a data set, or a damaged one.
pub fn measure(args: &YearArgs, screen: &Screen) -> Result<Year, Error> {
    let set = DataSet::read(&args.data)?;
    let dir = tempfile::tempdir().map_err(Error::system("temporary directory"))?;
    let Logs {
        catalogue,
        holders,
        key,
    } = logs::write(&set, dir.path(), args.seed, screen)?;
    let nothing = |what: &'static str| Error::malformed(&args.data, &what);
    let last = holders
        .last_day
        .ok_or_else(|| nothing("its files hold no certificate"))?;
    let first = Date::from_days(last.days() - i32::from(DAYS) + 1)
        .map_err(|error| Error::malformed(&args.data, &error))?;
    let drawer = Drawer::new(args.seed, &set, &holders, &key, first);
    if drawer.parts.is_empty() {
        return Err(nothing("it holds no matter of its departments"));
    }
    let mut tally = Tally::default();
    let bar = screen.progress(args.cases, "cases");
    for number in 0..args.cases {
        let case = drawer.case(number);
        let part = &drawer.parts[case.part];
        let asker = &part.matter.department;
        let assessed = assess(
            &catalogue,
            asker,
            &part.matter,
            &[case.subject],
            Question {
                on: case.on,
                now_ms: 0,
            },
        );
        let assessed = assessed.map_err(|error| Error::Broken(error.to_string()))?;
        tally.add(&case, part, &assessed);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(tally.year(
        &set,
        Drawn {
            seed: args.seed,
            certificates: holders.certificates,
            from: first.to_string(),
            to: last.to_string(),
            newcomers_percent: draw::NEWCOMERS,
            concerned_percent: draw::CONCERNED,
        },
    ))
}

#[cfg(test)]
mod tests;
