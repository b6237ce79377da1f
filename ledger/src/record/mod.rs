//! What a department can append to its log.
//!
//! A [`Record`] is one link of the hash-linked log: its position, the hash of the record before it, the time, and an
//! [`Entry`]. A [`SignedRecord`] adds the department's signature; its bytes are stored and forwarded verbatim. The entry
//! families each have a file: [`CertificateIssued`], [`StatusChanged`], [`TypeDefined`].

mod certificate;
mod fields;
mod signed;
mod status;
mod type_definition;

pub use certificate::{CertificateIssued, SharingClass, SubjectTag, Validity, ValidityError};
pub use fields::{FieldOpening, FieldRoot, commit_fields, open_fields};
pub use signed::{
    Frame, FrameError, Frames, Record, RecordError, RecordHash, SignedRecord, leaf_hash,
    record_hash,
};
pub use status::{Action, ImpossibleTransition, Reason, Status, StatusChanged, UnknownWord};
pub use type_definition::{FieldDefinition, TypeDefined};

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
}
