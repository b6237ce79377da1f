//! The catalogue keys that this node holds, and what it asks under them.
//!
//! Nothing is asked of a holder while one of the chain's keys lacks: "no certificate" would only mean "none under the keys held
//! here". Nothing is issued either: a tag under a key that was replaced is what replacing it is to prevent. All else goes on, and
//! [`fetching`] gets the key.

pub(crate) mod fetching;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use certmesh_ledger::crypto::catalogue_keys::{CatalogueKeys, HeldCatalogueKeys};
use certmesh_ledger::crypto::keys::{CatalogueCommitment, CatalogueKey, Secret, SecretFile};
use certmesh_ledger::crypto::secret_files;
use certmesh_ledger::governance::{Action, Item};
use certmesh_ledger::id::{Date, HolderKind};
use certmesh_ledger::record::{BlindedSubject, SubjectTag};
use certmesh_text::governance::short;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::key_files::{KeyFault, KeyReader};
use super::warnings::Warning;
use super::{Peer, Refusal};

/// The catalogue keys of this node, on disk and at hand.
///
/// `catalogue.key` is that of the genesis. The others stand beside it, as `catalogue.key.<n>` in whatever order they came: which is
/// which, the chain's commitments say.
pub(crate) struct CatalogueKeyFiles {
    path: PathBuf,
    reader: KeyReader,
    held: RwLock<HeldCatalogueKeys>,
    /// Those of proposals that somebody here is about to approve, and until when.
    proposed: Mutex<Vec<(CatalogueCommitment, Instant)>>,
    /// The chain commits to another key than before, or one of a proposal is wanted.
    pub(crate) changed: Notify,
}

