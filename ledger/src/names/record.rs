use std::fmt;

use serde::{Deserialize, Serialize};

use crate::crypto::hash::Hash;

/// Hash of a record: binds network, log and the record's canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RecordHash(pub Hash);

impl RecordHash {
    /// The `prev` of a log's first record.
    pub const NONE: RecordHash = RecordHash(Hash::ZERO);
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
