//! Public Ed25519 vectors against our keys: C2SP/CCTV's edge cases, the cases of "Taming the many EdDSAs" (speccheck) and
//! Wycheproof. The folder is named by `CERTMESH_VECTORS`; without it nothing is checked, but once it is named it must be
//! there and whole.

use std::fs;
use std::path::Path;

use certmesh_ledger::crypto::keys::PublicKey;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;

/// Cases in each file; a copy with fewer or more is not the one this test was written for.
const CCTV: usize = 914;
/// Of those, the ones whose key is of small order or not in canonical form.
const CCTV_UNUSABLE_KEYS: usize = 526;
const SPECCHECK: usize = 12;
const WYCHEPROOF_VALID: usize = 88;
const WYCHEPROOF_INVALID: usize = 63;

fn read(name: &str) -> Option<Value> {
    let vectors = std::env::var_os("CERTMESH_VECTORS")?;
    let path = Path::new(&vectors).join("ed25519").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).expect("vectors are JSON"))
}

#[expect(
    clippy::print_stdout,
    reason = "who runs the tests without the vectors should see that they were left out"
)]
fn read_or_say_so(name: &str) -> Option<Value> {
    let found = read(name);
    if found.is_none() {
        println!("skipped: CERTMESH_VECTORS is not set");
    }
    found
}

fn text<'v>(vector: &'v Value, field: &str) -> &'v str {
    vector[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is no text: {vector}"))
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(vector, field)).expect("hexadecimal")
}

/// What we say: nothing but a canonical key of full order and a strict signature passes.
fn ours(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), signature.try_into()) else {
        return false;
    };
    PublicKey::from_bytes(key).is_ok_and(|key| key.verify_bytes(message, signature).is_ok())
}

/// What `verify_strict` of ed25519-dalek says.
fn strict(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), Signature::from_slice(signature)) else {
        return false;
    };
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

fn flagged(vector: &Value, flag: &str) -> bool {
    let flags = vector["flags"].as_array().map_or(&[][..], Vec::as_slice);
    flags.iter().any(|found| found == flag)
}

#[test]
fn every_key_of_small_order_or_not_canonical_is_refused_and_all_else_is_verified_strictly() {
    let Some(vectors) = read_or_say_so("cctv.json") else {
        return;
    };
    let vectors = vectors.as_array().expect("a list");
    assert_eq!(vectors.len(), CCTV, "number of vectors");
    let (mut unusable, mut accepted) = (0, 0);
    for vector in vectors {
        let (key, signature) = (bytes(vector, "key"), bytes(vector, "sig"));
        let message = text(vector, "msg").as_bytes();
        if flagged(vector, "low_order_A") || flagged(vector, "non_canonical_A") {
            let key = key.as_slice().try_into().expect("32 bytes");
            assert!(PublicKey::from_bytes(key).is_err(), "{vector}");
            unusable += 1;
            continue;
        }
        let verdict = ours(&key, message, &signature);
        assert_eq!(verdict, strict(&key, message, &signature), "{vector}");
        assert!(!(verdict && flagged(vector, "low_order_R")), "{vector}");
        assert!(!(verdict && flagged(vector, "non_canonical_R")), "{vector}");
        accepted += usize::from(verdict);
    }
    assert_eq!(unusable, CCTV_UNUSABLE_KEYS, "vectors with such a key");
    assert!(
        accepted > 0 && accepted < CCTV - unusable,
        "{accepted} accepted"
    );
}

#[test]
fn the_cases_on_which_implementations_disagree_are_judged_strictly() {
    let Some(vectors) = read_or_say_so("speccheck.json") else {
        return;
    };
    let vectors = vectors.as_array().expect("a list");
    assert_eq!(vectors.len(), SPECCHECK, "number of vectors");
    let accepted: Vec<usize> = vectors
        .iter()
        .enumerate()
        .filter(|(_, vector)| {
            let (key, message) = (bytes(vector, "pub_key"), bytes(vector, "message"));
            let signature = bytes(vector, "signature");
            let verdict = ours(&key, &message, &signature);
            assert_eq!(verdict, strict(&key, &message, &signature), "{vector}");
            verdict
        })
        .map(|(i, _)| i)
        .collect();
    // Both points of mixed order, the equation holds without the cofactor; a small-order point (0 to 2), an equation
    // that needs the cofactor (4, 5), a scalar out of range (6, 7) or a point not in canonical form (8 to 11) is refused.
    assert_eq!(accepted, [3]);
}

#[test]
fn every_wycheproof_case_is_judged_as_its_authors_do() {
    let Some(vectors) = read_or_say_so("wycheproof.json") else {
        return;
    };
    let (mut valid, mut invalid) = (0, 0);
    for group in vectors["testGroups"].as_array().expect("a list") {
        let key = bytes(&group["publicKey"], "pk");
        for vector in group["tests"].as_array().expect("a list") {
            let verdict = ours(&key, &bytes(vector, "msg"), &bytes(vector, "sig"));
            match text(vector, "result") {
                "valid" => {
                    assert!(verdict, "{vector}");
                    valid += 1;
                }
                "invalid" => {
                    assert!(!verdict, "{vector}");
                    invalid += 1;
                }
                other => panic!("unknown result {other}"),
            }
        }
    }
    assert_eq!((valid, invalid), (WYCHEPROOF_VALID, WYCHEPROOF_INVALID));
    assert_eq!(vectors["numberOfTests"], valid + invalid);
}
