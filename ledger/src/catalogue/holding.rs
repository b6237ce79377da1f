//! What this peer can state to hold of another department's log, after that lost records.

use crate::governance::{History, Position};
use crate::log::{Log, ReadError, VerifiedCheckpoint};
use crate::names::LogId;

use super::Catalogue;

/// What is held of a log, as far as its department can be told to go on behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// No checkpoint of its generation was ever accepted here.
    Nothing,
    /// Every record under this checkpoint, the largest that was accepted here.
    UpTo(Box<VerifiedCheckpoint>),
    /// Nothing that its department could go on behind: the log is not open here or has stopped, records that were accepted
    /// are missing on disk, or a part of it counts for nothing by now. Where it goes on, the members decide.
    Disputed,
}

impl Catalogue {
    /// What is held of a log.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn holding(&self, id: &LogId) -> Result<Holding, ReadError> {
        let log = self.log(id);
        let log = log.filter(|log| log.stopped().is_none() && log.missing() == 0);
        let Some(log) = log else {
            return Ok(Holding::Disputed);
        };
        // What its generation begins with nobody need state: the members decided it.
        let Some(checkpoint) = log.checkpoint() else {
            return Ok(Holding::Nothing);
        };
        let counts = checkpoint.signed().clone().verify(&self.members).is_ok();
        let history = self.members.history();
        match counts && leads_to_ends(&history, &log, checkpoint.size)? {
            true => Ok(Holding::UpTo(Box::new(checkpoint))),
            false => Ok(Holding::Disputed),
        }
    }
}

/// Whether the first records of a log are those at which its epochs ended, and from which later decisions judge it.
fn leads_to_ends(history: &History, log: &Log, size: u64) -> Result<bool, ReadError> {
    let id = log.name().id;
    let Some(trail) = history.trail(&id.department) else {
        return Ok(false);
    };
    let ends = trail.epochs.iter().filter_map(|epoch| epoch.ended);
    let ends = ends.map(|end| end.position);
    let markers = trail.markers.iter().map(|marker| marker.position);
    let held = |position: &Position| position.log == id && position.size <= size;
    for position in ends.chain(markers).filter(held) {
        if log.range_at(position.size)?.root() != position.root {
            return Ok(false);
        }
    }
    Ok(true)
}
