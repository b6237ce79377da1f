//! `certmesh completions` and `certmesh man`: what a package or a shell wants to know about the command.

use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{Resettable, StyledStr};
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
  certmesh completions fish > ~/.config/fish/completions/certmesh.fish

These know the commands and options. For types, matters and departments as well, the shell asks the command itself, and that the
node of your profile or environment:
  source <(COMPLETE=bash certmesh)        # in ~/.bashrc; zsh, fish, elvish and powershell likewise";

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
        screen.out().write_all(&page(Cli::command())?.1)?;
        return Ok(Outcome::Yes);
    };
    let failed = |error| Error::write(dir, error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_pages(command, dir).map_err(failed)?;
    if screen.json() {
        screen.print_json(&serde_json::json!({"directory": dir}))?;
    } else {
        screen.line(format!("manual pages are in {}", dir.display()))?;
    }
    Ok(Outcome::Yes)
}

fn write_pages(command: clap::Command, dir: &Path) -> io::Result<()> {
    for command in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_pages(command.clone(), dir)?;
    }
    let (name, page) = page(command)?;
    std::fs::write(dir.join(name), page)
}

/// The file name and the text of a command's page. Its examples are set as they stand: as running text, which the
/// generator makes of them, they could not be read.
fn page(command: clap::Command) -> io::Result<(String, Vec<u8>)> {
    let examples = command.get_after_help().map(ToString::to_string);
    let man = clap_mangen::Man::new(command.after_help(Resettable::<StyledStr>::Reset));
    let mut page = Vec::new();
    man.render(&mut page)?;
    if let Some(examples) = examples {
        page.extend_from_slice(verbatim(&examples).as_bytes());
    }
    Ok((man.get_filename(), page))
}

/// A section whose lines are not filled (groff_man(7)).
fn verbatim(examples: &str) -> String {
    let mut text = String::from(".SH EXAMPLES\n.nf\n");
    for line in examples.trim_start_matches("Examples:\n").lines() {
        if line.starts_with(['.', '\'']) {
            text.push_str("\\&");
        }
        text.push_str(&line.replace('\\', "\\e").replace('-', "\\-"));
        text.push('\n');
    }
    text.push_str(".fi\n");
    text
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::id::{CertificateId, HolderKind, TypeCode, normalise};

    use super::*;

    #[test]
    fn examples_keep_their_lines_and_characters() {
        assert_eq!(
            verbatim("Examples:\n  a \\\n      --b\n.c"),
            ".SH EXAMPLES\n.nf\n  a \\e\n      \\-\\-b\n\\&.c\n.fi\n"
        );
    }

    fn all_helps(command: &clap::Command, helps: &mut String) {
        helps.push_str(&command.clone().render_long_help().to_string());
        for command in command.get_subcommands() {
            all_helps(command, helps);
        }
    }

    #[test]
    fn every_identifier_and_code_in_the_help_is_valid() {
        let mut helps = String::new();
        all_helps(&Cli::command(), &mut helps);
        let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '.';
        let (mut certificates, mut types, mut codes) = (0, 0, 0);
        for text in helps.split(|c| !word(c)).map(|text| text.trim_matches('.')) {
            if text.starts_with("1.2.156") {
                text.parse::<CertificateId>()
                    .unwrap_or_else(|error| panic!("{text}: {error}"));
                certificates += 1;
            } else if text.len() == 21 && !text.contains('.') {
                text.parse::<TypeCode>()
                    .unwrap_or_else(|error| panic!("{text}: {error}"));
                types += 1;
            } else if text.len() == 18 && !text.contains('.') {
                normalise(HolderKind::CreditCode, text)
                    .unwrap_or_else(|error| panic!("{text}: {error}"));
                codes += 1;
            }
        }
        assert!(certificates > 5 && types > 2 && codes > 5, "{helps}");
    }
}
