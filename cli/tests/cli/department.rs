//! A department on disk with certificates in its log, made by the ledger itself.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use certmesh_ledger::codec::Text;
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash};
use certmesh_ledger::crypto::keys::{SecretFile, SigningKey};
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::genesis::Genesis;
use certmesh_ledger::id::{CertificateId, Date, HolderKind, IssuerCode, TypeCode};
use certmesh_ledger::log::{Log, Place, SEGMENT_RECORDS, Writer};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{
    Action, CertificateIssued, DefinitionRef, Entry, FieldRoot, Reason, SharingClass,
    StatusChanged, SubjectTag, TypeDefined, Validity,
};

use crate::command::certmesh;

pub(crate) const CODE: &str = "11430000006122244L";
/// The other member of a network of two.
pub(crate) const WITNESS: &str = "11330105002500287C";
/// When certificates are issued, ms: 2026-09-21.
const ISSUED_MS: u64 = 1_790_000_000_000;

/// A department in a founded network.
pub(crate) struct Department {
    pub(crate) home: tempfile::TempDir,
    pub(crate) members: Membership,
}

impl Department {
    /// Sets up a network of this one department, with the command itself.
    pub(crate) fn found() -> Self {
        Self::found_of(&[("transport", CODE)])
    }

    /// The same of two, of which the other can sign under this one's checkpoints.
    pub(crate) fn found_with_witness() -> Self {
        Self::found_of(&[("transport", CODE), ("witness", WITNESS)])
    }

    fn found_of(departments: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut dirs = Vec::new();
        for (n, (name, code)) in (0..).zip(departments) {
            let dir = home.path().join(name).to_str().unwrap().to_owned();
            let names = ["--name", "Transport", "--name-zh", "交通运输厅"];
            let listen = format!("/ip4/127.0.0.1/tcp/{}", 7400 + n);
            let place = ["--code", code, "--dir", &dir, "--listen", &listen];
            certmesh([&["department", "init"], &names[..], &place].concat()).exits(0);
            dirs.push(dir);
        }
        let out = home.path().join("transport/network.toml");
        let args = ["network", "create", "--name", "Wuhan", "--out"];
        let dirs = dirs.iter().map(String::as_str);
        let args = args.into_iter().chain([out.to_str().unwrap()]).chain(dirs);
        certmesh(args.collect::<Vec<_>>()).exits(0);
        let genesis = Genesis::from_toml(&fs::read_to_string(out).unwrap()).unwrap();
        Self {
            home,
            members: Membership::from_genesis(&genesis),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("transport").join(name)
    }

    pub(crate) fn key(&self) -> SigningKey {
        self.key_of("transport")
    }

    pub(crate) fn key_of(&self, name: &str) -> SigningKey {
        let path = self.home.path().join(name).join("keys/signing.key");
        let text = fs::read_to_string(path).unwrap();
        SigningKey::from_seed(&SecretFile::Signing.read(&text).unwrap())
    }

    pub(crate) fn open(&self) -> Arc<Log> {
        let place = Place {
            disk: Arc::new(RealDisk::default()),
            data: self.path("data"),
            segment_records: SEGMENT_RECORDS,
            index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
        };
        let name = LogName {
            network: self.members.network(),
            id: LogId::first(CODE.parse().unwrap()),
        };
        Arc::new(Log::open(&place, name, &self.members).unwrap().0)
    }

    /// Defines a type, then issues certificates 0 to 19 and revokes number 7.
    pub(crate) fn issue_twenty(&self) -> Arc<Log> {
        self.issue_twenty_at(ISSUED_MS)
    }

    /// The same at a time, ms.
    pub(crate) fn issue_twenty_at(&self, time_ms: u64) -> Arc<Log> {
        let log = self.open();
        let mut writer = Writer::new(Arc::clone(&log), self.key());
        let definition = TypeDefined::new(type_code(), Text::new("licence").unwrap());
        let defined = writer
            .append(time_ms, vec![Entry::from(definition)])
            .unwrap()
            .0[0];
        let definition = DefinitionRef {
            log: log.name().id,
            seq: defined.seq,
            hash: defined.hash,
        };
        let mut entries: Vec<Entry> = (0..20).map(|n| issued(n, definition)).collect();
        entries.push(Entry::StatusChanged(StatusChanged {
            id: id(7),
            action: Action::Revoke,
            reason: Reason::Deception,
            text: Text::new("forged evidence").unwrap(),
            inherited: None,
        }));
        writer.append(time_ms, entries).unwrap();
        // As a node that stops: what a test damages afterwards is not healed from the journal.
        log.clear_redo().unwrap();
        log
    }
}

/// Certificate number `n`.
pub(crate) fn id(n: u64) -> CertificateId {
    let issuer = IssuerCode::Department(CODE.parse().unwrap());
    CertificateId::new(type_code(), issuer, &format!("{n:08}"), 1).unwrap()
}

fn type_code() -> TypeCode {
    TypeCode::new(&CODE.parse().unwrap(), 11).unwrap()
}

fn issued(n: u64, definition: DefinitionRef) -> Entry {
    let from = Date::from_ymd(2026, 1, 1).unwrap();
    Entry::CertificateIssued(CertificateIssued {
        id: id(n),
        subject: SubjectTag(hash(Purpose::Subject, &n.to_le_bytes())),
        holder_kind: HolderKind::CreditCode,
        validity: Validity::new(from, Some(Date::from_ymd(2030, 12, 31).unwrap())).unwrap(),
        sharing: SharingClass::Conditional,
        definition,
        field_root: FieldRoot(Hash::ZERO),
        succession: None,
    })
}
