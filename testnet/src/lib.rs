//! Networks of real peer processes on one machine: to try certmesh, to break it, to measure it.
//!
//! Where to look:
//! - [`departments`], [`sample`]: made-up departments, types and certificates
//! - [`dataset`]: a whole city's types, matters, certificates and old tables, in files
//! - [`network`]: a network's directory; [`process`]: a node as a process; [`proxy`], [`links`]: links that can be cut
//! - [`testnet`]: the three together, a running network; [`client`]: asking its nodes
//! - [`govern`]: deciding with the other members
//! - [`up`], [`load`], [`demo`], [`mod@bench`]: what the program does with it
//!
//! The program starts its nodes by running itself with `node` as first argument; a program that embeds this library
//! gives [`testnet::Testnet`] the command it wants.

#![warn(missing_docs)]

pub mod bench;
pub mod client;
pub mod dataset;
pub mod demo;
pub mod departments;
mod error;
mod fill;
pub mod govern;
pub mod links;
pub mod load;
mod main_with;
pub mod network;
pub mod patience;
pub mod process;
pub mod proxy;
pub mod record;
pub mod sample;
pub mod screen;
pub mod stats;
pub mod testnet;
pub mod up;

pub use error::Error;
pub use main_with::main_with;
