//! Certificate identifiers.

use std::str::FromStr;

use super::check;
use super::department::{DepartmentCode, DivisionCode};
use super::error::{Characters, Excerpt, IdError, Part};
use super::issuer::IssuerCode;
use super::text::{self, MAX_BYTES, text_traits};
use super::type_code::TypeCode;

/// The standard's root of every certificate identifier.
pub const ROOT: &str = "1.2.156.3005.2";

/// Where the parts lie in the canonical text: root, dot, type, dot, issuer …
const TYPE_AT: usize = ROOT.len() + 1;
const ISSUER_AT: usize = TYPE_AT + TypeCode::LEN + 1;

/// Bytes after the serial: dot, version, dot, check character.
const TAIL_LEN: usize = 6;

const SERIAL_CHARACTERS: Characters = Characters::Alphanumeric;

/// A certificate's identifier (电子证照标识, GB/T 36904):
/// `1.2.156.3005.2.<type>.<issuer>.<serial>.<version>.<check>`.
///
/// The check character is ISO 7064 MOD 37,36 over type, issuer, serial and version, without dots and root. A value of
/// this type has been checked in every part and is canonical: equal identifiers are equal texts. Ordered as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateId(Box<str>);

impl CertificateId {
    /// Most characters in a serial.
    pub const MAX_SERIAL_LEN: usize = 40;

    /// Makes an identifier; the check character is computed.
    ///
    /// # Errors
    /// [`IdError::Length`] or [`IdError::Character`] if `serial` isn't 1 to 40 of `0-9 A-Z`, [`IdError::Number`] if
    /// `version` is above 999.
    pub fn new(
        type_code: TypeCode,
        issuer: IssuerCode,
        serial: &str,
        version: u16,
    ) -> Result<Self, IdError> {
        let Some(digits) = text::digits_of(version) else {
            return Err(IdError::Number {
                part: Part::CertificateVersion,
                found: version,
            });
        };
        check_serial(serial)?;
        Ok(Parts {
            root: ROOT,
            type_code: type_code.as_str(),
            issuer: issuer.as_str(),
            serial,
            version: digits.map(char::from).iter().collect::<String>().as_str(),
            check: "",
        }
        .canonical())
    }

    /// Reads an identifier as it is found in use and makes it canonical, with a warning for each departure from the
    /// standard. Meant for import alone: since a check character that counts the root is let through, a wrong one
    /// passes one time in 35.
    ///
    /// # Errors
    /// As for strict reading, for what is left once the departures in [`Variant`] are corrected.
    pub fn parse_lenient(text: &str) -> Result<(Self, Vec<Variant>), IdError> {
        // Full-width characters take three bytes each.
        let limit = 3 * MAX_BYTES;
        if text.len() > limit {
            return Err(IdError::TooLong {
                part: Part::Certificate,
                found: text.len(),
                limit,
            });
        }
        let mut variants = Vec::new();
        let repaired = repair(text, &mut variants);
        let parts = Parts::split(&repaired)?;
        match parts.root {
            ROOT => {}
            Variant::OLD_ROOT => variants.push(Variant::OldRoot),
            _ => return Err(parts.root_error()),
        }
        let expected = parts.validate()?;
        let found = parts.check_character()?;
        if found != expected {
            if Some(found) != parts.check_with_root() {
                return Err(wrong_check(found, expected));
            }
            variants.push(Variant::CheckCountsRoot { found, expected });
        }
        Ok((parts.canonical(), variants))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The type of certificate.
    pub fn type_code(&self) -> TypeCode {
        TypeCode::trusted(&self.0.as_bytes()[TYPE_AT..])
    }

    /// The issuer.
    pub fn issuer(&self) -> IssuerCode {
        let issuer = &self.0.as_bytes()[ISSUER_AT..];
        if self.issuer_len() == DivisionCode::LEN {
            IssuerCode::Division(DivisionCode::trusted(issuer))
        } else {
            IssuerCode::Department(DepartmentCode::trusted(issuer))
        }
    }

    /// The issuer's own serial, 1 to 40 of `0-9 A-Z`.
    pub fn serial(&self) -> &str {
        &self.0[ISSUER_AT + self.issuer_len() + 1..self.0.len() - TAIL_LEN]
    }

    /// The version, 0 to 999.
    pub fn version(&self) -> u16 {
        let [.., a, b, c, _dot, _check] = self.0.as_bytes() else {
            unreachable!("a checked identifier is longer than five bytes");
        };
        text::three_digits([*a, *b, *c])
    }

    /// The check character.
    pub fn check(&self) -> char {
        self.0.as_bytes().last().copied().map_or('0', char::from)
    }

    /// The issuer's length follows from where its dot is: neither kind of code holds one.
    fn issuer_len(&self) -> usize {
        if self.0.as_bytes()[ISSUER_AT + DivisionCode::LEN] == b'.' {
            DivisionCode::LEN
        } else {
            DepartmentCode::LEN
        }
    }
}

impl FromStr for CertificateId {
    type Err = IdError;

