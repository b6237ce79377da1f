//! What every identifier does alike: be read as text of bounded length, be shown, and be serialised as its text.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{self, Visitor};

use super::error::{Characters, Excerpt, IdError, Part};

/// Longest text any strict parser looks at, in bytes.
pub const MAX_BYTES: usize = 128;

/// The text as exactly `N` bytes. A text that has `N` characters, not all of them ASCII, comes back as the character
/// error it is rather than as a puzzling length error.
#[inline]
pub(super) fn exactly<const N: usize>(
    text: &str,
    part: Part,
    characters: Characters,
) -> Result<&[u8; N], IdError> {
    if let Ok(bytes) = text.as_bytes().try_into() {
        return Ok(bytes);
    }
    Err(not_exactly(N, text, part, characters))
}

#[cold]
fn not_exactly(wanted: usize, text: &str, part: Part, characters: Characters) -> IdError {
    let scanned = bounded(text, part).and_then(|()| match text.chars().count() {
        found if found == wanted => only(text, part, |_, _| Ok(()), characters),
        _ => Ok(()),
    });
    scanned
        .err()
        .unwrap_or_else(|| IdError::length(part, text, wanted, wanted))
}

/// Refuses a text above [`MAX_BYTES`].
#[inline]
pub(super) fn bounded(text: &str, part: Part) -> Result<(), IdError> {
    if text.len() > MAX_BYTES {
        return Err(IdError::TooLong {
            part,
            found: text.len(),
            limit: MAX_BYTES,
        });
    }
    Ok(())
}

/// Names the first character that isn't ASCII or that `allowed` refuses. `allowed` gets the place, from 0, and the
/// byte, and answers with what is expected there; `expected` is what a character not ASCII is held against.
#[cold]
pub(super) fn only(
    text: &str,
    part: Part,
    allowed: impl Fn(usize, u8) -> Result<(), Characters>,
    expected: Characters,
) -> Result<(), IdError> {
    for (i, found) in text.chars().enumerate() {
        let verdict = match u8::try_from(found) {
            Ok(byte) if byte.is_ascii() => allowed(i, byte),
            _ => Err(expected),
        };
        if let Err(expected) = verdict {
            return Err(IdError::Character {
                part,
                text: Excerpt::of(part, text),
                position: i + 1,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// The value of three ASCII digits.
pub(super) fn three_digits([a, b, c]: [u8; 3]) -> u16 {
    [a, b, c]
        .iter()
        .fold(0, |n, digit| n * 10 + u16::from(digit - b'0'))
}

/// `number` as three ASCII digits, if it has no more.
pub(super) fn digits_of(number: u16) -> Option<[u8; 3]> {
    let digit = |n: u16| b'0' + (n % 10) as u8;
    (number <= 999).then(|| [digit(number / 100), digit(number / 10), digit(number)])
}

/// A full-width letter, digit, sign or space (U+FF01–U+FF5E, U+3000) as its ASCII counterpart; others unchanged.
pub fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        // The full-width block mirrors ASCII 0x21–0x7E in order.
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(u32::from(c) - 0xFF01 + 0x21).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        c => c,
    }
}

/// Reads a `T` from its text, as all identifiers are serialised.
pub(super) fn deserialize<'de, D, T>(
    deserializer: D,
    expecting: &'static str,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_str(TextVisitor {
        expecting,
        target: PhantomData,
    })
}

struct TextVisitor<T> {
    expecting: &'static str,
    target: PhantomData<T>,
}

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<T, E> {
        self.visit_str(text)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// `Display`, `Debug`, `Serialize` and `Deserialize` for a type with `as_str` and a strict `FromStr`.
macro_rules! text_traits {
    ($name:ident, $expecting:literal) => {
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                $crate::id::text::deserialize(deserializer, $expecting)
            }
        }
    };
}
pub(super) use text_traits;
