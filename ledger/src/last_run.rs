//! The mark beside the keys that says which data directory the department's node ran with last.
//!
//! A directory that was lost and put back, or copied, may lack records that were signed since: appending to it would
//! fork the log. What distinguishes it from the one that was run last is what survives a restart and a remount, and
//! neither `cp`, `tar` nor `rsync`: inode number and time of making, of the directory and, since that may be emptied
//! and filled again, of the head file in it, which is made once and written in place. A snapshot of the whole disk, and
//! bytes copied into the files that are there, can't be detected. Before a log's first record the mark says that there
//! is none, and names itself in the same way, so that an old copy of it says nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// What the mark is called, beside the signing key.
pub const FILE: &str = "last-run.toml";

const FORMAT: &str = "certmesh-last-run-";
const VERSION: u32 = 1;

const HEADER: &str = "# Kept by the node: which data directory it ran with last. Not to be edited, copied or put back from a backup.\n";

/// What a file or directory keeps as long as it is the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    inode: u64,
    /// When it was made, ns since 1970 UTC, where the file system knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    made_ns: Option<String>,
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Identity {
        let made = metadata.created().ok();
        let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        Identity {
            inode: metadata.ino(),
            made_ns: made.map(|made| made.as_nanos().to_string()),
        }
    }
}

/// What any version's mark begins with.
#[derive(Deserialize)]
struct Format {
    format: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    state: Word,
    /// Of the data directory; of the mark itself while nothing was ever appended.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<Identity>,
    /// Of the own log's head file.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Identity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    NeverAppended,
    Ran,
    Lost,
}

/// What the mark says about a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastRun {
    /// Nothing was ever appended to the department's log.
    NeverAppended,
    /// The node ran with this very directory last.
    Here,
    /// A loss was found at an earlier start and has not been made good.
    Lost,
    /// The node ran with another directory, this is a copy of it, or there is no mark.
    Elsewhere,
}

/// The mark of a department.
#[derive(Clone, Debug)]
pub struct Mark {
    path: PathBuf,
    data: PathBuf,
    head: Option<PathBuf>,
}

impl Mark {
    /// The mark beside a department's signing key, for its data directory.
    pub fn new(signing_key: &Path, data: &Path) -> Mark {
        let beside = signing_key.parent().unwrap_or(Path::new("."));
        Mark {
            path: beside.join(FILE),
            data: data.to_owned(),
            head: None,
        }
    }

