//! What is recorded of a look.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::Text;
use crate::record::{BlindedSubject, MatterRef};

/// One look at what a subject holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When, ms since 1970 UTC, by the clock of the department's peer.
    pub time_ms: u64,
    /// Name of the client that looked.
    pub client: Text<64>,
    /// The subject, blinded for the day of `time_ms` in China; absent when the look was at no one subject.
    pub subject: Option<BlindedSubject>,
    /// What was done, and for what.
    pub looked: Looked,
}

/// What was done in a look, and for what.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Looked {
    /// The subject's certificates were listed, for this purpose.
    Find(Text<512>),
    /// What the subject holds of what this matter requires was shown.
    Accept(MatterRef),
    /// The journal itself was read.
    Journal,
}

impl fmt::Debug for Look {
    /// Leaves out the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look")
            .field("time_ms", &self.time_ms)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Looked {
    /// Leaves out the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Looked::Find(_) => "Find",
            Looked::Accept(_) => "Accept",
            Looked::Journal => "Journal",
        })
    }
}
