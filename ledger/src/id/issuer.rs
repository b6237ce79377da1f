//! Who issued a certificate, as its identifier says it.

use std::str::FromStr;

use super::department::{DepartmentCode, DivisionCode};
use super::error::{IdError, Part};
use super::text::{self, text_traits};

/// The issuer named in a certificate identifier: a department, or, as is found in use, only its division.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssuerCode {
    /// The issuing department itself.
    Department(DepartmentCode),
    /// The division the issuing department belongs to.
    Division(DivisionCode),
}

impl IssuerCode {
    /// Reads `text`, which errors name as `part`.
    pub(super) fn parse_as(text: &str, part: Part) -> Result<Self, IdError> {
        text::bounded(text, part)?;
        // Most texts are ASCII, where bytes are characters; only others need counting.
        let chars = if text.is_ascii() {
            text.len()
        } else {
            text.chars().count()
        };
        match chars {
            DepartmentCode::LEN => DepartmentCode::parse_as(text, part).map(Self::Department),
            DivisionCode::LEN => DivisionCode::parse_as(text, part).map(Self::Division),
            _ => Err(IdError::length(
                part,
                text,
                DivisionCode::LEN,
                DepartmentCode::LEN,
            )),
        }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Department(code) => code.as_str(),
            Self::Division(code) => code.as_str(),
        }
    }

    /// Whether this issuer can be `department`: it is that department, or the division it is registered in.
    pub fn names(&self, department: &DepartmentCode) -> bool {
        match self {
            Self::Department(code) => code == department,
            Self::Division(code) => *code == department.division(),
        }
    }
}

impl From<DepartmentCode> for IssuerCode {
    fn from(code: DepartmentCode) -> Self {
        Self::Department(code)
    }
}

impl From<DivisionCode> for IssuerCode {
    fn from(code: DivisionCode) -> Self {
        Self::Division(code)
    }
}

impl FromStr for IssuerCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse_as(text, Part::IssuerCode)
    }
}

text_traits!(
    IssuerCode,
    "an 18-character department code or a 6-digit division code"
);
