//! Rules of governance, each held against what would break it.

mod actions;
mod chain;
mod consensus;
mod deciding;
mod judging;
mod own;
mod pool;
mod properties;
mod recovery;
mod simulated;
mod trust;
pub(crate) mod world;
