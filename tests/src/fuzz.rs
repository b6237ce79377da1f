//! The bodies of the fuzz targets in `tests/fuzz`: one for each decoder that meets bytes from elsewhere.
//!
//! Each takes any bytes and must return; what it accepts must hold. The normal tests run the same functions over the
//! corpus and over mutations of it.

mod log_directory;
mod network;
#[cfg(test)]
mod seeds;

use certmesh_ledger::codec::{self, encode};
use certmesh_ledger::crypto::identity_file::IdentityFile;
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::{Department, Genesis};
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::log::{ForkEvidence, Page};
use certmesh_ledger::record::{Disclosure, Entry, Frame, SignedRecord, is_dated_ahead};
use certmesh_ledger::retrieval::{Answer, CaseFile, EvidenceCopy, MAX_RETRIEVAL, SignedRetrieval};
use certmesh_ledger::status_map::StatusProof;
use certmesh_ledger::sync::{
    AddressBook, Announcement, MAX_STATED, Request, Response, open_catalogue_key,
};
use certmesh_ledger::verify::{Bundle, Reader, Verdict};

pub use log_directory::log_directory;

/// Bytes of a status proof: at most 256 siblings and a leaf.
const MAX_STATUS_PROOF: usize = 256 * 32 + 128;

/// Bytes of what is kept encrypted.
const MAX_KEPT: usize = 1 << 19;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target by the name of its binary and of its corpus.
pub const TARGETS: [(&str, Target); 14] = [
    ("record_frame", record_frame),
    ("page", page),
    ("request", request),
    ("response", response),
    ("announcement", announcement),
    ("evidence", evidence),
    ("bundle", bundle),
    ("genesis_toml", genesis_toml),
    ("department_toml", department_toml),
    ("certificate_id", certificate_id),
    ("log_directory", log_directory),
    ("status_proof", status_proof),
    ("kept", kept),
    ("identity_file", identity_file),
];

/// A frame, the record in it and its signature. An entry that this version can't read is kept as it came.
pub fn record_frame(bytes: &[u8]) {
    let Ok((frame, len)) = Frame::read(bytes) else {
        return;
    };
    assert_eq!(frame.byte_len(), len);
    if let Ok(record) = SignedRecord::decode(&network::log(), &frame) {
        assert_eq!(record.frame(), &bytes[..len]);
        let entry = &record.record().entry;
        assert_eq!(Entry::read(entry.kind(), &entry.content()), *entry);
        check_receipt(entry);
        let _ = record.verify(&network::public_key());
    }
}

/// A receipt, in whosever log: one that counts shows what was signed.
fn check_receipt(entry: &Entry) {
    match entry {
        Entry::RetrievalDecided(decided)
            if decided.is_proof(network::members(), &decided.asked.issuer, (0, 0)) =>
        {
            let signed = network::signed_retrieval();
            assert_eq!(decided.asked, signed.retrieval().asked(), "what was signed");
        }
        Entry::RetrievalAcknowledged(acknowledged) => {
            let _ = acknowledged.is_own(&acknowledged.asked.asker);
        }
        _ => {}
    }
}

/// A page: only what the department signed verifies.
pub fn page(bytes: &[u8]) {
    let Ok(page) = Page::decode(bytes) else {
        return;
    };
    assert_eq!(encode(&page), bytes);
    check_page(page);
}

fn check_page(page: Page) {
    let end = page.end();
    if let Ok(verified) = page.verify(network::members()) {
        assert_eq!(end, Ok(verified.end()), "the signed page breaks no rule");
    }
}

/// A request.
pub fn request(bytes: &[u8]) {
    let Ok(request) = Request::decode(bytes) else {
        return;
    };
    assert_eq!(request.encode(), bytes);
    match request {
        Request::Retrieve(request) => check_retrieval(&request),
        Request::Piece(asked) => check_retrieval(&asked.request),
        _ => {}
    }
}

