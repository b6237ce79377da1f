//! The entries by which a department lets others see the fields of its certificates.

use serde::{Deserialize, Serialize};

use crate::codec::{Bounded, Text};
use crate::genesis::Role;
use crate::id::{Date, DepartmentCode, TypeCode};

use super::MatterRef;

/// A department grants the sight of fields of its own certificates of a type. The grant is named by its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantMade {
    /// Who may see them.
    pub to: Grantee,
    /// Of which certificates.
    pub type_code: TypeCode,
    /// For which sub-matters; empty for all that require the type.
    pub matters: Bounded<MatterRef, 64>,
    /// Codes of the fields; empty for all.
    pub fields: Bounded<Text<64>, 64>,
    /// Last day on which it holds; `None` until it is withdrawn.
    pub until: Option<Date>,
}

/// The departments a grant is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// One department.
    Department(DepartmentCode),
    /// Every member with a role.
    Role(Role),
}

/// A grant was withdrawn: from this record on it is not in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantWithdrawn {
    /// Position of the grant in this log.
    pub grant: u64,
}
