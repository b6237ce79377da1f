//! The network whose bytes the corpora hold: one department, one log, one status map.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use certmesh_ledger::codec::{self, Ascending, Bounded, Text};
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash};
use certmesh_ledger::crypto::identity_file::IdentityFile;
use certmesh_ledger::crypto::keys::{BodyKey, CatalogueKey, PublicKey, Secret, SigningKey};
use certmesh_ledger::crypto::passphrase::{Cost, Passphrase};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::{Department, Genesis, PeerId, Policy, Role};
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{
    Action, BlindedSubject, CertificateIssued, DefinitionRef, Entry, FieldDefinition, FieldRoot,
    Reason, Record, RecordHash, SharingClass, StatusChanged, SubjectTag, Succession,
    SuccessionKind, TypeDefined, Validity, commit_fields, record_hash,
};
use certmesh_ledger::retrieval::{Retrieval, SignedRetrieval};
use certmesh_ledger::status_map::StatusMap;

const CODE: &str = "11430000006122244L";
const TYPE: &str = "11430000006122244L001";
/// When all of it happened, ms.
pub(crate) const TIME_MS: u64 = 1_700_000_000_000;

/// An authority that is no member.
fn authority() -> DepartmentCode {
    "11100000000013338W".parse().expect("a valid code")
}

/// The one department's key.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn public_key() -> PublicKey {
    key().public()
}

/// Of the department's sealing key.
pub(crate) const SEALING_SEED: [u8; 32] = [161; 32];

/// Of its transport key.
pub(crate) const TRANSPORT_SEED: [u8; 32] = [101; 32];

pub(crate) fn catalogue_key() -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([201; 32]))
}

/// The network.
pub(crate) fn genesis() -> Genesis {
    let department = Department {
        code: CODE.parse().expect("a valid code"),
        name: Text::new("Issuer").expect("a valid text"),
        name_zh: None,
        roles: Ascending::first([Role::Issue, Role::Define(authority())]),
        governs: true,
        identity_key: SigningKey::from_seed(&[151; 32]).public(),
        signing_key: public_key(),
        peer_id: PeerId::from_transport_seed(&TRANSPORT_SEED),
        sealing_key: SealingSecret::from_seed(&SEALING_SEED).public(),
        addresses: Bounded::first([Text::new("/ip4/127.0.0.1/tcp/7481").expect("a valid text")]),
    };
    let catalogue_key = catalogue_key().commitment();
    let policy = Policy::usual();
    Genesis::new(
        "Fuzz",
        1_700_000_000_000,
        catalogue_key,
        policy,
        vec![department],
    )
    .expect("a valid genesis")
}

/// What opens the department's identity key.
pub(crate) fn passphrase() -> &'static Passphrase {
    static PASSPHRASE: OnceLock<Passphrase> = OnceLock::new();
    PASSPHRASE.get_or_init(|| Passphrase::new("a passphrase for fuzzing").expect("long enough"))
}

/// The file of the department's identity key, at the least cost that there is.
pub(crate) fn identity_file() -> IdentityFile {
    let code: DepartmentCode = CODE.parse().expect("a valid code");
    let cost = Cost::new(8, 1, 1).expect("within bounds");
    let file = IdentityFile::seal(code, &[151; 32], passphrase(), cost, [1; 16], [2; 24]);
    file.expect("enough memory")
}

pub(crate) fn members() -> &'static Membership {
    static MEMBERS: OnceLock<Membership> = OnceLock::new();
    MEMBERS.get_or_init(|| Membership::from_genesis(&genesis()))
}

pub(crate) fn log() -> LogName {
    LogName {
        network: members().network(),
        id: LogId::first(CODE.parse().expect("a valid code")),
    }
}

/// Certificate number `n`.
pub(crate) fn certificate(n: u64) -> CertificateId {
    let issuer = log().id.department;
    let code = TYPE.parse().expect("a valid type");
    CertificateId::new(code, issuer.into(), &format!("F{n}"), 1).expect("a valid identifier")
}

pub(crate) fn issue(n: u64, predecessor: Option<u64>) -> Entry {
    issue_in_place(
        n,
        predecessor.and_then(|n| succession(SuccessionKind::Renewal, &[n])),
    )
}

/// These numbers as predecessors.
pub(crate) fn succession(kind: SuccessionKind, of: &[u64]) -> Option<Succession> {
    Succession::new(kind, of.iter().copied().map(certificate).collect()).ok()
}

