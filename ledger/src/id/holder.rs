//! Holders of certificates: the kind of code that identifies one, and the one way to write such a code.
//!
//! A holder's code is personal. Nothing here puts one, or a part of one, into an error.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::check;
use super::date::Date;
use super::department::DepartmentCode;
use super::error::IdError;
use super::text;

/// The kind of code that identifies a holder (持证主体代码类型, as GB/T 36903 metadata use it).
///
/// Serialised as its three digits in human-readable formats, otherwise as the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum HolderKind {
    /// 001: unified social credit code.
    CreditCode = 1,
    /// 099: another code of an organisation.
    OtherOrganisation = 99,
    /// 111: number of the resident identity card.
    IdentityCard = 111,
    /// 411: diplomatic passport.
    DiplomaticPassport = 411,
    /// 412: service passport.
    ServicePassport = 412,
    /// 413: passport for public affairs.
    PublicAffairsPassport = 413,
    /// 414: ordinary passport.
    OrdinaryPassport = 414,
    /// 511: mainland travel permit for Taiwan residents.
    TaiwanPermit = 511,
    /// 516: mainland travel permit for Hong Kong and Macau residents.
    HongKongMacauPermit = 516,
    /// 999: another code of a person.
    Other = 999,
}

/// A text or number names no [`HolderKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "holder-code kind: not one of 001, 099, 111, 411, 412, 413, 414, 511, 516, 999 (three digits)"
)]
pub struct HolderKindError;

impl HolderKind {
    /// Every kind, in the order of the codes.
    pub const ALL: [Self; 10] = [
        Self::CreditCode,
        Self::OtherOrganisation,
        Self::IdentityCard,
        Self::DiplomaticPassport,
        Self::ServicePassport,
        Self::PublicAffairsPassport,
        Self::OrdinaryPassport,
        Self::TaiwanPermit,
        Self::HongKongMacauPermit,
        Self::Other,
    ];

    /// The kind's code, 1 to 999; written with three digits.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The kind with this code.
    ///
    /// # Errors
    /// [`HolderKindError`] if no kind has it.
    pub fn from_code(code: u16) -> Result<Self, HolderKindError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.code() == code)
            .ok_or(HolderKindError)
    }

    /// The kind's name in English.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreditCode => "unified social credit code",
            Self::OtherOrganisation => "other organisation code",
            Self::IdentityCard => "resident identity card",
            Self::DiplomaticPassport => "diplomatic passport",
            Self::ServicePassport => "service passport",
            Self::PublicAffairsPassport => "passport for public affairs",
            Self::OrdinaryPassport => "ordinary passport",
            Self::TaiwanPermit => "mainland travel permit for Taiwan residents",
            Self::HongKongMacauPermit => "mainland travel permit for Hong Kong and Macau residents",
            Self::Other => "other code",
        }
    }

    /// The kind's name in Chinese.
    pub fn chinese_name(self) -> &'static str {
        match self {
            Self::CreditCode => "统一社会信用代码",
            Self::OtherOrganisation => "其他法人或其他组织有效证件代码",
            Self::IdentityCard => "居民身份证",
            Self::DiplomaticPassport => "外交护照",
            Self::ServicePassport => "公务护照",
            Self::PublicAffairsPassport => "公务普通护照",
            Self::OrdinaryPassport => "普通护照",
            Self::TaiwanPermit => "台湾居民来往大陆通行证",
            Self::HongKongMacauPermit => "港澳居民来往内地通行证",
            Self::Other => "其他自然人有效证件代码",
        }
    }
}

impl fmt::Display for HolderKind {
    /// The three digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.code())
    }
}

impl FromStr for HolderKind {
    type Err = HolderKindError;

    fn from_str(text: &str) -> Result<Self, HolderKindError> {
        match *text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(u8::is_ascii_digit) => {
                Self::from_code(text::three_digits([a, b, c]))
            }
            _ => Err(HolderKindError),
        }
    }
}

impl Serialize for HolderKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u16(self.code())
        }
    }
}

impl<'de> Deserialize<'de> for HolderKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            text::deserialize(deserializer, "a holder-code kind of three digits")
        } else {
            Self::from_code(u16::deserialize(deserializer)?).map_err(de::Error::custom)
        }
    }
}

/// Most characters in a holder's code once it is normalised.
pub const MAX_HOLDER_CHARS: usize = 64;

/// Longest holder's code that is looked at, in bytes: room for full-width characters and spaces between them.
const MAX_HOLDER_BYTES: usize = 512;

