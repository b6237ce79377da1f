//! Replication as a state machine.
//!
//! [`Sync::handle`] takes an [`Event`] and the time and returns [`Command`]s; it holds no socket, clock or disk. Its
//! driver sends the requests, stores the pages on another thread and reports back. It reads the state of the logs on
//! disk from [`Holdings`].
//!
//! How peers converge: on connecting and every so often each asks the other for its heads ([`Request::Heads`]) and
//! fetches what it lacks, page by page, a page or two ahead of the disk. A late page is requested from other members
//! too, so that none holds back what another has. Announcements only make all that faster. A checkpoint that does not
//! fit what is held starts a search for the first record that differs, which ends in [`ForkEvidence`] that every peer
//! gets.
//!
//! [`ForkEvidence`]: crate::log::ForkEvidence

mod addresses;
mod announcement;
mod catalogue_key;
mod fetch;
mod heads;
mod instances;
mod interface;
mod message;
mod pace;
mod state;

pub use addresses::{
    AddressBook, AddressesError, MAX_STATED, StatedAddresses, Taken, check_addresses,
};
pub use announcement::{ANNOUNCE_EVERY_MS, announcement};
pub use catalogue_key::{NotTheCatalogueKey, open_catalogue_key, sealed_catalogue_key};
pub use instances::Standing;
pub use interface::{
    Command, ConnectionId, Event, Failure, GossipId, Gossiped, Holdings, Judgement, OwnLog,
    Received, RequestId, Settings, StoreFailure, Stored, Verified, stored,
};
pub use message::{
    Announcement, Head, Heads, Instance, MAX_ANNOUNCEMENT, MAX_REQUEST, MAX_RESPONSE, Request,
    Response, serve,
};
pub use state::Sync;

#[cfg(test)]
mod tests;
