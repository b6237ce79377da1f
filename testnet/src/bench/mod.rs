//! `bench`: how fast certmesh is, and beside each figure the limit it is measured against, taken in the same run.

mod accept;
mod append;
mod fetch;
mod fill;
mod growth;
mod import;
mod issue;
mod limits;
pub mod link;
mod propagate;
mod sync;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::Error;
use crate::links::Links;
use crate::network::{Network, Randomness};
use crate::patience::{Deadline, catch_signals};
use crate::screen::Screen;
use crate::stats::Times;
use crate::testnet::{Testnet, define_types};

/// Measure how fast certmesh issues, replicates and verifies, against the limits of this machine
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// What to measure
    #[arg(value_enum)]
    pub what: What,
    /// How many certificates; each measurement has its own default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=100_000_000))]
    pub records: Option<u64>,
    /// Where to put the data, on the file system to be measured [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The `certmesh` program that `import` measures [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub certmesh: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Durable bulk issuance through the API, against raw signing
    Issue,
    /// A table through `certmesh import`, against bulk issuance
    Import,
    /// One certificate at a time, durable, against a raw write and fsync
    Append,
    /// A fresh peer that catches up, against the raw link
    Sync,
    /// From the answer at one of 16 peers to `valid` at all
    Propagate,
    /// Cases accepted from a replica of many certificates
    Accept,
    /// Fields retrieved from their issuer, with receipts, against a bare round trip
    Fetch,
    /// Verdicts over the API, and proofs offline against raw signature checks
    Verify,
    /// Look-ups, cases and appends at a log of many certificates, against those at a log of a hundredth of it
    Growth,
}

/// What a measurement needs.
struct Bench {
    command: Vec<OsString>,
    screen: Screen,
    records: Option<u64>,
    dir: tempfile::TempDir,
}

/// Runs one measurement and prints its figures.
///
/// # Errors
/// [`Error`] when the network to measure cannot be run.
pub fn bench(args: &BenchArgs, command: Vec<OsString>) -> Result<(), Error> {
    let screen = Screen::new(args.json);
    let dir = match &args.dir {
        Some(dir) => std::fs::create_dir_all(dir).and_then(|()| tempfile::tempdir_in(dir)),
        None => tempfile::tempdir(),
    };
    let dir = dir.map_err(Error::system("temporary directory"))?;
    let bench = Bench {
        command,
        screen,
        records: args.records,
        dir,
    };
    let figures: Value = match args.what {
        What::Issue => issue::run(&bench),
        What::Import => import::run(&bench, args.certmesh.as_deref()),
        What::Append => append::run(&bench),
        What::Sync => sync::run(&bench),
        What::Propagate => propagate::run(&bench),
        What::Accept => accept::run(&bench),
        What::Fetch => fetch::run(&bench),
        What::Verify => verify::run(&bench),
        What::Growth => growth::run(&bench),
    }?;
    screen.document(&figures);
    Ok(())
}

/// Does the same on so many connections at once, each given its number; returns the times of all.
pub(crate) fn together(
    connections: u64,
    work: impl Fn(u64) -> Result<Times, Error> + Sync,
) -> Result<Times, Error> {
    let mut all = Times::default();
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..connections)
            .map(|connection| scope.spawn(move || work(connection)))
            .collect();
        for thread in threads {
            all.append(thread.join().expect("measuring threads do not panic")?);
        }
        Ok(all)
    })
}

impl Bench {
    /// A network of this many departments, its links straight, none of its nodes started.
    fn network(&self, departments: usize) -> Result<Testnet, Error> {
        self.network_in("network", departments)
    }

    /// The same in a directory of its own, for a measurement that takes several networks.
    fn network_in(&self, dir: &str, departments: usize) -> Result<Testnet, Error> {
        let dir = self.dir.path().join(dir);
        let network = Network::create(&dir, departments, Randomness::System)?;
        let net = Testnet::new(network, self.command.clone(), Links::Direct)?;
        catch_signals(net.runtime().handle())?;
        Ok(net)
    }

    /// The same, started, with the types of every department defined.
    fn running(&self, departments: usize) -> Result<Testnet, Error> {
        let mut net = self.network(departments)?;
        net.start_all(Deadline::seconds(60 + departments as u64 * 5))?;
        for (index, client) in net.clients()? {
            define_types(&client, index)?;
        }
        Ok(net)
    }

    /// A row of the table for people.
    fn row(&self, what: &str, figure: impl AsRef<str>) {
        self.screen
            .line(format!("  {what:<44} {:>22}", figure.as_ref()));
    }
}
