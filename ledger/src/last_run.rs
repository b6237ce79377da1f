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

use crate::names::LogId;

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
    /// Of the log's generation.
    #[serde(default, skip_serializing_if = "is_first")]
    generation: u32,
    /// Of the data directory, also of the one in which a loss was found; of the mark itself while nothing was ever appended.
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
const fn is_first(generation: &u32) -> bool {
    *generation == 0
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
    /// The node ran with this very directory last in an earlier generation of the log, and nothing was ever appended in this one.
    EarlierGeneration {
        /// A loss was found then and not made good; which of its log's records were lost no longer matters.
        lost: bool,
    },
    /// The node ran with another directory, this is a copy of it, or there is no mark.
    Elsewhere,
}

/// The mark of a department.
#[derive(Clone, Debug)]
pub struct Mark {
    path: PathBuf,
    data: PathBuf,
    /// The head file of the own log's first generation.
    head: Option<PathBuf>,
    generation: u32,
}

impl Mark {
    /// The mark beside a department's signing key, for its data directory.
    pub fn new(signing_key: &Path, data: &Path) -> Mark {
        let beside = signing_key.parent().unwrap_or(Path::new("."));
        Mark {
            path: beside.join(FILE),
            data: data.to_owned(),
            head: None,
            generation: 0,
        }
    }

    /// The same, identified by the own log's head file as well, which stands among these, for a generation of that log.
    #[must_use]
    pub fn with_head(mut self, heads: &Path, log: LogId) -> Mark {
        self.head = Some(heads.join(LogId::first(log.department).to_string()));
        self.generation = log.generation;
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
        let Some(content) = self.content()? else {
            return Ok(LastRun::Elsewhere);
        };
        let is = |path: &Path| -> io::Result<bool> {
            let found = Identity::of(&fs::metadata(path)?);
            Ok(content.of.as_ref() == Some(&found))
        };
        let head = || self.head_identity(content.generation);
        let earlier = content.generation < self.generation;
        Ok(match content.state {
            _ if content.generation > self.generation => LastRun::Elsewhere,
            // In another directory it is another loss.
            Word::Lost if !is(&self.data)? => LastRun::Elsewhere,
            Word::Lost if earlier => LastRun::EarlierGeneration { lost: true },
            Word::Lost => LastRun::Lost,
            Word::NeverAppended if is(&self.path)? => match earlier {
                true => LastRun::EarlierGeneration { lost: false },
                false => LastRun::NeverAppended,
            },
            Word::Ran if is(&self.data)? && content.head == head()? => match earlier {
                true => LastRun::EarlierGeneration { lost: false },
                false => LastRun::Here,
            },
            Word::NeverAppended | Word::Ran => LastRun::Elsewhere,
        })
    }

    /// What stands in it; `None` where no file is that can be read as a mark.
    fn content(&self) -> io::Result<Option<Content>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidData
                ) =>
            {
                return Ok(None);
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
        Ok(version.and_then(|_| toml::from_str(&text).ok()))
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
        let head = self.head_identity(self.generation)?;
        self.write(Word::Ran, head, |_| Some(data))
    }

    /// Says that something was lost.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_lost(&self) -> io::Result<()> {
        let data = Identity::of(&fs::metadata(&self.data)?);
        self.write(Word::Lost, None, |_| Some(data))
    }

    /// Of the head file of a generation.
    fn head_identity(&self, generation: u32) -> io::Result<Option<Identity>> {
        let Some(first) = &self.head else {
            return Ok(None);
        };
        let mut path = first.clone().into_os_string();
        if generation > 0 {
            path.push(format!(".{generation}"));
        }
        match fs::metadata(path) {
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
        // Never an earlier generation than it names: where the chain was lost too, the log that is opened is an older one, and
        // what was lost in a later one has to be known once that is known again.
        let named = self.content()?.map_or(0, |content| content.generation);
        let generation = named.max(self.generation);
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        // A file keeps its identity when it is renamed.
        let of = of(&file.metadata()?);
        let content = toml::to_string(&Content {
            format: format!("{FORMAT}{VERSION}"),
            state,
            generation,
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
        assert_eq!(mark.read().unwrap(), LastRun::Lost);
        assert_eq!(moved.read().unwrap(), LastRun::Elsewhere);
    }

    #[test]
    fn a_directory_that_was_emptied_and_filled_again_is_another() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        let log = LogId::first("11430000006122244L".parse().unwrap());
        let head = data.join(log.to_string());
        fs::write(&head, "one").unwrap();
        let mark = Mark::new(&home.path().join("signing.key"), &data).with_head(&data, log);
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
    fn what_was_lost_in_one_generation_matters_in_it_and_in_none_before_or_after() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        let log = |generation| LogId {
            generation,
            ..LogId::first("11430000006122244L".parse().unwrap())
        };
        let mark = |generation| {
            let mark = Mark::new(&home.path().join("signing.key"), &data);
            mark.with_head(&data, log(generation))
        };
        let earlier = |lost| LastRun::EarlierGeneration { lost };
        for generation in [0, 1] {
            fs::write(data.join(log(generation).to_string()), "head").unwrap();
        }
        mark(0).write_ran().unwrap();
        assert_eq!(mark(0).read().unwrap(), LastRun::Here);
        assert_eq!(mark(1).read().unwrap(), earlier(false));
        mark(1).write_ran().unwrap();
        assert_eq!(mark(1).read().unwrap(), LastRun::Here);
        assert_eq!(mark(2).read().unwrap(), earlier(false));
        // Where the chain was lost as well, an older log is opened: what is said of that is no word on the later one.
        assert_eq!(mark(0).read().unwrap(), LastRun::Elsewhere);
        mark(0).write_lost().unwrap();
        assert_eq!(mark(1).read().unwrap(), LastRun::Lost);
        assert_eq!(mark(2).read().unwrap(), earlier(true));
        mark(1).write_ran().unwrap();
        // The head of the mark's own generation was put back from a copy.
        let head = data.join(log(1).to_string());
        fs::rename(&head, data.join("aside")).unwrap();
        fs::write(&head, "head").unwrap();
        assert_eq!(mark(2).read().unwrap(), LastRun::Elsewhere);
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
