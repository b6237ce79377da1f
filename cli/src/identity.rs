//! `certmesh identity`: keys that people sign with, kept apart from the node: a department's identity key, and recovery keys.

use std::fs;
use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::identity_file::{IdentityFile, KeyHolder};
use certmesh_ledger::crypto::keys::{PublicKey, SigningKey};
use certmesh_ledger::crypto::passphrase::{Cost, Passphrase};
use certmesh_ledger::crypto::secret_files;
use certmesh_tables::FileError;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) use place::{IdentityKey, KeyPlace, TokenText};

use crate::files::{Access, directory_of, sync_directory, write_new, write_whole};
#[cfg(feature = "pkcs11")]
use crate::pkcs11;
#[cfg(not(feature = "pkcs11"))]
use crate::pkcs11::Pkcs11Error;
use crate::screen::{Screen, Tone};
use crate::{Error, Outcome, passphrase};

mod place;

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh identity show transport-identity.key
  certmesh identity passphrase transport-identity.key
  certmesh identity new-recovery recovery-1.key";

const SHOW_EXAMPLES: &str = "\
Examples:
  certmesh identity show transport-identity.key
  certmesh identity show transport-identity.key --json
  certmesh identity show 'pkcs11:token=TRANSPORT;object=identity'";

const PASSPHRASE_EXAMPLES: &str = "\
Examples:
  certmesh identity passphrase transport-identity.key
  certmesh identity passphrase transport-identity.key --passphrase-file old.txt --new-passphrase-file new.txt";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Show(Show),
    Passphrase(Change),
    NewRecovery(NewRecovery),
}

/// Show whose identity key a file holds, or which key a PKCS#11 token has; neither passphrase nor PIN is needed
///
/// The file itself says so: whether it was changed shows when it is opened. A token doesn't know whose its keys are.
#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// The file of the identity key, or the `pkcs11:` URI of one in a token
    #[arg(value_name = "FILE|URI", value_parser = KeyPlace::parser())]
    key: KeyPlace,
}

/// Change the passphrase of an identity key
///
/// The file is replaced by one with the new passphrase. Copies of it that were made before still open with the old one: whoever
/// has such a copy and that passphrase has the key.
#[derive(Debug, Args)]
#[command(after_help = PASSPHRASE_EXAMPLES)]
pub(crate) struct Change {
    /// The file of the identity key
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    present: PassphraseFile,
    /// File with the new passphrase, one line, mode 0600 [default: asked for]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

const NEW_RECOVERY_EXAMPLES: &str = "\
Examples:
  certmesh identity new-recovery recovery-1.key
  certmesh identity new-recovery /media/safe/recovery-1.key --passphrase-file passphrase.txt --json";

/// Make a recovery key
///
/// Recovery keys end the governing of members that can't be reached any more, when so many of them are gone that nothing can be
/// decided (`certmesh govern recover`). The policy names them and says how many have to sign. Each goes to another person outside
/// the departments' daily work, and into a safe of its own.
#[derive(Debug, Args)]
#[command(after_help = NEW_RECOVERY_EXAMPLES)]
pub(crate) struct NewRecovery {
    /// Where to write it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseFile,
}

/// Where the passphrase of an identity key is.
#[derive(Debug, Args)]
pub(crate) struct PassphraseFile {
    /// File with the identity key's passphrase, or with its token's PIN, one line, mode 0600 [default: what is in
    /// CERTMESH_IDENTITY_PASSPHRASE, else asked for]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseFile {
    /// The passphrase of a key that is to be made there.
    pub(crate) fn of_new_key(&self, key: &Path, screen: &mut Screen) -> Result<Passphrase, Error> {
        passphrase::of_new_key(self.passphrase_file.as_deref(), key, screen)
    }

