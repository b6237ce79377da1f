//! The catalogue keys that this node holds, and what it asks under them.
//!
//! Nothing is asked of a holder while one of the chain's keys is missing: "no certificate" would only mean "none under the keys
//! held here". Nor while decisions are missing that a log names, which may have brought a key. Nothing is issued while the
//! present key is not known or not held: a tag under a key that was replaced is what replacing it is to prevent. All else goes
//! on, and [`fetching`] gets the key.

pub(crate) mod fetching;
mod sharing;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::catalogue_keys::{CatalogueKeys, HeldCatalogueKeys};
use certmesh_ledger::crypto::keys::{CatalogueCommitment, CatalogueKey, Secret, SecretFile};
use certmesh_ledger::crypto::secret_files;
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
    /// Those of proposals that somebody here is about to approve.
    proposed: Mutex<Vec<fetching::Proposed>>,
    /// The chain commits to another key than before, or one of a proposal is wanted.
    pub(crate) changed: Notify,
}

/// The keys that are in files: that of `catalogue.key` if there is one, and those beside it; and why one of these can't be read: it
/// is missing then.
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
        let text = self
            .reader
            .written(SecretFile::Catalogue, key.0.expose())
            .map_err(io::Error::other)?;
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

fn key_missing(chain: &[(u64, CatalogueCommitment)], missing: CatalogueCommitment) -> Refusal {
    let since = chain.iter().find(|(_, commitment)| *commitment == missing);
    Refusal::CatalogueKeyMissing {
        key: short(&missing.to_string()),
        since: since.map_or(0, |(since, _)| *since),
    }
}

/// Searches until the chain, which only grows, has as many keys after it as were searched under.
fn search_all<T>(
    subject: impl Fn() -> Result<Subject, Refusal>,
    in_chain: impl Fn() -> usize,
    mut search: impl FnMut(&Subject) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    loop {
        let subject = subject()?;
        let found = search(&subject)?;
        if subject.keys.of_chain().count() == in_chain() {
            return Ok(found);
        }
    }
}

impl Peer {
    /// All catalogue keys, for what is searched or matched: those of the chain as it is held here, and what is held beside them.
    ///
    /// # Errors
    /// [`Refusal::CatalogueKeyMissing`], [`Refusal::DecisionsMissing`].
    pub(crate) fn catalogue_keys(&self) -> Result<CatalogueKeys, Refusal> {
        // The logs first: what one of them takes up after this, decisions were known for before it.
        self.have_decisions()?;
        let chain = self.catalogue_commitments();
        let held = self.catalogue_key_files.held.read();
        held.all(chain.iter().copied())
            .map_err(|missing| key_missing(&chain, missing))
    }

    /// The key in force by the chain as it is held here, for what is new: an older one may be missing.
    ///
    /// # Errors
    /// [`Refusal::CatalogueKeyMissing`].
    pub(crate) fn present_catalogue_key(&self) -> Result<CatalogueKey, Refusal> {
        let present = self.catalogue.members().history().state().catalogue_key();
        let held = self.catalogue_key_files.held.read();
        let key = held.find(&present).cloned();
        key.ok_or_else(|| key_missing(&self.catalogue_commitments(), present))
    }

    /// Why nothing is issued for want of the key to tag it under: what is recorded in a log can't be tagged again.
    pub(crate) fn tagging_refusal(&self) -> Option<Refusal> {
        let known = self.have_decisions();
        known.and_then(|()| self.present_catalogue_key()).err()
    }

    /// Whether all decisions are here that the logs name.
    fn have_decisions(&self) -> Result<(), Refusal> {
        match self.catalogue.ahead_of_decisions() {
            None => Ok(()),
            Some(named) => Err(Refusal::DecisionsMissing {
                known: self.catalogue.members().history().height(),
                named,
            }),
        }
    }

    /// What a search finds of a holder, whose code has been normalised, under all keys: again if another came into force meanwhile,
    /// as what was found may lack what is tagged under that.
    ///
    /// # Errors
    /// As for [`Peer::catalogue_keys`], and those of the search.
    pub(crate) fn search<T>(
        &self,
        (kind, code): (HolderKind, &str),
        search: impl FnMut(&Subject) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let subject = || self.subject(kind, code);
        search_all(subject, || self.catalogue_commitments().len(), search)
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
    pub(crate) fn missing_catalogue_keys(&self) -> Vec<CatalogueCommitment> {
        let chain = self.catalogue_commitments();
        let held = self.catalogue_key_files.held.read();
        held.missing(chain.into_iter().map(|(_, commitment)| commitment))
    }

    /// The warning that a key is missing, or decisions are.
    pub(crate) fn catalogue_key_warning(&self) -> Option<Warning> {
        let why = self.catalogue_keys().err()?;
        Some(Warning::CatalogueKey(why))
    }

    /// Takes up keys that somebody has put there.
    ///
    /// # Errors
    /// Why one that is there is not used.
    fn read_catalogue_keys(&self) -> Result<(), String> {
        let files = &self.catalogue_key_files;
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
}
