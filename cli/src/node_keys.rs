//! Key files that are added in a node's directory: written as those beside them are, plain or encrypted under the same passphrase.

use std::path::Path;

use certmesh_ledger::crypto::keys::SecretFile;
use certmesh_ledger::crypto::passphrase::Passphrase;
use certmesh_ledger::crypto::sealed_keys::{Derivation, KeySealer, derivation};
use certmesh_ledger::crypto::secret_files;
use zeroize::Zeroizing;

use crate::Error;

/// How key files of a node are written.
pub(crate) enum KeyFiles {
    /// As they are.
    Plain,
    /// Encrypted, under a key that follows so from the passphrase.
    Sealed(KeySealer, Derivation),
}

impl KeyFiles {
    /// As a file that is there is; the passphrase is asked for if that is encrypted.
    ///
    /// # Errors
    /// Those of reading the file, and [`Error::Malformed`] if the passphrase does not open it: the node could not open what is
    /// written either.
    pub(crate) fn like(
        path: &Path,
        kind: SecretFile,
        passphrase: impl FnOnce() -> Result<Passphrase, Error>,
    ) -> Result<KeyFiles, Error> {
        let text = secret_files::read(path)?;
        if !kind.is_sealed(text.expose()) {
            return Ok(KeyFiles::Plain);
        }
        let malformed = |error: &dyn ToString| malformed(path, error);
        let how = derivation(kind, text.expose()).map_err(|error| malformed(&error))?;
        let sealer = KeySealer::new(passphrase()?);
        let opened = sealer.open(kind, text.expose());
        opened.map_err(|error| malformed(&error))?;
        Ok(KeyFiles::Sealed(sealer, how))
    }

    /// The secret in a file, which may be encrypted or not.
    ///
    /// # Errors
    /// Those of reading the file, and [`Error::Malformed`].
    pub(crate) fn read(&self, path: &Path, kind: SecretFile) -> Result<Zeroizing<[u8; 32]>, Error> {
        let text = secret_files::read(path)?;
        match self {
            KeyFiles::Sealed(sealer, _) if kind.is_sealed(text.expose()) => {
                let opened = sealer.open(kind, text.expose());
                opened.map_err(|error| malformed(path, &error))
            }
            _ => kind
                .read(text.expose())
                .map_err(|error| malformed(path, &error)),
        }
    }

    /// What the file of a secret holds.
    ///
    /// # Errors
    /// [`Error::Randomness`], and [`Error::Govern`] if there is too little memory to encrypt it.
    pub(crate) fn text(
        &self,
        kind: SecretFile,
        secret: &[u8; 32],
    ) -> Result<Zeroizing<String>, Error> {
        let KeyFiles::Sealed(sealer, how) = self else {
            return Ok(kind.write(secret));
        };
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(Error::Randomness)?;
        let sealed = sealer.seal(kind, secret, *how, nonce);
        let sealed = sealed.map_err(|error| Error::govern(error.to_string()))?;
        Ok(sealed.into())
    }
}

fn malformed(path: &Path, error: &dyn ToString) -> Error {
    Error::malformed(path, "a key file that this opens", error.to_string())
}
