//! Asking a node about what it knows and how it is: catalogue, logs, peers, status.

use certmesh_api::{
    CatalogueView, GovernanceStatus, LogState, LogView, NodeStatus, OwnLogState, PeerView,
    TypeView, Word,
};
use clap::Args;
use comfy_table::Cell;

use crate::args::Global;
use crate::client::{Client, segment};
use crate::moment::{age, china_time, china_time_and_age, now_ms};
use crate::names::{Names, named};
use crate::screen::{Screen, Tone, cell, counted, grouped, lines_cell, number, printable, toned};
use crate::{Error, Outcome};

/// List the certificate types of the shared catalogue, and how many of each were issued
#[derive(Debug, Args)]
#[command(after_help = CATALOGUE_EXAMPLES)]
pub(crate) struct Catalogue {}

const CATALOGUE_EXAMPLES: &str = "\
Examples:
  certmesh catalogue
  certmesh catalogue --json";

/// List the departments' logs this node holds, with their state and how fresh they are
#[derive(Debug, Args)]
#[command(after_help = LOGS_EXAMPLES)]
pub(crate) struct Logs {
    /// Only this department's, in full
    #[arg(value_name = "DEPARTMENT")]
    department: Option<String>,
}

const LOGS_EXAMPLES: &str = "\
Examples:
  certmesh logs
  certmesh logs 11430000006122244L";

/// List the other departments' nodes and whether this one is connected to them
#[derive(Debug, Args)]
#[command(after_help = PEERS_EXAMPLES)]
pub(crate) struct Peers {}

const PEERS_EXAMPLES: &str = "\
Examples:
  certmesh peers
  certmesh peers --json";

