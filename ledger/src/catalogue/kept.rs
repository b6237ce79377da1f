//! A log's next generation, filled with what is kept of the one before.

use std::io;
use std::sync::Arc;

use crate::log::{ApplyError, Log, MAX_PAGE, PageError, Place, ReadError};
use crate::membership::Membership;
use crate::names::{LogId, LogName};

/// What brings over what is kept of an earlier generation of a log: as long as reading and writing all of that takes.
pub struct Filling {
    log: Arc<Log>,
    before: Arc<Log>,
    members: Membership,
}

impl Filling {
    pub(super) fn new(log: Arc<Log>, before: Arc<Log>, members: Membership) -> Filling {
        Filling {
            log,
            before,
            members,
        }
    }

    /// Does it. Whatever is missing after that comes from other members, who may have begun meanwhile.
    ///
    /// # Errors
    /// [`NotFilled`]; nothing is lost by it.
    pub fn run(self) -> Result<(), NotFilled> {
        let filled = fill(&self.log, &self.before, &self.members);
        self.before.close("its generation has ended");
        filled
    }
}

/// Why a log was not filled with what is kept of the generation before.
#[derive(Debug, thiserror::Error)]
pub enum NotFilled {
    /// Not all of that is held.
    #[error("not all that is kept of log {0} is held here")]
    NotHeld(LogId),
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was read is not what was decided.
    #[error(transparent)]
    Page(#[from] PageError),
    /// It can't be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A file of the log can't be opened.
    #[error("a file of the log can't be opened: {0}")]
    OutOfFiles(io::Error),
}

/// Copies what a log begins with from what earlier runs left on disk: one may have ended before it was done.
pub(super) fn fill_from_disk(place: &Place, log: &Log, members: &Membership) {
    let id = log.name().id;
    for generation in (0..id.generation).rev() {
        if log.kept_missing() == 0 {
            return;
        }
        let mut name = *log.name();
        name.id.generation = generation;
        if let Some(before) = opened(place, name, members) {
            // Where that is not enough, one before it may be, or other members have it.
            let _ = fill(log, &before, members);
            before.close("its generation has ended");
        }
    }
}

/// An earlier generation of a log; `None` if there is nothing of it, or it can't be opened.
fn opened(place: &Place, name: LogName, members: &Membership) -> Option<Log> {
    if !place.has_log(&name).ok()? {
        return None;
    }
    // Beside the logs that are being opened together: what it replays and repairs is its own.
    let (log, opening) = Log::open(place, name, members).ok()?;
    opening.set_aside.is_none().then_some(log)
}

/// Copies what a log begins with from an earlier generation of it, if all of that is held there.
fn fill(log: &Log, before: &Log, members: &Membership) -> Result<(), NotFilled> {
    let history = members.history();
    let id = log.name().id;
    let Some(ended) = history.beginning(id) else {
        return Ok(());
    };
    let not_held = || NotFilled::NotHeld(before.name().id);
    while log.kept_missing() > 0 {
        let held = log.held();
        let page = before.kept_page((id, ended), held, MAX_PAGE)?;
        let page = page.ok_or_else(not_held)?.verify(members)?;
        log.open_for_kept(&page).map_err(NotFilled::OutOfFiles)?;
        log.begin_with(&page)?;
        if log.held() == held {
            return Err(not_held());
        }
    }
    if let Some(signed) = before.provable() {
        log.keep_signed(&signed)?;
    }
    Ok(())
}
