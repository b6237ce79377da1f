//! Definitions as people write them (TOML or JSON files) and the API takes and shows them: certificate types with their
//! standards, matters, grants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::formats::{
    Cursor, Date, DepartmentCode, FieldCode, GranteeRole, MatterCode, MatterRef, TypeCode,
    ValidityRule,
};
use crate::words::{FieldType, HolderKind, SharingClass, Word};

/// A certificate type: its entry in the catalogue (GB/T 36902) and the standard its certificates must meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeRequest {
    /// Type code (ZZLXDM).
    #[schema(value_type = TypeCode)]
    pub code: String,
    /// Name.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Name of the defining authority, whose code is the first 18 characters of `code`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 128)]
    pub authority_name: String,
    /// Level of the defining authority, such as `国家级`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 64)]
    pub authority_level: String,
    /// Level of the authorities that issue.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 64)]
    pub issuing_level: String,
    /// The administrative item whose outcome the certificate is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemView>,
    /// Kinds of holder's code allowed; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<HolderKind>)]
    #[schema(max_items = 10)]
    pub holder: Vec<Word<HolderKind>>,
    /// Sharing class where the issuer says nothing else; `conditional` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SharingClass>)]
    pub sharing: Option<Word<SharingClass>>,
    /// How long certificates may run: `any` (when absent), `long-term`, or the most as `30 days`, `6 months`, `10 years`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ValidityRule>)]
    pub validity: Option<String>,
    /// Codes of the departments that may issue it; empty for every member with the role to issue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<DepartmentCode>, max_items = 256)]
    pub issuers: Vec<String>,
    /// Fields, in order; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub fields: Vec<FieldView>,
}

/// An administrative item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemView {
    /// Its code.
    #[schema(min_length = 1)]
    pub code: String,
    /// Its name.
    #[schema(min_length = 1)]
    pub name: String,
}

/// A field of a type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldView {
    /// Standard code, such as `ZZMC`.
    #[schema(value_type = FieldCode)]
    pub code: String,
    /// Human name.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Whether a certificate must have it.
    #[serde(default)]
    pub required: bool,
    /// Whether it names or describes the holder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// What its values are; `text` when absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<FieldType>)]
    pub data: Option<Word<FieldType>>,
    /// Most characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 65535)]
    pub max: Option<u16>,
    /// Regular expression (Rust crate `regex`) that a text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub pattern: Option<String>,
    /// What each code of a field of type `code` stands for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<String, String>,
}

/// A matter and what it requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatterRequest {
    /// The department's code for it: 1 to 64 letters, digits, `-`, `_`, `.`.
    #[schema(value_type = MatterCode)]
    pub code: String,
    /// Name.
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// Its sub-matters, at least one.
    #[schema(min_items = 1, max_items = 64)]
    pub sub: Vec<SubMatterView>,
}

/// A sub-matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubMatterView {
    /// Its code within the matter.
    #[schema(value_type = MatterCode)]
    pub code: String,
    /// Name.
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// What an applicant has to show.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub requires: Vec<RequirementView>,
}

/// One demand: a certificate of any one of these types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequirementView {
    /// Type codes, 1 to 8.
    #[schema(value_type = Vec<TypeCode>, min_items = 1, max_items = 8)]
    pub types: Vec<String>,
    /// Codes of the fields needed; none where it only has to be in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FieldCode>, max_items = 64)]
    pub fields: Vec<String>,
}

/// A grant: who may see which fields of this department's certificates of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// The department that may see them. Exactly one of `department` and `role`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DepartmentCode>)]
    pub department: Option<String>,
    /// Every member with this role: `issue`, or `define:` and the code of an authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<GranteeRole>)]
    pub role: Option<String>,
    /// Type code of the certificates.
    #[serde(rename = "type")]
    #[schema(value_type = TypeCode)]
    pub type_code: String,
    /// Sub-matters, each as `<department>/<matter>/<sub-matter>`; empty for all that require the type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<MatterRef>, max_items = 64)]
    pub matters: Vec<String>,
    /// Codes of the fields; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FieldCode>, max_items = 64)]
    pub fields: Vec<String>,
    /// Last day on which it holds, `YYYY-MM-DD`; absent until it is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub until: Option<String>,
}

/// One version of a definition.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Its number, from 1.
    pub version: usize,
    /// Position of its record in the department's log.
    pub seq: u64,
    /// When it was made.
    pub time_ms: u64,
}

/// A certificate type as the catalogue has it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TypeStandard {
    /// The definition shown.
    pub definition: TypeRequest,
    /// Its version.
    pub version: usize,
    /// Department whose log defines it.
    #[schema(value_type = DepartmentCode)]
    pub defined_by: String,
    /// Every version, oldest first.
    pub versions: Vec<VersionView>,
}

/// A matter as the catalogue has it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Matter {
    /// The definition shown.
    pub definition: MatterRequest,
    /// Its version.
    pub version: usize,
    /// Whose matter it is.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// That department's name.
    pub department_name: String,
    /// Every version, oldest first.
    pub versions: Vec<VersionView>,
}

/// A page of the matters of the catalogue.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Matters {
    /// Each in its latest version, without the list of versions.
    pub matters: Vec<MatterSummary>,
    /// Cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Cursor>)]
    pub next: Option<String>,
}

/// A matter in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MatterSummary {
    /// Whose matter it is.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// That department's name.
    pub department_name: String,
    /// Its latest version.
    pub version: usize,
    /// The definition.
    pub definition: MatterRequest,
}

/// A grant in force.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    /// Department that granted.
    #[schema(value_type = DepartmentCode)]
    pub by: String,
    /// Its number: the position of its record in that department's log.
    pub grant: u64,
    /// What it says.
    pub definition: GrantRequest,
}

/// A page of the grants in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Grants {
    /// By department and number.
    pub grants: Vec<GrantView>,
    /// Cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Cursor>)]
    pub next: Option<String>,
}
