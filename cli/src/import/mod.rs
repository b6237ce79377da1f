//! `certmesh import`: certificates that exist already, from a file of any length.
//!
//! `command` holds the arguments and decides which way a file goes. Rows that are requests already, one JSON object a
//! line, go through `plain`. Tables go through `mapped`: `input` opens them and `encoding` makes UTF-8 of their text; `csv`,
//! `jsonl` and `xlsx` make a `row` of each line; `map`, read by `map_file`, says which columns are which part of a
//! certificate, `value` and `dates` clean them; `check` makes requests of them and tells every fault before anything is
//! sent; `doubles` finds rows that are the same; `batch` sends.
//! `tally` counts what becomes of the rows, shows the progress, keeps the rejected ones and tells the summary.

mod batch;
mod check;
mod command;
mod csv;
mod dates;
mod doubles;
mod encoding;
mod input;
mod jsonl;
mod map;
mod map_file;
mod mapped;
mod plain;
mod row;
mod tally;
mod value;
mod xlsx;

pub(crate) use command::{Import, run};
