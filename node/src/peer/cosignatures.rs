//! Members' signatures under the checkpoints accepted here: kept in memory to be shown and sent, and in the state store
//! over a restart.

use std::collections::BTreeMap;

use certmesh_ledger::codec;
use certmesh_ledger::governance::engine::Seat;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::{Checkpoint, Cosignature, SignedCheckpoint, VerifiedCheckpoint};
use certmesh_ledger::store::Table;

use super::{Peer, now_ms};

/// A signature this old is made again, ms: those who show others how fresh their view of a log is need one of the last day.
const STATED_AGAIN_MS: u64 = 12 * 3600 * 1000;

/// The newest of each member's signatures under one log's checkpoints.
pub(crate) type Signed = BTreeMap<DepartmentCode, (VerifiedCheckpoint, Cosignature)>;

impl Peer {
    /// Keeps a member's signature under a checkpoint accepted here.
    pub(crate) fn keep_cosignature(
        &self,
        checkpoint: VerifiedCheckpoint,
        cosignature: Cosignature,
    ) {
        let (log, witness) = (checkpoint.log, cosignature.witness);
        let key = format!("{log}/{witness}");
        let value = codec::encode(&(checkpoint.signed(), &cosignature));
        if let Err(error) = self.store.set(Table::Cosignatures, key.as_bytes(), &value) {
            tracing::warn!(%error, "cosignature not kept in the state store");
        }
        self.cosignatures
            .write()
            .entry(log)
            .or_default()
            .insert(witness, (checkpoint, cosignature));
    }

    /// Signs under a checkpoint that is accepted here. `None` while nothing that this department signs counts; by a key that may
    /// have signed what was lost with the disk; and under one larger than what this node stated to hold after a loss.
    pub(crate) fn cosign(&self, checkpoint: &VerifiedCheckpoint) -> Option<Cosignature> {
        if self.governance.read().seat == Seat::Barred {
            return None;
        }
        let members = self.catalogue.members();
        let bound = self.stated.bound(&checkpoint.log, &members.history());
        if bound.is_some_and(|size| checkpoint.size > size) {
            return None;
        }
        let signs = self.keys.in_force().ok()?;
        let signed = Cosignature::sign(members, checkpoint, self.department, now_ms(), &signs);
        self.keep_cosignature(checkpoint.clone(), signed.clone());
        Some(signed)
    }

    /// This peer's signature under a checkpoint, made again when it is old: it shows others that nothing newer is known
    /// here. Under its own it signs once the checkpoint itself is old, and only while it knows it is the newest.
    pub(crate) fn fresh_cosignature(&self, checkpoint: &VerifiedCheckpoint) -> Option<Cosignature> {
        let held = self.cosignature_by(&self.department, checkpoint);
        let own = checkpoint.log == self.catalogue.own();
        let since_ms = match &held {
            Some(held) => held.time_ms,
            None if own => checkpoint.time_ms,
            // It is signed when it is accepted, unless not all of it can be checked.
            None => return None,
        };
        let old = since_ms.saturating_add(STATED_AGAIN_MS) <= now_ms();
        // A stopped log takes nothing newer, so nothing can be said about its newest.
        let log = self.catalogue.log(&checkpoint.log);
        let stopped = log.is_none_or(|log| log.stopped().is_some());
        match old && !stopped && (!own || self.own.is_confirmed()) {
            true => self.cosign(checkpoint),
            false => held,
        }
    }

    /// Other members' signatures under exactly this checkpoint.
    pub(crate) fn witnesses_of(&self, checkpoint: &Checkpoint) -> Vec<Cosignature> {
        let mut all = self.cosignatures_of(checkpoint);
        all.retain(|signed| signed.witness != checkpoint.log.department);
        all
    }

    /// Members' signatures under exactly this checkpoint, its own department's among them.
    pub(crate) fn cosignatures_of(&self, checkpoint: &Checkpoint) -> Vec<Cosignature> {
        let all = self.cosignatures.read();
        let of_log = all
            .get(&checkpoint.log)
            .into_iter()
            .flat_map(BTreeMap::values);
        of_log
            .filter(|(signed, _)| **signed == *checkpoint)
            .map(|(_, cosignature)| cosignature.clone())
            .collect()
    }

    /// One member's signature under exactly this checkpoint.
    pub(crate) fn cosignature_by(
        &self,
        witness: &DepartmentCode,
        checkpoint: &VerifiedCheckpoint,
    ) -> Option<Cosignature> {
        let all = self.cosignatures.read();
        let (signed, cosignature) = all.get(&checkpoint.log)?.get(witness)?;
        (signed == checkpoint).then(|| cosignature.clone())
    }

    /// Reads back what the state store kept of cosignatures; whatever cannot be read comes again with the next heads.
    pub(crate) fn load_cosignatures(&self) {
        let kept = match self.store.scan(Table::Cosignatures, b"", 1 << 20) {
            Ok(kept) => kept,
            Err(error) => {
                return tracing::warn!(%error, "cosignatures not read from the state store");
            }
        };
        let members = self.catalogue.members();
        let mut all = self.cosignatures.write();
        for (_, value) in kept {
            let Ok((checkpoint, cosignature)) =
                codec::decode::<(SignedCheckpoint, Cosignature)>(&value, 4096)
            else {
                continue;
            };
            if let Ok(checkpoint) = checkpoint.verify(members)
                && cosignature.verify(&checkpoint, members).is_ok()
            {
                let of_log = all.entry(checkpoint.log).or_default();
                of_log.insert(cosignature.witness, (checkpoint, cosignature));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::states;

    #[test]
    fn the_page_states_how_often_peers_confirm_to_each_other() {
        let a_day = 24 * 3_600_000 / STATED_AGAIN_MS;
        assert_eq!(a_day, 2);
        states("docs/limits.md", "Peers confirm to each other twice a day");
    }
}
