//! What records are filed under in the index files.

use certmesh_ledger::crypto::keys::IndexKey;
use certmesh_ledger::id::Date;
use certmesh_ledger::log::ReceiptKind;
use certmesh_ledger::record::Entry;
use serde_json::json;
use siphasher::sip::SipHasher24;

use crate::Vectors;
use crate::common::{batches, certificate, defined, file, filled, tag};

/// The keys of the first sealed segment's records, run by run: what is hashed, and that its index holds their fingerprints.
pub(crate) fn all(v: &mut Vectors) {
    let index_key = IndexKey::from_transport_seed(&[7; 32]);
    v.put(
        "index keys",
        "index key of the transport key 07…07",
        json!(hex::encode(index_key.0.expose())),
    );
    let code = certificate("S00000001").type_code().to_string();
    let mut expected = [vec![], vec![], vec![]];
    let mut put = |v: &mut Vectors, run: usize, what: &str, parts: &[&[u8]], place: u32| {
        let fingerprint = fingerprint(&index_key, parts);
        let entry = json!({
            "run": run,
            "place": place,
            "of": hex::encode(parts.concat()),
            "fingerprint": hex::encode(fingerprint.to_le_bytes()),
        });
        v.put("index keys", what, entry);
        expected[run].push((fingerprint, place));
    };
    for (n, place) in [(1, 1), (2, 2)] {
        let id = certificate(&format!("S{n:08}"));
        let named = id.as_str().as_bytes();
        put(
            v,
            0,
            &format!("certificate {n}, issued"),
            &[b"i", named],
            place,
        );
        if n == 2 {
            put(v, 0, "certificate 2, suspended", &[b"c", named], 3);
        }
        let tag = tag(n % 5).0;
        let subject: [&[u8]; 2] = [b"s", tag.as_bytes()];
        put(
            v,
            1,
            &format!("subject of certificate {n}"),
            &subject,
            place,
        );
        let of_type: [&[u8]; 3] = [b"o", tag.as_bytes(), code.as_bytes()];
        let what = format!("subject of certificate {n} with its type");
        put(v, 1, &what, &of_type, place);
        let what = format!("type of certificate {n}");
        put(v, 2, &what, &[b"t", code.as_bytes()], place);
        if let Some(last) = issued(n) {
            let what = format!("last day of certificate {n}");
            put(v, 2, &what, &[b"u", &last.days().to_le_bytes()], place);
        }
    }
    put(v, 2, "suspensions", &[b"h", &[0]], 3);
    let [first, second, _] = batches();
    // The definition is filed under nothing.
    let records = first.iter().chain(&second[..1]);
    let kinds: Vec<u32> = records.map(Entry::kind).collect();
    assert_eq!((kinds, defined().seq), (vec![2, 0, 0, 1], 0));
    let (disk, _) = filled();
    let index = file(
        &disk,
        "logs/11430000006122244L/000000000000-000000000004.index",
    );
    assert_eq!(index[64..96], *index_key.0.expose());
    let trailer = u64::from_le_bytes(index[128..136].try_into().expect("eight bytes"));
    let mut runs = &index[64 + 32 + 40 + 32..index.len() - trailer as usize];
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
    receipts(v, &index_key);
}

/// The last day of a certificate of the first segment.
fn issued(n: u64) -> Option<Date> {
    let [first, ..] = batches();
    match &first[n as usize] {
        Entry::CertificateIssued(issued) => issued.validity.until(),
        _ => panic!("the first batch issues it"),
    }
}

fn fingerprint(key: &IndexKey, parts: &[&[u8]]) -> u64 {
    let (first, _) = key.0.expose().split_first_chunk().expect("32 bytes");
    SipHasher24::new_with_key(first).hash(&parts.concat())
}

/// Receipts' keys hold the number of their kind.
fn receipts(v: &mut Vectors, key: &IndexKey) {
    for (word, kind) in [
        ("decided", ReceiptKind::Decided),
        ("acknowledged", ReceiptKind::Acknowledged),
        ("accepted", ReceiptKind::Accepted),
        ("looked", ReceiptKind::Looked),
    ] {
        let hashed = [b'k', kind as u8];
        v.put(
            "index keys",
            &format!("receipts of kind {word}"),
            json!({
                "run": 2,
                "of": hex::encode(hashed),
                "fingerprint": hex::encode(fingerprint(key, &[&hashed]).to_le_bytes()),
            }),
        );
        let day = Date::in_china(0).days().to_le_bytes();
        let hashed = [&[b'y', kind as u8][..], &day].concat();
        v.put(
            "index keys",
            &format!("receipts of kind {word} on 1970-01-01"),
            json!({
                "run": 2,
                "of": hex::encode(&hashed),
                "fingerprint": hex::encode(fingerprint(key, &[&hashed]).to_le_bytes()),
            }),
        );
    }
}
