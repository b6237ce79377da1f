//! Who is who: this peer's keys, checked against the genesis and what was decided since, and the other members.

use std::io;
use std::path::{Path, PathBuf};

use certmesh_ledger::codec::Text;
use certmesh_ledger::crypto::keys::{CatalogueKey, FieldKey, Secret, SecretFile, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::genesis::{Genesis, PeerId as MemberPeer, Undialable, undialable};
use certmesh_ledger::governance::{FinalBlock, Store, TrustFile};
use certmesh_ledger::membership::Membership;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use zeroize::Zeroizing;

use super::error::{RunError, at};
use crate::config::Config;
use crate::peer::catalogue_keys::{self, is_there};
use crate::peer::key_files::KeyReader;
use crate::peer::roster::{Addresses, ByDepartment};
use crate::peer::whereabouts::OwnAddresses;

/// Who this peer is and whom it talks to, checked as a whole.
pub(crate) struct Identity {
    pub(crate) genesis: Genesis,
    pub(crate) members: Membership,
    /// All operating keys at hand, one of which is in force.
    pub(crate) signing: Vec<SigningKey>,
    /// The first transport key, from which other keys derive, and the one in force.
    pub(crate) first_transport: Zeroizing<[u8; 32]>,
    pub(crate) transport: Zeroizing<[u8; 32]>,
    pub(crate) field_key: FieldKey,
    /// Reads the key files again.
    pub(crate) key_reader: KeyReader,
    /// Where the other departments' peers can be reached.
    pub(crate) addresses: Addresses,
    /// The blocks of the trust file, which the members are by as well.
    pub(crate) trusted: Vec<FinalBlock>,
    pub(crate) peer_id: MemberPeer,
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
    /// once. With the catalogue keys that are there: those that lack, other members may have.
    pub(crate) fn load(
        config: &Config,
        genesis: Genesis,
    ) -> Result<(Identity, Vec<CatalogueKey>), RunError> {
        let mut faults = Vec::new();
        let (members, trusted) = members(config, &genesis);
        let trusted = trusted.map_err(|error| faults.push(error)).ok();
        let own = members.member(&config.department);
        if own.is_none() {
            faults.push(not_a_member(config, &members));
        }
        let keys = &config.keys;
        let reader = KeyReader::new(keys.passphrase_file.as_deref());
        let reader = reader
            .map_err(|error| faults.push(error.into()))
            .unwrap_or_default();
        let mut read = |path: &Path, kind| {
            let read = reader.one(path, kind);
            read.map_err(|error| faults.push(error.into())).ok()
        };
        let field = read(&keys.field, SecretFile::Field);
        let mut read_all = |path: &Path, kind| {
            let read = reader.all(path, kind);
            read.map_err(|error| faults.push(error.into()))
                .unwrap_or_default()
        };
        let transports = read_all(&keys.transport, SecretFile::Transport);
        let sealing = read_all(&keys.sealing, SecretFile::Sealing);
        let signing = reader.operating(&keys.signing);
        let signing = signing
            .map_err(|error| faults.push(error.into()))
            .unwrap_or_default();
        let catalogue_keys = catalogue_keys::read(&reader, &keys.catalogue);
        let (catalogue_keys, unread) = catalogue_keys
            .map_err(|error| faults.push(error.into()))
            .unwrap_or_default();
        if let Some(error) = unread {
            tracing::error!(%error, "a catalogue key can't be read: other members are asked for it");
        }
        let has_catalogue_key = is_there(&keys.catalogue);
        if !has_catalogue_key && own.is_some() && members.others(&config.department) == 0 {
            faults.push(RunError::NoCatalogueKey {
                path: keys.catalogue.clone(),
            });
        }
        // What can't be read is a fault of its own.
        if let Some(expected) = own.as_ref().map(|own| own.keys.operating)
            && !signing.is_empty()
            && signing.iter().all(|key| key.public() != expected)
        {
            faults.push(other_key(&keys.signing, "signing_key", &expected));
        }
        let in_force = |seed: &&Zeroizing<[u8; 32]>| {
            let id = MemberPeer::from_transport_seed(seed);
            own.as_ref().is_some_and(|own| own.keys.transport == id)
        };
        let transport = transports.iter().find(in_force).cloned();
        if let Some(own) = own.as_ref().filter(|_| !transports.is_empty())
            && transport.is_none()
        {
            faults.push(other_key(&keys.transport, "peer_id", &own.keys.transport));
        }
        let sealing: Vec<SealingSecret> = sealing
            .iter()
            .map(|seed| SealingSecret::from_seed(seed))
            .collect();
        if let Some(own) = own.as_ref().filter(|_| !sealing.is_empty())
            && sealing.iter().all(|key| key.public() != own.keys.sealing)
        {
            faults.push(other_key(&keys.sealing, "sealing_key", &own.keys.sealing));
        }
        // What can't be read is a fault of its own.
        if has_catalogue_key
            && catalogue_keys
                .first()
                .is_some_and(|key| key.commitment() != genesis.catalogue_key())
        {
            faults.push(RunError::OtherCatalogueKey {
                path: keys.catalogue.clone(),
            });
        }
        let addresses = addresses(config, &genesis, &mut faults);
        RunError::unless_none(faults)?;
        let whole = "what could not be read is a fault";
        let transport = transport.expect(whole);
        let identity = Identity {
            peer_id: MemberPeer::from_transport_seed(&transport),
            first_transport: transports.into_iter().next().expect(whole),
            signing,
            addresses,
            trusted: trusted.expect(whole),
            key_reader: reader,
            members,
            genesis,
            transport,
            field_key: FieldKey(Secret::from_bytes(*field.expect(whole))),
        };
        Ok((identity, catalogue_keys))
    }
}

fn other_key(path: &Path, what: &'static str, expected: &dyn ToString) -> RunError {
    RunError::OtherKey {
        path: path.to_owned(),
        what,
        expected: expected.to_string(),
    }
}

/// Where the other departments' peers can be reached: as the configuration has it, also of departments that may yet join, and
/// as the genesis has it. An invalid address is a fault.
pub(crate) fn addresses(
    config: &Config,
    genesis: &Genesis,
    faults: &mut Vec<RunError>,
) -> Addresses {
    let configured = config.net.peers.clone();
    let mut founding = ByDepartment::new();
    for founder in genesis.departments() {
        let mut parse = |address: &Text<256>| {
            let parsed = address.as_str().parse();
            let fault = |_| RunError::Address {
                path: config.network.clone(),
                department: founder.code,
                address: address.to_string(),
            };
            parsed.map_err(|error| faults.push(fault(error))).ok()
        };
        if founder.code != config.department && !configured.contains_key(&founder.code) {
            let addresses = founder.addresses.iter().filter_map(&mut parse).collect();
            founding.insert(founder.code, addresses);
        }
    }
    Addresses {
        configured,
        founding,
    }
}

/// What is stated to the others of where this peer can be reached: what the configuration has for that; else what the genesis
/// has, where it is a founder's; else where it listens.
pub(crate) fn own_addresses(config: &Config, members: &Membership) -> OwnAddresses {
    let founding = members.founding_addresses(&config.department);
    let given = match &*config.net.external {
        [] => founding.to_vec(),
        external => external.to_vec(),
    };
    match given.is_empty() {
        false => OwnAddresses::Given(given),
        true => {
            let is_wildcard = |address: &&Multiaddr| {
                let ip = address.iter().find_map(|part| match part {
                    Protocol::Ip4(ip) => Some(ip.is_unspecified()),
                    Protocol::Ip6(ip) => Some(ip.to_canonical().is_unspecified()),
                    _ => None,
                });
                ip.unwrap_or(false)
            };
            let listen = config.net.listen.iter();
            OwnAddresses::Listening(listen.filter(|at| !is_wildcard(at)).cloned().collect())
        }
    }
}

/// Where what is kept of governance is.
pub(crate) fn governance_dir(config: &Config) -> PathBuf {
    config.data_dir.join("governance")
}

/// The trust file beside the genesis file: what was decided before this node joined.
pub(crate) fn trust_file(config: &Config) -> PathBuf {
    config.network.with_extension("trust")
}

/// The members by the decisions that were kept here, and those of the trust file where it has more. With the blocks of that
/// file, if there is one.
fn members(config: &Config, genesis: &Genesis) -> (Membership, Result<Vec<FinalBlock>, RunError>) {
    let members = Membership::from_genesis(genesis);
    // What can't be read here is reported, or cut off, when it is opened.
    let _ = Store::read(&RealDisk::default(), &governance_dir(config), &members);
    let trusted = take_trust_file(&trust_file(config), &members);
    (members, trusted)
}

fn take_trust_file(path: &Path, members: &Membership) -> Result<Vec<FinalBlock>, RunError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(at(path))?,
    };
    let fault = |error| RunError::TrustFile {
        path: path.to_owned(),
        error,
    };
    let trust = TrustFile::read(&bytes, Some(members.network())).map_err(fault)?;
    for block in &trust.blocks {
        let height = block.block.height;
        match members.history().head_at(height) {
            Some(known) if known == block.block.id(members.network()) => {}
            Some(_) => {
                let path = path.to_owned();
                return Err(RunError::OtherChain { path, height });
            }
            None => drop(members.extend(block).map_err(|error| fault(error.into()))?),
        }
    }
    Ok(trust.blocks)
}

/// Why the node of a department that is not a member can't run.
fn not_a_member(config: &Config, members: &Membership) -> RunError {
    let (department, history) = (config.department, members.history());
    let height = history.height();
    match history.department_at(&department, height) {
        Some(_) => RunError::Removed { department, height },
        None => RunError::NotAMember {
            department,
            path: config.network.clone(),
            height,
            trust: trust_file(config),
        },
    }
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
