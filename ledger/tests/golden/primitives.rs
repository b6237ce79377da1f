//! Hash keys, the codec's primitives, identifiers, keys, secrets, the genesis.

use certmesh_ledger::codec::{Blob, Bounded, Text};
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash, keyed};
use certmesh_ledger::crypto::identity_file::{IdentityFile, KeyHolder};
use certmesh_ledger::crypto::keys::{PublicKey, SecretFile, Signature, SigningKey};
use certmesh_ledger::crypto::passphrase::{Cost, Passphrase};
use certmesh_ledger::crypto::sealed_keys::{Derivation, KeySealer};
use certmesh_ledger::genesis::{Department, Genesis, PeerId, Role};
use certmesh_ledger::id::{
    CertificateId, Date, DepartmentCode, HolderKind, TypeCode, check, normalise,
};
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{Action, Reason, SharingClass, Status, Validity};
use certmesh_ledger::sync::{Request, Response};
use serde_json::json;

use crate::Vectors;
use crate::common::{
    AUTHORITY, ISSUER, READER, WITNESS, catalogue_key, certificate, code, genesis, identity, key,
    sealing, tag,
};

const PURPOSES: [Purpose; 44] = [
    Purpose::Network,
    Purpose::Record,
    Purpose::Leaf,
    Purpose::Node,
    Purpose::Checkpoint,
    Purpose::Cosignature,
    Purpose::CatalogueKey,
    Purpose::Subject,
    Purpose::Field,
    Purpose::FieldNode,
    Purpose::FieldSalt,
    Purpose::FieldRoot,
    Purpose::FieldPlace,
    Purpose::StatusKey,
    Purpose::StatusValue,
    Purpose::StatusLeaf,
    Purpose::StatusNode,
    Purpose::DefinitionKey,
    Purpose::DefinitionValue,
    Purpose::DefinitionChain,
    Purpose::Index,
    Purpose::File,
    Purpose::Request,
    Purpose::Retrieval,
    Purpose::RetrievalRest,
    Purpose::BlindedSubject,
    Purpose::Case,
    Purpose::Block,
    Purpose::Vote,
    Purpose::Offer,
    Purpose::Proposal,
    Purpose::Approval,
    Purpose::Withdrawal,
    Purpose::Introduction,
    Purpose::Identity,
    Purpose::OwnChange,
    Purpose::Possession,
    Purpose::EpochEnded,
    Purpose::EpochWitnessed,
    Purpose::LogHeld,
    Purpose::Recovery,
    Purpose::SealedCatalogueKey,
    Purpose::Addresses,
    Purpose::RecoveryVote,
];

pub(crate) fn all(v: &mut Vectors) {
    hashes(v);
    numbers(v);
    texts_and_lists(v);
    refused(v);
    identifiers(v);
    keys(v);
    founding(v);
    subjects(v);
}

fn hashes(v: &mut Vectors) {
    for purpose in PURPOSES {
        v.put(
            "hash",
            purpose.name(),
            json!({
                "key": hex::encode(keyed(purpose)),
                "of nothing": hash(purpose, b"").to_string(),
                "of abc": hash(purpose, b"abc").to_string(),
            }),
        );
    }
    v.shown("codec", "hash", &hash(Purpose::File, b"abc"));
}

fn numbers(v: &mut Vectors) {
    for n in [
        0,
        1,
        250,
        251,
        252,
        65_535,
        65_536,
        u32::MAX.into(),
        1 << 32,
        u64::MAX,
    ] {
        v.wire("codec", &format!("u64 {n}"), json!(n.to_string()), &n);
    }
    for n in [0, 250, 251, 65_536, u32::MAX] {
        v.wire("codec", &format!("u32 {n}"), json!(n), &n);
    }
    for n in [0u16, 250, 251, u16::MAX] {
        v.wire("codec", &format!("u16 {n}"), json!(n), &n);
    }
    for n in [
        0,
        -1,
        1,
        125,
        -126,
        126,
        19_723,
        -25_567,
        376_199,
        i32::MIN,
        i32::MAX,
    ] {
        v.wire("codec", &format!("i32 {n}"), json!(n), &n);
    }
    v.wire("codec", "u8 251", json!(251), &251u8);
    v.wire("codec", "bool false", json!(false), &false);
    v.wire("codec", "bool true", json!(true), &true);
    v.wire("codec", "none", json!(null), &None::<u64>);
    v.wire("codec", "some 300", json!(300), &Some(300u64));
    for (name, n) in [("first day", -25_567), ("1970", 0), ("last day", 376_199)] {
        v.shown(
            "codec",
            name,
            &Date::from_days(n).expect("within the years"),
        );
    }
    for kind in HolderKind::ALL {
        v.shown("codec", &format!("holder kind {kind}"), &kind);
    }
}

