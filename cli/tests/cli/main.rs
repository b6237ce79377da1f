//! The command as a person or a script meets it: the real binary, its arguments, streams and exit codes.

mod command;
mod dated_ahead;
mod department;
mod erase_void;
mod fsck;
mod graph;
mod help;
mod id_check;
mod identity;
mod import;
mod import_table;
mod keys;
mod node;
mod offline;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod report;
mod seal_keys;
mod setup;
mod streams;
mod verify;
