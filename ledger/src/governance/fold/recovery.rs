//! Ending the governing of members that can't be reached.

use crate::crypto::hash::Purpose;
use crate::genesis::Share;
use crate::id::DepartmentCode;

use super::super::block::SignedRecovery;
use super::super::fault::Fault;
use super::super::state::State;

const A_THIRD: Share = Share { of: 1, parts: 3 };

impl State {
    pub(super) fn recover(&mut self, signed: &SignedRecovery) -> Result<(), Fault> {
        let recovery = &signed.recovery;
        // Any other block shows that governance goes on without it.
        if (recovery.height, recovery.before) != (self.height, self.head) {
            return Err(Fault::RecoveryPlace);
        }
        self.check_recovery_keys(signed)?;
        if recovery.ends.is_empty() {
            return Err(Fault::NoChange);
        }
        for code in recovery.ends.iter() {
            self.governor(code).ok_or(Fault::NotAGovernor(*code))?;
        }
        let (found, governors) = (signed.governors.len(), self.governors().count());
        if !A_THIRD.is_exceeded_by(found, governors) {
            return Err(Fault::RecoveryGovernors { found, governors });
        }
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

    fn check_recovery_keys(&self, signed: &SignedRecovery) -> Result<(), Fault> {
        let terms = self.policy.recovery.as_ref();
        let need = terms.map_or(0, |terms| usize::from(terms.need));
        let keys = terms.map_or(&[][..], |terms| &terms.keys);
        let message = self.network.message(Purpose::Recovery, &signed.recovery);
        let verified = signed.keys.iter().filter(|one| {
            let key = keys.get(usize::from(one.key));
            key.is_some_and(|key| key.0.verify(&message, &one.signature).is_ok())
        });
        let found = verified.count();
        // A signature that doesn't verify is no part of a block, even where there are enough without it.
        match found == signed.keys.len() && terms.is_some() && found >= need {
            true => Ok(()),
            false => Err(Fault::RecoveryKeys { found, need }),
        }
    }
}
