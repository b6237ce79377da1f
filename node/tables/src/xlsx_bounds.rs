//! What a spreadsheet would have held in memory as a whole, bounded before anything of it is.
//!
//! Rows are read one after the other, but the texts that cells share, the styles and the list of sheets are read whole; and
//! a few kilobytes of a ZIP file can inflate to any size.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use crate::error::{Error, TableFault};

/// Most bytes of all parts that are held, inflated. In memory they take about twice that.
const MOST: u64 = 128 << 20;
/// Ends of the names of the parts that are held.
const HELD: [&str; 4] = ["sharedstrings.xml", "styles.xml", "workbook.xml", ".rels"];
/// Memory is reserved for as many texts as this attribute says there are.
const COUNT: &[u8] = b"uniqueCount";
/// The shortest text, `<si/>`.
const SHORTEST: u64 = 5;
const BLOCK: usize = 1 << 16;
/// Bytes of a block that are looked at again with the next one: an attribute may lie across both.
const OVERLAP: usize = 64;

/// Checks that the parts that are held are within bounds.
///
/// # Errors
/// [`Error::Unfit`] when they are not, or the file is no ZIP file.
pub(super) fn check(file: &File, path: &Path) -> Result<(), Error> {
    check_up_to(file, path, MOST)
}

fn check_up_to(file: &File, path: &Path, most: u64) -> Result<(), Error> {
    let no_zip = |why: String| Error::unfit(path, TableFault::NoXlsx { why });
    let mut parts = ZipArchive::new(BufReader::new(file))
        .map_err(|_| Error::unfit(path, TableFault::Damaged))?;
    let held = |name: &str| HELD.iter().any(|end| name.to_lowercase().ends_with(end));
    let mut left = most;
    for place in 0..parts.len() {
        let part = parts.by_index(place);
        let part = part.map_err(|error| no_zip(error.to_string()))?;
        let name = part.name().map_err(|error| no_zip(error.to_string()))?;
        if !held(&name) {
            continue;
        }
        // What the file says its parts' sizes are is not to be trusted.
        let (length, texts) =
            measure(part.take(left + 1)).map_err(|error| no_zip(error.to_string()))?;
        if length > left {
            let limit = most >> 20;
            return Err(Error::unfit(path, TableFault::LongSharedTexts { limit }));
        }
        if texts > length / SHORTEST {
            let what = TableFault::TooManySharedTexts { texts, length };
            return Err(Error::unfit(path, what));
        }
        left -= length;
    }
    Ok(())
}

/// Length of a part, and the highest number that it gives as the count of its texts.
fn measure(mut part: impl Read) -> std::io::Result<(u64, u64)> {
    let mut block = vec![0; BLOCK];
    let (mut held, mut length, mut texts) = (0, 0, 0);
    loop {
        let found = part.read(&mut block[held..])?;
        length += found as u64;
        texts = texts.max(counted(&block[..held + found]));
        if found == 0 {
            return Ok((length, texts));
        }
        let end = held + found;
        held = end.min(OVERLAP);
        block.copy_within(end - held..end, 0);
    }
}

fn counted(block: &[u8]) -> u64 {
    let places = block.windows(COUNT.len()).enumerate();
    let places = places.filter(|(_, window)| *window == COUNT);
    let number = |(place, _): (usize, &[u8])| {
        let rest = &block[place + COUNT.len()..];
        let digits = rest
            .iter()
            .skip_while(|byte| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'"' | b'\''))
            .take_while(|byte| byte.is_ascii_digit());
        digits.fold(0_u64, |number, digit| {
            number.saturating_mul(10) + u64::from(digit - b'0')
        })
    };
    places.map(number).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn book(parts: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = ZipWriter::new(file.reopen().unwrap());
        for (name, bytes) in parts {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        file
    }

    fn refusal(parts: &[(&str, &[u8])]) -> String {
        let file = book(parts);
        check_up_to(file.as_file(), file.path(), 1 << 20)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_few_bytes_that_inflate_to_many_are_refused_and_rows_may_be_many() {
        let long = vec![b' '; (1 << 20) + 1];
        let text = refusal(&[("xl/SharedStrings.xml", &long)]);
        assert!(text.contains("longer than 1 MiB; save it as CSV"), "{text}");
        // All that is held together.
        let half = &long[..600_000];
        refusal(&[("xl/sharedStrings.xml", half), ("xl/styles.xml", half)]);
        let file = book(&[
            ("xl/worksheets/sheet1.xml", &long),
            ("xl/sharedStrings.xml", half),
        ]);
        check_up_to(file.as_file(), file.path(), 1 << 20).unwrap();
    }

    #[test]
    fn a_count_of_texts_that_cannot_be_is_refused_wherever_it_stands() {
        let count = b"<sst uniqueCount='99999999999999'>";
        for before in [0, BLOCK - 8, BLOCK - 20, 3 * BLOCK - 15] {
            let part = [&vec![b' '; before][..], count].concat();
            let text = refusal(&[("xl/sharedStrings.xml", &part)]);
            assert!(text.contains("99999999999999 texts"), "{before}: {text}");
        }
        let sound = b"<sst uniqueCount=\"2\"><si><t>a</t></si><si/></sst>";
        let file = book(&[("xl/sharedStrings.xml", sound)]);
        check(file.as_file(), file.path()).unwrap();
    }

    #[test]
    fn what_is_no_zip_file_is_no_spreadsheet() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"a,b\n1,2\n").unwrap();
        let text = check(file.as_file(), file.path()).unwrap_err().to_string();
        assert!(text.contains("damaged or not there as a whole"), "{text}");
    }
}
