//! The HTTP JSON API of a peer, for business systems and the CLI.
//!
//! A request passes through, from outside in: [`server`] (sockets, TLS, connections), [`hosts`] (whose name it is for),
//! `layers` (access log, tokens, roles, rates, time), `routes` (which path goes where, and who may), a handler, and behind
//! all of them what a peer does as an `app::Service`. Handlers: `appends` (issue, change, erase), `bulk`, `attachments`,
//! `definitions` (types, matters, grants), `queries` (certificates, searches, verdicts, the catalogue, logs, members), [`cases`],
//! [`retrievals`], [`reports`] (receipts), `governance`, [`lookups`] (the look-up journal), `operations` (health, metrics). A request's
//! share of the node's capacity is counted in `shares`.
//!
//! A request's JSON is a type of [`certmesh_api`]: its schema is what [`openapi`] shows and what `body` names faults by
//! (`shape`), and the type checks what becomes a record. What is only asked is checked here (`search`, [`cases`],
//! [`retrievals`], …). An answer's JSON is made of what the use case gave by `views`, and `cursors` say where its page ends.
//! A [`Rejection`] is what goes wrong, here or behind, and becomes a problem document (RFC 9457).
//!
//! To add a route: its line in `routes`, and its path in `TEMPLATES` there; a handler in the module of its topic (what goes
//! through many records asks by `Api::report`, the rest by `Api::query`), named in `openapi`'s `paths`, with its set of problems; for a JSON body its type in [`certmesh_api`], named in `shape`'s `requests!`, with an example in
//! `openapi`; its answer in `views`; its use case in `app` and in the fake peer of the tests; its line in
//! `docs/integrator.md`, and in the contract of `tests/it/api.rs`.
//!
//! To add a field to a request: in its type in [`certmesh_api`] (its shape follows by itself; hide it from `Debug` if it may
//! name people); its check beside the others, in `draft` and `definition` there for what is issued, changed, erased or defined,
//! here for what is asked, cases too; in the question that `app` takes; the command's argument in `cli`; `docs/integrator.md`.
//!
//! Holders' codes and fields' values appear in no log line, error, URL or metric.

mod appends;
pub(crate) mod attachments;
pub(crate) mod body;
mod bulk;
pub mod cases;
mod cursors;
mod definitions;
mod extract;
mod governance;
pub mod hosts;
mod layers;
pub mod limits;
pub mod lookups;
pub mod openapi;
mod operations;
mod problem;
mod queries;
mod rejection;
pub mod reports;
pub mod retrievals;
mod routes;
mod search;
pub mod server;
mod shape;
mod shares;
mod state;
mod views;

pub use rejection::Rejection;
pub use routes::router;
pub use server::{Running, ServeError, TlsFiles, serve};
pub use state::{Api, ClientChanges};

#[cfg(test)]
pub(crate) mod tests;
