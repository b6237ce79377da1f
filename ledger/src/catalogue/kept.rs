//! A log's next generation, filled with what is kept of the one before.

use std::sync::Arc;

use crate::log::{Log, MAX_PAGE, Place};
use crate::membership::Membership;
use crate::names::LogName;

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
    pub fn run(self) {
        fill(&self.log, &self.before, &self.members);
        self.before.close("its generation has ended");
    }
}

/// Copies what a log begins with from an earlier generation of it, if all of that is held there.
fn fill(log: &Log, before: &Log, members: &Membership) {
    if let Err(error) = copied(log, before, members) {
        // Nothing is lost: what was copied is cut off, or goes on from where it ended.
        let _: String = error;
    }
}

/// The same from what earlier runs left on disk: one may have ended before it was done.
pub(super) fn fill_from_disk(place: &Place, log: &Log, members: &Membership) {
    let id = log.name().id;
    for generation in (0..id.generation).rev() {
        if log.kept_missing() == 0 {
            return;
        }
        let mut name = *log.name();
        name.id.generation = generation;
        if let Some(before) = opened(place, name, members) {
            fill(log, &before, members);
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

fn copied(log: &Log, before: &Log, members: &Membership) -> Result<(), String> {
    let history = members.history();
    let id = log.name().id;
    let Some(ended) = history.beginning(id) else {
        return Ok(());
    };
    while log.kept_missing() > 0 {
        let held = log.held();
        let page = before.kept_page((id, ended), held, MAX_PAGE);
        let Some(page) = page.map_err(|error| error.to_string())? else {
            return Err(format!("{} has other records", before.name().id));
        };
        let page = page.verify(members).map_err(|error| error.to_string())?;
        log.open_for_kept(&page).map_err(|e| e.to_string())?;
        log.begin_with(&page).map_err(|error| error.to_string())?;
        if log.held() == held {
            return Err(format!("nothing follows record {held}"));
        }
    }
    match before.provable() {
        Some(signed) => log.keep_signed(&signed).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}