/// Number `n` in the place of others.
pub(crate) fn issue_in_place(n: u64, succession: Option<Succession>) -> Entry {
    let from = Date::from_days(20_000).expect("a day");
    Entry::CertificateIssued(CertificateIssued {
        id: certificate(n),
        subject: SubjectTag(hash(Purpose::Subject, &n.to_le_bytes())),
        holder_kind: HolderKind::Other,
        validity: Validity::new(from, None).expect("without end"),
        sharing: SharingClass::Conditional,
        definition: named(),
        field_root: FieldRoot(hash(Purpose::FieldNode, b"")),
        succession,
    })
}

/// The definition of the one type: the log's first entry.
pub(crate) fn definition() -> TypeDefined {
    let text = |text: &str| Text::new(text).expect("a valid text");
    let code = |code: &str| Text::new(code).expect("a valid code");
    let mut definition = TypeDefined::new(TYPE.parse().expect("a valid type"), text("营业执照"));
    definition.fields = Bounded::first(
        ["ZZMC", "CZZT", "ZZYX"].map(|name| FieldDefinition::text(code(name), text(name), false)),
    );
    definition
}

/// The log's first record.
pub(crate) fn first_record() -> Record {
    Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: TIME_MS,
        height: 0,
        key_epoch: 0,
        entry: Entry::from(definition()),
    }
}

fn named() -> DefinitionRef {
    DefinitionRef {
        log: log().id,
        seq: 0,
        hash: record_hash(&log(), &codec::encode(&first_record())),
    }
}

pub(crate) fn change(n: u64, action: Action) -> Entry {
    Entry::StatusChanged(StatusChanged {
        id: certificate(n),
        action,
        reason: Reason::Other,
        text: Text::new("t").expect("a valid text"),
        inherited: None,
    })
}

/// The key of certificate 1's fields.
pub(crate) fn body_key() -> BodyKey {
    BodyKey(Secret::from_bytes([202; 32]))
}

/// The fields of certificate 1.
pub(crate) fn fields() -> BTreeMap<String, String> {
    [("CZZT", "某某公司"), ("ZZBH", "F1"), ("ZZMC", "营业执照")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Certificate 1 with its fields committed to.
pub(crate) fn with_fields() -> CertificateIssued {
    let Entry::CertificateIssued(mut issued) = issue(1, None) else {
        unreachable!("an issue")
    };
    issued.field_root = commit_fields(&body_key(), &issued.id, &definition().fields, &fields());
    issued
}

/// The one request for fields that was signed: the department asks itself.
pub(crate) fn signed_retrieval() -> SignedRetrieval {
    let own = log().id.department;
    let text = |text: &str| Text::new(text).expect("a valid text");
    let retrieval = Retrieval {
        issuer: own,
        asker: own,
        key_epoch: 0,
        matter: format!("{CODE}/M/1").parse().expect("a valid matter"),
        subject: BlindedSubject(hash(Purpose::BlindedSubject, b"1")),
        fields: Bounded::first([text("CZZT"), text("ZZMC")]),
        certificate: certificate(1),
        purpose: Text::new("首次申请").expect("a valid text"),
        time_ms: TIME_MS,
        nonce: [203; 16],
    };
    SignedRetrieval::sign(log().network, retrieval, &key())
}

/// What the map says about some keys: three have values, two are absent.
type Answers = Vec<(Hash, Option<Hash>)>;

pub(crate) fn status_map() -> &'static (Hash, Answers) {
    static MAP: OnceLock<(Hash, Answers)> = OnceLock::new();
    MAP.get_or_init(|| {
        let answers = answers();
        (map(&answers).root().expect("memory can be read"), answers)
    })
}

fn answers() -> Answers {
    let value = |first: u8| hash(Purpose::StatusValue, &[first]);
    let mut answers: Answers = [0x80, 0x84, 0x40]
        .map(|first| (Hash::from_bytes([first; 32]), Some(value(first))))
        .into();
    answers.extend([0x90, 0x60].map(|first| (Hash::from_bytes([first; 32]), None)));
    answers
}

fn map(answers: &Answers) -> StatusMap<Hash> {
    let mut map = StatusMap::in_memory();
    map.commit(u64::MAX);
    for (key, value) in answers {
        map.set(*key, *value, 0).expect("memory takes every write");
    }
    map
}

/// The proofs of all those answers.
#[cfg(test)]
pub(crate) fn status_proofs() -> Vec<certmesh_ledger::status_map::StatusProof> {
    let answers = answers();
    let mut map = map(&answers);
    answers
        .iter()
        .map(|(key, _)| map.prove(key).expect("memory can be read"))
        .collect()
}
