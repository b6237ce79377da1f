//! Text in the encodings that tables come in, read as UTF-8.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, GB18030, UTF_8};
use zeroize::Zeroizing;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;
/// Bytes that a detection looks at, where the input cannot be read twice.
pub(super) const GLANCE: usize = 1 << 20;

/// A text's encoding. A byte order mark outweighs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    /// GB 18030, which contains GBK and GB 2312.
    Gb18030,
}

impl Encoding {
    /// UTF-8 or GB18030, by what is found more often: characters beyond ASCII in well-formed UTF-8, or bytes that cannot
    /// stand there in UTF-8. One damaged character does not turn a UTF-8 file into a GB18030 one, nor do the few pairs of
    /// bytes that are characters in both turn a GB18030 file into a UTF-8 one. ASCII is both.
    ///
    /// # Errors
    /// As the input's.
    pub(super) fn detect(mut input: impl Read) -> io::Result<Encoding> {
        let mut block = vec![0; BLOCK];
        let mut held = 0;
        let (mut fits, mut misfits) = (0_u64, 0_u64);
        loop {
            let found = read(&mut input, &mut block[held..])?;
            let end = held + found;
            held = 0;
            let mut rest = &block[..end];
            while !rest.is_empty() {
                let (valid, bad) = match std::str::from_utf8(rest) {
                    Ok(text) => (text, None),
                    Err(error) => {
                        let (valid, _) = rest.split_at(error.valid_up_to());
                        let valid = std::str::from_utf8(valid).unwrap_or_default();
                        (valid, Some(error.error_len()))
                    }
                };
                if !valid.is_ascii() {
                    fits += valid.chars().filter(|c| !c.is_ascii()).count() as u64;
                }
                rest = &rest[valid.len()..];
                match bad {
                    None => {}
                    // Cut by the block's end.
                    Some(None) if found > 0 => {
                        held = rest.len();
                        break;
                    }
                    Some(length) => {
                        misfits += 1;
                        rest = &rest[length.unwrap_or(rest.len())..];
                    }
                }
            }
            if found == 0 {
                break;
            }
            block.copy_within(end - held..end, 0);
        }
        Ok(if misfits > fits {
            Encoding::Gb18030
        } else {
            Encoding::Utf8
        })
    }
}

fn read(input: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads a text of any encoding as UTF-8. What is not valid in its encoding becomes U+FFFD.
pub(super) struct Utf8<R> {
    input: R,
    decoder: Decoder,
    block: Zeroizing<Vec<u8>>,
    /// What of the block is not decoded yet.
    left: std::ops::Range<usize>,
    ended: bool,
    decoded: Zeroizing<Vec<u8>>,
    /// What of the decoded text is not handed out yet.
    text: std::ops::Range<usize>,
    /// Bytes of the input read so far.
    read: u64,
}

impl<R: Read> Utf8<R> {
    pub(super) fn new(input: R, encoding: Encoding) -> Self {
        let encoding = match encoding {
            Encoding::Utf8 => UTF_8,
            Encoding::Gb18030 => GB18030,
        };
        Self {
            input,
            // A byte order mark identifies UTF-8 and UTF-16, and is removed.
            decoder: encoding.new_decoder(),
            block: Zeroizing::new(vec![0; BLOCK]),
            left: 0..0,
            ended: false,
            decoded: Zeroizing::new(vec![0; BLOCK]),
            text: 0..0,
            read: 0,
        }
    }

    /// The encoding's name, once anything is read.
    pub(super) fn encoding(&self) -> &'static str {
        self.decoder.encoding().name()
    }

    /// Bytes of the input read so far.
    pub(super) fn position(&self) -> u64 {
        self.read
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.text.is_empty() {
            if self.left.is_empty() && !self.ended {
                let length = read(&mut self.input, &mut self.block)?;
                self.read += length as u64;
                self.left = 0..length;
                self.ended = length == 0;
            }
            let bytes = &self.block[self.left.clone()];
            let (result, taken, written, _) =
                self.decoder
                    .decode_to_utf8(bytes, &mut self.decoded, self.ended);
            self.left.start += taken;
            self.text = 0..written;
            if written == 0 && self.ended && result == CoderResult::InputEmpty {
                return Ok(0);
            }
        }
        let length = self.text.len().min(out.len());
        let start = self.text.start;
        out[..length].copy_from_slice(&self.decoded[start..start + length]);
        self.text.start += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gb(text: &str) -> Vec<u8> {
        GB18030.encode(text).0.into_owned()
    }

    fn decoded(bytes: &[u8], encoding: Encoding) -> String {
        let mut text = String::new();
        let mut reader = std::io::BufReader::with_capacity(64, Utf8::new(bytes, encoding));
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        text
    }

    #[test]
    fn gb18030_and_utf_8_are_distinguished() {
        let text = "编号,姓名\n1,王五\n2,𠮷野 㐂\n";
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), Encoding::Utf8),
            (gb(text), Encoding::Gb18030),
            (b"only ASCII\n".to_vec(), Encoding::Utf8),
            (b"".to_vec(), Encoding::Utf8),
            ([text.as_bytes(), b"\xB4\n"].concat(), Encoding::Utf8),
            ("x".repeat(BLOCK - 1).into_bytes(), Encoding::Utf8),
        ] {
            assert_eq!(Encoding::detect(&bytes[..]).unwrap(), encoding);
        }
        // One character, cut by the end of a block.
        let cut = format!("{}王", "x".repeat(BLOCK - 1));
        assert_eq!(Encoding::detect(cut.as_bytes()).unwrap(), Encoding::Utf8);
        assert_eq!(Encoding::detect(&gb(&cut)[..]).unwrap(), Encoding::Gb18030);
        assert_eq!(
            Encoding::detect(&b"abc\xB4"[..]).unwrap(),
            Encoding::Gb18030
        );
    }

    #[test]
    fn text_comes_out_as_utf_8_and_damage_shows() {
        let text = "编号,姓名\n2,𠮷野 㐂\n".repeat(9_000);
        assert_eq!(decoded(&gb(&text), Encoding::Gb18030), text);
        assert_eq!(decoded(text.as_bytes(), Encoding::Utf8), text);
        let marked = format!("\u{FEFF}{text}");
        assert_eq!(decoded(marked.as_bytes(), Encoding::Gb18030), text);
        let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&wide, Encoding::Utf8), text);
        assert_eq!(
            decoded(b"a\xFF\nb\xB4", Encoding::Utf8),
            "a\u{FFFD}\nb\u{FFFD}"
        );
    }
}