    /// Strict: the canonical text and nothing else.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = Parts::split(text)?;
        if parts.root != ROOT {
            return Err(parts.root_error());
        }
        let expected = parts.validate()?;
        let found = parts.check_character()?;
        if found != expected {
            return Err(wrong_check(found, expected));
        }
        Ok(Self(text.into()))
    }
}

text_traits!(CertificateId, "a certificate identifier");

/// How an identifier departed from the standard before [`CertificateId::parse_lenient`] made it canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Variant {
    /// White space stood before or after the identifier.
    #[error("surrounding space")]
    SurroundingSpace,
    /// Full-width characters were used.
    #[error("full-width")]
    FullWidth,
    /// Lower-case letters were used.
    #[error("lower case")]
    LowerCase,
    /// The root is that of an earlier practice.
    #[error("old root")]
    OldRoot,
    /// The check character was computed with the digits of the root in front.
    #[error("check character counts the root")]
    CheckCountsRoot {
        /// The check character found.
        found: char,
        /// The check character now in its place.
        expected: char,
    },
}

impl Variant {
    /// The other root seen in use.
    pub const OLD_ROOT: &'static str = "1.2.156.3003.2";
}

/// The texts between an identifier's dots.
struct Parts<'a> {
    root: &'a str,
    type_code: &'a str,
    issuer: &'a str,
    serial: &'a str,
    version: &'a str,
    check: &'a str,
}

impl<'a> Parts<'a> {
    const DOTS: usize = 9;

    /// Cuts at the dots; the root keeps its own four.
    fn split(text: &'a str) -> Result<Self, IdError> {
        text::bounded(text, Part::Certificate)?;
        if let Some(parts) = Self::at_fixed_places(text) {
            return Ok(parts);
        }
        let mut dots = [0; Self::DOTS];
        let mut count = 0;
        for (i, &byte) in text.as_bytes().iter().enumerate() {
            if byte == b'.' {
                if let Some(dot) = dots.get_mut(count) {
                    *dot = i;
                }
                count += 1;
            }
        }
        if count != Self::DOTS {
            return Err(IdError::PartCount { found: count + 1 });
        }
        let [_, _, _, _, a, b, c, d, e] = dots;
        Ok(Self {
            root: &text[..a],
            type_code: &text[a + 1..b],
            issuer: &text[b + 1..c],
            serial: &text[c + 1..d],
            version: &text[d + 1..e],
            check: &text[e + 1..],
        })
    }

    /// The same for a text with the standard's root and with dots where its layout has them, without looking for them:
    /// nearly every text there is. A dot inside a part is left to that part's own rule.
    fn at_fixed_places(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let dot_at = |i: usize| bytes.get(i) == Some(&b'.');
        // In this order: in a division's identifier, a dot may stand where a department's code would end.
        let issuer_len = [DivisionCode::LEN, DepartmentCode::LEN]
            .into_iter()
            .find(|len| dot_at(ISSUER_AT + len))?;
        let issuer_end = ISSUER_AT + issuer_len;
        let serial_end = text.len().checked_sub(TAIL_LEN)?;
        let check_at = text.len() - 1;
        let dots = [TYPE_AT - 1, ISSUER_AT - 1, serial_end, check_at - 1];
        if !text.starts_with(ROOT) || !dots.into_iter().all(dot_at) {
            return None;
        }
        Some(Self {
            root: ROOT,
            type_code: text.get(TYPE_AT..ISSUER_AT - 1)?,
            issuer: text.get(ISSUER_AT..issuer_end)?,
            serial: text.get(issuer_end + 1..serial_end)?,
            version: text.get(serial_end + 1..check_at - 1)?,
            check: text.get(check_at..)?,
        })
    }