/// A request for fields, whoever it says it is for and from: what is taken is the one that was signed.
fn check_retrieval(request: &SignedRetrieval) {
    let asked = request.retrieval();
    let _ = asked.day();
    let taken = request.check(network::members(), &asked.issuer, &asked.asker);
    if let Ok(shown) = taken {
        assert_eq!(
            shown.name(network::log().network),
            request.name(network::log().network)
        );
        assert_eq!(*request, network::signed_retrieval(), "what was signed");
    }
}

/// Fields shown of the certificate that the corpora know: what verifies is what it says.
fn check_disclosure(disclosure: &Disclosure) {
    let request = network::signed_retrieval();
    let certificate = network::with_fields();
    if let Ok(shown) = request.check_answer(&certificate, &network::definition(), disclosure) {
        let fields = network::fields();
        assert!(shown.iter().all(|(name, value)| fields[*name] == **value));
        let mut unchecked: Vec<&str> = disclosure.shown().map(|it| it.name.as_str()).collect();
        unchecked.sort_unstable();
        assert_eq!(unchecked, shown.into_keys().collect::<Vec<_>>());
    }
}

/// What a department keeps of retrievals and cases, once it is decrypted. The first byte says which.
pub fn kept(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    match which % 3 {
        0 => {
            if let Ok(copy) = codec::decode::<EvidenceCopy>(bytes, MAX_KEPT) {
                assert_eq!(encode(&copy), bytes);
                check_retrieval(&copy.request);
                check_disclosure(&copy.disclosure);
            }
        }
        1 => {
            if let Ok(file) = codec::decode::<CaseFile>(bytes, MAX_KEPT) {
                assert_eq!(encode(&file), bytes);
            }
        }
        _ => {
            if let Ok(request) = codec::decode::<SignedRetrieval>(bytes, MAX_RETRIEVAL) {
                assert_eq!(encode(&request), bytes);
                check_retrieval(&request);
            }
        }
    }
}

/// A response with whatever it holds.
pub fn response(bytes: &[u8]) {
    let Ok(response) = Response::decode(bytes) else {
        return;
    };
    assert_eq!(response.encode(), bytes);
    match response {
        Response::Heads(heads) => {
            for head in heads.heads.iter() {
                let verified = head.checkpoint.clone().verify(network::members());
                if let (Ok(checkpoint), Some(cosignature)) = (verified, &head.cosignature) {
                    let _ = cosignature.verify(&checkpoint, network::members());
                }
            }
        }
        Response::Page(page) => check_page(page),
        // No generation has ended in this network, so nobody has anything to show of one.
        Response::Kept(page) => {
            let _ = page.end();
            assert!(page.verify(network::members()).is_err());
        }
        Response::Evidence(evidence) => check_evidence(&evidence),
        Response::Answer(answer) => {
            if let Answer::Fields { disclosure, .. } = &*answer {
                check_disclosure(disclosure);
            }
        }
        Response::NotHeld
        | Response::Piece(_)
        | Response::OtherInstance
        | Response::Governance(_)
        | Response::EndWitnessed(_) => {}
        Response::LogHeld(held) => {
            let (history, own) = (network::members().history(), network::log().id.department);
            if let Ok(size) = history.state().stated(&own, &held) {
                assert_eq!(size > 0, held.checkpoint.is_some());
            }
        }
        Response::CatalogueKey(sealed) => {
            let (members, own) = (network::members(), network::log().id.department);
            let held = [SealingSecret::from_seed(&network::SEALING_SEED)];
            let wanted = members.genesis().catalogue_key();
            if let Ok(key) = open_catalogue_key(&sealed, wanted, members, &own, &held) {
                assert_eq!(key.commitment(), wanted);
            }
        }
        Response::Addresses(all) => {
            let own = network::log().id.department;
            let mut book = AddressBook::new(network::members().clone(), own, []);
            for stated in all.into_vec() {
                assert!(encode(&stated).len() <= MAX_STATED);
                let _ = book.take(stated, 0);
            }
            let again = AddressBook::new(network::members().clone(), own, book.all().into_vec());
            assert_eq!(again.digest(), book.digest());
        }
    }
}

