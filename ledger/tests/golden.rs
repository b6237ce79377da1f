//! Golden vectors: the bytes and hashes that `SPEC.md` describes, for fixed inputs, in `data/golden.json`.
//!
//! The code is held to them both ways: what it encodes is what the file says, and what the file says it decodes to the
//! same value. With `CERTMESH_WRITE_GOLDEN=1` the file is written again instead. A change in it is a change of the
//! format: existing networks, logs and proofs would no longer be read, so it takes a new version and a note in
//! `SPEC.md`.

#[path = "golden/authority.rs"]
mod authority;
mod common;
#[path = "golden/entries.rs"]
mod entries;
#[path = "golden/fields.rs"]
mod fields;
#[path = "golden/files.rs"]
mod files;
#[path = "golden/governance.rs"]
mod governance;
#[path = "golden/keys.rs"]
mod keys;
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

use certmesh_ledger::codec::{Blob, decode, encode};
use certmesh_ledger::record::{Entry, MAX_RECORD, Record};
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

    /// Notes an entry: its kind, its content's value by the kind's name, and its bytes as they end a record.
    pub(crate) fn entry(&mut self, section: &str, name: &str, entry: &Entry) {
        let content = Blob::<MAX_RECORD>::new(entry.content()).expect("within a record");
        let described = json!({
            "value": described(entry),
            "kind": entry.kind(),
            "content": hex::encode(&*content),
            "bytes": hex::encode(encode(&(entry.kind(), content))),
        });
        self.put(section, name, described);
        let read = hex::decode(self.text(section, name, "bytes")).expect("hexadecimal");
        let (kind, content) = decode::<(u32, Blob<MAX_RECORD>)>(&read, LIMIT).expect("an entry");
        assert_eq!(Entry::read(kind, &content), *entry, "{section}/{name}");
    }

    /// Notes a record's bytes beside what it says.
    pub(crate) fn record(&mut self, section: &str, name: &str, record: &Record) {
        let described = json!({
            "value": {
                "seq": record.seq,
                "prev": record.prev.to_string(),
                "time_ms": record.time_ms,
                "height": record.height,
                "key_epoch": record.key_epoch,
                "entry": described(&record.entry),
            },
            "bytes": hex::encode(encode(record)),
        });
        self.put(section, name, described);
        let read = hex::decode(self.text(section, name, "bytes")).expect("hexadecimal");
        let read = Record::decode(&read);
        assert_eq!(read.as_ref(), Ok(record), "{section}/{name}");
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

    /// A text the file holds (or, while it is written again, will hold).
    pub(crate) fn text(&self, section: &str, name: &str, key: &str) -> String {
        let from = self.golden.as_ref().unwrap_or(&self.made);
        let entry = &from[section][name];
        let text = if key.is_empty() { entry } else { &entry[key] };
        text.as_str().expect("a text").to_owned()
    }
}

/// The content of an entry by the name of its kind.
fn described(entry: &Entry) -> Value {
    match entry {
        Entry::CertificateIssued(content) => json!({ "CertificateIssued": content }),
        Entry::StatusChanged(content) => json!({ "StatusChanged": content }),
        Entry::TypeDefined(content) => json!({ "TypeDefined": content }),
        Entry::MatterDefined(content) => json!({ "MatterDefined": content }),
        Entry::GrantMade(content) => json!({ "GrantMade": content }),
        Entry::GrantWithdrawn(content) => json!({ "GrantWithdrawn": content }),
        Entry::CertificateErased(content) => json!({ "CertificateErased": content }),
        Entry::RetrievalDecided(content) => json!({ "RetrievalDecided": content }),
        Entry::RetrievalAcknowledged(content) => json!({ "RetrievalAcknowledged": content }),
        Entry::CaseAccepted(content) => json!({ "CaseAccepted": content }),
        Entry::AccessLogRead(content) => json!({ "AccessLogRead": content }),
        Entry::Unknown(_) => json!("unread"),
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
    fields::all(&mut vectors);
    entries::all(&mut vectors);
    ledger::all(&mut vectors);
    authority::all(&mut vectors);
    keys::all(&mut vectors);
    retrieval::all(&mut vectors);
    files::all(&mut vectors);
    governance::all(&mut vectors);
    match &vectors.golden {
        Some(golden) => assert_eq!(&vectors.made, golden, "the file holds nothing else"),
        None => {
            let mut text = serde_json::to_string_pretty(&vectors.made).expect("JSON");
            text.push('\n');
            std::fs::write(path(), text).expect("the golden vectors can be written");
        }
    }
}
