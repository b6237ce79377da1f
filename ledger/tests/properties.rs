//! Properties that hold for random values, random bytes, random damage.

#[path = "properties/any.rs"]
mod any;
#[path = "properties/attachments.rs"]
mod attachments;
#[path = "properties/codec.rs"]
mod codec;
mod common;
#[path = "properties/life.rs"]
mod life;
#[path = "properties/proofs.rs"]
mod proofs;
#[path = "properties/recovery.rs"]
mod recovery;
#[path = "properties/verdicts.rs"]
mod verdicts;
