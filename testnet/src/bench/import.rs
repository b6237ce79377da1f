//! A table brought in with `certmesh import`, a process of its own, against bulk issuance of as many certificates.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::{Holder, Word};
use serde_json::{Value, json};

use super::{Bench, issue};
use crate::sample::Sample;
use crate::stats::{grouped, per_second, round};
use crate::testnet::Testnet;
use crate::{Error, departments};

const DEFAULT_RECORDS: u64 = 100_000;
/// Most memory the importing process should take, in MB.
const AIM_MB: f64 = 300.0;
/// How often its memory is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Name of the program that imports.
const PROGRAM: &str = "certmesh";

/// How the table's columns become what `bench issue` issues.
const MAP: &str = r#"
serial = "证照编号"
holder = { kind = "111", column = "身份证号" }
valid_from = { column = "发证日期", date = "%Y/%m/%d" }
valid_until = { column = "有效期至", date = "%Y/%m/%d", empty = ["长期"] }
sharing = "共享"
[fields]
ZZMC = { value = "样本" }
ZZBH = "证照编号"
CZZT = { column = "姓名", clean = ["half-width", "collapse-spaces"] }
ZZBFJG = "发证机关"
ZZBFRQ = { column = "发证日期", date = "%Y/%m/%d" }
"#;
const COLUMNS: [&str; 7] = [
    "证照编号",
    "姓名",
    "身份证号",
    "发证日期",
    "有效期至",
    "共享",
    "发证机关",
];

pub(super) fn run(bench: &Bench, program: Option<&Path>) -> Result<Value, Error> {
    let records = bench.records.unwrap_or(DEFAULT_RECORDS);
    let program = match program {
        Some(program) => program.to_owned(),
        None => beside_this_program()?,
    };
    bench.screen.line(format!(
        "import: a CSV of {} rows by {} at a network of one department",
        grouped(records),
        program.display()
    ));
    // Each at a log of its own, which it finds empty.
    let net = bench.running(1)?;
    let issued = issue::measure(bench, &net, records)?;
    drop(net);
    let dir = bench.dir.path().join("network");
    fs::remove_dir_all(&dir).map_err(Error::file(&dir))?;
    let net = bench.running(1)?;
    let table = write_table(bench, records)?;
    let start = Instant::now();
    let child = start_import(bench, &net, &program, &table)?;
    let (summary, peak_mb) = watch(child)?;
    let took = start.elapsed();
    let held = net.client(0)?.log(net.member(0).code().as_str())?;
    if summary["issued"] != records || held.certificates != records {
        return Err(Error::Broken(format!(
            "{} of {records} rows were issued, {} are in the log",
            summary["issued"], held.certificates
        )));
    }
    let (rate, limit) = (per_second(records, took), per_second(issued.0, issued.1));
    let ratio = round(rate / limit, 3);
    bench.row("rows imported, durable", format!("{rate} / s"));
    bench.row(
        "limit: bulk issuance, 4 streams made before",
        format!("{limit} / s"),
    );
    bench.row("ratio (aim 0.5 or more)", ratio.to_string());
    bench.row(
        &format!("most memory of the importer (aim {AIM_MB} or less)"),
        format!("{peak_mb} MB"),
    );
    Ok(json!({
        "records": records,
        "seconds": round(took.as_secs_f64(), 3),
        "per_second": rate,
        "issue_per_second": limit,
        "ratio": ratio,
        "peak_memory_mb": peak_mb,
    }))
}

fn beside_this_program() -> Result<PathBuf, Error> {
    let this = std::env::current_exe().map_err(Error::system("path of this program"))?;
    let program = this.with_file_name(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Broken(format!(
        "{} is not there: build it (`cargo build --release --bins`), or name it with --certmesh",
        program.display()
    )))
}

/// The table and its map; returns the table's path.
fn write_table(bench: &Bench, records: u64) -> Result<PathBuf, Error> {
    let path = bench.dir.path().join("table.csv");
    let map = bench.dir.path().join("map.toml");
    fs::write(&map, MAP).map_err(Error::file(&map))?;
    let sample = Sample::new(0, "I")?;
    let write = || -> Result<(), csv::Error> {
        let mut table = csv::Writer::from_path(&path)?;
        table.write_record(COLUMNS)?;
        for number in 0..records {
            let row = sample.row(number);
            let field = |name: &str| row.fields.get(name).cloned().unwrap_or_default();
            let day = |day: &Option<String>| day.as_deref().map(|day| day.replace('-', "/"));
            let code = row.holder.as_ref().map(|Holder { code, .. }| code.clone());
            table.write_record([
                field("ZZBH"),
                field("CZZT"),
                code.unwrap_or_default(),
                day(&row.valid_from).unwrap_or_default(),
                day(&row.valid_until).unwrap_or_else(|| "长期".to_owned()),
                row.sharing
                    .as_ref()
                    .map_or_else(String::new, Word::to_string),
                field("ZZBFJG"),
            ])?;
        }
        Ok(table.flush()?)
    };
    write().map_err(|error| Error::Broken(format!("{}: {error}", path.display())))?;
    Ok(path)
}

fn start_import(
    bench: &Bench,
    net: &Testnet,
    program: &Path,
    table: &Path,
) -> Result<Child, Error> {
    let node = net
        .node_file(0)
        .ok_or_else(|| Error::Stopped(net.member(0).name().to_owned()))?;
    Command::new(program)
        .arg("import")
        .arg(table)
        .arg("--map")
        .arg(bench.dir.path().join("map.toml"))
        .args(["--type", &departments::type_code(0, 0)?.to_string()])
        .arg("--json")
        .env("CERTMESH_NODE", &node.api)
        .env("CERTMESH_TOKEN_FILE", net.member(0).token_file())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Error::Spawn {
            command: program.display().to_string(),
            error,
        })
}

/// Waits for an import's end; returns its summary and the most memory it took, in MB.
fn watch(mut child: Child) -> Result<(Value, f64), Error> {
    let mut peak_kib = 0;
    let ended = loop {
        peak_kib = peak_kib.max(peak_of(child.id()));
        match child.try_wait().map_err(Error::system("waiting"))? {
            Some(status) => break status,
            None => thread::sleep(LOOK),
        }
    };
    let mut summary = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut summary)
            .map_err(Error::system("standard output of a process"))?;
    }
    let summary = serde_json::from_str(&summary)
        .map_err(|_| Error::Broken(format!("the import ended with {ended}: {summary}")))?;
    Ok((summary, round(peak_kib as f64 * 1024.0 / 1e6, 1)))
}

/// Most memory a process has had resident, in KiB; 0 once it is gone.
fn peak_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
