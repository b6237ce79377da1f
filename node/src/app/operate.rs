//! The state of the node and its logs, and what an operator can do about it.

use certmesh_api::OwnLogState;
use certmesh_ledger::id::DepartmentCode;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{PeerService, Refusal};
use crate::peer::reasons::Unconfirmed;

pub(crate) use crate::peer::alarms::GovernanceStanding;
pub(crate) use crate::peer::health::{LogStanding, MemberStanding, NodeStanding, Readiness};
pub(crate) use crate::peer::writer::Salvaged;

/// Operating a node.
pub(crate) trait Operate {
    /// Takes the operator's word that the own log on disk is whole, without waiting for other members.
    fn vouch_for_own_log(&self, word: Word) -> Result<NodeStanding, Refusal>;

    /// Takes back records of the own log that nobody else holds from the copies set aside on this disk.
    fn salvage(&self) -> BoxFuture<'static, Result<Salvaged, Refusal>>;

    /// Every log held, by department.
    fn logs(&self) -> Result<Vec<LogStanding>, Refusal>;

    /// One log, with the root over its first records if that is asked for; `None` when the department is not a member.
    fn log(
        &self,
        department: &DepartmentCode,
        root_at: Option<u64>,
    ) -> Result<Option<LogStanding>, Refusal>;

    /// The other members.
    fn peers(&self) -> Vec<MemberStanding>;

    /// State of the node.
    fn status(&self) -> NodeStanding;

    /// Whether the node can do its work. Must not read files.
    fn readiness(&self) -> Readiness;
}

/// An operator's word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word {
    /// What was lost is known, and the log continues without the members that have not answered.
    pub(crate) after_loss: bool,
    /// The machine's clock is right, despite the evidence against it.
    pub(crate) clock_is_right: bool,
}

impl Operate for PeerService {
    fn vouch_for_own_log(&self, word: Word) -> Result<NodeStanding, Refusal> {
        if word.clock_is_right {
            self.peer.trust_clock();
            return Ok(self.status());
        }
        if self.peer.vouch_for_own_log(word.after_loss) {
            self.vouched.notify_one();
        }
        match self.peer.own.state() {
            OwnLogState::Restoring => Err(Refusal::OwnLogUnconfirmed(Unconfirmed::WouldFork)),
            OwnLogState::Confirming if word.after_loss => {
                Err(Refusal::OwnLogUnconfirmed(Unconfirmed::NoLoss))
            }
            OwnLogState::Confirming | OwnLogState::Elsewhere => {
                // What was in the way may be gone by now.
                self.peer
                    .own
                    .refusal()
                    .map_or_else(|| Ok(self.status()), Err)
            }
            _ => Ok(self.status()),
        }
    }

    fn salvage(&self) -> BoxFuture<'static, Result<Salvaged, Refusal>> {
        let writer = self.writer.clone();
        async move { writer.salvage()?.await.unwrap_or(Err(Refusal::Internal)) }.boxed()
    }

    fn logs(&self) -> Result<Vec<LogStanding>, Refusal> {
        let logs = self.peer.catalogue.logs();
        Ok(logs.map(|log| self.peer.log_standing(&log)).collect())
    }

    fn log(
        &self,
        department: &DepartmentCode,
        root_at: Option<u64>,
    ) -> Result<Option<LogStanding>, Refusal> {
        let log = self.peer.catalogue.log_of(department);
        Ok(log.map(|log| LogStanding {
            root_at: root_at.and_then(|size| log.root_at(size)),
            ..self.peer.log_standing(&log)
        }))
    }

    fn peers(&self) -> Vec<MemberStanding> {
        self.peer.member_standings()
    }

    fn status(&self) -> NodeStanding {
        self.peer.standing()
    }

    fn readiness(&self) -> Readiness {
        self.peer.readiness()
    }
}
