//! Departments and the administrative divisions they belong to.

use std::str::FromStr;

use crate::codec::Ordered;

use super::check;
use super::error::{Characters, IdError, Part};
use super::text::{self, text_traits};

const CHARACTERS: Characters = Characters::CreditCode;
const DIGIT: Characters = Characters::Digit;

/// A department's unified social credit code (统一社会信用代码, GB 32100).
///
/// 18 characters of `0-9 A-H J-N P-R T U W X Y`: registering authority, category, six digits of the division, nine
/// characters of the organisation, and a check character. A value of this type has been checked; lower case is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepartmentCode([u8; Self::LEN]);

impl Ordered for DepartmentCode {
    type Key = DepartmentCode;

    fn key(&self) -> DepartmentCode {
        *self
    }
}

impl DepartmentCode {
    /// Characters in a department code.
    pub const LEN: usize = 18;

    /// The code with these first 17 characters; the check character is computed.
    ///
    /// # Errors
    /// [`IdError::Length`] or [`IdError::Character`] if `body` isn't 17 characters of the alphabet with digits at 3–8.
    pub fn from_body(body: &str) -> Result<Self, IdError> {
        let part = Part::DepartmentCode;
        let bytes = text::exactly::<17>(body, part, CHARACTERS)?;
        let check = check_character(bytes, body, part)?;
        let mut code = [check; Self::LEN];
        code[..17].copy_from_slice(bytes);
        Ok(Self(code))
    }

    /// Reads `text`, which errors name as `part`.
    pub(super) fn parse_as(text: &str, part: Part) -> Result<Self, IdError> {
        let bytes = text::exactly::<{ Self::LEN }>(text, part, CHARACTERS)?;
        let (body, found) = split_check(bytes);
        let expected = check_character(body, text, part)?;
        if found != expected {
            if !check::in_credit_code_alphabet(found) {
                text::only(text, part, allowed, CHARACTERS)?;
            }
            return Err(IdError::check(
                part,
                text,
                char::from(found),
                char::from(expected),
            ));
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

    /// The administrative division the department is registered in: characters 3 to 8.
    pub fn division(&self) -> DivisionCode {
        DivisionCode::trusted(&self.0[2..8])
    }
}

fn split_check(code: &[u8; 18]) -> (&[u8; 17], u8) {
    let [.., check] = code;
    (code.first_chunk().expect("17 is less than 18"), *check)
}

/// The check character that fits `body`, the first 17 bytes of `text`.
#[inline]
fn check_character(body: &[u8; 17], text: &str, part: Part) -> Result<u8, IdError> {
    match check::credit_code_bytes(body) {
        Some(check) if body[2..8].iter().all(u8::is_ascii_digit) => Ok(check),
        _ => {
            text::only(text, part, allowed, CHARACTERS)?;
            // Not reached: what the two tests above refuse, `allowed` refuses.
            Err(IdError::length(
                part,
                text,
                DepartmentCode::LEN,
                DepartmentCode::LEN,
            ))
        }
    }
}

fn allowed(i: usize, byte: u8) -> Result<(), Characters> {
    match i {
        2..8 if !byte.is_ascii_digit() => Err(DIGIT),
        _ if !check::in_credit_code_alphabet(byte) => Err(CHARACTERS),
        _ => Ok(()),
    }
}

impl FromStr for DepartmentCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse_as(text, Part::DepartmentCode)
    }
}

text_traits!(DepartmentCode, "an 18-character department code");

/// An administrative division's code (行政区划代码, GB/T 2260): six digits, such as `420100` for Wuhan.
///
/// It has no check character, so a value of this type is only well formed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DivisionCode([u8; Self::LEN]);

impl DivisionCode {
    /// Digits in a division code.
    pub const LEN: usize = 6;

    /// Reads `text`, which errors name as `part`.
    pub(super) fn parse_as(text: &str, part: Part) -> Result<Self, IdError> {
        let bytes = text::exactly::<{ Self::LEN }>(text, part, DIGIT)?;
        if !bytes.iter().all(u8::is_ascii_digit) {
            let digit = |_, byte: u8| byte.is_ascii_digit().then_some(()).ok_or(DIGIT);
            text::only(text, part, digit, DIGIT)?;
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
}

impl FromStr for DivisionCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse_as(text, Part::DivisionCode)
    }
}

text_traits!(DivisionCode, "a 6-digit division code");
