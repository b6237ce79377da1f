//! A department's peer: network, disk and HTTP API around [`certmesh_ledger`].
//!
//! Nothing is decided here that could be decided there: this crate moves bytes, keeps threads and sockets, and shows what
//! the ledger knows.
//!
//! - [`config`]: one immutable configuration from file, environment and flags
//! - [`net`]: libp2p; messages are opaque bytes to it
//! - [`peer`]: the threads that join network, ledger and API
//! - [`api`]: HTTP JSON for business systems and the CLI
//! - [`metrics`], [`logging`], [`keyfile`]

pub mod api;
pub mod config;
pub mod keyfile;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod peer;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use config::{Config, NodeCli, NodeCommand};

/// Runs `certmesh-node` with these arguments (the program's name first). Exit codes: 0 done, 2 wrong usage or failure.
pub fn main_with<I: IntoIterator<Item = OsString>>(args: I) -> ExitCode {
    let cli = match NodeCli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Printing can only fail when there is nobody to read it.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn execute(command: NodeCommand) -> anyhow::Result<()> {
    match command {
        NodeCommand::Check(args) => {
            let config = Config::load(&args)?;
            peer::check(&config)?;
            say("The configuration is sound.");
            Ok(())
        }
        NodeCommand::Run(args) => {
            let config = Config::load(&args)?;
            logging::init(config.log.format, &config.log.level)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let stop = signals()?;
                peer::run(config, stop).await?;
                Ok(())
            })
        }
    }
}

/// Resolves at SIGTERM or SIGINT.
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
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

#[expect(
    clippy::print_stdout,
    reason = "the answer of `check` to the person who asked"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the last word before the process ends, when logging may not be set up"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
