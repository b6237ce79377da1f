//! What goes into the state machine and what comes out: settings, events, commands.

use std::collections::BTreeSet;
use std::io;

use crate::catalogue::Catalogue;
use crate::crypto::hash::Hash;
use crate::id::DepartmentCode;
use crate::log::{
    Applied, ApplyError, Cosignature, ForkEvidence, KeptPage, Log, Page, PageError, Stopped,
    VerifiedCheckpoint, VerifiedKept, VerifiedPage,
};
use crate::membership::Membership;
use crate::names::LogId;

use super::message::{Announcement, Request, Response};

/// What is known of the own log at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLog {
    /// Nothing was ever appended to it.
    New,
    /// It is on the disk that the peer ran with last.
    Kept,
    /// The disk it was on, or something on it, was lost: it may lack what was signed since.
    Lost,
}

/// Times and bounds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two comparisons of heads with the same peer, ms.
    pub heads_every_ms: u64,
    /// After the last change of any log until heads are compared with a few peers, ms: whatever gossip lost is found
    /// then, and cosignatures get round.
    pub heads_after_ms: u64,
    /// After which an unanswered request is given up, ms.
    pub request_timeout_ms: u64,
    /// For which a peer that sent something wrong is not asked for pages, ms.
    pub distrust_ms: u64,
    /// After which a page that has not come is requested from another peer too, ms.
    pub hedge_after_ms: u64,
    /// A peer whose pages come slower is asked for pages after all others, bytes a second.
    pub min_bytes_per_s: u64,
    /// Logs that a page is awaited of at once. A late page does not count.
    pub pages_in_flight: usize,
    /// Pages asked for at once, of one peer, late ones too.
    pub pages_per_peer: usize,
    /// Most bytes asked for in a page.
    pub page_bytes: u32,
    /// Bytes asked for in a page of a peer that has not shown yet how fast it answers, and in a page that is late elsewhere.
    pub least_page_bytes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            heads_every_ms: 10_000,
            heads_after_ms: 1_000,
            request_timeout_ms: 30_000,
            distrust_ms: 60_000,
            hedge_after_ms: 2_000,
            min_bytes_per_s: 16 * 1024,
            pages_in_flight: 4,
            pages_per_peer: 2,
            page_bytes: crate::log::MAX_PAGE as u32,
            // The longest record fits, and four such pages come over a link of 48 kB/s before they are late.
            least_page_bytes: 17 * 1024,
        }
    }
}

/// What the state machine asks of the logs on disk.
pub trait Holdings {
    /// Records held of a log, verified and on disk.
    fn held(&self, log: &LogId) -> u64;
    /// The accepted checkpoint of a log.
    fn accepted(&self, log: &LogId) -> Option<VerifiedCheckpoint>;
    /// Records of a log that readers see: under the accepted checkpoint, or those that its generation begins with.
    fn size(&self, log: &LogId) -> u64;
    /// Records of a log under a checkpoint accepted before that are no longer held, or that its generation begins with and that
    /// are not held yet.
    fn missing(&self, log: &LogId) -> u64;
    /// Of the latter alone.
    fn kept_missing(&self, log: &LogId) -> u64;
    /// Merkle root over the first `size` records held; `None` when fewer are held.
    fn root_at(&self, log: &LogId, size: u64) -> Option<Hash>;
    /// Whether the log has stopped.
    fn stopped(&self, log: &LogId) -> bool;
    /// Whether there is evidence of the log's fork.
    fn forked(&self, log: &LogId) -> bool;
    /// Whether this version can read every record under the accepted checkpoint, and so has checked its statuses.
    fn checked(&self, log: &LogId) -> bool;
}

/// Names a request until it is answered.
pub type RequestId = u64;

