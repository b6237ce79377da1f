//! A department's log, by itself and within its network.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{DepartmentCode, IdError};

use super::NetworkId;

/// A department's log. The generation is 0 until the log is cut, or its department removed and admitted again: then it goes on
/// in the next one.
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

/// A log within its network, and of which generation each of its records is. A generation goes on with the first records of the
/// one before it, which keep their numbers and hashes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lineage {
    name: LogName,
    /// At which size each generation before its own ended, in order. They never decrease.
    ended: Arc<[u64]>,
}

impl Lineage {
    /// That of a log of which the generations before it ended at these sizes.
    pub fn new(name: LogName, ended: impl IntoIterator<Item = u64>) -> Lineage {
        let ended = ended.into_iter().take(name.id.generation as usize);
        Lineage {
            name,
            ended: ended.collect(),
        }
    }

    /// The log.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    /// The log that a record at a position was written to: what its hash binds.
    pub fn at(&self, seq: u64) -> LogName {
        let before = self.ended.partition_point(|size| *size <= seq);
        let mut name = self.name;
        // Where not all generations are known, its own: what it holds can't be judged then.
        if before < self.ended.len() {
            name.id.generation = before as u32;
        }
        name
    }

    /// At which size each generation before its own ended.
    pub fn ended(&self) -> &[u64] {
        &self.ended
    }

    /// Records that it began with.
    pub fn kept(&self) -> u64 {
        self.ended.last().copied().unwrap_or(0)
    }
}

impl From<LogName> for Lineage {
    /// That of a first generation.
    fn from(name: LogName) -> Lineage {
        Lineage::new(name, [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::Hash;

    #[test]
    fn each_record_is_of_the_first_generation_that_it_was_not_cut_from() {
        let department = "11430000006122244L".parse().unwrap();
        let name = |generation| LogName {
            network: NetworkId(Hash::ZERO),
            id: LogId {
                department,
                generation,
            },
        };
        let first = Lineage::from(name(0));
        assert_eq!((first.kept(), first.at(7)), (0, name(0)));
        // One that was cut at its very beginning has no record of its own.
        let fourth = Lineage::new(name(3), [5, 5, 9, 40]);
        assert_eq!(fourth.kept(), 9);
        let found = [0, 4, 5, 8, 9, 100].map(|seq| fourth.at(seq).id.generation);
        assert_eq!(found, [0, 0, 2, 2, 3, 3]);
        assert_eq!(fourth.name(), &name(3));
    }
}
