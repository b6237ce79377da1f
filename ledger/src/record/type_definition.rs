//! The entry that defines a certificate type, in its simplest form.

use serde::{Deserialize, Serialize};

use crate::codec::{Bounded, Text};
use crate::id::TypeCode;

/// A certificate type was defined. A later definition of the same code in the same log replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDefined {
    /// Type code (ZZLXDM); its first 18 characters name the defining authority.
    pub code: TypeCode,
    /// Name, such as `营业执照`.
    pub name: Text<128>,
    /// Its fields, in order.
    pub fields: Bounded<FieldDefinition, 64>,
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
}
