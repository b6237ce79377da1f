//! The state of the node, its logs and the other members.

use certmesh_api::{GovernanceStatus, LogView, NodeStatus, PeerView, Readiness, Salvaged};
use certmesh_ledger::membership::Membership;
use certmesh_text::say;

use super::name_of;
use crate::app::operate;

pub(in crate::http) fn log(members: &Membership, log: &operate::LogStanding) -> LogView {
    let checkpoint = log.checkpoint.as_ref();
    LogView {
        department: log.id.department.to_string(),
        name: name_of(members, &log.id.department),
        generation: log.id.generation,
        size: log.size,
        known_size: log.known_size,
        root: log.root.map(|root| root.to_string()),
        root_at: log.root_at.map(|root| root.to_string()),
        undisputed: log.undisputed,
        status_root: checkpoint.map(|checkpoint| checkpoint.status_root.to_string()),
        time_ms: log.last_ms,
        certificates: log.certificates,
        state: log.state.into(),
        detail: log.detail.as_ref().map(say),
        confirmed_ms: log.confirmed_ms,
        cosigned_by: log.cosigned_by.iter().map(ToString::to_string).collect(),
    }
}

pub(in crate::http) fn member(members: &Membership, member: &operate::MemberStanding) -> PeerView {
    let known = members.member(&member.code);
    let connection = member.connection;
    PeerView {
        department: member.code.to_string(),
        name: name_of(members, &member.code),
        peer_id: known
            .map(|known| known.keys.transport.to_string())
            .unwrap_or_default(),
        connected: connection.is_some(),
        since_ms: connection.map(|connection| connection.since_ms),
        rtt_ms: connection.and_then(|connection| connection.rtt_ms),
        heard_ms: member.heard_ms,
        clock_offset_ms: member.clock_offset_ms,
    }
}

pub(in crate::http) fn node(members: &Membership, node: &operate::NodeStanding) -> NodeStatus {
    let count = |members: usize| u32::try_from(members).unwrap_or(u32::MAX);
    NodeStatus {
        department: node.department.to_string(),
        name: name_of(members, &node.department),
        network_name: members.name().to_owned(),
        network: members.network().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        peer_id: node.peer_id.clone(),
        log_state: node.log_state.into(),
        log_detail: node.log_detail.as_ref().map(ToString::to_string),
        own_size: node.own_size,
        records: node.records,
        certificates: node.certificates,
        peers_connected: count(node.connected),
        // Suspended ones are connected as well.
        peers_total: count(
            members
                .members()
                .filter(|member| member.code != node.department)
                .count(),
        ),
        started_ms: node.started_ms,
        governance: governance(&node.governance),
        warnings: node.warnings.iter().map(say).collect(),
    }
}

fn governance(standing: &operate::GovernanceStanding) -> GovernanceStatus {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    GovernanceStatus {
        height: standing.height,
        governors: count(standing.governors),
        governors_reached: count(standing.reached()),
        governors_needed: count(standing.needed),
        out_of_reach: standing
            .out_of_reach
            .iter()
            .map(ToString::to_string)
            .collect(),
        votes: standing.votes,
        proposals: count(standing.proposals),
        awaiting_approval: standing.awaiting.clone(),
        own_change_pending: standing.own_change,
        epoch: standing.epoch,
        epoch_since_ms: standing.epoch_since_ms,
    }
}

pub(in crate::http) fn readiness(found: &operate::Readiness) -> Readiness {
    let troubles = found.troubles.iter().map(say).collect();
    let (reasons, warnings) = match found.ready {
        true => (Vec::new(), troubles),
        false => (troubles, Vec::new()),
    };
    Readiness {
        ready: found.ready,
        reasons,
        warnings,
    }
}

pub(in crate::http) fn salvaged(salvaged: operate::Salvaged) -> Salvaged {
    Salvaged {
        records: salvaged.records,
        copies: salvaged.copies,
        size: salvaged.size,
    }
}
