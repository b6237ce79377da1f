//! Who is who: this peer's keys, checked against the genesis, and the other members.

use std::collections::HashMap;
use std::path::Path;

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::keys::{CatalogueKey, FieldKey, Secret, SecretFile, SigningKey};
use certmesh_ledger::membership::{Genesis, Membership, PeerId as MemberPeer};
use libp2p::{Multiaddr, PeerId};
use zeroize::Zeroizing;

use super::start::{RunError, at};
use crate::config::Config;
use crate::keyfile;

/// The other members, and where each can be reached.
type Peers = HashMap<DepartmentCode, (PeerId, Vec<Multiaddr>)>;

/// Who this peer is and whom it talks to, checked as a whole.
pub(super) struct Identity {
    pub(super) genesis: Genesis,
    pub(super) members: Membership,
    pub(super) signing: SigningKey,
    pub(super) transport: Zeroizing<[u8; 32]>,
    pub(super) catalogue_key: CatalogueKey,
    pub(super) field_key: FieldKey,
    pub(super) peers: Peers,
    pub(super) peer_id: MemberPeer,
}

fn secret(path: &Path, kind: SecretFile) -> Result<Zeroizing<[u8; 32]>, RunError> {
    let text = keyfile::read(path)?;
    kind.read(text.expose()).map_err(|error| RunError::Key {
        path: path.to_owned(),
        error,
    })
}

impl Identity {
    /// Reads the genesis and the keys, and checks that they belong together.
    pub(super) fn load(config: &Config) -> Result<Identity, RunError> {
        let path = &config.network;
        let text = std::fs::read_to_string(path).map_err(at(path))?;
        let genesis = Genesis::from_toml(&text).map_err(|faults| RunError::Genesis {
            path: path.clone(),
            faults,
        })?;
        let members = Membership::from_genesis(&genesis);
        let department = config.department;
        let own = members
            .member(&department)
            .ok_or_else(|| RunError::NotAMember {
                department,
                path: path.clone(),
            })?;
        let signing = SigningKey::from_seed(&*secret(&config.keys.signing, SecretFile::Signing)?);
        if signing.public() != own.signing_key {
            let expected = own.signing_key.to_string();
            return Err(RunError::OtherKey {
                path: config.keys.signing.clone(),
                what: "signing_key",
                expected,
            });
        }
        let transport = secret(&config.keys.transport, SecretFile::Transport)?;
        let peer_id = MemberPeer::from_transport_seed(&transport);
        if peer_id != own.peer_id {
            let expected = own.peer_id.to_string();
            return Err(RunError::OtherKey {
                path: config.keys.transport.clone(),
                what: "peer_id",
                expected,
            });
        }
        let catalogue_key = CatalogueKey(Secret::from_bytes(*secret(
            &config.keys.catalogue,
            SecretFile::Catalogue,
        )?));
        let field_key = FieldKey(Secret::from_bytes(*secret(
            &config.keys.field,
            SecretFile::Field,
        )?));
        let peers = peers(config, &members)?;
        Ok(Identity {
            peers,
            genesis,
            members,
            signing,
            transport,
            catalogue_key,
            field_key,
            peer_id,
        })
    }
}

fn peers(config: &Config, members: &Membership) -> Result<Peers, RunError> {
    let mut peers = HashMap::new();
    for member in members
        .members()
        .filter(|member| member.code != config.department)
    {
        let id = PeerId::from_bytes(&member.peer_id.to_multihash())
            .expect("a multihash of a checked identity");
        let addresses = match config.net.peers.get(&member.code) {
            Some(addresses) => addresses.clone(),
            None => member
                .addresses
                .iter()
                .map(|address| {
                    address.as_str().parse().map_err(|_| RunError::Address {
                        path: config.network.clone(),
                        department: member.code,
                        address: address.to_string(),
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        peers.insert(member.code, (id, addresses));
    }
    Ok(peers)
}
