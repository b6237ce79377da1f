//! The key that a proposal would bring into force as the network's catalogue key.

use std::path::Path;

use certmesh_ledger::crypto::keys::{CatalogueCommitment, CatalogueKey, Secret, SecretFile};
use certmesh_ledger::crypto::secret_files;
use certmesh_ledger::governance::{ReplaceCatalogueKey, State};
use zeroize::Zeroizing;

use crate::Error;

/// What replaces the present key by one that is in the node's directory: made and written durably, unless an attempt before did that
/// and it never came into force.
pub(super) fn replace(dir: &Path, state: &State) -> Result<ReplaceCatalogueKey, Error> {
    let path = dir.join("keys/catalogue.key");
    if !path.exists() {
        return Err(Error::govern(format!(
            "{}: there is no such key; give the directory of this department's node with --dir",
            path.display()
        )));
    }
    let is_known = |commitment: &CatalogueCommitment| {
        let mut known = state.catalogue_keys().iter();
        known.any(|(_, known)| known == commitment)
    };
    let after = match unused(&path, is_known)? {
        Some(after) => after,
        None => new(&path)?,
    };
    Ok(ReplaceCatalogueKey {
        before: state.catalogue_key(),
        after,
    })
}

/// A key beside the genesis's that was never in force. One that is encrypted is left alone.
fn unused(
    path: &Path,
    is_known: impl Fn(&CatalogueCommitment) -> bool,
) -> Result<Option<CatalogueCommitment>, Error> {
    for file in secret_files::with_successors(path)?.iter().skip(1) {
        let text = secret_files::read(file)?;
        if SecretFile::Catalogue.is_sealed(text.expose()) {
            continue;
        }
        let secret = SecretFile::Catalogue.read(text.expose());
        let secret =
            secret.map_err(|error| Error::malformed(file, "a key file", error.to_string()))?;
        let commitment = commitment(&secret);
        if !is_known(&commitment) {
            return Ok(Some(commitment));
        }
    }
    Ok(None)
}

fn new(path: &Path) -> Result<CatalogueCommitment, Error> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(Error::Randomness)?;
    let text = SecretFile::Catalogue.write(&secret);
    // Durable before anybody can decide on it: nobody else has it until it is in force.
    let written = secret_files::write_next(path, &text);
    written.map_err(|source| Error::govern(format!("{}: {source}", path.display())))?;
    Ok(commitment(&secret))
}

fn commitment(secret: &[u8; 32]) -> CatalogueCommitment {
    CatalogueKey(Secret::from_bytes(*secret)).commitment()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_never_came_into_force_is_proposed_again_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalogue.key");
        let none = |_: &CatalogueCommitment| false;
        secret_files::write_new(&path, &SecretFile::Catalogue.write(&[1; 32])).unwrap();
        assert_eq!(unused(&path, none).unwrap(), None);
        let first = new(&path).unwrap();
        assert_eq!(unused(&path, none).unwrap(), Some(first));
        assert_eq!(unused(&path, |known| *known == first).unwrap(), None);
        let second = new(&path).unwrap();
        assert_ne!(first, second);
        assert_eq!(
            unused(&path, |known| *known == first).unwrap(),
            Some(second)
        );
    }
}
