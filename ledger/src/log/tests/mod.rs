//! The log on a disk that can fail: appending, replicating, recovering.

mod basics;
mod bounded;
mod crash_matrix;
mod damage;
mod definitions;
mod descriptors;
mod generations;
mod governed;
mod kept;
mod later_files;
mod later_versions;
mod merging;
mod receipts;
mod redo;
mod salvage;
mod salvage_crashes;
mod scan;
mod snapshot;
mod snapshot_attacks;
mod stopped;

use std::path::PathBuf;
use std::sync::Arc;

use crate::codec::{Bounded, Text};
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::crypto::keys::SigningKey;
use crate::genesis::Role;
use crate::genesis::testing::{department, network};
use crate::id::{CertificateId, Date, DepartmentCode, HolderKind, IssuerCode};
use crate::membership::Membership;
use crate::record::{
    Action, CertificateIssued, DefinitionRef, Entry, FieldRoot, Reason, RecordHash, SharingClass,
    StatusChanged, SubjectTag, Succession, SuccessionKind, Validity,
};

use super::{Log, Opening, Place, Writer};
use crate::disk::MemoryDisk;
use crate::names::{LogId, LogName};

pub(super) const ISSUER: &str = "11430000006122244L";

pub(super) fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(super) fn members() -> Membership {
    let department = department(ISSUER, key().public(), &[Role::Issue]);
    Membership::from_genesis(&network("test", vec![department]))
}

pub(super) fn name() -> LogName {
    let department: DepartmentCode = ISSUER.parse().unwrap();
    LogName {
        network: members().network(),
        id: LogId::first(department),
    }
}

pub(super) fn place(disk: &MemoryDisk, segment_records: u64) -> Place {
    Place {
        disk: Arc::new(disk.clone()),
        data: PathBuf::from("/data"),
        segment_records,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    }
}

pub(super) fn open(disk: &MemoryDisk) -> (Arc<Log>, Opening) {
    let (log, opening) = Log::open(&place(disk, 8), name(), &members()).unwrap();
    (Arc::new(log), opening)
}

pub(super) fn id(n: u64) -> CertificateId {
    let issuer = IssuerCode::Department(ISSUER.parse().unwrap());
    CertificateId::new(
        "11100000000013338W011".parse().unwrap(),
        issuer,
        &format!("S{n:08}"),
        1,
    )
    .unwrap()
}

pub(super) fn issue(n: u64) -> Entry {
    issue_after(n, None)
}

pub(super) fn issue_after(n: u64, predecessor: Option<u64>) -> Entry {
    match predecessor {
        Some(predecessor) => issue_in_place(n, SuccessionKind::Amendment, &[predecessor]),
        None => issued(n, None),
    }
}

pub(super) fn issue_in_place(n: u64, kind: SuccessionKind, predecessors: &[u64]) -> Entry {
    let ids = predecessors.iter().copied().map(id).collect();
    issued(n, Some(Succession::new(kind, ids).unwrap()))
}

fn issued(n: u64, succession: Option<Succession>) -> Entry {
    let from = Date::from_days(20_000).unwrap();
    Entry::CertificateIssued(CertificateIssued {
        id: id(n),
        subject: SubjectTag(hash(Purpose::Subject, &(n % 5).to_le_bytes())),
        holder_kind: HolderKind::IdentityCard,
        validity: Validity::new(from, None).unwrap(),
        sharing: SharingClass::Conditional,
        definition: DefinitionRef {
            log: name().id,
            seq: 0,
            hash: RecordHash::NONE,
        },
        field_root: FieldRoot(Hash::ZERO),
        succession,
    })
}

pub(super) fn change(n: u64, action: Action) -> Entry {
    Entry::StatusChanged(StatusChanged {
        id: id(n),
        action,
        reason: Reason::Other,
        text: Text::new("t").unwrap(),
        inherited: None,
    })
}

/// A log with a mixed history, some of it in sealed segments: `batches` commits of three records.
pub(super) fn grow(log: &Arc<Log>, batches: std::ops::Range<u64>) {
    let mut writer = Writer::new(Arc::clone(log), key());
    for batch in batches {
        writer.append(1_000 + batch, entries(batch)).unwrap();
    }
    // As a node that stops: what a test damages afterwards is not healed from the journal.
    log.clear_redo().unwrap();
}

pub(super) fn entries(batch: u64) -> Vec<Entry> {
    let n = batch * 2;
    let third = match batch % 4 {
        0 => change(n, Action::Suspend),
        1 => change(n - 2, Action::Reinstate),
        2 => change(n + 1, Action::Revoke),
        _ => issue_after(1_000_000 + n, Some(n)),
    };
    vec![issue(n), issue(n + 1), third]
}
