//! Files written once, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use certmesh_tables::FileError;
use zeroize::Zeroize;

use crate::Error;

/// Reads a small text file, without the byte order mark that some editors begin it with.
///
/// # Errors
/// [`FileError::Read`], and [`FileError::NotUtf8`].
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|error| Error::read(path, error))?;
    text_of(bytes, path)
}

/// The text of a file's bytes.
///
/// # Errors
/// [`FileError::NotUtf8`].
pub(crate) fn text_of(bytes: Vec<u8>, path: &Path) -> Result<String, Error> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        // It may be a token or a holder's code in another encoding.
        error.into_bytes().zeroize();
        FileError::NotUtf8(path.to_owned())
    })?;
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    Ok(text)
}

/// Whether others than its owner can read a file; `false` if it does not exist.
pub(crate) fn others_can_read(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its owner alone (0600): keys and tokens.
    Owner,
    /// Everyone (0644).
    Everyone,
}

impl Access {
    #[cfg(unix)]
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everyone => 0o644,
        }
    }
}

/// Writes a new file, durably; an existing one is never touched.
///
/// # Errors
/// [`FileError::Exists`] if there is one, [`FileError::Write`] otherwise.
pub(crate) fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::exists(path),
        _ => Error::write(path, error),
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Made with its final mode: at no moment is a key readable for others.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, access.mode());
    let mut file = options.open(path).map_err(failed)?;
    // The process's umask may have taken bits away that are meant to be there; it never adds any.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(access.mode()))
        .map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Writes a file beside its place and renames it there, so that a half-written one is never seen.
///
/// # Errors
/// [`FileError::Exists`] unless `replace`, [`FileError::Write`] otherwise.
pub(crate) fn write_whole(
    path: &Path,
    bytes: &[u8],
    replace: bool,
    access: Access,
) -> Result<(), Error> {
    let failed = |error: io::Error| Error::write(path, error);
    let mut file = tempfile::NamedTempFile::new_in(directory_of(path)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    #[cfg(unix)]
    file.as_file()
        .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(access.mode()))
        .map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let result = if replace {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match result {
        Ok(_) => sync_directory(&directory_of(path)),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::exists(path))
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// The directory a path is in.
pub(crate) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Creates a directory that only its owner may enter.
pub(crate) fn private_directory(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|error| Error::write(path, error))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| Error::write(path, error))
}
