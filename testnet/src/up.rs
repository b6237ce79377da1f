//! `up` and `down`: a network that stays.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::Error;
use crate::links::Links;
use crate::network::{Network, Randomness};
use crate::patience::{Deadline, catch_signals, interrupted};
use crate::process::{kill, tail, terminate};
use crate::record::{Lock, Record, RecordedDepartment};
use crate::screen::Screen;
use crate::testnet::Testnet;

/// Departments of a new network.
const DEFAULT_DEPARTMENTS: usize = 5;
/// How often the supervisor checks its nodes.
const ROUND: Duration = Duration::from_millis(250);
/// Time a whole network has to stop.
const STOPPING: Duration = Duration::from_secs(40);

/// Start a network of departments on this machine: a new one, or the one that is in the directory
#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// Departments of a new network [default: 5]
    #[arg(long, value_name = "N")]
    pub departments: Option<usize>,
    /// Directory of the network
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Return when every peer is ready, and leave the network running
    #[arg(long)]
    pub detach: bool,
    /// Print the network's description as JSON
    #[arg(long)]
    pub json: bool,
}

/// Stop the network in a directory; its keys and data stay
#[derive(Clone, Debug, Args)]
pub struct DownArgs {
    /// Directory of the network
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

fn starting_time(departments: usize) -> Duration {
    Duration::from_secs(60 + departments as u64 * 4)
}

/// Runs `up`. `command` starts a node.
///
/// # Errors
/// [`Error`].
pub fn up(args: &UpArgs, command: Vec<OsString>) -> Result<(), Error> {
    let screen = Screen::new(args.json);
    if args.detach {
        return detach(args, screen);
    }
    let lock = lock(&args.dir)?;
    let network = open_or_create(args)?;
    let count = network.members().len();
    let mut testnet = Testnet::new(network, command, Links::Proxied)?;
    catch_signals(testnet.runtime().handle())?;
    screen.line(format!(
        "Starting {count} peers in {} …",
        testnet.network().dir().display()
    ));
    testnet.start_all(Deadline::after(starting_time(count)))?;
    let record = Record::of(&testnet)?;
    record.write(testnet.network().dir())?;
    show(&record, screen);
    screen.line(format!(
        "\nRunning. Ctrl-C or `certmesh-testnet down --dir {}` stops it.",
        args.dir.display()
    ));
    let looked_after = supervise(&mut testnet, screen);
    screen.line("Stopping …");
    Record::remove(testnet.network().dir())?;
    let stopped = testnet.stop_all();
    drop(lock);
    looked_after.and(stopped)
}

fn lock(dir: &Path) -> Result<Lock, Error> {
    let lock = Lock::take(dir)?.ok_or_else(|| Error::Running(dir.to_owned()))?;
    // The supervisor may have been killed and its nodes live on.
    if let Some(record) = Record::read(dir)? {
        if record.departments.iter().any(is_node_of) {
            return Err(Error::Running(dir.to_owned()));
        }
        Record::remove(dir)?;
    }
    Ok(lock)
}

fn open_or_create(args: &UpArgs) -> Result<Network, Error> {
    match Network::open(&args.dir) {
        Err(Error::NoNetwork(_)) => {
            let departments = args.departments.unwrap_or(DEFAULT_DEPARTMENTS);
            Network::create(&args.dir, departments, Randomness::System)
        }
        Ok(network)
            if args
                .departments
                .is_some_and(|wanted| wanted != network.members().len()) =>
        {
            Err(Error::OtherSize {
                dir: args.dir.clone(),
                found: network.members().len(),
            })
        }
        other => other,
    }
}

fn show(record: &Record, screen: Screen) {
    screen.line(format!("Network {}", record.network));
    for department in &record.departments {
        let RecordedDepartment {
            code,
            name,
            name_zh,
            api,
            pid,
            ..
        } = department;
        screen.line(format!("  {code}  {api}  pid {pid}  {name_zh} {name}"));
    }
    if let Some(first) = record.departments.first() {
        screen.line("\nTo ask the first one:");
        screen.line(format!(
            "  export CERTMESH_NODE={} CERTMESH_TOKEN_FILE={}",
            first.api,
            quoted(&first.token_file)
        ));
        screen.line("  certmesh status");
    }
    if screen.is_json() {
        screen.document(&serde_json::to_value(record).unwrap_or_default());
    }
}

/// The path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@,".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Until stopped: leads links to where nodes listen now, and keeps `network.json` true.
fn supervise(testnet: &mut Testnet, screen: Screen) -> Result<(), Error> {
    let mut ended = vec![false; testnet.len()];
    while !interrupted() {
        thread::sleep(ROUND);
        // A node that its user killed stays down: whoever did it has a reason.
        for (index, ended) in ended.iter_mut().enumerate() {
            if let (Err(error), false) = (testnet.check(index), *ended) {
                *ended = true;
                testnet.let_go(index);
                screen.line(format!("{error}"));
            }
        }
        if testnet.refresh()? {
            Record::of(testnet)?.write(testnet.network().dir())?;
        }
    }
    Ok(())
}

/// Runs the supervisor in the background and waits until it has written its record.
fn detach(args: &UpArgs, screen: Screen) -> Result<(), Error> {
    drop(lock(&args.dir)?);
    let program = std::env::current_exe().map_err(Error::system("path of this program"))?;
    let log = args.dir.join("supervisor.log");
    let out = File::create(&log).map_err(Error::file(&log))?;
    let also = out.try_clone().map_err(Error::file(&log))?;
    let mut command = Command::new(&program);
    command.arg("up").arg("--dir").arg(&args.dir);
    if let Some(departments) = args.departments {
        command.arg("--departments").arg(departments.to_string());
    }
    command.stdin(Stdio::null()).stdout(out).stderr(also);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| Error::Spawn {
        command: program.display().to_string(),
        error,
    })?;
    let time = starting_time(args.departments.unwrap_or(DEFAULT_DEPARTMENTS)) * 2;
    let deadline = Deadline::after(time);
    let found = deadline.wait(
        || "the network to be ready".to_owned(),
        || match child
            .try_wait()
            .map_err(Error::system("waiting for the supervisor"))?
        {
            Some(status) => Err(Error::Ended {
                department: "supervisor".to_owned(),
                status: status.to_string(),
                tail: tail(&log),
            }),
            None => {
                Ok(Record::read(&args.dir)?.filter(|record| record.supervisor_pid == child.id()))
            }
        },
    );
    match found {
        Ok(record) => {
            show(&record, screen);
            screen.line(format!(
                "\nRunning in the background. `certmesh-testnet down --dir {}` stops it.",
                args.dir.display()
            ));
            Ok(())
        }
        Err(error) => {
            terminate(child.id());
            // It stops its nodes before it ends.
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Runs `down`.
///
/// # Errors
/// [`Error`].
pub fn down(args: &DownArgs) -> Result<(), Error> {
    let screen = Screen::new(false);
    if !args.dir.join("network.toml").exists() {
        return Err(Error::NoNetwork(args.dir.clone()));
    }
    let record = Record::read(&args.dir)?;
    if Lock::take(&args.dir)?.is_none() {
        // Without a record the supervisor is still starting, or stopping already.
        if let Some(record) = &record {
            terminate(record.supervisor_pid);
        }
        let released = Deadline::after(STOPPING).wait(
            || "the network to stop".to_owned(),
            || Ok(Lock::take(&args.dir)?.map(drop)),
        );
        if let (Err(_), Some(record)) = (&released, &record) {
            kill(record.supervisor_pid);
        } else {
            released?;
        }
    }
    let left: Vec<_> = record
        .iter()
        .flat_map(|record| &record.departments)
        .filter(|d| is_node_of(d))
        .collect();
    left.iter().for_each(|department| terminate(department.pid));
    let gone = Deadline::after(STOPPING).wait(
        || "peers without a supervisor to stop".to_owned(),
        || Ok((!left.iter().any(|department| is_node_of(department))).then_some(())),
    );
    if gone.is_err() {
        left.iter()
            .filter(|department| is_node_of(department))
            .for_each(|department| kill(department.pid));
    }
    Record::remove(&args.dir)?;
    screen.line(if record.is_some() {
        "Stopped; keys and data are kept."
    } else {
        "It was not running."
    });
    Ok(())
}

/// Whether the recorded process still is that department's node, and not another that got its number.
fn is_node_of(department: &RecordedDepartment) -> bool {
    let command_line = fs::read(format!("/proc/{}/cmdline", department.pid)).unwrap_or_default();
    let config = department.config.as_os_str().as_encoded_bytes();
    command_line
        .split(|byte| *byte == 0)
        .any(|argument| argument == config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        for (path, expected) in [
            ("/tmp/net/01/admin.token", "/tmp/net/01/admin.token"),
            ("/tmp/my net/it's", "'/tmp/my net/it'\\''s'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
