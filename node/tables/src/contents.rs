//! What a file is by its first bytes, whatever its name says.

use std::io::{self, Read};

use crate::encoding::{Encoding, Signs};
use crate::error::TableFault;

/// Bytes that are looked at.
pub(super) const START: usize = 1 << 12;
const BLOCK: usize = 1 << 16;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    Text,
    /// A ZIP archive, as an XLSX is one.
    Zip,
    /// The container of old spreadsheets, and of encrypted new ones.
    Ole,
    Markup,
    Other,
}

/// Beginnings of files that are no tables.
const OTHERS: [&[u8]; 9] = [
    b"%PDF",
    b"\x89PNG",
    b"\xFF\xD8\xFF",
    b"GIF8",
    b"\x1F\x8B",
    b"7z\xBC\xAF\x27\x1C",
    b"Rar!",
    b"{\\rtf",
    b"SQLite format 3",
];
/// Fewest bytes of a file's beginning that are zero where it is no text, and of how many of them one is at least. A text
/// may hold a few where it was damaged: its rows are rejected.
const FEWEST_ZEROS: usize = 4;
const ONE_ZERO_IN: usize = 64;
const OLE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
/// Name of the part of an OLE container that holds an encrypted XLSX.
const ENCRYPTED: &str = "EncryptedPackage";

impl Contents {
    /// What begins so; of a text, `signs` say what its encoding is.
    pub(super) fn of(start: &[u8], signs: Signs) -> Contents {
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return Contents::Zip;
        }
        if start.starts_with(OLE) {
            return Contents::Ole;
        }
        if OTHERS.iter().any(|other| start.starts_with(other)) {
            return Contents::Other;
        }
        let wide = matches!(
            signs.encoding(),
            Some(Encoding::Utf16Le | Encoding::Utf16Be)
        );
        let zeros = start.iter().filter(|byte| **byte == 0).count();
        if zeros >= FEWEST_ZEROS && zeros * ONE_ZERO_IN >= start.len() && !wide {
            return Contents::Other;
        }
        let mut shown = start
            .iter()
            .filter(|byte| **byte != 0 && byte.is_ascii() && !byte.is_ascii_whitespace());
        let begins = [shown.next(), shown.next()].map(|byte| byte.copied().unwrap_or_default());
        match begins {
            [b'<', next] if next.is_ascii_alphabetic() || matches!(next, b'!' | b'?') => {
                Contents::Markup
            }
            _ if start.starts_with(b"MIME-Version:") => Contents::Markup,
            _ => Contents::Text,
        }
    }
}

/// What is wrong with an OLE container: it is encrypted, or of an old format.
///
/// # Errors
/// As the input's.
pub(super) fn ole(mut input: impl Read) -> io::Result<TableFault> {
    let name: Vec<u8> = ENCRYPTED
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut block = vec![0; BLOCK];
    let mut held = 0;
    loop {
        let found = match input.read(&mut block[held..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            found => found?,
        };
        let end = held + found;
        if block[..end].windows(name.len()).any(|part| part == name) {
            return Ok(TableFault::Password);
        }
        if found == 0 {
            return Ok(TableFault::OldFormat);
        }
        // The name may lie across two blocks.
        held = end.min(name.len());
        block.copy_within(end - held..end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(start: &[u8]) -> Contents {
        Contents::of(start, Encoding::signs(start).unwrap())
    }

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        for (start, contents) in [
            (&b"PK\x03\x04\x14\0\0\0"[..], Contents::Zip),
            (OLE, Contents::Ole),
            (b"<html><table>", Contents::Markup),
            (b"\xEF\xBB\xBF\r\n <?xml version", Contents::Markup),
            (b"MIME-Version: 1.0", Contents::Markup),
            (b"%PDF-1.7", Contents::Other),
            (b"a,b\0\0\0\x01\0c", Contents::Other),
            (b"", Contents::Text),
            (b"a,b\n1,2\n", Contents::Text),
            (b"<5,b\n", Contents::Text),
            (b"a\0,\0b\0\n\0", Contents::Text),
            (b"a,b\n1,\x002\n", Contents::Text),
        ] {
            assert_eq!(of(start), contents, "{start:?}");
        }
    }

    #[test]
    fn an_encrypted_spreadsheet_is_not_taken_for_an_old_one() {
        let name: Vec<u8> = ENCRYPTED
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for before in [0, 600, BLOCK - 8, 2 * BLOCK - 40] {
            let file = [OLE, &vec![1; before], &name, &[0; 90]].concat();
            assert_eq!(ole(&file[..]).unwrap(), TableFault::Password, "{before}");
        }
        let old = [OLE, &vec![0; 3 * BLOCK]].concat();
        assert_eq!(ole(&old[..]).unwrap(), TableFault::OldFormat);
    }
}
