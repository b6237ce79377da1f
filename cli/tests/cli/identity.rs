//! The identity key: apart from the node, encrypted, its passphrase never seen.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use certmesh_ledger::crypto::identity_file::IdentityFile;
use certmesh_ledger::crypto::passphrase::Passphrase;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tempfile::TempDir;

use crate::command::{PASSPHRASE, Run, binary, certmesh};

const CODE: &str = "11430000006122244L";
const VARIABLE: &str = "CERTMESH_IDENTITY_PASSPHRASE";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The arguments that set up `police` in a directory.
fn init_args<'a>(dir: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["department", "init", "--code", CODE, "--name", "Police"];
    [&args, &["--dir", text(dir)][..], more].concat()
}

fn set_up() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    certmesh(init_args(&home.path().join("police"), &[])).exits(0);
    let key = home.path().join("police-identity.key");
    (home, key)
}

/// The command where the environment has no passphrase, or another.
fn certmesh_with(passphrase: Option<&str>, args: &[&str]) -> Run {
    let mut command = binary();
    match passphrase {
        Some(passphrase) => command.env(VARIABLE, passphrase),
        None => command.env_remove(VARIABLE),
    };
    let output = command.args(args).stdin(Stdio::null()).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn secret_file(home: &Path, name: &str, content: &str) -> String {
    let path = home.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    text(&path).to_owned()
}

/// Whether a passphrase opens the file, and the key in it is the one it shows.
fn opens(key: &Path, passphrase: &str) -> bool {
    let file = IdentityFile::from_bytes(&fs::read(key).unwrap()).unwrap();
    let opened = file.open(&Passphrase::new(passphrase).unwrap());
    opened.is_ok_and(|opened| opened.public() == *file.public())
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn the_identity_key_is_beside_the_node_s_directory_and_opens_with_its_passphrase() {
    let (home, key) = set_up();
    assert_eq!(names(home.path()), ["police", "police-identity.key"]);
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(opens(&key, PASSPHRASE));
    assert!(!home.path().join("police/keys/identity.key").exists());
    // Whose it is shows without the passphrase, and is what the founder is sent.
    let shown = certmesh_with(None, &["identity", "show", text(&key), "--json"]).exits(0);
    let shown = shown.json();
    let department = fs::read_to_string(home.path().join("police/department.toml")).unwrap();
    let department: toml::Table = department.parse().unwrap();
    assert_eq!(shown["department"], CODE);
    assert_eq!(
        shown["identity_key"].as_str(),
        department["identity_key"].as_str()
    );
    let cost = serde_json::json!({ "memory_kib": 65_536, "passes": 3, "lanes": 1 });
    assert_eq!(shown["argon2id"], cost);
    let shown = certmesh(["identity", "show", text(&key)]).exits(0).out;
    assert!(
        shown.contains(CODE) && shown.contains("memory 65536 KiB"),
        "{shown}"
    );
}

#[test]
fn a_place_in_the_node_s_directory_is_refused_with_the_reason_and_nothing_is_written() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("police");
    let inside = dir.join("keys/identity.key");
    let run = certmesh(init_args(&dir, &["--identity-key", text(&inside)])).exits(2);
    assert!(
        run.err.contains("the node's directory") && run.err.contains("backup"),
        "{}",
        run.err
    );
    assert!(names(home.path()).is_empty());
    let outside = home.path().join("safe.key");
    let made = certmesh(init_args(
        &dir,
        &["--identity-key", text(&outside), "--json"],
    ));
    let made = made.exits(0).json();
    assert_eq!(made["identity_key_file"].as_str(), Some(text(&outside)));
    assert!(opens(&outside, PASSPHRASE));
    // Another department's key is never overwritten.
    let other = home.path().join("other");
    let before = fs::read(&outside).unwrap();
    let run = certmesh(init_args(&other, &["--identity-key", text(&outside)])).exits(2);
    assert!(run.err.contains("already exists"), "{}", run.err);
    assert_eq!(fs::read(&outside).unwrap(), before);
    assert!(!other.exists());
}

#[test]
fn without_a_passphrase_that_holds_no_key_is_made() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("police");
    let none = certmesh_with(None, &init_args(&dir, &[])).exits(2);
    for said in ["no terminal", "--passphrase-file", VARIABLE] {
        assert!(none.err.contains(said), "{}", none.err);
    }
    for (passphrase, said) in [("", "is empty"), ("elevenchars", "has 11 characters")] {
        let run = certmesh_with(Some(passphrase), &init_args(&dir, &[])).exits(2);
        assert!(
            run.err.contains(said) && run.err.contains(VARIABLE),
            "{}",
            run.err
        );
        let file = secret_file(home.path(), "passphrase", &format!("{passphrase}\n"));
        let args = init_args(&dir, &["--passphrase-file", &file]);
        let run = certmesh(args).exits(2);
        assert!(
            run.err.contains(said) && run.err.contains(&file),
            "{}",
            run.err
        );
        assert!(passphrase.is_empty() || !run.err.contains(passphrase));
    }
    // Others could read it.
    let file = secret_file(home.path(), "passphrase", PASSPHRASE);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let run = certmesh(init_args(&dir, &["--passphrase-file", &file])).exits(2);
    assert!(run.err.contains("chmod 600"), "{}", run.err);
    assert_eq!(names(home.path()), ["passphrase"]);
    // A file goes before the environment.
    let file = secret_file(home.path(), "passphrase", "that of the file\r\n");
    certmesh(init_args(&dir, &["--passphrase-file", &file])).exits(0);
    assert!(opens(
        &home.path().join("police-identity.key"),
        "that of the file"
    ));
}

