//! A node whose keys are encrypted under a passphrase.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{Ran, TestNet, certmesh, deadline, founded_with, node_command, run, until};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn secret(path: PathBuf, content: &str) -> PathBuf {
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn seal(net: &TestNet, passphrase: &Path) -> Ran {
    let dir = &net.member(0).dir;
    let args = ["--json", "department", "seal-keys", "--dir", text(dir)];
    let args = [&args[..], &["--passphrase-file", text(passphrase)]].concat();
    let ran = certmesh(&args, b"", None, None);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// `certmesh-node check`, with credentials of a service manager in a directory.
fn check(net: &TestNet, credentials: Option<&Path>) -> Ran {
    let config = net.member(0).config();
    let args = ["check", "--config", text(&config)];
    run("node", &args, b"", |command| {
        if let Some(dir) = credentials {
            command.env("CREDENTIALS_DIRECTORY", dir);
        }
    })
}

#[test]
fn a_node_opens_its_keys_with_the_passphrase_and_does_not_start_without() {
    let directory = tempfile::tempdir().unwrap();
    let credentials = directory.path();
    let text_of_it = "six words drawn by dice\n";
    let passphrase = secret(credentials.join("passphrase"), text_of_it);
    // Another may read it as well, by its mode: a service manager lets its services by an access control list.
    let credential = secret(credentials.join("certmesh-keys"), text_of_it);
    fs::set_permissions(credential, Permissions::from_mode(0o440)).unwrap();
    // As a service manager starts it.
    let variable = format!("CREDENTIALS_DIRECTORY={}", text(credentials));
    let mut command = vec!["env".into(), variable.into()];
    command.extend(node_command());
    let mut net = founded_with(2, command);
    let sealed = seal(&net, &passphrase).json();
    assert_eq!(
        (&sealed["changed"], &sealed["files"]),
        (&5.into(), &5.into())
    );

    let without = check(&net, None);
    assert_eq!(without.code, 2);
    for said in [
        "field.key: it is encrypted",
        "keys.passphrase_file",
        "certmesh-keys",
    ] {
        assert!(without.err.contains(said), "{without:?}");
    }
    let with = check(&net, Some(credentials));
    assert_eq!(with.code, 0, "{with:?}");

    let config = net.member(0).config();
    let configured = |passphrase: &Path| {
        let text = fs::read_to_string(&config).unwrap();
        let lines = text.lines();
        let lines = lines.filter(|line| !line.starts_with("passphrase_file"));
        let text: Vec<&str> = lines.collect();
        let named = format!("[keys]\npassphrase_file = \"{}\"", passphrase.display());
        fs::write(&config, text.join("\n").replace("[keys]", &named)).unwrap();
    };
    let wrong = secret(net.scratch("wrong"), "another six words by dice");
    configured(&wrong);
    let wrong = check(&net, None);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("signing.key: wrong passphrase"),
        "{wrong:?}"
    );
    configured(&passphrase);
    let right = check(&net, None);
    assert_eq!(right.code, 0, "{right:?}");
    net.start_all(deadline()).unwrap();

    // A key that takes the place of another while it runs is encrypted like that, and not under another passphrase.
    let dir = net.member(0).dir.clone();
    let rotate = |passphrase: &Path| {
        let args = [
            "rotate",
            "--dir",
            text(&dir),
            "--keys-passphrase-file",
            text(passphrase),
        ];
        net.govern_signed(0, &args, &net.identity(0))
    };
    let other = secret(net.scratch("other"), "another six words by dice");
    let ran = rotate(&other);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("wrong passphrase"), "{ran:?}");
    let ran = rotate(&passphrase);
    assert_eq!(ran.code, 0, "{ran:?}");
    let epoch = |net: &TestNet| {
        let members = net.govern(0, &["members"]).json();
        let code = net.code(0);
        let own = members["members"].as_array().unwrap().iter();
        let mut own = own.filter(|member| member["department"] == code.as_str());
        own.next().unwrap()["epoch"].as_u64().unwrap()
    };
    until("the next key to be in force", || epoch(&net) == 1);
    assert_eq!(seal(&net, &passphrase).json()["changed"], 0);
    net.stop(0).unwrap();
    net.start_again(0);
    assert_eq!(epoch(&net), 1);
}
