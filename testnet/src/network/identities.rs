//! The identity keys of a test network: in a directory of their own, apart from the departments' as from the nodes of real
//! ones. One passphrase opens all of them, and lies beside them: whoever plays all departments needs no secret from anybody.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::identity_file::IdentityFile;
use certmesh_ledger::crypto::passphrase::{Cost, Passphrase};
use certmesh_ledger::id::DepartmentCode;

use super::{Randomness, write_new};
use crate::Error;

const DIRECTORY: &str = "identities";

/// The file of a department's identity key.
pub(super) fn key_file(network: &Path, index: usize) -> PathBuf {
    let name = format!("{:02}.key", index + 1);
    network.join(DIRECTORY).join(name)
}

/// The file of the passphrase that opens all of them.
pub(super) fn passphrase_file(network: &Path) -> PathBuf {
    network.join(DIRECTORY).join("passphrase")
}

/// Where identity keys of a network are put.
pub(super) struct Identities<'n> {
    network: &'n Path,
    passphrase: Passphrase,
    randomness: Randomness,
}

impl<'n> Identities<'n> {
    /// Makes their directory and their passphrase.
    pub(super) fn make(network: &'n Path, randomness: Randomness) -> Result<Self, Error> {
        let place = network.join(DIRECTORY);
        let made = fs::DirBuilder::new().mode(0o700).create(&place);
        made.map_err(Error::file(&place))?;
        let secret = randomness.secret("passphrase")?;
        let text = zeroize::Zeroizing::new(hex::encode(&secret[..16]));
        let passphrase =
            Passphrase::new(&text).map_err(|error| Error::Broken(error.to_string()))?;
        write_new(&passphrase_file(network), text.as_bytes(), 0o600)?;
        Ok(Identities {
            network,
            passphrase,
            randomness,
        })
    }

    /// Writes the key of a department.
    pub(super) fn write(
        &self,
        index: usize,
        department: DepartmentCode,
        seed: &[u8; 32],
    ) -> Result<(), Error> {
        let broken = |error: String| Error::Broken(error);
        // The least that there is: with the passphrase beside the file there is nothing to gain by more, and a network may
        // have a thousand of them.
        let cost = Cost::new(8, 1, 1).map_err(|error| broken(error.to_string()))?;
        let random = |what: &str| self.randomness.secret(&format!("{index} identity {what}"));
        let (salt, nonce) = (random("salt")?, random("nonce")?);
        let salt = *salt.first_chunk().expect("16 of 32 bytes");
        let nonce = *nonce.first_chunk().expect("24 of 32 bytes");
        let file = IdentityFile::seal(department, seed, &self.passphrase, cost, salt, nonce);
        let file = file.map_err(|error| broken(error.to_string()))?;
        let path = key_file(self.network, index);
        write_new(&path, &file.to_bytes(), 0o600)
    }
}
