//! Files of people's decisions, as text that survives mail: what they are, then hexadecimal digits.

use std::path::Path;

use crate::Error;
use crate::files::read_text;

/// What is to be signed.
pub(crate) const UNSIGNED: &str = "certmesh-unsigned-v1";
/// What was signed.
pub(crate) const SIGNED: &str = "certmesh-signed-v1";
/// How a department introduces itself.
pub(crate) const INTRODUCTION: &str = "certmesh-introduction-v1";

/// Another identity key of a department, to be put in the place of its present one.
pub(crate) const RENEWAL: &str = "certmesh-renewal-v1";

/// The text of a file.
pub(crate) fn seal(kind: &str, content: &[u8]) -> String {
    let mut text = format!("{kind}\n");
    for line in content.chunks(32) {
        text.push_str(&hex::encode(line));
        text.push('\n');
    }
    text
}

/// What a file of a kind holds, of this many bytes at most.
pub(crate) fn open(kind: &'static str, path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let text = read_text(path)?;
    let malformed = |detail: &str| Error::malformed(path, kind, detail.to_owned());
    let (found, digits) = text.split_once('\n').unwrap_or((&text, ""));
    if found.trim() != kind {
        return Err(malformed("its first line says that it is something else"));
    }
    let digits: String = digits.split_whitespace().collect();
    if digits.len() / 2 > limit {
        return Err(malformed("it is too long"));
    }
    hex::decode(&digits)
        .map_err(|_| malformed("it was cut off, or has other characters than hexadecimal digits"))
}
