//! The HTTP API of a certmesh node: its JSON shapes, roles and problems, shared by the node that answers and the programs
//! that ask.
//!
//! Identifiers, codes and dates travel as their canonical text and hashes as lower-case hexadecimal; every time is
//! in milliseconds since 1970-01-01 UTC and ends in `_ms`. Unknown fields in a request are refused.
//!
//! - [`certificates`]: what is issued, changed, searched, verified
//! - [`definitions`]: types with their standards, matters, grants
//! - [`cases`] and [`retrievals`]: what a matter requires, fields asked of their issuer
//! - [`receipts`]: audits, access logs, look-ups, use
//! - [`governance`]: how governance stands, and what is to be decided
//! - [`operations`]: logs, members, the node's state
//! - errors: [`problem`]; their names are those of `ProblemType` in [`words`], their statuses and titles in [`problem`]
//! - [`limits`]: what a request may ask for at most
//! - [`formats`]: the forms of identifiers, codes, days and hashes in the OpenAPI document
//! - [`words`]: verdicts, states, events and the other closed sets of words, and how words of later versions are read
//!
//! With the feature `peer`, what a peer and its command line share beyond that:
//! - `draft` (with `replaced`): the place where a request to issue, change or erase is checked, for node, tables and benches
//!   alike; `definition`: those to define; both report all `faults` at once
//! - `fault`: everything that can be wrong with a field or with a row of a table, each as a code with arguments; `coded` declares such codes
//! - `recorded`: a certificate of a log as its shape
//! - `tokens`: the clients of a node, their roles, and the file that has the hashes of their tokens

pub mod cases;
pub mod certificates;
pub mod definitions;
pub mod formats;
pub mod governance;
pub mod limits;
pub mod operations;
pub mod problem;
pub mod receipts;
pub mod retrievals;
pub mod words;

#[cfg(feature = "peer")]
mod coded;
#[cfg(feature = "peer")]
pub mod definition;
#[cfg(feature = "peer")]
pub mod draft;
#[cfg(feature = "peer")]
mod fault;
#[cfg(feature = "peer")]
pub mod faults;
#[cfg(feature = "peer")]
mod recorded;
#[cfg(feature = "peer")]
mod replaced;
#[cfg(feature = "peer")]
pub mod tokens;

pub use cases::*;
pub use certificates::*;
#[cfg(feature = "peer")]
pub use coded::{Argument, Coded};
pub use definitions::*;
#[cfg(feature = "peer")]
pub use fault::{Caution, Fault, FaultKind};
pub use governance::*;
pub use operations::*;
pub use problem::*;
pub use receipts::*;
pub use retrievals::*;
pub use words::*;
