//! Cases: what a matter requires of a subject, and what is held of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::certificates::{Holder, Position, Verification};
use crate::formats::{
    CertificateId, Date, FieldCode, FieldValues, Hash, MatterName, MatterRef, Purpose, TypeCode,
};
use crate::retrievals::Values;
use crate::words::{RequirementStatus, Word};

/// A case: who asks for what.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// The matter as `[department/]matter[/sub-matter]`: this department's where none is named, and its only sub-matter.
    #[schema(value_type = MatterName)]
    pub matter: String,
    /// The subject of the case.
    pub subject: Holder,
    /// The day, `YYYY-MM-DD`; today (UTC+8) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub on: Option<String>,
    /// Accepts the case for good: all fields that may be seen are retrieved, and the log records how the requirements
    /// stood. Without it no issuer is asked, and only the look-up journal has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collect: Option<CollectRequest>,
}

/// How a case is accepted for good.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectRequest {
    /// What the fields are for, in words, at most 512 bytes. The issuers read it; no log holds it.
    #[schema(value_type = Purpose)]
    pub purpose: String,
    /// The case's number in this department's own system. Subject, matter and reference make the case; when absent, subject,
    /// matter and day do. Accepting it again gives what was collected, and continues it where more can be collected than
    /// then: only that is asked for and recorded. A case of which nothing is held for want of a grant is not accepted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Purpose>)]
    pub reference: Option<String>,
    /// Days for which the copies are kept, 1 to 3,650; 180 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub keep_days: Option<u16>,
}

impl fmt::Debug for CollectRequest {
    /// Leaves out purpose and reference, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectRequest").finish_non_exhaustive()
    }
}

/// What a subject holds of what a matter requires.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Acceptance {
    /// The sub-matter, as `<department>/<matter>/<sub-matter>`.
    #[schema(value_type = MatterRef)]
    pub matter: String,
    /// Name of the matter.
    pub matter_name: String,
    /// Name of the sub-matter.
    pub part_name: String,
    /// The day this is for.
    #[schema(value_type = Date)]
    pub on: String,
    /// Each requirement, in the matter's order.
    pub requirements: Vec<RequirementState>,
    /// Requirements that are held: submissions saved.
    pub held: u32,
    /// Where the case's acceptance is recorded, when it was accepted for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<AcceptedCase>,
}

fn no_values(values: &Values) -> bool {
    values.is_empty()
}

/// A case accepted for good.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AcceptedCase {
    /// Where its record is.
    pub position: Position,
    /// Whether it was accepted before.
    pub replayed: bool,
}

/// How one requirement stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RequirementState {
    /// Type of the certificate that meets it best; the first type that would do when it is missing.
    #[serde(rename = "type")]
    pub type_code: String,
    /// Name of that type, when it is defined.
    pub type_name: Option<String>,
    /// Every type that would do.
    #[schema(value_type = Vec<TypeCode>)]
    pub types: Vec<String>,
    /// How it stands; of what was issued and is not valid, why.
    #[schema(value_type = RequirementStatus)]
    pub state: Word<RequirementStatus>,
    /// Identifier of the certificate that meets it best.
    #[schema(value_type = Option<CertificateId>)]
    pub certificate: Option<String>,
    /// Verdict on it, with its provenance and freshness.
    pub verification: Option<Verification>,
    /// Codes of the fields the matter needs of it.
    #[schema(value_type = Vec<FieldCode>)]
    pub fields: Vec<String>,
    /// Those of them that may be seen.
    #[schema(value_type = Vec<FieldCode>)]
    pub visible: Vec<String>,
    /// What blocks it, as a sentence.
    pub obstacle: Option<String>,
    /// Name of the retrieval that fetched its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Hash>)]
    pub retrieval: Option<String>,
    /// The fields retrieved, by code.
    #[serde(default, skip_serializing_if = "no_values")]
    #[schema(value_type = FieldValues)]
    pub values: Values,
}
