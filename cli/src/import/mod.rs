//! `certmesh import`: certificates that exist already, from a file of any length.
//!
//! `command` holds the arguments and decides which way a file goes. Rows that are requests already, one JSON object a
//! line, go through `plain`. Tables go through `mapped`: [`certmesh_tables`] reads, maps and checks them, as it does
//! for folders that a node watches, and every fault is reported before anything is sent; `batch` sends.
//! `tally` counts what becomes of the rows, shows the progress, keeps the rejected ones and prints the summary.

mod batch;
mod command;
mod mapped;
mod plain;
mod tally;

pub(crate) use command::{Import, run};
