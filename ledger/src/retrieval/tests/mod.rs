//! Three departments and a fourth that shares the first's division, with real logs on a disk in memory.

mod asking;
mod auditing;
mod deciding;
mod finding;
mod forging;

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::catalogue::Catalogue;
use crate::crypto::catalogue_keys::HeldCatalogueKeys;
use crate::crypto::hash::{Hash, hash};
use crate::crypto::keys::{BodyKey, CatalogueKey, Secret};
use crate::disk::MemoryDisk;
use crate::genesis::Role;
use crate::genesis::testing::{department, network};
use crate::id::HolderKind;
use crate::log::{Log, Place, Writer};
use crate::names::LogName;
use crate::record::{
    CertificateIssued, DefinitionRef, Entry, FieldDefinition, MatterDefined, Received, Record,
    RecordHash, Requirement, RetrievalAcknowledged, SharingClass, SubMatter, SubjectTag, Validity,
    commit_fields, record_hash,
};

const ISSUER: &str = "11430000006122244L";
const ASKER: &str = "11330105002500287C";
const THIRD: &str = "11100000MB03271699";

/// The departments; the fourth is of the issuer's division.
fn codes() -> [DepartmentCode; 4] {
    let neighbour = DepartmentCode::from_body("11430000006122255").unwrap();
    [code(ISSUER), code(ASKER), code(THIRD), neighbour]
}

fn code(text: &str) -> DepartmentCode {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// Noon of the day on which nearly everything happens, China Standard Time.
fn noon() -> u64 {
    day("2026-06-30").begins_in_china_ms() + 12 * 3600 * 1000
}

fn signing_key(department: &DepartmentCode) -> SigningKey {
    let place = codes().iter().position(|known| known == department);
    SigningKey::from_seed(&[place.unwrap() as u8 + 1; 32])
}

/// The keys of the network once it has replaced its first, by the block of a height.
fn rotated(since: u64) -> CatalogueKeys {
    let keys = [catalogue_key(), CatalogueKey(Secret::from_bytes([10; 32]))];
    let chain: Vec<_> = keys.iter().map(CatalogueKey::commitment).collect();
    let held: HeldCatalogueKeys = keys.into_iter().collect();
    held.all([0, since].into_iter().zip(chain)).unwrap()
}

fn catalogue_keys() -> CatalogueKeys {
    catalogue_key().into()
}

fn catalogue_key() -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([9; 32]))
}

fn members(name: &str) -> Membership {
    let member = |code: DepartmentCode| {
        let key = signing_key(&code).public();
        department(code.as_str(), key, &[Role::Issue])
    };
    Membership::from_genesis(&network(name, codes().map(member).into()))
}

fn texts<const N: usize, const M: usize>(codes: &[&str]) -> Bounded<Text<N>, M> {
    Bounded::first(codes.iter().map(|code| Text::new(*code).unwrap()))
}

fn type_code() -> crate::id::TypeCode {
    crate::id::TypeCode::new(&code(ISSUER), 1).unwrap()
}

fn id(serial: &str) -> CertificateId {
    CertificateId::new(type_code(), code(ISSUER).into(), serial, 1).unwrap()
}

fn subject(name: &str) -> SubjectTag {
    SubjectTag(hash(Purpose::Subject, name.as_bytes()))
}

fn body_key() -> BodyKey {
    BodyKey(Secret::from_bytes([7; 32]))
}

