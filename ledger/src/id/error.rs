//! What can be wrong with an identifier, and in which of its parts.

use std::fmt;

use thiserror::Error;

/// The identifier, or the part of one, that an [`IdError`] speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// A department code on its own.
    DepartmentCode,
    /// A division code on its own.
    DivisionCode,
    /// An issuer's code on its own: of a department or of a division.
    IssuerCode,
    /// A type code on its own.
    TypeCode,
    /// The defining authority's code at the front of a type code.
    TypeAuthority,
    /// A certificate identifier as a whole.
    Certificate,
    /// The root of a certificate identifier, its first five numbers.
    CertificateRoot,
    /// The type code in a certificate identifier.
    CertificateType,
    /// The defining authority's code in the type code of a certificate identifier.
    CertificateTypeAuthority,
    /// The issuer's code in a certificate identifier.
    CertificateIssuer,
    /// The issuer's serial in a certificate identifier.
    CertificateSerial,
    /// The version in a certificate identifier.
    CertificateVersion,
    /// The check character of a certificate identifier.
    CertificateCheck,
}

impl Part {
    /// A stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DepartmentCode => "department-code",
            Self::DivisionCode => "division-code",
            Self::IssuerCode => "issuer-code",
            Self::TypeCode => "type-code",
            Self::TypeAuthority => "type-authority",
            Self::Certificate => "certificate",
            Self::CertificateRoot => "certificate-root",
            Self::CertificateType => "certificate-type",
            Self::CertificateTypeAuthority => "certificate-type-authority",
            Self::CertificateIssuer => "certificate-issuer",
            Self::CertificateSerial => "certificate-serial",
            Self::CertificateVersion => "certificate-version",
            Self::CertificateCheck => "certificate-check",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The characters that may stand at a place of an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Characters {
    /// 0-9.
    Digit,
    /// 0-9 and A-Z.
    Alphanumeric,
    /// Those of a credit code: 0-9 and A-Z without I, O, S, V and Z.
    CreditCode,
}

impl Characters {
    /// A stable word for them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Digit => "digit",
            Self::Alphanumeric => "alphanumeric",
            Self::CreditCode => "credit-code",
        }
    }
}

/// The refused text as an error quotes it: shortened, control characters escaped, and left out altogether where it may
/// hold personal data (a serial is at times a person's identity number).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(Option<Box<str>>);

impl Excerpt {
    /// Most characters quoted; longer than any well-formed part that is quoted.
    const MAX_CHARS: usize = 32;

    pub(super) fn of(part: Part, text: &str) -> Self {
        match part {
            Part::Certificate | Part::CertificateSerial | Part::CertificateCheck => Self(None),
            _ => {
                let mut quoted: String = text
                    .chars()
                    .take(Self::MAX_CHARS)
                    .flat_map(char::escape_debug)
                    .collect();
                if text.chars().nth(Self::MAX_CHARS).is_some() {
                    quoted.push('…');
                }
                Self(Some(quoted.into_boxed_str()))
            }
        }
    }

    /// The quoted text, if it may be shown.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Display for Excerpt {
    /// A space and the text in backquotes, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, " `{text}`"),
            None => Ok(()),
        }
    }
}

/// Why a text isn't the identifier it should be. The message is short, for logs: what people are shown is in the catalogue of
/// the crate `certmesh-text`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text is longer than anything worth looking at; nothing else was examined.
    #[error("{part}: {found} bytes")]
    TooLong {
        /// What was being read.
        part: Part,
        /// Its length, in bytes.
        found: usize,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// A certificate identifier isn't made of ten parts: five numbers of the root, then type, issuer, serial, version
    /// and check character.
    #[error("certificate: {found} parts")]
    PartCount {
        /// Parts found.
        found: usize,
    },
    /// The root of a certificate identifier is another one.
    #[error("certificate-root{text}: another root")]
    Root {
        /// The root found.
        text: Excerpt,
        /// The standard's root.
        expected: &'static str,
    },
    /// The part has the wrong number of characters.
    #[error("{part}{text}: {found} characters")]
    Length {
        /// The part.
        part: Part,
        /// Its text.
        text: Excerpt,
        /// Least length allowed.
        least: usize,
        /// Greatest length allowed; of a code that is either a department's or a division's, none between.
        most: usize,
        /// Characters found.
        found: usize,
    },
    /// The part holds a character it may not hold at that place.
    #[error("{part}{text}: character {position}")]
    Character {
        /// The part.
        part: Part,
        /// Its text.
        text: Excerpt,
        /// Place of the first such character, counted from 1.
        position: usize,
        /// The character.
        found: char,
        /// Characters allowed there.
        expected: Characters,
    },
    /// The check character is another than the rest of the text calls for.
    #[error("{part}{text}: check character")]
    Check {
        /// The part the check character guards.
        part: Part,
        /// Its text.
        text: Excerpt,
        /// The check character found.
        found: char,
        /// The check character that fits the rest.
        expected: char,
    },
    /// A number to be put into an identifier has more than its three digits.
    #[error("{part}: number {found}")]
    Number {
        /// The part.
        part: Part,
        /// The number given.
        found: u16,
    },
}

impl IdError {
    /// The identifier, or the part of one, that is wrong.
    pub fn part(&self) -> Part {
        match self {
            Self::PartCount { .. } => Part::Certificate,
            Self::Root { .. } => Part::CertificateRoot,
            Self::TooLong { part, .. }
            | Self::Length { part, .. }
            | Self::Character { part, .. }
            | Self::Check { part, .. }
            | Self::Number { part, .. } => *part,
        }
    }

    #[cold]
    pub(super) fn length(part: Part, text: &str, least: usize, most: usize) -> Self {
        Self::Length {
            part,
            text: Excerpt::of(part, text),
            least,
            most,
            found: text.chars().count(),
        }
    }

    #[cold]
    pub(super) fn check(part: Part, text: &str, found: char, expected: char) -> Self {
        Self::Check {
            part,
            text: Excerpt::of(part, text),
            found,
            expected,
        }
    }
}
