//! The keys of this node on disk: those that its configuration names, and beside each those that took its place since, or are
//! to take it (`signing.key.3`: by the department's third change of its own keys).

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use certmesh_ledger::crypto::keys::{KeyError, KeyRing, SecretFile, SigningKey};
use certmesh_ledger::crypto::passphrase::{MOST_PASSPHRASE_BYTES, Passphrase, PassphraseError};
use certmesh_ledger::crypto::sealed_keys::{Derivation, KeySealer, SealedKeyError, derivation};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::crypto::secret_files::{self, KeyFileError};
use certmesh_ledger::genesis::PeerId;
use certmesh_ledger::governance::OwnChange;
use parking_lot::Mutex;
use zeroize::Zeroizing;

/// Why a key can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFault {
    /// Its file can't.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// It holds something else.
    #[error("{path}: {error}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyError,
    },
    /// It is encrypted, and there is no passphrase.
    #[error(
        "{path}: it is encrypted, and no passphrase is given: name its file as keys.passphrase_file, or have the service manager \
         give it as the credential {CREDENTIAL}", path = .path.display()
    )]
    NoPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// It is encrypted, and can't be opened.
    #[error("{path}: {error}", path = .path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: SealedKeyError,
    },
    /// What should hold the passphrase doesn't.
    #[error("{path}: {error}", path = .path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: PassphraseError,
    },
}

/// The credential of a service manager that holds the passphrase of the key files.
const CREDENTIAL: &str = "certmesh-keys";

/// Reads key files, also those that are encrypted.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyReader {
    sealer: Option<KeySealer>,
    /// How the key follows from the passphrase that one of them was encrypted under.
    sealed: Arc<Mutex<Option<Derivation>>>,
}

/// What a credential holds. The service manager keeps others from its directory, and may let the node read it by an access control
/// list, which shows as a mode that other secret files must not have.
fn credential_text(path: &Path) -> io::Result<Zeroizing<String>> {
    // Longer than any passphrase with its line end.
    let most = MOST_PASSPHRASE_BYTES + 2;
    let mut text = Zeroizing::new(String::with_capacity(most + 1));
    let file = File::open(path)?;
    file.take(most as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

impl KeyReader {
    /// With the passphrase in a file, else in the credential that a service manager gave.
    ///
    /// # Errors
    /// [`KeyFault`] if what is there is no passphrase.
    pub(crate) fn new(passphrase_file: Option<&Path>) -> Result<KeyReader, KeyFault> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
        let credential = credentials.map(|dir| Path::new(&dir).join(CREDENTIAL));
        let credential = credential.filter(|path| path.exists());
        let (path, passphrase) = match (passphrase_file, credential) {
            (Some(path), _) => {
                let text = secret_files::read(path)?;
                (path.to_owned(), Passphrase::of_file(text.expose()))
            }
            (None, Some(path)) => {
                let text = credential_text(&path);
                let text = text.map_err(|source| KeyFileError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
                let passphrase = Passphrase::of_file(&text);
                (path, passphrase)
            }
            (None, None) => return Ok(KeyReader::default()),
        };
        let passphrase = passphrase.map_err(|error| KeyFault::Passphrase { path, error })?;
        Ok(KeyReader {
            sealer: Some(KeySealer::new(passphrase)),
            sealed: Arc::default(),
        })
    }

    /// A secret in a file of its own.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub(crate) fn one(
        &self,
        path: &Path,
        kind: SecretFile,
    ) -> Result<Zeroizing<[u8; 32]>, KeyFault> {
        let text = secret_files::read(path)?;
        let path = || path.to_owned();
        if !kind.is_sealed(text.expose()) {
            let secret = kind.read(text.expose());
            return secret.map_err(|error| KeyFault::Content {
                path: path(),
                error,
            });
        }
        let sealer = self.sealer.as_ref();
        let sealer = sealer.ok_or_else(|| KeyFault::NoPassphrase { path: path() })?;
        let secret = sealer.open(kind, text.expose());
        let secret = secret.map_err(|error| KeyFault::Sealed {
            path: path(),
            error,
        })?;
        if let Ok(how) = derivation(kind, text.expose()) {
            *self.sealed.lock() = Some(how);
        }
        Ok(secret)
    }

    /// What a new file of this node is to hold: the secret encrypted, where a key that was read is.
    ///
    /// # Errors
    /// [`SealedKeyError`], or that the system has no random bytes.
    pub(crate) fn written(
        &self,
        kind: SecretFile,
        secret: &[u8; 32],
    ) -> Result<Zeroizing<String>, Box<dyn Error + Send + Sync>> {
        let how = *self.sealed.lock();
        let (Some(sealer), Some(how)) = (&self.sealer, how) else {
            return Ok(kind.write(secret));
        };
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce)?;
        Ok(sealer.seal(kind, secret, how, nonce)?.into())
    }

    /// A secret and those that took its place since, or are to take it. One of those that can't be read is reported: only where it
    /// is in force, nothing goes on without it.
    ///
    /// # Errors
    /// [`KeyFault`] of the first.
    pub(crate) fn all(
        &self,
        path: &Path,
        kind: SecretFile,
    ) -> Result<Vec<Zeroizing<[u8; 32]>>, KeyFault> {
        let mut secrets = vec![self.one(path, kind)?];
        for file in secret_files::with_successors(path)?.iter().skip(1) {
            match self.one(file, kind) {
                Ok(secret) => secrets.push(secret),
                Err(error) => {
                    tracing::error!(%error, "a key that took the place of another, or is to take it, can't be read");
                }
            }
        }
        Ok(secrets)
    }

    /// The operating keys at hand.
    ///
    /// # Errors
    /// [`KeyFault`] of the first.
    pub(crate) fn operating(&self, signing: &Path) -> Result<Vec<SigningKey>, KeyFault> {
        let seeds = self.all(signing, SecretFile::Signing)?;
        let keys = seeds.iter().map(|seed| SigningKey::from_seed(seed));
        Ok(keys.collect())
    }
}

