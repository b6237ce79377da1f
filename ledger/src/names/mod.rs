//! Names that records and keys both need: a network, the logs in it, and the records of those.

mod claim;
mod log;
mod network;
mod record;

pub use claim::Claim;
pub use log::{Lineage, LogId, LogIdError, LogName};
pub use network::NetworkId;
pub use record::RecordHash;