    fn present(&self, key: &Path, screen: &mut Screen) -> Result<Passphrase, Error> {
        passphrase::present(self.passphrase_file.as_deref(), key, screen)
    }
}

pub(crate) fn run(command: &Command, screen: &mut Screen) -> Result<Outcome, Error> {
    match command {
        Command::Show(args) => match &args.key {
            KeyPlace::File(path) => show(path, screen),
            KeyPlace::Token(text) => show_in_token(text, screen),
        },
        Command::Passphrase(args) => change(args, screen),
        Command::NewRecovery(args) => new_recovery(args, screen),
    }
}

/// Opens an identity key, in its file or in its token.
///
/// # Errors
/// What is wrong with the file, the token, the passphrase or the PIN.
pub(crate) fn open(
    place: &KeyPlace,
    passphrase: &PassphraseFile,
    screen: &mut Screen,
) -> Result<IdentityKey, Error> {
    match place {
        KeyPlace::File(path) => Ok(IdentityKey::File(open_file(path, passphrase, screen)?)),
        KeyPlace::Token(text) => open_in_token(text, passphrase, screen),
    }
}

/// Opens the file of an identity key.
///
/// # Errors
/// What is wrong with the file or the passphrase.
fn open_file(
    path: &Path,
    passphrase: &PassphraseFile,
    screen: &mut Screen,
) -> Result<SigningKey, Error> {
    let file = read(path)?;
    let passphrase = passphrase.present(path, screen)?;
    file.open(&passphrase)
        .map_err(|error| Error::identity_file(path, error))
}

#[cfg(feature = "pkcs11")]
fn open_in_token(
    text: &TokenText,
    pin: &PassphraseFile,
    screen: &mut Screen,
) -> Result<IdentityKey, Error> {
    let pin = |token: &str| passphrase::pin(pin.passphrase_file.as_deref(), token, screen);
    pkcs11::open(&text.uri()?, pin).map(IdentityKey::Token)
}

#[cfg(not(feature = "pkcs11"))]
fn open_in_token(
    text: &TokenText,
    _: &PassphraseFile,
    _: &mut Screen,
) -> Result<IdentityKey, Error> {
    text.uri()?;
    Err(Pkcs11Error::NotBuiltIn.into())
}

/// The public key of one in a token.
///
/// # Errors
/// What is wrong with the token, or what names the key.
#[cfg(feature = "pkcs11")]
pub(crate) fn public_in_token(text: &TokenText) -> Result<PublicKey, Error> {
    Ok(pkcs11::public(&text.uri()?)?)
}

/// The public key of one in a token.
///
/// # Errors
/// This program reaches none.
#[cfg(not(feature = "pkcs11"))]
pub(crate) fn public_in_token(text: &TokenText) -> Result<PublicKey, Error> {
    text.uri()?;
    Err(Pkcs11Error::NotBuiltIn.into())
}

/// Makes the file of a new key, durably; one that exists is never touched.
///
/// # Errors
/// Those of the file system, or without randomness or memory.
pub(crate) fn make(
    path: &Path,
    holder: impl Into<KeyHolder>,
    seed: &[u8; 32],
    passphrase: &Passphrase,
) -> Result<(), Error> {
    let (salt, nonce) = (random()?, random()?);
    let file = IdentityFile::seal(holder, seed, passphrase, Cost::USUAL, salt, nonce);
    let file = file.map_err(|error| Error::identity_file(path, error))?;
    let written = write_new(path, &file.to_bytes(), Access::Owner)
        .and_then(|()| sync_directory(&directory_of(path)));
    written.inspect_err(|error| {
        // What was written of it is of no use, and would stand in the way of the next attempt.
        if !matches!(error, Error::File(FileError::Exists(_))) {
            let _ = fs::remove_file(path);
        }
    })
}

fn read(path: &Path) -> Result<IdentityFile, Error> {
    let bytes = secret_files::read_bytes(path)?;
    IdentityFile::from_bytes(&bytes).map_err(|error| Error::identity_file(path, error))
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::Randomness)?;
    Ok(bytes)
}

