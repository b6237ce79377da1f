//! Tables of certificates that exist already: read, mapped, cleaned and checked, row by row, in bounded memory.
//!
//! Nothing here has a user interface or uses the network: the `certmesh` command and the node's folder watch both read
//! tables through it. `input` opens a table, `contents` says what it is by its first bytes, and `encoding` makes UTF-8 of
//! its text; `csv`, `jsonl` (by `lines`) and `xlsx` make a `row` of each line (`xlsx_sheet` looks through a spreadsheet
//! for what is hidden, merged or not computed, `xlsx_bounds` says how much of it may be held, `number_form` how its
//! numbers are read); `map`, read by `map_file`, says which columns are which part of a certificate, `value`, `marks` and
//! `dates` clean them; `check` makes requests of them and reports every fault; `doubles` finds rows that are the same,
//! and `judge` decides on each row. `announce` says what was taken of a file before anything is issued. `batch` gathers
//! rows for whoever issues them; `rejects` keeps those that are not issued, in a spreadsheet by `xlsx_write`.
//!
//! What is wrong with a row is a [`FaultKind`](certmesh_api::FaultKind), declared in `certmesh-api` under "Of a row of a
//! table", its sentence in `certmesh-text` (`en.ftl`, `fault-<code>`). It is found where it shows: a line or cell that can't
//! be read by its format, a value by `value`, a part of a certificate by `check`, a likeness to another row by `judge`.
//! Faults of a whole file or of a map are in `error`.

mod announce;
mod batch;
mod check;
mod contents;
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
mod marks;
mod number_form;
mod rejects;
mod row;
mod value;
mod xlsx;
mod xlsx_bounds;
mod xlsx_sheet;
mod xlsx_write;

pub use batch::{Batch, Fate, Judgement, Rejected};
pub use check::{Checker, Request};
pub use error::{Error, FileError, MapFault, MapUse, TableFault};
pub use input::{Format, Input, Layout};
pub use judge::{Judge, Judged};
pub use lines::{Line, Lines, MAX_LINE};
pub use map::{HiddenRows, Map, toml_fault};
pub use rejects::{Rejects, as_it_was};
pub use row::{Head, Row, SheetTaken, Visitor};