/// Names a connection with a peer while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Names a gossiped message until it is judged.
pub type GossipId = u64;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or none in time.
    Unreachable,
    /// The answer was no such answer.
    Malformed,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A member's peer is connected.
    Connected(DepartmentCode),
    /// It no longer is.
    Disconnected(DepartmentCode),
    /// One of several connections with a member closed.
    Closed {
        /// The peer.
        peer: DepartmentCode,
        /// Which one.
        connection: ConnectionId,
    },
    /// A request was answered, or not.
    Answered {
        /// The peer.
        from: DepartmentCode,
        /// Over which connection, if it is open still.
        connection: Option<ConnectionId>,
        /// Which request.
        request: RequestId,
        /// With what.
        answer: Result<Box<Response>, Failure>,
    },
    /// Something was gossiped.
    Gossiped(Gossiped),
    /// A page handed over by [`Command::Store`] was stored, or not.
    Stored(Stored),
    /// This department appended to its own log.
    Appended(VerifiedCheckpoint),
    /// A log was opened again.
    Reopened(LogId),
    /// An operator vouches for the own log on disk, after a loss knowing what may be lost.
    OwnLogVouched,
    /// Departments joined, were suspended, resumed or removed, as the membership has it by now. The logs of those that joined
    /// are open.
    MembersChanged(BTreeSet<DepartmentCode>),
    /// Time passed.
    Tick,
}

/// A gossiped announcement.
#[derive(Debug)]
pub struct Gossiped {
    /// The peer that passed it on.
    pub from: DepartmentCode,
    /// To be named in the judgement.
    pub id: GossipId,
    /// What it says; `None` when it could not be decoded.
    pub announcement: Option<Box<Announcement>>,
}

/// The outcome of a page.
#[derive(Debug)]
pub struct Stored {
    /// Which log.
    pub log: LogId,
    /// Who sent it.
    pub from: DepartmentCode,
    /// What it changed.
    pub result: Result<Applied, StoreFailure>,
}

/// Why a page was not stored.
#[derive(Debug)]
pub enum StoreFailure {
    /// The sender's fault.
    Page(PageError),
    /// The log's.
    Apply(ApplyError),
    /// No descriptor is left to open a file of the log with, or too many pages wait: the page may come again.
    Busy(io::Error),
}

/// Records of a log that a peer sent.
#[derive(Debug)]
pub enum Received {
    /// Under a checkpoint.
    Page(Box<Page>),
    /// That the log's generation begins with.
    Kept(Box<KeptPage>),
}

/// The same, checked.
#[derive(Debug)]
pub enum Verified {
    /// Under a checkpoint.
    Page(VerifiedPage),
    /// That the log's generation begins with.
    Kept(VerifiedKept),
}

impl Received {
    /// Of which log.
    pub fn log(&self) -> LogId {
        match self {
            Received::Page(page) => page.checkpoint.checkpoint.log,
            Received::Kept(page) => page.log,
        }
    }

    /// Checks that every byte is under what its department signed, or the members decided.
    ///
    /// # Errors
    /// [`PageError`].
    pub fn verify(self, members: &Membership) -> Result<Verified, PageError> {
        Ok(match self {
            Received::Page(page) => Verified::Page(page.verify(members)?),
            Received::Kept(page) => Verified::Kept(page.verify(members)?),
        })
    }
}

/// Adds records to their log, once [`Received::verify`] is through with them: what whoever drives the state machine does with
/// [`Command::Store`].
pub fn stored(
    id: LogId,
    log: Option<&Log>,
    from: DepartmentCode,
    records: Result<Verified, PageError>,
) -> Stored {
    let result = match (records, log) {
        (Err(error), _) => Err(StoreFailure::Page(error)),
        (Ok(_), None) => Err(StoreFailure::Apply(ApplyError::Stopped)),
        (Ok(Verified::Page(page)), Some(log)) => log
            .open_for(&page)
            .map_err(StoreFailure::Busy)
            .and_then(|()| log.apply(&page).map_err(StoreFailure::Apply)),
        (Ok(Verified::Kept(page)), Some(log)) => log
            .open_for_kept(&page)
            .map_err(StoreFailure::Busy)
            .and_then(|()| log.begin_with(&page).map_err(StoreFailure::Apply)),
    };
    Stored {
        log: id,
        from,
        result,
    }
}

