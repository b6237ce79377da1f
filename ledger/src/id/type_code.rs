//! Types of certificate.

use std::str::FromStr;

use super::department::DepartmentCode;
use super::error::{Characters, IdError, Part};
use super::text::{self, text_traits};

/// The code of a type of certificate (证照类型代码, GB/T 36904): the code of the authority that defines the type, and
/// that authority's three-digit number for it, such as `11100000000013338W011`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeCode([u8; Self::LEN]);

impl TypeCode {
    /// Characters in a type code.
    pub const LEN: usize = 21;

    /// The type with this number at this authority.
    ///
    /// # Errors
    /// [`IdError::Number`] if `number` is above 999.
    pub fn new(authority: &DepartmentCode, number: u16) -> Result<Self, IdError> {
        let Some(digits) = text::digits_of(number) else {
            return Err(IdError::Number {
                part: Part::TypeCode,
                found: number,
            });
        };
        let mut code = [0; Self::LEN];
        let (front, back) = code.split_at_mut(DepartmentCode::LEN);
        front.copy_from_slice(authority.as_str().as_bytes());
        back.copy_from_slice(&digits);
        Ok(Self(code))
    }

    /// Reads `text`, which errors name as `part`, and its front as `authority`.
    pub(super) fn parse_as(text: &str, part: Part, authority: Part) -> Result<Self, IdError> {
        let bytes = text::exactly::<{ Self::LEN }>(text, part, Characters::Alphanumeric)?;
        // A letter of several bytes may lie across the end of the authority's code.
        let Some((front, _)) = text.split_at_checked(DepartmentCode::LEN) else {
            return Err(IdError::length(part, text, Self::LEN, Self::LEN));
        };
        DepartmentCode::parse_as(front, authority)?;
        if !bytes[DepartmentCode::LEN..].iter().all(u8::is_ascii_digit) {
            let digit = |i, byte: u8| match i {
                DepartmentCode::LEN.. if !byte.is_ascii_digit() => Err(Characters::Digit),
                _ => Ok(()),
            };
            text::only(text, part, digit, Characters::Digit)?;
        }
        Ok(Self(*bytes))
    }

    /// The code at the front of a text that was checked before.
    pub(super) fn trusted(checked: &[u8]) -> Self {
        let mut code = [0; Self::LEN];
        code.copy_from_slice(&checked[..Self::LEN]);
        Self(code)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked to be ASCII when it was made")
    }

    /// The authority that defines the type.
    pub fn authority(&self) -> DepartmentCode {
        DepartmentCode::trusted(&self.0)
    }

    /// The authority's number for the type, 0 to 999.
    pub fn number(&self) -> u16 {
        let [.., a, b, c] = self.0;
        text::three_digits([a, b, c])
    }
}

impl FromStr for TypeCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse_as(text, Part::TypeCode, Part::TypeAuthority)
    }
}

text_traits!(TypeCode, "a 21-character type code");
