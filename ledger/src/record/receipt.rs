//! The entries by which departments answer for the use of each other's data: what was asked and shown, what came of it,
//! which cases were accepted, and who looked at the log of all that. None of them names a subject or a certificate.

use serde::{Deserialize, Serialize};

use super::SubjectTag;
use crate::codec::{self, Bounded, Text};
use crate::crypto::hash::{Hash, NotAHash, Purpose, hash_parts};
use crate::crypto::keys::FieldKey;
use crate::crypto::keys::{PublicKey, Signature, SigningKey};
use crate::id::{Date, DepartmentCode, TypeCode};
use crate::membership::Membership;
use crate::names::NetworkId;

use super::{MAX_FIELDS, MatterRef};

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub struct $name(pub Hash);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAHash;

            fn from_str(text: &str) -> Result<Self, NotAHash> {
                text.parse().map($name)
            }
        }
    };
}

hash_type! {
    /// Names a retrieval: hash of the request that the asking department signed.
    RetrievalHash
}
hash_type! {
    /// A subject for one day: keyed hash of its tag and the day under the network's catalogue key. Members can find what
    /// concerns a subject they know; receipts of different days can't be linked by anyone else.
    BlindedSubject
}
hash_type! {
    /// A case of this department: keyed hash of its subject, matter and reference, under a key that no one else has.
    CaseTag
}

/// Codes of fields.
pub type FieldCodes = Bounded<Text<64>, MAX_FIELDS>;

/// The part of a request for fields that receipts show, with a hash of the rest. It names the request, so whoever holds the
/// asker's signature over the name can show that the asker asked for exactly this, and nobody can show it of anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who is asked.
    pub issuer: DepartmentCode,
    /// Who asks.
    pub asker: DepartmentCode,
    /// Which of the asker's keys signs.
    pub key_epoch: u32,
    /// For which of the asker's matters.
    pub matter: MatterRef,
    /// Of which type the certificate is.
    pub type_code: TypeCode,
    /// Whom the certificate is about, blinded for the request's day.
    pub subject: BlindedSubject,
    /// Codes of the fields asked for.
    pub fields: FieldCodes,
    /// Hash of what no receipt shows: certificate, purpose, time, nonce.
    pub rest: Hash,
}

impl Asked {
    /// The request's name.
    pub fn name(&self, network: NetworkId) -> RetrievalHash {
        RetrievalHash(hash_parts(
            Purpose::Retrieval,
            &[network.0.as_bytes(), &codec::encode(self)],
        ))
    }

    /// Signs the name.
    pub fn sign(&self, network: NetworkId, key: &SigningKey) -> Signature {
        key.sign(&self.name(network).0)
    }

    /// Whether the asker signed the name with the key it names, and that is in force as of all that is known of governance.
    pub fn is_signed(&self, members: &Membership, signature: &Signature) -> bool {
        let history = members.history();
        let word = history.word_of(&self.asker, self.key_epoch, history.height());
        word.is_some_and(|(key, _)| self.is_signed_with(key, members, signature))
    }

    fn is_signed_with(&self, key: &PublicKey, members: &Membership, signature: &Signature) -> bool {
        let name = self.name(members.network());
        key.verify(&name.0, signature).is_ok()
    }
}

/// An issuer's receipt: what it did with a department's request to see a certificate's fields. Durable before the answer
/// leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievalDecided {
    /// The request.
    pub asked: Asked,
    /// The asker's signature over the request's name.
    pub signature: Signature,
    /// Answered or refused.
    pub decision: Decision,
}

impl RetrievalDecided {
    /// Codes of the fields that were shown.
    pub fn shown(&self) -> &[Text<64>] {
        match &self.decision {
            Decision::Answered { fields, .. } => fields,
            Decision::Refused(_) => &[],
        }
    }

    /// Whether it proves, as a record of `issuer`'s log as of a governance height and made at a time (ms), that its asker asked for what it says was
    /// shown or refused. One that doesn't is ignored: anybody could have written it about anybody.
    pub fn is_proof(
        &self,
        members: &Membership,
        issuer: &DepartmentCode,
        as_of: (u64, u64),
    ) -> bool {
        let Asked {
            asker, key_epoch, ..
        } = self.asked;
        let history = members.history();
        let key = history.recorded_word_of(&asker, key_epoch, as_of);
        self.asked.issuer == *issuer
            && self
                .shown()
                .iter()
                .all(|code| self.asked.fields.contains(code))
            && key.is_some_and(|key| self.asked.is_signed_with(key, members, &self.signature))
    }
}

