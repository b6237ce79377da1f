//! The entries by which departments answer for the use of each other's data: what was asked and shown, what came of it,
//! which cases were accepted, and who looked at the log of all that. None of them names a subject or a certificate.

use serde::{Deserialize, Serialize};

use crate::codec::{Bounded, Text};
use crate::hash::{Hash, NotAHash};
use crate::id::{Date, DepartmentCode, TypeCode};

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

/// An issuer's receipt: what it did with a department's request to see a certificate's fields. Durable before the answer
/// leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievalDecided {
    /// The request.
    pub retrieval: RetrievalHash,
    /// Who asked.
    pub asker: DepartmentCode,
    /// For which of its matters.
    pub matter: MatterRef,
    /// Of which type the certificate is.
    pub type_code: TypeCode,
    /// Whom the certificate is about; `None` when there is no such certificate.
    pub subject: Option<BlindedSubject>,
    /// Answered or refused.
    pub decision: Decision,
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
    /// The fields are not kept any more.
    Erased,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 9] = [
        Rule::Stale,
        Rule::UnknownCertificate,
        Rule::UnknownMatter,
        Rule::OthersMatter,
        Rule::NotRequired,
        Rule::NotShared,
        Rule::NoGrant,
        Rule::NoField,
        Rule::Erased,
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
        }
    }

    /// What it means, for people.
    pub const fn explanation(self) -> &'static str {
        match self {
            Rule::Stale => {
                "the request's time and the issuer's clock are too far apart; compare both clocks and ask again"
            }
            Rule::UnknownCertificate => "the issuer has no such certificate",
            Rule::UnknownMatter => {
                "the issuer knows no such matter; define it, or wait for its definition to arrive there"
            }
            Rule::OthersMatter => {
                "the matter is another department's; a department asks for its own matters only"
            }
            Rule::NotRequired => "the matter requires no certificate of this type",
            Rule::NotShared => "the certificate is not shared (不予共享)",
            Rule::NoGrant => {
                "the certificate is shared on conditions (有条件共享) and no grant in force covers this department and matter"
            }
            Rule::NoField => {
                "none of the fields asked for is one that the matter needs and that may be seen"
            }
            Rule::Erased => "the certificate's fields are not kept any more",
        }
    }
}

/// An asker's counterpart of an issuer's receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrievalAcknowledged {
    /// The request.
    pub retrieval: RetrievalHash,
    /// Who was asked.
    pub issuer: DepartmentCode,
    /// For which matter.
    pub matter: MatterRef,
    /// Of which type the certificate is.
    pub type_code: TypeCode,
    /// Whom the certificate is about.
    pub subject: BlindedSubject,
    /// What came.
    pub outcome: Received,
    /// Milliseconds from the request to the checked answer.
    pub took_ms: u32,
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
    /// What was issued is not in force.
    Lapsed,
    /// Held, and its fields may not be seen.
    NeedsGrant,
    /// Held: nothing had to be handed in.
    Held,
    /// Held, and its fields came from the issuer.
    Collected,
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
