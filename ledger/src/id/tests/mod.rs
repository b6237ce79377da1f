//! Tests of the identifiers, a file a topic.

mod certificate;
mod codes;
mod date;
mod holder;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::check;

/// The value as it comes back from JSON, after a look at the JSON.
fn through_json<T: Serialize + DeserializeOwned>(value: &T, json: &str) -> T {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    serde_json::from_str(json).unwrap()
}

/// The value as it comes back from binary, and the bytes.
fn through_bincode<T: Serialize + DeserializeOwned>(value: &T) -> (T, Vec<u8>) {
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(value, config).unwrap();
    let (back, read) = bincode::serde::decode_from_slice(&bytes, config).unwrap();
    assert_eq!(read, bytes.len());
    (back, bytes)
}

/// The text with the character at `at` (of ASCII text) put in place of another.
fn with_char(text: &str, at: usize, c: char) -> String {
    format!("{}{c}{}", &text[..at], &text[at + 1..])
}

mod strategies {
    //! Well-formed codes, drawn at random.

    use proptest::prelude::*;

    use super::check;
    use crate::id::{DepartmentCode, IssuerCode, TypeCode};

    pub(super) fn department() -> impl Strategy<Value = DepartmentCode> {
        const CLASS: &str = "[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}";
        CLASS.prop_map(|body| {
            assert!(check::credit_code(&body).is_some());
            DepartmentCode::from_body(&body).unwrap()
        })
    }

    pub(super) fn type_code() -> impl Strategy<Value = TypeCode> {
        (department(), 0..1000_u16).prop_map(|(code, n)| TypeCode::new(&code, n).unwrap())
    }

    pub(super) fn issuer() -> impl Strategy<Value = IssuerCode> {
        prop_oneof![
            department().prop_map(IssuerCode::from),
            "[0-9]{6}".prop_map(|digits| digits.parse().unwrap()),
        ]
    }

    /// Mostly the characters a mistyped identifier would hold, at times any other.
    pub(super) fn any_character() -> impl Strategy<Value = char> {
        prop_oneof![8 => proptest::char::range('0', '9'), 8 => proptest::char::range('A', 'Z'),
            2 => proptest::char::range(' ', '~'), 1 => any::<char>()]
    }
}
