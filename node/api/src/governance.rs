//! Who belongs to the network, decided by its members.
//!
//! What is decided, and by whom, only the chain says: whoever signs something verifies the trust file first and reads it there.
//! These shapes carry it, and say how far this node is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::formats::{DepartmentCode, Hash};
use crate::words::{NotStated, Word};

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
    /// Whether enough governors have shown nothing newer, of the others more than a third: else others may have decided what is
    /// not known here.
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

/// What other governors state to hold of this department's log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HeldByOthers {
    /// The log.
    pub log: String,
    /// The own change of the department that it is stated for: its next one.
    pub number: u64,
    /// What was stated.
    pub stated: Vec<StatedHeld>,
    /// Governors that stated nothing.
    pub missing: Vec<MissingStatement>,
    /// Statements that the policy asks for.
    pub needed: u32,
    /// Where the log would go on with these statements; absent if it could not.
    pub goes_on: Option<GoesOn>,
    /// Why it could not.
    pub why_not: Option<String>,
}

/// A governor's statement.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatedHeld {
    /// The governor.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Records that it holds.
    pub size: u64,
    /// The statement as the ledger encodes it, in hexadecimal.
    pub statement: String,
}

/// A governor without a statement.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MissingStatement {
    /// The governor.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Why.
    #[schema(value_type = NotStated)]
    pub why: Word<NotStated>,
}

/// Behind which records a log goes on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GoesOn {
    /// How many are kept.
    pub size: u64,
    /// The root over them.
    #[schema(value_type = Hash)]
    pub root: String,
}

/// An operating key that was replaced was in other hands.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StolenEpochRequest {
    /// Which epoch; the one before the present one if absent.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u32)]
    pub epoch: Option<u32>,
}
