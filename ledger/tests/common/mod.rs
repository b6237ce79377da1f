//! One small network and one log with every kind of record, always the same: fixed keys, fixed times.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use certmesh_ledger::codec::{Ascending, Bounded, Text, encode};
use certmesh_ledger::crypto::keys::{BodyKey, CatalogueKey, Secret, SigningKey};
use certmesh_ledger::crypto::sealing::SealingKey;
use certmesh_ledger::disk::Disk;
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::genesis::{
    Department, Genesis, PeerId, Policy, RecoveryKey, RecoveryKeys, Role, Terms,
};
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind, normalise};
use certmesh_ledger::log::{Log, Opening, Place, Writer};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{
    Action, CertificateErased, CertificateIssued, CodeItem, DefinitionRef, Entry, FieldData,
    FieldDefinition, GrantMade, Grantee, MatterDefined, MatterRef, Reason, Record, RecordHash,
    RelatedItem, Requirement, SharingClass, StatusChanged, SubMatter, SubjectTag, Succession,
    SuccessionKind, TypeDefined, Validity, ValidityRule, commit_fields, record_hash,
};

pub(crate) const ISSUER: &str = "11430000006122244L";
pub(crate) const WITNESS: &str = "11330105002500287C";
pub(crate) const READER: &str = "11100000000013338W";
/// An authority that is no member: the issuer defines its types.
pub(crate) const AUTHORITY: &str = "11100000MB03271699";

/// When the network was made, ms since 1970.
pub(crate) const CREATED_MS: u64 = 1_700_000_000_000;

/// When the type was defined.
pub(crate) const DEFINED_MS: u64 = CREATED_MS + 100;

/// Records in a sealed segment: few, so that a short log has sealed ones.
pub(crate) const SEGMENT: u64 = 4;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub(crate) fn catalogue_key() -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([0xC0; 32]))
}

pub(crate) fn body_key() -> BodyKey {
    BodyKey(Secret::from_bytes([0xF0; 32]))
}

pub(crate) fn code(text: &str) -> DepartmentCode {
    text.parse().expect("a valid code")
}

pub(crate) fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text).expect("a valid text")
}

/// The identity key of the department with this signing key.
pub(crate) fn identity(n: u8) -> SigningKey {
    key(n + 150)
}

pub(crate) fn recovery_key() -> SigningKey {
    key(199)
}

pub(crate) fn sealing(n: u8) -> SealingKey {
    SealingKey::from_bytes([n; 32]).expect("a usable key")
}

fn policy() -> Policy {
    let keys = Ascending::new(vec![RecoveryKey(recovery_key().public())]).expect("one");
    let recovery = Some(RecoveryKeys { keys, need: 1 });
    Policy::new(Terms {
        recovery,
        ..Policy::usual().into()
    })
    .expect("a policy")
}

fn department(code_text: &str, n: u8, name_zh: Option<&str>, roles: &[Role]) -> Department {
    Department {
        code: code(code_text),
        name: text(&format!("Department {n}")),
        name_zh: name_zh.map(text),
        roles: Ascending::first(roles.iter().copied()),
        governs: n < 3,
        identity_key: identity(n).public(),
        signing_key: key(n).public(),
        peer_id: PeerId::from_transport_seed(&[n + 100; 32]),
        sealing_key: sealing(n),
        addresses: Bounded::first([text(&format!("/ip4/127.0.0.1/tcp/748{n}"))]),
    }
}

/// Issuer and witness govern; the reader does not.
pub(crate) fn genesis() -> Genesis {
    let departments = vec![
        department(
            ISSUER,
            1,
            Some("湖南省公安厅"),
            &[Role::Issue, Role::Define(code(AUTHORITY))],
        ),
        department(WITNESS, 2, None, &[Role::Issue]),
        department(READER, 3, None, &[]),
    ];
    let key = catalogue_key().commitment();
    Genesis::new("Golden", CREATED_MS, key, policy(), departments).expect("a valid genesis")
}

pub(crate) fn members() -> Membership {
    Membership::from_genesis(&genesis())
}

pub(crate) fn name() -> LogName {
    LogName {
        network: genesis().network_id(),
        id: LogId::first(code(ISSUER)),
    }
}

pub(crate) fn certificate(serial: &str) -> CertificateId {
    CertificateId::new(
        "11430000006122244L001".parse().expect("a valid type"),
        code(ISSUER).into(),
        serial,
        1,
    )
    .expect("a valid identifier")
}

