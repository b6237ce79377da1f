//! Which files of a folder have stopped changing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a file must not have changed.
pub(super) const SETTLED: Duration = Duration::from_secs(6);
/// First and longest wait before a file that could not be imported is taken again.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Files that are looked at; more are when these are gone.
const MOST: usize = 10_000;

/// What shows whether a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    length: u64,
    modified: (i64, i64),
    /// Changes of its place as well: another file may have stood in it meanwhile.
    changed: (i64, i64),
    inode: u64,
}

/// State of a regular file; `None` for anything else.
pub(super) fn state(path: &Path) -> Option<State> {
    // A link may lead to where nothing can be moved from.
    let found = fs::symlink_metadata(path).ok()?;
    found.is_file().then(|| State {
        length: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
        inode: found.ino(),
    })
}

struct Seen {
    state: State,
    /// Since when it is so, as far as was looked.
    since: Instant,
    /// Whether another file marks it as open or half there.
    open: bool,
    /// Not taken before, and how long it was put off for.
    put_off: Option<(Instant, Duration)>,
}

/// A folder and the files seen in it.
pub(super) struct Folder {
    path: PathBuf,
    seen: BTreeMap<OsString, Seen>,
    unreadable: bool,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Folder {
        Folder {
            path: path.to_owned(),
            seen: BTreeMap::new(),
            unreadable: false,
        }
    }

    /// Looks into the folder; returns the files that may be taken, the ones changed longest ago first.
    pub(super) fn look(&mut self, now: Instant) -> Vec<OsString> {
        let mut found = BTreeMap::new();
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) => {
                if !self.unreadable {
                    tracing::warn!(folder = %self.path.display(), %error, "folder can't be read");
                }
                self.unreadable = true;
                return Vec::new();
            }
        };
        self.unreadable = false;
        let (mut names, mut waiting) = (Vec::new(), BTreeSet::new());
        for name in entries.flatten().map(|entry| entry.file_name()) {
            waiting.extend(marked(&name).filter(|_| waiting.len() < MOST));
            if names.len() < MOST && may_be_taken(&name) {
                names.push(name);
            }
        }
        for name in names {
            let Some(state) = state(&self.path.join(&name)) else {
                continue;
            };
            let seen = match self.seen.remove(&name) {
                Some(seen) if seen.state == state => seen,
                _ => Seen {
                    state,
                    since: now,
                    put_off: None,
                    open: false,
                },
            };
            let open = waiting.contains(&name);
            if open && !seen.open {
                tracing::info!(folder = %self.path.display(), file = ?name, "file waits: a program has it open or is still writing it");
            }
            let seen = Seen { open, ..seen };
            found.insert(name, seen);
        }
        self.seen = found;
        let settled = self.seen.iter().filter(|(_, seen)| {
            now.duration_since(seen.since) >= SETTLED
                && !seen.open
                && seen.put_off.is_none_or(|(until, _)| until <= now)
        });
        let mut ready: Vec<_> = settled
            .map(|(name, seen)| (seen.state.modified, name.clone()))
            .collect();
        ready.sort();
        ready.into_iter().map(|(_, name)| name).collect()
    }

    /// The state in which a file was last seen.
    pub(super) fn state_of(&self, name: &OsStr) -> Option<State> {
        self.seen.get(name).map(|seen| seen.state)
    }

    /// A file is not to be taken for a while, each time for longer.
    pub(super) fn put_off(&mut self, name: &OsStr, now: Instant) {
        if let Some(seen) = self.seen.get_mut(name) {
            let wait = match seen.put_off {
                None => FIRST_WAIT,
                Some((_, before)) => (before * 2).min(LONGEST_WAIT),
            };
            seen.put_off = Some((now + wait, wait));
        }
    }

    /// A file is gone.
    pub(super) fn forget(&mut self, name: &OsStr) {
        self.seen.remove(name);
    }
}

/// Ends of the names of files that are half there: copied, downloaded, saved.
const HALF_THERE: [&str; 13] = [
    ".part",
    ".tmp",
    ".crdownload",
    ".download",
    ".partial",
    ".opdownload",
    ".filepart",
    ".downloading",
    ".aria2",
    ".td",
    ".xltd",
    ".swp",
    "~",
];
/// What systems put into folders that people look at.
const SYSTEMS: [&str; 3] = ["thumbs.db", "desktop.ini", "ehthumbs.db"];

/// Not what programs hide or mark as open, not what they say is half there, and not what belongs to the system.
fn may_be_taken(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let marked = name.starts_with(['.', '~']);
    !marked
        && !HALF_THERE.iter().any(|end| name.ends_with(end))
        && !SYSTEMS.contains(&name.as_str())
}

