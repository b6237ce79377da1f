//! Who belongs to the network, decided by its members.
//!
//! What is decided, and by whom, only the chain says: whoever signs something verifies the trust file first and reads it there.
//! These shapes carry it, and say how far this node is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::formats::Hash;

/// How governance stands at this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GovernanceView {
    /// Network identifier.
    #[schema(value_type = Hash)]
    pub network: String,
    /// Final blocks held.
    pub height: u64,
    /// The last of them; the network identifier before the first.
    #[schema(value_type = Hash)]
    pub head: String,
    /// Governors that have shown nothing newer of late, this node's department among them if it governs.
    pub governors_heard: u32,
    /// Governors.
    pub governors: u32,
    /// Whether more than a third of the governors have shown nothing newer: else others may have decided what is not known here.
    pub current: bool,
    /// Which attempt at the next block this node takes part in; absent while nothing is to be decided, or it does not govern.
    pub round: Option<u32>,
    /// What waits for a block, each an item as the ledger encodes it, in hexadecimal.
    pub pending: Vec<String>,
    /// What the disk said when something could not be kept: until it starts again this node takes no part.
    pub failed: Option<String>,
}

/// Something signed that its department wants decided.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernanceRequest {
    /// The item as the ledger encodes it, in hexadecimal.
    pub item: String,
}