fn texts_and_lists(v: &mut Vectors) {
    v.shown("codec", "text", &Text::<16>::new("证照 A").expect("a text"));
    v.shown("codec", "empty text", &Text::<16>::default());
    v.shown("codec", "list", &Bounded::<u64, 4>::first([1, 300, 70_000]));
    let blob = Blob::<300>::new((0..=255).collect()).expect("a blob");
    v.wire("codec", "blob of 256", json!("00..ff"), &blob);
    v.wire(
        "codec",
        "pair",
        json!(["ZZMC", "执照"]),
        &("ZZMC".to_owned(), "执照".to_owned()),
    );
    for action in [
        "suspend",
        "reinstate",
        "revoke",
        "cancel",
        "withdraw",
        "lapse",
        "transfer-out",
    ] {
        let to = (action == "transfer-out").then(|| code(WITNESS));
        let value = Action::read(action, to).expect("an action");
        let described = match to {
            Some(to) => json!([action, to.as_str()]),
            None => json!(action),
        };
        v.wire("codec", &format!("action {action}"), described, &value);
    }
    for reason in ["01", "02", "03", "04", "05", "06", "07", "99"] {
        let value: Reason = reason.parse().expect("a reason");
        v.wire("codec", &format!("reason {reason}"), json!(reason), &value);
    }
    for status in [
        Status::Valid,
        Status::Suspended,
        Status::Withdrawn,
        Status::Cancelled,
        Status::Lapsed,
        Status::TransferredOut,
        Status::Revoked,
        Status::Superseded,
    ] {
        v.wire(
            "codec",
            &format!("status {status}"),
            json!(status.as_str()),
            &status,
        );
    }
    for class in ["unconditional", "conditional", "not-shared"] {
        let value: SharingClass = class.parse().expect("a class");
        v.wire("codec", &format!("sharing {class}"), json!(class), &value);
    }
    roles(v);
}

fn roles(v: &mut Vectors) {
    let define = format!("define:{AUTHORITY}");
    for role in ["issue", &define] {
        let value: Role = role.parse().expect("a role");
        assert_eq!(value.to_string(), role);
        v.wire("codec", &format!("role {role}"), json!(role), &value);
    }
    let refused = [
        "define",
        "define:",
        "define:11100000MB0327169X",
        "issue:11100000MB03271699",
        "Issue",
    ];
    for role in refused {
        role.parse::<Role>().expect_err(role);
    }
    v.put("refused", "roles of a department's file", json!(refused));
}

fn refused(v: &mut Vectors) {
    v.refused::<u64>("5 in three bytes", "u64", &[251, 5, 0]);
    v.refused::<u64>("65535 in five bytes", "u64", &[252, 255, 255, 0, 0]);
    v.refused::<u64>(
        "2^32 - 1 in nine bytes",
        "u64",
        &[253, 255, 255, 255, 255, 0, 0, 0, 0],
    );
    v.refused::<u64>("a number of 128 bits", "u64", &[254; 17]);
    v.refused::<u64>("a number of reserved width", "u64", &[255]);
    v.refused::<u32>("a u32 of 64 bits", "u32", &[253, 1, 0, 0, 0, 1, 0, 0, 0]);
    v.refused::<u64>("a number cut off", "u64", &[251, 255]);
    v.refused::<u64>("bytes after the value", "u64", &[5, 0]);
    v.refused::<bool>("a bool of 2", "bool", &[2]);
    v.refused::<Option<u64>>("an option of 2", "option of u64", &[2, 0]);
    v.refused::<Text<16>>("a text that is no UTF-8", "text of 16", &[2, 0xC3, 0x28]);
    v.refused::<Text<16>>("a text with a line break", "text of 16", b"\x03a\nb");
    v.refused::<Text<2>>("a text beyond its bound", "text of 2", b"\x03abc");
    v.refused::<Text<16>>("a text with a long length", "text of 16", b"\xfb\x01\x00a");
    v.refused::<Bounded<u64, 2>>("a list beyond its bound", "list of 2 u64", &[3, 1, 1, 1]);
    v.refused::<Blob<2>>("a blob beyond its bound", "blob of 2", &[3, 1, 1, 1]);
    v.refused::<Hash>("a hash cut off", "hash", &[1; 31]);
    v.refused::<Date>(
        "a day before 1900",
        "date",
        &certmesh_ledger::codec::encode(&-25_568_i32),
    );
    v.refused::<Date>(
        "a day after 2999",
        "date",
        &certmesh_ledger::codec::encode(&376_200_i32),
    );
    let days = [20_000, 19_999].map(|day| Date::from_days(day).expect("within the years"));
    v.refused::<Validity>(
        "a validity that ends before it begins",
        "validity",
        &certmesh_ledger::codec::encode(&(days[0], Some(days[1]))),
    );
    v.refused::<HolderKind>("an unknown holder kind", "holder kind", &[2]);
    v.refused::<SharingClass>("an unknown sharing class", "sharing class", &[3]);
    v.refused::<Action>("an unknown action", "action", &[7]);
    v.refused::<Action>("a transfer without receiver", "action", &[6]);
    v.refused::<Role>("an unknown role", "role", &[2]);
    v.refused::<Role>("the role to define for nobody", "role", &[1]);
    v.refused::<Request>("an unknown request", "request", &[5]);
    v.refused::<Response>("an unknown response", "response", &[7]);
    v.refused::<Signature>("a signature of another algorithm", "signature", &[2; 65]);
    let mut other = vec![2];
    other.extend_from_slice(key(1).public().as_bytes());
    v.refused::<PublicKey>("a key of another algorithm", "public key", &other);
    let mut neutral = vec![1, 1];
    neutral.extend_from_slice(&[0; 31]);
    v.refused::<PublicKey>("a key of small order", "public key", &neutral);
    let mut wrong = certmesh_ledger::codec::encode(&certificate("S1"));
    let last = wrong.len() - 1;
    wrong[last] = if wrong[last] == b'0' { b'1' } else { b'0' };
    v.refused::<CertificateId>("a wrong check character", "certificate identifier", &wrong);
}

