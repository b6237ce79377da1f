//! The public proofs of transparency-dev/merkle (`rfc6962-tree`), good and corrupted, against our verification with
//! SHA-256 and the prefixes of RFC 6962. The folder is named by `CERTMESH_VECTORS`; without it nothing is checked, but
//! once it is named it must be there and whole.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certmesh_ledger::merkle::{TreeHasher, verify_consistency, verify_inclusion};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

type Digest = [u8; 32];

/// The files in each folder; a copy with fewer or more is not the one this test was written for.
const INCLUSION_VECTORS: usize = 98;
const CONSISTENCY_VECTORS: usize = 98;

struct Rfc6962;

impl TreeHasher for Rfc6962 {
    type Digest = Digest;

    fn empty() -> Digest {
        Sha256::digest(b"").into()
    }

    fn node(left: &Digest, right: &Digest) -> Digest {
        Sha256::new()
            .chain_update([1])
            .chain_update(left)
            .chain_update(right)
            .finalize()
            .into()
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a digest is a base64 text");
    STANDARD.decode(text).expect("valid base64")
}

/// A digest that must have 32 bytes: the vectors count an inclusion proof with an empty leaf or root as corrupted even
/// where the two are equal, and in our code it could not be parsed.
fn digest(value: &Value) -> Result<Digest, String> {
    bytes(value)
        .try_into()
        .map_err(|bytes: Vec<u8>| format!("a digest of {} bytes", bytes.len()))
}

/// A digest for which some vectors have a text such as "dont care 1", also one that must be accepted (equal sizes, equal
/// roots). Our digests have 32 bytes, so the hash of the text stands in for it: equal texts stay equal, others differ,
/// and it is our verification that judges the vector rather than this file.
fn digest_or_stand_in(value: &Value) -> Digest {
    bytes(value)
        .try_into()
        .unwrap_or_else(|bytes: Vec<u8>| Sha256::digest(bytes).into())
}

fn proof(vector: &Value) -> Vec<Digest> {
    match &vector["proof"] {
        Value::Null => Vec::new(),
        nodes => nodes
            .as_array()
            .expect("a proof is null or a list")
            .iter()
            .map(digest_or_stand_in)
            .collect(),
    }
}

fn number(vector: &Value, field: &str) -> u64 {
    vector[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} is no number: {vector}"))
}

fn inclusion(vector: &Value) -> Result<(), String> {
    let (index, size) = (number(vector, "leafIdx"), number(vector, "treeSize"));
    let (leaf, root) = (digest(&vector["leafHash"])?, digest(&vector["root"])?);
    verify_inclusion::<Rfc6962>(&leaf, index, size, &proof(vector), &root)
        .map_err(|error| error.to_string())
}

fn consistency(vector: &Value) -> Result<(), String> {
    let (old, new) = (number(vector, "size1"), number(vector, "size2"));
    let (old_root, new_root) = (
        digest_or_stand_in(&vector["root1"]),
        digest_or_stand_in(&vector["root2"]),
    );
    verify_consistency::<Rfc6962>(old, &old_root, new, &new_root, &proof(vector))
        .map_err(|error| error.to_string())
}

fn json_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            json_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            found.push(path);
        }
    }
}

/// Runs `check` on every vector of a folder and compares with what it demands. Returns how many were good and corrupted.
fn run(folder: &Path, check: fn(&Value) -> Result<(), String>) -> (usize, usize) {
    let mut files = Vec::new();
    json_files(folder, &mut files);
    let (mut good, mut corrupted) = (0, 0);
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable vector");
        let vector: Value = serde_json::from_str(&text).expect("a vector is JSON");
        let must_fail = vector["wantErr"]
            .as_bool()
            .expect("wantErr is true or false");
        let result = check(&vector);
        assert_eq!(result.is_err(), must_fail, "{}: {result:?}", file.display());
        *(if must_fail { &mut corrupted } else { &mut good }) += 1;
    }
    (good, corrupted)
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "who runs the tests without the vectors should see that they were left out"
)]
fn every_public_proof_is_accepted_or_refused_as_its_authors_say() {
    let Some(vectors) = std::env::var_os("CERTMESH_VECTORS") else {
        println!("skipped: CERTMESH_VECTORS is not set");
        return;
    };
    let folder = Path::new(&vectors).join("rfc6962-tree");
    for (name, check, expected) in [
        (
            "inclusion",
            inclusion as fn(&Value) -> Result<(), String>,
            INCLUSION_VECTORS,
        ),
        ("consistency", consistency, CONSISTENCY_VECTORS),
    ] {
        let (good, corrupted) = run(&folder.join(name), check);
        assert_eq!(good + corrupted, expected, "number of {name} vectors");
        assert!(
            good > 0 && corrupted > 0,
            "{name}: {good} good, {corrupted} corrupted"
        );
    }
}
