//! `demo`: the whole of certmesh on one machine, step by step, each step checked.

mod crash;
mod governance;
mod issue;
mod once_only;
mod partition;
mod revoke;
mod stage;
mod tamper;
mod theft;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value, json};

use self::stage::Stage;
use crate::Error;
use crate::screen::{Screen, spoken};
use crate::stats::round;

/// Show everything certmesh does on a network of real processes: issue, replicate, verify, fail, recover
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Departments in the network, 2 at least
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = departments)]
    pub departments: usize,
    /// Certificates that the first department issues in the first round
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub records: u64,
    /// Issue the rows of this JSONL file in the first round instead: certificates of the first department and its types,
    /// as in testnet/sample/certificates.jsonl
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Keep the network's directory, here
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Print one JSON document at the end
    #[arg(long)]
    pub json: bool,
}

fn departments(text: &str) -> Result<usize, String> {
    // One more joins them.
    let max = crate::departments::MAX_DEPARTMENTS - 1;
    match text.parse() {
        Ok(count) if (2..=max).contains(&count) => Ok(count),
        _ => Err(format!("a demonstration has 2 to {max} departments")),
    }
}

/// What a step found, for the JSON document.
type Details = Map<String, Value>;

struct Step {
    name: &'static str,
    title: &'static str,
    run: fn(&mut Stage) -> Result<Details, Error>,
}

const STEPS: [Step; 15] = [
    Step {
        name: "genesis",
        title: "Departments found a network",
        run: stage::genesis,
    },
    Step {
        name: "issue",
        title: "One department issues many certificates, the others some",
        run: issue::issue,
    },
    Step {
        name: "replicate",
        title: "Every peer gets a verified copy of every log",
        run: issue::replicate,
    },
    Step {
        name: "verify",
        title: "Other departments verify",
        run: verify::elsewhere,
    },
    Step {
        name: "issuer-down",
        title: "The issuer's peer is down; verification goes on",
        run: verify::issuer_down,
    },
    Step {
        name: "partition",
        title: "The network breaks in two, both sides issue, it heals",
        run: partition::partition,
    },
    Step {
        name: "revoke",
        title: "A revocation is seen everywhere",
        run: revoke::revoke,
    },
    Step {
        name: "tamper",
        title: "Somebody changes a byte in a peer's copy of a log",
        run: tamper::tamper,
    },
    Step {
        name: "crash",
        title: "The issuer is killed in the middle of a bulk issue",
        run: crash::crash,
    },
    Step {
        name: "standards",
        title: "Departments agree on what a matter needs",
        run: once_only::standards,
    },
    Step {
        name: "legacy",
        title: "What an old system holds is brought in",
        run: once_only::legacy,
    },
    Step {
        name: "accept",
        title: "A case is accepted: nobody hands in what some department issued",
        run: once_only::accept,
    },
    Step {
        name: "receipts",
        title: "Every look at somebody's data left a receipt",
        run: once_only::receipts,
    },
    Step {
        name: "report",
        title: "The month's figures, without asking anyone",
        run: once_only::report,
    },
    Step {
        name: "governance",
        title: "The members decide: one joins, one changes its key, one is removed",
        run: governance::governance,
    },
];

/// Runs the demonstration; returns whether every step held.
///
/// # Errors
/// [`Error`] when there is no network to demonstrate on; what goes wrong in a step is reported as that step's failure.
pub fn demo(args: &DemoArgs, command: Vec<OsString>) -> Result<bool, Error> {
    let screen = Screen::new(args.json);
    let mut stage = Stage::set(args, command, screen)?;
    screen.line(screen.strong(&format!(
        "certmesh: {} departments on this machine",
        args.departments
    )));
    let start = Instant::now();
    let mut reports = Vec::new();
    let mut held = true;
    for (number, step) in STEPS.iter().enumerate() {
        screen.line(format!(
            "\n{}",
            screen.strong(&format!("{} · {}", number + 1, step.title))
        ));
        let begun = Instant::now();
        stage.begin();
        let outcome = (step.run)(&mut stage);
        let took = begun.elapsed();
        held = outcome.is_ok();
        reports.push(report(step, took, &outcome));
        match outcome {
            Ok(_) => screen.line(format!(
                "  {} {}",
                screen.good("✓"),
                screen.faint(&spoken(took))
            )),
            Err(error) => {
                fail(&stage, &error, screen);
                if matches!(error, Error::Interrupted) {
                    return Err(error);
                }
                break;
            }
        }
    }
    let stopped = stage.net.stop_all();
    if let (Err(error), true) = (&stopped, held) {
        held = false;
        fail(&stage, error, screen);
    }
    screen.document(&json!({ "ok": held, "departments": args.departments, "steps": reports }));
    conclude(args, held, start.elapsed(), screen);
    Ok(held)
}

fn report(step: &Step, took: Duration, outcome: &Result<Details, Error>) -> Value {
    let mut report = Map::new();
    report.insert("name".to_owned(), step.name.into());
    report.insert("ok".to_owned(), outcome.is_ok().into());
    report.insert("seconds".to_owned(), round(took.as_secs_f64(), 3).into());
    match outcome {
        Ok(details) => report.extend(details.clone()),
        Err(error) => {
            report.insert("error".to_owned(), error.to_string().into());
        }
    }
    Value::Object(report)
}

/// Prints what did not hold, and the nodes' last log lines.
fn fail(stage: &Stage, error: &Error, screen: Screen) {
    screen.line(format!("  {} {error}", screen.bad("✗")));
    if !matches!(error, Error::Interrupted) {
        // Also when a program reads standard output: it is people who look into a failure.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("\n{error}\n{}\n", stage.net.log_tails()).as_bytes(),
        );
    }
}

fn conclude(args: &DemoArgs, held: bool, took: Duration, screen: Screen) {
    let verdict = if held {
        screen.good("Every step held.")
    } else {
        screen.bad("Not every step held.")
    };
    screen.line(format!("\n{verdict} {}", screen.faint(&spoken(took))));
    if let Some(dir) = &args.keep {
        let dir = dir.display();
        screen.line(format!(
            "The network is kept in {dir}; `certmesh-testnet up --dir {dir}` starts it again."
        ));
    }
}
