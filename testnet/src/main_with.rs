//! The command line.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::Error;
use crate::bench::{self, BenchArgs};
use crate::dataset::{self, CityArgs, DatasetCommand};
use crate::demo::{self, DemoArgs};
use crate::load::{self, LoadArgs};
use crate::sample::{SHIPPED_ROWS, Sample};
use crate::testnet::own_command;
use crate::up::{self, DownArgs, UpArgs};

/// Networks of certmesh peers on this machine: try, break and measure them
#[derive(Debug, Parser)]
#[command(name = "certmesh-testnet", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(DemoArgs),
    Up(UpArgs),
    Down(DownArgs),
    Load(LoadArgs),
    Bench(BenchArgs),
    City(CityArgs),
    #[command(subcommand)]
    Dataset(DatasetCommand),
    #[command(hide = true)]
    Sample(SampleArgs),
    #[command(hide = true)]
    RawLink(bench::link::ServeArgs),
}

/// Print made-up certificates, a line of JSON each
#[derive(Debug, Args)]
struct SampleArgs {
    /// How many
    #[arg(long, value_name = "N", default_value_t = SHIPPED_ROWS)]
    rows: u64,
    /// Place of the issuing department, from 0
    #[arg(long, value_name = "N")]
    department: Option<usize>,
    /// Beginning of every serial
    #[arg(long, value_name = "TEXT")]
    run: Option<String>,
}

/// Runs the program with these arguments, the program's name first. Exit codes: 0 done and everything held, 1 something
/// did not hold, 2 usage or failure.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args: Vec<OsString> = args.into_iter().collect();
    // A node brings its own command line.
    if args.get(1).is_some_and(|first| first == OsStr::new("node")) {
        args.remove(1);
        return certmesh_node::main_with(args);
    }
    let command = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(error) => {
            // Help goes to standard output, faults to standard error; a closed one is nobody's loss.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "certmesh-testnet: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<bool, Error> {
    match command {
        Command::Demo(args) => demo::demo(&args, own_command()?),
        Command::Up(args) => up::up(&args, own_command()?).map(|()| true),
        Command::Down(args) => up::down(&args).map(|()| true),
        Command::Load(args) => load::load(&args).map(|()| true),
        Command::Bench(args) => bench::bench(&args, own_command()?).map(|()| true),
        Command::City(args) => dataset::city(&args, own_command()?).map(|()| true),
        Command::Dataset(command) => dataset::dataset(&command).map(|()| true),
        Command::Sample(args) => sample(&args).map(|()| true),
        Command::RawLink(args) => bench::link::serve(&args).map(|()| true),
    }
}

fn sample(args: &SampleArgs) -> Result<(), Error> {
    let sample = match (args.department, &args.run) {
        (None, None) => Sample::shipped()?,
        (department, run) => {
            Sample::new(department.unwrap_or(0), run.as_deref().unwrap_or("2025S"))?
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    for number in 0..args.rows {
        if out.write_all(&sample.line(number)).is_err() {
            // Nobody reads any more.
            return Ok(());
        }
    }
    let _ = out.flush();
    Ok(())
}