fn identifiers(v: &mut Vectors) {
    for text in [
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
        "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0",
        "1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9",
    ] {
        let id: CertificateId = text.parse().expect("published");
        v.shown("identifiers", text, &id);
    }
    for (text, strict) in [
        (
            "1.2.156.3003.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
            "U",
        ),
        (
            " 1.2.156.3005.2.11100000000013338w011.11430000006122244L.20230000403.001.U",
            "U",
        ),
    ] {
        let (id, variants) = CertificateId::parse_lenient(text).expect("a known variant");
        assert_eq!(id.check().to_string(), strict);
        let warnings: Vec<String> = variants.iter().map(ToString::to_string).collect();
        v.put(
            "identifiers",
            text,
            json!({ "read as": id.as_str(), "warnings": warnings }),
        );
    }
    let department: DepartmentCode = "11100000MB03271699".parse().expect("published");
    v.shown("identifiers", "department", &department);
    let code: TypeCode = "11100000MB03271699022".parse().expect("published");
    v.shown("identifiers", "type", &code);
    v.put(
        "identifiers",
        "check characters",
        json!({
            "11100000000013338": check::credit_code("11100000000013338"),
            "340100 000000016 001": check::certificate(&["11100000MB03271699022", "340100", "000000016", "001"]),
            "11010519491231002": check::identity_number("11010519491231002"),
        }),
    );
}

fn keys(v: &mut Vectors) {
    let pair = key(1);
    v.shown("keys", "public key of seed 01..01", &pair.public());
    let message = hash(Purpose::Record, b"abc");
    let signature = pair.sign(&message);
    v.wire(
        "keys",
        "signature over record hash of abc",
        json!(message.to_string()),
        &signature,
    );
    strictness(v, &message);
    let peer = PeerId::from_transport_seed(&[1; 32]);
    v.shown("keys", "peer id of seed 01..01", &peer);
    v.bytes("keys", "peer id as multihash", &peer.to_multihash());
    for kind in [
        SecretFile::Signing,
        SecretFile::Transport,
        SecretFile::Sealing,
        SecretFile::Field,
        SecretFile::Catalogue,
    ] {
        let text = kind.write(&[0xAB; 32]);
        v.put("keys", kind.label(), json!(*text));
        let golden = v.text("keys", kind.label(), "");
        assert_eq!(*kind.read(&golden).expect("a secret file"), [0xAB; 32]);
    }
    identity_files(v);
}