/// What to do with a gossiped message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Pass it on.
    Accept,
    /// Neither pass it on nor blame anyone.
    Ignore,
    /// Do not pass it on; whoever did is at fault.
    Reject,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Ask a peer.
    Request {
        /// Whom.
        to: DepartmentCode,
        /// To be named in the answer.
        request: RequestId,
        /// What.
        body: Request,
    },
    /// Verify and store records ([`stored`]), then report [`Event::Stored`].
    Store {
        /// Who sent them.
        from: DepartmentCode,
        /// The records.
        records: Received,
    },
    /// Judge a gossiped message.
    Judge {
        /// Which one.
        id: GossipId,
        /// How.
        judgement: Judgement,
    },
    /// Gossip.
    Announce(Box<Announcement>),
    /// Sign under a checkpoint of another department that was accepted.
    Cosign(VerifiedCheckpoint),
    /// Keep another member's signature under a checkpoint accepted here.
    KeepCosignature(VerifiedCheckpoint, Cosignature),
    /// Keep evidence of a fork durably and stop the log.
    Freeze(Box<ForkEvidence>),
    /// The own log on disk is what other members know: it may be appended to.
    OwnLogConfirmed,
    /// More of the own log is known to others than is on disk.
    OwnLogRestoring {
        /// Records others know of.
        known: u64,
    },
    /// Members say that another run of this peer, with the same keys, is connected to them; said when they change.
    OtherInstance {
        /// Which members; empty when there are none any more.
        reported_by: BTreeSet<DepartmentCode>,
    },
    /// Another run of this peer connected first, as this many members report: the own log must not be appended to here.
    OwnLogElsewhere {
        /// How many members.
        reported_by: usize,
    },
    /// Too few of them say so by now: what members hold of the own log is asked for again.
    OwnLogUnconfirmed,
    /// Report to the operator a peer that sent something wrong.
    Blame {
        /// Which peer.
        peer: DepartmentCode,
        /// What it did.
        what: String,
    },
    /// A peer's heads were heard.
    Heard {
        /// Whose.
        from: DepartmentCode,
        /// What its clock said, ms since 1970 UTC.
        time_ms: u64,
        /// The logs it holds exactly as accepted here, and knows nothing newer of.
        confirmed: Vec<LogId>,
        /// Those that neither it nor this peer holds anything of.
        unbegun: Vec<LogId>,
        /// Those it holds more of than is accepted here, and how many records.
        newer: Vec<(LogId, u64)>,
    },
    /// A head that its department signed was announced: more than is accepted here.
    Announced {
        /// Of which log.
        log: LogId,
        /// Its records.
        size: u64,
    },
    /// A copy of another department's log can't continue: a write was refused, or a read failed. Open it again once the
    /// disk lets it, then report [`Event::Reopened`].
    Reopen {
        /// Which log.
        log: LogId,
        /// What the medium said.
        reason: String,
    },
}

impl Holdings for Catalogue {
    fn held(&self, log: &LogId) -> u64 {
        self.log(log).map_or(0, |log| log.held())
    }

    fn accepted(&self, log: &LogId) -> Option<VerifiedCheckpoint> {
        self.log(log)?.checkpoint()
    }

    fn size(&self, log: &LogId) -> u64 {
        self.log(log).map_or(0, |log| log.size())
    }

    fn missing(&self, log: &LogId) -> u64 {
        self.log(log).map_or(0, |log| log.missing())
    }

    fn kept_missing(&self, log: &LogId) -> u64 {
        self.log(log).map_or(0, |log| log.kept_missing())
    }

    fn root_at(&self, log: &LogId, size: u64) -> Option<Hash> {
        self.log(log)?.root_at(size)
    }

    fn stopped(&self, log: &LogId) -> bool {
        self.log(log).is_none_or(|log| log.stopped().is_some())
    }

    fn forked(&self, log: &LogId) -> bool {
        self.log(log)
            .is_some_and(|log| matches!(log.stopped(), Some(Stopped::Forked(_))))
    }

    fn checked(&self, log: &LogId) -> bool {
        self.log(log).is_some_and(|log| log.unread().is_none())
    }
}
