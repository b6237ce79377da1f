//! Fields asked of their issuer.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroize;

use crate::certificates::{AttachmentView, Position, Verification};
use crate::formats::{
    CertificateId, Date, DepartmentCode, FieldCode, FieldValues, Hash, MatterName, MatterRef,
    Purpose, TypeCode,
};

/// A request for fields of a certificate.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchRequest {
    /// Which certificate.
    #[schema(value_type = CertificateId)]
    pub certificate: String,
    /// For which of this department's matters: `[department/]matter[/sub-matter]`.
    #[schema(value_type = MatterName)]
    pub matter: String,
    /// What for, in words, at most 512 bytes. The issuer reads it; no log holds it.
    #[schema(value_type = Purpose)]
    pub purpose: String,
    /// Codes of the fields; all that the matter needs and that may be seen when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FieldCode>, max_items = 64)]
    pub fields: Vec<String>,
    /// Whether the certificate's attachments are wanted as well, if the matter needs them (the code `@`).
    #[serde(default)]
    pub attachments: bool,
    /// Days for which the copy is kept, 1 to 3,650; 180 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub keep_days: Option<u16>,
}

impl fmt::Debug for FetchRequest {
    /// Leaves out the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("certificate", &self.certificate)
            .field("matter", &self.matter)
            .finish_non_exhaustive()
    }
}

/// Values of fields by code. Wiped when dropped; never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(BTreeMap<String, String>);

impl Deref for Values {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromIterator<(String, String)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Values {
        Values(values.into_iter().collect())
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.0.len())
    }
}

/// Fields that came from their issuer: the evidence copy.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Retrieved {
    /// What this peer says of the certificate, as of this answer: fields of one that is not valid are shown, too.
    pub verification: Verification,
    /// Name of the retrieval, the same in both departments' logs.
    #[schema(value_type = Hash)]
    pub retrieval: String,
    /// The certificate.
    #[schema(value_type = CertificateId)]
    pub certificate: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = TypeCode)]
    pub type_code: String,
    /// Its issuer.
    #[schema(value_type = DepartmentCode)]
    pub issuer: String,
    /// For which matter.
    #[schema(value_type = MatterRef)]
    pub matter: String,
    /// What for.
    #[schema(value_type = Purpose)]
    pub purpose: String,
    /// When the fields came.
    pub time_ms: u64,
    /// Last day on which the copy is kept.
    #[schema(value_type = Date)]
    pub keep_until: String,
    /// The fields by code, each checked against the certificate's signed record.
    #[schema(value_type = FieldValues)]
    pub fields: Values,
    /// The attachments.
    #[serde(default)]
    pub attachments: Vec<CopiedAttachment>,
    /// Position of the receipt in the issuer's log.
    pub receipt: u64,
    /// Where this department's acknowledgement is.
    pub acknowledged: Position,
}

impl fmt::Debug for Retrieved {
    /// Leaves out the purpose, which may name people, and the fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrieved")
            .field("retrieval", &self.retrieval)
            .finish_non_exhaustive()
    }
}

/// An attachment that came from its issuer, or is to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CopiedAttachment {
    /// What it is.
    #[serde(flatten)]
    pub attachment: AttachmentView,
    /// Whether it is here whole; otherwise asking for it gets the rest.
    pub whole: bool,
}
