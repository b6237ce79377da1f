//! A department's peer: network, disk and HTTP API around [`certmesh_ledger`].
//!
//! Whatever the ledger can decide, it decides there: this crate moves bytes, keeps threads and sockets, and shows what
//! the ledger knows.
//!
//! - [`config`]: one immutable configuration from file, environment and flags
//! - [`net`]: libp2p; messages are opaque bytes to it
//! - `peer`: the threads that join network and ledger
//! - `run`: from a configuration to a running peer
//! - `app`: what a peer does for its callers
//! - [`http`]: the HTTP API, for business systems and the CLI
//! - `watch`: folders whose tables are imported
//! - `descriptors`: how many files may be open, and how they are divided
//! - [`metrics`], [`logging`]
//!
//! To change something, begin where its docs say how: a use case in `app`, a reason to refuse in `peer::refusal`, a route
//! in [`http`].
//!
//! Beside it, in crates of their own: [`certmesh_api`], the shapes of the API; [`certmesh_tables`], tables of certificates;
//! [`certmesh_text`], what people read.

mod app;
pub mod config;
mod descriptors;
mod disk_space;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod net;
#[cfg(test)]
mod pages;
mod peer;
mod run;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use certmesh_ledger::crypto::core_dumps;
use certmesh_text::one_line;
use clap::{CommandFactory, Parser};
use futures::{Stream, StreamExt, stream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::block_in_place;

use config::{Config, NodeCli, NodeCommand};

/// Runs `certmesh-node` with these arguments (the program's name first). Exit codes: 0 done, 2 wrong usage or failure.
pub fn main_with<I: IntoIterator<Item = OsString>>(args: I) -> ExitCode {
    // Before any key is read.
    let dumps = core_dumps::forbid();
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match NodeCli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            let quotable = one_line::quotable(&args);
            let shown = quotable.and_then(|args| NodeCli::try_parse_from(args).err());
            let error = shown.unwrap_or(error);
            // Printing can only fail when there is nobody to read it.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match execute(cli.command, dumps) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn execute(command: NodeCommand, dumps: io::Result<()>) -> anyhow::Result<()> {
    match command {
        NodeCommand::Check(args) => {
            let config = Config::load(&args)?;
            run::check(&config)?;
            say("The configuration is valid.")?;
            match run::is_catalogue_key_missing(&config) {
                true => say(
                    "The catalogue key is not there yet: when the node starts, it asks the other members for it.",
                ),
                false => Ok(()),
            }
        }
        NodeCommand::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut NodeCli::command(), "certmesh-node", &mut script);
            write_out(&script)
        }
        NodeCommand::Man { dir: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(NodeCli::command()).render(&mut page)?;
            write_out(&page)
        }
        NodeCommand::Man { dir: Some(dir) } => {
            std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
            clap_mangen::generate_to(NodeCli::command(), &dir)
                .with_context(|| dir.display().to_string())?;
            say(&format!("manual pages are in {}", dir.display()))
        }
        NodeCommand::Run(args) => {
            let config = Config::load(&args)?;
            let _logging = logging::init(config.log.format, &config.log.level)?;
            if let Err(error) = dumps {
                tracing::warn!(%error, "core dumps can't be forbidden: a crash may write keys to the disk");
            }
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let stop = signals()?;
                let reloads = hangups()?.map(|()| block_in_place(|| Config::load(&args)));
                run::run(config, stop, reloads).await?;
                Ok(())
            })
        }
    }
}

/// Resolves at SIGTERM or SIGINT.
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Each SIGHUP from now on. Several that come before they are taken count once.
fn hangups() -> std::io::Result<impl Stream<Item = ()>> {
    let hangup = signal(SignalKind::hangup())?;
    Ok(stream::unfold(hangup, async |mut hangup| {
        hangup.recv().await?;
        Some(((), hangup))
    }))
}

/// Answers the person who asked. If standard output is closed, the exit code is the answer.
fn say(text: &str) -> anyhow::Result<()> {
    write_out(format!("{text}\n").as_bytes())
}

fn write_out(bytes: &[u8]) -> anyhow::Result<()> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("standard output"))
        }
        _ => Ok(()),
    }
}

/// The last words before the process ends, when logging may not be set up. Nothing can be done if nobody can read them.
fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {}", one_line::indented(&text(error)));
}

/// The error and its causes, each once: most of ours say theirs themselves.
fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_shown_once_whether_or_not_its_error_shows_it() {
        let missing = || std::fs::read("nosuch.toml").unwrap_err();
        let said = missing().to_string();
        let telling = config::ConfigError::Unreadable {
            path: "nosuch.toml".into(),
            source: missing(),
        };
        assert_eq!(text(&telling.into()), format!("nosuch.toml: {said}"));
        let silent = Err::<(), _>(missing()).context("no runtime").unwrap_err();
        assert_eq!(text(&silent), format!("no runtime: {said}"));
    }
}
