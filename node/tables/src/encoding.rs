//! Text in the encodings that tables come in, read as UTF-8.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use zeroize::Zeroizing;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;
/// Bytes that a detection looks at, where the input cannot be read twice.
pub(super) const GLANCE: usize = 1 << 20;

/// Fewest bytes of a table in UTF-16 that are zero, and of how many of its bytes one is at least.
const FEWEST_ZEROS: usize = 4;
const ONE_ZERO_IN: usize = 16;

/// A text's encoding. A byte order mark outweighs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    /// GB 18030, which contains GBK and GB 2312.
    Gb18030,
    Utf16Le,
    Utf16Be,
}

/// What a text's bytes say of its encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// By a byte order mark, or the zeros that every second byte of some text is.
    certain: Option<Encoding>,
    /// Characters of three bytes and more in well-formed UTF-8. Two characters of GB18030 look like one seldom, and few
    /// times in a row never.
    long: u64,
    /// Characters of two bytes in runs next to an ASCII letter, as in `Łódź`, or of which one is no Chinese character in
    /// GB18030.
    latin: u64,
    /// Other characters of two bytes, each of which is a Chinese character in GB18030.
    either: u64,
    /// Bytes that cannot stand there in UTF-8.
    misfits: u64,
}

impl Signs {
    /// The encoding: UTF-8 or GB18030, by what is found more often, characters of well-formed UTF-8 or bytes that cannot
    /// stand there in UTF-8. One damaged character does not turn a UTF-8 file into a GB18030 one, nor do the few pairs of
    /// bytes that are characters in both turn a GB18030 file into a UTF-8 one: letters such as Ī alone are in no Chinese
    /// table. ASCII is both. `None` if it can't be said.
    pub(super) fn encoding(&self) -> Option<Encoding> {
        match self {
            Signs {
                certain: Some(encoding),
                ..
            } => Some(*encoding),
            Signs { misfits, .. } if *misfits > self.long + self.latin => Some(Encoding::Gb18030),
            Signs { long: 1.., .. } | Signs { either: 0, .. } => Some(Encoding::Utf8),
            Signs { latin: 0, .. } => Some(Encoding::Gb18030),
            _ => None,
        }
    }

    /// The encoding, if the text can't well be in the one that is given.
    pub(super) fn contradict(&self, given: Encoding) -> Option<Encoding> {
        let found = self.encoding()?;
        let clear = match (given, found) {
            // The mark at the beginning decides.
            (_, Encoding::Utf16Le | Encoding::Utf16Be) => false,
            (Encoding::Gb18030, Encoding::Utf8) => self.long > 1 && self.misfits == 0,
            (Encoding::Utf8, Encoding::Gb18030) => self.misfits > 0,
            (Encoding::Utf16Le | Encoding::Utf16Be, _) => true,
            _ => false,
        };
        clear.then_some(found)
    }
}

impl Encoding {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Gb18030 => "GB18030",
            Encoding::Utf16Le | Encoding::Utf16Be => "UTF-16",
        }
    }

    /// What the bytes say.
    ///
    /// # Errors
    /// As the input's.
    pub(super) fn signs(mut input: impl Read) -> io::Result<Signs> {
        let mut block = vec![0; BLOCK];
        let mut held = 0;
        let mut signs = Signs::default();
        let mut first = true;
        loop {
            let found = read(&mut input, &mut block[held..])?;
            let end = held + found;
            held = 0;
            if std::mem::take(&mut first) {
                signs.certain = certain(&block[..end]);
                if signs.certain.is_some() {
                    return Ok(signs);
                }
            }
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
                    signs.count(valid);
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
                        signs.misfits += 1;
                        rest = &rest[length.unwrap_or(rest.len())..];
                    }
                }
            }
            if found == 0 {
                break;
            }
            block.copy_within(end - held..end, 0);
        }
        Ok(signs)
    }
}

impl Signs {
    fn count(&mut self, text: &str) {
        let leads = |range: std::ops::RangeInclusive<u8>| {
            text.bytes().filter(|byte| range.contains(byte)).count() as u64
        };
        self.long += leads(0xE0..=0xF7);
        if leads(0xC2..=0xDF) == 0 {
            return;
        }
        // In runs: a word of another script is one as a whole.
        let is_pair = |c: char| matches!(c, '\u{80}'..='\u{7FF}');
        let mut before = ' ';
        let mut rest = text;
        while let Some(start) = rest.find(is_pair) {
            before = rest[..start].chars().next_back().unwrap_or(before);
            let run = &rest[start..];
            let run = &run[..run.find(|c| !is_pair(c)).unwrap_or(run.len())];
            rest = &rest[start + run.len()..];
            let after = rest.chars().next().unwrap_or(' ');
            let length = (run.len() / 2) as u64;
            let (pairs, _) = run.as_bytes().as_chunks::<2>();
            let chinese = pairs
                .iter()
                .all(|[lead, trail]| *lead >= 0xB0 && *trail >= 0xA1);
            if !chinese || before.is_ascii_alphabetic() || after.is_ascii_alphabetic() {
                self.latin += length;
            } else if length > 1 || run >= "\u{C0}" {
                self.either += length;
            }
            // Signs such as · and ° stand alone in tables of either encoding.
        }
    }
}