/// What an issuer decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Fields were shown.
    Answered {
        /// What the right to see them rests on.
        basis: Basis,
        /// Their codes.
        fields: FieldCodes,
    },
    /// Nothing was shown.
    Refused(Rule),
}

/// What a right to see fields rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// The certificate is the asking department's own.
    Own,
    /// The certificate is shared without conditions.
    Unconditional,
    /// The grant at this position of the issuer's log.
    Grant(u64),
}

/// The rule by which nothing was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// The request was made too long before it came, or after.
    Stale,
    /// The issuer has no such certificate.
    UnknownCertificate,
    /// Nobody defined the matter.
    UnknownMatter,
    /// The matter is another department's than the asker's.
    OthersMatter,
    /// The matter requires no certificate of the type.
    NotRequired,
    /// The certificate is not shared.
    NotShared,
    /// The certificate is shared on conditions and no grant in force fits.
    NoGrant,
    /// None of the fields asked for is one the matter needs and the asker may see.
    NoField,
    /// The fields are no longer kept.
    Erased,
    /// The issuer may not issue the certificate's type.
    NotAuthorised,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 10] = [
        Rule::Stale,
        Rule::UnknownCertificate,
        Rule::UnknownMatter,
        Rule::OthersMatter,
        Rule::NotRequired,
        Rule::NotShared,
        Rule::NoGrant,
        Rule::NoField,
        Rule::Erased,
        Rule::NotAuthorised,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::Stale => "stale",
            Rule::UnknownCertificate => "unknown-certificate",
            Rule::UnknownMatter => "unknown-matter",
            Rule::OthersMatter => "others-matter",
            Rule::NotRequired => "not-required",
            Rule::NotShared => "not-shared",
            Rule::NoGrant => "no-grant",
            Rule::NoField => "no-field",
            Rule::Erased => "erased",
            Rule::NotAuthorised => "not-authorised",
        }
    }
}

/// An asker's counterpart of an issuer's receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievalAcknowledged {
    /// The request.
    pub asked: Asked,
    /// What was received.
    pub outcome: Received,
    /// Milliseconds from the request to the checked answer.
    pub took_ms: u32,
}

impl RetrievalAcknowledged {
    /// Whether it is what an asker can record of its own request in its own log. One that isn't is ignored.
    pub fn is_own(&self, asker: &DepartmentCode) -> bool {
        let came = match &self.outcome {
            Received::Fields { fields, .. } => &**fields,
            _ => &[],
        };
        self.asked.asker == *asker && came.iter().all(|code| self.asked.fields.contains(code))
    }
}

/// What an asker received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Received {
    /// Fields that are what the certificate's record commits to.
    Fields {
        /// Their codes.
        fields: FieldCodes,
        /// Last day on which the asker keeps its copy.
        keep_until: Date,
    },
    /// A refusal.
    Refused(Rule),
    /// Something that is not what the certificate's record commits to, or more than was asked for.
    Wrong,
    /// No answer, though the request may have reached the issuer.
    Nothing,
}

/// A case was accepted: how the matter's requirements stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseAccepted {
    /// Which case.
    pub case: CaseTag,
    /// Of which matter.
    pub matter: MatterRef,
    /// Each requirement, in the matter's order: the type that met it, or the first that would have, and how it stood.
    pub requirements: Bounded<(TypeCode, RequirementMet), 64>,
}

/// How a requirement stood when a case was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequirementMet {
    /// Nothing that would meet it was issued.
    Missing,
    /// What was issued is not valid: expired, revoked, superseded …
    NotValid,
    /// Held, and its fields may not be seen.
    NeedsGrant,
    /// Held: nothing had to be handed in.
    Held,
    /// Held, and its fields came from the issuer.
    Collected,
    /// Whether what was issued is valid could not be said.
    Unknown,
}

impl RequirementMet {
    /// Whether the applicant was spared handing something in.
    pub const fn saved(self) -> bool {
        matches!(self, RequirementMet::Held | RequirementMet::Collected)
    }
}

/// Someone looked at who looked at a subject's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLogRead {
    /// Whose.
    pub subject: BlindedSubject,
}

impl FieldKey {
    /// The name of a case that only this department can make.
    pub fn case_tag(&self, subject: &SubjectTag, matter: &MatterRef, reference: &str) -> CaseTag {
        let matter = matter.to_string();
        let parts = [
            subject.0.as_bytes(),
            matter.as_bytes(),
            b"\0",
            reference.as_bytes(),
        ];
        CaseTag(self.0.hash(Purpose::Case, &parts))
    }
}
