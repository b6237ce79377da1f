//! `certmesh import`: certificates that exist already, from a file of any length.
//!
//! `command` holds the arguments and decides which way a file goes: rows that are requests already, one JSON object a
//! line, go through `plain`.
//! `tally` counts what becomes of the rows, shows the progress, keeps the rejected ones and tells the summary.

mod command;
mod plain;
mod tally;

pub(crate) use command::{Import, run};
