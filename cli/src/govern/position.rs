//! How far a log stands: what a decision names that ends or changes what its records count for.

use certmesh_api::LogView;
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::governance::{Action, Position, Proposal};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::names::LogId;
use clap::Args;

use super::network::Network;
use crate::Error;
use crate::args::parsed;
use crate::client::{Client, segment};

/// A member, and up to where its log stands.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The member
    #[arg(value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
    pub(super) department: DepartmentCode,
    /// Records of its log that stand whatever is decided [default: all that this node holds]
    #[arg(long, value_name = "RECORDS", requires = "root")]
    size: Option<u64>,
    /// The root over these records
    #[arg(long, value_name = "HASH", requires = "size")]
    root: Option<String>,
}

impl Whose {
    /// As given, or as the node holds it.
    pub(super) fn position(&self, client: &Client, network: &Network) -> Result<Position, Error> {
        let log = network.member(&self.department)?.log();
        let (Some(size), Some(root)) = (self.size, &self.root) else {
            return held(log, client);
        };
        let root = root.parse();
        let root = root.map_err(|error| Error::govern(format!("--root: {error}")))?;
        Ok(Position { log, size, root })
    }
}

/// A member whose log is cut, and where.
#[derive(Debug, Args)]
pub(crate) struct CutAt {
    /// The member
    #[arg(value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
    pub(super) department: DepartmentCode,
    /// Records of its log that are kept [default: those before the first in dispute, else all that this node holds]
    #[arg(long, value_name = "RECORDS")]
    size: Option<u64>,
    /// The root over these records [default: as this node holds them]
    #[arg(long, value_name = "HASH", requires = "size")]
    root: Option<String>,
}

impl CutAt {
    /// As given, or as the node holds it.
    pub(super) fn position(&self, client: &Client, network: &Network) -> Result<Position, Error> {
        let log = network.member(&self.department)?.log();
        let view = view(&log, None, client)?;
        let held = view.undisputed.unwrap_or(view.size).min(view.size);
        let size = self.size.unwrap_or(held);
        let root = match &self.root {
            Some(root) => Some(
                root.parse()
                    .map_err(|error| Error::govern(format!("--root: {error}")))?,
            ),
            None => root_at(log, size, client)?,
        };
        let root = root.ok_or_else(|| {
            let (name, held) = (network.name(&self.department), view.size);
            Error::govern(format!(
                "--size: this node holds {held} records of the log of {name}: cut it where members hold all that is kept, or give \
                 --root as well"
            ))
        })?;
        Ok(Position { log, size, root })
    }
}

/// How a log stands at the node, with the root over so many of its first records.
fn view(log: &LogId, root_at: Option<u64>, client: &Client) -> Result<LogView, Error> {
    let path = format!("/v1/logs/{}", segment(log.department.as_str()));
    let path = match root_at {
        Some(size) => format!("{path}?size={size}"),
        None => path,
    };
    client.get(&path)?.parse()
}

/// The root over so many of a log's first records, as the node holds it; `None` if it holds fewer.
fn root_at(log: LogId, size: u64, client: &Client) -> Result<Option<Hash>, Error> {
    if size == 0 {
        return Ok(Some(Position::beginning(log).root));
    }
    let root = view(&log, Some(size), client)?.root_at;
    let root = root.map(|root| root.parse()).transpose();
    root.map_err(|_| client.bad_answer("/v1/logs", "the root is not a hash"))
}

/// What the node holds of a log, under a checkpoint of its department.
fn held(log: LogId, client: &Client) -> Result<Position, Error> {
    let view = view(&log, None, client)?;
    let Some(root) = view.root else {
        return Ok(Position::beginning(log));
    };
    let root = root.parse();
    let root = root.map_err(|_| client.bad_answer("/v1/logs", "the root is not a hash"))?;
    Ok(Position {
        log,
        size: view.size,
        root,
    })
}

/// The position that an action names.
fn named(action: &Action) -> Option<Position> {
    match action {
        Action::Suspend(action) => Some(action.position),
        Action::Remove(action) => Some(action.position),
        Action::Cut(action) => Some(action.position),
        Action::ChangeRoles(action) => action.position,
        _ => None,
    }
}

/// Refuses to approve what this node can't confirm, and, unless that is meant, what would have records count for nothing that it
/// holds.
pub(super) fn check(
    proposal: &Proposal,
    void_records: bool,
    client: &Client,
    network: &Network,
) -> Result<(), Error> {
    for position in proposal.actions.iter().filter_map(named) {
        let held = held(position.log, client)?;
        let name = network.name(&position.log.department);
        let (size, root) = (position.size, position.root);
        if held.size < size {
            return Err(Error::govern(format!(
                "it names {size} records of the log of {name}, and this node holds {} of them: approve it when it has all of \
                 them, or at another node",
                held.size
            )));
        }
        if held.size == size && held.root != root {
            return Err(Error::govern(format!(
                "it names other records of the log of {name} than this node holds (root {root}, not {}): have it withdrawn, and \
                 proposed again with what members hold",
                held.root
            )));
        }
        if held.size > size && root_at(position.log, size, client)? != Some(root) {
            return Err(Error::govern(format!(
                "it names other records of the log of {name} than this node holds (root {root} over the first {size}): have it \
                 withdrawn, and proposed again with what members hold"
            )));
        }
        if held.size > size && !void_records {
            return Err(Error::govern(format!(
                "it would have {} records of {name} count for nothing that this node holds, from record {size} on: have it \
                 withdrawn and proposed again, or give --void-records if that is meant",
                held.size - size
            )));
        }
    }
    Ok(())
}
