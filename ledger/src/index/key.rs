//! What an index is asked for: keys, and their fingerprints.
//!
//! Keys are 64-bit fingerprints under a secret of the peer, so a hit is a candidate: whoever asks reads the record and looks.
//! Departments choose what stands in their records, and could otherwise choose thousands of identifiers or subjects whose
//! fingerprints are those of somebody else's: everyone who asked for that would read them all. For the same reason the record
//! that issues a certificate has a key of its own, apart from what else a department writes about it, and a subject's
//! certificates of one type have one apart from the subject's others: each question finds what it asks for under one exact key.

use smallvec::SmallVec;

use crate::crypto::keys::IndexKey;
use crate::id::{CertificateId, Date, TypeCode};
use crate::record::{Action, BlindedSubject, CaseTag, RetrievalHash, SubjectTag};

/// The runs of an index: many records share a key of a type, few one of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Certificate,
    Subject,
    Type,
}

/// What a record is filed under: a run, and what the record is about. The first byte gives the kind, and at most the
/// last part varies in length, so no two keys read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(super) run: Run,
    of: SmallVec<[u8; 96]>,
}

/// A key's fingerprint under a peer's [`IndexKey`], and its run: what an index is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filed {
    pub(super) run: Run,
    pub(super) fingerprint: u64,
}

impl Key {
    pub(super) fn new(run: Run, parts: &[&[u8]]) -> Key {
        let mut of = SmallVec::new();
        for part in parts {
            of.extend_from_slice(part);
        }
        Key { run, of }
    }

    /// As a peer with this key files it.
    pub(super) fn under(&self, key: &IndexKey) -> Filed {
        Filed {
            run: self.run,
            fingerprint: key.fingerprint(&self.of),
        }
    }

    /// Changes of a certificate, and issues that name it as predecessor.
    pub(crate) fn certificate(id: &CertificateId) -> Key {
        Key::new(Run::Certificate, &[b"c", id.as_str().as_bytes()])
    }

    /// The record that issues a certificate; the first of them counts.
    pub(crate) fn issue(id: &CertificateId) -> Key {
        Key::new(Run::Certificate, &[b"i", id.as_str().as_bytes()])
    }

    /// The erasure of a certificate's fields.
    pub(crate) fn erasure(id: &CertificateId) -> Key {
        Key::new(Run::Certificate, &[b"e", id.as_str().as_bytes()])
    }

    /// Certificates about a subject.
    pub(crate) fn subject(tag: &SubjectTag) -> Key {
        Key::new(Run::Subject, &[b"s", tag.0.as_bytes()])
    }

    /// Certificates about a subject, of one type.
    pub(crate) fn of_subject(tag: &SubjectTag, code: &TypeCode) -> Key {
        let code = code.to_string();
        Key::new(Run::Subject, &[b"o", tag.0.as_bytes(), code.as_bytes()])
    }

    pub(crate) fn type_code(code: &TypeCode) -> Key {
        Key::new(Run::Type, &[b"t", code.to_string().as_bytes()])
    }

    /// The receipts of a kind for one retrieval: a log's first is found without those of the other kind.
    pub(crate) fn retrieval(kind: ReceiptKind, name: &RetrievalHash) -> Key {
        Key::new(Run::Certificate, &[b"r", &[kind as u8], name.0.as_bytes()])
    }

    pub(crate) fn case(tag: &CaseTag) -> Key {
        Key::new(Run::Certificate, &[b"a", tag.0.as_bytes()])
    }

    pub(crate) fn blinded(subject: &BlindedSubject) -> Key {
        Key::new(Run::Subject, &[b"b", subject.0.as_bytes()])
    }

    /// Receipts of a kind made on a day in China.
    pub(crate) fn receipts_on(kind: ReceiptKind, day: Date) -> Key {
        let day = day.days().to_le_bytes();
        Key::new(Run::Type, &[b"y", &[kind as u8], &day])
    }

    /// Certificates whose last day is this one.
    pub(crate) fn last_day(day: Date) -> Key {
        Key::new(Run::Type, &[b"u", &day.days().to_le_bytes()])
    }

    /// Changes of status by one kind of action, to whomever.
    pub(crate) fn action(action: Action) -> Key {
        let kind = match action {
            Action::Suspend => 0,
            Action::Reinstate => 1,
            Action::Revoke => 2,
            Action::Cancel => 3,
            Action::Withdraw => 4,
            Action::Lapse => 5,
            Action::TransferOut(_) => 6,
        };
        Key::new(Run::Type, &[b"h", &[kind]])
    }

    pub(crate) fn receipts(kind: ReceiptKind) -> Key {
        Key::new(Run::Type, &[b"k", &[kind as u8]])
    }
}

/// The kinds of receipts, each found together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReceiptKind {
    /// What an issuer decided.
    Decided = 7,
    /// What an asker received.
    Acknowledged = 8,
    /// Cases accepted.
    Accepted = 9,
    /// Looks at an access log.
    Looked = 10,
}
