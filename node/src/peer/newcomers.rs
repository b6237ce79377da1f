//! What members that joined need of this one.

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::{Response, sealed_catalogue_key};
use zeroize::Zeroizing;

use super::Peer;

impl Peer {
    /// The catalogue key for a member that asks for it, sealed to its present sealing key.
    pub(crate) fn share_catalogue_key(&self, asker: &DepartmentCode) -> Response {
        let mut random = Zeroizing::new([0; 32]);
        if let Err(error) = getrandom::fill(random.as_mut_slice()) {
            tracing::error!(%error, "no random bytes to seal the catalogue key with");
            return Response::NotHeld;
        }
        let members = self.catalogue.members();
        match sealed_catalogue_key(&self.catalogue_key, members, asker, random) {
            Some(sealed) => {
                tracing::info!(department = %asker, "sent the catalogue key to a member that asked for it");
                Response::CatalogueKey(Box::new(sealed))
            }
            None => {
                tracing::warn!(department = %asker, "a member that is suspended asked for the catalogue key: not sent");
                Response::NotHeld
            }
        }
    }
}
