//! Rules of governance, each held against what would break it.

mod actions;
mod chain;
mod consensus;
mod deciding;
mod engines;
mod judging;
mod model;
mod own;
mod pool;
mod properties;
mod recovered;
mod recovery;
mod simulated;
mod store;
mod trust;
pub(crate) mod world;
