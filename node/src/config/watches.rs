//! The folders that are watched: every fault of every one of them.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use toml::{Table, Value};

use super::settings::Settings;
use crate::watch::WatchConfig;
use crate::watch::{DONE, REJECTED};
use certmesh_ledger::id::TypeCode;
use certmesh_tables::Map;
use certmesh_text::hint;

/// Most folders of one peer.
pub(super) const MAX_WATCHES: usize = 64;
const KEYS: [&str; 3] = ["folder", "type", "map"];

/// The watches that have no fault; the faults of the others are noted.
pub(super) fn watches(s: &mut Settings) -> Vec<WatchConfig> {
    let tables = s.tables("watch");
    if tables.len() > MAX_WATCHES {
        let detail = format!(
            "there are {}, at most {MAX_WATCHES} are allowed",
            tables.len()
        );
        s.wrong("watch", detail);
    }
    let mut places = BTreeSet::new();
    let mut good = Vec::new();
    for (i, table) in tables.iter().take(MAX_WATCHES).enumerate() {
        let at = format!("watch[{i}]");
        for key in table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let hint = hint(key, KEYS);
            s.wrong(
                &format!("{at}.{key}"),
                format!("there is no such setting{hint}"),
            );
        }
        // Every one is looked at before any is missed.
        let folder = text(s, table, &at, "folder").map(|folder| {
            let folder = s.beside_file(folder);
            check_folder(s, &format!("{at}.folder"), &folder, &mut places);
            folder
        });
        let type_code = text(s, table, &at, "type").and_then(|code| {
            code.parse::<TypeCode>()
                .map_err(|error| s.wrong(&format!("{at}.type"), certmesh_text::parse_fault(error)))
                .ok()
        });
        let map = text(s, table, &at, "map").and_then(|map| {
            let path = s.beside_file(map);
            Map::read(&path)
                .map_err(|error| {
                    s.wrong(
                        &format!("{at}.map"),
                        format!("{}: {error}", path.display()).replace('\n', "\n  "),
                    );
                })
                .ok()
        });
        if let (Some(folder), Some(type_code), Some(map)) = (folder, type_code, map) {
            good.push(WatchConfig {
                folder,
                type_code,
                map,
            });
        }
    }
    good
}

fn text<'t>(s: &mut Settings, table: &'t Table, at: &str, name: &str) -> Option<&'t str> {
    let key = format!("{at}.{name}");
    match table.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        Some(Value::String(_)) => {
            s.wrong(&key, "is empty");
            None
        }
        Some(other) => {
            s.wrong(&key, format!("is {}, expected a string", other.type_str()));
            None
        }
        None => {
            s.wrong(
                &key,
                "is missing; each [[watch]] has a folder, a type and a map",
            );
            None
        }
    }
}

/// Files are taken from the folder and moved to the two in it, so all must be writable and on one file system.
fn check_folder(s: &mut Settings, key: &str, folder: &Path, places: &mut BTreeSet<PathBuf>) {
    let wrong = |s: &mut Settings, path: &Path, what: &str| {
        s.wrong(key, format!("{}: {what}", path.display()));
    };
    let found = match folder.metadata() {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return wrong(s, folder, "isn't a directory"),
        Err(error) => return wrong(s, folder, &error.to_string()),
    };
    if folder
        .canonicalize()
        .is_ok_and(|place| !places.insert(place))
    {
        wrong(s, folder, "is watched already");
    }
    let open = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    if let Err(error) = access(folder, open) {
        let what = format!("the peer must be able to read and write it: {error}");
        wrong(s, folder, &what);
    }
    for name in [DONE, REJECTED] {
        let path = folder.join(name);
        match path.symlink_metadata() {
            Ok(below) if !below.is_dir() => {
                wrong(
                    s,
                    &path,
                    "files are to be moved there, but it isn't a directory",
                );
            }
            Ok(below) if below.dev() != found.dev() => {
                wrong(
                    s,
                    &path,
                    "is on another file system than the folder it is in",
                );
            }
            Ok(_) => {
                if let Err(error) = access(&path, open) {
                    wrong(s, &path, &format!("files are to be moved there: {error}"));
                }
            }
            // It is made at the start.
            Err(_) => {}
        }
    }
}
