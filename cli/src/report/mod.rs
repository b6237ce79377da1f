//! `certmesh report`: figures that nobody has to collect by hand.

mod freshness;
mod measured;
mod need;
mod usage;

use clap::Subcommand;

use crate::args::Global;
use crate::screen::Screen;
use crate::{Error, Outcome};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh report use --month 2026-11
  certmesh report freshness
  certmesh report need --matters wuhan/matters --cases 3800000";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Need(need::Need),
    Use(usage::Use),
    Freshness(freshness::Freshness),
}

pub(crate) fn run(
    command: &Command,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match command {
        Command::Need(args) => need::run(args, global, screen),
        Command::Use(args) => usage::run(args, global, screen),
        Command::Freshness(args) => freshness::run(args, global, screen),
    }
}