/// The encoding by a byte order mark, or by the zeros of UTF-16: of ASCII, each second byte.
fn certain(start: &[u8]) -> Option<Encoding> {
    match start {
        [0xEF, 0xBB, 0xBF, ..] => return Some(Encoding::Utf8),
        [0xFF, 0xFE, ..] => return Some(Encoding::Utf16Le),
        [0xFE, 0xFF, ..] => return Some(Encoding::Utf16Be),
        _ => {}
    }
    let zeros = |odd: usize| {
        let bytes = start.iter().skip(odd).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    // A text of another encoding may hold a few as well, where it was damaged.
    let (even, odd) = (zeros(0), zeros(1));
    let zeros = even + odd;
    match zeros >= FEWEST_ZEROS && zeros * ONE_ZERO_IN >= start.len() {
        true if odd > 4 * even => Some(Encoding::Utf16Le),
        true if even > 4 * odd => Some(Encoding::Utf16Be),
        _ => None,
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
    /// Whether the decoder has handed out all; it must not be used again.
    finished: bool,
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
            Encoding::Utf16Le => UTF_16LE,
            Encoding::Utf16Be => UTF_16BE,
        };
        Self {
            input,
            // A byte order mark identifies UTF-8 and UTF-16, and is removed.
            decoder: encoding.new_decoder(),
            block: Zeroizing::new(vec![0; BLOCK]),
            left: 0..0,
            ended: false,
            finished: false,
            decoded: Zeroizing::new(vec![0; BLOCK]),
            text: 0..0,
            read: 0,
        }
    }

    /// The encoding's name, once anything is read.
    pub(super) fn encoding(&self) -> &'static str {
        match self.decoder.encoding() {
            encoding if encoding == GB18030 => Encoding::Gb18030.name(),
            encoding => encoding.name(),
        }
    }

    /// Bytes of the input read so far.
    pub(super) fn position(&self) -> u64 {
        self.read
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.text.is_empty() {
            if self.finished {
                return Ok(0);
            }
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
            self.finished = self.ended && result == CoderResult::InputEmpty;
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

    fn detect(bytes: &[u8]) -> Option<Encoding> {
        Encoding::signs(bytes).unwrap().encoding()
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
            assert_eq!(detect(&bytes[..]), Some(encoding));
        }
        // One character, cut by the end of a block.
        let cut = format!("{}王", "x".repeat(BLOCK - 1));
        assert_eq!(detect(cut.as_bytes()), Some(Encoding::Utf8));
        assert_eq!(detect(&gb(&cut)[..]), Some(Encoding::Gb18030));
        assert_eq!(detect(b"abc\xB4"), Some(Encoding::Gb18030));
    }

    #[test]
    fn characters_that_are_others_in_gb18030_do_not_make_a_table_utf_8() {
        for (bytes, encoding) in [
            (gb("no,name\n1,莫默\n2,牟木\n"), Some(Encoding::Gb18030)),
            (gb("no,name\n1,莫默\n2,张三\n"), Some(Encoding::Gb18030)),
            ("no,name\n1,José Łódź\n".into(), Some(Encoding::Utf8)),
            ("no,name\n1,Иван\n".into(), Some(Encoding::Utf8)),
            ("no,name\n1,5 ° 3\n".into(), Some(Encoding::Utf8)),
            ("no,name\n1,张 ĪĬ\n".into(), Some(Encoding::Utf8)),
            ("no,name\n1,José\n2,ĪĬ\n".into(), None),
        ] {
            assert_eq!(detect(&bytes), encoding, "{bytes:?}");
        }
    }

    #[test]
    fn utf_16_is_known_by_its_mark_or_its_zeros() {
        let text = "编号,姓名\r\n1,王五\r\n";
        let units = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        for (bytes, encoding) in [
            (units(u16::to_le_bytes), Encoding::Utf16Le),
            (units(u16::to_be_bytes), Encoding::Utf16Be),
        ] {
            assert_eq!(detect(&bytes), Some(encoding));
            assert_eq!(decoded(&bytes, encoding), text);
        }
        let marked = [&[0xFF, 0xFE][..], &units(u16::to_le_bytes)].concat();
        assert_eq!(detect(&marked), Some(Encoding::Utf16Le));
        assert_eq!(decoded(&marked, Encoding::Utf16Le), text);
    }

    #[test]
    fn a_few_zeros_make_no_text_utf_16() {
        let text = format!("编号,姓名\n1,王\0五\n{}", "2,张三\n".repeat(100));
        assert_eq!(detect(text.as_bytes()), Some(Encoding::Utf8));
        assert_eq!(detect(&gb(&text)), Some(Encoding::Gb18030));
    }

    #[test]
    fn a_text_that_was_cut_off_within_a_character_ends_there() {
        let wide: Vec<u8> = "编,1".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, encoding) in [
            (&wide[..wide.len() - 1], Encoding::Utf16Le),
            (&gb("编,三")[..4], Encoding::Gb18030),
            (&"编,三".as_bytes()[..6], Encoding::Utf8),
        ] {
            let mut reader = Utf8::new(bytes, encoding);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "编,\u{FFFD}", "{encoding:?}");
            // Whoever asks again learns the same.
            assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
        }
    }

    #[test]
    fn a_text_contradicts_another_encoding_only_when_it_is_clear() {
        let against = |bytes: &[u8], given| Encoding::signs(bytes).unwrap().contradict(given);
        let text = "编号,姓名\n";
        let found = against(text.as_bytes(), Encoding::Gb18030);
        assert_eq!(found, Some(Encoding::Utf8));
        assert_eq!(against(&gb(text), Encoding::Utf8), Some(Encoding::Gb18030));
        for (bytes, given) in [
            (text.into(), Encoding::Utf8),
            (gb(text), Encoding::Gb18030),
            (gb("莫默"), Encoding::Utf8),
            (b"ASCII".to_vec(), Encoding::Gb18030),
            ([text.as_bytes(), b"\xB4\n"].concat(), Encoding::Utf8),
        ] {
            assert_eq!(against(&bytes, given), None, "{bytes:?}");
        }
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