/// The keys that are in files: that of `catalogue.key` if there is one, and those beside it; and why one of these can't be read: it
/// lacks then.
///
/// # Errors
/// [`KeyFault`] of `catalogue.key`.
pub(crate) fn read(
    reader: &KeyReader,
    path: &Path,
) -> Result<(Vec<CatalogueKey>, Option<KeyFault>), KeyFault> {
    let one = |path: &Path| {
        let secret = reader.one(path, SecretFile::Catalogue)?;
        Ok::<_, KeyFault>(CatalogueKey(Secret::from_bytes(*secret)))
    };
    let (mut keys, mut fault) = (Vec::new(), None);
    for file in secret_files::with_successors(path)? {
        match one(&file) {
            Ok(key) => keys.push(key),
            Err(_) if file == path && !is_there(path) => {}
            Err(error) if file == path => return Err(error),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    Ok((keys, fault))
}

/// Whether there is anything of this name, usable or not.
pub(crate) fn is_there(path: &Path) -> bool {
    !std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

impl CatalogueKeyFiles {
    /// The keys that were read from the files of this name.
    pub(crate) fn new(path: PathBuf, reader: KeyReader, keys: Vec<CatalogueKey>) -> Self {
        CatalogueKeyFiles {
            path,
            reader,
            held: RwLock::new(keys.into_iter().collect()),
            proposed: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Whether a key is at hand, in force or not.
    fn holds(&self, commitment: &CatalogueCommitment) -> bool {
        self.held.read().find(commitment).is_some()
    }

    /// Takes up keys that were put there since.
    ///
    /// # Errors
    /// [`KeyFault`], of one that can't be read; what can be is taken up, and what was read before stays.
    fn read_again(&self) -> Result<(), KeyFault> {
        let (keys, fault) = read(&self.reader, &self.path)?;
        let mut held = self.held.write();
        for key in keys {
            held.add(key);
        }
        fault.map_or(Ok(()), Err)
    }

    /// Keeps a key that came from another member: durably, and only then is it used. A crash before that leaves nothing that
    /// counts, and the key is asked for again.
    fn keep(&self, key: CatalogueKey, is_first: bool) -> io::Result<PathBuf> {
        let text = SecretFile::Catalogue.write(key.0.expose());
        let path = match is_first {
            true => secret_files::write_new(&self.path, &text).map(|()| self.path.clone()),
            false => secret_files::write_next(&self.path, &text),
        }?;
        self.held.write().add(key);
        Ok(path)
    }
}

/// Whom something is asked or recorded about, under each catalogue key.
#[derive(Clone)]
pub(crate) struct Subject {
    keys: CatalogueKeys,
    tags: Vec<SubjectTag>,
    present: SubjectTag,
}

impl Subject {
    /// A holder whose code has been normalised.
    pub(crate) fn new(keys: CatalogueKeys, kind: HolderKind, code: &str) -> Subject {
        Subject {
            tags: keys.subject_tags(kind, code),
            present: keys.present().subject_tag(kind, code),
            keys,
        }
    }

    /// The tags that the holder's certificates may have.
    pub(crate) fn tags(&self) -> &[SubjectTag] {
        &self.tags
    }

    /// All keys, under which receipts may name the holder.
    pub(crate) fn keys(&self) -> &CatalogueKeys {
        &self.keys
    }

    /// The tag under the genesis's key, which stays the same for good. Nothing but secrets of this node may be made of it.
    pub(crate) fn lasting(&self) -> &SubjectTag {
        &self.tags[0]
    }

    /// The holder as a record of this day names it.
    pub(crate) fn blinded(&self, day: Date) -> BlindedSubject {
        self.keys.present().blind(&self.present, day)
    }
}

impl Peer {
    /// All catalogue keys of the chain as it is held here.
    ///
    /// # Errors
    /// [`Refusal::CatalogueKeyMissing`].
    pub(crate) fn catalogue_keys(&self) -> Result<CatalogueKeys, Refusal> {
        let chain = self.catalogue_commitments();
        let held = self.catalogue_keys.held.read();
        let all = held.all(chain.iter().map(|(_, commitment)| *commitment));
        all.map_err(|missing| {
            let since = chain.iter().find(|(_, commitment)| *commitment == missing);
            Refusal::CatalogueKeyMissing {
                key: short(&missing.to_string()),
                since: since.map_or(0, |(since, _)| *since),
            }
        })
    }

    /// A holder whose code has been normalised.
    ///
    /// # Errors
    /// As for [`Peer::catalogue_keys`].
    pub(crate) fn subject(&self, kind: HolderKind, code: &str) -> Result<Subject, Refusal> {
        Ok(Subject::new(self.catalogue_keys()?, kind, code))
    }

    /// What the keys have to fit, and since which height each is in force.
    fn catalogue_commitments(&self) -> Vec<(u64, CatalogueCommitment)> {
        let history = self.catalogue.members().history();
        history.state().catalogue_keys().to_vec()
    }

    /// The commitments of the chain that no key held here fits.
    pub(crate) fn lacking_catalogue_keys(&self) -> Vec<CatalogueCommitment> {
        let chain = self.catalogue_commitments();
        let held = self.catalogue_keys.held.read();
        held.lacks(chain.into_iter().map(|(_, commitment)| commitment))
    }

    /// The warning that a key lacks.
    pub(crate) fn catalogue_key_warning(&self) -> Option<Warning> {
        let why = self.catalogue_keys().err()?;
        Some(Warning::CatalogueKey(why))
    }

    /// Takes up keys that somebody has put there.
    ///
    /// # Errors
    /// Why one that is there is not used.
    fn read_catalogue_keys(&self) -> Result<(), String> {
        let files = &self.catalogue_keys;
        files.read_again().map_err(|error| error.to_string())?;
        let first = self.catalogue.members().genesis().catalogue_key();
        match files.holds(&first) || !is_there(&files.path) {
            true => Ok(()),
            false => Err(format!(
                "{}: not this network's key: move it away, and the other members are asked for the right one",
                files.path.display()
            )),
        }
    }

    /// A key that other members may have, if it is held here: one that is in force, or was, or is proposed to those who decide.
    pub(crate) fn shared_catalogue_key(
        &self,
        commitment: &CatalogueCommitment,
    ) -> Option<CatalogueKey> {
        let chain = self.catalogue_commitments();
        let is_of_chain = chain.iter().any(|(_, known)| known == commitment);
        let is_shared = is_of_chain || self.is_proposed(commitment);
        let held = self.catalogue_keys.held.read();
        is_shared.then(|| held.find(commitment).cloned())?
    }

    /// Whether a proposal that waits here would bring a key into force.
    fn is_proposed(&self, commitment: &CatalogueCommitment) -> bool {
        let replaces = |action: &Action| match action {
            Action::ReplaceCatalogueKey(replace) => replace.after == *commitment,
            _ => false,
        };
        let shown = self.governance.read();
        shown.pending.iter().any(|item| match item {
            Item::Decision(decision) => decision.proposal.actions.iter().any(replaces),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key(n: u8) -> CatalogueKey {
        CatalogueKey(Secret::from_bytes([n; 32]))
    }

    fn write(path: &Path, n: u8) {
        fs::write(path, SecretFile::Catalogue.write(&[n; 32]).as_bytes()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn holds(files: &CatalogueKeyFiles, n: u8) -> bool {
        files.held.read().find(&key(n).commitment()).is_some()
    }

    #[test]
    fn a_key_is_used_once_it_is_on_disk_and_found_there_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalogue.key");
        let reader = KeyReader::default();
        let open = || {
            let (keys, fault) = read(&reader, &path).unwrap();
            assert!(fault.is_none());
            CatalogueKeyFiles::new(path.clone(), KeyReader::default(), keys)
        };
        let files = open();
        assert!(!holds(&files, 1));
        // Whichever comes first.
        assert_eq!(
            files.keep(key(2), false).unwrap(),
            dir.path().join("catalogue.key.1")
        );
        assert_eq!(files.keep(key(1), true).unwrap(), path);
        assert!(holds(&files, 1) && holds(&files, 2));
        // What a crash left of a write is no key, and in nobody's way.
        fs::write(dir.path().join("catalogue.key.2.new"), "certmesh-cata").unwrap();
        let files = open();
        assert!(holds(&files, 1) && holds(&files, 2));
        assert_eq!(
            files.keep(key(3), false).unwrap(),
            dir.path().join("catalogue.key.2")
        );
        assert!(holds(&open(), 3));
        // One that can't be written is not used.
        let nowhere = dir.path().join("nowhere/catalogue.key");
        let files = CatalogueKeyFiles::new(nowhere, KeyReader::default(), Vec::new());
        assert!(files.keep(key(4), false).is_err() && !holds(&files, 4));
    }

    #[test]
    fn keys_that_somebody_puts_there_are_taken_up_and_one_that_can_not_be_read_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalogue.key");
        let files = CatalogueKeyFiles::new(path.clone(), KeyReader::default(), Vec::new());
        write(&path, 1);
        fs::write(dir.path().join("catalogue.key.1"), "nothing").unwrap();
        write(&dir.path().join("catalogue.key.2"), 2);
        let error = files.read_again().unwrap_err().to_string();
        assert!(error.contains("catalogue.key.1"), "{error}");
        assert!(holds(&files, 1) && holds(&files, 2));
        fs::write(&path, "nothing").unwrap();
        let error = files.read_again().unwrap_err().to_string();
        assert!(error.contains("catalogue.key"), "{error}");
        assert!(holds(&files, 1) && holds(&files, 2));
    }
}
