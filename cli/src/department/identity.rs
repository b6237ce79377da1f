//! Where a department's identity key is put: beside the node's directory, never in it.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The place of the identity key of the department whose node has this directory.
///
/// # Errors
/// Why it can't be there, for a person to read.
pub(super) fn place(given: Option<&Path>, dir: &Path) -> Result<PathBuf, String> {
    let unusable = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let whole = resolved(dir).map_err(|error| format!("--dir: {}", unusable(dir, error)))?;
    let path = match given {
        Some(path) => path.to_owned(),
        None => beside(dir, &whole).ok_or("--identity-key: give where the key is to be kept")?,
    };
    let failed = |error| format!("--identity-key: {}", unusable(&path, error));
    let found = resolved(&path).map_err(failed)?;
    if found.starts_with(&whole) {
        return Err(format!(
            "--identity-key: {} is in {}, the node's directory: whoever gets hold of the node, or of a backup of it, must not get \
             hold of the identity key as well; give a place elsewhere",
            path.display(),
            dir.display()
        ));
    }
    // A link that leads nowhere would be in the way as well.
    if fs::symlink_metadata(&path).is_ok() {
        return Err(format!(
            "--identity-key: {} already exists, and a key is never overwritten; give another name, or move it away first",
            path.display()
        ));
    }
    let parent = found.parent().unwrap_or(&found);
    // What is above the node's directory is made with it.
    if !parent.is_dir() && !whole.starts_with(parent) {
        return Err(format!(
            "--identity-key: {} is not a directory; create it first",
            parent.display()
        ));
    }
    Ok(path)
}

/// Where the identity key of the department whose node has this directory is, unless it was put elsewhere.
pub(crate) fn usual_place(dir: &Path) -> Option<PathBuf> {
    beside(dir, &resolved(dir).ok()?)
}

/// `police-identity.key`, beside `police`.
fn beside(dir: &Path, whole: &Path) -> Option<PathBuf> {
    // `.` has no name of its own.
    let dir = match dir.file_name() {
        Some(_) => dir,
        None => whole,
    };
    let mut name = dir.file_name()?.to_owned();
    name.push("-identity.key");
    Some(dir.with_file_name(name))
}

/// Where a path leads, links followed, also if not all of it exists yet.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let whole = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut at = whole.as_path();
    loop {
        match at.canonicalize() {
            Ok(mut found) => {
                for part in missing.into_iter().rev() {
                    match part {
                        Component::ParentDir => drop(found.pop()),
                        part => found.push(part),
                    }
                }
                return Ok(found);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (Some(parent), Some(part)) = (at.parent(), at.components().next_back()) else {
                    return Err(error);
                };
                missing.push(part);
                at = parent;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_beside_the_node_s_directory_under_its_name() {
        let home = tempfile::tempdir().unwrap();
        let node = home.path().join("police");
        let default = place(None, &node).unwrap();
        assert_eq!(default, home.path().join("police-identity.key"));
        assert_eq!(place(None, &node.join(".")).unwrap(), default);
        // Directories above that don't exist yet are made with the node's.
        let deep = home.path().join("a/b/police");
        let default = place(None, &deep).unwrap();
        assert_eq!(default, home.path().join("a/b/police-identity.key"));
        // A directory that is named by where it is.
        fs::create_dir(&node).unwrap();
        fs::create_dir(node.join("x")).unwrap();
        let home = home.path().canonicalize().unwrap();
        let default = place(None, &node.join("x/..")).unwrap();
        assert_eq!(default, home.join("police-identity.key"));
        assert!(place(None, Path::new("/")).is_err());
    }

    #[test]
    fn no_spelling_of_a_place_in_the_node_s_directory_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let node = home.path().join("police");
        let refused = |given: &Path, dir: &Path| {
            let refused = place(Some(given), dir).unwrap_err();
            assert!(refused.contains("the node's directory"), "{refused}");
        };
        // Before it exists, and afterwards.
        for _ in 0..2 {
            for inside in [
                "police/identity.key",
                "police",
                "police/keys/identity.key",
                "elsewhere/../police/identity.key",
                "police/../police/./identity.key",
            ] {
                refused(&home.path().join(inside), &node);
            }
            let _ = fs::create_dir(&node);
        }
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&node, &link).unwrap();
        refused(&link.join("identity.key"), &node);
        refused(&node.join("identity.key"), &link);
        for outside in ["police-identity.key", "police2.key", "police/../x.key"] {
            let path = home.path().join(outside);
            assert_eq!(place(Some(&path), &node), Ok(path));
        }
    }

    #[test]
    fn nothing_that_exists_is_overwritten_and_no_directory_is_made_for_a_key() {
        let home = tempfile::tempdir().unwrap();
        let node = home.path().join("police");
        let [there, dangling] = ["there", "dangling"].map(|name| home.path().join(name));
        fs::write(&there, "").unwrap();
        std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
        for path in [there, dangling] {
            let refused = place(Some(&path), &node).unwrap_err();
            assert!(refused.contains("already exists"), "{refused}");
        }
        let refused = place(Some(&home.path().join("no/x.key")), &node).unwrap_err();
        assert!(refused.contains("is not a directory"), "{refused}");
    }
}
