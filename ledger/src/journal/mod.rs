//! A department's look-up journal: who looked up what a person holds, for what, and when.
//!
//! One file a month, encrypted under a key derived from the department's field key. A look is durable before it is
//! answered. Subjects stand in it as in receipts, blinded for the day, so that whoever has the catalogue key finds a
//! known subject's looks and nobody finds out whose the others are.
//!
//! - `look`: what is recorded of a look
//! - `month`: which file a look belongs to
//! - `frame`: the bytes of a file, and how a torn end is distinguished from damage
//! - `file`: appending to the current month's file, reading, removing old months

mod file;
mod frame;
mod look;
mod month;

#[cfg(test)]
mod tests;

pub use file::{Journal, JournalError, Looks, Opened, Place};
pub use frame::{Damage, MAX_LOOKS, Unreadable};
pub use look::{Look, Looked};
pub use month::Month;