/// Why a holder's code isn't acceptable. Positions count from 1 in the code without its spaces.
///
/// Never holds the code or a character of it, so it may be logged and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HolderError {
    /// Nothing is left once spaces are dropped.
    #[error("holder's code: empty")]
    Empty,
    /// The code is too long for any kind.
    #[error("holder's code: longer than {MAX_HOLDER_CHARS} characters")]
    TooLong,
    /// A code of this kind has another length.
    #[error("holder's {}: {found} characters long, expected 18", kind.name())]
    Length {
        /// The kind.
        kind: HolderKind,
        /// Characters found.
        found: usize,
    },
    /// An identity number of 15 digits, of the first generation of cards. It has no check character, and its holder has
    /// since been given one of 18 characters.
    #[error(
        "holder's resident identity card: 15-digit numbers of the first generation aren't accepted, give the 18-character one"
    )]
    OldIdentityNumber,
    /// A character can't stand where it stands in a code of this kind.
    #[error("holder's {}: character {position} isn't allowed there", kind.name())]
    Character {
        /// The kind.
        kind: HolderKind,
        /// Place of the character.
        position: usize,
    },
    /// Digits 7 to 14 of an identity number are no day that somebody can have been born on.
    #[error("holder's resident identity card: digits 7 to 14 are no day of birth")]
    Birthday,
    /// A code that stands for none: zeros, one character repeated, or a word such as 无.
    #[error("holder's {}: a placeholder", .0.name())]
    Placeholder(HolderKind),
    /// A number in scientific notation: what a spreadsheet leaves of long digits, the same for many holders.
    #[error("holder's {}: a number in scientific notation", .0.name())]
    Scientific(HolderKind),
    /// A travel permit's number has another form.
    #[error("holder's {}: not in the form of such a permit's number", .0.name())]
    Permit(HolderKind),
    /// The check character, the last, doesn't fit the rest.
    #[error("holder's {}: check character doesn't fit, expected `{expected}`", kind.name())]
    Check {
        /// The kind.
        kind: HolderKind,
        /// The one that fits.
        expected: char,
    },
}

/// The one way to write a holder's code, so that the same holder always gives the same text: half-width, without white
/// space, ASCII letters in upper case, a travel permit without the number of its reissue. Codes that have a check
/// character (001 and 111) are checked, and so is the day of birth in an identity number. Placeholders are refused.
///
/// # Errors
/// [`HolderError`], by the rule that is broken; it doesn't repeat the code.
pub fn normalise(kind: HolderKind, code: &str) -> Result<String, HolderError> {
    if code.len() > MAX_HOLDER_BYTES {
        return Err(HolderError::TooLong);
    }
    let normal: String = code
        .chars()
        .map(text::half_width)
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let chars = normal.chars().count();
    match chars {
        0 => return Err(HolderError::Empty),
        1..=MAX_HOLDER_CHARS => {}
        _ => return Err(HolderError::TooLong),
    }
    match kind {
        HolderKind::CreditCode => check_credit_code(&normal, chars)?,
        HolderKind::IdentityCard => check_identity_number(&normal, chars)?,
        HolderKind::TaiwanPermit | HolderKind::HongKongMacauPermit => {
            return permit(kind, &normal);
        }
        _ => check_visible(kind, &normal)?,
    }
    if is_scientific(&normal) {
        return Err(HolderError::Scientific(kind));
    }
    if is_placeholder(kind, &normal) {
        return Err(HolderError::Placeholder(kind));
    }
    Ok(normal)
}

