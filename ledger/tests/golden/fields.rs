//! Commitments to a certificate's fields and what shows some of them.

use std::collections::BTreeMap;

use certmesh_ledger::codec::{Text, encode};
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash_parts};
use certmesh_ledger::record::{
    DisclosedField, Disclosure, DisclosureError, FieldDefinition, commit_fields,
};
use serde_json::{Value, json};

use crate::Vectors;
use crate::common::{body_key, certificate, definition, fields};

/// Fields that no definition names, attachments among them, beside those that it names.
fn all_fields() -> BTreeMap<String, String> {
    let mut all = fields("S00000001");
    for name in ["KZ_A", "KZ_B", "@scan.pdf", "@照片.jpg"] {
        all.insert(name.to_owned(), format!("value of {name}"));
    }
    all
}

pub(crate) fn all(v: &mut Vectors) {
    let codes: Vec<&str> = definition()
        .fields
        .iter()
        .map(|f| f.code.as_str())
        .collect();
    v.put(
        "fields",
        "certificate",
        json!(certificate("S00000001").as_str()),
    );
    v.put("fields", "body key", json!(hex::encode([0xF0; 32])));
    v.put("fields", "fields of the definition", json!(codes));
    v.put("fields", "fields of the certificate", json!(all_fields()));
    commitments(v);
    roots(v);
    disclosures(v);
    refused(v);
}

/// A hash that only whoever has the body key can make.
fn derived(purpose: Purpose, parts: &[&[u8]]) -> Hash {
    let inner = hash_parts(purpose, parts);
    Hash::from_bytes(*blake3::keyed_hash(&[0xF0; 32], inner.as_bytes()).as_bytes())
}

/// The salt of places that is tried after this many others.
fn place_salt(attempt: u32) -> Hash {
    let id = certificate("S00000001");
    let parts: [&[u8]; 3] = [id.as_str().as_bytes(), b"\0s", &attempt.to_le_bytes()];
    derived(Purpose::FieldPlace, &parts)
}

/// What stands for a subtree without fields.
fn no_fields(v: &mut Vectors, depth: u8, prefix: u16) -> Hash {
    let id = certificate("S00000001");
    let node = [&[depth][..], &prefix.to_le_bytes()].concat();
    let parts: [&[u8]; 3] = [id.as_str().as_bytes(), b"\0e", &node];
    let inner = hash_parts(Purpose::FieldPlace, &parts);
    let hash = derived(Purpose::FieldPlace, &parts);
    v.put(
        "fields",
        &format!("no field below node {prefix} of depth {depth}"),
        json!({
            "H_field-place of": hex::encode(parts.concat()),
            "H_field-place": inner.to_string(),
            "keyed by the body key": hash.to_string(),
        }),
    );
    hash
}

/// A part of a disclosure that only its encoding shows.
fn part(disclosure: &Disclosure, name: &str) -> Value {
    let value = serde_json::to_value(disclosure).expect("every type has JSON");
    value[name].clone()
}

fn disclosure(of: &BTreeMap<String, String>, show: impl Fn(&str) -> bool) -> Disclosure {
    let (key, id) = (body_key(), certificate("S00000001"));
    Disclosure::of(&key, &id, &definition().fields, of, show)
}

fn commitments(v: &mut Vectors) {
    let (key, id, fields) = (body_key(), certificate("S00000001"), all_fields());
    let everything = disclosure(&fields, |_| true);
    let place_salt = place_salt(0);
    assert_eq!(json!(place_salt), part(&everything, "place_salt"));
    v.put(
        "fields",
        "place salt, attempt 0",
        json!(place_salt.to_string()),
    );
    for opening in everything.shown() {
        assert_eq!(opening.salt, key.salt(&id, &opening.name));
        let mut described = json!({
            "value": opening.value,
            "salt": opening.salt.to_string(),
            "commitment": opening.commitment().to_string(),
        });
        if !definition()
            .fields
            .iter()
            .any(|field| field.code.as_str() == opening.name)
        {
            let parts: [&[u8]; 2] = [place_salt.as_bytes(), opening.name.as_bytes()];
            let hash = hash_parts(Purpose::FieldPlace, &parts);
            let [high, low, ..] = *hash.as_bytes();
            described["H_field-place(place salt ‖ name)"] = json!(hash.to_string());
            described["place"] = json!(u16::from_be_bytes([high, low]) >> 4);
        }
        v.put("fields", &opening.name, described);
    }
    // A field that the definition names and the certificate lacks.
    let salt = key.salt(&id, "KZ_RS");
    let absent = encode(&("KZ_RS", None::<&str>));
    let commitment = hash_parts(Purpose::Field, &[salt.as_bytes(), &absent]);
    v.put(
        "fields",
        "KZ_RS, which is absent",
        json!({ "salt": salt.to_string(), "commitment": commitment.to_string() }),
    );
    let named: Vec<Hash> = definition()
        .fields
        .iter()
        .zip(hidden(&disclosure(&fields, |_| false)))
        .map(|(_, hash)| hash)
        .collect();
    assert_eq!(named[4], commitment);
    let named: Vec<String> = named.iter().map(Hash::to_string).collect();
    v.put(
        "fields",
        "commitments of the definition's fields, in its order",
        json!(named),
    );
    v.put(
        "fields",
        "root of the tree of the others",
        part(&everything, "others_root"),
    );
    // No field shares the first attachment's parent, and no certificate without others has a tree of them.
    let alone = disclosure(&fields, |name| name == "@scan.pdf");
    let path = part(&alone, "others")[0]["path"].clone();
    let parts: [&[u8]; 2] = [place_salt.as_bytes(), b"@scan.pdf"];
    let [high, low, ..] = *hash_parts(Purpose::FieldPlace, &parts).as_bytes();
    let beside = u16::from_be_bytes([high, low]) >> 4 ^ 1;
    assert_eq!(json!(no_fields(v, 12, beside)), path[11]);
    let without = disclosure(&crate::common::fields("S00000001"), |_| false);
    assert_eq!(json!(no_fields(v, 0, 0)), part(&without, "others_root"));
    let first = everything.shown().next().expect("fields are shown");
    v.shown("fields", "opening of ZZMC", first);
}

