//! Ending the governing of members that can't be reached.

use crate::crypto::hash::Purpose;
use crate::genesis::Share;
use crate::id::DepartmentCode;

use super::super::block::{Recovery, SignedRecovery};
use super::super::fault::Fault;
use super::super::state::State;

const A_THIRD: Share = Share { of: 1, parts: 3 };

impl State {
    pub(super) fn recover(&mut self, signed: &SignedRecovery) -> Result<(), Fault> {
        let recovery = &signed.recovery;
        self.check_recovery(recovery)?;
        self.check_recovery_keys(signed)?;
        self.check_agreeing(signed.governors.len())?;
        for agreed in signed.governors.iter() {
            let by = agreed.by;
            let ends = recovery.ends.find(&by).is_some();
            let governor = self.governor(&by).filter(|_| !ends);
            let key = &governor.ok_or(Fault::NotAGovernor(by))?.keys.identity;
            if !(self.network).is_signed(Purpose::Recovery, recovery, agreed, key) {
                return Err(Fault::Signature(by));
            }
        }
        let ends: Vec<DepartmentCode> = recovery.ends.to_vec();
        for code in &ends {
            self.member_mut(code).governs = false;
        }
        self.sitting.end();
        Ok(())
    }

    /// Whether a recovery would hold in the next block, were it signed by all who could: for those who are to sign it. The
    /// state is that of [`State::at`].
    ///
    /// # Errors
    /// [`Fault`] if signatures would change nothing.
    pub fn check_recovery(&self, recovery: &Recovery) -> Result<(), Fault> {
        // Any other block shows that governance goes on without it.
        if (recovery.height, recovery.before) != (self.height, self.head) {
            return Err(Fault::RecoveryPlace);
        }
        if self.policy.recovery.is_none() {
            return Err(Fault::NoRecoveryKeys);
        }
        if recovery.ends.is_empty() {
            return Err(Fault::NoChange);
        }
        for code in recovery.ends.iter() {
            self.governor(code).ok_or(Fault::NotAGovernor(*code))?;
        }
        let (left, _) = self.voters(Some(recovery));
        self.check_agreeing(left.len())
    }

    /// Governors that have to agree to a recovery.
    pub fn recovery_agreement(&self) -> usize {
        A_THIRD.least_exceeding(self.governors().count())
    }

    fn check_agreeing(&self, found: usize) -> Result<(), Fault> {
        let governors = self.governors().count();
        match A_THIRD.is_exceeded_by(found, governors) {
            true => Ok(()),
            false => Err(Fault::RecoveryGovernors { found, governors }),
        }
    }

    fn check_recovery_keys(&self, signed: &SignedRecovery) -> Result<(), Fault> {
        let terms = self.policy.recovery.as_ref();
        let need = terms.map_or(0, |terms| usize::from(terms.need));
        let keys = terms.map_or(&[][..], |terms| &terms.keys);
        let message = signed.recovery.id(self.network).0;
        let verified = signed.keys.iter().filter(|one| {
            let key = keys.get(usize::from(one.key));
            key.is_some_and(|key| key.0.verify(&message, &one.signature).is_ok())
        });
        let found = verified.count();
        // A signature that doesn't verify is no part of a block, even where there are enough without it.
        match found == signed.keys.len() && found >= need {
            true => Ok(()),
            false => Err(Fault::RecoveryKeys { found, need }),
        }
    }
}
