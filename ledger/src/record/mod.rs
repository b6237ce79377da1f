//! What a department can append to its log.
//!
//! A [`Record`] is one link of the hash-linked log: its position, the hash of the record before it, the time, and an
//! [`Entry`]. A [`SignedRecord`] adds the department's signature; its bytes are stored and forwarded verbatim. The entry
//! families each have a file: [`CertificateIssued`], [`StatusChanged`], [`TypeDefined`],
//! [`MatterDefined`], [`GrantMade`], and the receipts [`RetrievalDecided`], [`RetrievalAcknowledged`], [`CaseAccepted`] and
//! [`AccessLogRead`]. Entries of later versions are kept as [`UnknownEntry`].

mod attachment;
mod certificate;
mod entry;
mod fields;
mod grant;
mod matter;
mod receipt;
mod signed;
mod status;
mod succession;
mod type_definition;

pub use crate::names::RecordHash;
pub use attachment::{
    ATTACHMENT_MARK, Attachment, AttachmentName, MAX_ATTACHMENT, MAX_ATTACHMENTS, MediaType,
    NotAnAttachment, NotAnAttachmentName, UnknownMediaType,
};
pub use certificate::{
    CertificateErased, CertificateIssued, DefinitionRef, SharingClass, SubjectTag, Validity,
    ValidityError,
};
pub use entry::{Entry, UnknownEntry};
pub use fields::{
    DisclosedField, DisclosedOther, Disclosure, DisclosureError, FieldOpening, FieldRoot,
    MAX_FIELDS, commit_fields,
};
pub use grant::{GrantMade, GrantWithdrawn, Grantee};
pub use matter::{MatterDefined, MatterRef, NotAMatterRef, Requirement, SubMatter};
pub use receipt::{
    AccessLogRead, Asked, Basis, BlindedSubject, CaseAccepted, CaseTag, Decision, FieldCodes,
    Received, RequirementMet, RetrievalAcknowledged, RetrievalDecided, RetrievalHash, Rule,
};
pub use signed::{
    Frame, FrameError, Frames, Record, RecordError, SignedRecord, leaf_hash, record_hash,
};
pub use status::{
    Action, ImpossibleTransition, Inherited, NotAReason, NotAnAction, Reason, Status,
    StatusChanged, UnknownWord,
};
pub use succession::{MAX_PREDECESSORS, Misfit, Succession, SuccessionError, SuccessionKind};
pub use type_definition::{
    CodeItem, FieldData, FieldDefinition, RelatedItem, TypeDefined, ValidityRule,
};

/// How far a time may be ahead of the clock of whoever reads it, ms.
pub const MAX_AHEAD_MS: u64 = 10 * 60 * 1000;

/// Whether a time is further ahead of the reader's clock than clocks may be apart.
pub const fn is_dated_ahead(time_ms: u64, now_ms: u64) -> bool {
    time_ms > now_ms.saturating_add(MAX_AHEAD_MS)
}

/// Most bytes a record may have in its canonical form.
pub const MAX_RECORD: usize = 16 * 1024;