pub(crate) fn tag(n: u64) -> SubjectTag {
    let holder = normalise(HolderKind::OrdinaryPassport, &format!("e{n:08}")).expect("a code");
    catalogue_key().subject_tag(HolderKind::OrdinaryPassport, &holder)
}

pub(crate) fn fields(serial: &str) -> BTreeMap<String, String> {
    [("ZZMC", "营业执照"), ("ZZBH", serial), ("CZZT", "某某公司")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A certificate whose holder is number `n`, its identifier's serial made of `n`.
pub(crate) fn issued(n: u64, predecessor: Option<u64>) -> CertificateIssued {
    let serial = format!("S{n:08}");
    let from = Date::from_ymd(2024, 1, 1).expect("a date");
    let until = (n % 2 == 1).then(|| Date::from_ymd(2033, 12, 31).expect("a date"));
    CertificateIssued {
        id: certificate(&serial),
        subject: tag(n % 5),
        holder_kind: HolderKind::OrdinaryPassport,
        validity: Validity::new(from, until).expect("a validity"),
        sharing: [
            SharingClass::Unconditional,
            SharingClass::Conditional,
            SharingClass::NotShared,
        ][(n % 3) as usize],
        definition: defined(),
        field_root: commit_fields(
            &body_key(),
            &certificate(&serial),
            &definition().fields,
            &fields(&serial),
        ),
        succession: predecessor.map(|n| succession(SuccessionKind::Amendment, &[n])),
    }
}

pub(crate) fn succession(kind: SuccessionKind, predecessors: &[u64]) -> Succession {
    let named = predecessors
        .iter()
        .map(|n| certificate(&format!("S{n:08}")));
    Succession::new(kind, named.collect()).expect("a succession that can be")
}

/// Certificate `n` in the place of others.
pub(crate) fn succeed(n: u64, kind: SuccessionKind, predecessors: &[u64]) -> Entry {
    Entry::CertificateIssued(CertificateIssued {
        succession: Some(succession(kind, predecessors)),
        ..issued(n, None)
    })
}

pub(crate) fn issue(n: u64) -> Entry {
    Entry::CertificateIssued(issued(n, None))
}

pub(crate) fn replace(n: u64, predecessor: u64) -> Entry {
    Entry::CertificateIssued(issued(n, Some(predecessor)))
}

pub(crate) fn change(n: u64, action: Action) -> Entry {
    Entry::StatusChanged(StatusChanged {
        id: certificate(&format!("S{n:08}")),
        action,
        reason: Reason::Lost,
        text: text("as reported, 丢失"),
        inherited: None,
    })
}

pub(crate) fn define() -> Entry {
    Entry::from(definition().clone())
}

/// The type's definition; its certificates have no field of the last four.
pub(crate) fn definition() -> &'static TypeDefined {
    static DEFINITION: OnceLock<TypeDefined> = OnceLock::new();
    DEFINITION.get_or_init(make_definition)
}

/// Where it stands: the first record of [`batches`].
pub(crate) fn defined() -> DefinitionRef {
    static DEFINED: OnceLock<DefinitionRef> = OnceLock::new();
    *DEFINED.get_or_init(|| {
        let record = Record {
            seq: 0,
            prev: RecordHash::NONE,
            time_ms: DEFINED_MS,
            height: 0,
            key_epoch: 0,
            entry: define(),
        };
        DefinitionRef {
            log: name().id,
            seq: 0,
            hash: record_hash(&name(), &encode(&record)),
        }
    })
}

fn make_definition() -> TypeDefined {
    let field = |code: &str, name: &str, required, data| FieldDefinition {
        code: text(code),
        name: text(name),
        required,
        personal: code == "CZZT",
        data,
    };
    let (max, pattern) = (Some(64), Some(text("^[0-9A-Z]{1,20}$")));
    let code = |code: &str, name: &str| CodeItem {
        code: text(code),
        name: text(name),
    };
    let codes = Bounded::first([code("1", "有限责任公司"), code("2", "股份有限公司")]);
    let plain = FieldData::Text {
        max: None,
        pattern: None,
    };
    TypeDefined {
        authority_name: text("市场监督管理局"),
        authority_level: text("省级"),
        issuing_level: text("县级"),
        item: Some(RelatedItem {
            code: text("SL-001"),
            name: text("企业设立登记"),
        }),
        holder_kinds: Bounded::first([HolderKind::CreditCode]),
        sharing: SharingClass::Unconditional,
        validity: ValidityRule::Years(20),
        issuers: Bounded::first(["11430000006122244L".parse().expect("a valid code")]),
        fields: Bounded::first([
            field("ZZMC", "名称", true, plain.clone()),
            field("ZZBH", "number", true, FieldData::Text { max, pattern }),
            field("CZZT", "企业名称", true, plain),
            field("KZ_ZCZB", "注册资本", false, FieldData::Decimal),
            field("KZ_RS", "从业人数", false, FieldData::Integer),
            field("KZ_CLRQ", "成立日期", false, FieldData::Date),
            field("KZ_LX", "类型", false, FieldData::Code(codes)),
        ]),
        ..TypeDefined::new(
            "11430000006122244L001".parse().expect("a valid type"),
            text("营业执照"),
        )
    }
}

pub(crate) fn matter() -> Entry {
    let of = |code: &str| code.parse().expect("a matter's code");
    let part = |code: &str, name: &str, requires| SubMatter {
        code: of(code),
        name: text(name),
        requires,
    };
    let demand = |types: &[&str], fields: &[&str]| Requirement {
        types: Bounded::first(types.iter().map(|code| code.parse().expect("a valid type"))),
        fields: Bounded::first(fields.iter().map(|code| text(code))),
    };
    let licence = demand(&["11430000006122244L001"], &["ZZMC", "CZZT"]);
    let either = demand(&["11100000000013338W011", "11100000000013338W009"], &[]);
    Entry::MatterDefined(MatterDefined {
        code: of("SP-001"),
        name: text("食品经营许可"),
        parts: Bounded::first([
            part("01", "首次申请", Bounded::first([licence, either])),
            part("02", "注销", Bounded::default()),
        ]),
    })
}

pub(crate) fn grant(to: Grantee) -> Entry {
    Entry::GrantMade(GrantMade {
        to,
        type_code: "11430000006122244L001".parse().expect("a valid type"),
        matters: Bounded::first([MatterRef {
            department: code(WITNESS),
            matter: "SP-001".parse().expect("a matter's code"),
            part: "01".parse().expect("a matter's code"),
        }]),
        fields: Bounded::first([text("ZZMC")]),
        until: Some("2027-12-31".parse().expect("a day")),
    })
}

pub(crate) fn erased(serial: u64) -> Entry {
    Entry::CertificateErased(CertificateErased {
        id: certificate(&serial.to_string()),
        text: text("保存期满 (kept long enough)"),
    })
}

/// Three appends, seven records: 1 is superseded by 3, 2 suspended, 4 revoked, 3 plainly valid.
pub(crate) fn batches() -> [Vec<Entry>; 3] {
    [
        vec![define(), issue(1), issue(2)],
        vec![change(2, Action::Suspend), replace(3, 1)],
        vec![issue(4), change(4, Action::Revoke)],
    ]
}

pub(crate) fn place(disk: &MemoryDisk) -> Place {
    Place {
        disk: Arc::new(disk.clone()),
        data: PathBuf::from("/data"),
        segment_records: SEGMENT,
        index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    }
}

pub(crate) fn open(disk: &MemoryDisk) -> (Arc<Log>, Opening) {
    let (log, opening) = Log::open(&place(disk), name(), &members()).expect("a log that opens");
    (Arc::new(log), opening)
}

/// Appends [`batches`] to a log, one every 100 ms from the network's making.
pub(crate) fn fill(log: &Arc<Log>) {
    let mut writer = Writer::new(Arc::clone(log), key(1));
    for (entries, n) in batches().into_iter().zip(1..) {
        writer
            .append(CREATED_MS + 100 * n, entries)
            .expect("a log that can be appended to");
    }
}

/// The log of [`batches`] and the disk it is on.
pub(crate) fn filled() -> (MemoryDisk, Arc<Log>) {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    fill(&log);
    (disk, log)
}

/// A file of the log, by its path below the data directory.
pub(crate) fn file(disk: &MemoryDisk, path: &str) -> Vec<u8> {
    let file = disk
        .open(&Path::new("/data").join(path), false)
        .expect("the file is there");
    let mut bytes = vec![0; file.len().expect("a length") as usize];
    file.read_exact_at(&mut bytes, 0).expect("readable");
    bytes
}