/// Show the state of the node
///
/// The department's own log is `writable`, `confirming` (waiting until other members confirm that the log on disk is
/// whole), `restoring` (fetching it back from them), `elsewhere` (another node with the department's keys connected
/// first), `read-only` (a disk write was refused, or what it signs would not count) or `frozen` (forked).
#[derive(Debug, Args)]
#[command(after_help = STATUS_EXAMPLES)]
pub(crate) struct Status {
    /// Exit with 1 if there is a warning, or the own log takes no appends
    #[arg(long)]
    check: bool,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  certmesh status
  certmesh status --check        for a monitor: the exit code says whether somebody has to look
  certmesh --node https://node.transport.example:7480 --ca authority.pem status";

pub(crate) fn catalogue(global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let view: CatalogueView = client.get_list("/v1/catalogue")?;
    if screen.json() {
        screen.print_json(&view)?;
        return Ok(Outcome::Yes);
    }
    if view.types.is_empty() {
        screen.line("the catalogue is empty")?;
        return Ok(Outcome::Yes);
    }
    let names = Names::ask(&client);
    let rows = view
        .types
        .iter()
        .map(|kind| type_row(kind, &names))
        .collect();
    screen.table(
        &["TYPE", "NAME", "DEFINED BY", "FIELDS", "ISSUED", "BY"],
        &[0, 4],
        rows,
    )?;
    screen.line(format!(
        "{}, {}",
        counted(view.types.len() as u64, "type"),
        counted(view.certificates, "certificate")
    ))?;
    Ok(Outcome::Yes)
}

fn type_row(kind: &TypeView, names: &Names) -> Vec<Cell> {
    let fields: Vec<String> = kind
        .fields
        .iter()
        .map(|field| format!("{}{}", field.name, if field.required { "*" } else { "" }))
        .collect();
    let issuers: Vec<String> = kind
        .issued
        .iter()
        .map(|(code, count)| format!("{}: {}", names.short(code), grouped(*count)))
        .collect();
    vec![
        cell(&kind.code),
        kind.name
            .as_ref()
            .map_or_else(|| toned(Tone::Faint, "not defined"), cell),
        cell(
            kind.defined_by
                .as_deref()
                .map(|code| names.short(code))
                .unwrap_or_default(),
        ),
        cell(fields.join(", ")),
        number(kind.issued.values().sum()),
        lines_cell(issuers),
    ]
}

pub(crate) fn logs(args: &Logs, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    if let Some(department) = &args.department {
        let answer = client.get(&format!("/v1/logs/{}", segment(department)))?;
        if screen.json() {
            return screen.pass(&answer);
        }
        return show_log(&answer.parse()?, &Names::ask(&client), screen);
    }
    let answer = client.get("/v1/logs")?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let logs: Vec<LogView> = answer.parse()?;
    let now = now_ms();
    let rows = logs
        .iter()
        .map(|log| {
            vec![
                cell(&log.department),
                cell(&log.name),
                toned(tone_of_log(&log.state), &log.state),
                number(log.size),
                number(log.known_size.saturating_sub(log.size)),
                number(log.certificates),
                cell(log.time_ms.map_or_else(String::new, |ms| age(ms, now))),
                number(log.cosigned_by.len() as u64),
            ]
        })
        .collect();
    let header = [
        "DEPARTMENT",
        "NAME",
        "STATE",
        "RECORDS",
        "BEHIND",
        "CERTIFICATES",
        "CHECKPOINT",
        "COSIGNED",
    ];
    screen.table(&header, &[0, 2, 3, 4, 5, 7], rows)?;
    for log in &logs {
        if let Some(detail) = &log.detail {
            screen.line(format!(
                "{}: {}",
                named(&log.department, Some(&log.name)),
                printable(detail)
            ))?;
        }
    }
    Ok(Outcome::Yes)
}

fn tone_of_log(state: &Word<LogState>) -> Tone {
    match state.known() {
        Some(LogState::Own | LogState::Replica) => Tone::Good,
        Some(LogState::SetAside) | None => Tone::Doubt,
        Some(LogState::Frozen | LogState::Refused) => Tone::Bad,
    }
}

fn show_log(log: &LogView, names: &Names, screen: &mut Screen) -> Result<Outcome, Error> {
    let title = screen.paint(Tone::Strong, &named(&log.department, Some(&log.name)));
    screen.line(title)?;
    let state = screen.paint(tone_of_log(&log.state), &printable(log.state.as_str()));
    screen.field("state", state)?;
    if let Some(detail) = &log.detail {
        screen.field("", printable(detail))?;
    }
    let behind = match log.known_size.saturating_sub(log.size) {
        0 => String::new(),
        behind => format!(" ({} more are known of)", grouped(behind)),
    };
    screen.field("records", format!("{}{behind}", grouped(log.size)))?;
    screen.field("certificates", grouped(log.certificates))?;
    if log.generation > 0 {
        screen.field("generation", log.generation.to_string())?;
    }
    if let Some(ms) = log.time_ms {
        screen.field("checkpoint", china_time_and_age(ms, now_ms()))?;
    }
    screen.field(
        "root",
        log.root
            .as_deref()
            .map_or_else(|| "none yet".to_owned(), printable),
    )?;
    if let Some(root) = &log.status_root {
        screen.field("status root", printable(root))?;
    }
    let cosigners: Vec<String> = log
        .cosigned_by
        .iter()
        .map(|code| names.full(code))
        .collect();
    screen.field(
        "cosigned by",
        if cosigners.is_empty() {
            "nobody yet".to_owned()
        } else {
            cosigners.join(", ")
        },
    )?;
    Ok(Outcome::Yes)
}

pub(crate) fn peers(global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let answer = Client::new(global)?.get("/v1/peers")?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let peers: Vec<PeerView> = answer.parse()?;
    if peers.is_empty() {
        screen.line("this department is the network's only member")?;
        return Ok(Outcome::Yes);
    }
    let now = now_ms();
    let rows = peers
        .iter()
        .map(|peer| {
            vec![
                cell(&peer.department),
                cell(&peer.name),
                if peer.connected {
                    toned(Tone::Good, "connected")
                } else {
                    toned(Tone::Bad, "not connected")
                },
                cell(
                    peer.since_ms
                        .filter(|_| peer.connected)
                        .map_or_else(String::new, |ms| age(ms, now)),
                ),
                cell(
                    peer.rtt_ms
                        .map_or_else(String::new, |rtt| format!("{rtt:.1} ms")),
                ),
                match peer.clock_offset_ms {
                    Some(ms) if ms.unsigned_abs() > 60_000 => toned(Tone::Bad, offset(ms)),
                    Some(ms) => cell(offset(ms)),
                    None => cell(""),
                },
                cell(
                    peer.heard_ms
                        .map_or_else(|| "never".to_owned(), |ms| age(ms, now)),
                ),
                cell(&peer.peer_id),
            ]
        })
        .collect();
    let header = [
        "DEPARTMENT",
        "NAME",
        "CONNECTION",
        "SINCE",
        "ROUND TRIP",
        "CLOCK",
        "HEARD",
        "PEER",
    ];
    screen.table(&header, &[0, 2, 4, 5], rows)?;
    Ok(Outcome::Yes)
}

/// How far a clock is ahead: `+0.2 s`, `-12 min`.
fn offset(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    match ms.unsigned_abs() {
        ms @ 0..60_000 => format!("{sign}{:.1} s", ms as f64 / 1000.0),
        ms @ 60_000..172_800_000 => format!("{sign}{} min", (ms + 30_000) / 60_000),
        ms => format!("{sign}{} days", ms / 86_400_000),
    }
}

pub(crate) fn status(
    args: &Status,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let answer = client.get("/v1/status")?;
    let status: NodeStatus = answer.parse()?;
    let is_well =
        status.log_state.known() == Some(OwnLogState::Writable) && status.warnings.is_empty();
    let outcome = match args.check && !is_well {
        true => Outcome::No,
        false => Outcome::Yes,
    };
    if screen.json() {
        screen.pass(&answer)?;
        return Ok(outcome);
    }
    show_status(&status, &client, screen)?;
    Ok(outcome)
}

fn show_status(status: &NodeStatus, client: &Client, screen: &mut Screen) -> Result<(), Error> {
    let title = screen.paint(Tone::Strong, &named(&status.department, Some(&status.name)));
    screen.line(title)?;
    let waits = matches!(
        status.log_state.known(),
        Some(OwnLogState::Confirming | OwnLogState::Restoring)
    );
    let tone = match status.log_state.known() {
        Some(OwnLogState::Writable) => Tone::Good,
        _ if waits => Tone::Doubt,
        Some(_) => Tone::Bad,
        None => Tone::Doubt,
    };
    let state = screen.paint(tone, &printable(status.log_state.as_str()));
    screen.field(
        "own log",
        format!("{state}, {}", counted(status.own_size, "record")),
    )?;
    if let Some(detail) = &status.log_detail {
        screen.field("", printable(detail))?;
    }
    screen.field(
        "all logs",
        format!(
            "{}, {}",
            counted(status.records, "record"),
            counted(status.certificates, "certificate")
        ),
    )?;
    screen.field(
        "peers",
        format!(
            "{} of {} connected",
            status.peers_connected, status.peers_total
        ),
    )?;
    if waits {
        show_awaited(client, screen)?;
    }
    show_governance(&status.governance, screen)?;
    for (n, warning) in status.warnings.iter().enumerate() {
        let label = if n == 0 { "warnings" } else { "" };
        let warning = screen.paint(Tone::Bad, &printable(warning));
        screen.field(label, warning)?;
    }
    screen.field(
        "network",
        format!(
            "{} {}",
            printable(&status.network_name),
            printable(&status.network)
        ),
    )?;
    screen.field("peer", printable(&status.peer_id))?;
    let started = china_time(status.started_ms);
    screen.field(
        "running",
        format!("version {}, started {started}", printable(&status.version)),
    )
}

/// How decisions stand. A node of before there were any says nothing of them.
fn show_governance(governance: &GovernanceStatus, screen: &mut Screen) -> Result<(), Error> {
    let GovernanceStatus {
        governors,
        governors_reached,
        governors_needed,
        ..
    } = governance;
    if *governors == 0 {
        return Ok(());
    }
    screen.field(
        "governors",
        format!(
            "{governors_reached} of {governors} can be reached, {governors_needed} have to vote; {} so far",
            counted(governance.height, "block")
        ),
    )?;
    if governance.proposals > 0 {
        screen.field(
            "pending",
            format!(
                "{}, {} of them without this department's approval: `certmesh govern list`",
                counted(governance.proposals.into(), "proposal"),
                governance.awaiting_approval.len()
            ),
        )?;
    }
    if governance.own_change_pending {
        screen.field(
            "pending",
            "a change of this department's own keys, until the governors' nodes have voted on it",
        )?;
    }
    let since = china_time_and_age(governance.epoch_since_ms, now_ms());
    screen.field(
        "operating key",
        format!("epoch {}, in force since {since}", governance.epoch),
    )
}

/// By name, which members are there and which are waited for. A node that does not give them does not hide the rest.
fn show_awaited(client: &Client, screen: &mut Screen) -> Result<(), Error> {
    let peers = client
        .get("/v1/peers")
        .and_then(|answer| answer.parse::<Vec<PeerView>>())
        .unwrap_or_default();
    for (label, connected) in [("  connected", true), ("  waited for", false)] {
        let names: Vec<String> = peers
            .iter()
            .filter(|peer| peer.connected == connected)
            .map(|peer| named(&peer.department, Some(&peer.name)))
            .collect();
        if !names.is_empty() {
            screen.field(label, names.join(", "))?;
        }
    }
    Ok(())
}
