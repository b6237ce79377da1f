//! Files under a node, changed and copied behind its back.

use std::fs;
use std::path::{Path, PathBuf};

/// Flips the lowest bit of a byte.
pub(crate) fn flip(path: &Path, position: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(position).unwrap()] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Copies a directory with everything in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a directory.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}
