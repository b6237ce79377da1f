//! Who may have which of the keys that are held here.

use certmesh_ledger::crypto::keys::{CatalogueCommitment, CatalogueKey};
use certmesh_ledger::governance::{Action, Item, Proposal, State};
use certmesh_ledger::id::DepartmentCode;

use crate::peer::Peer;

impl Peer {
    /// A key that a member may have, if it is held here: one that is in force, or was, or is proposed and the member decides on it.
    pub(crate) fn shared_catalogue_key(
        &self,
        asker: &DepartmentCode,
        commitment: &CatalogueCommitment,
    ) -> Option<CatalogueKey> {
        let history = self.catalogue.members().history();
        let state = history.state();
        let known = state.catalogue_keys();
        let is_shared = known.iter().any(|(_, known)| known == commitment)
            || decides_on(asker, commitment, state, &self.governance.read().pending);
        let held = self.catalogue_key_files.held.read();
        is_shared.then(|| held.find(commitment).cloned())?
    }

    /// Who proposes a key in what waits here, if anybody does.
    pub(crate) fn proposer_of(&self, commitment: &CatalogueCommitment) -> Option<DepartmentCode> {
        let shown = self.governance.read();
        let mut proposals = proposals(&shown.pending);
        let of = proposals.find(|proposal| replaces_by(proposal, commitment));
        of.map(|proposal| proposal.proposer)
    }
}

fn proposals(pending: &[Item]) -> impl Iterator<Item = &Proposal> {
    pending.iter().filter_map(|item| match item {
        Item::Decision(decision) => Some(&decision.proposal),
        _ => None,
    })
}

fn replaces_by(proposal: &Proposal, commitment: &CatalogueCommitment) -> bool {
    proposal.actions.iter().any(|action| match action {
        Action::ReplaceCatalogueKey(replace) => replace.after == *commitment,
        _ => false,
    })
}

/// Whether a proposal that waits would bring a key into force, and this member decides on it: it governs, and nothing that waits
/// would have it suspended, removed or govern no longer. The key may be to replace one because of it.
pub(super) fn decides_on(
    asker: &DepartmentCode,
    commitment: &CatalogueCommitment,
    state: &State,
    pending: &[Item],
) -> bool {
    let against = |action: &Action| match action {
        Action::Suspend(suspend) => suspend.position.log.department == *asker,
        Action::Remove(remove) => remove.position.log.department == *asker,
        Action::Govern(govern) => govern.department == *asker && !govern.governs,
        _ => false,
    };
    let is_proposed = proposals(pending).any(|proposal| replaces_by(proposal, commitment));
    is_proposed
        && state.governor(asker).is_some()
        && !proposals(pending).any(|proposal| proposal.actions.iter().any(against))
}
