//! The entry that issues a certificate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::BlindedSubject;
use crate::codec::Text;
use crate::crypto::catalogue_keys::CatalogueKeys;
use crate::crypto::hash::Purpose;
use crate::crypto::hash::{Hash, NotAHash};
use crate::crypto::keys::CatalogueKey;
use crate::id::{CertificateId, Date, HolderKind};
use crate::names::LogId;

use super::status::UnknownWord;
use super::succession::{Succession, SuccessionKind};
use super::{FieldRoot, RecordHash};

/// Keyed hash of a holder's kind and code under the network's catalogue key: finds a subject's certificates without
/// naming the subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SubjectTag(pub Hash);

impl fmt::Display for SubjectTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SubjectTag {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        text.parse().map(SubjectTag)
    }
}

/// How far a certificate's data may be shared between departments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SharingClass {
    /// 无条件共享: any member, for any matter that requires the type.
    Unconditional,
    /// 有条件共享: needs a grant.
    Conditional,
    /// 不予共享: never.
    NotShared,
}

impl SharingClass {
    /// The word used in the API and the CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            SharingClass::Unconditional => "unconditional",
            SharingClass::Conditional => "conditional",
            SharingClass::NotShared => "not-shared",
        }
    }
}

impl FromStr for SharingClass {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [
            SharingClass::Unconditional,
            SharingClass::Conditional,
            SharingClass::NotShared,
        ]
        .into_iter()
        .find(|class| class.as_str() == text)
        .ok_or(UnknownWord {
            expected: &["unconditional", "conditional", "not-shared"],
        })
    }
}

/// The fields of a certificate were erased: its issuer has destroyed their key. The certificate itself stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateErased {
    /// Which certificate, of the same log.
    pub id: CertificateId,
    /// Why, in words. Must not name the holder.
    pub text: Text<512>,
}

/// First and last day on which a certificate is in force, both included, in China Standard Time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "(Date, Option<Date>)", into = "(Date, Option<Date>)")]
pub struct Validity {
    from: Date,
    until: Option<Date>,
}

/// A validity that ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ends on {until}, before it begins on {from}")]
pub struct ValidityError {
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Date,
}

impl Validity {
    /// From one day to another, or without end.
    ///
    /// # Errors
    /// [`ValidityError`] when the last day is before the first.
    pub fn new(from: Date, until: Option<Date>) -> Result<Validity, ValidityError> {
        match until {
            Some(until) if until < from => Err(ValidityError { from, until }),
            _ => Ok(Validity { from, until }),
        }
    }

    /// First day (ZZYXQQSRQ).
    pub fn from(&self) -> Date {
        self.from
    }

    /// Last day (ZZYXQJZRQ); `None` for long-term certificates.
    pub fn until(&self) -> Option<Date> {
        self.until
    }
}

impl TryFrom<(Date, Option<Date>)> for Validity {
    type Error = ValidityError;

    fn try_from((from, until): (Date, Option<Date>)) -> Result<Validity, ValidityError> {
        Validity::new(from, until)
    }
}

impl From<Validity> for (Date, Option<Date>) {
    fn from(validity: Validity) -> Self {
        (validity.from, validity.until)
    }
}

/// The record that defines a type, as a certificate names it: which version its issuer checked it against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionRef {
    /// The log it stands in.
    pub log: LogId,
    /// Its position there.
    pub seq: u64,
    /// Its hash.
    pub hash: RecordHash,
}

/// A certificate was issued. Its type and issuer are parts of its identifier (GB/T 36904).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateIssued {
    /// Certificate identifier (ZZBS).
    pub id: CertificateId,
    /// Whom it is about.
    pub subject: SubjectTag,
    /// Kind of the holder's code (CZZTDMLXDM).
    pub holder_kind: HolderKind,
    /// Days of validity.
    pub validity: Validity,
    /// How far its data may be shared.
    pub sharing: SharingClass,
    /// The definition of its type that it was checked against.
    pub definition: DefinitionRef,
    /// Commitment to its fields.
    pub field_root: FieldRoot,
    /// What it replaces, and how.
    pub succession: Option<Succession>,
}

impl CertificateIssued {
    /// The certificates that it replaces.
    pub fn predecessors(&self) -> &[CertificateId] {
        match &self.succession {
            Some(succession) => succession.predecessors(),
            None => &[],
        }
    }

    /// The certificates of the same log whose place it takes: a transfer takes that of another log's.
    pub fn supersedes(&self) -> &[CertificateId] {
        match &self.succession {
            Some(succession) if succession.kind() != SuccessionKind::Transfer => {
                succession.predecessors()
            }
            _ => &[],
        }
    }

    /// Whether two issues say the same, whatever the definition each was checked against.
    pub fn says_the_same(&self, other: &CertificateIssued) -> bool {
        let asked = CertificateIssued {
            definition: self.definition,
            ..other.clone()
        };
        *self == asked
    }

    /// How it replaces others, if it does.
    pub fn succession_kind(&self) -> Option<SuccessionKind> {
        self.succession.as_ref().map(Succession::kind)
    }
}

impl CatalogueKey {
    /// The tag of a holder whose code has been normalised ([`crate::id::normalise`]).
    pub fn subject_tag(&self, kind: HolderKind, normalised: &str) -> SubjectTag {
        SubjectTag(self.0.hash(
            Purpose::Subject,
            &[&kind.code().to_le_bytes(), normalised.as_bytes()],
        ))
    }

    /// A subject for one day, as receipts name it.
    pub fn blind(&self, subject: &SubjectTag, day: Date) -> BlindedSubject {
        BlindedSubject(self.0.hash(
            Purpose::BlindedSubject,
            &[subject.0.as_bytes(), &day.days().to_le_bytes()],
        ))
    }
}

impl CatalogueKeys {
    /// The tags that a holder's certificates may have, whose code has been normalised: one a key, in their order.
    pub fn subject_tags(&self, kind: HolderKind, normalised: &str) -> Vec<SubjectTag> {
        let tag = |key: &CatalogueKey| key.subject_tag(kind, normalised);
        self.iter().map(tag).collect()
    }

    /// A subject for one day, as receipts may name it: each of its tags, in the order of [`CatalogueKeys::subject_tags`], under
    /// that key and each later one, since a certificate of before a key was replaced is still asked for after it.
    pub fn blinded(&self, tags: &[SubjectTag], day: Date) -> Vec<BlindedSubject> {
        let pairs = tags.iter().enumerate().flat_map(|(at, tag)| {
            let under = move |key: &CatalogueKey| key.blind(tag, day);
            self.naming(at).map(under)
        });
        pairs.collect()
    }
}