    /// Checks every part between root and check character, and says which check character fits them.
    fn validate(&self) -> Result<char, IdError> {
        TypeCode::parse_as(
            self.type_code,
            Part::CertificateType,
            Part::CertificateTypeAuthority,
        )?;
        IssuerCode::parse_as(self.issuer, Part::CertificateIssuer)?;
        check_serial(self.serial)?;
        check_version(self.version)?;
        Ok(self.computed_check())
    }

    /// The check character found: one ASCII character.
    fn check_character(&self) -> Result<char, IdError> {
        let part = Part::CertificateCheck;
        let [found] = text::exactly::<1>(self.check, part, SERIAL_CHARACTERS)?;
        check_alphabet(self.check, part)?;
        Ok(char::from(*found))
    }

    fn body(&self) -> [&'a str; 4] {
        [self.type_code, self.issuer, self.serial, self.version]
    }

    /// The standard's check character. The parts have been checked, so they are within its alphabet.
    fn computed_check(&self) -> char {
        check::certificate(&self.body()).expect("every part was checked to be 0-9 A-Z")
    }

    /// The check character over the root's digits as well. The digits of the old root happen to lead MOD 37,36 back to
    /// its first state, so under that root this is the standard's check character.
    fn check_with_root(&self) -> Option<char> {
        let digits = self.root.replace('.', "");
        let [a, b, c, d] = self.body();
        check::certificate(&[&digits, a, b, c, d])
    }

    /// The identifier these checked parts make under the standard's root and check character.
    fn canonical(&self) -> CertificateId {
        let check = self.computed_check();
        let body: usize = self.body().iter().map(|part| part.len() + 1).sum();
        let mut id = String::with_capacity(ROOT.len() + body + 2);
        id.push_str(ROOT);
        for part in self.body() {
            id.push('.');
            id.push_str(part);
        }
        id.push('.');
        id.push(check);
        CertificateId(id.into_boxed_str())
    }

    fn root_error(&self) -> IdError {
        IdError::Root {
            text: Excerpt::of(Part::CertificateRoot, self.root),
            expected: ROOT,
        }
    }
}

fn wrong_check(found: char, expected: char) -> IdError {
    IdError::check(Part::Certificate, "", found, expected)
}

fn check_serial(serial: &str) -> Result<(), IdError> {
    text::bounded(serial, Part::CertificateSerial)?;
    check_alphabet(serial, Part::CertificateSerial)?;
    // All ASCII by now, so bytes are characters.
    if serial.is_empty() || serial.len() > CertificateId::MAX_SERIAL_LEN {
        return Err(IdError::length(
            Part::CertificateSerial,
            serial,
            1,
            CertificateId::MAX_SERIAL_LEN,
        ));
    }
    Ok(())
}

/// Refuses what ISO 7064 MOD 37,36 doesn't cover.
fn check_alphabet(text: &str, part: Part) -> Result<(), IdError> {
    if text.bytes().all(check::in_certificate_alphabet) {
        return Ok(());
    }
    let allowed = |_, byte| {
        check::in_certificate_alphabet(byte)
            .then_some(())
            .ok_or(SERIAL_CHARACTERS)
    };
    text::only(text, part, allowed, SERIAL_CHARACTERS)
}

fn check_version(version: &str) -> Result<(), IdError> {
    const DIGIT: Characters = Characters::Digit;
    let part = Part::CertificateVersion;
    let digits = text::exactly::<3>(version, part, DIGIT)?;
    if digits.iter().all(u8::is_ascii_digit) {
        return Ok(());
    }
    let digit = |_, byte: u8| byte.is_ascii_digit().then_some(()).ok_or(DIGIT);
    text::only(version, part, digit, DIGIT)
}

/// The text in half-width capitals, without white space around it.
fn repair(text: &str, variants: &mut Vec<Variant>) -> String {
    let trimmed = text.trim();
    if trimmed.len() != text.len() {
        variants.push(Variant::SurroundingSpace);
    }
    let half: String = trimmed.chars().map(text::half_width).collect();
    if half != trimmed {
        variants.push(Variant::FullWidth);
    }
    let repaired = half.to_ascii_uppercase();
    if repaired != half {
        variants.push(Variant::LowerCase);
    }
    repaired
}
