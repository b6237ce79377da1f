//! Files that hold a secret: keys and tokens.
//!
//! A secret file is refused unless only its owner can read it (mode 0600 or 0400) and it is a regular file. What is read
//! is wiped from memory when dropped and never shown by `Debug`.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest secret file that is read, in bytes: room for a chain of PEM blocks.
pub const MAX_BYTES: u64 = 64 * 1024;

/// Why a secret file isn't accepted. No variant holds any of its content.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It can't be opened or read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("{}: not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or write it, or it may be executed.
    #[error("{path}: mode is {mode:04o}, others could read it; run: chmod 600 '{path}'", path = path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is longer than any secret.
    #[error("{}: longer than {MAX_BYTES} bytes, so it can't be a key or token file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Its content isn't UTF-8.
    #[error("{}: not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// The text of a secret file; wiped when dropped.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The text, for as short a time as it is needed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// Reads a secret file.
///
/// # Errors
/// [`KeyFileError`]; for a wrong mode its message has the command that corrects it.
pub fn read(path: &Path) -> Result<SecretText, KeyFileError> {
    let bytes = read_bytes(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(SecretText(Zeroizing::new(text.to_owned()))),
        Err(_) => Err(KeyFileError::NotText {
            path: path.to_owned(),
        }),
    }
}

/// Reads a secret file that need not be text.
///
/// # Errors
/// As for [`read`].
pub fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let (file, metadata) = open(path)?;
    // Sized beforehand, so that the buffer never grows and leaves a copy behind.
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(KeyFileError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// Writes a new secret file durably, for its owner alone: afterwards all of it is there, after a crash as well, or nothing. A
/// file that is there already is never touched.
///
/// # Errors
/// What the system says; [`io::ErrorKind::AlreadyExists`] if there is one.
pub fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // Left by a crash; nobody was told that it is there.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        // The umask may have taken bits away; it never adds any.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, this refuses a file that is there.
        std::fs::hard_link(&new, path)
    };
    let written = write();
    let removed = std::fs::remove_file(&new);
    written?;
    removed?;
    File::open(dir)?.sync_all()
}

/// Writes a secret file beside another, under its name and the least number that is free: `catalogue.key.1`, beside
/// `catalogue.key`. Returns which.
///
/// # Errors
/// What the system says.
pub fn write_next(path: &Path, text: &str) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let place = successor(path, number);
        match write_new(&place, text) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            written => return written.map(|()| place),
        }
    }
}

/// The file of the key that takes the place of another by a department's own change of this number: `signing.key.3`, beside
/// `signing.key`.
pub fn successor(path: &Path, change: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{change}"));
    PathBuf::from(name)
}

/// A key file and those that took its place since, or are to take it, in the order of their numbers. Files of other names beside
/// it are none of them.
///
/// # Errors
/// When the directory can't be read.
pub fn with_successors(path: &Path) -> Result<Vec<PathBuf>, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let change = (|| {
            let name = name.to_str()?.strip_prefix(path.file_name()?.to_str()?)?;
            name.strip_prefix('.')?.parse::<u64>().ok()
        })();
        numbers.extend(change.filter(|change| successor(path, *change).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    let successors = numbers.into_iter().map(|change| successor(path, change));
    Ok(std::iter::once(path.to_owned()).chain(successors).collect())
}

/// Whether [`read`] would accept the file's kind, mode and length; its content isn't read.
///
/// # Errors
/// [`KeyFileError`], as for [`read`].
pub fn check(path: &Path) -> Result<(), KeyFileError> {
    open(path).map(drop)
}

/// Opens first and asks the open file afterwards, so that what was checked is what is read.
fn open(path: &Path) -> Result<(File, Metadata), KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotRegular {
            path: path.to_owned(),
        });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode != 0o600 && mode != 0o400 {
        return Err(KeyFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    if metadata.len() > MAX_BYTES {
        return Err(KeyFileError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok((file, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file_with_mode(dir: &Path, mode: u32) -> PathBuf {
        let path = dir.join(format!("key-{mode:o}"));
        fs::write(&path, "certmesh-test-key:0011").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn only_files_that_nobody_else_can_read_are_accepted() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o400] {
            let text = read(&file_with_mode(dir.path(), mode)).unwrap();
            assert_eq!(text.expose(), "certmesh-test-key:0011");
        }
        for mode in [0o644, 0o640, 0o604, 0o660, 0o700, 0o666, 0o4600] {
            let path = file_with_mode(dir.path(), mode);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::Mode { mode: found, .. } if found == mode));
            let command = format!("run: chmod 600 '{}'", path.display());
            assert!(error.to_string().contains(&command), "{error}");
            assert!(matches!(check(&path), Err(KeyFileError::Mode { .. })));
        }
    }

    #[test]
    fn directories_pipes_and_missing_files_are_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            read(dir.path()),
            Err(KeyFileError::NotRegular { .. })
        ));
        let missing = read(&dir.path().join("none")).unwrap_err();
        assert!(matches!(missing, KeyFileError::Unreadable { .. }));
        let pipe = dir.path().join("pipe");
        let owner = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, owner, 0).unwrap();
        assert!(matches!(read(&pipe), Err(KeyFileError::NotRegular { .. })));
    }

    #[test]
    fn oversized_and_binary_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = file_with_mode(dir.path(), 0o600);
        fs::write(&path, vec![b'a'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::TooLong { .. })));
        fs::write(&path, [0xFF, 0xFE]).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::NotText { .. })));
        assert_eq!(**read_bytes(&path).unwrap(), [0xFF, 0xFE]);
    }

    #[test]
    fn a_written_file_is_its_owners_alone_and_takes_no_others_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        // A crash left half of one.
        fs::write(dir.path().join("some.key.new"), "certmesh-te").unwrap();
        write_new(&path, "certmesh-test-key:0011\n").unwrap();
        assert_eq!(read(&path).unwrap().expose(), "certmesh-test-key:0011\n");
        let error = write_new(&path, "certmesh-test-key:0022\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap().expose(), "certmesh-test-key:0011\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_new(&dir.path().join("none/some.key"), "x").is_err());
    }

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let text = read(&file_with_mode(dir.path(), 0o600)).unwrap();
        assert!(!format!("{text:?}").contains("0011"));
    }
}
