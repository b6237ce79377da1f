//! What members that joined, or lack a key that was replaced meanwhile, need of this one.

use certmesh_ledger::crypto::keys::CatalogueCommitment;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::{Response, sealed_catalogue_key};
use certmesh_text::governance::short;
use zeroize::Zeroizing;

use super::Peer;

impl Peer {
    /// The catalogue key that a member asks for, sealed to its present sealing key.
    pub(crate) fn share_catalogue_key(
        &self,
        asker: &DepartmentCode,
        wanted: &CatalogueCommitment,
    ) -> Response {
        let name = short(&wanted.to_string());
        let Some(key) = self.shared_catalogue_key(asker, wanted) else {
            tracing::debug!(department = %asker, key = name, "a member asked for a catalogue key that is not held here");
            return Response::NotHeld;
        };
        let mut random = Zeroizing::new([0; 32]);
        if let Err(error) = getrandom::fill(random.as_mut_slice()) {
            tracing::error!(%error, "no random bytes to seal the catalogue key with");
            return Response::NotHeld;
        }
        let members = self.catalogue.members();
        match sealed_catalogue_key(&key, members, asker, random) {
            Some(sealed) => {
                tracing::info!(department = %asker, key = name, "sent the catalogue key to a member that asked for it");
                Response::CatalogueKey(Box::new(sealed))
            }
            None => {
                tracing::warn!(department = %asker, "a member that is suspended asked for the catalogue key: not sent");
                Response::NotHeld
            }
        }
    }
}
