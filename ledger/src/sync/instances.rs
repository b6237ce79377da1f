//! Two runs of one department's peer at the same time: seen by the members both are connected to, reported by both, and
//! only the first is confirmed.
//!
//! Whoever copies a data directory and starts the copy has two peers with the same keys, and the next record of each would
//! fork the log. Neither sees the other: each has the same identity on the network. So every run draws an [`Instance`],
//! and members distinguish them by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::DepartmentCode;

use super::interface::{Command, ConnectionId};
use super::message::Instance;
use super::state::Sync;

/// What a run of a member's peer is to whoever it is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No other run is connected.
    Only,
    /// It was heard before all others that are connected.
    First,
    /// Another was heard before it, and is connected still.
    Later,
}

/// The runs of other members' peers that are connected, each department's in the order in which they were first heard.
///
/// A connection has one entry, so there are no more than connections are open.
#[derive(Default)]
pub(super) struct Instances(BTreeMap<DepartmentCode, Vec<Run>>);

struct Run {
    instance: Instance,
    /// Never empty.
    connections: BTreeSet<ConnectionId>,
}

impl Instances {
    /// A member named its run over a connection. Both ends of a connection stay the same, so what it named first counts.
    fn heard(
        &mut self,
        from: DepartmentCode,
        connection: ConnectionId,
        instance: Instance,
    ) -> Standing {
        let runs = self.0.entry(from).or_default();
        let known = |run: &Run| run.connections.contains(&connection);
        let at = match runs.iter().position(known) {
            Some(at) => at,
            None => {
                let same = runs.iter().position(|run| run.instance == instance);
                let at = same.unwrap_or_else(|| {
                    runs.push(Run {
                        instance,
                        connections: BTreeSet::new(),
                    });
                    runs.len() - 1
                });
                runs[at].connections.insert(connection);
                at
            }
        };
        match (at, runs.len()) {
            (0, 1) => Standing::Only,
            (0, _) => Standing::First,
            _ => Standing::Later,
        }
    }

    /// One connection closed.
    pub(super) fn closed(&mut self, peer: &DepartmentCode, connection: ConnectionId) {
        if let Some(runs) = self.0.get_mut(peer) {
            for run in runs.iter_mut() {
                run.connections.remove(&connection);
            }
            runs.retain(|run| !run.connections.is_empty());
        }
    }

    /// All connections closed.
    pub(super) fn disconnected(&mut self, peer: &DepartmentCode) {
        self.0.remove(peer);
    }

    #[cfg(test)]
    pub(super) fn runs(&self, of: &DepartmentCode) -> usize {
        self.0.get(of).map_or(0, Vec::len)
    }
}

impl Sync {
    /// A run of a member's peer was heard over a connection that is open; returns what to answer it when it asks for
    /// heads: those, and whether there is a rival, or to a later one [`Response::OtherInstance`].
    ///
    /// [`Response::OtherInstance`]: super::Response::OtherInstance
    pub fn heard_instance(
        &mut self,
        from: DepartmentCode,
        connection: ConnectionId,
        instance: Instance,
    ) -> Standing {
        self.instances.heard(from, connection, instance)
    }

    /// A member answers that another run of this peer was there first.
    pub(super) fn other_instance(&mut self, from: DepartmentCode, now_ms: u64) {
        self.confirmed_by.remove(&from);
        self.rival_at.remove(&from);
        if self.members.counts(&from) {
            self.elsewhere.insert(from);
        }
        // So that this one takes over soon after the other one has stopped.
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.heads_due_ms = now_ms + self.settings.heads_after_ms;
        }
    }

    /// Whether as many members as confirm a log say that another run was there first. Fewer stop nobody: a member may
    /// lie, or have not noticed yet that the last run is gone.
    pub(super) fn is_elsewhere(&self) -> bool {
        let enough = self.members.majority_of_others(&self.own.department);
        !self.elsewhere.is_empty() && self.elsewhere.len() >= enough
    }

    /// Reports what members say about another run, and takes the own log's confirmation back while it is elsewhere.
    pub(super) fn check_instances(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        let reported_by: BTreeSet<DepartmentCode> =
            self.elsewhere.union(&self.rival_at).copied().collect();
        if reported_by != self.reported_by {
            self.reported_by.clone_from(&reported_by);
            out.push(Command::OtherInstance { reported_by });
        }
        if self.is_elsewhere() {
            // The other run may append at any moment: whatever members or an operator said about the log is outdated by
            // then.
            self.confirmed_by.clear();
            self.vouched = false;
            self.confirmed = false;
            let reported_by = self.elsewhere.len();
            if self.elsewhere_reported_by.replace(reported_by) != Some(reported_by) {
                out.push(Command::OwnLogElsewhere { reported_by });
            }
        } else if self.elsewhere_reported_by.take().is_some() {
            for peer in self.peers.values_mut() {
                peer.heads_due_ms = now_ms;
            }
            out.push(Command::OwnLogUnconfirmed);
        }
    }
}