/// The leaves of a disclosure that shows nothing.
fn hidden(disclosure: &Disclosure) -> Vec<Hash> {
    let leaves: Vec<DisclosedField> =
        serde_json::from_value(part(disclosure, "named")).expect("a list");
    let hash = |leaf| match leaf {
        DisclosedField::Hidden(hash) => hash,
        DisclosedField::Shown(_) => unreachable!("nothing is shown"),
    };
    leaves.into_iter().map(hash).collect()
}

/// What 64 names begin with of which some share a place under the first salt.
const MANY: &str = "C";

fn roots(v: &mut Vectors) {
    let (key, id) = (body_key(), certificate("S00000001"));
    let root = |definition: &[FieldDefinition], fields: &BTreeMap<String, String>| {
        json!(commit_fields(&key, &id, definition, fields).to_string())
    };
    let named = &definition().fields;
    let none = BTreeMap::new();
    v.put("fields", "root", root(named, &all_fields()));
    v.put(
        "fields",
        "root of a certificate without fields",
        root(named, &none),
    );
    v.put(
        "fields",
        "root where the definition names no field",
        root(&[], &all_fields()),
    );
    v.put(
        "fields",
        "root without fields where the definition names none",
        root(&[], &none),
    );
    v.put(
        "fields",
        "root where the definition names only ZZMC",
        root(&named[..1], &all_fields()),
    );
    let many: BTreeMap<String, String> = (0..64)
        .map(|n| (format!("{MANY}_{n}"), String::new()))
        .collect();
    let shows_none = Disclosure::of(&key, &id, &[], &many, |_| false);
    let attempt = (0..1000).find(|n| json!(place_salt(*n)) == part(&shows_none, "place_salt"));
    assert!(attempt.is_some_and(|attempt| attempt > 0), "{attempt:?}");
    v.put(
        "fields",
        &format!("64 fields {MANY}_0 to {MANY}_63, all empty, that no definition names"),
        json!({
            "first attempt at which none share a place": attempt,
            "place salt": part(&shows_none, "place_salt"),
            "root": root(&[], &many),
        }),
    );
}

fn disclosures(v: &mut Vectors) {
    let fields = all_fields();
    let (key, id) = (body_key(), certificate("S00000001"));
    let root = commit_fields(&key, &id, &definition().fields, &fields);
    for (what, shown) in [
        ("of nothing", &[][..]),
        ("of ZZMC alone", &["ZZMC"]),
        ("of an absent field alone", &["KZ_RS"]),
        ("of @scan.pdf and CZZT", &["@scan.pdf", "CZZT"]),
        ("of all attachments", &["@scan.pdf", "@照片.jpg"]),
    ] {
        let disclosure = disclosure(&fields, |name| shown.contains(&name));
        let name = format!("disclosure {what}");
        v.shown("fields", &name, &disclosure);
        let read = hex::decode(v.text("fields", &name, "bytes")).expect("hexadecimal");
        let read: Disclosure = certmesh_ledger::codec::decode(&read, 1 << 20).expect("canonical");
        let held = read
            .verify(&root, &definition().fields)
            .expect("a disclosure that holds");
        let expected = shown.iter().filter(|name| fields.contains_key(**name));
        assert!(held.keys().eq(expected), "{what}");
    }
}

/// Disclosures whose hashes all fit, and that show a name in a place where it doesn't stand.
fn refused(v: &mut Vectors) {
    let (key, id, fields) = (body_key(), certificate("S00000001"), all_fields());
    let all = &definition().fields;
    let turned: Vec<FieldDefinition> = all.iter().rev().cloned().collect();
    let twice: Vec<FieldDefinition> = all.iter().chain(&all[..1]).cloned().collect();
    let code = Text::new("KZ_A").expect("a valid text");
    let renamed: Vec<FieldDefinition> = all[1..]
        .iter()
        .cloned()
        .chain([FieldDefinition::text(code, Text::default(), false)])
        .collect();
    for (what, made, read) in [
        ("fewer fields than the definition", &all[1..], &all[..]),
        ("another order", &turned, &all[..]),
        ("another field of the definition's", &all[..], &renamed),
        (
            "a field of the definition's among the others",
            &renamed,
            &all[..],
        ),
        ("a name that the definition has twice", &twice, &twice),
    ] {
        let root = commit_fields(&key, &id, made, &fields);
        let disclosure = Disclosure::of(&key, &id, made, &fields, |name| name == "ZZMC");
        assert_eq!(
            disclosure.verify(&root, read),
            Err(DisclosureError::Order),
            "{what}"
        );
        let codes = |definition: &[FieldDefinition]| -> Vec<String> {
            definition
                .iter()
                .map(|field| field.code.to_string())
                .collect()
        };
        v.put(
            "fields",
            &format!("refused, {what}"),
            json!({
                "fields of the definition": codes(read),
                "root": root.to_string(),
                "bytes": hex::encode(encode(&disclosure)),
            }),
        );
    }
}