/// The keys of this node that its department can change by itself.
pub(crate) struct KeyFiles {
    pub(crate) signing: PathBuf,
    pub(crate) transport: PathBuf,
    pub(crate) sealing: PathBuf,
    /// Reads them.
    pub(crate) reader: KeyReader,
    /// The operating keys that were read so far.
    pub(crate) ring: KeyRing,
}

impl KeyFiles {
    /// Takes up operating keys that were put beside those before.
    ///
    /// # Errors
    /// [`KeyFault`]; what was read before stays.
    pub(crate) fn read_again(&self) -> Result<(), KeyFault> {
        for key in self.reader.operating(&self.signing)? {
            self.ring.add(key);
        }
        Ok(())
    }

    /// The file in which a new key of a change has to be, and is not: once the change is final the node could not go on.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub(crate) fn lacks(&self, change: &OwnChange) -> Result<Option<PathBuf>, KeyFault> {
        let place = |path: &Path| Some(secret_files::successor(path, change.number));
        if let Some(key) = change.operating {
            self.read_again()?;
            if self.ring.find(&key).is_none() {
                return Ok(place(&self.signing));
            }
        }
        if let Some(id) = &change.transport {
            let held = self.reader.all(&self.transport, SecretFile::Transport)?;
            let mut held = held.iter().map(|seed| PeerId::from_transport_seed(seed));
            if held.all(|held| held != *id) {
                return Ok(place(&self.transport));
            }
        }
        if let Some(key) = change.sealing {
            let held = self.reader.all(&self.sealing, SecretFile::Sealing)?;
            let mut held = held
                .iter()
                .map(|seed| SealingSecret::from_seed(seed).public());
            if held.all(|held| held != key) {
                return Ok(place(&self.sealing));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::peer::testing::OWN;

    fn write(path: &Path, kind: SecretFile, n: u8) {
        fs::write(path, kind.write(&[n; 32]).as_bytes()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_change_is_ready_once_each_of_its_new_keys_is_beside_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let kinds = [
            ("signing.key", SecretFile::Signing),
            ("transport.key", SecretFile::Transport),
            ("sealing.key", SecretFile::Sealing),
        ];
        for (name, kind) in kinds {
            write(&place(name), kind, 1);
        }
        let reader = KeyReader::default();
        let files = KeyFiles {
            signing: place("signing.key"),
            transport: place("transport.key"),
            sealing: place("sealing.key"),
            ring: KeyRing::from(reader.operating(&place("signing.key")).unwrap()),
            reader: reader.clone(),
        };
        let next = SigningKey::from_seed(&[2; 32]).public();
        let change = OwnChange {
            department: OWN.parse().unwrap(),
            number: 3,
            operating: Some(next),
            transport: Some(PeerId::from_transport_seed(&[2; 32])),
            sealing: Some(SealingSecret::from_seed(&[2; 32]).public()),
            lost: None,
        };
        for (name, kind) in kinds {
            let missing = place(&format!("{name}.3"));
            assert_eq!(files.lacks(&change).unwrap(), Some(missing.clone()));
            // Neither another key nor another file's name is it.
            write(&place(&format!("{name}.03")), kind, 2);
            write(&place(&format!("{name}.2")), kind, 3);
            assert_eq!(files.lacks(&change).unwrap(), Some(missing.clone()));
            write(&missing, kind, 2);
        }
        assert_eq!(files.lacks(&change).unwrap(), None);
        assert!(
            files.ring.find(&next).is_some(),
            "ready before it is in force"
        );
        // One that can't be read keeps the others from nothing.
        fs::set_permissions(place("signing.key.2"), fs::Permissions::from_mode(0o644)).unwrap();
        let keys = reader.operating(&files.signing).unwrap();
        assert!(keys.iter().any(|key| key.public() == next));
        fs::set_permissions(&files.signing, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(files.read_again().is_err(), "the first has to be there");
    }
}
