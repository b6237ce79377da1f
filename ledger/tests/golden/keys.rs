//! What records are filed under in the index files.

use certmesh_ledger::hash::{Purpose, hash_parts};
use certmesh_ledger::log::ReceiptKind;
use certmesh_ledger::record::Entry;
use serde_json::{Value, json};

use crate::Vectors;
use crate::common::{batches, certificate, defined, file, filled, issued, tag};

/// The keys of the first sealed segment's records, run by run: what is hashed, and that its index holds them.
pub(crate) fn all(v: &mut Vectors) {
    let fingerprint = |parts: &[&[u8]]| hash_parts(Purpose::Index, parts).fingerprint();
    let code = certificate("S00000001").type_code().to_string();
    let of_type = fingerprint(&[b"t", code.as_bytes()]);
    let types = (1 << 24) - 1;
    let mut expected = [vec![], vec![], vec![]];
    let mut put = |v: &mut Vectors, run: usize, what: &str, of: Value, key: u64, place: u32| {
        let key_bytes = hex::encode(key.to_le_bytes());
        let entry = json!({ "run": run, "place": place, "of": of, "key": key_bytes });
        v.put("index keys", what, entry);
        expected[run].push((key, place));
    };
    let hashed = |bytes: &[u8]| json!({ "first 8 bytes of H_index of": hex::encode(bytes) });
    for (n, place) in [(1, 1), (2, 2)] {
        let id = certificate(&format!("S{n:08}"));
        let named = [b"c", id.as_str().as_bytes()].concat();
        let key = fingerprint(&[&named]);
        let what = format!("certificate {n}, issued");
        put(v, 0, &what, hashed(&named), key, place);
        if n == 2 {
            put(v, 0, "certificate 2, suspended", hashed(&named), key, 3);
        }
        // A tag is a hash already.
        let upper = issued(n, None).subject.0.fingerprint() & !types;
        let of = json!({
            "upper 40 bits of the first 8 bytes of the tag": tag(n % 5).to_string(),
            "lower 24 bits of the type's key": hex::encode(of_type.to_le_bytes()),
        });
        let what = format!("subject of certificate {n} with its type");
        put(v, 1, &what, of, upper | of_type & types, place);
        let typed = [b"t", code.as_bytes()].concat();
        let what = format!("type of certificate {n}");
        put(v, 2, &what, hashed(&typed), of_type, place);
    }
    let [first, second, _] = batches();
    // The definition is filed under nothing.
    let records = first.iter().chain(&second[..1]);
    let kinds: Vec<u32> = records.map(Entry::kind).collect();
    assert_eq!((kinds, defined().seq), (vec![2, 0, 0, 1], 0));
    let (disk, _) = filled();
    let index = file(&disk, "logs/11430000006122244L/000000000000.index");
    let mut runs = &index[64 + 24 + 32..];
    for keys in &mut expected {
        keys.sort_unstable();
        for (key, place) in keys {
            let (entry, rest) = runs.split_at(12);
            assert_eq!(
                entry,
                [&key.to_le_bytes()[..], &place.to_le_bytes()].concat()
            );
            runs = rest;
        }
    }
    assert!(runs.is_empty());
    receipts(v);
}

/// Receipts' keys hold the number of their kind.
fn receipts(v: &mut Vectors) {
    for (word, kind) in [
        ("decided", ReceiptKind::Decided),
        ("acknowledged", ReceiptKind::Acknowledged),
        ("accepted", ReceiptKind::Accepted),
        ("looked", ReceiptKind::Looked),
    ] {
        let hashed = [b'k', kind as u8];
        let key = hash_parts(Purpose::Index, &[&hashed]).fingerprint();
        v.put(
            "index keys",
            &format!("receipts of kind {word}"),
            json!({
                "run": 2,
                "of": { "first 8 bytes of H_index of": hex::encode(hashed) },
                "key": hex::encode(key.to_le_bytes()),
            }),
        );
    }
}
