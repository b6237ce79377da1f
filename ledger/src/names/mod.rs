//! Names that records and keys both need: a network, the logs in it, and the records of those.

mod log;
mod network;
mod record;

pub use log::{LogId, LogIdError, LogName};
pub use network::NetworkId;
pub use record::RecordHash;
