//! Base45 (RFC 9285): bytes in the characters that a QR code packs closest.

/// Its characters, each at the place of its value.
const CHARACTERS: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// The text of bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(2) * 3);
    for pair in bytes.chunks(2) {
        let mut value = pair
            .iter()
            .fold(0, |value, byte| value * 256 + usize::from(*byte));
        for _ in 0..=pair.len() {
            text.push(char::from(CHARACTERS[value % 45]));
            value /= 45;
        }
    }
    text
}

/// The bytes of a text; `None` if it is not Base45.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u32>> = text
        .bytes()
        .map(|byte| {
            let place = CHARACTERS.iter().position(|one| *one == byte);
            place.and_then(|place| u32::try_from(place).ok())
        })
        .collect();
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2 + 1);
    for part in values?.chunks(3) {
        let value = part.iter().rev().fold(0, |value, one| value * 45 + one);
        match part.len() {
            3 => bytes.extend(u16::try_from(value).ok()?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read_and_written() {
        for (bytes, text) in [
            (&b"AB"[..], "BB8"),
            (b"Hello!!", "%69 VD92EX0"),
            (b"base-45", "UJCLQE7W581"),
            (b"ietf!", "QED8WEX0"),
            (b"", ""),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn what_no_bytes_are_written_as_is_not_read() {
        // Values that no two bytes, or no byte, have; a part of one character; a character of no place.
        for text in ["GGW", ":::", "::", "A", "bb8", "BB8 ", "证"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