/// The file of an identity key, at the usual cost, and at another with more lanes under a passphrase that isn't ASCII.
fn identity_files(v: &mut Vectors) {
    let other = Cost::new(256, 2, 4).expect("within bounds");
    for (name, text, cost) in [
        ("usual cost", "correct horse battery staple", Cost::USUAL),
        (
            "256 KiB, 2 passes, 4 lanes",
            "舟山群岛的灯塔守望者之歌",
            other,
        ),
    ] {
        let passphrase = Passphrase::new(text).expect("long enough");
        let (salt, nonce) = ([0x5A; 16], [0x4E; 24]);
        let file = IdentityFile::seal(code(ISSUER), &[0xAB; 32], &passphrase, cost, salt, nonce);
        let file = file.expect("enough memory");
        let entry = json!({
            "department": ISSUER,
            "seed": hex::encode([0xAB; 32]),
            "passphrase": text,
            "memory_kib": cost.memory_kib(),
            "passes": cost.passes(),
            "lanes": cost.lanes(),
            "salt": hex::encode(salt),
            "nonce": hex::encode(nonce),
            "bytes": hex::encode(file.to_bytes()),
        });
        v.put("identity key files", name, entry);
        let golden = hex::decode(v.text("identity key files", name, "bytes")).expect("hexadecimal");
        let read = IdentityFile::from_bytes(&golden).expect("an identity key file");
        let opened = read.open(&passphrase).expect("the passphrase opens it");
        assert_eq!(opened.public(), SigningKey::from_seed(&[0xAB; 32]).public());
    }
    let passphrase = Passphrase::new("correct horse battery staple").expect("long enough");
    let (sealer, salt) = (KeySealer::new(passphrase.clone()), [0x5A; 16]);
    let derivation = Derivation { cost: other, salt };
    let sealed = sealer.seal(SecretFile::Field, &[0xAB; 32], derivation, [0x4E; 24]);
    v.put(
        "keys",
        "sealed field key",
        json!(sealed.expect("enough memory")),
    );
    let golden = v.text("keys", "sealed field key", "");
    let opened = sealer
        .open(SecretFile::Field, &golden)
        .expect("its passphrase");
    assert_eq!(*opened, [0xAB; 32]);
    let (holder, seed) = (KeyHolder::Recovery, [0xAB; 32]);
    let file = IdentityFile::seal(holder, &seed, &passphrase, other, [0x5A; 16], [0x4E; 24]);
    let bytes = hex::encode(file.expect("enough memory").to_bytes());
    v.put("identity key files", "recovery key", json!(bytes));
    let golden =
        hex::decode(v.text("identity key files", "recovery key", "")).expect("hexadecimal");
    let read = IdentityFile::from_bytes(&golden).expect("a recovery key file");
    assert_eq!(read.holder(), KeyHolder::Recovery);
}

/// Signatures of the key of seed 01..01 that readers of looser rules than ours accept.
fn strictness(v: &mut Vectors, message: &Hash) {
    const PLAIN: &str = "7e5535c62408a32504832635e09bf6f76e2c16cde9e2f44ce7a29c441fe7f7c0\
                         79f2d1e9f6095f35ffe6f55f544454f0afb51e60b86236581041fbff9573ce0e";
    const S_AND_ORDER: &str = "7e5535c62408a32504832635e09bf6f76e2c16cde9e2f44ce7a29c441fe7f7c0\
                               66c6c746116d718dd583ed02333e3305b0b51e60b86236581041fbff9573ce1e";
    const TORSION: &str = "40a4cf5c611d737a2f1c6fcca84d9cabfed80987f186a5a6c57e629bff1af27f\
                           757311e9bc3be51c3a67e8aad7b5ea338cf8334146451d4f438d3becfa037203";
    const NEUTRAL: &str = "0100000000000000000000000000000000000000000000000000000000000000\
                           f6fa26384f8f7c917d69a6afc4ec3031baaffb429286b06a7824014aff0c9c0c";
    for (name, signature, verifies) in [
        ("plain", PLAIN, true),
        ("S with the group's order added", S_AND_ORDER, false),
        ("R with a point of order 8 added", TORSION, false),
        ("R neutral", NEUTRAL, false),
    ] {
        v.put(
            "signatures over record hash of abc",
            name,
            json!({ "signature": format!("01{signature}"), "verifies": verifies }),
        );
        let read = v.text("signatures over record hash of abc", name, "signature");
        let read = hex::decode(read).expect("hexadecimal");
        let read = Signature::from_bytes(&read.try_into().expect("65 bytes")).expect("algorithm 1");
        let verified = key(1).public().verify(message, &read);
        assert_eq!(verified.is_ok(), verifies, "{name}");
    }
}

