//! Why a node did not do what it was asked.

use certmesh_api::Problem;
use std::io;

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It could not be reached or the connection broke.
    #[error("{url}: {error}")]
    Transport {
        /// What was asked.
        url: String,
        /// What went wrong.
        error: Box<ureq::Error>,
    },
    /// The answer ended early.
    #[error("{url}: the answer broke off: {error}")]
    Broken {
        /// What was asked.
        url: String,
        /// What went wrong.
        error: io::Error,
    },
    /// It refused, and said why.
    #[error("{url}: {} ({}): {}", problem.title, problem.status, problem.detail)]
    Refused {
        /// What was asked.
        url: String,
        /// Its reason.
        problem: Box<Problem>,
    },
    /// It answered with something else than it should.
    #[error("{url}: unexpected answer (HTTP {status}): {detail}")]
    Unexpected {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        detail: String,
    },
}

impl ClientError {
    /// The name of the problem the node reported, such as `not-found`.
    pub fn problem(&self) -> Option<&str> {
        match self {
            ClientError::Refused { problem, .. } => Some(problem.kind.name()),
            _ => None,
        }
    }

    /// Whether nothing came back, as when the node is down.
    pub fn is_broken_connection(&self) -> bool {
        matches!(
            self,
            ClientError::Transport { .. } | ClientError::Broken { .. }
        )
    }
}
