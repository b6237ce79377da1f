//! The node's keys under a passphrase.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::command::{Run, certmesh};

const NAMES: [&str; 4] = ["signing.key", "transport.key", "sealing.key", "field.key"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn set_up() -> (TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("police");
    let args = [
        "department",
        "init",
        "--code",
        "11430000006122244L",
        "--name",
        "Police",
    ];
    certmesh([&args[..], &["--dir", text(&dir)]].concat()).exits(0);
    let dir = text(&dir).to_owned();
    (home, dir)
}

fn secret(home: &TempDir, name: &str, content: &str) -> String {
    let path = home.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    text(&path).to_owned()
}

fn seal(dir: &str, passphrase: &str, more: &[&str]) -> Run {
    let args = ["--json", "department", "seal-keys", "--dir", dir];
    let passphrase = ["--passphrase-file", passphrase];
    certmesh([&args[..], &passphrase, more].concat())
}

fn keys(dir: &str) -> Vec<String> {
    let read = |name: &&str| fs::read_to_string(Path::new(dir).join("keys").join(name));
    NAMES.iter().map(|name| read(name).unwrap()).collect()
}

#[test]
fn keys_are_sealed_as_often_as_it_is_run_and_come_back_as_they_were() {
    let (home, dir) = set_up();
    let passphrase = secret(&home, "passphrase", "six words drawn by dice\n");
    let before = keys(&dir);
    let sealed = seal(&dir, &passphrase, &[]).exits(0).json();
    assert_eq!(
        (&sealed["changed"], &sealed["files"]),
        (&4.into(), &4.into())
    );
    let after = keys(&dir);
    for (before, after) in before.iter().zip(&after) {
        let (label, digits) = before.trim_end().split_once(':').unwrap();
        assert!(after.starts_with(&format!("{label}-sealed:")), "{after}");
        assert!(!after.contains(digits));
    }
    // One salt for all: the node derives one key.
    let salt = |text: &String| text.split_once(':').unwrap().1[24..56].to_owned();
    assert!(after.iter().all(|text| salt(text) == salt(&after[0])));
    let mode = fs::metadata(Path::new(&dir).join("keys/field.key")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    // A key that was made since is sealed with the others, which stay.
    let next = Path::new(&dir).join("keys/signing.key.1");
    secret(&home, "police/keys/signing.key.1", &before[0]);
    let again = seal(&dir, &passphrase, &[]).exits(0).json();
    assert_eq!((&again["changed"], &again["files"]), (&1.into(), &5.into()));
    assert_eq!(keys(&dir), after);
    assert_eq!(salt(&fs::read_to_string(&next).unwrap()), salt(&after[0]));
    let undone = seal(&dir, &passphrase, &["--undo"]).exits(0).json();
    assert_eq!(undone["changed"], 5);
    assert_eq!(keys(&dir), before);
    assert_eq!(fs::read_to_string(&next).unwrap(), before[0]);
}

#[test]
fn what_is_wrong_leaves_every_key_as_it_is() {
    let (home, dir) = set_up();
    let passphrase = secret(&home, "passphrase", "six words drawn by dice");
    let other = secret(&home, "other", "another six words by dice");
    seal(&dir, &passphrase, &[]).exits(0);
    let sealed = keys(&dir);
    for more in [&[][..], &["--undo"]] {
        let wrong = seal(&dir, &other, more).exits(2);
        assert!(wrong.err.contains("wrong passphrase"), "{}", wrong.err);
        assert_eq!(keys(&dir), sealed);
    }
    // One of several is not a key.
    seal(&dir, &passphrase, &["--undo"]).exits(0);
    let plain = keys(&dir);
    secret(&home, "police/keys/signing.key.1", "nothing");
    let wrong = seal(&dir, &passphrase, &[]).exits(2);
    assert!(wrong.err.contains("signing.key.1"), "{}", wrong.err);
    assert_eq!(keys(&dir), plain);
    let short = secret(&home, "short", "too short");
    let short = seal(&dir, &short, &[]).exits(2);
    assert!(short.err.contains("at least 12"), "{}", short.err);
}
