//! Integration tests over whole networks of real processes, a file a topic.

mod accept;
mod api;
mod attachments;
mod bodies;
mod bulk;
mod cli;
mod config;
mod crash;
mod dataset;
mod forked;
mod fuzz_corpus;
mod hostile;
mod import;
mod import_table;
mod partition;
mod privacy;
mod read_only;
mod refusals;
mod replication;
mod restart;
mod standards;
mod support;
mod tamper;
mod unauthorised;
mod villain;
