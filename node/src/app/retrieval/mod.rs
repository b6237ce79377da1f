//! Fields on demand: `asking` does what an asker does (what an issuer does is [`crate::peer::answering`]), `pulling` gets the
//! attachments, `copies` looks after what was retrieved until its day is over, `reports` says what the receipts show.

pub(crate) mod asking;
pub(crate) mod copies;
mod pulling;
pub(crate) mod reports;
