//! Tables of certificates that exist already: read, mapped, cleaned and checked, row by row, in bounded memory.
//!
//! Nothing here has a user interface or uses the network: the `certmesh` command and the node's folder watch both read
//! tables through it. `input` opens a table and `encoding` makes UTF-8 of its text; `csv`, `jsonl` (by `lines`) and
//! `xlsx` make a `row` of each line (`xlsx_bounds` says how much of a spreadsheet may be held); `map`, read by
//! `map_file`, says which columns are which part of a certificate, `value` and `dates` clean them; `check` makes
//! requests of them and reports every fault; `doubles` finds rows that are the same, and `judge` decides on each row.
//! `batch` gathers rows for whoever issues them; `rejects` keeps those that are not issued.
//!
//! What is wrong with a row is a [`FaultKind`](certmesh_api::FaultKind), declared in `certmesh-api` under "Of a row of a
//! table", its sentence in `certmesh-text` (`en.ftl`, `fault-<code>`). It is found where it shows: a line or cell that can't
//! be read by its format, a value by `value`, a part of a certificate by `check`, a likeness to another row by `judge`.
//! Faults of a whole file or of a map are in `error`.

mod batch;
mod check;
mod csv;
mod dates;
mod doubles;
mod encoding;
mod error;
mod input;
mod jsonl;
mod judge;
mod lines;
mod map;
mod map_file;
mod rejects;
mod row;
mod value;
mod xlsx;
mod xlsx_bounds;

pub use batch::{Batch, Fate, Judgement, Rejected};
pub use check::{Checker, Request};
pub use error::{Error, FileError, MapFault, MapUse, TableFault};
pub use input::{Format, Input, Layout};
pub use judge::{Judge, Judged};
pub use lines::{Line, Lines, MAX_LINE};
pub use map::{Map, toml_fault};
pub use rejects::{Rejects, as_it_was};
pub use row::{Head, Row, Visitor};
