//! Names that records and keys both need: a network and the logs in it.

mod log;
mod network;

pub use log::{LogId, LogIdError, LogName};
pub use network::NetworkId;
