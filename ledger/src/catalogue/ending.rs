//! Where an epoch of operating keys ends in a log: its department says so once the next key is in force, and others who hold the
//! log witness it. From there on the key before authorises nothing, whoever has it.

use crate::governance::{EndReason, EpochEnd, History, Position};
use crate::id::DepartmentCode;
use crate::log::{Log, ReadError};
use crate::names::LogId;

use super::Catalogue;

impl Catalogue {
    /// Where the first epoch of this department that has not ended did, if a later one is in force. Nothing is appended by it
    /// any more: each append asks which key is in force, while no other append is under way.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open_end(&self) -> Result<Option<EpochEnd>, ReadError> {
        let history = self.members.history();
        let own = self.own;
        match history.open_epoch(&own.department) {
            Some(epoch) => self.end_of(own, epoch),
            None => Ok(None),
        }
    }

    fn end_of(&self, id: LogId, epoch: u32) -> Result<Option<EpochEnd>, ReadError> {
        let Some(log) = self.log(&id).filter(|log| log.stopped().is_none()) else {
            return Ok(None);
        };
        let size = records_up_to(&log, log.settled(), epoch)?;
        let position = Position {
            log: id,
            size,
            root: log.range_at(size)?.root(),
        };
        Ok(Some(EpochEnd {
            position,
            epoch,
            why: EndReason::Rotated,
        }))
    }

    /// Whether this peer can witness an end: a later epoch is in force, every record under it is held here, and none beyond it by
    /// that epoch.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn is_end(&self, end: &EpochEnd) -> Result<bool, ReadError> {
        let position = &end.position;
        let Some(log) = self.log(&position.log) else {
            return Ok(false);
        };
        let replaced = is_replaced(&self.members.history(), &position.log.department, end.epoch);
        let size = log.size();
        // What is held and not under an accepted checkpoint yet is not known to be the log's.
        if !replaced || log.stopped().is_some() || log.held() != size || size < position.size {
            return Ok(false);
        }
        let known = records_up_to(&log, size, end.epoch)?;
        Ok(known == position.size && log.range_at(known)?.root() == position.root)
    }
}

fn is_replaced(history: &History, code: &DepartmentCode, epoch: u32) -> bool {
    let member = history.state().member(code);
    member.is_some_and(|member| epoch < member.epoch)
}

/// How many of a log's first records were signed by an epoch or earlier ones: epochs never go back along a log.
fn records_up_to(log: &Log, size: u64, epoch: u32) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        match log.record(middle)?.record().key_epoch <= epoch {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}
