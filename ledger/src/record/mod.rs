//! What a department can append to its log.
//!
//! A [`Record`] is one link of the hash-linked log: its position, the hash of the record before it, the time, and an
//! [`Entry`]. A [`SignedRecord`] adds the department's signature; its bytes are stored and forwarded verbatim. The entry
//! families each have a file: [`CertificateIssued`], [`StatusChanged`], [`TypeDefined`],
//! [`MatterDefined`], [`GrantMade`], and the receipts [`RetrievalDecided`], [`RetrievalAcknowledged`], [`CaseAccepted`] and
//! [`AccessLogRead`].

mod attachment;
mod certificate;
mod fields;
mod grant;
mod matter;
mod receipt;
mod signed;
mod status;
mod succession;
mod type_definition;

pub use attachment::{
    ATTACHMENT_MARK, Attachment, AttachmentName, MAX_ATTACHMENT, MAX_ATTACHMENTS, MediaType,
    NotAnAttachment, NotAnAttachmentName, UnknownMediaType,
};
pub use certificate::{
    CertificateErased, CertificateIssued, SharingClass, SubjectTag, Validity, ValidityError,
};
pub use fields::{
    DisclosedField, Disclosure, DisclosureError, FieldOpening, FieldRoot, MAX_FIELDS,
    commit_fields, open_fields,
};
pub use grant::{GrantMade, GrantWithdrawn, Grantee};
pub use matter::{MatterDefined, MatterRef, NotAMatterRef, Requirement, SubMatter};
pub use receipt::{
    AccessLogRead, Basis, BlindedSubject, CaseAccepted, CaseTag, Decision, FieldCodes, Received,
    RequirementMet, RetrievalAcknowledged, RetrievalDecided, RetrievalHash, Rule,
};
pub use signed::{
    Frame, FrameError, Frames, Record, RecordError, RecordHash, SignedRecord, leaf_hash,
    record_hash,
};
pub use status::{Action, ImpossibleTransition, Reason, Status, StatusChanged, UnknownWord};
pub use succession::{MAX_PREDECESSORS, Misfit, Succession, SuccessionError, SuccessionKind};
pub use type_definition::{
    CodeItem, FieldData, FieldDefinition, RelatedItem, TypeDefined, ValidityRule,
};

use serde::{Deserialize, Serialize};

/// Most bytes a record may have in its canonical form.
pub const MAX_RECORD: usize = 16 * 1024;

/// What a record says. New families are added at the end; the position is part of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A certificate was issued.
    CertificateIssued(CertificateIssued),
    /// The status of a certificate of this log changed.
    StatusChanged(StatusChanged),
    /// A certificate type was defined, or defined anew.
    TypeDefined(TypeDefined),
    /// A matter was defined, or defined anew.
    MatterDefined(MatterDefined),
    /// The sight of fields was granted.
    GrantMade(GrantMade),
    /// A grant was withdrawn.
    GrantWithdrawn(GrantWithdrawn),
    /// A certificate's fields were erased.
    CertificateErased(CertificateErased),
    /// This department answered or refused another's request for fields.
    RetrievalDecided(RetrievalDecided),
    /// This department got an answer or a refusal.
    RetrievalAcknowledged(RetrievalAcknowledged),
    /// A case was accepted.
    CaseAccepted(CaseAccepted),
    /// The access log of a subject was looked at.
    AccessLogRead(AccessLogRead),
}
