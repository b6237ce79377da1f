//! Decisions of the members, and proposals withdrawn.

use crate::crypto::hash::Purpose;
use crate::crypto::keys::PublicKey;
use crate::genesis::Share;
use crate::id::DepartmentCode;

use super::super::action::Action;
use super::super::chain::ProposalId;
use super::super::fault::Fault;
use super::super::kinds::Signed;
use super::super::proposal::{Decision, Proposal, Withdrawal};
use super::super::state::{FORMAT_VERSION, Sitting, State};

impl State {
    /// What would be so after a proposal of the present sitting, were it approved by enough in a block of this time: for those
    /// who are to approve it.
    ///
    /// # Errors
    /// [`Fault`] if approvals would change nothing.
    pub fn after(&self, proposal: &Proposal, time_ms: u64) -> Result<State, Fault> {
        let mut next = self.at(time_ms);
        next.check_open(proposal)?;
        next.carry_out(proposal)?;
        match next.is_readable() {
            true => Ok(next),
            false => Err(Fault::LaterVersion {
                version: next.version,
                known: FORMAT_VERSION,
            }),
        }
    }

    /// How many of those who govern now have to want a proposal, its proposer among them.
    pub fn approvals_needed(&self, proposal: &Proposal) -> usize {
        self.share_needed(proposal)
            .least_exceeding(self.governors().count())
    }

    /// More than this share of those who govern decides.
    ///
    /// Nobody approves a version that his own program does not know. As many as have to vote for a block are asked for, whatever
    /// the policy says: else those left could not decide on anything before others have upgraded.
    fn share_needed(&self, proposal: &Proposal) -> Share {
        let decide = self.policy.decide;
        match proposal.raises() {
            true if decide.is_below(Share::TWO_THIRDS) => Share::TWO_THIRDS,
            _ => decide,
        }
    }

    pub(super) fn decide(&mut self, decision: &Decision) -> Result<(), Fault> {
        self.check_approved(decision)?;
        self.carry_out(&decision.proposal)
    }

    fn carry_out(&mut self, proposal: &Proposal) -> Result<(), Fault> {
        let before = self.deciding();
        if proposal.raises() && proposal.actions.len() > 1 {
            return Err(Fault::RaisesBeside);
        }
        for (at, action) in proposal.actions.iter().enumerate() {
            let refused = |fault| Fault::Action { at, fault };
            self.act(action).map_err(refused)?;
        }
        let after = self.deciding();
        // A recovery may have left fewer than the policy asks for: then a decision may still add some.
        let (left, least) = (after.len(), self.least_governors());
        if left == 0 || left < least && left < before.len() {
            return Err(Fault::TooFewGovernors { left, least });
        }
        match after != before || proposal.actions.iter().any(ends_sitting) {
            true => self.sitting.end(),
            false => self
                .sitting
                .close(proposal.proposer, proposal.id(self.network)),
        }
        Ok(())
    }

    /// Whether enough of those who govern now want a proposal, and may still.
    fn check_approved(&self, decision: &Decision) -> Result<(), Fault> {
        self.check_proposed(decision)?;
        let proposer = decision.proposal.proposer;
        if decision.approvals.find(&proposer).is_some() {
            return Err(Fault::ProposerTwice);
        }
        let (found, governors) = (1 + decision.approvals.len(), self.governors().count());
        let share = self.share_needed(&decision.proposal);
        if !share.is_exceeded_by(found, governors) {
            let Share { of, parts } = share;
            return Err(Fault::Approvals {
                found,
                governors,
                of,
                parts,
            });
        }
        let id = decision.proposal.id(self.network);
        let mut approvals = decision.approvals.iter();
        approvals.try_for_each(|approval| self.check_approval(id, approval))
    }

    /// Whether a proposal may be decided, were it approved.
    pub(in crate::governance) fn check_proposed(&self, decision: &Decision) -> Result<(), Fault> {
        let proposal = &decision.proposal;
        let key = self.check_open(proposal)?;
        let id = proposal.id(self.network);
        match key.verify(&id.0, &decision.signature) {
            Ok(()) => Ok(()),
            Err(_) => Err(Fault::Signature(proposal.proposer)),
        }
    }

    /// Whether a proposal, signed or not, may be decided; gives its proposer's identity key.
    fn check_open(&self, proposal: &Proposal) -> Result<&PublicKey, Fault> {
        self.check_sitting(proposal.sitting)?;
        if self.time_ms > proposal.lapses_ms {
            return Err(Fault::Lapsed {
                lapsed: proposal.lapses_ms,
                time: self.time_ms,
            });
        }
        if proposal.actions.is_empty() {
            return Err(Fault::NoAction);
        }
        let id = proposal.id(self.network);
        let proposer = self.identity_of_governor(&proposal.proposer)?;
        match self.sitting.closed.contains(&(proposal.proposer, id)) {
            true => Err(Fault::Closed),
            false => Ok(proposer),
        }
    }

    /// Whether a governor approves a proposal.
    pub(in crate::governance) fn check_approval(
        &self,
        proposal: ProposalId,
        approval: &Signed,
    ) -> Result<(), Fault> {
        let key = self.identity_of_governor(&approval.by)?;
        match (self.network).is_signed(Purpose::Approval, &proposal, approval, key) {
            true => Ok(()),
            false => Err(Fault::Signature(approval.by)),
        }
    }

    pub(super) fn withdraw(&mut self, withdrawal: &Withdrawal) -> Result<(), Fault> {
        self.check_sitting(withdrawal.sitting)?;
        let by = withdrawal.signed.by;
        let key = self.identity_of_governor(&by)?;
        let content = (withdrawal.proposal, withdrawal.sitting);
        let signed = &withdrawal.signed;
        if !(self.network).is_signed(Purpose::Withdrawal, &content, signed, key) {
            return Err(Fault::Signature(by));
        }
        if self.sitting.closed.contains(&(by, withdrawal.proposal)) {
            return Err(Fault::Closed);
        }
        // Nobody else has to agree to a withdrawal: without a bound one governor could fill the chain with them.
        let withdrawn = self.sitting.withdrawn.entry(by).or_default();
        if *withdrawn >= Sitting::MAX_WITHDRAWN {
            return Err(Fault::Withdrawals(by));
        }
        *withdrawn += 1;
        self.sitting.close(by, withdrawal.proposal);
        Ok(())
    }

    fn check_sitting(&self, found: u64) -> Result<(), Fault> {
        match self.sitting.number {
            now if now == found => Ok(()),
            now => Err(Fault::Sitting { found, now }),
        }
    }

    fn identity_of_governor(&self, code: &DepartmentCode) -> Result<&PublicKey, Fault> {
        let governor = self.governor(code).ok_or(Fault::NotAGovernor(*code))?;
        Ok(&governor.keys.identity)
    }

    /// Who decides.
    fn deciding(&self) -> Vec<DepartmentCode> {
        self.governors().map(|member| member.code).collect()
    }
}

/// Whether approvals given before this action say nothing after it: they were given to other keys, by other rules, or to
/// something read otherwise. What changes who governs does so as well, whichever action it is.
fn ends_sitting(action: &Action) -> bool {
    matches!(
        action,
        Action::ReplaceIdentity(_) | Action::ReplacePolicy(_) | Action::RaiseVersion(_)
    )
}
