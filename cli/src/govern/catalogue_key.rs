//! The key that a proposal would bring into force as the network's catalogue key.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::keys::{CatalogueCommitment, CatalogueKey, Secret, SecretFile};
use certmesh_ledger::crypto::secret_files;
use certmesh_ledger::governance::{ReplaceCatalogueKey, State};
use zeroize::Zeroizing;

use crate::Error;
use crate::department::has_sealed_keys;
use crate::screen::Screen;

/// A key that was made for a proposal, in a file of its own in the node's directory.
pub(super) struct Made {
    /// What would replace the present key by it.
    pub(super) replace: ReplaceCatalogueKey,
    file: PathBuf,
    /// Whether the node's other keys are encrypted.
    is_beside_sealed: bool,
}

/// Makes a new key and writes it durably into the node's directory. Never one that is in a file there: the node fetches the keys of
/// others' proposals as well, and one of those may be known to whom this proposal is to shut out.
pub(super) fn make(dir: &Path, state: &State) -> Result<Made, Error> {
    let keys = dir.join("keys");
    let path = keys.join("catalogue.key");
    if !path.exists() {
        return Err(Error::govern(format!(
            "{}: there is no such key; give the directory of this department's node with --dir",
            path.display()
        )));
    }
    let is_beside_sealed = has_sealed_keys(&keys)?;
    let (file, after) = new(&path)?;
    Ok(Made {
        replace: ReplaceCatalogueKey {
            before: state.catalogue_key(),
            after,
        },
        file,
        is_beside_sealed,
    })
}

fn new(path: &Path) -> Result<(PathBuf, CatalogueCommitment), Error> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(Error::Randomness)?;
    let text = SecretFile::Catalogue.write(&secret);
    // Durable before anybody can decide on it: nobody else has it until somebody is to approve it.
    let written = secret_files::write_next(path, &text);
    let file = written.map_err(|source| Error::govern(format!("{}: {source}", path.display())))?;
    Ok((file, CatalogueKey(Secret::from_bytes(*secret)).commitment()))
}

impl Made {
    /// Says where the key is once something may come of the proposal; where nothing can, removes its file.
    pub(super) fn settle<T>(self, proposed: &Result<T, Error>, screen: &mut Screen) {
        let file = self.file.display();
        match proposed {
            Ok(_) if self.is_beside_sealed => screen.note(&format!(
                "{file}: the new catalogue key is not encrypted, as this node's other keys are: run `certmesh department seal-keys`"
            )),
            Ok(_) => {}
            Err(error) if may_be_taken_up(error) => screen.note(&format!(
                "{file}: the new catalogue key was left there, since the node may have taken the proposal up: see `certmesh govern \
                 list`, and remove the file if it is not there"
            )),
            Err(_) => {
                if let Err(error) = self.remove() {
                    screen.note(&format!(
                        "{file}: nothing came of the proposal, and its key could not be removed: {error}"
                    ));
                }
            }
        }
    }

    fn remove(&self) -> std::io::Result<()> {
        fs::remove_file(&self.file)?;
        let dir = self.file.parent().unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    }
}

/// Whether the node may have taken up what was handed to it, though it did not say so.
fn may_be_taken_up(error: &Error) -> bool {
    match error {
        Error::NoAnswer { .. } | Error::BadAnswer { .. } => true,
        error => error.problem().is_some_and(|problem| problem.status >= 500),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn settled(path: &Path, proposed: &Result<(), Error>) -> PathBuf {
        let (file, after) = new(path).unwrap();
        let made = Made {
            replace: ReplaceCatalogueKey {
                before: after,
                after,
            },
            file: file.clone(),
            is_beside_sealed: false,
        };
        let nothing = || Box::new(io::empty());
        let mut screen = Screen::over(nothing(), nothing(), nothing());
        made.settle(proposed, &mut screen);
        file
    }

    #[test]
    fn each_proposal_has_a_key_of_its_own_which_stays_just_if_something_may_come_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalogue.key");
        // As one that the node fetched of somebody else's proposal.
        let fetched = dir.path().join("catalogue.key.1");
        let text = SecretFile::Catalogue.write(&[1; 32]);
        secret_files::write_new(&fetched, &text).unwrap();
        let (first, one) = new(&path).unwrap();
        let (second, two) = new(&path).unwrap();
        assert!(first != fetched && second != fetched && one != two);

        assert!(settled(&path, &Ok(())).exists());
        let declined = Error::govern("nothing was signed".to_owned());
        assert!(!settled(&path, &Err(declined)).exists());
        let unclear = Error::BadAnswer {
            url: "http://localhost".to_owned(),
            status: 200,
            detail: "a test".to_owned(),
        };
        assert!(settled(&path, &Err(unclear)).exists());
        assert_eq!(*fs::read_to_string(&fetched).unwrap(), **text);
    }
}
