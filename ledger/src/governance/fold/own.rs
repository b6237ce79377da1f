//! What departments change by themselves.

use crate::crypto::hash::Purpose;
use crate::crypto::keys::PublicKey;
use crate::genesis::Share;
use crate::id::DepartmentCode;

use super::super::action::CutReason;
use super::super::fault::Fault;
use super::super::member::{Ended, GenerationEnd, Trail};
use super::super::own::{EndReason, EpochEnded, SignedChange};
use super::super::state::{State, UsedKey};

impl State {
    pub(super) fn change_own(&mut self, signed: &SignedChange) -> Result<(), Fault> {
        let change = &signed.change;
        let code = change.department;
        let member = self.member(&code).ok_or(Fault::NotAMember(code))?;
        let next = member.changes.saturating_add(1);
        if change.number != next {
            return Err(Fault::Number {
                department: code,
                found: change.number,
                next,
            });
        }
        let (operating, transport, sealing) = (change.operating, &change.transport, change.sealing);
        if operating.is_none() && transport.is_none() && sealing.is_none() {
            return Err(Fault::NoChange);
        }
        let identity = &member.keys.identity;
        let verifies =
            (self.network).verifies(Purpose::OwnChange, change, &signed.identity, identity);
        if !verifies {
            return Err(Fault::Signature(code));
        }
        if !signed.is_possessed(self.network) {
            return Err(Fault::NotPossessed(code));
        }
        if let Some(lost) = &change.lost {
            if operating.is_none() {
                return Err(Fault::NoNewEpoch(code));
            }
            self.check_lost(member, change.number, lost)?;
        }
        let keys = [
            operating.as_ref().map(UsedKey::signs),
            transport
                .as_ref()
                .map(|peer| UsedKey::Signs(*peer.as_bytes())),
            sealing.map(|key| UsedKey::Seals(code, *key.as_bytes())),
        ];
        if !self.use_keys(keys.into_iter().flatten()) {
            return Err(Fault::KeyUsed(code));
        }
        let (time, limit) = (self.time_ms, self.policy.own_changes_a_day);
        if !self.member_mut(&code).quota.take(time, limit) {
            return Err(Fault::Quota(code));
        }
        let member = self.member_mut(&code);
        member.changes = change.number;
        if let Some(transport) = transport {
            member.keys.transport = transport.clone();
        }
        if let Some(sealing) = sealing {
            member.keys.sealing = sealing;
        }
        if let Some(operating) = operating {
            member.keys.operating = operating;
            member.epoch = member.epoch.saturating_add(1);
            let (epoch, height) = (member.epoch, self.height);
            self.trail_mut(&code).add_epoch(operating, height);
            if let Some(lost) = &change.lost {
                let (why, epochs) = (GenerationEnd::Cut(CutReason::Lost), EndReason::Rotated);
                self.begin_generation(&lost.position, why, epochs, epoch);
            }
        }
        Ok(())
    }

    pub(super) fn end_epoch(&mut self, ended: &EpochEnded) -> Result<(), Fault> {
        let end = &ended.end;
        let code = end.position.log.department;
        let member = self.member(&code).ok_or(Fault::NotAMember(code))?;
        let message = EpochEnded::message(self.network, end);
        let verifies = |key: &PublicKey| key.verify(&message, &ended.signature).is_ok();
        if !member.operating_key().is_some_and(verifies) {
            return Err(Fault::Signature(code));
        }
        let refused = |why| Fault::Epoch {
            department: code,
            epoch: end.epoch,
            why,
        };
        if end.epoch >= member.epoch {
            return Err(refused(
                "it is the present one; change the operating key first",
            ));
        }
        let trail = self.trail(&code);
        let known = trail.and_then(|trail| trail.epoch(end.epoch));
        match known.and_then(|epoch| epoch.ended) {
            // That a key was stolen may be found out later than that it was replaced.
            Some(known) if (known.why, end.why) == (EndReason::Rotated, EndReason::Stolen) => {
                if known.position != end.position {
                    return Err(refused("it ended elsewhere"));
                }
            }
            Some(_) => return Err(refused("it ended before")),
            None => {
                self.check_position(&end.position)?;
                let open = trail.map_or(0, Trail::first_open_epoch);
                if u64::from(end.epoch) != open as u64 {
                    return Err(refused("an earlier one has not ended"));
                }
                let before = trail.and_then(|trail| trail.epoch(end.epoch.checked_sub(1)?));
                let before = before.and_then(|epoch| epoch.ended);
                let same_log = before.filter(|before| before.position.log == end.position.log);
                if same_log.is_some_and(|before| before.position.size > end.position.size) {
                    return Err(refused("the one before it ended at a larger size"));
                }
            }
        }
        for witness in ended.witnesses.iter() {
            let signs = |key: &PublicKey| end.is_witnessed(self.network, witness, key);
            self.check_witness(&code, witness.by, signs)?;
        }
        self.check_witnessed(&code, ended.witnesses.len())?;
        let height = self.height;
        let ended = Ended {
            height,
            position: end.position,
            why: end.why,
        };
        self.trail_mut(&code).end_epoch(end.epoch, ended);
        Ok(())
    }

    /// Whether a governor other than the department signed, by its operating key.
    pub(super) fn check_witness(
        &self,
        of: &DepartmentCode,
        by: DepartmentCode,
        signs: impl Fn(&PublicKey) -> bool,
    ) -> Result<(), Fault> {
        let witness = self.governor(&by).filter(|witness| witness.code != *of);
        let witness = witness.ok_or(Fault::NotAGovernor(by))?;
        match witness.operating_key().is_some_and(signs) {
            true => Ok(()),
            false => Err(Fault::Signature(by)),
        }
    }

    /// Whether so many of the governors other than a department are what the policy asks of witnesses.
    pub(super) fn check_witnessed(&self, of: &DepartmentCode, found: usize) -> Result<(), Fault> {
        let others = self.governors().filter(|other| other.code != *of).count();
        let Share { of, parts } = self.policy.witness;
        match self.policy.witness.is_reached_by(found, others) {
            true => Ok(()),
            false => Err(Fault::Witnesses {
                found,
                others,
                of,
                parts,
            }),
        }
    }
}
