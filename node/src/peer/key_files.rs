//! The keys of this node on disk: those that its configuration names, and beside each those that took its place since, or are
//! to take it (`signing.key.3`: by the department's third change of its own keys).

use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::keys::{KeyError, KeyRing, SecretFile, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::crypto::secret_files::{self, KeyFileError};
use certmesh_ledger::genesis::PeerId;
use certmesh_ledger::governance::OwnChange;
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
}

/// A secret in a file of its own.
pub(crate) fn secret(path: &Path, kind: SecretFile) -> Result<Zeroizing<[u8; 32]>, KeyFault> {
    let text = secret_files::read(path)?;
    kind.read(text.expose()).map_err(|error| KeyFault::Content {
        path: path.to_owned(),
        error,
    })
}

/// A secret and those that took its place since, or are to take it. One of those that can't be read is reported: only where it is
/// in force, nothing goes on without it.
///
/// # Errors
/// [`KeyFault`] of the first.
pub(crate) fn secrets(path: &Path, kind: SecretFile) -> Result<Vec<Zeroizing<[u8; 32]>>, KeyFault> {
    let mut secrets = vec![secret(path, kind)?];
    for file in secret_files::with_successors(path)?.iter().skip(1) {
        match secret(file, kind) {
            Ok(secret) => secrets.push(secret),
            Err(error) => {
                tracing::error!(%error, "a key that took the place of another, or is to take it, can't be read");
            }
        }
    }
    Ok(secrets)
}

/// The operating keys at hand.
pub(crate) fn operating_keys(signing: &Path) -> Result<Vec<SigningKey>, KeyFault> {
    let seeds = secrets(signing, SecretFile::Signing)?;
    let keys = seeds.iter().map(|seed| SigningKey::from_seed(seed));
    Ok(keys.collect())
}

/// The keys of this node that its department can change by itself.
pub(crate) struct KeyFiles {
    pub(crate) signing: PathBuf,
    pub(crate) transport: PathBuf,
    pub(crate) sealing: PathBuf,
    /// The operating keys that were read so far.
    pub(crate) ring: KeyRing,
}

impl KeyFiles {
    /// Takes up operating keys that were put beside those before.
    ///
    /// # Errors
    /// [`KeyFault`]; what was read before stays.
    pub(crate) fn read_again(&self) -> Result<(), KeyFault> {
        for key in operating_keys(&self.signing)? {
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
            let held = secrets(&self.transport, SecretFile::Transport)?;
            let mut held = held.iter().map(|seed| PeerId::from_transport_seed(seed));
            if held.all(|held| held != *id) {
                return Ok(place(&self.transport));
            }
        }
        if let Some(key) = change.sealing {
            let held = secrets(&self.sealing, SecretFile::Sealing)?;
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
        let files = KeyFiles {
            signing: place("signing.key"),
            transport: place("transport.key"),
            sealing: place("sealing.key"),
            ring: KeyRing::from(operating_keys(&place("signing.key")).unwrap()),
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
        let keys = operating_keys(&files.signing).unwrap();
        assert!(keys.iter().any(|key| key.public() == next));
        fs::set_permissions(&files.signing, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(files.read_again().is_err(), "the first has to be there");
    }
}
