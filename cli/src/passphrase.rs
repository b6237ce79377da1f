//! Where passphrases of keys come from: a file, the environment, or the person at the terminal. Never from an
//! argument, which other processes see.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use certmesh_ledger::crypto::passphrase::{LEAST_PASSPHRASE_CHARS, Passphrase, PassphraseError};
use certmesh_ledger::crypto::secret_files;
use zeroize::Zeroizing;

use crate::Error;
#[cfg(feature = "pkcs11")]
use crate::pkcs11::Pkcs11Error;
use crate::screen::Screen;

/// The variable of the environment that holds one.
const VARIABLE: &str = "CERTMESH_IDENTITY_PASSPHRASE";

/// The passphrase of a key that exists.
///
/// # Errors
/// [`Error::Passphrase`] for what can't be one; [`Error::NoPassphrase`] if there is none, and nobody to ask.
pub(crate) fn present(
    file: Option<&Path>,
    key: &Path,
    screen: &mut Screen,
) -> Result<Passphrase, Error> {
    if let Some(given) = given(file)? {
        return Ok(given);
    }
    asked(
        &format!("Passphrase of {}:", key.display()),
        PRESENT,
        screen,
    )
}

/// The PIN of a token, which its maker's library judges.
///
/// # Errors
/// As for [`present`].
#[cfg(feature = "pkcs11")]
pub(crate) fn pin(
    file: Option<&Path>,
    token: &str,
    screen: &mut Screen,
) -> Result<Zeroizing<String>, Error> {
    let (from, text) = match (file, std::env::var_os(VARIABLE)) {
        (Some(path), _) => {
            let text = secret_files::read(path).map_err(Error::Secret)?;
            let line = text.expose();
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = line.strip_suffix('\r').unwrap_or(line);
            (path.display().to_string(), Zeroizing::new(line.to_owned()))
        }
        (None, Some(value)) => {
            let value = Zeroizing::new(value.into_encoded_bytes());
            let text = std::str::from_utf8(&value);
            let text = text.map_err(|_| Error::passphrase(VARIABLE, PassphraseError::NotText))?;
            (VARIABLE.to_owned(), Zeroizing::new(text.to_owned()))
        }
        (None, None) => {
            if !screen.can_ask() {
                return Err(Error::NoPassphrase(PRESENT));
            }
            let answer = screen.ask_hidden(&format!("PIN of token {token}:"))?;
            ("at the terminal".to_owned(), answer.unwrap_or_default())
        }
    };
    let what = match &**text {
        "" => "the PIN is empty",
        // Some libraries end a PIN there, and count the attempt.
        pin if pin.contains(['\0', '\n', '\r']) => "the PIN has a line end in it, or a zero byte",
        _ => return Ok(text),
    };
    Err(Pkcs11Error::NotAPin { from, what }.into())
}

/// The passphrase of a key that is made: asked for twice.
///
/// # Errors
/// As for [`present`], and [`Error::Usage`] if the two differ.
pub(crate) fn of_new_key(
    file: Option<&Path>,
    key: &Path,
    screen: &mut Screen,
) -> Result<Passphrase, Error> {
    match given(file)? {
        Some(given) => Ok(given),
        None => chosen(key, PRESENT, screen),
    }
}

/// The passphrase that takes the place of another: the environment has that one, if any.
///
/// # Errors
/// As for [`of_new_key`].
pub(crate) fn next(
    file: Option<&Path>,
    key: &Path,
    screen: &mut Screen,
) -> Result<Passphrase, Error> {
    match file {
        Some(file) => of_file(file),
        None => chosen(key, "give --new-passphrase-file", screen),
    }
}

/// The passphrase of a node's key files: asked for twice if they have none yet. What the environment has is that of the identity
/// key, which must not be the same.
///
/// # Errors
/// As for [`of_new_key`].
pub(crate) fn of_node_keys(
    file: Option<&Path>,
    otherwise: &'static str,
    dir: &Path,
    is_new: bool,
    screen: &mut Screen,
) -> Result<Passphrase, Error> {
    let keys = dir.join("keys");
    match file {
        Some(file) => of_file(file),
        None if is_new => chosen(&keys, otherwise, screen),
        None => asked(
            &format!("Passphrase of {}:", keys.display()),
            otherwise,
            screen,
        ),
    }
}

const PRESENT: &str = "give --passphrase-file, or set CERTMESH_IDENTITY_PASSPHRASE";

fn given(file: Option<&Path>) -> Result<Option<Passphrase>, Error> {
    match file {
        Some(file) => of_file(file).map(Some),
        None => std::env::var_os(VARIABLE).map(of_variable).transpose(),
    }
}

fn of_file(path: &Path) -> Result<Passphrase, Error> {
    let text = secret_files::read(path).map_err(Error::Secret)?;
    let passphrase = Passphrase::of_file(text.expose());
    passphrase.map_err(|error| Error::passphrase(path.display().to_string(), error))
}

fn of_variable(value: OsString) -> Result<Passphrase, Error> {
    let value = Zeroizing::new(value.into_encoded_bytes());
    let text = std::str::from_utf8(&value).map_err(|_| PassphraseError::NotText);
    let passphrase = text.and_then(Passphrase::new);
    passphrase.map_err(|error| Error::passphrase(VARIABLE, error))
}

fn chosen(key: &Path, otherwise: &'static str, screen: &mut Screen) -> Result<Passphrase, Error> {
    let question = format!(
        "New passphrase of {}, of at least {LEAST_PASSPHRASE_CHARS} characters:",
        key.display()
    );
    let first = asked(&question, otherwise, screen)?;
    let second = asked("The same again:", otherwise, screen)?;
    match first == second {
        true => Ok(first),
        false => Err(Error::Usage(
            "the two passphrases differ; nothing was written",
        )),
    }
}

fn asked(
    question: &str,
    otherwise: &'static str,
    screen: &mut Screen,
) -> Result<Passphrase, Error> {
    if !screen.can_ask() {
        return Err(Error::NoPassphrase(otherwise));
    }
    let passphrase = match screen.ask_hidden(question) {
        Ok(answer) => Passphrase::new(&answer.unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(PassphraseError::NotText),
        Err(error) => return Err(error.into()),
    };
    passphrase.map_err(|error| Error::passphrase("at the terminal", error))
}