fn fields(serial: &str) -> BTreeMap<String, String> {
    [("CZZT", "某某公司"), ("ZZBH", serial), ("ZZMC", "营业执照")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The issuer's type, with one field more than its certificates have.
fn definition() -> TypeDefined {
    let field = |code: &str| {
        FieldDefinition::text(Text::new(code).unwrap(), Text::new(code).unwrap(), false)
    };
    TypeDefined {
        fields: Bounded::first(["ZZMC", "ZZBH", "CZZT", "KZ_NONE"].map(field)),
        ..TypeDefined::new(type_code(), Text::new("营业执照").unwrap())
    }
}

/// That definition as the first record of the issuer's log, made at 1 ms.
fn defined() -> DefinitionRef {
    let id = LogId::first(code(ISSUER));
    let name = LogName {
        network: members("test").network(),
        id,
    };
    let record = Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: 1,
        height: 0,
        key_epoch: 0,
        entry: Entry::from(definition()),
    };
    DefinitionRef {
        log: id,
        seq: 0,
        hash: record_hash(&name, &codec::encode(&record)),
    }
}

/// A certificate of the subject `one`.
fn certificate(id: CertificateId, sharing: SharingClass) -> CertificateIssued {
    CertificateIssued {
        subject: subject("one"),
        holder_kind: HolderKind::CreditCode,
        validity: Validity::new(day("2024-01-01"), None).unwrap(),
        sharing,
        definition: defined(),
        field_root: commit_fields(&body_key(), &id, &definition().fields, &fields(id.serial())),
        succession: None,
        id,
    }
}

fn issue(serial: &str, sharing: SharingClass) -> Entry {
    Entry::CertificateIssued(certificate(id(serial), sharing))
}

fn matter(department: &str, part: &str) -> MatterRef {
    format!("{department}/M/{part}").parse().unwrap()
}

/// Part 1 needs name and holder of the type and a field that no certificate has, part 2 nothing, part 3 the type alone.
fn define_matter() -> Entry {
    let requires = |fields: &[&str]| {
        Bounded::first([Requirement {
            types: Bounded::first([type_code()]),
            fields: texts(fields),
        }])
    };
    let part = |code: &str, requires| SubMatter {
        code: code.parse().unwrap(),
        name: Text::default(),
        requires,
    };
    Entry::MatterDefined(MatterDefined {
        code: "M".parse().unwrap(),
        name: Text::default(),
        parts: Bounded::first([
            part("1", requires(&["ZZMC", "CZZT", "KZ_NONE"])),
            part("2", Bounded::default()),
            part("3", requires(&[])),
        ]),
    })
}

/// What the asker asks at noon.
fn retrieval() -> Retrieval {
    Retrieval {
        issuer: code(ISSUER),
        asker: code(ASKER),
        key_epoch: 0,
        matter: matter(ASKER, "1"),
        subject: blind("one"),
        fields: texts(&["ZZMC", "CZZT", "KZ_NONE"]),
        certificate: id("OPEN"),
        purpose: Text::new("for the case of 张三").unwrap(),
        time_ms: noon(),
        nonce: [5; 16],
    }
}

/// The same made at another time, its subject blinded for that day.
fn made_at(time_ms: u64, request: Retrieval) -> Retrieval {
    Retrieval {
        subject: catalogue_key().blind(&subject("one"), Date::in_china(time_ms)),
        time_ms,
        ..request
    }
}

/// The logs of all departments as the issuer's peer has them.
struct World {
    disk: MemoryDisk,
    catalogue: Catalogue,
}

impl World {
    /// The issuer's log begins with the definition of its type.
    fn new() -> World {
        let disk = MemoryDisk::new();
        let world = World {
            catalogue: open(&disk),
            disk,
        };
        world.write(ISSUER, 1, vec![Entry::from(definition())]);
        world
    }

    /// The same after a restart.
    fn again(self) -> World {
        drop(self.catalogue);
        World {
            catalogue: open(&self.disk),
            disk: self.disk,
        }
    }

    fn log(&self, department: &str) -> Arc<Log> {
        self.catalogue.log(&LogId::first(code(department))).unwrap()
    }

    /// Has a department append entries; gives their positions.
    fn write(&self, department: &str, time_ms: u64, entries: Vec<Entry>) -> Vec<u64> {
        let key = signing_key(&code(department));
        let mut writer = Writer::new(self.log(department), key);
        let (appended, _) = writer.append(time_ms, entries).unwrap();
        appended.iter().map(|appended| appended.seq).collect()
    }

    fn decide(&self, request: &Retrieval, now_ms: u64) -> Decided {
        decide_in(&self.catalogue, request, now_ms).unwrap()
    }
}

/// What a catalogue's own department does with a request of its asker's.
fn decide_in(
    catalogue: &Catalogue,
    request: &Retrieval,
    now_ms: u64,
) -> Result<Decided, DecideError> {
    decide_by(&catalogue_keys(), catalogue, request, now_ms)
}

fn decide_by(
    keys: &CatalogueKeys,
    catalogue: &Catalogue,
    request: &Retrieval,
    now_ms: u64,
) -> Result<Decided, DecideError> {
    let network = catalogue.members().network();
    let key = signing_key(&request.asker);
    let signed = SignedRetrieval::sign(network, request.clone(), &key);
    decide(catalogue, keys, request.asked(), &signed, now_ms)
}

fn open(disk: &MemoryDisk) -> Catalogue {
    let place = Place {
        disk: Arc::new(disk.clone()),
        data: PathBuf::from("/d"),
        segment_records: 4,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let opened = Catalogue::open(place, members("test"), code(ISSUER)).unwrap();
    assert!(
        opened
            .openings
            .iter()
            .all(|(_, opening)| opening.set_aside.is_none())
    );
    opened.catalogue
}

/// What an honest asker acknowledges of what an issuer decided.
fn acknowledge(decided: &RetrievalDecided) -> RetrievalAcknowledged {
    let outcome = match &decided.decision {
        Decision::Answered { fields, .. } => Received::Fields {
            fields: fields.clone(),
            keep_until: day("2026-12-31"),
        },
        Decision::Refused(rule) => Received::Refused(*rule),
    };
    RetrievalAcknowledged {
        asked: decided.asked.clone(),
        outcome,
        took_ms: 40,
    }
}

fn blind(name: &str) -> BlindedSubject {
    catalogue_key().blind(&subject(name), day("2026-06-30"))
}

/// What receipts show of the asker's n-th request, for all fields, about the subject `one`.
fn asked(n: u16) -> Asked {
    Asked {
        issuer: code(ISSUER),
        asker: code(ASKER),
        key_epoch: 0,
        matter: matter(ASKER, "1"),
        type_code: type_code(),
        subject: blind("one"),
        fields: texts(&["ZZMC", "ZZBH", "CZZT"]),
        rest: hash(Purpose::RetrievalRest, &n.to_le_bytes()),
    }
}

/// A receipt for what its asker signed.
fn receipt_for(asked: Asked, decision: Decision) -> RetrievalDecided {
    let key = signing_key(&asked.asker);
    RetrievalDecided {
        signature: asked.sign(members("test").network(), &key),
        asked,
        decision,
    }
}

/// A receipt of the issuer's for the asker's n-th request.
fn decided(n: u16, decision: Decision) -> RetrievalDecided {
    receipt_for(asked(n), decision)
}

fn name_of(asked: &Asked) -> RetrievalHash {
    asked.name(members("test").network())
}

fn answered_with(codes: &[&str]) -> Decision {
    Decision::Answered {
        basis: Basis::Unconditional,
        fields: texts(codes),
    }
}
