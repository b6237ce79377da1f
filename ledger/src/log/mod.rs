//! A department's log: hash-linked, signed, append-only, kept in segment files under a Merkle tree.
//!
//! - statements about a log: [`Checkpoint`], [`SignedCheckpoint`], [`VerifiedCheckpoint`], [`Cosignature`],
//!   [`ForkEvidence`]
//! - what travels: [`Page`], checked into a [`VerifiedPage`]
//! - what is on disk: [`Log`], opened at a [`Place`] on a [`Disk`](crate::disk::Disk); [`Log::apply`] grows a replica, a [`Writer`]
//!   the department's own log; [`fsck()`] re-verifies every byte without changing any
//!
//! The order in which things become durable, and what a crash at each step means, is described in `append.rs` and
//! `open.rs`.

mod ahead;
mod append;
mod broken;
mod checkpoint;
mod definitions;
mod fork;
mod fsck;
mod head;
pub(crate) mod header;
mod index;
mod lookup;
mod open;
mod page;
pub(crate) mod raw;
mod reading;
mod replica;
mod salvage;
mod segment;
mod statuses;
mod take_back;
mod tree_file;
mod writer;

#[cfg(test)]
mod tests;

pub use append::AppendError;
pub use checkpoint::{
    Checkpoint, CheckpointError, Cosignature, SignedCheckpoint, VerifiedCheckpoint,
};
pub use definitions::{
    Definitions, Listing, MAX_GRANT_BYTES, MAX_MATTER_BYTES, MAX_TYPE_BYTES, MAX_VERSIONS,
    MatterVersion, MatterVersions, NoEffect, NoRoom, Position, TypeVersions,
};
pub use fork::{EvidenceError, ForkEvidence, MAX_EVIDENCE, MAX_EVIDENCE_FILE};
pub use fsck::{Fault, FsckReport, LogReport, fsck};
pub use header::HeaderError;
pub use index::ReceiptKind;
pub use lookup::MAX_READ;
pub use open::{Damage, OpenError, Opening, Place, SEGMENT_RECORDS};
pub use page::{BrokenRule, Link, MAX_ENCODED_PAGE, MAX_PAGE, Page, PageError, VerifiedPage};
pub use reading::{Log, ReadError, Stopped, Unread};
pub use replica::{Applied, ApplyError};
pub use salvage::End;
pub use statuses::{DefinitionEntry, StatusEntry, definition_key, status_key};
pub use take_back::{TakeBackError, TakenBack};
pub use writer::{Appended, WriteError, Writer};
