//! Who is who: this peer's keys, checked against the genesis, and the other members.

use std::collections::HashMap;
use std::path::Path;

use certmesh_ledger::codec::Text;
use certmesh_ledger::crypto::keys::{CatalogueKey, FieldKey, Secret, SecretFile, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::{Genesis, PeerId as MemberPeer, Undialable, undialable};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;
use libp2p::{Multiaddr, PeerId};
use zeroize::Zeroizing;

use super::error::{RunError, at};
use crate::config::Config;
use certmesh_ledger::crypto::secret_files;

/// The other members, and where each can be reached.
type Peers = HashMap<DepartmentCode, (PeerId, Vec<Multiaddr>)>;

/// Who this peer is and whom it talks to, checked as a whole.
pub(crate) struct Identity {
    pub(crate) genesis: Genesis,
    pub(crate) members: Membership,
    pub(crate) signing: SigningKey,
    pub(crate) transport: Zeroizing<[u8; 32]>,
    pub(crate) catalogue_key: CatalogueKey,
    pub(crate) field_key: FieldKey,
    pub(crate) peers: Peers,
    pub(crate) peer_id: MemberPeer,
}

fn secret(path: &Path, kind: SecretFile) -> Result<Zeroizing<[u8; 32]>, RunError> {
    let text = secret_files::read(path)?;
    kind.read(text.expose()).map_err(|error| RunError::Key {
        path: path.to_owned(),
        error,
    })
}

/// The genesis the configuration names.
pub(crate) fn read_genesis(config: &Config) -> Result<Genesis, RunError> {
    let path = &config.network;
    let text = std::fs::read_to_string(path).map_err(at(path))?;
    Genesis::from_toml(&text).map_err(|faults| RunError::Genesis {
        path: path.clone(),
        faults,
    })
}

impl Identity {
    /// Reads the keys and checks that they belong to this department and this network. All that is wrong is reported at
    /// once.
    pub(crate) fn load(config: &Config, genesis: Genesis) -> Result<Identity, RunError> {
        let mut faults = Vec::new();
        let members = Membership::from_genesis(&genesis);
        let own = members.member(&config.department);
        if own.is_none() {
            faults.push(RunError::NotAMember {
                department: config.department,
                path: config.network.clone(),
            });
        }
        let keys = &config.keys;
        let mut read = |path: &Path, kind| {
            let read = secret(path, kind);
            read.map_err(|error| faults.push(error)).ok()
        };
        let signing = read(&keys.signing, SecretFile::Signing);
        let transport = read(&keys.transport, SecretFile::Transport);
        let sealing = read(&keys.sealing, SecretFile::Sealing);
        let catalogue = read(&keys.catalogue, SecretFile::Catalogue);
        let field = read(&keys.field, SecretFile::Field);
        let signing = signing.map(|seed| SigningKey::from_seed(&seed));
        let peer_id = transport
            .as_ref()
            .map(|seed| MemberPeer::from_transport_seed(seed));
        let catalogue_key = catalogue.map(|bytes| CatalogueKey(Secret::from_bytes(*bytes)));
        if let (Some(key), Some(own)) = (&signing, &own)
            && key.public() != own.keys.operating
        {
            let expected = &own.keys.operating;
            faults.push(other_key(&keys.signing, "signing_key", expected));
        }
        if let (Some(id), Some(own)) = (&peer_id, &own)
            && *id != own.keys.transport
        {
            faults.push(other_key(&keys.transport, "peer_id", &own.keys.transport));
        }
        let sealing = sealing.map(|seed| SealingSecret::from_seed(&seed).public());
        if let (Some(key), Some(own)) = (&sealing, &own)
            && *key != own.keys.sealing
        {
            faults.push(other_key(&keys.sealing, "sealing_key", &own.keys.sealing));
        }
        if catalogue_key
            .as_ref()
            .is_some_and(|key| key.commitment() != genesis.catalogue_key())
        {
            faults.push(RunError::OtherCatalogueKey {
                path: keys.catalogue.clone(),
            });
        }
        let peers = peers(config, &members, &mut faults);
        RunError::unless_none(faults)?;
        let whole = "what could not be read is a fault";
        Ok(Identity {
            peers,
            members,
            genesis,
            signing: signing.expect(whole),
            transport: transport.expect(whole),
            catalogue_key: catalogue_key.expect(whole),
            field_key: FieldKey(Secret::from_bytes(*field.expect(whole))),
            peer_id: peer_id.expect(whole),
        })
    }
}

fn other_key(path: &Path, what: &'static str, expected: &dyn ToString) -> RunError {
    RunError::OtherKey {
        path: path.to_owned(),
        what,
        expected: expected.to_string(),
    }
}

/// The other members' identities and addresses. An invalid address is a fault.
pub(crate) fn peers(config: &Config, members: &Membership, faults: &mut Vec<RunError>) -> Peers {
    let mut peers = HashMap::new();
    let others = members.members();
    for member in others.filter(|member| member.code != config.department) {
        let id = PeerId::from_bytes(&member.keys.transport.to_multihash())
            .expect("a multihash of a checked identity");
        let mut parse = |address: &Text<256>| {
            let parsed = address.as_str().parse();
            let fault = |_| RunError::Address {
                path: config.network.clone(),
                department: member.code,
                address: address.to_string(),
            };
            parsed.map_err(|error| faults.push(fault(error))).ok()
        };
        let addresses = match config.net.peers.get(&member.code) {
            Some(addresses) => addresses.clone(),
            None => {
                let founding = members.founding_addresses(&member.code).iter();
                founding.filter_map(&mut parse).collect()
            }
        };
        peers.insert(member.code, (id, addresses));
    }
    peers
}

/// The genesis's addresses of other members that can't be dialled, but for members that the configuration has addresses of.
pub(crate) fn undialable_peers(config: &Config, genesis: &Genesis) -> Vec<RunError> {
    let members = genesis.departments();
    let addresses = members
        .iter()
        .map(|member| (member.code.as_str(), &*member.addresses));
    let needed = |code: &str| {
        code != config.department.as_str()
            && !config
                .net
                .peers
                .keys()
                .any(|member| member.as_str() == code)
    };
    let found = undialable(addresses).into_iter();
    // What has another form is a fault of its own.
    let found =
        found.filter(|(member, fault)| needed(member) && !matches!(fault, Undialable::Form { .. }));
    let fault = |(member, fault): (&str, _)| RunError::Undialable {
        path: config.network.clone(),
        department: member.to_owned(),
        fault,
    };
    found.map(fault).collect()
}
