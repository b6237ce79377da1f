//! `certmesh report freshness`: how much of each department's log is here, and how old it is.

use certmesh_api::{LogView, PeerView};
use clap::Args;
use serde::Serialize;

use crate::args::Global;
use crate::client::Client;
use crate::moment::{age, now_ms};
use crate::names::named;
use crate::screen::{Screen, Tone, cell, number, toned};
use crate::{Error, Outcome};

/// Show how fresh this node's view of each department's log is
///
/// Behind are records that some member is known to hold and this node does not. Heard is when the department's own node
/// last reported its heads: it may have written more since.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Freshness {}

const EXAMPLES: &str = "\
Examples:
  certmesh report freshness
  certmesh report freshness --json

Exit code: 0 if nothing known is missing, 1 if records are, 2 if it could not be asked.";

/// How fresh the view of one log is.
#[derive(Debug, Serialize)]
struct Fresh {
    department: String,
    name: String,
    /// Records here.
    records: u64,
    certificates: u64,
    /// Records known to exist and not here.
    behind: u64,
    /// Time of the newest record here, ms.
    newest_ms: Option<u64>,
    /// When the department's own node was last heard, ms; `None` for one's own and for one never heard.
    heard_ms: Option<u64>,
    connected: bool,
}

pub(super) fn run(_: &Freshness, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let logs: Vec<LogView> = client.get("/v1/logs")?.parse()?;
    let peers: Vec<PeerView> = client.get("/v1/peers")?.parse()?;
    let fresh: Vec<Fresh> = logs.into_iter().map(|log| fresh(log, &peers)).collect();
    let outcome = match fresh.iter().all(|log| log.behind == 0) {
        true => Outcome::Yes,
        false => Outcome::No,
    };
    if screen.json() {
        screen.print_json(&fresh)?;
        return Ok(outcome);
    }
    let now = now_ms();
    let ago = |ms: Option<u64>| ms.map_or_else(|| "never".to_owned(), |ms| age(ms, now));
    let rows = fresh.iter().map(|log| {
        let own = !peers.iter().any(|peer| peer.department == log.department);
        vec![
            cell(named(&log.department, Some(&log.name))),
            number(log.records),
            number(log.certificates),
            match log.behind {
                0 => toned(Tone::Good, "0"),
                behind => toned(Tone::Doubt, behind.to_string()),
            },
            cell(ago(log.newest_ms)),
            match (own, log.connected) {
                (true, _) => cell("own"),
                (false, true) => toned(Tone::Good, ago(log.heard_ms)),
                (false, false) => toned(Tone::Bad, format!("{}, not connected", ago(log.heard_ms))),
            },
        ]
    });
    let header = [
        "DEPARTMENT",
        "RECORDS",
        "CERTIFICATES",
        "BEHIND",
        "NEWEST RECORD",
        "HEARD",
    ];
    screen.table(&header, &[0], rows.collect())?;
    Ok(outcome)
}

fn fresh(log: LogView, peers: &[PeerView]) -> Fresh {
    let peer = peers.iter().find(|peer| peer.department == log.department);
    Fresh {
        records: log.size,
        certificates: log.certificates,
        behind: log.known_size.saturating_sub(log.size),
        newest_ms: log.time_ms,
        heard_ms: peer.and_then(|peer| peer.heard_ms),
        connected: peer.is_none_or(|peer| peer.connected),
        department: log.department,
        name: log.name,
    }
}
