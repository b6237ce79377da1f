//! `city`: one node over all logs of a city, as a department's node has them, and a new peer that catches up with it.
//!
//! The data set of `wuhan` is written into its departments' logs, all of them in the data directory of one node, which is
//! then started as any node is. What it needs (time to be ready, memory, disk) and what it answers is measured from outside,
//! over its API. One more department, which has nothing, starts last and replicates every log.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certmesh_api::{AcceptRequest, Holder, Verdict};
use clap::Args;
use serde_json::json;

use super::year::logs::fill;
use super::year::reading::DataSet;
use super::{WuhanArgs, write};
use crate::bench::together;
use crate::client::Client;
use crate::links::Links;
use crate::network::{Founder, Network, Randomness};
use crate::patience::{Deadline, catch_signals};
use crate::process::peak_memory_mb;
use crate::screen::Screen;
use crate::stats::{Times, grouped, per_second, round};
use crate::testnet::Testnet;
use crate::{Error, departments};

/// Connections that ask at the same time.
const CONNECTIONS: u64 = 4;
/// How long each question is asked.
const ASKED: Duration = Duration::from_secs(5);
/// Certificates that are asked for, spread over all of them.
const ASKED_FOR: u64 = 20_000;

/// Measure one node over a whole city's logs: ready, memory, disk, look-ups, cases, and a new peer's catch-up
///
/// Scale 1 is 7.512 million certificates of 664 types. A tenth of it takes 1 GB of disk and a minute on two cores.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  certmesh-testnet city\n  certmesh-testnet city --scale 1 --dir /srv/measure --json > city.json"
)]
pub struct CityArgs {
    /// Part of the city's certificates: 0.0001 to 1
    #[arg(long, value_name = "S", default_value_t = 0.01)]
    pub scale: f64,
    /// What all chance follows from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where to put the data, on the file system to be measured [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Fail if it takes more memory or disk than it should; times depend on the machine
    #[arg(long)]
    pub check: bool,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Something to ask for.
struct Wanted {
    id: String,
    holder: Holder,
}

/// A figure, and what it should be.
struct Figure {
    name: &'static str,
    what: &'static str,
    value: f64,
    unit: &'static str,
    /// Most it should be, or least.
    limit: Option<Limit>,
}

impl Figure {
    /// Whether it is of memory or disk, and more than it should be.
    fn exceeds(&self) -> bool {
        let of_size = matches!(self.unit, "MB" | "B");
        of_size && matches!(self.limit, Some(Limit::Most(most)) if self.value > most)
    }
}

enum Limit {
    Most(f64),
    Least(f64),
}

/// Runs the measurement and prints its figures.
///
/// # Errors
/// [`Error`] when the data set or the network cannot be made or run, or an answer is wrong.
pub fn city(args: &CityArgs, command: Vec<OsString>) -> Result<(), Error> {
    let screen = Screen::new(args.json);
    let dir = match &args.dir {
        Some(dir) => fs::create_dir_all(dir).and_then(|()| tempfile::tempdir_in(dir)),
        None => tempfile::tempdir(),
    };
    let dir = dir.map_err(Error::system("temporary directory"))?;
    let set = DataSet::read(&data_set(args, dir.path(), &screen)?)?;
    let (mut net, host) = network(&set, dir.path(), command)?;
    let begun = Instant::now();
    let (certificates, wanted) = fill_logs(&set, &net, host, &screen)?;
    let filled = begun.elapsed();
    let logs = net.member(host).data().join("logs");
    let disk = bytes_in(&logs)?;
    let patience = Deadline::seconds(300 + certificates / 1_000);

    let begun = Instant::now();
    net.start(host, patience)?;
    net.wait_ready(patience)?;
    let ready = begun.elapsed();
    let pid = net.node_file(host).map_or(0, |file| file.pid);
    let memory = peak_memory_mb(pid)?;
    let client = net.client(host)?;
    let records = client.logs()?.iter().map(|log| log.size).sum();
    let newcomer = net.len() - 1;
    let begun = Instant::now();
    net.start(newcomer, patience)?;
    caught_up(&mut net, host, newcomer, patience)?;
    let took = begun.elapsed();
    let newcomer_pid = net.node_file(newcomer).map_or(0, |file| file.pid);
    let newcomer_memory = peak_memory_mb(newcomer_pid)?;

    // Now a member confirms what the host holds of the others' logs: without one nothing of theirs is valid.
    confirmed(&client, &wanted, patience)?;
    let (verdicts, verified) = verify(&client, &wanted)?;
    let (cases, accepted) = accept(&client, &matters(&set, &net, host), &wanted)?;
    let asked = peak_memory_mb(pid)?;
    net.stop_all()?;

    let figure = |name, what, value, unit, limit| Figure {
        name,
        what,
        value,
        unit,
        limit,
    };
    let mb = |bytes: u64| round(bytes as f64 / 1e6, 1);
    use Limit::{Least, Most};
    let figures = [
        figure(
            "filled_per_second",
            "certificates written and signed",
            per_second(certificates, filled),
            "/s",
            None,
        ),
        figure(
            "ready_seconds",
            "started to ready",
            round(ready.as_secs_f64(), 2),
            "s",
            Some(Most(1.0)),
        ),
        figure(
            "ready_peak_mb",
            "peak memory when ready",
            memory,
            "MB",
            Some(Most(300.0)),
        ),
        figure("disk_mb", "disk, all logs", mb(disk), "MB", None),
        figure(
            "disk_bytes_per_certificate",
            "disk, a certificate",
            round(disk as f64 / certificates.max(1) as f64, 1),
            "B",
            Some(Most(560.0)),
        ),
        figure(
            "verdicts_per_second",
            "verdicts, 4 connections",
            per_second(verdicts.len() as u64, verified),
            "/s",
            Some(Least(30_000.0)),
        ),
        figure(
            "verdict_p99_ms",
            "verdict, p99",
            verdicts.p99_ms(),
            "ms",
            None,
        ),
        figure(
            "cases_per_second",
            "cases, 4 connections",
            per_second(cases.len() as u64, accepted),
            "/s",
            None,
        ),
        figure("case_p50_ms", "case, p50", cases.p50_ms(), "ms", None),
        figure(
            "case_p99_ms",
            "case, p99",
            cases.p99_ms(),
            "ms",
            Some(Most(5.0)),
        ),
        figure(
            "asked_peak_mb",
            "peak memory after the questions",
            asked,
            "MB",
            None,
        ),
        figure(
            "catch_up_seconds",
            "a new peer has all of it",
            round(took.as_secs_f64(), 2),
            "s",
            None,
        ),
        figure(
            "catch_up_records_per_second",
            "the same, in records",
            per_second(records, took),
            "/s",
            None,
        ),
        figure(
            "catch_up_peak_mb",
            "peak memory of the new peer",
            newcomer_memory,
            "MB",
            Some(Most(300.0)),
        ),
    ];
    let counts = (certificates, records, net.len() - 1);
    show(&screen, args.scale, counts, &figures);
    match figures.iter().find(|figure| args.check && figure.exceeds()) {
        Some(Figure {
            what, value, unit, ..
        }) => Err(Error::Broken(format!(
            "{what}: {value} {unit} is more than it should be"
        ))),
        None => Ok(()),
    }
}

/// Waits until the node has verdicts.
fn confirmed(client: &Client, wanted: &[Wanted], patience: Deadline) -> Result<(), Error> {
    for one in wanted.iter().step_by(1 + wanted.len() / 100) {
        let what = || format!("a verdict on {}", one.id);
        patience.wait(what, || {
            let verdict = client.verification(&one.id)?.verdict;
            Ok((verdict == Verdict::Valid || verdict == Verdict::NotValid).then_some(()))
        })?;
    }
    Ok(())
}

/// Writes the data set; gives its directory.
fn data_set(args: &CityArgs, dir: &Path, screen: &Screen) -> Result<PathBuf, Error> {
    let out = dir.join("wuhan");
    let wuhan = WuhanArgs {
        out: out.clone(),
        scale: args.scale,
        seed: args.seed,
        json: false,
    };
    write(&wuhan, screen)?;
    Ok(out)
}

/// A network of the data set's departments and one more, none of its nodes started; and the place of the one that has most
/// matters, whose node is measured.
fn network(set: &DataSet, dir: &Path, command: Vec<OsString>) -> Result<(Testnet, usize), Error> {
    let mut founders = set.departments.clone();
    founders.push(Founder {
        code: departments::code(0)?,
        name: departments::name(0),
        name_zh: departments::chinese_name(0),
        governs: true,
    });
    let matters = |place: &usize| {
        let code = founders[*place].code;
        set.matters.iter().filter(|(of, _)| *of == code).count()
    };
    let host = (0..founders.len()).max_by_key(matters).unwrap_or(0);
    // Those that run: without the word of some governors nothing is valid.
    let newcomer = founders.len() - 1;
    for (place, founder) in founders.iter_mut().enumerate() {
        founder.governs = place == host || place == newcomer;
    }
    let network = Network::of(&dir.join("network"), &founders, Randomness::System)?;
    // There is nobody to ask for what it may have lost.
    let more = network.members()[host].more_config();
    fs::write(&more, "\n[start]\ntrust_own_disk = true\n").map_err(Error::file(&more))?;
    let net = Testnet::new(network, command, Links::Direct)?;
    catch_signals(net.runtime().handle())?;
    Ok((net, host))
}

/// Writes all logs into the host's data directory; gives how many certificates there are, and some of them.
fn fill_logs(
    set: &DataSet,
    net: &Testnet,
    host: usize,
    screen: &Screen,
) -> Result<(u64, Vec<Wanted>), Error> {
    let every = (set.count()? / ASKED_FOR).max(1);
    let (mut certificates, mut wanted) = (0, Vec::new());
    fill(
        set,
        net.network(),
        net.member(host),
        screen,
        |row, issued| {
            if certificates % every == 0
                && let Some(holder) = &row.holder
            {
                wanted.push(Wanted {
                    id: issued.id.to_string(),
                    holder: holder.clone(),
                });
            }
            certificates += 1;
        },
    )?;
    // As if its node had written them.
    let mark = net.member(host).mark();
    mark.write_ran().map_err(Error::file(mark.path()))?;
    Ok((certificates, wanted))
}

/// The host's own sub-matters, as a case names them.
fn matters(set: &DataSet, net: &Testnet, host: usize) -> Vec<String> {
    let code = net.member(host).code();
    let own = set.matters.iter().filter(|(of, _)| *of == code);
    let names = own.flat_map(|(_, matter)| {
        matter
            .parts
            .iter()
            .map(|sub| format!("{}/{}", matter.code, sub.code))
    });
    names.collect()
}

/// Verdicts on certificates all over the logs: each has to be known.
fn verify(client: &Client, wanted: &[Wanted]) -> Result<(Times, Duration), Error> {
    ask(wanted.len(), |at| {
        let id = &wanted[at].id;
        let verdict = client.verification(id)?.verdict;
        match verdict == Verdict::Valid || verdict == Verdict::NotValid {
            true => Ok(()),
            false => Err(Error::Broken(format!("{id}: no verdict"))),
        }
    })
}

/// Cases of holders all over the logs, over all of the host's matters in turn.
fn accept(
    client: &Client,
    matters: &[String],
    wanted: &[Wanted],
) -> Result<(Times, Duration), Error> {
    ask(wanted.len(), |at| {
        client.accept(&AcceptRequest {
            matter: matters[at % matters.len()].clone(),
            subject: wanted[at].holder.clone(),
            on: None,
            collect: None,
        })?;
        Ok(())
    })
}

fn ask(
    count: usize,
    question: impl Fn(usize) -> Result<(), Error> + Sync,
) -> Result<(Times, Duration), Error> {
    let start = Instant::now();
    let all = together(CONNECTIONS, |connection| {
        let mut times = Times::default();
        let mut at = connection as usize;
        while start.elapsed() < ASKED {
            // A stride that meets all of them in no order a cache would like.
            at = (at + 7_919 * CONNECTIONS as usize) % count;
            let begun = Instant::now();
            question(at)?;
            times.add(begun.elapsed());
        }
        Ok(times)
    })?;
    Ok((all, start.elapsed()))
}

/// Waits until a node has all that another has of every log.
fn caught_up(
    net: &mut Testnet,
    host: usize,
    newcomer: usize,
    patience: Deadline,
) -> Result<(), Error> {
    let sizes = |client: &Client| -> Result<Vec<(String, u64)>, Error> {
        let logs = client.logs()?.into_iter();
        Ok(logs.map(|log| (log.department, log.size)).collect())
    };
    let all = sizes(&net.client(host)?)?;
    let client = net.client(newcomer)?;
    loop {
        net.check(newcomer)?;
        let here = sizes(&client)?;
        let missing: u64 = all
            .iter()
            .map(|(log, size)| {
                let held = here.iter().find(|(other, _)| other == log);
                size.saturating_sub(held.map_or(0, |(_, size)| *size))
            })
            .sum();
        if missing == 0 {
            return Ok(());
        }
        patience
            .check(|| format!("the new peer to have everything; {missing} records are missing"))?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Bytes that the files of all logs take.
fn bytes_in(logs: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for log in fs::read_dir(logs).map_err(Error::file(logs))? {
        let dir = log.map_err(Error::file(logs))?.path();
        for file in fs::read_dir(&dir).map_err(Error::file(&dir))? {
            let path = file.map_err(Error::file(&dir))?.path();
            bytes += fs::metadata(&path).map_err(Error::file(&path))?.len();
        }
    }
    Ok(bytes)
}

fn show(
    screen: &Screen,
    scale: f64,
    (certificates, records, logs): (u64, u64, usize),
    figures: &[Figure],
) {
    screen.line(screen.strong(&format!(
        "{} certificates, {} records, {logs} departments",
        grouped(certificates),
        grouped(records)
    )));
    for Figure {
        what,
        value,
        unit,
        limit,
        ..
    } in figures
    {
        let wanted = match limit {
            Some(Limit::Most(most)) => format!("aim {most} or less"),
            Some(Limit::Least(least)) => format!("aim {least} or more"),
            None => String::new(),
        };
        screen.line(format!("  {what:<36} {value:>12} {unit:<3} {wanted}"));
    }
    let mut document = json!({
        "scale": scale,
        "certificates": certificates,
        "records": records,
        "departments": logs,
    });
    for figure in figures {
        document[figure.name] = json!(figure.value);
    }
    screen.document(&document);
}