/// An announcement with whatever it holds.
pub fn announcement(bytes: &[u8]) {
    let Ok(announcement) = Announcement::decode(bytes) else {
        return;
    };
    assert_eq!(announcement.encode(), bytes);
    match announcement {
        Announcement::Head(page) => check_page(page),
        Announcement::Fork(evidence) => check_evidence(&evidence),
        Announcement::Governance(_) => {}
    }
}

/// Evidence of a fork.
pub fn evidence(bytes: &[u8]) {
    if let Ok(evidence) = ForkEvidence::decode(bytes) {
        assert_eq!(encode(&evidence), bytes);
        check_evidence(&evidence);
    }
}

fn check_evidence(evidence: &ForkEvidence) {
    if evidence.verify(network::members()).is_ok() {
        let careful = evidence.clone().from_a_stranger();
        assert_eq!(careful.log(), evidence.log());
        assert!(careful.verify(network::members()).is_ok());
    }
}

/// A bundle file: what verifies is judged.
pub fn bundle(bytes: &[u8]) {
    let Ok(bundle) = Bundle::from_bytes(bytes) else {
        return;
    };
    assert_eq!(bundle.to_bytes(), bytes);
    if let Ok(verified) = bundle.verify(network::members()) {
        let dated_ms = verified.checkpoint.time_ms;
        for (now_ms, issuer_only) in [(0, false), (dated_ms, false), (u64::MAX, true)] {
            let judged = verified.judge(&Reader {
                on: verified.certificate().validity.from(),
                now_ms,
                issuer_only,
            });
            assert!(judged != Ok(Verdict::Valid) || issuer_only || verified.is_witnessed());
            assert!(judged.is_err() || !is_dated_ahead(dated_ms, now_ms));
        }
    }
}

/// A genesis file: what is accepted survives being written.
pub fn genesis_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Genesis::from_toml(text) {
        Ok(genesis) => assert_eq!(
            Genesis::from_toml(&genesis.to_toml()).as_ref(),
            Ok(&genesis)
        ),
        Err(faults) => assert!(!faults.0.is_empty() && !faults.to_string().is_empty()),
    }
}

/// A department's own file.
pub fn department_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Department::from_toml(text) {
        Ok(department) => {
            let read = Department::from_toml(&department.to_toml());
            assert_eq!(read.as_ref(), Ok(&department));
        }
        Err(faults) => assert!(!faults.0.is_empty() && !faults.to_string().is_empty()),
    }
}

/// A certificate identifier, strict and lenient: the strict reading is a part of the lenient one.
pub fn certificate_id(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let strict = text.parse::<CertificateId>();
    let lenient = CertificateId::parse_lenient(text);
    if let Ok(id) = &strict {
        assert_eq!(id.as_str(), text);
        assert_eq!(lenient, Ok((id.clone(), Vec::new())));
    }
    if let Ok((id, variants)) = &lenient {
        assert_eq!(id.as_str().parse().as_ref(), Ok(id));
        assert_eq!(variants.is_empty(), strict.is_ok());
        let again = CertificateId::new(id.type_code(), id.issuer(), id.serial(), id.version());
        assert_eq!(again.as_ref(), Ok(id));
    }
}

/// A status proof against the root of a known map: a key's true answer is the only one there is.
pub fn status_proof(bytes: &[u8]) {
    let Ok(proof) = codec::decode::<StatusProof>(bytes, MAX_STATUS_PROOF) else {
        return;
    };
    assert_eq!(encode(&proof), bytes);
    let (root, entries) = network::status_map();
    for (key, value) in entries {
        if let Ok(answer) = proof.verify(root, key) {
            assert_eq!(answer, *value);
        }
    }
}

/// The file of an identity key: none opens but the one that was made.
pub fn identity_file(bytes: &[u8]) {
    let Ok(file) = IdentityFile::from_bytes(bytes) else {
        return;
    };
    assert_eq!(file.to_bytes(), bytes);
    let cost = file.cost();
    // Any cost that is read is bounded, and some of those take seconds.
    if cost.memory_kib() <= 64 && cost.passes() <= 4 && file.open(network::passphrase()).is_ok() {
        assert_eq!(file, network::identity_file(), "the one that was made");
    }
}
