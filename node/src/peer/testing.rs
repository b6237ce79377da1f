//! A network of one department, for tests.

use certmesh_ledger::codec::Text;
use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SigningKey};
use certmesh_ledger::membership::{Department, Genesis, Membership, PeerId};

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
        signing_key: signing_key().public(),
        peer_id: PeerId::from_transport_seed(&[2; 32]),
        addresses: Default::default(),
    };
    let commitment = catalogue_key().commitment();
    let genesis = Genesis::new("Test", 1, commitment, vec![department]);
    Membership::from_genesis(&genesis.unwrap())
}
