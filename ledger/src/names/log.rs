//! A department's log, by itself and within its network.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{DepartmentCode, IdError};

use super::NetworkId;

/// A department's log. The generation is 0 until members start a department afresh.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LogId {
    /// Whose log.
    pub department: DepartmentCode,
    /// Which one of its logs.
    pub generation: u32,
}

impl LogId {
    /// The first log of a department.
    pub fn first(department: DepartmentCode) -> LogId {
        LogId {
            department,
            generation: 0,
        }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            0 => write!(f, "{}", self.department),
            generation => write!(f, "{}.{generation}", self.department),
        }
    }
}

/// A text that names no log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogIdError {
    /// The department's code is wrong.
    #[error(transparent)]
    Department(#[from] IdError),
    /// The generation is not a number from 1.
    #[error("generation: expected a number from 1 without leading zeros")]
    Generation,
}

impl FromStr for LogId {
    type Err = LogIdError;

    fn from_str(text: &str) -> Result<LogId, LogIdError> {
        match text.split_once('.') {
            None => Ok(LogId::first(text.parse()?)),
            Some((department, digits)) => {
                let department = department.parse()?;
                let generation = digits.parse().map_err(|_| LogIdError::Generation)?;
                if generation == 0 || digits.starts_with(['0', '+']) {
                    return Err(LogIdError::Generation);
                }
                Ok(LogId {
                    department,
                    generation,
                })
            }
        }
    }
}

/// A log within its network: what record hashes bind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogName {
    /// The network.
    pub network: NetworkId,
    /// The log in it.
    pub id: LogId,
}

impl LogName {
    /// Network id (32 bytes), department code (18), generation (u32, little-endian).
    pub fn prefix(&self) -> [u8; 54] {
        let mut bytes = [0; 54];
        bytes[..32].copy_from_slice(self.network.0.as_bytes());
        bytes[32..50].copy_from_slice(self.id.department.as_str().as_bytes());
        bytes[50..].copy_from_slice(&self.id.generation.to_le_bytes());
        bytes
    }
}
