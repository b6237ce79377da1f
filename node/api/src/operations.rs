//! The node itself: its logs, the other members, its state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A log held by this peer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// Department.
    pub department: String,
    /// Its name.
    pub name: String,
    /// Generation, 0 at first.
    pub generation: u32,
    /// Records in the accepted checkpoint.
    pub size: u64,
    /// Records known to exist at the department (≥ size while catching up).
    pub known_size: u64,
    /// Merkle root of the accepted checkpoint; absent while the log is empty.
    pub root: Option<String>,
    /// Status root.
    pub status_root: Option<String>,
    /// Time of the accepted checkpoint.
    pub time_ms: Option<u64>,
    /// Certificates issued in it.
    pub certificates: u64,
    /// `own`, `replica`, `frozen` (forked, or a rule broken), `refused` (the disk refused a write; reopened automatically) or
    /// `set-aside` (damaged, being fetched again).
    pub state: String,
    /// What happened, for frozen, refused and set-aside logs; why nothing is valid by what is held at present; for the own
    /// log, what keeps it from taking appends.
    pub detail: Option<String>,
    /// When a member last confirmed that what is held is the newest; absent when nothing is valid by it at present.
    pub confirmed_ms: Option<u64>,
    /// Departments whose cosignature of the accepted checkpoint is held.
    pub cosigned_by: Vec<String>,
}

/// A member of the network as this peer sees it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    /// Department.
    pub department: String,
    /// Its name.
    pub name: String,
    /// libp2p peer identity.
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
    pub department: String,
    /// Its name.
    pub name: String,
    /// Name of the network.
    pub network_name: String,
    /// Network identifier.
    pub network: String,
    /// Program version.
    pub version: String,
    /// libp2p peer identity.
    pub peer_id: String,
    /// Own log: `writable`, `clock-off` (this machine's clock may be wrong), `elsewhere` (another run with the
    /// department's keys connected first), `confirming` (waiting until other members confirm that the log on disk is
    /// whole), `restoring` (fetching it back from them), `read-only` (a disk write was refused) or `frozen` (forked, or
    /// a rule broken).
    pub log_state: String,
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
    /// What an operator should know of, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
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

/// State of a peer's own log, as [`NodeStatus::log_state`] and the metrics word it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLogState {
    /// Appends are accepted.
    Writable,
    /// Waiting until other members confirm that the log on disk is whole.
    Confirming,
    /// Being fetched back from other members.
    Restoring,
    /// Another run of the department's peer connected first and appends to it.
    Elsewhere,
    /// The disk refused a write.
    ReadOnly,
    /// Forked, or a rule of the log broken.
    Frozen,
    /// The machine's clock may be wrong, so nothing is dated by it.
    ClockOff,
}

impl OwnLogState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Writable,
        Self::Confirming,
        Self::Restoring,
        Self::Elsewhere,
        Self::ReadOnly,
        Self::Frozen,
        Self::ClockOff,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writable => "writable",
            Self::Confirming => "confirming",
            Self::Restoring => "restoring",
            Self::Elsewhere => "elsewhere",
            Self::ReadOnly => "read-only",
            Self::Frozen => "frozen",
            Self::ClockOff => "clock-off",
        }
    }
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
