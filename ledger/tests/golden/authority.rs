//! Who may issue what: definitions in the status map, and proofs that carry them.

use std::sync::Arc;

use certmesh_ledger::catalogue::{Authority, Catalogue, DEFINITION_LAG_MS};
use certmesh_ledger::codec::{Bounded, encode};
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::id::{CertificateId, Date, TypeCode};
use certmesh_ledger::log::{
    Cosignature, DefinitionEntry, MAX_VERSIONS, VerifiedCheckpoint, Writer, definition_key,
};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{CertificateIssued, DefinitionRef, Entry, TypeDefined};
use certmesh_ledger::verify::{Bundle, Reader};
use serde_json::json;

use crate::Vectors;
use crate::common::{
    AUTHORITY, DEFINED_MS, ISSUER, READER, WITNESS, code, define, definition, issued, key, members,
    name, open, place, text,
};

const LATER_MS: u64 = DEFINED_MS + 3 * DEFINITION_LAG_MS;

pub(crate) fn all(v: &mut Vectors) {
    chain(v);
    let catalogue = world();
    authorities(v, &catalogue);
    bundles(v, &catalogue);
}

/// The entry of one type in the map, after its first definition and after its second.
fn chain(v: &mut Vectors) {
    let code = definition().code;
    v.put(
        "definitions",
        "key in the status map",
        json!({ "type": code.to_string(), "key": definition_key(&code).to_string() }),
    );
    v.put(
        "definitions",
        "most versions that count",
        json!(MAX_VERSIONS),
    );
    let (log, _) = open(&MemoryDisk::new());
    let mut writer = Writer::new(Arc::clone(&log), key(1));
    let mut expected = DefinitionEntry::NONE;
    for n in 1..=2 {
        let (appended, checkpoint) = writer.append(DEFINED_MS, vec![define()]).expect("appended");
        expected = expected
            .and(appended[0].seq, &appended[0].hash)
            .expect("it counts");
        let (_, entry, _) = log.prove_definition(&code).expect("readable");
        let entry = entry.expect("defined");
        assert_eq!(entry, expected);
        let described = json!({
            "seq": entry.seq,
            "versions": entry.versions,
            "record hash": appended[0].hash.to_string(),
            "chain": entry.chain.to_string(),
            "value in the status map": entry.value().to_string(),
            "status root of a log with these definitions alone": checkpoint.status_root.to_string(),
        });
        v.wire(
            "definitions",
            &format!("after definition {n}"),
            described,
            &entry,
        );
    }
    let (checkpoint, entry, proof) = log.prove_definition(&code).expect("readable");
    let proved = proof.verify(&checkpoint.status_root, &definition_key(&code));
    assert_eq!(proved, Ok(entry.map(|entry| entry.value())));
    v.shown("definitions", "proof of the second", &proof);
}

fn foreign_type() -> TypeCode {
    TypeCode::new(&code(AUTHORITY), 22).expect("three digits")
}

fn certificate(serial: &str) -> CertificateId {
    CertificateId::new(foreign_type(), code(WITNESS).into(), serial, 1).expect("an identifier")
}