    /// The same, identified by the own log's head file as well.
    #[must_use]
    pub fn with_head(mut self, head: PathBuf) -> Mark {
        self.head = Some(head);
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` for a mark of a later version; one that can't be read as any says
    /// [`LastRun::Elsewhere`].
    pub fn read(&self) -> io::Result<LastRun> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(LastRun::Elsewhere);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(LastRun::Elsewhere);
            }
            Err(error) => return Err(error),
        };
        let mark = toml::from_str::<Format>(&text).ok();
        let version: Option<u32> =
            mark.and_then(|mark| mark.format.strip_prefix(FORMAT)?.parse().ok());
        if let Some(later) = version.filter(|version| *version > VERSION) {
            let said = format!(
                "written by a later version of certmesh (file format {later}, this version reads {VERSION}): upgrade \
                 certmesh"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        }
        let Some(content) = version.and_then(|_| toml::from_str::<Content>(&text).ok()) else {
            return Ok(LastRun::Elsewhere);
        };
        let is = |path: &Path| -> io::Result<bool> {
            let found = Identity::of(&fs::metadata(path)?);
            Ok(content.of.as_ref() == Some(&found))
        };
        Ok(match content.state {
            Word::NeverAppended if is(&self.path)? => LastRun::NeverAppended,
            Word::Ran if is(&self.data)? && content.head == self.head_identity()? => LastRun::Here,
            Word::Lost => LastRun::Lost,
            Word::NeverAppended | Word::Ran => LastRun::Elsewhere,
        })
    }

    /// Says that nothing was ever appended.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_never_appended(&self) -> io::Result<()> {
        self.write(Word::NeverAppended, None, |mark| Some(Identity::of(mark)))
    }

    /// Says that the node runs with this data directory.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_ran(&self) -> io::Result<()> {
        let data = Identity::of(&fs::metadata(&self.data)?);
        let head = self.head_identity()?;
        self.write(Word::Ran, head, |_| Some(data))
    }

    /// Says that something was lost.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_lost(&self) -> io::Result<()> {
        self.write(Word::Lost, None, |_| None)
    }

    fn head_identity(&self) -> io::Result<Option<Identity>> {
        let Some(head) = &self.head else {
            return Ok(None);
        };
        match fs::metadata(head) {
            Ok(metadata) => Ok(Some(Identity::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the mark, durably, so that a crash leaves the one or the other.
    fn write(
        &self,
        state: Word,
        head: Option<Identity>,
        of: impl FnOnce(&fs::Metadata) -> Option<Identity>,
    ) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        // A file keeps its identity when it is renamed.
        let of = of(&file.metadata()?);
        let content = toml::to_string(&Content {
            format: format!("{FORMAT}{VERSION}"),
            state,
            of,
            head,
        })
        .map_err(io::Error::other)?;
        file.write_all(HEADER.as_bytes())?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        match self.path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_directory_is_known_again_and_no_copy_is() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        let mark = Mark::new(&home.path().join("signing.key"), &data);
        assert_eq!(mark.read().unwrap(), LastRun::Elsewhere, "no mark");
        mark.write_ran().unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::Here);
        fs::write(data.join("more"), "changed").unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::Here);
        // Moved it is the same; made again under its name it is another.
        let aside = home.path().join("aside");
        fs::rename(&data, &aside).unwrap();
        fs::create_dir(&data).unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::Elsewhere);
        let moved = Mark::new(&home.path().join("signing.key"), &aside);
        assert_eq!(moved.read().unwrap(), LastRun::Here);
        mark.write_lost().unwrap();
        assert_eq!(moved.read().unwrap(), LastRun::Lost);
    }

    #[test]
    fn a_directory_that_was_emptied_and_filled_again_is_another() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        let head = data.join("head");
        fs::write(&head, "one").unwrap();
        let mark = Mark::new(&home.path().join("signing.key"), &data).with_head(head.clone());
        mark.write_ran().unwrap();
        // It is written in place.
        let file = File::options().write(true).open(&head).unwrap();
        (&file).write_all(b"two").unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::Here);
        let backup = home.path().join("backup");
        fs::copy(&head, &backup).unwrap();
        fs::rename(&head, home.path().join("gone")).unwrap();
        fs::copy(&backup, &head).unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::Elsewhere);
    }

    #[test]
    fn a_mark_put_back_from_a_copy_does_not_say_that_nothing_was_appended() {
        let home = tempfile::tempdir().unwrap();
        let mark = Mark::new(&home.path().join("signing.key"), home.path());
        mark.write_never_appended().unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::NeverAppended);
        let copy = fs::read(mark.path()).unwrap();
        fs::rename(mark.path(), home.path().join("kept")).unwrap();
        fs::write(mark.path(), copy).unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::Elsewhere);
    }

    #[test]
    fn what_is_no_mark_says_nothing() {
        let home = tempfile::tempdir().unwrap();
        let mark = Mark::new(&home.path().join("signing.key"), home.path());
        for text in [
            "",
            "state = \"ran\"",
            "state = \"fine\"",
            "\u{0}",
            "state = \"ran\"\nof = 7",
            "format = \"certmesh-last-run-1\"\nstate = \"ran\"\nof = 7",
            "format = \"certmesh-last-run-x\"\nstate = \"lost\"",
        ] {
            fs::write(mark.path(), text).unwrap();
            assert_eq!(mark.read().unwrap(), LastRun::Elsewhere, "{text:?}");
        }
        fs::write(mark.path(), [0xFF, 0xFE]).unwrap();
        assert_eq!(mark.read().unwrap(), LastRun::Elsewhere);
    }

    #[test]
    fn a_mark_of_a_later_version_is_refused_by_name_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let mark = Mark::new(&home.path().join("signing.key"), home.path());
        let later = "format = \"certmesh-last-run-2\"\nstate = \"resting\"\nsince = 7\n";
        fs::write(mark.path(), later).unwrap();
        let error = mark.read().unwrap_err().to_string();
        assert!(
            error.contains("later version") && error.contains("format 2"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(mark.path()).unwrap(), later);
    }
}
