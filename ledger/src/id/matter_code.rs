//! Codes of matters.

use std::str::FromStr;

use thiserror::Error;

use super::text::text_traits;

/// A department's own code for a matter (事项编码) or for a part of one: 1 to 64 ASCII letters, digits, `-`, `_` and `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatterCode(String);

impl MatterCode {
    /// Most characters.
    pub const MAX: usize = 64;

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that can't be a matter's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "matter code: expected 1 to {} letters, digits, `-`, `_` or `.`",
    MatterCode::MAX
)]
pub struct MatterCodeError;

impl FromStr for MatterCode {
    type Err = MatterCodeError;

    fn from_str(text: &str) -> Result<Self, MatterCodeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if (1..=Self::MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MatterCodeError)
        }
    }
}

text_traits!(MatterCode, "a matter's code");
