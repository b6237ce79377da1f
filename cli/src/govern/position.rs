//! How far a log stands: what a decision names that ends or changes what its records count for.

use certmesh_api::LogView;
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

/// What the node holds of a log, under a checkpoint of its department.
fn held(log: LogId, client: &Client) -> Result<Position, Error> {
    let path = format!("/v1/logs/{}", segment(log.department.as_str()));
    let view: LogView = client.get(&path)?.parse()?;
    let Some(root) = view.root else {
        return Ok(Position::beginning(log));
    };
    let root = root.parse();
    let root = root.map_err(|_| client.bad_answer(&path, "the root is not a hash"))?;
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
