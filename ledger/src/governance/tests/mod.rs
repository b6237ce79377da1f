//! Rules of governance, each held against what would break it.

mod actions;
mod chain;
mod deciding;
mod own;
mod recovery;
mod world;
