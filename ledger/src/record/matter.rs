//! The entry that defines a matter (事项): what an applicant can ask a department for, and the certificates it takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::{Bounded, Text};
use crate::id::{DepartmentCode, MatterCode, TypeCode};

/// A matter was defined. A later definition of the same code in the same log is its next version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatterDefined {
    /// Its department's code for it.
    pub code: MatterCode,
    /// Name, such as `内资公司设立登记`.
    pub name: Text<256>,
    /// Its sub-matters (子项), at least one, with distinct codes.
    pub parts: Bounded<SubMatter, 64>,
}

impl MatterDefined {
    /// A sub-matter.
    pub fn part(&self, code: &MatterCode) -> Option<&SubMatter> {
        self.parts.iter().find(|part| part.code == *code)
    }
}

impl SubMatter {
    /// Whether it requires a certificate of a type.
    pub fn requires_type(&self, code: &TypeCode) -> bool {
        let mut requirements = self.requires.iter();
        requirements.any(|requirement| requirement.types.contains(code))
    }

    /// Codes of the fields that it requires of a type, in order.
    pub fn required(&self, code: &TypeCode) -> Vec<Text<64>> {
        let of_type = self.requires.iter();
        let of_type = of_type.filter(|requirement| requirement.types.contains(code));
        let mut codes: Vec<Text<64>> = of_type
            .flat_map(|requirement| requirement.fields.iter().cloned())
            .collect();
        codes.sort();
        codes.dedup();
        codes
    }
}

/// A sub-matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubMatter {
    /// Its code within the matter.
    pub code: MatterCode,
    /// Name.
    pub name: Text<256>,
    /// What an applicant has to show, each demand by itself.
    pub requires: Bounded<Requirement, 64>,
}

/// One demand of a sub-matter: a certificate of any one of these types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The types, at least one.
    pub types: Bounded<TypeCode, 8>,
    /// Codes of the fields that are needed of it; empty if it only has to be in force.
    pub fields: Bounded<Text<64>, 64>,
}

/// A sub-matter of a department, as grants, requests and receipts name it: `<department>/<matter>/<sub-matter>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatterRef {
    /// Whose matter it is.
    pub department: DepartmentCode,
    /// The matter.
    pub matter: MatterCode,
    /// The sub-matter.
    pub part: MatterCode,
}

impl fmt::Display for MatterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.department, self.matter, self.part)
    }
}

/// A text that names no sub-matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected <department>/<matter>/<sub-matter>, such as 11430000006122244L/SL-001/01")]
pub struct NotAMatterRef;

impl FromStr for MatterRef {
    type Err = NotAMatterRef;

    fn from_str(text: &str) -> Result<MatterRef, NotAMatterRef> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(NotAMatterRef);
        let (department, matter, part) = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(NotAMatterRef);
        }
        Ok(MatterRef {
            department: department.parse().map_err(|_| NotAMatterRef)?,
            matter: matter.parse().map_err(|_| NotAMatterRef)?,
            part: part.parse().map_err(|_| NotAMatterRef)?,
        })
    }
}