/// The file that another one marks as open or as half there, if it does: `~$NAME` of Office and WPS, `.~lock.NAME#` of
/// LibreOffice, and `NAME.part` of a browser, which puts an empty file in the place meanwhile.
fn marked(name: &OsStr) -> Option<OsString> {
    let bytes = name.as_bytes();
    let before = |end: &&str| {
        let start = bytes.len().checked_sub(end.len())?;
        let (name, found) = bytes.split_at(start);
        found.eq_ignore_ascii_case(end.as_bytes()).then_some(name)
    };
    let locked = bytes
        .strip_prefix(b".~lock.")
        .and_then(|rest| rest.strip_suffix(b"#"));
    let name = bytes
        .strip_prefix(b"~$")
        .or(locked)
        .or_else(|| HALF_THERE.iter().find_map(before))?;
    (!name.is_empty()).then(|| OsStr::from_bytes(name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::pages::{in_words, states};

    #[test]
    fn the_pages_state_how_long_a_file_must_not_have_changed() {
        let settled = in_words(SETTLED.as_secs());
        let text = format!("has not changed for {settled} seconds is taken");
        states("docs/operator.md", &text);
    }

    struct Scene {
        dir: tempfile::TempDir,
        folder: Folder,
        begun: Instant,
    }

    impl Scene {
        fn new() -> Scene {
            let dir = tempfile::tempdir().unwrap();
            let folder = Folder::new(dir.path());
            Scene {
                dir,
                folder,
                begun: Instant::now(),
            }
        }

        fn put(&self, name: &str, text: &str) {
            fs::write(self.dir.path().join(name), text).unwrap();
        }

        /// What may be taken so many seconds after the beginning.
        fn at(&mut self, seconds: u64) -> Vec<OsString> {
            self.folder.look(self.begun + Duration::from_secs(seconds))
        }
    }

    #[test]
    fn a_file_is_taken_when_it_has_stopped_changing() {
        let mut scene = Scene::new();
        scene.put("a.csv", "1");
        assert!(scene.at(0).is_empty());
        assert!(scene.at(5).is_empty());
        // It grows, as a file does that is being copied.
        scene.put("a.csv", "12");
        assert!(scene.at(7).is_empty());
        assert!(scene.at(12).is_empty());
        assert_eq!(scene.at(13), ["a.csv"]);
        // Replaced by another of the same length in the meantime.
        scene.put("b", "21");
        fs::rename(scene.dir.path().join("b"), scene.dir.path().join("a.csv")).unwrap();
        assert!(scene.at(14).is_empty());
        assert_eq!(scene.at(20), ["a.csv"]);
    }

    #[test]
    fn what_is_hidden_half_there_or_no_file_is_left_alone() {
        let mut scene = Scene::new();
        for name in [".a.csv", "b.csv.part", "c.TMP", "d.csv"] {
            scene.put(name, "1");
        }
        fs::create_dir(scene.dir.path().join("done")).unwrap();
        symlink("/etc/hostname", scene.dir.path().join("link.csv")).unwrap();
        scene.at(0);
        assert_eq!(scene.at(60), ["d.csv"]);
        fs::rename(
            scene.dir.path().join("b.csv.part"),
            scene.dir.path().join("b.csv"),
        )
        .unwrap();
        // What has a new name is a new file.
        assert_eq!(scene.at(61), ["d.csv"]);
        assert_eq!(scene.at(67).len(), 2);
    }

    #[test]
    fn what_marks_a_file_as_open_or_half_there_is_left_alone_and_the_file_waits() {
        let mut scene = Scene::new();
        let names = ["open.xlsx", "libre.xlsx", "下载.xlsx", "other.xlsx"];
        let marks = [
            "~$open.xlsx",
            ".~lock.libre.xlsx#",
            "下载.xlsx.crdownload",
            "x.download",
            "y.partial",
            "Thumbs.db",
            "desktop.ini",
        ];
        for name in names.iter().chain(&marks) {
            scene.put(name, "1");
        }
        scene.at(0);
        assert_eq!(scene.at(60), ["other.xlsx"]);
        for mark in &marks[..3] {
            fs::remove_file(scene.dir.path().join(mark)).unwrap();
        }
        let mut taken = scene.at(62);
        taken.sort();
        let mut all = names;
        all.sort_unstable();
        assert_eq!(taken, all);
    }

    #[test]
    fn a_file_that_could_not_be_imported_is_put_off_longer_each_time_until_it_changes() {
        let mut scene = Scene::new();
        scene.put("a.csv", "1");
        scene.at(0);
        let name = OsStr::new("a.csv");
        let mut now = 10;
        for wait in [10, 20, 40] {
            assert_eq!(scene.at(now), ["a.csv"]);
            let then = scene.begun + Duration::from_secs(now);
            scene.folder.put_off(name, then);
            assert!(scene.at(now + wait - 1).is_empty());
            now += wait;
        }
        scene.put("a.csv", "mended");
        assert!(scene.at(now - 30).is_empty());
        assert_eq!(scene.at(now - 20), ["a.csv"]);
        scene.folder.forget(name);
        assert!(scene.folder.state_of(name).is_none());
    }
}
