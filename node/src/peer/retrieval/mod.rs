//! Fields on demand: `answering` does what an issuer does, `asking` what an asker does, `pulling` gets the
//! attachments, `copies` looks after what was retrieved until its day is over, `cases` collects all that a case needs and records that it was accepted, `reports` tells
//! what the receipts say.

pub(super) mod answering;
pub(super) mod asking;
pub(super) mod cases;
pub(super) mod copies;
mod pulling;
pub(super) mod reports;
