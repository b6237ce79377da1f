//! `certmesh completions` and `certmesh man`: what a package or a shell wants to know about the command.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::screen::Screen;
use crate::{Error, Outcome};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  certmesh completions bash > /etc/bash_completion.d/certmesh
  certmesh completions zsh > ~/.zfunc/_certmesh
  certmesh completions fish > ~/.config/fish/completions/certmesh.fish";

/// Print the manual page, or write one page for every command
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// Directory to write all pages to; it is made if it is missing
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  certmesh man | man -l -
  certmesh man --dir /usr/local/share/man/man1";

pub(crate) fn completions(args: &Completions, screen: &mut Screen) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "certmesh", &mut script);
    screen.out().write_all(&script)?;
    Ok(Outcome::Yes)
}

pub(crate) fn man(args: &Man, screen: &mut Screen) -> Result<Outcome, Error> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        screen.out().write_all(&page)?;
        return Ok(Outcome::Yes);
    };
    let failed = |error| Error::write(dir, error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    if screen.json() {
        screen.print_json(&serde_json::json!({"directory": dir}))?;
    } else {
        screen.line(format!("manual pages are in {}", dir.display()))?;
    }
    Ok(Outcome::Yes)
}
