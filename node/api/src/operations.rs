//! The node itself: its logs, the other members, its state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::formats::{DepartmentCode, Hash, PeerId};
use crate::words::{LogState, OwnLogState, Word};

/// A log held by this peer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// Department.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub name: String,
    /// Generation, 0 at first.
    pub generation: u32,
    /// Records under the accepted checkpoint; before the first of a generation, those that this began with.
    pub size: u64,
    /// Records known to exist at the department (≥ size while catching up).
    pub known_size: u64,
    /// Merkle root over these records; absent while the log is empty.
    #[schema(value_type = Option<Hash>)]
    pub root: Option<String>,
    /// Merkle root over its first records, as many as `size` in the query says; absent if that wasn't asked for, or fewer are held.
    #[schema(value_type = Option<Hash>)]
    pub root_at: Option<String>,
    /// Records before the first in dispute; absent unless the log has stopped.
    pub undisputed: Option<u64>,
    /// Status root.
    #[schema(value_type = Option<Hash>)]
    pub status_root: Option<String>,
    /// Time of the last of these records.
    pub time_ms: Option<u64>,
    /// Certificates issued in it.
    pub certificates: u64,
    /// How it stands.
    #[schema(value_type = LogState)]
    pub state: Word<LogState>,
    /// What happened, for frozen, refused and set-aside logs; why nothing is valid by what is held at present; for the own
    /// log, what keeps it from taking appends.
    pub detail: Option<String>,
    /// When a member last confirmed that what is held is the newest; absent when nothing is valid by it at present.
    pub confirmed_ms: Option<u64>,
    /// Departments whose cosignature of the accepted checkpoint is held.
    #[schema(value_type = Vec<DepartmentCode>)]
    pub cosigned_by: Vec<String>,
}

/// A member of the network as this peer sees it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    /// Department.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub name: String,
    /// libp2p peer identity.
    #[schema(value_type = PeerId)]
    pub peer_id: String,
    /// Whether a connection is up.
    pub connected: bool,
    /// Since when.
    pub since_ms: Option<u64>,
    /// Round trip time of the last ping.
    pub rtt_ms: Option<f64>,
    /// When its heads were last heard.
    pub heard_ms: Option<u64>,
    /// How far its clock is ahead of this machine's, ms; less than zero: behind.
    pub clock_offset_ms: Option<i64>,
}

/// State of this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Department this peer belongs to.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub name: String,
    /// Name of the network.
    pub network_name: String,
    /// Network identifier.
    #[schema(value_type = Hash)]
    pub network: String,
    /// Program version.
    pub version: String,
    /// libp2p peer identity.
    #[schema(value_type = PeerId)]
    pub peer_id: String,
    /// How the own log stands.
    #[schema(value_type = OwnLogState)]
    pub log_state: Word<OwnLogState>,
    /// Why, when not writable, and what to do.
    pub log_detail: Option<String>,
    /// Records in the own log.
    pub own_size: u64,
    /// Records in all logs held.
    pub records: u64,
    /// Certificates in all logs held.
    pub certificates: u64,
    /// Members connected / members other than this one.
    pub peers_connected: u32,
    /// Members other than this one.
    pub peers_total: u32,
    /// Since when the process runs.
    pub started_ms: u64,
    /// How governance stands for this department.
    #[serde(default)]
    pub governance: GovernanceStatus,
    /// What an operator should know of, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How governance stands for a department.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct GovernanceStatus {
    /// Decisions held: blocks of the chain.
    pub height: u64,
    /// Departments that govern.
    pub governors: u32,
    /// Governors whose nodes can be reached and vote, this one among them if it does.
    pub governors_reached: u32,
    /// Governors whose nodes have to vote, for anything to be decided.
    pub governors_needed: u32,
    /// Codes of the governors that can't be reached or don't vote.
    #[schema(value_type = Vec<DepartmentCode>)]
    pub out_of_reach: Vec<String>,
    /// Whether this node votes: its department governs, and it has the operating key in force and knows all votes that key gave.
    pub votes: bool,
    /// Proposals that wait for approvals or for a block.
    pub proposals: u32,
    /// Hashes of those that lack approvals, this department's among them.
    #[schema(value_type = Vec<Hash>)]
    pub awaiting_approval: Vec<String>,
    /// Whether a change of this department's own keys waits for a block.
    pub own_change_pending: bool,
    /// Epoch of this department's operating key: how often it was replaced.
    pub epoch: u32,
    /// Since when that key is in force, ms since 1970 UTC.
    pub epoch_since_ms: u64,
}

/// What was taken back from the copies of the own log that were set aside.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Salvaged {
    /// Records taken back; 0 when none is known to be missing and no copy continues the log.
    pub records: u64,
    /// The copies they were taken from, as directories below the node's data directory.
    pub copies: Vec<String>,
    /// Records in the own log now.
    pub size: u64,
}

/// Whether the node can do its work.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// True while questions can be answered: the copy of at least one log counts as complete.
    pub ready: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What is wrong nevertheless: logs that can't be answered for, the own log when it takes no appends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
