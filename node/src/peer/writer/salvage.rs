//! Taking back records of the own log that nobody else holds from what was set aside.

use certmesh_ledger::log::{TakeBackError, TakenBack};

use super::GroupCommit;
use super::answer::not_written;
use crate::peer::Refusal;
use crate::peer::reasons::NotSalvaged;

/// What was taken back from copies set aside.
#[derive(Clone, Debug)]
pub(crate) struct Salvaged {
    /// Records taken back; 0 when none is known to be missing and no copy continues the log.
    pub records: u64,
    /// The copies they were taken from, as directories below the node's data directory.
    pub copies: Vec<String>,
    /// Records in the own log now.
    pub size: u64,
}

impl GroupCommit {
    /// Takes back the records of the own log that nobody else holds from what was set aside.
    pub(super) fn salvage(&mut self) -> Result<Salvaged, Refusal> {
        let peer = &self.peer;
        let log = self.writer.log().name().id;
        let shown = || peer.heard.read().known.get(&log).copied().unwrap_or(0);
        if let Some(refusal) = peer.own.too_early_to_salvage(shown) {
            return Err(refusal);
        }
        let taken = self.writer.take_back();
        peer.own.show();
        let taken = taken.map_err(|error| {
            tracing::error!(%error, "nothing was taken back from what was set aside");
            match error {
                TakeBackError::Write(error) => not_written(&error),
                TakeBackError::Copies(_) => Refusal::Internal,
                TakeBackError::NotWhole {
                    whole,
                    missing,
                    at,
                    end,
                } => Refusal::NotSalvageable(NotSalvaged::NotWhole {
                    whole,
                    missing,
                    at,
                    end: (&end).into(),
                }),
                TakeBackError::Differs { size } => {
                    Refusal::NotSalvageable(NotSalvaged::Differs { size })
                }
            }
        })?;
        let (records, copies) = match taken {
            TakenBack::Nothing => (0, Vec::new()),
            TakenBack::Records {
                count,
                copies,
                checkpoint,
            } => {
                tracing::warn!(
                    records = count,
                    ?copies,
                    "records taken back from what was set aside"
                );
                // Of attachments, only those that no record has are uploads again.
                self.settled = false;
                self.peer.look_for_lost();
                self.heads.send_replace(Some(*checkpoint));
                (count, copies)
            }
        };
        let copies = copies.iter().map(|copy| format!("set-aside/{copy}"));
        Ok(Salvaged {
            records,
            copies: copies.collect(),
            size: self.writer.log().size(),
        })
    }
}
