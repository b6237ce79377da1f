//! What a changed node could write: a department's own log, appended to while its node does not run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use certmesh_ledger::crypto::keys::{BodyKey, CatalogueKey, IndexKey, Secret, SecretFile};
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::id::{CertificateId, HolderKind};
use certmesh_ledger::log::{Log, Place, SEGMENT_RECORDS, Writer};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{
    CertificateIssued, DefinitionRef, Entry, SharingClass, Validity, commit_fields,
};

use super::TestNet;

/// The holder of what is written.
pub(crate) const SUBJECT: &str = "11010519491231002X";

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// The writer of a member's own log, with its own keys and none of a node's checks.
pub(crate) fn pen(net: &TestNet, of: usize) -> Writer {
    pen_in(net, of, &net.data(of))
}

/// The same in a copy of its data: what a thief of the member's first operating key has.
pub(crate) fn pen_in(net: &TestNet, of: usize, data: &Path) -> Writer {
    let genesis = net.network().genesis();
    let place = Place {
        disk: Arc::new(RealDisk::default()),
        data: data.to_owned(),
        segment_records: SEGMENT_RECORDS,
        // Not its node's: indexes that a changed node left are made again.
        index_key: IndexKey::from_transport_seed(&[7; 32]),
    };
    let name = LogName {
        network: genesis.network_id(),
        id: LogId::first(net.member(of).code()),
    };
    let (log, _) = Log::open(&place, name, &Membership::from_genesis(genesis)).unwrap();
    Writer::new(Arc::new(log), net.member(of).signing_key().unwrap())
}

/// Appends any number of entries.
pub(crate) fn write(pen: &mut Writer, entries: Vec<Entry>) {
    let mut entries = entries.into_iter();
    loop {
        let some: Vec<Entry> = entries.by_ref().take(8192).collect();
        if some.is_empty() {
            return;
        }
        pen.append(now_ms(), some).unwrap();
    }
}

pub(crate) fn catalogue_key(net: &TestNet) -> CatalogueKey {
    let path = net.member(0).dir.join("keys/catalogue.key");
    let text = std::fs::read_to_string(path).unwrap();
    CatalogueKey(Secret::from_bytes(
        *SecretFile::Catalogue.read(&text).unwrap(),
    ))
}

/// An issue that rests on this definition, whatever that says.
pub(crate) fn issued(net: &TestNet, id: &CertificateId, definition: DefinitionRef) -> Entry {
    let key = BodyKey(Secret::from_bytes([7; 32]));
    Entry::CertificateIssued(CertificateIssued {
        subject: catalogue_key(net).subject_tag(HolderKind::IdentityCard, SUBJECT),
        holder_kind: HolderKind::IdentityCard,
        validity: Validity::new("2024-01-01".parse().unwrap(), None).unwrap(),
        sharing: SharingClass::Unconditional,
        definition,
        field_root: commit_fields(&key, id, &[], &BTreeMap::new()),
        succession: None,
        id: id.clone(),
    })
}

/// The current definition of a type, in the log of the department that defines it, as that department's disk has it.
pub(crate) fn definition(log: &Log, code: &str) -> DefinitionRef {
    let definitions = log.definitions();
    let held = &definitions.types()[&code.parse().unwrap()];
    DefinitionRef {
        log: log.name().id,
        seq: held.seq(),
        hash: held.hash(),
    }
}
