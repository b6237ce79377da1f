//! Where a file goes when everything of it is decided, and what is put beside it.
//!
//! What is to lie beside the file is written first, under a hidden name; then the file itself is moved; then the hidden
//! files get their names. A start finds by the moved file whether it happened, and ends it or takes it back. Nothing that
//! is there is ever overwritten: names get a number.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::taking::Summary;
use super::{DONE, REJECTED};
use certmesh_tables::Format;
use certmesh_text::one_line;

/// Longest name that leaves room for what is added to it.
const LONGEST: usize = 200;

/// What lies beside a file.
#[derive(Clone, Copy)]
enum Beside {
    /// Its rejected rows.
    Rejects,
    /// What became of its rows.
    Summary,
    /// Why it can't be read.
    Reason,
}

impl Beside {
    const ALL: [Beside; 3] = [Beside::Rejects, Beside::Summary, Beside::Reason];

    /// End of its hidden name.
    fn hidden(self) -> &'static str {
        match self {
            Beside::Rejects => ".rejects",
            Beside::Summary => ".summary",
            Beside::Reason => ".reason",
        }
    }

    /// Where it lies, and where the file lies then.
    fn places(self) -> (&'static str, &'static str) {
        match self {
            Beside::Rejects => (REJECTED, DONE),
            Beside::Summary => (DONE, DONE),
            Beside::Reason => (REJECTED, REJECTED),
        }
    }

    /// Its name beside a file's.
    fn name(self, file: &OsStr) -> OsString {
        let mut name = file.to_owned();
        name.push(match self {
            Beside::Rejects => match Format::by_name(Path::new(file)) {
                // In a spreadsheet as well, but one of its own kind.
                Some(Format::Xlsx) if !is_xlsx(file) => ".xlsx",
                _ => "",
            },
            Beside::Summary => ".summary.json",
            Beside::Reason => ".reason.txt",
        });
        name
    }
}

fn is_xlsx(file: &OsStr) -> bool {
    let extension = Path::new(file).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"))
}

/// The outcomes of a folder.
pub(super) struct Outcomes<'a> {
    folder: &'a Path,
}

/// The name under which a file and what belongs to it will lie.
pub(super) struct Target<'a> {
    folder: &'a Path,
    name: OsString,
}