fn as_json(path: &Path, file: &IdentityFile) -> Value {
    let cost = file.cost();
    let argon2id = json!({
        "memory_kib": cost.memory_kib(), "passes": cost.passes(), "lanes": cost.lanes(),
    });
    match file.holder() {
        KeyHolder::Department(department) => json!({
            "file": path, "department": department, "identity_key": file.public(), "argon2id": argon2id,
        }),
        KeyHolder::Recovery => json!({
            "file": path, "recovery_key": file.public(), "argon2id": argon2id,
        }),
    }
}

fn show(path: &Path, screen: &mut Screen) -> Result<Outcome, Error> {
    let file = read(path)?;
    if screen.json() {
        screen.print_json(&as_json(path, &file))?;
        return Ok(Outcome::Yes);
    }
    let cost = file.cost();
    match file.holder() {
        KeyHolder::Department(department) => {
            screen.field("department", department.as_str())?;
            screen.field("identity key", file.public().to_string())?;
        }
        KeyHolder::Recovery => screen.field("recovery key", file.public().to_string())?,
    }
    screen.field(
        "encryption",
        format!(
            "argon2id: memory {} KiB, passes {}, lanes {}",
            cost.memory_kib(),
            cost.passes(),
            cost.lanes()
        ),
    )?;
    Ok(Outcome::Yes)
}

fn show_in_token(text: &TokenText, screen: &mut Screen) -> Result<Outcome, Error> {
    let public = public_in_token(text)?;
    if screen.json() {
        let uri = text.uri()?.to_string();
        screen.print_json(&json!({ "uri": uri, "identity_key": public }))?;
        return Ok(Outcome::Yes);
    }
    screen.field("identity key", public.to_string())?;
    Ok(Outcome::Yes)
}

fn new_recovery(args: &NewRecovery, screen: &mut Screen) -> Result<Outcome, Error> {
    let path = &args.file;
    let passphrase = args.passphrase.of_new_key(path, screen)?;
    let seed = Zeroizing::new(random()?);
    make(path, KeyHolder::Recovery, &seed, &passphrase)?;
    let file = read(path)?;
    if screen.json() {
        screen.print_json(&as_json(path, &file))?;
        return Ok(Outcome::Yes);
    }
    let word = screen.paint(Tone::Good, "MADE");
    screen.line(format!("{word}  {}", path.display()))?;
    screen.field("recovery key", file.public().to_string())?;
    screen.line("")?;
    screen.line("Next:")?;
    screen.line("  - Founding a network: put it into the policy's `recovery` table (certmesh network create --policy).")?;
    screen.line(
        "  - In one that runs: certmesh govern propose policy --recovery-key KEY --recovery-need N",
    )?;
    Ok(Outcome::Yes)
}

fn change(args: &Change, screen: &mut Screen) -> Result<Outcome, Error> {
    let path = &args.file;
    let file = read(path)?;
    let present = args.present.present(path, screen)?;
    // Before anybody thinks of a new one.
    file.open(&present)
        .map_err(|error| Error::identity_file(path, error))?;
    let next = passphrase::next(args.new_passphrase_file.as_deref(), path, screen)?;
    if next == present {
        return Err(Error::Usage("the new passphrase is the present one"));
    }
    let changed = file.change(&present, &next, Cost::USUAL, random()?, random()?);
    let changed = changed.map_err(|error| Error::identity_file(path, error))?;
    // Renamed to where a symbolic link leads, not over the link.
    let place = path
        .canonicalize()
        .map_err(|error| Error::write(path, error))?;
    write_whole(&place, &changed.to_bytes(), true, Access::Owner)?;
    if screen.json() {
        screen.print_json(&as_json(path, &changed))?;
        return Ok(Outcome::Yes);
    }
    let done = screen.paint(Tone::Good, "DONE");
    screen.line(format!(
        "{done}  {} opens with the new passphrase; copies made before open with the old one",
        path.display()
    ))?;
    Ok(Outcome::Yes)
}