/// Whether a text in half-width capitals is a number in scientific notation, such as `9.90101E+17`: what spreadsheets make of long
/// digits. `12E5` may be a code: there is no point and no sign in it.
pub fn is_scientific(code: &str) -> bool {
    let Some((mantissa, exponent)) = code.split_once('E') else {
        return false;
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let signed = exponent.strip_prefix(['+', '-']);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = signed.unwrap_or(exponent);
    (1..=3).contains(&whole.len())
        && (1..=3).contains(&exponent.len())
        && [whole, fraction, exponent].into_iter().all(digits)
        && (signed.is_some() || !fraction.is_empty())
}

/// Words that tables have in place of a missing code.
const NO_CODE: [&str; 8] = ["无", "暂无", "没有", "不详", "未知", "NULL", "NONE", "N/A"];
/// From this many characters on, a digit or letter that is repeated throughout makes a placeholder.
const REPEATED: usize = 6;

/// Whether a code stands for none: everybody without one would be the same holder.
fn is_placeholder(kind: HolderKind, code: &str) -> bool {
    let mut chars = code.chars();
    let first = chars.next();
    let repeated = code.len() >= REPEATED && code.is_ascii() && chars.all(|c| Some(c) == first);
    // No division's code begins with 0.
    let no_division = kind == HolderKind::IdentityCard && first == Some('0');
    repeated
        || no_division
        || NO_CODE.contains(&code)
        || !code.contains(|c: char| c.is_alphanumeric())
}

/// A travel permit's number as it stays when the permit is issued again: H or M and 8 digits (516), or 8 digits (511).
/// The 2 digits of a reissue may follow, in brackets or after a hyphen, and the letter of the issuing office (511).
fn permit(kind: HolderKind, code: &str) -> Result<String, HolderError> {
    let code: String = code
        .chars()
        .filter(|c| !matches!(c, '(' | ')' | '-'))
        .collect();
    let wrong = HolderError::Permit(kind);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (letter, length) = match kind {
        HolderKind::HongKongMacauPermit => (true, 9),
        _ => (false, 8),
    };
    let (number, rest) = code.split_at_checked(length).ok_or(wrong)?;
    let digits = match letter {
        true => number.strip_prefix(['H', 'M']).ok_or(wrong)?,
        false => number,
    };
    let reissue = match rest.strip_suffix(|c: char| c.is_ascii_uppercase()) {
        Some(reissue) if !letter => reissue,
        _ => rest,
    };
    if !is_digits(digits) || !is_digits(reissue) || !matches!(reissue.len(), 0 | 2) {
        return Err(wrong);
    }
    if is_placeholder(kind, digits) {
        return Err(HolderError::Placeholder(kind));
    }
    Ok(number.to_owned())
}

/// Whether an identity number that was normalised begins with the code of a province, with 9 and one as the cards of
/// foreigners with permanent residence do, or with 99 as numbers made up for tests do. Such a division may still be none.
pub fn has_known_region(number: &str) -> bool {
    let digits = number.strip_prefix('9').unwrap_or(number);
    let province = digits.get(..2).and_then(|digits| digits.parse::<u8>().ok());
    number.starts_with("99")
        || matches!(
            province,
            Some(11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
        )
}

/// Whether a code that was normalised is of somebody who is not born on this day yet. Only identity numbers have a day of
/// birth.
pub fn is_born_after(kind: HolderKind, code: &str, day: Date) -> bool {
    kind == HolderKind::IdentityCard
        && birthday(code).is_some_and(|(year, month, birth)| {
            // Days before the first that a date can be are long past.
            Date::from_ymd(year.into(), month, birth).is_ok_and(|born| born > day)
        })
}

/// Year, month and day of birth in an identity number that was normalised.
fn birthday(number: &str) -> Option<(u16, u8, u8)> {
    let digits = number.get(6..14)?;
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse().ok();
    let year: u16 = digits.get(..4)?.parse().ok()?;
    Some((year, number(4..6)?, number(6..8)?))
}

/// Whether there is such a day, from 1800 to the last year that dates have.
fn is_birthday((year, month, day): (u16, u8, u8)) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1800..=2999).contains(&year) && (1..=last).contains(&day)
}

fn check_credit_code(code: &str, chars: usize) -> Result<(), HolderError> {
    let kind = HolderKind::CreditCode;
    match code.parse::<DepartmentCode>() {
        Ok(_) => Ok(()),
        Err(IdError::Check { expected, .. }) => Err(HolderError::Check { kind, expected }),
        Err(IdError::Character { position, .. }) => Err(HolderError::Character { kind, position }),
        Err(_) => Err(HolderError::Length { kind, found: chars }),
    }
}

fn check_identity_number(number: &str, chars: usize) -> Result<(), HolderError> {
    let kind = HolderKind::IdentityCard;
    if chars == 15 && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HolderError::OldIdentityNumber);
    }
    if chars != 18 {
        return Err(HolderError::Length { kind, found: chars });
    }
    let misplaced = number
        .chars()
        .enumerate()
        .position(|(i, c)| !(c.is_ascii_digit() || (i == 17 && c == 'X')));
    if let Some(i) = misplaced {
        let position = i + 1;
        return Err(HolderError::Character { kind, position });
    }
    // 18 characters, all ASCII by now.
    let (body, found) = number.split_at(17);
    match check::identity_number(body) {
        Some(expected) if found.chars().eq([expected]) => match birthday(number) {
            Some(day) if is_birthday(day) => Ok(()),
            _ => Err(HolderError::Birthday),
        },
        Some(expected) => Err(HolderError::Check { kind, expected }),
        None => Err(HolderError::Length { kind, found: chars }),
    }
}

/// Codes of other kinds follow no common rule, but one that looks the same must be the same: characters that can't be
/// seen are refused.
fn check_visible(kind: HolderKind, code: &str) -> Result<(), HolderError> {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c,
                '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E0FFF}')
    };
    match code.chars().position(invisible) {
        Some(i) => Err(HolderError::Character {
            kind,
            position: i + 1,
        }),
        None => Ok(()),
    }
}
