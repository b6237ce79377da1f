//! A department's log: hash-linked, signed, append-only, kept in segment files under a Merkle tree.
//!
//! - statements about a log: [`Checkpoint`], [`SignedCheckpoint`], [`VerifiedCheckpoint`], [`Cosignature`],
//!   [`ForkEvidence`]
//! - what travels: [`Page`], checked into a [`VerifiedPage`]
//! - what is on disk: [`Log`], opened at a [`Place`] on a [`Disk`](crate::disk::Disk); [`Log::apply`] grows a replica, a [`Writer`]
//!   the department's own log
//! - what the disk made of it: `scan.rs` walks over the files, once for both who ask: `rebuild.rs` repairs them for
//!   [`Log::open`], [`fsck()`] re-verifies every byte without changing any; what can't be trusted is set aside whole
//!   (`set_aside.rs`), and [`Writer::take_back`] reads what is left there (`salvage.rs`)
//! - its records by position, and proofs of them: `reading.rs`, `proofs.rs`; by what they are about: `lookup.rs`, beside this
//!   module, over `index`
//!
//! The order in which things become durable, and what a crash at each step means, is described in `append.rs`, `redo/`
//! and `open.rs`.

mod ahead;
mod append;
mod broken;
mod checkpoint;
mod definitions;
mod fork;
mod fsck;
mod head;
mod held;
mod index_files;
mod kept;
mod link;
mod open;
mod page;
mod place;
mod proofs;
pub(crate) mod raw;
mod reading;
mod rebuild;
pub(crate) mod redo;
mod replica;
mod salvage;
mod scan;
mod segment;
mod set_aside;
mod snapshot;
mod statuses;
mod take_back;
mod tree_file;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::checkpoint::{Checkpoint, SignedCheckpoint};
pub use crate::header::HeaderError;
pub use crate::index::ReceiptKind;
pub use append::AppendError;
pub use checkpoint::{CheckpointError, Cosignature, VerifiedCheckpoint};
pub use definitions::{
    Definitions, Listing, MAX_GRANT_BYTES, MAX_MATTER_BYTES, MAX_TYPE_BYTES, MAX_VERSIONS,
    MatterVersion, MatterVersions, NoEffect, NoRoom, Position, TypeVersions,
};
pub use fork::{EvidenceError, ForkEvidence, MAX_EVIDENCE, MAX_EVIDENCE_FILE};
pub use fsck::{Fault, FsckReport, LogReport, fsck};
pub use kept::{KeptPage, VerifiedKept};
pub use link::{BrokenRule, Link};
pub use open::{OpenError, Opening};
pub(crate) use open::{begin, end};
pub use page::{MAX_ENCODED_PAGE, MAX_PAGE, Page, PageError, VerifiedPage};
pub use place::{Place, SEGMENT_RECORDS};
pub use raw::replayed;
pub use reading::{Log, ReadError, Stopped, Unread};
pub use redo::Change;
pub use replica::{Applied, ApplyError};
pub use salvage::End;
pub use set_aside::Damage;
pub use statuses::{DefinitionEntry, StatusEntry, definition_key, inherited_key, status_key};
pub(crate) use statuses::{inherited_after, inherits, status_after};
pub use take_back::{TakeBackError, TakenBack};
pub use writer::{Appended, WriteError, Writer};
