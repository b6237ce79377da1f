//! The entry that defines a certificate type: its catalogue entry as GB/T 36902 has it, and the standard its
//! certificates must meet.

use serde::{Deserialize, Serialize};

use crate::codec::{Bounded, Text};
use crate::id::{DepartmentCode, HolderKind, TypeCode};

use super::SharingClass;

/// A certificate type was defined. A later definition of the same code in the same log is its next version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDefined {
    /// Type code (ZZLXDM); its first 18 characters name the defining authority.
    pub code: TypeCode,
    /// Name, such as `营业执照`.
    pub name: Text<128>,
    /// Name of the defining authority; empty when not given.
    pub authority_name: Text<128>,
    /// Level of the defining authority, such as `国家级`; empty when not given.
    pub authority_level: Text<64>,
    /// Level of the authorities that issue; empty when not given.
    pub issuing_level: Text<64>,
    /// The administrative item whose outcome the certificate is.
    pub item: Option<RelatedItem>,
    /// Kinds of holder's code allowed; empty for any.
    pub holder_kinds: Bounded<HolderKind, 10>,
    /// Sharing class of its certificates where the issuer says nothing else.
    pub sharing: SharingClass,
    /// How long its certificates may run.
    pub validity: ValidityRule,
    /// Departments that may issue it; empty for every member with the role to issue.
    pub issuers: Bounded<DepartmentCode, 256>,
    /// Its fields, in order; empty for any.
    pub fields: Bounded<FieldDefinition, 64>,
}

impl TypeDefined {
    /// A type with the least of standards: any holder, any validity, any field, shared on conditions.
    pub fn new(code: TypeCode, name: Text<128>) -> TypeDefined {
        TypeDefined {
            code,
            name,
            authority_name: Text::default(),
            authority_level: Text::default(),
            issuing_level: Text::default(),
            item: None,
            holder_kinds: Bounded::default(),
            sharing: SharingClass::Conditional,
            validity: ValidityRule::Any,
            issuers: Bounded::default(),
            fields: Bounded::default(),
        }
    }

    /// Whether it lets a department issue the type.
    pub fn lets_issue(&self, department: &DepartmentCode) -> bool {
        self.issuers.is_empty() || self.issuers.contains(department)
    }
}

/// The administrative item (事项) related to a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedItem {
    /// Code of the item.
    pub code: Text<64>,
    /// Its name.
    pub name: Text<128>,
}

/// How long a type's certificates may run, counted from their first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValidityRule {
    /// As the issuer says.
    Any,
    /// Without end.
    LongTerm,
    /// At most this many days.
    Days(u16),
    /// At most this many months.
    Months(u16),
    /// At most this many years.
    Years(u16),
}

/// A field of a certificate type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDefinition {
    /// Standard code, such as `ZZMC` or `KZ_JYFW`.
    pub code: Text<64>,
    /// Human name.
    pub name: Text<128>,
    /// Whether every certificate of the type has it.
    pub required: bool,
    /// Whether it names or describes the holder.
    pub personal: bool,
    /// What a value may be.
    pub data: FieldData,
}

impl FieldDefinition {
    /// A field of any text, not personal.
    pub fn text(code: Text<64>, name: Text<128>, required: bool) -> FieldDefinition {
        FieldDefinition {
            code,
            name,
            required,
            personal: false,
            data: FieldData::Text {
                max: None,
                pattern: None,
            },
        }
    }
}

/// What values of a field may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldData {
    /// Any text within bounds.
    Text {
        /// Most characters.
        max: Option<u16>,
        /// A regular expression that matches.
        pattern: Option<Text<256>>,
    },
    /// A whole number, with a sign or none.
    Integer,
    /// A number with or without a decimal point.
    Decimal,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// One of a list of codes.
    Code(Bounded<CodeItem, 256>),
}

/// One code of a code list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeItem {
    /// The code.
    pub code: Text<64>,
    /// What it stands for.
    pub name: Text<128>,
}
