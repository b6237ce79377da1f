//! Fields on demand: `asking` does what an asker does (what an issuer does is [`crate::peer::answering`]), `pulling` gets the
//! attachments, `copies` keeps what was retrieved until its last day, `reports` shows what the receipts say.

pub(crate) mod asking;
pub(crate) mod copies;
mod pulling;
pub(crate) mod reports;