/// A file written by hand: departments, roles and addresses in no order, a role twice, digits in upper case.
fn founded_by_hand(v: &mut Vectors) {
    let departments = [(3u8, READER, WITNESS), (1, ISSUER, AUTHORITY)];
    let departments = departments.map(|(n, code, authority)| {
        let digits = hex::encode_upper(key(n).public().as_bytes());
        let peer = PeerId::from_transport_seed(&[n + 100; 32]);
        format!(
            "[[department]]\n\
             peer_id = \"{peer}\"\n\
             addresses = [\"/dns4/b.example/tcp/7480\", \"/ip4/10.0.0.{n}/tcp/7480\", \"/dns4/a.example/tcp/7480\"]\n\
             roles = [\"define:{authority}\", \"issue\", \"define:{authority}\"]\n\
             name = \" Department {n} \"\n\
             code = \"{code}\"\n\
             signing_key = \"ed25519:{digits}\"\n\
             sealing_key = \"{}\"\n\
             identity_key = \"{}\"\n",
            sealing(n),
            identity(n).public()
        )
    });
    let toml = format!(
        "# Order, comments and spelling do not count.\n\
         created_ms = 1_700_000_000_000\n\
         name = 'By hand'\n\
         catalogue_key = \"{}\"\n\
         format = \"certmesh-genesis-2\"\n\n{}",
        catalogue_key().commitment().to_string().to_uppercase(),
        departments.join("\n")
    );
    v.put("genesis", "by hand, toml", json!(toml));
    let read = Genesis::from_toml(&v.text("genesis", "by hand, toml", "")).expect("a genesis");
    v.wire(
        "genesis",
        "by hand, canonical",
        json!("by hand, toml"),
        &read,
    );
    v.bytes(
        "genesis",
        "by hand, network id",
        read.network_id().0.as_bytes(),
    );
}

/// Files that give an authority's types to two departments, or a member's to another.
fn refused_founding(v: &mut Vectors) {
    let toml = genesis().to_toml();
    let give = |authority: &str| {
        let (before, after) = toml.rsplit_once("roles = []").expect("the reader has none");
        format!("{before}roles = [\"define:{authority}\"]{after}")
    };
    let (signing, identity) = (
        key(1).public().to_string(),
        identity(2).public().to_string(),
    );
    let twice = toml.replace(&identity, &signing);
    for (what, toml) in [
        ("an authority given twice", give(AUTHORITY)),
        ("a member's own types", give(WITNESS)),
        ("the department's own types", give(READER)),
        ("an authority without a code", give("")),
        (
            "a format before identity keys",
            toml.replace("genesis-2", "genesis-1"),
        ),
        (
            "nobody who governs",
            toml.replace("governs = true", "governs = false"),
        ),
        (
            "a policy by which half of them decide",
            toml.replace("decide = \"2/3\"", "decide = \"1/3\""),
        ),
        ("a key that signs and identifies", twice),
    ] {
        let name = format!("refused, {what}");
        v.put("genesis", &name, json!(toml));
        assert_ne!(toml, genesis().to_toml(), "{what}");
        Genesis::from_toml(&v.text("genesis", &name, "")).expect_err(what);
    }
    Genesis::from_toml(&give("11430000006122255X")).expect_err("a wrong check character");
    let other = DepartmentCode::from_body("11430000006122255").expect("of the alphabet");
    Genesis::from_toml(&give(other.as_str())).expect("an authority of its own");
}

fn founding(v: &mut Vectors) {
    founded_by_hand(v);
    refused_founding(v);
    let genesis = genesis();
    v.put("genesis", "toml", json!(genesis.to_toml()));
    let read = Genesis::from_toml(&v.text("genesis", "toml", "")).expect("a genesis");
    assert_eq!(read, genesis);
    v.wire("genesis", "canonical", json!("toml"), &genesis);
    let commitment = catalogue_key().commitment();
    v.bytes("genesis", "catalogue key", commitment.0.as_bytes());
    v.bytes("genesis", "network id", genesis.network_id().0.as_bytes());
    let first = &genesis.departments()[0];
    v.put("genesis", "department.toml", json!(first.to_toml()));
    let read =
        Department::from_toml(&v.text("genesis", "department.toml", "")).expect("a department");
    assert_eq!(read, *first);
    let mut id = LogId::first(first.code);
    for generation in [0, 3] {
        id.generation = generation;
        v.wire("genesis", &format!("log {id}"), json!(id.to_string()), &id);
        let network = genesis.network_id();
        v.bytes(
            "genesis",
            &format!("prefix of log {id}"),
            &LogName { network, id }.prefix(),
        );
    }
}

fn subjects(v: &mut Vectors) {
    v.put(
        "subjects",
        "ordinary passport e00000001 under catalogue key c0..c0",
        json!({
            "normalised": normalise(HolderKind::OrdinaryPassport, "e00000001").expect("a code"),
            "tag": tag(1).to_string(),
        }),
    );
}
