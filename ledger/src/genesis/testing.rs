//! Departments and networks for tests.

use super::{Department, Genesis, MAX_GOVERNORS, PeerId, Policy, Role};
use crate::codec::{Ascending, Bounded, Text};
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::crypto::keys::{CatalogueCommitment, PublicKey, SigningKey};
use crate::crypto::sealing::SealingSecret;
use crate::id::DepartmentCode;

/// A department that governs, with this signing key; its other keys follow from that one.
pub(crate) fn department(code: &str, signing_key: PublicKey, roles: &[Role]) -> Department {
    let code: DepartmentCode = code.parse().unwrap();
    let seed = |n: u8| {
        let from = [signing_key.as_bytes().as_slice(), &[n]].concat();
        *hash(Purpose::File, &from).as_bytes()
    };
    Department {
        code,
        name: Text::new(code.as_str()).unwrap(),
        name_zh: None,
        roles: Ascending::first(roles.iter().copied()),
        governs: true,
        identity_key: SigningKey::from_seed(&seed(1)).public(),
        signing_key,
        peer_id: PeerId::from_transport_seed(&seed(2)),
        sealing_key: SealingSecret::from_seed(&seed(3)).public(),
        addresses: Bounded::default(),
    }
}

/// A network of these departments, of which as many govern as can.
pub(crate) fn network(name: &str, mut departments: Vec<Department>) -> Genesis {
    for department in departments.iter_mut().skip(MAX_GOVERNORS) {
        department.governs = false;
    }
    let key = CatalogueCommitment(Hash::ZERO);
    Genesis::new(name, 0, key, Policy::usual(), departments).unwrap()
}
