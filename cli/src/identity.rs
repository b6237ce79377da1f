//! A department's identity key: what people sign with, kept apart from the node.

use std::path::Path;

use certmesh_ledger::crypto::keys::{SecretFile, SigningKey};
use certmesh_ledger::crypto::secret_files;

use crate::Error;

/// Reads the key from its file.
pub(crate) fn read(path: &Path) -> Result<SigningKey, Error> {
    let text = secret_files::read(path)
        .map_err(|error| Error::malformed(path, "an identity key file", error.to_string()))?;
    let seed = SecretFile::Identity.read(text.expose());
    let seed =
        seed.map_err(|error| Error::malformed(path, "an identity key file", error.to_string()))?;
    Ok(SigningKey::from_seed(&seed))
}
