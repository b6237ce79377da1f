//! The `certmesh` command.
//!
//! A thin client of a department's node, plus what must work without one: setting up departments and networks,
//! checking identifiers, verifying proof bundles and re-verifying a data directory.
//!
//! A tour: `args` names the commands and what they have in common. Each family of commands is one file with its
//! arguments, help and implementation: `department`, `network`, `standards`, `issue`, `life`, `import`, `change`,
//! `accept`, `fetch`, `govern`, `identity`, `receipts`, `query`, `state`, `report`, `graph`, `verify`, `fsck`, `id`, `manual`. They reach the
//! node through `client` and the person through `screen`; a failure is an [`Error`], which has a hint and an
//! [`Outcome`]. What people leave out is found by `profile` (which node), `lookup` (which type or matter), `holder` (which
//! kind of code) and `complete` (the rest of a word), passphrases by `passphrase`; `pkcs11` signs with keys in tokens; what is said to them is named in `message`.

use std::ffi::OsString;
use std::process::ExitCode;

use certmesh_text::one_line;
use clap::{ColorChoice, CommandFactory, FromArgMatches};

mod accept;
mod args;
mod attachments;
mod base45;
mod bulk;
mod change;
mod client;
mod complete;
mod connection;
mod definitions;
mod department;
mod error;
mod fetch;
mod files;
mod fsck;
mod govern;
mod graph;
mod hidden;
mod holder;
mod id;
mod identity;
mod import;
mod interrupt;
mod issue;
mod life;
mod lookup;
mod manual;
mod message;
mod moment;
mod names;
mod network;
mod node_keys;
mod offline;
mod passphrase;
mod pkcs11;
mod profile;
mod provenance;
mod query;
mod read_only_disk;
mod receipts;
mod report;
mod retry;
mod screen;
mod standards;
mod state;
mod verify;

pub use error::Error;
pub use pkcs11::Pkcs11Error;
pub use screen::Screen;

/// How a command ended; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Yes, or done: exit code 0.
    Yes,
    /// No: the certificate is not valid, faults were found, rows were rejected. Exit code 1.
    No,
    /// The command was used wrongly or could not do its work: exit code 2.
    Failed,
    /// It is not known: exit code 3.
    Unknown,
}

impl Outcome {
    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Failed => 2,
            Self::Unknown => 3,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Runs `certmesh` with the arguments (the first is the program's name) on the process's own input and output.
pub fn main_with<I>(args: I) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    complete::answer();
    // Commands read keys, tokens and field values. Where the system does not let dumps be forbidden the command works
    // anyway: the person at the keyboard can't repair that.
    let _ = certmesh_ledger::crypto::core_dumps::forbid();
    run(args, &mut Screen::of_process()).into()
}

/// Runs `certmesh` with the arguments (the first is the program's name) on a given screen.
pub fn run<I>(args: I, screen: &mut Screen) -> Outcome
where
    I: IntoIterator<Item = OsString>,
{
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match parsed(&args) {
        Ok(cli) => cli,
        Err(error) => return explain_usage(&shown_safely(error, &args), &args, screen),
    };
    let only_shows = cli.only_shows();
    screen.configure(cli.global.json, cli.global.color);
    let result = args::dispatch(cli, screen);
    let flushed = screen.flush();
    match (result, flushed) {
        // The reader of a pipe (`| head`) has seen enough. What was found out still stands.
        (Ok(outcome), Err(error)) if error.is_closed_pipe() => outcome,
        (Ok(outcome), Ok(())) => outcome,
        // Nobody reads the answer any more, so it was left unfinished: nothing to complain about, but a yes only where the
        // exit code says nothing of certificates and files.
        (Err(error), _) if error.is_closed_pipe() && only_shows => Outcome::Yes,
        (Err(error), _) if error.is_closed_pipe() => Outcome::Failed,
        (Err(error), _) | (Ok(_), Err(error)) => {
            screen.report(&error);
            error.outcome()
        }
    }
}

fn parsed(args: &[OsString]) -> Result<args::Cli, clap::Error> {
    let command = args::grouped(args::Cli::command()).color(colour_of_help(args));
    let matches = command.try_get_matches_from(args)?;
    args::Cli::from_arg_matches(&matches)
}

/// The same error in a form that can be shown: it quotes arguments, and scripts pass on what they got from elsewhere.
fn shown_safely(error: clap::Error, args: &[OsString]) -> clap::Error {
    let Some(shown) = one_line::quotable(args) else {
        return error;
    };
    match parsed(&shown) {
        Err(error) => error,
        // It was those characters that were wrong.
        Ok(_) => {
            args::Cli::command().error(error.kind(), one_line::one_line(&first_paragraph(&error)))
        }
    }
}

/// Help and version are asked for and go to standard output; anything else is a usage error.
fn explain_usage(error: &clap::Error, args: &[OsString], screen: &mut Screen) -> Outcome {
    let options = args.iter().take_while(|arg| *arg != "--");
    if error.use_stderr() && options.into_iter().any(|arg| arg == "--json") {
        screen.configure(true, args::Colour::Never);
        screen.report(&Error::Arguments(first_paragraph(error)));
    } else {
        screen.usage(error);
    }
    if error.use_stderr() {
        Outcome::Failed
    } else {
        Outcome::Yes
    }
}

/// What is wrong, without the usage that follows it.
fn first_paragraph(error: &clap::Error) -> String {
    use clap::error::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return "a command is missing".to_owned();
    }
    let text = error.render().to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or_default();
    let text = text
        .split("\n\nFor more information")
        .next()
        .unwrap_or_default();
    text.trim().trim_start_matches("error: ").to_owned()
}

/// `--color` must already hold for the help and usage errors that are printed before the arguments are parsed.
fn colour_of_help(args: &[OsString]) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    for (position, arg) in args.iter().enumerate() {
        let value = match arg.to_str() {
            Some("--color") => args.get(position + 1).and_then(|next| next.to_str()),
            Some(text) => text.strip_prefix("--color="),
            None => None,
        };
        choice = match value {
            Some("always") => ColorChoice::Always,
            Some("never") => ColorChoice::Never,
            _ => choice,
        };
    }
    choice
}