/// The issuer defines another authority's type for anybody, then for itself and the witness, and three days later for
/// itself alone; the witness issues.
fn world() -> Catalogue {
    let disk = MemoryDisk::new();
    let opened = Catalogue::open(place(&disk), members(), code(READER)).expect("opens");
    let catalogue = opened.catalogue;
    let define = |issuers: &[&str]| {
        Entry::from(TypeDefined {
            issuers: Bounded::first(issuers.iter().map(|text| code(text))),
            ..TypeDefined::new(foreign_type(), text("证"))
        })
    };
    let writer = |department: &str, n: u8| {
        let log = catalogue
            .log(&LogId::first(code(department)))
            .expect("a member's");
        Writer::new(log, key(n))
    };
    let mut issuer = writer(ISSUER, 1);
    let first = vec![define(&[]), define(&[ISSUER, WITNESS])];
    let (mut defined, _) = issuer.append(DEFINED_MS, first).expect("appended");
    let last = vec![define(&[ISSUER])];
    defined.extend(issuer.append(LATER_MS, last).expect("appended").0);
    let issue = |serial: &str, log: &str, version: usize| {
        Entry::CertificateIssued(CertificateIssued {
            id: certificate(serial),
            definition: DefinitionRef {
                log: LogId::first(code(log)),
                seq: defined[version].seq,
                hash: defined[version].hash,
            },
            ..issued(2, None)
        })
    };
    let mut witness = writer(WITNESS, 2);
    for (time_ms, serial, log, version) in [
        (DEFINED_MS, "FIRST", ISSUER, 0),
        (DEFINED_MS, "SECOND", ISSUER, 1),
        (DEFINED_MS, "OTHERS", WITNESS, 1),
        // To the millisecond a day after it was excluded, and one later.
        (LATER_MS + DEFINITION_LAG_MS, "LAST", ISSUER, 1),
        (LATER_MS + DEFINITION_LAG_MS + 1, "EXCLUDED", ISSUER, 1),
        (LATER_MS + DEFINITION_LAG_MS + 2, "NOTLISTED", ISSUER, 2),
        // Later than anything known of the definitions.
        (LATER_MS + 9 * DEFINITION_LAG_MS, "FIRSTLATE", ISSUER, 0),
    ] {
        let entry = vec![issue(serial, log, version)];
        witness.append(time_ms, entry).expect("appended");
    }
    catalogue
}

/// What each certificate's department was entitled to, as far as the two logs show.
fn authorities(v: &mut Vectors, catalogue: &Catalogue) {
    let definer = members().definer(&foreign_type());
    v.put(
        "authority",
        "type",
        json!({ "type": foreign_type().to_string(), "defined by": definer.map(|code| code.to_string()) }),
    );
    v.put("authority", "lag, ms", json!(DEFINITION_LAG_MS));
    for (serial, expected) in [
        ("FIRST", "given"),
        ("SECOND", "given"),
        ("OTHERS", "OthersDefinition"),
        ("LAST", "given"),
        ("EXCLUDED", "Excluded { seq: 2 }"),
        ("NOTLISTED", "NotListed"),
        ("FIRSTLATE", "Excluded { seq: 2 }"),
    ] {
        let state = catalogue.certificate(&certificate(serial));
        let state = state.expect("readable").expect("held");
        let (record, issued) = (state.issued.record(), state.certificate());
        let authority = catalogue.authority(&state.log, record, issued);
        let said = match authority.expect("readable") {
            Authority::Given => "given".to_owned(),
            Authority::NotGiven(why) => format!("{why:?}"),
            Authority::Unknown(missing) => format!("unknown: {missing:?}"),
        };
        assert_eq!(said, expected, "{serial}");
        v.put(
            "authority",
            serial,
            json!({
                "issued at, ms": record.time_ms,
                "definition": json!(issued.definition),
                "certificate": hex::encode(encode(issued)),
                "authority": said,
            }),
        );
    }
}