#[test]
fn a_passphrase_is_changed_by_who_knows_it() {
    let (home, key) = set_up();
    let before = fs::read(&key).unwrap();
    let next = secret_file(home.path(), "next", "another passphrase\n");
    let change = ["identity", "passphrase", text(&key)];
    let to_next = [&change[..], &["--new-passphrase-file", &next]].concat();
    let wrong = certmesh_with(Some("not the passphrase"), &to_next).exits(2);
    assert!(wrong.err.contains("wrong passphrase"), "{}", wrong.err);
    let short = secret_file(home.path(), "short", "short");
    certmesh([&change[..], &["--new-passphrase-file", &short]].concat()).exits(2);
    // The present one is in the environment; the next one never is.
    let unsaid = certmesh(change).exits(2);
    assert!(
        unsaid.err.contains("--new-passphrase-file"),
        "{}",
        unsaid.err
    );
    let same = secret_file(home.path(), "same", PASSPHRASE);
    certmesh([&change[..], &["--new-passphrase-file", &same]].concat()).exits(2);
    assert_eq!(fs::read(&key).unwrap(), before);

    let changed = certmesh([&to_next[..], &["--json"]].concat()).exits(0);
    assert_eq!(changed.json()["department"], CODE);
    assert!(opens(&key, "another passphrase") && !opens(&key, PASSPHRASE));
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left = ["next", "police", "police-identity.key", "same", "short"];
    assert_eq!(names(home.path()), left);
}

#[test]
fn what_is_no_identity_key_is_refused_as_what_it_is() {
    let (home, key) = set_up();
    let good = fs::read(&key).unwrap();
    let mut later = good.clone();
    later[12] = 9;
    let mut costly = good.clone();
    costly[66..70].fill(0xFF);
    let signing = fs::read(home.path().join("police/keys/signing.key")).unwrap();
    for (bytes, said) in [
        (&good[..100], "cut off"),
        (&later, "later version"),
        (&costly, "out of bounds"),
        (&signing, "not an identity key file"),
    ] {
        fs::write(&key, bytes).unwrap();
        for command in ["show", "passphrase"] {
            let run = certmesh(["identity", command, text(&key)]).exits(2);
            assert!(
                run.err.contains(said) && run.err.contains("hint:"),
                "{}",
                run.err
            );
        }
    }
}

/// The command at a terminal: answers each question once it is asked. What the terminal showed, and the exit code.
fn at_a_terminal(args: &[&str], answers: &[(&str, &str)]) -> (String, i32) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let end = || Stdio::from(slave.try_clone().unwrap());
    let mut command = binary();
    command.env_remove(VARIABLE).args(args);
    command.stdin(end()).stdout(Stdio::null()).stderr(end());
    let mut child = command.spawn().unwrap();
    // From here on a command that ends early ends the terminal, and nothing waits for it.
    drop((slave, command));
    let mut terminal = File::from(master);
    let (mut shown, mut asked) = (String::new(), 0);
    for (question, answer) in answers {
        while !shown[asked..].contains(question) {
            let mut bytes = [0; 1024];
            let read = terminal.read(&mut bytes).unwrap();
            shown.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        asked = shown.len();
        terminal.write_all(answer.as_bytes()).unwrap();
        terminal.write_all(b"\n").unwrap();
    }
    let code = child.wait().unwrap().code().unwrap();
    let modes = tcgetattr(&terminal).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ECHO), "it shows again");
    let mut rest = Vec::new();
    let _ = terminal.read_to_end(&mut rest);
    shown.push_str(&String::from_utf8_lossy(&rest));
    (shown, code)
}

#[test]
fn a_person_is_asked_twice_and_what_is_typed_is_not_shown() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("police");
    let (first, again) = ("at least 12 characters:", "The same again:");
    let args = init_args(&dir, &[]);
    let typed = "舟山群岛的灯塔守望者之歌";
    let (shown, code) = at_a_terminal(&args, &[(first, typed), (again, "something else")]);
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("differ"), "{shown}");
    assert!(names(home.path()).is_empty());
    let (shown, code) = at_a_terminal(&args, &[(first, typed), (again, typed)]);
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(typed), "{shown}");
    let key = home.path().join("police-identity.key");
    assert!(opens(&key, typed));
    let change = ["identity", "passphrase", text(&key)];
    let asked = format!("Passphrase of {}:", key.display());
    let next = "quite another one";
    let answers = [(&asked[..], typed), (first, next), (again, next)];
    let (shown, code) = at_a_terminal(&change, &answers);
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(next) && opens(&key, next), "{shown}");
}
