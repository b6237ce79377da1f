//! Governance: what is known of it here, and what this department wants decided.

use certmesh_ledger::governance::Item;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{PeerService, Refusal};
use crate::peer::governance::NotTaken;

pub(crate) use crate::peer::governance::Shown;

/// Governing the network.
pub(crate) trait Govern {
    /// What is known of it here.
    fn governance(&self) -> Shown;

    /// Genesis and chain, as a trust file.
    fn trust_file(&self) -> Vec<u8>;

    /// Has something decided, if enough members want it. It is durable here and on its way to them once this is done.
    fn propose(&self, item: Item) -> BoxFuture<'static, Result<Shown, Refusal>>;
}

impl Govern for PeerService {
    fn governance(&self) -> Shown {
        self.peer.governance.read().clone()
    }

    fn trust_file(&self) -> Vec<u8> {
        self.peer.governance.read().trust_file()
    }

    fn propose(&self, item: Item) -> BoxFuture<'static, Result<Shown, Refusal>> {
        let (governing, peer) = (self.governing.clone(), std::sync::Arc::clone(&self.peer));
        async move {
            governing.submit(item).await.map_err(|error| match error {
                NotTaken::Refused(refused) => Refusal::NotDecidable {
                    why: refused.to_string(),
                },
                NotTaken::Unavailable => Refusal::Overloaded { retry_after_s: 1 },
            })?;
            Ok(peer.governance.read().clone())
        }
        .boxed()
    }
}
