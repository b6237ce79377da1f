//! What a network begins with: its founding departments, their keys, and the policy by which they decide.
//!
//! A [`Genesis`] is a file that people can read; the hash of its canonical form is the network's identity.

mod addresses;
mod department;
mod faults;
mod file;
mod peer_id;
mod policy;
#[cfg(test)]
pub(crate) mod testing;

pub use addresses::{Undialable, check_address, check_dialable, is_loopback, undialable};
pub use department::{Department, MAX_ROLES, NotARole, Role};
pub use faults::{GenesisError, GenesisFaults};
pub use file::{GENESIS_FORMAT, Genesis};
pub use peer_id::{PeerId, PeerIdError};
pub use policy::{
    MAX_GOVERNORS, MAX_RECOVERY_KEYS, NotAShare, Policy, PolicyError, RecoveryKey, RecoveryKeys,
    Share, Terms,
};

/// Most departments a network may have.
pub const MAX_DEPARTMENTS: usize = 1024;
