//! What is true in certmesh: records, logs, proofs, membership, replication and verdicts.
//!
//! This crate is pure: synchronous, deterministic, no sockets, no clock, no global randomness. Time comes in as a
//! parameter; protocol logic is a state machine that takes events and returns commands.
//!
//! Where to look:
//! - [`id`]: departments, certificates, types, dates, parsed once and then trusted
//! - [`names`]: a network, the logs in it, and their records
//! - [`crypto`]: hashes, keys, secrets that stay secret
//! - [`codec`]: one canonical encoding for every value
//! - [`disk`]: the file layer, real or in memory
//! - [`header`]: what every file of a log, and beside one, begins with
//! - [`record`]: what a department can append
//! - [`merkle`], [`status_map`]: the two trees a checkpoint commits to
//! - [`index`]: which records of a log are about what, and how to add an index
//! - [`log`]: a department's log on disk, and replicas of it
//! - [`lookup`]: questions to one log, by what its records are about
//! - [`last_run`]: which data directory a peer ran with last
//! - [`genesis`]: what a network begins with
//! - [`checkpoint`]: a department's signed word on how far its log goes
//! - [`governance`]: how that changes: the chain of what the members decided
//! - [`membership`]: who belongs, with which keys
//! - [`operating`]: the keys that a department's node holds, and which of them signs now
//! - [`catalogue`]: all logs a peer holds, and the questions asked of them together
//! - [`bodies`]: what a department keeps of its own certificates beside the log
//! - [`journal`]: who looked up what a person holds, kept beside the log
//! - [`verify`]: verdicts, and proofs in a file
//! - [`acceptance`]: which certificates a case needs are held already
//! - [`retrieval`]: asking an issuer for fields, and the receipts of it
//! - [`clocks`]: whether a peer's clock can be trusted to date records
//! - [`sync`]: replication as a state machine
//! - [`store`]: small state that can be lost

#![warn(missing_docs)]

pub mod acceptance;
pub mod bodies;
pub mod catalogue;
pub mod checkpoint;
pub mod clocks;
pub mod codec;
pub mod crypto;
pub mod disk;
pub mod genesis;
pub mod governance;
pub mod header;
pub mod id;
pub mod index;
pub mod journal;
pub mod last_run;
pub mod log;
pub mod lookup;
pub mod membership;
pub mod merkle;
pub mod names;
pub mod operating;
pub mod record;
pub mod retrieval;
pub mod status_map;
pub mod store;
pub mod sync;
pub mod verify;