/// Proofs of certificates that rest on a definition in another log.
fn bundles(v: &mut Vectors, catalogue: &Catalogue) {
    let day = Date::from_ymd(2026, 7, 1).expect("a date");
    let fresh_ms = LATER_MS + 9 * DEFINITION_LAG_MS;
    // The reader's signature under the issuer's checkpoint, the issuer's own, and the witness's, whose certificate it is.
    let by = |n: u8, department: &'static str| {
        move |checkpoint: &VerifiedCheckpoint| {
            let members = members();
            let own = checkpoint.log == name().id;
            let sign = || {
                Cosignature::sign(
                    &members,
                    checkpoint,
                    code(department),
                    fresh_ms,
                    &key(n).into(),
                )
            };
            own.then(sign).into_iter().collect::<Vec<_>>()
        }
    };
    for (what, serial, signer, verdict) in [
        ("named the first", "FIRST", Some((3, READER)), "valid"),
        ("named the second", "SECOND", None, "valid"),
        ("another's definition", "OTHERS", None, "not-valid"),
        ("issued a day later", "LAST", None, "valid"),
        ("excluded", "EXCLUDED", Some((3, READER)), "not-valid"),
        ("not listed", "NOTLISTED", Some((3, READER)), "not-valid"),
    ] {
        let id = certificate(serial);
        let bundle = match signer {
            Some((n, department)) => Bundle::gather(catalogue, &id, by(n, department)),
            None => Bundle::gather(catalogue, &id, |_| vec![]),
        };
        put_bundle(
            v,
            what,
            &bundle.expect("readable").expect("held"),
            day,
            verdict,
        );
    }
    stale(v, day, by);
}

fn put_bundle(v: &mut Vectors, what: &str, bundle: &Bundle, day: Date, verdict: &str) {
    let name = format!("of a type that another defines, {what}: {verdict}");
    v.bytes("bundles", &name, &bundle.to_bytes());
    let golden = hex::decode(v.text("bundles", &name, "")).expect("hexadecimal");
    let read = Bundle::from_bytes(&golden).expect("a bundle");
    let verified = read.verify(&members()).expect("a bundle that verifies");
    let reader = Reader {
        on: day,
        now_ms: LATER_MS + 9 * DEFINITION_LAG_MS,
        issuer_only: true,
    };
    let judged = verified.judge(&reader).expect("not dated ahead");
    assert_eq!(judged.as_str(), verdict, "{name}");
}

/// A certificate issued when the newest that is known of the definitions was more than a day old.
fn stale<F: Fn(&VerifiedCheckpoint) -> Vec<Cosignature>>(
    v: &mut Vectors,
    day: Date,
    by: impl Fn(u8, &'static str) -> F,
) {
    let disk = MemoryDisk::new();
    let opened = Catalogue::open(place(&disk), members(), code(READER)).expect("opens");
    let catalogue = opened.catalogue;
    let log = |department: &str| {
        let log = catalogue.log(&LogId::first(code(department)));
        log.expect("a member's")
    };
    let open_to_all = TypeDefined::new(foreign_type(), text("证"));
    let mut issuer = Writer::new(log(ISSUER), key(1));
    let (defined, _) = issuer
        .append(DEFINED_MS, vec![Entry::from(open_to_all)])
        .expect("appended");
    let issued = CertificateIssued {
        id: certificate("STALE"),
        definition: DefinitionRef {
            log: name().id,
            seq: 0,
            hash: defined[0].hash,
        },
        ..issued(2, None)
    };
    let time_ms = LATER_MS + 9 * DEFINITION_LAG_MS;
    Writer::new(log(WITNESS), key(2))
        .append(time_ms, vec![Entry::CertificateIssued(issued)])
        .expect("appended");
    let id = certificate("STALE");
    let gather = |bundle: Result<Option<Bundle>, _>| -> Bundle {
        bundle
            .unwrap_or_else(|_: certmesh_ledger::verify::GatherError| panic!("readable"))
            .expect("held")
    };
    for (what, bundle, verdict) in [
        (
            "stale",
            Bundle::gather(&catalogue, &id, |_| vec![]),
            "unknown",
        ),
        (
            "cosigned by the reader",
            Bundle::gather(&catalogue, &id, by(3, READER)),
            "valid",
        ),
        (
            "cosigned by its own issuer",
            Bundle::gather(&catalogue, &id, by(2, WITNESS)),
            "unknown",
        ),
        (
            "cosigned by the definer",
            Bundle::gather(&catalogue, &id, by(1, ISSUER)),
            "valid",
        ),
    ] {
        put_bundle(v, what, &gather(bundle), day, verdict);
    }
}