impl<'a> Outcomes<'a> {
    pub(super) fn of(folder: &'a Path) -> Outcomes<'a> {
        Outcomes { folder }
    }

    /// Ends what a crash left half done: a moved file gets what belongs beside it, of one that was not moved that goes.
    pub(super) fn settle(&self) {
        for place in [DONE, REJECTED] {
            if let Err(error) = self.settle_in(place) {
                let path = self.folder.join(place);
                tracing::warn!(path = %path.display(), %error, "an unfinished import could not be completed or undone");
            }
        }
    }

    fn settle_in(&self, place: &str) -> io::Result<()> {
        self.make(place)?;
        for entry in fs::read_dir(self.folder.join(place))? {
            let hidden = entry?.file_name();
            let Some(shown) = hidden.as_bytes().strip_prefix(b".") else {
                continue;
            };
            for beside in Beside::ALL {
                let name = shown.strip_suffix(beside.hidden().as_bytes());
                if let Some(name) = name.filter(|_| beside.places().0 == place) {
                    let target = Target {
                        folder: self.folder,
                        name: OsString::from_vec(name.to_owned()),
                    };
                    if exists(&target.moved(beside.places().1)) {
                        target.show(beside)?;
                    } else {
                        fs::remove_file(target.hidden(beside))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes a directory for files to be moved to, open to whoever the folder itself is open to.
    fn make(&self, place: &str) -> io::Result<()> {
        let path = self.folder.join(place);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => return Ok(()),
            // A link would lead to where nobody meant files to go.
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(_) => {}
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        fs::set_permissions(&path, self.folder.metadata()?.permissions())
    }

    /// The first name, with a number if need be, that nothing has that could belong to such a file.
    ///
    /// # Errors
    /// Those of making the directories.
    pub(super) fn target(&self, file: &OsStr) -> io::Result<Target<'a>> {
        self.make(DONE)?;
        self.make(REJECTED)?;
        let mut number = 1_u64;
        loop {
            let target = Target {
                folder: self.folder,
                name: numbered(file, number),
            };
            if target.is_free() {
                // Left by an attempt that did not complete.
                target.discard();
                return Ok(target);
            }
            number += 1;
        }
    }
}

impl Target<'_> {
    fn moved(&self, place: &str) -> PathBuf {
        self.folder.join(place).join(&self.name)
    }

    fn beside(&self, beside: Beside) -> PathBuf {
        let (place, _) = beside.places();
        self.folder.join(place).join(beside.name(&self.name))
    }

    fn hidden(&self, beside: Beside) -> PathBuf {
        let mut hidden = OsString::from(".");
        hidden.push(&self.name);
        hidden.push(beside.hidden());
        self.folder.join(beside.places().0).join(hidden)
    }

    fn is_free(&self) -> bool {
        let taken = [DONE, REJECTED].map(|place| exists(&self.moved(place)));
        let beside = Beside::ALL.map(|beside| exists(&self.beside(beside)));
        !taken.contains(&true) && !beside.contains(&true)
    }

    /// Where rejected rows are kept until the file is moved.
    pub(super) fn rejects(&self) -> PathBuf {
        self.hidden(Beside::Rejects)
    }

    /// What rejected rows will be found under, from the folder.
    pub(super) fn rejects_name(&self) -> String {
        let name = Beside::Rejects.name(&self.name);
        format!("{REJECTED}/{}", name.to_string_lossy())
    }

    /// Removes what was written for a file that is not moved.
    pub(super) fn discard(&self) {
        for beside in Beside::ALL {
            // None there is the rule; one that stays is found at the next start.
            let _ = fs::remove_file(self.hidden(beside));
        }
    }

    /// Moves an imported file, its summary beside it, its rejected rows where such are.
    ///
    /// # Errors
    /// Those of writing and moving; the file is where it was then, unless it was moved already.
    pub(super) fn done(&self, file: &Path, summary: &Summary) -> io::Result<()> {
        let text = serde_json::to_string_pretty(summary)?;
        let text = format!("{}\n", one_line::json(&text));
        self.write(Beside::Summary, &text)?;
        self.end(file, DONE, &[Beside::Rejects, Beside::Summary])
    }

    /// Moves a file that can't be read to the rejected ones, the reason beside it.
    ///
    /// # Errors
    /// As [`Target::done`].
    pub(super) fn unreadable(&self, file: &Path, reason: &str) -> io::Result<()> {
        // Its rows are still in it, all of them.
        let _ = fs::remove_file(self.hidden(Beside::Rejects));
        let reason = one_line::indented(reason);
        self.write(Beside::Reason, &format!("{reason}\n"))?;
        self.end(file, REJECTED, &[Beside::Reason])
    }

    fn write(&self, beside: Beside, text: &str) -> io::Result<()> {
        // A new file, so that nothing is written through a link that somebody put there.
        let _ = fs::remove_file(self.hidden(beside));
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        let mut written = options.open(self.hidden(beside))?;
        written.write_all(text.as_bytes())?;
        written.sync_all()
    }

    fn end(&self, file: &Path, place: &str, all: &[Beside]) -> io::Result<()> {
        // Whoever may read the file may read what is said about it, and the rows that come back from it.
        let mode = file.metadata()?.permissions().mode() & 0o666;
        let there = all.iter().filter(|beside| exists(&self.hidden(**beside)));
        let there: Vec<Beside> = there.copied().collect();
        for beside in &there {
            fs::set_permissions(self.hidden(*beside), Permissions::from_mode(mode))?;
        }
        rename(file, &self.moved(place))?;
        for beside in there {
            self.show(beside)?;
        }
        for directory in [&self.folder.join(DONE), &self.folder.join(REJECTED)] {
            // Not every file system can; what is lost of it is done again.
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(())
    }

    fn show(&self, beside: Beside) -> io::Result<()> {
        rename(&self.hidden(beside), &self.beside(beside))
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Renames, unless there is something of that name.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems can't: then it is looked first. Nobody else writes there.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !exists(to) => fs::rename(from, to),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        result => Ok(result?),
    }
}

/// A file's name with a number before its extension, from the second on; a long one cut.
fn numbered(file: &OsStr, number: u64) -> OsString {
    let path = Path::new(file);
    let stem = path.file_stem().unwrap_or(file).as_bytes();
    let extension = path.extension().map(OsStr::as_bytes).unwrap_or_default();
    let extension = match extension.len() {
        0 => Vec::new(),
        length if length > 16 => [b".", &extension[..16]].concat(),
        _ => [b".", extension].concat(),
    };
    let number = match number {
        1 => String::new(),
        number => format!("-{number}"),
    };
    let room = LONGEST - extension.len() - number.len();
    let mut end = stem.len().min(room);
    // Not in the middle of a character, if it is UTF-8.
    while end < stem.len() && end > room - 4 && stem[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    OsString::from_vec([&stem[..end], number.as_bytes(), &extension].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        dir: tempfile::TempDir,
    }

    impl Scene {
        fn new(files: &[&str]) -> Scene {
            let scene = Scene {
                dir: tempfile::tempdir().unwrap(),
            };
            Outcomes::of(scene.dir.path()).settle();
            for file in files {
                fs::write(scene.path(file), file).unwrap();
            }
            scene
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn outcomes(&self) -> Outcomes<'_> {
            Outcomes::of(self.dir.path())
        }

        fn target(&self, name: &str) -> Target<'_> {
            self.outcomes().target(OsStr::new(name)).unwrap()
        }

        fn files(&self) -> Vec<String> {
            let mut names = Vec::new();
            for place in ["", DONE, REJECTED] {
                for entry in fs::read_dir(self.path(place)).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_file() {
                        let name = path.strip_prefix(self.dir.path()).unwrap();
                        names.push(name.to_str().unwrap().to_owned());
                    }
                }
            }
            names.sort();
            names
        }
    }

    #[test]
    fn an_imported_file_is_moved_with_its_summary_and_its_rejected_rows() {
        let scene = Scene::new(&["a.csv", "b.xlsx", "c.xlsm"]);
        for name in ["a.csv", "b.xlsx", "c.xlsm"] {
            let target = scene.target(name);
            fs::write(target.rejects(), "row").unwrap();
            fs::set_permissions(scene.path(name), Permissions::from_mode(0o640)).unwrap();
            target.done(&scene.path(name), &Summary::default()).unwrap();
        }
        let expected = [
            "done/a.csv",
            "done/a.csv.summary.json",
            "done/b.xlsx",
            "done/b.xlsx.summary.json",
            "done/c.xlsm",
            "done/c.xlsm.summary.json",
            "rejected/a.csv",
            "rejected/b.xlsx",
            "rejected/c.xlsm.xlsx",
        ];
        assert_eq!(scene.files(), expected);
        for name in &expected[..2] {
            let mode = scene.path(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640, "{name}");
        }
        assert_eq!(fs::read(scene.path("rejected/a.csv")).unwrap(), b"row");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_moved_whole_with_the_reason() {
        let scene = Scene::new(&["a.csv"]);
        let target = scene.target("a.csv");
        fs::write(target.rejects(), "row").unwrap();
        target.unreadable(&scene.path("a.csv"), "why").unwrap();
        assert_eq!(
            scene.files(),
            ["rejected/a.csv", "rejected/a.csv.reason.txt"]
        );
        assert_eq!(fs::read(scene.path("rejected/a.csv")).unwrap(), b"a.csv");
        let reason = scene.path("rejected/a.csv.reason.txt");
        assert_eq!(fs::read(reason).unwrap(), b"why\n");
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        for taken in [
            "done/a.csv",
            "done/a.csv.summary.json",
            "rejected/a.csv",
            "rejected/a.csv.reason.txt",
        ] {
            let scene = Scene::new(&["a.csv", taken]);
            let target = scene.target("a.csv");
            target
                .done(&scene.path("a.csv"), &Summary::default())
                .unwrap();
            assert!(scene.path("done/a-2.csv.summary.json").exists());
            assert_eq!(fs::read(scene.path("done/a-2.csv")).unwrap(), b"a.csv");
            assert_eq!(fs::read(scene.path(taken)).unwrap(), taken.as_bytes());
        }
        // Nor what comes to be there in the meantime.
        let scene = Scene::new(&["a.csv"]);
        let target = scene.target("a.csv");
        fs::write(scene.path("done/a.csv"), "other").unwrap();
        let error = target.done(&scene.path("a.csv"), &Summary::default());
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(scene.path("done/a.csv")).unwrap(), b"other");
        assert!(scene.path("a.csv").exists());
    }

    #[test]
    fn what_a_crash_left_half_done_is_ended_or_taken_back() {
        let scene = Scene::new(&["before.csv", "done/after.csv", "rejected/bad.csv"]);
        for hidden in [
            "rejected/.before.csv.rejects",
            "done/.before.csv.summary",
            "rejected/.before.csv.reason",
            "rejected/.after.csv.rejects",
            "done/.after.csv.summary",
            "rejected/.bad.csv.reason",
            "rejected/.other",
        ] {
            fs::write(scene.path(hidden), "x").unwrap();
        }
        scene.outcomes().settle();
        let expected = [
            "before.csv",
            "done/after.csv",
            "done/after.csv.summary.json",
            "rejected/.other",
            "rejected/after.csv",
            "rejected/bad.csv",
            "rejected/bad.csv.reason.txt",
        ];
        assert_eq!(scene.files(), expected);
    }

    #[test]
    fn names_get_their_number_before_the_extension_and_stay_short_enough() {
        let named = |name: &str, number| numbered(OsStr::new(name), number);
        assert_eq!(named("a.csv", 1), "a.csv");
        assert_eq!(named("a.csv", 12), "a-12.csv");
        assert_eq!(named("a", 2), "a-2");
        let long = named(&format!("{}.csv", "证".repeat(83)), 2);
        let long = long.to_str().unwrap();
        assert!(
            long.len() <= LONGEST && long.ends_with("证-2.csv"),
            "{long}"
        );
        let other = numbered(OsStr::from_bytes(&[0xB4; 250]), 1);
        assert!(other.len() >= LONGEST - 4 && other.len() <= LONGEST);
    }
}
