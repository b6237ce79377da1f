//! What peers say to each other.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Blob, Bounded, DecodeError};
use crate::crypto::keys::CatalogueCommitment;
use crate::crypto::sealing::Sealed;
use crate::genesis::MAX_DEPARTMENTS;
use crate::governance::engine::{Known, MAX_ANSWER, News, Question, Reply};
use crate::governance::{EpochEnd, Held, MAX_BLOCK, Signed};
use crate::log::{
    Cosignature, ForkEvidence, KeptPage, Log, MAX_PAGE, Page, ReadError, SignedCheckpoint, Stopped,
};
use crate::names::LogId;
use crate::retrieval::{Answer, MAX_PIECE, MAX_RETRIEVAL, PieceRequest, SignedRetrieval};

use super::addresses::{MAX_STATED, StatedAddresses};

/// Most bytes of an encoded request.
pub const MAX_REQUEST: usize = MAX_RETRIEVAL + 1024;
/// Most bytes of an encoded response: a page, or the heads of every log a network can have.
pub const MAX_RESPONSE: usize = MAX_PAGE + 64 * 1024;
/// Most bytes of an encoded announcement.
pub const MAX_ANNOUNCEMENT: usize = 64 * 1024;

// What governors say fits: a block that is offered, with 64 votes of an earlier round.
const _: () = assert!(MAX_BLOCK + 8 * 1024 <= MAX_ANNOUNCEMENT);
const _: () = assert!(MAX_ANSWER <= MAX_RESPONSE);
// So does what every department can state about where it is.
const _: () = assert!(MAX_DEPARTMENTS * MAX_STATED + 8 <= MAX_RESPONSE);

/// One run of a peer: drawn at random at each start, so that two that run with the same keys are distinguished.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instance(pub u64);

/// What one peer asks of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The heads of all logs it holds.
    Heads {
        /// Which run of its department's peer asks.
        instance: Instance,
    },
    /// Records of a log.
    Page {
        /// Which log.
        log: LogId,
        /// From which position on.
        from: u64,
        /// Most bytes of frames; 1 MiB at most, whatever is asked.
        max_bytes: u32,
    },
    /// Evidence of a log's fork.
    Evidence {
        /// Which log.
        log: LogId,
    },
    /// Fields of a certificate of the asked peer's department.
    Retrieve(Box<SignedRetrieval>),
    /// A piece of an attachment that an answer to such a request showed.
    Piece(Box<PieceRequest>),
    /// Blocks of the governance chain, or what waits for one.
    Governance(Question),
    /// The asked department's word that an epoch of the asker's operating keys ended there.
    WitnessEnd(Box<EpochEnd>),
    /// The catalogue key of the network's that fits a commitment, sealed to the asker's department.
    CatalogueKey(CatalogueCommitment),
    /// Where members say they can be reached.
    Addresses,
    /// The asked department's word on the largest checkpoint that it holds of the asker's log, after the asker lost records.
    LogHeld {
        /// Which log.
        log: LogId,
        /// The own change of the asker's that it is for.
        number: u64,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Heads`].
    Heads(Heads),
    /// To [`Request::Page`].
    Page(Page),
    /// To [`Request::Evidence`].
    Evidence(ForkEvidence),
    /// What was asked for is not held here.
    NotHeld,
    /// To [`Request::Retrieve`].
    Answer(Box<Answer>),
    /// To [`Request::Piece`]: bytes of the attachment, none beyond its end.
    Piece(Blob<MAX_PIECE>),
    /// To [`Request::Heads`]: another run of the asker's peer was here first, and is connected still. Nothing is confirmed
    /// to the later one.
    OtherInstance,
    /// To [`Request::Governance`].
    Governance(Box<Reply>),
    /// To [`Request::WitnessEnd`], where it holds that.
    EndWitnessed(Signed),
    /// To [`Request::CatalogueKey`].
    CatalogueKey(Box<Sealed>),
    /// To [`Request::Addresses`]: what is kept here, the own among it.
    Addresses(Bounded<StatedAddresses, MAX_DEPARTMENTS>),
    /// To [`Request::LogHeld`].
    LogHeld(Box<Held>),
    /// To [`Request::Page`], from a position that is one of those that the log's generation begins with.
    Kept(KeptPage),
}

/// The heads a peer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// One for each log that is not empty.
    pub heads: Bounded<Head, MAX_DEPARTMENTS>,
    /// Logs of whose fork it holds evidence.
    pub forked: Bounded<LogId, MAX_DEPARTMENTS>,
    /// Which run of its department's peer answers.
    pub instance: Instance,
    /// What its clock says, ms since 1970 UTC.
    pub time_ms: u64,
    /// A second run of the asker's peer has connected since.
    pub rival: bool,
    /// What it knows of governance.
    pub governance: Known,
    /// What it knows of where members are ([`AddressBook::digest`](super::AddressBook::digest)).
    pub addresses: u64,
}

/// The head of a log at a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The checkpoint it has accepted.
    pub checkpoint: SignedCheckpoint,
    /// Its own signature under it; absent for its own log.
    pub cosignature: Option<Cosignature>,
}

/// What is gossiped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Announcement {
    /// A new head, with the records before it as far as they fit.
    Head(Page),
    /// A fork.
    Fork(ForkEvidence),
    /// About the governance chain.
    Governance(Box<News>),
}

macro_rules! message {
    ($type:ty, $limit:expr) => {
        impl $type {
            /// Canonical bytes.
            pub fn encode(&self) -> Vec<u8> {
                codec::encode(self)
            }

            /// Reads canonical bytes.
            ///
            /// # Errors
            /// [`DecodeError`]; nothing beyond the bytes' own size is allocated.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                codec::decode(bytes, $limit)
            }
        }
    };
}

message!(Request, MAX_REQUEST);
message!(Response, MAX_RESPONSE);
message!(Announcement, MAX_ANNOUNCEMENT);

/// Answers a request for records or evidence from a log.
///
/// # Errors
/// [`ReadError`] when the log cannot be read.
pub fn serve(log: &Log, request: &Request) -> Result<Response, ReadError> {
    match request {
        Request::Page {
            from, max_bytes, ..
        } => {
            let max_bytes = *max_bytes as usize;
            if *from < log.lineage().kept() {
                let kept = log.own_kept_page(*from, max_bytes)?;
                return Ok(kept.map_or(Response::NotHeld, Response::Kept));
            }
            match log.page(*from, max_bytes) {
                Ok(page) => Ok(Response::Page(page)),
                Err(ReadError::Beyond { .. } | ReadError::Empty(_)) => Ok(Response::NotHeld),
                Err(error) => Err(error),
            }
        }
        Request::Evidence { .. } => Ok(match log.stopped() {
            Some(Stopped::Forked(evidence)) => Response::Evidence((*evidence).clone()),
            _ => Response::NotHeld,
        }),
        Request::Heads { .. }
        | Request::Retrieve(_)
        | Request::Piece(_)
        | Request::Governance(_)
        | Request::WitnessEnd(_)
        | Request::CatalogueKey(_)
        | Request::Addresses
        | Request::LogHeld { .. } => Ok(Response::NotHeld),
    }
}
