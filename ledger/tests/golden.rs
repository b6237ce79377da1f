//! Golden vectors: the bytes and hashes that `SPEC.md` describes, for fixed inputs, in `data/golden.json`.
//!
//! The code is held to them both ways: what it encodes is what the file says, and what the file says it decodes to the
//! same value. With `CERTMESH_WRITE_GOLDEN=1` the file is written anew instead. A change in it is a change of the format:
//! existing networks, logs and proofs would no longer be read, so it takes a new version and a note in `SPEC.md`.

mod common;
#[path = "golden/files.rs"]
mod files;
#[path = "golden/ledger.rs"]
mod ledger;
#[path = "golden/primitives.rs"]
mod primitives;
#[path = "golden/retrieval.rs"]
mod retrieval;
#[path = "golden/trees.rs"]
mod trees;

use std::fmt::Debug;
use std::path::PathBuf;

use certmesh_ledger::codec::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// No vector is longer.
const LIMIT: usize = 1 << 20;

/// What the code makes of the inputs, compared on the way with what the file says.
pub(crate) struct Vectors {
    made: Map<String, Value>,
    golden: Option<Map<String, Value>>,
}

impl Vectors {
    /// Notes a value under `section` and `name` and compares it with the file's.
    pub(crate) fn put(&mut self, section: &str, name: &str, value: Value) {
        if let Some(golden) = &self.golden {
            assert_eq!(
                golden.get(section).and_then(|section| section.get(name)),
                Some(&value),
                "{section}/{name}"
            );
        }
        let section = self
            .made
            .entry(section)
            .or_insert_with(|| Value::Object(Map::new()));
        let before = section
            .as_object_mut()
            .expect("sections are objects")
            .insert(name.to_owned(), value);
        assert!(before.is_none(), "{name} stands twice in its section");
    }

    /// Notes bytes.
    pub(crate) fn bytes(&mut self, section: &str, name: &str, bytes: &[u8]) {
        self.put(section, name, json!(hex::encode(bytes)));
    }

    /// Notes a value's canonical bytes beside what describes it, and reads the file's bytes back to the same value.
    pub(crate) fn wire<T>(&mut self, section: &str, name: &str, described: Value, value: &T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let mut entry = Map::new();
        entry.insert("value".to_owned(), described);
        entry.insert("bytes".to_owned(), json!(hex::encode(encode(value))));
        self.put(section, name, Value::Object(entry));
        let read = hex::decode(self.text(section, name, "bytes")).expect("hexadecimal");
        assert_eq!(
            decode::<T>(&read, LIMIT).as_ref(),
            Ok(value),
            "{section}/{name}"
        );
    }

    /// As [`Vectors::wire`], described by the value's own JSON.
    pub(crate) fn shown<T>(&mut self, section: &str, name: &str, value: &T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let described = serde_json::to_value(value).expect("every type has JSON");
        self.wire(section, name, described, value);
    }

    /// Notes bytes that must be refused as a `T`.
    pub(crate) fn refused<T>(&mut self, name: &str, of: &str, bytes: &[u8])
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        self.put(
            "refused",
            name,
            json!({ "type": of, "bytes": hex::encode(bytes) }),
        );
        let read = hex::decode(self.text("refused", name, "bytes")).expect("hexadecimal");
        decode::<T>(&read, LIMIT).expect_err(name);
    }

    /// A text the file holds (or, while it is written anew, will hold).
    pub(crate) fn text(&self, section: &str, name: &str, key: &str) -> String {
        let from = self.golden.as_ref().unwrap_or(&self.made);
        let entry = &from[section][name];
        let text = if key.is_empty() { entry } else { &entry[key] };
        text.as_str().expect("a text").to_owned()
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden.json")
}

#[test]
fn every_byte_is_the_one_the_format_says() {
    let write = std::env::var_os("CERTMESH_WRITE_GOLDEN").is_some_and(|value| value == "1");
    let golden = (!write).then(|| {
        let text = std::fs::read_to_string(path()).expect("the golden vectors are there");
        serde_json::from_str(&text).expect("the golden vectors are JSON")
    });
    let mut vectors = Vectors {
        made: Map::new(),
        golden,
    };
    primitives::all(&mut vectors);
    trees::all(&mut vectors);
    ledger::all(&mut vectors);
    retrieval::all(&mut vectors);
    files::all(&mut vectors);
    match &vectors.golden {
        Some(golden) => assert_eq!(&vectors.made, golden, "the file holds nothing else"),
        None => {
            let mut text = serde_json::to_string_pretty(&vectors.made).expect("JSON");
            text.push('\n');
            std::fs::write(path(), text).expect("the golden vectors can be written");
        }
    }
}
