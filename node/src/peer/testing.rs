//! A network of one department, for tests.

use certmesh_ledger::codec::Text;
use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::{Department, Genesis, PeerId, Policy};
use certmesh_ledger::membership::Membership;

/// The department.
pub(crate) const OWN: &str = "11430000006122244L";

/// The key that signs its log.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

/// The network's catalogue key.
pub(crate) fn catalogue_key() -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([3; 32]))
}

/// The network.
pub(crate) fn members() -> Membership {
    let department = Department {
        code: OWN.parse().unwrap(),
        name: Text::new("Transport").unwrap(),
        name_zh: None,
        roles: Default::default(),
        governs: true,
        identity_key: SigningKey::from_seed(&[11; 32]).public(),
        signing_key: signing_key().public(),
        peer_id: PeerId::from_transport_seed(&[2; 32]),
        sealing_key: SealingSecret::from_seed(&[12; 32]).public(),
        addresses: Default::default(),
    };
    let commitment = catalogue_key().commitment();
    let genesis = Genesis::new("Test", 1, commitment, Policy::usual(), vec![department]);
    Membership::from_genesis(&genesis.unwrap())
}
