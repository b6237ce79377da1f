//! Identifiers: each is parsed once, at the edge, and trusted from then on.
//!
//! | type | what it names | standard |
//! | --- | --- | --- |
//! | [`DepartmentCode`] | a department | GB 32100 |
//! | [`DivisionCode`] | an administrative division | GB/T 2260 |
//! | [`IssuerCode`] | a certificate's issuer: one of the two above | GB/T 36904 |
//! | [`TypeCode`] | a type of certificate and the authority that defines it | GB/T 36904 |
//! | [`CertificateId`] | a certificate, one version of it | GB/T 36904 |
//! | [`MatterCode`] | a department's matter, or a part of one | |
//! | [`HolderKind`] | the kind of code a holder is identified by | GB/T 36903 |
//! | [`Date`] | a day on the calendar | ISO 8601 |
//!
//! There is one text for each value, and it is what is shown, compared and serialised (a [`Date`] and a [`HolderKind`]
//! are numbers in binary formats). `FromStr` accepts only that text; [`CertificateId::parse_lenient`] also accepts the
//! forms in use, for import. A holder's own code never becomes an identifier here: [`normalise`] returns the text from
//! which the subject's tag is derived.
//!
//! An [`IdError`] says which [`Part`] is wrong and how; the check characters it compares are computed in [`check`].

mod certificate;
pub mod check;
mod date;
mod department;
mod error;
mod holder;
mod issuer;
mod matter_code;
mod text;
mod type_code;

#[cfg(test)]
mod tests;

pub use certificate::{CertificateId, ROOT, Variant};
pub use date::{ChinaTime, Date, DateError};
pub use department::{DepartmentCode, DivisionCode};
pub use error::{Characters, Excerpt, IdError, Part};
pub use holder::{
    HolderError, HolderKind, HolderKindError, MAX_HOLDER_CHARS, has_known_region, is_born_after,
    is_scientific, normalise,
};
pub use issuer::IssuerCode;
pub use matter_code::{MatterCode, MatterCodeError};
pub use text::{MAX_BYTES, half_width};
pub use type_code::TypeCode;
