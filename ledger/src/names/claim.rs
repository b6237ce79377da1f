//! What something signed says of how it is to be judged.

use super::LogId;

/// Where something stands, and as of when it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// In which log.
    pub log: LogId,
    /// At which position: that of a record, or of a checkpoint's last one.
    pub seq: u64,
    /// By which of the department's operating keys.
    pub epoch: u32,
    /// As of which governance height.
    pub height: u64,
}
