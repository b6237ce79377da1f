//! What a network's governance begins with.
//!
//! Genesis and founding together are what every member starts from: the genesis names the departments with their first
//! operating and transport keys, the founding their identity and sealing keys, who governs, and the policy.

use serde::{Deserialize, Serialize};

use crate::crypto::keys::PublicKey;
use crate::id::DepartmentCode;
use crate::membership::MAX_DEPARTMENTS;

use super::kinds::{Ascending, Ordered, SealingKey};
use super::policy::Policy;

/// The part of a genesis that is about governing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// One for each department of the genesis.
    pub departments: Ascending<FoundingDepartment, MAX_DEPARTMENTS>,
    /// What is in force at first.
    pub policy: Policy,
}

/// What a founding department adds to its table in the genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundingDepartment {
    /// Which one.
    pub code: DepartmentCode,
    /// Its identity key.
    pub identity: PublicKey,
    /// Its sealing key.
    pub sealing: SealingKey,
    /// Whether it governs.
    pub governs: bool,
}

impl Ordered for FoundingDepartment {
    type Key = DepartmentCode;

    fn key(&self) -> DepartmentCode {
        self.code
    }
}

/// Why a genesis and a founding are not the beginning of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoundingError {
    /// A department in one of the two only.
    #[error("department {0} stands in one of genesis and founding only")]
    Departments(DepartmentCode),
    /// Nobody governs, or fewer than the policy asks for.
    #[error("{found} departments govern; the policy asks for {least} at least, and 64 is the most")]
    Governors {
        /// How many do.
        found: usize,
        /// How many must.
        least: usize,
    },
    /// One key in two places.
    #[error(
        "a key of {0} is also another key of it, of another department, or for recovery; every key is used once"
    )]
    KeyTwice(String),
}
